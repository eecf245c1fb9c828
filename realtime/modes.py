"""The words of `--motion` and `--fit`; light, so that `--help` can name them at once."""

from __future__ import annotations

from enum import StrEnum


class Motion(StrEnum):
    """How the driver's motion is taken; the words of `--motion`."""

    RELATIVE = "relative"
    """What has moved since the calibration, on the photo's own face."""
    ABSOLUTE = "absolute"
    """The driver's pose and shape as they are."""


class Fit(StrEnum):
    """How a picture of another shape goes on the canvas; the words of `--fit`."""

    BLUR = "blur"
    """All of it, and its own blurred enlargement around it."""
    COVER = "cover"
    """As large as the canvas; what stands out is cut off."""
    CONTAIN = "contain"
    """All of it, on black."""
