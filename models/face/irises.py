"""Where the irises are: their depth, which the landmark network guesses far off, and the gaze."""

from __future__ import annotations

import math

import numpy as np

from models.face import measures
from models.face.topology import EYES, Eye
from models.types import Floats

_EDGEWISE = 0.3  # cosine; the plane of an eye that is seen from further aside says too little


def set_irises(landmarks: Floats) -> None:
    """Move the irises of (478, 3) landmarks, in place, along the line of sight onto their eyes.

    The network's depth of an iris is wrong by up to an eye's width. Seen from the front that does
    not show; once a turned head is turned back, it reads as a glance aside. The eye's plane goes
    through the middle of the lids, along the eye's corners and down the face.
    """
    a, b, c = measures.down(landmarks).tolist()
    for eye in EYES:
        u, v, w = (landmarks[eye.corners[1]] - landmarks[eye.corners[0]]).tolist()
        x, y, z = v * c - w * b, w * a - u * c, u * b - v * a
        least = max(_EDGEWISE * math.sqrt(x * x + y * y + z * z), 1e-9)
        depth = math.copysign(max(abs(z), least), z)
        middle = landmarks[eye.opening].sum(0) / len(eye.opening)
        off = landmarks[eye.iris] - middle
        landmarks[eye.iris, 2] = middle[2] - (off[:, 0] * x + off[:, 1] * y) / depth


def rightward(landmarks: Floats, eye: Eye) -> Floats:
    """From the eye's corner at the picture's left to the other one, (3,), of (478, 3) landmarks."""
    a, b = landmarks[eye.corners]
    return np.asarray(b - a if b[0] > a[0] else a - b)


def aside(landmarks: Floats, eye: Eye) -> float:
    """How far an iris is to the right of the middle of its eye in the picture, in eye widths.

    Args:
        landmarks: (478, 3), pixels of the picture.
        eye: which of the two.
    """
    along = rightward(landmarks, eye)[:2]
    off = landmarks[eye.iris[0], :2] - landmarks[eye.corners, :2].mean(0)
    return float(off @ along) / max(float(along @ along), 1e-12)


def gaze(landmarks: Floats) -> float:
    """How far both irises are to the right of the middle of their eyes, in eye widths."""
    return (aside(landmarks, EYES[0]) + aside(landmarks, EYES[1])) / 2
