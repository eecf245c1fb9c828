"""Looking at a driving clip before anything is made of it: its pictures, and its best moments.

What was seen is kept in a folder: small pictures of some frames, evenly spread, and the face in
each. With it, another photo, another part of the clip or a preview cost no second look.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL.Image

from models.animator import Animator, MotionSettings
from models.errors import UserError
from models.face.orientation import turned
from models.photos import load_image
from models.types import Avatar, Face, Floats, Image, Photo
from realtime.animation.animation import Tracker, draw, move, observe
from realtime.animation.calibration import Search
from realtime.cameras.clip import ClipReader
from realtime.canvas.compositor import Compositor
from realtime.canvas.fit import Fit
from realtime.clips.making import even_size
from realtime.frames import AvatarFrame
from realtime.pipeline.offline import Progress, follow
from realtime.pipeline.stretches import stretches
from realtime.session.thumbnails import portrait

_MOST = 300
"""Frames that are looked at: every one of ten seconds, or two a second of a clip of 150 seconds.
Tracking them takes some seconds."""

_SIZE = (640, 480)
"""Pixels that their pictures fit in: what a webcam gives."""

_BEST = 5
"""Moments that are offered."""

_APART = 12
"""Parts of the clip of which no two moments that are offered are in the same; else they would be
neighbours that look alike."""

_LEAST_APART = 0.1
"""Seconds between two moments at least."""

_FILE = "seen.npz"


@dataclass(frozen=True)
class Moment:
    """A frame that could be the reference.

    Attributes:
        sample: its number among those that were looked at.
        seconds: when it is shown.
        score: how much the face is like the photo's, 0..1.
    """

    sample: int
    seconds: float
    score: float


@dataclass(frozen=True)
class Seen:
    """What was seen in a driving clip.

    Attributes:
        folder: where it is kept.
        times: (N,), when each frame of the clip is shown, in seconds.
        samples: (n,), the numbers of the frames that were looked at.
        faces: in each of them, in pixels of its picture; None where there is none.
    """

    folder: Path
    times: Floats
    samples: Sequence[int]
    faces: list[Face | None]

    @classmethod
    def read(cls, folder: Path) -> Seen:
        """What `look` has left in a folder.

        Raises:
            UserError: nothing that can be read.
        """
        try:
            with np.load(folder / _FILE, allow_pickle=False) as kept:
                faces = [
                    Face(points, None, float(score), int(take)) if score > 0 else None
                    for points, score, take in zip(
                        kept["landmarks"], kept["scores"], kept["takes"], strict=True
                    )
                ]
                return cls(folder, kept["times"], kept["samples"].tolist(), faces)
        except (OSError, ValueError, KeyError) as error:
            raise UserError("What was seen of the clip is gone; choose the clip again.") from error

    @property
    def seconds(self) -> list[float]:
        """When each of the frames that were looked at is shown."""
        return [float(self.times[number]) for number in self.samples]

    def picture(self, sample: int) -> Path:
        """The picture of one of them, upright."""
        return picture_file(self.folder, sample)

    def inside(self, start: float, end: float) -> list[int]:
        """The samples in a part of the clip.

        Raises:
            UserError: there is none with a face.
        """
        found = [index for index, at in enumerate(self.seconds) if start <= at < end]
        if not any(self.faces[index] for index in found):
            raise UserError("No face was seen in this part of the clip; choose another part.")
        return found

    def best(self, source: Face, start: float, end: float) -> list[Moment]:
        """The moments of a part that are most like the photo, the best first.

        Args:
            source: the face in the photo.
            start: the second where the part begins.
            end: where it ends.

        Raises:
            UserError: no face was seen in it.
        """
        moments = []
        seconds = self.seconds
        inside = self.inside(start, end)
        for sample in inside:
            face = self.faces[sample]
            if face is not None:
                moments.append(Moment(sample, seconds[sample], _score(source, face)))
        moments.sort(key=lambda one: -one.score)
        length = seconds[inside[-1]] - seconds[inside[0]]
        apart = max(length / _APART, _LEAST_APART)
        chosen: list[Moment] = []
        for one in moments:
            if all(abs(one.seconds - other.seconds) >= apart for other in chosen):
                chosen.append(one)
        return chosen[:_BEST]

    def frame_in_part(self, sample: int, start: float) -> int:
        """The number of a frame, counted from the second at which a part begins.

        Args:
            sample: its number among those that were looked at.
            start: in seconds.
        """
        return int(self.samples[sample] - np.searchsorted(self.times, start - 1e-4))

    def portrait(self, sample: int) -> bytes:
        """A small square picture of the driver's face, a JPEG file."""
        image, face = load_image(self.picture(sample)), self.faces[sample]
        if face is None:
            raise UserError("This moment shows no face; choose another one.")
        return portrait(Photo(image, face, "driver"))


