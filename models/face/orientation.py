"""Which way up a face is: the networks take an inverted face for an upright one.

The detector finds a face that stands on its head, and the landmark network puts eyes where its
mouth is, often with full confidence. But the detector believes more in a face that it sees
upright, so both ways are shown to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.face.detector import Detection, FaceDetector
from models.face.landmarker import CropRegion
from models.types import Face, Floats, Image

_SIDE = 128
"""Pixels of a side of what the detector looks at."""

_AROUND = (1.0, 1.3)
"""Sides of what is cut out around a face, in sides of its region. The detector's belief in an
upright face is 0.83 to 0.97 in each, in an inverted one up to 0.86 in one, but 0.2 less in both."""

CLEAR = 1.6
"""Sum of both beliefs from which something is clearly an upright face: photos of faces have 1.7 to
1.9, paintings and drawings mostly less."""

_MARGIN = 0.12
"""By how much the sum must be higher the other way up; of 60 faces the least difference is 0.17."""

_TURNED = math.radians(65)
"""A head that leans less is tilted; one that leans more lies on its side."""


@dataclass(frozen=True)
class _Belief:
    """What the detector makes of a region that is shown to it the right way up.

    Attributes:
        sum: of its beliefs that this is an upright face, 0..2.
        region: where it sees the face; None where it sees none.
    """

    sum: float
    region: CropRegion | None


def _believe(detector: FaceDetector, image: Image, region: CropRegion) -> _Belief:
    total, best = 0.0, None
    for around in _AROUND:
        view = replace(region, side=region.side * around)
        matrix = view.matrix(_SIDE)
        crop = cv2.warpAffine(
            image,
            matrix,
            (_SIDE, _SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        found = max(
            detector.detect(np.asarray(crop, np.uint8)), key=lambda one: one.score, default=None
        )
        if found is not None:
            total += found.score
            inside = CropRegion.from_detection(found)
            x, y = (matrix @ np.array([inside.cx, inside.cy, 1.0])).tolist()
            best = CropRegion(x, y, inside.side * view.side / _SIDE, inside.angle + view.angle)
    return _Belief(total, best)


def belief(detector: FaceDetector, image: Image, face: Face) -> float:
    """How much the detector believes in a face, shown to it as upright as the landmarks say, 0..2.

    It runs twice. From `CLEAR` on, it clearly is a face, and the right way up.
    """
    return _believe(detector, image, CropRegion.from_landmarks(face.landmarks)).sum


def inverse(detector: FaceDetector, image: Image, region: CropRegion) -> CropRegion | None:
    """Where the face is if a region that seems to show one clearly shows it the other way up.

    Args:
        detector: runs four times, mostly.
        image: (H, W, 3) RGB.
        region: of the face, as its landmarks say.
    """
    other = _believe(detector, image, replace(region, angle=region.angle + math.pi))
    if other.sum < CLEAR or other.sum < _believe(detector, image, region).sum + _MARGIN:
        return None
    return other.region


def quarters(face: Face) -> int:
    """How many quarter turns clockwise make a face upright: 0 to 3; of a tilted one 0."""
    return quarters_of(CropRegion.from_landmarks(face.landmarks).angle)


def quarters_of(angle: float) -> int:
    """The same of a face that leans by so many radians, clockwise."""
    angle = math.remainder(angle, 2 * math.pi)
    return 0 if abs(angle) <= _TURNED else -round(angle / (math.pi / 2)) % 4


def turned(image: Image, turns: int) -> Image:
    """A picture turned clockwise by quarters; itself for 0."""
    return image if turns % 4 == 0 else np.ascontiguousarray(np.rot90(image, -turns))


def turned_points(points: Floats, turns: int, shape: tuple[int, ...]) -> Floats:
    """Where points of a picture are after it was turned.

    Args:
        points: (N, 2 or 3), pixels; a depth stays.
        turns: quarters, clockwise.
        shape: of the picture before, (H, W, ...).
    """
    points, (height, width) = points.copy(), shape[:2]
    for _ in range(turns % 4):
        points[:, 0], points[:, 1] = height - 1 - points[:, 1], points[:, 0].copy()
        height, width = width, height
    return points


def detect_turned(detector: FaceDetector, image: Image, turns: int) -> list[CropRegion]:
    """The regions of faces that are upright in a picture after it was turned.

    Args:
        detector: runs once.
        image: (H, W, 3) RGB.
        turns: quarters, clockwise.

    Returns:
        Regions in the picture as it is.
    """
    view = turned(image, turns)
    found = []
    for one in detector.detect(view):
        corners = turned_points(one.box.reshape(2, 2), -turns, view.shape)
        box = np.concatenate([corners.min(0), corners.max(0)])
        points = turned_points(one.points, -turns, view.shape)
        found.append(CropRegion.from_detection(Detection(box, points, one.score)))
    return found
