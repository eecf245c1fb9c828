"""Decoded clips on the disk, so that training does not wait for decoders.

A clip is one .npy file that is mapped into memory: a frame costs the time of reading it. What is
kept belongs to a file of one time and size; it is written under another name and then renamed, so
any number of processes may share a folder. When the folder is full, nothing more is kept: throwing
out what the same epoch needs again would only make work.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.fomm.training.frames import frame_files, read_clip
from models.types import Image

DEFAULT_BYTES = 20_000_000_000
"""Of the cache: 100,000 frames of 256 x 256, more than an hour of one's own footage."""

_HEAD = 1_000
"""Bytes that an .npy file may need beside its array; in truth 128."""


class FrameCache:
    """A bounded folder of decoded clips.

    Attributes:
        folder: where they are.
        limit: bytes that it may take.
    """

    def __init__(self, folder: Path, limit: int = DEFAULT_BYTES) -> None:
        """Use a folder, which is made if it lacks.

        Raises:
            UserError: it cannot be made.
        """
        self.folder = folder
        self.limit = limit
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"The folder {folder} for decoded frames cannot be made ({error.strerror}); name "
                "another one."
            ) from error

    def clip(self, path: Path, shape: tuple[int, int], place: Path | None = None) -> Image:
        """A clip's frames (T, H, W, 3), mapped from the disk where they are kept, else decoded.

        Args:
            path: as for `read_clip`.
            shape: likewise.
            place: what `place` has said; None: ask it.

        Raises:
            UserError: it cannot be read.
        """
        place = place or self.place(path, shape)
        kept = self._mapped(place)
        if kept is not None:
            return kept
        frames = read_clip(path, shape)
        self._keep(place, frames)
        return frames

    def place(self, path: Path, shape: tuple[int, int]) -> Path:
        """The file of a clip as it is now: another one once the clip is changed.

        Raises:
            UserError: there is no such clip.
        """
        try:
            parts = [path, *(frame_files(path) if path.is_dir() else ())]
            marks = [(str(one), one.stat().st_mtime_ns, one.stat().st_size) for one in parts]
        except OSError as error:
            raise UserError(
                f"{path} cannot be read ({error.strerror}); repair it or remove it from the data."
            ) from error
        if path.is_dir():  # Its own time changes with files that are no frames.
            marks[0] = (str(path.resolve()), 0, 0)
        else:
            marks[0] = (str(path.resolve()), *marks[0][1:])
        # The shape counts only where it cuts.
        text = repr((marks, shape if path.is_file() else ()))
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy"

    def size(self) -> int:
        """Bytes that it takes now."""
        total = 0
        for one in self.folder.glob("*.npy"):
            with suppress(OSError):  # Another process may have removed it.
                total += one.stat().st_size
        return total

    def drop_all_but(self, wanted: Collection[Path], needed: int = 0) -> None:
        """Make room: remove the oldest clips that nobody wants, until `needed` bytes fit.

        Args:
            wanted: files, of `place`, that stay.
            needed: bytes that must fit beside what is there.
        """
        names = {one.name for one in wanted}
        spare = [one for one in self.folder.glob("*.npy") if one.name not in names]
        total = self.size()
        for one in sorted(spare, key=_time):
            if total + needed <= self.limit:
                return
            with suppress(OSError):
                length = one.stat().st_size
                one.unlink()
                total -= length

    def _mapped(self, place: Path) -> Image | None:
        try:
            frames: Image = np.load(place, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):  # Cut off, as by a full disk.
            with suppress(OSError):
                place.unlink()
            return None
        return frames

    def _keep(self, place: Path, frames: Image) -> None:
        if self.size() + frames.nbytes + _HEAD > self.limit:
            return
        made: Path | None = None
        try:
            handle, name = tempfile.mkstemp(prefix="part-", suffix=".tmp", dir=self.folder)
            made = Path(name)
            with open(handle, "wb") as file:
                np.save(file, frames)
            os.replace(made, place)
        except OSError:  # A full disk: training goes on, only slower.
            if made is not None:
                made.unlink(missing_ok=True)


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
