"""The keys of the terminal, by a terminal."""

from __future__ import annotations

import os
import time

import pytest

from realtime.commands import terminal
from realtime.commands.terminal import terminal_keys
from realtime.session.keys import command_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX terminal")


def test_each_key_arrives_at_once_and_the_terminal_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import pty
    import termios

    # This terminal is no session's; tests/realtime/commands/test_job_control.py has shells.
    monkeypatch.setattr(terminal, "in_foreground", lambda descriptor: True)
    ours, theirs = pty.openpty()
    pressed: list[str] = []
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs, "r") as stream, terminal_keys(stream, pressed.append):
        during = before
        until = time.monotonic() + 20
        while during[3] & termios.ICANON and time.monotonic() < until:
            time.sleep(0.01)
            during = termios.tcgetattr(theirs)
        assert not during[3] & termios.ICANON, "no key waits for Enter"
        assert during[3] & termios.ISIG, "Ctrl-C still stops the program"
        for data in (b"x", b"\x1b[A", b"Z", b"\n", b"\x1b"):
            os.write(ours, data)
            time.sleep(0.1)
        until = time.monotonic() + 20
        while len(pressed) < 4 and time.monotonic() < until:
            time.sleep(0.01)
    after = os.dup(ours)
    assert pressed == ["x", "Z", "\n", "\x1b"], "an arrow is no Escape"
    assert termios.tcgetattr(after)[3] == before[3]
    os.close(after)
    os.close(ours)


def test_keys_of_the_terminal_have_names() -> None:
    for pressed, command in (("\x1b", "quit"), ("\n", "calibrate"), ("x", "calibrate")):
        key = command_of(pressed)
        assert key is not None and key.command == command
    assert command_of("ß") is None and command_of("") is None
