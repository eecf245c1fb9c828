"""Other faces beside the one that is followed, and whether one of them should be followed instead.

Whoever is followed stays so when others come in. But the first face may have been a poster or
somebody in the background, and whoever sits down before the camera then is clearly larger. A poster
that is large itself gives way to any living face that is not much smaller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.face.landmarker import CropRegion
from models.types import Face, Floats

_AT_REST = 0.02
"""How far a living face moves its points soon, in sides of its region: one that listens without a
word 0.03 to 0.05 in three seconds, a picture with a camera's noise 0.012."""

_SMOOTHED = 0.25
"""Seconds over which its points are averaged before that: a camera's noise is not motion."""

_STILL, _STILL_AT_FIRST = 4.0, 1.0
"""Seconds without motion after which a face is taken for a picture, and for one that has not moved
since it was found; people blink and sway more often."""

_OVER_STILL = 1.25, 1.0
"""How many times larger than a picture another face must be to be followed instead, and for how
many seconds."""

_OVER_LIVING = 1.5, 3.0
"""The same against a face that moves: somebody who leans over the driver's shoulder, or walks by,
takes nothing over; and between two people of similar size nothing changes."""

_LIVING = 0.4, 1.0
"""How many times as large as a picture of a face a living one must be to be followed instead, and
for how many seconds it must have been there: somebody before a large screen, not in its corner."""

_LARGER = 0.9
"""Other faces from this size on, in sizes of the followed one, are worth a look in general: the
detector's regions are a tenth smaller or larger than the landmarks have them."""

_UNSEEN = 2.0
"""Seconds for which another face that the detector misses stays known."""

_SAME = 0.5
"""Two places so near, in sides of the larger region, are one face's."""


def same_place(a: CropRegion, b: CropRegion) -> bool:
    """Whether two regions show one face."""
    return float(np.hypot(a.cx - b.cx, a.cy - b.cy)) < _SAME * max(a.side, b.side)


class Stillness:
    """For how long a face has not moved at all.

    Attributes:
        since: when it moved last, in the seconds given.
        alive: it has moved.
    """

    def __init__(self, face: Face, seconds: float) -> None:
        """Begin with the first look at a face."""
        self._side = np.float32(max(CropRegion.from_landmarks(face.landmarks).side, 1.0))
        self._smooth = self._anchor = self._shape(face)
        self._seen = self.since = seconds
        self.alive = False

    def look(self, face: Face, seconds: float) -> None:
        """Look at the same face in another frame."""
        elapsed, self._seen = seconds - self._seen, seconds
        share = np.float32(1 - np.exp(-max(elapsed, 0.0) / _SMOOTHED))
        self._smooth = self._smooth + share * (self._shape(face) - self._smooth)
        moved = ((self._smooth - self._anchor) ** 2).sum(-1).mean()
        if float(np.sqrt(moved)) > _AT_REST:
            self._anchor, self.since, self.alive = self._smooth, seconds, True

    def is_picture(self, seconds: float) -> bool:
        """Whether this is a poster or the like, as far as that can be told now."""
        return seconds - self.since >= (_STILL if self.alive else _STILL_AT_FIRST)

    def _shape(self, face: Face) -> Floats:
        """(39, 2): points all over the face, in sides of its first region; the place counts too."""
        return np.asarray(face.surface[::12, :2] / self._side, np.float32)


@dataclass(frozen=True)
class _Rival:
    """Another face that is large enough, and since when."""

    region: CropRegion
    since: float


@dataclass
class _Other:
    """Another face in view.

    Attributes:
        region: where it is.
        still: for how long it has not moved.
        since: when it was seen first, in seconds.
        seen: when it was seen last.
    """

    region: CropRegion
    still: Stillness
    since: float
    seen: float


class Rivals:
    """Watches the other faces in view while one is followed."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._still: Stillness | None = None
        self._rival: _Rival | None = None
        self._pictures: list[CropRegion] = []
        self._others: list[_Other] = []

    def forget(self) -> None:
        """Another face is followed, or none: the watch begins anew. Pictures stay known."""
        self._still = self._rival = None
        self._others = []

    def follow(self, face: Face, seconds: float) -> None:
        """Take note of the followed face, in every frame."""
        if self._still is None:
            self._still = Stillness(face, seconds)
        self._still.look(face, seconds)

    def least(self, seconds: float) -> float:
        """From what size on other faces count now, in sizes of the followed one."""
        return _LIVING[0] if self._is_dead(seconds) else _LARGER

    def better(self, followed: CropRegion, faces: list[Face], seconds: float) -> CropRegion | None:
        """The face that should be followed instead.

        Args:
            followed: the face that is followed.
            faces: in view, of those that count; the followed one may be among them.
            seconds: now.

        Returns:
            One that has been clearly larger for long enough, or alive where the followed one is
            not; mostly None.
        """
        others = []
        for face in faces:
            one = CropRegion.from_landmarks(face.landmarks)
            if not any(same_place(one, known) for known in (followed, *self._pictures)):
                others.append(one)
                self._watch(face, one, seconds)
        living = self._living(followed, seconds)
        if living is not None:
            self._pictures.append(followed)
            return living
        picture = self._still is not None and self._still.is_picture(seconds)
        larger, lasting = _OVER_STILL if picture else _OVER_LIVING
        largest = max(others, key=lambda one: one.side, default=None)
        if largest is None or largest.side < larger * followed.side:
            self._rival = None
            return None
        since = seconds
        if self._rival is not None and same_place(self._rival.region, largest):
            since = self._rival.since
        self._rival = _Rival(largest, since)
        if seconds - since < lasting:
            return None
        if picture:
            self._pictures.append(followed)
        return largest

    def _is_dead(self, seconds: float) -> bool:
        """Whether the followed face has not moved for so long that it is no living one."""
        return self._still is not None and seconds - self._still.since >= _STILL

    def _watch(self, face: Face, region: CropRegion, seconds: float) -> None:
        """Take note of another face."""
        self._others = [one for one in self._others if seconds - one.seen < _UNSEEN]
        for one in self._others:
            if same_place(one.region, region):
                one.region, one.seen = region, seconds
                one.still.look(face, seconds)
                return
        self._others.append(_Other(region, Stillness(face, seconds), seconds, seconds))

    def _living(self, followed: CropRegion, seconds: float) -> CropRegion | None:
        """The largest other face that lives, if the followed one is a picture."""
        share, lasting = _LIVING
        living = [
            one.region
            for one in self._others
            if one.still.alive
            and one.seen == seconds
            and seconds - one.since >= lasting
            and one.region.side >= share * followed.side
        ]
        if not self._is_dead(seconds):
            return None
        return max(living, key=lambda one: one.side, default=None)
