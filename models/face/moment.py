"""What one frame says about a face's pose and expression, and how much two faces differ in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from models.face.irises import gaze
from models.types import Face, Floats

_FOREHEAD, _CHIN, _RIGHT, _LEFT = 10, 152, 234, 454
"""MediaPipe's numbers of the face's top and bottom, and of its border on the person's right and
left."""

_GAZE, _BLINK = 5.0, 20.0
"""Weights of the gaze (in eye widths) and of the lids (their opening in eye widths): so that a look
aside by a fifth of an eye, or a blink, differs more than a head turned by 4 degrees, as tests
hold."""

_EYES_DIFFER = 0.1
"""By how much the opening of two persons' eyes differs without a blink."""

_PITCH_AT_REST = math.radians(10)
"""Radians by which the line from forehead to chin leans when a face looks straight ahead."""


@dataclass(frozen=True)
class Moment:
    """What one frame says about being a good reference.

    Attributes:
        yaw: radians, 0 when frontal.
        pitch: likewise.
        roll: likewise.
        mouth: the inner lips' gap, in heights of the face.
        eyes: opening of the narrower eye, in its widths.
        gaze: how far the irises are to the picture's right, in eye widths; 0 when they look ahead.
    """

    yaw: float
    pitch: float
    roll: float
    mouth: float
    eyes: float
    gaze: float

    @classmethod
    def of(cls, face: Face) -> Moment:
        """Measure a face."""
        points = face.landmarks
        across, down = points[_LEFT] - points[_RIGHT], points[_CHIN] - points[_FOREHEAD]
        height = max(float(np.linalg.norm(down)), 1e-6)
        eyes = min(
            _gap(points, 159, 145) / max(_gap(points, 33, 133), 1e-6),
            _gap(points, 386, 374) / max(_gap(points, 362, 263), 1e-6),
        )
        return cls(
            yaw=math.atan2(float(across[2]), float(np.hypot(across[0], across[1]))),
            pitch=math.atan2(float(down[2]), float(np.hypot(down[0], down[1]))) - _PITCH_AT_REST,
            roll=math.atan2(float(across[1]), float(across[0])),
            mouth=_gap(points, 13, 14) / height,
            eyes=eyes,
            gaze=gaze(points),
        )

    @property
    def good(self) -> bool:
        """Whether this is frontal, with the mouth closed and the eyes open."""
        return (
            abs(self.yaw) < math.radians(12)
            and abs(self.pitch) < math.radians(15)
            and abs(self.roll) < math.radians(15)
            and self.mouth < 0.02
            and self.eyes > 0.16
            and abs(self.gaze) < 0.1
        )

    @property
    def badness(self) -> float:
        """0 for a perfect reference, rising with every fault; to choose the best of several."""
        return (
            (self.yaw / math.radians(12)) ** 2
            + (self.pitch / math.radians(15)) ** 2
            + (self.roll / math.radians(15)) ** 2
            + (self.mouth / 0.02) ** 2
            + (max(0.0, 0.25 - self.eyes) / 0.05) ** 2
            + (self.gaze / 0.1) ** 2
        )


def _gap(points: Floats, a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b]))


def difference(one: Face, other: Face) -> float:
    """How much two faces differ in pose and expression; 0 if they are alike.

    As the FOMM demo measures it, the sum over the landmarks' squared distances after taking away
    their mean and the size of their hull; and gaze and blinks, which hardly move landmarks: with
    a reference that looks aside, the avatar would look the other way all the time.
    """
    a, b = Moment.of(one), Moment.of(other)
    blink = max(abs(a.eyes - b.eyes) - _EYES_DIFFER, 0.0)
    apart = float(((_normalised(one) - _normalised(other)) ** 2).sum())
    return apart + _GAZE * (a.gaze - b.gaze) ** 2 + _BLINK * blink**2


def _normalised(face: Face) -> Floats:
    points = np.ascontiguousarray(face.landmarks[:468, :2] - face.landmarks[:468, :2].mean(0))
    area = float(cv2.contourArea(cv2.convexHull(points.astype(np.float32))))
    scaled: Floats = (points / np.sqrt(max(area, 1e-6))).astype(np.float32)
    return scaled
