"""The imported models of this backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from models.fomm.config import Config, config_named
from models.imported import MODELS_VARIABLE as MODELS_VARIABLE
from models.imported import FileEntry as FileEntry
from models.imported import Imported, Store, check_entries
from models.imported import check_name as check_name
from models.imported import describe as describe

IMPORT_COMMAND = "avatarify-like import-fomm vox-adv-cpk.pth.tar"
"""What users are told to run."""


@dataclass(frozen=True)
class Manifest(Imported):
    """What was imported.

    Attributes:
        config: the name of a `config.Config`.
        align_corners: see there.
        checkpoint: the file that was imported.
    """

    config: str
    align_corners: bool
    checkpoint: FileEntry

    @property
    def settings(self) -> Config:
        """The configuration that the networks were built with."""
        return replace(config_named(self.config), align_corners=self.align_corners)


def _manifest(name: str, files: Mapping[str, FileEntry], values: dict[str, Any]) -> Manifest:
    checkpoint = FileEntry(**values.pop("checkpoint"))
    check_entries([checkpoint])
    made = Manifest(name=name, files=files, checkpoint=checkpoint, **values)
    if not isinstance(made.config, str) or type(made.align_corners) is not bool:
        raise TypeError("a setting is of another kind")
    return made


STORE = Store(
    "fomm",
    1,
    IMPORT_COMMAND,
    "No First Order Motion Model has been imported yet; get the official weights and run",
    _manifest,
)
"""Where the models are."""


choose, imported, read, verified, write = (
    STORE.choose,
    STORE.imported,
    STORE.read,
    STORE.verified,
    STORE.write,
)
models_folder = STORE.folder


def describe_imported() -> str:
    """The models that are there, for `doctor`."""
    found = imported()
    if not found:
        return f"no model imported; it is optional: {IMPORT_COMMAND}"
    return ", ".join(f"{one.name} ({one.config})" for one in found)
