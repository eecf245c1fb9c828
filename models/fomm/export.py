"""From the weights of a checkpoint to the three ONNX graphs that animate.

- `detect`: picture -> values, jacobians.
- `encode_source`: picture -> features, small.
- `render`: features, small, source_values, source_jacobians, values, jacobians -> prediction, and
  deformation, mask and occlusion_map for those who want to look inside.

All are float32 outside; pictures are (1, 3, side, side), RGB, 0..1, 256 in the official ones.
"""

from __future__ import annotations

import numpy as np
import onnx

from models import winograd
from models.fomm.config import KEYPOINTS, TEMPERATURE, VARIANCE, Config
from models.fomm.graph import hourglass
from models.onnx_graph import (
    Graph,
    Weights,
    down,
    few_channels,
    folded,
    scale_and_shift,
    up,
)
from models.types import Floats

_K = KEYPOINTS


def detect_graph(weights: Weights, config: Config, half: bool = False) -> onnx.ModelProto:
    """The keypoint detector.

    Args:
        weights: of a checkpoint's `kp_detector`.
        config: what they were trained as.
        half: compute the convolutions in float16.
    """
    graph = Graph("detect", half)
    picture = graph.input("picture", (1, 3, config.side, config.side))
    small = graph.narrow(graph.blur(picture, weights["down.weight"]))
    parts = hourglass(graph, small, weights, "predictor", [0, 1, 2])
    features = graph.op("Concat", *parts, axis=1)
    kernel = np.concatenate([weights["kp.weight"], weights["jacobian.weight"]])
    bias = np.concatenate([weights["kp.bias"], weights["jacobian.bias"]])
    scale = np.where(np.arange(len(bias)) < _K, np.float32(1 / TEMPERATURE), np.float32(1))
    maps = graph.widen(graph.conv(features, kernel * scale[:, None, None, None], bias * scale, 0))
    side = config.small - kernel.shape[-1] + 1
    split = graph.constant([_K, 4 * config.jacobian_maps], np.int64)
    heat, local = graph.ops("Split", [maps, split], 2, axis=1)
    heat = graph.op("Softmax", graph.reshape(heat, 1, _K, side * side), axis=2)
    values = graph.op("MatMul", heat, graph.constant(_grid(side).reshape(2, -1).T))
    local = graph.reshape(local, 1, config.jacobian_maps, 4, side * side)
    column = graph.reshape(heat, 1, _K, side * side, 1)
    jacobians = graph.reshape(graph.op("MatMul", local, column), 1, _K, 2, 2)
    graph.output("values", values, (1, _K, 2))
    graph.output("jacobians", jacobians, (1, _K, 2, 2))
    return graph.model()


def encode_graph(weights: Weights, config: Config, half: bool = False) -> onnx.ModelProto:
    """The part of the generator that sees only the source.

    Args:
        weights: of a checkpoint's `generator`.
        config: what they were trained as.
        half: compute the convolutions in float16.
    """
    graph = Graph("encode_source", half)
    picture = graph.input("picture", (1, 3, config.side, config.side))
    small = graph.blur(picture, weights["dense_motion_network.down.weight"])
    kernel, bias = folded(weights, "first.conv", "first.norm")
    out = graph.op("Relu", graph.conv(graph.narrow(picture), kernel, bias, 3))
    for i in range(config.shape.generator.levels):
        kernel, bias = folded(weights, f"down_blocks.{i}.conv", f"down_blocks.{i}.norm")
        out = down(graph, out, kernel, bias)
    channels, side = config.features
    graph.output("features", graph.widen(out), (1, channels, side, side))
    graph.output("small", small, (1, 3, config.small, config.small))
    return graph.model()


