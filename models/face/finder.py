"""The faces of photos: as a person has placed them, or as the networks find them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.face.detector import FaceDetector
from models.face.face_file import read_face
from models.face.landmarker import PRESENT, CropRegion, Landmarker
from models.types import Face, Floats, Image

_SAME = 0.3
"""Shared area of two faces' boxes, of the smaller one, from which they are the same face: views
that overlap find a face more than once, and the faces of two people hardly overlap."""


class FaceFinder:
    """Finds the faces of stills. It keeps nothing of a picture, so threads may share it."""

    def __init__(self) -> None:
        """Load the networks, unless they are loaded already.

        Raises:
            UserError: a network's file is missing or broken.
        """
        self._detector = FaceDetector()
        self._landmarker = Landmarker()

    def faces_of(self, image: Image, photo: Path) -> list[Face]:
        """The faces of a photo: the one of the file beside it, else all that are found.

        Args:
            image: the photo's picture, (H, W, 3), upright.
            photo: the photo's own file.

        Raises:
            UserError: the file beside it cannot be used.
        """
        placed = read_face(photo, image)
        return self.find_faces(image) if placed is None else [placed]

    def find_faces(self, image: Image) -> list[Face]:
        """All faces that are found in a picture, (H, W, 3), largest first.

        The detector works at 128 x 128 and misses faces smaller than a sixth of the picture, so
        the picture's overlapping halves are searched too, and its quarters if nothing was found.
        """
        faces: list[Face] = []
        for parts in (1, 2, 4):
            if parts == 4 and faces:
                break
            for view, corner in _views(image, parts):
                for found in self._detector.detect(view):
                    face = self._settle(view, CropRegion.from_detection(found))
                    if face is None:
                        continue
                    moved = Face(face.landmarks + corner, None, face.score)
                    if all(_overlap(moved, other) < _SAME for other in faces):
                        faces.append(moved)
        return sorted(faces, key=lambda face: _area(face.box), reverse=True)

    def _settle(self, view: Image, region: CropRegion) -> Face | None:
        """The face in a region; looked at twice, since the first landmarks centre it well."""
        rough, score = self._landmarker.landmarks(view, region)
        if score < PRESENT:
            return None
        return self._landmarker.face(view, CropRegion.from_landmarks(rough))


def _area(box: tuple[float, float, float, float]) -> float:
    return max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)


def _overlap(a: Face, b: Face) -> float:
    """Shared area of two faces' boxes over the smaller box, 0..1."""
    (al, at, ar, ab), (bl, bt, br, bb) = a.box, b.box
    shared = _area((max(al, bl), max(at, bt), min(ar, br), min(ab, bb)))
    return shared / max(min(_area(a.box), _area(b.box)), 1e-6)


def _views(image: Image, parts: int) -> Iterator[tuple[Image, Floats]]:
    """Overlapping squares, a `parts`-th of the longer side each, with the corner (3,) of each."""
    height, width = image.shape[:2]
    if parts == 1:
        yield image, np.zeros(3, np.float32)
        return
    side = min(max(height, width) // parts, height, width)
    if side < 96:
        return
    for y in np.linspace(0, height - side, _steps(height, side)).astype(int).tolist():
        for x in np.linspace(0, width - side, _steps(width, side)).astype(int).tolist():
            corner = np.array([x, y, 0], np.float32)
            yield np.ascontiguousarray(image[y : y + side, x : x + side]), corner


def _steps(length: int, side: int) -> int:
    return 1 if length <= side else int(np.ceil((length - side) / (side * 0.5))) + 1
