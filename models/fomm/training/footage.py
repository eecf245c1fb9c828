"""Which parts of a person's footage can be trained on, and which square of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from models.face.cuts import cuts
from models.face.orientation import quarters
from models.types import Crop, Face, Floats, Image

HEAD = 1.58
"""Side of a head's square, in longer sides of the face's mesh, which ends at the brow and the chin.
With `MARGIN` around, a still head is cut out as it is for animating (`Crop.around`)."""

MARGIN = 0.1
"""Of the box of a whole stretch, on each of its sides: the official `--increase`."""

LEAST_OVERLAP = 0.25
"""Intersection over union with a stretch's first box, below which another stretch begins, so that
nobody wanders through a picture that is too wide: the official `--iou_with_initial`."""

MOST_ENLARGED = 2.0
"""How many times a square may be enlarged to the training size: beyond, it teaches blur."""

OTHER_PICTURE = 0.6
"""Share of the picture that changes in a cut: as the tracker has it."""

BLURRED = 0.3
"""Sharpness, in those of the footage's sharp frames, below which a moment is blurred. Halving the
sharpness is usual when a head turns away; a lens that has lost its focus reaches a tenth."""

_SHARP = 75
"""Percentile of the sharpness of all frames that stands for its sharp ones."""

_MOMENT = 9
"""Frames over whose median a moment is sharp or blurred: one that a quick move blurs is fine."""

_LOOK = 128
"""Pixels of a side of the face that sharpness is measured on, whatever size it has."""


@dataclass(frozen=True)
class Seen:
    """What one frame shows.

    Attributes:
        face: in its pixels, or None.
        sharpness: variance of the Laplacian of the face's lightness; 0 without a face.
        cut: the picture is another one than before.
    """

    face: Face | None
    sharpness: float
    cut: bool


@dataclass(frozen=True)
class Square:
    """Where a stretch is cut out, in pixels.

    Attributes:
        left: its first column.
        top: its first row.
        side: its width and height.
    """

    left: int
    top: int
    side: int

    def of(self, image: Image, side: int) -> Image:
        """The square of a picture, (side, side, 3)."""
        part = image[self.top : self.top + self.side, self.left : self.left + self.side]
        if self.side == side:
            return np.ascontiguousarray(part)
        how = cv2.INTER_AREA if self.side > side else cv2.INTER_CUBIC
        return np.ascontiguousarray(cv2.resize(part, (side, side), interpolation=how), np.uint8)


@dataclass(frozen=True)
class Piece:
    """A part of a clip that is kept.

    Attributes:
        start: its first frame.
        stop: the frame after its last.
        square: what is cut out of all its frames.
    """

    start: int
    stop: int
    square: Square

    @property
    def frames(self) -> int:
        """How many there are."""
        return self.stop - self.start


@dataclass(frozen=True)
class Choice:
    """What is kept of a clip.

    Attributes:
        pieces: in order.
        dropped: why frames were left out, a few words, and how many.
    """

    pieces: list[Piece]
    dropped: Counter[str]


def sharpness(image: Image, face: Face) -> float:
    """How sharp a face is in a picture: the variance of its Laplacian at a fixed size."""
    left, top, right, bottom = (round(one) for one in face.box)
    part = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if min(part.shape[:2]) < 2:
        return 0.0
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_LOOK, _LOOK), interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(small, cv2.CV_64F).var())


def choose(
    seen: Sequence[Seen],
    size: tuple[int, int],
    seconds: Sequence[float],
    side: int,
    least: int,
    most: int,
) -> Choice:
    """Choose what of a clip is trained on.

    Args:
        seen: of every frame.
        size: height and width of the frames.
        seconds: when each is shown.
        side: of the pictures that are trained on.
        least: frames of a piece.
        most: frames of a piece; a longer one is divided.
    """
    dropped: Counter[str] = Counter()
    usable = _usable(seen, dropped)
    broken = set(cuts([one.face for one in seen], seconds))
    broken |= {i for i, one in enumerate(seen) if one.cut}
    pieces: list[Piece] = []
    start = 0
    while start < len(seen):
        if not usable[start]:
            start += 1
            continue
        stop = _end(seen, usable, broken, start)
        square = _square([_head(one.face) for one in seen[start:stop] if one.face], size)
        if stop - start < least:
            dropped["in stretches that are too short"] += stop - start
        elif square is None:
            dropped["where the head is cut off by the picture's edge"] += stop - start
        elif square.side * MOST_ENLARGED < side:
            dropped["where the face is too small"] += stop - start
        else:
            parts = -(-(stop - start) // most)
            bounds = np.linspace(start, stop, parts + 1).round().astype(int).tolist()
            pieces += [Piece(a, b, square) for a, b in pairwise(bounds)]
        start = stop
    return Choice(pieces, dropped)


def _usable(seen: Sequence[Seen], dropped: Counter[str]) -> list[bool]:
    """Whether each frame shows a face that is upright and sharp."""
    values = np.array([one.sharpness if one.face else np.nan for one in seen])
    known = values[np.isfinite(values)]
    least = BLURRED * float(np.percentile(known, _SHARP)) if known.size else 0.0
    reach = _MOMENT // 2
    usable = []
    for i, one in enumerate(seen):
        why = ""
        if one.face is None:
            why = "without a face"
        elif quarters(one.face):
            why = "where the head is not upright"
        else:
            around = values[max(i - reach, 0) : i + reach + 1]
            if float(np.nanmedian(around)) < least:
                why = "that are blurred"
        if why:
            dropped[why] += 1
        usable.append(not why)
    return usable


def _end(seen: Sequence[Seen], usable: Sequence[bool], broken: set[int], start: int) -> int:
    """The frame after the last of the stretch that begins at `start`."""
    first = _head(seen[start].face)
    for i in range(start + 1, len(seen)):
        if not usable[i] or i in broken or _overlap(first, _head(seen[i].face)) < LEAST_OVERLAP:
            return i
    return len(seen)


def _head(face: Face | None) -> Floats:
    """Left, top, right, bottom of a head's square."""
    assert face is not None
    crop = Crop.around(face, HEAD)
    return np.array(
        [crop.cx - crop.half, crop.cy - crop.half, crop.cx + crop.half, crop.cy + crop.half]
    )


def _overlap(a: Floats, b: Floats) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(shared / max(areas - shared, 1e-9))


def _square(heads: Sequence[Floats], size: tuple[int, int]) -> Square | None:
    """The square around all heads of a stretch, inside the picture; None if they leave it.

    Where the margin does not fit, the square is smaller or moved: what counts is the face.
    """
    boxes = np.stack(heads)
    low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
    side = round(float((1 + 2 * MARGIN) * (high - low).max()))
    side = min(max(side, 1), *size)
    middle = (low + high) / 2
    left = int(np.clip(round(middle[0] - side / 2), 0, size[1] - side))
    top = int(np.clip(round(middle[1] - side / 2), 0, size[0] - side))
    # The mesh itself, without the room for hair, must be in the square.
    spare = (boxes[:, 2:] - boxes[:, :2]) * (1 - 1 / HEAD) / 2
    faces_low, faces_high = (boxes[:, :2] + spare).min(0), (boxes[:, 2:] - spare).max(0)
    corner = np.array([left, top])
    inside = (faces_low >= corner).all() and (faces_high <= corner + side).all()
    return Square(left, top, side) if inside else None
