"""Putting the networks' picture back into the photo that it was cut out of."""

from __future__ import annotations

import cv2
import numpy as np

from models.liveportrait.config import OUTPUT
from models.liveportrait.crop import Box
from models.types import Floats, Image

EDGE = 16
"""Pixels at each side of the official mask over which it fades out, of 512."""

SOFT = 48
"""The same for what is seen live. A shoulder that moved meets the one that did not: over 48 pixels
a difference changes by 3 % of itself from pixel to pixel, over the official 16 by 6 %. The hair of
a usual photo ends some 60 pixels below the square's upper side, so it moves whole."""

_LEAST = 16
"""Pixels of a side to which the picture is made smaller, at least."""


def official_mask() -> Image:
    """(512, 512), 0..255: the official mask."""
    return np.asarray(np.floor(255 * np.clip(1 - _outside(EDGE) / EDGE, 0, 1)), np.uint8)


def soft_mask(edge: int = SOFT) -> Floats:
    """(512, 512), 0..1: fades out over `edge` pixels at each side, without a kink."""
    share = np.clip(1 - _outside(edge) / edge, 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _outside(edge: int) -> Floats:
    """(512, 512): how far each pixel is outside of the square that leaves out `edge` pixels."""
    place = np.arange(OUTPUT, dtype=np.float64)
    beyond = np.maximum(np.maximum(edge - place, place - (OUTPUT - edge)), 0)
    return np.asarray(np.hypot(beyond[:, None], beyond[None, :]), np.float64)


def pasted(picture: Image, photo: Image, back: Floats) -> Image:
    """The official paste-back, to the bit.

    Args:
        picture: (512, 512, 3) of the networks.
        photo: that it goes into.
        back: (3, 3), takes pixels of the square to those of the photo: the inverse of
            `Box.matrix`.
    """
    size = photo.shape[1], photo.shape[0]
    mask = cv2.warpAffine(official_mask(), back[:2], size, flags=cv2.INTER_LINEAR)
    share = (mask.astype(np.float32) / 255)[..., None]
    put = cv2.warpAffine(picture, back[:2], size, flags=cv2.INTER_LINEAR)
    return np.asarray(np.clip(share * put + (1 - share) * photo, 0, 255).astype(np.uint8))


class Paste:
    """Puts pictures into one photo, quickly and without a seam; only the touched part is computed.

    2 to 8 ms on two busy cores (a square of 400 or 900 pixels in 1280), where `pasted` takes 40.
    It holds what does not change from frame to frame and shares nothing that changes.
    """

    def __init__(self, photo: Image, box: Box, edge: int = SOFT) -> None:
        """Make ready for a photo.

        Args:
            photo: that the pictures go into; it is not changed.
            box: the square of it that was cut out; it may reach beyond the photo.
            edge: pixels of 512 at each side of the square over which it fades into the photo.
        """
        self.photo = photo
        # A picture that is made much smaller by sampling alone would flicker. By halves: fast.
        self._side = OUTPUT
        while self._side >= max(2 * box.side, 2 * _LEAST):
            self._side //= 2
        back = np.linalg.inv(box.matrix(self._side).astype(np.float64))
        mask = cv2.resize(soft_mask(edge), (self._side, self._side), interpolation=cv2.INTER_AREA)
        size = photo.shape[1], photo.shape[0]
        share = cv2.warpAffine(mask, back[:2], size, flags=cv2.INTER_LINEAR)
        left, top, width, height = cv2.boundingRect((share > 0).astype(np.uint8))
        self._rows, self._columns = slice(top, top + height), slice(left, left + width)
        self._back = back[:2] - np.array(((0, 0, left), (0, 0, top)))
        self._share = np.ascontiguousarray(share[self._rows, self._columns])
        self._rest = 1 - self._share
        self._under = np.ascontiguousarray(photo[self._rows, self._columns])

    def __call__(self, picture: Image) -> Image:
        """The photo with a picture in it.

        Args:
            picture: (512, 512, 3) of the networks.

        Returns:
            A new picture of the photo's size; what the square does not touch is the photo's own.
        """
        out = self.photo.copy()
        if not self._share.size:
            return out
        if self._side != OUTPUT:
            side = (self._side, self._side)
            picture = np.asarray(cv2.resize(picture, side, interpolation=cv2.INTER_AREA), np.uint8)
        put = cv2.warpAffine(
            picture,
            self._back,
            (self._share.shape[1], self._share.shape[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        out[self._rows, self._columns] = cv2.blendLinear(put, self._under, self._share, self._rest)
        return out
