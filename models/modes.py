"""How motion is taken; by itself, so that `--help` need not load what else the contract knows."""

from __future__ import annotations

from typing import Literal

Motion = Literal["relative", "absolute"]
"""relative: the driver's motion since the calibration, on the photo's own face. absolute: the
driver's pose as it is."""
