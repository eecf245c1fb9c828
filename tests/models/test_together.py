"""Several faces of one photo, moved by one driver or by several."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings, can_edit
from models.errors import UserError
from models.face.finder import FaceFinder
from models.liveportrait.backend import LivePortraitAnimator
from models.mesh.backend import MeshAnimator
from models.photos import choose_all, load_image
from models.together import GroupObservation, together
from models.types import Face, Image, Photo
from realtime.paths import asset_path
from tests.models.liveportrait.fake_engine import FakeEngine


@pytest.fixture(scope="module")
def couple() -> Photo:
    """The demo face beside its mirror image."""
    face = cv2.resize(load_image(asset_path("face.jpg")), (360, 360))
    image = np.ascontiguousarray(np.hstack([face, face[:, ::-1]]), np.uint8)
    found = FaceFinder().find_faces(image)
    return choose_all(image, found, asset_path("face.jpg"))


def animators() -> list[Any]:
    return [LivePortraitAnimator(FakeEngine()), MeshAnimator(with_eye_network=False)]


def half(image: Image, right: bool) -> Image:
    middle = image.shape[1] // 2
    return image[60:300, middle + 60 : -60] if right else image[60:300, 60 : middle - 60]


def lit(image: Image, right: bool) -> Image:
    """The picture with more light on one half of it, from the side."""
    out = image.astype(np.float32)
    middle = image.shape[1] // 2
    part = out[:, middle:] if right else out[:, :middle]
    part *= np.linspace(0.5, 1.5, middle)[:, None]
    return np.clip(out, 0, 255).astype(np.uint8)


def test_all_faces_of_a_photo_are_found_and_it_stays_whole(couple: Photo) -> None:
    assert len(couple.others) == 1
    assert couple.image.shape == (360, 720, 3)


@pytest.mark.parametrize("animator", animators(), ids=lambda one: one.name)
def test_one_driver_moves_all_faces(couple: Photo, animator: Any) -> None:
    group: Any = together(animator)
    avatar = group.prepare(couple, 720)
    assert np.abs(group.render(avatar, avatar.rest).astype(int) - avatar.still).max() <= 1
    alone = np.ascontiguousarray(couple.image[:, :360])
    face = FaceFinder().find_faces(alone)[0]
    first = group.observe(alone, face, face)
    moved = face.landmarks + np.array((14, 5, 0), np.float32)
    now = group.observe(lit(alone, False), Face(moved, None, 1.0), face)
    assert len(first.drivers) == 1
    pose = group.pose(avatar, now, first, MotionSettings())
    assert group.distance(pose, avatar.rest) > 0.01
    change = np.abs(group.render(avatar, pose).astype(int) - avatar.still)
    assert half(change, False).mean() > 0.5
    assert half(change, True).mean() > 0.5
    middle = group.mix(avatar.rest, pose, 0.5)
    assert group.distance(middle, avatar.rest) < group.distance(pose, avatar.rest)


def test_of_several_people_each_moves_one_face_from_left_to_right(couple: Photo) -> None:
    group: Any = together(LivePortraitAnimator(FakeEngine()))
    avatar = group.prepare(couple, 720)
    frame = couple.image
    for main in (couple.face, couple.others[0]):
        anchor = replace(main)
        first = group.observe(frame, main, anchor)
        assert isinstance(first, GroupObservation)
        assert len(first.drivers) == 2
        assert first.main == (main.box[0] > 360)
        now = group.observe(lit(frame, True), main, anchor)
        pose = group.pose(avatar, now, first, MotionSettings())
        change = np.abs(group.render(avatar, pose).astype(int) - avatar.still)
        assert half(change, True).mean() > 1
        assert half(change, True).mean() > 10 * half(change, False).mean()


def test_each_driver_is_smoothed_alone_and_the_clip_without_gaps(couple: Photo) -> None:
    group: Any = together(LivePortraitAnimator(FakeEngine()))
    anchor = replace(couple.face)
    seen = [group.observe(couple.image, couple.face, anchor) for _ in range(3)]
    smooth = group.smoother()
    out = [smooth(one, n / 30) for n, one in enumerate(seen)]
    assert all(len(one.drivers) == 2 for one in out)
    smooth.reset()
    clip = group.smooth([seen[0], None, seen[2]], [0.0, 0.03, 0.06])
    assert clip[1] is None
    assert clip[0] is not None
    assert len(clip[0].drivers) == 2


def test_sliders_pose_all_faces(couple: Photo) -> None:
    group: Any = together(LivePortraitAnimator(FakeEngine()))
    assert can_edit(group)
    avatar = group.prepare(couple, 400)
    assert group.edited(avatar, {}) is avatar.rest
    pose = group.edited(avatar, {"turn": 1.0})
    for one, rest in zip(pose, avatar.rest, strict=True):
        assert np.abs(one.values - rest.values).max() > 0.02


def test_a_backend_that_cuts_faces_out_is_refused(couple: Photo) -> None:
    class Cutting(LivePortraitAnimator):
        def prepare(self, photo: Photo, size: int) -> Any:
            left = int(photo.face.box[0])
            cut = np.ascontiguousarray(photo.image[:, left : left + 200])
            moved = photo.face.landmarks - np.array((left, 0, 0), np.float32)
            return super().prepare(Photo(cut, replace(photo.face, landmarks=moved), "cut"), size)

    with pytest.raises(UserError, match="--faces all"):
        together(Cutting(FakeEngine())).prepare(couple, 400)
