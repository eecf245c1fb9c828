"""Two types of picture that must not be confused.

A `CameraFrame` shows the user's real face and never leaves the program; an `AvatarFrame` is what
the others see. Sinks accept only the latter (and check it at run time), and nothing converts one
into the other but the animation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from models.types import Image


@dataclass(frozen=True)
class CameraFrame:
    """A driving frame.

    Attributes:
        image: (H, W, 3) RGB, the user's real face.
        captured_at: seconds of `time.perf_counter()`.
        index: counts from 0.
        turned: degrees clockwise by which it was turned after its capture, as `--rotate` asks.
        take: rises when another camera is chosen or pictures are turned otherwise: what is
            remembered of earlier frames is of no use then.
    """

    image: Image
    captured_at: float
    index: int
    turned: int = 0
    take: int = 0


@dataclass(frozen=True)
class AvatarFrame:
    """A rendered frame.

    Attributes:
        image: (H, W, 3) RGB.
        captured_at: when the camera frame that drove it was captured, seconds of
            `time.perf_counter()`; None for a still or a repeat (no latency to measure).
        live: it shows the driven avatar; False: the still photo.
        person: (H, W, 4), the person in it alone, RGB premultiplied by the matte, and the matte;
            None where nobody asks for it.
        alone: of a frame on the canvas whose background was replaced: makes (H, W, 4), the person
            and the badge without the background, RGB premultiplied; costs nothing uncalled.
    """

    image: Image
    captured_at: float | None
    live: bool
    person: Image | None = None
    alone: Callable[[], Image] | None = None
