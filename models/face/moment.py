"""What one frame says about a face's pose and expression, and how much two faces differ in them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.face.irises import gaze
from models.types import Face, Floats

_FOREHEAD, _CHIN, _RIGHT, _LEFT = 10, 152, 234, 454
"""MediaPipe's numbers of the face's top and bottom, and of its border on the person's right and
left."""

_PARTED, _LOOKS, _SHUT, _WIDE = 0.03, 0.15, 0.1, 0.12
"""Differences that count as much as one another: of the lips' gap (of the face's height), of the
gaze (in eye widths), of the eyes' opening (of their width) and of the mouth's width (of the eyes'
distance). Each is about half of what a viewer calls another expression."""

_OWN_EYES, _OWN_MOUTH = 0.1, 0.12
"""By how much these two differ between two persons of the same expression: so much says nothing."""

_OPEN_EYES, _LIDS = 0.2, 0.05
"""Eyes that are open at least so far (of their width) show no blink; what is missing to that counts
against the second number, since lids of a blinking reference would never close again."""

_AS_OPEN = 0.5
"""Weight of a gap that is smaller than the wanted one: of a photo that shows its teeth, the lips
part further when the driver's do; but from an open mouth on, lips could only close."""

_TURNED, _TURNS = math.radians(25), 1.2
"""Turns count against this angle, and up to this much in all, so that no pose is worth another
expression. What counts is how far the face is from looking straight ahead, however the wanted one
is turned: so a photo from the side stays from the side while the driver looks ahead."""

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
        width: of the mouth, against the distance of the eyes' outer corners.
    """

    yaw: float
    pitch: float
    roll: float
    mouth: float
    eyes: float
    gaze: float
    width: float

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
            width=_gap(points, 61, 291) / max(_gap(points, 33, 263), 1e-6),
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


def difference(wanted: Face, face: Face) -> float:
    """How much a face differs from the wanted one in expression, and a little how it is turned.

    Whose face it is does not count: expressions are compared by measures with what differs
    between persons taken out. It serves for choosing the moment that motion is measured against,
    and what differs in it is added to the avatar for good: with a mouth that is open then, lips
    that should meet would be pressed together; with eyes that look aside, it would stare.
    """
    a, b = Moment.of(wanted), Moment.of(face)
    gap = (b.mouth - a.mouth) / _PARTED
    eyes = max(abs(b.eyes - a.eyes) - _OWN_EYES, 0.0) / _SHUT
    blink = max(min(a.eyes, _OPEN_EYES) - b.eyes, 0.0) / _LIDS
    wide = max(abs(b.width - a.width) - _OWN_MOUTH, 0.0) / _WIDE
    looks = (b.gaze - a.gaze) / _LOOKS
    expression = gap**2 * (1.0 if gap > 0 else _AS_OPEN) + eyes**2 + wide**2 + looks**2
    expression += blink**2
    turns = (b.yaw**2 + b.pitch**2 + b.roll**2) / _TURNED**2
    return expression + _TURNS * turns / (_TURNS + turns)
