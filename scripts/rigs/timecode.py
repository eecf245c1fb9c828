"""A time written into a picture as 32 black and white squares, to measure how old it gets.

It lies in the top left corner, 512 x 16 pixels, and survives YUV, H.264 and JPEG, but no scaling.
A second one has room below it.
"""

from __future__ import annotations

import time

import numpy as np

from models.types import Image

CELL = 16
"""Pixels of a square's side: a macroblock of H.264, and of JPEG with halved colours, so that no
block holds two squares."""

BITS = 32
"""Of a code: those of the time, and 8 that check it."""

_TIME_BITS = 24
"""Milliseconds repeat after four and a half hours."""


def now() -> int:
    """The time of day in milliseconds, modulo 2**24; all processes share it."""
    return int(time.time() * 1e3) % (1 << _TIME_BITS)


def age(code: int, at: int) -> int:
    """Milliseconds from `code` to `at`, both as `now` counts, modulo 2**24."""
    return (at - code) % (1 << _TIME_BITS)


def draw(image: Image, code: int, row: int = 0) -> None:
    """Write a time into a picture, in place.

    Args:
        image: (H, W, 3), at least 512 wide.
        code: from `now`.
        row: 0 at the top, 1 below it.
    """
    word = code << 8 | _check(code)
    cells = [255 if word >> (BITS - 1 - bit) & 1 else 0 for bit in range(BITS)]
    line = np.repeat(np.array(cells, np.uint8), CELL)
    image[row * CELL : (row + 1) * CELL, : CELL * BITS] = line[None, :, None]


def read(image: Image, row: int = 0) -> int | None:
    """The time in a picture, or None if there is none that can be read; the row as for `draw`."""
    top = row * CELL
    if image.shape[0] < top + CELL or image.shape[1] < CELL * BITS:
        return None
    inner = image[top + 4 : top + CELL - 4, : CELL * BITS, 1].reshape(-1, BITS, CELL)[:, :, 4:-4]
    bits = inner.mean(axis=(0, 2)) > 127
    return checked(int("".join("1" if bit else "0" for bit in bits), 2))


def checked(word: int) -> int | None:
    """The time in the 32 bits of a code, or None if a bit is wrong."""
    code = word >> 8
    return code if word & 0xFF == _check(code) else None


def _check(code: int) -> int:
    """A hash of 8 bits; all black and all white squares are no code."""
    value = 0x5A
    for shift in (0, 8, 16):
        value = (value * 31 + (code >> shift & 0xFF)) & 0xFF
    return value
