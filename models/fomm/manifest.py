"""The folder of imported models: what is in it, and that it is what was written there."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.folders import kept
from models.fomm.config import Config, config_named

MODELS_VARIABLE = "AVATARIFY_MODELS"
"""The environment variable that names another folder of models."""

IMPORT_COMMAND = "avatarify-like import-fomm vox-adv-cpk.pth.tar"
"""What users are told to run."""

_FILE = "manifest.json"
_FORMAT = 1
"""Of the file; a model of another one is refused, and imported again."""


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
class Manifest:
    """What was imported.

    Attributes:
        name: of the folder.
        config: the name of a `config.Config`.
        align_corners: see there.
        checkpoint: the file that was imported.
        imported: when, seconds since 1970.
        files: by network and precision, such as "render.fp16".
        losses: by precision, measured at the import, in words.
    """

    name: str
    config: str
    align_corners: bool
    checkpoint: FileEntry
    imported: float
    files: Mapping[str, FileEntry]
    losses: Mapping[str, str]

    @property
    def settings(self) -> Config:
        """The configuration that the networks were built with."""
        return replace(config_named(self.config), align_corners=self.align_corners)


def models_folder() -> Path:
    """Where models are kept: `AVATARIFY_MODELS`, else where the user's data is."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return (Path(os.path.expanduser(chosen)) if chosen else kept("data") / "models") / "fomm"


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


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder whose files are all there."""
    text = json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=2)
    (folder / _FILE).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Manifest:
    """The manifest of one model's folder.

    Raises:
        UserError: it is missing or damaged.
    """
    try:
        data: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        if data.pop("format") != _FORMAT:
            raise UserError(
                f"The model in {folder} was imported by another version of this program; "
                f"import it again: {IMPORT_COMMAND}"
            )
        files = {key: FileEntry(**entry) for key, entry in data.pop("files").items()}
        checkpoint = FileEntry(**data.pop("checkpoint"))
        # The name is a path: that of the folder, whatever the file says.
        made = Manifest(**{**data, "files": files, "checkpoint": checkpoint, "name": folder.name})
        _check_types(made)
        return made
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"The manifest of the model in {folder} is missing or damaged; "
            f"import it again: {IMPORT_COMMAND}"
        ) from error


def _check_types(manifest: Manifest) -> None:
    """Refuse what JSON can hold but a manifest cannot.

    Raises:
        TypeError: a value is of another kind.
        ValueError: the moment of the import is no number.
    """
    entries = [manifest.checkpoint, *manifest.files.values()]
    texts = [manifest.config, *manifest.losses.values(), *manifest.losses]
    texts += [text for entry in entries for text in (entry.file, entry.sha256)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text is none")
    if not all(type(entry.size) is int for entry in entries):
        raise TypeError("a size is no whole number")
    if type(manifest.align_corners) is not bool or type(manifest.imported) not in (int, float):
        raise TypeError("a setting is of another kind")
    if not math.isfinite(manifest.imported):
        raise ValueError("the moment is no number")


def imported() -> list[Manifest]:
    """All models that can be read, the newest first."""
    found = []
    for path in models_folder().glob(f"*/{_FILE}"):
        try:
            found.append(read(path.parent))
        except UserError:
            continue
    return sorted(found, key=lambda manifest: manifest.imported, reverse=True)


def describe_imported() -> str:
    """The models that are there, for `doctor`."""
    found = imported()
    if not found:
        return f"no model imported; it is optional: {IMPORT_COMMAND}"
    return ", ".join(f"{one.name} ({one.config})" for one in found)


def choose(name: str = "") -> tuple[Path, Manifest]:
    """The model called `name`, or the newest one, with its folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    folder = models_folder()
    if name and (folder / check_name(name)).is_dir():
        return folder / name, read(folder / name)
    found = imported()
    if name and found:
        names = ", ".join(manifest.name for manifest in found)
        raise UserError(f"There is no imported model called {name!r}; choose one of: {names}.")
    if found:
        return folder / found[0].name, found[0]
    damaged = sorted(folder.glob(f"*/{_FILE}"))
    if damaged:
        read(damaged[0].parent)
    raise UserError(
        f"No First Order Motion Model has been imported yet; get the official weights and run: "
        f"{IMPORT_COMMAND}"
    )


def verified(folder: Path, manifest: Manifest, key: str) -> Path:
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
            f"import the model again: {IMPORT_COMMAND}"
        )
    return path


def describe(path: Path) -> FileEntry:
    """A file's name, size and hash."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(path.name, path.stat().st_size, digest)
