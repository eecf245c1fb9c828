"""The values that pass between the stages: images, faces, crops, photos and avatars."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""A picture, (H, W, 3), RGB, 0..255, C-contiguous."""

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers; float32 wherever they cross from one stage to the next."""


Kind: TypeAlias = Literal["person", "creature", "drawing"]
"""What kind of face an avatar has; creatures and drawings have their own kind of eyes and mouth."""

KINDS: tuple[Kind, ...] = ("person", "creature", "drawing")
"""All of them."""


@dataclass(frozen=True)
class Face:
    """One face in one frame, as the face tracker sees it; shared by all backends.

    Attributes:
        landmarks: (478, 3), pixels of the frame; z in the units of x, negative toward the camera.
            MediaPipe's numbering: 468 points of the face mesh, then 5 points for each iris.
        blendshapes: (52,), 0..1, ARKit's face units in MediaPipe's order, or None if not computed.
        score: 0..1, the landmark network's own belief that a face is there.
        take: rises in a video when the next face is not the one before in the same place: after a
            cut, or when another person is followed.
        kind: of a photo's face, as a person says; the networks find persons.
    """

    landmarks: Floats
    blendshapes: Floats | None
    score: float
    take: int = 0
    kind: Kind = "person"

    @property
    def surface(self) -> Floats:
        """(468, 3): the landmarks without the irises."""
        return self.landmarks[:468]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom of the face mesh in pixels."""
        x, y = self.surface[:, 0], self.surface[:, 1]
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())


@dataclass(frozen=True)
class Crop:
    """The square of the camera frame that keypoints are measured in.

    It is set at calibration and then stays, so that keypoints of different frames can be compared.

    Attributes:
        cx: the centre's column in pixels.
        cy: the centre's row in pixels.
        half: half the side in pixels.
    """

    cx: float
    cy: float
    half: float

    @classmethod
    def around(cls, face: Face, margin: float = 1.9) -> Crop:
        """The square around a face.

        Args:
            face: in pixels of the frame.
            margin: side of the square over the face's longer side.
        """
        left, top, right, bottom = face.box
        half = 0.5 * margin * max(right - left, bottom - top)
        return cls((left + right) / 2, (top + bottom) / 2, max(half, 1.0))


@dataclass(frozen=True)
class Photo:
    """A source picture with the face that will be animated.

    Attributes:
        image: at its own resolution.
        face: the face in it, in its pixels.
        name: what to call it in messages.
        turned: degrees clockwise by which it was turned, because the face was not upright.
        others: the faces in it that are animated with that one.
    """

    image: Image
    face: Face
    name: str
    turned: int = 0
    others: tuple[Face, ...] = ()

    @property
    def kind(self) -> Kind:
        """What kind of face it has."""
        return self.face.kind


@dataclass(frozen=True)
class Avatar:
    """A photo that a backend has made ready; each backend adds its own fields in a subclass.

    Attributes:
        name: what to call it in messages.
        still: the photo at the size that `render` returns; what goes out when nothing else can.
        rest: the pose in which it is as in the photo; the backend's own and opaque to others.
        focus: (x, y) in pixels of `still`, the middle of the face: what a crop must not cut off.
        notes: what its user should know about the photo, a sentence each.
        kind: what kind of face it has.
    """

    name: str
    still: Image
    rest: Any
    focus: tuple[float, float]
    notes: tuple[str, ...] = field(default=(), kw_only=True)
    kind: Kind = field(default="person", kw_only=True)
