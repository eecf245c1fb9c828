"""The list of cameras and what they see, by real requests and made-up cameras."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.errors import UserError
from realtime.cameras.viewfinder import Viewfinder
from realtime.devices.discovery import VideoDevice
from realtime.panel.cameras import Cameras, InUse, _id
from scripts.rigs.fakes import FakeCamera
from tests.panel_rig import Served, do, next_of
from tests.session_rig import three_avatars, wait

DEVICES = [
    VideoDevice(10, "AI avatar", "/dev/video10", virtual=True),
    VideoDevice(7, "Other virtual", "/dev/video7", virtual=True),
    VideoDevice(2, "Infrared", "/dev/video2", grey=True, identity="usb:1:2:port 1:0"),
    VideoDevice(0, "Webcam", "/dev/video0", identity="usb:1:1:port 1:0"),
    VideoDevice(4, "Forbidden", "/dev/video4", readable=False),
    VideoDevice(1, "Metadata", "/dev/video1", capture=False),
]


class Chooser:
    """A panel with made-up cameras, and what is open of them."""

    def __init__(self, folder: Path) -> None:
        self.open: list[str] = []
        self.used = InUse()
        self.listed = 0
        self.rig = three_avatars(folder)
        self.rig.start()
        feature = Cameras(Viewfinder(self._opened, 60.0), lambda: self.used, self._devices)
        self.served = Served(self.rig, features=[feature])

    def close(self) -> None:
        self.served.panel.close()
        self.rig.close()

    def offered(self) -> Any:
        status, _, body = self.served.ask("/cameras")
        assert status == 200
        return json.loads(body)

    def thumbnail(self, name: str) -> tuple[int, Any]:
        found = [_id(device) for device in DEVICES if device.name == name]
        status, headers, body = self.served.ask(f"/cameras/{(found or [name])[0]}/thumbnail")
        kind = headers["content-type"]
        return status, json.loads(body) if kind == "application/json" else kind

    def _devices(self) -> list[VideoDevice]:
        self.listed += 1
        return DEVICES

    def _opened(self, device: VideoDevice) -> FakeCamera:
        if device.name == "Other virtual":
            raise UserError("nobody writes to it")
        chooser = self

        class Noted(FakeCamera):
            def close(self) -> None:
                super().close()
                chooser.open.remove(device.name)

        self.open.append(device.name)
        return Noted()


@pytest.fixture
def chooser(tmp_path: Path) -> Iterator[Chooser]:
    chooser = Chooser(tmp_path)
    yield chooser
    chooser.close()
    assert chooser.open == []


def test_real_cameras_come_first_and_our_own_never(chooser: Chooser) -> None:
    shown = [(one["name"], one["kind"], one["note"]) for one in chooser.offered()]
    assert shown == [
        ("Webcam", "webcam", ""),
        ("Forbidden", "webcam", "denied"),
        ("Infrared", "infrared", ""),
        ("Other virtual", "virtual", ""),
    ]
    assert chooser.offered()[0]["choice"] == "usb:1:1:port 1:0"
    assert chooser.listed == 1, "the list stays for a second"


def test_the_camera_that_the_run_writes_to_is_not_offered(chooser: Chooser) -> None:
    chooser.used = InUse(output="Other virtual (/dev/video7)")
    assert "Other virtual" not in [one["name"] for one in chooser.offered()]


def test_nothing_is_opened_before_the_chooser_is_and_after_it_was(chooser: Chooser) -> None:
    status, told = chooser.thumbnail("Webcam")
    assert (status, told["code"], chooser.open) == (404, "closed", [])
    with chooser.served.page() as page:
        do(page, "cameras.look", True)
        wait(lambda: chooser.thumbnail("Webcam") == (200, "image/jpeg"))
        assert chooser.open == ["Webcam"]
        assert chooser.thumbnail("Infrared")[0] == 200
        assert chooser.open == ["Infrared"], "one at a time"
        assert chooser.thumbnail("demo") == (200, "image/jpeg")
        do(page, "cameras.look", False)
        wait(lambda: not chooser.open)
    assert chooser.thumbnail("Webcam")[0] == 404


def test_a_camera_without_a_picture_says_why(chooser: Chooser) -> None:
    with chooser.served.page() as page:
        do(page, "cameras.look", True)
        wait(lambda: chooser.thumbnail("Webcam")[0] == 200)
        for name, code in (
            ("Other virtual", "busy"),
            ("Forbidden", "denied"),
            ("unknown", "gone"),
            ("AI avatar", "gone"),
        ):
            status, told = chooser.thumbnail(name)
            assert (status, told["code"]) == (404, code)
            assert told["refused"].endswith(".")


def test_the_camera_of_the_run_is_never_opened_again(chooser: Chooser) -> None:
    with chooser.served.page() as page:
        do(page, "cameras.look", True)
        wait(lambda: chooser.thumbnail("Webcam")[0] == 200)
        for used in ("Infrared (/dev/video2) 640x480 30 fps GREY", "usb:1:2:port 1:0"):
            chooser.used = replace(chooser.used, camera=used)
            assert chooser.thumbnail("Infrared")[1]["code"] == "in_use"
            assert [one["note"] for one in chooser.offered()] == ["", "denied", "in_use", ""]
        assert chooser.open == ["Webcam"]


def test_nobody_without_the_key_learns_of_cameras(chooser: Chooser) -> None:
    assert chooser.served.ask("/cameras", key=False)[0] == 401
    assert chooser.served.ask("/cameras/demo/thumbnail", key=False)[0] == 401
    with chooser.served.page() as page:
        assert next_of(page, "state")["cameras"] == {}
