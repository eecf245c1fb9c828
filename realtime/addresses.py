"""Addresses of cameras in a network, and keeping what is secret in them to ourselves."""

from __future__ import annotations

import os
import re
import urllib.parse
from dataclasses import dataclass

from models.errors import UserError

PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
"""The schemes that are understood, and the port of each where the address names none."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/{1,2}[^\s'\"<>]*")
"""In a text."""

_LOGIN = re.compile(r"(?<![^\s'\"/@])(?![A-Za-z]:[\\/])[^\s'\"/@]+:[^\s'\"@]{0,300}@")
"""NAME:PASSWORD@ of an address whose beginning was forgotten; a drive of Windows is none. It
begins with a word and has a bound, so that long texts take no longer than they are."""

_SERVICE = re.compile(r"[\w.-]+:\d{2,5}/")
"""HOST:PORT/ of one."""


@dataclass(frozen=True, repr=False)
class Address:
    """Where a camera is. What prints this object prints no secret.

    Attributes:
        url: its scheme in small letters; holds passwords and tokens, so it goes into no message.
        scheme: one of `PORTS`.
        host: name or number.
        port: of its service.
    """

    url: str
    scheme: str
    host: str
    port: int

    @property
    def label(self) -> str:
        """What may be told: neither names and passwords, nor path and query, which hold tokens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __repr__(self) -> str:
        """As `label`."""
        return f"Address({self.label})"


def is_address(choice: str) -> bool:
    """Whether `--camera` says an address of a network, rightly written or not."""
    return bool(_SCHEME.match(choice)) or choice.lower().startswith(tuple(f"{s}:" for s in PORTS))


def lacks_scheme(choice: str) -> bool:
    """Whether `--camera` says NAME:PASSWORD@HOST or HOST:PORT/PATH, and no file has this name."""
    return bool(_LOGIN.match(choice) or _SERVICE.match(choice)) and not os.path.lexists(choice)


def parse(choice: str) -> Address:
    """The parts of an address.

    Raises:
        UserError: it cannot be read; the sentence says why without repeating it.
    """
    match = _SCHEME.match(choice)
    scheme = match[0][:-3].lower() if match else ""
    if match is None or scheme not in PORTS:
        raise UserError(
            "The address of a camera begins with rtsp://, rtsps://, http:// or https://; write "
            "--camera with one of these."
        )
    rest = choice[match.end() :]
    cut = re.search(r"[/?#]", rest)
    after = rest[cut.start() :] if cut else ""
    # In a query an @ is fine; before it, it may be the end of a password with a slash in it.
    doubtful = after.split("?", 1)[0] if after.startswith("/") else after
    try:
        parts = urllib.parse.urlsplit(choice)
        host, port = parts.hostname or "", parts.port or PORTS[scheme]
    except ValueError:
        host, port = "", 0
    if not host or "@" in doubtful or re.search(r"\s|[\x00-\x1f]", choice):
        raise UserError(
            "The address of the camera cannot be read; write it as rtsp://NAME:PASSWORD@HOST:PORT/"
            "PATH, with the characters @ : / ? # of a password or path as %40 %3A %2F %3F %23."
        )
    # FFmpeg knows its protocols by small letters only.
    return Address(f"{scheme}://{rest}", scheme, host, port)


def hide_secrets(text: str) -> str:
    """A text in which addresses are cut down to what may be told."""

    def shown(match: re.Match[str]) -> str:
        try:
            return parse(match[0]).label
        except UserError:
            return match[0].split(":", 1)[0] + "://..."

    return hide_logins(_ADDRESS.sub(shown, text))


def hide_logins(text: str) -> str:
    """A text, which may have addresses and files of all kinds, without names and passwords."""
    return _LOGIN.sub("...@", text)
