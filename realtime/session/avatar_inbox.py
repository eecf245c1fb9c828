"""Where photos that were sent wait until they are looked at, and where they are kept then."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import PIL.Image

from models.errors import UserError
from models.folders import not_kept
from models.types import Image

KEPT_SIDE = 2048
"""Longer side in pixels of a photo that is kept: an avatar is 720, and may be one face of it."""

_QUALITY = 95
"""Of JPEG: the picture is compressed a second time and must not show it."""

_MAX_STEM = 60
"""Letters of a file's name that a name gives: in every alphabet less than 255 bytes with numbers
and endings."""


def stem_of(name: str) -> str:
    """The name of a file for what a user calls it: letters, digits and the like of it."""
    stem = re.sub(r"[^\w \-]+", "_", Path(name.replace("\\", "/")).stem).strip(" _")[:_MAX_STEM]
    return stem or "avatar"


def companions(photo: Path) -> list[Path]:
    """The files beside a photo that belong to it, such as `face.jpg.face.json`."""
    with contextlib.suppress(OSError):
        pattern = re.compile(re.escape(photo.name) + r"\.[a-z]+\.json")
        return sorted(path for path in photo.parent.iterdir() if pattern.fullmatch(path.name))
    return []


def small(image: Image, side: int = KEPT_SIDE) -> PIL.Image.Image:
    """A picture of at most so many pixels a side."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    picture = PIL.Image.fromarray(image)
    if scale < 1:
        picture = picture.resize((max(round(width * scale), 1), max(round(height * scale), 1)))
    return picture


class AvatarInbox:
    """A private folder of this run."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def new(self) -> Path:
        """An empty file for a photo that is being sent.

        Raises:
            UserError: it cannot be made.
        """
        try:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="avatarify-like-"))
            place = Path(tempfile.mkdtemp(dir=self._folder)) / "photo"
            place.touch()
        except OSError as error:
            folder = self._folder or Path(tempfile.gettempdir())
            raise UserError(not_kept("The photo", folder, error)) from error
        return place

    def named(self, file: Path, name: str) -> Path:
        """The same file under a name that says what the user calls it."""
        return file.rename(file.with_name(f"{stem_of(name)}.photo"))

    def drop(self, file: Path) -> None:
        """Delete one file and what came with it."""
        if self._folder is not None and self._folder in file.parents:
            shutil.rmtree(file.parent, ignore_errors=True)

    def close(self) -> None:
        """Delete everything."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def store(image: Image, folder: Path, stem: str, beside: Mapping[str, bytes] = {}) -> Path:
    """Keep a picture in a folder, without what a camera writes into its photos.

    Args:
        image: (H, W, 3) RGB.
        folder: made when it is needed.
        stem: what to call the file; numbered where there is such a file already.
        beside: what is kept beside it, by the ending of its name, such as ".face.json".

    Returns:
        The file of the picture.

    Raises:
        UserError: it cannot be written.
    """
    picture = small(image)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            path = folder / (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg")
            with contextlib.suppress(FileExistsError), path.open("xb") as file:
                picture.save(file, "JPEG", quality=_QUALITY, subsampling=0)
                # What was left behind by another photo of this name.
                for left in companions(path):
                    left.unlink(missing_ok=True)
                for ending, content in beside.items():
                    path.with_name(path.name + ending).write_bytes(content)
                return path
    except OSError as error:
        raise UserError(not_kept("The photo", folder, error)) from error
    raise UserError(f"There are too many photos called {stem}; give it another name.")
