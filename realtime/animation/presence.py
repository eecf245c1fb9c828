"""How the avatar comes to life and goes to rest: never with a jump."""

from __future__ import annotations

import numpy as np

from models.animator import Animator, Pose

_FASTEST = 5.0
"""Widths of a face per second. Talking and turning the head move its points by less
than 2. What is faster is another face or a mistake of the tracker."""

_STEP = 1 / 30, 1 / 15
"""Shortest and longest time in seconds that one step may stand for: frames that come in a burst
still move it, and after a pause nothing jumps."""


class Presence:
    """Lets the avatar come to life and go to rest without a jump.

    Without a face it holds the last pose for `hold` seconds, then eases to the neutral pose in
    `ease` seconds; when the face is back it eases in again. Whatever the driven pose does, no
    part of it moves faster than `_FASTEST`.
    """

    def __init__(
        self,
        animator: Animator,
        neutral: Pose,
        start: Pose | None = None,
        hold: float = 0.3,
        ease: float = 0.5,
    ) -> None:
        """Start in the pose `start`, or at rest if that is None.

        Args:
            animator: the backend that the poses are of.
            neutral: the pose at rest.
            start: the pose to begin in.
            hold: seconds for which the last pose stays when the face is gone.
            ease: seconds in which it goes to rest, and comes back.
        """
        self._animator = animator
        self._neutral = neutral
        self._hold = hold
        self._ease = ease
        self._last = self._from = neutral if start is None else start
        self._since = -np.inf
        self._span = ease
        self._lost: float | None = -np.inf if start is None else None
        self._resting = start is None
        self._stepped = -np.inf

    @property
    def settled(self) -> bool:
        """Whether the neutral pose has been reached and nothing is to be eased any more."""
        return self._resting and self._last is self._neutral

    def restart(self, seconds: float) -> None:
        """Ease from the present pose into what comes next: the reference has changed.

        Args:
            seconds: when, on the steady clock.
        """
        self._from, self._since, self._span = self._last, seconds, self._ease

    def step(self, target: Pose | None, seconds: float) -> Pose:
        """The pose to show.

        Args:
            target: the driven pose; None without a face.
            seconds: when, on the steady clock.
        """
        if target is not None:
            if self._lost is not None:
                # After one missed frame a short blend is enough; a long one would be lag.
                absent = seconds - self._lost
                self.restart(seconds)
                self._span = min(self._ease, max(0.1, 2 * absent))
                self._lost, self._resting = None, False
        else:
            if self._lost is None:
                self._lost = seconds
            if not self._resting and seconds - self._lost >= self._hold:
                self.restart(seconds)
                self._resting = True
            target = self._neutral if self._resting else self._last
        share = min(1.0, max(0.0, (seconds - self._since) / self._span))
        if share < 1.0 and (self._lost is None or self._resting):
            target = self._animator.mix(self._from, target, share * share * (3 - 2 * share))
        self._last = self._bounded(target, seconds)
        return self._last

    def _bounded(self, target: Pose, seconds: float) -> Pose:
        """The target, or what can be reached of it in the time since the last step."""
        elapsed = min(max(seconds - self._stepped, _STEP[0]), _STEP[1])
        self._stepped = seconds
        moved = self._animator.distance(target, self._last)
        reach = _FASTEST * elapsed
        return target if moved <= reach else self._animator.mix(self._last, target, reach / moved)
