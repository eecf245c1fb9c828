"""How long the stages take and how fast frames flow: percentiles over a window and a whole run."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

STAGES = (
    "capture",
    "queue",  # Until tracking and rendering have finished the frame before.
    "track",
    "motion",
    "render",
    "wait",  # Until the output may write the next frame.
    "composite",
    "output",
)
"""The stages of one frame, in order; `latency` is added by the output for a whole frame. Backends
add parts of `render` under names of their own."""

_SMALLEST = 1e-5
"""Seconds of the first bin: what is faster is nothing beside a frame."""

_STEP = math.log(1.01)
"""From bin to bin, as a logarithm: 1 %, so that percentiles are that accurate."""

_BINS = 1700  # 1 % steps from 10 microseconds to more than 3 minutes.


class Series:
    """Durations in seconds: the last `window` seconds exactly, all of them as a histogram.

    The histogram is accurate to one per cent and does not grow, however long the run.

    Attributes:
        count: how many were added.
    """

    def __init__(self, window: float = 10.0) -> None:
        """Start empty.

        Args:
            window: seconds.
        """
        self._window = window
        self._recent: deque[tuple[float, float]] = deque()
        self._bins = np.zeros(_BINS, np.int64)
        self._first: float | None = None
        self._last = 0.0
        self._lock = threading.Lock()
        self.count = 0

    def add(self, duration: float, now: float | None = None) -> None:
        """Record one duration.

        Args:
            duration: seconds.
            now: when it ended, seconds of `time.perf_counter()`; None: now.
        """
        at = time.perf_counter() if now is None else now
        index = int(math.log(max(duration, _SMALLEST) / _SMALLEST) / _STEP + 0.5)
        with self._lock:
            if self._first is None:
                self._first = at
            self._last = at
            self.count += 1
            self._bins[min(index, _BINS - 1)] += 1
            self._recent.append((at, duration))
            self._forget(at)

    def _forget(self, now: float) -> None:
        while self._recent and self._recent[0][0] < now - self._window:
            self._recent.popleft()

    def recent(self, percent: float, now: float | None = None) -> float | None:
        """A percentile of the last `window` seconds, in seconds; None where there is nothing.

        Args:
            percent: which, 0..100.
            now: the end of the window, seconds of `time.perf_counter()`; None: now.
        """
        found = self.recents((percent,), now)
        return None if found is None else found[0]

    def recents(
        self, percents: Sequence[float], now: float | None = None
    ) -> tuple[float, ...] | None:
        """As `recent`, several at once."""
        with self._lock:
            self._forget(time.perf_counter() if now is None else now)
            values = [value for _, value in self._recent]
        if not values:
            return None
        return tuple(float(value) for value in np.percentile(values, percents))

    def overall(self, percent: float) -> float | None:
        """A percentile of the whole run, in seconds; None where there is nothing.

        Args:
            percent: which, 0..100.
        """
        with self._lock:
            if not self.count:
                return None
            rank = max(1, math.ceil(percent / 100 * self.count))
            index = int(np.searchsorted(np.cumsum(self._bins), rank))
        return _SMALLEST * math.exp(index * _STEP)

    def rate(self, now: float | None = None) -> float:
        """How many were added per second in the last seconds."""
        at = time.perf_counter() if now is None else now
        with self._lock:
            self._forget(at)
            if self._first is None:
                return 0.0
            return len(self._recent) / max(min(self._window, at - self._first), 0.1)

    def overall_rate(self) -> float:
        """How many were added per second between the first and the last one."""
        with self._lock:
            if self._first is None or self._last <= self._first:
                return 0.0
            return (self.count - 1) / (self._last - self._first)


class Times:
    """One `Series` for each stage; safe to use from several threads.

    Attributes:
        series: by the name of the stage.
    """

    def __init__(self, window: float = 10.0) -> None:
        """Start with the known stages, all empty.

        Args:
            window: seconds, of each series.
        """
        self._window = window
        self.series: dict[str, Series] = {name: Series(window) for name in STAGES}

    def __getitem__(self, stage: str) -> Series:
        """The series of a stage, made when it is first asked for."""
        return self.series.setdefault(stage, Series(self._window))

    def stages(self) -> list[str]:
        """The stages of one frame in order, the backend's parts of `render` after it."""
        parts = [name for name in self.series if name not in (*STAGES, "latency")]
        after = STAGES.index("render") + 1
        return [*STAGES[:after], *parts, *STAGES[after:]]

    def add(self, stage: str, duration: float) -> None:
        """Record that `stage` took `duration` seconds."""
        self[stage].add(duration)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Record how long the body of the `with` takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - start)
