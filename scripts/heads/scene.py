"""What a head is rendered with and what comes back: camera, light, looks, picture.

Needs only NumPy. Lengths are decimetres, angles degrees. The world is right-handed: x to the head's
left (the viewer's right), y up, z towards the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]

Colour = tuple[float, float, float]
"""Red, green, blue; linear light unless said otherwise."""

LABELS = (
    "background",
    "skin",
    "hair",
    "left eye",
    "right eye",
    "mouth",
    "teeth",
    "tongue",
    "neck",
    "clothes",
    "brows",
    "lashes",
)
"""What the numbers of a label map mean; left is the person's left, mouth is its dark inside."""

_DEEP = 6.0
"""Decimetres before and behind the target that the depth buffer spans: a head with its shoulders
fits; more would make depth coarser."""

_NEAREST = 0.5
"""Least distance in decimetres of what is drawn, for cameras closer than `_DEEP`."""


@dataclass(frozen=True)
class Camera:
    """A pinhole that looks along -z.

    Attributes:
        target: where it looks, dm.
        distance: of the target from the lens, dm.
        height: what is seen at that distance from the picture's top to its bottom, dm.
    """

    target: tuple[float, float, float] = (0.0, 7.2, 0.9)
    distance: float = 14.0
    height: float = 4.2

    @property
    def place(self) -> tuple[float, float, float]:
        """Where the lens is, dm."""
        return self.target[0], self.target[1], self.target[2] + self.distance

    @property
    def planes(self) -> tuple[float, float]:
        """Distances of the nearest and the farthest that is drawn, dm."""
        return max(self.distance - _DEEP, _NEAREST), self.distance + _DEEP

    @property
    def matrix(self) -> FloatArray:
        """(4, 4), from the world to clip space of a square picture."""
        near, far = self.planes
        scale = 2 * self.distance / self.height
        view = np.eye(4)
        view[:3, 3] = -np.array(self.place)
        lens = np.zeros((4, 4))
        lens[0, 0] = lens[1, 1] = scale
        lens[2, 2], lens[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
        lens[3, 2] = -1
        return np.asarray(lens @ view, np.float32)

    def project(self, points: FloatArray, size: int) -> FloatArray:
        """(N, 3) for points of the world (N, 3): pixels, x right and y down, and the depth in dm.

        Args:
            points: (N, 3), dm.
            size: side of the picture in pixels.
        """
        clip = np.c_[points, np.ones(len(points))] @ self.matrix.T
        xy = clip[:, :2] / clip[:, 3:]
        return np.asarray(
            np.c_[(xy[:, 0] + 1) * size / 2, (1 - xy[:, 1]) * size / 2, clip[:, 3]], np.float32
        )


@dataclass(frozen=True)
class Lamp:
    """A soft rectangle far away.

    Attributes:
        azimuth: degrees; 0 is in front, positive to the viewer's right.
        elevation: degrees above the horizon.
        colour: linear radiance.
        width: degrees that it spans sideways.
        height: degrees that it spans upwards.
    """

    azimuth: float
    elevation: float
    colour: Colour
    width: float = 20.0
    height: float = 25.0


@dataclass(frozen=True)
class Lighting:
    """Three lamps, the sky, and what the camera makes of it.

    Attributes:
        lamps: key, fill and rim; only the first throws shadows.
        sky: linear radiance from above.
        ground: linear radiance from below.
        exposure: gain before the tone curve.
        white: gains of the white balance.
        contrast: slope about middle grey, after the tone curve.
        saturation: 0 grey, 1 as it is.
        softness: width of the edge of the shadows, dm.
    """

    lamps: tuple[Lamp, Lamp, Lamp]
    sky: Colour
    ground: Colour
    exposure: float = 1.0
    white: Colour = (1.0, 1.0, 1.0)
    contrast: float = 1.0
    saturation: float = 1.0
    softness: float = 0.06


@dataclass(frozen=True)
class Looks:
    """What a head's skin, hair, eyes and teeth look like beyond the textures.

    Attributes:
        beard: 0 shaven to 1 dense.
        scalp: how much hair tints the scalp, 0..1.
        moustache: share of the beard above the lip.
        brow_colour: linear.
        lash_colour: linear.
        lash_density: gain on the coverage of the lashes.
        iris_gain: on the texture's colour, as the next three.
        sclera_gain: of the white of the eye.
        teeth_gain: of teeth and gums.
        mouth_gain: of the mouth's inside, gums and tongue.
        roughness: of the skin, 0 mirror to 1 matte.
        shine: strength of the skin's highlights.
        blotches: how uneven the skin's colour is.
    """

    beard: float = 0.0
    scalp: float = 0.5
    moustache: float = 1.0
    brow_colour: Colour = (0.05, 0.03, 0.02)
    lash_colour: Colour = (0.01, 0.008, 0.006)
    lash_density: float = 0.7
    iris_gain: Colour = (1.0, 1.0, 1.0)
    sclera_gain: Colour = (1.0, 0.97, 0.95)
    teeth_gain: Colour = (1.0, 0.97, 0.9)
    mouth_gain: Colour = (1.0, 1.0, 1.0)
    roughness: float = 0.45
    shine: float = 1.0
    blotches: float = 0.1


@dataclass(frozen=True)
class Rendering:
    """A picture without background, and what is known about each of its pixels.

    Attributes:
        rgb: (S, S, 3) sRGB 0..1, multiplied by alpha.
        alpha: (S, S) 0..1, how much of a pixel the person covers.
        labels: (S, S), numbers of `LABELS`.
        depth: (S, S), distance from the lens along the axis, dm; 0 is background.
    """

    rgb: FloatArray
    alpha: FloatArray
    labels: ByteArray
    depth: FloatArray

    def over(self, behind: FloatArray) -> FloatArray:
        """(S, S, 3) sRGB 0..1: the person before a background of the same kind."""
        return np.asarray(self.rgb + behind * (1 - self.alpha[..., None]), np.float32)
