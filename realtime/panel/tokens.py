"""Keys for one file each and a short while: a `<video>` or a download sends no header."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

TOKEN_LIFE = 600.0
"""Seconds since its last use in which a token opens its file: a player that was paused for longer
is given a new one by its page."""

_MOST = 200
"""Tokens at once; the oldest make room. A page asks for one for each file that it shows."""


@dataclass
class _Given:
    """What a token opens, and when it was used last (seconds of the clock)."""

    path: Path
    used_at: float


class FileTokens:
    """Stands for the key in addresses of single files, which players and downloads need.

    What reads such an address, such as the browser's history, gets at that file alone, and only
    for a while. All methods may be called by any thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Open nothing yet; `clock` gives seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._given: dict[str, _Given] = {}

    def give(self, path: Path) -> str:
        """A new token for a file: 192 random bits as letters of an address."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_old()
            self._given[token] = _Given(path, self._clock())
        return token

    def path(self, token: str) -> Path | None:
        """The file that a token opens, for another while from now on; None: it opens none."""
        with self._lock:
            self._forget_old()
            given = self._given.get(token)
            if given is None:
                return None
            given.used_at = self._clock()
            return given.path

    def revoke(self, path: Path) -> None:
        """Take back every token of a file, as before it is moved or removed."""
        with self._lock:
            self._given = {k: one for k, one in self._given.items() if one.path != path}

    def _forget_old(self) -> None:
        now = self._clock()
        alive = {k: one for k, one in self._given.items() if now - one.used_at <= TOKEN_LIFE}
        oldest = sorted(alive, key=lambda token: alive[token].used_at)
        for token in oldest[: max(len(alive) - _MOST + 1, 0)]:
            del alive[token]
        self._given = alive
