"""Photos that lie on their side or upside down, turned so that their face is upright."""

from __future__ import annotations

import math
from collections.abc import Callable

from models.face.detector import FaceDetector
from models.face.landmarker import CropRegion
from models.face.orientation import CLEAR, belief, inverse, quarters, quarters_of, turned
from models.types import Face, Image

_MUCH = 0.2
"""By how much a face must be clearer in the turned photo, where there seems to be one as it is."""

_LEANS = (0.0, math.radians(22), math.radians(45), math.radians(22))
"""How far the face may lean then, for each number of quarter turns: one that is tilted by up to 65
degrees in the photo as it is stays so, as in a snapshot."""

_UNCERTAIN = 1.6
"""The landmarks of a face that leans by more than 40 degrees may say so much less."""

_SMALLER = 0.5
"""A face that is so much smaller than the largest decides nothing."""


def upright(
    image: Image, faces: list[Face], find: Callable[[Image], list[Face]]
) -> tuple[int, list[Face]]:
    """How a photo must be turned so that its largest face is upright.

    It is turned only if the turned one clearly shows a face: drawings and paintings stay as they
    are, and so do photos with another face in them that is upright as it is.

    Args:
        image: (H, W, 3) RGB.
        faces: those in it, largest first.
        find: finds the faces of a picture.

    Returns:
        Quarter turns clockwise, 0 to 3, and the faces of the photo after them, largest first.
    """
    detector = FaceDetector()
    tries, least = [1, 2, 3], CLEAR
    if faces:
        region = CropRegion.from_landmarks(faces[0].landmarks)
        region = inverse(detector, image, region) or region
        # Of a face that leans far, the angle is certain only where it stands nearly upright.
        turns = quarters_of(region.angle) or quarters_of(region.angle * _UNCERTAIN)
        seems = belief(detector, image, faces[0])
        if turns:
            tries = [turns]
            if any(_stands(detector, image, face, faces[0]) for face in faces[1:]):
                return 0, faces
        elif seems >= CLEAR:
            return 0, faces
        else:
            least = max(CLEAR, seems + _MUCH)
    best: tuple[float, int, list[Face]] | None = None
    for turns in tries:
        view = turned(image, turns)
        found = find(view)
        if (
            not found
            or _leans(found[0]) > _LEANS[turns]
            or (faces and _height(found[0]) < _least(faces[0]))
        ):
            continue
        clear = belief(detector, view, found[0])
        if clear >= least and (best is None or clear > best[0]):
            best = clear, turns, found
    return (0, faces) if best is None else best[1:]


def _stands(detector: FaceDetector, image: Image, face: Face, largest: Face) -> bool:
    """Whether another face of the photo is upright as it is."""
    return (
        _height(face) >= _least(largest)
        and quarters(face) == 0
        and belief(detector, image, face) >= CLEAR
        and inverse(detector, image, CropRegion.from_landmarks(face.landmarks)) is None
    )


def _leans(face: Face) -> float:
    return abs(CropRegion.from_landmarks(face.landmarks).angle)


def _height(face: Face) -> float:
    return CropRegion.from_landmarks(face.landmarks).side


def _least(face: Face) -> float:
    return _SMALLER * _height(face)
