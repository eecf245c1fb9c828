"""Where things lie that scripts read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder of this checkout."""

SHARED = ROOT.parent / "shared"
"""Material beside the checkout: clips, photos and the CC0 parts of heads; users do not have it."""
