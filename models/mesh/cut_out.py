"""The person of a frame alone, for backgrounds other than the photo's own."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.mesh.layers import Layers, find_body
from models.types import Floats, Image

_FAINT = 20
"""Of 255: a matte below is none, and one as near to 255 is whole. Differences between a photo and
its completed background are that faint everywhere around the person."""

_CURVE = np.clip((np.arange(256) - _FAINT) * (255 / (255 - 2 * _FAINT)), 0, 255).astype(np.uint8)
"""What becomes of each value of a matte."""


@dataclass(frozen=True)
class CutOut:
    """What is known of a photo for cutting its person out of every frame.

    Attributes:
        box: left, top, right, bottom of what moves.
        rest: (H, W), the matte of what moves, at rest.
        body: (H, W), the matte of what of the person stands still.
        background: (H, W, 3), what is seen through the two.
        still: (H, W, 4) the person at rest: RGB premultiplied by the matte, and the matte.
    """

    box: tuple[int, int, int, int]
    rest: Image
    body: Image
    background: Image
    still: Image

    @classmethod
    def of(cls, photo: Image, landmarks: Floats, layers: Layers) -> CutOut:
        """Learn about a photo.

        Args:
            photo: (H, W, 3).
            landmarks: (478, 3) of the face in its pixels.
            layers: of the same photo.
        """
        body = find_body(photo, landmarks, layers)
        left, top, right, bottom = layers.box
        height, width = photo.shape[:2]
        sides = top, height - bottom, left, width - right
        rest = np.asarray(cv2.copyMakeBorder(layers.matte, *sides, cv2.BORDER_CONSTANT), np.uint8)
        # Behind the head lies what the layers say, behind the body what was there before it.
        background = layers.background.copy()
        cv2.copyTo(body.behind, cv2.dilate(body.matte, np.ones((5, 5), np.uint8)), background)
        still = _without(photo, background, np.maximum(rest, body.matte))
        return cls(layers.box, rest, body.matte, background, still)

    def person(self, picture: Image, matte: Image) -> Image:
        """(H, W, 4): the person of a frame, RGB premultiplied by the matte, and the matte.

        The background behind is known, so its share in soft edges is taken out exactly.

        Args:
            picture: (H, W, 3), the frame.
            matte: (H, W), of what moves, in the frame's pose.
        """
        left, top, right, bottom = self.box
        where = slice(top, bottom), slice(left, right)
        out = self.still.copy()
        out[where] = _without(
            np.ascontiguousarray(picture[where]),
            np.ascontiguousarray(self.background[where]),
            np.maximum(matte[where], self.body[where]),
        )
        return out


def _without(picture: Image, background: Image, matte: Image) -> Image:
    """(h, w, 4): the picture without the background's share, and the matte."""
    matte = np.asarray(cv2.LUT(matte, _CURVE), np.uint8)
    rest = cv2.cvtColor(cv2.bitwise_not(matte), cv2.COLOR_GRAY2RGB)
    pure = cv2.subtract(picture, cv2.multiply(background, rest, scale=1 / 255))
    # No colour is brighter than its matte allows.
    pure = cv2.min(pure, cv2.cvtColor(matte, cv2.COLOR_GRAY2RGB))
    out = cv2.cvtColor(pure, cv2.COLOR_RGB2RGBA)
    return np.asarray(cv2.insertChannel(matte, out, 3), np.uint8)
