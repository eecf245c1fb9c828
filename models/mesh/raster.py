"""A triangle rasteriser in NumPy: the spans of all triangles at once, no compiler at start."""

from __future__ import annotations

import numpy as np

from models.mesh.topology import Indices
from models.types import Floats

_MOST_LAYERS = 12  # how many times over a canvas may be covered; bounding boxes count double
_EDGES = ((0, 1), (1, 2), (2, 0))


def draw(canvas: Floats, triangles: Indices, places: Floats, values: Floats) -> None:
    """Draw triangles, interpolating values linearly; later triangles cover earlier ones.

    canvas: (H, W, 2) float32, drawn into. triangles: (T, 3) vertex numbers in drawing order.
    places: (N, 2) x, y in canvas pixels, pixel centres at whole numbers. values: (N, 2).
    A pixel belongs to the one triangle that holds its centre, so shared edges leave no gap.
    """
    height, width = canvas.shape[:2]
    corners = places.astype(np.float32)[triangles]  # (T, 3, 2)
    a, ab, ac = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = ab[:, 0] * ac[:, 1] - ac[:, 0] * ab[:, 1]
    first = np.ceil(corners[..., 1].min(1)).clip(0, height).astype(np.int32)
    last = np.ceil(corners[..., 1].max(1)).clip(0, height).astype(np.int32)
    rows = np.where(np.abs(area) > 1e-6, last - first, 0)
    drawn = _affordable(np.flatnonzero(rows > 0), rows, corners[..., 0], canvas.shape[:2])
    if drawn.size == 0:
        return
    corners, a, ab, ac, area = (x[drawn] for x in (corners, a, ab, ac, area))
    first, rows = first[drawn], rows[drawn]

    # Values are affine in x and y over a triangle: value = at0 + per_x * x + per_y * y.
    v = values.astype(np.float32)[triangles[drawn]]
    v_ab, v_ac = v[:, 1] - v[:, 0], v[:, 2] - v[:, 0]
    per_x = (v_ab * ac[:, 1:] - v_ac * ab[:, 1:]) / area[:, None]
    per_y = (v_ac * ab[:, :1] - v_ab * ac[:, :1]) / area[:, None]
    at0 = v[:, 0] - per_x * a[:, :1] - per_y * a[:, 1:]

    # Each edge as x = x0 + slope * y over its own rows; the row's span lies between crossings.
    owner = np.repeat(np.arange(drawn.size, dtype=np.int32), rows)
    y = np.arange(owner.size, dtype=np.int32) - np.repeat(np.cumsum(rows) - rows - first, rows)
    row_y = y.astype(np.float32)
    left = np.full(owner.size, np.float32(width))
    right = np.zeros(owner.size, np.float32)
    for i, j in _EDGES:
        p, q = corners[:, i], corners[:, j]
        rise = q[:, 1] - p[:, 1]
        flat_edge = np.abs(rise) < 1e-6
        slope = (q[:, 0] - p[:, 0]) / np.where(flat_edge, 1.0, rise)
        edge = np.stack(
            [
                np.where(flat_edge, np.inf, np.minimum(p[:, 1], q[:, 1])),
                np.maximum(p[:, 1], q[:, 1]),
                p[:, 0] - slope * p[:, 1],
                slope,
            ],
            axis=1,
        ).astype(np.float32)
        low, high, x0, per_row = np.take(edge, owner, axis=0).T
        x = x0 + per_row * row_y
        crosses = (low <= row_y) & (row_y <= high)
        np.minimum(left, x, out=left, where=crosses)
        np.maximum(right, x, out=right, where=crosses)
    begin = np.ceil(left).clip(0, width).astype(np.int32)
    length = np.ceil(right).clip(0, width).astype(np.int32) - begin
    np.maximum(length, 0, out=length)

    x_step = np.take(per_x, owner, axis=0)
    start = np.take(at0, owner, axis=0) + np.take(per_y, owner, axis=0) * row_y[:, None]
    shift = np.cumsum(length) - length - begin
    x = np.arange(int(length.sum()), dtype=np.int32) - np.repeat(shift.astype(np.int32), length)
    place = x + np.repeat(y * np.int32(width), length)
    flat = canvas.reshape(-1, 2)
    found = np.repeat(start, length, axis=0)
    found += np.repeat(x_step, length, axis=0) * x[:, None].astype(np.float32)
    # One 8-byte copy a pixel is far cheaper than two strided ones.
    flat.view(np.complex64)[place, 0] = found.view(np.complex64)[:, 0]


def _affordable(drawn: Indices, rows: Indices, xs: Floats, shape: tuple[int, int]) -> Indices:
    """The triangles of `drawn` without the farthest, where all together would take too long.

    A face covers its box about once. Landmarks gone wild cover it hundreds of times over, which
    is no picture of anything, but should not hold up the next frame either.
    """
    height, width = shape
    left, right = xs[drawn].min(1), xs[drawn].max(1)
    wide = np.minimum(right, width) - np.maximum(left, 0.0)
    cost = rows[drawn] * (np.maximum(wide, 0.0) + 1)
    limit = _MOST_LAYERS * (height + 16) * (width + 16)
    if float(cost.sum()) <= limit:
        return drawn
    return drawn[np.cumsum(cost[::-1])[::-1] <= limit]
