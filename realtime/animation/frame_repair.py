"""Odd frames and results in mid-run: other sizes, grey pictures, clocks that jump, no numbers."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from models.types import Image

_SMALLEST = 16
"""Pixels of the shorter side; less is a camera's mistake, and no face could be found in it."""

_LONGEST_STEP = 1.0
"""Seconds that one frame may add, after a sleep of the computer or a jump of the clock: longer than
all that is held and eased, so that this is over then."""


class Fault(Exception):
    """A stage gave something that cannot be used."""


class SteadyClock:
    """A clock that follows the times of camera frames, but never jumps."""

    def __init__(self) -> None:
        """Begin at 0."""
        self._last: float | None = None
        self._now = 0.0

    def __call__(self, captured_at: float) -> float:
        """The steady time of a frame in seconds; a frame without a usable time adds nothing."""
        elapsed = 0.0 if self._last is None else captured_at - self._last
        if np.isfinite(captured_at):
            self._last = captured_at
            self._now += min(max(elapsed, 0.0), _LONGEST_STEP)
        return self._now


class SteadySize:
    """Gives every picture the size of the one that `keep` was first called for.

    Calibration and tracking are in pixels; so they survive a camera that changes its format.
    """

    def __init__(self) -> None:
        """Let every size pass until `keep`."""
        self._size: tuple[int, int] | None = None

    def keep(self, image: Image) -> None:
        """From now on, pictures shall have the size of this one, if none was kept before."""
        self._size = self._size or (image.shape[1], image.shape[0])

    def __call__(self, image: Image) -> Image:
        """The picture at the size that is kept.

        Formats of a camera differ in what they show above and below, hardly at the sides: the
        width is scaled, and rows are cut off or repeated. A camera that is turned on its side
        keeps its whole picture, with columns repeated.
        """
        height, width = image.shape[:2]
        if self._size is None or self._size == (width, height):
            return image
        wide, high = self._size
        scale = wide / width
        if (wide > high) != (width > height):
            scale = min(scale, high / height)
        if scale < 1:  # Warping would skip pixels.
            smaller = (max(round(width * scale), 1), max(round(height * scale), 1))
            image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
            (width, height), scale = smaller, 1.0
        left, top = (wide - width * scale) // 2, (high - height * scale) // 2
        matrix = np.array([[scale, 0, left], [0, scale, top]])
        size, border = (wide, high), cv2.BORDER_REPLICATE
        return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=border), np.uint8)


def as_rgb(image: object) -> Image:
    """A camera's picture as RGB; grey and RGBA pictures are converted.

    Raises:
        Fault: it is no picture of at least 16 x 16.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise Fault("the camera gave something that is no picture")
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or min(image.shape[:2]) < _SMALLEST:
        raise Fault(f"the camera gave a picture of shape {image.shape}")
    if image.shape[2] == 1:
        image = np.repeat(image, 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def check_numbers(value: object, what: str) -> None:
    """Make sure that a backend's result holds only numbers, wherever it holds any.

    Args:
        value: arrays, numbers, and dataclasses, tuples, lists and dictionaries of them; of anything
            else nothing is known.
        what: what to call it.

    Raises:
        Fault: there is an infinity, or something that is not a number.
    """
    if isinstance(value, np.ndarray):
        if np.issubdtype(value.dtype, np.inexact) and not np.isfinite(value).all():
            raise Fault(f"{what} has values that are not numbers")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise Fault(f"{what} has values that are not numbers")
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            check_numbers(getattr(value, one.name), what)
    elif isinstance(value, (tuple, list)):
        for part in value:
            check_numbers(part, what)
    elif isinstance(value, dict):
        for part in value.values():
            check_numbers(part, what)
