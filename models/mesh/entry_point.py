"""How the backend `mesh` is made, and what is said about it before it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.backends import Backend, BackendChoice
from models.errors import UserError

if TYPE_CHECKING:
    from models.animator import Animator


def _create(choice: str) -> Animator:
    if choice:
        raise UserError("The backend mesh has no models to choose from; say --backend mesh.")
    from models.mesh.backend import MeshAnimator

    return MeshAnimator()


def _describe() -> list[str]:
    return ["comes along and needs nothing: no GPU, no download"]


def _choices() -> list[BackendChoice]:
    return [BackendChoice("mesh", "Mesh", True, "needs nothing")]


BACKEND = Backend(_create, _describe, choices=_choices)
