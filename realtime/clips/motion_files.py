"""Reading and keeping the motion of a driver without the pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from models.animator import MOTION_SUFFIXES, Animator, RecordedMotion, need_motion_files
from models.errors import UserError
from realtime.paths import beside
from realtime.pipeline.replay import part_of


def is_motion(driving: Path) -> bool:
    """Whether a driving file is a motion file rather than a video, by its name."""
    return driving.suffix.lower() in MOTION_SUFFIXES


def read_motion(
    animator: Animator, driving: Path, part: tuple[float, float], turn: int
) -> RecordedMotion:
    """The part of a motion file that is wanted.

    Args:
        animator: the backend.
        driving: the file.
        part: from which second to which.
        turn: degrees by which pictures were to be turned; there are none.

    Raises:
        UserError: the backend cannot read it, there is nothing in it, or it is to be turned.
    """
    if turn:
        raise UserError("A motion file has no pictures to turn; leave out --rotate.")
    return part_of(need_motion_files(animator).load_motion(driving), part)


def keeper(
    animator: Animator, path: Path | None, say: Callable[[str], None]
) -> Callable[[RecordedMotion], None]:
    """What keeps a motion in the file that was asked for, if one was.

    Args:
        animator: the backend.
        path: the file, which is replaced when the new one is whole; None: nothing is kept.
        say: called with one line for the user.

    Raises:
        UserError: the backend has no motion files.
    """
    if path is None:
        return lambda motion: None
    keeping, target = need_motion_files(animator), path

    def keep(motion: RecordedMotion) -> None:
        part = beside(target, "part")
        try:
            keeping.save_motion(part, motion)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)
        say(f"{target}: the motion of {len(motion.observations)} frames.")

    return keep
