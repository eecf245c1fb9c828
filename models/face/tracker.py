"""Is there a face, where is it, and is it still the same one?"""

from __future__ import annotations

import numpy as np

from models.face.detector import FaceDetector
from models.face.landmarker import CropRegion, Landmarker
from models.types import Face, Image

_KEPT = 90
"""Frames for which the place of a lost face is kept for it alone: 3 seconds at 30 fps."""

_NEAR = 0.6
"""How far a face may move between two frames, in sides of its region, and still be the same: less
would lose one that moves fast, more would take a neighbour's."""


class FaceTracker:
    """Finds the face in a video and follows it from frame to frame.

    The detector runs only until a face is found and again when it is lost; between, the region of
    interest comes from the last landmarks, so the chosen person stays chosen when others enter.
    When that face is hidden (a hand, a turn), only a face in the same place continues it; others
    are looked at after a while without it.
    """

    def __init__(self) -> None:
        """Follow nobody yet; what it follows is its own, so each thread needs another one.

        Raises:
            UserError: a network's file is missing or broken.
        """
        self._detector = FaceDetector()
        self._landmarker = Landmarker()
        self._region: CropRegion | None = None
        self._home: CropRegion | None = None
        self._missed = 0

    def reset(self) -> None:
        """Forget the face that is followed."""
        self._region = self._home = None
        self._missed = 0

    def track(self, frame: Image) -> Face | None:
        """The followed face in the next frame of a video, or None if it is not there.

        Args:
            frame: (H, W, 3) RGB, of the size of the frame before.
        """
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
        face = self._landmarker.face(frame, region)
        if face is None or last is None or _near(CropRegion.from_landmarks(face.landmarks), last):
            return face
        return None


def _near(region: CropRegion, last: CropRegion) -> bool:
    """Whether a face in one region may have been in the other one a frame before."""
    away = float(np.hypot(region.cx - last.cx, region.cy - last.cy))
    return away < _NEAR * last.side and 0.5 * last.side < region.side < 2.0 * last.side
