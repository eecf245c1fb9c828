"""Networks with 8-bit integers, for processors that multiply them fast."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
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


def to_integers(
    model: onnx.ModelProto,
    target: Path,
    inputs: Iterable[Feeds],
    kinds: Sequence[str],
    *,
    nodes: Sequence[str] | None = None,
    full: bool = False,
) -> None:
    """Write a copy of `model` that computes with integers.

    Weights get a scale for each output channel, activations one scale each, from the range that
    they have for `inputs`.

    Args:
        model: in float32.
        target: the file to write.
        inputs: such as those to come.
        kinds: the operators that compute with integers.
        nodes: the names of those that do; None for all of these kinds.
        full: use all 8 bits of the weights. Only for processors with dot products of bytes (VNNI
            and the like); others may overflow, so that one bit is left out.
    """
    source = target.with_suffix(".float.onnx")
    onnx.save(model, source)
    level = logging.root.level
    try:
        logging.root.setLevel(logging.ERROR)  # It advises steps that do not apply here.
        quantize_static(
            source,
            target,
            _Inputs(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(kinds),
            nodes_to_quantize=None if nodes is None else list(nodes),
            per_channel=True,
            reduce_range=not full,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    finally:
        logging.root.setLevel(level)
        source.unlink(missing_ok=True)


class _Inputs(CalibrationDataReader):  # type: ignore[misc]
    """Gives the inputs one by one."""

    def __init__(self, inputs: Iterable[Feeds]) -> None:
        self._inputs = iter(inputs)

    def get_next(self) -> Any:
        """The next inputs, or None after the last."""
        return next(self._inputs, None)
