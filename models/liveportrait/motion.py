"""From what the motion network says to the keypoints that the picture is warped by.

The formulas and their order are those of the official pipeline (KwaiVGI/LivePortrait, MIT), whose
outputs the tests compare; what goes beyond them says so. All in numpy: nothing here needs a network
but the stitching, which is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.liveportrait.config import KEYPOINTS
from models.liveportrait.heads import Heads
from models.liveportrait.lip_array import LIP_ARRAY
from models.modes import Motion
from models.types import Floats

Region: TypeAlias = Literal["all", "exp", "pose", "lip", "eyes"]
"""What of the driver's motion is taken: everything, the expression, the pose of the head, or the
expression of the lips or of the eyes alone."""

REGIONS: tuple[Region, ...] = ("all", "exp", "pose", "lip", "eyes")
"""All of them."""

Stitch: TypeAlias = Callable[[Floats, Floats], Floats]
"""Source and driving keypoints, (21, 3) each, to driving ones that fit the photo's shoulders."""

BINS = 66
"""Bins of an angle, each three degrees wide."""

LIPS = (6, 12, 14, 17, 19, 20)
"""The keypoints of the region `lip`."""

EYES = (11, 13, 15, 16, 18)
"""The keypoints of the region `eyes`."""

LIDS = tuple((point, 1) for point in EYES)
"""The entries (keypoint, axis) of the expression that close the eyes: the heights of the eyes'
keypoints, which the editor's slider `wink` moves; not the widths, which turn the eyes."""

JAW = ((17, 1), (19, 1), (19, 2))
"""The entries of the expression that open the mouth: those of the editor's slider `open`."""


def _listed() -> NDArray[np.bool_]:
    taken = np.zeros((KEYPOINTS, 3), bool)
    taken[[1, 2, 6, *range(11, 21)]] = True
    for point, axis in ((3, 1), (4, 1), (5, 2), (8, 2), (9, 1), (9, 2)):
        taken[point, axis] = True
    return taken


LISTED = _listed()
"""(21, 3): the entries of the expression that an absolute driver replaces; the others stay the
source's, as they carry who it is."""


@dataclass(frozen=True)
class State:
    """Pose and expression of one picture, its turn as a matrix.

    Attributes:
        turn: (3, 3); it multiplies row vectors from the right. A smoothed one is not orthogonal.
        exp: (21, 3) what the expression adds to the keypoints, before scaling.
        scale: size of the face.
        t: (3,) where the face is; the third counts in the editor only.
    """

    turn: Floats
    exp: Floats
    scale: float
    t: Floats

    @classmethod
    def of(cls, heads: Heads) -> State:
        """The same as the network says it."""
        turn = rotation(heads.pitch, heads.yaw, heads.roll)
        return cls(turn, heads.exp, float(heads.scale), heads.t)

    def finite(self) -> bool:
        """Whether it is made of numbers."""
        return bool(
            np.isfinite(self.turn).all()
            and np.isfinite(self.exp).all()
            and np.isfinite(self.scale)
            and np.isfinite(self.t).all()
        )


def angle(bins: Floats) -> float:
    """Degrees that a head with 66 bins means: the expectation of their softmax."""
    values = np.asarray(bins, np.float64).reshape(BINS)
    weights = np.exp(values - values.max())
    return float(3 * (weights @ np.arange(BINS)) / weights.sum() - 97.5)


