"""Whatever fails, the output goes on with avatar frames, and all is well again afterwards."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import numpy as np
import pytest

from models.types import Face, Image
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.frames import AvatarFrame
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from scripts.rigs.fakes import CAMERA_COLOUR, FakeAnimator, FakeTracker, PlainComposer, avatar, face
from scripts.soak.faults import (
    FAULTS,
    Board,
    Fault,
    FaultyAnimator,
    FaultyCamera,
    FaultySink,
    FaultyTracker,
)

PATIENCE = 30.0
"""Seconds after which a test fails; nothing is measured by it."""


def picture(index: int) -> Image:
    """A camera's picture: its colour, and a dot that moves."""
    image = np.full((96, 128, 3), CAMERA_COLOUR, np.uint8)
    image[40:56, index % 100 : index % 100 + 16] = np.random.default_rng(index).integers(0, 255)
    return image


class Counter:
    """Counts the frames of an output, and the new animated ones among them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.frames = self.new = 0
        self.captured_at = 0.0
        self.pictures: list[Image] = []

    def __call__(self, frame: AvatarFrame) -> None:
        with self.changed:
            self.frames += 1
            if frame.live and frame.captured_at is not None:
                self.new += 1
                self.captured_at = frame.captured_at
            self.pictures = [*self.pictures[-50:], frame.image]
            self.changed.notify_all()

    def more(self, frames: int = 0, new: int = 0) -> bool:
        """Wait for some more frames."""
        with self.changed:
            until = self.frames + frames, self.new + new
            return self.changed.wait_for(
                lambda: self.frames >= until[0] and self.new >= until[1], PATIENCE
            )


class Eyes(FakeTracker):
    """Sees a face that moves, but not in the dark."""

    def __init__(self) -> None:
        super().__init__(lambda index: face((index % 50, 0.0)))

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        seen = super().track(frame, seconds)
        return seen if frame.max() > 60 else None


class Rig:
    """A run of fakes that fail on command, with one output that can fail and one that cannot."""

    def __init__(self) -> None:
        self.board = Board()
        self.lines: list[str] = []
        self.faulty, self.sound = Counter(), Counter()
        animation = Animation(
            FaultyAnimator(self.board, FakeAnimator()),
            FaultyTracker(self.board, Eyes()),
            avatar(),
            calibration=Calibration(patience=0.1),
        )
        self.pipeline = Pipeline(
            lambda: FaultyCamera(self.board, picture, fps=100),
            animation,
            PlainComposer(),
            [
                Output(lambda: FaultySink("first", self.faulty, self.board), retry=True),
                Output(lambda: FaultySink("second", self.sound), retry=True),
            ],
            fps=60,
            notify=self.lines.append,
        )
        self._thread = threading.Thread(target=self.pipeline.run)

    def __enter__(self) -> Rig:
        self._thread.start()
        assert self.sound.more(new=5) and self.faulty.more(new=1)
        return self

    def __exit__(self, *error: Any) -> None:
        self.board.off()
        self.pipeline.stop()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def told(self, line: str) -> bool:
        """Wait for a line."""
        until = time.perf_counter() + PATIENCE
        while time.perf_counter() < until:
            if any(re.search(line, told) for told in self.lines):
                return True
            time.sleep(0.02)
        return False


def name(fault: Fault) -> str:
    return fault.name


@pytest.mark.parametrize("fault", FAULTS, ids=name)
def test_the_output_goes_on_and_recovers(fault: Fault) -> None:
    with Rig() as rig:
        with rig.board.during(fault.name):
            # The fault ends only when these have come: an output that waits for it never gets here.
            assert rig.sound.more(frames=30), "the output stopped"
            if fault.stops:
                before = rig.sound.new
                assert rig.sound.more(frames=30)
                assert rig.sound.new <= before + 2, "the fault was not there"
            if fault.line:
                assert rig.told(fault.line), rig.lines
            began = len(rig.lines)
        assert rig.sound.more(new=20), "it did not recover"
        assert rig.faulty.more(new=5), "the failed output did not recover"
    told = [line for line in rig.lines[:began] if fault.line and re.search(fault.line, line)]
    assert len(told) == bool(fault.line), rig.lines
    assert len(rig.lines) <= 4, rig.lines
    for image in (*rig.sound.pictures, *rig.faulty.pictures):
        assert not (image == np.array(CAMERA_COLOUR, np.uint8)).all(-1).any()


def test_all_at_once_at_random() -> None:
    rng = np.random.default_rng(7)
    with Rig() as rig:
        for _ in range(40):
            for one in FAULTS:
                if rng.random() < 0.15:
                    rig.board.on(one.name)
            assert rig.sound.more(frames=3)
            rig.board.off()
            if rng.random() < 0.5:
                rig.pipeline.animation.recalibrate(at_once=bool(rng.random() < 0.5))
            if rng.random() < 0.3:
                rig.pipeline.set_avatar(avatar(int(rng.integers(0, 255))))
        assert rig.sound.more(new=10) and rig.faulty.more(new=5)


def test_nothing_is_left_behind() -> None:
    before = threading.active_count()
    for _ in range(2):
        with Rig() as rig, rig.board.during("sink: gone"):
            assert rig.sound.more(frames=10)
    assert threading.active_count() == before
