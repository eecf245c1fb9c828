"""Where the program keeps its files and finds its own, and whether a video can be written."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import platformdirs

from models.errors import UserError
from models.folders import HOME_VARIABLE as HOME_VARIABLE
from models.folders import NAME, NOWHERE, kept

VIDEO_SUFFIX = ".mp4"
"""What the name of a written video ends in, in lower case."""


_LONGEST_NAME = 255
"""Bytes of a file's name at most, on all usual file systems."""


def config_folder() -> Path:
    """The folder of what is chosen: settings, the webcam, the panel's certificate."""
    return kept("config")


def settings_file() -> Path:
    """Where the settings of the control panel are kept."""
    return config_folder() / "settings.toml"


def camera_file() -> Path:
    """Where it is kept which webcam was chosen last."""
    return config_folder() / "camera.json"


def expressions_file() -> Path:
    """Where the user's named expressions are kept."""
    return config_folder() / "expressions.json"


def output_key_file() -> Path:
    """Where the fixed key of the panel's output page is kept, if one was made."""
    return config_folder() / "output-key.json"


def avatars_folder() -> Path:
    """The folder of photos that were dropped on the panel."""
    return kept("data") / "avatars"


def background_file() -> Path:
    """Where the last photo is kept that was put behind the person."""
    return kept("data") / "background.jpg"


def clips_folder() -> Path:
    """The folder of clips that were made on the page, and of what they were made of."""
    return kept("data") / "clips"


def recorded_file() -> Path:
    """The list of the videos and stills that this user has recorded."""
    return kept("data") / "recorded.json"


def signing_file() -> Path:
    """Where the key and certificate of this computer, which sign recordings, are kept."""
    return kept("data") / "signing.pem"


def log_file() -> Path:
    """The file that tells a bug report what happened."""
    return kept("log") / f"{NAME}.log"


def videos_folder() -> Path:
    """The folder of recordings that were started without a name."""
    return kept("videos")


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


def move_earlier_files() -> None:
    """Take over what earlier versions kept on Windows in a folder of its own.

    They put settings and photos into `avatarify-like/avatarify-like`. A file that is newer, because
    it lies in the right place already, stays; one that cannot be moved now is tried at the next
    start.
    """
    folder = config_folder()
    if os.environ.get(HOME_VARIABLE) or folder == NOWHERE:
        return
    with suppress(OSError):
        earlier = platformdirs.PlatformDirs(NAME).user_config_path
        if earlier == folder or not earlier.is_dir():
            return
        for path in earlier.iterdir():
            if not (folder / path.name).exists():
                path.rename(folder / path.name)
        earlier.rmdir()


def beside(path: Path, what: str) -> Path:
    """A hidden file in the folder of a video, for a copy that takes its name when it is whole.

    Its own name says nothing of the other, which may have as many letters as a name can.

    Args:
        path: the video.
        what: what the copy is, in one word.
    """
    return path.with_name(f".{NAME}-{secrets.token_hex(4)}.{what}{VIDEO_SUFFIX}")


def free_video(folder: Path, stem: str, moment: str, suffix: str = VIDEO_SUFFIX) -> Path:
    """A path for a video that no file has: "STEM MOMENT.mp4", cut and numbered where it must be.

    Args:
        folder: where it shall lie.
        stem: how its name begins.
        moment: how it goes on.
        suffix: how it ends, for other files than videos.
    """
    for number in itertools.count(1):
        end = f" {moment}{f' ({number})' if number > 1 else ''}{suffix}"
        while len(os.fsencode(stem + end)) > _LONGEST_NAME:
            stem = stem[:-1]
        path = folder / (stem + end)
        if not os.path.lexists(path):
            return path
    raise AssertionError("numbers do not end")


def check_writable(
    path: Path, made_from: Mapping[str, Path | None] | None = None, suffix: str = VIDEO_SUFFIX
) -> None:
    """Make sure that a video, or a motion, can be written to `path`, and costs no other file.

    Args:
        path: the file, which may exist.
        made_from: what must not be overwritten, by what to call it ("source photo"); what is no
            file does not matter.
        suffix: what its name must end in.

    Raises:
        UserError: the folder is missing or not writable, the path is a folder or one of the files
            that it is made from, or its name ends otherwise.
    """
    folder = path.parent
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise UserError(
            f"The name {path.name} is too long for a file; give one of at most {_LONGEST_NAME} "
            "bytes."
        )
    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a file in it, such as out{suffix}.")
    if not folder.is_dir():
        raise UserError(f"The folder {folder} does not exist; make it or choose another one.")
    target = path if path.exists() else folder
    if not os.access(target, os.W_OK):
        raise UserError(f"{target} cannot be written to; choose another place for {path.name}.")
    if path.suffix.lower() != suffix:
        what = (
            "Videos are written as MP4" if suffix == VIDEO_SUFFIX else "Motion is kept as numbers"
        )
        raise UserError(f"{what}; give {path.name!r} a name that ends in {suffix}.")
    for what, used in (made_from or {}).items():
        if used is not None and path.exists() and os.path.exists(used) and path.samefile(used):
            raise UserError(f"{path} is the {what}; choose another file for the result.")
