"""Measures of a face, against landmarks whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest

from models.face import measures
from models.types import Floats


@pytest.fixture
def landmarks() -> Floats:
    points = np.zeros((478, 3), np.float32)
    points[measures.FOREHEAD], points[measures.CHIN] = (10, 20, 0), (13, 24, 12)
    return points


def test_the_height_is_the_way_from_the_forehead_to_the_chin(landmarks: Floats) -> None:
    assert measures.down(landmarks).tolist() == [3, 4, 12]
    assert measures.height(landmarks) == 13
    assert measures.height(landmarks[:, :2]) == 5, "in the picture"


def test_a_picture_of_a_face_stands_upright(landmarks: Floats) -> None:
    assert measures.down(landmarks)[1] > 0, "rows count from above"
