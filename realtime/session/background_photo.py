"""The photo behind the person: the one that the run began with, or the last one that was given."""

from __future__ import annotations

import os
from pathlib import Path

import PIL.Image

from models.errors import UserError
from models.folders import not_kept
from models.photos import decode_image, load_image
from realtime.canvas.background import Background

MAX_UPLOAD = 40_000_000
"""Bytes of a photo: as of one for an avatar."""

_MAX_PIXELS = 50_000_000
"""The same of its pixels; one of so many takes 150 MB while it is read."""

_SIDE = 2560
"""Longer side in pixels that is kept: a canvas is hardly larger, and a background is out of the
way."""


class BackgroundPhoto:
    """Keeps one photo for the next runs, too."""

    def __init__(self, file: Path | None) -> None:
        """Know where it is kept.

        Args:
            file: a JPEG file, which need not be there; None: nothing is kept.
        """
        self._file = file
        self._now: Background | None = None

    def begin_with(self, photo: Background) -> None:
        """Take the photo of `--background` for this run; it is not kept."""
        self._now = photo

    def __call__(self) -> Background:
        """The photo.

        Raises:
            UserError: none was given yet, or it cannot be read any more.
        """
        if self._now is None:
            if self._file is None or not self._file.is_file():
                raise UserError("There is no photo for the background yet; choose one first.")
            self._now = Background("photo", load_image(self._file))
        return self._now

    def give(self, data: bytes) -> None:
        """Take another photo.

        Args:
            data: a file of at most `MAX_UPLOAD` bytes.

        Raises:
            UserError: it is no picture or too large, or it cannot be kept.
        """
        if len(data) > MAX_UPLOAD:
            raise UserError(
                f"Photos of up to {MAX_UPLOAD // 1_000_000} MB can be used; take a smaller copy."
            )
        image = decode_image(data, Path("The photo"), _MAX_PIXELS)
        picture = PIL.Image.fromarray(image)
        picture.thumbnail((_SIDE, _SIDE))
        if self._file is not None:
            beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                picture.save(beside, "JPEG", quality=92)
                beside.replace(self._file)
            except OSError as error:
                raise UserError(not_kept("The photo", self._file.parent, error)) from error
        self._now = Background("photo", image)
