"""What the face tracker reads too little of: skin that goes with the mouth, brows, pulled mouths.

The tracker sees edges: lips, lids, brows. Skin between them it guesses as nearly still, brows and
mouths that are pulled aside as moving half as far as they do. So what moves visibly moves the rest.
How far was measured on rendered heads, whose skin is known (`scripts/heads`), one face unit at a
time; figures beside the fields are shares of that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from models.face import measures
from models.face.topology import EYES, INNER_LIPS, OUTER_LIPS, OVAL, mirrored, triangles
from models.mesh.pose import Similarity, euler
from models.types import Floats

# Landmarks of the person's right side, then of the left, in MediaPipe's numbering.
_CORNERS = 61, 291  # of the mouth
_OUTER_BROWS, _INNER_BROWS = ((70, 63), (300, 293)), ((107, 66), (336, 296))  # their ends
_LIDS = [159, 145, 386, 374]  # their middles, upper and lower

_LEAST_PULL, _LEAST_SMILE, _LEAST_BROW = 0.008, 0.006, 0.003
"""Face heights that a mouth goes aside, its corners go up and a brow moves before it counts: three
times what the landmarks of a still face tremble."""

_PULL_BY_YAW, _SMILE_BY_TURN, _BROW_BY_TURN = 0.09, 0.06, 0.04
"""Face heights by which these seem to move for each radian that a head only turns; of rendered
heads that turn by up to 30 degrees, the worst."""

_BROW_BY_BLINK = 0.012
"""Face heights by which brows seem to rise while lids close; of the same."""

_PULL, _MOST_PULL = 0.5, 0.045
"""How much further a mouth goes aside than was read, and the most of it in face heights. Of a
rendered pull 0.62 is read; of one that was drawn, 0.7. With 0.8 lips that a real frame shows are
passed by 1 % of the face's height."""

_BROW, _MOST_BROW = 0.6, 0.03
"""How much further a brow goes than was read, and the most: 0.25 to 0.45 of a rendered one is read,
0.5 to 0.8 of one that was drawn."""

_FROWN = 0.6
"""By how much each brow's inner end goes to the middle for what it goes down; 0.9 on rendered
heads, less on real ones. That takes the place of what the tracker guesses: it does not see frowns,
and reads brows as parting when they rise and as closing in when one smiles or nods."""

_MOST_SMILE, _SMILING = 0.06, 0.025
"""Face heights that corners go up in a wide smile, and in one that everybody calls a smile."""

_SMILES = slice(2, 4)
"""Where the smiles are among the amounts that go up."""

_RISE = 0.3
"""How much of the skin beside a mouth's corner follows it up, where all of it follows it down:
above it is pushed against the cheek and folds. With more, smile folds bend up into a muzzle."""

_OUTWARD = 0.2
"""Share of the way outward in what a mouth's corner lifts of the cheek: pressed lips go outward
too and lift little."""


def load() -> None:
    """Compute now what is computed once, so that no frame waits for it."""
    _fields()


def emphasise(local: Floats, reference: Floats, head: Similarity) -> tuple[float, float]:
    """Let skin follow and weakly read features move as far as they did; changes `local`.

    At `reference` itself nothing changes.

    Args:
        local: (478, 3), the driving landmarks in the head's own frame, that of `reference`.
        reference: (478, 3), the driver's landmarks at calibration.
        head: the skull's motion from there, taken out of `local`.

    Returns:
        How much each side of the mouth smiles, 0..1, the person's right first.
    """
    down = measures.down(reference)
    tall = max(math.hypot(*down.tolist()), 1e-6)
    down = down / tall
    across = reference[EYES[1].corners[0]] - reference[EYES[0].corners[0]]
    across = across - float(across @ down) * down
    across = across / max(math.hypot(*across.tolist()), 1e-6)
    axes = np.stack([across, -down], 1) / tall
    read = ((local[_MARKS] - reference[_MARKS]) @ axes).tolist()
    left, up = _amounts(read, head, _closing(local, reference))
    extra_left, extra_up = _fields()
    local[:468] += (extra_left @ left)[:, None] * (tall * across)
    local[:468] -= (extra_up @ up)[:, None] * (tall * down)
    right_smile, left_smile = up[_SMILES].tolist()
    return min(right_smile / _SMILING, 1.0), min(left_smile / _SMILING, 1.0)


_MARKS = np.array([*_CORNERS, *(i for pair in (*_OUTER_BROWS, *_INNER_BROWS) for i in pair)])


def _amounts(
    read: Sequence[Sequence[float]], head: Similarity, closing: float
) -> tuple[Floats, Floats]:
    """How much of each field is shown, (N,) face heights to the person's left and (N,) up.

    Args:
        read: how far `_MARKS` went, to the person's left and up, in face heights.
        head: the skull's motion.
        closing: 0..1, how far the lids have closed.
    """
    yaw, pitch, _ = (abs(angle) for angle in euler(head.rotation))
    corners, brows = read[:2], read[2:]
    pull = _beyond((corners[0][0] + corners[1][0]) / 2, _LEAST_PULL + _PULL_BY_YAW * yaw)
    pull = min(max(_PULL * pull, -_MOST_PULL), _MOST_PULL)
    turned = _SMILE_BY_TURN * max(pitch, yaw)
    smiles = [
        min(max(_beyond(lift + _OUTWARD * side * out, _LEAST_SMILE + turned), 0.0), _MOST_SMILE)
        for side, (out, lift) in zip((-1, 1), corners, strict=True)
    ]
    least = _LEAST_BROW + _BROW_BY_TURN * max(pitch, yaw) + _BROW_BY_BLINK * closing
    pairs = list(zip(brows[::2], brows[1::2], strict=True))
    lifts = [_beyond((a[1] + b[1]) / 2, least) for a, b in pairs]
    lifts = [min(max(lift, -_MOST_BROW), _MOST_BROW) for lift in lifts]
    frowns = [_FROWN * (1 + _BROW) * max(-lift, 0.0) for lift in lifts[2:]]
    right, left = ((a[0] + b[0]) / 2 for a, b in pairs[2:])
    guessed = (right - left) / 2
    aside = [corners[0][0] + pull, corners[1][0] + pull, pull]
    aside += [frowns[0] - guessed, guessed - frowns[1]]
    follows = [lift if lift < 0 else _RISE * lift for _, lift in corners]
    up = [*follows, *smiles, *(_BROW * lift for lift in lifts)]
    return np.array(aside, np.float32), np.array(up, np.float32)


