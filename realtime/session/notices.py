"""What was said to the user of late, with what has become of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from realtime.lines import Line

_KEPT = 50
"""Lines that a page which is opened later still finds: some hours of a usual run."""


@dataclass
class Notice:
    """One line that was said.

    Attributes:
        number: rises from 1.
        line: what was said.
        at: when, seconds since 1970.
        subject: what it is about, or "".
        alarm: something is wrong, until it is over.
        over: the state that it told is over.
    """

    number: int
    line: str
    at: float
    subject: str = ""
    alarm: bool = False
    over: bool = False


class Notices:
    """The newest lines. Not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Nothing was said yet; `clock` gives seconds since 1970."""
        self._clock = clock
        self._all: deque[Notice] = deque(maxlen=_KEPT)
        self._number = 0

    def hear(self, line: str) -> None:
        """Keep a line; what was said about the same subject before is over."""
        self._number += 1
        notice = Notice(self._number, str(line), self._clock())
        if isinstance(line, Line):
            self.withdraw(line.subject)
            notice.subject, notice.alarm, notice.over = line.subject, line.alarm, False
        self._all.append(notice)

    def withdraw(self, subject: str) -> None:
        """What was said about a subject is no longer true."""
        for notice in self._all:
            notice.over = notice.over or (bool(subject) and notice.subject == subject)

    def shown(self) -> list[dict[str, Any]]:
        """The lines for pages, the oldest first."""
        return [asdict(notice) for notice in self._all]
