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


def this_program(windowless: bool = False) -> list[str]:
    """Program and arguments that start this installation, whatever folder it is started in.

    The starter of a checkout with an environment of its own; else the script beside the
    interpreter, if the installation has one; else the interpreter, told where the program lies.

    Args:
        windowless: by the interpreter that opens no console, which only Windows has.
    """
    interpreter, root = Path(sys.executable), Path(__file__).resolve().parents[2]
    without = interpreter.with_name("pythonw.exe")
    if windowless and without.is_file():
        interpreter = without
    else:
        end = (".cmd", ".exe") if os.name == "nt" else ("", "")
        starter = root / "scripts" / (NAME + end[0])
        if starter.is_file() and Path(sys.prefix) == root / ".venv":
            return [str(starter)]
        script = interpreter.with_name(NAME + end[1])
        if script.is_file():
            return [str(script)]
    start = f"import sys; sys.path.insert(0, {str(root)!r}); from realtime.cli import main; main()"
    return [str(interpreter), "-c", start]


def this_command(*words: str) -> str:
    """A command line of this program, to copy into a shell: the short name where that is found.

    Args:
        words: its arguments.
    """
    own = this_program()
    found = shutil.which(NAME)
    if found is not None and len(own) == 1 and os.path.samefile(found, own[0]):
        own = [NAME]
    line = [*own, *words]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)
