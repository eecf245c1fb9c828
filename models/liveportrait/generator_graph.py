"""The generator as ONNX: the picture from the moved features, which steer every layer of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.onnx_graph import Graph, Weights
from models.types import Floats

MIDDLE = 6
"""Blocks before the picture grows."""

SLOPE = 0.2
"""Of the leaky ReLUs."""

EPSILON = 1e-5
"""Of the instance norms; PyTorch's default."""


@dataclass(frozen=True)
class Shape:
    """What a layer makes.

    Attributes:
        channels: of the picture.
        factor: how many times as large as the label it is.
        repeated: it was half as large, and is doubled by repetition first.
    """

    channels: int
    factor: int
    repeated: bool


class Painter(Protocol):
    """How pictures are kept and computed."""

    def label(self) -> str:
        """What all depends on, 64 pixels a side, as the painter keeps pictures."""
        ...

    def conv(self, value: str, kernel: Floats, bias: Floats | None, factor: int) -> str:
        """A convolution of 3 x 3, or of 1 x 1 without a bias.

        Args:
            value: a picture of side 64 * factor.
            kernel: (O, I, n, n).
            bias: (O,), or None.
            factor: how many times as large as the label the picture is.
        """
        ...

    def steering(self, kernel: Floats, bias: Floats, factor: int) -> str:
        """A convolution of 3 x 3 and ReLU of the label, enlarged by repetition first."""
        ...

    def parts(self, value: str, count: int) -> list[str]:
        """The channels in equal parts."""
        ...

    def steered(self, value: str, gamma: str, beta: str, shape: Shape) -> str:
        """The normalised picture times gamma plus beta."""
        ...

    def leaky(self, value: str) -> str:
        """A leaky ReLU."""
        ...

    def add(self, first: str, second: str) -> str:
        """The sum of two pictures."""
        ...

    def leave(self, value: str, kernel: Floats, bias: Floats) -> str:
        """The last convolution of 3 x 3, float32: (1, O, 256, 256)."""
        ...


def generate(graph: Graph, painter: Painter, weights: Weights) -> str:
    """The picture (1, 3, 512, 512), 0..1, float32.

    Args:
        graph: grows by it.
        painter: computes, and has the moved features.
        weights: of the generator.
    """
    value = painter.conv(painter.label(), weights["fc.weight"], weights["fc.bias"], 1)
    middle = [f"G_middle_{i}" for i in range(MIDDLE)]
    inner = [f"{key}.norm_{i}" for key in middle for i in (0, 1)]
    steering = _steering(painter, weights, inner, 1)
    for key in middle:
        out = value
        for i in (0, 1):
            out = painter.leaky(_spade(painter, out, weights, f"{key}.norm_{i}", steering, 1))
            out = _conv(painter, out, weights, f"{key}.conv_{i}", 1)
        value = painter.add(value, out)
    for key, factor in (("up_0", 2), ("up_1", 4)):
        norms = [f"{key}.norm_{name}" for name in ("s", "0", "1")]
        steering = _steering(painter, weights, norms, factor)
        short = _spade(painter, value, weights, norms[0], steering, factor, repeated=True)
        short = _conv(painter, short, weights, f"{key}.conv_s", factor)
        out = _spade(painter, value, weights, norms[1], steering, factor, repeated=True)
        out = _conv(painter, painter.leaky(out), weights, f"{key}.conv_0", factor)
        out = painter.leaky(_spade(painter, out, weights, norms[2], steering, factor))
        out = _conv(painter, out, weights, f"{key}.conv_1", factor)
        value = painter.add(short, out)
    out = painter.leave(
        painter.leaky(value), weights["conv_img.0.weight"], weights["conv_img.0.bias"]
    )
    out = graph.op("DepthToSpace", out, blocksize=2, mode="CRD")
    return graph.op("Sigmoid", out)


def _steering(
    painter: Painter, weights: Weights, norms: Sequence[str], factor: int
) -> dict[str, str]:
    """For each norm what it makes of the label: all of one size in one convolution."""
    kernel, bias = (
        np.concatenate([weights[f"{norm}.mlp_shared.0.{part}"] for norm in norms])
        for part in ("weight", "bias")
    )
    value = painter.steering(kernel, bias, factor)
    return dict(zip(norms, painter.parts(value, len(norms)), strict=True))


def _spade(
    painter: Painter,
    value: str,
    weights: Weights,
    norm: str,
    steering: dict[str, str],
    factor: int,
    repeated: bool = False,
) -> str:
    """A picture normalised, then stretched and moved as the label says at each place."""
    gamma, beta = (f"{norm}.mlp_{name}" for name in ("gamma", "beta"))
    kernel = np.concatenate([weights[f"{gamma}.weight"], weights[f"{beta}.weight"]])
    bias = np.concatenate([weights[f"{gamma}.bias"] + 1, weights[f"{beta}.bias"]])
    gains, offsets = painter.parts(painter.conv(steering[norm], kernel, bias, factor), 2)
    return painter.steered(value, gains, offsets, Shape(len(bias) // 2, factor, repeated))


def _conv(painter: Painter, value: str, weights: Weights, key: str, factor: int) -> str:
    return painter.conv(value, spectral(weights, key), weights.get(f"{key}.bias"), factor)


def spectral(weights: Weights, key: str) -> Floats:
    """A kernel divided by its largest singular value, as the stored vectors give it."""
    kernel = weights[f"{key}.weight_orig"]
    u, v = (weights[f"{key}.weight_{name}"].astype(np.float64) for name in "uv")
    sigma = u @ kernel.reshape(len(kernel), -1).astype(np.float64) @ v
    folded: Floats = (kernel / sigma).astype(np.float32)
    return folded
