"""A virtual camera that Zoom, Teams, OBS and browsers can pick, through pyvirtualcam."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from models.types import Image
from realtime.closing import Closing
from realtime.devices.discovery import VideoDevice, find_device, list_devices, virtual_outputs
from realtime.devices.host import join_video_group, missing_virtual_camera
from realtime.frames import AvatarFrame
from realtime.sinks.base import (
    Found,
    SinkError,
    SinkKind,
    SinkRequest,
    ignore_line,
    require_avatar_frame,
)
from realtime.sinks.virtual.loopback import bytes_written, make_ready

_CHECK_EVERY = 1.0
"""Seconds between looks at whether the device is still there: it fails soon after it is unloaded,
and no frame is delayed for looking."""

_LIMITED_RANGE = 1
"""FFmpeg's number (`AVCOL_RANGE_MPEG`) for black at 16 and white at 235."""


@dataclass(frozen=True)
class Layout:
    """How pixels lie in what the device is given.

    Attributes:
        code: V4L2's four letters.
        name: of FFmpeg's pixel format, or "" if pyvirtualcam converts.
        bits: for each pixel.
    """

    code: str
    name: str
    bits: int


LAYOUTS = {
    "rgb": Layout("YU12", "", 12),
    "i420": Layout("YU12", "yuv420p", 12),
    "nv12": Layout("NV12", "nv12", 12),
    "yuyv": Layout("YUYV", "yuyv422", 16),
    "uyvy": Layout("UYVY", "yuyv422", 16),
    "gray": Layout("GREY", "gray", 8),
}
"""What may follow the device as `@yuyv`. `rgb`, the default, lets pyvirtualcam choose what its
platform is best served with; some old programs read nothing but YUYV."""


