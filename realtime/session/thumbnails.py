"""Small square pictures of photos, for the list of avatars."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from models.errors import UserError
from models.photos import load_image
from models.types import Image, Photo

_THUMBNAIL = 144
"""Pixels of a side: the page shows them 96 wide or a little more (static/panel.css), many screens
with more than one pixel for each."""


def portrait(photo: Photo) -> bytes:
    """A small square picture of a photo's face, as a JPEG file."""
    left, top, right, bottom = photo.face.box
    side = 1.9 * max(right - left, bottom - top)
    height, width = photo.image.shape[:2]
    side = min(side, width, height)
    x = min(max((left + right) / 2 - side / 2, 0), width - side)
    y = min(max((top + bottom) / 2 - 0.55 * side, 0), height - side)
    part = photo.image[round(y) : round(y + side), round(x) : round(x + side)]
    return _jpeg(np.ascontiguousarray(part))


def glimpse(path: Path) -> bytes | None:
    """A small square picture of the middle of a photo, as a JPEG file; None if it is unreadable."""
    try:
        image = load_image(path)
    except UserError:
        return None
    height, width = image.shape[:2]
    side = min(height, width)
    x, y = (width - side) // 2, (height - side) // 3
    return _jpeg(np.ascontiguousarray(image[y : y + side, x : x + side]))


def _jpeg(image: Image) -> bytes:
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)
    file = io.BytesIO()
    PIL.Image.fromarray(np.asarray(small, np.uint8)).save(file, "JPEG", quality=82)
    return file.getvalue()
