"""Is there a face, where is it, and is it still the same one?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np

from models.face.detector import FaceDetector
from models.face.landmarker import CropRegion, Landmarker
from models.face.likeness import Likeness, Look
from models.face.orientation import CLEAR, belief, detect_turned, inverse, quarters
from models.face.rivals import Rivals, same_place
from models.types import Face, Image

_FRAME = 1 / 30
"""Seconds from frame to frame where none are told."""

_KEPT = 3.0
"""Seconds for which the place of a lost face is kept for it alone."""

_CUT = 0.5
"""Seconds after a face was lost in which one that appears elsewhere, where there was none, is the
same after a cut; longer than a dissolve, shorter than it takes somebody to sit down."""

_OTHER_SCENE, _OTHER_PIXEL = 0.6, 12
"""Share of a picture that changes in a cut to another one, and by how much (of 255) a part of it
must change to count. A hand before the camera and somebody who comes in reach a half."""

_OTHER_SIZE = 1.6
"""How many times larger or smaller the same face may be after a jump within one scene."""

_LOOK = 0.5
"""Seconds between two looks at what else is in view: 6 ms of the detector each."""

_NEAR = 0.6
"""How far a face may move between two frames, in sides of its region, and still be the same: less
would lose one that moves fast, more would take a neighbour's."""

_ASIDE = 0.3
"""Of faces of similar size the one in the middle is taken: in a corner one counts so much less."""

_AROUND = 3.0
"""Sides of the part of the picture in which a small face that was lost is looked for, in those of
its region: as large as a driver who leans back has it in a usual picture."""


