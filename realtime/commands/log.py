"""The log file: what a bug report can attach, and what `--verbose` also prints.

The modules log by `logging`, as libraries do; only the command line decides where that goes.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import queue
import re
import sys
import threading
import time
import traceback
from io import TextIOWrapper
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any

from realtime.addresses import hide_logins
from realtime.closing import Closing
from realtime.version import version

_PACKAGES = ("realtime", "models")
"""Whose loggers are heard."""

_MOST_BYTES = 500_000
"""Of the file, before it is renamed and begun anew: some hundred tracebacks."""

_OLDER = 2
"""How many of the renamed ones are kept: 1.5 MB in all, which every bug tracker takes."""

_LONGEST = 20_000
"""Characters of one entry; a deep traceback has 5,000. Longer ones are somebody's data."""

_SILENT = 60.0
"""Seconds in which what was logged is not logged again: a fault in every frame comes 30 times a
second."""

_MOST_KNOWN = 500
"""Different entries that are remembered in that time; more are no repetition of anything."""

_log = logging.getLogger(__name__)
_SECRET = re.compile(r"((?:key|code)[=.])[\w-]{20,}")
"""The panel's key in an address or in the name of a socket's protocol. No code logs it; a library's
error may quote a request."""


class Log(Closing):
    """Hears the program's loggers until it is closed.

    A thread of its own writes, so that neither a slow disk nor a stopped terminal stops whoever
    logs. What cannot be written is lost: no run ends for it.

    Attributes:
        path: the file; made with its folder when there is something to write.
    """

    def __init__(self, path: Path) -> None:
        """Begin to listen."""
        self.path = path
        self._file = _File(path)
        self._terminal = _Terminal(logging.CRITICAL + 1)
        layout = logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s")
        self._file.setFormatter(layout)
        self._terminal.setFormatter(layout)
        entries: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listener = QueueListener(
            entries, self._file, self._terminal, respect_handler_level=True
        )
        self._handler = QueueHandler(entries)
        self._handler.setFormatter(_Clean())
        self._handler.addFilter(Repeats())
        self._before = {name: logging.getLogger(name).level for name in _PACKAGES}
        for name in _PACKAGES:
            logging.getLogger(name).addHandler(self._handler)
            logging.getLogger(name).setLevel(logging.DEBUG)
        self._threads_before = threading.excepthook
        threading.excepthook = self._thread_failed
        self._listener.start()

    def show(self) -> None:
        """Print on stderr too, from now on."""
        self._terminal.setLevel(logging.DEBUG)

    def unexpected(self, error: Exception) -> str:
        """Log an error that nobody expected, and close.

        Returns:
            A sentence for the user about it. Where the file cannot be written it names none, and
            the traceback is printed at once.
        """
        _log.critical("the program failed", exc_info=error)
        self.close()
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(".")
        where = f"with the file {self.path}"
        if self._file.failed:
            traceback.print_exception(error)
            where = "with the lines above"
        return f"The program has a fault of its own ({reason}); please report it {where}."

    def close(self) -> None:
        """Write what is left and let go of the loggers; safe to call twice."""
        for name, level in self._before.items():
            logging.getLogger(name).removeHandler(self._handler)
            logging.getLogger(name).setLevel(level)
        if self._before:
            self._before = {}
            threading.excepthook = self._threads_before
            self._listener.stop()
            self._file.close()

    def _thread_failed(self, failed: threading.ExceptHookArgs) -> None:
        if failed.exc_value is None or isinstance(failed.exc_value, SystemExit):
            return
        _log.critical("a thread failed", exc_info=failed.exc_value)
        with contextlib.suppress(OSError):
            reason = failed.exc_type.__name__
            print(f"A part of the program has failed ({reason}); see {self.path}.", file=sys.stderr)


class Repeats(logging.Filter):
    """Lets an entry pass that was not there in the last `_SILENT` seconds.

    The same traceback is the same entry, whatever numbers its message has. What is held back is
    counted, and the next one that passes says so.
    """

    def __init__(self, clock: Any = time.monotonic) -> None:
        """Know nothing yet; `clock` gives seconds."""
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[tuple[Any, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write this one."""
        place: tuple[Any, ...] = (record.name, record.lineno, record.levelno)
        trace = record.exc_info[2] if record.exc_info else None
        if record.exc_info and record.exc_info[0] is not None:
            place = (*place, record.exc_info[0].__qualname__, _innermost(trace))
        else:
            place = (*place, record.getMessage())
        now = self._clock()
        with self._lock:
            at, held = self._known.get(place, (now - _SILENT, 0))
            if now - at < _SILENT:
                self._known[place] = at, held + 1
                return False
            if len(self._known) >= _MOST_KNOWN:
                self._known = {
                    key: known for key, known in self._known.items() if now - known[0] < _SILENT
                }
            if len(self._known) < _MOST_KNOWN:
                self._known[place] = now, 0
        record.held_back = held
        return True


class _Clean(logging.Formatter):
    """Message and traceback without secrets, of a bounded length."""

    def format(self, record: logging.LogRecord) -> str:
        text = hide_logins(_SECRET.sub(r"\1...", super().format(record)))
        if len(text) > _LONGEST:
            text = f"{text[: _LONGEST // 2]}\n[...]\n{text[-_LONGEST // 2 :]}"
        held = getattr(record, "held_back", 0)
        return f"{text}\n({held} more like this since the last)" if held else text


class _File(RotatingFileHandler):
    """The file, which begins with what a reader has to know about this computer.

    Two programs may write to it at once; on Windows it is not renamed before one of them has
    ended, and the other one's entries are lost if it is full.
    """

    failed = False

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            maxBytes=_MOST_BYTES,
            backupCount=_OLDER,
            encoding="utf-8",
            errors="backslashreplace",
            delay=True,
        )

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        stream = super()._open()
        system = f"{platform.system()} {platform.release()} {platform.machine()}"
        stream.write(f"--- {version()}, {system}, Python {platform.python_version()} ---\n")
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        self.failed = True


class _Terminal(logging.Handler):
    """Standard error as it is at the moment: the status line takes its place for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        # The terminal may be gone.
        with contextlib.suppress(OSError, ValueError):
            print(self.format(record), file=sys.stderr)


def _innermost(trace: TracebackType | None) -> tuple[str, int] | None:
    """File and line where an error was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else (trace.tb_frame.f_code.co_filename, trace.tb_lineno)
