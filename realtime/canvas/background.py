"""What is shown behind the person in place of the photo's own background: `--background`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from models.errors import UserError
from models.types import Floats, Image

KEEP = "keep"
"""The word for the photo's own background."""

GREEN = (0, 177, 64)
"""The green that chroma keys of OBS and others look for first (#00B140)."""

_TINY = 64
"""Longer side in pixels of the copy that is blurred: most of the blur is that it is enlarged."""

_SPREADS = ((1.5, 1.0), (5.0, 1e-2), (16.0, 1e-4), (64.0, 1e-6))
"""Reach in pixels of the copy, and weight: what is near counts, and what is far where nothing is
near, as behind the person."""


@dataclass(frozen=True)
class Background:
    """A background for the person.

    Attributes:
        kind: the photo's own one out of focus, one colour, or another photo.
        photo: that photo, (H, W, 3); None for the other kinds.
    """

    kind: Literal["blur", "green", "photo"]
    photo: Image | None = None

    def canvas(
        self,
        size: tuple[int, int],
        picture: Image,
        person: Image,
        target: tuple[int, int, int, int],
    ) -> Image:
        """(H, W, 3): the whole canvas without the person.

        Args:
            size: (width, height) of the canvas.
            picture: (h, w, 3), what goes to `target`.
            person: (h, w, 4), the person in it, premultiplied by the matte.
            target: left, top, right, bottom of the picture on the canvas.
        """
        width, height = size
        if self.kind == "green":
            return np.full((height, width, 3), GREEN, np.uint8)
        if self.photo is not None:
            return covering(self.photo, size)
        return _blurred(size, picture, person, target)


def parse(text: str) -> Background | None:
    """What `--background` says; None for the photo's own.

    Raises:
        UserError: it is no word that is known, and no photo that can be read.
    """
    word = text.strip().lower()
    if word == KEEP:
        return None
    if word == "blur":
        return Background("blur")
    if word == "green":
        return Background("green")
    if word == "transparent":
        raise UserError(
            "A camera carries no transparency; use --background green, and the filter Chroma Key "
            "of OBS."
        )
    path = Path(text)
    if not path.exists():
        raise UserError(
            f"--background {text!r} cannot be used: give keep, blur, green or the path of a photo."
        )
    from models.photos import load_image

    return Background("photo", load_image(path))


def covering(photo: Image, size: tuple[int, int]) -> Image:
    """The photo as large as the canvas; what stands out is cut off.

    Args:
        photo: (H, W, 3).
        size: (width, height) of the canvas.
    """
    height, width = photo.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    wide, high = min(round(size[0] / scale), width), min(round(size[1] / scale), height)
    left, top = (width - wide) // 2, (height - high) // 2
    part = photo[top : top + high, left : left + wide]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(part, size, interpolation=method), np.uint8)


def _blurred(
    size: tuple[int, int], picture: Image, person: Image, target: tuple[int, int, int, int]
) -> Image:
    """The picture's background out of focus, continued behind the person and around the picture."""
    scale = _TINY / max(size)
    tiny = max(round(size[0] * scale), 2), max(round(size[1] * scale), 2)
    left, top = (min(round(side * scale), tiny[i] - 1) for i, side in enumerate(target[:2]))
    right, bottom = (min(max(round(side * scale), 1), tiny[i]) for i, side in enumerate(target[2:]))
    part = max(right - left, 1), max(bottom - top, 1)
    colours = np.zeros((tiny[1], tiny[0], 3), np.float32)
    weights = np.zeros((tiny[1], tiny[0]), np.float32)
    place = slice(top, top + part[1]), slice(left, left + part[0])
    # A rim of the person is left out too: a matte is never exact.
    rest = cv2.erode((person[..., 3] < 8).astype(np.float32), np.ones((9, 9), np.uint8))
    colours[place] = cv2.resize(picture * rest[..., None], part, interpolation=cv2.INTER_AREA)
    weights[place] = cv2.resize(rest, part, interpolation=cv2.INTER_AREA)
    filled = _spread(colours, weights)
    fill = cv2.resize(filled, size, interpolation=cv2.INTER_CUBIC)
    # Slow gradients show steps of one grey level; a little fixed noise hides them.
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (*fill.shape[:2], 1)).astype(np.float32)
    return np.asarray(np.clip(np.rint(fill + noise), 0, 255), np.uint8)


def _spread(colours: Floats, weights: Floats) -> Floats:
    """Weighted colours (h, w, 3), already times their weights (h, w), spread over everything."""
    total, weight = np.zeros_like(colours), np.full_like(weights, 1e-12)
    for reach, trust in _SPREADS:
        total += trust * cv2.GaussianBlur(colours, (0, 0), reach, borderType=cv2.BORDER_REPLICATE)
        weight += trust * cv2.GaussianBlur(weights, (0, 0), reach, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(total / weight[..., None], np.float32)
