"""The photo that a command animates."""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import UserError
from models.face.finder import FaceFinder
from models.photos import list_photos, load_photo
from models.types import Photo


def photo_paths(source: Path) -> list[Path]:
    """`source`, or the photos in it if it is a folder; at least one.

    Raises:
        UserError: the folder holds none or cannot be listed.
    """
    if not os.path.isdir(source):  # `Path.is_dir` raises where a name is too long to be one.
        return [source]
    photos = list_photos(source)
    if not photos:
        raise UserError(f"The folder {source} holds no photos; put one in or name a file.")
    return photos


def load_source(
    source: Path, finder: FaceFinder, face: int | None, everyone: bool = False
) -> Photo:
    """The photo to animate: `source`, or the first photo in it if it is a folder.

    Args:
        source: a photo or a folder of photos.
        finder: knows the faces in it.
        face: which face, from 1 on, largest first; None for the largest.
        everyone: all faces, unless one is named.

    Raises:
        UserError: there is no photo, it cannot be read, or it shows no such face.
    """
    return load_photo(photo_paths(source)[0], finder, face, everyone)
