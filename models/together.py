"""Several faces of one photo, driven together: a backend made of another one.

Each face is an avatar of its own of the same whole photo; what moves in the pictures of each is put
together by whose face is nearest. One driver moves all of them; where the driver's camera sees
several people at the calibration, each of these moves one face, from left to right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.animator import (
    Animator,
    MotionSettings,
    Observation,
    Pose,
    Slider,
    Smoother,
    can_edit,
    tells_time,
)
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.landmarker import CropRegion, Landmarker
from models.types import Avatar, Face, Floats, Image, Photo

_SOFT = 0.08
"""Distance, in sizes of a face, over which one face's picture becomes its neighbour's; both are the
photo there but where shoulders touch."""

_OVERLAP = 0.5
"""Distance in face widths below which a face that is found is the one that is followed already."""


@dataclass(frozen=True)
class GroupAvatar(Avatar):
    """A photo with several faces.

    Attributes:
        parts: an avatar of the same photo for each face, from left to right.
        shares: for each part (H, W, 1), 0..1: how much of each pixel is its; they add up to 1.
    """

    parts: tuple[Avatar, ...]
    shares: tuple[Floats, ...]


@dataclass(frozen=True)
class GroupObservation:
    """What one frame says of those who drive.

    Attributes:
        main: which of them is the one that the program follows.
        drivers: of each, from left to right at the calibration.
    """

    main: int
    drivers: tuple[Observation, ...]

    @property
    def driver(self) -> Observation:
        """Of the one that the program follows."""
        return self.drivers[self.main]


@dataclass
class _Other:
    """Somebody else in the driver's camera.

    Attributes:
        anchor: the face at the calibration.
        region: where it was last.
        seen: what was observed of it last.
    """

    anchor: Face
    region: CropRegion
    seen: Observation


class GroupAnimator:
    """Animates every face of a photo by a backend."""

    def __init__(self, one: Animator) -> None:
        """Animate with what animates one face."""
        self._one = one
        self.name = one.name
        self._finder: FaceFinder | None = None
        self._landmarker: Landmarker | None = None
        self._anchor: Face | None = None
        self._others: list[_Other] = []
        self._main = 0

    @property
    def device(self) -> str:
        """The backend's."""
        return self._one.device

    @property
    def sliders(self) -> Sequence[Slider]:
        """The backend's; each is for all faces."""
        return self._one.sliders

    def best_size(self, cores: int | None = None) -> int:
        """The backend's."""
        return self._one.best_size(cores)

    def prepare(self, photo: Photo, size: int) -> GroupAvatar:
        """Make each face of a photo ready.

        Raises:
            UserError: one of them cannot be animated, or the backend cuts faces out of photos.
        """
        faces = sorted((photo.face, *photo.others), key=lambda face: face.box[0] + face.box[2])
        parts = tuple(
            self._one.prepare(replace(photo, face=face, others=()), size) for face in faces
        )
        main = parts[next(i for i, face in enumerate(faces) if face is photo.face)]
        if any(part.still.shape != main.still.shape for part in parts) or (
            len(parts) > 1 and any(np.abs(part.still - main.still).max() for part in parts)
        ):
            raise UserError(
                f"The backend {self.name} cuts one face out of a photo; choose another backend to "
                "move all of them, or leave out --faces all."
            )
        scale = main.still.shape[0] / photo.image.shape[0]
        return GroupAvatar(
            name=main.name,
            still=main.still,
            rest=tuple(part.rest for part in parts),
            focus=_mean([part.focus for part in parts]),
            notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
            kind=main.kind,
            parts=parts,
            shares=_shares([_place(face, scale) for face in faces], main.still.shape[:2]),
        )

    def observe(self, frame: Image, face: Face, anchor: Face) -> GroupObservation | None:
        """What a frame says of the driver and, if there were others at the calibration, of these.

        Whoever is out of view stays as seen last. A new anchor means that the others are looked for
        anew, in this frame.
        """
        one = self._one.observe(frame, face, anchor)
        if one is None:
            return None
        if anchor is not self._anchor:
            self._anchor = anchor
            self._look_around(frame, face)
        drivers = [self._follow(frame, other) for other in self._others]
        drivers.insert(self._main, one)
        return GroupObservation(self._main, tuple(drivers))

    def _look_around(self, frame: Image, face: Face) -> None:
        """Find those who are in view besides the driver."""
        self._finder = self._finder or FaceFinder()
        self._landmarker = self._landmarker or Landmarker()
        x, y, size = _place(face)
        self._others, self._main = [], 0
        found = sorted(self._finder.find_faces(frame), key=lambda one: one.box[0])
        for one in found:
            cx, cy, _ = _place(one)
            if np.hypot(cx - x, cy - y) < _OVERLAP * size:
                continue
            seen = self._one.observe(frame, one, one)
            if seen is None:
                continue
            region = CropRegion.from_landmarks(one.landmarks)
            self._others.append(_Other(one, region, seen))
            self._main += cx < x

    def _follow(self, frame: Image, other: _Other) -> Observation:
        assert self._landmarker is not None, "it is made before others are found"
        face = self._landmarker.face(frame, other.region)
        if face is not None:
            other.region = CropRegion.from_landmarks(face.landmarks)
            seen = self._one.observe(frame, face, other.anchor)
            if seen is not None:
                other.seen = seen
        return other.seen

    def pose(
        self,
        avatar: GroupAvatar,
        observation: GroupObservation,
        reference: GroupObservation | None,
        settings: MotionSettings,
    ) -> tuple[Pose, ...]:
        """The pose of each face: by a driver each, or by the one where there is only one."""
        alike = reference is None or len(reference.drivers) == len(observation.drivers)
        several = len(observation.drivers) > 1 and alike
        found = []
        for number, part in enumerate(avatar.parts):
            if several:
                which = number % len(observation.drivers)
                now = observation.drivers[which]
                first = None if reference is None else reference.drivers[which]
            else:
                now = observation.driver
                first = None if reference is None else reference.driver
            found.append(self._one.pose(part, now, first, settings))
        return tuple(found)

    def mix(self, start: tuple[Pose, ...], end: tuple[Pose, ...], share: float) -> tuple[Pose, ...]:
        """Each face on its own way."""
        return tuple(
            self._one.mix(one, other, share) for one, other in zip(start, end, strict=True)
        )

    def distance(self, one: tuple[Pose, ...], other: tuple[Pose, ...]) -> float:
        """How far the face goes that goes furthest.

        Raises:
            ValueError: these are not two poses of one avatar.
        """
        return max(self._one.distance(a, b) for a, b in zip(one, other, strict=True))

    def smoother(self, amount: float = 1.0) -> Smoother:
        """One of the backend for each driver."""
        return _GroupSmoother(self._one, amount)

    def smooth(
        self, observations: Sequence[GroupObservation | None], seconds: Sequence[float]
    ) -> list[GroupObservation | None]:
        """As the backend, each driver by itself."""
        count = max((len(one.drivers) for one in observations if one is not None), default=0)
        drivers = []
        for number in range(count):
            seen = [
                None if one is None or number >= len(one.drivers) else one.drivers[number]
                for one in observations
            ]
            drivers.append(self._one.smooth(seen, seconds))
        found: list[GroupObservation | None] = []
        for frame, one in enumerate(observations):
            if one is None:
                found.append(None)
                continue
            smoothed = tuple(drivers[number][frame] for number in range(len(one.drivers)))
            found.append(
                None if any(a is None for a in smoothed) else replace(one, drivers=smoothed)
            )
        return found

    def render(self, avatar: GroupAvatar, pose: tuple[Pose, ...]) -> Image:
        """The photo with all of its faces moved."""
        pictures = [
            self._one.render(part, one) for part, one in zip(avatar.parts, pose, strict=True)
        ]
        if len(pictures) == 1:
            return pictures[0]
        out = np.full(avatar.still.shape, 0.5, np.float32)
        for picture, share in zip(pictures, avatar.shares, strict=True):
            out += picture * share
        return out.astype(np.uint8)

    def stages(self) -> Mapping[str, float]:
        """The backend's, of the face that was rendered last."""
        return self._one.stages()

    def seconds_per_frame(self, avatar: GroupAvatar) -> float:
        """What the backend takes for all faces; 0 where it does not tell."""
        if not tells_time(self._one):
            return 0.0
        return self._one.seconds_per_frame(avatar.parts[0]) * len(avatar.parts)


