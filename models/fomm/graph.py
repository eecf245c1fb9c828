"""The network that both parts of the First Order Motion Model contain, as ONNX."""

from __future__ import annotations

from collections.abc import Sequence

from models.onnx_graph import Graph, Weights, down, folded, up


def hourglass(
    graph: Graph, value: str, weights: Weights, key: str, order: Sequence[int]
) -> list[str]:
    """An hourglass network.

    Args:
        graph: grows by it.
        value: what goes in.
        weights: of the checkpoint's part that it belongs to.
        key: its name there.
        order: the places in the official input of the channels of `value`.

    Returns:
        The parts to be joined: what the decoder gives, then the input.
    """
    kept = [value]
    levels = sum(
        name.startswith(f"{key}.encoder.") and name.endswith("conv.bias") for name in weights
    )
    for i in range(levels):
        block = f"{key}.encoder.down_blocks.{i}"
        kernel, bias = folded(weights, f"{block}.conv", f"{block}.norm")
        if i == 0:
            kernel = kernel[:, list(order)]
        kept.append(down(graph, kept[-1], kernel, bias))
    out = kept.pop()
    for i in range(levels):
        block = f"{key}.decoder.up_blocks.{i}"
        kernel, bias = folded(weights, f"{block}.conv", f"{block}.norm")
        out = up(graph, out, kernel, bias)
        if i < levels - 1:
            out = graph.op("Concat", out, kept.pop(), axis=1)
    return [out, value]
