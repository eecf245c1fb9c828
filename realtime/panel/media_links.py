"""Addresses for players: a `<video>` cannot send the key, so a token stands for one file."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Scope

from realtime.panel.feature import Opened

_LIFE = 3600.0
"""Seconds that a token is good for: a player asks again and again while it plays and seeks."""

_MOST = 64
"""Tokens at once; more than a page shows players. The oldest goes."""


@dataclass(frozen=True)
class Medium:
    """What a token stands for.

    Attributes:
        path: the file.
        name: what it is called when it is saved; None: it is shown.
    """

    path: Path
    name: str | None


class MediaLinks:
    """The tokens of one run, each for one file and for as long as its maker's key is good."""

    def __init__(self, opened: Opened, clock: Callable[[], float] = time.monotonic) -> None:
        """Make none yet.

        Args:
            opened: whether a request has the key of the run.
            clock: gives seconds.
        """
        self._opened, self._clock = opened, clock
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Scope, Medium]] = {}

    def make(self, scope: Scope, medium: Medium) -> str:
        """A token for a file: 256 random bits.

        Args:
            scope: the request that asks for it; it has the key.
            medium: the file.
        """
        token = secrets.token_urlsafe(32)
        # Only what says which key it has: the rest of a request is large.
        asked = {"type": "http", "headers": [*scope["headers"]]}
        with self._lock:
            while len(self._made) >= _MOST:
                del self._made[next(iter(self._made))]
            self._made[token] = self._clock() + _LIFE, asked, medium
        return token

    def find(self, token: str) -> Medium | None:
        """What a token stands for; None if it is unknown, too old, or its maker was shut out."""
        with self._lock:
            until, asked, medium = self._made.get(token, (0.0, {}, None))
            if medium is None:
                return None
            if self._clock() > until or not self._opened(asked):
                del self._made[token]
                return None
            return medium
