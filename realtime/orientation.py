"""How a stored picture must be turned and mirrored to stand upright."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame

from models.types import Image


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a picture can lie.

    Attributes:
        swaps: rows are shown as columns; done first.
        flips_x: what is left then is shown on the right.
        flips_y: what is on top then is shown below.
    """

    swaps: bool = False
    flips_x: bool = False
    flips_y: bool = False

    def __call__(self, image: Image) -> Image:
        """The picture upright; a view of `image`, (H, W, 3)."""
        if self.swaps:
            image = image.swapaxes(0, 1)
        return image[:: -1 if self.flips_y else 1, :: -1 if self.flips_x else 1]


class Orientations:
    """How the pictures of one stream lie, in the order in which they are shown.

    Containers say it of every picture. Where the codec says it (H.264, H.265), only the first
    picture of each group does, and the others lie like it.
    """

    def __init__(self) -> None:
        """Nothing has been said."""
        self._last = Orientation()

    def __call__(self, frame: VideoFrame) -> Orientation:
        """How the next picture lies."""
        told = _told(frame)
        if told is not None or frame.key_frame:
            self._last = told or Orientation()
        return self._last


def _told(frame: VideoFrame) -> Orientation | None:
    """What the file says of a picture, by a display matrix; angles are rounded to right ones.

    A stored point (p, q) is shown at (a p + c q, b p + d q), where the matrix is a b u c d v x y w,
    x to the right and y down.
    """
    data = frame.side_data.get(Type.DISPLAYMATRIX)  # type: ignore[call-overload] # The stub is wrong.
    if data is None or len(bytes(data)) != 36:
        return None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(False, a < 0, d < 0)
    return Orientation(True, c < 0, b < 0)
