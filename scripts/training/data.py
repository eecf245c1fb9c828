"""Training samples of the eye network, cut from folders of rendered heads.

A sample is an eye as the animator draws it when one frame of a head is the photo and another drives
it, cut to a region as at run time, beside the same region of the driving frame itself: what the
network should have made of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.topology import EYES, LOWER_LIP, UPPER_LIP, Indices
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.eye_network import eye_sources
from models.mesh.eye_region import (
    PLANES,
    SIDE,
    EyeRegion,
    EyeSource,
    eye_gate,
    eye_region,
    region_colours,
)
from models.mesh.motion import relative_motion
from models.mesh.paint import fill
from models.mesh.pose import euler, fit_head
from models.types import Crop, Face, Floats, Image, Photo
from scripts.heads.scene import LABELS

HELD_OUT = 8
"""One of so many identities is never trained on, only judged with. Of the heads behind the shipped
weights that were 41: fewer would leave groups of skins and ages without any."""

_DRAWN, _MASKS, _TARGET, _PRIOR = slice(0, 3), slice(3, 6), slice(6, 9), 9
"""Channels of `Samples.images`."""

_CHANNELS = 10
"""How many these are."""

_PHOTO_YAW = 0.3
"""Radians of yaw from the neutral frame: heads that are turned further are no usual photos."""

_HAIR = LABELS.index("hair")
"""Hair in the label maps of rendered heads."""

_TURNED = 0.8
"""Share of an eye's width that goes in depth, above which it is left out: it is seen so edgewise
that there is nothing to learn."""

_SKINS: tuple[tuple[str, float], ...] = (
    ("very light", 55.0),
    ("light", 41.0),
    ("medium", 28.0),
    ("tan", 10.0),
    ("brown", -30.0),
    ("dark", -math.inf),
)
"""Groups of skins with the least individual typology angle (degrees) of each, as Chardon et al.
(1991) part them."""

_AGES: tuple[tuple[str, float], ...] = (
    ("old", 0.75),
    ("adult", 0.5),
    ("young", 0.25),
    ("child", -math.inf),
)
"""Groups of ages with the least `Identity.age` of each: even quarters of the base mesh's scale."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """Samples, N of them, with K photos; S is `eye_region.SIDE`.

    Attributes:
        images: (N, 10, S, S) drawn picture (3), masks (3), wanted picture (3), prior; 0..255.
        photos: (K, 4, S, S) the eye in the photo (3) and its opening; 0..255.
        skins: (K, 3), the skin around it; 24..255.
        photo: (N,) which of these.
        scalars: (N, 2), what fills the last two planes.
        plain: (N, 3, S, S) the person without drawn eyes, only of held-out heads, else (0, ...).
        identity: (N,), the head's number.
    """

    images: Bytes
    photos: Bytes
    skins: Floats
    photo: NDArray[np.int64]
    scalars: Floats
    plain: Bytes
    identity: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: Sequence[int] | NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Planes (B, 12, S, S), wanted colours (B, 3, S, S) and priors (B, 1, S, S)."""
        images, photos = self.images[chosen], self.photos[self.photo[chosen]]
        gain = (0.5 / self.skins[self.photo[chosen]])[..., None, None]
        side = images.shape[-1]
        planes = np.empty((len(images), PLANES, side, side), np.float32)
        planes[:, 0:3] = np.minimum(images[:, _DRAWN] * gain, 2)
        planes[:, 3:6] = np.minimum(photos[:, :3] * gain, 2)
        masks = images[:, _MASKS] * np.float32(1 / 255)
        planes[:, 6], planes[:, 8], planes[:, 9] = masks[:, 0], masks[:, 1], masks[:, 2]
        planes[:, 7] = photos[:, 3] * np.float32(1 / 255)
        planes[:, 10:12] = self.scalars[chosen][..., None, None]
        wanted = np.minimum(images[:, _TARGET] * gain, 2).astype(np.float32)
        prior = images[:, _PRIOR, None] * np.float32(1 / 255)
        return planes, wanted, prior.astype(np.float32)

    @classmethod
    def join(cls, parts: Sequence[Samples]) -> Samples:
        """Several sets as one."""
        starts = np.cumsum([0, *(len(part.photos) for part in parts[:-1])])
        joined: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in cls.__dataclass_fields__
            if name != "photo"
        }
        photo = [part.photo + start for part, start in zip(parts, starts, strict=True)]
        return cls(photo=np.concatenate(photo), **joined)


def finished(data: Path) -> list[Path]:
    """The folders of heads that are completely rendered, in order."""
    return sorted(path.parent for path in data.glob("*/done"))


def held_out(identity: int) -> bool:
    """Whether a head is kept for judging.

    By chance: the renderer spreads tones and ages evenly over the numbers, so every eighth number
    would be the same kind of head.
    """
    return int(np.random.default_rng([HELD_OUT, identity]).integers(HELD_OUT)) == 0


