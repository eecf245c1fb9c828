"""Whether the face of this frame can be the one of the frame before.

A hand before the face is not said by the network's score: its landmarks keep full confidence while
they are squeezed into what is left of the face, until they are lost. What gives them away is that
no face changes its shape so fast.
"""

from __future__ import annotations

import numpy as np

from models.types import Face, Floats

_SHAPE = 2.5
"""How fast a face's shape may change: parts of its size per second. Talking reaches 1.2, a quick
turn of the head 1.6, a hand over the face 3."""

_SIZE = 1.3
"""How fast its size may change: its natural logarithm, per second. Leaning forward reaches 0.8."""

_DOUBT = 0.2
"""Seconds for which a face is not believed after it changed too fast: within the time for which the
avatar holds its pose without a face, so that a single mistake is not seen."""

_SHORTEST, _LONGEST = 1 / 60, 0.25
"""Seconds between two faces. Those that come faster, in a burst, count as of a camera of 60 fps, as
noise over no time would be endless speed; those further apart are not compared."""

_AWAY = 1.0
"""Seconds after which a face that comes back in another place is taken for another person's; at
once where the tracker says so (`Face.take`), or was told to look for a face anew."""

_ELSEWHERE = 0.8
"""What another place is: so many widths of the face away, or a size so much (1 / 0.8) different."""


class Plausibility:
    """Compares each face with the one before.

    Attributes:
        newcomer: the last face that was believed is another person's than the one before.
    """

    def __init__(self) -> None:
        """Start without a past."""
        self._last: tuple[float, Floats] | None = None
        self._believed: tuple[float, Floats] | None = None
        self._take = 0
        self._anew = False
        self._doubt_until = -np.inf
        self.newcomer = False

    def start_anew(self) -> None:
        """The next face may be another person's, however soon it comes."""
        self._anew = True

    def believes(self, face: Face, seconds: float) -> bool:
        """Whether a face can be what it seems.

        Args:
            face: found in this frame.
            seconds: when, on a steady clock.
        """
        points = face.surface[:, :2]
        last, self._last = self._last, (seconds, points)
        if last is not None and seconds - last[0] <= _LONGEST:
            shape, size = _change(last[1], points)
            elapsed = max(seconds - last[0], _SHORTEST)
            if shape > _SHAPE * elapsed or size > _SIZE * elapsed:
                self._doubt_until = seconds + _DOUBT
        if seconds < self._doubt_until:
            return False
        before, self._believed = self._believed, (seconds, points)
        anew, self._anew = self._anew or face.take != self._take, False
        self._take = face.take
        self.newcomer = (
            before is not None
            and (anew or seconds - before[0] > _AWAY)
            and _is_elsewhere(before[1], points)
        )
        return True


def _change(before: Floats, after: Floats) -> tuple[float, float]:
    """How much the shape of (N, 2) points has changed, in their size, and how much the size."""
    a, b = before - before.mean(0), after - after.mean(0)
    spread = max(float((a**2).sum()), 1e-9)
    # The best rotation and scale as a complex number.
    along = float((a * b).sum()) / spread
    across = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    turned = a @ np.array([[along, across], [-across, along]], np.float32)
    rest = float(((b - turned) ** 2).sum())
    scale = max(float(np.hypot(along, across)), 1e-6)
    return float(np.sqrt(rest / spread)), abs(float(np.log(scale)))


def _is_elsewhere(before: Floats, after: Floats) -> bool:
    sides = [max(float(np.ptp(points, axis=0).max()), 1.0) for points in (before, after)]
    away = float(np.linalg.norm(after.mean(0) - before.mean(0)))
    return away > _ELSEWHERE * sides[0] or not _ELSEWHERE < sides[1] / sides[0] < 1 / _ELSEWHERE
