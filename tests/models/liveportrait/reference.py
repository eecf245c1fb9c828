"""What the official code computes for made-up weights, and the pictures and landmarks for it.

The whole reference is in ../shared/liveportrait_reference, which states the rule that weights and
pictures follow; tests/data/liveportrait_motion_expected.npz is the part of it that tests need here.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.types import Floats
from tests.paths import DATA

EXPECTED = DATA / "liveportrait_motion_expected.npz"
"""The small copy. `video_*` are the seven heads of the motion network for the source video."""


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


def expected() -> Mapping[str, Any]:
    """The arrays of the small copy by their names."""
    with np.load(EXPECTED, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
