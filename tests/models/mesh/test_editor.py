"""Sliders that pose a photo: each moves what it says, as the face tracker reads the picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from models.animator import can_edit
from models.face import measures
from models.face.finder import FaceFinder
from models.face.irises import gaze
from models.face.topology import EYES, LOWER_LIP, UPPER_LIP
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.mesh import editor
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.motion import added
from models.mesh.pose import euler, fit_head, turned
from models.photos import load_photo
from models.types import Floats, Photo
from realtime.paths import asset_path
from scripts.heads.make_gestures import GESTURES
from tests import creatures

RIGHT, LEFT = EYES
"""Of the person: the right eye is on the left of the picture."""


@pytest.fixture(scope="module")
def animator() -> MeshAnimator:
    return MeshAnimator()


@pytest.fixture(scope="module")
def avatar(animator: MeshAnimator) -> MeshAvatar:
    return animator.prepare(load_photo(asset_path("face.jpg"), FaceFinder()), 512)


@pytest.fixture(scope="module")
def read(animator: MeshAnimator, avatar: MeshAvatar) -> Callable[..., Floats]:
    """What the tracker reads of the photo with some sliders moved: (478, 3), face heights."""

    def seen(**values: float) -> Floats:
        tracker = FaceTracker()
        picture = animator.render(avatar, animator.edited(avatar, values))
        tracker.track(picture)
        face = tracker.track(picture)
        assert face is not None
        return face.landmarks / measures.height(face.landmarks)

    return seen


def opening(points: Floats, eye: object = RIGHT) -> float:
    assert isinstance(eye, type(RIGHT))
    width = np.linalg.norm(np.diff(points[eye.corners, :2], axis=0))
    return float(
        np.linalg.norm(points[eye.upper[2:5], :2] - points[eye.lower[2:5], :2], axis=1).mean()
        / width
    )


def rise(before: Floats, after: Floats, *points: int) -> float:
    """How far points go up in the head's own frame, in face heights."""
    moved = fit_head(before, after).inverse(after) - before
    return float(-moved[list(points), 1].mean())


def parted(points: Floats) -> float:
    return float(np.linalg.norm(points[LOWER_LIP[3:6]] - points[UPPER_LIP[3:6]], axis=1).mean())


