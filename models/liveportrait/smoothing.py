"""Taking the jitter out of what the motion network says, without lag and without bending a head.

As `models/keypoints.py` does for points: a low-pass filter whose cutoff rises at once with speed
beyond the noise and falls slowly. A turn is filtered as a turn, about an axis, so that what comes
out is a rotation again (the official smoother takes its nine numbers one by one).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.liveportrait.motion import State
from models.liveportrait.ratios import Ratios
from models.types import Floats


@dataclass(frozen=True)
class Observed:
    """What one frame says of the driver: the backend's observation.

    Attributes:
        state: pose and expression.
        ratios: how open eyes and mouth are.
    """

    state: State
    ratios: Ratios


@dataclass(frozen=True)
class _Amount:
    """How much one kind of number is filtered.

    Attributes:
        noise: a step below this is no motion.
        beta: Hz added to the cutoff for each unit per second above that.
        still: cutoff in Hz at rest.
    """

    noise: float
    beta: float
    still: float = 1.2

    def stronger(self, amount: float) -> _Amount:
        return replace(self, still=self.still / amount, beta=self.beta / amount**2)


_AMOUNTS = {
    "turn": _Amount(0.0027, 40.0),
    "exp": _Amount(0.0027, 80.0),
    "place": _Amount(0.0027, 80.0),
    "ratios": _Amount(0.015, 60.0, 3.0),
}
"""The official smoother takes 3e-7 for the variance of what it is given, so a step between two
frames that is noise alone has a deviation of 0.0008 in each number and 0.0013 in three; twice that
is no motion. The cutoffs are those of `models.keypoints.Smoothing`, whose units are about the same;
a radian moves a face's outline by half of one."""

_RELEASE = 3.0
"""Hz; how quickly the filter closes after a motion."""

_GAP = 0.5
"""Seconds without an observation after which it starts anew."""


class StateFilter:
    """A filter over time for the observations of one driver; independent of the frame rate."""

    def __init__(self, amount: float = 1.0) -> None:
        """Start without a past; `amount` above 1 is stronger than usual."""
        self._amounts = {name: one.stronger(amount) for name, one in _AMOUNTS.items()}
        self._last: Observed | None = None
        self._raw: Observed | None = None
        self._seconds = 0.0
        self._speeds: dict[str, Floats] = {}

    def reset(self) -> None:
        """Forget the past: the next observation goes through as it is."""
        self._last = self._raw = None

    def __call__(self, observation: Observed, seconds: float) -> Observed:
        """Filter the observation of one frame.

        Args:
            observation: what was seen.
            seconds: when, on any steady clock.

        Raises:
            ArithmeticError: it is not made of numbers.
        """
        if not observation.state.finite():
            raise ArithmeticError("the observation is not made of numbers")
        last, raw, elapsed = self._last, self._raw, seconds - self._seconds
        if last is None or raw is None or elapsed > _GAP:
            self._speeds = {}
            result = observation
        else:
            result = self._step(last, raw, observation, max(elapsed, 1e-3))
        self._last, self._raw, self._seconds = result, observation, seconds
        return result

    def _step(self, last: Observed, raw: Observed, now: Observed, elapsed: float) -> Observed:
        before, after, old = raw.state, now.state, last.state
        turned = np.array(turned_by(before.turn, after.turn))
        stretched = np.append(after.t[:2] - before.t[:2], after.scale - before.scale)
        opened = np.abs(_openings(now.ratios) - _openings(raw.ratios))
        gain = {
            "turn": self._gain("turn", turned, elapsed),
            "exp": self._gain("exp", np.linalg.norm(after.exp - before.exp, axis=1), elapsed),
            "place": self._gain("place", np.linalg.norm(stretched), elapsed),
            "ratios": self._gain("ratios", opened, elapsed),
        }
        place = float(gain["place"])
        state = State(
            between_turns(old.turn, after.turn, float(gain["turn"])),
            np.asarray(old.exp + gain["exp"][:, None] * (after.exp - old.exp), np.float32),
            old.scale + place * (after.scale - old.scale),
            np.asarray(old.t + place * (after.t - old.t), np.float32),
        )
        ratios = _openings(last.ratios)
        ratios = ratios + gain["ratios"] * (_openings(now.ratios) - ratios)
        return Observed(state, Ratios(*map(float, ratios)))

    def _gain(self, name: str, moved: Floats | np.floating, elapsed: float) -> Floats:
        """The share of the new value, from how far each part has moved since the last frame."""
        amount = self._amounts[name]
        excess = np.asarray(moved - amount.noise) / elapsed
        decay = np.exp(-2 * np.pi * _RELEASE * elapsed)
        speed = np.maximum(excess, self._speeds.get(name, np.zeros_like(excess)) * decay)
        self._speeds[name] = np.maximum(speed, 0)
        cutoff = amount.still + amount.beta * self._speeds[name]
        return np.asarray(1 - np.exp(-2 * np.pi * cutoff * elapsed), np.float32)


def smooth_observations(
    frames: Sequence[Observed | None], seconds: Sequence[float]
) -> list[Observed | None]:
    """Filter a whole clip without lag: once forward, once backward, and the middle of the two.

    Args:
        frames: the observation of each frame; None where there is none, and None comes back there.
        seconds: when each frame is shown, rising.
    """
    ahead = _run(frames, seconds, StateFilter())
    back = _run(frames[::-1], [-at for at in reversed(seconds)], StateFilter())[::-1]
    return [
        None if one is None or other is None else _between(one, other)
        for one, other in zip(ahead, back, strict=True)
    ]


def _run(
    frames: Sequence[Observed | None],
    seconds: Sequence[float],
    smooth: Callable[[Observed, float], Observed],
) -> list[Observed | None]:
    return [
        None if one is None else smooth(one, at) for one, at in zip(frames, seconds, strict=True)
    ]


def _between(one: Observed, other: Observed) -> Observed:
    a, b = one.state, other.state
    state = State(
        between_turns(a.turn, b.turn, 0.5),
        np.asarray((a.exp + b.exp) / 2, np.float32),
        (a.scale + b.scale) / 2,
        np.asarray((a.t + b.t) / 2, np.float32),
    )
    ratios = (_openings(one.ratios) + _openings(other.ratios)) / 2
    return Observed(state, Ratios(*map(float, ratios)))


def _openings(ratios: Ratios) -> Floats:
    return np.array((ratios.left, ratios.right, ratios.lips), np.float64)


def turned_by(start: Floats, end: Floats) -> float:
    """The angle in radians between two turns, (3, 3) each."""
    return float(np.linalg.norm(_vector(start.T @ end)))


def between_turns(start: Floats, end: Floats, share: float) -> Floats:
    """(3, 3): the turn that is `share` of the way from `start` to `end`, about one axis."""
    return np.asarray(start @ powered(start.T @ end, share), np.float32)


def powered(turn: Floats, share: float) -> Floats:
    """(3, 3): a turn about the same axis by `share` times the angle; beyond 1 it goes further."""
    matrix, _ = cv2.Rodrigues(_vector(turn) * share)
    return np.asarray(matrix, np.float64)


def _vector(turn: Floats) -> Floats:
    """(3,): the axis of a turn, as long as its angle in radians."""
    vector, _ = cv2.Rodrigues(np.asarray(turn, np.float64))
    return np.asarray(vector[:, 0])
