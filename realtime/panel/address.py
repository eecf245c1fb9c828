"""Where the panel listens, and what it is called from outside."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import sys
from dataclasses import dataclass

from models.errors import UserError

LOOPBACK = "127.0.0.1"
"""Reaches this computer alone."""


@dataclass(frozen=True)
class Address:
    """A place to listen at.

    Attributes:
        host: a name or an address, without brackets.
        port: 0 for any free one.
        chosen: the user named it.
    """

    host: str = LOOPBACK
    port: int = 0
    chosen: bool = False

    @property
    def loopback(self) -> bool:
        """Whether only this computer can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True)
class HostName:
    """What a browser calls a computer.

    Attributes:
        name: in lower case; an address of IPv6 in brackets.
        port: None: any, or none at all.
    """

    name: str
    port: int | None


def split_host(text: str) -> HostName:
    """Name and port of a `Host`: "studio.local:8080", "[::1]:8080", "studio.local".

    Raises:
        ValueError: it is none.
    """
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?", text.lower())
    if match is None or int(match[2] or 0) > 65535:
        raise ValueError("no host")
    return HostName(match[1].rstrip(".") or match[1], None if match[2] is None else int(match[2]))


def parse_host(text: str) -> HostName:
    """What `--panel-host` says: a name, a name with a port, or a whole address.

    Raises:
        UserError: it is none of these.
    """
    place = re.sub(r"^https?://", "", text.strip().lower()).partition("/")[0]
    try:
        if place.count(":") > 1 and "[" not in place:
            place = f"[{ipaddress.ip_address(place)}]"
        return split_host(place.encode("idna").decode("ascii") if place else "")
    except ValueError as error:  # UnicodeError is one, too.
        raise UserError(
            f"--panel-host {text!r} cannot be used: give the name by which the browser asks, such "
            "as studio.example or localhost:9000; every name by an option of its own."
        ) from error


def parse_address(text: str) -> Address | None:
    """What `--panel` says; None for "off".

    Raises:
        UserError: it is neither auto, nor off, nor HOST:PORT.
    """
    if text == "off":
        return None
    if text == "auto":
        return Address()
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9_.-]+)):(\d{1,5})", text.strip())
    if match is None or int(match[3]) > 65535:
        raise UserError(
            f"--panel {text!r} cannot be used: give auto, off, or HOST:PORT such as "
            "127.0.0.1:8080 or [::1]:8080."
        )
    return Address((match[1] or match[2]).lower(), int(match[3]), True)


def bind(address: Address) -> socket.socket:
    """A socket that listens there.

    Raises:
        UserError: the address is not this computer's, or the port is taken or forbidden.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise UserError(
            f"The panel cannot listen at {address.host}:{address.port} ({error.strerror}); "
            "choose another --panel HOST:PORT, or --panel off."
        ) from error
    return listener


def names_of(address: Address) -> list[str]:
    """What a browser may call this computer to reach `address`, the most useful one first."""
    if address.loopback:
        return list(dict.fromkeys([address.host, LOOPBACK, "localhost", "::1"]))
    names = [socket.gethostname().lower(), "localhost", LOOPBACK, "::1"]
    names.append(f"{names[0].partition('.')[0]}.local")
    if address.host in ("0.0.0.0", "::"):
        return list(dict.fromkeys([_outer_address(), *names]))
    return list(dict.fromkeys([address.host, *names]))


def with_port(host: str, port: int) -> str:
    """Host and port as in an address: "[::1]:8080"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def has_screen() -> bool:
    """Whether a browser can be shown here."""
    if os.environ.get("SSH_CONNECTION"):
        return False
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _outer_address() -> str:
    """The address of this computer in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return LOOPBACK
