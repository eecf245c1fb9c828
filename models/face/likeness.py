"""How a face looks, to find the same one again: its light and dark parts, and its colour.

The landmarks themselves do not tell people apart: between two people they differ no more than
between two moments of one. What is compared here is a coarse picture of the face. It is no
recognition: people who look much alike under the same lamp are taken for one another, and in
another light nobody is found again.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.landmarker import CropRegion
from models.types import Floats, Image

_SIDE = 16
"""Pixels of a side of what is compared: less loses the eyes, more compares expressions."""

_FINE = 4
"""The same face is cut out so many times finer first, so that the small one has no noise."""

_PART = 0.53
"""Side of what is compared, in sides of the region: from the brows to the lower lip."""

_ALIKE = 0.6
"""Least correlation of two looks of one person. One person reaches 0.8 to 1 in a similar pose,
two mostly stay below 0.4, some reach 0.7."""

_COLOUR = 10.0
"""Largest difference of the mean colour (a and b of CIELAB): twice what one person's head makes
while it moves before a lamp."""

_KNOWN = 0.85
"""A look that correlates so much with a known one adds nothing."""

_MOST = 8
"""Looks that are kept of one person: front, sides, up, down, and as many for the mouth."""


@dataclass(frozen=True)
class Look:
    """What a face looks like in one moment.

    Attributes:
        light: (16, 16), its lightness, with mean 0 and deviation 1.
        colour: (2,), its mean colour, a and b of CIELAB.
    """

    light: Floats
    colour: Floats

    @classmethod
    def of(cls, image: Image, region: CropRegion) -> Look:
        """Look at a face.

        Args:
            image: (H, W, 3) RGB.
            region: of the face, as its landmarks say.
        """
        fine = _FINE * _SIDE
        part = CropRegion(region.cx, region.cy, _PART * region.side, region.angle)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(
            image, part.matrix(fine), (fine, fine), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        small = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        light = lab[..., 0] - lab[..., 0].mean()
        return cls(light / max(float(light.std()), 1e-6), lab[..., 1:].mean(axis=(0, 1)))


class Likeness:
    """How one person looks: grows while the person is seen."""

    def __init__(self, look: Look) -> None:
        """Begin with one moment."""
        self._looks = [look]

    def __call__(self, look: Look) -> float:
        """How much a face looks like the person: the best correlation, -1 where the colour differs.

        `is_alike` says what is enough.
        """
        scores = [
            float((look.light * known.light).mean())
            for known in self._looks
            if float(np.linalg.norm(look.colour - known.colour)) < _COLOUR
        ]
        return max(scores, default=-1.0)

    def is_alike(self, look: Look) -> bool:
        """Whether a face may be the person's."""
        return self(look) >= _ALIKE

    def learn(self, look: Look) -> None:
        """Add what the person looks like now, if it is new."""
        if len(self._looks) < _MOST and _ALIKE <= self(look) < _KNOWN:
            self._looks.append(look)
