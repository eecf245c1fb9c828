"""The frame's network with 8-bit integers, for processors that multiply them fast."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)

from models.runtime import Feeds

_MOST_INSIDE = 64
"""Convolutions over fewer channels stay as they are: they cost little and lose most."""


def quantize(model: onnx.ModelProto, target: Path, frames: Sequence[Feeds], full: bool) -> None:
    """Write a copy of `model` whose convolutions compute with integers.

    Weights get a scale for each output channel, activations one scale each, from the range that
    they have in `frames`.

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
    source = target.with_suffix(".float.onnx")
    onnx.save(model, source)
    level = logging.root.level
    try:
        logging.root.setLevel(logging.ERROR)  # It advises steps that do not apply here.
        quantize_static(
            source,
            target,
            _Frames(frames),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_quantize=chosen,
            per_channel=True,
            reduce_range=not full,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.root.setLevel(level)
        source.unlink(missing_ok=True)


def multiplies_bytes_fast() -> bool:
    """Whether this processor has dot products of bytes; False if it cannot be told."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return any(flag in text for flag in ("avx512_vnni", "avx_vnni", "asimddp"))


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    """Gives the frames one by one."""

    def __init__(self, frames: Sequence[Feeds]) -> None:
        self._frames = iter(frames)

    def get_next(self) -> Any:
        """The next frame's inputs, or None after the last."""
        return next(self._frames, None)
