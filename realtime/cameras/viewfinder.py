"""What a camera sees, shown small, while the user chooses one: one at a time, and only so long."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np

from models.errors import UserError
from models.types import Image
from realtime.cameras.base import Camera, CameraLost
from realtime.cameras.webcam import open_webcam
from realtime.devices.discovery import VideoDevice

WIDTH = 320
"""Pixels of a picture, as the preview of the panel has."""

_IDLE = 3.0
"""Seconds without a question after which the camera is let go: pages ask about every second."""

_QUALITY = 80
"""Of JPEG, as the preview's."""

_ASKED_FOR = (640, 480)
"""What a webcam is asked for: every one has it."""

_FPS = 30.0
"""Frames per second, likewise."""


def _opened(device: VideoDevice) -> Camera:
    return open_webcam(device, _ASKED_FOR, _FPS)


class Viewfinder:
    """Keeps at most one camera open, until nobody looks any more. Any thread may call it."""

    def __init__(
        self, open_device: Callable[[VideoDevice], Camera] = _opened, idle: float = _IDLE
    ) -> None:
        """Open nothing yet.

        Args:
            open_device: opens a camera; raises `UserError`.
            idle: seconds after which a camera that nobody asks about is closed.
        """
        self._open, self._idle = open_device, idle
        self._lock = threading.Lock()
        self._camera: Camera | None = None
        self._device: VideoDevice | None = None
        self._timer: threading.Timer | None = None

    def picture(self, device: VideoDevice) -> bytes:
        """What a camera sees now, as a JPEG file; another one that was open is closed first.

        Raises:
            UserError: it is busy, or gives no picture.
        """
        with self._lock:
            if not device.same(self._device):
                self._close()
            if self._camera is None:
                self._camera, self._device = self._open(device), device
            self._close_later()
            try:
                return small(self._camera.read().image)
            except CameraLost:
                self._close()
                raise

    def release(self) -> None:
        """Let the camera go now; waits for one that is just being opened."""
        with self._lock:
            self._close()

    def _close_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._idle, self.release)
        self._timer.daemon = True
        self._timer.start()

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        camera, self._camera, self._device, self._timer = self._camera, None, None, None
        if camera is not None:
            camera.close()


def small(image: Image) -> bytes:
    """A picture `WIDTH` wide at most, as a JPEG file.

    Args:
        image: (H, W, 3), RGB.
    """
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(round(height * WIDTH / width), 2))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not done:
        raise UserError("The picture cannot be shown.")
    return bytes(data)
