"""Whose program is at the other end of a connection, where the system tells: on Linux.

There every account can read the command lines of all others, and so the address with which the page
is opened; but the kernel's table of connections says which account holds the other end.
"""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

from starlette.types import Scope

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
"""The state of a connection that is open at both ends. The table names no account for those that
are being taken down: it says 0 then, which is root's number."""

CLOSING = -1
"""Stands for the account of an end that is being closed; none has this number."""


class Accounts:
    """Which accounts of this computer may talk to the panel.

    Attributes:
        known: whether the system tells to whom a connection belongs.
    """

    def __init__(self) -> None:
        """Ours; root's, which can read our memory anyway; with sudo that of who typed it."""
        self.known = sys.platform == "linux" and os.access(_TABLES[0], os.R_OK)
        self._ours = {0}
        if hasattr(os, "getuid"):
            self._ours.add(os.getuid())
        if _is_root() and os.environ.get("SUDO_UID", "").isdecimal():
            self._ours.add(int(os.environ["SUDO_UID"]))

    def owner(self, scope: Scope) -> int | None:
        """The account at the other end of a request: its number, or `CLOSING`.

        Returns:
            None where nobody can tell: another computer, another system.
        """
        if not self.known or not scope.get("client") or not scope.get("server"):
            return None
        return account_of(tuple(scope["client"]), tuple(scope["server"]))

    def own(self, account: int | None) -> bool | None:
        """Whether an account is one of ours; None if it is not known."""
        return None if account is None else account in self._ours

    def name(self, account: int | None) -> str:
        """What an account is called."""
        try:
            import pwd

            return pwd.getpwuid(-1 if account is None else account).pw_name
        except (ImportError, KeyError, OverflowError):
            return f"number {account}"


def account_of(theirs: tuple[str, int], ours: tuple[str, int]) -> int | None:
    """Who holds the other end of a TCP connection within this computer.

    Args:
        theirs: address and port of the other end.
        ours: address and port of our end.

    Returns:
        The number of the account; `CLOSING` if that end is being closed; None if it is not of this
        system (but of another computer, or of Windows around a Linux of its own), or not told.
    """
    ends = {_written(*theirs), _written(*theirs, mapped=True)}
    near = {_written(*ours), _written(*ours, mapped=True)}
    for table in _TABLES:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            if words[1] in ends and words[2] in near:
                return int(words[7]) if words[3] == _ESTABLISHED else CLOSING
    return None


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _written(host: str, port: int, mapped: bool = False) -> str:
    """An address as the kernel's tables write it: groups of four bytes as numbers of this machine.

    Args:
        host: in figures.
        port: its port.
        mapped: as a socket for IPv6 has an address of IPv4.
    """
    address = ipaddress.ip_address(host.partition("%")[0])
    packed = address.packed
    if mapped and address.version == 4:
        packed = bytes(10) + b"\xff\xff" + packed
    groups = (packed[start : start + 4] for start in range(0, len(packed), 4))
    figures = "".join(f"{int.from_bytes(group, sys.byteorder):08X}" for group in groups)
    return f"{figures}:{port:04X}"
