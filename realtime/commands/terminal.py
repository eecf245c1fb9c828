"""The keys of the terminal: read one by one, and what each does in a session."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from models.errors import UserError
from realtime.session.keys import KEYS, command_of
from realtime.session.session import Command, Session


@contextmanager
def terminal_keys(stream: TextIO, press: Callable[[str], None]) -> Iterator[None]:
    """Read the terminal's keys one by one while the context lasts; then it is as it was.

    Ctrl-C stays what it is.

    Args:
        stream: the terminal's input.
        press: called, from another thread, with every character that is typed.
    """
    done = threading.Event()
    if os.name == "nt":
        work: Callable[[], None] = lambda: _read_windows(press, done)  # noqa: E731
        restore: Callable[[], None] = lambda: None  # noqa: E731
    else:
        descriptor = stream.fileno()
        restore = _unbuffered(descriptor)
        work = lambda: _read_posix(descriptor, press, done)  # noqa: E731
    thread = threading.Thread(target=work, name="keys", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(1.0)
        restore()


def _unbuffered(descriptor: int) -> Callable[[], None]:
    """Let the terminal give each key at once; what it returns undoes that."""
    import termios
    import tty

    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    return lambda: termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _read_posix(descriptor: int, press: Callable[[str], None], done: threading.Event) -> None:
    while not done.is_set():
        ready, _, _ = select.select([descriptor], [], [], 0.2)
        if not ready:
            continue
        try:
            data = os.read(descriptor, 64)
        except OSError:
            return
        if not data:
            return
        text = data.decode("utf-8", "ignore")
        # Arrows and the like begin with Escape too, but come with more characters at once.
        if text.startswith("\x1b") and len(text) > 1:
            continue
        for character in text:
            press(character)


def _read_windows(press: Callable[[str], None], done: threading.Event) -> None:
    if sys.platform != "win32":
        return
    import msvcrt

    while not done.wait(0.05):
        with contextlib.suppress(OSError):
            while msvcrt.kbhit():
                character = msvcrt.getwch()
                if character in ("\x00", "\xe0"):  # An arrow or the like: its name follows.
                    msvcrt.getwch()
                else:
                    press(character)


def terminal_press(session: Session) -> Callable[[str], None]:
    """What to do with a key of the terminal: what it stands for, or the answer to a question."""

    def press(character: str) -> None:
        with contextlib.suppress(UserError):
            if session.state()["asking"]:
                session.do(Command("confirm", character in "yY"))
                return
        if character == "?":
            session.say("\n".join(f"{key.key:>6}  {key.help}" for key in KEYS))
            return
        key = command_of(character)
        if key is None:
            return
        try:
            session.do(Command(key.command, key.value))
        except UserError as error:
            session.say(str(error))
        if key.command == "pass_through" and session.state()["asking"]:
            session.say("Show your real face? Press y for yes, any other key for no.")

    return press
