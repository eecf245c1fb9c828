"""What the motion network says of one picture."""

from __future__ import annotations

from dataclasses import dataclass

from models.types import Floats


@dataclass(frozen=True)
class Heads:
    """Pose and expression of the face in one picture.

    Attributes:
        pitch: turn about the x axis, in degrees.
        yaw: turn about the y axis, in degrees.
        roll: turn about the z axis, in degrees.
        scale: size of the face in the picture; about 1.1 to 1.7.
        t: (3,) where the face is; the picture spans -1 to 1. The third is never used.
        kp: (21, 3) the keypoints of this head, before it turns and without expression.
        exp: (21, 3) what the expression adds to them.
    """

    pitch: float
    yaw: float
    roll: float
    scale: float
    t: Floats
    kp: Floats
    exp: Floats
