"""From observations of a driver to an avatar's keypoints: the official motion, and its sliders.

With all sliders as usual this is the official motion of a driving video. Its regions are sliders
here, for every strength between: `pose` is expression, eyes and mouth at 0 (the head's nearness
stays, which it does not there), `exp` is turn and place at 0, `lip` and `eyes` all but the mouth or
the eyes at 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from models.animator import MotionSettings, Slider
from models.liveportrait import motion
from models.liveportrait.config import KEYPOINTS
from models.liveportrait.lip_array import LIP_ARRAY
from models.liveportrait.motion import State
from models.liveportrait.ratios import OPEN_LIPS, Ratios
from models.liveportrait.smoothing import Observed, powered
from models.types import Floats

Delta: TypeAlias = Callable[[float], Floats]
"""(21, 3): what opens an avatar's eyes or lips to a ratio."""


def _switch(name: str, label: str, help_: str, usual: float = 0.0) -> Slider:
    return Slider(name, label, 0.0, 1.0, usual, help_)


_MULTIPLIER = Slider("multiplier", "All motion", help="How far the photo goes along all motion.")

SLIDERS = (
    Slider("head_turn", "Head turn", help="How far the head turns."),
    Slider("head_place", "Head position", help="How far the head moves, and how near it comes."),
    Slider("face_motion", "Expression", help="How much of the expression, but for eyes and mouth."),
    Slider("eye_motion", "Eyes", help="The same for the eyes alone."),
    Slider("lip_motion", "Mouth", help="The same for the mouth alone."),
    _MULTIPLIER,
    _switch("stitching", "Stitching", "Keeps head and shoulders together.", 1.0),
    _switch("shut_lips", "Shut lips", "Shuts the mouth of a photo in which it is open."),
    _switch("open_eyes", "Eyes as open", "Opens the eyes as far as the driver's, all else stays."),
    _switch("open_lips", "Lips as open", "Opens the lips as far as the driver's, all else stays."),
)
"""What a person's photo heeds. The last two are the official retargeting."""

ANIMAL_SLIDERS = (
    _MULTIPLIER,
    _switch("stitching", "Stitching", "Keeps head and shoulders together, as of people.", 0.0),
)
"""What an animal's heeds: the official stitching has not learnt them."""

_OPENS = 0.1
"""Lip ratio by which a driver's mouth at calibration is more open than the photo's, from which on
the canonical expression of shut lips takes the place of the driver's; below, a part of it."""

_WIDEST = 0.8
"""Opening of eyes and lips that is asked for at most: real faces reach 0.55 and 0.67."""

_LEAST = 0.05
"""Eye ratio below which a reference is taken to have shut eyes, which no ratio can be told of."""


@dataclass(frozen=True)
class Source:
    """What of an avatar its motion depends on.

    Attributes:
        kp: (21, 3) its keypoints before turn and expression.
        state: its pose and expression.
        points: (21, 3) its keypoints.
        ratios: how open its eyes and mouth are.
        stitch: fits keypoints to its shoulders.
        eyes: what opens its eyes.
        lips: what opens its lips.
    """

    kp: Floats
    state: State
    points: Floats
    ratios: Ratios
    stitch: Callable[[Floats], Floats]
    eyes: Delta
    lips: Delta


def driven(
    source: Source, now: Observed, reference: Observed | None, settings: MotionSettings
) -> Floats:
    """(21, 3): where a person's photo goes.

    Args:
        source: of the avatar.
        now: of the frame.
        reference: of the calibration; None only in absolute motion.
        settings: how the motion is applied. The networks see all faces at one size, so the size of
            the driver's needs no adapting.
    """
    strength = _strengths(SLIDERS, settings.strengths)
    if settings.motion == "absolute":
        state = motion.driven(source.state, now.state, None, "absolute")
    else:
        assert reference is not None, "relative motion is relative to something"
        rest = _rest(reference, source.ratios)
        state = _relative(source.state, now.state, rest, strength)
    for entries, name in ((motion.LIDS, "open_eyes"), (motion.JAW, "open_lips")):
        if strength[name]:
            state = motion.without(state, source.state, entries, strength[name])
    points = motion.placed(source.kp, state)
    before = _retargeted(source, now, reference, settings, strength)
    return _finished(source, points, before, strength)


