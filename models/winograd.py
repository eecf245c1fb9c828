"""3 x 3 convolutions with a quarter of the products, written in ONNX.

Winograd's minimal filtering F(4 x 4, 3 x 3) (Lavin and Gray 2016): tiles of 6 x 6 pixels are
transformed, multiplied by the transformed kernel, and transformed back to 4 x 4 pixels. The result
is that of a convolution but for rounding. ONNX Runtime does not do this on the CPU by itself.

Between such convolutions a picture (1, C, 4 H, 4 W) is kept as `tiles` (4, 4, H, W, C): the row and
column inside a tile, the tile, the channel. So the tiles' neighbours are whole blocks of memory.
"""

from __future__ import annotations

import numpy as np

from models.onnx_graph import Graph
from models.types import Floats

_INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    np.float64,
)
"""Of a tile's 6 lines: the transposed B of Lavin and Gray's section on F(4 x 4, 3 x 3)."""

_KERNEL = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
"""Of a kernel's 3 lines: their G."""

_OUTPUT = np.array(
    [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]],
    np.float64,
)
"""Back to a tile's 4 lines: their transposed A."""

_CANCELLED = 2
"""The row of `_INPUT` that is zero for lines that are repeated in pairs; see `up_conv`."""


_REPEATED = (
    np.array([[1, -1, 0], [0, 1, 0], [0, -1, 1]], np.float64),
    np.array([[1, 0, 0], [1, 1, 1], [0, 0, 1]], np.float64),
    np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0], [0, 1, 1]], np.float64),
)
"""For lines repeated four times: of a line and its neighbours, of a kernel's lines, and back. The
inner lines see one line alone; the outer ones differ from them by one product each."""


def conv(
    graph: Graph, tiles: str, kernel: Floats, bias: Floats, count: int, compact: bool = False
) -> str:
    """A 3 x 3 convolution with a padding of 1, from tiles to tiles.

    Args:
        graph: grows by it.
        tiles: (4, 4, count, count, I).
        kernel: (O, I, 3, 3).
        bias: (O,).
        count: tiles a side.
        compact: the graph holds the kernel as it is, to be transformed when it is loaded; it is a
            quarter as large.

    Returns:
        Tiles (4, 4, count, count, O).
    """
    return _filter(graph, tiles, kernel, bias, count, (_INPUT, _KERNEL, _OUTPUT), compact)


def up_conv(
    graph: Graph, tiles: str, kernel: Floats, bias: Floats, count: int, compact: bool = False
) -> str:
    """Doubling by repetition and a 3 x 3 convolution with a padding of 1.

    A tile of the result needs 4 x 4 pixels of the small picture. Repeated pixels cancel each other
    in one of the transform's six rows, so 25 products are left of 36.

    Args:
        graph: grows by it.
        tiles: (4, 4, count, count, I).
        kernel: (O, I, 3, 3).
        bias: (O,).
        count: tiles a side that come in.
        compact: as for `conv`.

    Returns:
        Tiles (4, 4, 2 count, 2 count, O).
    """
    matrices = (
        np.delete(_INPUT, _CANCELLED, 0) @ np.repeat(np.eye(4), [1, 2, 2, 1], axis=0),
        np.delete(_KERNEL, _CANCELLED, 0),
        np.delete(_OUTPUT, _CANCELLED, 1),
    )
    small = halves(graph, tiles, kernel.shape[1], count)
    return _filter(graph, small, kernel, bias, 2 * count, matrices, compact)


def up_four_conv(graph: Graph, rows: str, kernel: Floats, bias: Floats, count: int) -> str:
    """Four times as large by repetition and a 3 x 3 convolution with a padding of 1.

    9 products make the 16 pixels that come from one.

    Args:
        graph: grows by it.
        rows: a picture (count, count, I).
        kernel: (O, I, 3, 3).
        bias: (O,).
        count: pixels a side that come in.

    Returns:
        Tiles (4, 4, count, count, O).
    """
    small = graph.reshape(rows, 1, 1, count, count, kernel.shape[1])
    return _filter(graph, small, kernel, bias, count, _REPEATED, False)


