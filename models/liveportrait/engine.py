"""What computes the networks."""

from __future__ import annotations

from typing import Any, Protocol

from models.liveportrait.heads import Heads
from models.types import Floats


class Engine(Protocol):
    """Computes the networks; may be called by several threads at once."""

    @property
    def device(self) -> str:
        """Where it computes, and why."""
        ...

    def features(self, picture: Floats) -> Any:
        """What the appearance network makes of (1, 3, 256, 256); it stays on the device."""
        ...

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of (1, 3, 256, 256), 0..1."""
        ...

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """(21, 3): driving keypoints that fit the source's shoulders."""
        ...

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """(21, 3): what opens the source's lips from a ratio to another."""
        ...

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """(21, 3): what opens the source's eyes from their ratios to another."""
        ...

    def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
        """(1, 3, 512, 512), 0..1: the picture."""
        ...
