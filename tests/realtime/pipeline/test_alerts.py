from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest

from realtime.commands.options import RunChoices
from realtime.frames import CameraFrame
from realtime.lines import Line
from realtime.pipeline.alerts import Alerts, OutputAlerts, PictureAlerts, StageAlerts, TurnAlert

RNG = np.random.default_rng(3)


def noise(level: int = 128) -> Any:
    return RNG.integers(max(level - 20, 0), level + 20, (120, 160, 3), dtype=np.uint8)


class Show:
    """A camera that is watched, and the lines that a user reads."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.watch = PictureAlerts(Alerts(self.lines.append))
        self.now, self.index = 0.0, 0

    def frames(self, image: Any, seconds: float, fps: float = 30.0, face: bool = True) -> list[str]:
        """The lines told during some seconds of pictures: one, or what a function makes."""
        before = len(self.lines)
        for _ in range(round(seconds * fps)):
            self.now, self.index = self.now + 1 / fps, self.index + 1
            shown = image() if callable(image) else image
            self.watch.look(CameraFrame(shown, self.now, self.index), self.now, face)
        return self.lines[before:]


def test_a_good_camera_is_not_talked_about() -> None:
    assert Show().frames(noise, 20) == []


@pytest.mark.parametrize(
    ("image", "fps", "face", "word"),
    [
        (np.zeros((120, 160, 3), np.uint8), 30, False, "black"),
        (lambda: noise(10), 30, False, "dark"),
        (noise(), 30, True, "not changed"),
        (noise, 5, True, "only 5 frames"),
        (noise, 10, True, "only 10 frames"),
    ],
)
def test_one_line_when_it_begins_and_one_when_it_ends(
    image: Any, fps: float, face: bool, word: str
) -> None:
    show = Show()
    show.frames(noise, 5)
    assert show.frames(image, 0.5, fps, face) == [], "a moment is not worth a line"
    (line,) = show.frames(image, 20, fps, face)
    assert word in line
    (line,) = show.frames(noise, 5)
    assert "again" in line or "enough" in line or "fast" in line


def test_a_slow_camera_is_told_with_options_that_exist() -> None:
    fields = {f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(RunChoices)}
    for height, size in ((720, "640x480"), (480, "1280x720")):
        (line,) = Show().frames(
            lambda high=height: RNG.integers(50, 90, (high, 640, 3), "u1"), 9, 7.5
        )
        assert f"--camera-size {size} --camera-fps 30" in line
        assert set(re.findall("--[a-z-]+", line)) <= fields
    assert Show().frames(noise, 20, 15) == [], "what many webcams give in a room"


def test_what_comes_and_goes_is_not_told_each_time() -> None:
    show = Show()
    for _ in range(10):
        show.frames(np.zeros((120, 160, 3), np.uint8), 1.2)
        show.frames(noise, 0.1)
    assert len(show.lines) == 2


def test_a_slow_tracker_is_not_called_a_slow_camera() -> None:
    show = Show()
    for _ in range(40):
        show.index += 14  # The frames that the tracker had no time for.
        show.frames(noise, 0.5, fps=2)
    assert show.lines == []


@pytest.mark.parametrize("image", [None, np.zeros((4, 4, 3), np.uint8), np.zeros(9, np.uint8)])
def test_what_is_no_picture_is_left_to_others(image: Any) -> None:
    assert Show().frames(image, 5) == []


def test_faults_and_stalls_are_told_once() -> None:
    lines: list[str] = []
    watch = StageAlerts(Alerts(lines.append))
    for tick in range(100):
        now = 50 + tick / 20
        faults = min(max(tick - 20, 0), 30)
        busy = {"Drawing": 52.0 if 40 < tick < 90 else None}
        watch.look(now, faults, "ValueError: odd", busy)
    assert lines == [
        "A frame failed (ValueError: odd); the last avatar picture stays until one succeeds.",
        "Drawing hangs; the last avatar picture stays.",
        "Frames succeed again; 30 have failed.",
        "Drawing goes on.",
    ]


def test_a_program_that_was_stopped_for_a_while_says_of_nothing_that_it_hangs() -> None:
    lines: list[str] = []
    stages, outputs = StageAlerts(Alerts(lines.append)), OutputAlerts(Alerts(lines.append))
    for tick in range(60):
        # Ctrl-Z at 51 s, and `fg` a minute later.
        now = 50 + tick / 20 + (60 if tick > 20 else 0)
        since = 51.0 if 20 <= tick < 30 else None
        stages.look(now, 0, None, {"Drawing": since})
        outputs.look(now, {"video": (since, 0)})
    assert lines == []
    for tick in range(60, 120):
        stages.look(110 + tick / 20, 0, None, {"Drawing": 51.0})
    assert lines == ["Drawing hangs; the last avatar picture stays."]


def test_a_turned_camera_is_told_once() -> None:
    lines: list[str] = []
    alert = TurnAlert(lines.append)
    for index in range(40):
        alert.look(index / 10, 180 if 5 <= index < 20 else 0)
    assert lines == [], "a head that is laid down for a moment"
    for index in range(40, 200):
        alert.look(index / 10, 0 if 100 <= index < 120 else 180)
    assert lines == [
        "The camera's picture is upside down: turn the camera, or start with --rotate 180."
    ]
    side = TurnAlert(lines.append)
    for index in range(40):
        side.look(index / 10, 90)
    assert lines[1:] == [
        "The camera's picture lies on its side: turn the camera, or start with --rotate 90."
    ]


@pytest.mark.parametrize(
    ("turn", "before", "remedy"),
    [
        (180, 90, "with --rotate 270"),
        (90, 270, "without --rotate"),
        (180, 180, "without --rotate"),
        (270, 180, "with --rotate 90"),
    ],
)
def test_the_remedy_for_a_turned_picture_counts_what_turns_it_already(
    turn: int, before: int, remedy: str
) -> None:
    lines: list[str] = []
    alert = TurnAlert(lines.append)
    for index in range(40):
        alert.look(index / 10, turn, before)
    assert len(lines) == 1 and lines[0].endswith(f", or start {remedy}.")


@pytest.mark.parametrize(
    ("level", "face", "dark"),
    [
        (128, True, False),
        (128, False, False),
        (22, True, False),
        (22, False, True),
        (8, True, True),
    ],
)
def test_whether_it_is_dark_is_known_with_the_very_frame(
    level: int, face: bool, dark: bool
) -> None:
    show = Show()
    show.frames(noise(), 0.5)
    assert not show.watch.dark
    show.frames(np.full((120, 160, 3), level, np.uint8), 1 / 30, face=face)
    assert show.watch.dark is dark
    show.frames(noise(), 1 / 30)
    assert not show.watch.dark, "and so is its end"


def test_lines_say_what_they_are_about_and_when_that_is_over() -> None:
    show = Show()
    show.frames(np.zeros((120, 160, 3), np.uint8), 1.5, face=False)
    show.frames(noise, 0.5)
    begins, ends = show.lines
    assert isinstance(begins, Line) and isinstance(ends, Line)
    assert begins.subject == ends.subject
    assert begins.alarm and not begins.over and ends.over and not ends.alarm
