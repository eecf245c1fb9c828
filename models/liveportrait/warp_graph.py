"""The warping network as ONNX: how the source's features move, and the features moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.liveportrait.config import KEYPOINTS
from models.liveportrait.spectrum import spectral_conv
from models.liveportrait.volume import (
    CHANNELS,
    DEPTH,
    SMALL,
    flat_kernel,
    line,
    sample,
    shifted,
    with_neighbours,
)
from models.onnx_graph import Graph, Weights, few_channels, folded, up
from models.types import Floats
from models.winograd import volume_conv

WARPED = 256
"""Channels of the moved features."""

ENTRIES = KEYPOINTS + 1
"""Ways to move: that of each keypoint, and before them not to move at all."""

_COMPRESSED = 4
"""Channels of the features that the hourglass sees."""

_VARIANCE = 0.01
"""Of the keypoints' bumps, as the official networks have it."""

_LEAST_TILED = 16
"""Pixels of a side of volumes that are worth tiles; smaller ones have too few for their kernels."""

_KEY = "dense_motion_network"

_AREA = SMALL * SMALL

_HEAT = [5 * k for k in range(1, ENTRIES)]
"""The official places of the bumps of the moved entries."""

_ORDER = _HEAT + [5 * k + 1 + c for k in range(ENTRIES) for c in range(_COMPRESSED)]
"""The official places of the hourglass's input channels. There each entry has its bump and four
features; here all bumps come first, without that of the unmoved entry, which is zero."""


@dataclass(frozen=True)
class Warp:
    """Values of the graph.

    Attributes:
        warped: (1, 256, 64, 64), in the type that the convolutions compute in.
        mask: (16, 22, 64, 64), how much each motion counts at each place.
        places: (16, 3, 4096), where each place's features come from: x, y, z.
        occlusion: (1, 1, 64, 64), how much is seen.
    """

    warped: str
    mask: str
    places: str
    occlusion: str


def warp(
    graph: Graph, features: str, source: str, driving: str, weights: Weights, tiled: bool
) -> Warp:
    """Move the source's features from its keypoints to others.

    Args:
        graph: grows by it.
        features: (1, 32, 16, 64, 64).
        source: (1, 21, 3), the source's keypoints.
        driving: (1, 21, 3), where they shall be.
        weights: of the warping module.
        tiled: write the hourglass's large convolutions in tiles, which is faster on a CPU; see
            `winograd`. The mask's is always a product of spectra, but in float16.
    """
    seen = _input(graph, features, source, driving, weights)
    joined = _hourglass(graph, graph.narrow(seen.value), weights, tiled and not graph.half)
    mask = graph.widen(_mask(graph, joined, weights))
    mask = graph.op("Softmax", mask, axis=1)
    occlusion = _occlusion(graph, joined, weights)
    moved = graph.op("MatMul", seen.directions, graph.reshape(mask, DEPTH, ENTRIES, _AREA))
    # The mask's shares sum to one: the place itself, and the motions' mean.
    places = graph.op("Add", moved, graph.constant(_places()))
    value = graph.narrow(sample(graph, features, places))
    kernel, bias = folded(weights, "third.conv", "third.norm")
    value = graph.op("LeakyRelu", graph.conv(value, kernel, bias, 1), alpha=0.01)
    value = graph.conv(value, weights["fourth.weight"], weights["fourth.bias"], 0)
    value = graph.op("Mul", value, graph.narrow(occlusion))
    return Warp(value, mask, places, occlusion)


@dataclass(frozen=True)
class _Input:
    """The hourglass's input (16, 109, 64, 64), and the motions' directions (3, 22)."""

    value: str
    directions: str


def _input(graph: Graph, features: str, source: str, driving: str, weights: Weights) -> _Input:
    kernel, bias = folded(weights, f"{_KEY}.compress", f"{_KEY}.norm")
    rows = graph.reshape(features, 1, CHANNELS, DEPTH * SMALL, SMALL)
    small = graph.op(
        "Conv",
        rows,
        graph.constant(kernel.reshape(_COMPRESSED, CHANNELS, 1, 1)),
        graph.constant(bias),
    )
    small = graph.reshape(graph.op("Relu", small), _COMPRESSED, DEPTH, SMALL, SMALL)
    source, driving = (graph.reshape(value, KEYPOINTS, 3) for value in (source, driving))
    unmoved = graph.constant(np.zeros((1, 3)))
    shifts = graph.op("Concat", unmoved, graph.op("Sub", source, driving), axis=0)
    moved = shifted(graph, small, shifts, ENTRIES)
    moved = graph.reshape(moved, ENTRIES * _COMPRESSED, DEPTH, SMALL, SMALL)
    moved = graph.op("Transpose", moved, perm=[1, 0, 2, 3])
    heat = graph.op("Sub", _bumps(graph, driving), _bumps(graph, source))
    value = graph.op("Concat", heat, moved, axis=1)
    return _Input(value, graph.op("Transpose", shifts, perm=[1, 0]))


