"""Volumes (channels, depth, height, width) in ONNX, without an operator of three dimensions.

Many runtimes have no 3-D convolution and hardly any has 3-D sampling. A volume of one item is kept
as a batch (D, C, H, W): its slices are pictures, and a 3-D convolution is a 2-D one over the
channels of neighbouring slices put behind each other.
"""

from __future__ import annotations

import numpy as np

from models.onnx_graph import Graph
from models.types import Floats

DEPTH = 16
"""Slices of every volume here."""

CHANNELS = 32
"""Of the volume of the source's features."""

SMALL = 64
"""Pixels of a side of a slice."""

_COLUMNS = 4
"""Slices side by side in the picture that holds them all; as many rows."""

_CELL = SMALL + 1
"""Pixels of a side of a slice there: one line of zeros above and one to the left."""


def flat_kernel(kernel: Floats) -> Floats:
    """A kernel (O, I, n, h, w) as the one (O, n I, h, w) for `with_neighbours`."""
    outside, inside, taps, height, width = kernel.shape
    return kernel.transpose(0, 2, 1, 3, 4).reshape(outside, taps * inside, height, width)


def with_neighbours(graph: Graph, volume: str, taps: int, axis: int = 1) -> str:
    """A volume (D, ...) with the channels of `taps` slices around each one, zeros outside.

    Args:
        graph: grows by it.
        volume: (D, C, H, W), or with its channels in another place.
        taps: how many slices, odd.
        axis: of the channels.
    """
    half = taps // 2
    pads = [half, 0, 0, 0, half, 0, 0, 0]
    padded = graph.op("Pad", volume, graph.constant(pads, np.int64))
    parts = []
    for tap in range(taps):
        bounds = [[tap], [tap + DEPTH], [0]]
        parts.append(
            graph.op("Slice", padded, *(graph.constant(bound, np.int64) for bound in bounds))
        )
    return graph.op("Concat", *parts, axis=axis)


def line(count: int) -> Floats:
    """The coordinates of `count` pixels, the first and the last at -1 and 1."""
    return (2 * np.arange(count) / (count - 1) - 1).astype(np.float32)


def index(graph: Graph, places: str, count: int) -> str:
    """Which of `count` pixels lies at a place.

    The picture's edges, not the centres of its outer pixels, are at -1 and 1: the official sampling
    has it so, although it places the pixels as `line` does.
    """
    scaled = graph.op("Mul", places, graph.constant(count / 2))
    return graph.op("Add", scaled, graph.constant((count - 1) / 2))


def shifted(graph: Graph, volume: str, shifts: str, count: int) -> str:
    """A volume sampled, linearly and with zeros outside, at all its places plus a shift.

    A shift is the same for every place, so sampling is one banded matrix for each axis.

    Args:
        graph: grows by it.
        volume: (C, 16, 64, 64), float32.
        shifts: (count, 3), x, y and z.
        count: of shifts.

    Returns:
        (count, C, 16, 64 * 64).
    """
    x, y, z = graph.ops("Split", [shifts], 3, axis=1)
    wide = graph.reshape(volume, 1, -1, SMALL)
    out = graph.op("MatMul", wide, _bands(graph, x, SMALL, count, across=True))
    out = graph.reshape(out, count, -1, SMALL, SMALL)
    rows = graph.reshape(_bands(graph, y, SMALL, count), count, 1, SMALL, SMALL)
    out = graph.reshape(graph.op("MatMul", rows, out), count, -1, DEPTH, SMALL * SMALL)
    slices = graph.reshape(_bands(graph, z, DEPTH, count), count, 1, DEPTH, DEPTH)
    return graph.op("MatMul", slices, out)


def _bands(graph: Graph, shifts: str, size: int, count: int, across: bool = False) -> str:
    """(count, size, size): how much of each old pixel is in each new one; `across`: transposed."""
    new, old = ((1, 1, size), (1, size, 1)) if across else ((1, size, 1), (1, 1, size))
    moved = graph.op(
        "Add", graph.reshape(shifts, count, 1, 1), graph.constant(line(size).reshape(new))
    )
    pixels = graph.constant(np.arange(size).reshape(old))
    distance = graph.op("Abs", graph.op("Sub", index(graph, moved, size), pixels))
    return graph.op("Relu", graph.op("Sub", graph.constant(1), distance))