def render_graph(
    weights: Weights, config: Config, half: bool = False, tiled: bool = True
) -> onnx.ModelProto:
    """Dense motion and the part of the generator that runs for every frame.

    Args:
        weights: of a checkpoint's `generator`.
        config: what they were trained as.
        half: compute the convolutions in float16.
        tiled: write the generator with `winograd`, which is faster on a CPU, but whose transforms
            cost precision that float16 and integers do not have.
    """
    graph = Graph("render", half)
    channels, side = config.features
    features = graph.input("features", (1, channels, side, side))
    small = graph.input("small", (1, 3, side, side))
    deformation, mask, occlusion = _dense_motion(graph, small, weights, config)
    paint = _paint_tiled if tiled and not half else _paint
    out = paint(graph, features, deformation, occlusion, weights, config)
    graph.output("prediction", graph.op("Sigmoid", out), (1, 3, config.side, config.side))
    graph.output("deformation", deformation, (1, side, side, 2))
    graph.output("mask", mask, (1, _K + 1, side, side))
    graph.output("occlusion_map", occlusion, (1, 1, side, side))
    return graph.model()


def _paint(
    graph: Graph, features: str, deformation: str, occlusion: str, weights: Weights, config: Config
) -> str:
    """The picture before its sigmoid: warped features, hidden where needed, and repainted."""
    value = _grid_sample(graph, features, deformation, config)
    value = graph.narrow(graph.op("Mul", value, occlusion))
    for i in range(config.shape.bottleneck):
        key = f"bottleneck.r{i}"
        out = graph.norm_relu(value, weights, f"{key}.norm1")
        out = graph.conv(out, *folded(weights, f"{key}.conv1", f"{key}.norm2"), 1)
        out = graph.op("Relu", out)
        out = graph.conv(out, weights[f"{key}.conv2.weight"], weights[f"{key}.conv2.bias"], 1)
        value = graph.op("Add", out, value)
    for i in range(config.shape.generator.levels):
        value = up(graph, value, *folded(weights, f"up_blocks.{i}.conv", f"up_blocks.{i}.norm"))
    return graph.widen(graph.conv(value, weights["final.weight"], weights["final.bias"], 3))


def _paint_tiled(
    graph: Graph, features: str, deformation: str, occlusion: str, weights: Weights, config: Config
) -> str:
    """The same with a quarter of the products; see `winograd`."""
    channels, side = config.features
    count = side // 4
    places = winograd.from_rows(graph, deformation, count, 2)
    warped = _grid_sample(graph, features, graph.reshape(places, 1, side * side, 1, 2), config)
    value = graph.op("Transpose", graph.reshape(warped, channels, side * side), perm=[1, 0])
    value = graph.reshape(value, 4, 4, count, count, channels)
    value = graph.op("Mul", value, winograd.from_rows(graph, occlusion, count, 1))
    for i in range(config.shape.bottleneck):
        key = f"bottleneck.r{i}"
        scale, shift = scale_and_shift(weights, f"{key}.norm1")
        out = graph.op("Mul", value, graph.constant(scale))
        out = graph.op("Relu", graph.op("Add", out, graph.constant(shift)))
        kernel, bias = folded(weights, f"{key}.conv1", f"{key}.norm2")
        out = graph.op("Relu", winograd.conv(graph, out, kernel, bias, count))
        kernel, bias = weights[f"{key}.conv2.weight"], weights[f"{key}.conv2.bias"]
        value = graph.op("Add", winograd.conv(graph, out, kernel, bias, count), value)
    for i in range(config.shape.generator.levels):
        kernel, bias = folded(weights, f"up_blocks.{i}.conv", f"up_blocks.{i}.norm")
        value = graph.op("Relu", winograd.up_conv(graph, value, kernel, bias, count))
        count *= 2
    picture = winograd.to_picture(graph, value, count, kernel.shape[0])
    return few_channels(graph, picture, weights["final.weight"], weights["final.bias"])


