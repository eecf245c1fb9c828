"""The embedded backend: piecewise affine dense motion of one photo by its face mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.face.tracker import FaceTracker
from models.mesh import eyes, mouth
from models.mesh.eye_network import eye_sources, open_eye_network
from models.mesh.eye_region import EyeSource
from models.mesh.motion import absolute_motion, relative_motion, strengthen
from models.mesh.person import Person
from models.mesh.pose import fit_head
from models.mesh.tracker_gain import TrackerGain
from models.types import Avatar, Crop, Face, Floats, Image, Keypoints, Photo, Strengths

_AROUND = 1.5  # half crops
_FAR = np.float32(4.0)  # half crops; nothing that far from the face's middle is still a face


@dataclass(frozen=True)
class MeshAvatar(Avatar):
    """A photo taken apart.

    landmarks: (478, 3) in pixels of `still`. known: its eyes for the network, if there is one.
    gain: how strongly it moves.
    """

    landmarks: Floats
    person: Person
    eyes: list[eyes.EyeLayer]
    mouth: mouth.Mouth
    known: tuple[EyeSource, ...] | None
    gain: TrackerGain = TrackerGain()


class MeshAnimator:
    """Moves a photo by its 478 landmarks; a small network refines closing eyes."""

    name = "mesh"
    device = "CPU (needs no GPU)"
    sliders: tuple[str, ...] = ("motion", "expression", "eyes", "mouth")

    def __init__(self, generated: bool = True) -> None:
        """Open the networks that come along, unless `generated` is False."""
        self._generator = open_eye_network() if generated else None
        if self._generator:
            self.device += f", networks: {self._generator.summary}"
        self.generator_seconds = 0.0
        """What the networks took of the last `render`."""

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
        crop = Crop.around(Face(landmarks, None, 1.0))
        avatar = MeshAvatar(
            name=photo.name,
            still=still,
            keypoints=Keypoints(_to_crop(landmarks, crop)),
            crop=crop,
            landmarks=landmarks,
            person=Person.of(still, landmarks),
            eyes=eyes.cut_eyes(still, landmarks),
            mouth=mouth.build(still, landmarks),
            known=eye_sources(still, landmarks) if self._generator else None,
        )
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
            return TrackerGain.measured(avatar.keypoints.values, look)
        except Exception:  # Whatever it is, live drawing deals with it.
            return TrackerGain()

    def detect(self, frame: Image, face: Face, crop: Crop) -> Keypoints | None:
        """The face's landmarks are the keypoints: (478, 3) in `crop`."""
        return Keypoints(_to_crop(face.landmarks, crop))

    def relative(
        self, avatar: MeshAvatar, reference: Keypoints, driving: Keypoints, adapt_scale: bool
    ) -> Keypoints:
        """The motion since the calibration, in 3-D, on the source's own pose and features."""
        values = relative_motion(
            avatar.keypoints.values,
            reference.values,
            driving.values,
            adapt_scale,
            avatar.gain,
        )
        return Keypoints(values)

    def strengthen(
        self, reference: Keypoints, driving: Keypoints, strengths: Strengths
    ) -> Keypoints:
        """Head motion and expression, each made stronger or weaker, in 3-D."""
        return Keypoints(strengthen(reference.values, driving.values, strengths))

    def absolute(self, avatar: MeshAvatar, driving: Keypoints) -> Keypoints:
        """The driver's face shape and pose, at the source's place and size."""
        return Keypoints(absolute_motion(avatar.keypoints.values, driving.values))

    def render(self, avatar: MeshAvatar, keypoints: Keypoints) -> Image:
        """Warp the person, lay it over the still background, then draw eyes and mouth."""
        out, self.generator_seconds = self._draw(avatar, keypoints.values)
        return out

    def _draw(self, avatar: MeshAvatar, values: Floats) -> tuple[Image, float]:
        """The picture, and the seconds that the networks took; changes nothing of the animator."""
        target = _from_crop(values, avatar.crop)
        head = fit_head(avatar.landmarks, target)
        out = avatar.person.warp(head, target)
        flat = np.ascontiguousarray(target[:, :2])
        for eye in avatar.eyes:
            eyes.draw_eye(out, eye, flat)
            eyes.draw_lid(out, eye, flat)
        mouth.paint(out, avatar.mouth, avatar.landmarks, target, head)
        seconds = 0.0
        if self._generator and avatar.known:
            seconds = self._generator.refine(out, avatar.known, target)
        return out, seconds

    def warp(self, avatar: MeshAvatar, keypoints: Keypoints) -> Image:
        """As `render` without drawn eyes and mouth: what evaluation compares with."""
        target = _from_crop(keypoints.values, avatar.crop)
        return avatar.person.warp(fit_head(avatar.landmarks, target), target)


def _to_crop(points: Floats, crop: Crop) -> Floats:
    values = (points - np.array([crop.cx, crop.cy, 0], np.float32)) / np.float32(crop.half)
    return np.asarray(values, np.float32)


def _from_crop(values: Floats, crop: Crop) -> Floats:
    values = np.clip(values, -_FAR, _FAR)
    points = values * np.float32(crop.half) + np.array([crop.cx, crop.cy, 0], np.float32)
    return np.asarray(points, np.float32)
