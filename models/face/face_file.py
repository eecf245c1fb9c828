"""A face's landmarks in a file beside its photo, such as `face.jpg.face.json` for `face.jpg`.

Where it exists, the photo's face is not searched for: so a person can place the points of a face
that the networks do not see. It is JSON:

    {"version": 1, "width": 768, "height": 1024, "landmarks": [[0.5, 0.25, -0.01], ...]}

- `width`, `height`: of the upright picture that the points were placed on; a copy of another size
  will do as well, one of another shape will not.
- `landmarks`: 478 points in the order of `models.types.Face`, as fractions of the picture: x and z
  of its width, y of its height.

Instead of these it may hold the few points that a person has placed (`models.face.placed`), as
fractions likewise, and what kind of face it is: person, creature or drawing.

    {"version": 1, "width": 768, "height": 1024,
     "kind": "creature", "placed": {"nose": [0.5, 0.6], ...}}
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import UserError
from models.face.placed import Placed
from models.face.topology import neutral_face
from models.types import KINDS, Face, Floats, Image

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
    content = _read(photo, image)
    return None if content is None else content[1]


def read_placed(photo: Path, image: Image) -> Placed | None:
    """The few points that a person has placed, or None where the photo has no file of these.

    Args:
        photo: the photo's file.
        image: its picture, (H, W, 3), upright.

    Raises:
        UserError: as of `read_face`.
    """
    content = _read(photo, image)
    if content is None or "placed" not in content[0]:
        return None
    return _placed(content[0])


def _read(photo: Path, image: Image) -> tuple[dict[str, Any], Face] | None:
    """What the file beside a photo holds, and the face that this is; None without a file."""
    path = face_path(photo)
    if not os.path.exists(path):
        return None
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
            raise ValueError("it is too large, or no file at all")
        content = json.loads(path.read_bytes())
        return content, _face(content, image)
    # Deeply nested lists are a RecursionError, whole numbers of many digits an OverflowError.
    except (OSError, ValueError, RecursionError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"The face's points in {path} cannot be used ({reason}); place them again, or delete "
            "this file to have the face searched for."
        ) from error


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
    return _write(photo, image, {"landmarks": fractions.tolist()})


def write_placed(photo: Path, image: Image, placed: Placed) -> Path:
    """As `write_face`, of the few points that a person has placed.

    Raises:
        ValueError: they make no face; a clause that says what is wrong.
        UserError: the file cannot be written.
    """
    return _write(photo, image, placed.content())


def _write(photo: Path, image: Image, points: dict[str, Any]) -> Path:
    """Write the file beside a photo, if it can be read again."""
    height, width = image.shape[:2]
    content = {"version": _VERSION, "width": width, "height": height, **points}
    _face(content, image)
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


def _face(content: Any, image: Image) -> Face:
    """The face that a file holds.

    Raises:
        ValueError, OverflowError: it holds something else, or was made for another picture.
    """
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise ValueError(f"it is not of version {_VERSION}")
    height, width = image.shape[:2]
    sides: list[Any] = [content.get("width"), content.get("height")]
    if not all(type(number) in (int, float) for number in sides):
        raise ValueError("something in it is not a number")
    if not min(sides) > 0 or not abs(sides[0] * height / (sides[1] * width) - 1) < _SHAPE:
        raise ValueError("it was made for a picture of another shape")
    if "placed" in content:
        face = _placed(content).face((width, height))
        _check(face.landmarks / _scale(image))
        return face
    kind = content.get("kind", "person")
    if kind not in KINDS:
        raise ValueError(f"its kind is none of {', '.join(KINDS)}")
    landmarks = _fractions(content) * _scale(image)
    return Face(landmarks.astype(np.float32), None, 1.0, kind=kind)


def _placed(content: dict[str, Any]) -> Placed:
    return Placed.of(content["placed"], content.get("kind", "person"), content.get("snout"))


def _fractions(content: dict[str, Any]) -> Floats:
    """The (478, 3) fractions that a file holds.

    Raises:
        ValueError, OverflowError: it holds something else.
    """
    points = content.get("landmarks")
    if not isinstance(points, list) or len(points) != _POINTS:
        raise ValueError(f"it does not hold {_POINTS} points")
    if not all(isinstance(point, list) and len(point) == 3 for point in points):
        raise ValueError("a point has not three numbers")
    if not all(type(number) in (int, float) for numbers in points for number in numbers):
        raise ValueError("something in it is not a number")
    fractions = np.array(points, np.float64)
    _check(fractions)
    return fractions


def _check(fractions: Floats) -> None:
    """Raise ValueError if (478, 3) fractions of a picture are no face in it."""
    if not ((fractions >= _REACH[0]) & (fractions <= _REACH[1])).all():
        raise ValueError("a point lies far outside of the picture")
    if not ((middle := fractions[:, :2].mean(0)) >= 0).all() or not (middle <= 1).all():
        raise ValueError("most of the face lies outside of the picture")
    if not _like_a_face(fractions):
        raise ValueError("its points do not form a face")


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
