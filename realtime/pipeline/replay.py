"""Animating a photo by a recorded motion: as by a clip, without the clip's pictures."""

from __future__ import annotations

from itertools import pairwise

from models.animator import RecordedMotion
from models.errors import UserError
from realtime.pipeline.offline import ClipReport, Faults, Stage, render_all


def part_of(motion: RecordedMotion, part: tuple[float, float]) -> RecordedMotion:
    """The part of a motion from one second to before another one.

    Its frames are measured against those that they were measured against in the whole, as far as
    these are in it; the others against the first that is of use.

    Raises:
        UserError: there is no face in it.
    """
    start, end = part
    inside = [i for i in range(len(motion.observations)) if start <= i / motion.fps < end]
    seen = [i for i in inside if motion.observations[i] is not None]
    if not seen:
        raise UserError("No face was seen in this part of the motion; choose another part.")
    usable = set(seen)
    references = [motion.references[i] for i in inside]
    return RecordedMotion(
        motion.fps,
        [motion.observations[i] for i in inside],
        [(one if one in usable else seen[0]) - inside[0] for one in references],
    )


def replay(stage: Stage, motion: RecordedMotion, reference: int | None = None) -> ClipReport:
    """Animate an avatar by a recorded motion and write every frame.

    Args:
        stage: what the frames are made with; the motion is of its backend.
        motion: what to do.
        reference: the frame to measure against; None: as the motion says.

    Raises:
        UserError: the reference is none, or no face was seen in it.
    """
    count = len(motion.observations)
    if reference is not None:
        if not 0 <= reference < count:
            raise UserError(
                f"The motion has no frame {reference}; choose one from 0 to {count - 1}."
            )
        if motion.observations[reference] is None:
            raise UserError(f"Frame {reference} of the motion shows no face; choose another one.")
        motion = RecordedMotion(motion.fps, motion.observations, [reference] * count)
    faults = Faults()
    render_all(stage, motion, [i / motion.fps for i in range(count)], faults)
    references = list(motion.references)
    return ClipReport(
        frames=count,
        without_face=sum(one is None for one in motion.observations),
        reference=max(set(references), key=references.count),
        cuts=sum(one != other for one, other in pairwise(references)),
        turned=(),
        faults=faults.count,
        last_fault=faults.last,
    )
