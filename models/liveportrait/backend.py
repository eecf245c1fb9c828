"""The backend `liveportrait`: the official networks behind the interface of all backends."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from models.animator import MotionSettings, RecordedMotion, Slider, Smoother
from models.errors import UserError
from models.keypoints import Keypoints, blend
from models.liveportrait import editor, templates
from models.liveportrait.config import KEYPOINTS
from models.liveportrait.crop import (
    DRIVING,
    MOST,
    SOURCE,
    Box,
    Framing,
    cut,
    face_box,
    network_picture,
)
from models.liveportrait.driving import ANIMAL_SLIDERS, SLIDERS, Source, driven, driven_animal
from models.liveportrait.motion import State, keypoints
from models.liveportrait.paste import Paste
from models.liveportrait.ratios import ratios
from models.liveportrait.smoothing import Observed, StateFilter, smooth_observations
from models.types import Avatar, Face, Floats, Image, Photo

if TYPE_CHECKING:
    from models.liveportrait.engine import Engine
    from models.liveportrait.heads import Heads

_FACE = 2 / SOURCE.scale
"""A face's width in the units of keypoints, in which the square around it spans -1 to 1."""

_NEAR = 0.01
"""Distance from rest, in face widths, over which the photo itself becomes the networks' picture. In
it nothing has moved that one sees, and easing out of rest takes a tenth of a second for it."""

_LIVE_SIDE = 720
"""Longer side in pixels of an avatar where few cores have to keep up with putting the face back."""

_FEW_CORES = 2
"""As many as `mesh` takes for few."""

_SOON = 1.0
"""Seconds: a first frame that took less may have been opening something, and is measured again."""


@dataclass(frozen=True)
class LivePortraitAvatar(Avatar):
    """A photo with what the networks know of it.

    Attributes:
        features: of the appearance network; they stay on the engine's device.
        source: what its motion depends on.
        paste: puts the networks' pictures into the still.
    """

    features: Any
    source: Source
    paste: Paste


