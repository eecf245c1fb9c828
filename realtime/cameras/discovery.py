"""Which cameras this computer has, real and virtual, without opening them."""

from __future__ import annotations

import os
import platform
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import cv2

_QUERYCAP = 0x80685600
"""VIDIOC_QUERYCAP: _IOR('V', 0, struct v4l2_capability), 104 bytes."""

_CAPTURE = 0x00000001 | 0x00001000
"""Single- and multi-planar video capture."""

_OUTPUT = 0x00000002 | 0x00002000
"""Single- and multi-planar video output."""

_LOOPBACK_DRIVER = "v4l2 loopback"

_VIRTUAL_NAMES = ("virtual", "unity video capture", "obs-camera", "vcam", "manycam", "snap camera")


@dataclass(frozen=True)
class Device:
    """One video device as the system lists it.

    index: the number OpenCV opens it by. path: the device node on Linux, else None.
    virtual: a program writes its pictures. capture: frames can be read from it now.
    output: `run` can write to it. readable: the user may open it (always True off Linux).
    """

    index: int
    name: str
    path: str | None = None
    virtual: bool = False
    capture: bool = True
    output: bool = False
    readable: bool = True

    @property
    def label(self) -> str:
        """Name and place, for messages: "Integrated Camera (/dev/video0)"."""
        return f"{self.name} ({self.path or self.index})"


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


def list_devices() -> list[Device]:
    """All video devices in the system's order; empty if there are none or they cannot be listed."""
    if platform.system() == "Linux":
        return list_linux_devices()
    try:
        from cv2_enumerate_cameras import enumerate_cameras

        found = enumerate_cameras(capture_backend())
    except (ImportError, NotImplementedError, OSError, RuntimeError):
        return []
    return [named_device(camera.index, camera.name) for camera in found]


def named_device(index: int, name: str) -> Device:
    """A device of which only number and name are known (Windows, macOS)."""
    lowered = name.lower()
    virtual = any(word in lowered for word in _VIRTUAL_NAMES)
    writable = "obs virtual camera" in lowered or "unity video capture" in lowered
    return Device(index, name, virtual=virtual, output=writable)


def list_linux_devices(
    classes: Path = Path("/sys/class/video4linux"), nodes: Path = Path("/dev")
) -> list[Device]:
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
        answer = _query(path)
        if answer is None:
            # The second node of a webcam (index 1) carries metadata, not pictures.
            capture, output = _line(entry / "index") in ("", "0"), virtual
        else:
            driver, caps = answer
            virtual = virtual or driver == _LOOPBACK_DRIVER
            capture = bool(caps & _CAPTURE)
            # With exclusive_caps=1 a loopback that has a writer shows only its capture side.
            output = driver == _LOOPBACK_DRIVER
        if capture or output:
            name = _line(entry / "name") or entry.name
            readable = os.access(path, os.R_OK | os.W_OK)
            devices.append(
                Device(int(number[1]), name, str(path), virtual, capture, output, readable)
            )
    return sorted(devices, key=lambda device: device.index)


def real_cameras(devices: list[Device]) -> list[Device]:
    """The webcams among `devices`: `auto` never reads a virtual camera, which may be our own."""
    return [device for device in devices if device.capture and not device.virtual]


def virtual_outputs(devices: list[Device]) -> list[Device]:
    """The virtual cameras among `devices` that `run` can write to."""
    return [device for device in devices if device.output]


def find_device(choice: str, devices: list[Device]) -> Device | None:
    """The device that a user means by a number, a path or a part of the name (any case)."""
    for device in devices:
        if choice == str(device.index) or (device.path and _same_path(choice, device.path)):
            return device
    lowered = choice.lower()
    exact = [device for device in devices if device.name.lower() == lowered]
    partly = [device for device in devices if lowered in device.name.lower()]
    # A webcam's second node and a virtual copy carry the same name: take what gives pictures.
    best = sorted(exact or partly, key=lambda device: (not device.capture, device.virtual))
    return best[0] if best else None


def _same_path(one: str, other: str) -> bool:
    return one == other or (
        one.startswith("/dev/") and os.path.realpath(one) == os.path.realpath(other)
    )


def _query(path: Path) -> tuple[str, int] | None:
    """The driver's name and what the node can do, or None if it cannot be asked."""
    try:
        import fcntl

        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (ImportError, OSError):
        return None
    answer = bytearray(104)
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return None
    finally:
        os.close(handle)
    driver = bytes(answer[:16]).split(b"\0")[0].decode(errors="replace")
    everything, of_this_node = struct.unpack_from("=II", answer, 84)
    return driver, of_this_node if everything & 0x80000000 else everything


def _line(path: Path) -> str:
    """The first line of a small file, or "" if it cannot be read."""
    try:
        return path.read_text(errors="replace").split("\n", 1)[0].strip()
    except OSError:
        return ""
