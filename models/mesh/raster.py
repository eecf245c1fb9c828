"""A triangle rasteriser in NumPy: the spans of all triangles at once, no compiler at start."""

from __future__ import annotations

import numpy as np

from models.face.topology import Indices
from models.types import Floats

_MOST_LAYERS = 4  # how many times over a canvas may be covered


def draw(
    canvas: Floats,
    triangles: Indices,
    places: Floats,
    values: Floats,
    bands: tuple[Indices, Indices] | None = None,
) -> None:
    """Draw triangles, interpolating values linearly; later triangles cover earlier ones.

    canvas: (H, W, C) float32, drawn into. triangles: (T, 3) vertex numbers in drawing order.
    places: (N, 2) x, y in canvas pixels, pixel centres at whole numbers. values: (N, C).
    A pixel belongs to the one triangle that holds its centre, so shared edges leave no gap.
    bands: (T,) each, the first row of the canvas that a triangle may touch, and that after the
    last: so several pictures one below the other take one call.
    """
    height, width = canvas.shape[:2]
    px, py = np.ascontiguousarray(places.T, np.float32)

    # Each triangle's vertices from top to bottom: a long edge on one side, two short on the other.
    top, mid, low = np.ascontiguousarray(triangles.T)
    top, mid = _sorted(top, mid, py)
    mid, low = _sorted(mid, low, py)
    top, mid = _sorted(top, mid, py)
    xa, xb, xc = px[top], px[mid], px[low]
    ya, yb, yc = py[top], py[mid], py[low]
    first, middle, last = (_whole(y, height) for y in (ya, yb, yc))
    if bands is not None:
        first, middle, last = (np.clip(row, *bands) for row in (first, middle, last))
    ab_x, ab_y, ac_x, ac_y = xb - xa, yb - ya, xc - xa, yc - ya
    area = ab_x * ac_y - ab_y * ac_x
    flat = np.abs(area) <= 1e-6
    middle[flat] = last[flat] = first[flat]
    area[flat] = 1

    # Edges as x = start + slope * y; shared ones give the same numbers in both triangles. What
    # divides by nothing belongs to edges and triangles without rows.
    slopes, starts = np.empty((2, len(top), 2), np.float32)
    with np.errstate(all="ignore"):
        long_slope = ac_x / ac_y
        long_start = xa - long_slope * ya
        slopes[:, 0], slopes[:, 1] = ab_x / ab_y, (xc - xb) / (yc - yb)
        starts[:, 0], starts[:, 1] = xa - slopes[:, 0] * ya, xb - slopes[:, 1] * yb

    # One span for each row of each triangle.
    rows = last - first
    short = _repeated(np.stack([middle - first, last - middle], axis=1).ravel())
    if short.size == 0:
        return
    owner = short >> 1
    y = np.arange(owner.size, dtype=np.int32) - (np.cumsum(rows, dtype=np.int32) - last)[owner]
    row_y = y.astype(np.float32)
    one = starts.ravel()[short] + slopes.ravel()[short] * row_y
    other = long_start[owner] + long_slope[owner] * row_y
    begin = _whole(np.minimum(one, other), width)
    length = _whole(np.maximum(one, other), width) - begin
    length = _affordable(length, _MOST_LAYERS * (height + 16) * (width + 16))

    # One pixel for each step of each span.
    span = _repeated(length)
    before = np.cumsum(length, dtype=np.int32) - length
    along = np.arange(span.size, dtype=np.int32) - before[span]
    place = (y * np.int32(width) + begin)[span] + along
    steps, from_x = along.astype(np.float32), begin.astype(np.float32)
    count = values.shape[1]
    found = np.empty((span.size, count), np.float32)
    for k in range(count):
        # A value is affine in x and y over a triangle: value = at0 + per_x * x + per_y * y.
        value = np.ascontiguousarray(values[:, k], np.float32)
        va = value[top]
        ab, ac = (value[mid] - va) / area, (value[low] - va) / area
        per_x, per_y = ab * ac_y - ac * ab_y, ac * ab_x - ab * ac_x
        at0 = va - per_x * xa - per_y * ya
        step = per_x[owner]
        start = at0[owner] + per_y[owner] * row_y + step * from_x
        np.add(start[span], step[span] * steps, out=found[:, k])
    # One copy of all values of a pixel is far cheaper than several strided ones.
    whole = np.dtype((np.void, 4 * count))
    canvas.reshape(-1, count).view(whole)[place, 0] = found.view(whole)[:, 0]


def _whole(values: Floats, most: int) -> Indices:
    """The first whole numbers not below `values`, within 0..most."""
    return np.minimum(np.maximum(np.ceil(values), 0), most).astype(np.int32)


def _repeated(counts: Indices) -> Indices:
    """0, 1, 2, ..., each as often as `counts` says; faster than `np.repeat`."""
    ends = np.cumsum(counts)
    total = int(ends[-1])
    return np.cumsum(np.bincount(ends[:-1], minlength=total + 1)[:total])


def _sorted(one: Indices, other: Indices, values: Floats) -> tuple[Indices, Indices]:
    """Vertices in pairs, the one with the smaller value first."""
    swapped = values[one] > values[other]
    return np.where(swapped, other, one), np.where(swapped, one, other)


def _affordable(length: Indices, limit: int) -> Indices:
    """The lengths of spans without the farthest, where all together would take too long.

    A face covers its box about once. Landmarks gone wild cover it hundreds of times over, which
    is no picture of anything, but should not hold up the next frame either.
    """
    if int(length.sum()) <= limit:
        return length
    return np.where(np.cumsum(length[::-1])[::-1] <= limit, length, 0).astype(np.int32)
