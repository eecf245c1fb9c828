"""Training samples of the region networks, cut from folders of rendered heads.

A sample is what the animator draws when one frame of a head is the photo and another drives it,
cut to a region as at run time, beside the same region of the driving frame itself: what the
network should have made of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.tracker import FaceTracker
from models.mesh import generator_regions as regions
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.generator_regions import Region, Source
from models.mesh.motion import relative_motion
from models.mesh.pose import fit_head
from models.mesh.topology import EYES, LOWER_LIP, UPPER_LIP
from models.types import Crop, Face, Floats, Image, Keypoints, Photo

HELD_OUT = 8
"""Every so-manieth identity is never trained on, only judged with."""

_DRAWN, _MASKS, _TARGET, _PRIOR = slice(0, 3), slice(3, 6), slice(6, 9), 9
_CHANNELS = 10
_SOURCES = 2  # frames of each head that are used as the photo
_EYE_POINTS = np.concatenate(
    [np.concatenate([eye.upper, eye.lower, eye.lid, eye.iris]) for eye in EYES]
)

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Samples:
    """Samples of one network, N of them.

    images: (N, 10, S, S) drawn picture (3), masks (3), wanted picture (3), prior.
    photos: (K, 4, S, S) the photo's region (3) and its opening; skins: (K, 3).
    photo: (N,) which of these. scalars: (N, 2) the last two planes.
    plain: (N, 3, S, S) the warp without drawn parts, only kept for held-out heads, else (0, ...).
    identity, frame: (N,).
    """

    images: Bytes
    photos: Bytes
    skins: Floats
    photo: NDArray[np.int64]
    scalars: Floats
    plain: Bytes
    identity: NDArray[np.int64]
    frame: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: Sequence[int] | NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        """Planes (B, 12, S, S), wanted colours (B, 3, S, S) and priors (B, 1, S, S)."""
        images, photos = self.images[chosen], self.photos[self.photo[chosen]]
        gain = (0.5 / self.skins[self.photo[chosen]])[..., None, None]
        side = images.shape[-1]
        planes = np.empty((len(images), regions.PLANES, side, side), np.float32)
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
    """Whether a head is kept for judging."""
    return identity % HELD_OUT == HELD_OUT - 1


def prepare(data: Path, output: Path) -> Iterator[Path]:
    """Cut the samples of every finished head into `output`/NUMBER.npz; yields each head's folder.

    Heads that were cut before are left alone, so this goes on where it was stopped.
    """
    output.mkdir(parents=True, exist_ok=True)
    tracker, animator = FaceTracker(), MeshAnimator(generated=False)
    for folder in finished(data):
        path = output / f"{folder.name}.npz"
        if not path.exists():
            cut = _cut_head(folder, tracker, animator)
            part = path.with_suffix(".part.npz")
            np.savez(part, **cut)
            part.replace(path)
        yield folder


def load(output: Path, net: str, *, judging: bool) -> Samples | None:
    """The prepared samples of one network: those to judge with, or those to train on."""
    parts = []
    for path in sorted(output.glob("[0-9]*.npz")):
        if ".part" in path.name or held_out(int(path.stem)) != judging:
            continue
        with np.load(path) as arrays:
            part = Samples(
                **{name: arrays[f"{net}_{name}"] for name in Samples.__dataclass_fields__}
            )
        if len(part):
            parts.append(part)
    return Samples.join(parts) if parts else None


def describe(data: Path, identity: int) -> dict[str, Any]:
    """What the renderer wrote about a head."""
    path = data / f"{identity:06d}" / "identity.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


class _Collector:
    """Samples of one network of one head, as they come."""

    def __init__(self, side: int) -> None:
        self._side = side
        self._rows: list[tuple[Bytes, int, Floats, Bytes | None, int]] = []
        self._photos: list[Bytes] = []
        self._skins: list[Floats] = []

    def photo(self, source: Source) -> int:
        """Remember a photo; its number."""
        self._photos.append(
            np.concatenate([_bytes(source.picture, source.skin), source.opening[None]])
        )
        self._skins.append(source.skin)
        return len(self._photos) - 1

    def add(
        self, region: Region, source: Source, photo: int, frame: Image, plain: Image | None,
        number: int,
    ) -> None:  # fmt: skip
        """Add what the network sees, and the driving frame as what it should make of it."""
        if region.prior.max() < 0.05:
            return
        images = np.empty((_CHANNELS, self._side, self._side), np.uint8)
        images[_DRAWN] = _bytes(region.planes[0:3], source.skin)
        images[_MASKS] = np.rint(region.planes[[6, 8, 9]] * 255)
        images[_TARGET] = _bytes(regions.target_colours(frame, region, source), source.skin)
        images[_PRIOR] = np.rint(region.prior * 255)
        bare = None
        if plain is not None:
            bare = _bytes(regions.target_colours(plain, region, source), source.skin)
        self._rows.append((images, photo, region.planes[10:12, 0, 0], bare, number))

    def arrays(self, net: str, identity: int) -> dict[str, Any]:
        """Everything, by the names in the file."""
        shape = (0, 3, self._side, self._side)
        images, photo, scalars, plain, frame = zip(*self._rows, strict=True) if self._rows else (
            (), (), (), (), ()
        )  # fmt: skip
        kept = [bare for bare in plain if bare is not None]
        values = {
            "images": np.array(images, np.uint8).reshape(-1, _CHANNELS, *shape[2:]),
            "photos": np.array(self._photos, np.uint8).reshape(-1, 4, *shape[2:]),
            "skins": np.array(self._skins, np.float32).reshape(-1, 3),
            "photo": np.array(photo, np.int64),
            "scalars": np.array(scalars, np.float32).reshape(-1, 2),
            "plain": np.array(kept, np.uint8).reshape(-1, *shape[1:]),
            "identity": np.full(len(images), identity, np.int64),
            "frame": np.array(frame, np.int64),
        }
        return {f"{net}_{name}": value for name, value in values.items()}


def _cut_head(folder: Path, tracker: FaceTracker, animator: MeshAnimator) -> dict[str, Any]:
    identity = int(folder.name)
    frames = [
        (int(path.stem), _read(path))
        for path in sorted(folder.iterdir())
        if path.suffix in (".jpg", ".png") and path.stem.isdigit()
    ]
    faces: dict[int, Face] = {}
    for number, image in frames:
        tracker.reset()
        face = tracker.track(image)
        if face is not None:
            faces[number] = face
    eyes, mouth = _Collector(regions.EYE_SIDE), _Collector(regions.MOUTH_SIDE)
    for number, image in _photos(frames, faces, identity):
        photo = Photo(image, faces[number], f"{identity:06d}/{number:03d}")
        avatar = animator.prepare(photo, max(image.shape[:2]))
        eye_sources = [regions.eye_source(avatar.still, avatar.landmarks, eye) for eye in EYES]
        mouth_source = regions.mouth_source(avatar.still, avatar.landmarks)
        eye_photos = [eyes.photo(source) for source in eye_sources]
        mouth_photo = mouth.photo(mouth_source)
        width = regions.mouth_width(avatar.landmarks)
        for other, frame in frames:
            if other == number or other not in faces:
                continue
            target = _as_live(avatar, faces[other].landmarks)
            head = fit_head(avatar.landmarks, target)
            if not 0.8 < head.scale < 1.25:
                continue  # The tracker saw something else.
            gates = [
                regions.eye_gate(eye, source, target)
                for eye, source in zip(EYES, eye_sources, strict=True)
            ]
            open_mouth = regions.mouth_gate(mouth_source, width, target, head)
            if not any(gates) and not open_mouth:
                continue
            pose = Keypoints(_in_crop(target, avatar.crop))
            drawn = animator.render(avatar, pose)
            plain = animator.warp(avatar, pose) if held_out(identity) else None
            for eye, source, place, gate in zip(EYES, eye_sources, eye_photos, gates, strict=True):
                seen = regions.eye_region(drawn, eye, source, target, gate)
                eyes.add(seen, source, place, frame, plain, other)
            seen = regions.mouth_region(drawn, mouth_source, width, target, head, open_mouth)
            mouth.add(seen, mouth_source, mouth_photo, frame, plain, other)
    return eyes.arrays("eyes", identity) | mouth.arrays("mouth", identity)


def _photos(
    frames: Sequence[tuple[int, Image]], faces: dict[int, Face], identity: int
) -> Iterator[tuple[int, Image]]:
    """The first frame, which is neutral, and another one with open eyes and a mouth that is not."""
    usable = [(number, image) for number, image in frames if number in faces]
    if not usable:
        return
    yield usable[0]
    neutral = faces[usable[0][0]].landmarks
    quiet = [
        (number, image)
        for number, image in usable[1:]
        if _eyes_open(faces[number].landmarks) > 0.85 * _eyes_open(neutral)
        and _mouth_open(faces[number].landmarks) < 0.08
    ]
    if quiet and _SOURCES > 1:
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
    """The driving frame's landmarks, with eyes that close as they do in the live picture."""
    live = relative_motion(avatar.landmarks, avatar.landmarks, driving)
    placed = fit_head(live, driving)(live)
    out = driving.copy()
    out[_EYE_POINTS] = placed[_EYE_POINTS]
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
