"""Relative motion in 3-D: the driver's head motion and expression, on the source's own face.

The driving landmarks are split into the motion of the skull since the calibration frame and an
expression, which is what is left in the calibration frame's own pose. Both are turned into the
source's pose and scale, so a turned or differently shaped face is not deformed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from models.face import measures
from models.face.topology import (
    EYES,
    JAW,
    LOWER_LIP,
    MOUTH_REGION,
    UPPER_LIP,
    Eye,
    Indices,
    triangles,
)
from models.mesh.expression import emphasise
from models.mesh.pose import Similarity, euler, fit_head, from_euler, own_yaw, pivot
from models.mesh.tracker_gain import USUAL_GAZE, TrackerGain
from models.mesh.traits import PERSON, Traits
from models.types import Floats

_RIGHT_EYE, _LEFT_EYE = 33, 263  # outer corners
_YAW, _PITCH, _ROLL = np.radians([38.0, 28.0, 40.0])  # further, what is guessed is seen
_LEAST = 0.4  # share of the limit that is left to a face that is turned as far as that already
_SHOWN = float(np.radians(20.0))
"""Of a face that is turned no further the photo shows both sides well."""

_UNSEEN = 1.3
"""By how much less a face may turn toward the front for every angle it is turned beyond `_SHOWN`:
that uncovers the side which the photo does not show. Tuned by eye on paintings at 20 to 35 degrees
and on a head rendered at 30 and 45."""

_CHIN_REACH = 5.0
"""Points of the jaw, of 21, over which what drops of a chin is spread on round faces; by eye."""

_SHIFT = 0.45  # of the face's height: further, and the neck would tear
# How far lids are open that the tracker reads as so far open, both relative to calibration. It
# never reads closed ones as touching, and half closed ones as more open than they are; measured on
# drawn faces.
_READ = (0.16, 0.4, 0.65, 0.8, 0.9, 1.0, 1.28)
_OPEN = (0.0, 0.27, 0.5, 0.68, 0.84, 1.0, 1.35)  # read beside `_READ`
_EDGEWISE = 0.25  # narrower than the other eye by this share: its iris cannot be read
_BLINK = 0.6  # of the opening: an eye that is narrowed by more closes
_UNREAD = 0.25  # of what a lower lid rises more the tracker does not read on drawn faces
_MOST_LIFTED = 0.3  # of the opening: what the lower lid goes up in the strongest squint
_SLEEPY = 0.7  # lids read as lower where the eye looks aside: so much for an eye's width
_FAR_ASIDE = 0.25  # of the eye's width: as far as that was seen
_SMILE = 0.06  # of the face's height: lips this far apart may only smile
_PARTING = 0.02  # of the face's height: lips that part more than that do open
_ASIDE = 0.4  # of the eye's width: an iris further from the middle would leave the eye


@dataclass(frozen=True)
class Strengths:
    """How much of the driver's motion is applied: 0 none, 1 as it is, 2 twice.

    Attributes:
        motion: of the head.
        expression: of the whole face.
        eyes: of the eyes, times `expression`.
        mouth: of the mouth, times `expression`.
    """

    motion: float = 1.0
    expression: float = 1.0
    eyes: float = 1.0
    mouth: float = 1.0


def ease(value: float, limit: float) -> float:
    """`value` up to half the limit; beyond, it approaches +-limit smoothly."""
    half = limit / 2
    if abs(value) <= half:
        return value
    return float(np.sign(value) * (half + half * np.tanh((abs(value) - half) / half)))


_MOUTH_CORNERS = 61, 291
"""The person's right one, then the left (MediaPipe's numbering)."""

_WIDEST, _WIDER = 0.78, 0.08
"""How wide a mouth may become, by the distance of the eyes' outer corners, before it is held back,
and how much more it becomes at most. Wide grins of real clips have 0.74 to 0.82."""


def relative_motion(
    source: Floats,
    reference: Floats,
    driving: Floats,
    adapt_scale: bool = True,
    gain: TrackerGain = TrackerGain(),  # noqa: B008  frozen
    traits: Traits = PERSON,
) -> Floats:
    """Where the source's landmarks go when the driver moves from `reference` to `driving`.

    All are (478, 3) in crop units. With `adapt_scale` the motion is scaled by the size of the
    source's face over the size of the reference's. gain, traits: of the source's avatar.
    """
    head = fit_head(reference, driving)
    to_source = fit_head(reference, source)
    size = to_source.scale if adapt_scale else 1.0
    local = head.inverse(driving)
    _gaze_together(local, reference, driving)
    smiles = emphasise(local, reference, head)
    residual = (local - reference) @ (size * to_source.rotation).T
    shape: Floats = source + _fit_features(source, reference, residual, to_source, gain)
    shape = _lids(shape, source, reference, local, smiles, traits)
    if not traits.human:
        shape = _round_jaw(shape, source)
    shape = _no_wider(_lips(_widened(shape, source, traits), source), source)
    return _move_head(shape, source, reference, head, to_source, size, gain)


def absolute_motion(source: Floats, driving: Floats) -> Floats:
    """The driving landmarks as they are, only brought to the source's place and size.

    The face takes the driver's shape and pose; no calibration is needed.
    """
    size = fit_head(driving, source).scale
    moved = driving * size
    return np.asarray(moved + (source[:468].mean(0) - moved[:468].mean(0)), np.float32)


def added(source: Floats, onto: Floats, edited: Floats) -> Floats:
    """One pose on top of another: expressions and turns add up, within what a face can do.

    Args:
        source: (478, 3) the photo's landmarks, as the next two.
        onto: a pose of the photo.
        edited: what is added to it, as a pose too.
    """
    head, turn = fit_head(source, onto), fit_head(source, edited)
    local, change = head.inverse(onto), turn.inverse(edited)
    shape: Floats = local + (change - source)
    for eye in EYES:
        # Of lids that are half closed, half closed by the other: nothing passes through.
        span = source[eye.upper] - source[eye.lower]
        open_yet = ((change[eye.upper] - change[eye.lower]) * span).sum(1)
        share = np.clip(open_yet / np.maximum((span**2).sum(1), 1e-12), 0.0, None)
        was = local[eye.upper] - local[eye.lower]
        shape[eye.upper] = shape[eye.lower] + was * share[:, None]
        moved = shape[eye.iris[0]] - source[eye.iris[0]]
        shape[eye.iris] += _keep_in_sight(eye, source, moved)
    shape = _no_wider(_lips(shape, source), source)
    yaw, pitch, roll = euler(head.rotation @ turn.rotation)
    most = max(_most_yaw(source, yaw), abs(euler(head.rotation)[0]))
    rotation = from_euler(
        _within(yaw, -most, most), _within(pitch, -_PITCH, _PITCH), _within(roll, -_ROLL, _ROLL)
    )
    centre = pivot(source)
    place = head(centre[None])[0] + turn(centre[None])[0] - centre
    scale = head.scale * turn.scale
    return np.asarray((shape - centre) @ (scale * rotation).T + place, np.float32)


def strengthen(reference: Floats, driving: Floats, strengths: Strengths) -> Floats:
    """The driving landmarks with more or less of their motion since `reference`.

    All are (478, 3) in the same units. The motion of the skull and the expression are separated
    and scaled each on its own.
    """
    head = fit_head(reference, driving)
    eyes, mouth = features()
    share = 1 + (strengths.eyes - 1) * eyes + (strengths.mouth - 1) * mouth
    shape = reference + (head.inverse(driving) - reference) * (strengths.expression * share)
    for eye in EYES:
        # A lid that would pass the other one has met it: twice a blink is a blink.
        span, open_span = shape[eye.upper] - shape[eye.lower], reference[eye.upper]
        open_span = open_span - reference[eye.lower]
        crossed = (span * open_span).sum(1) < 0
        shape[eye.upper[crossed]] = shape[eye.lower[crossed]]
    rotation = from_euler(*(strengths.motion * angle for angle in euler(head.rotation)))
    scale = max(head.scale, 1e-3) ** strengths.motion
    centre = pivot(reference)
    moved = centre + strengths.motion * (head(centre[None])[0] - centre)
    return np.asarray((shape - centre) @ (scale * rotation).T + moved, np.float32)


@cache
def features() -> tuple[Floats, Floats]:
    """How much each landmark belongs to the eyes and to the mouth: (478, 1), 0..1 each.

    Softened over the mesh, so that a strong eye does not tear the cheek beside it.
    """
    count, faces = 478, triangles()
    near = np.eye(count, dtype=np.float32)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        near[faces[:, a], faces[:, b]] = near[faces[:, b], faces[:, a]] = 1
    near /= near.sum(1, keepdims=True)
    weights = np.zeros((count, 2), np.float32)
    for eye in EYES:
        weights[np.concatenate([eye.corners, eye.upper, eye.lower, eye.lid, eye.iris]), 0] = 1
    weights[MOUTH_REGION, 1] = 1
    soft = np.clip(np.maximum(weights, near @ near @ weights), 0, 1).astype(np.float32)
    return soft[:, :1], soft[:, 1:]


def opening(landmarks: Floats, upper: Indices, lower: Indices) -> Floats:
    """The distances between paired edge points (of lids or lips), in the landmarks' units."""
    return np.asarray(np.linalg.norm(landmarks[upper] - landmarks[lower], axis=1))


