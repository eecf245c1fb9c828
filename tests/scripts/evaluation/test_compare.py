"""Two evaluations side by side, and ours beside published frames."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest

from models.errors import UserError
from models.mesh.backend import MeshAnimator
from realtime.cameras.clip import ClipReader
from scripts.evaluation import measures, published
from scripts.evaluation.compare import compare, read_figures
from scripts.evaluation.driver import read_driver
from scripts.evaluation.tables import Figures

CELL = {"correlation": 0.95, "gain": 0.9, "span": 1.0}


def figures() -> Figures:
    row = {name: dict(CELL) for name in measures.MOTIONS | measures.EXPRESSIONS}
    return {
        "self": {"clip": {"result": {"landmarks_all_px": 0.5}}},
        "cross": {"itself": {"clip": row}, "photo": {"clip": row}},
        "goals": {"follows": [6, 6]},
    }


def test_what_was_stands_before_what_is(capsys: pytest.CaptureFixture[str]) -> None:
    after = copy.deepcopy(figures())
    after["self"]["clip"]["result"]["landmarks_all_px"] = 0.25
    after["cross"]["photo"]["clip"]["mouth"]["gain"] = 0.5
    after["goals"]["follows"] = [5, 6]
    compare(figures(), after)
    shown = capsys.readouterr().out
    assert "0.50 -> 0.25" in shown
    assert "1 of 1 -> 0 of 1" in shown and "0.10 -> 0.50" in shown
    assert "6 of 6" in shown and "5 of 6" in shown


def test_a_figure_that_was_not_there_is_a_dash(capsys: pytest.CaptureFixture[str]) -> None:
    before = copy.deepcopy(figures())
    del before["cross"]["photo"]["clip"]["aside"]
    compare(before, figures())
    assert "0 of 0 -> 1 of 1" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[1]", '{"self": {}}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text)
    with pytest.raises(UserError, match="holds no figures"):
        read_figures(path)
    path.write_text(json.dumps(figures()))
    assert read_figures(path) == figures()


def test_moments_of_the_published_frames_are_spread_over_the_clip() -> None:
    kept = published.moments(65, 78)
    assert kept[0] == 0 and kept[-1] == 77 and len(set(kept)) == 65
    assert set(np.diff(kept)) == {1, 2}


def test_ours_and_the_published_frames_are_judged_alike(shared: Path) -> None:
    folder = shared / "real"
    animator = MeshAnimator(with_eye_network=False)
    driver = read_driver(ClipReader(folder / published.DRIVER), 1, animator)
    shown = published.show(folder, "s9", animator, driver, 384)
    assert len(shown.ours) == len(shown.theirs)
    assert shown.ours[0].shape == shown.theirs[0].shape
    # At rest both are the painting: the same framing, but for GIF's colours.
    apart = np.abs(shown.ours[0].astype(int) - shown.theirs[0])
    assert apart.mean() < 16
    rows = published.judge(shown, driver)
    for who in ("ours", "LivePortrait"):
        assert rows[who]["lost"] == 0
        assert rows[who]["mouth"]["correlation"] > 0.9
