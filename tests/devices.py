"""What the tests of devices and browsers need, and what happens where it is absent."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

REQUIRED = "AVATARIFY_REQUIRE_DEVICES"
"""Set by .ci/run, which installs everything: what is missing there is a failure."""


def needs_programs(*names: str) -> None:
    """Skip the test where one of these programs is missing; fail it where CI must have it."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        absent(f"needs {', '.join(missing)}")


def absent(reason: str) -> NoReturn:
    """Skip the test, or fail it where CI must have what is missing."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, which .ci/run should have installed")
    pytest.skip(reason)