def _gaze_together(local: Floats, reference: Floats, driving: Floats) -> None:
    """Let both irises go the same way where one eye is seen edgewise; changes `local`.

    local: the driving landmarks in the head's own frame, that of `reference`.

    That one is read badly when the head is turned, and alone would stare aside; so the better seen
    eye has more to say.
    """
    widths = [_width(reference, eye.corners) for eye in EYES]
    seen = [
        math.dist(*driving[eye.corners, :2].tolist()) / width
        for eye, width in zip(EYES, widths, strict=True)
    ]
    own = [
        (local[eye.iris[0]] - reference[eye.iris[0]]) / width
        for eye, width in zip(EYES, widths, strict=True)
    ]
    most = max(*seen, 1e-6)
    weights = [(one / most) ** 2 for one in seen]
    both = (own[0] * weights[0] + own[1] * weights[1]) / max(sum(weights), 1e-12)
    share = min((1 - min(seen) / most) / _EDGEWISE, 1.0)
    for eye, moved, width in zip(EYES, own, widths, strict=True):
        local[eye.iris] += share * (both - moved) * width


def _fit_features(
    source: Floats,
    reference: Floats,
    residual: Floats,
    to_source: Similarity,
    gain: TrackerGain,
) -> Floats:
    """Scale the expression of eyes and mouth to the size these have in the source."""
    out = residual.copy()
    across = source[_LEFT_EYE] - source[_RIGHT_EYE]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    for eye in EYES:
        width_s, width_r = _width(source, eye.corners), _width(reference, eye.corners)
        gap_s = float(opening(source, eye.upper[2:5], eye.lower[2:5]).mean())
        gap_r = float(opening(reference, eye.upper[2:5], eye.lower[2:5]).mean())
        base = max(to_source.scale, 1e-6)
        out[eye.iris] *= _within(width_s / (width_r * base), 0.6, 1.6)
        aside = float(out[eye.iris[0]] @ across)
        out[eye.iris] *= USUAL_GAZE
        out[eye.iris] += (gain.gaze[aside > 0] - USUAL_GAZE) * aside * across
        lid = np.concatenate([eye.upper, eye.lower, eye.lid])
        out[lid] *= _within(gap_s / (max(gap_r, 1e-6) * base), 0.5, 1.8)
    # A source that already shows an open mouth must not open it by the driver's whole motion; a
    # smile only parts the lips, and so does not count.
    height = measures.height(source)
    gap = float(opening(source, UPPER_LIP[3:6], LOWER_LIP[3:6]).mean())
    gap = max(gap - _SMILE * height, 0.0)
    change = residual[LOWER_LIP[3:6]] - residual[UPPER_LIP[3:6]]
    more = float(change[:, 1].mean())
    if more > 0:
        share = gain.mouth * (more + 0.25 * gap) / (more + gap)
        out[MOUTH_REGION] *= 1 + (share - 1) * min(more / (_PARTING * height), 1.0)
    return out


