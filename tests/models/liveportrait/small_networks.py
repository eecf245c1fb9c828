"""The three small networks with the rule's weights, in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.liveportrait.motion import stitched
from models.types import Floats
from tests.liveportrait_rule import SALT, rule_weights


class SmallNetwork:
    """One of the three small networks with the rule's weights, in numpy."""

    def __init__(self, name: str) -> None:
        """Make the weights of "stitching", "lip" or "eye"."""
        weights = rule_weights(SALT, name)
        stems = [key.removesuffix(".weight") for key in weights if key.endswith(".weight")]
        self._layers = [(weights[f"{stem}.weight"], weights[f"{stem}.bias"]) for stem in stems]

    def __call__(self, *inputs: Any) -> Floats:
        """The network's output for inputs that are put one behind the other."""
        values = np.concatenate([np.asarray(part, np.float32).reshape(-1) for part in inputs])
        for i, (weight, bias) in enumerate(self._layers):
            values = weight @ values + bias
            if i < len(self._layers) - 1:
                values = np.maximum(values, 0)
        return values


class SmallEngine:
    """What the three small networks give, in the form in which an engine gives it."""

    def __init__(self) -> None:
        """With the rule's weights."""
        self._stitching = SmallNetwork("stitching")
        self._lip = SmallNetwork("lip")
        self._eye = SmallNetwork("eye")

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """(21, 3): the stitched driving keypoints."""
        return stitched(driving, self._stitching(source, driving))

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """(21, 3): what takes the lips from a ratio to another."""
        return self._lip(source, ratio, target).reshape(21, 3)

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """(21, 3): what takes the eyes from their ratios to another."""
        return self._eye(source, left, right, target).reshape(21, 3)
