"""What cameras see while the user chooses: one open at a time, and only while somebody looks."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
import pytest

from realtime.cameras.base import CameraLost
from realtime.cameras.viewfinder import WIDTH, Viewfinder, small
from realtime.devices.discovery import VideoDevice
from scripts.rigs.fakes import FakeCamera
from tests.session_rig import wait

ONE, TWO = VideoDevice(0, "One", "/dev/video0"), VideoDevice(2, "Two", "/dev/video2")


class Opened:
    """Opens made-up cameras and notes which are open."""

    def __init__(self, idle: float = 60.0) -> None:
        self.open: list[str] = []
        self.times = 0
        self.most = 0
        self.finder = Viewfinder(self, idle)

    def __call__(self, device: VideoDevice) -> FakeCamera:
        opened = self

        class Noted(FakeCamera):
            def close(self) -> None:
                super().close()
                opened.open.remove(device.name)

        self.open.append(device.name)
        self.times += 1
        self.most = max(self.most, len(self.open))
        return Noted()


def test_a_camera_stays_open_while_it_is_looked_at_and_one_at_a_time() -> None:
    opened = Opened()
    picture = PIL.Image.open(io.BytesIO(opened.finder.picture(ONE)))
    assert picture.format == "JPEG"
    opened.finder.picture(ONE)
    assert (opened.open, opened.times) == (["One"], 1)
    opened.finder.picture(TWO)
    assert (opened.open, opened.times, opened.most) == (["Two"], 2, 1)
    opened.finder.release()
    assert opened.open == []


def test_a_camera_that_nobody_looks_at_is_let_go() -> None:
    opened = Opened(idle=0.05)
    opened.finder.picture(ONE)
    wait(lambda: not opened.open)


def test_a_camera_that_gives_nothing_is_let_go_and_told() -> None:
    closed: list[VideoDevice] = []

    def mute(device: VideoDevice) -> FakeCamera:
        class Mute(FakeCamera):
            def close(self) -> None:
                super().close()
                closed.append(device)

        return Mute(frames=0)

    with pytest.raises(CameraLost):
        Viewfinder(mute).picture(ONE)
    assert closed == [ONE]


def test_pictures_are_small_and_keep_their_shape() -> None:
    large = np.zeros((720, 1280, 3), np.uint8)
    large[..., 0] = 200
    picture = PIL.Image.open(io.BytesIO(small(large)))
    assert picture.size == (WIDTH, 180)
    red, green, _ = picture.getpixel((100, 100))  # type: ignore[misc]
    assert red > 190 and green < 10
