"""Pictures that took long to draw, kept on the disk, so that an interrupted clip can be resumed."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from pathlib import Path

import cv2
import numpy as np

from models.types import Image
from realtime.animation.animation import Drawn

_log = logging.getLogger(__name__)

WORTH = 0.3
"""Seconds that a picture must have taken: one of 1280 pixels is written in 0.1, so that a quick
backend, which is as soon there again, loses nothing."""

_STATED = "made-from"
"""The file that says what the pictures were made from."""


class KeptFrames:
    """The pictures of one clip that is being made, by the numbers of their frames.

    What cannot be written is left out: the clip is then drawn anew after an interruption.
    """

    def __init__(self, folder: Path, made_from: object, worth: float = WORTH) -> None:
        """Look for what an interrupted run has left, and delete what was made from other things.

        Args:
            folder: for the pictures; it is made with the first one.
            made_from: all that the pictures depend on; its `repr` says so.
            worth: seconds that a picture must have taken to be kept.
        """
        self._folder, self._worth, self._broken = folder, worth, False
        self._key = hashlib.sha256(repr(made_from).encode()).hexdigest()
        if folder.is_dir() and self._found() != self._key:
            shutil.rmtree(folder, ignore_errors=True)

    def get(self, number: int) -> Drawn | None:
        """The picture of a frame, if it was kept and is whole."""
        image = self._read(number, "image", cv2.IMREAD_COLOR)
        if image is None:
            return None
        person = self._read(number, "person", cv2.IMREAD_UNCHANGED)
        return Drawn(image, person)

    def keep(self, number: int, drawn: Drawn, seconds: float) -> None:
        """Keep the picture of a frame that took some seconds, if that is worth it."""
        if seconds < self._worth or self._broken:
            return
        try:
            if self._found() != self._key:
                self._folder.mkdir(parents=True, exist_ok=True)
                (self._folder / _STATED).write_text(self._key, "ascii")
            # The person first: a picture without it would pass for one that has none.
            if drawn.person is not None:
                self._write(number, "person", drawn.person)
            self._write(number, "image", drawn.image)
        except (OSError, cv2.error) as error:
            self._broken = True
            _log.warning("pictures are no longer kept for a later resumption: %s", error)

    def _found(self) -> str:
        try:
            return (self._folder / _STATED).read_text("ascii")
        except (OSError, ValueError):
            return ""

    def _path(self, number: int, what: str) -> Path:
        return self._folder / f"{number}.{what}.png"

    def _write(self, number: int, what: str, image: Image) -> None:
        turned = image[..., ::-1] if image.shape[2] == 3 else image
        # What is written is read soon or never: quickly rather than small.
        done, data = cv2.imencode(".png", turned, (cv2.IMWRITE_PNG_COMPRESSION, 1))
        if not done:
            raise OSError("it cannot be encoded")
        path = self._path(number, what)
        part = path.with_suffix(".part")
        part.write_bytes(data.tobytes())
        os.replace(part, path)

    def _read(self, number: int, what: str, how: int) -> Image | None:
        try:
            data = np.frombuffer(self._path(number, what).read_bytes(), np.uint8)
            image = cv2.imdecode(data, how) if len(data) else None
        except (OSError, cv2.error):
            return None
        if image is None:
            return None
        turned = image[..., ::-1] if image.shape[2] == 3 else image
        return np.ascontiguousarray(turned, np.uint8)


def kept_count(folder: Path) -> int:
    """How many pictures a folder has."""
    return len(list(folder.glob("*.image.png"))) if folder.is_dir() else 0
