"""Where the page's clips are kept: photos, driving clips, what was seen of them, and results."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import UserError
from models.face.face_file import face_path
from models.folders import not_kept
from realtime.clips.job import Job, is_id, new_id, plain_name, read_job, write_job, write_whole

_SPARE = 200_000_000
"""Bytes that stay free on the disk when a clip is taken: the pictures of a look at it take up to
20 MB, and a result of some minutes 100 MB."""


@dataclass(frozen=True)
class Material:
    """A photo or a driving clip that was given.

    Attributes:
        id: its name, and that of its folder.
        path: the file.
        name: what its user calls it.
    """

    id: str
    path: Path
    name: str

    @property
    def folder(self) -> Path:
        """Where it lies, with what was made of it."""
        return self.path.parent

    @property
    def thumbnail(self) -> Path:
        """A small square picture of a photo's face."""
        return self.folder / "thumbnail.jpg"

    @property
    def seen(self) -> Path:
        """The folder of what was seen of a driving clip."""
        return self.folder / "seen"


class Store:
    """The folder of all that. Its methods may be called by any thread."""

    def __init__(self, folder: Path) -> None:
        """Make nothing yet.

        Args:
            folder: the user's own; made when it is needed.
        """
        self.folder = folder

    def jobs(self) -> list[Job]:
        """Those that are kept, the oldest first; damaged ones are left out."""
        found = [read_job(self._jobs / name / "job.json") for name in self._names(self._jobs)]
        return sorted((job for job in found if job is not None), key=lambda job: job.made_at)

    def save(self, job: Job) -> None:
        """Keep a job as it is now.

        Raises:
            UserError: it cannot be written.
        """
        try:
            self.job_folder(job).mkdir(parents=True, exist_ok=True)
            write_job(self.job_folder(job) / "job.json", job)
        except OSError as error:
            raise UserError(not_kept("The clip", self.folder, error)) from error

    def job_folder(self, job: Job) -> Path:
        """Where a job's files are."""
        return self._jobs / job.id

    def result(self, job: Job) -> Path:
        """The clip that was made."""
        return self.job_folder(job) / job.file_name

    def driver(self, job: Job) -> Path:
        """The driving clip, as browsers show it, of the same length."""
        return self.job_folder(job) / "driver.mp4"

    def new_material(self, name: str, size: int) -> Material:
        """Make room for a photo or a driving clip; its file is not there yet.

        Args:
            name: what its user calls the file.
            size: bytes that it will have, as far as that is known.

        Raises:
            UserError: the disk is full, or nothing can be written.
        """
        stem = plain_name(name, "clip")
        suffix = Path(name).suffix.lower()
        if not suffix[1:].isalnum() or len(suffix) > 6:
            suffix = ""
        identity = new_id()
        folder = self._materials / identity
        try:
            folder.mkdir(parents=True)
            write_whole(folder / "name.json", json.dumps({"file": stem + suffix}).encode())
            self.check_room(size)
        except OSError as error:
            raise UserError(not_kept("This file", self.folder, error)) from error
        return Material(identity, folder / (stem + suffix), stem)

    def check_room(self, size: int) -> None:
        """Make sure that the disk has room for so many bytes more.

        Raises:
            UserError: it has not.
        """
        try:
            total, _, free = shutil.disk_usage(self.folder)
        except OSError:
            return
        # A file system that does not count says that it has nothing at all.
        if total and free < size + _SPARE:
            raise UserError(
                f"The disk is nearly full: {(size + _SPARE) / 1e9:.1f} GB are needed and "
                f"{free / 1e9:.1f} GB are free; make room, or remove clips here."
            )

    def copy_photo(self, path: Path) -> Material:
        """Take a photo of the list of avatars, with the face that was placed in it by hand.

        Raises:
            UserError: it is gone, or the disk refuses it.
        """
        try:
            material = self.new_material(path.name, path.stat().st_size)
            shutil.copyfile(path, material.path)
            if face_path(path).exists():
                shutil.copyfile(face_path(path), face_path(material.path))
        except OSError as error:
            raise UserError(
                f"{path.stem} cannot be copied ({error.strerror}); choose another photo."
            ) from error
        return material

    def material(self, identity: object) -> Material:
        """A photo or driving clip by its id.

        Raises:
            UserError: there is none.
        """
        if is_id(identity):
            folder = self._materials / str(identity)
            with suppress(OSError, ValueError, KeyError, TypeError):
                name = Path(json.loads((folder / "name.json").read_text("utf-8"))["file"]).name
                if (folder / name).is_file():
                    return Material(str(identity), folder / name, Path(name).stem)
        raise UserError("This file is no longer there; choose it again.")

    def keep_materials(self, used: Iterable[str]) -> None:
        """Delete every photo and driving clip but these."""
        keep = set(used)
        for name in self._names(self._materials):
            if name not in keep:
                shutil.rmtree(self._materials / name, ignore_errors=True)

    def clear(self, job: Job) -> None:
        """Delete what is left of a result that did not become one, but for its folder of frames."""
        with suppress(OSError):
            for path in self.job_folder(job).iterdir():
                if path.name != "job.json" and not path.is_dir():
                    path.unlink(missing_ok=True)

    def remove(self, job: Job) -> None:
        """Delete a job with its result.

        Raises:
            UserError: it cannot be deleted.
        """
        folder = self.job_folder(job)
        try:
            # First what says that it is one: an interruption leaves no half of a job.
            (folder / "job.json").unlink(missing_ok=True)
            shutil.rmtree(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UserError(
                f"{job.title} cannot be deleted ({error.strerror}); close what uses it."
            ) from error

    def told(self, sentence: str) -> str:
        """A sentence without the folders of our own that are in it."""
        for root in (self._materials, self._jobs):
            start = sentence.find(str(root) + os.sep)
            while start >= 0:
                end = start + len(str(root)) + 1 + 16 + 1
                sentence = sentence[:start] + sentence[end:]
                start = sentence.find(str(root) + os.sep)
        return sentence

    @property
    def _jobs(self) -> Path:
        return self.folder / "jobs"

    @property
    def _materials(self) -> Path:
        return self.folder / "material"

    @staticmethod
    def _names(folder: Path) -> Iterator[str]:
        with suppress(OSError):
            yield from (name for name in os.listdir(folder) if is_id(name))
