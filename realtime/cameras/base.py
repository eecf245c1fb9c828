"""What a source of driving frames must do."""

from __future__ import annotations

from typing import Protocol

from models.errors import UserError
from realtime.closing import Closing
from realtime.frames import CameraFrame


class CameraLost(UserError):
    """The camera stopped giving frames (unplugged, taken by another program, broken file)."""


class Camera(Closing, Protocol):
    """A source of driving frames: a webcam, a video file, the embedded demo clip.

    `read` blocks until the next frame is due, so that the caller needs no pacing of its own:
    a webcam at its own rate, a clip at the rate of the clip (in real time, looping).
    """

    name: str
    """For the status line: "Integrated Camera (/dev/video0) 1280x720 30 fps MJPG"."""

    def read(self) -> CameraFrame:
        """The newest frame.

        Raises:
            CameraLost: no more frames come; `close` it and open it again to retry.
        """
        ...
