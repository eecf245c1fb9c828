"""What frame rate to expect of a backend on this computer, said before anybody waits for it."""

from __future__ import annotations

from models.animator import Animator, tells_time
from models.backends import DEFAULT
from models.types import Avatar

FLUENT = 10.0
"""Frames a second from which on a face that talks looks like one; less is a row of pictures."""


def slow_line(animator: Animator, avatar: Avatar) -> str | None:
    """What to tell a user whose computer is too slow for a backend, and what to take instead.

    One frame is computed for it, where the backend may be slow.

    Args:
        animator: the backend.
        avatar: what it prepared.

    Returns:
        One line; None where it is quick enough, or comes along for any computer.
    """
    if animator.name == DEFAULT or not tells_time(animator):
        return None
    seconds = animator.seconds_per_frame(avatar)
    if seconds * FLUENT <= 1:
        return None
    if seconds < 1:
        pace = f"about {1 / seconds:.1f} frames a second"
    else:
        pace = f"one frame in about {seconds:.1f} seconds"
    return (
        f"Expect {pace} here: the backend {animator.name} computes on {animator.device}. "
        f"To move live, choose the backend {DEFAULT}."
    )
