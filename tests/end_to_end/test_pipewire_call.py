"""From a recorded face to a web page, through the whole tool and nothing but real cameras.

Face clip -> PipeWire webcam -> OpenCV -> `avatarify-like run`, real backend -> PipeWire camera ->
Chromium's getUserMedia.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.sinks.virtual.pipewire import LABEL, PipeWireSink
from scripts.rigs import recorded_webcam, timecode
from scripts.rigs.camera_page import CameraPage
from scripts.rigs.desktop import Desktop
from scripts.rigs.programs import needs_programs

pytestmark = pytest.mark.devices

CANVAS = (1280, 720)
SECONDS, PICTURES = 9.0, 60
"""How long the page looks: the clip, which repeats, once and a little more; longer where a busy
machine gives it fewer pictures than this."""


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    needs_programs("chromium")
    with tempfile.TemporaryDirectory(prefix="pw") as folder, Desktop(Path(folder)) as desktop:
        monkeypatch.setenv("XDG_RUNTIME_DIR", desktop.environment["XDG_RUNTIME_DIR"])
        yield desktop


def test_a_page_sees_the_avatar_move_like_the_driver(desktop: Desktop, tmp_path: Path) -> None:
    pictures = recorded_webcam.clip()
    with recorded_webcam.webcam(pictures) as shown:
        size = f"{CANVAS[0]}x{CANVAS[1]}"
        tool = recorded_webcam.start_tool(desktop, "--output", "pipewire", "--size", size)
        recorded_webcam.wait_for_avatar(desktop, tool, LABEL)
        with CameraPage(tmp_path / "profile", desktop.environment) as page:
            settings = page.join(LABEL, CANVAS)
            assert (settings["width"], settings["height"]) == CANVAS
            until = time.monotonic() + 60
            while all(item.code is None for item in page.seen()) and time.monotonic() < until:
                time.sleep(0.2)  # Until the tool has opened its camera and calibrated.
            page.keep(2)
            until = time.monotonic() + 120
            time.sleep(SECONDS)
            while page.kept() < PICTURES and time.monotonic() < until:
                time.sleep(0.5)
            page.keep(0)
            received = page.pictures()
            seen = page.seen()
        assert tool.poll() is None, desktop.log("pw-v4l2").read_text()

    # The time that each picture of the webcam took to the page.
    codes = [item.code for item in seen if item.code is not None]
    ages = [timecode.age(item.code, item.at) for item in seen if item.code is not None]
    print("latency p50/p95/p99 in ms:", np.percentile(ages, (50, 95, 99)).round())
    assert len(codes) > 0.9 * len(seen)
    assert set(codes) <= set(shown)
    order = [timecode.age(codes[0], code) for code in codes]
    assert order == sorted(order)

    assert len(received) >= PICTURES
    faces, found = recorded_webcam.agreements(pictures, shown, [picture for _, picture in received])
    assert faces > 0.95 * len(received)
    for name, correlation in found.items():
        assert correlation is not None and correlation > 0.8, name


def test_a_page_sees_the_right_colours(desktop: Desktop, tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 90)]
    image = np.repeat(np.array(colours, np.uint8), 200, axis=0)[None].repeat(CANVAS[1], axis=0)
    image = np.pad(image, ((0, 0), (0, CANVAS[0] - image.shape[1]), (0, 0)))
    with PipeWireSink(CANVAS, 30.0) as sink, recorded_webcam.shown(sink, [image]):
        with CameraPage(tmp_path / "profile", desktop.environment) as page:
            page.join(LABEL, CANVAS)
            page.keep(1)
            until = time.monotonic() + 30
            while page.kept() < 3 and time.monotonic() < until:
                time.sleep(0.2)
            page.keep(0)
            picture = page.pictures()[-1][1].astype(int)
    for index, colour in enumerate(colours):
        # JPEG moves a colour by 2 at most; a wrong range or matrix by 10 or more.
        seen = picture[CANVAS[1] // 2, index * 200 + 100]
        assert np.abs(seen - colour).max() <= 5, (colour, seen)
