"""The face mesh: its triangles, and the names of its parts (MediaPipe's numbering)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from models.types import Floats

Indices = NDArray[np.int64]

# fmt: off
OVAL = np.array([
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
])
"""The mesh's border, clockwise in the picture from the middle of the forehead."""

INNER_LIPS = np.array([
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95,
])
"""The mouth opening: from the person's right corner along the upper lip, back along the lower."""

OUTER_LIPS = np.array([
    61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146,
])
"""The lips' border with the skin, from the person's right corner along the upper lip and back."""

JAW = OVAL[8:29]
"""The lower border from the person's left ear along the chin to the right one."""

STABLE = np.array([
    6, 168, 197, 195, 5, 122, 351, 33, 133, 362, 263, 127, 356, 162, 389, 21, 251, 54, 284,
    103, 332, 67, 297, 109, 338, 10, 234, 454, 151, 9, 8, 193, 417,
])
"""Points that move with the skull: forehead, temples, nose bridge, eye corners."""

MOUTH_REGION = np.array(sorted({
    *range(11, 19), 0, 37, 38, 39, 40, 41, 42, 61, 62, 72, 73, 74, 76, 77, 78, 80, 81, 82, 83, 84,
    85, 86, 87, 88, 89, 90, 91, 95, 96, 146, 178, 179, 180, 181, 183, 184, 185, 191, 267, 268, 269,
    270, 271, 272, 291, 292, 302, 303, 304, 306, 307, 308, 310, 311, 312, 313, 314, 315, 316, 317,
    318, 319, 320, 321, 324, 325, 375, 402, 403, 404, 405, 407, 408, 409, 415, 57, 287, 43, 273,
    106, 335, 182, 406, 200, 199, 175, 152, 201, 421, 208, 428, 171, 396, 148, 377,
    176, 400, 140, 369, 32, 262, 194, 418, 204, 424, 211, 431, 170, 395, 149, 378,
}))
"""Lips, chin and the skin between them."""
# fmt: on


class Eye:
    """The points of one eye.

    corners: outer, inner. upper, lower: the lid edges from outer to inner, in pairs. lid: the skin
    above and below the edges. iris: centre, then four points on its rim.
    """

    def __init__(
        self,
        corners: list[int],
        upper: list[int],
        lower: list[int],
        lid: list[int],
        iris: list[int],
    ) -> None:
        """Store the indices as arrays."""
        self.corners: Indices = np.array(corners)
        self.upper: Indices = np.array(upper)
        self.lower: Indices = np.array(lower)
        self.lid: Indices = np.array(lid)
        self.iris: Indices = np.array(iris)

    @property
    def opening(self) -> Indices:
        """The lid edges as a closed loop of 16 points."""
        return np.concatenate(
            [self.corners[:1], self.upper, self.corners[1:], self.lower[::-1]],
        )


# fmt: off
EYES = (
    Eye([33, 133], [246, 161, 160, 159, 158, 157, 173], [7, 163, 144, 145, 153, 154, 155],
        [247, 30, 29, 27, 28, 56, 190, 130, 25, 110, 24, 23, 22, 26, 112, 243],
        [468, 469, 470, 471, 472]),
    Eye([263, 362], [466, 388, 387, 386, 385, 384, 398], [249, 390, 373, 374, 380, 381, 382],
        [467, 260, 259, 257, 258, 286, 414, 359, 255, 339, 254, 253, 252, 256, 341, 463],
        [473, 474, 475, 476, 477]),
)
"""The person's right eye, then the left."""
# fmt: on

# fmt: off
LIPS = (
    0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185,
    191, 267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415,
)
"""The edges of both lips, outer and inner."""

LIDS = (
    7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246,
    249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466,
)
"""The edges of the lids with the corners of both eyes."""

OUTLINES = (
    [*OVAL.tolist(), 10],
    [33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7, 33],
    [263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249, 263],
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146, 61],
    [70, 63, 105, 66, 107], [336, 296, 334, 293, 300], [168, 6, 197, 195, 5, 4],
)
"""Lines through landmarks that draw a face: border, eyes, lips, brows, nose."""
# fmt: on

IRISES = tuple(range(468, 478))
"""Both irises: each a centre and four points on its rim."""

UPPER_LIP = INNER_LIPS[1:10]
LOWER_LIP = INNER_LIPS[:10:-1]
"""The inner lip edges without the corners, in pairs from the person's right to the left."""


@cache
def neutral_face() -> Floats:
    """The neutral face (468, 3) with y down and z away from the camera, in centimetres."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        return np.asarray(np.load(file)["neutral"] * np.array([1, -1, -1]), np.float32)


@cache
def mirrored() -> Indices:
    """(468,): the number of each point's counterpart on the other half of the face."""
    face = neutral_face()
    apart = np.linalg.norm(face[:, None] * np.array([-1, 1, 1], np.float32) - face[None], axis=-1)
    return np.asarray(apart.argmin(1), np.int64)


@cache
def triangles() -> Indices:
    """(898, 3) vertex numbers; the mesh is closed over the eyes and the mouth."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        return np.load(file)["triangles"].astype(np.int64)  # type: ignore[no-any-return]