class LivePortraitAnimator:
    """Moves a photo by 21 learnt keypoints in space; the face is put back into the photo.

    Observations are `Observed`, poses are `Keypoints` of (21, 3) driving keypoints, as the warping
    network takes them: stitched, retargeted, multiplied.
    """

    def __init__(self, engine: Engine, animals: bool = False, name: str = "liveportrait") -> None:
        """Animate with an engine.

        Args:
            engine: computes the networks.
            animals: its weights are those of the animals mode.
            name: what to call the backend.
        """
        self.name = name
        self._engine = engine
        self._animals = animals
        self._stages: Mapping[str, float] = {}
        self.editor: Sequence[Slider] = editor.SLIDERS
        self.sliders: Sequence[Slider] = ANIMAL_SLIDERS if animals else SLIDERS

    @property
    def device(self) -> str:
        """Where it computes, and why; changes when a device fails."""
        return self._engine.device

    def best_size(self, cores: int | None = None) -> int:
        """The photo's own size, up to what the official pipeline takes; less on few cores."""
        return _LIVE_SIDE if cores is not None and cores <= _FEW_CORES else MOST

    def prepare(self, photo: Photo, size: int) -> LivePortraitAvatar:
        """Cut out the face, and have the networks look at it.

        Args:
            photo: the picture and the face in it.
            size: pixels of the longer side of the still, at most; never more than 1280.

        Raises:
            UserError: the networks make nothing of it.
        """
        # What the networks see does not depend on the size of what is shown.
        whole, ratio = _scaled(photo.image, MOST)
        box = face_box(photo.face.landmarks * np.float32(ratio), SOURCE)
        picture = network_picture(cut(whole, box))
        heads = self._engine.motion(picture)
        state = State.of(heads)
        if not state.finite() or not np.isfinite(heads.kp).all() or state.scale == 0:
            raise UserError(
                f"The model makes nothing of the face in {photo.name}; choose another photo."
            )
        still, smaller = _scaled(whole, size)
        shown = Box(box.cx * smaller, box.cy * smaller, box.side * smaller, box.angle)
        left, top, right, bottom = photo.face.box
        share = ratio * smaller / 2
        points = keypoints(heads)
        return LivePortraitAvatar(
            name=photo.name,
            still=still,
            rest=Keypoints(points),
            focus=((left + right) * share, (top + bottom) * share),
            kind=photo.kind,
            features=self._engine.features(picture),
            source=self._source(heads, state, points, photo.face),
            paste=Paste(still, shown),
        )

    def _source(self, heads: Heads, state: State, points: Floats, face: Face) -> Source:
        engine, openings = self._engine, ratios(face.landmarks)
        return Source(
            heads.kp,
            state,
            points,
            openings,
            lambda driving: engine.stitch(points, driving),
            lambda target: engine.eye_delta(points, openings.left, openings.right, target),
            lambda target: engine.lip_delta(points, openings.lips, target),
        )

    def observe(self, frame: Image, face: Face, anchor: Face) -> Observed | None:
        """What the motion network says of the square around the anchor; None if no numbers."""
        picture = _driving_picture(frame, anchor, DRIVING)
        state = State.of(self._engine.motion(picture))
        if not state.finite() or state.scale <= 0:
            return None
        return Observed(state, ratios(face.landmarks))

    def pose(
        self,
        avatar: LivePortraitAvatar,
        observation: Observed,
        reference: Observed | None,
        settings: MotionSettings,
    ) -> Keypoints:
        """The official motion of a driving video, with the sliders' strengths."""
        how = driven_animal if self._animals else driven
        return Keypoints(how(avatar.source, observation, reference, settings))

    def mix(self, start: Keypoints, end: Keypoints, share: float) -> Keypoints:
        """Every keypoint on its straight way."""
        return blend(start, end, share)

    def distance(self, one: Keypoints, other: Keypoints) -> float:
        """How far the keypoint that moves most goes in the picture, in widths of a face.

        Raises:
            ValueError: these are not two poses of this backend.
        """
        if not one.values.shape == other.values.shape == (KEYPOINTS, 3):
            raise ValueError(
                f"poses of {other.values.shape} and {one.values.shape} cannot be compared"
            )
        moved = one.values[:, :2] - other.values[:, :2]
        return float(np.linalg.norm(moved, axis=1).max()) / _FACE

    def smoother(self, amount: float = 1.0) -> Smoother:
        """A `StateFilter`."""
        return StateFilter(amount)

    def smooth(
        self, observations: Sequence[Observed | None], seconds: Sequence[float]
    ) -> list[Observed | None]:
        """Filtered forward and backward."""
        return smooth_observations(observations, seconds)

    def render(self, avatar: LivePortraitAvatar, pose: Keypoints) -> Image:
        """The photo with the generator's face in it; at rest it is the photo.

        Raises:
            ArithmeticError: the generator's picture is not made of numbers.
        """
        near = self.distance(pose, avatar.rest) / _NEAR
        if near == 0:
            return avatar.still.copy()
        begun = time.perf_counter()
        source = avatar.source.points
        made = self._engine.render(avatar.features, source, pose.values)[0].transpose(1, 2, 0)
        if not np.isfinite(made).all():
            raise ArithmeticError("the generator's picture is not made of numbers")
        picture = np.clip(made * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
        generated = time.perf_counter()
        out = avatar.paste(np.ascontiguousarray(picture))
        if near < 1:
            out = np.asarray(cv2.addWeighted(out, near, avatar.still, 1 - near, 0), np.uint8)
        self._stages = {
            "networks": generated - begun,
            "paste": time.perf_counter() - generated,
        }
        return out

    def stages(self) -> Mapping[str, float]:
        """The networks, and putting their picture into the photo."""
        return self._stages

    def seconds_per_frame(self, avatar: LivePortraitAvatar) -> float:
        """How long the networks take here for one frame, measured."""
        seconds = self._measured(avatar)
        return seconds if seconds > _SOON else self._measured(avatar)

    def _measured(self, avatar: LivePortraitAvatar) -> float:
        picture = network_picture(np.zeros((2, 2, 3), np.uint8))
        begun = time.perf_counter()
        self._engine.motion(picture)
        source = avatar.source.points
        self._engine.render(avatar.features, source, source)
        return time.perf_counter() - begun

    def edited(
        self,
        avatar: LivePortraitAvatar,
        values: Mapping[str, float],
        onto: Keypoints | None = None,
    ) -> Keypoints:
        """The pose of a photo with some sliders moved; onto another one, what they add."""
        base = avatar.rest if onto is None else onto
        moved = editor.moved(values)
        if not moved:
            return base
        source = avatar.source
        before, after = source.points, editor.edited(source, moved)
        if not self._animals:
            # Both: so a slider that hardly moves hardly moves the photo.
            before, after = source.stitch(before), source.stitch(after)
        return Keypoints(np.asarray(base.values + after - before, np.float32))

    def load_motion(self, path: Path) -> RecordedMotion:
        """Read a motion file of this backend, or a template of others.

        Openings that it does not tell count as the usual ones of a face at rest.

        Raises:
            UserError: it is neither, or is damaged.
        """
        return templates.load_motion(path)

    def save_motion(self, path: Path, motion: RecordedMotion) -> None:
        """Write a motion as numbers alone.

        Raises:
            UserError: there is nothing in it, or it cannot be written.
        """
        templates.save_motion(path, motion)


def _driving_picture(frame: Image, anchor: Face, framing: Framing) -> Floats:
    return network_picture(cut(frame, face_box(anchor.landmarks, framing)))


def _scaled(image: Image, most: int) -> tuple[Image, float]:
    """A picture whose longer side is at most `most`, and by how much it was made smaller."""
    height, width = image.shape[:2]
    ratio = min(1.0, most / max(height, width))
    if ratio == 1.0:
        return np.ascontiguousarray(image), 1.0
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), ratio