def _beyond(value: float, least: float) -> float:
    """What of a value is beyond +-least."""
    return max(value - least, 0.0) + min(value + least, 0.0)


def _closing(local: Floats, reference: Floats) -> float:
    """How far the lids have closed, 0..1."""
    gaps = []
    for points in (local, reference):
        a, b, c, d = points[_LIDS].tolist()
        gaps.append(math.dist(a, b) + math.dist(c, d))
    return min(max(1 - gaps[0] / max(gaps[1], 1e-6), 0.0), 1.0)


# Landmarks of the right side, or of both, in MediaPipe's numbering.
_NEAR = (57, 186, 43, 92, 106)  # next to the mouth's corner
_BESIDE = (206, 216, 207, 212)  # along the smile fold
_CHEEK = (50, 205, 101, 36)  # its apple
_OUTSIDE = (117, 123, 147, 187)  # of that
_UNDER_EYE = (230, 231, 229, 228)  # along the bone
_BELOW_LID = (22, 23, 24, 110)  # between that and the lid's edge
# The nose down to its root, one half:
_NOSE = (1, 2, 4, 5, 6, 19, 45, 48, 64, 94, 97, 98, 102, 115, 129, 131, 164, 168, 195, 197, 220)
_JAW = (58, 136, 138, 150, 169, 170, 172, 199, 200, 208)  # and the chin
_FOREHEAD = (67, 69, 103, 104, 108, 109, 151, 296, 297, 299, 332, 333, 337, 338)  # above brows
_BROWS = (70, 63, 105, 66, 107, 300, 293, 334, 296, 336, 295, 285)  # both
_PHILTRUM = (2, 97, 98, 164, 326, 327)  # between nose and mouth


@cache
def _fields() -> tuple[Floats, Floats]:
    """How much each landmark goes with each amount, (468, N) to the left and (468, N) up."""
    lips = [*OUTER_LIPS.tolist(), *INNER_LIPS.tolist()]
    still = [*OVAL.tolist(), *_NOSE, *_JAW, *EYES[0].opening.tolist(), 8]
    still += [int(mirrored()[i]) for i in still]
    follow_up, follow_aside, cheek = _harmonic(
        _at([*still, *lips, 9, *_BROWS, *_FOREHEAD], 0.0, 0.0, 0.0)
        # Of a corner's way up 0.6 is read of the skin next to it and 0.35 beside that, and all of
        # it is true; in a smile 0.2 of the cheek and 0.1 below the eye, and 0.75 and 0.5 is true.
        # Less than the whole is added: a cheek that is lifted by its whole way looks swollen.
        | _at(_NEAR, 0.42, 0.35, 0.0)
        | _at(_BESIDE, 0.55, 0.2, 0.08)
        | _at(_OUTSIDE, 0.1, 0.0, 0.3)
        | _at(_CHEEK, 0.05, 0.0, 0.3)
        | _at(_UNDER_EYE, 0.0, 0.0, 0.3)
        | _at(_BELOW_LID, 0.0, 0.0, 0.2)
    )
    outer, inner, frown = _harmonic(
        _at([*still, *lips, *_BROWS], 0.0, 0.0, 0.0)
        | _at((70, 63, 46, 53), 1.0, 0.0, 0.1)
        | _at((105, 52), 0.55, 0.45, 0.55)
        | _at((66, 107, 65, 55), 0.0, 1.0, 1.0)
        | _at((103, 104), 0.4, 0.0, 0.0)
        | _at((108, 69), 0.0, 0.5, 0.5)
        | _at((9,), 0.0, 0.45, 0.0)
    )
    (pull,) = _harmonic(
        _at([i for i in still if i not in _PHILTRUM], 0.0)
        | _at([*lips, 17, 18], 1.0)
        | _at((164,), 0.4)
    )
    other = mirrored()
    left = [follow_aside, follow_aside[other], pull, frown, frown[other]]
    up = [field for one in (follow_up, cheek, outer, inner) for field in (one, one[other])]
    return np.stack(left, 1), np.stack(up, 1)


def _at(points: Sequence[int], *values: float) -> dict[int, tuple[float, ...]]:
    return dict.fromkeys(points, values)


def _harmonic(fixed: Mapping[int, tuple[float, ...]]) -> Floats:
    """(N, 468): the smoothest fields over the mesh that have N given values at some landmarks."""
    faces = triangles()
    graph = np.zeros((468, 468))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        graph[faces[:, a], faces[:, b]] = graph[faces[:, b], faces[:, a]] = 1
    system, known = np.diag(graph.sum(1)) - graph, list(fixed)
    values = np.zeros((468, len(next(iter(fixed.values())))))
    system[known] = np.eye(468)[known]
    values[known] = list(fixed.values())
    return np.ascontiguousarray(np.linalg.solve(system, values).T, np.float32)