class FaceTracker:
    """Finds the face in a video and follows it from frame to frame.

    The detector runs until a face is found and again when it is lost; between, the region of
    interest comes from the last landmarks, and twice a second the detector looks what else is in
    view. The chosen person stays chosen when others enter, unless one of them is clearly larger for
    some time (`Rivals`). When the face is hidden (a hand, a turn), only a face in the same place
    continues it, or one that appears at once where there was none: a cut. Others are looked at
    after a while without it.

    A face that is turned, as by a camera that hangs upside down, is followed as it is.

    Attributes:
        locked: no other face takes over, however long this one is away; it is found again by what
            it looks like (`Likeness`).
    """

    def __init__(self) -> None:
        """Follow nobody yet; what it follows is its own, so each thread needs another one.

        Raises:
            UserError: a network's file is missing or broken.
        """
        self._detector = FaceDetector()
        self._landmarker = Landmarker()
        self.locked = False
        self._likeness: Likeness | None = None
        self._now = 0.0
        self._take = 0
        self._looks = 0
        self.reset()

    def reset(self) -> None:
        """Forget the face that is followed; of a locked one, what it looks like stays known."""
        self._region: CropRegion | None = None
        self._home: CropRegion | None = None
        self._last: CropRegion | None = None
        self._before: Image | None = None
        self._neighbours: list[CropRegion] = []
        self._size: tuple[int, int] | None = None
        self._seen_at = self._looked_at = -np.inf
        self._rivals = Rivals()

    def lock(self, on: bool) -> None:
        """Lock the face that is followed, or the next one; callable from any thread."""
        self.locked = on

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        """The followed face in the next frame of a video, or None if it is not there.

        Args:
            frame: (H, W, 3) RGB.
            seconds: when, on a steady clock; None: a thirtieth after the frame before.
        """
        self._now = self._now + _FRAME if seconds is None else seconds
        self._resize(frame)
        region, self._region = self._region, None
        face = None if region is None else self._continued(frame, region, region)
        if face is not None:
            face = self._compared(frame, face)
        else:
            self._rivals.forget()
            face = self._found(frame)
        return None if face is None else self._follow(frame, face)

    def _follow(self, frame: Image, face: Face) -> Face:
        region = CropRegion.from_landmarks(face.landmarks)
        if self._last is not None and not _near(region, self._last):
            self._take += 1
        self._region = self._home = self._last = region
        self._seen_at, self._before, self._neighbours = self._now, frame, []
        return replace(face, take=self._take)

    def _resize(self, frame: Image) -> None:
        """Keep the places when the size of the pictures changes in mid-clip."""
        size = frame.shape[1], frame.shape[0]
        if self._size is not None and size != self._size:
            scale = size[0] / self._size[0]
            rise = (size[1] - self._size[1] * scale) / 2
            self._region, self._home, self._last = (
                None
                if one is None
                else CropRegion(one.cx * scale, one.cy * scale + rise, one.side * scale, one.angle)
                for one in (self._region, self._home, self._last)
            )
            self._rivals = Rivals()
        self._size = size

    def _compared(self, frame: Image, face: Face) -> Face:
        """The followed face, or another one that should be followed instead."""
        self._rivals.follow(face, self._now)
        if self._now - self._looked_at < _LOOK:
            return face
        self._looked_at = self._now
        if self.locked:
            self._learn(frame, face)
            return face
        self._likeness = None
        followed = CropRegion.from_landmarks(face.landmarks)
        better = self._rivals.better(followed, self._others(frame, followed), self._now)
        rival = None if better is None else self._settled(frame, better)
        if rival is None:
            return face
        self._rivals.forget()
        return rival

    def _others(self, frame: Image, followed: CropRegion) -> list[Face]:
        """The other faces in view that are large enough to count."""
        found, least = [], self._rivals.least(self._now)
        for one in self._detector.detect(frame):
            region = CropRegion.from_detection(one)
            if region.side > least * followed.side and not same_place(region, followed):
                face = self._looked_twice(frame, region)
                if face is not None:
                    found.append(face)
        return found

    def _learn(self, frame: Image, face: Face) -> None:
        """Learn what the locked face looks like."""
        look = Look.of(frame, CropRegion.from_landmarks(face.landmarks))
        if self._likeness is None:
            self._likeness = Likeness(look)
        self._likeness.learn(look)

    def _found(self, frame: Image) -> Face | None:
        """The face to follow, after none was followed in the frame before."""
        if not self.locked:
            self._likeness = None
            if self._now - self._seen_at >= _KEPT:
                self._home = None
        regions = (CropRegion.from_detection(one) for one in self._detector.detect(frame))
        face = self._chosen(frame, regions) or self._chosen(frame, self._looked_closer(frame))
        # A hand seen from the side passes for a face with all but the detector.
        if face is not None and quarters(face) and belief(self._detector, frame, face) < CLEAR:
            return None
        return face

    def _looked_closer(self, frame: Image) -> Iterable[CropRegion]:
        """Where a face may be that the detector misses: small, or turned. One way in each frame."""
        self._looks += 1
        turns = self._looks % 4
        if turns or self._last is None:
            return detect_turned(self._detector, frame, turns or 2)
        half = round(_AROUND * self._last.side / 2)
        left, top = max(round(self._last.cx) - half, 0), max(round(self._last.cy) - half, 0)
        part = frame[top : top + 2 * half, left : left + 2 * half]
        if not part.size:
            return []
        found = map(CropRegion.from_detection, self._detector.detect(part))
        return [replace(one, cx=one.cx + left, cy=one.cy + top) for one in found]

    def _chosen(self, frame: Image, regions: Iterable[CropRegion]) -> Face | None:
        """The face to follow among those in some regions.

        The one in the place of the last face, while that is kept; the one that looks like the
        locked one; one that has just appeared; where nobody is waited for, the largest.
        """
        regions = sorted(regions, key=lambda one: -_weight(one, frame))
        home = self._home
        if home is not None:
            for region in regions:
                face = self._continued(frame, region, home) if _near(region, home) else None
                if face is not None:
                    return self._righted(frame, face)
        if self._likeness is not None:
            return self._alike(frame, regions, self._likeness)
        if home is None or self._now - self._seen_at <= _CUT:
            for region in regions:
                if home is not None and not self._is_new(region, home):
                    continue
                face = self._settled(frame, region)
                if face is not None and (home is None or self._is_cut(frame, face, home)):
                    return face
        return None

    def _alike(
        self, frame: Image, regions: Iterable[CropRegion], likeness: Likeness
    ) -> Face | None:
        """The face that looks most like the locked one, if any does."""
        alike = []
        for region in regions:
            face = self._settled(frame, region)
            if face is not None:
                look = Look.of(frame, CropRegion.from_landmarks(face.landmarks))
                if likeness.is_alike(look):
                    alike.append((likeness(look), face))
        return max(alike, key=lambda one: one[0])[1] if alike else None

    def _is_new(self, region: CropRegion, home: CropRegion) -> bool:
        """Whether there was nobody at a face's place in the last frame with the followed one."""
        before = self._before
        if before is None or before.shape[:2] != (self._size or (0, 0))[::-1]:
            return True
        if any(_near(region, other) for other in self._neighbours):
            return False
        there = self._landmarker.face(before, region)
        if there is None or _near(CropRegion.from_landmarks(there.landmarks), home):
            return True
        self._neighbours.append(region)
        return False

    def _is_cut(self, frame: Image, face: Face, home: CropRegion) -> bool:
        """Whether a face that has just appeared may be the one that vanished: after a cut.

        Either most of the picture has changed, or it is a face of similar look and size.
        """
        before = self._before
        if before is None or before.shape != frame.shape or changed(before, frame) > _OTHER_SCENE:
            return True
        region = CropRegion.from_landmarks(face.landmarks)
        if not 1 / _OTHER_SIZE < region.side / home.side < _OTHER_SIZE:
            return False
        return Likeness(Look.of(before, home)).is_alike(Look.of(frame, region))

    def _continued(self, frame: Image, region: CropRegion, last: CropRegion) -> Face | None:
        """The face in a region, if it may be the one that was last in the region `last`."""
        face = self._landmarker.face(frame, region)
        if face is None or _near(CropRegion.from_landmarks(face.landmarks), last):
            return face
        return None

    def _settled(self, frame: Image, region: CropRegion) -> Face | None:
        """The face in a region that the detector has found, the right way up."""
        face = self._looked_twice(frame, region)
        return None if face is None else self._righted(frame, face)

    def _looked_twice(self, frame: Image, region: CropRegion) -> Face | None:
        """The face in a region that the detector has found.

        Of a face that leans, the detector says too little how far, and so the first landmarks have
        it with a strange expression.
        """
        rough = self._landmarker.face(frame, region)
        if rough is None:
            return None
        return self._landmarker.face(frame, CropRegion.from_landmarks(rough.landmarks)) or rough

    def _righted(self, frame: Image, face: Face) -> Face:
        """A face that was just found, looked at again where it was taken for its own inverse."""
        other = inverse(self._detector, frame, CropRegion.from_landmarks(face.landmarks))
        righted = None if other is None else self._landmarker.face(frame, other)
        return righted or face


def changed(before: Image, after: Image) -> float:
    """How much of a picture (H, W, 3) has changed in another one of its size, 0..1."""
    small = [
        cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(np.int16)
        for image in (before, after)
    ]
    return float((np.abs(small[1] - small[0]).max(-1) > _OTHER_PIXEL).mean())


def _near(region: CropRegion, last: CropRegion) -> bool:
    """Whether a face in one region may have been in the other one a frame before."""
    away = float(np.hypot(region.cx - last.cx, region.cy - last.cy))
    return away < _NEAR * last.side and 0.5 * last.side < region.side < 2.0 * last.side


def _weight(region: CropRegion, frame: Image) -> float:
    """How much a face suggests itself: large, and in the middle."""
    height, width = frame.shape[:2]
    aside = np.hypot(region.cx - width / 2, region.cy - height / 2) / np.hypot(width, height)
    return region.side * (1 - _ASIDE * min(2 * float(aside), 1.0))
