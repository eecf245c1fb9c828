"""A video that exists is replaced only where its owner wants it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from models.errors import UserError


def ask_before_replacing(path: Path, console: Console) -> None:
    """Ask whether an existing file may be replaced, if somebody is there to answer.

    Args:
        path: where a video will be written.
        console: where the question appears.

    Raises:
        UserError: it exists and must stay.
    """
    if not os.path.lexists(path) or os.path.isdir(path):  # A folder is refused in its own words.
        return
    if not (console.is_terminal and _somebody_types()):
        raise UserError(f"{path} exists; choose another name, or add --overwrite to replace it.")
    try:
        answer = console.input(Text(f"{path} exists. Replace it? [y/N] "))
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError(f"{path} is kept as it is; choose another name.")


def _somebody_types() -> bool:
    """Whether the terminal's input reaches this program; it would stop a job in the background."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    with suppress(OSError, AttributeError):  # Windows knows no such groups.
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return True
