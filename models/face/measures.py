"""Measures of a face by its landmarks, so that their numbers are known here alone.

Landmarks are (N, 2) or (N, 3) in MediaPipe's numbering, of the whole mesh; results are in their
units, and in as many dimensions.
"""

from __future__ import annotations

import numpy as np

from models.types import Floats

FOREHEAD, CHIN = 10, 152
"""The ends of the face's middle line: below the hair, and the chin's lowest point."""


def down(landmarks: Floats) -> Floats:
    """The way from the forehead to the chin, (2,) or (3,)."""
    return np.asarray(landmarks[CHIN] - landmarks[FOREHEAD])


def height(landmarks: Floats) -> float:
    """The length of that way."""
    return float(np.linalg.norm(down(landmarks)))
