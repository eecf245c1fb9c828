"""Pictures of a camera or a clip that is mounted askew, turned before anybody looks at them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from models.types import Image
from realtime.cameras.clip import ClipReader

_CODES = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
"""OpenCV's names for turning clockwise by so many degrees."""


def turn(image: Image, degrees: int) -> Image:
    """The picture turned clockwise.

    Args:
        image: (H, W, 3).
        degrees: 0, 90, 180 or 270.
    """
    code = _CODES.get(degrees)
    return image if code is None else np.asarray(cv2.rotate(image, code), np.uint8)


class TurnedClip:
    """A driving clip whose pictures are turned.

    Attributes:
        fps: mean frames per second.
        frame_count: about how many frames there are, as the file tells it, or None.
    """

    def __init__(self, clip: ClipReader, degrees: int) -> None:
        """Turn the pictures of `clip` clockwise."""
        self._clip = clip
        self._degrees = degrees
        self.fps = clip.fps
        self.frame_count = clip.frame_count

    def frames(self) -> Iterator[tuple[Image, float]]:
        """As the clip's, turned."""
        for image, moment in self._clip.frames():
            yield turn(image, self._degrees), moment
