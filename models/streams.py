"""Standard streams that nothing can break; the standard library only, as the set-up uses it."""

from __future__ import annotations

import codecs
import errno
import io
import os
import select
import sys
from typing import TextIO

_ESCAPING = "avatarify-like"
"""Python's name for how characters are written that an encoding lacks."""

_PATIENCE = 1.0
"""Seconds that a terminal or pipe may be full, where another program has made it one that does not
wait: more would hold up a run, in less a busy terminal has not drawn a page."""

_ENDED = (errno.EPIPE, errno.EIO, errno.ECONNRESET, errno.EINVAL)
"""How a system tells that nobody reads any more: pipe, terminal, network, pipe of Windows."""


class _Raw(io.FileIO):
    """A stream of the system; what cannot be written is lost, and the first reason is kept."""

    error: OSError | None = None

    def write(self, data: object) -> int:
        view = memoryview(data)  # type: ignore[arg-type]
        try:
            written = super().write(view)
            if written is None:
                select.select([], [self.fileno()], [], _PATIENCE)
                written = super().write(view)
        except OSError as error:
            self.error = self.error or error
            written = None
        return view.nbytes if written is None else written


def secure() -> None:
    r"""Let no reader, disk, encoding or closed stream end the program.

    To be called first of all. A stream that is closed leads nowhere, so that no file which is
    opened later takes its number and gets what others print. What the encoding lacks is written
    as a question mark, and bytes of file names that are no text as "\xff".
    """
    codecs.register_error(_ESCAPING, _escape)
    if os.name == "posix":
        _open_closed()
    if sys.stdin is None:
        sys.stdin = open(os.devnull)
    sys.stdout = _secured(sys.stdout, 1)
    sys.stderr = _secured(sys.stderr, 2)


def lost(stream: object) -> OSError | None:
    """Why something that was written to a stream since `secure` did not arrive; None if it did."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Raw) else None


def reader_ended(error: OSError | None) -> bool:
    """Whether it was lost because nobody reads it any more."""
    return error is not None and error.errno in _ENDED


def _open_closed() -> None:
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)


def _secured(stream: TextIO | None, descriptor: int) -> TextIO:
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8", errors=_ESCAPING)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    try:
        ours = stream.fileno() == descriptor
    except OSError:
        ours = False
    # A console of Windows is no file; Python writes to it in a way of its own.
    if not ours or (os.name == "nt" and stream.isatty()):
        stream.reconfigure(errors=_ESCAPING)
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Raw(descriptor, "w", closefd=False)),
        encoding=stream.encoding,
        errors=_ESCAPING,
        line_buffering=stream.line_buffering or stream.write_through,
    )


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Python's handler of what cannot be encoded."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_escaped(character) for character in text), error.end


def _escaped(character: str) -> str:
    """A byte of a file's name, which Python holds as a surrogate, as such; all else as "?"."""
    byte = ord(character) - 0xDC00
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else "?"
