"""Keypoints, and taking the jitter out of them without adding lag to blinks and speech.

The One Euro filter (Casiez, Roussel and Vogel 2012) is a low-pass filter whose cutoff rises with
speed. Here the speed of a keypoint is that of its neighbourhood, so that neighbours lag alike and
the face is not deformed; only what exceeds the landmark noise counts as speed, it counts at once,
and the filter closes again slowly. That keeps a still face still and lets the first frame of a
blink through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.animator import Slider, Smoother
from models.types import Floats


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one picture: the observation and the pose of backends that move by them.

    Attributes:
        values: (N, 2) or (N, 3), in the units of a `Crop`: (-1, -1) is its top left corner, (1, 1)
            its bottom right one, so that a face is about one unit wide.
        jacobians: (N, 2, 2), the local affine motion of each keypoint (First Order Motion Model,
            Siarohin et al. 2019), or None where the backend has none.
        blendshapes: (52,), 0..1, or None where the backend does not use them.
    """

    values: Floats
    jacobians: Floats | None = None
    blendshapes: Floats | None = None


def check_finite(keypoints: Keypoints) -> None:
    """Make sure that keypoints are numbers.

    Raises:
        ArithmeticError: one of them is not.
    """
    for part in (keypoints.values, keypoints.jacobians, keypoints.blendshapes):
        if part is not None and not np.isfinite(part).all():
            raise ArithmeticError("the keypoints are not numbers")


_WATCHED = 1.0
"""Seconds over which the noise of a camera is measured: less is a handful of frames, more is late
to notice that the light changes."""

_MARGIN = 2.0
"""Times the noise's root mean square below which a step is no motion: twice, as noise exceeds it
now and then."""


@dataclass(frozen=True)
class Smoothing:
    """How much to filter. Distances are in `Crop` units: the face is about one unit wide.

    The values are what kept a noisy still face still (a tenth of a pixel at 250 across) without
    taking depth from a blink or delaying it; the tests hold both.

    Attributes:
        still: cutoff in Hz of a keypoint at rest.
        quick: the same for keypoints that a filter is told to be quick, such as lips and lids.
        beta: Hz added for each unit per second above the noise.
        noise: how far a keypoint at rest appears to move between two frames (root mean square), at
            least; what a grainy camera or a small face add is measured.
        noise_most: the most that is measured.
        release: Hz; how quickly the filter closes after a motion.
        reach: radius of the neighbourhood whose speed is shared.
        shape_cutoff: as `still`, for blendshapes, which are 0..1.
        shape_beta: as `beta`, for blendshapes.
        shape_noise: as `noise`, for blendshapes.
        gap: seconds without keypoints after which the filter starts anew.
    """

    still: float = 1.2
    quick: float = 2.5
    beta: float = 80.0
    noise: float = 0.003
    noise_most: float = 0.02
    release: float = 3.0
    reach: float = 0.05
    shape_cutoff: float = 3.0
    shape_beta: float = 60.0
    shape_noise: float = 0.015
    gap: float = 0.5

    def stronger(self, amount: float) -> Smoothing:
        """These settings with all time constants `amount` (above 0) times as long."""
        return replace(
            self,
            still=self.still / amount,
            quick=self.quick / amount,
            beta=self.beta / amount**2,
            shape_cutoff=self.shape_cutoff / amount,
            shape_beta=self.shape_beta / amount**2,
        )


