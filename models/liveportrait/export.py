"""From the weights of the official networks to the ONNX graphs that animate.

- `features`: picture (1, 3, 256, 256) -> features (1, 32, 16, 64, 64); once per avatar.
- `motion`: picture -> pitch, yaw, roll (1,) in degrees, scale (1, 1), t (1, 3), kp and exp
  (1, 21, 3).
- `stitching`: keypoints (1, 126) -> delta (1, 65); `lip`: features (1, 65) -> delta (1, 63); `eye`:
  features (1, 66) -> delta (1, 63).
- `warp`: features, source, driving (1, 21, 3) -> warped (1, 256, 64, 64).
- `generator`: warped -> prediction (1, 3, 512, 512).
- `render`: both in one, so that a frame is one upload and one download: features, source, driving
  -> prediction.

All are float32 outside; pictures are RGB, 0..1. `motion` and the three small ones always compute
in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx

from models.liveportrait.config import KEYPOINTS, OUTPUT, SIDE
from models.liveportrait.engine import FEATURES, NETWORKS
from models.liveportrait.generator_graph import Painter, generate
from models.liveportrait.motion_graph import linear, motion_graph
from models.liveportrait.painters import PlainPainter, TiledPainter
from models.liveportrait.volume import CHANNELS, DEPTH, SMALL, flat_kernel, with_neighbours
from models.liveportrait.warp_graph import ENTRIES, WARPED, warp
from models.onnx_graph import Graph, Weights, down, folded

_RESIDUALS = 6
"""Of the blocks of the features' volume."""

_WARPED = (1, WARPED, SMALL, SMALL)
"""The shape of the moved features."""

_POINTS = (1, KEYPOINTS, 3)
"""The shape of keypoints."""

_PREDICTION = (1, 3, OUTPUT, OUTPUT)
"""The shape of the picture."""


def build(
    weights: Mapping[str, Weights], half: bool = False, names: Sequence[str] = NETWORKS
) -> dict[str, onnx.ModelProto]:
    """Write graphs.

    Args:
        weights: for each of the official modules its parameters by their official names.
        half: compute in float16 what may; see `engine.EXACT`.
        names: which graphs, also "warp" and "generator".

    Raises:
        KeyError: a parameter is missing, or there is no graph of a name.
    """
    makers: dict[str, Callable[[], onnx.ModelProto]] = {
        "features": lambda: features_graph(weights["appearance_feature_extractor"], half),
        "motion": lambda: motion_graph(weights["motion_extractor"]),
        "stitching": lambda: small_graph(weights["stitching"], "stitching", "keypoints"),
        "lip": lambda: small_graph(weights["lip"], "lip", "features"),
        "eye": lambda: small_graph(weights["eye"], "eye", "features"),
        "warp": lambda: warp_graph(weights["warping_module"], half),
        "generator": lambda: generator_graph(weights["spade_generator"], half),
        "render": lambda: render_graph(weights["warping_module"], weights["spade_generator"], half),
    }
    return {name: makers[name]() for name in names}


def features_graph(weights: Weights, half: bool = False) -> onnx.ModelProto:
    """The appearance network.

    Args:
        weights: of the appearance feature extractor.
        half: compute in float16.
    """
    graph = Graph("features", half)
    value = graph.narrow(graph.input("picture", (1, 3, SIDE, SIDE)))
    kernel, bias = folded(weights, "first.conv", "first.norm")
    value = graph.op("Relu", graph.conv(value, kernel, bias, 1))
    for i in range(2):
        key = f"down_blocks.{i}"
        value = down(graph, value, *folded(weights, f"{key}.conv", f"{key}.norm"))
    value = graph.conv(value, weights["second.weight"], weights["second.bias"], 0)
    value = graph.reshape(value, CHANNELS, DEPTH, SMALL, SMALL)
    value = graph.op("Transpose", value, perm=[1, 0, 2, 3])
    for i in range(_RESIDUALS):
        key = f"resblocks_3d.3dr{i}"
        out = with_neighbours(graph, graph.norm_relu(value, weights, f"{key}.norm1"), 3)
        kernel, bias = folded(weights, f"{key}.conv1", f"{key}.norm2")
        out = graph.op("Relu", graph.conv(out, flat_kernel(kernel), bias, 1))
        kernel, bias = weights[f"{key}.conv2.weight"], weights[f"{key}.conv2.bias"]
        out = graph.conv(with_neighbours(graph, out, 3), flat_kernel(kernel), bias, 1)
        value = graph.op("Add", out, value)
    value = graph.op("Transpose", graph.widen(value), perm=[1, 0, 2, 3])
    graph.output("features", graph.reshape(value, *FEATURES), FEATURES)
    return graph.model()


