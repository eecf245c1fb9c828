"""Calibration pictures, and the choice between integers and float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="needs onnx")

from models import frame_integers
from models.runtime import Feeds


class _Network:
    """Gives a picture after some time on the clock."""

    outputs = ("picture",)

    def __init__(self, clock: list[float], seconds: float, value: float) -> None:
        self._clock, self._seconds, self._value = clock, seconds, value

    def run(self, feeds: Feeds, outputs: Any, *, keep: bool = False) -> list[Any]:
        self._clock[0] += self._seconds
        return [np.full((1, 3, 4, 4), self._value, np.float32)]


@pytest.mark.parametrize("rough", [0.1, 0.3])
def test_integers_stay_only_where_they_are_faster(
    rough: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr("models.frame_integers.time.perf_counter", lambda: clock[0])
    target = tmp_path / "render.int8.onnx"
    target.write_bytes(b"graph")
    exact: Any = _Network(clock, 0.2, 0.5)
    integers: Any = _Network(clock, rough, 0.51)
    said = frame_integers.keep_if_faster(target, exact, integers, [{}, {}], "picture")
    assert f"{rough * 1e3:.0f} ms a frame against 200 in fp32" in said and "40.0 dB" in said
    assert target.exists() == (rough < 0.2)
    assert said.startswith("not kept") == (rough > 0.2)


def test_a_made_up_driver_moves_and_is_always_the_same() -> None:
    still = np.random.default_rng(0).uniform(0, 1, (1, 3, 64, 64)).astype(np.float32)
    pictures = frame_integers.moved(still)
    assert len(pictures) == frame_integers.FRAMES
    assert all(one.shape == still.shape and np.abs(one - still).mean() > 0.05 for one in pictures)
    again = frame_integers.moved(still)
    assert all((one == other).all() for one, other in zip(pictures, again, strict=True))


def test_a_photo_is_cut_square_where_faces_are(tmp_path: Path) -> None:
    picture = np.zeros((120, 90, 3), np.uint8)
    picture[10:100] = 255
    cv2.imwrite(str(tmp_path / "tall.png"), picture)
    cut = frame_integers.square(tmp_path / "tall.png")
    assert cut.shape == (90, 90, 3) and cut.min() == 255
    made = frame_integers.as_input(cut, 16)
    assert made.shape == (1, 3, 16, 16) and made.dtype == np.float32 and (made == 1).all()
