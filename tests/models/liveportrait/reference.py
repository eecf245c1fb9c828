"""What the official code computes for made-up weights and pictures, and those weights.

The whole reference is in ../shared/liveportrait_reference, which states the rule that weights and
pictures follow; tests/data/liveportrait_motion_expected.npz is the part of it that tests need here.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from models.liveportrait.motion import stitched
from models.types import Floats
from tests.paths import DATA

EXPECTED = DATA / "liveportrait_motion_expected.npz"
"""The small copy. `video_*` are the seven heads of the motion network for the source video."""

WIDTHS = {
    "stitching": (126, 128, 128, 64, 65),
    "lip": (65, 128, 128, 64, 63),
    "eye": (66, 256, 256, 128, 128, 64, 63),
}
"""Of the layers of the three small networks."""


def random(name: str) -> np.random.Generator:
    """The numbers of a parameter, a picture or landmarks."""
    return np.random.default_rng(zlib.crc32(f"dev/{name}".encode()))


def landmarks(name: str, shape: tuple[int, ...], least: float, most: float) -> Floats:
    """Made-up landmarks; they are no face."""
    return random(name).uniform(least, most, shape).astype(np.float32)


def picture(name: str) -> Floats:
    """A made-up picture (1, 3, 256, 256), 0..1."""
    numbers = random(name)
    low = numbers.uniform(0, 1, (1, 3, 9, 9)).astype(np.float32)
    high = numbers.uniform(0, 1, (1, 3, 256, 256)).astype(np.float32)
    # In float32 and in this order, as bilinear enlarging is computed where the reference was made.
    place = np.float32(8 / 255) * np.arange(256, dtype=np.float32)
    first = np.minimum(place.astype(int), 7)
    share = place - first.astype(np.float32)
    rows, columns = share[:, None], share
    above = (1 - columns) * low[:, :, first][..., first] + columns * low[:, :, first][
        ..., first + 1
    ]
    below = (1 - columns) * low[:, :, first + 1][..., first]
    below = below + columns * low[:, :, first + 1][..., first + 1]
    smooth = (1 - rows) * above + rows * below
    return np.asarray(np.float32(0.9) * smooth + np.float32(0.1) * high, np.float32)


class SmallNetwork:
    """One of the three small networks with the rule's weights, in numpy."""

    def __init__(self, name: str) -> None:
        """Make the weights of "stitching", "lip" or "eye"."""
        self._layers = []
        steps = list(pairwise(WIDTHS[name]))
        for i, (inside, outside) in enumerate(steps):
            last = i == len(steps) - 1
            spread = (0.1 if last else 1.0) * np.sqrt(2 / inside)
            weight = random(f"{name}.mlp.{2 * i}.weight").normal(0, spread, (outside, inside))
            bias = random(f"{name}.mlp.{2 * i}.bias").normal(0, 0.01 if last else 0.1, outside)
            self._layers.append((weight.astype(np.float32), bias.astype(np.float32)))

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


def expected() -> Mapping[str, Any]:
    """The arrays of the small copy by their names."""
    with np.load(EXPECTED, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
