"""What a photo shows on a head moves with the head: hats, glasses, earrings."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings
from models.face.finder import FaceFinder
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator
from models.mesh.pose import from_euler
from models.types import Floats, Image, Photo
from realtime.paths import asset_path
from realtime.session.source import load_source

Wear = Callable[[Image, Floats], None]
PURPLE = (150, 20, 200)


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_source(asset_path("face.jpg"), FaceFinder(), None)


def _hat(image: Image, points: Floats) -> None:
    across = points[454] - points[234]
    up = np.array([across[1], -across[0]])
    band = points[10] + 0.02 * up
    corners = [band - 0.6 * across, band - 0.5 * across + 0.3 * up]
    corners += [band + 0.5 * across + 0.3 * up, band + 0.6 * across]
    cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], PURPLE, cv2.LINE_AA)


def _glasses(image: Image, points: Floats) -> None:
    width = float(np.linalg.norm(points[454] - points[234]))
    for outer, inner in ((33, 133), (263, 362)):
        x, y = ((points[outer] + points[inner]) / 2).round().astype(int).tolist()
        cv2.circle(image, (x, y), round(0.19 * width), PURPLE, round(0.03 * width), cv2.LINE_AA)


def _earring(image: Image, points: Floats) -> None:
    width = float(np.linalg.norm(points[454] - points[234]))
    x, y = (points[234] + [-0.04 * width, 0.22 * width]).round().astype(int).tolist()
    cv2.circle(image, (x, y), round(0.06 * width), PURPLE, -1, cv2.LINE_AA)


def _seen(image: Image) -> tuple[float, Floats]:
    """How many pixels are purple, and their middle."""
    ys, xs = np.nonzero(np.abs(image.astype(int) - PURPLE).sum(-1) < 90)
    return float(len(xs)), np.array([xs.mean(), ys.mean()])


@pytest.mark.parametrize("roll", [-15.0, 15.0])
@pytest.mark.parametrize("wear", [_hat, _glasses, _earring])
def test_it_turns_with_the_head(photo: Photo, wear: Wear, roll: float) -> None:
    worn = photo.image.copy()
    wear(worn, photo.face.landmarks[:, :2])
    animator = MeshAnimator()
    avatar = animator.prepare(Photo(worn, photo.face, "worn"), 512)
    points = avatar.rest.values
    pivot = (points[234] + points[454]) / 2
    turn = from_euler(0, 0, np.radians(roll))
    driving = Keypoints(np.asarray((points - pivot) @ turn.T + pivot, np.float32))
    target = animator.pose(avatar, driving, avatar.rest, MotionSettings())
    area, before = _seen(avatar.still)
    turned_area, after = _seen(animator.render(avatar, target))

    assert area > 60, "else nothing is looked for"
    middle = (avatar.landmarks[234] + avatar.landmarks[454])[:2] / 2
    expected = (before - middle) @ turn[:2, :2].T + middle
    moved = float(np.linalg.norm(expected - before))
    assert moved > 6
    assert np.linalg.norm(after - expected) < 0.25 * moved + 2
    assert 0.75 < turned_area / area < 1.3
