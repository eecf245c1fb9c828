"""Eyes that a photo shows closed stay so, and their owner is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import EYES
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.eyes import cut_eyes, held_shut, is_shut
from models.mesh.pose import fit_head, turned
from models.photos import load_photo
from models.types import Floats, Photo
from realtime.paths import asset_path


def shut(points: Floats, *numbers: int) -> Floats:
    """The landmarks with some of the eyes closed."""
    out = points.copy()
    for eye in (EYES[number] for number in numbers):
        middle = 0.2 * out[eye.upper] + 0.8 * out[eye.lower]
        out[eye.upper] = middle + 0.02 * (out[eye.upper] - middle)
        out[eye.lower] = middle + 0.02 * (out[eye.lower] - middle)
    return out


@pytest.fixture(scope="module")
def awake() -> MeshAvatar:
    return MeshAnimator().prepare(load_photo(asset_path("face.jpg"), FaceFinder()), 512)


@pytest.fixture(scope="module")
def asleep(awake: MeshAvatar) -> MeshAvatar:
    """A photo of the same face with closed eyes, as the tracker sees it."""
    animator = MeshAnimator()
    points = shut(awake.rest.values, 0, 1)
    picture = animator.render(awake, Keypoints(points))
    face = FaceFinder().find_faces(picture)[0]
    return animator.prepare(Photo(picture, face, "asleep"), 512)


def test_closed_eyes_are_told(awake: MeshAvatar, asleep: MeshAvatar) -> None:
    assert awake.notes == ()
    assert asleep.notes == (
        "the eyes in this photo are closed and will stay so; choose a photo with open eyes.",
    )
    assert asleep.eyes == []


def test_one_closed_eye_is_told_as_one(awake: MeshAvatar) -> None:
    wink = shut(awake.landmarks, 0)
    assert [is_shut(wink, eye) for eye in EYES] == [True, False]
    assert [layer.eye for layer in cut_eyes(awake.still, wink)] == [EYES[1]]


def test_closed_lids_stay_while_the_driver_looks_around(asleep: MeshAvatar) -> None:
    animator = MeshAnimator()
    values = asleep.rest.values.copy()
    for eye in EYES:
        width = np.linalg.norm(values[eye.corners[0]] - values[eye.corners[1]])
        values[eye.upper, 1] -= 0.15 * width
        values[eye.lower, 1] += 0.05 * width
        values[eye.iris, 0] += 0.2 * width
    picture = animator.render(asleep, Keypoints(values))
    for eye in EYES:
        x, y, wide, tall = cv2.boundingRect(np.rint(asleep.landmarks[eye.opening, :2]).astype(int))
        part = (slice(y - 2, y + tall + 2), slice(x, x + wide))
        assert np.abs(picture[part].astype(int) - asleep.still[part]).mean() < 3


def test_open_eyes_are_not_held(awake: MeshAvatar) -> None:
    moved = turned(awake.landmarks, 0.2, 0.1, 0.0)
    moved[EYES[0].upper, 1] += 3
    head = fit_head(awake.landmarks, moved)
    assert held_shut(awake.landmarks, moved, head) is moved
    wink = shut(awake.landmarks, 0)
    held = held_shut(wink, moved, head)
    assert np.allclose(held[EYES[0].opening], head(wink)[EYES[0].opening], atol=1e-3)
    assert np.array_equal(held[EYES[1].opening], moved[EYES[1].opening])