def _lids(
    shape: Floats,
    source: Floats,
    reference: Floats,
    driving: Floats,
    smiles: tuple[float, float],
    traits: Traits,
) -> Floats:
    """Open each eye as far as the driver's, relative to calibration; a blink closes it wholly.

    smiles: 0..1 for each side; an eye that smiles is narrowed by the lower lid, which cheeks lift.
    """
    out = shape.copy()
    ratios = [_openness(eye, reference, driving) for eye in EYES]
    # Eyes blink together; what differs a little is noise, what differs a lot is a wink.
    together = _within(1.5 - 2.5 * abs(ratios[0] - ratios[1]), 0.0, 1.0)
    mean = (ratios[0] + ratios[1]) / 2
    for number, (eye, ratio, smile) in enumerate(zip(EYES, ratios, smiles, strict=True)):
        lid_ratio = float(np.interp(ratio + (mean - ratio) * 0.8 * together, _READ, _OPEN))
        span = source[eye.upper] - source[eye.lower]
        if traits.plain:
            # The line below a drawn eye is where lids meet: it stays.
            out[eye.lower], smile = source[eye.lower], 0.0
        lid_ratio, risen = traits.opened(number, lid_ratio, _OPEN[-1])
        out[eye.lower] += span * risen
        lifted = smile * _lifted(eye, shape, source, 1 - lid_ratio) if smile > 0 else 0.0
        out[eye.lower] += span * lifted
        out[eye.upper] = out[eye.lower] + span * (lid_ratio - _UNREAD * lifted)
        # A covered iris is a guess of the network: it stays where it was in the source's eye.
        seen = _within((lid_ratio - 0.2) / 0.4, 0.0, 1.0)
        moved = (out[eye.iris] - source[eye.iris]) * (seen * traits.gaze)
        out[eye.iris] = source[eye.iris] + moved + _keep_in_sight(eye, source, moved[0])
    return out