def _bumps(graph: Graph, points: str) -> str:
    """A bump at each point: (16, 21, 64, 64). It is a product of three, one for each axis."""
    factors = []
    for axis, (part, count) in enumerate(
        zip(graph.ops("Split", [points], 3, axis=1), (SMALL, SMALL, DEPTH), strict=True)
    ):
        shape = [1, 1, 1, 1]
        shape[3 - axis if axis < 2 else 0] = count
        offset = graph.op(
            "Sub", graph.constant(line(count).reshape(shape)), graph.reshape(part, 1, -1, 1, 1)
        )
        squared = graph.op("Mul", offset, offset)
        factors.append(graph.op("Exp", graph.op("Mul", squared, graph.constant(-0.5 / _VARIANCE))))
    flat = graph.op("Mul", factors[0], factors[1])
    return graph.op("Mul", flat, factors[2])


def _hourglass(graph: Graph, value: str, weights: Weights, tiled: bool) -> str:
    """Features (16, 141, 64, 64) for mask and occlusion; see `_inside` for the last convolution."""
    key = f"{_KEY}.hourglass"
    kept = [value]
    for i in range(5):
        block = f"{key}.encoder.down_blocks.{i}"
        kernel, bias = folded(weights, f"{block}.conv", f"{block}.norm")
        if i == 0:
            kernel = kernel[:, _ORDER]
        out = _conv(graph, kept[-1], kernel, bias, SMALL >> i, tiled)
        kept.append(graph.op("AveragePool", out, kernel_shape=[2, 2], strides=[2, 2]))
    out = kept.pop()
    for i in range(5):
        block = f"{key}.decoder.up_blocks.{i}"
        kernel, bias = folded(weights, f"{block}.conv", f"{block}.norm")
        out = up(graph, with_neighbours(graph, out, 3), flat_kernel(kernel), bias)
        out = graph.op("Concat", out, kept.pop(), axis=1)
    kernel, bias = folded(weights, f"{key}.decoder.conv", f"{key}.decoder.norm")
    return _conv(graph, out, _inside(kernel), bias, SMALL, tiled)


def _conv(graph: Graph, value: str, kernel: Floats, bias: Floats, side: int, tiled: bool) -> str:
    """A 3 x 3 x 3 convolution and ReLU of a volume of `side` pixels."""
    if tiled and side >= _LEAST_TILED:
        out = volume_conv(graph, value, kernel, bias, side)
    else:
        out = graph.conv(with_neighbours(graph, value, 3), flat_kernel(kernel), bias, 1)
    return graph.op("Relu", out)


def _inside(kernel: Floats) -> Floats:
    """A kernel for the decoder's last output and the input behind it, in this graph's order."""
    before = kernel.shape[1] - 5 * ENTRIES
    return np.concatenate([kernel[:, :before], kernel[:, before:][:, _ORDER]], 1)


def _mask(graph: Graph, joined: str, weights: Weights) -> str:
    """How much each motion counts, before the softmax: (16, 22, 64, 64)."""
    kernel, bias = weights[f"{_KEY}.mask.weight"], weights[f"{_KEY}.mask.bias"]
    if not graph.half:
        return spectral_conv(graph, joined, kernel, bias)
    wide = with_neighbours(graph, joined, kernel.shape[2])
    return graph.conv(wide, flat_kernel(kernel), bias, kernel.shape[3] // 2)


def _occlusion(graph: Graph, joined: str, weights: Weights) -> str:
    """How much of the moved features is seen, float32."""
    kernel, bias = weights[f"{_KEY}.occlusion.weight"], weights[f"{_KEY}.occlusion.bias"]
    # The official channels are 16 c + d; here the slice comes first.
    side = kernel.shape[-1]
    kernel = kernel.reshape(-1, DEPTH, side, side).transpose(1, 0, 2, 3)
    kernel = kernel.reshape(1, -1, side, side)
    value = few_channels(graph, graph.reshape(joined, 1, -1, SMALL, SMALL), kernel, bias)
    return graph.op("Sigmoid", graph.widen(value))


def _places() -> Floats:
    """(16, 3, 4096): x, y and z of every place."""
    x, y, z = line(SMALL), line(SMALL)[:, None], line(DEPTH)[:, None, None]
    return np.stack(np.broadcast_arrays(x, y, z), 1).reshape(DEPTH, 3, _AREA)
