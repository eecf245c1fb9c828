"""A mouth that something hides, such as a hand or a mask, rests instead of being guessed.

Behind a mask the landmark network mostly sees a closed mouth; behind a hand it guesses, and lips
open and close at random. An open mouth has a dark inside, or teeth and a tongue of another colour
than the skin around it; where it is said to be open and looks like what is around it, it is hidden.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face.moment import Moment
from models.types import Face, Floats, Image

_OPEN = 0.02
"""Gap of the lips, in heights of the face, from which the inside must be seen; below, hardly a
pixel of it is."""

_DARK, _OTHER = 0.07, 2.0
"""By how much, in shares of the lightness around, the darker fifth of the inside is darker, or by
how much its colour differs (CIELAB): of open mouths in clips 0.09 and more (a smile in a pale
picture), mostly 0.3; of a smooth hand 0.06, and 1. Of fingers with shadows between more: they pass
for a mouth, which is better than a mouth that is taken for a hand."""

_HELD = 0.4
"""Seconds for which a mouth stays hidden after it was last seen to be: a hand stays longer, and so
lips do not come and go."""

_FADE = 0.15
"""Seconds in which it comes to rest, and back."""

_SIDE = 64
"""Pixels of the longer side in which a mouth is looked at."""

_INNER = [78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95]
"""MediaPipe's numbers of the lips' inner border."""

_OUTER = [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
"""Those of their outer border."""

_AROUND = [2, 164, 206, 426, 18, 200, 43, 273, 106, 335, 202, 422, 57, 287, 92, 322]
"""Those of points on the skin around."""

_FIRM = [33, 133, 263, 362, 168, 6, 197, 195, 5, 10, 109, 338, 67, 297, 127, 356]
"""Those that no expression moves much: eyes, nose, forehead, temples."""

_NOSE, _LIP = 2, 0
"""Below the nose's base and down to the upper lip the resting part begins."""


class HiddenMouth:
    """Lets the mouth rest while it is hidden; for one face in a video."""

    def __init__(self) -> None:
        """Begin with a mouth that is seen."""
        self._hidden_at = -np.inf
        self._level = 0.0
        self._last: float | None = None

    def __call__(self, image: Image, face: Face, rest: Face, seconds: float) -> Face:
        """The face, with a mouth at rest as far as it is hidden.

        Args:
            image: (H, W, 3) RGB.
            face: in its pixels.
            rest: the same person's, with the mouth as it is at rest.
            seconds: when, on a steady clock.
        """
        if Moment.of(face).mouth > _OPEN and not _is_seen(image, face):
            self._hidden_at = seconds
        elapsed = 0.0 if self._last is None else max(seconds - self._last, 0.0)
        self._last = seconds
        toward = 1.0 if seconds - self._hidden_at < _HELD else -1.0
        self._level = min(max(self._level + toward * elapsed / _FADE, 0.0), 1.0)
        return face if self._level == 0.0 else _rested(face, rest, self._level)


def _is_seen(image: Image, face: Face) -> bool:
    """Whether what is between the lips differs from what is around them."""
    points = face.landmarks[:, :2]
    border = points[_OUTER + _AROUND]
    low = np.maximum(np.floor(border.min(0)).astype(int) - 1, 0)
    high = np.ceil(border.max(0)).astype(int) + 2
    part = image[low[1] : high[1], low[0] : high[0]]
    if min(part.shape[:2]) < 4:
        return True
    scale = _SIDE / max(part.shape[:2])
    small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    moved = (points - low) * scale
    inner, lips, around = (
        _filled(lab, moved[_INNER]),
        _filled(lab, moved[_OUTER]),
        _filled(lab, cv2.convexHull(moved[_OUTER + _AROUND].astype(np.float32))[:, 0]),
    )
    inside, skin = lab[inner], lab[around & ~lips]
    if len(inside) < 6 or len(skin) < 10:
        return True
    usual = np.median(skin, axis=0)
    if float(np.linalg.norm(np.median(inside, axis=0) - usual)) > _OTHER:
        return True
    return float(np.percentile(inside[:, 0], 20)) < (1 - _DARK) * float(usual[0])


def _filled(lab: Floats, outline: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    mask = np.zeros(lab.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    return mask > 0


def _rested(face: Face, rest: Face, level: float) -> Face:
    """A face whose lower part is that of another moment, moved to where the head is now."""
    points, other = face.landmarks, rest.landmarks
    a, b = other[_FIRM].astype(np.float64), points[_FIRM].astype(np.float64)
    a_mid, b_mid = a.mean(0), b.mean(0)
    u, stretch, v = np.linalg.svd((a - a_mid).T @ (b - b_mid))
    flip = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ v))])
    scale = float((stretch * flip).sum()) / max(float(((a - a_mid) ** 2).sum()), 1e-9)
    moved = scale * (other - a_mid) @ (u * flip) @ v + b_mid
    # How far down the face a point is, from the base of the nose (0) to the upper lip (1).
    axis = other[_LIP, :2] - other[_NOSE, :2]
    down = (other[:, :2] - other[_NOSE, :2]) @ axis
    share = np.clip(down / max(float(axis @ axis), 1.0), 0.0, 1.0)
    weight = (level * share)[:, None]
    landmarks = (points + weight * (moved - points)).astype(np.float32)
    return Face(landmarks, face.blendshapes, face.score, face.take)
