"""The backends by name: those that come along, and those that other packages bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import UserError

if TYPE_CHECKING:
    import typer

    from models.animator import Animator

GROUP = "avatarify_like.backends"
"""The entry-point group in which a package names its backends: NAME = "module:object", where the
object is a `Backend`."""

DEFAULT = "mesh"
"""The backend that needs nothing."""


@dataclass(frozen=True)
class BackendChoice:
    """One thing that `--backend` takes.

    Attributes:
        name: NAME or NAME:CHOICE.
        label: what people call it.
        available: it can be had here as things are.
        why: what it is good for, or what it lacks, as a clause; may be "".
    """

    name: str
    label: str
    available: bool = True
    why: str = ""


@dataclass(frozen=True)
class Backend:
    """How a backend is made, and what is said about it before it is.

    Attributes:
        create: makes the animator; takes what follows the colon of `--backend NAME:CHOICE`, "" if
            nothing does. Raises a `UserError` where it cannot be had here.
        describe: the lines of `doctor` about it: what it needs, what is there, what it runs on.
        add_commands: adds commands of its own to the command line, given a function that tells
            where the demo photo lies; must be quick. Heeded only for backends that come along.
        choices: what can be chosen of it; None: only itself. Must be quick.
    """

    create: Callable[[str], Animator]
    describe: Callable[[], Iterable[str]] = tuple
    add_commands: Callable[[typer.Typer, Callable[[], Path]], None] | None = None
    choices: Callable[[], Iterable[BackendChoice]] | None = None


_BUILT_IN = {
    name: f"models.{name}.entry_point:BACKEND" for name in ("mesh", "fomm", "liveportrait")
}
"""Name to module and object; a module is imported when its backend is asked for."""


def built_in() -> list[Backend]:
    """The backends that come along."""
    return [_load_built_in(name) for name in _BUILT_IN]


def backend_names() -> list[str]:
    """All names that `--backend` takes, the default one first."""
    installed = sorted(point.name for point in _installed() if point.name not in _BUILT_IN)
    return [*_BUILT_IN, *installed]


def find_backend(name: str) -> Backend:
    """The backend of this name.

    Raises:
        UserError: there is none, or the package that brings it does not load.
    """
    if name in _BUILT_IN:
        return _load_built_in(name)
    for point in _installed():
        if point.name == name:
            try:
                found = point.load()
            except Exception as error:  # It is somebody else's code.
                raise UserError(
                    f"The backend {name} ({point.value}) does not load "
                    f"({type(error).__name__}: {error}); update or remove the package it is from."
                ) from error
            if not isinstance(found, Backend):
                raise UserError(
                    f"{point.value} is not a models.backends.Backend; update or remove the package "
                    f"that brings the backend {name}."
                )
            return found
    names = ", ".join(backend_names())
    raise UserError(f"There is no backend called {name!r}; choose one of: {names}.")


def create_animator(name: str = DEFAULT) -> Animator:
    """Make the animator of a backend: "mesh", or with a choice after a colon, "fomm:MODEL".

    Raises:
        UserError: no backend has this name, or it cannot be made here.
    """
    backend, _, choice = name.partition(":")
    return find_backend(backend).create(choice)


def describe_backends() -> list[tuple[str, str]]:
    """Each backend's name and what `doctor` says about it; a broken one says so."""
    found = []
    for name in backend_names():
        try:
            lines = list(find_backend(name).describe())
        except UserError as error:
            lines = [str(error)]
        found.append((name, "\n".join(lines)))
    return found


def backend_choices() -> list[BackendChoice]:
    """What can be chosen, the default first; a broken backend says why it is none."""
    found: list[BackendChoice] = []
    for name in backend_names():
        try:
            choices = find_backend(name).choices
        except UserError as error:
            found.append(BackendChoice(name, name, False, str(error)))
        else:
            found += [BackendChoice(name, name)] if choices is None else choices()
    return found


def _installed() -> Iterable[EntryPoint]:
    return entry_points(group=GROUP)


def _load_built_in(name: str) -> Backend:
    module, _, attribute = _BUILT_IN[name].partition(":")
    backend: Backend = getattr(import_module(module), attribute)
    return backend
