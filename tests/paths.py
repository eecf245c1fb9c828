"""Where things lie that tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "data"
SEEDS = ROOT / "scripts" / "fuzz" / "seeds"
SHARED = ROOT.parent / "shared"
"""Material beside the checkout, which users do not have; tests ask the fixture `shared` for it."""
