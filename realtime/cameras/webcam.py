"""Webcams through OpenCV, with a thread that keeps only the newest frame."""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np

from models.errors import UserError
from models.types import Image
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.devices.discovery import VideoDevice, capture_backend
from realtime.frames import CameraFrame

_PATIENCE = 2.0
"""Seconds without a frame after which a camera that had worked counts as lost: longer than any
exposure, short enough for it to be opened again soon."""

_WARM_UP = 6.0
"""Seconds a camera may take for its first frame: some need three to wake up."""

_SIZES = (
    (320, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (960, 540),
    (1024, 768),
    (1280, 720),
    (1280, 960),
    (1600, 1200),
    (1920, 1080),
    (2560, 1440),
    (3840, 2160),
)
"""What webcams have, in pixels: most have several of these and hardly any other."""

_RETRY = 0.02
"""Seconds between attempts when the device answers "no frame" at once (it was unplugged): less than
a frame takes, but no busy waiting."""


class Webcam(Closing):
    """An opened OpenCV capture that a thread of its own reads without pause.

    A driver queues several frames; whoever reads slower than the camera would get old ones (half
    a second at 150 ms a frame). The thread takes each as it comes and `read` gets the newest.

    Attributes:
        name: for the status line.
        device: what was opened, if it is one of the system's list.
        size: (width, height) in pixels that it gives.
        fps: frames per second that it promises, 0 if it does not say.
    """

    def __init__(
        self,
        capture: cv2.VideoCapture,
        label: str,
        device: VideoDevice | None = None,
        *,
        patience: float = _PATIENCE,
        warm_up: float = _WARM_UP,
    ) -> None:
        """Start reading and wait for the first frame. The capture belongs to this object now.

        Args:
            capture: an opened capture.
            label: what to call the camera in messages.
            device: what was opened, if it is one of the system's list.
            patience: seconds without a frame after which the camera counts as lost.
            warm_up: seconds to wait for the first frame.

        Raises:
            CameraLost: no frame came in time.
        """
        self._capture = capture
        self._label = label
        self.device = device
        self._patience = patience
        self._changed = threading.Condition()
        self._newest: CameraFrame | None = None
        self._taken = -1
        self._heard = time.perf_counter()
        self._failed = False
        self._stop = threading.Event()
        self.size, self.fps = _size(capture), max(float(capture.get(cv2.CAP_PROP_FPS)), 0.0)
        self.name = f"{label} {_describe(capture)}"
        self._thread = threading.Thread(target=self._grab, name="webcam", daemon=True)
        self._thread.start()
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._failed, warm_up)
        if self._newest is None:
            self.close()
            raise CameraLost(
                f"{label} gives no pictures; close other programs that use it, or choose another "
                "camera with --camera."
            )

    @property
    def device_label(self) -> str:
        """Name and place, for messages."""
        return self._label

    def read(self) -> CameraFrame:
        """The newest frame that was not given before; waits until there is one.

        Raises:
            CameraLost: no frame came for the time of patience, or the camera was closed.
        """
        with self._changed:
            while not self._has_news():
                left = self._heard + self._patience - time.perf_counter()
                if self._failed or self._stop.is_set() or left <= 0:
                    raise CameraLost(
                        f"{self._label} stopped giving pictures; plug it in again or close other "
                        "programs that use it."
                    )
                self._changed.wait(left)
            assert self._newest is not None
            self._taken = self._newest.index
            return self._newest

    def close(self) -> None:
        """Let the camera go; safe to call twice."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        # A driver may hang in a read; the thread then ends by itself, and the device with it.
        self._thread.join(timeout=1.0)

    def _has_news(self) -> bool:
        return self._newest is not None and self._newest.index > self._taken

    def _grab(self) -> None:
        """Read until stopped or lost; only this thread touches the capture."""
        index = 0
        try:
            while not self._stop.is_set():
                # The time belongs to the grab: decoding what was grabbed is already our latency.
                ok = self._capture.grab()
                at = time.perf_counter()
                picture = self._capture.retrieve()[1] if ok else None
                if picture is None:
                    if at - self._heard > self._patience:
                        break
                    self._stop.wait(_RETRY)
                    continue
                frame = CameraFrame(_to_rgb(picture), at, index)
                index += 1
                with self._changed:
                    self._newest, self._heard = frame, time.perf_counter()
                    self._changed.notify_all()
        finally:
            # OpenCV complains on the terminal about a device that is no longer there.
            with _quiet_opencv():
                self._capture.release()
            with self._changed:
                self._failed = True
                self._changed.notify_all()


def open_webcam(device: VideoDevice, size: tuple[int, int] | None, fps: float) -> Webcam:
    """Open a device with the size and rate nearest to the wish that it has.

    Args:
        device: from `discovery.list_devices`.
        size: (width, height) to ask for, or None for the device's own.
        fps: frames per second to ask for.

    Raises:
        UserError: missing, no permission, taken by another program, or without pictures.
    """
    with _quiet_opencv():
        if device.path is not None:
            capture = cv2.VideoCapture(device.path, capture_backend())
        else:
            capture = cv2.VideoCapture(device.index, capture_backend())
        if not capture.isOpened():
            capture.release()
            raise UserError(_why_closed(device))
        _ask_for(capture, size, fps)
        return Webcam(capture, device.label, device)


def _why_closed(device: VideoDevice) -> str:
    """Why a device cannot be opened; asked only then, since pw-v4l2 opens paths of no file."""
    if device.path is not None and not os.path.exists(device.path):
        return (
            f"There is no {device.path}; plug the camera in, or list the cameras with "
            "`avatarify-like doctor`."
        )
    if device.path is not None and not os.access(device.path, os.R_OK | os.W_OK):
        return (
            f"You may not use {device.path}; run `sudo usermod -aG video $USER` and log in again."
        )
    if device.virtual:
        return (
            f"{device.label} is a virtual camera, and no program writes to it now; start that "
            "program first, or choose another camera with --camera."
        )
    return (
        f"The camera {device.label} cannot be opened; close other programs that use "
        f"it{_permission_hint()}, or choose another camera with --camera."
    )


def _ask_for(capture: cv2.VideoCapture, size: tuple[int, int] | None, fps: float) -> None:
    """Set the format; what the device does not have is replaced by what is nearest to it."""
    # Uncompressed pictures above VGA or 30 fps do not fit through USB 2, so most webcams give them
    # at 5 to 10 fps. Compression must be asked for first: some drivers reset it with the size.
    much = fps > 30 or (size is not None and size[0] * size[1] > 640 * 480)
    if much and platform.system() != "Darwin":
        capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
    if size is not None:
        _set_size(capture, size)
    capture.set(cv2.CAP_PROP_FPS, fps)


def _set_size(capture: cv2.VideoCapture, wish: tuple[int, int]) -> None:
    """Set the size, or the nearest one: not every driver looks for that by itself."""

    def far(size: tuple[int, int]) -> int:
        return abs(size[0] - wish[0]) + abs(size[1] - wish[1])

    def given(size: tuple[int, int]) -> tuple[int, int]:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
        return _size(capture)

    asked, best = wish, given(wish)
    for other in sorted(_SIZES, key=far):
        if far(other) >= far(best):
            break
        asked = other
        if (got := given(other)) == other:
            return
        best = min(best, got, key=far)
    if asked != wish:
        given(best)


def _size(capture: cv2.VideoCapture) -> tuple[int, int]:
    return (
        int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
    )


def _describe(capture: cv2.VideoCapture) -> str:
    """What the device really gives: "1280x720 30 fps MJPG" (it may ignore every wish)."""
    width, height = _size(capture)
    fps = capture.get(cv2.CAP_PROP_FPS)
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    letters = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)) if code > 0 else ""
    words = [f"{width}x{height}", f"{fps:.3g} fps" if fps > 0 else "", letters.strip("\0 ")]
    return " ".join(word for word in words if word and word.isprintable())


def _to_rgb(picture: cv2.typing.MatLike) -> Image:
    """OpenCV's picture (grey or BGR) as RGB."""
    code = cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(picture, code), dtype=np.uint8)


def _permission_hint() -> str:
    if platform.system() == "Darwin":
        return ", allow the terminal under System Settings > Privacy & Security > Camera"
    return ""


@contextlib.contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's own warnings off the terminal: our sentence says it better."""
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(before)
