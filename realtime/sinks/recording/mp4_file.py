"""The file under a growing MP4: whatever interrupts it, what is in it plays."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_BEGINNINGS = (b"moof", b"moov")
"""The kinds of the boxes that begin a fragment and the index; FFmpeg (libavformat/movenc.c) empties
its buffer before each, so that they come at the start of a call of `write`."""


class Mp4File(io.FileIO):
    """A file that FFmpeg writes an MP4 to, with more care than FFmpeg's own files take.

    FFmpeg writes whole fragments, at the end an index behind them, and then replaces 8 or 16 bytes
    of the head, after which the fragments are one box of media data of an ordinary MP4.

    - Bytes are replaced only once all bytes behind them are on the disk, so that a loss of power
      does not leave a file with neither fragments nor index.
    - A fragment or an index that cannot be written to its end is cut off.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Create the file; an existing one is replaced.

        Raises:
            OSError: it cannot be made there.
        """
        super().__init__(path, "wb")
        self._end = 0
        self._whole = 0

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of `data` at the present position; returns its length, in bytes.

        Raises:
            OSError: the disk refused it. The file ends with its last whole fragment now.
        """
        left = memoryview(data)
        if left[4:8] in _BEGINNINGS:
            self._whole = self.tell()
        try:
            if self.tell() < self._end:
                os.fsync(self.fileno())
            while left:
                left = left[super().write(left) :]
        except OSError:
            with suppress(OSError):
                self.truncate(self._whole or self._end)
            raise
        self._end = max(self._end, self.tell())
        return memoryview(data).nbytes
