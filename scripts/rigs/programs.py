"""The programs that rigs need, and what happens where one is absent."""

from __future__ import annotations

import os
import shutil
import unittest
from typing import NoReturn

REQUIRED = "AVATARIFY_REQUIRE_DEVICES"
"""Set by .ci/run, which installs everything: what is missing there is a failure."""


def needs_programs(*names: str) -> None:
    """Skip the test where one of these programs is missing; fail it where CI must have it.

    Raises:
        unittest.SkipTest: one is missing.
        RuntimeError: CI must have it.
    """
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        absent(f"needs {', '.join(missing)}")


def absent(reason: str) -> NoReturn:
    """Skip the test, or fail it where CI must have what is missing.

    Raises:
        unittest.SkipTest: always, but where CI must have it.
        RuntimeError: CI must have it.
    """
    if os.environ.get(REQUIRED):
        raise RuntimeError(f"{reason}, which .ci/run should have installed")
    raise unittest.SkipTest(reason)  # pytest heeds it; a script says it and ends.
