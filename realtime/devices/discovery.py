"""Which cameras this computer has, real and virtual, without opening them."""

from __future__ import annotations

import os
import platform
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2

_QUERYCAP = 0x80685600
"""VIDIOC_QUERYCAP: _IOR('V', 0, struct v4l2_capability), 104 bytes. This and the other numbers of
V4L2 are those of <linux/videodev2.h>."""

_CAPTURE = 0x00000001 | 0x00001000
"""V4L2_CAP_VIDEO_CAPTURE and V4L2_CAP_VIDEO_CAPTURE_MPLANE."""

OUTPUT = 0x00000002 | 0x00002000
"""V4L2_CAP_VIDEO_OUTPUT and V4L2_CAP_VIDEO_OUTPUT_MPLANE."""

LOOPBACK_DRIVER = "v4l2 loopback"
"""What v4l2loopback calls itself when it is asked."""

_ENUM_FMT = 0xC0405602
"""VIDIOC_ENUM_FMT: _IOWR('V', 2, struct v4l2_fmtdesc), 64 bytes."""

_G_FMT = 0xC0D05604
"""VIDIOC_G_FMT: _IOWR('V', 4, struct v4l2_format), 208 bytes."""

_G_PARM = 0xC0CC5615
"""VIDIOC_G_PARM: _IOWR('V', 21, struct v4l2_streamparm), 204 bytes."""

OWN_LABEL = "AI avatar"
"""What the virtual camera is called that this program makes."""

_VIRTUAL_DRIVERS = frozenset({LOOPBACK_DRIVER, "akvcam"})
"""Whose pictures another program writes."""

_VIRTUAL_NAMES = (
    "virtual",
    "unity video capture",
    "obs-camera",
    "vcam",
    "manycam",
    "snap camera",
    "splitcam",
    "camtwist",
    "nvidia broadcast",
    OWN_LABEL.lower(),
)
"""What is in the names of virtual cameras on Windows and macOS, in lower case."""

_GREY_CODES = re.compile(r"GREY|L8|INZI|CNF4|Z16|Y(0?4|0?6|8|10|12|14|16)[BPI]?")
"""The letters of V4L2's formats of one channel: brightness, infrared and depth."""

_INFRARED = re.compile(r"\b(ir|infra-?red|windows hello|depth)\b", re.IGNORECASE)
"""What is in the names of cameras that see infrared light; some of them give their grey pictures in
a format with colours."""

_COLOURED = re.compile(r"\b(rgb|colou?r)\b", re.IGNORECASE)
"""What is in the name of a camera that sees colours too, whatever else it does."""


@dataclass(frozen=True)
class VideoDevice:
    """One video device as the system lists it.

    Attributes:
        index: the number OpenCV opens it by.
        name: what the system calls it.
        path: the device node on Linux, else None.
        virtual: a program writes its pictures.
        capture: frames can be read from it now.
        output: `run` can write to it.
        readable: the user may open it (always True off Linux).
        exclusive: False for a loopback device that shows its side for writing to everyone, which
            Chrome and Zoom do not take for a camera.
        identity: what stays the same when the device is plugged in anew or the computer starts
            anew, "" if nothing does.
        format: what it is set to now and what else it has ("640x480 30 fps YUYV, also MJPG"), "" if
            it was not asked.
        grey: it has no colours, as infrared cameras for logging in by face.
    """

    index: int
    name: str
    path: str | None = None
    virtual: bool = False
    capture: bool = True
    output: bool = False
    readable: bool = True
    exclusive: bool = True
    identity: str = ""
    format: str = ""
    grey: bool = False

    @property
    def label(self) -> str:
        """Name and place, for messages: "Integrated Camera (/dev/video0)"."""
        return f"{self.name} ({self.path or self.index})"

    def same(self, other: VideoDevice | None) -> bool:
        """Whether `other` is this device, also by another path."""
        if other is None:
            return False
        if self.path is None or other.path is None:
            return self.path == other.path and self.index == other.index
        return _same_path(self.path, other.path) or _same_path(other.path, self.path)


def capture_backend() -> int:
    """OpenCV's capture API whose device numbers are those of `list_devices`."""
    system = platform.system()
    if system == "Linux":
        return int(cv2.CAP_V4L2)
    if system == "Windows":
        return int(cv2.CAP_DSHOW)
    if system == "Darwin":
        return int(cv2.CAP_AVFOUNDATION)
    return int(cv2.CAP_ANY)


def list_devices() -> list[VideoDevice]:
    """All video devices in the system's order; empty if there are none or they cannot be listed."""
    if platform.system() == "Linux":
        return list_linux_devices()
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        found = enumerate_cameras(capture_backend())
    except (ImportError, NotImplementedError, OSError, RuntimeError):
        return []
    return [named_device(camera.index, camera.name, system_identity(camera)) for camera in found]


