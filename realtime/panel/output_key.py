"""The fixed key of the output page, for programs that keep its address, such as OBS."""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from models.errors import UserError
from realtime.panel.security import same

_LONGEST = 1000
"""Bytes of the file; it has about 80."""


class OutputKey:
    """Opens the output page and nothing else, from run to run until it is revoked.

    It is kept in a file that only the user can read. The port is kept with it: without a port of
    its own, the address would change with every run.

    Attributes:
        text: the key as an address carries it; None: there is none.
        port: where the run that made it listened; None: there is none.
    """

    def __init__(self, path: Path | None) -> None:
        """Read what was kept; `path` None: keep nothing."""
        self._path = path
        self.text: str | None = None
        self.port: int | None = None
        try:
            kept = json.loads(path.read_text("utf-8")[:_LONGEST]) if path else {}
            key, port = kept["key"], kept["port"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return
        if isinstance(key, str) and re.fullmatch(r"[\w-]{43}", key, re.ASCII):
            self.text = key
            self.port = port if type(port) is int and 0 < port < 65536 else None

    def fits(self, given: str) -> bool:
        """Whether `given` is the key."""
        return self.text is not None and same(given, self.text)

    def make(self, port: int) -> None:
        """Take the place of the one before with a new one for this port.

        Raises:
            UserError: it cannot be kept.
        """
        text = secrets.token_urlsafe(32)
        if self._path is None:
            raise UserError("This run keeps no settings, and so no fixed address.")
        write_private(self._path, json.dumps({"key": text, "port": port}))
        self.text, self.port = text, port

    def revoke(self) -> None:
        """Open nothing with it any more, now and later.

        Raises:
            UserError: its file cannot be removed; in this run it opens nothing.
        """
        self.text = self.port = None
        try:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"The key cannot be removed ({error.strerror}); delete {self._path}."
            ) from error


def write_private(path: Path, text: str) -> None:
    """Write a file that only the user can read, in place of the one before.

    Raises:
        UserError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise UserError(
            f"{path} cannot be written ({error.strerror}); make room there, or name another folder "
            "by AVATARIFY_HOME."
        ) from error
