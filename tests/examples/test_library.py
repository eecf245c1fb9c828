from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from realtime.library import prepare
from tests.paths import ROOT


def test_the_example_moves_a_photo(tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    words = [sys.executable, "examples/library.py", "assets/face.jpg", "assets/demo.mp4", str(out)]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with PIL.Image.open(out) as picture:
        sheet = np.asarray(picture.convert("RGB")).astype(int)
    still = prepare(ROOT / "assets" / "face.jpg").avatar.still
    shown = np.split(sheet, sheet.shape[1] // still.shape[1], axis=1)
    assert len(shown) == 8 and shown[0].shape == still.shape
    moved = [(np.abs(one - still).max(-1) > 30).mean() for one in shown]
    assert moved[0] == 0 and max(moved) > 0.01, "at first the still, then it moves"


def test_what_cannot_be_prepared_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no-such"):
        prepare(tmp_path / "no-such.jpg")
    with pytest.raises(UserError, match="no backend called"):
        prepare(ROOT / "assets" / "face.jpg", backend="cat")
