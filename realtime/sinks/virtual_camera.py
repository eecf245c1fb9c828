"""A virtual camera that Zoom, Teams, OBS and browsers can pick, through pyvirtualcam."""

from __future__ import annotations

import contextlib
import os
import platform
import struct
import time
from types import TracebackType
from typing import Any

from realtime.cameras.discovery import Device, find_device, list_devices, virtual_outputs
from realtime.frames import AvatarFrame
from realtime.remedy import Host, join_video_group, missing_virtual_camera
from realtime.sinks.base import Backend, Found, Request, SinkError, require_avatar_frame

_CHECK_EVERY = 1.0
"""Seconds between looks at whether the device is still there."""

_FED_WITHIN = 0.4
"""Seconds in which a device that another program writes to shows a new frame."""

_S_FMT = 0xC0D05605
_STREAMON = 0x40045612
_OUTPUT_TYPE = 2
_YUV420 = int.from_bytes(b"YU12", "little")


class VirtualCameraSink:
    """Sends avatar frames to a virtual camera. `write` does not wait: pacing is the caller's."""

    def __init__(self, size: tuple[int, int], fps: float, device: str | None = None) -> None:
        """Open the device and let others see it.

        Args:
            size: (width, height) of the frames; both even.
            fps: the rate that `write` will be called at; a hint for the system.
            device: what `--output` says (path, number, name or part of it), or None for the first
                virtual camera that can be opened.

        Raises:
            SinkError: there is none, it is taken, or this user may not use it.
        """
        try:
            import pyvirtualcam
        except (ImportError, OSError) as error:
            raise SinkError(
                f"The package pyvirtualcam cannot be loaded ({error}); install the program again, "
                "or record with --record FILE.mp4."
            ) from None
        self._size = size
        self._open = pyvirtualcam.Camera
        self._camera: Any = self._first(device, fps)
        label = {found.path: found.name for found in list_devices()}.get(self._camera.device)
        self.device: str = self._camera.device
        self.name = f"{label} ({self.device})" if label else self.device
        # Only Linux has a file for it; a failed write there is printed but not reported.
        self._node = self.device if self.device.startswith("/dev/") else None
        self._identity = _identity(self._node)
        self._checked = time.perf_counter()

    def write(self, frame: AvatarFrame) -> None:
        """Show one frame.

        Raises:
            TypeError: it is not an `AvatarFrame`.
            ValueError: it does not have the sink's size.
            SinkError: the device is gone or was closed.
        """
        image = require_avatar_frame(frame).image
        if self._camera is None:
            raise SinkError(f"The virtual camera {self.name} was closed.")
        if image.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a frame of {self._size} was promised, not {image.shape}")
        now = time.perf_counter()
        if self._node is not None and now - self._checked >= _CHECK_EVERY:
            self._checked = now
            if _identity(self._node) != self._identity:
                raise SinkError(
                    f"The virtual camera {self.name} is gone; load it again (`avatarify-like "
                    "doctor` shows how) and start anew."
                )
        try:
            self._camera.send(image)
        except (RuntimeError, OSError) as error:
            raise SinkError(f"The virtual camera {self.name} takes no more frames: {error}.") from (
                None
            )

    def close(self) -> None:
        """Let the device go; safe to call twice."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def __enter__(self) -> VirtualCameraSink:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _first(self, device: str | None, fps: float) -> Any:
        """Open the wanted device, or the first that works."""
        devices = list_devices()
        if device is not None:
            found = find_device(device, virtual_outputs(devices)) or find_device(device, devices)
            return self._try(_system_name(found, device), fps)
        if platform.system() != "Linux":
            return self._try(None, fps)
        # We name the device ourselves: left alone, the library gives up its whole search at the
        # first device of any kind that this user may not open.
        trouble: SinkError | None = None
        for loopback in virtual_outputs(devices):
            try:
                return self._try(loopback.path, fps)
            except SinkError as error:
                trouble = trouble or error
        raise trouble or SinkError(missing_virtual_camera(Host.this()))

    def _try(self, device: str | None, fps: float) -> Any:
        width, height = self._size
        for attempt in range(2):
            try:
                return self._open(width, height, fps, device=device)
            except (RuntimeError, ValueError, OSError) as error:
                reason = str(error)
            stuck = "not a video output device" in reason and attempt == 0
            if not (stuck and device is not None and revive_loopback(device, self._size)):
                break
        raise SinkError(explain(reason, device, Host.this()))


def explain(reason: str, device: str | None, host: Host) -> str:
    """The reason that pyvirtualcam gives for a failure as one sentence with what to do.

    Args:
        reason: the text of its error; one line for each backend it tried.
        device: the device that was asked for, or None for any.
        host: the computer, for the mending command.
    """
    lowered = reason.lower()
    target = device or "the virtual camera"
    if device is not None and "does not exist" in lowered:
        return (
            f"There is no {device}; `avatarify-like doctor` lists the virtual cameras, and "
            "`--output auto` takes the first."
        )
    if "permission" in lowered or "could not open" in lowered or _forbidden(device):
        return f"You may not use {target}; run `{join_video_group()}` and log in again."
    if "not a video output device" in lowered:
        return (
            f"{_capital(target)} is not a virtual camera, or another program writes to it; choose "
            "another with --output (`avatarify-like doctor` lists them)."
        )
    if any(words in lowered for words in ("busy", "in use", "could not be started")):
        return f"{_capital(target)} is taken by another program; stop it there (often OBS) first."
    if device is not None and "supports only" in lowered:
        return (
            f"No virtual camera is called {device!r}; `avatarify-like doctor` lists them, and "
            "`--output auto` takes the first."
        )
    if "not found" in lowered or "not installed" in lowered or "no v4l2" in lowered:
        return missing_virtual_camera(host)
    return f"{_capital(target)} cannot be opened: {' '.join(reason.split()).rstrip('.')}."


def revive_loopback(path: str, size: tuple[int, int]) -> bool:
    """Make a v4l2loopback device writable again; whether that was tried.

    With exclusive_caps=1, version 0.12 hides its output side from the first writer on, and keeps
    hiding it after that writer is gone while a reader (Zoom, a browser) still has it open. Setting
    a format and starting the stream on the output side brings it back. A device that another
    writer feeds is left alone.
    """
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (ImportError, OSError):
        return False
    try:
        if _is_fed(path):
            return False
        # struct v4l2_format: the type, padding, then width, height, pixel format, field = none.
        form = bytearray(208)
        struct.pack_into("=I4xIIII", form, 0, _OUTPUT_TYPE, *size, _YUV420, 1)
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle, _S_FMT, form)
        with contextlib.suppress(OSError):
            fcntl.ioctl(handle, _STREAMON, struct.pack("=i", _OUTPUT_TYPE))
    finally:
        os.close(handle)
    return True


def _is_fed(path: str) -> bool:
    """Whether new frames come out of a loopback device, so that someone must write them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        # The last frame stays readable when its writer is gone; only what follows counts.
        for _ in range(16):
            if not _has_frame(handle):
                break
        time.sleep(_FED_WITHIN)
        return _has_frame(handle)
    finally:
        os.close(handle)


