"""What is seen of the driver: which part of the camera's picture is looked at, and what was found.

This is the user's real face. It is kept for the panel's preview and for nothing else, one frame at
a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.types import Face, Image
from realtime.animation.animation import Tracker

_LEAST = 0.3
"""Share of the picture's sides: of 640 x 480 that is 192 x 144, hardly more than the 128 x 128 that
the face detector looks at."""


@dataclass(frozen=True)
class Framing:
    """The part of the camera's picture that is looked at.

    Attributes:
        auto: all of it; the face is followed wherever it is. Otherwise a part of the same shape.
        side: the part's share of the picture's sides, 0.3..1.
        x: its middle, 0..1 of the picture's width.
        y: its middle, 0..1 of the picture's height.
    """

    auto: bool = True
    side: float = 1.0
    x: float = 0.5
    y: float = 0.5

    def sane(self) -> Framing:
        """The same within its bounds: the part never leaves the picture."""
        side = min(max(self.side, _LEAST), 1.0)
        x, y = (min(max(value, side / 2), 1 - side / 2) for value in (self.x, self.y))
        return Framing(self.auto, side, x, y)

    def zoomed(self, by: float) -> Framing:
        """A part of another size.

        Args:
            by: how much larger its side is, in shares of the picture's; below 0 smaller.
        """
        return replace(self, auto=False, side=round(self.side + by, 4)).sane()

    def moved(self, x: float, y: float) -> Framing:
        """A part that lies elsewhere.

        Args:
            x: how far to the right, in widths of the picture.
            y: how far down, in heights of it.
        """
        return replace(self, auto=False, x=self.x + x, y=self.y + y).sane()

    def box(self, image: Image) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the part in pixels."""
        height, width = image.shape[:2]
        if self.auto:
            return 0, 0, width, height
        wide, high = max(round(self.side * width), 2), max(round(self.side * height), 2)
        left = min(max(round(self.x * width - wide / 2), 0), width - wide)
        top = min(max(round(self.y * height - high / 2), 0), height - high)
        return left, top, left + wide, top + high


@dataclass(frozen=True)
class Seen:
    """One camera frame and what was found in it.

    Attributes:
        image: the whole frame, (H, W, 3) RGB.
        face: in pixels of `image`; None if there is none.
        box: the part that was looked at: left, top, right, bottom in pixels.
        number: rises with every frame.
    """

    image: Image
    face: Face | None
    box: tuple[int, int, int, int]
    number: int


class FramedTracker:
    """A tracker that looks only at a part of each frame and remembers the last one.

    Attributes:
        framing: the part; may be replaced at any time, by any thread.
        seen: the last frame; None before the first.
    """

    def __init__(self, tracker: Tracker) -> None:
        """Look with `tracker`, at everything."""
        self.framing = Framing()
        self.seen: Seen | None = None
        self._tracker = tracker
        self._used = self.framing
        self._count = 0

    @property
    def locked(self) -> bool:
        """Whether no other face takes over from the one that is followed."""
        return self._tracker.locked

    def lock(self, on: bool) -> None:
        """Lock the face that is followed, or let others take over again."""
        self._tracker.lock(on)

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        """The followed face, in pixels of the whole frame, or None."""
        framing = self.framing
        if framing != self._used:
            self._tracker.reset()
            self._used = framing
        box = left, top, right, bottom = framing.box(frame)
        part = frame
        if (right - left, bottom - top) != (frame.shape[1], frame.shape[0]):
            part = np.ascontiguousarray(frame[top:bottom, left:right])
        face = None
        self._count += 1
        try:
            face = self._tracker.track(part, seconds)
            if face is not None and (left or top):
                corner = np.array([left, top, 0], np.float32)
                face = replace(face, landmarks=face.landmarks + corner)
        finally:
            self.seen = Seen(frame, face, box, self._count)
        return face

    def reset(self) -> None:
        """Forget the face that is followed."""
        self._tracker.reset()
        self.seen = None
