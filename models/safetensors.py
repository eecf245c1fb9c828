"""Reading .safetensors files: a length, a table of arrays in JSON, and the arrays as they are."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models.types import Floats

_LONGEST_HEADER = 100_000_000
"""Bytes: the limit that the format itself sets."""

_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
"""Names of types in safetensors to those of NumPy, which has no bfloat16."""


def load(path: Path) -> dict[str, Floats]:
    """The arrays of a .safetensors file by their names; as float32.

    Args:
        path: the file.

    Raises:
        ValueError: it is damaged, truncated or another kind of file.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise ValueError("it has no header")
        try:
            header = json.loads(file.read(length).decode("utf-8"))
        except RecursionError as error:
            raise ValueError("its header is damaged") from error
        if not isinstance(header, dict):
            raise ValueError("its header is no table")
        header.pop("__metadata__", None)
        return {
            str(key): _array(file, entry, 8 + length, size - 8 - length)
            for key, entry in header.items()
        }


def _array(file: BinaryIO, entry: object, start: int, room: int) -> Floats:
    """One array, after a check that what is said of it fits the file."""
    if not isinstance(entry, Mapping):
        raise ValueError("an entry of its header is no table")
    kind, shape, place = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise ValueError("an array is of an unknown type")
    if not isinstance(shape, list) or not isinstance(place, list) or len(place) != 2:
        raise ValueError("an array has no shape or no place")
    if any(type(number) is not int or number < 0 for number in [*shape, *place]):
        raise ValueError("a shape or a place is no whole number")
    stored = np.dtype(_TYPES[kind])
    count = math.prod(shape)
    first, last = place
    if not first <= last <= room or last - first != count * stored.itemsize:
        raise ValueError("an array lies outside the file")
    file.seek(start + first)
    data = file.read(last - first)
    values = np.frombuffer(data, stored)
    if kind == "BF16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.reshape(shape).astype(np.float32)
