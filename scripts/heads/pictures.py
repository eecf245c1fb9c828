"""What stands behind a synthetic head, and what a webcam makes of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from scripts.heads.sampling import Webcam
from scripts.heads.scene import ByteArray, Colour, FloatArray


@dataclass(frozen=True)
class Wall:
    """A soft wall, as in a studio; colours are sRGB 0..1.

    Attributes:
        top: colour at the top.
        bottom: colour at the bottom.
        glow: what is added behind the head.
        glow_at: where, right and down, in shares of the picture.
        lights: how many blurred discs there are, as of lamps far behind.
        seed: of what is drawn by chance.
    """

    top: Colour = (0.50, 0.53, 0.55)
    bottom: Colour = (0.34, 0.35, 0.36)
    glow: Colour = (0.16, 0.15, 0.13)
    glow_at: tuple[float, float] = (0.62, 0.40)
    lights: int = 0
    seed: int = 1


def paint_wall(wall: Wall, size: int) -> FloatArray:
    """Paint a wall.

    Args:
        wall: what it looks like.
        size: side of the picture in pixels.

    Returns:
        the picture (size, size, 3), sRGB 0..1.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    top, bottom = np.array(wall.top), np.array(wall.bottom)
    image = top + (bottom - top) * (y * y * (3 - 2 * y))[..., None]
    gx, gy = wall.glow_at
    image += np.array(wall.glow) * np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / 0.12)[..., None]
    rng = np.random.default_rng(wall.seed)
    for _ in range(wall.lights):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 0.7), rng.uniform(0.03, 0.08)
        disc = np.clip((r - np.hypot(x - cx, y - cy)) / 0.012, 0, 1)
        light = rng.uniform(0.02, 0.09) * np.array([1.0, 0.9, 0.72]) * disc[..., None]
        image += light.astype(np.float32)
    # A wall is never flat: slow, faint unevenness.
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), size / 14)
    image += (clouds / (clouds.std() + 1e-6) * 0.008)[..., None]
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), size / 110)
    return np.asarray(np.clip(image, 0, 1), np.float32)


def paint_background(wanted: Mapping[str, Any], size: int) -> FloatArray:
    """Paint a background without any photograph.

    Args:
        wanted: as drawn by `sampling.py`: kind, colours (linear), number of shapes, blur, seed.
        size: side of the picture in pixels.

    Returns:
        the picture (size, size, 3), sRGB 0..1.
    """
    rng = np.random.default_rng(wanted["seed"])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    angle = rng.normal(0, 0.5)
    share = np.clip(0.5 + (y - 0.5) * np.cos(angle) + (x - 0.5) * np.sin(angle), 0, 1)[..., None]
    top, bottom = (np.array(wanted[k], np.float32) ** (1 / 2.2) for k in ("top", "bottom"))
    image = np.asarray(top + (bottom - top) * share, np.float32)
    if wanted["kind"] == "room":
        _furnish(image, rng, wanted["shapes"])
    elif wanted["kind"] == "shapes":
        for _ in range(wanted["shapes"]):
            _shape(image, rng, _tint(rng, image))
    elif wanted["kind"] == "clouds":
        for sigma in (size / 40, size / 14, size / 5):
            image += _clouds(rng, size, sigma) * 0.12
    image += _clouds(rng, size, size / 10)[..., :1] * 0.03
    image += _clouds(rng, size, 1.0)[..., :1] * float(wanted["texture"])
    if wanted["blur"] * size > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), wanted["blur"] * size)
    return np.asarray(np.clip(image, 0, 1), np.float32)


