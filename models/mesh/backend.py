"""The embedded backend: piecewise affine dense motion of one photo by its face mesh."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files

import cv2
import numpy as np

from models.animator import MotionSettings, Slider
from models.face.drawn import flatness
from models.face.topology import EYES, IRISES, LIDS, LIPS, Eye
from models.face.tracker import FaceTracker
from models.keypoints import KeypointAnimator, Keypoints, check_finite
from models.mesh import (
    covered,
    drawn_eyes,
    editor,
    expression,
    eyes,
    folds,
    moustache,
    mouth,
)
from models.mesh.cut_out import CutOut
from models.mesh.eye_network import eye_sources, open_eye_network
from models.mesh.eye_region import EyeSource
from models.mesh.motion import Strengths, absolute_motion, added, relative_motion, strengthen
from models.mesh.person import Person
from models.mesh.pose import fit_head
from models.mesh.tracker_gain import TrackerGain
from models.mesh.traits import PERSON, Traits
from models.types import Avatar, Crop, Face, Floats, Image, Photo

_log = logging.getLogger(__name__)

_AROUND = 1.5  # half crops
_FAR = np.float32(4.0)  # half crops; nothing that far from the face's middle is still a face


_LIVE_SIZE = 512
"""Pixels that two cores draw at 30 frames a second beside everything else."""

_SURELY_DRAWN = 0.99
"""Flatness from which eyes are looked for as areas of one colour; no photo has any."""

_FULL_SIZE = 720
"""Pixels of the longer side beyond which a call shows no more of a face."""


@dataclass(frozen=True)
class MeshAvatar(Avatar):
    """A photo taken apart.

    Attributes:
        crop: the square of `still` that poses are measured in.
        landmarks: (478, 3) in pixels of `still`.
        person: the person cut out of the background, as a mesh.
        eyes: what is drawn of each eye.
        mouth: what is drawn of the mouth.
        covered: something lies over the mouth, which is not drawn then.
        folds: of the skin.
        known: what the eye network knows of the photo; None without the network.
        still_eyes: closed or hidden ones, which stay as they are.
        gain: by how much it moves more than what was read of the driver.
        traits: what is different where it is no person.
    """

    crop: Crop
    landmarks: Floats
    person: Person
    eyes: list[eyes.EyeLayer]
    mouth: mouth.Mouth
    covered: bool
    known: tuple[EyeSource, ...] | None
    folds: folds.Folds
    still_eyes: tuple[Eye, ...]
    gain: TrackerGain = TrackerGain()
    traits: Traits = PERSON

    @cached_property
    def cut_out(self) -> CutOut:
        """What is needed to show the person before another background; made when first asked."""
        return CutOut.of(self.still, self.landmarks, self.person.layers)


class MeshAnimator(KeypointAnimator):
    """Moves a photo by its 478 landmarks; a small network refines the eyes."""

    name = "mesh"
    device = "CPU (needs no GPU)"
    sliders: Sequence[Slider] = (
        Slider("motion", "Head motion", help="How far the head turns and moves."),
        Slider("expression", "Expression", help="How much of the whole face's expression."),
        Slider("eyes", "Eyes", help="The same for the eyes alone, times the expression."),
        Slider("mouth", "Mouth", help="The same for the mouth alone, times the expression."),
    )
    editor: Sequence[Slider] = editor.SLIDERS
    quick: Sequence[int] = (*LIPS, *LIDS, *IRISES)

    def __init__(self, with_eye_network: bool = True) -> None:
        """Open the networks that come along, unless `with_eye_network` is False."""
        self._eye_network = open_eye_network() if with_eye_network else None
        if self._eye_network:
            self.device += f", networks: {self._eye_network.summary}"
        expression.load()
        self._stages: dict[str, float] = {}

    def best_size(self, cores: int | None = None) -> int:
        """Small where few cores have to keep up."""
        return _LIVE_SIZE if cores is not None and cores <= 2 else _FULL_SIZE

    def prepare(self, photo: Photo, size: int) -> MeshAvatar:
        """Make a photo ready to be rendered with its longer side at most `size` pixels."""
        height, width = photo.image.shape[:2]
        scale = min(1.0, size / max(height, width))
        # Even sides, as video wants them.
        target = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        ratio = np.array([target[0] / width, target[1] / height], np.float32)
        still = photo.image
        if target != (width, height):
            still = np.asarray(cv2.resize(still, target, interpolation=cv2.INTER_AREA), np.uint8)
        landmarks = photo.face.landmarks * np.append(ratio, ratio.mean()).astype(np.float32)
        drawn = photo.kind == "drawing" or (
            photo.kind == "person" and flatness(still, landmarks) >= _SURELY_DRAWN
        )
        if drawn:
            landmarks = drawn_eyes.on_the_white(still, landmarks)
        traits = Traits.of(photo.kind, landmarks, drawn)
        hidden = traits.human and covered.is_covered(still, landmarks)
        if traits.human and not hidden:
            landmarks = moustache.on_the_lip(still, landmarks)
        crop = Crop.around(Face(landmarks, None, 1.0))
        person = Person.of(still, landmarks, traits.around)
        if hidden:
            person = replace(person, skin=person.skin.of_a_cover())
        shut = tuple(eye for eye in EYES if eyes.is_shut(landmarks, eye))
        behind = tuple(
            eye
            for eye in EYES
            if traits.human and eye not in shut and eyes.is_hidden(still, landmarks, eye)
        )
        avatar = MeshAvatar(
            name=photo.name,
            still=still,
            rest=Keypoints(_to_crop(landmarks, crop)),
            focus=(crop.cx, crop.cy),
            crop=crop,
            landmarks=landmarks,
            person=person,
            folds=folds.paint(person.face, landmarks - person.corner, float(traits.human)),
            eyes=eyes.cut_eyes(still, landmarks, traits),
            mouth=mouth.build(still, landmarks, teeth=not hidden and traits.teeth),
            covered=hidden,
            known=eye_sources(still, landmarks)
            if self._eye_network and traits.lids == "skin"
            else None,
            still_eyes=shut + behind,
            notes=_notes(hidden, len(shut), len(behind)),
            kind=photo.kind,
            traits=traits,
        )
        if not traits.human:
            return avatar  # What a tracker of persons reads there is nonsense.
        return replace(avatar, gain=self._look(avatar))

    def _look(self, avatar: MeshAvatar) -> TrackerGain:
        """Track the avatar in a few poses; only around its face, since a photo may show others.

        Where drawing or tracking fails, it moves as most avatars do: photos are not refused for it.
        """
        tracker = FaceTracker()
        crop = avatar.crop
        left, top = (max(0, int(c - _AROUND * crop.half)) for c in (crop.cx, crop.cy))
        right, bottom = (int(c + _AROUND * crop.half) + 1 for c in (crop.cx, crop.cy))
        corner = np.array([left, top, 0], np.float32)

        def look(points: Floats) -> Floats | None:
            picture, _ = self._draw(avatar, points)
            face = tracker.track(np.ascontiguousarray(picture[top:bottom, left:right]))
            return None if face is None else _to_crop(face.landmarks + corner, crop)

        try:
            # What covers a mouth does not open.
            spoken = [] if avatar.covered else _spoken(avatar.rest.values)
            return TrackerGain.measured(avatar.rest.values, look, spoken)
        except Exception as error:  # Whatever it is, live drawing deals with it.
            _log.debug("the look at %s failed", avatar.name, exc_info=error)
            return TrackerGain()

    def observe(self, frame: Image, face: Face, anchor: Face) -> Keypoints | None:
        """The face's landmarks, (478, 3), in the square around the anchor."""
        keypoints = Keypoints(_to_crop(face.landmarks, Crop.around(anchor)))
        check_finite(keypoints)
        return keypoints

    def pose(
        self,
        avatar: MeshAvatar,
        observation: Keypoints,
        reference: Keypoints | None,
        settings: MotionSettings,
    ) -> Keypoints:
        """The motion since the calibration, in 3-D, on the source's own pose and features.

        In absolute motion the driver's face shape and pose, at the source's place and size.
        """
        source, driving = avatar.rest.values, observation.values
        if settings.motion == "absolute":
            return Keypoints(absolute_motion(source, driving))
        assert reference is not None, "relative motion is relative to something"
        strengths = Strengths(**settings.strengths)
        if strengths != Strengths():
            driving = strengthen(reference.values, driving, strengths)
        return Keypoints(
            relative_motion(
                source,
                reference.values,
                driving,
                settings.adapt_scale,
                avatar.gain,
                avatar.traits,
            )
        )

    def edited(
        self, avatar: MeshAvatar, values: Mapping[str, float], onto: Keypoints | None = None
    ) -> Keypoints:
        """The photo's own face with such gestures, or these added to a pose."""
        moved = editor.moved(values)
        base: Keypoints = avatar.rest if onto is None else onto
        if not moved:
            return base
        source = avatar.rest.values
        points = editor.edited(source, moved, avatar.gain, avatar.traits)
        return Keypoints(points if onto is None else added(source, onto.values, points))

    def render(self, avatar: MeshAvatar, pose: Keypoints) -> Image:
        """Warp the person, lay it over the still background, then draw eyes and mouth."""
        out, self._stages = self._draw(avatar, pose.values)
        return out

    def render_person(self, avatar: MeshAvatar, pose: Keypoints) -> tuple[Image, Image]:
        """As `render`, and the person alone."""
        matte = avatar.cut_out.rest.copy()
        out, self._stages = self._draw(avatar, pose.values, matte)
        return out, avatar.cut_out.person(out, matte)

    def stages(self) -> Mapping[str, float]:
        """What the eye network took."""
        return self._stages

    def _draw(
        self, avatar: MeshAvatar, values: Floats, matte: Image | None = None
    ) -> tuple[Image, dict[str, float]]:
        """The picture, and the seconds of its parts; changes nothing of the animator.

        matte: as in `Person.warp`.
        """
        target = _from_crop(values, avatar.crop)
        head = fit_head(avatar.landmarks, target)
        target = eyes.held(avatar.landmarks, target, head, avatar.still_eyes)
        if avatar.covered:
            target = covered.held(avatar.landmarks, target, head)
        motion = folds.Motion.of(avatar.landmarks, target, head)
        if avatar.covered:
            # No folds of a smile on what covers it.
            motion = replace(
                motion,
                lifted=(0.0, 0.0),
                widened=(0.0, 0.0),
                narrowed=0.0,
                nose=(0.0, 0.0),
                lip=0.0,
            )
        face = avatar.folds.light(avatar.person.face, motion)
        out = avatar.person.warp(head, target, face, matte)
        flat = np.ascontiguousarray(target[:, :2])
        for eye in avatar.eyes:
            eyes.draw_eye(out, eye, flat)
            eyes.draw_lid(out, eye, flat)
        if not avatar.covered:
            mouth.paint(out, avatar.mouth, avatar.landmarks, target, head)
        stages: dict[str, float] = {}
        if self._eye_network and avatar.known:
            stages["eye network"] = self._eye_network.refine(out, avatar.known, target)
        return out, stages

    def warp(self, avatar: MeshAvatar, pose: Keypoints) -> Image:
        """As `render` without drawn eyes and mouth: what evaluation compares with."""
        target = _from_crop(pose.values, avatar.crop)
        return avatar.person.warp(fit_head(avatar.landmarks, target), target)


