"""The inside of the mouth: what shows between parted lips, from the front and from the side."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import INNER_LIPS, LOWER_LIP, UPPER_LIP
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.pose import from_euler
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def avatar() -> MeshAvatar:
    photo = load_photo(asset_path("face.jpg"), FaceFinder())
    return MeshAnimator().prepare(photo, 512)


@pytest.fixture(scope="module")
def smiling(astronaut: Image) -> MeshAvatar:
    face = FaceFinder().find_faces(astronaut)[0]
    return MeshAnimator().prepare(Photo(astronaut, face, "astronaut"), 512)


def opened(avatar: MeshAvatar, gap: float, wider: float = 0.0, yaw: float = 0.0) -> Floats:
    """The avatar's keypoints with the lips `gap` face heights further apart, by jaw and lip.

    wider: by how much the mouth is wider; its lips are then parted without the jaw. yaw: degrees.
    """
    values = avatar.rest.values.copy()
    tall = float(np.linalg.norm(values[152] - values[10]))
    middle = values[[13, 14]].mean(0)
    below = values[:468, 1] > middle[1]
    near = np.exp(-(((values[:468, :2] - middle[:2]) / (0.22 * tall)) ** 2).sum(1))
    if wider:
        values[:468, 0] += near * wider * (values[:468, 0] - middle[0])
        values[:468, 1] += near * np.where(below, 0.6, -0.4) * gap * tall
    else:
        jaw = np.zeros(468, np.float32)
        jaw[below] = np.clip((values[:468, 1] - middle[1])[below] / (0.05 * tall), 0, 1)
        jaw[LOWER_LIP] = 1
        jaw[UPPER_LIP] = 0
        values[:468, 1] += jaw * gap * tall
    pivot = (values[234] + values[454]) / 2
    turn = from_euler(np.radians(yaw), 0.0, 0.0)
    return np.asarray((values - pivot) @ turn.T + pivot, np.float32)


def inside(avatar: MeshAvatar, values: Floats) -> Floats:
    """The colours (N, 3) between the lips, a little inward of them."""
    picture = MeshAnimator().render(avatar, Keypoints(values))
    crop = avatar.crop
    outline = values[INNER_LIPS, :2] * crop.half + np.array([crop.cx, crop.cy])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 255)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return np.asarray(picture[mask > 0], np.float32)


def test_an_open_mouth_shows_teeth_a_tongue_and_a_dark_throat(avatar: MeshAvatar) -> None:
    colours = inside(avatar, opened(avatar, 0.15))
    light = colours.sum(1) / 3
    assert (light > 120).mean() > 0.03, "teeth"
    assert (light < 60).mean() > 0.1, "throat"
    red = (colours[:, 0] > 1.4 * colours[:, 1]) & (light > 60) & (light < 150)
    assert red.mean() > 0.1, "tongue"


def test_hardly_parted_lips_hide_the_teeth_in_shadow(avatar: MeshAvatar) -> None:
    parted, wide = (inside(avatar, opened(avatar, gap)) for gap in (0.025, 0.1))
    # Nearly all that shows between parted lips is teeth, but of wide open ones the least part.
    assert np.median(parted.sum(1)) < 0.75 * np.quantile(wide.sum(1), 0.95)


@pytest.mark.parametrize("yaw", [-35.0, 0.0, 35.0])
def test_a_grin_has_no_dark_gap_at_its_corners(avatar: MeshAvatar, yaw: float) -> None:
    colours = inside(avatar, opened(avatar, 0.08, wider=0.3, yaw=yaw))
    light = colours.sum(1) / 3
    assert (light > 110).mean() > 0.4, "mostly teeth"
    assert (light < 35).mean() < 0.15


def test_teeth_of_the_photo_stay_when_the_mouth_opens(smiling: MeshAvatar) -> None:
    at_rest = inside(smiling, smiling.rest.values)
    own = np.median(at_rest[at_rest.sum(1) > np.quantile(at_rest.sum(1), 0.7)], axis=0)
    colours = inside(smiling, opened(smiling, 0.08))
    teeth = colours[colours.sum(1) > np.quantile(colours.sum(1), 0.85)]
    assert np.abs(np.median(teeth, axis=0) - own).max() < 30
