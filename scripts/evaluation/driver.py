"""A driving clip, followed as offline work does it, and what moves in a list of faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.face.moment import Moment
from models.face.orientation import turned
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator
from models.types import Face, Floats, Image
from realtime.cameras.clip import ClipReader
from realtime.pipeline.offline import follow, observations
from realtime.pipeline.stretches import Stretch
from scripts.evaluation import measures

COMPARED = measures.MOTIONS | measures.EXPRESSIONS
"""What is compared between driver and result, and the least range of each."""

_FEWEST = 20
"""Frames of a clip, where it has them: of a short clip more than every n-th is kept."""


@dataclass(frozen=True)
class Driver:
    """A clip, followed and filtered as offline work does it; only every n-th frame is kept.

    Attributes:
        name: of the clip.
        frames: the pictures.
        faces: landmarks in pixels of `frames`, unfiltered.
        observed: what the backend sees in each, smoothed.
        neutral: which of the kept frames all motion is measured from.
        fps: of the kept frames.
    """

    name: str
    frames: list[Image]
    faces: list[Floats]
    observed: list[Keypoints]
    neutral: int
    fps: float

    def motions(self) -> dict[str, list[float]]:
        """The driver's own motion and expression, a list over the frames for every kind."""
        return series(self.faces, self.faces[self.neutral])


class Pictures:
    """Pictures in memory that are read as a clip."""

    def __init__(self, name: str, pictures: Sequence[Image], fps: float = 10.0) -> None:
        """Keep the pictures; `fps` is their rate."""
        self.name, self.fps, self.frame_count = name, fps, len(pictures)
        self._pictures = pictures

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Every picture with its second."""
        for number, picture in enumerate(self._pictures):
            yield picture, number / self.fps


def read_driver(clip: ClipReader | Pictures, every: int, animator: MeshAnimator) -> Driver:
    """Follow the face through a clip.

    Args:
        clip: the driver's.
        every: keep every n-th frame; of a short clip more.
        animator: observes the driver.

    Raises:
        UserError: the clip shows no face.
    """
    followed = follow(clip, FaceTracker(), _silent)
    every = max(1, min(every, len(followed.faces) // _FEWEST))
    kept = [n for n, face in enumerate(followed.faces) if n % every == 0 and face is not None]
    if not kept:
        raise UserError(f"{clip.name} shows no face in every {every}th frame; lower --every.")
    faces = {n: face for n in kept if (face := followed.faces[n]) is not None}
    neutral = min(kept, key=lambda n: _unsuited(faces[n]))
    whole = [Stretch(0, len(followed.faces), neutral)]
    observed = observations(clip, followed, whole, animator, _silent)
    pairs = zip(clip.frames(), followed.turns, strict=False)
    frames = {n: turned(image, turns) for n, ((image, _), turns) in enumerate(pairs) if n in faces}
    return Driver(
        Path(clip.name).stem,
        [frames[n] for n in kept],
        [faces[n].landmarks for n in kept],
        [one for n in kept if (one := observed[n]) is not None],
        kept.index(neutral),
        clip.fps / every,
    )


def _unsuited(face: Face) -> float:
    """How far a face is from a good neutral one: as live calibration sees it, and looking ahead."""
    gaze = measures.motions(face.landmarks, face.landmarks)["gaze"]
    return Moment.of(face).badness + ((gaze / 0.08) ** 2 if np.isfinite(gaze) else 9.0)


def _silent(what: str, done: int, total: int) -> None:
    """No progress."""


def series(faces: Sequence[Floats | None], neutral: Floats) -> dict[str, list[float]]:
    """Every motion and expression over the frames; NaN where there is no face."""
    nothing = dict.fromkeys(COMPARED, float("nan"))
    rows = [
        nothing
        if face is None
        else measures.motions(face, neutral) | measures.expressions(face, neutral)
        for face in faces
    ]
    return {name: [row[name] for row in rows] for name in COMPARED}
