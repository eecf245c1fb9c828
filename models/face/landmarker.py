"""478 face landmarks with irises, and 52 blendshapes (Grishchenko et al. 2020, 2023)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.detector import Detection
from models.face.irises import set_irises
from models.face.network import OpenCVNetwork, load_network
from models.types import Floats, Image

_SIDE = 256
_MARGIN = 1.5  # side of the region over the face's longer side, as the network was trained
_EYE_RIGHT, _EYE_LEFT = 33, 263  # outer eye corners

# fmt: off
_BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172,
    173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283,
    284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318, 321, 323, 324,
    332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382, 384, 385,
    386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
])
# fmt: on


@dataclass(frozen=True)
class CropRegion:
    """A rotated square of a picture. cx, cy, side in pixels; angle in radians, clockwise."""

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

    def matrix(self) -> Floats:
        """(2, 3) affine from the network's 256 x 256 pixels to the picture's pixels."""
        scale = self.side / _SIDE
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        mid = (_SIDE - 1) / 2
        return np.array(
            [
                [cos, -sin, self.cx - cos * mid + sin * mid],
                [sin, cos, self.cy - sin * mid - cos * mid],
            ],
            np.float32,
        )


class Landmarker:
    """The landmark network and the blendshape network."""

    def __init__(self, landmarks: bytes, blendshapes: bytes) -> None:
        """Load both networks from the bytes of their TFLite files."""
        self._landmarks = load_network(landmarks, ("Identity", "Identity_1"))
        self._blendshapes = OpenCVNetwork(blendshapes, ("StatefulPartitionedCall:0",))

    def landmarks(self, image: Image, region: CropRegion) -> tuple[Floats, float]:
        """Landmarks (478, 3) in the picture's pixels, and the score 0..1 that a face is there."""
        matrix = region.matrix()
        crop = cv2.warpAffine(
            image,
            matrix,
            (_SIDE, _SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
        points, logit = self._landmarks.run(cv2.dnn.blobFromImage(crop, 1 / 255.0))
        local = points.reshape(478, 3)
        out = np.empty_like(local)
        out[:, :2] = local[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        out[:, 2] = local[:, 2] * (region.side / _SIDE)
        set_irises(out)
        return out, float(1.0 / (1.0 + np.exp(-np.clip(logit[0], -80, 80))))

    def blendshapes(self, landmarks: Floats) -> Floats:
        """The 52 face units, 0..1, of (478, 3) landmarks in pixels."""
        points = np.ascontiguousarray(landmarks[_BLENDSHAPE_POINTS, :2][None])
        return self._blendshapes.run(points)[0]
