"""Observations without jitter, lag or bent heads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.liveportrait.config import KEYPOINTS
from models.liveportrait.motion import State, rotation
from models.liveportrait.ratios import Ratios
from models.liveportrait.smoothing import (
    Observed,
    StateFilter,
    between_turns,
    powered,
    smooth_observations,
    turned_by,
)


def observed(yaw: float = 0.0, exp: float = 0.0, noise: float = 0.0, seed: int = 0) -> Observed:
    random = np.random.default_rng(seed)
    state = State(
        rotation(*(noise * 57 * random.normal(size=3) + (0, yaw, 0))),
        (exp + noise * random.normal(size=(KEYPOINTS, 3))).astype(np.float32),
        1.3 + noise * random.normal(),
        (noise * random.normal(size=3)).astype(np.float32),
    )
    return Observed(state, Ratios(0.3, 0.3, 0.0))


def test_a_noisy_head_at_rest_is_still() -> None:
    smooth = StateFilter()
    frames = [observed(noise=5e-4, seed=n) for n in range(90)]
    out = [smooth(one, n / 30) for n, one in enumerate(frames)]
    before = np.std([one.state.exp for one in frames[30:]], axis=0).mean()
    after = np.std([one.state.exp for one in out[30:]], axis=0).mean()
    assert after < 0.45 * before
    angles = [turned_by(one.state.turn, out[30].state.turn) for one in out[30:]]
    raw = [turned_by(one.state.turn, frames[30].state.turn) for one in frames[30:]]
    assert np.mean(angles) < 0.6 * np.mean(raw)


def test_a_quick_turn_and_a_blink_come_at_once() -> None:
    smooth = StateFilter()
    for n in range(30):
        smooth(observed(), n / 30)
    out = smooth(observed(yaw=8.0, exp=0.03), 1.0)
    assert turned_by(out.state.turn, rotation(0, 8, 0)) < np.radians(0.8)
    np.testing.assert_allclose(out.state.exp, 0.03, atol=0.003)


@pytest.mark.parametrize("amount", [0.5, 1.0, 2.0])
def test_what_comes_out_is_a_rotation(amount: float) -> None:
    smooth = StateFilter(amount)
    for n in range(20):
        turn = smooth(observed(yaw=4.0 * (n % 7)), n / 30).state.turn
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(turn) == pytest.approx(1.0, abs=1e-5)


def test_a_clip_is_smoothed_without_lag() -> None:
    frames = [observed(yaw=20 * np.sin(n / 8)) for n in range(60)]
    frames[10] = None  # type: ignore[call-overload]
    out = smooth_observations(frames, [n / 30 for n in range(60)])
    assert out[10] is None
    for one, other in zip(frames, out, strict=True):
        if one is not None and other is not None:
            assert turned_by(one.state.turn, other.state.turn) < np.radians(1.0)


def test_after_a_pause_and_a_reset_it_starts_anew() -> None:
    smooth = StateFilter()
    smooth(observed(), 0.0)
    far = observed(yaw=3.0, exp=0.002)
    assert smooth(far, 2.0) is far
    smooth.reset()
    near = observed()
    assert smooth(near, 2.01) is near


def test_what_is_no_number_leaves_no_trace() -> None:
    smooth = StateFilter()
    good = observed()
    smooth(good, 0.0)
    broken = replace(good, state=replace(good.state, scale=float("nan")))
    with pytest.raises(ArithmeticError):
        smooth(broken, 0.03)
    np.testing.assert_allclose(smooth(good, 0.06).state.exp, good.state.exp)


def test_turns_are_mixed_and_stretched_about_their_axis() -> None:
    start, end = rotation(0, 10, 0), rotation(0, 30, 0)
    np.testing.assert_allclose(between_turns(start, end, 0.25), rotation(0, 15, 0), atol=1e-6)
    np.testing.assert_allclose(powered(end, 1.5), rotation(0, 45, 0), atol=1e-6)
