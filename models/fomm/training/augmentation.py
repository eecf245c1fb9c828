"""Changing pairs of frames at random, both alike, as the official `augmentation.py` does.

The order is the official one, whatever that of the configuration: flip, rotation, resize, crop,
colours. All that is drawn comes from one generator that the caller gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np
import PIL.Image
from PIL import ImageEnhance

from models.errors import UserError
from models.types import Floats

_KNOWN = ("flip_param", "rotation_param", "resize_param", "crop_param", "jitter_param")

_TRUNCATE = 4.0
"""Deviations after which SciPy, and so the official code, ends a blur's kernel."""

_LEVELS = 255
"""Of 8-bit pictures, and the whole circle of an 8-bit hue as the official code turns it."""

_Step = Callable[[Floats, np.random.Generator], Floats]


class Augmentation:
    """All steps that a configuration asks for."""

    def __init__(self, params: Mapping[str, Any]) -> None:
        """Take the steps of `augmentation_params`.

        Raises:
            UserError: a step is unknown or its numbers cannot be used.
        """
        unknown = sorted(set(params) - set(_KNOWN))
        if unknown:
            raise UserError(
                f"augmentation_params has the unknown key {unknown[0]!r}; known are: "
                f"{', '.join(_KNOWN)}."
            )
        makers: tuple[Callable[..., _Step], ...] = (_flip, _rotation, _resize, _crop, _jitter)
        self._steps: list[_Step] = []
        for key, make in zip(_KNOWN, makers, strict=True):
            if key in params:
                try:
                    self._steps.append(make(**(params[key] or {})))
                except (TypeError, ValueError) as error:
                    raise UserError(f"{key} of the configuration cannot be used: {error}.") from (
                        error
                    )

    def __call__(self, pair: Floats, random: np.random.Generator) -> Floats:
        """The pair changed.

        Args:
            pair: (2, H, W, 3) float32, 0..1.
            random: what is drawn comes from it.

        Returns:
            The same; H and W differ after a resize or a crop.
        """
        for step in self._steps:
            pair = step(pair, random)
        return np.ascontiguousarray(pair, np.float32)


def _flip(time_flip: bool = False, horizontal_flip: bool = False) -> _Step:
    def step(pair: Floats, random: np.random.Generator) -> Floats:
        if random.random() < 0.5 and time_flip:
            return pair[::-1]
        if random.random() < 0.5 and horizontal_flip:
            return pair[:, :, ::-1]
        return pair

    return step


def _rotation(degrees: float | tuple[float, float]) -> _Step:
    if isinstance(degrees, (int, float)):
        if degrees < 0:
            raise ValueError("degrees must not be negative")
        degrees = (-degrees, degrees)
    low, high = (float(one) for one in degrees)

    def step(pair: Floats, random: np.random.Generator) -> Floats:
        angle = random.uniform(low, high)
        return np.stack([rotated(frame, angle) for frame in pair])

    return step


def _resize(ratio: tuple[float, float] = (0.75, 4 / 3), interpolation: str = "nearest") -> _Step:
    low, high = (float(one) for one in ratio)
    if not 0 < low <= high:
        raise ValueError("ratio must be two positive numbers, the smaller one first")
    if interpolation not in ("nearest", "bilinear"):
        raise ValueError("interpolation must be nearest or bilinear")

    def step(pair: Floats, random: np.random.Generator) -> Floats:
        factor = random.uniform(low, high)
        size = max(int(pair.shape[1] * factor), 1), max(int(pair.shape[2] * factor), 1)
        return np.stack([resized(frame, size, interpolation) for frame in pair])

    return step


def _crop(size: int | tuple[int, int]) -> _Step:
    height, width = (size, size) if isinstance(size, int) else (int(one) for one in size)
    if height < 1 or width < 1:
        raise ValueError("size must be positive")

    def step(pair: Floats, random: np.random.Generator) -> Floats:
        padded = pad(pair, height, width)
        top = int(random.integers(padded.shape[1] - height + 1))
        left = int(random.integers(padded.shape[2] - width + 1))
        return padded[:, top : top + height, left : left + width]

    return step


def _jitter(
    brightness: float = 0, contrast: float = 0, saturation: float = 0, hue: float = 0
) -> _Step:
    if min(brightness, contrast, saturation) < 0 or not 0 <= hue <= 0.5:
        raise ValueError("the numbers must not be negative, and hue at most 0.5")

    def step(pair: Floats, random: np.random.Generator) -> Floats:
        def factor(range_: float) -> float:
            return float(random.uniform(max(0.0, 1 - range_), 1 + range_))

        changes: list[Callable[[PIL.Image.Image], PIL.Image.Image]] = []
        for range_, make in (
            (brightness, ImageEnhance.Brightness),
            (saturation, ImageEnhance.Color),
            (contrast, ImageEnhance.Contrast),
        ):
            if range_ > 0:
                changes.append(_enhanced(make, factor(range_)))
        if hue > 0:
            turn = float(random.uniform(-hue, hue))
            changes.append(lambda picture: turned_hue(picture, turn))
        order = [changes[i] for i in random.permutation(len(changes))]
        return np.stack([_through(frame, order) for frame in pair]) if order else pair

    return step


