"""Which square of a picture the networks see, from the landmarks of the face in it.

The official rule, for the layouts of landmarks that it knows (203, 106, 68 and 5 points) and for
the face tracker's 478. These have a forehead, which the official ones do not: the square is put
around all of them, its size and place corrected by what the forehead adds. The other way would be
to leave out what the official layouts do not have, from the brows up. Both were measured on four
clips and seven photos, in which the two squares' sides differ by 0.4 to 3.5 % (one photo: 10 %)
and their centres by 0.1 to 1.8 % of a side; what is left out is as large as a 68-point box:

| how a frame's square changes, % of its side | all 478 | brow to chin |
|---|---|---|
| size, mouth wide open against shut (216 frames) | +9.8 | +12.1 |
| size, deviation while the head turns from -30 to 47 degrees (23 frames) | 1.2 | 2.0 |
| size, from frame to frame (second difference), in the same clip | 1.7 | 2.9 |
| size, deviation of a head that is nearly still (62 frames) | 0.6 | 1.4 |
| size, deviation while the eyes wander and the mouth grins (78 frames) | 0.7 | 0.5 |

So all are taken: the size hangs less on expression and turn. The eyes' corners say where the eyes
are: with the irises, which some tools take, the square's angle jitters by 1.1 degrees in the last
clip instead of 0.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.liveportrait.config import OUTPUT, SIDE
from models.types import Floats, Image

MOST = 1280
"""Pixels of a photo's longer side, at most; larger ones are made smaller, as officially."""

_LEAST = 1e-3
"""Pixels between eyes and mouth below which a face has no direction; as officially."""


@dataclass(frozen=True)
class Framing:
    """How much is seen around a face.

    Attributes:
        scale: side of the square over the longer side of the landmarks' box.
        up: by how many sides the square is moved down the face; negative is toward the brow.
        turned: whether the square turns with the face.
    """

    scale: float
    up: float
    turned: bool


SOURCE = Framing(2.3, -0.125, True)
"""Of a photo; the official default."""

DRIVING = Framing(2.2, -0.1, False)
"""Of the driver; the official default."""


@dataclass(frozen=True)
class _Layout:
    """Where eyes and mouth are among some landmarks.

    Attributes:
        eyes: the numbers of the points whose means are the eyes' centres.
        mouth: those whose mean is the mouth's.
        share: how much of the longer side of the points' box reaches from the brows to the chin.
        lower: how far the middle of that is below the box's, in the box's longer sides.
    """

    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    mouth: tuple[int, ...]
    share: float = 1.0
    lower: float = 0.0

    def anchors(self, points: Floats) -> tuple[Floats, Floats]:
        left, right = (points[list(numbers)].mean(0) for numbers in self.eyes)
        return (left + right) / 2, points[list(self.mouth)].mean(0)


_LAYOUTS = {
    203: _Layout(((0, 6, 12, 18), (24, 30, 36, 42)), (48, 66)),
    106: _Layout(((33, 35, 40, 39), (87, 89, 94, 93)), (52, 61)),
    68: _Layout(((36, 39), (42, 45)), (48, 54)),
    5: _Layout(((0,), (1,)), (3, 4)),
    # 1.93 / 2.3 and, for a photo, a move of -0.08 sides instead of -0.125: measured on five clips.
    478: _Layout(((33, 133), (362, 263)), (61, 291), 0.839, 0.087),
}
"""By the number of landmarks."""


@dataclass(frozen=True)
class Box:
    """A square of a picture, which may be turned.

    Attributes:
        cx: the centre's column in pixels.
        cy: the centre's row in pixels.
        side: in pixels.
        angle: by which it is turned, in radians; positive is clockwise as one sees it.
    """

    cx: float
    cy: float
    side: float
    angle: float = 0.0

    def matrix(self, size: int) -> Floats:
        """(3, 3): takes pixels of the picture to those of the square at size x size."""
        # In float32 and in this order as the official code, whose pictures are then met to the bit.
        scale = np.float32(size) / np.float32(self.side)
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x, y = np.float32(self.cx), np.float32(self.cy)
        return np.array(
            (
                (scale * cosine, scale * sine, size / 2 - scale * (cosine * x + sine * y)),
                (-scale * sine, scale * cosine, size / 2 - scale * (-sine * x + cosine * y)),
                (0.0, 0.0, 1.0),
            ),
            np.float32,
        )

    @property
    def corners(self) -> Floats:
        """(4, 2): top left, top right, bottom right and bottom left, as if it were not turned."""
        half = self.side / 2
        left, top, right, bottom = self.cx - half, self.cy - half, self.cx + half, self.cy + half
        return np.array(((left, top), (right, top), (right, bottom), (left, bottom)), np.float64)


def face_box(points: Floats, framing: Framing) -> Box:
    """The square around a face.

    Args:
        points: (N, 2 or more) landmarks in pixels: 478, 203, 106, 68 or 5.
        framing: how much is seen around it.

    Raises:
        ValueError: there are no landmarks of that number.
    """
    layout = _LAYOUTS.get(len(points))
    if layout is None:
        raise ValueError(f"no square is known for {len(points)} landmarks")
    values = np.asarray(points, np.float32)[:, :2]
    eyes, mouth = layout.anchors(values)
    down = mouth - eyes
    length = float(np.linalg.norm(down))
    down = down / length if length > _LEAST else np.array((0.0, 1.0), np.float32)
    right = np.array((down[1], -down[0]))
    around = values.mean(0)
    seen = (values - around) @ np.stack((right, down)).T
    least, most = seen.min(0), seen.max(0)
    middle = (least + most) / 2
    longer = (most - least).max()
    side = float(layout.share * longer) * framing.scale
    middle = middle + np.array((0, layout.lower * longer), np.float32)
    cx, cy = around + middle[0] * right + middle[1] * down + framing.up * side * down
    angle = math.copysign(math.acos(min(max(float(right[0]), -1.0), 1.0)), float(right[1]))
    return Box(float(cx), float(cy), max(side, 1.0), angle if framing.turned else 0.0)


def mean_box(boxes: Sequence[Box]) -> Box:
    """One square for all frames of a driving clip, as officially."""
    values = np.mean([(box.cx, box.cy, box.side) for box in boxes], axis=0)
    return Box(float(values[0]), float(values[1]), float(values[2]))


def fitted(image: Image, most: int = MOST) -> Image:
    """A photo at the size at which it is animated: not above `most`, both sides even."""
    height, width = image.shape[:2]
    if max(height, width) > most:
        share = most / max(height, width)
        height, width = int(height * share), int(width * share)
        image = np.asarray(cv2.resize(image, (width, height)), np.uint8)
    # Video wants even sides; what is over is cut off, as officially.
    return np.ascontiguousarray(image[: height - height % 2, : width - width % 2])


def cut(image: Image, box: Box, size: int = OUTPUT) -> Image:
    """(size, size, 3): the square of a picture; black where it reaches beyond it."""
    matrix = box.matrix(size)[:2]
    out = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    return np.asarray(out, np.uint8)


def network_picture(image: Image) -> Floats:
    """(1, 3, 256, 256), 0..1: what the networks take, from a square picture of any size.

    Halving is done by averaging: the official photos' way, and from 512 the same as its videos'.
    """
    if image.shape[:2] != (SIDE, SIDE):
        method = cv2.INTER_AREA if image.shape[0] > SIDE else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=method), np.uint8)
    scaled = image.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
