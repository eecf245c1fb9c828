"""The last step before the outputs: freeze the picture, hide it, or let the camera through.

This is the only place where a camera's picture can become an `AvatarFrame`. It needs a `Consent`,
and only `ask` followed by `Question.agree` makes one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.types import Image
from realtime.animation.framing import Seen
from realtime.frames import AvatarFrame

_OPEN = 20.0
"""Seconds in which a question can be agreed to: enough to read it, too few for a key that is
pressed later for another reason."""

_STALE = 1.0
"""Seconds after which a camera's picture that stands still is no longer let through, and the avatar
comes back: longer than a camera in the dark takes for a frame."""


@dataclass(frozen=True)
class Consent:
    """Somebody was asked whether the real face may be shown, and agreed.

    Attributes:
        question: what was agreed to.
    """

    question: Question


@dataclass(frozen=True)
class Question:
    """The question whether to show the real face.

    Attributes:
        asked_at: seconds of a steady clock.
    """

    asked_at: float

    def agree(self, now: float) -> Consent | None:
        """The consent, or None if the question was asked too long ago.

        Args:
            now: seconds of the same clock.
        """
        return Consent(self) if 0 <= now - self.asked_at <= _OPEN else None


class OutputGate:
    """Decides for every frame what goes out in its place.

    Called by the output's thread; everything else by any thread.

    Attributes:
        hidden: show the card "back soon"; comes before everything else.
        mirror: flip the camera's own picture.
    """

    def __init__(
        self,
        size: tuple[int, int],
        camera: Callable[[], Seen | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Let everything through.

        Args:
            size: (width, height) of the first frames.
            camera: the newest camera frame, or None.
            clock: the time in seconds.
        """
        self.hidden = False
        self.mirror = False
        self._camera = camera
        self._clock = clock
        self._card = _render_card(size)
        self._lock = threading.Lock()
        self._consent: Consent | None = None
        self._frozen = False
        self._kept: AvatarFrame | None = None
        self._newest: AvatarFrame | None = None
        self._number, self._since = -1, 0.0
        self._out: AvatarFrame | None = None

    @property
    def last(self) -> AvatarFrame | None:
        """What went out last: exactly what the call sees."""
        return self._out

    @property
    def frozen(self) -> bool:
        """Whether the picture stands still."""
        return self._frozen

    @property
    def open(self) -> bool:
        """Whether the camera's own picture is let through."""
        return self._consent is not None

    def freeze(self, wanted: bool) -> None:
        """Let the avatar's picture stand still, or go on."""
        with self._lock:
            self._frozen, newest = wanted, self._newest
            self._kept = newest and replace(newest, captured_at=None)

    def ask(self) -> Question:
        """Ask whether the real face may be shown."""
        return Question(self._clock())

    def pass_through(self, question: Question | None) -> bool:
        """Show the camera's own picture, or the avatar again.

        Args:
            question: what `ask` gave, now agreed to; None: show the avatar.

        Returns:
            Whether the camera's picture is let through: not if the question is too old.
        """
        with self._lock:
            self._consent = None if question is None else question.agree(self._clock())
            self._frozen, self._kept = False, None
            return self._consent is not None

    def __call__(self, frame: AvatarFrame) -> AvatarFrame:
        """What goes out in place of `frame`."""
        with self._lock:
            consent, self._newest = self._consent, frame
            high, wide = frame.image.shape[:2]
            if self._frozen:
                kept = self._kept or replace(frame, captured_at=None)
                if kept.image.shape[:2] != (high, wide):  # The canvas has become another one.
                    kept = AvatarFrame(_cover(kept.image, (wide, high), False), None, kept.live)
                frame = self._kept = kept
        if self.hidden:
            if self._card.shape[:2] != (high, wide):
                self._card = _render_card((wide, high))
            frame = AvatarFrame(self._card, None, False)
        elif consent is not None:
            frame = self._real(consent, (wide, high)) or frame
        self._out = frame
        return frame

    def _real(self, consent: Consent, size: tuple[int, int]) -> AvatarFrame | None:
        """The camera's newest picture on the canvas, or None if it is lost or stands still."""
        assert isinstance(consent, Consent)
        newest = self._camera()
        if newest is None:
            return None
        now = self._clock()
        if newest.number != self._number:
            self._number, self._since = newest.number, now
        if now - self._since > _STALE:
            return None
        return AvatarFrame(_cover(newest.image, size, self.mirror), None, False)


def _cover(image: Image, size: tuple[int, int], mirror: bool) -> Image:
    """The picture enlarged or shrunk to fill the canvas; what stands out is cut off."""
    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    wide, high = min(round(size[0] / scale), width), min(round(size[1] / scale), height)
    left, top = (width - wide) // 2, (height - high) // 2
    part = image[top : top + high, left : left + wide]
    whole = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.flip(whole, 1) if mirror else whole, np.uint8)


def _render_card(size: tuple[int, int]) -> Image:
    """A calm dark card that says "back soon"."""
    width, height = size
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    top, bottom = np.array([38, 44, 60], np.float32), np.array([20, 23, 33], np.float32)
    card = np.broadcast_to(top + (bottom - top) * rows, (height, width, 3))
    card = np.ascontiguousarray(np.rint(card), np.uint8)
    text, font = "back soon", cv2.FONT_HERSHEY_DUPLEX
    thickness = max(round(height / 360), 1)
    scale = cv2.getFontScaleFromHeight(font, max(round(height * 0.075), 8), thickness)
    (wide, high), _ = cv2.getTextSize(text, font, scale, thickness)
    if wide > 0.9 * width:
        scale *= 0.9 * width / wide
        (wide, high), _ = cv2.getTextSize(text, font, scale, thickness)
    origin = ((width - wide) // 2, (height + high) // 2)
    cv2.putText(card, text, origin, font, scale, (232, 234, 240), thickness, cv2.LINE_AA)
    return card
