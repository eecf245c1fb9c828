"""A clip's motion is kept in a file, and moves photos without the clip."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from models.errors import UserError
from models.liveportrait.backend import LivePortraitAnimator
from models.types import Image
from realtime.clips import making
from realtime.clips.making import Recipe, make
from realtime.paths import asset_path
from scripts.rigs.fakes import FakeAnimator
from tests.models.liveportrait.fake_engine import FakeEngine
from tests.realtime.commands.test_animate import write_driver

FRAMES = 8


@pytest.fixture(autouse=True)
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The backend is the real one, with an engine that has no networks."""
    monkeypatch.setattr(making, "create_animator", lambda name: LivePortraitAnimator(FakeEngine()))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, astronaut: Image) -> Path:
    """A face that slides to the left."""
    folder = tmp_path_factory.mktemp("driver")
    return write_driver(folder / "driver.mp4", astronaut[:400, 60:404], frames=FRAMES)


def animate(driving: Path, output: Path, **options: Any) -> tuple[Any, list[str]]:
    """What `animate` does with the demo photo."""
    recipe = Recipe(
        photo=asset_path("face.jpg"), driving=driving, canvas=(256, 256), badge=False, **options
    )
    said: list[str] = []
    return make(recipe, output, lambda what, done, total: None, said.append), said


def pictures(path: Path) -> list[np.ndarray]:
    """All frames of a video."""
    with av.open(str(path)) as file:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in file.decode(video=0)]


def test_a_kept_motion_gives_the_same_clip_as_the_video(tmp_path: Path, driver: Path) -> None:
    kept = tmp_path / "motion.npz"
    report, said = animate(driver, tmp_path / "a.mp4", reference=0, save_motion=kept)
    assert report.frames == FRAMES and any("8 frames" in line for line in said)
    again, _ = animate(kept, tmp_path / "b.mp4")
    assert again.frames == FRAMES and again.reference == 0 and again.faults == 0
    first, second = pictures(tmp_path / "a.mp4"), pictures(tmp_path / "b.mp4")
    assert len(first) == len(second) == FRAMES
    assert np.abs(first[-1] - first[0]).max() > 20, "it moves"
    for one, other in zip(first, second, strict=True):
        assert np.abs(one - other).mean() < 0.5
    with av.open(str(tmp_path / "b.mp4")) as file:
        assert [stream.type for stream in file.streams] == ["video"]
        assert file.streams.video[0].average_rate == 25
    assert {path.name for path in tmp_path.iterdir()} == {"motion.npz", "a.mp4", "b.mp4"}


def test_a_part_of_a_motion_is_taken_and_another_reference(tmp_path: Path, driver: Path) -> None:
    kept = tmp_path / "motion.npz"
    animate(driver, tmp_path / "a.mp4", reference=0, save_motion=kept)
    report, _ = animate(kept, tmp_path / "b.mp4", part=(0.08, 0.2), reference=1)
    assert report.frames == 3 and report.reference == 1
    report, _ = animate(kept, tmp_path / "b.mp4", part=(0.08, 0.2))
    assert report.reference == 0, "its own is not in the part"
    with pytest.raises(UserError, match="no frame 3; choose one from 0 to 2"):
        animate(kept, tmp_path / "b.mp4", part=(0.08, 0.2), reference=3)
    with pytest.raises(UserError, match="another part"):
        animate(kept, tmp_path / "b.mp4", part=(5.0, 6.0))
    with pytest.raises(UserError, match="leave out --rotate"):
        animate(kept, tmp_path / "b.mp4", turn=90)


def test_a_template_of_others_moves_a_photo_and_is_kept_as_numbers(tmp_path: Path) -> None:
    frames = []
    for i in range(FRAMES):
        frames.append(
            {
                "scale": np.array([[1.3]], np.float32),
                "R": np.eye(3, dtype=np.float32)[None],
                "exp": np.zeros((1, 21, 3), np.float32),
                "t": np.array([[0.03 * i, 0, 0]], np.float32),
            }
        )
    template = tmp_path / "d0.pkl"
    template.write_bytes(pickle.dumps({"n_frames": FRAMES, "output_fps": 30, "motion": frames}))
    report, _ = animate(template, tmp_path / "a.mp4", save_motion=tmp_path / "d0.npz")
    assert report.frames == FRAMES
    shown = pictures(tmp_path / "a.mp4")
    assert np.abs(shown[-1] - shown[0]).max() > 20
    animate(tmp_path / "d0.npz", tmp_path / "b.mp4")
    assert np.abs(pictures(tmp_path / "b.mp4")[-1] - shown[-1]).mean() < 0.5


def test_a_backend_without_motion_files_says_so(
    tmp_path: Path, driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "create_animator", lambda name: FakeAnimator())
    (tmp_path / "motion.npz").write_bytes(b"PK")
    for driving, options in (
        (tmp_path / "motion.npz", {}),
        (driver, {"save_motion": tmp_path / "kept.npz"}),
    ):
        with pytest.raises(UserError, match="The backend fake has no motion files"):
            animate(driving, tmp_path / "a.mp4", **options)
    assert not (tmp_path / "kept.npz").exists()


def test_a_damaged_motion_file_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "motion.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match="damaged"):
        animate(tmp_path / "motion.npz", tmp_path / "a.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"]
