"""Graphs whose half precision gives no numbers, and devices that fail."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.onnx_engine import OnnxNetworks
from models.runtime import Precision, Runtime

pytest.importorskip("onnx", reason="needs onnx")


class Doubler(OnnxNetworks):
    """One network, "render", that doubles a number."""

    def __call__(self, number: float) -> float:
        def compute(runtime: Runtime) -> float:
            feeds = {"x": np.array([[number]], np.float32)}
            (found,) = runtime.sessions["render"].run(feeds, ["y"])
            if not np.isfinite(found).all():
                raise FloatingPointError("no number")
            return float(found[0, 0])

        return self._compute(compute)

    @property
    def precision(self) -> str:
        return self._runtime.precision


def graph(factor: float) -> bytes:
    from models.onnx_graph import Graph

    made = Graph("render")
    value = made.op("Mul", made.input("x", (1, 1)), made.constant([factor]))
    made.output("y", value, (1, 1))
    data: bytes = made.model().SerializeToString()
    return data


@pytest.fixture
def files() -> Iterator[dict[Precision, bytes]]:
    # With ten and more it leaves the range of numbers, as half precision does.
    yield {"fp32": graph(2), "int8": graph(3e38)}


def test_a_precision_that_gives_no_numbers_is_left_for_float32(
    files: dict[Precision, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AVATARIFY_DEVICE", "cpu")
    double = Doubler({"render": dict(files)}, {"render": {"x": np.ones((1, 1), np.float32)}}, "")
    assert double.precision == "int8"
    assert double(0.5) == pytest.approx(1.5e38)
    assert double(10) == 20 and double.precision == "fp32"
    assert double(0.5) == 1


def test_where_float32_gives_none_either_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATARIFY_DEVICE", "cpu")
    models: dict[str, dict[Precision, bytes]] = {"render": {"fp32": graph(3e38)}}
    double = Doubler(models, {"render": {"x": np.ones((1, 1), np.float32)}}, "")
    with pytest.raises(FloatingPointError):
        double(10)
