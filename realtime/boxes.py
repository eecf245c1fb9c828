"""The boxes that an MP4 or MOV consists of."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_FIRST = ("ftyp", "mdat", "moov", "free", "skip", "wide")
"""The kinds of boxes that such a file begins with (ISO/IEC 14496-12, and QuickTime's "wide")."""


def top_boxes(file: BinaryIO) -> Iterator[tuple[str, int]]:
    """The outermost boxes of an MP4, as (four letters, bytes), as far as they make sense."""
    end = file.seek(0, os.SEEK_END)
    at = 0
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            wide = file.read(8)
            size = struct.unpack(">Q", wide)[0] if len(wide) == 8 else 0
        elif size == 0:
            size = end - at
        if size < 8:
            return
        yield kind.decode("latin-1"), size
        at += size


def lacks_index(path: Path) -> bool:
    """Whether a file begins as an MP4 or MOV does, but has no whole index.

    Its recording was interrupted, or its end got lost. The index ("moov") mostly lies behind the
    media data; without it nothing says where a picture begins, nor how it is encoded.
    """
    try:
        with open(path, "rb") as file:
            boxes = list(top_boxes(file))
            end = file.seek(0, os.SEEK_END)
    except OSError:
        return False
    if not boxes or boxes[0][0] not in _FIRST:
        return False
    if sum(size for _, size in boxes) > end:
        boxes.pop()
    return all(kind != "moov" for kind, _ in boxes)
