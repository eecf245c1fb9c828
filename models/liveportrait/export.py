"""From the official weights to the ONNX graphs that animate.

- `features`: picture -> features, once for each avatar.
- `motion`: picture -> pitch, yaw, roll, scale, t, kp, exp.
- `stitching`: keypoints -> delta; `lip` and `eye`: features -> delta.
- `warp`: features, source, driving -> warped; `generator`: warped -> prediction; `render` is both,
  so that a frame is one upload and one download.

All are float32 outside, of one item, and of operators that TensorRT, CUDA, CoreML, DirectML and
OpenVINO have; pictures are (1, 3, 256, 256), RGB, 0..1, and the prediction (1, 3, 512, 512).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import onnx

from models.liveportrait.config import KEYPOINTS, OUTPUT, SIDE
from models.liveportrait.generator_graph import Painter, generate
from models.liveportrait.motion_graph import linear, motion_graph
from models.liveportrait.volume import CHANNELS, DEPTH, SMALL, flat_kernel, with_neighbours
from models.liveportrait.warp_graph import WARPED, Warp, warp
from models.onnx_graph import Graph, Weights, down, folded, scale_and_shift

NETWORKS = ("features", "motion", "stitching", "lip", "eye", "warp", "generator", "render")
"""The names of the graphs."""

_BLOCKS = 6
"""Residual blocks of the features' volume."""

_VALUES = {
    "stitching": ("keypoints", 6 * KEYPOINTS),
    "lip": ("features", 65),
    "eye": ("features", 66),
}
"""Inputs of the three small networks: name and count."""


def build(
    weights: Mapping[str, Weights], half: bool = False, only: Iterable[str] = NETWORKS
) -> dict[str, onnx.ModelProto]:
    """The graphs by name.

    Args:
        weights: by module and official key.
        half: compute the large convolutions in float16; motion and the small networks never do.
        only: the graphs that are wanted.
    """
    makers = {
        "features": lambda: features_graph(weights["appearance_feature_extractor"], half),
        "motion": lambda: motion_graph(weights["motion_extractor"]),
        "warp": lambda: warp_graph(weights["warping_module"], half),
        "generator": lambda: generator_graph(weights["spade_generator"], half),
        "render": lambda: render_graph(weights["warping_module"], weights["spade_generator"], half),
    }
    return {
        name: makers[name]() if name in makers else small_graph(name, weights[name])
        for name in NETWORKS
        if name in only
    }


def features_graph(weights: Weights, half: bool = False) -> onnx.ModelProto:
    """The volume of what the source looks like."""
    graph = Graph("features", half)
    value = graph.narrow(graph.input("picture", (1, 3, SIDE, SIDE)))
    value = graph.op("Relu", graph.conv(value, *folded(weights, "first.conv", "first.norm"), 1))
    for i in range(2):
        key = f"down_blocks.{i}"
        value = down(graph, value, *folded(weights, f"{key}.conv", f"{key}.norm"))
    value = graph.conv(value, weights["second.weight"], weights["second.bias"], 0)
    # (512, 64, 64) is (32, 16, 64, 64); here the slices come first.
    value = graph.op(
        "Transpose", graph.reshape(value, CHANNELS, DEPTH, SMALL, SMALL), perm=[1, 0, 2, 3]
    )
    for i in range(_BLOCKS):
        key = f"resblocks_3d.3dr{i}"
        scale, shift = (
            graph.number(one.reshape(1, -1, 1, 1))
            for one in scale_and_shift(weights, f"{key}.norm1")
        )
        out = graph.op("Relu", graph.op("Add", graph.op("Mul", value, scale), shift))
        kernel, bias = folded(weights, f"{key}.conv1", f"{key}.norm2")
        out = with_neighbours(graph, out, 3)
        out = graph.op("Relu", graph.conv(out, flat_kernel(kernel), bias, 1))
        out = with_neighbours(graph, out, 3)
        out = graph.conv(
            out, flat_kernel(weights[f"{key}.conv2.weight"]), weights[f"{key}.conv2.bias"], 1
        )
        value = graph.op("Add", value, out)
    value = graph.op("Transpose", graph.widen(value), perm=[1, 0, 2, 3])
    shape = (1, CHANNELS, DEPTH, SMALL, SMALL)
    graph.output("features", graph.reshape(value, *shape), shape)
    return graph.model()


def small_graph(name: str, weights: Weights) -> onnx.ModelProto:
    """Stitching, or the retargeting of lips or eyes: layers with ReLUs between them."""
    graph = Graph(name)
    what, count = _VALUES[name]
    value = graph.input(what, (1, count))
    layers = sorted({int(key.split(".")[1]) for key in weights})
    for layer in layers:
        weight, bias = (weights[f"mlp.{layer}.{part}"] for part in ("weight", "bias"))
        value = linear(graph, value, weight, bias)
        if layer != layers[-1]:
            value = graph.op("Relu", value)
    graph.output("delta", value, (1, len(bias)))
    return graph.model()


def _warp(graph: Graph, weights: Weights) -> Warp:
    features = graph.input("features", (1, CHANNELS, DEPTH, SMALL, SMALL))
    source, driving = (graph.input(name, (1, KEYPOINTS, 3)) for name in ("source", "driving"))
    return warp(graph, features, source, driving, weights)


def warp_graph(weights: Weights, half: bool = False, inside: bool = False) -> onnx.ModelProto:
    """The features moved to the driving keypoints.

    Args:
        weights: of the warping module.
        half: compute the convolutions in float16.
        inside: also give the mask, the deformation and the occlusion map, in the official shapes.
    """
    graph = Graph("warp", half)
    made = _warp(graph, weights)
    graph.output("warped", graph.widen(made.warped), (1, WARPED, SMALL, SMALL))
    if inside:
        entries = KEYPOINTS + 1
        mask = graph.op("Transpose", made.mask, perm=[1, 0, 2, 3])
        shape = (1, entries, DEPTH, SMALL, SMALL)
        graph.output("mask", graph.reshape(mask, *shape), shape)
        places = graph.op("Transpose", made.places, perm=[0, 2, 1])
        shape = (1, DEPTH, SMALL, SMALL, 3)
        graph.output("deformation", graph.reshape(places, *shape), shape)
        graph.output("occlusion", made.occlusion, (1, 1, SMALL, SMALL))
    return graph.model()


def generator_graph(weights: Weights, half: bool = False) -> onnx.ModelProto:
    """The picture of moved features."""
    graph = Graph("generator", half)
    warped = graph.narrow(graph.input("warped", (1, WARPED, SMALL, SMALL)))
    value = generate(graph, Painter(graph), warped, weights)
    graph.output("prediction", value, (1, 3, OUTPUT, OUTPUT))
    return graph.model()


def render_graph(warping: Weights, painting: Weights, half: bool = False) -> onnx.ModelProto:
    """Both in one."""
    graph = Graph("render", half)
    warped = _warp(graph, warping).warped
    graph.output(
        "prediction", generate(graph, Painter(graph), warped, painting), (1, 3, OUTPUT, OUTPUT)
    )
    return graph.model()