class Listed(Protocol):
    """What the list of Windows or macOS says about a camera.

    Attributes:
        name: what the system calls it.
        path: Windows' device path or macOS's unique id, "" or None if there is none.
        vid: the USB number of its maker, if it has one.
        pid: that of its model.
    """

    name: str
    path: str | None
    vid: int | None
    pid: int | None


def system_identity(camera: Listed) -> str:
    """The identity of a camera that Windows or macOS lists."""
    if camera.path:
        return f"id:{camera.path}"
    if camera.vid is not None and camera.pid is not None:
        return f"usb:{camera.vid:04x}:{camera.pid:04x}:{camera.name}"
    return f"name:{camera.name}"


def named_device(index: int, name: str, identity: str = "") -> VideoDevice:
    """A device of which only number, name and identity are known (Windows, macOS).

    Args:
        index: the number OpenCV opens it by.
        name: what the system calls it, which also tells what kind of device it is.
        identity: as in `VideoDevice`.
    """
    lowered = name.lower()
    virtual = any(word in lowered for word in _VIRTUAL_NAMES)
    writable = "obs virtual camera" in lowered or "unity video capture" in lowered
    return VideoDevice(
        index, name, virtual=virtual, output=writable, identity=identity, grey=_sees_infrared(name)
    )


def list_linux_devices(
    classes: Path = Path("/sys/class/video4linux"), nodes: Path = Path("/dev")
) -> list[VideoDevice]:
    """The devices of the kernel's list, lowest number first.

    Nodes that neither capture nor output (metadata, codecs) are left out. What the node itself
    cannot tell (no permission, or no node in a container) is guessed from the list alone.

    Args:
        classes: where the kernel lists video devices; another folder in tests.
        nodes: where their device nodes are.
    """
    devices = []
    for entry in classes.glob("video*"):
        number = re.fullmatch(r"video(\d+)", entry.name)
        if number is None:
            continue
        path = nodes / entry.name
        virtual = "/devices/virtual/" in os.path.realpath(entry)
        answer = _ask(path)
        name = _line(entry / "name") or entry.name
        exclusive, formats = True, Formats()
        if answer is None:
            # The second node of a webcam (index 1) carries metadata, not pictures.
            capture, output = _line(entry / "index") in ("", "0"), virtual
        else:
            driver, caps, formats = answer
            virtual = virtual or driver in _VIRTUAL_DRIVERS
            capture = bool(caps & _CAPTURE)
            # With exclusive_caps=1 a loopback that has a writer shows only its capture side.
            output = driver == LOOPBACK_DRIVER
            exclusive = not (output and capture and caps & OUTPUT)
        if capture or output:
            devices.append(
                VideoDevice(
                    int(number[1]),
                    name,
                    str(path),
                    virtual,
                    capture,
                    output,
                    os.access(path, os.R_OK | os.W_OK),
                    exclusive,
                    _identity(entry),
                    str(formats),
                    formats.grey or _sees_infrared(name),
                )
            )
    return sorted(devices, key=lambda device: device.index)


def real_cameras(devices: list[VideoDevice]) -> list[VideoDevice]:
    """The webcams among `devices`, those with colours first.

    `auto` never reads a virtual camera, which may be our own.
    """
    real = [device for device in devices if device.capture and not device.virtual]
    return sorted(real, key=lambda device: device.grey)


def virtual_outputs(devices: list[VideoDevice]) -> list[VideoDevice]:
    """The virtual cameras among `devices` that `run` can write to, in the order to try them.

    One that may be used comes before one that may not, one made for this program before those of
    others, and one that every program lists before one that Chrome and Zoom leave out.
    """
    return sorted(
        (device for device in devices if device.output),
        key=lambda device: (
            not device.readable,
            not device.name.lower().startswith(OWN_LABEL.lower()),
            not device.exclusive,
        ),
    )


def find_device(choice: str, devices: list[VideoDevice]) -> VideoDevice | None:
    """The device that a user means, or None.

    Args:
        choice: its number, path, identity, name or part of the name (any case).
        devices: those to choose from.
    """
    for device in devices:
        if device.identity and choice == device.identity:
            return device
    for device in devices:
        if choice == str(device.index) or (device.path and _same_path(choice, device.path)):
            return device
    lowered = choice.lower()
    exact = [device for device in devices if device.name.lower() == lowered]
    partly = [device for device in devices if lowered in device.name.lower()]
    # A webcam's second node, its infrared eye and a virtual copy carry the same name: take what
    # gives pictures, in colours.
    best = sorted(
        exact or partly, key=lambda device: (not device.capture, device.virtual, device.grey)
    )
    return best[0] if best else None


