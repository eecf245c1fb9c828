"""Where a face's points may be in a picture in which no face is found: a start for a person.

Two eyes are two round dark spots, alike when one is mirrored, side by side. A mean face is laid
over them; without such spots it lies in the middle of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
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


_HALF = 0.13
"""Half the width of an eye there."""

_SIDE = 224
"""Longer side in pixels at which eyes are looked for: the smallest have a radius of 3 then."""

_RADII = (3.0, 4.5, 6.5, 9.0, 13.0, 18.0)
"""Pixels of such spots there."""

_DARKER = 4.0
"""Levels of 255 by which an eye's spot is darker than what is around it, at least."""

_MOST = 24
"""Spots of each radius that are looked at; a hairy picture has hundreds."""

_APART = (2.6, 14.0)
"""Radii that two eyes are apart."""

_STEEP = 0.7
"""Rise over run of the line through them: heads are seldom bent by more than 35 degrees."""

_LEAST = 0.35
"""Score from which two spots are taken for eyes."""


@dataclass(frozen=True)
class Pair:
    """Two eyes.

    Attributes:
        eyes: (2, 2), their middles in pixels, the left one in the picture first.
        radius: about half the width of each.
    """

    eyes: Floats
    radius: float


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
    pair = find_eyes(image)
    if pair is None:
        half = 0.13 * min(width, height)
        eyes = np.array([[width / 2 - half, 0.42 * height], [width / 2 + half, 0.42 * height]])
        pair = Pair(eyes, 0.13 * 2 * half / (2 * _MIDDLE))
    return Guess(_laid_over(pair, (width, height)), False)


def find_eyes(image: Image) -> Pair | None:
    """The two spots of a picture (H, W, 3) that look most like a pair of eyes; None if none do."""
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    light = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 0].astype(np.float32)
    best, most = None, _LEAST
    for radius in _RADII:
        spots = list(_spots(light, radius))
        for (a, dark_a), (b, dark_b) in combinations(spots, 2):
            eyes = np.array(sorted([a, b], key=lambda spot: float(spot[0])))
            score = _score(light, eyes, radius)
            if score <= 0:
                continue
            score *= min(dark_a, dark_b) ** 0.5 * min(dark_a, dark_b) / max(dark_a, dark_b)
            if score > most:
                best, most = Pair(eyes / scale, 1.3 * radius / scale), score
    return best


def _spots(light: Floats, radius: float) -> Iterator[tuple[Floats, float]]:
    """The places (2,) of round spots of this radius, and how much darker they are than around."""
    inner = cv2.GaussianBlur(light, (0, 0), 0.55 * radius)
    outer = cv2.GaussianBlur(light, (0, 0), 1.3 * radius)
    darker = outer - inner
    reach = max(3, round(1.5 * radius)) | 1
    peak = (darker >= cv2.dilate(darker, np.ones((reach, reach), np.uint8))) & (darker > _DARKER)
    ys, xs = np.nonzero(peak)
    order = np.argsort(-darker[ys, xs])[:_MOST]
    for y, x in zip(ys[order].tolist(), xs[order].tolist(), strict=True):
        yield np.array([x, y], np.float64), float(darker[y, x])


def _score(light: Floats, eyes: Floats, radius: float) -> float:
    """How alike what lies around two spots (2, 2) is to its own mirror image, 0..1."""
    span = eyes[1] - eyes[0]
    apart = float(np.hypot(*span))
    if not _APART[0] * radius < apart < _APART[1] * radius or abs(span[1]) > _STEEP * span[0]:
        return 0.0
    middle = eyes.mean(0)
    low, high = np.array([-0.75, -0.5]), np.array([0.75, 1.0])
    corners = middle + np.array([low, high]) * apart
    size = np.array(light.shape[::-1])
    if (corners < -0.25 * apart).any() or (corners > size + 0.25 * apart).any():
        return 0.0
    whole = _mirrored(light, middle, span, (0.95, -0.6, 1.0))
    near = _mirrored(light, middle, span, (0.85, -0.22, 0.22))
    # A face is in the upper part of most pictures, and seldom small.
    place = float(np.exp(-(((middle[1] / size[1] - 0.42) / 0.25) ** 2)))
    place *= float(np.exp(-(((middle[0] / size[0] - 0.5) / 0.3) ** 2)))
    large = min(apart / (0.2 * size.min()), 1.0)
    return float(max(whole, 0.0) * max(near, 0.0) * (0.3 + 0.7 * place) * large)


def _mirrored(
    light: Floats, middle: Floats, span: Floats, part: tuple[float, float, float]
) -> float:
    """Correlation of a part of a face with its mirror image, -1..1.

    Args:
        light: (h, w).
        middle: (2,), between the eyes.
        span: (2,), from one eye to the other.
        part: half its width, its top and its bottom, in distances of the eyes.
    """
    wide, top, bottom = part
    u = np.linspace(0.04, wide, 18)
    v = np.linspace(top, bottom, 20)[:, None]
    down = np.array([-span[1], span[0]])
    sides = []
    for way in (-1, 1):
        x = middle[0] + way * u * span[0] + v * down[0]
        y = middle[1] + way * u * span[1] + v * down[1]
        seen = cv2.remap(
            light, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        sides.append(seen - seen.mean())
    left, right = sides
    return float((left * right).sum() / max(float((left**2).sum() * (right**2).sum()) ** 0.5, 1e-6))


def _laid_over(pair: Pair, size: tuple[int, int]) -> Placed:
    """The mean face over two eyes, in a picture of this size."""
    along = (pair.eyes[1] - pair.eyes[0]) / (2 * _MIDDLE)
    down = np.array([-along[1], along[0]])
    wide = float(np.clip(pair.radius / np.hypot(*along) / _HALF, 0.6, 1.7))
    points = {}
    for name, (u, v) in _TEMPLATE.items():
        if "eye" in name or "lid" in name:
            side = -_MIDDLE if name.startswith("left") else _MIDDLE
            u, v = side + (u - side) * wide, v * wide
        x, y = (pair.eyes.mean(0) + u * along + v * down) / size
        points[name] = (float(np.clip(x, 0.01, 0.99)), float(np.clip(y, 0.01, 0.99)))
    return Placed(points, "creature")
