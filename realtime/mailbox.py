"""Handing over the newest item from one thread to another."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A slot for one item: a newer item replaces one that nobody took, so nothing grows stale.

    Attributes:
        replaced: how many items were replaced before anybody took them.
    """

    def __init__(self) -> None:
        """Start empty and open."""
        self._changed = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self.replaced = 0

    def put(self, item: T) -> None:
        """Leave an item, in place of the one before if that was not taken."""
        with self._changed:
            self.replaced += self._item is not None
            self._item = item
            self._changed.notify_all()

    def offer(self, item: T) -> None:
        """Leave an item, unless one is waiting."""
        with self._changed:
            if self._item is None:
                self._item = item
                self._changed.notify_all()

    def take(self, timeout: float) -> T | None:
        """Wait at most `timeout` seconds for an item and take it; None if there is none."""
        deadline = time.perf_counter() + timeout
        with self._changed:
            while self._item is None and not self._closed:
                left = deadline - time.perf_counter()
                if left <= 0:
                    break
                self._changed.wait(left)
            item, self._item = self._item, None
            self._changed.notify_all()
            return item

    @property
    def full(self) -> bool:
        """Whether an item waits."""
        return self._item is not None

    def wait_empty(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until the item was taken; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._item is None or self._closed, timeout)

    def close(self) -> None:
        """Wake everyone who waits; nobody waits again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
