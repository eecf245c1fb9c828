"""How the backend `fomm` is made, and what is said about it before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.backends import Backend, BackendChoice
from models.fomm.commands import add_commands

if TYPE_CHECKING:
    from models.animator import Animator


def _create(choice: str) -> Animator:
    from models.fomm.backend import create

    return create(choice)


def _describe() -> list[str]:
    from models.fomm.manifest import describe_imported

    try:
        from models.runtime import describe_device

        device = describe_device()
    except (ImportError, OSError) as error:
        device = f"nothing ({error})"
    return [describe_imported(), f"would compute on {device}"]


def _choices() -> list[BackendChoice]:
    from models.fomm.manifest import IMPORT_COMMAND, imported

    label = "First Order Motion"
    found = [
        BackendChoice(f"fomm:{one.name}", f"{label} ({one.name})", True, "a graphics card helps")
        for one in imported()
    ]
    lacks = f"no model is imported yet; run: {IMPORT_COMMAND}"
    return found or [BackendChoice("fomm", label, False, lacks)]


BACKEND = Backend(_create, _describe, add_commands, _choices)
