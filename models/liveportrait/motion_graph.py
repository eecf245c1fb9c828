"""The motion network, a ConvNeXt V2, as ONNX; always in float32."""

from __future__ import annotations

import numpy as np
import onnx

from models.liveportrait.config import KEYPOINTS, SIDE
from models.onnx_graph import Graph, Weights
from models.types import Floats

_DEPTHS = (3, 3, 9, 3)
"""Blocks of each stage, as the official configuration has them."""

_EPSILON = 1e-6
"""Of the layer norms and of the response norm, as the official networks have it."""

_BINS = 66
"""Of each angle: 3 degrees wide, from -97.5 on."""


def motion_graph(weights: Weights) -> onnx.ModelProto:
    """Picture -> pitch, yaw, roll (1,) in degrees, scale (1, 1), t (1, 3), kp and exp (1, 21, 3).

    Args:
        weights: of the motion extractor.
    """
    weights = {key.removeprefix("detector."): value for key, value in weights.items()}
    graph = Graph("motion")
    value = graph.input("picture", (1, 3, SIDE, SIDE))
    side = SIDE
    rows = ""
    for stage, depth in enumerate(_DEPTHS):
        key = f"downsample_layers.{stage}"
        if stage:
            rows = _layer_norm(graph, rows, weights, f"{key}.0")
            value = _picture(graph, rows, side)
        name = f"{key}.{1 if stage else 0}"
        kernel = weights[f"{name}.weight"]
        step = kernel.shape[-1]
        value = graph.conv(value, kernel, weights[f"{name}.bias"], 0, strides=[step, step])
        side //= step
        rows = _rows(graph, value, side)
        if not stage:
            rows = _layer_norm(graph, rows, weights, f"{key}.1")
        for block in range(depth):
            rows = _block(graph, rows, weights, f"stages.{stage}.{block}", side)
    mean = graph.op("ReduceMean", rows, axes=[0], keepdims=1)
    _heads(graph, _layer_norm(graph, mean, weights, "norm"), weights)
    return graph.model()


def _block(graph: Graph, rows: str, weights: Weights, key: str, side: int) -> str:
    """One block of pixels in rows (side * side, C)."""
    kernel = weights[f"{key}.dwconv.weight"]
    out = graph.conv(
        _picture(graph, rows, side), kernel, weights[f"{key}.dwconv.bias"], 3, group=len(kernel)
    )
    out = _layer_norm(graph, _rows(graph, out, side), weights, f"{key}.norm")
    out = linear(graph, out, weights[f"{key}.pwconv1.weight"], weights[f"{key}.pwconv1.bias"])
    out = _gelu(graph, out)
    # The response norm multiplies every channel by 1 + gamma * N; its beta is added by the bias.
    strength = graph.op("ReduceL2", out, axes=[0], keepdims=1)
    mean = graph.op("ReduceMean", strength, axes=[1], keepdims=1)
    share = graph.op("Div", strength, graph.op("Add", mean, graph.constant(_EPSILON)))
    gamma = graph.constant(weights[f"{key}.grn.gamma"].reshape(1, -1))
    factor = graph.op("Add", graph.op("Mul", share, gamma), graph.constant(1))
    second = weights[f"{key}.pwconv2.weight"]
    bias = weights[f"{key}.pwconv2.bias"] + second @ weights[f"{key}.grn.beta"].reshape(-1)
    out = linear(graph, graph.op("Mul", out, factor), second, bias)
    return graph.op("Add", out, rows)


def _heads(graph: Graph, mean: str, weights: Weights) -> None:
    """All that the network says, from the pixels' mean (1, 768)."""

    def head(name: str) -> str:
        return linear(graph, mean, weights[f"fc_{name}.weight"], weights[f"fc_{name}.bias"])

    degrees = graph.constant(3 * np.arange(_BINS).reshape(-1, 1) - 97.5)
    for name in ("pitch", "yaw", "roll"):
        shares = graph.op("Softmax", head(name), axis=1)
        graph.output(name, graph.reshape(graph.op("MatMul", shares, degrees), 1), (1,))
    graph.output("scale", head("scale"), (1, 1))
    graph.output("t", head("t"), (1, 3))
    for name in ("kp", "exp"):
        graph.output(name, graph.reshape(head(name), 1, KEYPOINTS, 3), (1, KEYPOINTS, 3))


def linear(graph: Graph, rows: str, weight: Floats, bias: Floats) -> str:
    """Rows (N, I) times a matrix (O, I), plus a bias (O,): (N, O)."""
    return graph.op("Gemm", rows, graph.constant(weight), graph.constant(bias), transB=1)


def _layer_norm(graph: Graph, rows: str, weights: Weights, key: str) -> str:
    parts = [graph.constant(weights[f"{key}.{part}"]) for part in ("weight", "bias")]
    return graph.op("LayerNormalization", rows, *parts, axis=-1, epsilon=_EPSILON)


def _gelu(graph: Graph, value: str) -> str:
    """The exact one. ONNX Runtime knows these five nodes and computes them at once."""
    error = graph.op("Erf", graph.op("Div", value, graph.constant(np.sqrt(2))))
    out = graph.op("Mul", value, graph.op("Add", error, graph.constant(1)))
    return graph.op("Mul", out, graph.constant(0.5))


def _rows(graph: Graph, picture: str, side: int) -> str:
    """(1, C, side, side) as (side * side, C)."""
    return graph.op("Transpose", graph.reshape(picture, -1, side * side), perm=[1, 0])


def _picture(graph: Graph, rows: str, side: int) -> str:
    """(side * side, C) as (1, C, side, side)."""
    return graph.reshape(graph.op("Transpose", rows, perm=[1, 0]), 1, -1, side, side)