def prepare(data: Path, output: Path) -> Iterator[Path]:
    """Cut the samples of every finished head into `output`/NUMBER.npz; yields each head's folder.

    Heads that were cut before are left alone, so this goes on where it was stopped.
    """
    output.mkdir(parents=True, exist_ok=True)
    tracker, animator = FaceTracker(), MeshAnimator(with_eye_network=False)
    for folder in finished(data):
        path = output / f"{folder.name}.npz"
        if not path.exists():
            cut = _cut_head(folder, tracker, animator)
            part = path.with_suffix(".part.npz")
            np.savez(part, **cut)
            part.replace(path)
        yield folder


def load(output: Path, *, judging: bool) -> Samples | None:
    """The prepared samples: those to judge with, or those to train on; None if there are none."""
    parts = []
    for path in sorted(output.glob("[0-9]*.npz")):
        if ".part" in path.name or held_out(int(path.stem)) != judging:
            continue
        with np.load(path) as arrays:
            part = Samples(**{name: arrays[name] for name in Samples.__dataclass_fields__})
        if len(part):
            parts.append(part)
    return Samples.join(parts) if parts else None


def groups(data: Path, identity: int) -> list[str]:
    """Which groups a head is in, by skin tone (individual typology angle) and by age."""
    path = data / f"{identity:06d}" / "identity.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    names = []
    for key, value, limits in (
        ("skin", found.get("ita"), _SKINS),
        ("age", found.get("shape", {}).get("age"), _AGES),
    ):
        if value is not None:
            names.append(f"{key}: {next(name for name, least in limits if value >= least)}")
    return names


class _Collector:
    """Samples of one head, as they come."""

    def __init__(self) -> None:
        self._rows: list[tuple[Bytes, int, Floats, Bytes | None]] = []
        self._photos: list[Bytes] = []
        self._skins: list[Floats] = []

    def photo(self, source: EyeSource) -> int:
        """Remember an eye of a photo; its number."""
        self._photos.append(
            np.concatenate([_bytes(source.picture, source.skin), source.opening[None]])
        )
        self._skins.append(source.skin)
        return len(self._photos) - 1

    def add(
        self, region: EyeRegion, source: EyeSource, photo: int, wanted: Image, plain: Image | None
    ) -> None:
        """Add what the network sees, and what it should make of it.

        Args:
            region: the eye as it is drawn.
            source: the eye in the photo.
            photo: the photo's number.
            wanted: (H, W, 3), the driving frame.
            plain: (H, W, 3), the person without drawn eyes, or None.
        """
        if region.prior.max() < 0.05:  # Nothing to learn, or out of sight.
            return
        images = np.empty((_CHANNELS, SIDE, SIDE), np.uint8)
        images[_DRAWN] = _bytes(region.planes[0:3], source.skin)
        images[_MASKS] = np.rint(region.planes[[6, 8, 9]] * 255)
        images[_TARGET] = self._cut(wanted, region, source)
        images[_PRIOR] = np.rint(region.prior * 255)
        bare = None if plain is None else self._cut(plain, region, source)
        self._rows.append((images, photo, region.planes[10:12, 0, 0], bare))

    @staticmethod
    def _cut(picture: Image, region: EyeRegion, source: EyeSource) -> Bytes:
        """The region in another picture, (3, S, S)."""
        return _bytes(region_colours(picture, region.matrix, source.skin), source.skin)

    def arrays(self, identity: int) -> dict[str, Any]:
        """Everything, by the names in the file."""
        shape = (0, 3, SIDE, SIDE)
        images, photo, scalars, plain = zip(*self._rows, strict=True) if self._rows else [()] * 4
        kept = [bare for bare in plain if bare is not None]
        return {
            "images": np.array(images, np.uint8).reshape(-1, _CHANNELS, *shape[2:]),
            "photos": np.array(self._photos, np.uint8).reshape(-1, 4, *shape[2:]),
            "skins": np.array(self._skins, np.float32).reshape(-1, 3),
            "photo": np.array(photo, np.int64),
            "scalars": np.array(scalars, np.float32).reshape(-1, 2),
            "plain": np.array(kept, np.uint8).reshape(-1, *shape[1:]),
            "identity": np.full(len(images), identity, np.int64),
        }


