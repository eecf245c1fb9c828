"""Where a followed face is suddenly another one, or is seen by another camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from models.face.landmarker import CropRegion
from models.types import Face

_SPEED, _LEAST_MOVE = 7.0, 0.2
"""A face that moves faster (in its sizes per second) and further (in its sizes) from one frame to
the next has not moved: it is another picture. Turning the head quickly reaches 2 a second."""

_GROWTH, _LEAST_GROWTH = 2.0, 0.1
"""The same for the natural logarithm of its size. Leaning forward reaches 0.8 a second."""

_SPIN, _LEAST_SPIN = 7.0, 0.8
"""The same for how it leans, in radians (a second): of a camera that is turned on its side while it
records, or of a cut to one that is. Heads reach 5 a second, and 0.8 only by and by."""

_STAYS = 0.2
"""Seconds before and after a cut in which the face must be where it was: what jumps away and back
is a mistake of the tracker."""

_FEW = 30
"""Frames on either side that are looked at for that, at most: of a clip at 120 fps all of them."""


def cuts(faces: Sequence[Face | None], seconds: Sequence[float]) -> list[int]:
    """The frames with a face that begin another part, in order.

    Args:
        faces: those of all driving frames; None where there is none.
        seconds: when each frame is shown.
    """
    seen = [
        (face, at, index)
        for index, (face, at) in enumerate(zip(faces, seconds, strict=True))
        if face
    ]
    found = []
    for number, ((before, until, _), (after, at, index)) in enumerate(pairwise(seen), 1):
        if before.take != after.take:
            found.append(index)
        elif _jumps([before], [after], at - until):
            around = seen[max(number - _FEW, 0) : number + _FEW]
            earlier = [one for one, when, _ in around if until - _STAYS <= when <= until]
            later = [one for one, when, _ in around if at <= when <= at + _STAYS]
            if _jumps(earlier, later, at - until):
                found.append(index)
    return found


def _jumps(before: Sequence[Face], after: Sequence[Face], elapsed: float) -> bool:
    """Whether a face has moved, grown or leant over as none can in so many seconds."""
    a, b = (np.median([_place(face) for face in faces], axis=0) for faces in (before, after))
    size = math.sqrt(a[2] * b[2])
    moved = math.hypot(a[0] - b[0], a[1] - b[1]) / size
    grown = abs(math.log(b[2] / a[2]))
    leant = abs(math.remainder(math.atan2(b[4], b[3]) - math.atan2(a[4], a[3]), 2 * math.pi))
    return (
        moved > max(_LEAST_MOVE, _SPEED * elapsed)
        or grown > max(_LEAST_GROWTH, _GROWTH * elapsed)
        or leant > max(_LEAST_SPIN, _SPIN * elapsed)
    )


def _place(face: Face) -> tuple[float, float, float, float, float]:
    """Middle and size in pixels; cosine and sine of how it leans."""
    points = face.surface[:, :2]
    x, y = points.mean(axis=0).tolist()
    angle = CropRegion.from_landmarks(face.landmarks).angle
    size = max(float(np.ptp(points, axis=0).max()), 1.0)
    return x, y, size, math.cos(angle), math.sin(angle)
