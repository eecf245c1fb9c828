"""The seventeen sliders that pose a photo without a driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from models.liveportrait import editor
from models.liveportrait.motion import State, placed, rotation
from models.liveportrait.ratios import Ratios
from models.types import Floats

NAMES = [slider.name for slider in editor.SLIDERS]


@dataclass(frozen=True)
class _Photo:
    kp: Floats
    state: State
    points: Floats
    ratios: Ratios
    eyes: Callable[[float], Floats]
    lips: Callable[[float], Floats]


@pytest.fixture
def photo() -> _Photo:
    """A made-up photo; retargeting moves keypoint 11 or 19 by a bit more than the ratio."""
    numbers = np.random.default_rng(5)
    kp = numbers.normal(0, 0.2, (21, 3)).astype(np.float32)
    exp = numbers.normal(0, 0.01, (21, 3)).astype(np.float32)
    t = np.array((0.1, -0.05, 0.2), np.float32)
    state = State(rotation(4.0, -11.0, 2.5), exp, 1.4, t)

    def only(point: int) -> Callable[[float], Floats]:
        def delta(target: float) -> Floats:
            out = np.zeros((21, 3), np.float32)
            out[point, 1] = target + 0.01
            return out

        return delta

    return _Photo(kp, state, placed(kp, state), Ratios(0.3, 0.28, 0.1), only(11), only(19))


def _added(photo: _Photo, **values: float) -> Floats:
    """What sliders add to the expression."""
    moved = editor.edited(photo, editor.moved(values))
    return (moved - photo.points) / photo.state.scale


def test_there_are_seventeen_and_none_changes_anything_at_zero(photo: _Photo) -> None:
    assert len(set(NAMES)) == 17
    assert editor.moved(dict.fromkeys(NAMES, 0.0)) == {}
    np.testing.assert_allclose(editor.edited(photo, {}), photo.points, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_every_slider_moves_something_little_by_little(photo: _Photo, name: str) -> None:
    slider = next(one for one in editor.SLIDERS if one.name == name)
    ends = [end for end in (slider.least, slider.most) if end]
    for end in ends:
        whole = np.abs(_added(photo, **{name: end})).max()
        little = np.abs(_added(photo, **{name: 0.01 * end})).max()
        assert whole > 0.004
        assert little < 0.02 * whole


def test_names_and_values_that_are_none_are_left_out() -> None:
    values = {"smile": 3.0, "lids": float("nan"), "nothing": 1.0, "wink": -1.0, "nod": 0.0}
    assert editor.moved(values) == {"smile": 1.0}


@pytest.mark.parametrize(
    ("name", "value", "entries"),
    [
        ("smile", 1.0, {(20, 1): -0.013, (14, 1): -0.026, (17, 1): 0.00845, (17, 2): 0.0039,
                        (13, 1): -0.003575, (16, 1): -0.003575, (3, 1): -0.00455,
                        (7, 1): -0.00455}),
        ("wink", 1.0, {(11, 1): 0.039, (13, 1): -0.0117, (17, 0): 0.0117, (17, 1): 0.0117,
                       (3, 1): -0.0117}),
        ("brows", 1.0, {(1, 1): 0.03, (2, 1): -0.03}),
        ("brows", -1.0, {(1, 0): 0.03, (2, 0): -0.03, (1, 1): -0.009, (2, 1): 0.009}),
        ("aside", -1.0, {(19, 0): -0.09}),
        ("pout", 1.0, {(14, 1): 0.015, (3, 1): -0.0075, (7, 1): -0.0075, (17, 2): -0.0075}),
        ("teeth", 1.0, {(20, 2): -0.015, (20, 1): -0.015, (14, 1): -0.015}),
        ("open", 1.0, {(19, 1): 0.12, (19, 2): 0.012, (17, 1): -0.012}),
        ("move_x", 1.0, {(5, 0): -0.19}),
        ("move_y", -0.5, {(5, 1): -0.095}),
        ("gaze_x", 1.0, {(11, 0): 0.021, (15, 0): 0.03}),
        ("gaze_x", -1.0, {(11, 0): -0.03, (15, 0): -0.021}),
        ("gaze_y", 1.0, {(11, 1): -0.0315, (15, 1): -0.0315, (13, 1): -0.00945,
                         (16, 1): -0.00945}),
    ],
)  # fmt: skip
def test_an_expression_is_changed_by_the_official_amounts(
    photo: _Photo, name: str, value: float, entries: dict[tuple[int, int], float]
) -> None:
    want = np.zeros((21, 3), np.float32)
    for (point, axis), amount in entries.items():
        want[point, axis] = amount
    np.testing.assert_allclose(_added(photo, **{name: value}), want, atol=1e-6)


def test_the_head_turns_by_degrees_and_comes_nearer(photo: _Photo) -> None:
    found = editor.edited(photo, {"turn": 1.0, "nod": -1.0, "tilt": 0.5, "zoom": 1.0})
    state = replace(photo.state, turn=rotation(-11.0, 14.0, 10.0), scale=1.4 * 1.2)
    np.testing.assert_allclose(found, placed(photo.kp, state), atol=1e-5)


@pytest.mark.parametrize("wanted", [(0.0, 0.0, 0.0), (20.0, -70.0, 35.0), (-15.0, 40.0, -170.0)])
def test_a_turn_is_taken_apart_into_its_angles(wanted: tuple[float, float, float]) -> None:
    assert editor.angles(rotation(*wanted)) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "point", "value", "added"),
    [
        ("lids", 11, -1.0, 0.01),
        ("lids", 11, -0.5, 0.145 + 0.01 - 0.5 * (0.29 + 0.01)),
        ("lids", 11, 1.0, 0.81),
        ("lips", 19, -1.0, 0.01),
        ("lips", 19, 0.5, 0.45 + 0.01 - 0.5 * (0.1 + 0.01)),
    ],
)
def test_eyes_and_lips_are_opened_to_a_ratio_by_their_networks(
    photo: _Photo, name: str, point: int, value: float, added: float
) -> None:
    moved = editor.edited(photo, {name: value}) - photo.points
    assert moved[point, 1] == pytest.approx(added, abs=1e-6)
    assert np.abs(np.delete(moved, point, axis=0)).max() < 1e-6
