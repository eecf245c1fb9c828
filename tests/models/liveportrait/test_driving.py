"""The motion of a driver on a photo, and the sliders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.animator import MotionSettings
from models.liveportrait import motion
from models.liveportrait.config import KEYPOINTS
from models.liveportrait.driving import SLIDERS, Source, driven, driven_animal
from models.liveportrait.lip_array import LIP_ARRAY
from models.liveportrait.motion import State, rotation
from models.liveportrait.ratios import Ratios
from models.liveportrait.smoothing import Observed
from models.types import Floats

SHUT, OPEN = Ratios(0.3, 0.3, 0.005), Ratios(0.3, 0.3, 0.4)


def state(seed: int) -> State:
    random = np.random.default_rng(seed)
    return State(
        rotation(*random.uniform(-20, 20, 3)),
        random.normal(0, 0.01, (KEYPOINTS, 3)).astype(np.float32),
        float(random.uniform(1.1, 1.6)),
        random.uniform(-0.2, 0.2, 3).astype(np.float32),
    )


def delta_of(entries: Any) -> Any:
    def delta(target: float) -> Floats:
        out = np.zeros((KEYPOINTS, 3), np.float32)
        for point, axis in entries:
            out[point, axis] = target - 0.35
        return out

    return delta


def source(ratios: Ratios = SHUT, shift: float = 0.0) -> Source:
    kp = np.random.default_rng(5).uniform(-0.4, 0.4, (KEYPOINTS, 3)).astype(np.float32)
    own = state(1)
    points = motion.placed(kp, own)
    return Source(
        kp,
        own,
        points,
        ratios,
        lambda driving: np.asarray(driving + shift, np.float32),
        delta_of(motion.LIDS),
        delta_of(motion.JAW),
    )


FIRST, NOW = Observed(state(2), SHUT), Observed(state(3), SHUT)


def moved(photo: Source, first: Observed | None = FIRST, **strengths: Any) -> Floats:
    usual = MotionSettings("relative" if first else "absolute", True, strengths)
    return driven(photo, NOW, first, usual)


def official(region: motion.Region) -> Floats:
    photo = source()
    made = motion.driven(photo.state, NOW.state, FIRST.state, "relative", region)
    return motion.placed(photo.kp, made)


@pytest.mark.parametrize(
    ("region", "strengths"),
    [
        ("all", {}),
        ("exp", {"head_turn": 0.0, "head_place": 0.0}),
        ("lip", {"head_turn": 0.0, "head_place": 0.0, "face_motion": 0.0, "eye_motion": 0.0}),
        ("eyes", {"head_turn": 0.0, "head_place": 0.0, "face_motion": 0.0, "lip_motion": 0.0}),
    ],
)
def test_sliders_make_the_official_regions(region: Any, strengths: dict[str, Any]) -> None:
    np.testing.assert_allclose(moved(source(), **strengths), official(region), atol=1e-5)


def test_absolute_motion_is_the_official_one() -> None:
    photo = source()
    made = motion.driven(photo.state, NOW.state, None, "absolute")
    np.testing.assert_allclose(moved(photo, None), motion.placed(photo.kp, made), atol=1e-6)


def test_half_a_turn_is_a_turn() -> None:
    photo = source()
    points = moved(
        photo, head_place=0.0, face_motion=0.0, eye_motion=0.0, lip_motion=0.0, head_turn=0.5
    )
    way = (points - photo.points) / photo.state.scale
    turn: Any = np.linalg.lstsq(photo.kp, way, rcond=None)[0] + photo.state.turn
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-4)


def test_nothing_moves_the_photo_at_the_reference() -> None:
    photo = source()
    out = driven(photo, FIRST, FIRST, MotionSettings())
    np.testing.assert_allclose(out, photo.points, atol=1e-6)


def test_stitching_multiplier_and_shut_lips_follow_each_other() -> None:
    photo = source(OPEN, shift=0.02)
    made = moved(photo, multiplier=1.5, shut_lips=1.0)
    plain = moved(replace(photo, stitch=lambda driving: driving))
    expected = photo.points + 1.5 * (plain + 0.02 + photo.lips(0.0) - photo.points)
    np.testing.assert_allclose(made, expected, atol=1e-5)
    np.testing.assert_allclose(moved(photo, stitching=0.0), plain, atol=1e-6)
    shut = replace(photo, ratios=SHUT)
    np.testing.assert_allclose(moved(shut, shut_lips=1.0), moved(shut), atol=1e-6)


def test_a_driver_who_begins_with_an_open_mouth_does_not_press_the_photos_lips() -> None:
    photo = source()
    lips = list(motion.LIPS)
    gaping, shut = FIRST.state.exp.copy(), LIP_ARRAY.copy()
    gaping[lips] = shut[lips] + 0.05
    first = Observed(replace(FIRST.state, exp=gaping), OPEN)
    closed = Observed(replace(FIRST.state, exp=shut), SHUT)
    out = driven(photo, closed, first, MotionSettings())
    # The driver's mouth is shut now, and so the photo's is as it was.
    np.testing.assert_allclose(out[lips], photo.points[lips], atol=1e-5)
    # A photo that is as open as the driver is measured against that very frame.
    open_photo = source(OPEN)
    same = driven(open_photo, first, first, MotionSettings())
    np.testing.assert_allclose(same, open_photo.points, atol=1e-6)


def test_retargeting_keeps_all_other_motion() -> None:
    photo = source()
    plain, eyes = moved(photo), moved(photo, open_eyes=1.0, open_lips=1.0)
    changed = {point for point, _ in (*motion.LIDS, *motion.JAW)}
    others = [point for point in range(KEYPOINTS) if point not in changed]
    np.testing.assert_allclose(eyes[others], plain[others], atol=1e-6)
    assert np.abs(plain[others] - photo.points[others]).max() > 0.02
    now = Observed(NOW.state, Ratios(0.15, 0.15, 0.3))
    half = driven(photo, now, FIRST, MotionSettings(strengths={"open_eyes": 1.0}))
    lids = [point for point, _ in motion.LIDS]
    # The driver's eyes are half as open as at calibration, and so are the photo's.
    difference = half[lids, 1] - eyes[lids, 1]
    np.testing.assert_allclose(difference, 0.15 - 0.3, atol=1e-5)


def test_animals_move_by_the_official_formula() -> None:
    photo = source(shift=0.3)
    first = motion.placed(photo.kp, motion.driven_animal(photo.state, FIRST.state))
    now = motion.placed(photo.kp, motion.driven_animal(photo.state, NOW.state))
    out = driven_animal(photo, NOW, FIRST, MotionSettings())
    np.testing.assert_allclose(out, motion.friendly(photo.points, now, first), atol=1e-6)
    free = driven_animal(photo, NOW, None, MotionSettings("absolute"))
    np.testing.assert_allclose(free, now, atol=1e-6)


def test_every_slider_does_something() -> None:
    photo = source(OPEN, shift=0.02)
    usual = moved(photo)
    for slider in SLIDERS:
        other = slider.most if slider.usual != slider.most else slider.least
        strengths: dict[str, Any] = {slider.name: other}
        assert np.abs(moved(photo, **strengths) - usual).max() > 1e-4, slider.name
