"""When the output writes: every slot of a steady clock gets exactly one frame."""

from __future__ import annotations

import numpy as np

_LATEST = 0.9
"""Share of a slot after which the last frame is repeated: the rest is for writing it before the
next slot opens."""

_PATIENT = 1.4
"""The same while a new frame is being drawn. A repeat would take the slot from it, and it and all
that follow would wait for the next ones."""

_LOOK = 1.0
"""Seconds between two looks at how long frames have waited: enough of them for a median."""

_HOLD = 3.0
"""Seconds between two moves of the grid: as one is a slot at most (1/30 s), readers see a rate that
is right within about one per cent."""

_WORTH = 0.002
"""Seconds of waiting that are not worth a move: little beside what frames differ by."""


class OutputClock:
    """Slots of one period each on a monotonic clock, without drift.

    A new frame goes out as soon as it is there, once a slot; one that is late may take its slot in
    the time of the next, which is then served early. Where the camera is as fast as the output,
    frames may fall into slots that are already served and wait for the next one, all by the same
    time; then the whole grid is moved earlier by that time, at most once in three seconds, so
    that frames wait as little as possible and the rate stays what it is within one per cent.
    """

    def __init__(self, fps: float, start: float) -> None:
        """Begin with the first slot.

        Args:
            fps: slots a second.
            start: when it opens, seconds of any steady clock.
        """
        self._period = 1.0 / fps
        self._start = start
        self._slot = 0
        self._waits: list[float] = []
        self._looked = start
        self._moved = start - _HOLD

    @property
    def opens(self) -> float:
        """From when on the present slot may be served."""
        return self._start + self._slot * self._period

    def closes(self, drawing: bool = False) -> float:
        """When it must be served: with the last frame, if there is no new one.

        Args:
            drawing: a new one is being drawn, and may be waited for.
        """
        return self.opens + (_PATIENT if drawing else _LATEST) * self._period

    def served(self, now: float, waited: float | None) -> None:
        """Go on to the next slot.

        Slots missed while a sink was slow are left out, not made up for in a burst.

        Args:
            now: when this one was served, seconds of the same clock.
            waited: seconds that its frame had waited; None: it was a repeat.
        """
        if waited is not None:
            self._waits.append(waited)
        self._slot = max(self._slot + 1, int((now - self._start) / self._period))
        if now - self._looked >= _LOOK:
            usual = float(np.median(self._waits)) if self._waits else 0.0
            if usual > _WORTH and now - self._moved >= _HOLD:
                self._start -= min(float(np.percentile(self._waits, 90)), self._period)
                self._moved = now
            self._looked = now
            self._waits.clear()
