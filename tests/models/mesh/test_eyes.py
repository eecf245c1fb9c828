"""Lids that are drawn over the warped face."""

from __future__ import annotations

import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.mesh.eyes import EyeLayer, cut_eyes, draw_lid
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_photo(asset_path("face.jpg"), FaceFinder())


def drawn(photo: Photo, layers: list[EyeLayer], target: Floats) -> Image:
    out = photo.image.copy()
    for layer in layers:
        draw_lid(out, layer, np.ascontiguousarray(target[:, :2]))
    return out


def test_an_upper_lid_is_drawn_where_it_comes_down_and_not_where_the_lower_one_rises(
    photo: Photo,
) -> None:
    layers, rest = cut_eyes(photo.image, photo.face.landmarks), photo.face.landmarks
    fallen, risen = rest.copy(), rest.copy()
    for layer in layers:
        eye = layer.eye
        span = rest[eye.lower] - rest[eye.upper]
        fallen[eye.upper] += 0.4 * span
        risen[eye.lower] -= 0.4 * span
    assert np.array_equal(drawn(photo, layers, risen), photo.image)
    assert not np.array_equal(drawn(photo, layers, fallen), photo.image)