class KeypointFilter:
    """A filter over time for the keypoints of one face; independent of the frame rate."""

    def __init__(self, settings: Smoothing | None = None, quick: Sequence[int] = ()) -> None:
        """Start without a past.

        Args:
            settings: how much to filter.
            quick: the numbers of keypoints that move quickly and little, such as lips and lids.
        """
        self._settings = settings or Smoothing()
        self._quick = list(quick)
        self._last: Keypoints | None = None
        self._raw: Keypoints | None = None
        self._seconds = 0.0
        self._neighbours = np.zeros((0, 0), np.float32)
        self._cutoff = np.zeros(0, np.float32)
        self._speed = np.zeros(0, np.float32)
        self._shape_speed = np.zeros(0, np.float32)
        self._moved = np.zeros((0, 2), np.float32)
        self._turns = 0.0

    def reset(self) -> None:
        """Forget the past: the next keypoints go through as they are."""
        self._last = self._raw = None

    def __call__(self, keypoints: Keypoints, seconds: float) -> Keypoints:
        """Filter the keypoints of one frame.

        Args:
            keypoints: what was seen.
            seconds: when, on any steady clock.

        Returns:
            Keypoints of the same shapes.

        Raises:
            ArithmeticError: they are not numbers.
        """
        check_finite(keypoints)
        last, raw = self._last, self._raw
        elapsed = seconds - self._seconds
        if (
            last is None
            or raw is None
            or elapsed > self._settings.gap
            or not _alike(last, keypoints)
        ):
            self._start(keypoints)
            result = keypoints
        else:
            result = self._step(last, raw, keypoints, max(elapsed, 1e-3))
        self._last, self._raw, self._seconds = result, keypoints, seconds
        return result

    def _start(self, keypoints: Keypoints) -> None:
        settings, points = self._settings, keypoints.values[:, :2]
        squared = ((points[:, None] - points[None]) ** 2).sum(-1)
        weights = np.exp(-0.5 * squared / settings.reach**2)
        self._neighbours = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
        self._cutoff = np.full(len(points), settings.still, np.float32)
        self._cutoff[self._quick] = settings.quick
        self._speed = np.zeros(len(points), np.float32)
        self._moved, self._turns = np.zeros((len(points), 2), np.float32), 0.0
        self._shape_speed = np.zeros(
            0 if keypoints.blendshapes is None else keypoints.blendshapes.size, np.float32
        )

    def _step(self, last: Keypoints, raw: Keypoints, now: Keypoints, elapsed: float) -> Keypoints:
        settings = self._settings
        moved = now.values[:, :2] - raw.values[:, :2]
        noise = self._noise(moved, elapsed)
        excess = np.sqrt(self._neighbours @ (moved**2).sum(1)) - noise
        decay = np.float32(np.exp(-2 * np.pi * settings.release * elapsed))
        self._speed = np.maximum(excess / elapsed, self._speed * decay).astype(np.float32)
        weight = _weight(self._cutoff + settings.beta * self._speed, elapsed)
        values = last.values + weight[:, None] * (now.values - last.values)
        jacobians = now.jacobians
        if jacobians is not None and last.jacobians is not None:
            jacobians = last.jacobians + weight[:, None, None] * (jacobians - last.jacobians)
        shapes = now.blendshapes
        if shapes is not None and last.blendshapes is not None and raw.blendshapes is not None:
            excess = np.abs(shapes - raw.blendshapes) - settings.shape_noise
            self._shape_speed = np.maximum(excess / elapsed, self._shape_speed * decay).astype(
                np.float32
            )
            gain = _weight(settings.shape_cutoff + settings.shape_beta * self._shape_speed, elapsed)
            shapes = last.blendshapes + gain * (shapes - last.blendshapes)
        return Keypoints(values, jacobians, shapes)

    def _noise(self, moved: Floats, elapsed: float) -> float:
        """How far keypoints at rest appear to move, from how all moved (N, 2) since the last frame.

        Noise turns back: of steps that are due to it, the next one's scalar product with the last
        is on average minus half a step's square. That of a motion is positive, so that a moving
        face makes the answer smaller, not larger.
        """
        turns = float((moved * self._moved).sum(1).mean())
        self._turns += (turns - self._turns) * (1 - np.exp(-elapsed / _WATCHED))
        self._moved = moved
        settings = self._settings
        found = _MARGIN * float(np.sqrt(max(-2 * self._turns, 0.0)))
        return min(max(found, settings.noise), settings.noise_most)


