"""scripts/soak/soak.py itself: a short hunt for leaks, and its measures on known values."""

from __future__ import annotations

import re
from argparse import Namespace
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.frames import AvatarFrame
from scripts.soak import soak
from scripts.soak.leak import mark
from scripts.soak.soak import Guard, Kept, Sample


def test_a_short_hunt_finds_no_leak(capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.run_leak(Namespace(frames=1500, seed=3)) == 0
    said = capsys.readouterr().out
    found = re.search(r": (\d+) frames, (\d+) different pictures, the mark in 0,", said)
    assert found is not None, said
    frames, pictures = map(int, found.groups())
    assert frames >= 1500 and pictures > 150
    seen = re.search(r"the mark in (\d+) frames while it was allowed, and in 0 of", said)
    assert seen is not None and int(seen.group(1)) > 5, said
    assert re.search(r"[1-9]\d+ frames searched, the mark in 0,", said), said


def test_the_guard_sees_a_leak_unless_it_is_allowed() -> None:
    allowed = [True]
    guard = Guard(lambda: allowed[0])
    plain = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    leak = AvatarFrame(mark(np.full((480, 640, 3), 120, np.uint8)), None, False)
    for frame in (AvatarFrame(plain, None, True), leak, leak):
        guard(frame)
    assert (guard.frames, guard.pictures, guard.leaks, guard.passed) == (3, 2, 0, 2)
    allowed[0] = False
    guard(leak)
    assert guard.leaks == 1 and guard.highest > 0.8


def test_gaps_and_recovery_are_measured() -> None:
    kept = Kept()
    kept.stamps.extend([1.0, 1.1, 1.2, 1.9, 2.0])
    kept.new.extend([1.0, 1.9])
    assert kept.longest_gap(1.05, 2.05) == pytest.approx(0.7)
    assert kept.longest_gap(1.95, 2.05) == pytest.approx(0.1)
    assert kept.longest_gap(1.95, 2.65) == pytest.approx(0.65)
    assert kept.first_new(1.5) == pytest.approx(0.4)
    assert kept.first_new(1.95) == float("inf")


def samples(growth: float, threads: int = 12) -> list[Sample]:
    return [
        Sample(
            i / 6, 300 * (1 + growth * i / 359), 12 if i < 300 else threads, 40, (30, 50, 60), 40
        )
        for i in range(360)
    ]


def test_what_grows_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert soak.judge(samples(0.0), 0) == 0
    assert soak.judge(samples(0.05), 0) == 1
    assert soak.judge(samples(0.0, threads=13), 0) == 1
    assert soak.judge(samples(0.0), 1) == 1
    soak.draw(samples(0.05), tmp_path / "plot.png")
    sheet = np.asarray(cv2.imread(str(tmp_path / "plot.png")))
    assert sheet.shape == (760, 1000, 3) and sheet.min() < 60
