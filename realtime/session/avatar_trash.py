"""Photos that were removed, until nobody can want them back."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_WEEK = 7 * 24 * 3600.0
"""Seconds after which what a run has left behind is deleted by another one."""


class AvatarTrash:
    """A hidden folder beside the avatars; every removal has a folder of its own in it."""

    def __init__(self, folder: Path) -> None:
        """Delete what earlier runs have left here more than a week ago.

        Args:
            folder: made when it is needed.
        """
        self._folder = folder
        self._ours: list[Path] = []
        now = time.time()
        with suppress(OSError):
            for left in folder.iterdir():
                if now - left.stat().st_mtime > _WEEK:
                    shutil.rmtree(left, ignore_errors=True)

    def put(self, paths: Sequence[Path]) -> Path:
        """Move files here, all or none.

        Returns:
            The folder in which they lie now, under their own names.

        Raises:
            OSError: one cannot be moved.
        """
        place = self._folder / secrets.token_hex(8)
        place.mkdir(parents=True)
        self._ours.append(place)
        moved: list[Path] = []
        try:
            for path in paths:
                path.rename(place / path.name)
                moved.append(path)
        except OSError:
            for path in moved:
                (place / path.name).rename(path)
            self._drop(place)
            raise
        return place

    def take_back(self, place: Path, folder: Path) -> None:
        """Move the files of a removal back into a folder.

        Raises:
            OSError: they are no longer there, cannot be moved, or have been replaced by others.
        """
        found = sorted(place.iterdir())
        if any((folder / path.name).exists() for path in found):
            raise FileExistsError("another file has this name now")
        for path in found:
            path.rename(folder / path.name)
        self._drop(place)

    def empty(self) -> None:
        """Delete what this run has put here."""
        for place in tuple(self._ours):
            self._drop(place)
        with suppress(OSError):
            self._folder.rmdir()  # Only an empty folder goes.

    def _drop(self, place: Path) -> None:
        self._ours.remove(place)
        shutil.rmtree(place, ignore_errors=True)