class _Sampled:
    """Some frames of a clip; their pictures are kept when they are read."""

    def __init__(self, clip: ClipReader, step: int, folder: Path) -> None:
        self._clip, self._step, self._folder = clip, step, folder
        self.fps = clip.fps / step
        count = clip.frame_count
        self.frame_count = None if count is None else math.ceil(count / step)
        self.times: list[float] = []

    def frames(self) -> Iterator[tuple[Image, float]]:
        self.times = []
        for number, (image, moment) in enumerate(self._clip.frames()):
            self.times.append(moment)
            if number % self._step == 0:
                _save(picture_file(self._folder, number // self._step), image)
                yield image, moment


def look(path: Path, folder: Path, tracker: Tracker, progress: Progress) -> Seen:
    """Look at a driving clip.

    Args:
        path: the clip.
        folder: where what is seen is kept; made if need be.
        tracker: follows the face.
        progress: told about every frame that is looked at.

    Raises:
        UserError: it is no video, it shows no face, or nothing can be kept.
    """
    clip = ClipReader(path, _SIZE)
    count = clip.frame_count or sum(1 for _ in clip.frames())
    step = max(math.ceil(count / _MOST), 1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sampled = _Sampled(clip, step, folder)
        driver = follow(sampled, tracker, progress)
        for index, turns in enumerate(driver.turns):
            if turns:
                file = picture_file(folder, index)
                _save(file, turned(load_image(file), turns))
        faces = driver.faces
        # A clip without any face was refused.
        empty = np.zeros_like(next(one.landmarks for one in faces if one is not None))
        np.savez(
            folder / _FILE,
            times=np.asarray(sampled.times),
            samples=np.arange(0, len(sampled.times), step)[: len(faces)],
            landmarks=np.stack([empty if one is None else one.landmarks for one in faces]),
            scores=np.array([0.0 if one is None else max(one.score, 1e-6) for one in faces]),
            takes=np.array([0 if one is None else one.take for one in faces]),
        )
    except OSError as error:
        raise UserError(
            f"What is seen of the clip cannot be kept ({error.strerror}); make room on the disk."
        ) from error
    return Seen.read(folder)


def preview(
    animator: Animator,
    avatar: Avatar,
    source: Face,
    seen: Seen,
    sample: int,
    reference: int | None,
    part: tuple[float, float],
    badge: bool,
) -> bytes:
    """One picture of the result, a JPEG file.

    Args:
        animator: the backend.
        avatar: what it prepared.
        source: the face in the photo.
        seen: the driving clip.
        sample: the moment; without a face there, the nearest one with a face.
        reference: the moment that motion is measured against; None: the best one.
        part: from which second to which; both moments are in it.
        badge: put the mark on it.

    Raises:
        UserError: there is no such moment.
    """
    inside = seen.inside(*part)
    if sample not in inside or (reference is not None and reference not in inside):
        raise UserError("This moment is not in the chosen part of the clip; choose another one.")
    faces = [seen.faces[index] for index in inside]
    seconds = [seen.seconds[index] for index in inside]
    wanted = None if reference is None else inside.index(reference)
    at = min(
        (index for index, face in enumerate(faces) if face is not None),
        key=lambda index: abs(seconds[index] - seen.seconds[sample]),
    )
    parts = stretches(source, faces, seconds, wanted)
    measured = next(one.reference for one in parts if one.start <= at < one.stop)
    anchor, face = faces[measured], faces[at]
    assert anchor is not None and face is not None
    still = observe(animator, load_image(seen.picture(inside[measured])), anchor, anchor)
    driving = observe(animator, load_image(seen.picture(inside[at])), face, anchor)
    if still is None or driving is None:
        raise UserError("The face in this moment cannot be used; choose another one.")
    drawn = draw(animator, avatar, move(animator, avatar, still, driving, MotionSettings()))
    composer = Compositor(even_size(avatar), Fit.BLUR, badge)
    composer.set_avatar(avatar.still, avatar.focus)
    return jpeg(composer.compose(AvatarFrame(drawn.image, None, True, None)).image)


def picture_file(folder: Path, sample: int) -> Path:
    """Where the picture of a frame is kept that was looked at."""
    return folder / f"{sample}.jpg"


def jpeg(image: Image) -> bytes:
    """A picture as a JPEG file."""
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=90)
    return file.getvalue()


def _save(path: Path, image: Image) -> None:
    PIL.Image.fromarray(image).save(path, "JPEG", quality=85)


def _score(source: Face, face: Face) -> float:
    """How much a face is like the photo's, as the live search tells it."""
    search = Search(source)
    search.offer(face)
    return search.score or 0.0
