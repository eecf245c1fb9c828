"""The third network of the bundle: 52 face units, which only tools here ask for."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Floats
from scripts.assets.landmarker.bundle import Bundle

# fmt: off
_POINTS = np.array([
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
"""The landmarks that the network takes, in its order: MediaPipe's `face_blendshapes_graph.cc`."""


class Blendshapes:
    """The blendshape network (Grishchenko et al. 2023), run by OpenCV, which reads TFLite files."""

    def __init__(self, bundle: Bundle) -> None:
        """Load the network of an opened bundle."""
        buffer: NDArray[np.uint8] = np.frombuffer(bundle.blendshapes, np.uint8)
        self._net = cv2.dnn.readNetFromTFLite(buffer)

    def of(self, landmarks: Floats) -> Floats:
        """How much each face unit is moved.

        Args:
            landmarks: (478, 3) in pixels.

        Returns:
            (52,), 0..1: ARKit's units in MediaPipe's order.
        """
        self._net.setInput(np.ascontiguousarray(landmarks[_POINTS, :2][None]))
        (units,) = self._net.forward(["StatefulPartitionedCall:0"])
        return np.asarray(units, np.float32).ravel()