def rotation(pitch: float, yaw: float, roll: float) -> Floats:
    """(3, 3): the turn of a head by these degrees, to multiply row vectors from the right."""
    x, y, z = np.radians((pitch, yaw, roll))
    about_x = [[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]]
    about_y = [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
    about_z = [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
    turn = np.array(about_z) @ np.array(about_y) @ np.array(about_x)
    return np.ascontiguousarray(turn.T, np.float32)


def placed(kp: Floats, state: State) -> Floats:
    """(21, 3): a head's keypoints in a pose and an expression; the third of `t` is left out."""
    points = state.scale * (kp @ state.turn + state.exp)
    points[:, :2] += state.t[:2]
    return points.astype(np.float32)


def keypoints(heads: Heads) -> Floats:
    """(21, 3): where the keypoints of a picture are."""
    return placed(heads.kp, State.of(heads))


def mix(start: State, end: State, share: float) -> State:
    """The state that is `share` (0..1) of the way from `start` to `end`, every number straight."""
    return State(
        _between(start.turn, end.turn, share),
        _between(start.exp, end.exp, share),
        start.scale + share * (end.scale - start.scale),
        _between(start.t, end.t, share),
    )


def _between(start: Floats, end: Floats, share: float) -> Floats:
    return np.asarray(start + share * (end - start), np.float32)


def driven(
    source: State, now: State, first: State | None, motion: Motion, region: Region = "all"
) -> State:
    """A photo's state, driven by a frame of a video.

    Args:
        source: of the photo.
        now: of the driving frame.
        first: of the frame that stands for rest; needed in relative motion only.
        motion: relative to `first`, or absolute.
        region: what of the motion is taken; the rest stays the photo's.
    """
    if motion == "absolute":
        exp = np.where(LISTED, now.exp, source.exp)
        wanted = State(now.turn, exp, source.scale, now.t)
        return _of_region(source, wanted, region, now.exp)
    assert first is not None, "relative motion is relative to something"
    exp = source.exp + now.exp - first.exp
    wanted = State(
        now.turn @ first.turn.T @ source.turn,
        exp,
        source.scale * now.scale / first.scale,
        source.t + now.t - first.t,
    )
    return _of_region(source, wanted, region, exp)


def driven_by_image(source: State, image: State, motion: Motion, region: Region = "all") -> State:
    """A photo's state, driven by one picture: relative motion takes its expression alone."""
    if motion == "absolute":
        return driven(source, image, None, motion, region)
    rest = np.zeros_like(LIP_ARRAY) if region == "eyes" else LIP_ARRAY
    exp = source.exp + image.exp - rest
    return _of_region(source, replace(source, exp=exp), region, exp)


def _of_region(source: State, wanted: State, region: Region, exp: Floats) -> State:
    """What a region takes of the state that is wanted; the rest is the source's.

    Args:
        source: of the photo.
        wanted: with everything taken.
        region: what is taken.
        exp: (21, 3) where the regions of some keypoints take their expression from.
    """
    if region == "all":
        return wanted
    if region == "pose":
        return replace(source, turn=wanted.turn, t=wanted.t)
    if region == "exp":
        return replace(source, exp=wanted.exp)
    points = list(LIPS if region == "lip" else EYES)
    mixed = source.exp.copy()
    mixed[points] = exp[points]
    return replace(source, exp=mixed)


def driven_video(
    sources: Sequence[State],
    drivers: Sequence[State],
    motion: Motion,
    region: Region = "all",
    variance: float = 3e-7,
) -> list[State]:
    """The states of a video as source, each frame driven by one of another video or by a picture.

    Args:
        sources: of the source's frames.
        drivers: of the driver's frames, or of one picture; the shorter video ends both.
        motion: relative to the driver's first frame, or absolute.
        region: what of the motion is taken.
        variance: of the observation in the smoother, larger is smoother; not heeded for a picture.
    """
    image = len(drivers) == 1
    every = [drivers[0]] * len(sources) if image else drivers
    pairs = list(zip(sources, every, strict=False))
    first = drivers[0]
    if motion == "absolute":
        exps = np.stack([now.exp for _, now in pairs])
        turns = np.stack([now.turn for _, now in pairs])
    else:
        rest = first.exp
        if image:
            rest = np.zeros_like(LIP_ARRAY) if region == "eyes" else LIP_ARRAY
        exps = np.stack([source.exp + now.exp - rest for source, now in pairs])
        turns = np.stack([now.turn @ first.turn.T @ source.turn for source, now in pairs])
    if not image:
        exps, turns = smoothed(exps, variance), smoothed(turns, variance)
    out = []
    for (source, now), exp, turn in zip(pairs, exps, turns, strict=True):
        t = now.t if motion == "absolute" else source.t
        wanted = State(turn, np.where(LISTED, exp, source.exp), source.scale, t)
        out.append(_of_region(source, wanted, region, exp))
    return out


def driven_animal(source: State, now: State) -> State:
    """An animal's state: the driver's as it is, but for the size; `friendly` comes after it."""
    return replace(now, scale=source.scale)


def without(state: State, source: State, entries: Sequence[tuple[int, int]], share: float) -> State:
    """A state with some entries of its expression taken back to the photo's.

    The official pipeline drops all motion where the eyes or lips are retargeted. Here everything
    else goes on, and these entries are faded out as their retargeting is faded in: otherwise a
    blink would count twice, once in the expression and once in what retargeting adds.

    Args:
        state: of the driven photo.
        source: of the photo.
        entries: (keypoint, axis) of each, such as `LIDS`.
        share: how much of them is taken back, 0..1.
    """
    exp = state.exp.copy()
    for point, axis in entries:
        exp[point, axis] = (1 - share) * exp[point, axis] + share * source.exp[point, axis]
    return replace(state, exp=exp)


def friendly(source: Floats, driving: Floats, first: Floats) -> Floats:
    """The option `expression-friendly`: the motion since the first frame, scaled to the photo.

    Args:
        source: (21, 3) keypoints of the photo.
        driving: (21, 3) those that the frame asks for.
        first: (21, 3) those that the first frame asked for; in relative motion these are the
            photo's, so that nothing changes.
    """
    return (source + hull_ratio(source, first) * (driving - first)).astype(np.float32)


def finished(
    source: Floats,
    driving: Floats,
    stitch: Stitch | None = None,
    before: Floats | float = 0.0,
    after: Floats | float = 0.0,
    multiplier: float = 1.0,
) -> Floats:
    """(21, 3): the keypoints for the warp, from those that the motion asks for.

    Args:
        source: (21, 3) of the photo.
        driving: (21, 3) as the motion asks for.
        stitch: fits them to the photo's shoulders; None: not stitched.
        before: (21, 3) added before the stitching: what the retargeting of eyes and lips says.
        after: (21, 3) added after it: what shuts the lips of a photo with an open mouth, or opens
            the eyes of a source video.
        multiplier: how far the photo goes along its motion; 1 as it is.
    """
    points = driving + before
    if stitch is not None:
        points = stitch(source, np.asarray(points, np.float32))
    points = points + after
    if multiplier != 1.0:
        points = source + (points - source) * multiplier
    return np.asarray(points, np.float32)


def stitched(driving: Floats, delta: Floats) -> Floats:
    """(21, 3): keypoints moved by what the stitching network says.

    Args:
        driving: (21, 3).
        delta: (65,) 63 for the keypoints, then x and y for all of them.
    """
    values = delta.reshape(-1)
    points = driving + values[: 3 * KEYPOINTS].reshape(KEYPOINTS, 3)
    points[:, :2] += values[3 * KEYPOINTS :]
    return np.asarray(points, np.float32)


def smoothed(values: Floats, variance: float = 3e-7) -> Floats:
    """A whole clip smoothed, each number by itself.

    A Kalman filter, then the smoother of Rauch, Tung and Striebel.

    Args:
        values: (N, ...) of each frame.
        variance: of the observation; larger is smoother.

    Returns:
        The same shape.
    """
    process = 1e-5  # of the official smoother
    ahead = np.asarray(values, np.float64).copy()
    # All numbers have the same variances: one sequence of gains does for all of them.
    predicted, found = np.empty(len(ahead)), np.empty(len(ahead))
    predicted[0] = 1.0
    for i in range(len(ahead)):
        if i:
            predicted[i] = found[i - 1] + process
            gain = predicted[i] / (predicted[i] + variance)
            ahead[i] = ahead[i - 1] + gain * (ahead[i] - ahead[i - 1])
        gain = predicted[i] / (predicted[i] + variance)
        found[i] = (1 - gain) * predicted[i]
    out = ahead.copy()
    for i in range(len(ahead) - 2, -1, -1):
        out[i] += found[i] / predicted[i + 1] * (out[i + 1] - ahead[i])
    return out.astype(np.float32)


def hull_ratio(source: Floats, driving: Floats) -> float:
    """How much larger a photo's face is than the driver's: the root of the hulls' volumes' ratio.

    Args:
        source: (N, 3) keypoints of the photo.
        driving: (N, 3) of the driver.
    """
    return float(np.sqrt(hull_volume(source) / max(hull_volume(driving), 1e-12)))


def hull_volume(points: Floats) -> float:
    """The volume of the convex hull of a few points (N, 3).

    Of every three points, the plane bounds the hull where all others lie on one side of it. Four
    points of one plane would count twice, so they are moved apart by a billionth of their extent.
    """
    values = np.asarray(points, np.float64)
    values = values - values.mean(0)
    extent = np.abs(values).max()
    values = values + 1e-9 * extent * np.random.default_rng(0).uniform(-1, 1, values.shape)
    triples = np.array(list(combinations(range(len(values)), 3)))
    corner = values[triples[:, 0]]
    normals = np.cross(values[triples[:, 1]] - corner, values[triples[:, 2]] - corner)
    heights = normals @ values.T - (normals * corner).sum(1)[:, None]
    np.put_along_axis(heights, triples, 0.0, axis=1)
    outside = (heights <= 0).all(1) | (heights >= 0).all(1)
    return float(np.abs((normals * corner).sum(1)[outside]).sum() / 6)
