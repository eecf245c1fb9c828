"""The frame's network with 8-bit integers, for processors that multiply them fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from models.quantization import to_integers
from models.runtime import Feeds

_MOST_INSIDE = 64
"""Convolutions over fewer channels stay as they are: they cost little and lose most."""


def quantize(model: onnx.ModelProto, target: Path, frames: Sequence[Feeds], full: bool) -> None:
    """Write a copy of `model` whose convolutions compute with integers.

    Args:
        model: in float32, written without `winograd`.
        target: the file to write.
        frames: inputs of frames like those to come.
        full: use all 8 bits of the weights. Only for processors with dot products of bytes (VNNI
            and the like); others may overflow, so that one bit is left out.
    """
    constants = {value.name: value.dims for value in model.graph.initializer}
    chosen = [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and constants[node.input[1]][1] >= _MOST_INSIDE
        and constants[node.input[1]][2] <= 3
    ]
    to_integers(model, target, frames, ["Conv"], nodes=chosen, full=full)


def multiplies_bytes_fast() -> bool:
    """Whether this processor has dot products of bytes; False if it cannot be told."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return any(flag in text for flag in ("avx512_vnni", "avx_vnni", "asimddp"))