def _same_path(one: str, other: str) -> bool:
    return one == other or (
        one.startswith("/dev/") and os.path.realpath(one) == os.path.realpath(other)
    )


def query(handle: int) -> tuple[str, int] | None:
    """What an opened node says about itself.

    Args:
        handle: its file descriptor.

    Returns:
        The driver's name and the V4L2_CAP flags of what the node can do, or None if it cannot be
        asked.
    """
    answer = _request(handle, _QUERYCAP, bytearray(104))
    if answer is None:
        return None
    driver = bytes(answer[:16]).split(b"\0")[0].decode(errors="replace")
    everything, of_this_node = struct.unpack_from("=II", answer, 84)
    return driver, of_this_node if everything & 0x80000000 else everything


@dataclass(frozen=True)
class Formats:
    """What formats a webcam has.

    Attributes:
        now: what it is set to ("640x480 30 fps YUYV"), "" if it does not say.
        code: the letters of the format in that, "" likewise.
        others: the letters of the formats that it has besides.
    """

    now: str = ""
    code: str = ""
    others: tuple[str, ...] = ()

    @property
    def grey(self) -> bool:
        """None of them has colours."""
        every = [code for code in (self.code, *self.others) if code]
        return bool(every) and all(_GREY_CODES.fullmatch(code) for code in every)

    def __str__(self) -> str:
        more = " ..." if len(self.others) > 4 else ""
        return self.now + (f", also {' '.join(self.others[:4])}{more}" if self.others else "")


def _sees_infrared(name: str) -> bool:
    return bool(_INFRARED.search(name)) and not _COLOURED.search(name)


def _ask(path: Path) -> tuple[str, int, Formats] | None:
    """Driver, abilities and formats of a node, or None if it cannot be asked; starts no camera."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        answer = query(handle)
        return None if answer is None else (*answer, _formats(handle))
    finally:
        os.close(handle)


def _formats(handle: int) -> Formats:
    """What a webcam is set to now and which other formats it has."""
    form = _request(handle, _G_FMT, bytearray(struct.pack("=I", 1).ljust(208, b"\0")))
    if form is None:
        return Formats()
    width, height, code = struct.unpack_from("=III", form, 8)
    words = [f"{width}x{height}"]
    rate = _request(handle, _G_PARM, bytearray(struct.pack("=I", 1).ljust(204, b"\0")))
    if rate is not None:
        numerator, denominator = struct.unpack_from("=II", rate, 12)
        words += [f"{denominator / numerator:.3g} fps"] if numerator and denominator else []
    others: list[str] = []
    for index in range(64):
        asked = struct.pack("=II", index, 1).ljust(64, b"\0")
        offered = _request(handle, _ENUM_FMT, bytearray(asked))
        if offered is None:
            break
        other = struct.unpack_from("=I", offered, 44)[0]
        others += [] if other == code else [_letters(other)]
    return Formats(f"{' '.join(words)} {_letters(code)}", _letters(code), tuple(others))


def _letters(code: int) -> str:
    """A pixel format's four letters."""
    return (code & 0x7FFFFFFF).to_bytes(4, "little").decode(errors="replace").rstrip("\0 ")


def _request(handle: int, request: int, data: bytearray) -> bytearray | None:
    """What the driver answers, or None if it refuses."""
    try:
        import fcntl

        fcntl.ioctl(handle, request, data)
    except (ImportError, OSError):
        return None
    return data


def _identity(entry: Path) -> str:
    """What tells this device from others of the kernel's list, whatever number it has today.

    A USB camera is its maker, model and serial number; without a serial number, its place. The eyes
    of one camera (colour, infrared) differ by their interfaces. Everything else is its place on the
    computer's buses and its name.
    """
    place = Path(os.path.realpath(entry / "device"))
    index = _line(entry / "index") or "0"
    if (interface := _line(place / "bInterfaceNumber")) not in ("", "00"):
        index = f"{index}:interface {interface}"
    for folder in (place, *place.parents):
        vendor, product = _line(folder / "idVendor"), _line(folder / "idProduct")
        if vendor and product:
            serial = _line(folder / "serial")
            # Cheap cameras all carry the same "serial number", such as 0001 or the model's name.
            own = serial if re.search(r"\d{5}|[0-9A-Fa-f]{8}", serial) else f"port {folder.name}"
            return f"usb:{vendor}:{product}:{own}:{index}"
    name = _line(entry / "name")
    if not place.exists():
        return f"virtual:{name}" if name else ""
    return f"bus:{place.parent.name}/{place.name}:{name}:{index}"


def _line(path: Path) -> str:
    """The first line of a small file, or "" if it cannot be read."""
    try:
        return path.read_text(errors="replace").split("\n", 1)[0].strip()
    except OSError:
        return ""
