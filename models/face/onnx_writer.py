"""Writes ONNX files: just enough of their protocol buffers for small float networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from numpy.typing import NDArray

_IR_VERSION = 8
_OPSET = 17
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_INT, _INTS = 2, 7  # AttributeProto.AttributeType


class OnnxWriter:
    """Collects the nodes of a graph of float32 values; each value is known by its name."""

    def __init__(self) -> None:
        """An empty graph."""
        self._inputs: list[bytes] = []
        self._constants: list[bytes] = []
        self._nodes: list[bytes] = []

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Declare an input and return its name."""
        self._inputs.append(_value(name, shape))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant, float32 or int64, and return its name."""
        name = f"c{len(self._constants)}"
        kind = _INT64 if array.dtype.kind == "i" else _FLOAT
        data = array.astype("<i8" if kind == _INT64 else "<f4").tobytes()
        dims = b"".join(_int(1, size) for size in array.shape)
        self._constants.append(dims + _int(2, kind) + _text(8, name) + _bytes(9, data))
        return name

    def node(self, kind: str, inputs: Iterable[str], **attributes: int | Sequence[int]) -> str:
        """Add an operator with one output and return the output's name."""
        name = f"v{len(self._nodes)}"
        parts = [_text(1, value) for value in inputs] + [_text(2, name), _text(4, kind)]
        for key, setting in attributes.items():
            if isinstance(setting, int):
                body = _int(3, setting) + _int(20, _INT)
            else:
                body = b"".join(_int(8, item) for item in setting) + _int(20, _INTS)
            parts.append(_bytes(5, _text(1, key) + body))
        self._nodes.append(b"".join(parts))
        return name

    def finish(self, outputs: Sequence[tuple[str, Sequence[int]]]) -> bytes:
        """The file (a ModelProto); `outputs` holds the name and shape of each output."""
        graph = (
            b"".join(_bytes(1, node) for node in self._nodes)
            + _text(2, "network")
            + b"".join(_bytes(5, constant) for constant in self._constants)
            + b"".join(_bytes(11, value) for value in self._inputs)
            + b"".join(_bytes(12, _value(name, shape)) for name, shape in outputs)
        )
        opset = _text(1, "") + _int(2, _OPSET)
        return _int(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, opset)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _int(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _int(1, _FLOAT) + _bytes(2, dims)))


def _varint(number: int) -> bytes:
    number %= 1 << 64  # negative numbers are written in two's complement
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _int(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())
