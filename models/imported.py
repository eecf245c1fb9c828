"""The folders of imported models: what is in them, and that it is what was written there.

A backend whose weights users bring has one `Store`, with a folder for each model in it: graphs by
network and precision, such as "render.fp16.onnx", and a manifest that knows their hashes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from models.errors import UserError
from models.folders import kept

MODELS_VARIABLE = "AVATARIFY_MODELS"
"""The environment variable that names another folder of models."""

_FILE = "manifest.json"


@dataclass(frozen=True)
class FileEntry:
    """A file beside the manifest.

    Attributes:
        file: its name.
        size: bytes.
        sha256: hexadecimal.
    """

    file: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Imported:
    """What every manifest says.

    Attributes:
        name: of the folder.
        imported: when, seconds since 1970.
        files: by network and precision, such as "render.fp16".
        losses: by precision, measured at the import, in words.
    """

    name: str
    imported: float
    files: Mapping[str, FileEntry]
    losses: Mapping[str, str]


M = TypeVar("M", bound=Imported)


@dataclass(frozen=True)
class Store(Generic[M]):
    """The imported models of one backend.

    Attributes:
        kind: the name of the folder, the backend's.
        form: the version of the manifests; a model of another one is imported again.
        command: what users are told to run to import one.
        nothing: what is said where there is none, the beginning of a sentence.
        read_own: makes the manifest of the values of its file, without name and files; raises
            `ValueError`, `TypeError`, `LookupError` or `AttributeError` where they are no such.
    """

    kind: str
    form: int
    command: str
    nothing: str
    read_own: Callable[[str, Mapping[str, FileEntry], dict[str, Any]], M]

    def folder(self) -> Path:
        """Where the models are kept: `AVATARIFY_MODELS`, else where the user's data is."""
        chosen = os.environ.get(MODELS_VARIABLE)
        place = Path(os.path.expanduser(chosen)) if chosen else kept("data") / "models"
        return place / self.kind

    def write(self, folder: Path, manifest: M) -> None:
        """Write the manifest of a folder whose files are all there."""
        text = json.dumps({"format": self.form, **asdict(manifest)}, indent=2)
        (folder / _FILE).write_text(text + "\n", encoding="utf-8")

    def read(self, folder: Path) -> M:
        """The manifest of one model's folder.

        Raises:
            UserError: it is missing or damaged.
        """
        try:
            data: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            if data.pop("format") != self.form:
                raise UserError(
                    f"The model in {folder} was imported by another version of this program; "
                    f"import it again: {self.command}"
                )
            files = {key: FileEntry(**entry) for key, entry in data.pop("files").items()}
            # The name is a path: that of the folder, whatever the file says.
            data.pop("name", None)
            made = self.read_own(folder.name, files, data)
            _check_types(made)
            return made
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as bad:
            raise UserError(
                f"The manifest of the model in {folder} is missing or damaged; "
                f"import it again: {self.command}"
            ) from bad

    def imported(self) -> list[M]:
        """All models that can be read, the newest first."""
        found = []
        for path in self.folder().glob(f"*/{_FILE}"):
            try:
                found.append(self.read(path.parent))
            except UserError:
                continue
        return sorted(found, key=lambda manifest: manifest.imported, reverse=True)

    def choose(self, name: str = "") -> tuple[Path, M]:
        """The model called `name`, or the newest one, with its folder.

        Raises:
            UserError: there is none, or it is damaged.
        """
        folder = self.folder()
        if name and (folder / check_name(name)).is_dir():
            return folder / name, self.read(folder / name)
        found = self.imported()
        if name and found:
            names = ", ".join(manifest.name for manifest in found)
            raise UserError(f"There is no imported model called {name!r}; choose one of: {names}.")
        if found:
            return folder / found[0].name, found[0]
        damaged = sorted(folder.glob(f"*/{_FILE}"))
        if damaged:
            self.read(damaged[0].parent)
        raise UserError(f"{self.nothing}: {self.command}")

    def verified(self, folder: Path, manifest: M, key: str) -> Path:
        """The path of a file of the model, after checking its size and hash.

        Args:
            folder: the model's.
            manifest: what is in it.
            key: network and precision, such as "render.fp16".

        Raises:
            UserError: it is not the file that was written at the import.
        """
        entry = manifest.files[key]
        path = folder / entry.file
        if path.parent != folder or not path.is_file() or describe(path) != entry:
            raise UserError(
                f"The file {path} is missing or was changed since the import; "
                f"import the model again: {self.command}"
            )
        return path

    @contextmanager
    def new(self, name: str) -> Iterator[Path]:
        """An empty folder for a model, which takes the place of the one of this name at the end.

        Raises:
            UserError: the name cannot be used, or the folder cannot be written to.
        """
        check_name(name)
        folder = self.folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".import-", dir=folder) as aside:
                part, old = Path(aside) / name, Path(aside) / "old"
                part.mkdir()
                yield part
                if (folder / name).exists():
                    os.replace(folder / name, old)
                os.replace(part, folder / name)
                shutil.rmtree(old, ignore_errors=True)
        except OSError as error:
            raise UserError(
                f"The model cannot be written to {folder} ({error.strerror or error}); free some "
                f"space there or name another folder in the environment variable "
                f"{MODELS_VARIABLE}."
            ) from error


def files_in(part: Path) -> dict[str, FileEntry]:
    """The files of a new model by network and precision."""
    return {file.name.rsplit(".", 1)[0]: describe(file) for file in sorted(part.iterdir())}


def check_name(name: str) -> str:
    """The name of a model, which is also that of its folder.

    Raises:
        UserError: it cannot be one.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise UserError(
            f"The name {name!r} cannot be used; take letters, digits, dots, dashes and underscores."
        )
    return name


def describe(path: Path) -> FileEntry:
    """A file's name, size and hash."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.name, path.stat().st_size, digest)


def _check_types(manifest: Imported) -> None:
    """Refuse what JSON can hold but a manifest cannot.

    Raises:
        TypeError: a value is of another kind.
        ValueError: the moment of the import is no number.
    """
    texts = [*manifest.losses.values(), *manifest.losses]
    check_entries(manifest.files.values())
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if type(manifest.imported) not in (int, float):
        raise TypeError("the moment is of another kind")
    if not math.isfinite(manifest.imported):
        raise ValueError("the moment is no number")


def check_entries(entries: Iterable[FileEntry]) -> None:
    """Refuse entries whose values are of other kinds.

    Raises:
        TypeError: one is.
    """
    for entry in entries:
        if not isinstance(entry.file, str) or not isinstance(entry.sha256, str):
            raise TypeError("a text is none")
        if type(entry.size) is not int:
            raise TypeError("a size is no whole number")