def sample(graph: Graph, volume: str, places: str) -> str:
    """A volume sampled, trilinearly and with zeros outside, at any places.

    All slices become one picture, so that sampling in two of them, the one before and the one
    behind each place, is exact and half an eighth of sampling in all 16.

    Args:
        graph: grows by it.
        volume: (1, 32, 16, 64, 64), float32.
        places: (16, 3, 4096), x, y and z, float32.

    Returns:
        (1, 512, 64, 64): channel c of slice d is 16 c + d.
    """
    points = DEPTH * SMALL * SMALL
    x, y, z = graph.ops("Split", [places], 3, axis=1)
    # Beyond the lines of zeros nothing changes.
    x, y = (_within(graph, index(graph, value, SMALL), -1, SMALL) for value in (x, y))
    z = _within(graph, index(graph, z, DEPTH), -1, DEPTH)
    before = graph.op("Floor", z)
    share = graph.op("Sub", z, before)
    behind = graph.op("Add", before, graph.constant(1))
    rest = graph.op("Sub", graph.constant(1), share)
    amounts = [_counted(graph, rest, before), _counted(graph, share, behind)]
    grids = [_in_atlas(graph, x, y, _within(graph, s, 0, DEPTH - 1)) for s in (before, behind)]
    grid = graph.reshape(graph.op("Concat", *grids, axis=0), 1, 2 * points // 256, 256, 2)
    sampled = graph.op(
        "GridSample",
        _atlas(graph, volume),
        grid,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=1,
    )
    sampled = graph.reshape(sampled, CHANNELS, 2, points)
    amount = graph.reshape(graph.op("Concat", *amounts, axis=0), 1, 2, points)
    total = graph.op(
        "ReduceSum",
        graph.op("Mul", sampled, amount),
        graph.constant([1], np.int64),
        keepdims=0,
    )
    return graph.reshape(total, 1, CHANNELS * DEPTH, SMALL, SMALL)


def _counted(graph: Graph, amount: str, number: str) -> str:
    """An amount where a slice of that number exists, else zero."""
    after_first = _within(graph, graph.op("Add", number, graph.constant(1)), 0, 1)
    before_last = _within(graph, graph.op("Sub", graph.constant(DEPTH), number), 0, 1)
    return graph.op("Mul", graph.op("Mul", amount, after_first), before_last)


def _atlas(graph: Graph, volume: str) -> str:
    """All slices in one picture (1, 32, 260, 260), with a line of zeros between them."""
    cells = graph.reshape(volume, CHANNELS, _COLUMNS, _COLUMNS, SMALL, SMALL)
    pads = graph.constant([0, 0, 0, 1, 1, 0, 0, 0, 0, 0], np.int64)
    cells = graph.op("Transpose", graph.op("Pad", cells, pads), perm=[0, 1, 3, 2, 4])
    return graph.reshape(cells, 1, CHANNELS, _COLUMNS * _CELL, _COLUMNS * _CELL)


def _in_atlas(graph: Graph, x: str, y: str, number: str) -> str:
    """Pixels of slices as the places, -1..1, in the atlas: (16, 4096, 2) of (16, 1, 4096)."""
    row = graph.op("Floor", graph.op("Mul", number, graph.constant(1 / _COLUMNS)))
    column = graph.op("Sub", number, graph.op("Mul", row, graph.constant(_COLUMNS)))
    scale = 2 / (_COLUMNS * _CELL - 1)
    both = []
    for cell, pixel in ((column, x), (row, y)):
        place = graph.op("Add", graph.op("Mul", cell, graph.constant(_CELL)), pixel)
        place = graph.op("Mul", place, graph.constant(scale))
        both.append(graph.op("Add", place, graph.constant(scale - 1)))
    return graph.op("Transpose", graph.op("Concat", *both, axis=1), perm=[0, 2, 1])


def _within(graph: Graph, value: str, least: float, most: float) -> str:
    return graph.op("Clip", value, graph.constant(least), graph.constant(most))
