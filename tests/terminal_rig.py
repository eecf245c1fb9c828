"""A stand-in for a person at a terminal: a real shell in a pseudo-terminal, and what is typed."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.paths import ROOT

_PATIENCE = 60.0
"""Seconds for anything to happen; a busy computer takes a few."""


class Terminal:
    """What a person sees and types.

    Attributes:
        seen: all that the terminal has shown, without colours and other control sequences.
    """

    def __init__(self, master: int) -> None:
        self._master = master
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def is_usual(self) -> bool:
        """Whether a line is edited and echoed by the terminal, as before any program ran."""
        import termios

        self.look()
        flags = termios.tcgetattr(self._master)[3]
        return bool(flags & termios.ICANON and flags & termios.ECHO)

    def look(self) -> str:
        """Take what the terminal shows by now."""
        while select.select([self._master], [], [], 0)[0]:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                break
            if not data:
                break
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", "replace"))
        return self.seen

    def wait(self, happened: Callable[[], object], what: str) -> None:
        until = time.monotonic() + _PATIENCE
        while not happened():
            if time.monotonic() > until:
                pytest.fail(f"{what} did not happen; the terminal shows: {self.look()[-2000:]!r}")
            time.sleep(0.05)
            self.look()

    def command(self, text: str) -> str:
        """Type a command and wait for its end; what it printed."""
        before = len(self.look())
        # The shell puts the mark together, so that its echo is none.
        self.type(f"{text}; echo do''ne $?\n")
        self.wait(lambda: re.search(r"^done \d+\r?$", self.seen[before:], re.M), f"end of {text!r}")
        return self.seen[before:]


@contextmanager
def terminal(folder: Path, term: str = "xterm", columns: int = 80) -> Iterator[Terminal]:
    """A terminal with an interactive shell.

    Args:
        folder: the home of what runs there.
        term: the kind of terminal.
        columns: its width.
    """
    import fcntl
    import pty
    import struct
    import termios

    shell = shutil.which("dash") or shutil.which("bash") or "/bin/sh"
    variables = {
        name: value for name, value in os.environ.items() if name not in ("ENV", "COLUMNS")
    }
    variables |= {"TERM": term, "PS1": "", "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    pid, master = pty.fork()
    if pid == 0:
        os.execve(shell, [shell, "-i"], variables)
    try:
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        yield Terminal(master)
    finally:
        # The end of its terminal ends a shell and its jobs.
        os.close(master)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
