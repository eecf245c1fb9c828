"""Being one of a shell's jobs: in the background a run goes on, without the terminal's keys."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console


def in_foreground(descriptor: int) -> bool:
    """Whether a terminal is this program's to read from and to draw on.

    It is not while the program is a job in the background, nor from another session, as after
    `setsid`.
    """
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False


def descriptor_of(console: Console) -> int | None:
    """Of what a console writes to; None if that is nothing of the system's."""
    try:
        return console.file.fileno()
    except (OSError, ValueError, AttributeError):
        return None


@contextmanager
def never_stopped() -> Iterator[None]:
    """Let nothing that is printed from the background, nor a look at the keys, stop this program.

    Else the system stops who writes there after `stty tostop`, and who sets or reads the terminal.
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTTOU, signal.SIGTTIN)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def around_pauses(before: Callable[[], None], after: Callable[[], None]) -> Iterator[None]:
    """Call `before` when Ctrl-Z is about to stop this program, `after` when it goes on."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.getsignal(signal.SIGTSTP)

    def pause(number: int, frame: Any) -> None:
        before()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # It stops here.
        signal.signal(signal.SIGTSTP, pause)
        after()

    # Where it is ignored it must remain so: then there is no shell that would let it go on.
    if usual is not signal.SIG_IGN:
        signal.signal(signal.SIGTSTP, pause)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, usual)
