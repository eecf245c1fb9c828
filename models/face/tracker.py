"""Is there a face, where is it, and is it still the same one?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from models.artifacts import fetch
from models.face.bundle import Bundle
from models.face.detector import FaceDetector
from models.face.landmarker import CropRegion, Landmarker
from models.types import Face, Floats, Image

_PRESENT = 0.5

_KEPT = 90
"""Frames for which the place of a lost face is kept for it alone: 3 seconds at 30 fps."""

_NEAR = 0.6
"""How far a face may move between two frames, in sides of its region, and still be the same."""


class FaceTracker:
    """Finds the face in a video and follows it from frame to frame.

    The detector runs only until a face is found and again when it is lost; between, the region of
    interest comes from the last landmarks, so the chosen person stays chosen when others enter.
    When that face is hidden (a hand, a turn), only a face in the same place continues it; others
    are looked at after a while without it.
    """

    def __init__(self, bundle: Path | None = None, blendshapes: bool = False) -> None:
        """Load the networks.

        bundle: path of `face_landmarker.task`; fetched (and cached) if None.
        blendshapes: also compute the 52 face units of each frame.

        Raises:
            UserError: the bundle can neither be found nor fetched.
        """
        opened = Bundle.open(bundle or fetch("face_landmarker"))
        self._detector = FaceDetector(opened.detector)
        self._landmarker = Landmarker(opened.landmarks, opened.blendshapes)
        self._with_blendshapes = blendshapes
        self._region: CropRegion | None = None
        self._home: CropRegion | None = None
        self._missed = 0

    def reset(self) -> None:
        """Forget the face that is followed."""
        self._region = self._home = None
        self._missed = 0

    def track(self, frame: Image) -> Face | None:
        """The followed face in the next frame of a video, or None if no face is there."""
        region, self._region = self._region, None
        face = None if region is None else self._continued(frame, region, region)
        if face is None:
            if self._missed >= _KEPT:
                self._home = None
            face = self._found(frame)
        self._missed += 1
        if face is not None:
            self._region = self._home = CropRegion.from_landmarks(face.landmarks)
            self._missed = 0
        return face

    def find_faces(self, image: Image) -> list[Face]:
        """All faces in a still, largest first; forgets nothing of a video being followed.

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
                    moved = Face(face.landmarks + corner, face.blendshapes, face.score)
                    if all(_overlap(moved, other) < 0.3 for other in faces):
                        faces.append(moved)
        return sorted(faces, key=lambda face: _area(face.box), reverse=True)

    def _settle(self, view: Image, region: CropRegion) -> Face | None:
        """The face in a region; looked at twice, since the first landmarks centre it well."""
        rough, score = self._landmarker.landmarks(view, region)
        return self._at(view, CropRegion.from_landmarks(rough)) if score >= _PRESENT else None

    def _found(self, frame: Image) -> Face | None:
        """The largest face, or, while its place is kept, the one in the place of the last."""
        for found in self._detector.detect(frame):
            face = self._continued(frame, CropRegion.from_detection(found), self._home)
            if face is not None:
                return face
        return None

    def _continued(self, frame: Image, region: CropRegion, last: CropRegion | None) -> Face | None:
        """The face in a region, if it may be the one that was last in the region `last`."""
        if last is not None and not _near(region, last):
            return None
        face = self._at(frame, region)
        if face is None or last is None or _near(CropRegion.from_landmarks(face.landmarks), last):
            return face
        return None

    def _at(self, frame: Image, region: CropRegion) -> Face | None:
        height, width = frame.shape[:2]
        if not (0 <= region.cx < width and 0 <= region.cy < height and region.side > 8):
            return None
        landmarks, score = self._landmarker.landmarks(frame, region)
        if score < _PRESENT or not np.isfinite(landmarks).all():
            return None
        units: Floats | None = None
        if self._with_blendshapes:
            units = self._landmarker.blendshapes(landmarks)
        return Face(landmarks, units, score)


def find_faces(image: Image, bundle: Path | None = None) -> list[Face]:
    """All faces in a still picture, largest first, with blendshapes."""
    return FaceTracker(bundle, blendshapes=True).find_faces(image)


def _near(region: CropRegion, last: CropRegion) -> bool:
    """Whether a face in one region may have been in the other one a frame before."""
    away = float(np.hypot(region.cx - last.cx, region.cy - last.cy))
    return away < _NEAR * last.side and 0.5 * last.side < region.side < 2.0 * last.side


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
