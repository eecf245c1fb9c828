"""Where the embedded demo material lies."""

from __future__ import annotations

from pathlib import Path

from models.errors import UserError


def asset_path(name: str) -> Path:
    """The path of an embedded file such as `demo.mp4`: in the installed package or the checkout.

    Raises:
        UserError: it is in neither place.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_assets", package.parent / "assets"):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"The embedded file {name} is missing; install the program again.")
