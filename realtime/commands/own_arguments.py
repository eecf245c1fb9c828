"""Taking passwords of addresses out of what other users of this computer see of this program."""

from __future__ import annotations

import contextlib
import ctypes
import sys

from realtime.addresses import hide_logins, hide_secrets, is_address

_ARGUMENTS_BEGIN, _ARGUMENTS_END = 47, 48
"""Where /proc/self/stat says in which memory the command line lies; see proc(5), counted from 0."""


def hide() -> None:
    """Overwrite addresses in this process's command line, as lists of processes show it.

    On Linux alone; before that they were visible for as long as Python takes to start, so that
    AVATARIFY_CAMERA is the better place for them. Never raises.
    """
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            # The second field is the program's name in brackets, which may hold spaces.
            fields = ["", "", *file.read().rpartition(")")[2].split()]
        begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
        if not 0 < end - begin < 10_000_000:
            return
        arguments = ctypes.string_at(begin, end - begin).split(b"\0")
        hidden = [_hidden(word) for word in arguments]
        if hidden != arguments:
            ctypes.memmove(begin, b"\0".join(hidden), end - begin)


def _hidden(word: bytes) -> bytes:
    """The same argument without secrets, and as long as before."""
    text = word.decode("utf-8", "surrogateescape")
    name, equals, value = text.partition("=")
    if text.startswith("-") and equals and is_address(value):
        start = f"{name}={hide_secrets(value)}"
    elif is_address(text):
        start = hide_secrets(text)
    else:
        start = hide_logins(text)  # Of an address whose beginning was forgotten.
    if start == text:
        return word
    short = start.encode("utf-8", "surrogateescape")[: len(word)]
    return short + b" " * (len(word) - len(short))
