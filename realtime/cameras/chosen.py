"""The webcam that a user chose, in this run and the next ones, whatever number it has today."""

from __future__ import annotations

from realtime.cameras import open_camera
from realtime.cameras.base import Camera, CameraLost
from realtime.cameras.memory import remember
from realtime.cameras.webcam import Webcam, open_webcam
from realtime.devices.discovery import VideoDevice, list_devices


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
    ) -> None:
        """Remember the choice; nothing is opened yet. The arguments are those of `open_camera`."""
        self._choice = choice
        self._size = size
        self._fps = fps
        self._full_pace = full_pace
        self._device: VideoDevice | None = None

    def __call__(self) -> Camera:
        """Open the camera.

        Raises:
            UserError: as `open_camera`.
            CameraLost: the camera of this run is not plugged in.
        """
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
