"""The imported models of this backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.imported import FileEntry, Imported, Store, check_entries

IMPORT_COMMAND = "avatarify-like import-liveportrait FOLDER"
"""What users are told to run who have the files."""

DOWNLOAD_COMMAND = "avatarify-like download-liveportrait"
"""What users are told to run who have not."""


@dataclass(frozen=True)
class Manifest(Imported):
    """What was imported.

    Attributes:
        animals: the weights are those of the animals mode.
        sources: the files that were imported.
    """

    animals: bool
    sources: tuple[FileEntry, ...]


def _manifest(name: str, files: Mapping[str, FileEntry], values: dict[str, Any]) -> Manifest:
    sources = tuple(FileEntry(**entry) for entry in values.pop("sources"))
    check_entries(sources)
    made = Manifest(name=name, files=files, sources=sources, **values)
    if type(made.animals) is not bool:
        raise TypeError("a setting is of another kind")
    return made


STORE = Store(
    "liveportrait",
    1,
    IMPORT_COMMAND,
    f"No LivePortrait model has been imported yet; run {DOWNLOAD_COMMAND}, or, where its files "
    "are here already",
    _manifest,
)
"""Where the models are."""


def describe_imported() -> str:
    """The models that are there, for `doctor`."""
    found = STORE.imported()
    if not found:
        return f"no model imported; it is optional: {DOWNLOAD_COMMAND}"
    return ", ".join(f"{one.name} (animals)" if one.animals else one.name for one in found)
