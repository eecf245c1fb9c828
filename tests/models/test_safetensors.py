"""Arrays come out of .safetensors files, and nothing that lies outside of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import safetensors

ARRAY = np.array([[1.5, -2.0, 0.25]], np.float32)


def file_of(path: Path, header: Any, data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(**changed: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [1, 3], "data_offsets": [0, 12], **changed}


@pytest.mark.parametrize(("kind", "stored"), [("F32", "<f4"), ("F16", "<f2"), ("F64", "<f8")])
def test_arrays_of_every_precision_come_as_float32(tmp_path: Path, kind: str, stored: str) -> None:
    data = b"skip" + ARRAY.astype(stored).tobytes()
    header = {
        "__metadata__": {"format": "pt"},
        "a.weight": entry(dtype=kind, data_offsets=[4, len(data)]),
        "count": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]},
    }
    found = safetensors.load(file_of(tmp_path / "x.safetensors", header, data))
    assert list(found) == ["a.weight", "count"] and found["count"].shape == ()
    assert found["a.weight"].dtype == np.float32
    np.testing.assert_array_equal(found["a.weight"], ARRAY)


def test_bfloat16_comes_as_float32(tmp_path: Path) -> None:
    data = (ARRAY.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"a": entry(dtype="BF16", data_offsets=[0, 6])}
    found = safetensors.load(file_of(tmp_path / "x.safetensors", header, data))
    np.testing.assert_array_equal(found["a"], ARRAY)


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {"a": 3},
        {"a": entry(data_offsets=[0, 16])},
        {"a": entry(data_offsets=[4, 16], shape=[3])},
        {"a": entry(data_offsets=[12, 0])},
        {"a": entry(data_offsets=[0, 12, 0])},
        {"a": entry(data_offsets=[-12, 0])},
        {"a": entry(shape=[1, 4])},
        {"a": entry(shape=[-1, -3])},
        {"a": entry(shape=[1.0, 3.0])},
        {"a": entry(shape=[True, 3])},
        {"a": entry(shape=[1 << 40, 3])},
        {"a": entry(shape="13")},
        {"a": entry(dtype="F8")},
        {"a": entry(dtype=["F32"])},
        {"a": {}},
    ],
)
def test_what_does_not_fit_the_file_is_refused(tmp_path: Path, wrong: Any) -> None:
    path = file_of(tmp_path / "x.safetensors", wrong, ARRAY.tobytes())
    with pytest.raises(ValueError):
        safetensors.load(path)


@pytest.mark.parametrize("kept", [0, 7, 8, 20, -1])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: int) -> None:
    path = file_of(tmp_path / "x.safetensors", {"a": entry()}, ARRAY.tobytes())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError):
        safetensors.load(path)


@pytest.mark.parametrize("header", [b"[" * 100_000, b"\xff\xfe", b"{"])
def test_a_damaged_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError):
        safetensors.load(path)