class EditorGroup(GroupAnimator):
    """The same with a backend that also poses photos by sliders."""

    @property
    def editor(self) -> Sequence[Slider]:
        """The backend's; each is for all faces."""
        return self._one.editor if can_edit(self._one) else ()

    def edited(
        self, avatar: GroupAvatar, values: Mapping[str, float], onto: Any = None
    ) -> tuple[Pose, ...]:
        """The pose of a photo with some sliders moved, for all of its faces."""
        base: tuple[Pose, ...] = avatar.rest if onto is None else onto
        one = self._one
        if not can_edit(one):
            return base
        found = tuple(
            one.edited(part, values, None if pose is part.rest else pose)
            for part, pose in zip(avatar.parts, base, strict=True)
        )
        same = all(new is old for new, old in zip(found, base, strict=True))
        return base if same else found


def together(animator: Animator) -> Animator:
    """A backend that animates all faces of a photo."""
    return EditorGroup(animator) if can_edit(animator) else GroupAnimator(animator)


class _GroupSmoother:
    """A filter for each driver."""

    def __init__(self, one: Animator, amount: float) -> None:
        self._one, self._amount = one, amount
        self._filters: list[Smoother] = []

    def __call__(self, observation: GroupObservation, seconds: float, /) -> GroupObservation:
        count = len(observation.drivers)
        if len(self._filters) != count:
            self._filters = [self._one.smoother(self._amount) for _ in range(count)]
        drivers = zip(self._filters, observation.drivers, strict=True)
        return replace(observation, drivers=tuple(one(seen, seconds) for one, seen in drivers))

    def reset(self) -> None:
        for one in self._filters:
            one.reset()


def _mean(places: Sequence[tuple[float, float]]) -> tuple[float, float]:
    x, y = np.mean(places, axis=0)
    return float(x), float(y)


def _place(face: Face, scale: float = 1.0) -> tuple[float, float, float]:
    """The middle of a face and its longer side, in pixels times `scale`."""
    left, top, right, bottom = face.box
    size = max(right - left, bottom - top, 1.0)
    return (left + right) / 2 * scale, (top + bottom) / 2 * scale, size * scale


def _shares(places: Sequence[tuple[float, float, float]], shape: Sequence[int]) -> tuple[Any, ...]:
    """For each face (H, W, 1): the share of each pixel that is nearest to it, soft between two."""
    rows, columns = np.indices(tuple(shape), np.float32)
    away = np.stack([np.hypot(columns - x, rows - y) / size for x, y, size in places])
    weights = np.exp((away.min(0) - away) / _SOFT)
    weights /= weights.sum(0)
    return tuple(np.ascontiguousarray(weight[..., None], np.float32) for weight in weights)
