"""The user's named expressions: values of the editor's sliders, kept from run to run."""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.folders import not_kept

_MOST = 40
"""Expressions; more are a mistake, and no list to choose from."""

_LONGEST = 40
"""Letters of a name, so that it fits on a button."""

_LARGEST = 100_000
"""Bytes of the file; forty expressions take a tenth."""

_SLIDER = re.compile(r"[a-z_]{1,40}")
"""What names of sliders are made of."""

_GONE = "This expression is no longer in the list."


@dataclass(frozen=True)
class Named:
    """An expression with a name.

    Attributes:
        name: what the user calls it; no other has it.
        values: of the editor's sliders by their names.
        key: 1..9, by which it is played; None: no key.
    """

    name: str
    values: Mapping[str, float]
    key: int | None = None


class Expressions:
    """The list, in a file. All methods may be called by any thread."""

    def __init__(self, file: Path | None) -> None:
        """Read the list; what makes no sense in it is left out.

        Args:
            file: where it is kept; None: nowhere.
        """
        self._file = file
        self._lock = threading.Lock()
        self._entries: tuple[Named, ...] = _read(file) if file is not None else ()

    @property
    def entries(self) -> tuple[Named, ...]:
        """The list as it is now."""
        return self._entries

    def find(self, name: str) -> Named:
        """The expression of a name.

        Raises:
            UserError: there is none.
        """
        for entry in self._entries:
            if entry.name == name:
                return entry
        raise UserError(_GONE)

    def keep(self, name: str, values: Mapping[str, float], key: int | None) -> None:
        """Keep an expression, in the place of the one of this name; a key belongs to one alone.

        Raises:
            UserError: there is no room for it, it has no name, or it cannot be written.
        """
        named = Named(_clean(name), dict(values), key)
        with self._lock:
            entries = [_freed(one, key) for one in self._entries]
            places = [place for place, one in enumerate(entries) if one.name == named.name]
            if places:
                entries[places[0]] = named
            elif len(entries) >= _MOST:
                raise UserError(f"There are {_MOST} expressions already; remove one first.")
            else:
                entries.append(named)
            self._write(tuple(entries))

    def remove(self, name: str) -> None:
        """Take one off the list.

        Raises:
            UserError: there is no such expression, or the list cannot be written.
        """
        with self._lock:
            self.find(name)
            self._write(tuple(one for one in self._entries if one.name != name))

    def change(self, name: str, to: str, key: int | None) -> None:
        """Give an expression another name and key.

        Raises:
            UserError: there is no such expression, another one has the name, or the list cannot be
                written.
        """
        new = _clean(to)
        with self._lock:
            self.find(name)
            if new != name and any(one.name == new for one in self._entries):
                raise UserError(f"Another expression is called {new}; choose another name.")
            changed = [
                replace(one, name=new, key=key) if one.name == name else _freed(one, key)
                for one in self._entries
            ]
            self._write(tuple(changed))

    def _write(self, entries: tuple[Named, ...]) -> None:
        """Keep a list; another program never sees half of it."""
        if self._file is not None:
            beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
            text = json.dumps([asdict(one) for one in entries], indent=1, ensure_ascii=False)
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                beside.write_text(text, encoding="utf-8")
                beside.replace(self._file)
            except (OSError, UnicodeError) as error:
                with suppress(OSError):
                    beside.unlink(missing_ok=True)
                if isinstance(error, UnicodeError):
                    raise UserError("This name has letters that cannot be kept.") from error
                raise UserError(not_kept("The expression", self._file.parent, error)) from error
        self._entries = entries


def checked_values(values: object) -> dict[str, float]:
    """Values of sliders as somebody has sent or written them.

    Raises:
        UserError: they are none.
    """
    if not isinstance(values, dict) or len(values) > 100:
        raise UserError("An expression has values of sliders by their names.")
    found: dict[str, float] = {}
    for name, value in values.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not isinstance(name, str) or not _SLIDER.fullmatch(name) or not number:
            raise UserError("An expression has values of sliders by their names.")
        if not math.isfinite(value) or abs(value) > 1:
            raise UserError(f"The slider {name} goes from -1 to 1.")
        if value:
            found[name] = float(value)
    return found


def checked_key(key: object) -> int | None:
    """The number of a key, or None for no key.

    Raises:
        UserError: it is neither.
    """
    if key is None:
        return None
    if isinstance(key, int) and not isinstance(key, bool) and 1 <= key <= 9:
        return key
    raise UserError("The keys of expressions are Alt with a number from 1 to 9.")


def _freed(entry: Named, key: int | None) -> Named:
    """An expression that has not this key, which another one takes."""
    return replace(entry, key=None) if key is not None and entry.key == key else entry


def _clean(name: str) -> str:
    found = " ".join("".join(c for c in name if c.isprintable()).split())[:_LONGEST].strip()
    if not found:
        raise UserError("Give the expression a name.")
    return found


def _read(file: Path) -> tuple[Named, ...]:
    try:
        with file.open("rb") as opened:
            data: Any = json.loads(opened.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return ()
    entries: dict[str, Named] = {}
    taken: set[int | None] = set()
    for one in data if isinstance(data, list) else ():
        try:
            key = checked_key(one["key"])
            name, values = _clean(one["name"]), checked_values(one["values"])
        except (UserError, KeyError, TypeError, OverflowError):
            continue
        if len(entries) < _MOST and name not in entries:
            entries[name] = Named(name, values, None if key in taken else key)
            taken.add(key)
    return tuple(entries.values())
