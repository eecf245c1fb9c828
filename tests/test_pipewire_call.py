"""From a recorded face to a web page, through the whole tool and nothing but real cameras.

Face clip -> PipeWire webcam -> OpenCV -> `avatarify-like run`, real backend -> PipeWire camera ->
Chromium's getUserMedia.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.tracker import FaceTracker
from models.types import Image
from realtime.assets import asset_path
from realtime.cameras.clip import ClipCamera
from realtime.frames import AvatarFrame
from realtime.sinks.pipewire import PipeWireSink
from scripts.measures import MOTIONS, agreement, motions
from tests import timecode
from tests.camera_page import CameraPage
from tests.desktop import Desktop
from tests.devices import needs_programs

WEBCAM, WEBCAM_SIZE = "Recorded webcam", (640, 480)
CANVAS = (1280, 720)
SECONDS = 9.0
"""How long the page looks: the clip, which repeats, once and a little more."""


@pytest.fixture
def desktop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desktop]:
    needs_programs("chromium")
    with tempfile.TemporaryDirectory(prefix="pw") as folder, Desktop(Path(folder)) as desktop:
        monkeypatch.setenv("XDG_RUNTIME_DIR", desktop.environment["XDG_RUNTIME_DIR"])
        yield desktop


def clip() -> list[Image]:
    """The demo clip as a webcam would show it."""
    pictures = []
    with ClipCamera(asset_path("demo.mp4"), size=None, full_pace=True) as camera:
        for _ in range(240):
            picture = np.full((WEBCAM_SIZE[1], WEBCAM_SIZE[0], 3), 128, np.uint8)
            picture[:, 80:560] = cv2.resize(camera.read().image, (480, 480))
            pictures.append(picture)
    return pictures


@contextmanager
def webcam(pictures: list[Image]) -> Iterator[dict[int, int]]:
    """A camera that shows these pictures for ever, each with the time; gives time -> picture."""
    shown: dict[int, int] = {}
    stop = threading.Event()

    def show(sink: PipeWireSink) -> None:
        start, count = time.perf_counter(), 0
        while not stop.wait(max(0.0, start + count / 30 - time.perf_counter())):
            picture = pictures[count % len(pictures)].copy()
            code = timecode.now()
            timecode.draw(picture, code)
            shown[code] = count % len(pictures)
            sink.write(AvatarFrame(picture, None, True))
            count += 1

    with PipeWireSink(WEBCAM_SIZE, 30.0, WEBCAM) as sink:
        thread = threading.Thread(target=show, args=(sink,))
        thread.start()
        try:
            yield shown
        finally:
            stop.set()
            thread.join()


def followed(pictures: list[Image]) -> list[dict[str, float] | None]:
    """The motions of the face in each picture, None where there is none."""
    tracker = FaceTracker()
    faces = [tracker.track(picture) for picture in pictures]
    neutral = next(face for face in faces if face is not None)
    return [None if face is None else motions(face.landmarks, neutral.landmarks) for face in faces]


def test_a_page_sees_the_avatar_move_like_the_driver(
    desktop: Desktop, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    pictures = clip()
    with webcam(pictures) as shown:
        serial = desktop.cameras()[WEBCAM]
        tool = desktop.start(
            *("pw-v4l2", sys.executable, "-m", "tests.marked_run", "run"),
            *("--source", str(asset_path("face.jpg")), "--camera", "/dev/video0"),
            *("--output", "pipewire", "--size", f"{CANVAS[0]}x{CANVAS[1]}", "--seconds", "120"),
            environment={
                "PIPEWIRE_V4L2_TARGET": str(serial),
                "HOME": os.environ.get("HOME", "/"),  # for the cache of the weights
                "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", ""),
                "PYTHONPATH": ".",
            },
        )
        log = desktop.log("pw-v4l2")
        for _ in range(600):
            if "AI avatar" in desktop.cameras() or tool.poll() is not None:
                break
            time.sleep(0.1)
        assert "AI avatar" in desktop.cameras(), log.read_text()
        with CameraPage(tmp_path / "profile", desktop.environment) as page:
            settings = page.join("AI avatar", CANVAS)
            assert (settings["width"], settings["height"]) == CANVAS
            until = time.monotonic() + 60
            while all(item.code is None for item in page.seen()) and time.monotonic() < until:
                time.sleep(0.2)  # Until the tool has opened its camera and calibrated.
            page.keep(2)
            time.sleep(SECONDS)
            page.keep(0)
            received = page.pictures()
            seen = page.seen()
        assert tool.poll() is None, log.read_text()

    # The time that each picture of the webcam took to the page.
    codes = [item.code for item in seen if item.code is not None]
    ages = [timecode.age(item.code, item.at) for item in seen if item.code is not None]
    record_property("latency_ms", [float(np.percentile(ages, p)) for p in (50, 95, 99)])
    assert len(codes) > 0.9 * len(seen)
    assert set(codes) <= set(shown)
    order = [timecode.age(codes[0], code) for code in codes]
    assert order == sorted(order)

    assert len(received) > 40
    codes_kept = [timecode.read(picture) for _, picture in received]
    driver = followed(pictures)
    avatar = followed([picture for _, picture in received])
    assert sum(face is not None for face in avatar) > 0.95 * len(avatar)
    for name in ("mouth", "yaw"):
        pairs = [
            (moved[name], answer[name])
            for code, answer in zip(codes_kept, avatar, strict=True)
            if code is not None and answer is not None
            for moved in [driver[shown[code]]]
            if moved is not None
        ]
        before, after = ([pair[side] for pair in pairs] for side in (0, 1))
        found = agreement(before, after, MOTIONS[name])
        assert found.correlation is not None and found.correlation > 0.8, name
