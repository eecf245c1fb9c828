"""What of a face from the side lies past its own outline in the photo: nose, far cheek, far eye.

The surroundings of the face show it too, and would show it a second time once the head turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face import measures
from models.face.topology import OVAL, triangles
from models.mesh.paint import SHIFT
from models.mesh.pose import Similarity
from models.types import Floats, Image

_NOTICED = 0.015
"""Face heights by which the face has to lie past its outline; less hides behind its soft edge."""

_AROUND = 0.05
"""Face heights around it that show its edge and its shadow, and are left out with it."""

_TURN = float(np.radians(3.0))
"""By how much the head turns until the far side is wholly left out."""


@dataclass(frozen=True)
class FarSide:
    """A part of the surroundings with and without the face's far side.

    Attributes:
        left: of that part in pixels.
        top: the same.
        filled: (h, w, 4) that part, RGB premultiplied by its matte, continued from around.
    """

    left: int
    top: int
    filled: Image

    @classmethod
    def of(cls, colours: Image, landmarks: Floats) -> FarSide | None:
        """Find it in `colours` (H, W, 4) by (478, 3) landmarks; None where there is hardly any."""
        tall = measures.height(landmarks)
        face, inside = (np.zeros(colours.shape[:2], np.uint8) for _ in range(2))
        corners = np.rint(landmarks[:, :2] * (1 << SHIFT)).astype(np.int32)
        for triangle in corners[triangles()]:
            cv2.fillConvexPoly(face, triangle, 255, cv2.LINE_8, SHIFT)
        cv2.fillPoly(inside, [corners[OVAL]], 255, cv2.LINE_8, SHIFT)
        past = cv2.bitwise_and(face, cv2.bitwise_not(inside))
        if cv2.distanceTransform(past, cv2.DIST_L2, 3).max() < _NOTICED * tall:
            return None
        reach = max(3, round(2 * _AROUND * tall)) | 1
        hole = cv2.dilate(past, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
        hole[cv2.erode(inside, np.ones((5, 5), np.uint8)) > 0] = 0
        unknown = cv2.bitwise_or(hole, cv2.dilate(face, np.ones((5, 5), np.uint8)))
        around = reach
        x, y, wide, high = cv2.boundingRect(hole)
        left, top = max(x - around, 0), max(y - around, 0)
        where = slice(top, y + high + around), slice(left, x + wide + around)
        filled = _continued(colours[where], unknown[where] == 0, tall / 200)
        share = cv2.GaussianBlur(hole[where].astype(np.float32) / 255, (0, 0), 1.0)[..., None]
        mixed = colours[where] + (filled - colours[where]) * share
        return cls(left, top, np.rint(mixed).astype(np.uint8))

    def left_out(self, colours: Image, head: Similarity) -> Image:
        """The surroundings `colours` (H, W, 4) without it, as far as the skull has turned."""
        away = float(np.arccos(min(max(float(head.rotation[2, 2]), -1.0), 1.0)))
        share = min(away / _TURN, 1.0)
        if share == 0:
            return colours
        out = colours.copy()
        high, wide = self.filled.shape[:2]
        part = out[self.top : self.top + high, self.left : self.left + wide]
        part[:] = cv2.addWeighted(self.filled, share, part, 1 - share, 0)
        return out


def _continued(colours: Image, known: Floats, step: float) -> Floats:
    """(h, w, 4): the known colours, and elsewhere the nearest of them; `step` in pixels."""
    weight = np.full(known.shape, 1e-12, np.float32)
    total = np.zeros(colours.shape, np.float32)
    share = known.astype(np.float32)
    for sigma, trust in ((1.5, 1.0), (4.0, 1e-3), (12.0, 1e-6), (40.0, 1e-9)):
        weight += trust * cv2.GaussianBlur(share, (0, 0), sigma * step)
        total += trust * cv2.GaussianBlur(colours * share[..., None], (0, 0), sigma * step)
    return np.asarray(total / weight[..., None], np.float32)