def _lifted(eye: Eye, shape: Floats, source: Floats, narrowed: float) -> float:
    """By what share of its opening a smiling eye's lower lid goes up beyond where it is.

    narrowed: by what share the opening is; what is more than half of it is a blink.
    """
    if narrowed <= 0:
        return 0.0
    span = (source[eye.upper] - source[eye.lower])[1:6]
    risen = ((shape[eye.lower[1:6]] - source[eye.lower[1:6]]) * span).sum(1)
    share = float(risen.sum() / max(float((span**2).sum()), 1e-12))
    open_yet = _within((_BLINK - narrowed) / _BLINK * 2, 0.0, 1.0)
    return open_yet * _within(narrowed - share, 0.0, _MOST_LIFTED)


def _keep_in_sight(eye: Eye, source: Floats, moved: Floats) -> Floats:
    """What to add to an iris's motion (3,) so that it does not leave the eye sideways.

    It would, where the driver looked aside at calibration or the source does.
    """
    along = source[eye.corners[1]] - source[eye.corners[0]]
    along = along / max(float(along @ along), 1e-12)
    middle = source[eye.corners].mean(0)
    own, wanted = float((source[eye.iris[0]] - middle) @ along), float(moved @ along)
    room = max(_ASIDE - own * np.sign(wanted), 0.02)
    free = min(abs(wanted), room / 2)
    eased = free + ease(abs(wanted) - free, room / 2)
    back = np.sign(wanted) * eased - wanted
    return np.asarray(back * along / max(float(along @ along), 1e-12), np.float32)


def _openness(eye: Eye, reference: Floats, driving: Floats) -> float:
    """How far the lids are apart, 1 as at calibration; across the line through the corners.

    The depth of lid points is a guess that does not close with the lids, so it is left out.
    """
    gaps: list[float] = []
    sleepy: list[float] = []
    for landmarks in (driving, reference):
        (ax, ay), (bx, by) = landmarks[eye.corners, :2].tolist()
        x, y = bx - ax, by - ay
        square = max(x * x + y * y, 1e-12)
        dx, dy = (landmarks[eye.upper[1:6], :2] - landmarks[eye.lower[1:6], :2]).sum(0).tolist()
        ix, iy = landmarks[eye.iris[0], :2].tolist()
        aside = abs((ix - (ax + bx) / 2) * x + (iy - (ay + by) / 2) * y) / square
        sleepy.append(1 + _SLEEPY * min(float(aside), _FAR_ASIDE))
        gaps.append(float(abs(dy * x - dx * y)) / square)
    ratio = gaps[0] / max(gaps[1], 1e-6)
    # Where closed lids cover it the iris is a guess.
    seen = _within((ratio - 0.2) / 0.4, 0.0, 1.0)
    return ratio * (1 + (sleepy[0] / sleepy[1] - 1) * seen)


