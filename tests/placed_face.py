"""A face that somebody has placed on a picture, for photos that the networks do not see."""

from __future__ import annotations

import cv2
import numpy as np

from models.face.topology import EYES, neutral_face
from models.types import Floats, Image


def placed(width: int, height: int) -> Floats:
    """The neutral face in the middle of a picture, (478, 3) in pixels, with irises on its eyes."""
    face = neutral_face()
    irises = []
    for eye in EYES:
        middle = face[[*eye.upper, *eye.lower]].mean(0)
        rim = ([0, 0, 0], [0.5, 0, 0], [0, -0.5, 0], [-0.5, 0, 0], [0, 0.5, 0])
        irises += [middle + shift for shift in rim]
    points = np.vstack([face, irises]) * (0.04 * min(width, height)) + [width / 2, height / 2, 0]
    return np.asarray(points, np.float32)


def drawing(width: int = 400, height: int = 300) -> Image:
    """Two dots and a line, where `placed` has eyes and mouth: no network takes it for a face."""
    picture = np.full((height, width, 3), 250, np.uint8)
    points = np.rint(placed(width, height)[:, :2]).astype(int)
    for centre in (points[468], points[473]):
        cv2.circle(picture, tuple(centre.tolist()), 5, (20, 20, 20), -1)
    cv2.line(picture, tuple(points[61].tolist()), tuple(points[291].tolist()), (20, 20, 20), 3)
    return picture
