"""How the generator's pictures are kept and computed: plainly, or in tiles for a CPU."""

from __future__ import annotations

import numpy as np

from models import winograd
from models.liveportrait.generator_graph import EPSILON, SLOPE, Shape
from models.liveportrait.volume import SMALL
from models.onnx_graph import Graph, few_channels, pair, up
from models.types import Floats

_TILES = SMALL // 4
"""Tiles on a side of the label."""


class PlainPainter:
    """Pictures (1, C, H, W), with ONNX's own convolutions."""

    def __init__(self, graph: Graph, label: str) -> None:
        """Paint in a graph, which grows by it.

        Args:
            graph: to paint in.
            label: (1, 256, 64, 64), in the type that the convolutions compute in.
        """
        self._graph, self._label = graph, label

    def label(self) -> str:
        """The label as it is."""
        return self._label

    def conv(self, value: str, kernel: Floats, bias: Floats | None, factor: int) -> str:
        """A convolution."""
        del factor
        if bias is None:
            bias = np.zeros(len(kernel), np.float32)
        return self._graph.conv(value, kernel, bias, kernel.shape[-1] // 2)

    def steering(self, kernel: Floats, bias: Floats, factor: int) -> str:
        """The label's convolution, on the small label."""
        label = self._label
        if factor == 1:
            return self._graph.op("Relu", self._graph.conv(label, kernel, bias, 1))
        if factor == 2:
            return up(self._graph, label, kernel, bias)
        return _up_four(self._graph, label, kernel, bias)

    def parts(self, value: str, count: int) -> list[str]:
        """The channels in equal parts."""
        return self._graph.ops("Split", [value], count, axis=1)

    def steered(self, value: str, gamma: str, beta: str, shape: Shape) -> str:
        """The norm is computed before the doubling, which changes no statistics."""
        graph = self._graph
        ones, zeros = (graph.constant(np.full(shape.channels, number)) for number in (1, 0))
        wide = graph.widen(value)
        norm = graph.op("InstanceNormalization", wide, ones, zeros, epsilon=EPSILON)
        norm = graph.narrow(norm)
        if shape.repeated:
            norm = graph.op(
                "Resize",
                norm,
                "",
                graph.constant([1, 1, 2, 2]),
                mode="nearest",
                coordinate_transformation_mode="asymmetric",
                nearest_mode="floor",
            )
        return graph.op("Add", graph.op("Mul", norm, gamma), beta)

    def leaky(self, value: str) -> str:
        """A leaky ReLU."""
        return self._graph.op("LeakyRelu", value, alpha=SLOPE)

    def add(self, first: str, second: str) -> str:
        """The sum."""
        return self._graph.op("Add", first, second)

    def leave(self, value: str, kernel: Floats, bias: Floats) -> str:
        """The last convolution."""
        return self._graph.widen(self._graph.conv(value, kernel, bias, 1))


def _up_four(graph: Graph, value: str, kernel: Floats, bias: Floats) -> str:
    """Four times as large by repetition, a 3 x 3 convolution and ReLU.

    Of each four rows the two inner ones are equal, and of the columns likewise: nine small
    convolutions give all sixteen pixels.
    """
    kinds = {}
    for row in range(3):
        for column in range(3):
            small = _taps(_taps(kernel, row, 2), column, 3)
            pads = [int(row == 0), int(column == 0), int(row == 2), int(column == 2)]
            kinds[row, column] = graph.op("Relu", graph.conv(value, small, bias, pads))
    of_line = (0, 1, 1, 2)
    parts = [kinds[row, column] for row in of_line for column in of_line]
    return graph.op("DepthToSpace", graph.op("Concat", *parts, axis=1), blocksize=4, mode="DCR")


def _taps(kernel: Floats, kind: int, axis: int) -> Floats:
    """Three taps on pixels repeated four times, as taps on the pixels themselves.

    Args:
        kernel: with three taps along `axis`.
        kind: 0 for the first of the four, 1 for the two inner ones, 2 for the last.
        axis: of the taps.
    """
    if kind == 1:
        return np.asarray(kernel.sum(axis=axis, keepdims=True), np.float32)
    return pair(kernel, kind // 2, axis)


class TiledPainter:
    """Pictures (4, 4, tiles a side, tiles a side, C), float32; see `winograd`."""

    def __init__(self, graph: Graph, label: str, channels: int) -> None:
        """Paint in a graph, which grows by it.

        Args:
            graph: to paint in.
            label: (1, C, 64, 64).
            channels: C.
        """
        self._graph = graph
        rows = graph.op("Transpose", label, perm=[0, 2, 3, 1])
        self._rows = graph.reshape(rows, SMALL, SMALL, channels)
        self._tiles = winograd.from_rows(graph, self._rows, _TILES, channels)

    def label(self) -> str:
        """The label in tiles."""
        return self._tiles

    def conv(self, value: str, kernel: Floats, bias: Floats | None, factor: int) -> str:
        """A convolution with a quarter of the products."""
        if bias is None:
            return self._graph.op("MatMul", value, self._graph.constant(kernel[:, :, 0, 0].T))
        return winograd.conv(self._graph, value, kernel, bias, _TILES * factor, compact=True)

    def steering(self, kernel: Floats, bias: Floats, factor: int) -> str:
        """The label's convolution, on the small label."""
        graph = self._graph
        if factor == 1:
            out = winograd.conv(graph, self._tiles, kernel, bias, _TILES, compact=True)
        elif factor == 2:
            out = winograd.up_conv(graph, self._tiles, kernel, bias, _TILES, compact=True)
        else:
            out = winograd.up_four_conv(graph, self._rows, kernel, bias, SMALL)
        return graph.op("Relu", out)

    def parts(self, value: str, count: int) -> list[str]:
        """The channels in equal parts."""
        return self._graph.ops("Split", [value], count, axis=4)

    def steered(self, value: str, gamma: str, beta: str, shape: Shape) -> str:
        """What is doubled is normalised before, and multiplied by all that its pixels become."""
        graph, channels, count = self._graph, shape.channels, _TILES * shape.factor
        sides: tuple[int, ...] = (4, 4, count, count)
        norm = self._normalised(value, channels)
        if shape.repeated:
            sides = (2, 2, 2, 2, count, count)
            small = winograd.halves(graph, norm, channels, count // 2)
            norm = graph.reshape(small, 2, 1, 2, 1, count, count, channels)
            gamma, beta = (graph.reshape(one, *sides, channels) for one in (gamma, beta))
        else:
            norm = graph.reshape(norm, *sides, channels)
        out = graph.op("Add", graph.op("Mul", norm, gamma), beta)
        return graph.reshape(out, 4, 4, count, count, channels)

    def _normalised(self, value: str, channels: int) -> str:
        """With a mean of 0 and a variance of 1 in each channel: (pixels, C)."""
        graph = self._graph
        rows = graph.reshape(value, -1, channels)
        centred = graph.op("Sub", rows, graph.op("ReduceMean", rows, axes=[0], keepdims=1))
        squared = graph.op("Mul", centred, centred)
        variance = graph.op("ReduceMean", squared, axes=[0], keepdims=1)
        spread = graph.op("Sqrt", graph.op("Add", variance, graph.constant(EPSILON)))
        return graph.op("Mul", centred, graph.op("Div", graph.constant(1), spread))

    def leaky(self, value: str) -> str:
        """A leaky ReLU."""
        return self._graph.op("LeakyRelu", value, alpha=SLOPE)

    def add(self, first: str, second: str) -> str:
        """The sum."""
        return self._graph.op("Add", first, second)

    def leave(self, value: str, kernel: Floats, bias: Floats) -> str:
        """The last convolution."""
        picture = winograd.to_picture(self._graph, value, SMALL, kernel.shape[1])
        return few_channels(self._graph, picture, kernel, bias)
