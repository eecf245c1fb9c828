"""How flat a face is drawn: in areas of one colour or in lines on paper, without light and texture.

On such a face soft shadows are blotches, and teeth with a form of their own are a denture.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face import measures
from models.face.topology import Indices
from models.types import Floats, Image

SKIN: Indices = np.array([50, 280, 205, 425, 4, 9, 101, 330, 36, 266, 118, 347, 151, 108, 337])
"""Landmarks on bare skin: cheeks, nose, forehead (MediaPipe's numbering)."""

_STEP = 0.004
"""Share of the face's contrast by which a surface may change in a hundredth of its height and still
be one flat area."""

_NONE, _ALL = 0.16, 0.32
"""Shares of a face in such areas: up to the first it has light and texture, from the second on it
is drawn flat. Of 240 photos and paintings, some of them blurred, dark or pale, none has more than
0.14; drawings saved as small JPEG pictures have 0.34."""

_PAPER, _GREY, _EVEN = 85.0, 8.0, 0.024
"""Light (L of Lab) of paper at least, and the most chroma and unevenness, as a share of the face's
contrast, that skin drawn on it in lines has."""


def flatness(picture: Image, landmarks: Floats) -> float:
    """0 for photos and paintings, 1 for a flat drawing.

    Args:
        picture: (H, W, 3).
        landmarks: (478, 2 or 3) in its pixels.
    """
    points = np.asarray(landmarks[:468, :2], np.float32)
    unit = max(measures.height(points) / 100, 0.5)
    height, width = picture.shape[:2]
    left, top = np.clip(points.min(0), 0, [width - 1, height - 1]).astype(int).tolist()
    right, bottom = np.clip(points.max(0) + 2, 1, [width, height]).astype(int).tolist()
    part = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
    points = points - (left, top)
    lab = cv2.cvtColor(part.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    smooth = cv2.GaussianBlur(lab, (0, 0), max(0.9 * unit, 0.8))
    light = np.ascontiguousarray(smooth[..., 0])
    across, down = (cv2.Sobel(light, cv2.CV_32F, *way, scale=1 / 8) for way in ((1, 0), (0, 1)))
    oval = np.zeros(part.shape[:2], np.uint8)
    cv2.fillConvexPoly(oval, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
    seen = light[oval > 0]
    contrast = max(float(np.ptp(np.percentile(seen, [2, 98]))) if seen.size else 0.0, 1.0)
    steps = np.hypot(across, down)[oval > 0] * (unit / contrast)
    share = float((steps < _STEP).mean()) if steps.size else 0.0
    at = np.rint(points[SKIN]).astype(int).clip(0, [part.shape[1] - 1, part.shape[0] - 1])
    skin = smooth[at[:, 1], at[:, 0]]
    usual = np.median(skin, axis=0)
    uneven = float(np.median(np.linalg.norm(skin - usual, axis=1))) / contrast
    if usual[0] > _PAPER and float(np.hypot(*usual[1:])) < _GREY and uneven < _EVEN:
        return 1.0
    return float(np.clip((share - _NONE) / (_ALL - _NONE), 0, 1))