def _notes(covered: bool, shut: int, hidden: int) -> tuple[str, ...]:
    """What a user should know about a photo.

    Args:
        covered: something lies over the mouth.
        shut: how many eyes are closed.
        hidden: how many are behind dark glass or hair.
    """
    notes = []
    if covered:
        notes.append("the mouth in this photo is covered: it will not open.")
    if shut:
        which = "an eye in this photo is" if shut == 1 else "the eyes in this photo are"
        notes.append(f"{which} closed and will stay so; choose a photo with open eyes.")
    if hidden:
        which = "an eye in this photo is" if hidden == 1 else "the eyes in this photo are"
        notes.append(f"{which} hidden by dark glasses or hair and will not move.")
    return tuple(notes)


def _spoken(source: Floats) -> list[tuple[Floats, float]]:
    """(478, 3) landmarks of a photo that speaks, and how far its driver's lips are apart."""
    with (files("models.mesh") / "openings.npz").open("rb") as file, np.load(file) as arrays:
        rest, spoken, apart = arrays["rest"], arrays["open"], arrays["apart"].tolist()
    poses = [relative_motion(source, rest, driving) for driving in spoken]
    return list(zip(poses, apart, strict=True))


def _to_crop(points: Floats, crop: Crop) -> Floats:
    values = (points - np.array([crop.cx, crop.cy, 0], np.float32)) / np.float32(crop.half)
    return np.asarray(values, np.float32)


def _from_crop(values: Floats, crop: Crop) -> Floats:
    values = np.clip(values, -_FAR, _FAR)
    points = values * np.float32(crop.half) + np.array([crop.cx, crop.cy, 0], np.float32)
    return np.asarray(points, np.float32)
