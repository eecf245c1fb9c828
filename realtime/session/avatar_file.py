"""An avatar as one file, to be given on: photo, points, and what is set for it.

It is a zip archive called NAME.avatar:

- `photo.jpg`: the picture.
- `avatar.json`: {"version": 1, "name": ..., "turn": ..., "settings": {...}}.
- `face.json`: the points of its face, if somebody has placed them (`models.face.face_file`).

Nothing else may be in it. Whoever gets one has it from somebody else, so no name in it becomes the
name of a file, and nothing is unpacked that is larger than such a part can be.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from models.errors import UserError
from models.face.face_file import face_path
from models.photos import decode_image, load_image
from models.types import Image
from realtime.session.avatar_entry import AvatarEntry
from realtime.session.avatar_inbox import small
from realtime.session.avatar_table import Look, read_look
from realtime.session.settings import AvatarSettings, avatar_table, read_avatar

SUFFIX = ".avatar"
"""What the name of such a file ends in."""

MAGIC = b"PK\x03\x04"
"""With which a zip archive with something in it begins (APPNOTE 4.3.7)."""

_VERSION = 1
"""Of the format; a newer one may mean something else."""

_PHOTO, _ABOUT = "photo.jpg", "avatar.json"

_BESIDE = {"face.json": ".face.json"}
"""Parts that are kept beside the photo, and what the name of that file ends in."""

_MOST = {_PHOTO: 40_000_000, _ABOUT: 50_000, "face.json": 200_000}
"""Bytes that each part may have: photos as those that are dropped on the page, points as
`models.face.face_file` reads them."""

_MAX_PIXELS = 50_000_000
"""Of the photo, as of those that are dropped on the page."""


@dataclass(frozen=True)
class AvatarFile:
    """What such a file holds.

    Attributes:
        image: (H, W, 3) RGB.
        look: how it is called and shown.
        settings: what is set for it.
        beside: what is kept beside the photo, by the ending of its name.
    """

    image: Image
    look: Look
    settings: AvatarSettings
    beside: Mapping[str, bytes]


def write_avatar_file(entry: AvatarEntry, settings: AvatarSettings) -> bytes:
    """An avatar as one file.

    Raises:
        UserError: its photo or its points cannot be read.
    """
    about = {
        "version": _VERSION,
        **asdict(entry.look),
        "name": entry.name,
        "settings": avatar_table(settings),
    }
    packed = io.BytesIO()
    # A JPEG does not become smaller.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_PHOTO, _photo(entry))
        archive.writestr(_ABOUT, json.dumps(about, indent=1) + "\n")
        try:
            if face_path(entry.path).exists():
                archive.writestr("face.json", face_path(entry.path).read_bytes())
        except OSError as error:
            raise UserError(
                f"The points of {entry.name} cannot be read ({error.strerror}); try again."
            ) from error
    return packed.getvalue()


def read_avatar_file(path: Path, called: str) -> AvatarFile:
    """What a file of somebody holds; nothing is written.

    Args:
        path: the file.
        called: its name for messages.

    Raises:
        UserError: it is none, broken, or has something in it that does not belong there.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = _parts(archive, called)
    except UserError:
        raise
    except (OSError, ValueError, RuntimeError, NotImplementedError, EOFError, zlib.error) as error:
        raise _broken(called) from error
    except zipfile.BadZipFile as error:
        raise _broken(called) from error
    try:
        about = json.loads(parts[_ABOUT])
        version, table = about["version"], about.get("settings", {})
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise _broken(called) from error
    if version != _VERSION:
        raise UserError(f"{called} is of a newer version of this program; install that one.")
    return AvatarFile(
        decode_image(parts[_PHOTO], Path(called), _MAX_PIXELS),
        read_look(about),
        read_avatar(table if isinstance(table, dict) else {}),
        {ending: parts[name] for name, ending in _BESIDE.items() if name in parts},
    )


def _parts(archive: zipfile.ZipFile, called: str) -> dict[str, bytes]:
    """The parts of an archive, none larger than it may be."""
    listed = archive.infolist()
    names = [one.filename for one in listed]
    if len(names) != len(set(names)) or not set(names) <= set(_MOST):
        raise UserError(
            f"{called} holds files that do not belong to an avatar; export it again where it is "
            "from."
        )
    if not {_PHOTO, _ABOUT} <= set(names):
        raise UserError(f"{called} is not an avatar; choose a file that this page has exported.")
    parts = {}
    for one in listed:
        most = _MOST[one.filename]
        # The size that is told may be a lie; what is unpacked is counted.
        with archive.open(one) as part:
            content = part.read(most + 1)
        if len(content) > most:
            raise UserError(f"{called} is too large to be an avatar.")
        parts[one.filename] = content
    return parts


def _photo(entry: AvatarEntry) -> bytes:
    """The photo's file where it is ours; else stored anew, without place, time and owner."""
    if entry.own and not entry.upload:
        try:
            return entry.path.read_bytes()
        except OSError as error:
            raise UserError(
                f"The photo of {entry.name} cannot be read ({error.strerror}); try again."
            ) from error
    file = io.BytesIO()
    small(load_image(entry.path)).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def _broken(called: str) -> UserError:
    return UserError(f"{called} is broken or not an avatar; export it again where it is from.")
