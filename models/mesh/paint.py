"""Painting on small parts of a picture: polygons, soft masks, lines."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from models.types import Floats, Image

SHIFT = 4
"""Fractional bits of OpenCV's polygon coordinates: a sixteenth of a pixel, finer than is seen."""

WIDEST = 12.0
"""The widest blur in pixels: landmarks gone wild must not make one that takes seconds, and soft
edges of a face of any usual size are narrower."""


def box(points: Floats, margin: float, image: Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of points with a margin, inside an image.

    Args:
        points: (N, 2), pixels.
        margin: pixels.
        image: (H, W, ...).
    """
    height, width = image.shape[:2]
    low = np.floor(points.min(0) - margin).astype(int).tolist()
    high = np.ceil(points.max(0) + margin + 1).astype(int).tolist()
    return max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)


def fill(mask: Image, outline: Floats) -> None:
    """Fill a polygon with 255; its edge is anti-aliased.

    Args:
        mask: (h, w), drawn into.
        outline: (N, 2), pixels.
    """
    points = np.rint(np.asarray(outline) * (1 << SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, SHIFT)


def soft(mask: Image, sigma: float) -> Image:
    """The mask with an edge that fades over about two sigma."""
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), min(sigma, WIDEST)), np.uint8)


def blurred(values: Floats, sigma: float) -> Floats:
    """A Gaussian blur of (h, w) or (h, w, C); a wide one is computed on fewer pixels."""
    if sigma <= 4:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
    height, width = values.shape[:2]
    step = sigma / 3
    size = (max(2, round(width / step)), max(2, round(height / step)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 3.0)
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.float32)


def blend(below: Image, above: Image, matte: Image) -> None:
    """Lay one picture over another in place, where the matte says; for small regions only.

    Args:
        below: (h, w, 3), changed.
        above: (h, w, 3).
        matte: (h, w), 255 where only `above` is seen.
    """
    weight = matte[..., None].astype(np.float32) / 255
    mixed = below + (above.astype(np.float32) - below) * weight
    np.rint(mixed, out=mixed)
    below[:] = mixed.astype(np.uint8)


def over(above: Image, below: Image) -> Image:
    """(h, w, 3): `above` (h, w, 4), RGB premultiplied by its matte, over `below` (h, w, 3)."""
    rest = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(above, 3)), cv2.COLOR_GRAY2RGB)
    seen = cv2.multiply(np.ascontiguousarray(below), rest, scale=1 / 255)
    return np.asarray(cv2.add(cv2.cvtColor(above, cv2.COLOR_RGBA2RGB), seen), np.uint8)


def smooth_loop(points: Floats) -> Floats:
    """A closed loop with its corners cut twice (Chaikin), through four times the points."""
    return np.asarray(_cut_corners(len(points)) @ points, np.float32)


@cache
def _cut_corners(count: int) -> Floats:
    """(4 N, N): the new points of `smooth_loop` as sums of the old ones."""
    points = np.eye(count)
    for _ in range(2):
        after = np.roll(points, -1, axis=0)
        points = np.stack([points * 0.75 + after * 0.25, points * 0.25 + after * 0.75], 1)
        points = points.reshape(-1, count)
    return points.astype(np.float32)


def smooth_line(points: Floats) -> Floats:
    """An open line with its inner corners cut (Chaikin)."""
    inner = np.stack(
        [points[:-1] * 0.75 + points[1:] * 0.25, points[:-1] * 0.25 + points[1:] * 0.75], 1
    )
    return np.concatenate([points[:1], inner.reshape(-1, 2)[1:-1], points[-1:]])


def similarity(source: Floats, target: Floats) -> Floats:
    """(2, 3): turn, scale and shift that bring two points onto two others, (2, 2) each."""
    # Plain numbers: for so few, NumPy's calls would take longer than the sums.
    (sx, sy), (sx2, sy2) = source.tolist()
    (tx, ty), (tx2, ty2) = target.tolist()
    along, across, wide, tall = sx2 - sx, sy2 - sy, tx2 - tx, ty2 - ty
    norm = max(along * along + across * across, 1e-9)
    a = (along * wide + across * tall) / norm
    b = (along * tall - across * wide) / norm
    x, y, u, v = (sx + sx2) / 2, (sy + sy2) / 2, (tx + tx2) / 2, (ty + ty2) / 2
    return np.array([[a, -b, u - a * x + b * y], [b, a, v - b * x - a * y]], np.float32)


def spread_out(colours: Floats, known: Floats) -> Floats:
    """Known colours stay near; elsewhere the mean of the known ones around, at growing distance."""
    both = np.dstack([colours * known[..., None], known])
    total = np.zeros_like(both)
    for sigma, trust in ((2.0, 1.0), (8.0, 1e-3), (32.0, 1e-6)):
        total += trust * blurred(both, sigma)
    return np.asarray(total[..., :3] / np.maximum(total[..., 3:], 1e-9), np.float32)
