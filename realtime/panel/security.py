"""Who may talk to the panel: the right host name, the same origin, and the run's key.

A page of another site cannot reach the panel through the user's browser: its requests carry its
own origin, and a name of its own that it lets point here (DNS rebinding) is not among the hosts.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROTOCOL = "key."
"""Begins the name of the subprotocol by which a socket carries the key: browsers let pages set no
headers of a socket."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Sent with every answer: pages load nothing from elsewhere and are shown in no other page."""


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
        return secrets.compare_digest(given.encode("utf-8", "replace"), self.text.encode())

    def opens(self, scope: Scope) -> bool:
        """Whether a request carries it: in `Authorization`, or as a socket's subprotocol."""
        if scope["type"] == "websocket":
            return any(
                name.startswith(_PROTOCOL) and self.fits(name.removeprefix(_PROTOCOL))
                for name in scope.get("subprotocols", [])
            )
        kind, _, given = _header(scope, b"authorization").partition(" ")
        return kind.lower() == "bearer" and self.fits(given)


class Guard:
    """Lets a request pass to `app` only if its host and its origin are right; adds `HEADERS`."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str], addresses: bool, secure: bool) -> None:
        """Guard `app`.

        Args:
            app: what is guarded.
            hosts: what `Host` may say, with the port: "127.0.0.1:8080".
            addresses: it may also be any address in figures with the port of `hosts`: only names
                can be made to point elsewhere.
            secure: pages come by https.
        """
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._port = next(iter(self._hosts)).rpartition(":")[2]
        self._addresses = addresses
        self._scheme = "https" if secure else "http"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or socket."""
        if scope["type"] not in ("http", "websocket"):
            return
        wrong = self._wrong(scope)
        if wrong is not None:
            await _refuse(scope, send, wrong)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [(name.lower().encode(), HEADERS[name].encode()) for name in HEADERS]
                message["headers"] = [*message.get("headers", []), *headers]
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _wrong(self, scope: Scope) -> HTTPStatus | None:
        host, origin = _header(scope, b"host").lower(), _header(scope, b"origin")
        if not self._knows(host):
            return HTTPStatus.MISDIRECTED_REQUEST
        asks_only = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if (origin or not asks_only) and origin.lower() != f"{self._scheme}://{host}":
            return HTTPStatus.FORBIDDEN
        return None

    def _knows(self, host: str) -> bool:
        if host in self._hosts:
            return True
        name, _, port = host.rpartition(":")
        if not self._addresses or port != self._port:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True


def _header(scope: Scope, name: bytes) -> str:
    """The only header of this name, or "" where there is none or more than one."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else ""


async def _refuse(scope: Scope, send: Send, status: HTTPStatus) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": status.phrase})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": status.phrase.encode()})