def smooth_sequence(
    frames: Sequence[Keypoints | None],
    seconds: Sequence[float],
    settings: Smoothing | None = None,
    quick: Sequence[int] = (),
) -> list[Keypoints | None]:
    """Filter a whole clip without lag: once forward, once backward, and the mean of the two.

    Args:
        frames: the keypoints of each frame, None where there is no face; None comes back there.
        seconds: when each frame is shown, rising.
        settings: how much to filter.
        quick: as `KeypointFilter`.
    """
    forward = _run(frames, seconds, KeypointFilter(settings, quick))
    back = [-moment for moment in reversed(seconds)]
    backward = _run(frames[::-1], back, KeypointFilter(settings, quick))[::-1]
    return [
        None if ahead is None or behind is None else blend(ahead, behind, 0.5)
        for ahead, behind in zip(forward, backward, strict=True)
    ]


def _run(
    frames: Sequence[Keypoints | None], seconds: Sequence[float], smooth: KeypointFilter
) -> list[Keypoints | None]:
    return [
        None if keypoints is None else smooth(keypoints, moment)
        for keypoints, moment in zip(frames, seconds, strict=True)
    ]


def blend(start: Keypoints, end: Keypoints, share: float) -> Keypoints:
    """The keypoints on the way from `start` to `end`.

    Args:
        start: where the way begins.
        end: where it ends; what only one of them carries (jacobians, blendshapes) is taken from it.
        share: how much of the way, 0..1.
    """

    def mix(a: Floats | None, b: Floats | None) -> Floats | None:
        if a is None or b is None or a.shape != b.shape:
            return b
        return (a + np.float32(share) * (b - a)).astype(np.float32)

    values = mix(start.values, end.values)
    assert values is not None
    return replace(
        end,
        values=values,
        jacobians=mix(start.jacobians, end.jacobians),
        blendshapes=mix(start.blendshapes, end.blendshapes),
    )


def _weight(cutoff: Floats, elapsed: float) -> Floats:
    """The share of the new value in a first-order low-pass at `cutoff` Hz."""
    weight: Floats = (1 - np.exp(-2 * np.pi * cutoff * elapsed)).astype(np.float32)
    return weight


def _alike(a: Keypoints, b: Keypoints) -> bool:
    def shape(array: Floats | None) -> tuple[int, ...] | None:
        return None if array is None else array.shape

    return (
        a.values.shape == b.values.shape
        and shape(a.jacobians) == shape(b.jacobians)
        and shape(a.blendshapes) == shape(b.blendshapes)
    )


class KeypointAnimator:
    """What backends share whose observations and poses are `Keypoints`: a base for an `Animator`.

    A subclass adds `name`, `device`, `prepare`, `observe`, `pose` and `render`.
    """

    sliders: Sequence[Slider] = ()
    quick: Sequence[int] = ()
    """The numbers of keypoints that are smoothed less: they move quickly and little."""

    def best_size(self, cores: int | None = None) -> int:
        """512 pixels, what calls show of a face."""
        return 512

    def mix(self, start: Keypoints, end: Keypoints, share: float) -> Keypoints:
        """Every keypoint on its straight way."""
        return blend(start, end, share)

    def distance(self, one: Keypoints, other: Keypoints) -> float:
        """How far the keypoint that moves most goes in the picture, in units of a `Crop`.

        Raises:
            ValueError: the poses do not have keypoints of the same shape.
        """
        if one.values.shape != other.values.shape:
            raise ValueError(
                f"poses of {other.values.shape} and {one.values.shape} cannot be compared"
            )
        moved = one.values[:, :2] - other.values[:, :2]
        return float(np.linalg.norm(moved, axis=1).max())

    def smoother(self, amount: float = 1.0) -> Smoother:
        """A `KeypointFilter`."""
        return KeypointFilter(Smoothing().stronger(amount), self.quick)

    def smooth(
        self, observations: Sequence[Keypoints | None], seconds: Sequence[float]
    ) -> list[Keypoints | None]:
        """Filtered forward and backward."""
        return smooth_sequence(observations, seconds, quick=self.quick)

    def stages(self) -> Mapping[str, float]:
        """Nothing: one part does it all."""
        return {}
