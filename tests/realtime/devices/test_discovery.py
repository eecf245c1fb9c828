"""Which camera is taken by itself: with colours, real, and the same one tomorrow."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from realtime.devices import discovery
from realtime.devices.discovery import VideoDevice, find_device, named_device, real_cameras

CAPTURE = 0x85200001
"""Flags of a webcam: capture, streaming, and that they are of this node."""


class Kernel:
    """Answers what V4L2 is asked, for nodes that are files in a folder."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._formats: dict[str, tuple[str, list[str]]] = {}
        (root / "class").mkdir(parents=True)
        (root / "dev").mkdir()
        monkeypatch.setattr(discovery, "_request", self._answer)

    def add(
        self, node: str, name: str, formats: list[str], place: str = "usb", driver: str = "uvcvideo"
    ) -> None:
        real = self._root / "devices" / place / node
        real.mkdir(parents=True)
        (real / "name").write_text(name + "\n")
        (real / "index").write_text("0\n")
        (self._root / "class" / node).symlink_to(real)
        (self._root / "dev" / node).touch()
        self._formats[node] = driver, formats

    def devices(self) -> list[VideoDevice]:
        return discovery.list_linux_devices(self._root / "class", self._root / "dev")

    def _answer(self, handle: int, request: int, data: bytearray) -> bytearray | None:
        node = Path(f"/proc/self/fd/{handle}").readlink().name
        driver, formats = self._formats[node]
        codes = [int.from_bytes(code.ljust(4).encode(), "little") for code in formats]
        if request == discovery._QUERYCAP:
            data[:16] = driver.encode().ljust(16, b"\0")
            struct.pack_into("=II", data, 84, CAPTURE, CAPTURE)
        elif request == discovery._G_FMT and codes:
            struct.pack_into("=III", data, 8, 640, 480, codes[0])
        elif request == discovery._ENUM_FMT and struct.unpack_from("=I", data)[0] < len(codes):
            struct.pack_into("=I", data, 44, codes[struct.unpack_from("=I", data)[0]])
        else:
            return None
        return data


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("needs Linux's list of open files")
    return Kernel(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("Integrated Camera: Integrated I", ["GREY"]),
        ("Laptop Camera", ["Y10", "Y16"]),
        ("Depth of field", ["Z16"]),
        ("Integrated IR Camera", ["YUYV"]),
        ("USB2.0 IR UVC WebCam", ["MJPG", "YUYV"]),
    ],
)
def test_a_webcam_with_colours_comes_before_one_without(
    kernel: Kernel, name: str, formats: list[str]
) -> None:
    kernel.add("video0", name, formats)
    kernel.add("video2", "Integrated Camera: Integrated C", ["MJPG", "YUYV"])
    infrared, colour = kernel.devices()
    assert infrared.grey and not colour.grey
    assert real_cameras([infrared, colour]) == [colour, infrared]
    assert find_device("integrated camera", [infrared, colour]) in (colour, infrared)
    assert find_device("0", [infrared, colour]) is infrared, "it is had by its number"


@pytest.mark.parametrize(
    ("name", "formats"),
    [
        ("HD Webcam", ["YUYV", "GREY"]),
        ("HD Webcam (RGB+IR)", ["MJPG"]),
        ("Thirsty Birdcam", ["YU12"]),
        ("Old grabber", ["Y41P"]),
        ("No answer", []),
    ],
)
def test_a_camera_that_may_have_colours_is_not_called_grey(
    kernel: Kernel, name: str, formats: list[str]
) -> None:
    kernel.add("video0", name, formats)
    assert not kernel.devices()[0].grey


def test_a_part_of_a_name_means_the_eye_that_sees_colours(kernel: Kernel) -> None:
    kernel.add("video0", "Integrated Camera", ["GREY"])
    kernel.add("video2", "Integrated Camera", ["MJPG"])
    found = find_device("integrated", kernel.devices())
    assert found is not None and found.index == 2


def test_cameras_that_programs_write_are_no_webcams(kernel: Kernel) -> None:
    kernel.add("video0", "AI avatar", ["YU12"], "virtual/video4linux", "v4l2 loopback")
    kernel.add("video1", "Virtual thing", ["YU12"], "platform/akvcam", "akvcam")
    kernel.add("video2", "HD Webcam", ["MJPG"])
    assert [device.index for device in real_cameras(kernel.devices())] == [2]


def test_two_eyes_of_one_camera_are_two_cameras(kernel: Kernel, tmp_path: Path) -> None:
    """They share maker, model and serial number."""
    usb = tmp_path / "devices/usb1/1-8"
    for node, interface in (("video0", "00"), ("video2", "02")):
        kernel.add(node, "Integrated Camera", ["MJPG"], f"usb1/1-8/1-8:1.{interface[1]}/v")
        place = usb / f"1-8:1.{interface[1]}"
        (place / "bInterfaceNumber").write_text(interface + "\n")
        (place / "v" / node / "device").symlink_to(place)
    for file, text in (("idVendor", "04f2"), ("idProduct", "b6d0"), ("serial", "0001")):
        (usb / file).write_text(text + "\n")
    first, second = (device.identity for device in kernel.devices())
    assert first == "usb:04f2:b6d0:port 1-8:0" and second != first


def test_names_tell_infrared_cameras_on_other_systems() -> None:
    infrared = named_device(0, "Surface IR Camera Front")
    colour = named_device(1, "Surface Camera Front")
    avatar = named_device(2, "AI avatar")
    assert real_cameras([avatar, infrared, colour]) == [colour, infrared]
