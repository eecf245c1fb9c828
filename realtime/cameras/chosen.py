"""The webcam that a user chose, in this run and the next ones, whatever number it has today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.cameras import open_camera
from realtime.cameras.base import Camera, CameraLost
from realtime.cameras.memory import remember
from realtime.cameras.webcam import Webcam, open_webcam
from realtime.devices.discovery import VideoDevice, list_devices


@dataclass(frozen=True)
class Wish:
    """What the user has asked for in so many words; None: nothing.

    Attributes:
        size: (width, height) in pixels.
        fps: frames per second.
    """

    size: tuple[int, int] | None = None
    fps: float | None = None

    def unmet(self, camera: Camera) -> str:
        """The line that says what the camera gives instead; "" if it gives what is wished."""
        if self.size is None and self.fps is None:
            return ""
        if not isinstance(camera, Webcam):
            if self.fps is None:
                return ""
            return f"--camera-fps is for webcams; {camera.name} has a rate of its own."
        wide, high = camera.size
        size = f"{wide}x{high}"
        parts = []
        if self.size is not None and self.size != camera.size:
            parts.append(f"has no pictures of {self.size[0]}x{self.size[1]} but of {size}")
        # Rates such as 29.97 are called 30.
        if self.fps is not None and camera.fps and abs(self.fps - camera.fps) > 0.5:
            parts.append(f"gives not {self.fps:g} but {camera.fps:.3g} frames per second at {size}")
        return f"{camera.device_label} {', and '.join(parts)}." if parts else ""


class ChosenCamera:
    """Opens what `--camera` says: called once at the start, and again after the camera was lost.

    From the first success on it is that very device, by its identity. An unplugged webcam may come
    back under another number, and its old number may by then belong to another camera, which must
    not be shown instead.
    """

    def __init__(
        self,
        choice: str,
        *,
        size: tuple[int, int] | None = (1280, 720),
        fps: float = 30.0,
        full_pace: bool = False,
        wish: Wish = Wish(),  # noqa: B008  frozen
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Remember the choice; nothing is opened yet. The others are those of `open_camera`.

        Args:
            choice: what `--camera` says.
            size: (width, height) to ask for.
            fps: the rate to ask for.
            full_pace: give every frame without waiting.
            wish: what of these the user has asked for; what cannot be met is told, once.
            notify: called with one line for the user.
        """
        self._choice = choice
        self._size = size
        self._fps = fps
        self._full_pace = full_pace
        self._wish = wish
        self._notify = notify
        self._told = ""
        self._device: VideoDevice | None = None

    def __call__(self) -> Camera:
        """Open the camera.

        Raises:
            UserError: as `open_camera`.
            CameraLost: the camera of this run is not plugged in.
        """
        camera = self._open()
        line = self._wish.unmet(camera)
        if line and line != self._told:
            self._told = line
            self._notify(line)
        return camera

    def _open(self) -> Camera:
        known = self._device
        if known is not None and known.identity:
            for device in list_devices():
                if device.identity == known.identity and device.capture:
                    return open_webcam(device, self._size, self._fps)
            raise CameraLost(f"The camera {known.name} is not plugged in; plug it in again.")
        camera = open_camera(
            self._choice, size=self._size, fps=self._fps, full_pace=self._full_pace
        )
        if isinstance(camera, Webcam):
            self._device = camera.device
            if self._choice != "auto":
                remember(camera.device)
        return camera
