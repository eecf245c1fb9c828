"""Who may talk to the panel: the right host name, the same origin, and one of the keys.

A page of another site cannot reach the panel through the user's browser: its requests carry its
own origin, and a name of its own that it lets point here (DNS rebinding) is not among the hosts.
"""

from __future__ import annotations

import ipaddress
import re
import secrets
import time
from collections.abc import Callable, Iterable
from enum import Enum
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from realtime.panel.accounts import CLOSING, Accounts
from realtime.panel.address import HostName, split_host

_PROTOCOL = "key."
"""Begins the name of the subprotocol by which a socket carries the key: browsers let pages set no
headers of a socket."""

_CODE_LIFE = 120.0
"""Seconds in which the page must have used its code: a browser that has to start takes some."""

_MOST_TOLD = 8
"""Different refusals that the user is told about; more are somebody's attempts."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: pages load nothing from elsewhere and are shown in no other page."""


def same(given: str, secret: str) -> bool:
    """Whether a secret fits, in a time that does not depend on how much of it does."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def given_keys(scope: Scope) -> list[str]:
    """The keys that a request carries: in `Authorization`, or as a socket's subprotocol."""
    if scope["type"] == "websocket":
        names = scope.get("subprotocols", [])
        return [name.removeprefix(_PROTOCOL) for name in names if name.startswith(_PROTOCOL)]
    key = authorization(scope, "bearer")
    return [] if key is None else [key]


def authorization(scope: Scope, kind: str) -> str | None:
    """What `Authorization` says after `kind`; None if it says something else."""
    found, _, given = _header(scope, b"authorization").partition(" ")
    return given if found.lower() == kind else None


class AccessKey:
    """The secret of one run: 256 random bits, compared in constant time.

    Attributes:
        text: the key as an address carries it.
    """

    def __init__(self) -> None:
        """Make a new one."""
        self.text = secrets.token_urlsafe(32)

    def fits(self, given: str) -> bool:
        """Whether `given` is the key."""
        return same(given, self.text)

    def renew(self) -> None:
        """Be another key from now on."""
        self.text = secrets.token_urlsafe(32)


class CodeUse(Enum):
    """What comes of a code that somebody presents."""

    FIRST = "the page that it was made for"
    AGAIN = "used before"
    WRONG = "none of ours, or too old"


class OneTimeCode:
    """Stands for the key where others may read it, in the command line of a browser.

    The first page uses it up.

    Attributes:
        text: the code as an address carries it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Make a new one; `clock` gives seconds."""
        self.text = secrets.token_urlsafe(32)
        self._clock, self._made_at, self._used = clock, clock(), False

    def use(self, given: str) -> CodeUse:
        """Use it up."""
        if not same(given, self.text):
            return CodeUse.WRONG
        if self._used:
            return CodeUse.AGAIN
        if self._clock() - self._made_at > _CODE_LIFE:
            return CodeUse.WRONG
        self._used = True
        return CodeUse.FIRST


class Guard:
    """Lets a request pass to `app` only if host, origin and account are right; adds `HEADERS`."""

    def __init__(
        self,
        app: ASGIApp,
        hosts: Iterable[str],
        addresses: bool,
        secure: bool,
        *,
        named: Iterable[HostName] = (),
        accounts: Accounts | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Guard `app`.

        Args:
            app: what is guarded.
            hosts: what `Host` may say, with the port: "127.0.0.1:8080".
            addresses: it may also be any address in figures with the port of `hosts`: only names
                can be made to point elsewhere.
            secure: pages come by https.
            named: further names, of tunnels and proxies, which may have another scheme and port.
            accounts: other accounts of this computer are refused; None: they are not, since a
                tunnel or a proxy may run as another one.
            tell: is told, once for each kind, what was refused and what to do.
        """
        self._app = app
        listed = [host.lower() for host in hosts]
        self._first, self._hosts = listed[0], frozenset(listed)
        self._port = split_host(listed[0]).port
        self._addresses = addresses
        self._scheme = "https" if secure else "http"
        self._named = frozenset(named)
        self._accounts = accounts
        self._tell = tell
        self._told: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            return
        wrong = self._wrong(scope)
        if wrong is not None:
            status, why = wrong
            self._tell_once(why)
            await _refuse(scope, send, status, why)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name.lower().encode(), HEADERS[name].encode()) for name in HEADERS]
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _wrong(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        """Status and sentence of a refusal."""
        host, origin = _header(scope, b"host").lower(), _header(scope, b"origin").lower()
        if not self._knows(host):
            return HTTPStatus.MISDIRECTED_REQUEST, (
                f"A browser asked for the panel by {_shown(host, 'a name')}, which it does not "
                f"know{_remedy(host)}"
            )
        asks_only = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if (origin or not asks_only) and not self._ours(origin, host):
            place = origin.partition("://")[2]
            return HTTPStatus.FORBIDDEN, (
                f"A page of {_shown(place, 'unknown origin')} asked for the panel and got "
                f"nothing{_remedy(place)}"
            )
        if self._accounts is not None:
            account = self._accounts.owner(scope)
            if account == CLOSING:
                return HTTPStatus.FORBIDDEN, ""
            if self._accounts.own(account) is False:
                return HTTPStatus.FORBIDDEN, (
                    f"Another account of this computer ({self._accounts.name(account)}) asked for "
                    f"the panel and got nothing{_remedy(host or self._first)}"
                )
        return None

    def _knows(self, host: str) -> bool:
        if host in self._hosts or self._is_named(host):
            return True
        name, _, port = host.rpartition(":")
        if not self._addresses or port != str(self._port):
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _ours(self, origin: str, host: str) -> bool:
        """Whether a page's origin is the panel, as it calls itself or as a proxy calls it."""
        if origin == f"{self._scheme}://{host}":
            return True
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and self._is_named(place)

    def _is_named(self, host: str) -> bool:
        try:
            found = split_host(host)
        except ValueError:
            return False
        return found in self._named or HostName(found.name, None) in self._named

    def _tell_once(self, why: str) -> None:
        if why and why not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(why)
            self._tell(why)


def _shown(host: str, otherwise: str) -> str:
    """A host's name that somebody sent, if it can be printed."""
    return host if re.fullmatch(r"[a-z0-9.:\[\]_-]{1,80}", host) else otherwise


def _remedy(host: str) -> str:
    name = _shown(host, "NAME")
    return f"; if this is a tunnel or proxy of yours, start with --panel-host {name}."


def _header(scope: Scope, name: bytes) -> str:
    """The only header of this name, or "" where there is none or more than one."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


async def _refuse(scope: Scope, send: Send, status: HTTPStatus, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": status.phrase})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    headers.append((b"x-content-type-options", b"nosniff"))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": f"{status.phrase}. {why}\n".encode()})
