"""Animating a photo by a recorded motion: as by a clip, without the clip's pictures."""

from __future__ import annotations

from itertools import pairwise

from models.animator import Animator, MotionSettings, RecordedMotion
from models.errors import UserError
from models.types import Avatar
from realtime.canvas.compositor import Composer
from realtime.pipeline.offline import ClipReport, Faults, Played, Progress, Writer, render_all


def part_of(motion: RecordedMotion, part: tuple[float, float]) -> RecordedMotion:
    """The part of a motion from one second to before another one.

    Its frames are measured against those that they were measured against in the whole, as far as
    these are in it; the others against the first that is of use.

    Raises:
        UserError: there is no face in it.
    """
    start, end = part
    kept = [i for i in range(len(motion.observations)) if start <= i / motion.fps < end]
    seen = [i for i in kept if motion.observations[i] is not None]
    if not seen:
        raise UserError("No face was seen in this part of the motion; choose another part.")
    whole = set(seen)
    references = [motion.references[i] for i in kept]
    return RecordedMotion(
        motion.fps,
        [motion.observations[i] for i in kept],
        [(one if one in whole else seen[0]) - kept[0] for one in references],
    )


def replay(
    animator: Animator,
    avatar: Avatar,
    motion: RecordedMotion,
    composer: Composer,
    writer: Writer,
    *,
    settings: MotionSettings,
    reference: int | None,
    progress: Progress,
    cut_out: bool,
) -> ClipReport:
    """Animate an avatar by a recorded motion and write every frame.

    Args:
        animator: the backend, which the motion is of.
        avatar: what it prepared.
        motion: what to do.
        composer: puts the avatar on the canvas.
        writer: takes the result.
        settings: how the motion is applied.
        reference: the frame to measure against; None: as the motion says.
        progress: told about every frame.
        cut_out: give the composer the person of each frame alone, too; the backend can.

    Raises:
        UserError: the reference is none, or no face was seen in it.
    """
    count = len(motion.observations)
    if reference is not None:
        motion = RecordedMotion(motion.fps, motion.observations, [reference] * count)
    for used in set(motion.references):
        if not 0 <= used < count:
            raise UserError(f"The motion has no frame {used}; choose one from 0 to {count - 1}.")
        if motion.observations[used] is None:
            raise UserError(f"Frame {used} of the motion shows no face; choose another frame.")
    faults = Faults()
    played = Played(motion, [i / motion.fps for i in range(count)])
    render_all(animator, avatar, played, composer, writer, faults, settings, progress, cut_out)
    references = motion.references
    return ClipReport(
        frames=count,
        without_face=sum(one is None for one in motion.observations),
        reference=max(set(references), key=list(references).count),
        cuts=sum(one != other for one, other in pairwise(references)),
        turned=(),
        faults=faults.count,
        last_fault=faults.last,
    )
