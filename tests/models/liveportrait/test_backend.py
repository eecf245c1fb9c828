"""The backend, with an engine that has no networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings, can_edit
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.placed import Placed
from models.keypoints import Keypoints
from models.liveportrait.backend import LivePortraitAnimator
from models.photos import load_photo
from models.types import Face, Floats, Photo
from realtime.paths import asset_path
from tests.models.liveportrait.fake_engine import FakeEngine


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_photo(asset_path("face.jpg"), FaceFinder())


def ready(photo: Photo, size: int = 480) -> tuple[Any, Any]:
    animator = LivePortraitAnimator(FakeEngine())
    return animator, animator.prepare(photo, size)


def shifted(pose: Keypoints, by: float) -> Keypoints:
    return Keypoints(np.asarray(pose.values + (by, 0, 0), np.float32))


@pytest.mark.parametrize("size", [300, 1280, 4000])
def test_the_still_is_the_photo_at_its_own_size(photo: Photo, size: int) -> None:
    animator, avatar = ready(photo, size)
    longer = max(photo.image.shape[:2])
    assert max(avatar.still.shape[:2]) == min(longer, size, 1280)
    assert animator.render(avatar, avatar.rest).shape == avatar.still.shape
    small = cv2.resize(photo.image, avatar.still.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - avatar.still).mean() < 2
    left, top, right, bottom = photo.face.box
    scale = max(avatar.still.shape[:2]) / longer
    middle = (left + right) / 2 * scale, (top + bottom) / 2 * scale
    assert avatar.focus == pytest.approx(middle, abs=1.5)


def test_rest_is_the_photo_and_there_is_no_jump_out_of_it(photo: Photo) -> None:
    animator, avatar = ready(photo)
    np.testing.assert_array_equal(animator.render(avatar, avatar.rest), avatar.still)
    before = avatar.still.astype(int)
    for by in np.linspace(0.0005, 0.02, 12):
        now = animator.render(avatar, shifted(avatar.rest, float(by))).astype(int)
        assert np.abs(now - before).mean() < 1.0
        before = now


def test_only_the_square_around_the_face_changes_and_has_no_seam(photo: Photo) -> None:
    animator, avatar = ready(photo, 1280)
    out = animator.render(avatar, shifted(avatar.rest, 0.05))
    changed = np.abs(out.astype(int) - avatar.still).max(-1) > 0
    rows, columns = np.nonzero(changed)
    assert changed.any()
    assert not changed.all()
    # At the border of what has changed, it has changed by next to nothing.
    inner = cv2.erode(changed.astype(np.uint8), np.ones((5, 5), np.uint8))
    rim = changed & (inner == 0) & (rows.min() < np.indices(changed.shape)[0])
    assert np.abs(out.astype(int) - avatar.still).max(-1)[rim].mean() < 6
    assert columns.max() - columns.min() > 100


def test_a_driver_moves_the_photo(photo: Photo) -> None:
    animator, avatar = ready(photo)
    frame = photo.image
    brighter = np.clip(frame * np.linspace(0.6, 1.4, frame.shape[1])[:, None], 0, 255)
    first = animator.observe(frame, photo.face, photo.face)
    now = animator.observe(brighter.astype(np.uint8), photo.face, photo.face)
    rest = animator.pose(avatar, first, first, MotionSettings())
    assert animator.distance(rest, avatar.rest) < 1e-3
    pose = animator.pose(avatar, now, first, MotionSettings())
    assert animator.distance(pose, avatar.rest) > 0.01
    half = animator.mix(avatar.rest, pose, 0.5)
    assert animator.distance(half, pose) == pytest.approx(
        animator.distance(half, avatar.rest), rel=1e-3
    )
    assert np.abs(animator.render(avatar, pose).astype(int) - avatar.still).max() > 20
    assert set(animator.stages()) == {"networks", "paste"}
    assert animator.seconds_per_frame(avatar) >= 0


def test_sliders_pose_a_photo_alone_and_onto_a_pose(photo: Photo) -> None:
    animator, avatar = ready(photo)
    assert can_edit(animator)
    assert len(animator.editor) == 17
    assert animator.edited(avatar, {"smile": 0.0, "unknown": 1.0}) is avatar.rest
    for slider in animator.editor:
        pose = animator.edited(avatar, {slider.name: slider.most})
        assert np.abs(pose.values - avatar.rest.values).max() > 1e-3, slider.name
    little = animator.edited(avatar, {"turn": 1e-4})
    assert animator.distance(little, avatar.rest) < 1e-3
    onto = shifted(avatar.rest, 0.1)
    assert animator.edited(avatar, {}, onto) is onto
    both = animator.edited(avatar, {"turn": 1.0}, onto)
    alone = animator.edited(avatar, {"turn": 1.0})
    np.testing.assert_allclose(both.values, alone.values + (0.1, 0, 0), atol=1e-6)


def test_the_driver_is_cut_out_around_the_anchor(photo: Photo) -> None:
    animator, _ = ready(photo)
    aside = Face(photo.face.landmarks + np.float32(3), None, 1.0)
    one = animator.observe(photo.image, photo.face, photo.face)
    other = animator.observe(photo.image, aside, photo.face)
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.state.exp, other.state.exp)


def test_what_is_no_number_is_said(photo: Photo) -> None:
    class Broken(FakeEngine):
        def motion(self, picture: Floats) -> Any:
            return replace(super().motion(picture), scale=float("nan"))

        def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
            return np.full((1, 3, 512, 512), np.nan, np.float32)

    animator, avatar = ready(photo)
    broken = LivePortraitAnimator(Broken())
    assert broken.observe(photo.image, photo.face, photo.face) is None
    with pytest.raises(UserError, match="choose another photo"):
        broken.prepare(photo, 480)
    with pytest.raises(ArithmeticError):
        broken.render(avatar, shifted(avatar.rest, 0.1))
    with pytest.raises(ValueError, match="compared"):
        animator.distance(avatar.rest, Keypoints(np.zeros((10, 2), np.float32)))


def test_a_creature_is_prepared_from_points_that_a_person_has_placed(photo: Photo) -> None:
    size = photo.image.shape[1], photo.image.shape[0]
    face = Placed.on(photo.face.landmarks, size, "creature").face(size)
    animator: Any = LivePortraitAnimator(FakeEngine(), animals=True)
    avatar = animator.prepare(Photo(photo.image, face, "llama"), 400)
    assert avatar.kind == "creature"
    assert [slider.name for slider in animator.sliders] == ["multiplier", "stitching"]
    first = animator.observe(photo.image, photo.face, photo.face)
    pose = animator.pose(avatar, first, first, MotionSettings())
    assert animator.distance(pose, avatar.rest) < 1e-3
    assert animator.render(avatar, shifted(pose, 0.1)).shape == avatar.still.shape


def test_its_size_suits_the_computer() -> None:
    animator = LivePortraitAnimator(FakeEngine())
    assert animator.best_size() == 1280
    assert animator.best_size(2) < animator.best_size(16) == 1280
