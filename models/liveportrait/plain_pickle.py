"""Reading a stranger's pickle as data: numbers, texts, lists, dictionaries and arrays of numbers.

A pickle names what it calls, so one that is read as usual can run any program. Here the only names
that mean anything are those that arrays are written with, and they mean classes of this file, which
do nothing but hold numbers; numpy itself is never called with what a file says.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from typing import Any

import numpy as np


def load(data: bytes, most: int) -> Any:
    """What a pickle holds; arrays are `Array`.

    Args:
        data: the file.
        most: instructions that it may have.

    Raises:
        Refused: it would do more than hold data.
        Exception: of nearly any other kind: it is damaged, too long or no pickle.
    """
    # Every length and number in it first: the unpickler reserves memory by what it is told.
    for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        place = int(argument) if argument is not None and "PUT" in opcode.name else 0
        if step > most or place > len(data):
            raise ValueError("the pickle is too long")
    return _Plain(io.BytesIO(data)).load()


class Refused(Exception):
    """A pickle names something that data does not need, or misuses what it may name."""


class _Maker:
    """Something that a pickle may call; it cannot be changed by what is in the pickle."""

    __slots__ = ("_make",)
    _make: Any

    def __init__(self, make: Any) -> None:
        object.__setattr__(self, "_make", make)

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setattr__(self, name: str, value: Any) -> None:
        raise Refused

    def __setstate__(self, state: Any) -> None:
        raise Refused


_NUMBERS = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"))
"""Kinds of numbers, by numpy's names for them."""


class _Kind:
    """The kind of numbers of a pickled array."""

    __slots__ = ("code",)

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or code.lstrip("<>=|") not in _NUMBERS:
            raise Refused
        self.code = code

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if order not in ("<", ">", "=", "|"):
            raise Refused
        self.code = order + self.code.lstrip("<>=|")

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.code)


class Array:
    """A pickled array.

    Attributes:
        values: its numbers.
    """

    __slots__ = ("values",)

    def __init__(self) -> None:
        self.values = np.zeros(0, np.float32)

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused
        _, shape, kind, fortran, data = state
        self.values = _numbers(data, kind, shape, "F" if fortran else "C")


def _numbers(data: Any, kind: Any, shape: Any, order: Any = "C") -> Any:
    """(shape) numbers from their bytes.

    Raises:
        Refused: they are none.
    """
    if not isinstance(data, (bytes, bytearray)) or not isinstance(kind, _Kind):
        raise Refused
    sides = shape if isinstance(shape, tuple) else (shape,)
    if len(sides) > 8 or not all(type(side) is int and side >= 0 for side in sides):
        raise Refused
    if math.prod(sides) * kind.dtype().itemsize != len(data):
        raise Refused
    flat = np.frombuffer(data, kind.dtype())
    return flat.reshape(sides, order="F" if order == "F" else "C")


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any) -> Array:
    array = Array()
    array.values = _numbers(data, kind, shape, order)
    return array


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused
    return text.encode("latin-1")


_KNOWN = {
    "ndarray": _Maker(lambda *_: Array()),
    "dtype": _Maker(_Kind),
    "_reconstruct": _Maker(lambda *_: Array()),
    "scalar": _Maker(lambda kind, data: _numbers(data, kind, ()).item()),
    "_frombuffer": _Maker(_frombuffer),
    "encode": _Maker(_encode),
}
_NAMES = {
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),
    "numpy.core.numeric": ("_frombuffer",),
    "numpy._core.numeric": ("_frombuffer",),
    "_codecs": ("encode",),
}
"""What a template may name, by its modules: arrays as all versions of numpy write them."""


class _Plain(pickle.Unpickler):
    """Reads numbers, texts, lists, dictionaries and arrays, and runs nothing of the file's."""

    def find_class(self, module: str, name: str, /) -> Any:
        if name in _NAMES.get(module, ()):
            return _KNOWN[name]
        raise Refused

    def persistent_load(self, pid: Any, /) -> Any:
        raise Refused