def test_without_a_slider_it_is_the_photo_itself(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    assert can_edit(animator)
    assert animator.edited(avatar, {}) is avatar.rest
    assert animator.edited(avatar, dict.fromkeys(names(), 0.0)) is avatar.rest
    assert animator.edited(avatar, {"unheard_of": 1.0, "smile": float("nan")}) is avatar.rest


def names() -> list[str]:
    return [slider.name for slider in editor.SLIDERS]


@pytest.mark.parametrize("name", names())
def test_every_slider_begins_gently_and_ends_within_a_face(
    animator: MeshAnimator, avatar: MeshAvatar, name: str
) -> None:
    slider = next(one for one in editor.SLIDERS if one.name == name)
    for end in {slider.least, slider.most} - {0.0}:
        steps = [
            animator.edited(avatar, {name: end * share}) for share in (0.01, 0.25, 0.5, 0.75, 1)
        ]
        apart = [animator.distance(avatar.rest, pose) for pose in steps]
        assert 0 < apart[0] < 0.02
        assert 0.01 < apart[-1] < 0.6
        assert apart == sorted(apart)
        beyond = animator.edited(avatar, {name: 9 * end})
        assert np.array_equal(beyond.values, steps[-1].values)


@pytest.mark.parametrize(("name", "axis", "sign"), [("turn", 0, -1), ("nod", 1, 1), ("tilt", 2, 1)])
def test_the_head_turns_where_the_slider_goes(
    read: Callable[..., Floats], name: str, axis: int, sign: int
) -> None:
    rest = read()
    for value in (-1.0, 1.0):
        angle = np.degrees(euler(fit_head(rest, read(**{name: value})).rotation))[axis]
        assert 8 < sign * value * angle < 32


def test_a_smile_raises_the_corners_and_narrows_the_eyes(read: Callable[..., Floats]) -> None:
    rest, smile, sad = read(), read(smile=1.0), read(smile=-1.0)
    assert rise(rest, smile, 61, 291) > 0.02
    assert rise(rest, sad, 61, 291) < -0.005
    assert smile[291, 0] - smile[61, 0] > 1.1 * (rest[291, 0] - rest[61, 0])
    assert opening(smile) < opening(rest)


def test_lids_close_and_open_wide_and_each_winks_alone(read: Callable[..., Floats]) -> None:
    rest, half = opening(read()), opening(read(lids=-0.5))
    assert opening(read(lids=-1.0)) < 0.4 * rest < half < 0.95 * rest
    assert opening(read(lids=1.0)) > 1.1 * rest
    assert opening(read(squint=1.0)) < 0.95 * rest
    left = read(wink_left=1.0)
    assert opening(left, RIGHT) < 0.5 * rest < 0.65 * opening(left, LEFT)
    right = read(wink_right=1.0)
    assert opening(right, LEFT) < 0.5 * rest < 0.65 * opening(right, RIGHT)


def test_irises_go_where_the_eyes_look(read: Callable[..., Floats]) -> None:
    rest = gaze(read())
    assert gaze(read(gaze_x=1.0)) - rest > 0.1
    assert gaze(read(gaze_x=-1.0)) - rest < -0.1


def test_looking_down_lowers_irises_and_upper_lids(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    down, up = (animator.edited(avatar, {"gaze_y": value}).values for value in (-1.0, 1.0))
    rest = avatar.rest.values
    for eye in EYES:
        assert down[eye.iris[0], 1] > rest[eye.iris[0], 1] > up[eye.iris[0], 1]
        assert down[eye.upper[3], 1] > rest[eye.upper[3], 1]


def test_brows_rise_and_frown_and_one_rises_alone(read: Callable[..., Floats]) -> None:
    rest, left, right = read(), (70, 63, 105), (300, 293, 334)
    raised, frown = read(brows=1.0), read(brows=-1.0)
    assert rise(rest, raised, *left, *right) > 0.01
    assert rise(rest, frown, *left, *right) < -0.005
    one = read(brow=1.0)
    assert rise(rest, one, *right) > rise(rest, one, *left) + 0.005
    worry = read(worry=1.0)
    assert rise(rest, worry, 107, 336) > rise(rest, worry, 70, 300)


def test_the_mouth_opens_shows_teeth_purses_and_goes_aside(read: Callable[..., Floats]) -> None:
    rest = read()
    wide = rest[291, 0] - rest[61, 0]
    assert parted(read(open=1.0)) > parted(rest) + 0.05
    assert parted(read(teeth=1.0)) > parted(rest) + 0.02
    pout, stretched, aside = read(pout=1.0), read(pout=-1.0), read(aside=1.0)
    assert pout[291, 0] - pout[61, 0] < 0.95 * wide
    assert stretched[291, 0] - stretched[61, 0] > 1.03 * wide
    middle = (aside[[61, 291], 0] - rest[[61, 291], 0]).mean() - (aside[4, 0] - rest[4, 0])
    assert middle > 0.01


def test_two_gestures_that_close_an_eye_do_not_open_it_again(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    both = animator.edited(avatar, {"lids": -1.0, "wink_left": 1.0, "squint": 1.0, "gaze_y": -1.0})
    assert opening(both.values) < 0.1 * opening(avatar.rest.values)


def driven(avatar: MeshAvatar, yaw: float, open_mouth: float = 0.0) -> Keypoints:
    values = avatar.rest.values.copy()
    values[LOWER_LIP, 1] += open_mouth
    return Keypoints(turned(values, yaw, 0.0, 0.0))


def test_added_to_a_driver_it_keeps_what_the_driver_does(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    onto = driven(avatar, 0.3, 0.08)
    assert animator.edited(avatar, {}, onto) is onto
    smile = animator.edited(avatar, {"smile": 1.0}, onto)
    yaw = euler(fit_head(avatar.rest.values, smile.values).rotation)[0]
    assert yaw == pytest.approx(0.3, abs=0.04)
    assert parted(smile.values) > 0.6 * parted(onto.values)
    assert rise(onto.values, smile.values, 61, 291) > 0.01


def test_added_to_the_photo_at_rest_it_is_the_same_as_alone(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    for values in ({"smile": 1.0}, {"turn": 0.8, "lids": -0.5}, {"open": 1.0, "tilt": 0.5}):
        alone = animator.edited(avatar, values)
        onto = animator.edited(avatar, values, Keypoints(avatar.rest.values.copy()))
        assert animator.distance(alone, onto) < 0.02


def test_turns_add_up_only_as_far_as_a_head_turns(
    animator: MeshAnimator, avatar: MeshAvatar
) -> None:
    onto = driven(avatar, -0.5)
    further = animator.edited(avatar, {"turn": 1.0}, onto)
    yaw = euler(fit_head(avatar.rest.values, further.values).rotation)[0]
    assert -0.72 < yaw < -0.5


def test_lids_that_a_driver_has_closed_stay_closed_when_eyes_go_wide(
    avatar: MeshAvatar, animator: MeshAnimator
) -> None:
    shut = animator.edited(avatar, {"lids": -1.0})
    wide = animator.edited(avatar, {"lids": 1.0})
    both = added(avatar.rest.values, shut.values, wide.values)
    assert opening(both) < 0.15 * opening(avatar.rest.values)


def test_a_drawings_smile_does_not_cut_into_its_large_eyes(animator: MeshAnimator) -> None:
    size = (creatures.SIDE, creatures.SIDE)
    photo = Photo(creatures.cartoon(), creatures.placed("cartoon").face(size), "cartoon")
    drawing = animator.prepare(photo, creatures.SIDE)
    smile = animator.edited(drawing, {"smile": 1.0}).values
    assert opening(smile) > 0.97 * opening(drawing.rest.values)
    assert rise(drawing.rest.values, smile, 61, 291) > 0.005


def test_the_measured_gestures_are_those_of_the_script() -> None:
    measured = set(editor._measured())
    assert measured == {"rest", *GESTURES}
    ends = {end for pair in editor._ENDS.values() for end in pair if end}
    assert ends <= {*measured, *(f"{name}_mirrored" for name in measured)}