def _dense_motion(
    graph: Graph, small: str, weights: Weights, config: Config
) -> tuple[str, str, str]:
    """Deformation, mask and occlusion map, all in float32; see `networks.Motion`."""
    key = "dense_motion_network"
    side = config.small
    heat, motions = _motions(graph, side)
    places = graph.reshape(graph.op("Transpose", motions, perm=[0, 1, 3, 2]), 1, -1, side, 2)
    # All motions warp the one picture: one tall sampling grid, so that nothing is repeated.
    warped = graph.reshape(_grid_sample(graph, small, places, config), 1, 3 * (_K + 1), side, side)
    value = graph.narrow(graph.op("Concat", heat, warped, axis=1))
    # The official input has for each keypoint a heatmap and the warped R, G and B. Here heatmaps
    # come first, without the background's, which is zero; then all R, all G and all B.
    colours = [4 * k + c for c in (1, 2, 3) for k in range(_K + 1)]
    order = [4 * k for k in range(1, _K + 1)] + colours
    out, skip = hourglass(graph, value, weights, f"{key}.hourglass", order)
    joined = graph.op("Concat", out, skip, axis=1)
    kernel = np.concatenate([weights[f"{key}.mask.weight"], weights[f"{key}.occlusion.weight"]])
    bias = np.concatenate([weights[f"{key}.mask.bias"], weights[f"{key}.occlusion.bias"]])
    inside = kernel.shape[1] - 4 * (_K + 1)
    kernel = np.concatenate([kernel[:, :inside], kernel[:, inside:][:, order]], 1)
    maps = graph.widen(graph.conv(joined, kernel, bias, 3))
    mask, occlusion = graph.ops("Split", [maps, graph.constant([_K + 1, 1], np.int64)], 2, axis=1)
    mask = graph.op("Softmax", mask, axis=1)
    shares = graph.reshape(mask, 1, _K + 1, 1, side * side)
    total = graph.op(
        "ReduceSum", graph.op("Mul", shares, motions), graph.constant([1], np.int64), keepdims=0
    )
    field = graph.reshape(graph.op("Transpose", total, perm=[0, 2, 1]), 1, side, side, 2)
    return field, mask, graph.op("Sigmoid", occlusion)


def _motions(graph: Graph, side: int) -> tuple[str, str]:
    """Heatmaps (1, 10, side, side), and motions of background and keypoints (1, 11, 2, area)."""
    source = graph.reshape(graph.input("source_values", (1, _K, 2)), 1, _K, 2, 1)
    turned = graph.input("source_jacobians", (1, _K, 2, 2))
    driving = graph.reshape(graph.input("values", (1, _K, 2)), 1, _K, 2, 1)
    turn = graph.op("MatMul", turned, _inverse(graph, graph.input("jacobians", (1, _K, 2, 2))))
    here = graph.constant(_grid(side).reshape(1, 1, 2, side * side))
    offset = graph.op("Sub", here, driving)
    moved = graph.op("Add", graph.op("MatMul", turn, offset), source)
    motions = graph.op("Concat", here, moved, axis=1)
    bumps = [_gaussian(graph, offset), _gaussian(graph, graph.op("Sub", here, source))]
    return graph.reshape(graph.op("Sub", *bumps), 1, _K, side, side), motions


def _gaussian(graph: Graph, offset: str) -> str:
    squared = graph.op("Mul", offset, offset)
    distance = graph.op("ReduceSum", squared, graph.constant([2], np.int64), keepdims=0)
    return graph.op("Exp", graph.op("Mul", distance, graph.constant(-0.5 / VARIANCE)))


def _inverse(graph: Graph, matrices: str) -> str:
    """The inverses of (1, 10, 2, 2) matrices in closed form."""
    a, b, c, d = graph.ops("Split", [graph.reshape(matrices, 1, _K, 4)], 4, axis=2)
    determinant = graph.op("Sub", graph.op("Mul", a, d), graph.op("Mul", b, c))
    turned = graph.op("Concat", d, graph.op("Neg", b), graph.op("Neg", c), a, axis=2)
    return graph.reshape(graph.op("Div", turned, determinant), 1, _K, 2, 2)


def _grid_sample(graph: Graph, picture: str, places: str, config: Config) -> str:
    return graph.op(
        "GridSample",
        picture,
        places,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=int(config.align_corners),
    )


def _grid(side: int) -> Floats:
    """(2, side, side): x and y of every pixel, the borders' centres at -1 and 1."""
    line = (2 * np.arange(side) / (side - 1) - 1).astype(np.float32)
    return np.stack(np.broadcast_arrays(line[None], line[:, None]))
