"""The parts of a clip in which one face is seen by one camera: between its cuts.

Motion is measured against a frame of the same part. Against one of another part the avatar would
stand aside, nearer or turned by as much as the cut has moved the picture, and against another
person's face it would be deformed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import UserError
from models.face.cuts import cuts
from models.face.moment import difference
from models.types import Face


@dataclass(frozen=True)
class Stretch:
    """One part of a clip.

    Attributes:
        start: its first frame.
        stop: the frame after its last.
        reference: the frame in it that motion is measured against.
    """

    start: int
    stop: int
    reference: int


def stretches(
    source: Face, faces: Sequence[Face | None], seconds: Sequence[float], wanted: int | None = None
) -> list[Stretch]:
    """The parts of a clip that show a face, each with its reference frame.

    Args:
        source: the face in the photo.
        faces: those of all driving frames; None where there is none, but not everywhere.
        seconds: when each frame is shown.
        wanted: the reference of the part that it is in; None: the best frame there too.

    Returns:
        All frames, in order and without gaps.

    Raises:
        UserError: there is no frame `wanted`, or no face in it.
    """
    if wanted is not None:
        _check(faces, wanted)
    starts = [0, *cuts(faces, seconds), len(faces)]
    found = []
    for start, stop in zip(starts, starts[1:], strict=False):
        if wanted is not None and start <= wanted < stop:
            found.append(Stretch(start, stop, wanted))
        else:
            found.append(Stretch(start, stop, start + best_frame(source, faces[start:stop])))
    return found


def best_frame(source: Face, faces: Sequence[Face | None]) -> int:
    """The index of the driving frame whose face is most like the source's in pose and expression.

    Args:
        source: the face in the photo.
        faces: those of driving frames; None where there is none, but not everywhere.
    """
    distances = [np.inf if face is None else difference(source, face) for face in faces]
    return int(np.argmin(distances))


def _check(faces: Sequence[Face | None], wanted: int) -> None:
    if not 0 <= wanted < len(faces):
        raise UserError(
            f"There is no frame {wanted} in the driving clip: choose one from 0 to "
            f"{len(faces) - 1}, or auto."
        )
    if faces[wanted] is None:
        raise UserError(f"Frame {wanted} of the driving clip shows no face; choose another one.")
