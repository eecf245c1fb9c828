"""How what is around the face follows a turning head."""

from __future__ import annotations

import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import OVAL
from models.mesh import rings
from models.mesh.layers import separate
from models.mesh.pose import Similarity, fit_head, turned
from models.photos import load_photo
from models.types import Floats
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def landmarks() -> Floats:
    return load_photo(asset_path("face.jpg"), FaceFinder()).face.landmarks


@pytest.fixture(scope="module")
def around(landmarks: Floats) -> rings.Rings:
    photo = load_photo(asset_path("face.jpg"), FaceFinder()).image
    layers = separate(photo, landmarks)
    return rings.build(landmarks, layers.matte, np.array(layers.box[:2], np.float32))


def moved(around: rings.Rings, landmarks: Floats, yaw: float) -> Floats:
    target = turned(landmarks, np.radians(yaw), 0.0, 0.0)
    places = around.move(fit_head(landmarks, target), target[OVAL])
    return np.asarray((places - around.points[:, :2]) / around.tall, np.float32)


def at(around: rings.Rings, landmarks: Floats, side: int, rise: float) -> np.ndarray:
    """Vertices in hair or ears on one side of the picture, some face heights above the ears."""
    ears = landmarks[[234, 454], :2].mean(0)
    x, y = ((around.points[:, :2] - ears) / around.tall).T
    return np.asarray((np.sign(x) == side) & (np.abs(-y - rise) < 0.08) & (np.abs(x) < 0.62))


def test_a_head_at_rest_stays(around: rings.Rings, landmarks: Floats) -> None:
    still = around.move(
        Similarity(1.0, np.eye(3, dtype=np.float32), np.zeros(3, np.float32)), landmarks[OVAL]
    )
    assert np.abs(still - around.points[:, :2]).max() < 1e-2


@pytest.mark.parametrize("yaw", [-25, 25])
def test_a_turned_head_shows_its_back_on_the_side_that_comes_near(
    around: rings.Rings, landmarks: Floats, yaw: float
) -> None:
    shift = moved(around, landmarks, yaw)
    nose = landmarks[4, 0]
    side = -int(np.sign(turned(landmarks, np.radians(yaw), 0.0, 0.0)[4, 0] - nose))
    outline = around.round > 0.3
    near = shift[at(around, landmarks, side, 0.3) & outline, 0] * side
    far = shift[at(around, landmarks, -side, 0.3) & outline, 0] * -side
    assert near.mean() > 0.03
    assert far.mean() > -0.05
    assert near.mean() > far.mean() + 0.02


def test_an_ear_lies_further_back_than_the_jaw(around: rings.Rings, landmarks: Floats) -> None:
    depth = (around.points[:, 2] - landmarks[[234, 454], 2].mean()) / around.tall
    for side in (-1, 1):
        ear = at(around, landmarks, side, 0.0)
        x = np.abs(around.points[:, 0] - landmarks[[234, 454], 0].mean())
        beyond = ear & (x > 1.06 * x[len(OVAL) : 2 * len(OVAL)].max())
        assert depth[beyond].mean() > 0.08
