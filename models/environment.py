"""The environment that runs this: its commands, whichever way it was made, and its cores."""

from __future__ import annotations

import importlib.util
import os
import shlex
import subprocess
import sys


def python_command() -> str:
    """The interpreter that runs this, quoted for a shell."""
    quote = subprocess.list2cmdline if sys.platform == "win32" else shlex.join
    return quote([sys.executable])


def pip_command(arguments: str) -> str:
    """A pip command line for this environment, which need not have a pip of its own."""
    if importlib.util.find_spec("pip") is not None:
        return f"{python_command()} -m pip {arguments}"
    other = "py -3" if sys.platform == "win32" else "python3"
    return f"{other} -m pip --python {python_command()} {arguments}"


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
