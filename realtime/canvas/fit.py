"""The words of `--fit`; by themselves, so that `--help` need not load what draws."""

from __future__ import annotations

from enum import StrEnum


class Fit(StrEnum):
    """How a picture of another shape goes on the canvas."""

    BLUR = "blur"
    """All of it, and its own blurred enlargement around it."""
    COVER = "cover"
    """As large as the canvas; what stands out is cut off."""
    CONTAIN = "contain"
    """All of it, on black."""
