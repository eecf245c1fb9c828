"""The backend of the documentation, installed as other people's packages are, in the real tool."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from models.animator import MotionSettings
from models.keypoints import Keypoints
from models.types import Photo
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.frames import CameraFrame
from scripts.rigs.fakes import FakeTracker, camera_image, face
from tests.paths import ROOT

EXAMPLE = ROOT / "examples" / "sketch"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which the package is installed."""
    folder = tmp_path_factory.mktemp("packages")
    words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    words += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(folder)]
    done = subprocess.run([*words, str(EXAMPLE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    home = tmp_path_factory.mktemp("home")
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "AVATARIFY_HOME": str(home)}


def pictures(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_it_is_short() -> None:
    assert len((EXAMPLE / "sketch.py").read_text().splitlines()) < 60


def test_it_is_listed_by_doctor(installed: dict[str, str]) -> None:
    words = [sys.executable, "-m", "realtime.cli", "doctor"]
    done = subprocess.run(words, env=installed, cwd=ROOT, capture_output=True, text=True)
    assert "draws a face as a sketch" in done.stdout, done.stdout + done.stderr


def test_run_and_animate_take_it(installed: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    program = [sys.executable, "-m", "realtime.cli"]
    common = ["--source", str(ROOT / "assets" / "face.jpg"), "--backend", "sketch"]
    live = ["run", "--camera", "demo", "--record", str(out), "--seconds", "4"]
    live += ["--size", "320x320", "--output", "none", "--panel", "off"]
    clip = ["animate", "--driving", str(ROOT / "assets" / "demo.mp4"), "--output", str(out)]
    for words in (live, clip):
        done = subprocess.run(
            [*program, *words, *common], env=installed, cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        shown = pictures(out)
        # Ink on paper, and it moves: not the photo, and not a still.
        assert np.median(shown[-1]) > 235
        moved = [np.abs(one.astype(int) - shown[0]).max() for one in shown[::10]]
        assert max(moved) > 150
        out.unlink()


def test_it_lives_by_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    import sketch  # type: ignore[import-not-found]

    animator = sketch.BACKEND.create("")
    avatar = animator.prepare(Photo(camera_image(640, 480), face(), "photo"), 128)
    assert (animator.render(avatar, avatar.rest) == avatar.still).all()
    tracker = FakeTracker(lambda index: face((index * 1.0 if index > 40 else 0.0, 0)))
    animation = Animation(animator, tracker, avatar, calibration=Calibration(patience=0.1))
    frames = [
        animation.step(CameraFrame(camera_image(640, 480), index / 30, index))
        for index in range(70)
    ]
    assert animation.faults == 0, animation.last_fault
    assert (frames[-1].image != avatar.still).any()
    twice = MotionSettings(strengths={"motion": 2.0})
    moved = animator.observe(camera_image(), face((20, 0)), face())
    rest = animator.observe(camera_image(), face(), face())
    one, two = (
        animator.pose(avatar, moved, rest, settings) for settings in (MotionSettings(), twice)
    )
    assert isinstance(one, Keypoints)
    assert animator.distance(two, avatar.rest) == pytest.approx(
        2 * animator.distance(one, avatar.rest), rel=1e-4
    )
