"""The keys, the same in the terminal and on the panel; avatarify's users know most of them."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO


@dataclass(frozen=True)
class Key:
    """What a key does.

    key: the character that it types, so capitals are with Shift; or Escape or Enter.
    hold: on the panel, the command holds as long as the key is down.
    """

    key: str
    command: str
    value: Any
    help: str
    hold: bool = False


KEYS: tuple[Key, ...] = (
    *(Key(str(n), "number", n, f"avatar {n} of the list") for n in range(1, 10)),
    Key("a", "previous", None, "previous avatar"),
    Key("d", "next", None, "next avatar"),
    Key("q", "random", None, "any other avatar of the list"),
    Key("l", "reload", None, "list the folder of avatars again"),
    Key("x", "calibrate", None, "calibrate: measure your motion against your face as it is now"),
    Key("Enter", "calibrate", None, "calibrate"),
    Key("X", "reset", None, "calibrate by itself, at the next good moment"),
    Key("f", "search", None, "search a better reference: calibrate when you look most like it"),
    Key("m", "relative", None, "motion relative or absolute"),
    Key("w", "zoom", -0.05, "zoom the camera in"),
    Key("s", "zoom", 0.05, "zoom the camera out"),
    Key("W", "zoom", -0.01, "zoom the camera in a little"),
    Key("S", "zoom", 0.01, "zoom the camera out a little"),
    Key("u", "pan", "up", "move the camera's part up"),
    Key("h", "pan", "left", "move the camera's part left"),
    Key("j", "pan", "down", "move the camera's part down"),
    Key("k", "pan", "right", "move the camera's part right"),
    Key("U", "nudge", "up", "move it up by one pixel"),
    Key("H", "nudge", "left", "move it left by one pixel"),
    Key("J", "nudge", "down", "move it down by one pixel"),
    Key("K", "nudge", "right", "move it right by one pixel"),
    Key("Z", "auto_framing", True, "frame the camera automatically again"),
    Key("z", "overlay_by", -0.1, "show the pose of the calibration less"),
    Key("c", "overlay_by", 0.1, "show the pose of the calibration more"),
    Key("o", "landmarks", None, "show the landmarks"),
    Key("v", "blur", None, "blur the camera's picture in the preview"),
    Key("i", "stages", None, "show the milliseconds of every stage"),
    Key("r", "mirror_preview", None, "mirror the preview"),
    Key("t", "mirror_output", None, "mirror the output"),
    Key("p", "freeze", None, "let the picture stand still"),
    Key("b", "hide", None, 'show the card "back soon"; on the panel as long as it is held', True),
    Key("e", "record", None, "start or stop a recording"),
    Key("n", "badge", None, "the mark that says: AI avatar"),
    Key("0", "pass_through", None, "show your real face, after a question"),
    Key("Escape", "quit", None, "end the program"),
)


def command_of(pressed: str) -> Key | None:
    """What a key of the terminal does, or None."""
    named = {"\r": "Enter", "\n": "Enter", "\x1b": "Escape"}.get(pressed, pressed)
    return next((key for key in KEYS if key.key == named), None)


@contextmanager
def terminal_keys(stream: TextIO, press: Callable[[str], None]) -> Iterator[None]:
    """Call `press`, from another thread, with every key that is pressed in the terminal.

    The terminal is as it was when the context ends. Ctrl-C stays what it is.
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