def _has_frame(handle: int) -> bool:
    try:
        return len(os.read(handle, 4096)) > 0
    except OSError:
        return False


def _system_name(found: Device | None, device: str) -> str:
    """What pyvirtualcam calls the device that the user chose."""
    if found is not None:
        return found.path or found.name
    return f"/dev/video{device}" if device.isdecimal() and os.name == "posix" else device


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _forbidden(device: str | None) -> bool:
    return device is not None and os.path.exists(device) and not os.access(device, os.W_OK)


def _identity(node: str | None) -> tuple[int, int] | None:
    """What makes a device node this one and no other; None if it is gone."""
    if node is None:
        return None
    try:
        status = os.stat(node)
    except OSError:
        return None
    return status.st_rdev, status.st_ino


def nothing_found(reasons: list[str]) -> str:
    """The sentence for a computer on which no backend found a camera, and why each did not."""
    return missing_virtual_camera(Host.this(), reasons)


def _find() -> Found:
    outputs = virtual_outputs(list_devices())
    if outputs:
        best = next((device for device in outputs if device.readable), outputs[0])
        return Found(True, "every program lists it", best.label)
    if platform.system() == "Linux":
        return Found(False, "there is no v4l2loopback camera")
    return Found(False, "neither OBS's virtual camera nor UnityCapture is installed")


def _open(request: Request) -> VirtualCameraSink:
    return VirtualCameraSink(request.size, request.fps, request.device)


BACKEND = Backend("pyvirtualcam", _find, _open)
