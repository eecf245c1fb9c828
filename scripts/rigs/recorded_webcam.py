"""A PipeWire webcam that shows a recorded face with the time in each picture; the tool on it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from models.face.tracker import FaceTracker
from models.types import Image
from realtime.cameras.clip import ClipCamera
from realtime.frames import AvatarFrame
from realtime.paths import asset_path
from realtime.sinks.base import Sink
from realtime.sinks.virtual.pipewire import PipeWireSink
from scripts.evaluation.measures import MOTIONS, agreement, motions
from scripts.rigs import timecode
from scripts.rigs.desktop import Desktop

NAME = "Recorded webcam"
"""The camera's name for people."""

SIZE = (640, 480)
"""Width and height in pixels: VGA, which every webcam has."""

FPS = 30.0
"""Pictures a second, as most webcams give."""


def clip(frames: int = 240) -> list[Image]:
    """The first pictures of the demo clip, as a webcam would give them."""
    pictures = []
    with ClipCamera(asset_path("demo.mp4"), size=None, full_pace=True) as camera:
        for _ in range(frames):
            picture = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
            picture[:, 80:560] = cv2.resize(camera.read().image, (480, 480))
            pictures.append(picture)
    return pictures


@contextmanager
def shown(sink: Sink, pictures: list[Image]) -> Iterator[dict[int, int]]:
    """Write pictures in turn, `FPS` a second, each with the time.

    Args:
        sink: where they go.
        pictures: (H, W, 3) of the sink's size, at least 512 wide.

    Yields:
        The number of each picture shown so far, by the time in it.
    """
    log: dict[int, int] = {}
    stop = threading.Event()

    def show() -> None:
        start, count = time.perf_counter(), 0
        while not stop.wait(max(0.0, start + count / FPS - time.perf_counter())):
            number = count % len(pictures)
            picture = pictures[number].copy()
            code = timecode.now()
            timecode.draw(picture, code)
            log[code] = number
            sink.write(AvatarFrame(picture, None, True))
            count += 1

    thread = threading.Thread(target=show)
    thread.start()
    try:
        yield log
    finally:
        stop.set()
        thread.join()


@contextmanager
def webcam(pictures: list[Image]) -> Iterator[dict[int, int]]:
    """The camera, in the session of our own environment; the arguments are those of `shown`."""
    with PipeWireSink(SIZE, FPS, NAME) as sink, shown(sink, pictures) as log:
        yield log


def agreements(
    driver: list[Image], shown: dict[int, int], received: list[Image]
) -> tuple[int, dict[str, float | None]]:
    """In how many pictures of the avatar there is a face, and how it goes with the driver's.

    Args:
        driver: what the webcam shows.
        shown: from `webcam`.
        received: of the avatar, with the times of the webcam's pictures.

    Returns:
        The number of faces, and for mouth and yaw the correlation (None: too little to tell).
    """
    moved, answers = _followed(driver), _followed(received)
    codes = [timecode.read(picture) for picture in received]
    found = {}
    for name in ("mouth", "yaw"):
        pairs = [
            (motion[name], answer[name])
            for code, answer in zip(codes, answers, strict=True)
            if code in shown and answer is not None
            for motion in [moved[shown[code]]]
            if motion is not None
        ]
        before, after = ([pair[side] for pair in pairs] for side in (0, 1))
        found[name] = agreement(before, after, MOTIONS[name]).correlation
    return sum(answer is not None for answer in answers), found


def _followed(pictures: list[Image]) -> list[dict[str, float] | None]:
    """The motions of the face in each picture, None where there is none."""
    tracker = FaceTracker()
    faces = [tracker.track(picture) for picture in pictures]
    neutral = next((face for face in faces if face is not None), None)
    return [
        None if face is None or neutral is None else motions(face.landmarks, neutral.landmarks)
        for face in faces
    ]


def start_tool(desktop: Desktop, *arguments: str) -> subprocess.Popen[bytes]:
    """Start `avatarify-like run` on the camera, with codes passed on.

    Args:
        desktop: its session; `desktop.log("pw-v4l2")` is what it says.
        arguments: further ones of `run`.
    """
    words = ("pw-v4l2", sys.executable, "-m", "scripts.rigs.marked_run", "run")
    own = {key: os.environ.get(key, "") for key in ("HOME", "XDG_CACHE_HOME")}
    return desktop.start(
        *words,
        *("--source", str(asset_path("face.jpg")), "--camera", "/dev/video0", "--panel", "off"),
        *arguments,
        environment={
            **own,  # The weights are in the user's own cache.
            "PYTHONPATH": ".",
            "PIPEWIRE_V4L2_TARGET": str(desktop.cameras()[NAME]),
        },
    )


def wait_for_avatar(desktop: Desktop, tool: subprocess.Popen[bytes], label: str) -> None:
    """Wait until the tool has made its camera.

    Args:
        desktop: the session.
        tool: from `start_tool`.
        label: the camera's name for people.

    Raises:
        RuntimeError: it ended, or took more than a minute.
    """
    end = time.monotonic() + 60
    while label not in desktop.cameras():
        if tool.poll() is not None or time.monotonic() > end:
            raise RuntimeError(desktop.log("pw-v4l2").read_text())
        time.sleep(0.1)
