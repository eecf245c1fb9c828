"""What a place for avatar frames must do."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from models.errors import UserError
from realtime.frames import AvatarFrame


class SinkError(UserError):
    """A sink cannot be opened or written to any more (missing device, full disk)."""


class Sink(Protocol):
    """A virtual camera, a recording, or nothing at all.

    All frames given to one sink have the size and are meant for the rate it was opened with.
    """

    name: str
    """For the status line: "OBS Virtual Camera", "out.mp4"."""

    def write(self, frame: AvatarFrame) -> None:
        """Show or store one frame.

        Raises:
            TypeError: it is not an `AvatarFrame` (the camera's frames must never leave).
            SinkError: the device or the disk refused it.
        """
        ...

    def close(self) -> None:
        """Finish and let go; safe to call twice."""
        ...

    def __enter__(self) -> Sink: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def require_avatar_frame(frame: object) -> AvatarFrame:
    """Return `frame` if it is an avatar frame; every sink calls this first.

    Raises:
        TypeError: it is anything else, such as a camera frame or a bare array.
    """
    if type(frame) is not AvatarFrame:
        raise TypeError(f"a sink takes avatar frames only, not {type(frame).__name__}")
    return frame