def _enhanced(make: Any, factor: float) -> Callable[[PIL.Image.Image], PIL.Image.Image]:
    def change(picture: PIL.Image.Image) -> PIL.Image.Image:
        done: PIL.Image.Image = make(picture).enhance(factor)
        return done

    return change


def _through(frame: Floats, changes: list[Callable[[PIL.Image.Image], PIL.Image.Image]]) -> Floats:
    """A frame through changes of 8-bit pictures."""
    picture = PIL.Image.fromarray(np.rint(np.clip(frame, 0, 1) * _LEVELS).astype(np.uint8))
    for change in changes:
        picture = change(picture)
    return np.asarray(picture, np.float32) / np.float32(_LEVELS)


def turned_hue(picture: PIL.Image.Image, turn: float) -> PIL.Image.Image:
    """A picture whose hues are turned by `turn` of the circle, in 8 bits that wrap around."""
    hue, saturation, value = picture.convert("HSV").split()
    shift = int(turn * _LEVELS)
    moved = hue.point([(level + shift) % (_LEVELS + 1) for level in range(_LEVELS + 1)])
    return PIL.Image.merge("HSV", (moved, saturation, value)).convert("RGB")


def rotated(frame: Floats, degrees: float) -> Floats:
    """A frame (H, W, C) turned counter-clockwise about its middle, bilinear, black outside."""
    height, width = frame.shape[:2]
    turn = np.deg2rad(degrees)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    x, y = x - middle_x, y - middle_y
    from_x = np.cos(turn) * x - np.sin(turn) * y + middle_x
    from_y = np.sin(turn) * x + np.cos(turn) * y + middle_y
    return _bilinear(frame, from_x, from_y)


def resized(frame: Floats, size: tuple[int, int], interpolation: str = "nearest") -> Floats:
    """A frame at another size, blurred first where it shrinks.

    Args:
        frame: (H, W, C).
        size: height and width.
        interpolation: "nearest" or "bilinear".
    """
    scales = [old / new for old, new in zip(frame.shape[:2], size, strict=True)]
    blurred = _blurred(frame, [max(0.0, (scale - 1) / 2) for scale in scales])
    places = [(np.arange(new) + 0.5) * scale - 0.5 for new, scale in zip(size, scales, strict=True)]
    if interpolation == "nearest":
        rows, columns = (
            np.clip(np.floor(place + 0.5).astype(int), 0, old - 1)
            for place, old in zip(places, frame.shape[:2], strict=True)
        )
        return blurred[rows[:, None], columns]
    from_y, from_x = np.meshgrid(*places, indexing="ij")
    return _bilinear(blurred, from_x, from_y)


def pad(pair: Floats, height: int, width: int) -> Floats:
    """Frames (T, H, W, C) made at least so large, the edge repeated on both sides."""
    lacks = [
        max(0, want - have) for want, have in zip((height, width), pair.shape[1:3], strict=True)
    ]
    around = [(lack // 2, (lack + 1) // 2) for lack in lacks]
    return np.pad(pair, [(0, 0), *around, (0, 0)], mode="edge")


def _blurred(frame: Floats, deviations: list[float]) -> Floats:
    kernels = []
    for deviation in deviations:
        reach = int(_TRUNCATE * deviation + 0.5)
        steps = np.arange(-reach, reach + 1)
        kernel = np.exp(-0.5 * (steps / max(deviation, 1e-12)) ** 2)
        kernels.append(kernel / kernel.sum())
    if all(len(kernel) == 1 for kernel in kernels):
        return frame
    done: Floats = cv2.sepFilter2D(
        np.ascontiguousarray(frame, np.float32),
        -1,
        kernels[1],
        kernels[0],
        borderType=cv2.BORDER_CONSTANT,
    )
    return done


def _bilinear(frame: Floats, x: Floats, y: Floats) -> Floats:
    """The values of a frame at places between its pixels; 0 outside."""
    height, width = frame.shape[:2]
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    out = np.zeros((*x.shape, frame.shape[2]), np.float64)
    for down in (0, 1):
        for right in (0, 1):
            column, row = left + right, top + down
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row))
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            values = frame[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            out += (weight * inside)[..., None] * values
    return out.astype(np.float32)
