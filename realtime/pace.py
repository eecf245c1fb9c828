"""When the output writes: every slot of a steady clock gets exactly one frame."""

from __future__ import annotations

from collections import deque

import numpy as np

_LATEST = 0.9
"""Share of a slot after which the last frame is repeated."""

_STALE, _PATIENT = 0.25, 0.8
"""Shares of a slot: a frame that has waited longer is not sent while its successor is due so soon.
Otherwise a single late frame makes all that follow miss their slots."""

_AS_FAST = 1.1
"""A camera whose frames are at most so many slots apart is as fast as the output. Of a slower one
no frame is given up."""

_REMEMBERED = 15
"""Frames from which the usual time between two is taken."""

_LOOK = 1.0
_HOLD = 3.0
_WORTH = 0.002


class Pace:
    """Slots of one period each on a monotonic clock, without drift.

    A new frame goes out as soon as it is there, once a slot. Where the camera is as fast as the
    output, frames may fall late into slots that are already served and wait for the next one, all
    by the same time; then the whole grid is moved earlier by that time, at most once in three
    seconds, so that frames wait as little as possible and the rate stays what it is within one
    per cent.
    """

    def __init__(self, fps: float, start: float) -> None:
        """Begin with the slot that opens at `start` (seconds of any steady clock)."""
        self._period = 1.0 / fps
        self._start = start
        self._slot = 0
        self._waits: list[float] = []
        self._ready = 0.0
        self._between: deque[float] = deque(maxlen=_REMEMBERED)
        self._looked = start
        self._moved = start - _HOLD

    @property
    def opens(self) -> float:
        """From when on the present slot may be served."""
        return self._start + self._slot * self._period

    @property
    def closes(self) -> float:
        """When it must be, with the last frame if there is no new one."""
        return self.opens + _LATEST * self._period

    def successor(self, ready_at: float, now: float) -> float | None:
        """Until when to wait for a newer frame than the one `ready_at`; None: send this one."""
        if self._ready:
            self._between.append(ready_at - self._ready)
        self._ready = ready_at
        if len(self._between) < _REMEMBERED or now - ready_at <= _STALE * self._period:
            return None
        usual = float(np.median(self._between))
        latest = self.opens + _PATIENT * self._period
        if usual > _AS_FAST * self._period or ready_at + usual > latest:
            return None
        return latest

    def served(self, now: float, waited: float | None) -> None:
        """The slot was served at `now` with a frame that had `waited` seconds (None: a repeat).

        Slots missed while a sink was slow are left out, not made up for in a burst.
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