class VirtualCameraSink(Closing):
    """Sends avatar frames to a virtual camera. `write` does not wait: pacing is the caller's.

    Attributes:
        device: what pyvirtualcam calls it, on Linux its path.
        name: for the status line.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fps: float,
        device: str | None = None,
        notify: Callable[[str], None] = ignore_line,
        reads: VideoDevice | None = None,
    ) -> None:
        """Open the device and let others see it.

        Args:
            size: (width, height) of the frames; both even.
            fps: the rate that `write` will be called at; a hint for the system.
            device: what `--output` says (path, number, name or part of it, then perhaps `@` and a
                layout), or None for the first virtual camera that can be opened.
            notify: called with a line about a device that not every program will list.
            reads: the device that is the camera of the run, which is not written to.

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
        device, layout = _split(device)
        self._size = size
        self._layout = LAYOUTS[layout]
        self._reformatter = VideoReformatter()
        self._library = pyvirtualcam.Camera
        self._format = getattr(pyvirtualcam.PixelFormat, layout.upper())
        self._reads = reads
        self._camera: Any = self._first(device, fps, notify)
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
            SinkError: the device is gone, refused the frame, or was closed.
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
                    "setup-camera` shows how)."
                )
        laid = self._lay(image)
        before = None if self._node is None else bytes_written()
        try:
            self._camera.send(laid)
        except (RuntimeError, OSError) as error:
            raise SinkError(f"The virtual camera {self.name} takes no more frames: {error}.") from (
                None
            )
        after = None if before is None else bytes_written()
        wanted = self._size[0] * self._size[1] * self._layout.bits // 8
        if before is not None and after is not None and after - before < wanted:
            raise SinkError(
                f"The virtual camera {self.name} refused a frame; load it again (`avatarify-like "
                "setup-camera` shows how)."
            )

    def close(self) -> None:
        """Let the device go; safe to call twice."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def _first(self, device: str | None, fps: float, notify: Callable[[str], None]) -> Any:
        """Open the wanted device, or the first that works."""
        devices = list_devices()
        if device is not None:
            found = find_device(device, virtual_outputs(devices)) or find_device(device, devices)
            if found is not None and found.same(self._reads):
                raise SinkError(both(found))
            return self._try(_system_name(found, device), fps, found, notify)
        if platform.system() != "Linux":
            if self._reads is not None and self._reads.output:
                raise SinkError(both(self._reads))
            return self._try(None, fps, None, notify)
        # We name the device ourselves: left alone, the library gives up its whole search at the
        # first device of any kind that this user may not open.
        trouble: SinkError | None = None
        for loopback in virtual_outputs(devices):
            if loopback.same(self._reads):
                trouble = trouble or SinkError(both(loopback))
                continue
            try:
                return self._try(loopback.path, fps, loopback, notify)
            except SinkError as error:
                trouble = trouble or error
        raise trouble or SinkError(missing_virtual_camera())

    def _try(
        self,
        device: str | None,
        fps: float,
        found: VideoDevice | None,
        notify: Callable[[str], None],
    ) -> Any:
        if device is not None and device.startswith("/dev/"):
            # The library leaks a handle for each device that it refuses, so it is asked last.
            make_ready(device, self._size, fps, self._layout.code)
        try:
            camera = self._library(*self._size, fps, fmt=self._format, device=device)
        except (RuntimeError, ValueError, OSError) as error:
            raise SinkError(explain(str(error), device)) from None
        if found is not None and not found.exclusive:
            notify(
                f"{found.label} was loaded without exclusive_caps=1: Chrome and Zoom will not "
                "list it; `avatarify-like setup-camera` shows how to load it so that they do."
            )
        return camera

    def _lay(self, image: Image) -> Image:
        """The image as the device wants it; colours by BT.601, limited range, as V4L2 expects."""
        if not self._layout.name:
            return np.ascontiguousarray(image)
        laid = self._reformatter.reformat(
            VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
            format=self._layout.name,
            dst_colorspace=int(Colorspace.ITU601),
            dst_color_range=_LIMITED_RANGE,
        )
        array = laid.to_ndarray()
        # PyAV knows no arrays of UYVY: it is YUYV with the two bytes of a pixel exchanged.
        swapped = array[..., ::-1] if self._layout.code == "UYVY" else array
        return np.ascontiguousarray(swapped, dtype=np.uint8)


def explain(reason: str, device: str | None) -> str:
    """The reason that pyvirtualcam gives for a failure as one sentence with what to do.

    Args:
        reason: the text of its error; one line for each backend it tried.
        device: the device that was asked for, or None for any.
    """
    lowered = reason.lower()
    target = device or "the virtual camera"
    if device is not None and "does not exist" in lowered:
        return (
            f"There is no {device}; `avatarify-like doctor` lists the virtual cameras, and "
            "`--output auto` takes the first."
        )
    if "permission" in lowered or _forbidden(device):
        return f"You may not use {target}; run `{join_video_group()}` and log in again."
    if "not a video output device" in lowered or "not a v4l2 device" in lowered:
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
        return missing_virtual_camera()
    return f"{_capital(target)} cannot be opened: {' '.join(reason.split()).rstrip('.')}."


def both(device: VideoDevice) -> str:
    """The sentence for a device that is to be camera and output at once.

    Args:
        device: the virtual camera.
    """
    return (
        f"{device.label} is the camera of this run and cannot be its output too; choose another "
        "virtual camera with --output (`avatarify-like setup-camera` makes one), or another camera "
        "with --camera."
    )


def nothing_found(reasons: list[str]) -> str:
    """The sentence for a computer on which no backend found a camera.

    Args:
        reasons: why each did not, a clause without a full stop.
    """
    return missing_virtual_camera(reasons)


def _split(device: str | None) -> tuple[str | None, str]:
    """A device and the layout that `@` names after it."""
    name, at, layout = (device or "").rpartition("@")
    if at and layout.lower() in LAYOUTS:
        return name or None, layout.lower()
    return device, "rgb"


def _system_name(found: VideoDevice | None, device: str) -> str:
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


def _find() -> Found:
    outputs = virtual_outputs(list_devices())
    if outputs:
        why = "every program lists it" if outputs[0].exclusive else "but Chrome and Zoom miss it"
        return Found(True, why, outputs[0].label)
    if platform.system() == "Linux":
        return Found(False, "there is no v4l2loopback camera")
    return Found(False, "neither OBS's virtual camera nor UnityCapture is installed")


def _open(request: SinkRequest) -> VirtualCameraSink:
    return VirtualCameraSink(
        request.size, request.fps, request.device, request.notify, request.reads
    )


KIND = SinkKind("pyvirtualcam", _find, _open)