def _lips(shape: Floats, source: Floats) -> Floats:
    """Lips never cross: pairs that would meet in their middle."""
    out = shape.copy()
    down = measures.down(source)
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    gap = (out[LOWER_LIP] - out[UPPER_LIP]) @ down
    crossed = np.minimum(gap, 0.0)[:, None] * down * 0.5
    out[UPPER_LIP] += crossed
    out[LOWER_LIP] -= crossed
    return out


def _round_jaw(shape: Floats, source: Floats) -> Floats:
    """A jaw that drops as a whole, (478, 3): a round face would come to a point at the chin."""
    out = shape.copy()
    moved = shape[JAW] - source[JAW]
    places = np.arange(len(JAW))
    weights = np.exp(-(((places[:, None] - places) / _CHIN_REACH) ** 2))
    out[JAW] = source[JAW] + weights @ moved / weights.sum(1).max()
    return out


def _widened(shape: Floats, source: Floats, traits: Traits) -> Floats:
    """A mouth that widens as far as such lips do, (478, 3)."""
    if traits.widening == 1:
        return shape
    across = source[_LEFT_EYE] - source[_RIGHT_EYE]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    out = shape.copy()
    moved = (shape[MOUTH_REGION] - source[MOUTH_REGION]) @ across
    moved = moved - moved.mean()
    out[MOUTH_REGION] += (moved * (traits.widening - 1))[:, None] * across
    return out


def _no_wider(shape: Floats, source: Floats) -> Floats:
    """A mouth no wider than mouths become: a photo that smiles takes less of its driver's grin."""
    across = source[_LEFT_EYE] - source[_RIGHT_EYE]
    eyes = max(float(np.linalg.norm(across)), 1e-6)
    across = across / eyes
    right, left = _MOUTH_CORNERS
    wide = float((shape[left] - shape[right]) @ across) / eyes
    own = float((source[left] - source[right]) @ across) / eyes
    free = max(_WIDEST, own)
    if wide <= free:
        return shape
    out = shape.copy()
    share = (free + ease(wide - free, _WIDER) - own) / max(wide - own, 1e-6)
    moved = (shape[MOUTH_REGION] - source[MOUTH_REGION]) @ across
    out[MOUTH_REGION] += (moved * (share - 1))[:, None] * across
    return out


def _move_head(
    shape: Floats,
    source: Floats,
    reference: Floats,
    head: Similarity,
    to_source: Similarity,
    size: float,
    gain: TrackerGain,
) -> Floats:
    """Turn and shift the source's head as the driver's moved, within graceful limits."""
    turn = to_source.rotation
    yaw, pitch, roll = euler(turn @ head.rotation @ turn.T)
    yaw = ease(gain.turn * yaw, _most_yaw(source, yaw))
    rotation = from_euler(yaw, ease(pitch + gain.nod * yaw, _PITCH), ease(roll, _ROLL))
    scale = 1.0 + ease(head.scale - 1.0, 0.3)
    centre = pivot(source)
    height = measures.height(source)
    start = pivot(reference)
    shift = (head(start[None])[0] - start) * size
    shift *= ease(float(np.hypot(shift[0], shift[1])), _SHIFT * height) / max(
        float(np.hypot(shift[0], shift[1])), 1e-9
    )
    shift[2] = 0.0
    return np.asarray((shape - centre) @ (scale * rotation).T + centre + shift, np.float32)


def _most_yaw(source: Floats, yaw: float) -> float:
    """How far a face may turn to the side of `yaw`, radians."""
    # A face that is turned in the photo can turn less in that direction before it folds.
    left = _YAW - float(np.sign(yaw)) * own_yaw(source)
    # Turned to the front it shows the side that is hidden in the photo.
    unseen = max(-float(np.sign(yaw)) * own_yaw(source) - _SHOWN, 0.0)
    return float(np.clip(left, _LEAST * _YAW, _YAW - _UNSEEN * unseen))


def _width(landmarks: Floats, corners: Indices) -> float:
    return max(math.dist(*landmarks[corners].tolist()), 1e-6)


def _within(value: float, least: float, most: float) -> float:
    # For single numbers a tenth of the time of np.clip.
    return min(max(value, least), most)
