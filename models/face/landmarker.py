"""478 face landmarks with irises (Grishchenko et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.detector import Detection
from models.face.irises import set_irises
from models.face.network import Network, load_network
from models.types import Face, Floats, Image

_SIDE = 256
"""Pixels of a side of what the network looks at."""

_MARGIN = 1.5  # side of the region over the face's longer side, as the network was trained
_EYE_RIGHT, _EYE_LEFT = 33, 263  # outer eye corners, in MediaPipe's numbering

PRESENT = 0.5
"""The least score of a face; below, the network itself takes none for more likely."""


@dataclass(frozen=True)
class CropRegion:
    """A rotated square of a picture.

    Attributes:
        cx: the centre's column in pixels.
        cy: the centre's row in pixels.
        side: of the square, in pixels.
        angle: radians, clockwise.
    """

    cx: float
    cy: float
    side: float
    angle: float

    @classmethod
    def from_detection(cls, found: Detection) -> CropRegion:
        """The region that the landmark network expects for a fresh detection."""
        left, top, right, bottom = found.box.tolist()
        eye = found.points[1] - found.points[0]
        side = _MARGIN * max(right - left, bottom - top)
        return cls((left + right) / 2, (top + bottom) / 2, side, float(np.arctan2(eye[1], eye[0])))

    @classmethod
    def from_landmarks(cls, landmarks: Floats) -> CropRegion:
        """The region for the next frame, given (478, 3) landmarks of this one."""
        eye = landmarks[_EYE_LEFT] - landmarks[_EYE_RIGHT]
        angle = float(np.arctan2(eye[1], eye[0]))
        # The box is taken upright in the rotated frame, so a tilted head keeps its scale.
        cos, sin = np.cos(-angle), np.sin(-angle)
        turned = landmarks[:468, :2] @ np.array([[cos, sin], [-sin, cos]], np.float32)
        low, high = turned.min(0), turned.max(0)
        centre = np.array([[cos, -sin], [sin, cos]]).T @ ((low + high) / 2)
        return cls(float(centre[0]), float(centre[1]), _MARGIN * float((high - low).max()), angle)

    def matrix(self, pixels: int = _SIDE) -> Floats:
        """(2, 3) affine from a square's pixels to the picture's.

        Args:
            pixels: of the square's side; as many as the network looks at, unless said otherwise.
        """
        scale = self.side / pixels
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        mid = (pixels - 1) / 2
        return np.array(
            [
                [cos, -sin, self.cx - cos * mid + sin * mid],
                [sin, cos, self.cy - sin * mid - cos * mid],
            ],
            np.float32,
        )


class Landmarker:
    """Looks at one region of a picture. It keeps nothing of it, so threads may share it."""

    def __init__(self, network: Network | None = None) -> None:
        """Make it ready.

        Args:
            network: the one to use; None: the one that comes along.

        Raises:
            UserError: the network's file is missing or broken.
        """
        self._net = network or load_network("landmarks")

    def face(self, image: Image, region: CropRegion) -> Face | None:
        """The face in a region, or None if the landmarks are not believed to be one.

        Args:
            image: (H, W, 3) RGB.
            region: where to look; None comes back too where its centre is not in the picture.
        """
        height, width = image.shape[:2]
        if not (0 <= region.cx < width and 0 <= region.cy < height and region.side > 8):
            return None
        landmarks, score = self.landmarks(image, region)
        if score < PRESENT or not np.isfinite(landmarks).all():
            return None
        return Face(landmarks, None, score)

    def landmarks(self, image: Image, region: CropRegion) -> tuple[Floats, float]:
        """What the network sees in a region, whether or not it is a face.

        Args:
            image: (H, W, 3) RGB.
            region: where to look; what lies outside of the picture is black.

        Returns:
            Landmarks (478, 3) in the picture's pixels, and the score 0..1 that a face is there.
        """
        matrix = region.matrix()
        crop = cv2.warpAffine(
            image,
            matrix,
            (_SIDE, _SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        points, logit = self._net.run(cv2.dnn.blobFromImage(crop, 1 / 255.0))
        local = points.reshape(478, 3)
        out = np.empty_like(local)
        out[:, :2] = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        out[:, 2] = local[:, 2] * (region.side / _SIDE)
        set_irises(out)
        return out, float(1.0 / (1.0 + np.exp(-np.clip(logit[0], -80, 80))))
