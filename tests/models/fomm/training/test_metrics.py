from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from models.errors import UserError
from models.fomm.training.frames import video_frames
from models.fomm.training.metrics import (
    Comparison,
    FaceAlignmentTool,
    OwnTool,
    identity_distance,
    joint_distances,
    keypoint_distance,
)
from models.types import Floats, Image
from tests.paths import ROOT

EXPECTED = np.load(ROOT / "tests" / "data" / "fomm_metrics.npz")
"""Made-up inputs, and what the paper's scripts compute of them."""


def test_the_figures_are_those_of_the_paper_s_scripts() -> None:
    found = np.ones(8, bool)
    found[EXPECTED["face_missing"]] = False
    akd = keypoint_distance(EXPECTED["face"], EXPECTED["face_generated"], found)
    assert abs(akd - EXPECTED["akd_face"]) < 1e-12
    assert abs(keypoint_distance(EXPECTED["face"], EXPECTED["face_generated"]) - akd) > 1e-3
    akd, mkr = joint_distances(EXPECTED["body"], EXPECTED["body_generated"])
    assert abs(akd - EXPECTED["akd_body"]) < 1e-12 and abs(mkr - EXPECTED["mkr"]) < 1e-12
    aed = identity_distance(EXPECTED["identity"], EXPECTED["identity_generated"])
    assert abs(aed - EXPECTED["aed"]) < 1e-12


def test_nothing_to_compare_is_no_number() -> None:
    nothing = np.zeros((2, 3, 2))
    assert math.isnan(keypoint_distance(nothing, nothing, np.zeros(2)))
    assert all(map(math.isnan, joint_distances(nothing - 1, nothing - 1)))
    assert math.isnan(identity_distance(np.zeros((0, 4)), np.zeros((0, 4))))


class Table:
    """A tool that finds what a frame's first pixel says: nothing, or points there."""

    name = "table"

    def points(self, frame: Image) -> Floats | None:
        return np.full((4, 2), float(frame[0, 0, 0])) if frame[0, 0, 0] else None

    def look(self, frame: Image) -> Floats | None:
        return np.array([frame[0, 0, 0] / 100, 0.0])


def frame(value: int) -> Image:
    return np.full((128, 128, 3), value, np.uint8)


def test_a_comparison_counts_missing_faces_and_scales_to_256() -> None:
    comparison = Comparison(Table())
    for real, generated in ((10, 13), (20, 0), (0, 50), (30, 31)):
        comparison.add(frame(real), frame(generated))
    result = comparison.result()
    assert result.frames == 3 and result.tool == "table"
    assert abs(result.mkr - 1 / 3) < 1e-12
    assert abs(result.akd - 2 * (3 + 1) / 2) < 1e-12
    assert abs(result.aed - (0.03**2 + 0.01**2) / 2) < 1e-12


def test_our_own_tool_measures_how_far_a_face_has_moved_at_any_size() -> None:
    real = np.asarray(cv2.resize(next(video_frames(ROOT / "assets/demo.mp4")), (256, 256)))
    moved = np.roll(real, 6, 1)
    for side in (256, 128):
        comparison = Comparison(OwnTool())
        for generated in (moved, np.zeros_like(real)):
            one, other = (
                np.asarray(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
                for part in (real, generated)
            )
            comparison.add(one, other)
        result = comparison.result()
        assert 2.5 < result.akd < 3.5  # 6 pixels in one of two coordinates.
        assert result.mkr == 0.5 and 0 <= result.aed < 0.1


def test_face_alignment_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(UserError, match="face-alignment is not installed"):
        FaceAlignmentTool()
    found = np.arange(136.0).reshape(68, 2)

    class Found:
        def __init__(self, kind: str, flip_input: bool, device: str) -> None:
            assert (kind, flip_input, device) == ("2D", False, "cpu")

        def get_landmarks(self, image: Image) -> list[Floats] | None:
            return [found, found + 1] if image.any() else None

    module = SimpleNamespace(LandmarksType=SimpleNamespace(TWO_D="2D"), FaceAlignment=Found)
    monkeypatch.setitem(sys.modules, "face_alignment", module)
    tool = FaceAlignmentTool()
    points = tool.points(frame(3))
    assert points is not None and (points == found).all() and tool.points(frame(0)) is None
