"""The keys of the terminal: read one by one, and what each does in a session."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TextIO

from models.errors import UserError
from realtime.commands.job_control import around_pauses, in_foreground
from realtime.session.keys import KEYS, command_of
from realtime.session.session import Command, Session

_LOOK = 0.2
"""Seconds between two looks whether the terminal is ours and a key was pressed: after `fg` nobody
types sooner."""


@contextmanager
def terminal_keys(stream: TextIO, press: Callable[[str], None]) -> Iterator[None]:
    """Read the terminal's keys one by one while the context lasts; then it is as it was.

    Ctrl-C stays what it is, and so does Ctrl-Z. In the background no key is read; they are again
    as soon as the program is in the foreground.

    Args:
        stream: the terminal's input.
        press: called, from another thread, with every character that is typed.
    """
    done = threading.Event()
    with ExitStack() as stack:
        if os.name == "nt":
            work: Callable[[], None] = lambda: _read_windows(press, done)  # noqa: E731
        else:
            keyboard = _Keyboard(stream.fileno())
            stack.callback(keyboard.give_back)
            stack.enter_context(around_pauses(keyboard.give_back, keyboard.resume))
            work = lambda: _read_posix(keyboard, press, done)  # noqa: E731
        thread = threading.Thread(target=work, name="keys", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join(1.0)


class _Keyboard:
    """A POSIX terminal that gives each key at once, as long as it is this program's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._before: list[Any] | None = None
        self._left = False
        self._lock = threading.RLock()  # A signal may come while the main thread holds it.

    def take(self) -> bool:
        """Have keys come at once, without an echo; says whether the terminal is ours.

        To be called again and again: a shell sets the terminal anew when it continues a job.
        """
        import termios
        import tty

        with self._lock:
            if self._left or not in_foreground(self._descriptor):
                return False
            try:
                now = termios.tcgetattr(self._descriptor)
                if now[3] & (termios.ICANON | termios.ECHO):
                    self._before = now
                    tty.setcbreak(self._descriptor, termios.TCSADRAIN)
            except termios.error:
                return False  # It is gone.
            return True

    def give_back(self) -> None:
        """Set the terminal as it was, until `resume`; in the background the shell has done so."""
        import termios

        with self._lock:
            self._left = True
            before, self._before = self._before, None
            if before is not None and in_foreground(self._descriptor):
                with contextlib.suppress(termios.error):
                    termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

    def resume(self) -> None:
        """Let `take` have the terminal again."""
        self._left = False

    def read(self) -> bytes | None:
        """What was typed in the next moment; b"" if nothing, None if the terminal has ended."""
        # A pause may have come in between, in which the shell has read what there was.
        if not self._has_input(_LOOK) or not self.take() or not self._has_input(0.0):
            return b""
        try:
            return os.read(self._descriptor, 64) or None
        except OSError:
            return None if in_foreground(self._descriptor) else b""

    def _has_input(self, seconds: float) -> bool:
        return bool(select.select([self._descriptor], [], [], seconds)[0])


def _read_posix(keyboard: _Keyboard, press: Callable[[str], None], done: threading.Event) -> None:
    while not done.is_set():
        if not keyboard.take():
            done.wait(_LOOK)
            continue
        data = keyboard.read()
        if data is None:
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
