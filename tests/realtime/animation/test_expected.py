"""A computer that is too slow for a backend hears so beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from models.backends import DEFAULT
from realtime.animation.expected import slow_line
from scripts.rigs.fakes import FakeAnimator, avatar


class Timed(FakeAnimator):
    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def seconds_per_frame(self, avatar: Any) -> float:
        return self._seconds


@pytest.mark.parametrize(
    ("seconds", "pace"),
    [(0.25, "about 4.0 frames a second"), (7.5, "one frame in about 7.5 seconds")],
)
def test_a_slow_backend_says_what_to_expect_and_what_to_take(seconds: float, pace: str) -> None:
    line = slow_line(Timed(seconds), avatar())
    assert line is not None
    assert pace in line
    assert "fake" in line
    assert DEFAULT in line


def test_a_quick_one_and_one_that_does_not_measure_say_nothing() -> None:
    assert slow_line(Timed(0.05), avatar()) is None
    assert slow_line(FakeAnimator(), avatar()) is None