def small_graph(weights: Weights, name: str, takes: str) -> onnx.ModelProto:
    """One of the three small networks: fully connected layers with ReLUs between them.

    Args:
        weights: of the module.
        name: of the graph.
        takes: the name of its input.
    """
    graph = Graph(name)
    layers = sorted(int(key.split(".")[1]) for key in weights if key.endswith(".weight"))
    value = graph.input(takes, (1, weights[f"mlp.{layers[0]}.weight"].shape[1]))
    for layer in layers:
        if layer != layers[0]:
            value = graph.op("Relu", value)
        bias = weights[f"mlp.{layer}.bias"]
        value = linear(graph, value, weights[f"mlp.{layer}.weight"], bias)
    graph.output("delta", value, (1, len(bias)))
    return graph.model()


def warp_graph(
    weights: Weights, half: bool = False, inspect: bool = False, tiled: bool = True
) -> onnx.ModelProto:
    """The warping network alone.

    Args:
        weights: of the warping module.
        half: compute in float16 what may.
        inspect: give also mask (1, 22, 16, 64, 64), deformation (1, 16, 64, 64, 3) and occlusion
            (1, 1, 64, 64).
        tiled: see `render_graph`.
    """
    graph = Graph("warp", half)
    made = warp(graph, *_inputs(graph), weights, tiled)
    graph.output("warped", graph.widen(made.warped), _WARPED)
    if inspect:
        mask = graph.op("Transpose", made.mask, perm=[1, 0, 2, 3])
        volume = (1, ENTRIES, DEPTH, SMALL, SMALL)
        graph.output("mask", graph.reshape(mask, *volume), volume)
        places = graph.op("Transpose", made.places, perm=[0, 2, 1])
        field = (1, DEPTH, SMALL, SMALL, 3)
        graph.output("deformation", graph.reshape(places, *field), field)
        graph.output("occlusion", made.occlusion, (1, 1, SMALL, SMALL))
    return graph.model()


def generator_graph(weights: Weights, half: bool = False, tiled: bool = True) -> onnx.ModelProto:
    """The generator alone.

    Args:
        weights: of the generator.
        half: compute in float16 what may.
        tiled: see `render_graph`.
    """
    graph = Graph("generator", half)
    warped = graph.narrow(graph.input("warped", _WARPED))
    made = generate(graph, _painter(graph, warped, tiled), weights)
    graph.output("prediction", made, _PREDICTION)
    return graph.model()


def render_graph(
    warping: Weights, generator: Weights, half: bool = False, tiled: bool = True
) -> onnx.ModelProto:
    """All that runs for every frame.

    Args:
        warping: the weights of the warping module.
        generator: of the generator.
        half: compute in float16 what may.
        tiled: write the large convolutions in tiles, which is faster on a CPU, but whose transforms
            cost precision that float16 and integers do not have; see `winograd`.
    """
    graph = Graph("render", half)
    warped = warp(graph, *_inputs(graph), warping, tiled).warped
    made = generate(graph, _painter(graph, warped, tiled), generator)
    graph.output("prediction", made, _PREDICTION)
    return graph.model()


def _painter(graph: Graph, warped: str, tiled: bool) -> Painter:
    if tiled and not graph.half:
        return TiledPainter(graph, warped, WARPED)
    return PlainPainter(graph, warped)


def _inputs(graph: Graph) -> tuple[str, str, str]:
    source, driving = (graph.input(name, _POINTS) for name in ("source", "driving"))
    return graph.input("features", FEATURES), source, driving