def volume_conv(graph: Graph, volume: str, kernel: Floats, bias: Floats, side: int) -> str:
    """A 3 x 3 x 3 convolution with a padding of 1; the kernel is transformed at loading.

    All three taps in depth are computed of each slice, then shifted and added, still transformed.

    Args:
        graph: grows by it.
        volume: (D, I, side, side): the slices are a batch of pictures.
        kernel: (O, I, 3, 3, 3).
        bias: (O,).
        side: pixels.

    Returns:
        (D, O, side, side).
    """
    outside, inside = kernel.shape[:2]
    count = side // 4
    rows = graph.op("Transpose", volume, perm=[2, 3, 0, 1])
    tiles = graph.reshape(rows, count, 4, count, 4, -1)
    tiles = graph.op("Transpose", tiles, perm=[1, 3, 0, 2, 4])
    for axis in (0, 1):
        tiles = _with_neighbours(graph, tiles, axis, 4)
    wide = graph.op("MatMul", graph.constant(np.kron(_INPUT, _INPUT)), graph.reshape(tiles, 36, -1))
    flat = graph.constant(kernel.transpose(3, 4, 1, 2, 0).reshape(9, inside * 3 * outside))
    factor = graph.op("MatMul", graph.constant(np.kron(_KERNEL, _KERNEL)), flat)
    factor = graph.reshape(factor, 36, inside, 3 * outside)
    out = graph.op("MatMul", graph.reshape(wide, 36, -1, inside), factor)
    parts = graph.ops("Split", [graph.reshape(out, 36, count * count, -1, 3 * outside)], 3, axis=3)
    before, behind = (
        graph.op("Pad", part, graph.constant([0, 0, by, 0, 0, 0, -by, 0], np.int64))
        for part, by in ((parts[0], 1), (parts[2], -1))
    )
    out = graph.op("Sum", before, parts[1], behind)
    back = graph.constant(np.kron(_OUTPUT, _OUTPUT))
    out = graph.op("MatMul", back, graph.reshape(out, 36, -1))
    out = graph.reshape(out, 4, 4, count, count, -1, outside)
    out = graph.op("Transpose", out, perm=[4, 5, 2, 0, 3, 1])
    out = graph.reshape(out, -1, outside, side, side)
    return graph.op("Add", out, graph.constant(bias.reshape(1, -1, 1, 1)))


def halves(graph: Graph, tiles: str, channels: int, count: int) -> str:
    """Tiles (4, 4, count, count, C) as tiles of half the side: (2, 2, 2 count, 2 count, C)."""
    small = graph.reshape(tiles, 2, 2, 2, 2, count, count, channels)
    small = graph.op("Transpose", small, perm=[1, 3, 4, 0, 5, 2, 6])
    return graph.reshape(small, 2, 2, 2 * count, 2 * count, channels)


def _filter(
    graph: Graph,
    tiles: str,
    kernel: Floats,
    bias: Floats,
    count: int,
    matrices: tuple[Floats, Floats, Floats],
    compact: bool,
) -> str:
    """Transform tiles with their neighbours, multiply, and transform back; all in both axes."""
    before, middle, after = matrices
    outside, inside, _, _ = kernel.shape
    lines, points = before.shape[1], before.shape[0]
    wide = tiles
    for axis in (0, 1):
        wide = _with_neighbours(graph, wide, axis, lines - 2)
    wide = graph.reshape(wide, lines**2, count * count * inside)
    wide = graph.op("MatMul", graph.constant(np.kron(before, before)), wide)
    if compact:
        flat = graph.constant(kernel.transpose(2, 3, 1, 0).reshape(9, inside * outside))
        factor = graph.op("MatMul", graph.constant(np.kron(middle, middle)), flat)
        factor = graph.reshape(factor, points**2, inside, outside)
    else:
        turned = np.einsum("ay,oiyx,bx->abio", middle, kernel, middle)
        factor = graph.constant(turned.reshape(points**2, inside, outside))
    out = graph.op("MatMul", graph.reshape(wide, points**2, count * count, inside), factor)
    out = graph.reshape(out, points**2, count * count * outside)
    out = graph.op("MatMul", graph.constant(np.kron(after, after)), out)
    return graph.op("Add", graph.reshape(out, 4, 4, count, count, outside), graph.constant(bias))


def from_rows(graph: Graph, value: str, count: int, channels: int) -> str:
    """A value (4 count, 4 count, channels) as tiles (4, 4, count, count, channels)."""
    out = graph.reshape(value, count, 4, count, 4, channels)
    return graph.op("Transpose", out, perm=[1, 3, 0, 2, 4])


def to_picture(graph: Graph, tiles: str, count: int, channels: int) -> str:
    """Tiles (4, 4, count, count, channels) as a picture (1, channels, 4 count, 4 count)."""
    rows = graph.op("Transpose", tiles, perm=[2, 0, 3, 1, 4])
    flat = graph.reshape(rows, 16 * count * count, channels)
    flat = graph.op("Transpose", flat, perm=[1, 0])
    return graph.reshape(flat, 1, channels, 4 * count, 4 * count)


def _with_neighbours(graph: Graph, tiles: str, axis: int, lines: int) -> str:
    """Tiles of `lines` with the last line of the one before and the first of the one behind."""
    before, behind = [0] * 10, [0] * 10
    before[axis + 2], before[axis + 7] = 1, -1
    behind[axis + 2], behind[axis + 7] = -1, 1
    parts = []
    for line, pads in ((lines - 1, before), (0, behind)):
        bounds = [graph.constant([value], np.int64) for value in (line, line + 1, axis)]
        edge = graph.op("Slice", tiles, *bounds)
        parts.append(graph.op("Pad", edge, graph.constant(pads, np.int64)))
    return graph.op("Concat", parts[0], tiles, parts[1], axis=axis)
