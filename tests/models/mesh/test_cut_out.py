"""The person of a frame alone: whole, moving with the pose, without the old background's colour."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings
from models.face.finder import FaceFinder
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.photos import choose_face
from models.types import Image
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def animator() -> MeshAnimator:
    return MeshAnimator(with_eye_network=False)


def demo_photo() -> Image:
    picture = cv2.imread(str(asset_path("face.jpg")))
    assert picture is not None
    return np.asarray(picture[..., ::-1])


def prepared(animator: MeshAnimator, picture: Image) -> MeshAvatar:
    path = asset_path("face.jpg")
    photo = choose_face(picture, FaceFinder().find_faces(picture), path)
    return animator.prepare(photo, 384)


@pytest.fixture(scope="module")
def avatar(animator: MeshAnimator) -> MeshAvatar:
    return prepared(animator, demo_photo())


def moved(animator: MeshAnimator, avatar: MeshAvatar, x: float) -> Keypoints:
    """The pose of a head that has gone to the right by shares of a crop."""
    seen = Keypoints(avatar.rest.values + np.array([x, 0, 0], np.float32))
    return animator.pose(avatar, seen, avatar.rest, MotionSettings())


def before(person: Image, colour: tuple[int, int, int]) -> Image:
    rest = 1 - person[..., 3:].astype(np.float32) / 255
    mixed = person[..., :3] + rest * np.array(colour)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def shares(person: Image) -> tuple[float, float, float]:
    """How much of the face, of the chest below it and of the upper corners is the person."""
    matte = person[..., 3].astype(np.float32) / 255
    height, width = matte.shape
    third = width // 3
    face = matte[height // 4 : height // 2, third + 20 : 2 * third - 20].mean()
    chest = matte[-height // 12 :, third : 2 * third].mean()
    corners = np.concatenate([matte[:40, :60], matte[:40, -60:]]).mean()
    return float(face), float(chest), float(corners)


def test_head_and_body_are_the_person_and_the_wall_is_not(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    picture, person = animator.render_person(avatar, avatar.rest)
    assert person.shape == (*picture.shape[:2], 4)
    assert np.array_equal(picture, animator.render(avatar, avatar.rest))
    face, chest, corners = shares(person)
    assert face > 0.99 and chest > 0.97 and corners < 0.01
    assert (person[..., :3] <= person[..., 3:]).all(), "premultiplied"


def test_inside_it_is_the_picture_as_it_is(animator: MeshAnimator, avatar: MeshAvatar) -> None:
    picture, person = animator.render_person(avatar, moved(animator, avatar, 0.08))
    sure = person[..., 3] == 255
    assert sure.mean() > 0.25
    assert np.array_equal(person[sure][:, :3], picture[sure])


def test_the_matte_moves_with_the_head_and_the_chest_stays(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    places = []
    for x in (-0.08, 0.08):
        _, person = animator.render_person(avatar, moved(animator, avatar, x))
        matte = person[..., 3].astype(np.float32)
        top = matte[: len(matte) // 3].sum(0)
        places.append((top @ np.arange(top.size) / top.sum(), matte[-20:]))
    assert places[1][0] - places[0][0] > 8, "pixels"
    assert np.abs(places[1][1] - places[0][1]).max() <= 1
    rest = animator.render_person(avatar, avatar.rest)[1]
    again = animator.render_person(avatar, avatar.rest)[1]
    assert np.array_equal(rest, again), "nothing of the moves is left behind"


def test_the_old_wall_leaves_no_colour_in_soft_edges(animator: MeshAnimator) -> None:
    """The demo photo before a green wall: what is cut out of it shows no more green than before."""
    grey = prepared(animator, demo_photo())
    person = animator.render_person(grey, grey.rest)[1]
    wall = before(person, (30, 200, 60))
    green = prepared(animator, wall)
    cut = animator.render_person(green, green.rest)[1]
    edge = (cut[..., 3] > 25) & (cut[..., 3] < 230)
    assert edge.sum() > 100
    own = cut[edge].astype(np.float32)
    excess = own[:, 1] - np.maximum(own[:, 0], own[:, 2])
    raw = green.still[edge].astype(np.float32)
    before_excess = raw[:, 1] - np.maximum(raw[:, 0], raw[:, 2])
    assert before_excess.mean() > 25, "the photo has a green rim there"
    assert excess.mean() < 6, "and the cut-out person has not"


@pytest.mark.parametrize("crop", ["close", "wide"])
def test_photos_of_other_cuts_are_cut_out_too(animator: MeshAnimator, crop: str) -> None:
    picture = demo_photo()
    height, width = picture.shape[:2]
    if crop == "close":
        picture = np.ascontiguousarray(
            picture[height // 12 : height * 4 // 5, width // 5 : -width // 5]
        )
    else:
        picture = cv2.copyMakeBorder(picture, 300, 0, 300, 300, cv2.BORDER_REPLICATE)
    avatar = prepared(animator, np.asarray(picture, np.uint8))
    _, person = animator.render_person(avatar, avatar.rest)
    matte = person[..., 3].astype(np.float32) / 255
    x, y = (round(value) for value in avatar.focus)
    assert matte[y - 10 : y + 10, x - 10 : x + 10].min() == 1
    assert matte[-3:, x - 10 : x + 10].mean() > 0.9
