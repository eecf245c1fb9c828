"""Where the program keeps its files: the one folder that the user names, or the system's usual."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

import platformdirs

HOME_VARIABLE = "AVATARIFY_HOME"
"""Names one folder for all that is kept, in place of the system's usual ones."""

NAME = "avatarify-like"

Kind: TypeAlias = Literal["config", "data", "cache", "log", "videos"]

NOWHERE = Path(os.devnull, NAME)
"""Stands for the folders of a user without a home, or with one that is closed to them: nothing can
be kept in it, not even by root, so that it fails as any other that cannot be written to."""


def kept(kind: Kind) -> Path:
    """The folder of what is chosen, of data, of what can be fetched again, of logs or of videos.

    Looked up at each call, and not made. It is `NOWHERE` for a user without a home.
    """
    named = os.environ.get(HOME_VARIABLE)
    if named:
        home = Path(os.path.expanduser(named))
        found = home if kind in ("config", "data") else home / kind
    else:
        found = _usual(kind)
    try:
        os.stat(found / NAME)
    except PermissionError:
        return NOWHERE  # Even asking what is in it would fail.
    except (OSError, ValueError):
        pass
    return found


def _usual(kind: Kind) -> Path:
    # Without `appauthor=False` Windows would get the name twice.
    usual = platformdirs.PlatformDirs(NAME, appauthor=False)
    try:
        found: Path = getattr(usual, f"user_{kind}_path")
    except (RuntimeError, LookupError, ValueError, OSError):
        return NOWHERE
    # Older releases of platformdirs give "~/.config" where there is no home.
    if not found.is_absolute():
        return NOWHERE
    return found / NAME if kind == "videos" else found


def trouble(folder: Path) -> str:
    """Why nothing can be kept in a folder that need not exist yet, a clause, or "".

    Only looks: nothing is made.
    """
    if NOWHERE in (folder, *folder.parents):
        return "this user has no home folder, or may not enter it"
    place = folder
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    if not os.path.isdir(place):
        return f"{place} is no folder"
    return "" if os.access(place, os.W_OK | os.X_OK) else f"{place} cannot be written to"


def not_kept(what: str, folder: Path, error: OSError, instead: str = "") -> str:
    """The sentence about something that could not be kept.

    Args:
        what: begins the sentence, such as "The photo".
        folder: where it should have been.
        error: how that failed.
        instead: what else helps, such as "give --tls-cert"; "" if nothing.
    """
    other = f", or {instead}" if instead else ""
    if NOWHERE in (folder, *folder.parents):
        return f"{what} cannot be kept ({trouble(folder)}); name one in {HOME_VARIABLE}{other}."
    return (
        f"{what} cannot be kept in {folder} ({error.strerror or error}); mend that, or name "
        f"another folder in the environment variable {HOME_VARIABLE}{other}."
    )
