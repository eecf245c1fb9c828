"""What is kept about avatars besides their photos: names, turns, and their order."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.folders import not_kept

MAX_NAME = 60
"""Letters of an avatar's name: two lines of a tile in the list."""

_MAX_BYTES = 2_000_000
"""Of the file; a photo takes some hundred, so this is more photos than anybody has."""

_VERSION = 1
"""Of the file's format."""


@dataclass(frozen=True)
class Look:
    """How a photo is shown, as somebody has said.

    Attributes:
        name: what to call it; empty: as its file.
        turn: degrees clockwise by which it is turned, 0, 90, 180 or 270; None: as its face needs.
    """

    name: str = ""
    turn: int | None = None

    def rotated(self, before: int) -> Look:
        """The same, turned clockwise by a quarter.

        Args:
            before: degrees by which the photo is turned where nobody has said it.
        """
        return replace(self, turn=((before if self.turn is None else self.turn) + 90) % 360)


AS_IS = Look()
"""A photo about which nobody has said anything."""


def read_look(content: Any) -> Look:
    """What a table of JSON says; what makes no sense is as if it was not there."""
    if not isinstance(content, dict):
        return AS_IS
    name, turn = content.get("name"), content.get("turn")
    look = Look(clean_name(name) if isinstance(name, str) else "")
    if type(turn) is int and turn in (0, 90, 180, 270):
        look = replace(look, turn=turn)
    return look


def clean_name(name: str) -> str:
    """A name in one line, without what cannot be seen; empty where nothing is left."""
    shown = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(shown.split())[:MAX_NAME].strip()


class AvatarTable:
    """The table in its file. Its caller sees to it that one thread at a time uses it.

    Attributes:
        order: keys of photos in the order in which somebody has put them.
        chosen: an avatar was chosen by hand once, in this run or an earlier one.
    """

    def __init__(self, path: Path) -> None:
        """Read it; a file that is missing or makes no sense counts as empty.

        Args:
            path: a JSON file; made, with its folder, by the first change.
        """
        self._path = path
        self._looks: dict[str, Look] = {}
        self.order: tuple[str, ...] = ()
        self.chosen = False
        with suppress(OSError, ValueError, RecursionError):
            if path.stat().st_size <= _MAX_BYTES:
                self._read(json.loads(path.read_bytes()))

    def look(self, key: str) -> Look:
        """What is kept about a photo."""
        return self._looks.get(key, AS_IS)

    def keep(self, key: str, look: Look) -> None:
        """Keep something about a photo.

        Raises:
            UserError: it cannot be written; until the end of the run it is known nevertheless.
        """
        self._looks[key] = look
        self._write()

    def forget(self, key: str) -> None:
        """Let go of what is kept about a photo that is no more."""
        self.order = tuple(other for other in self.order if other != key)
        if self._looks.pop(key, None) is not None:
            with suppress(UserError):  # Then it stays in the file and does no harm.
                self._write()

    def sort(self, keys: Iterable[str]) -> None:
        """Keep an order; as `keep`."""
        self.order = tuple(keys)
        self._write()

    def note_chosen(self) -> None:
        """Keep that an avatar was chosen by hand; as `keep`."""
        if not self.chosen:
            self.chosen = True
            self._write()

    def _read(self, content: Any) -> None:
        if not isinstance(content, dict) or content.get("version") != _VERSION:
            return
        looks, order = content.get("photos"), content.get("order")
        if isinstance(looks, dict):
            self._looks = {key: read_look(look) for key, look in looks.items()}
        if isinstance(order, list):
            self.order = tuple(key for key in order if isinstance(key, str))
        self.chosen = content.get("chosen") is True

    def _write(self) -> None:
        looks = {key: asdict(look) for key, look in self._looks.items() if look != AS_IS}
        content = {
            "version": _VERSION,
            "chosen": self.chosen,
            "order": self.order,
            "photos": looks,
        }
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            raise UserError(not_kept("This", self._path.parent, error)) from error
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)