@dataclass(frozen=True)
class _Frame:
    """A rendered frame in which a face was found.

    Attributes:
        number: of the frame in its folder; 0 is frontal and neutral.
        image: (H, W, 3).
        face: as the tracker sees it.
        hair: (H, W), where hair is, or None if not known.
    """

    number: int
    image: Image
    face: Face
    hair: NDArray[np.bool_] | None

    def shows(self, outline: Indices, landmarks: Floats) -> bool:
        """Whether a part of the face is in sight: not turned away, no hair before it."""
        across = landmarks[outline[len(outline) // 2]] - landmarks[outline[0]]
        if abs(across[2]) > _TURNED * float(np.linalg.norm(across)):
            return False
        if self.hair is None:
            return True
        mask = np.zeros(self.hair.shape, np.uint8)
        points = landmarks[outline, :2]
        fill(mask, points.mean(0) + 1.3 * (points - points.mean(0)))
        return float(self.hair[mask > 0].sum()) < 0.02 * max(int((mask > 0).sum()), 1)


def _cut_head(folder: Path, tracker: FaceTracker, animator: MeshAnimator) -> dict[str, Any]:
    identity = int(folder.name)
    frames = list(_frames(folder, tracker))
    samples = _Collector()
    for first in _photos(frames, identity):
        photo = Photo(first.image, first.face, f"{identity:06d}/{first.number:03d}")
        avatar = animator.prepare(photo, max(first.image.shape[:2]))
        sources = eye_sources(avatar.still, avatar.landmarks)
        places = [samples.photo(source) for source in sources]
        for frame in frames:
            target = _as_live(avatar, frame.face.landmarks)
            head = fit_head(avatar.landmarks, target)
            if frame is first or not 0.8 < head.scale < 1.25:
                continue  # A head of another size is something else that the tracker saw.
            gates = [
                eye_gate(eye, source, target)
                if first.shows(eye.opening, avatar.landmarks) and frame.shows(eye.opening, target)
                else 0.0
                for eye, source in zip(EYES, sources, strict=True)
            ]
            if not any(gates):
                continue
            pose = Keypoints(_in_crop(target, avatar.crop))
            drawn = animator.render(avatar, pose)
            plain = animator.warp(avatar, pose) if held_out(identity) else None
            for eye, source, place, gate in zip(EYES, sources, places, gates, strict=True):
                seen = eye_region(drawn, eye, source, target, gate)
                samples.add(seen, source, place, frame.image, plain)
    return samples.arrays(identity)


def _frames(folder: Path, tracker: FaceTracker) -> Iterator[_Frame]:
    for path in sorted(folder.iterdir()):
        if path.suffix not in (".jpg", ".png") or not path.stem.isdigit():
            continue
        image = _read(path)
        tracker.reset()
        face = tracker.track(image)
        if face is None:
            continue
        hair = None
        if path.with_suffix(".npz").exists():
            with np.load(path.with_suffix(".npz")) as arrays:
                hair = arrays["masks"] == _HAIR
        yield _Frame(int(path.stem), image, face, hair)


def _photos(frames: Sequence[_Frame], identity: int) -> Iterator[_Frame]:
    """The first frame, which is neutral, and another with open eyes and a mouth that is not."""
    if not frames:
        return
    yield frames[0]
    neutral = frames[0].face.landmarks
    quiet = [
        frame
        for frame in frames[1:]
        if _eyes_open(frame.face.landmarks) > 0.85 * _eyes_open(neutral)
        and _mouth_open(frame.face.landmarks) < 0.08
        and abs(euler(fit_head(neutral, frame.face.landmarks).rotation)[0]) < _PHOTO_YAW
    ]
    if quiet:
        yield quiet[np.random.default_rng(identity).integers(len(quiet))]


def _eyes_open(landmarks: Floats) -> float:
    return min(
        float(np.linalg.norm(landmarks[eye.upper[3]] - landmarks[eye.lower[3]]))
        / float(np.linalg.norm(landmarks[eye.corners[0]] - landmarks[eye.corners[1]]))
        for eye in EYES
    )


def _mouth_open(landmarks: Floats) -> float:
    gap = np.linalg.norm(landmarks[LOWER_LIP[4]] - landmarks[UPPER_LIP[4]])
    return float(gap) / float(np.linalg.norm(landmarks[61] - landmarks[291]))


def _as_live(avatar: MeshAvatar, driving: Floats) -> Floats:
    """The driving frame's landmarks, with eyes that close as far as they do in the live picture.

    Landmarks of closed lids stay a little apart, and the upper one is where the lashes are.
    """
    live = relative_motion(avatar.landmarks, avatar.landmarks, driving)
    live = fit_head(live, driving)(live)
    out = driving.copy()
    for eye in EYES:
        now, was = (
            float(np.linalg.norm(points[eye.lower[2:5]] - points[eye.upper[2:5]]))
            for points in (live, driving)
        )
        share = min(now / max(was, 1e-6), 1.0)
        out[eye.lower] = out[eye.upper] + (out[eye.lower] - out[eye.upper]) * np.float32(share)
        out[eye.iris] = live[eye.iris]
    return out


def _in_crop(points: Floats, crop: Crop) -> Floats:
    values = (points - np.array([crop.cx, crop.cy, 0], np.float32)) / np.float32(crop.half)
    return np.asarray(values, np.float32)


def _bytes(colours: Floats, skin: Floats) -> Bytes:
    """Colours (3, S, S) in skin colours back to 0..255."""
    return np.asarray(np.clip(np.rint(colours * (2 * skin)[:, None, None]), 0, 255), np.uint8)


def _read(path: Path) -> Image:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise ValueError(f"{path} is not a picture.")
    return np.ascontiguousarray(picture[..., ::-1])
