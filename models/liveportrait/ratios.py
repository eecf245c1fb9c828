"""How open eyes and mouth are, as the retargeting networks were taught to measure it.

They were taught with 203 landmarks of a network that is not used here; the same ratios come from
the face tracker's 478 by a straight line, which was fitted on 633 frames whose official ratios are
known: a mean error of 0.02 for the eyes and below 0.01 for the lips. It is a few faces, not a
calibration: lids that are shut are found at 0 to 0.03, where the official ratio is 0.002 to 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.types import Floats

OPEN_LIPS = 0.03
"""From this lip ratio on a photo's mouth counts as open, and its lips are shut before it is driven;
the official threshold. By the tracker's points the same holds on 97 of 100 frames."""

_LEAST = 1e-6
"""Added to widths, as in the official code, so that a face without any does no harm."""


@dataclass(frozen=True)
class _Gap:
    """An opening: the numbers of the points that it lies between.

    Attributes:
        upper: above it.
        lower: below it.
        left: its left corner in the picture.
        right: its right corner.
        slope: of the line from the measured ratio to the official one.
        offset: of that line.
    """

    upper: int
    lower: int
    left: int
    right: int
    slope: float = 1.0
    offset: float = 0.0

    def ratio(self, points: Floats) -> float:
        height = float(np.linalg.norm(points[self.upper, :2] - points[self.lower, :2]))
        width = float(np.linalg.norm(points[self.left, :2] - points[self.right, :2]))
        return max(self.slope * height / (width + _LEAST) + self.offset, 0.0)


_GAPS = {
    203: (_Gap(6, 18, 0, 12), _Gap(30, 42, 24, 36), _Gap(90, 102, 48, 66)),
    478: (
        _Gap(159, 145, 33, 133, 1.19, -0.035),
        _Gap(386, 374, 362, 263, 1.20, -0.034),
        _Gap(13, 14, 61, 291),
    ),
}
"""By the number of landmarks: the eye on the left of the picture, that on its right, the lips."""


@dataclass(frozen=True)
class Ratios:
    """Openings of one face, height over width.

    Attributes:
        left: of the eye on the left of the picture; 0.25 to 0.37 is open, 0.55 wide open.
        right: of the other eye.
        lips: of the inner lips; below 0.01 is shut, 0.67 wide open.
    """

    left: float
    right: float
    lips: float


def ratios(points: Floats) -> Ratios:
    """The openings of a face.

    Args:
        points: (478, 2 or more) of the face tracker, or (203, 2) in the official order; pixels.

    Raises:
        ValueError: there are neither 478 nor 203 points.
    """
    gaps = _GAPS.get(len(points))
    if gaps is None:
        raise ValueError(f"no openings are known among {len(points)} landmarks")
    values = np.asarray(points, np.float64)
    left, right, lips = (gap.ratio(values) for gap in gaps)
    return Ratios(left, right, lips)


def opened_eyes(first: Ratios) -> float:
    """The eye ratio that all frames of a source video are taken to, from that of its first one."""
    mean = (first.left + first.right) / 2
    # As the official pipeline: someone who begins with shut eyes is taken to have open ones.
    return 0.39 if mean < 0.18 else mean