def driven_animal(
    source: Source, now: Observed, reference: Observed | None, settings: MotionSettings
) -> Floats:
    """(21, 3): where an animal's photo goes: the driver's pose and expression as they are.

    Relative motion is that since the calibration, scaled to the animal's face; as `driven`.
    """
    strength = _strengths(ANIMAL_SLIDERS, settings.strengths)
    points = motion.placed(source.kp, motion.driven_animal(source.state, now.state))
    if settings.motion == "relative":
        assert reference is not None, "relative motion is relative to something"
        first = motion.driven_animal(source.state, reference.state)
        points = motion.friendly(source.points, points, motion.placed(source.kp, first))
    return _finished(source, points, np.zeros_like(points), strength)


def _strengths(sliders: tuple[Slider, ...], told: Mapping[str, float]) -> dict[str, float]:
    return {one.name: float(told.get(one.name, one.usual)) for one in sliders}


def _rest(reference: Observed, photo: Ratios) -> State:
    """The state that counts as the driver at rest.

    A driver whose mouth is open at calibration, before a photo whose mouth is not, would press the
    photo's lips together with every word: the canonical expression of shut lips is taken instead.
    """
    state = reference.state
    more = reference.ratios.lips - max(photo.lips, OPEN_LIPS)
    share = min(max(more / _OPENS, 0.0), 1.0)
    if not share:
        return state
    exp = state.exp.copy()
    lips = list(motion.LIPS)
    exp[lips] = (1 - share) * exp[lips] + share * LIP_ARRAY[lips]
    return State(state.turn, exp, state.scale, state.t)


def _relative(source: State, now: State, first: State, strength: Mapping[str, float]) -> State:
    """The official relative motion, each part of it as strong as its slider says."""
    share = np.full((KEYPOINTS, 1), strength["face_motion"], np.float32)
    share[list(motion.EYES)] = strength["eye_motion"]
    share[list(motion.LIPS)] = strength["lip_motion"]
    turn: Floats = now.turn @ first.turn.T
    if strength["head_turn"] != 1.0:
        turn = powered(turn, strength["head_turn"])
    place = strength["head_place"]
    return State(
        np.asarray(turn @ source.turn, np.float32),
        np.asarray(source.exp + share * (now.exp - first.exp), np.float32),
        source.scale * (now.scale / first.scale) ** place,
        np.asarray(source.t + place * (now.t - first.t), np.float32),
    )


def _retargeted(
    source: Source,
    now: Observed,
    reference: Observed | None,
    settings: MotionSettings,
    strength: Mapping[str, float],
) -> Floats:
    """(21, 3): what opens eyes and lips as far as the driver's.

    In relative motion an opening is the photo's own where the driver's is as at calibration.
    """
    out = np.zeros((KEYPOINTS, 3), np.float32)
    first = reference.ratios if settings.motion == "relative" and reference else None
    if strength["open_eyes"]:
        wanted = _open_eyes(now.ratios)
        if first is not None:
            wanted *= _open_eyes(source.ratios) / max(_open_eyes(first), _LEAST)
        out += strength["open_eyes"] * source.eyes(min(wanted, _WIDEST))
    if strength["open_lips"]:
        wanted = now.ratios.lips
        if first is not None and first.lips <= max(source.ratios.lips, OPEN_LIPS):
            wanted += source.ratios.lips - first.lips
        out += strength["open_lips"] * source.lips(min(max(wanted, 0.0), _WIDEST))
    return out


def _open_eyes(ratios: Ratios) -> float:
    """How open both eyes are; the official pipeline heeds only one of them."""
    return (ratios.left + ratios.right) / 2


def _finished(
    source: Source, points: Floats, before: Floats, strength: Mapping[str, float]
) -> Floats:
    """The official end: stitching, lip normalisation, multiplier."""
    stitching = strength["stitching"]

    def stitch(_: Floats, driving: Floats) -> Floats:
        fitted = source.stitch(driving)
        return np.asarray(driving + stitching * (fitted - driving), np.float32)

    after = np.zeros_like(points)
    shut = strength.get("shut_lips", 0.0)
    if shut and source.ratios.lips >= OPEN_LIPS:
        after = np.asarray(shut * source.lips(0.0), np.float32)
    return motion.finished(
        source.points,
        points,
        stitch if stitching else None,
        before,
        after,
        strength["multiplier"],
    )
