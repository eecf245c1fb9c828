"""A mark for camera frames, and a detector that finds it in whatever goes out.

The mark is a fixed random pattern of light and dark cells. It survives scaling, cutting, mirroring,
JPEG and H.264; no picture of an avatar looks like it. So a camera's picture that slips out is
noticed, however it was changed on the way.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Floats, Image

CELLS = (24, 18)
"""Columns and rows of the pattern."""

THRESHOLD = 0.4
"""Correlation from which on a picture counts as marked. The tests hold others below 0.33 and marked
ones above 0.45, scaled, cut, darkened, blurred or inset."""

_HEIGHT = 40
"""Rows at which pictures are searched."""

_WIDTHS = tuple(1.06**step for step in range(-12, 14))
"""Widths of the pattern that are searched for, in widths of the picture: half to twice."""

_MARGIN = 0.2
"""How much of the pattern may lie outside the picture, in sides of the picture."""


def pattern() -> NDArray[np.float32]:
    """The mark, of the shape of `CELLS`: -1 or 1 in each cell, as many of each in every row."""
    rng = np.random.default_rng(20)
    rows = [rng.permutation(np.repeat([-1.0, 1.0], CELLS[0] // 2)) for _ in range(CELLS[1])]
    return np.array(rows, np.float32)


def mark(image: Image, strength: float = 28.0) -> Image:
    """A camera's picture with the mark, its contrast lowered so that nothing is cut off.

    Args:
        image: (H, W, 3), RGB.
        strength: how much lighter or darker the cells are, of 255.
    """
    height, width = image.shape[:2]
    cells = cv2.resize(pattern(), (width, height), interpolation=cv2.INTER_NEAREST)
    room = 1 - 2 * strength / 255
    marked = image.astype(np.float32) * room + strength + strength * cells[..., None]
    return np.asarray(np.clip(np.rint(marked), 0, 255), np.uint8)


class Detector:
    """Looks for the mark at every place, at many sizes, as it is and mirrored."""

    def __init__(self) -> None:
        """Prepare the patterns for pictures of all shapes."""
        self._patterns: dict[tuple[int, int], list[Floats]] = {}

    def correlation(self, image: Image) -> float:
        """The best correlation of the mark with any part of a picture, about 0..1."""
        height, width = image.shape[:2]
        size = (max(round(width * _HEIGHT / height), 8), _HEIGHT)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        grey = _flatten(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32))
        if float(np.abs(grey).max()) < 1e-3:
            return 0.0
        x, y = round(size[0] * _MARGIN), round(size[1] * _MARGIN)
        wide = cv2.copyMakeBorder(grey, y, y, x, x, cv2.BORDER_CONSTANT, value=0.0)
        best = 0.0
        for cells in self._cells(size):
            rows, columns = cells.shape
            if rows >= grey.shape[0] and columns >= grey.shape[1]:
                around, inside = cells, grey  # The picture is a part of the pattern.
            elif rows <= wide.shape[0] and columns <= wide.shape[1]:
                around, inside = wide, cells
            else:
                continue
            found = cv2.matchTemplate(around, inside, cv2.TM_CCORR_NORMED)
            best = max(best, float(found.max()))
        return best

    def finds(self, image: Image) -> bool:
        """Whether a picture carries the mark."""
        return self.correlation(image) >= THRESHOLD

    def _cells(self, size: tuple[int, int]) -> list[Floats]:
        """The patterns to look for in pictures of `size` (width, height)."""
        if size not in self._patterns:
            made: list[Floats] = []
            for share in _WIDTHS:
                width = round(size[0] * share)
                height = round(width * CELLS[1] / CELLS[0])
                one = _flatten(cv2.resize(pattern(), (width, height), interpolation=cv2.INTER_AREA))
                made += [one, np.ascontiguousarray(one[:, ::-1])]
            self._patterns[size] = made
        return self._patterns[size]


def _flatten(grey: Floats) -> Floats:
    """What varies on the scale of the cells, with strong edges held down."""
    detail = grey - cv2.GaussianBlur(grey, (0, 0), 3.0)
    spread = float(detail.std())
    return np.asarray(np.tanh(detail / max(1.5 * spread, 1e-6)) * (spread > 1e-3), np.float32)
