"""What v4l2loopback devices need beside pyvirtualcam, which does not look at most of it (Linux)."""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import time
from fractions import Fraction

from realtime.devices.discovery import LOOPBACK_DRIVER, OUTPUT, query
from realtime.devices.host import join_video_group
from realtime.sinks.base import SinkError

_FED_WITHIN = 0.4
"""Seconds in which a device that another program writes to shows a new frame: two at 5 frames a
second. Longer would hold up every start that finds the device shown."""

# The numbers of <linux/videodev2.h>.
_G_FMT = 0xC0D05604
"""VIDIOC_G_FMT: _IOWR('V', 4, struct v4l2_format), 208 bytes."""

_S_FMT = 0xC0D05605
"""VIDIOC_S_FMT: _IOWR('V', 5, struct v4l2_format)."""

_STREAMON = 0x40045612
"""VIDIOC_STREAMON: _IOW('V', 18, int)."""

_S_PARM = 0xC0CC5616
"""VIDIOC_S_PARM: _IOWR('V', 22, struct v4l2_streamparm), 204 bytes."""

_CAPTURE_TYPE = 1
"""V4L2_BUF_TYPE_VIDEO_CAPTURE."""

_OUTPUT_TYPE = 2
"""V4L2_BUF_TYPE_VIDEO_OUTPUT."""

_PROGRESSIVE = 1
"""V4L2_FIELD_NONE: whole pictures, no half ones."""


def make_ready(path: str, size: tuple[int, int], fps: float, code: str) -> None:
    """See to it that the next program that opens the device can write frames of this kind.

    Version 0.12 with exclusive_caps=1 hides the side for writing from its first writer on, for
    ever: "works once". Starting the output side and closing it brings it back. While a program
    shows the device its format is fixed; writers are not told, and their pictures are torn.

    Args:
        path: the device node.
        size: (width, height) of the frames.
        fps: what readers are told about the rate.
        code: the four letters of the format, as V4L2 writes them.

    Raises:
        SinkError: it is missing, forbidden, no loopback device, written to by another program, or
            fixed to other pictures. One sentence that says what to do.
    """
    handle = _open(path)
    try:
        driver, caps = query(handle) or ("", 0)
        if driver != LOOPBACK_DRIVER:
            raise SinkError(
                f"{path} is not a virtual camera ({driver or 'no video device'}); choose another "
                "with --output (`avatarify-like doctor` lists them)."
            )
        if _is_shown(handle) and _is_fed(path):
            raise SinkError(
                f"{path} is taken by another program that writes to it; stop it there (often OBS), "
                "or choose another device with --output."
            )
        if not caps & OUTPUT:
            _set_format(handle, size, code)
            with contextlib.suppress(OSError):
                _ioctl(handle, _STREAMON, bytearray(struct.pack("=i", _OUTPUT_TYPE)))
    finally:
        os.close(handle)
    handle = _open(path)
    try:
        given = _set_format(handle, size, code)
        if given is not None and given != (size, code):
            (width, height), letters = given
            raise SinkError(
                f"{path} is held at {width}x{height} ({letters}) by a program that shows it; close "
                f"the camera there, or write --size {width}x{height}."
            )
        # struct v4l2_streamparm: type, capability, mode, then the time of a frame as a fraction.
        time_of_frame = 1 / Fraction(fps).limit_denominator(1001)
        rate = bytearray(204)
        fraction = (time_of_frame.numerator, time_of_frame.denominator)
        struct.pack_into("=IIIII", rate, 0, _OUTPUT_TYPE, 0, 0, *fraction)
        with contextlib.suppress(OSError):
            _ioctl(handle, _S_PARM, rate)
    finally:
        os.close(handle)


def bytes_written() -> int | None:
    """How many bytes this thread has written so far to files and devices; None if unknown.

    A refused write does not count, which is how one that the library keeps to itself is noticed.
    """
    try:
        with open("/proc/thread-self/io", "rb") as counters:
            for line in counters:
                name, _, value = line.partition(b":")
                if name == b"wchar":
                    return int(value)
    except (OSError, ValueError):
        pass
    return None


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        number = error.errno
    if number in (errno.EACCES, errno.EPERM):
        raise SinkError(f"You may not use {path}; run `{join_video_group()}` and log in again.")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        raise SinkError(
            f"There is no {path}; `avatarify-like doctor` lists the virtual cameras, and "
            "`--output auto` takes the first."
        )
    if number == errno.EBUSY:
        raise SinkError(f"{path} is taken by too many programs; close the camera in some of them.")
    reason = os.strerror(number or 0).lower()
    raise SinkError(f"{path} cannot be opened ({reason}); choose another with --output.")


def _ioctl(handle: int, request: int, data: bytearray) -> None:
    import fcntl  # Not on Windows, where this module is only looked at.

    fcntl.ioctl(handle, request, data)


def _set_format(
    handle: int, size: tuple[int, int], code: str
) -> tuple[tuple[int, int], str] | None:
    """Ask for a format of the writing side; what the device made of it, None if it does not say."""
    # struct v4l2_format: the type, padding, then width, height, pixel format, field.
    form = bytearray(208)
    letters = int.from_bytes(code.encode(), "little")
    struct.pack_into("=I4xIIII", form, 0, _OUTPUT_TYPE, *size, letters, _PROGRESSIVE)
    try:
        _ioctl(handle, _S_FMT, form)
    except OSError:
        return None
    width, height, letters = struct.unpack_from("=III", form, 8)
    return (width, height), letters.to_bytes(4, "little").decode(errors="replace").rstrip()


def _is_shown(handle: int) -> bool:
    """Whether the device has a format for readers: some program writes it or holds it open."""
    form = bytearray(208)
    struct.pack_into("=I", form, 0, _CAPTURE_TYPE)
    try:
        _ioctl(handle, _G_FMT, form)
    except OSError:
        return False
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