def _clouds(rng: np.random.Generator, size: int, sigma: float) -> FloatArray:
    step = max(1, int(sigma / 2))
    small = rng.normal(0, 1, (size // step + 2, size // step + 2, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.5))
    soft /= soft.std() + 1e-6
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)


def _tint(rng: np.random.Generator, image: FloatArray) -> tuple[float, ...]:
    base = image.mean(axis=(0, 1)) * np.exp(rng.normal(0, 0.55)) * np.exp(rng.normal(0, 0.25, 3))
    return tuple(np.clip(base, 0.02, 0.97).tolist())


def _shape(image: FloatArray, rng: np.random.Generator, colour: tuple[float, ...]) -> None:
    size = len(image)
    centre = tuple(int(v) for v in rng.uniform(0, size, 2))
    axes = tuple(int(v) for v in np.exp(rng.uniform(np.log(0.02), np.log(0.3), 2)) * size + 1)
    angle = float(rng.uniform(0, 180))
    kind = rng.integers(3)
    if kind == 0:
        cv2.ellipse(image, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA)
    elif kind == 1:
        box = cv2.boxPoints((centre, axes, angle if rng.uniform() < 0.4 else 0.0))
        cv2.fillPoly(image, [box.astype(np.int32)], colour, cv2.LINE_AA)
    else:
        end = tuple(int(v) for v in rng.uniform(0, size, 2))
        cv2.line(image, centre, end, colour, int(rng.uniform(1, 0.04 * size)), cv2.LINE_AA)


def _furnish(image: FloatArray, rng: np.random.Generator, count: int) -> None:
    """Draw what rooms are made of: a window or a door, shelves with things, a lamp."""
    size = len(image)

    def box(x: float, y: float, w: float, h: float, colour: tuple[float, ...]) -> None:
        a = (int(x * size), int(y * size))
        b = (int((x + w) * size), int((y + h) * size))
        cv2.rectangle(image, a, b, colour, -1)

    x = rng.uniform(-0.1, 0.8)
    if rng.uniform() < 0.5:  # A window, brighter than the wall
        w, h, y = rng.uniform(0.15, 0.4), rng.uniform(0.25, 0.6), rng.uniform(-0.1, 0.3)
        frame = _tint(rng, image)
        box(x - 0.02, y - 0.02, w + 0.04, h + 0.04, frame)
        daylight = rng.uniform(0.7, 1.0) * rng.uniform(0.85, 1, 3)
        box(x, y, w, h, tuple(daylight.tolist()))
        box(x + w / 2 - 0.006, y, 0.012, h, frame)
    else:
        box(x, rng.uniform(0, 0.3), rng.uniform(0.15, 0.35), 1.0, _tint(rng, image))
    for _ in range(rng.integers(0, 4)):
        left, at, width = rng.uniform(-0.1, 0.7), rng.uniform(0.1, 0.95), rng.uniform(0.2, 0.6)
        box(left, at, width, 0.018, _tint(rng, image))
        along = left
        while along < left + width - 0.02 and count > 0:
            w, h = rng.uniform(0.012, 0.05), rng.uniform(0.05, 0.14)
            if rng.uniform() < 0.8:
                box(along, at - h, w, h, _tint(rng, image))
            along += w + 0.002
            count -= 1
    if rng.uniform() < 0.4:
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 0.5), rng.uniform(0.03, 0.09)
        y, x2 = np.mgrid[0:size, 0:size].astype(np.float32) / size
        glow = np.exp(-((x2 - cx) ** 2 + (y - cy) ** 2) / (2 * r * r))[..., None]
        image += (glow * rng.uniform(0.2, 0.8) * np.array([1.0, 0.9, 0.7])).astype(np.float32)
        np.clip(image, 0, 1, out=image)


def through_webcam(image: FloatArray, webcam: Webcam, rng: np.random.Generator) -> ByteArray:
    """Add lens, sensor and a webcam's processing to a picture.

    Args:
        image: (S, S, 3), sRGB 0..1.
        webcam: what it adds.
        rng: draws the noise.

    Returns:
        the picture (S, S, 3), 0..255.
    """
    size = len(image)
    if webcam.vignette > 0:
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        image = image * (1 - webcam.vignette * (x * x + y * y))[..., None].astype(np.float32)
    if webcam.blur > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), webcam.blur)
    if webcam.sharpen > 0:
        image = image + webcam.sharpen * (image - cv2.GaussianBlur(image, (0, 0), 1.3))
    # Shot noise is stronger where it is dark, after the tone curve.
    level = webcam.noise * (1.3 - 0.8 * image.mean(axis=2, keepdims=True))
    grain = rng.standard_normal((size, size, 1), np.float32) * level
    half = rng.standard_normal((size // 2, size // 2, 3), np.float32) * webcam.colour_noise
    grain = grain + cv2.resize(half, (size, size), interpolation=cv2.INTER_LINEAR)
    return as_bytes(image + grain)


def as_bytes(image: FloatArray) -> ByteArray:
    """A picture of 0..1 in whole numbers 0..255."""
    return np.asarray(np.clip(image, 0, 1) * 255 + 0.5, np.uint8)
