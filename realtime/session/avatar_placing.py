"""Photos on which a person has placed the points of a face, in the user's folder."""

from __future__ import annotations

from pathlib import Path

from models.errors import UserError
from models.face.face_file import write_placed
from models.face.placed import Placed
from models.folders import not_kept
from models.types import Face, Image
from realtime.session.avatar_inbox import small, store


def placed_face(placed: Placed, image: Image) -> Face:
    """The face of points on a picture (H, W, 3).

    Raises:
        UserError: they make none.
    """
    try:
        return placed.face((image.shape[1], image.shape[0]))
    except ValueError as error:
        raise UserError(f"These points make no face: {error}; move it and look again.") from error


def store_placed(image: Image, folder: Path, stem: str, placed: Placed) -> Path:
    """Keep a picture and its points; as `store`."""
    path = store(image, folder, stem)
    try:
        write_placed(path, image, placed)
    except UserError:
        path.unlink(missing_ok=True)
        raise
    return path


def store_again(image: Image, path: Path) -> None:
    """Keep a picture in place of another one, as it was turned.

    Raises:
        UserError: it cannot be written.
    """
    part = path.with_name(f".{path.stem}.part.jpg")
    try:
        small(image).save(part, "JPEG", quality=95, subsampling=0)
        part.replace(path)
    except OSError as error:
        raise UserError(not_kept("The photo", path.parent, error)) from error
    finally:
        part.unlink(missing_ok=True)
