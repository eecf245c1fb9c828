"""Points to start from, for pictures in which no face is found."""

from __future__ import annotations

import numpy as np
import pytest

from models.face.guess import find_eyes, guess
from models.face.placed import POINTS
from models.types import Face
from tests import creatures

SIZE = (creatures.SIDE, creatures.SIDE)


@pytest.mark.parametrize("name", ["stick", "cat", "dog"])
def test_eyes_are_found_as_two_dark_spots_that_mirror_each_other(name: str) -> None:
    pair = find_eyes(creatures.PICTURES[name]())
    assert pair is not None
    points = creatures.placed(name).points
    apart = np.hypot(*(np.subtract(points["right_eye_outer"], points["left_eye_outer"]) * SIZE))
    for side, found in zip(("left", "right"), pair.eyes, strict=True):
        middle = np.mean([points[f"{side}_eye_{at}"] for at in ("outer", "inner")], axis=0) * SIZE
        assert np.linalg.norm(found - middle) < 0.12 * apart


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_empty_picture_gets_a_face_in_its_middle(level: int) -> None:
    image = np.full((300, 500, 3), level, np.uint8)
    assert find_eyes(image) is None
    first = guess(image, [])
    assert not first.found and first.placed.kind == "creature"
    face = first.placed.face((500, 300))
    assert np.abs(face.landmarks[:468, 0].mean() - 250) < 20


@pytest.mark.parametrize("name", sorted(creatures.PICTURES))
def test_what_is_guessed_makes_a_face(name: str) -> None:
    assert guess(creatures.PICTURES[name](), []).placed.face(SIZE).landmarks.shape == (478, 3)


def test_a_face_that_is_found_gives_its_own_points() -> None:
    landmarks = creatures.placed("cartoon").face(SIZE).landmarks
    first = guess(creatures.cartoon(), [Face(landmarks, None, 1.0)])
    assert first.found and first.placed.kind == "drawing"
    for name, number in POINTS.items():
        assert np.allclose(np.multiply(first.placed.points[name], SIZE), landmarks[number, :2])
