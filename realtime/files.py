"""Looking at paths before the work starts."""

from __future__ import annotations

import os
from pathlib import Path

from models.errors import UserError

VIDEO_SUFFIX = ".mp4"
"""What the name of a written video ends in, in lower case."""


def check_writable(path: Path) -> None:
    """Make sure that a video can be written to `path`.

    Raises:
        UserError: the folder is missing or not writable, the path is a folder, or its name does
            not end in .mp4.
    """
    folder = path.parent
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it, such as out.mp4.")
    if not folder.is_dir():
        raise UserError(f"The folder {folder} does not exist; make it or choose another one.")
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise UserError(f"{target} cannot be written to; choose another place for {path.name}.")
    if path.suffix.lower() != VIDEO_SUFFIX:
        raise UserError(
            f"Videos are written as MP4; give {path.name!r} a name that ends in {VIDEO_SUFFIX}."
        )
