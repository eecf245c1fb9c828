"""How this very program is started again, from a shell or a menu."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

NAME = "avatarify-like"
"""The script that an installation brings."""

ROOT = Path(__file__).resolve().parents[2]
"""Where the program lies."""


def this_program(windowless: bool = False) -> list[str]:
    """Program and arguments that start this installation, whatever folder it is started in.

    The starter of a checkout with an environment of its own; else the script beside the
    interpreter, if the installation has one; else the interpreter, told where the program lies.

    Args:
        windowless: by the interpreter that opens no console, which only Windows has.
    """
    interpreter = Path(sys.executable)
    without = interpreter.with_name("pythonw.exe")
    if windowless and without.is_file():
        interpreter = without
    else:
        starter = _starter()
        if starter.is_file() and Path(sys.prefix) == ROOT / ".venv":
            return [str(starter)]
        script = interpreter.with_name(NAME + (".exe" if os.name == "nt" else ""))
        if script.is_file():
            return [str(script)]
    start = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from realtime.cli import main; main()"
    return [str(interpreter), "-c", start]


def this_command(*words: str) -> str:
    """A command line of this program, to copy into a shell: the short name where that is found.

    Args:
        words: its arguments.
    """
    own, starter = this_program(), _starter()
    found = shutil.which(NAME)
    if found is not None and len(own) == 1 and os.path.samefile(found, own[0]):
        own = [NAME]
    elif starter.is_file():
        own = [str(starter)]
    line = [*own, *words]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def _starter() -> Path:
    """The starter that a checkout has, which sets itself up."""
    return ROOT / "scripts" / (NAME + (".cmd" if os.name == "nt" else ""))
