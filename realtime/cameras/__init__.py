"""Sources of driving frames."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.errors import UserError
from realtime.addresses import hide_secrets, is_address, lacks_scheme, parse
from realtime.cameras.base import Camera, CameraLost
from realtime.cameras.memory import preferred
from realtime.devices.discovery import VideoDevice, find_device, list_devices, real_cameras

__all__ = ["CAMERA_KINDS", "Camera", "CameraLost", "CameraRequest", "chosen_device", "open_camera"]

_NO_CAMERA = (
    "No webcam was found; plug one in (`avatarify-like doctor` lists what is there), or try "
    "`--camera demo`, which works without one."
)


@dataclass(frozen=True)
class CameraRequest:
    """What a camera is opened for.

    Attributes:
        what: the part of `--camera KIND:WHAT` that is the kind's own, or "".
        size: (width, height) in pixels to ask for, or None for the camera's own.
        fps: frames per second to ask for.
        full_pace: give every frame without waiting, if the camera can.
    """

    what: str
    size: tuple[int, int] | None
    fps: float
    full_pace: bool


def open_camera(
    choice: str,
    *,
    size: tuple[int, int] | None = (1280, 720),
    fps: float = 30.0,
    full_pace: bool = False,
) -> Camera:
    """Open the camera that a user asked for.

    Args:
        choice: `auto` (the webcam that was chosen last, else the first real one that gives
            frames), a kind of `CAMERA_KINDS` such as `demo` (the embedded clip), an address of the
            network, the number, path, identity or part of the name of a device, or the path of a
            video or GIF.
        size: (width, height) to ask a webcam for (it gives what it has); the size that pictures of
            a clip or an address are shrunk to fit in. None: leave it.
        fps: the rate to ask a webcam for; a clip has its own.
        full_pace: give every frame of a clip without waiting (benchmarks).

    Raises:
        UserError: nothing was found under that name, or it cannot be opened.
    """
    kind, _, what = choice.partition(":")
    if kind in CAMERA_KINDS and not (what and os.path.isfile(choice)):
        return CAMERA_KINDS[kind](CameraRequest(what, size, fps, full_pace))
    if is_address(choice) and not os.path.isfile(choice):
        from realtime.cameras.network import open_address

        return open_address(choice, size)
    if choice == "auto":
        return _first_webcam(size, fps)
    device = _named(choice)
    if device is not None:
        from realtime.cameras.webcam import open_webcam

        return open_webcam(device, size, fps)
    if not _looks_like_file(choice):
        raise UserError(
            f"No camera matches {hide_secrets(choice)!r} and no such file exists; `avatarify-like "
            "doctor` lists the cameras, and `--camera demo` works without one."
        )
    if lacks_scheme(choice):
        parse(choice)  # Says what is missing, and repeats nothing.
    from realtime.cameras.clip import ClipCamera

    return ClipCamera(choice, size=size, full_pace=full_pace)


def chosen_device(choice: str) -> VideoDevice | None:
    """The video device that `--camera` names, or None if it names none or leaves the choice."""
    if choice == "auto" or choice.partition(":")[0] in CAMERA_KINDS or is_address(choice):
        return None
    return _named(choice)


def _open_demo(request: CameraRequest) -> Camera:
    from realtime.cameras.clip import ClipCamera
    from realtime.paths import asset_path

    demo, full_pace = asset_path("demo.mp4"), request.full_pace
    return ClipCamera(demo, size=request.size, name="demo", full_pace=full_pace)


CAMERA_KINDS: dict[str, Callable[[CameraRequest], Camera]] = {"demo": _open_demo}
"""What `--camera KIND` or `--camera KIND:WHAT` opens; what is no kind is a device or a file."""


def _first_webcam(size: tuple[int, int] | None, fps: float) -> Camera:
    """The webcam that was chosen last, or the first that gives frames."""
    from realtime.cameras.webcam import open_webcam

    trouble: UserError | None = None
    for device in preferred(real_cameras(list_devices())):
        try:
            return open_webcam(device, size, fps)
        except UserError as error:
            trouble = trouble or error
    if trouble is not None:
        raise UserError(f"{str(trouble).rstrip('.')}; `--camera demo` works without a webcam.")
    raise UserError(_NO_CAMERA)


def _named(choice: str) -> VideoDevice | None:
    """The device that `choice` names, also one that the system's list does not show."""
    if os.path.isfile(choice) or os.path.isdir(choice):
        return None
    device = find_device(choice, list_devices())
    if device is None and choice.isdecimal():
        path = f"/dev/video{choice}" if os.name == "posix" and os.path.isdir("/sys/class") else None
        device = VideoDevice(int(choice), f"camera {choice}", path)
    elif device is None and choice.startswith("/dev/"):
        device = VideoDevice(-1, "camera", choice)
    return device


def _looks_like_file(choice: str) -> bool:
    return os.path.exists(choice) or bool(Path(choice).suffix) or os.sep in choice
