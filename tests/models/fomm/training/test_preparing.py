from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from models.errors import UserError
from models.fomm.training import preparing
from models.fomm.training.footage import Seen, Square, choose
from models.fomm.training.frames import read_clip, video_frames
from models.fomm.training.preparing import REPORT, Settings, prepare
from models.types import Face, Image
from realtime.cli import app
from tests.clips import write_pictures
from tests.paths import ROOT

SMALL = Settings(side=64, least=8)
DEMO = ROOT / "assets" / "demo.mp4"


@pytest.fixture(scope="module")
def heads() -> list[Image]:
    return [
        np.asarray(cv2.resize(frame, (256, 256), interpolation=cv2.INTER_AREA), np.uint8)
        for frame in islice(video_frames(DEMO), 24)
    ]


@pytest.fixture(scope="module")
def footage(heads: list[Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good frames, 12 without a face, 12 of another picture after a cut, 14 blurred ones."""
    other = [np.full_like(heads[0], 165)] * 12
    moved = []
    for one in heads[:12]:
        small = cv2.resize(one, (200, 200), interpolation=cv2.INTER_AREA)
        picture = np.full_like(one, 30)
        picture[56:, :200] = small
        moved.append(picture)
    blurred = [np.asarray(cv2.GaussianBlur(one, (0, 0), 6), np.uint8) for one in heads[:14]]
    clip = tmp_path_factory.mktemp("footage") / "Me #1.mp4"
    return write_pictures(clip, [*heads, *other, *moved, *blurred])


def test_what_is_good_is_kept_and_the_rest_is_told(footage: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int]] = []
    report = prepare([footage], tmp_path / "set", SMALL, lambda *what: told.append(what))
    assert report.frames == 62
    spans = [(one.piece.start, one.piece.stop) for one in report.made]
    assert spans[0][0] == 0 and {stop for _, stop in spans} >= {24, 48}
    assert all(stop <= 24 or 36 <= start and stop <= 50 for start, stop in spans)
    assert report.dropped["without a face"] >= 12 and report.dropped["that are blurred"] >= 10
    kept = sum(one.piece.frames for one in report.made)
    assert kept + sum(report.dropped.values()) == 62
    assert {what.split()[0] for what, _ in told} == {"Looking", "Cutting"}
    assert f"Kept {kept} of 62 frames" in report.lines()[0]
    assert any("without a face" in line for line in report.lines())
    # Every clip is there, whole, and shows what its square of the footage shows.
    frames = list(video_frames(footage))
    for one in report.made:
        assert one.name.startswith("Me -1#")
        clip = read_clip(tmp_path / "set" / one.part / one.name, (64, 64))
        assert clip.shape == (one.piece.frames, 64, 64, 3)
        assert np.array_equal(clip[-1], one.piece.square.of(frames[one.piece.stop - 1], 64))
    parts = [one.part for one in report.made]
    assert "train" in parts and "test" in parts
    described = json.loads((tmp_path / "set" / REPORT).read_text())
    assert len(described["clips"]) == len(report.made) and described["frames"] == 62


def test_the_demo_clip_is_cut_by_the_command_as_mp4(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from models.fomm.training.dataset import FramePairs

    clip = write_pictures(tmp_path / "head.mp4", list(islice(video_frames(DEMO), 30)))
    out = tmp_path / "set"
    wanted = ["--out", str(out), "--size", "48", "--min-frames", "10", "--mp4", "--person", "me"]
    result = CliRunner().invoke(app, ["prepare-data", str(clip), *wanted])
    assert result.exit_code == 0, result.output
    assert "Kept 30 of 30 frames: 1 clip, 24 frames for training; 1 clip, 6" in result.output
    assert sorted(one.name for one in out.rglob("*.mp4")) == ["me#0001.mp4", "me#0002.mp4"]
    pairs = FramePairs({"root_dir": str(out), "frame_shape": [48, 48, 3], "id_sampling": True})
    assert pairs.prepare() == 24
    item = pairs[0]
    assert item["source"].shape == (3, 48, 48) and torch.isfinite(item["driving"]).all()


def test_an_interrupted_run_leaves_nothing_and_a_killed_one_s_rest_is_cleared(
    heads: list[Image], tmp_path: Path
) -> None:
    clip = write_pictures(tmp_path / "a.mp4", heads[:12])
    rest = tmp_path / ".set.part" / "train" / "old#0001.mp4"
    rest.mkdir(parents=True)

    def interrupt(what: str, done: int) -> None:
        if what.startswith("Cutting") and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare([clip], tmp_path / "set", SMALL, interrupt)
    assert [one.name for one in tmp_path.iterdir()] == ["a.mp4"]
    rest.mkdir(parents=True)
    prepare([clip], tmp_path / "set", SMALL)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mp4", "set"]
    assert not [one for one in (tmp_path / "set").rglob("old*")]
    with pytest.raises(UserError, match="is there already"):
        prepare([clip], tmp_path / "set", SMALL)


def test_clips_of_one_name_do_not_mix_and_pieces_are_held_out(
    heads: list[Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "MANY", 4)
    clips = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        clips.append(write_pictures(tmp_path / name / "clip.mp4", heads[:16]))
    report = prepare(clips, tmp_path / "set", Settings(side=64, least=8, most=8))
    names = [one.name for one in report.made]
    assert names == [f"clip{n}#000{i}.mp4" for n in ("", "-2") for i in (1, 2)]
    assert sorted(one.part for one in report.made) == ["test", "train", "train", "train"]


def test_nothing_usable_is_a_sentence(tmp_path: Path) -> None:
    grey = write_pictures(tmp_path / "grey.mp4", [np.full((64, 64, 3), 90, np.uint8)] * 9)
    with pytest.raises(UserError, match="9 frames without a face"):
        prepare([grey], tmp_path / "set", SMALL)
    with pytest.raises(UserError, match="There is no clip"):
        prepare([tmp_path / "absent.mp4"], tmp_path / "set", SMALL)
    assert not (tmp_path / "set").exists()


def head(x: float, y: float, size: float = 60.0) -> Face:
    """An upright face of some size in the middle of (x, y): the demo's own shape is not needed."""
    turn = np.linspace(0, 2 * np.pi, 478)
    points = np.stack([x + size / 2 * np.cos(turn), y + size / 2 * np.sin(turn), 0 * turn], 1)
    return Face(points.astype(np.float32), None, 1.0)


def chosen(faces: list[Face], monkeypatch: pytest.MonkeyPatch, side: int = 64) -> list[range]:
    monkeypatch.setattr("models.fomm.training.footage.quarters", lambda face: 0)
    monkeypatch.setattr("models.fomm.training.footage.cuts", lambda faces, seconds: [])
    seen = [Seen(face, 1.0, False) for face in faces]
    seconds = [i / 25 for i in range(len(faces))]
    pieces = choose(seen, (240, 640), seconds, side, 5, 1000).pieces
    return [range(one.start, one.stop) for one in pieces]


def test_who_wanders_away_begins_another_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = chosen([head(120 + 8 * i, 120) for i in range(30)], monkeypatch)
    assert len(spans) > 1 and sum(map(len, spans)) == 30
    assert spans[0].stop == spans[1].start


def test_heads_at_the_edge_and_small_ones_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not chosen([head(20, 120)] * 9, monkeypatch)
    assert chosen([head(40, 120)] * 9, monkeypatch)
    assert not chosen([head(120, 120, 20)] * 9, monkeypatch, side=256)


def test_a_square_is_cut_at_any_size() -> None:
    image = np.arange(40 * 60 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8)
    assert np.array_equal(Square(5, 3, 20).of(image, 20), image[3:23, 5:25])
    for side in (7, 50):
        assert Square(5, 3, 20).of(image, side).shape == (side, side, 3)
