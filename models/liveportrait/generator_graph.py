"""The generator as ONNX: the picture from the moved features, which steer every layer of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.onnx_graph import Graph, Weights, pair, up
from models.types import Floats

MIDDLE = 6
"""Blocks before the picture grows."""

SLOPE = 0.2
"""Of the leaky ReLUs."""

EPSILON = 1e-5
"""Of the instance norms; PyTorch's default."""


def generate(graph: Graph, painter: Painter, warped: str, weights: Weights) -> str:
    """The picture (1, 3, 512, 512), 0..1, float32.

    Args:
        graph: grows by it.
        painter: computes.
        warped: (1, 256, 64, 64), in the type that the convolutions compute in.
        weights: of the generator.
    """
    label = painter.enter(warped)
    value = painter.conv(label, weights["fc.weight"], weights["fc.bias"])
    middle = [f"G_middle_{i}" for i in range(MIDDLE)]
    inner = [f"{key}.norm_{i}" for key in middle for i in (0, 1)]
    steering = _steering(painter, warped, weights, inner, 1)
    for key in middle:
        out = value
        for i in (0, 1):
            out = painter.leaky(_spade(painter, out, weights, f"{key}.norm_{i}", steering))
            out = _conv(painter, out, weights, f"{key}.conv_{i}")
        value = painter.add(value, out)
    for key, factor in (("up_0", 2), ("up_1", 4)):
        norms = [f"{key}.norm_{name}" for name in ("s", "0", "1")]
        steering = _steering(painter, warped, weights, norms, factor)
        short = _spade(painter, value, weights, norms[0], steering, repeated=True)
        short = _conv(painter, short, weights, f"{key}.conv_s")
        out = _spade(painter, value, weights, norms[1], steering, repeated=True)
        out = _conv(painter, painter.leaky(out), weights, f"{key}.conv_0")
        out = painter.leaky(_spade(painter, out, weights, norms[2], steering))
        out = _conv(painter, out, weights, f"{key}.conv_1")
        value = painter.add(short, out)
    out = painter.leave(
        painter.leaky(value), weights["conv_img.0.weight"], weights["conv_img.0.bias"]
    )
    out = graph.op("DepthToSpace", out, blocksize=2, mode="CRD")
    return graph.op("Sigmoid", out)


def _steering(
    painter: Painter, warped: str, weights: Weights, norms: Sequence[str], factor: int
) -> dict[str, str]:
    """For each norm what it makes of the label: all of one size in one convolution."""
    kernel, bias = (
        np.concatenate([weights[f"{norm}.mlp_shared.0.{part}"] for norm in norms])
        for part in ("weight", "bias")
    )
    value = painter.steering(warped, kernel, bias, factor)
    return dict(zip(norms, painter.parts(value, len(norms)), strict=True))


def _spade(
    painter: Painter,
    value: str,
    weights: Weights,
    norm: str,
    steering: dict[str, str],
    repeated: bool = False,
) -> str:
    """A picture normalised, then stretched and moved as the label says at each place."""
    gamma, beta = (f"{norm}.mlp_{name}" for name in ("gamma", "beta"))
    kernel = np.concatenate([weights[f"{gamma}.weight"], weights[f"{beta}.weight"]])
    bias = np.concatenate([weights[f"{gamma}.bias"] + 1, weights[f"{beta}.bias"]])
    both = painter.conv(steering[norm], kernel, bias)
    return painter.steered(value, *painter.parts(both, 2), len(kernel) // 2, repeated)


def _conv(painter: Painter, value: str, weights: Weights, key: str) -> str:
    return painter.conv(value, spectral(weights, key), weights.get(f"{key}.bias"))


def spectral(weights: Weights, key: str) -> Floats:
    """A kernel divided by its largest singular value, as the stored vectors give it."""
    kernel = weights[f"{key}.weight_orig"]
    u, v = (weights[f"{key}.weight_{name}"].astype(np.float64) for name in "uv")
    sigma = u @ kernel.reshape(len(kernel), -1).astype(np.float64) @ v
    return np.asarray(kernel / sigma, np.float32)


class Painter:
    """Pictures (1, C, H, W), with ONNX's own convolutions."""

    def __init__(self, graph: Graph) -> None:
        """Paint in a graph, which grows by it."""
        self._graph = graph

    def enter(self, label: str) -> str:
        """The label as it is."""
        return label

    def conv(self, value: str, kernel: Floats, bias: Floats | None) -> str:
        """A convolution of 3 x 3, or of 1 x 1 without a bias."""
        if bias is None:
            bias = np.zeros(len(kernel), np.float32)
        return self._graph.conv(value, kernel, bias, kernel.shape[-1] // 2)

    def steering(self, label: str, kernel: Floats, bias: Floats, factor: int) -> str:
        """The label's convolution, on the small label."""
        if factor == 1:
            return self._graph.op("Relu", self._graph.conv(label, kernel, bias, 1))
        if factor == 2:
            return up(self._graph, label, kernel, bias)
        return _up_four(self._graph, label, kernel, bias)

    def parts(self, value: str, count: int) -> list[str]:
        """The channels in equal parts."""
        return self._graph.ops("Split", [value], count, axis=1)

    def steered(self, value: str, gamma: str, beta: str, channels: int, repeated: bool) -> str:
        """The normalised picture times gamma plus beta; `repeated`: doubled before.

        The norm is computed before the doubling, which changes no statistics.
        """
        graph = self._graph
        ones, zeros = (graph.constant(np.full(channels, number)) for number in (1, 0))
        wide = graph.widen(value)
        norm = graph.op("InstanceNormalization", wide, ones, zeros, epsilon=EPSILON)
        norm = graph.narrow(norm)
        if repeated:
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
        return kernel.sum(axis=axis, keepdims=True)
    return pair(kernel, kind // 2, axis)
