"""Checks of what comes with a command: each gives the value back, or raises `ValueError`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any


def nothing(value: Any) -> None:
    """Only None."""
    if value is not None:
        raise ValueError("takes no value")


def switch(value: Any) -> bool | None:
    """True, False or None, which turns a switch over."""
    if value is not None and not isinstance(value, bool):
        raise ValueError("takes true, false or nothing")
    return value


def word(value: Any) -> str:
    """The id of an avatar."""
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("takes the id of an avatar")
    return value


def whole(value: Any) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("takes a whole number")
    return value


def choice(words: Any) -> Callable[[Any], str]:
    """A check for one of some words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"takes one of: {', '.join(words)}")
        return value

    return check


def number(least: float, most: float) -> Callable[[Any], float]:
    """A check for a number from `least` to `most`."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"takes a number from {least:g} to {most:g}")
        number = float(value) if abs(value) < 1e6 else math.inf
        if not least <= number <= most:
            raise ValueError(f"takes a number from {least:g} to {most:g}")
        return number

    return check


def text(value: Any) -> str:
    """One line of what a user may name: a device, an address."""
    if not isinstance(value, str) or not 0 < len(value.strip()) <= 2000 or "\0" in value:
        raise ValueError("takes a name")
    return value.strip()


def one_of(numbers: Any) -> Callable[[Any], int]:
    """A check for one of some whole numbers."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value not in numbers:
            raise ValueError(f"takes one of: {', '.join(map(str, numbers))}")
        return value

    return check


def size(value: Any) -> tuple[int, int]:
    """Width and height of the output: even numbers from 64 to 3840."""
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", value) if isinstance(value, str) else None
    sides = tuple(int(side) for side in match.groups()) if match else ()
    if len(sides) != 2 or any(side % 2 or not 64 <= side <= 3840 for side in sides):
        raise ValueError("takes width x height in even numbers from 64 to 3840")
    return sides[0], sides[1]


def face(value: Any) -> int:
    """The number of a face, from 1 on; None, which becomes 0, for the largest."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("takes the number of a face, from 1 on, or nothing")
    if value is not None and not 1 <= value <= 99:
        raise ValueError("takes the number of a face, from 1 on, or nothing")
    return value or 0
