"""How the face tracker sees a drawn avatar, so that it shows as much as its driver does.

The same glance or the same open mouth is read as less on one face than on another: soft edges,
pale irises, a beard. So an avatar is looked at once, in a few poses, and moves by more or less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.face import measures
from models.face.irises import aside, rightward
from models.face.topology import EYES, LOWER_LIP, UPPER_LIP
from models.mesh.pose import euler, fit_head, own_yaw, turned
from models.types import Floats

_SAME_FACE = 0.2  # of the face's height
_GLANCES = (0.1, 0.2)  # of the eye's width
_USUAL = 0.72  # of a drawn glance is read, on an average face
USUAL_GAZE = 1.17
"""What the glances of an average face need for reading as its driver's."""

_TRUST = 0.6  # a few still poses predict so much of what is read in motion
_GAZE_LIMITS = (1.0, 1.9)  # beyond, an iris would often have to leave the eye
_LIP_TRUST, _MOUTH_LIMITS = 0.6, (0.88, 1.25)
"""The same for lips, and how far that may go: between the least and the most that is read of six
photos, whose mouths then open by 0.8 to 1.2 of four drivers'."""

_UNREADABLE, _READABLE = 0.2, 0.3  # shares of a glance; a statue's is less
_CROSSED = 0.5  # eyes whose shares differ by more: one of them cannot be seen
_YAWS = tuple(math.radians(angle) for angle in (6, 8, 12))  # small: beyond, skin is guessed
_FROM_THE_SIDE = math.radians(15)  # a face turned so far leans as it turns; less turned, less so
_TURNED = 0.93  # of a drawn turn is read, on an average face
_TURN_LIMITS, _MOST_NOD = (1.0, 1.12), 0.2  # more is a mistake of the look, not of the face


@dataclass(frozen=True)
class TrackerGain:
    """By how much one avatar's motion is to be stronger than what was read of its driver.

    Attributes:
        gaze: factors for glances toward the left and the right of the picture.
        mouth: factor for the opening of the lips.
        turn: factor for yaw.
        nod: pitch to add to each radian of drawn yaw; the depth of a face that is painted from the
            side is a guess, and turns about an axis that leans.
    """

    gaze: tuple[float, float] = (USUAL_GAZE, USUAL_GAZE)
    mouth: float = 1.0
    turn: float = 1.0
    nod: float = 0.0

    @classmethod
    def measured(
        cls,
        source: Floats,
        look: Callable[[Floats], Floats | None],
        spoken: Sequence[tuple[Floats, float]] = (),
    ) -> TrackerGain:
        """Look at the avatar in a few poses.

        Args:
            source: (478, 3) landmarks.
            look: draws the avatar with such landmarks, and finds the landmarks in the picture, in
                the same units; None where no face is found. Where it finds somebody else's,
                nothing is learnt.
            spoken: poses with open lips, (478, 3) each, and by how many face heights its driver
                has opened them.
        """
        rest = look(source)
        if rest is None or _apart(source, rest) > _SAME_FACE:
            return cls()
        left, right = (_glance(source, rest, look, side) for side in (-1, 1))
        return cls((left, right), _lips(rest, look, spoken), *_turn(source, rest, look))


def _glance(
    source: Floats, rest: Floats, look: Callable[[Floats], Floats | None], side: int
) -> float:
    """The factor for glances to one side of the picture, -1 or 1."""
    shares = []
    for by in _GLANCES:
        posed = source.copy()
        for eye in EYES:
            posed[eye.iris] += side * by * rightward(source, eye)
        seen = look(posed)
        if seen is None:
            return USUAL_GAZE
        shares.append([side * (aside(seen, eye) - aside(rest, eye)) / by for eye in EYES])
    right, left = np.mean(shares, axis=0).tolist()
    share = (right + left) / 2
    told = float(np.clip((share - _UNREADABLE) / (_READABLE - _UNREADABLE), 0.0, 1.0))
    if told == 0 or abs(right - left) > _CROSSED:
        return USUAL_GAZE
    factor = float(np.clip(USUAL_GAZE * (_USUAL / share) ** _TRUST, *_GAZE_LIMITS))
    return USUAL_GAZE + told * (factor - USUAL_GAZE)


def _lips(
    rest: Floats,
    look: Callable[[Floats], Floats | None],
    spoken: Sequence[tuple[Floats, float]],
) -> float:
    """The factor for the opening of the lips: by what is read, wide openings counting most."""
    height = max(measures.height(rest[:, :2]), 1e-6)
    read = wanted = 0.0
    for pose, apart in spoken:
        seen = look(pose)
        if seen is not None:
            read += apart * (_parted(seen) - _parted(rest)) / height
            wanted += apart * apart
    if not wanted:
        return 1.0
    return float(np.clip(max(read / wanted, 0.1) ** -_LIP_TRUST, *_MOUTH_LIMITS))


def _turn(
    source: Floats, rest: Floats, look: Callable[[Floats], Floats | None]
) -> tuple[float, float]:
    """The factor for yaw, and the pitch to add to it."""
    reads, leans = [], []
    for angle in _YAWS:
        faces = [look(turned(source, side * angle, 0.0, 0.0)) for side in (-1, 1)]
        poses = [euler(fit_head(rest, face).rotation) for face in faces if face is not None]
        if len(poses) < 2:
            return 1.0, 0.0
        yaw, pitch, _ = (b - a for a, b in zip(*poses, strict=True))
        reads.append(yaw / (2 * angle))
        leans.append(pitch / (2 * angle))
    turn = (_TURNED / max(float(np.mean(reads)), 0.1)) ** _TRUST
    from_the_side = min(abs(own_yaw(source)) / _FROM_THE_SIDE, 1.0)
    nod = -from_the_side * float(np.mean(leans))
    return float(np.clip(turn, *_TURN_LIMITS)), float(np.clip(nod, -_MOST_NOD, _MOST_NOD))


def _parted(points: Floats) -> float:
    gaps = points[LOWER_LIP[3:6], :2] - points[UPPER_LIP[3:6], :2]
    return float(np.linalg.norm(gaps, axis=1).mean())


def _apart(points: Floats, others: Floats) -> float:
    """The mean distance of two faces' landmarks, of the first one's height."""
    height = measures.height(points[:, :2])
    distance = np.linalg.norm(points[:468, :2] - others[:468, :2], axis=1).mean()
    return float(distance) / max(height, 1e-6)
