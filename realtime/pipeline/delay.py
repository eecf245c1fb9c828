"""Letting every frame go out the same time after it was captured: `--delay`."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Generic, Protocol, TypeVar

_QUICKLY = 0.05
"""Share of an error that is mended with each frame: a second's jitter is forgotten, and a change is
made good within that second."""

_MOST = 0.03
"""Seconds by which frames are taken early at most: what composing and writing take anywhere."""


class Due(Protocol):
    """Something that is not to be taken before its time."""

    @property
    def due(self) -> float:
        """Seconds of `time.perf_counter()`."""
        ...


T = TypeVar("T", bound=Due)


class DueBox(Generic[T]):
    """Hands items over when they are due; as a `Mailbox`, of several the newest alone.

    Attributes:
        replaced: how many were due before anybody took them, and never were taken.
    """

    def __init__(self) -> None:
        """Start empty and open."""
        self._changed = threading.Condition()
        self._items: deque[T] = deque()
        self._closed = False
        self.replaced = 0

    def put(self, item: T) -> None:
        """Leave an item that is due no earlier than those before."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def take(self, timeout: float) -> T | None:
        """Wait at most `timeout` seconds for an item to be due and take it; None if none is."""
        deadline = time.perf_counter() + timeout
        with self._changed:
            while not self._closed:
                now = time.perf_counter()
                taken: T | None = None
                while self._items and self._items[0].due <= now:
                    self.replaced += taken is not None
                    taken = self._items.popleft()
                until = min(deadline, self._items[0].due) if self._items else deadline
                if taken is not None or until <= now:
                    return taken
                self._changed.wait(until - now)
            return None

    def comes(self, until: float) -> bool:
        """Whether an item is due before `until`, seconds of `time.perf_counter()`."""
        with self._changed:
            return bool(self._items) and self._items[0].due <= until

    def close(self) -> None:
        """Wake everyone who waits; nobody waits again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Delay:
    """When frames are to be taken so that they are out the same time after they were captured.

    What lies between being taken and being out is learnt from the frames that went out.

    Attributes:
        seconds: from the capture to the output.
    """

    def __init__(self, seconds: float) -> None:
        """Know nothing yet of how long writing takes."""
        self.seconds = seconds
        self._early = 0.0
        self._last = 0.0

    def due(self, captured_at: float | None, ready_at: float) -> float:
        """When a frame is to be taken; never before the one before it.

        Args:
            captured_at: as in `AvatarFrame`; None: at once.
            ready_at: when it was drawn, seconds of `time.perf_counter()` like all of these.
        """
        wanted = ready_at
        if captured_at is not None:
            wanted = max(captured_at + self.seconds - self._early, ready_at)
        self._last = max(wanted, self._last)
        return self._last

    def went_out(self, latency: float) -> None:
        """Learn from a frame.

        Args:
            latency: seconds from its capture until it was out.
        """
        error = max(min(latency - self.seconds, _MOST), -_MOST)
        self._early = min(max(self._early + _QUICKLY * error, 0.0), _MOST)
