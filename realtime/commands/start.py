"""The start without arguments: what was chosen last, and a page to choose everything else on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from models.backends import DEFAULT, create_animator
from models.errors import UserError
from models.runtime import DEVICE_VARIABLE, use_device
from realtime.canvas.fit import Fit
from realtime.commands.options import RunChoices
from realtime.commands.run import run_live
from realtime.paths import asset_path, avatars_folder, settings_file
from realtime.session.chosen import Chosen
from realtime.session.settings import load

CAMERA_VARIABLE = "AVATARIFY_CAMERA"
"""The environment variable that names the camera, for addresses with passwords."""


def start(console: Console) -> None:
    """Serve the page and run with what was chosen last; nothing that is missing ends it.

    Args:
        console: where it is said what goes on.

    Raises:
        UserError: there is not even a page.
    """
    choices, photo = remembered(lambda line: console.print(line, markup=False, highlight=False))
    run_live(choices, console, photo)


def remembered(notify: Callable[[str], None]) -> tuple[RunChoices, Path]:
    """What was chosen last, and the photo that was shown last.

    Args:
        notify: called with a line about what of it cannot be had any more.
    """
    chosen = load(settings_file()).chosen
    example = asset_path("face.jpg")
    photo = Path(chosen.photo) if chosen.photo else example
    if not photo.is_file():
        notify(f"The photo {photo.name} is gone; beginning with the example.")
        photo = example
    if chosen.device != "auto" and not os.environ.get(DEVICE_VARIABLE):
        try:
            use_device(chosen.device)
        except UserError as error:
            notify(f"{error} Going on with the best device.")
    # Photos of the user's own folder are listed anyway, and can be removed there.
    source = example if photo.parent == avatars_folder() else photo
    choices = RunChoices(
        source=source,
        camera=os.environ.get(CAMERA_VARIABLE) or chosen.camera,
        output=chosen.output,
        backend=_usable(chosen, notify),
        size=_size(chosen),
        fps=chosen.fps,
        fit=Fit(chosen.fit),
        rotate=str(chosen.rotate),
        background=chosen.background,
    )
    return choices, photo


def _usable(chosen: Chosen, notify: Callable[[str], None]) -> str:
    """The backend, or the one that needs nothing where that cannot be had any more."""
    if chosen.backend == DEFAULT:
        return DEFAULT
    try:
        create_animator(chosen.backend)
    except UserError as error:
        notify(f"{error} Going on with {DEFAULT}.")
        return DEFAULT
    return chosen.backend


def _size(chosen: Chosen) -> str:
    try:
        RunChoices(size=chosen.size)
    except UserError:
        return Chosen().size
    return chosen.size
