"""One process at a time; the standard library only, because the set-up of the program uses it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RETRY_SECONDS = 0.2
"""Between two attempts: nothing beside what is waited for, a download or a set-up, and hardly any
work."""


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the system drops it if the process dies.

    The file stays where it is: removing it would let two processes hold two files of one name.

    Args:
        path: made if it is not there; its folder must exist.
        on_wait: called once if another process holds the lock.

    Raises:
        OSError: the lock file cannot be made or opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        waited = False
        while not _try_lock(descriptor):
            if on_wait is not None and not waited:
                on_wait()
            waited = True
            time.sleep(_RETRY_SECONDS)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
