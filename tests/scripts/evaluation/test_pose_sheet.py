"""Sheets of sliders."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.paths import asset_path
from scripts.evaluation import pose_sheet


def test_a_sheet_has_a_row_for_each_photo_and_a_column_for_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, face = tmp_path / "sheet.png", str(asset_path("face.jpg"))
    words = [face, face, "--output", str(output), "--sliders", "smile,lids+turn"]
    monkeypatch.setattr(sys, "argv", ["pose_sheet", *words, "--values", "0,1", "--side", "64"])
    pose_sheet.main()
    sheet = cv2.imread(str(output))
    assert sheet is not None and sheet.shape == (2 * 64, 5 * 64, 3)
    still, rest, smile, again, both = np.hsplit(sheet[:64].astype(int), 5)
    assert np.abs(rest - still).max() <= 12 and (again == rest).all()
    assert np.abs(smile - still).max() > 30 and np.abs(both - still).max() > 30


def test_a_photo_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "lawn.png"), np.full((200, 200, 3), 90, np.uint8))
    words = [str(tmp_path / "lawn.png"), "--output", str(tmp_path / "o.png"), "--sliders", "smile"]
    monkeypatch.setattr(sys, "argv", ["pose_sheet", *words])
    with pytest.raises(SystemExit, match="None of the photos"):
        pose_sheet.main()
    assert "face" in capsys.readouterr().err
