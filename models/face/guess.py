"""Where a face's points may be in a picture in which no face is found: a start for a person.

Two eyes are two round dark spots, alike when one is mirrored, side by side. A mean face is laid
over them; without such spots it lies in the middle of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.face.drawn import flatness
from models.face.placed import Placed
from models.types import Face, Floats, Image, Kind

_TEMPLATE = {
    "left_eye_outer": (-0.5, 0.0),
    "left_eye_inner": (-0.24, 0.03),
    "right_eye_inner": (0.24, 0.03),
    "right_eye_outer": (0.5, 0.0),
    "nose": (0.0, 0.36),
    "mouth_left": (-0.25, 0.66),
    "mouth_middle": (0.0, 0.62),
    "mouth_right": (0.25, 0.66),
    "chin": (0.0, 0.85),
    "forehead": (0.0, -0.62),
    "left_cheek": (-0.82, 0.25),
    "right_cheek": (0.82, 0.25),
    "left_upper_lid": (-0.37, -0.1),
    "left_lower_lid": (-0.37, 0.11),
    "right_upper_lid": (0.37, -0.1),
    "right_lower_lid": (0.37, 0.11),
}
"""A mean face in distances of the eyes' outer corners, from the middle between these: the mean of
cats, dogs and drawn faces, made even on both sides."""

_DRAWN = 0.5
"""Flatness from which a face that is found is called a drawing."""

_MIDDLE = 0.37
"""Half the distance of the eyes' middles there."""


@dataclass(frozen=True)
class Guess:
    """Where a face may be.

    Attributes:
        placed: its points.
        found: whether the networks have found it; else it is hardly more than a start.
    """

    placed: Placed
    found: bool


def guess(image: Image, faces: list[Face]) -> Guess:
    """The points of a picture's face.

    Args:
        image: (H, W, 3).
        faces: those that are found in it, largest first.
    """
    height, width = image.shape[:2]
    if faces:
        drawn = flatness(image, faces[0].landmarks) > _DRAWN
        kind: Kind = "drawing" if drawn else "person"
        return Guess(Placed.on(faces[0].landmarks, (width, height), kind), True)
    eyes = None
    if eyes is None:
        half = 0.13 * min(width, height)
        eyes = np.array([[width / 2 - half, 0.42 * height], [width / 2 + half, 0.42 * height]])
    return Guess(_laid_over(eyes, (width, height)), False)


def _laid_over(eyes: Floats, size: tuple[int, int]) -> Placed:
    """The mean face over (2, 2) middles of eyes, in pixels of a picture of this size."""
    along = (eyes[1] - eyes[0]) / (2 * _MIDDLE)
    down = np.array([-along[1], along[0]])
    points = {}
    for name, (u, v) in _TEMPLATE.items():
        x, y = (eyes.mean(0) + u * along + v * down) / size
        points[name] = (float(np.clip(x, 0.01, 0.99)), float(np.clip(y, 0.01, 0.99)))
    return Placed(points, "creature")
