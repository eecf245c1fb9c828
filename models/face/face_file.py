"""A face's landmarks in a file beside its photo, such as `face.jpg.face.json` for `face.jpg`.

Where it exists, the photo's face is not searched for: so a person can place the points of a face
that the networks do not see. It is JSON:

    {"version": 1, "width": 768, "height": 1024, "landmarks": [[0.5, 0.25, -0.01], ...]}

- `width`, `height`: of the upright picture that the points were placed on; a copy of another size
  will do as well, one of another shape will not.
- `landmarks`: 478 points in the order of `models.types.Face`, as fractions of the picture: x and z
  of its width, y of its height.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError
from models.face.topology import neutral_face
from models.types import Face, Floats, Image

_VERSION = 1
"""Of the format; another one is refused, as its numbers may mean something else."""

_POINTS = 478
"""As many as `models.types.Face` has."""

_MAX_BYTES = 200_000
"""478 points take 25 kB; with all digits and spaces that a program may write, three times that."""

_REACH = (-1.0, 2.0)
"""Least and largest fraction: a face may reach out of its photo, but not by a whole photo."""

_SHAPE = 0.02
"""How far width over height may be off: halving a picture rounds its sides."""

_UNLIKE = 0.5
"""Share of the points' spread that no moved, scaled and sheared neutral face explains: of faces
that the networks find 0.07 at most, also in profile, of points in a wrong order nearly all."""

_DIGITS = 7
"""Decimals that are written: a hundredth of a pixel even in the largest photo."""


def face_path(photo: Path) -> Path:
    """Where the landmarks of a photo's face are kept."""
    return photo.with_name(f"{photo.name}.face.json")


def read_face(photo: Path, image: Image) -> Face | None:
    """The face that was placed by hand, or None if the photo has no such file.

    Args:
        photo: the photo's file.
        image: its picture, (H, W, 3), upright.

    Raises:
        UserError: the file cannot be read, or does not hold a face of this picture.
    """
    path = face_path(photo)
    if not os.path.exists(path):
        return None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise ValueError("it is too large, or no file at all")
        fractions = _fractions(json.loads(path.read_bytes()), image)
    # Deeply nested lists are a RecursionError, whole numbers of many digits an OverflowError.
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"The face's points in {path} cannot be used ({reason}); place them again, or delete "
            "this file to have the face searched for."
        ) from error
    return Face((fractions * _scale(image)).astype(np.float32), None, 1.0)


def write_face(photo: Path, image: Image, landmarks: Floats) -> Path:
    """Keep the landmarks of a photo's face beside it, in place of those that were there.

    Args:
        photo: the photo's file.
        image: its picture, (H, W, 3), upright.
        landmarks: (478, 3) in pixels of `image`.

    Returns:
        The file that was written.

    Raises:
        ValueError: these are not the landmarks of a face of this picture.
        UserError: the file cannot be written.
    """
    height, width = image.shape[:2]
    fractions = np.round(np.asarray(landmarks, np.float64) / _scale(image), _DIGITS)
    content = {
        "version": _VERSION,
        "width": width,
        "height": height,
        "landmarks": fractions.tolist(),
    }
    _fractions(content, image)
    path = face_path(photo)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(json.dumps(content) + "\n", encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"The face's points cannot be kept in {path} ({error.strerror or error}); make the "
            "folder writable or copy the photo to one that is."
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _scale(image: Image) -> Floats:
    """What fractions are multiplied by, (3,)."""
    height, width = image.shape[:2]
    return np.array([width, height, width], np.float64)


def _fractions(content: Any, image: Image) -> Floats:
    """The (478, 3) fractions that a file holds.

    Raises:
        ValueError, OverflowError: it holds something else, or was made for another picture.
    """
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise ValueError(f"it is not of version {_VERSION}")
    points = content.get("landmarks")
    if not isinstance(points, list) or len(points) != _POINTS:
        raise ValueError(f"it does not hold {_POINTS} points")
    if not all(isinstance(point, list) and len(point) == 3 for point in points):
        raise ValueError("a point has not three numbers")
    sides: list[Any] = [content.get("width"), content.get("height")]
    if not all(type(number) in (int, float) for numbers in [*points, sides] for number in numbers):
        raise ValueError("something in it is not a number")
    fractions = np.array(points, np.float64)
    if not ((fractions >= _REACH[0]) & (fractions <= _REACH[1])).all():
        raise ValueError("a point lies far outside of the picture")
    if not ((middle := fractions[:, :2].mean(0)) >= 0).all() or not (middle <= 1).all():
        raise ValueError("most of the face lies outside of the picture")
    if not _like_a_face(fractions):
        raise ValueError("its points do not form a face")
    height, width = image.shape[:2]
    if not min(sides) > 0 or not abs(sides[0] * height / (sides[1] * width) - 1) < _SHAPE:
        raise ValueError("it was made for a picture of another shape")
    return fractions


def _like_a_face(points: Floats) -> bool:
    """Whether (478, 3) points are in the order of a face's that is not mirrored.

    Others would not just look wrong: taking the photo apart by them could take minutes.
    """
    known = neutral_face()[:, :2]
    known = np.column_stack([known, np.ones(len(known))])
    seen = points[: len(known), :2] - points[: len(known), :2].mean(0)
    fit = np.linalg.lstsq(known, seen, rcond=None)[0]
    unlike = np.square(seen - known @ fit).sum()
    return bool(unlike < _UNLIKE * np.square(seen).sum() and np.linalg.det(fit[:2]) > 0)
