"""Reads TFLite files: the tensors and operators of their first graph."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_TYPES = {0: np.float32, 1: np.float16, 2: np.int32}
"""The kinds whose constants are read, by the schema's TensorType."""


class Table:
    """A flatbuffer table: numbered fields, each at an offset that a vtable holds.

    The fields' numbers are those of TensorFlow Lite's schema (`schema.fbs`), from 0 on in the order
    in which it declares them. Reading beyond the file raises struct.error, ValueError or
    IndexError.
    """

    def __init__(self, data: bytes, position: int) -> None:
        """The table at byte `position` of `data`."""
        self._data = data
        self._position = position
        self._vtable = position - self._unpack("i", position)

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The outermost table of a file."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def number(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A scalar.

        Args:
            field: its number.
            kind: its letter in the struct module.
            default: what it is where the table leaves it out.
        """
        at = self._at(field)
        return self._unpack(kind, at) if at else default

    def table(self, field: int) -> Table | None:
        """The table that a field points to, if any."""
        at = self._at(field)
        return Table(self._data, self._follow(at)) if at else None

    def tables(self, field: int) -> list[Table]:
        """A list of tables."""
        offsets = self.array(field, np.uint32)
        start = self._follow(self._at(field)) + 4 if offsets.size else 0
        return [
            Table(self._data, start + 4 * i + offset) for i, offset in enumerate(offsets.tolist())
        ]

    def array(self, field: int, kind: type[np.generic]) -> Array:
        """A list of numbers, (n,); empty if the field is absent."""
        at = self._at(field)
        if not at:
            return np.empty(0, kind)
        start = self._follow(at)
        return np.frombuffer(self._data, kind, self._unpack("I", start), start + 4)

    def text(self, field: int) -> str:
        """A string."""
        return self.array(field, np.uint8).tobytes().decode()

    def _at(self, field: int) -> int:
        """Where the field's value lies, or 0 if the table leaves it out."""
        entry = 4 + 2 * field
        if entry >= self._unpack("H", self._vtable):
            return 0
        offset = self._unpack("H", self._vtable + entry)
        return self._position + offset if offset else 0

    def _follow(self, at: int) -> int:
        return at + self._unpack("I", at)

    def _unpack(self, kind: str, at: int) -> int:
        if at < 0:
            raise ValueError("an offset points before the file")
        return int(struct.unpack_from("<" + kind, self._data, at)[0])


@dataclass(frozen=True)
class Tensor:
    """A value of the graph.

    Attributes:
        name: the file's name for it.
        shape: its axes in TFLite's order; a picture is (N, H, W, C).
        data: the constant it holds, or None if an operator computes it.
    """

    name: str
    shape: tuple[int, ...]
    data: Array | None


@dataclass(frozen=True)
class Operator:
    """A step of the graph.

    Attributes:
        code: TFLite's BuiltinOperator.
        inputs: tensors' indices.
        outputs: tensors' indices.
        options: the table of the operator's own options, if it has any.
    """

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, field: int, kind: str = "i", default: int = 0) -> int:
        """A scalar of the operator's own options; the arguments are those of `Table.number`."""
        return default if self.options is None else self.options.number(field, kind, default)


@dataclass(frozen=True)
class Graph:
    """A network.

    Attributes:
        tensors: all values.
        operators: in the order to run them.
        inputs: tensors' indices.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]


def read(data: bytes) -> Graph:
    """The first graph of a TFLite file.

    Raises:
        struct.error, ValueError, IndexError, TypeError: the file is broken.
    """
    if data[4:8] != b"TFL3":
        raise ValueError("not a TFLite file")
    model = Table.root(data)
    # Old files have the code in a byte, new ones in an int; the unused one is the smaller.
    codes = [max(code.number(0, "b"), code.number(3)) for code in model.tables(1)]
    buffers = model.tables(4)
    graph = model.tables(2)[0]
    operators = tuple(
        Operator(
            codes[op.number(0, "I")],
            tuple(op.array(1, np.int32).tolist()),
            tuple(op.array(2, np.int32).tolist()),
            op.table(4),
        )
        for op in graph.tables(3)
    )
    tensors = tuple(_tensor(tensor, buffers) for tensor in graph.tables(0))
    return Graph(tensors, operators, tuple(graph.array(1, np.int32).tolist()))


def _tensor(table: Table, buffers: list[Table]) -> Tensor:
    shape = tuple(table.array(0, np.int32).tolist())
    raw = buffers[table.number(2, "I")].array(0, np.uint8)
    kind = _TYPES.get(table.number(1, "b"))
    if raw.size == 0 or kind is None:
        return Tensor(table.text(3), shape, None)
    return Tensor(table.text(3), shape, np.frombuffer(raw.tobytes(), kind).reshape(shape))
