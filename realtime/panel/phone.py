"""A phone as the camera: a second, encrypted listener in the local network, while it is wanted.

The phone opens an address with a key of its own, which a QR code on the panel shows. That key opens
one small page, which sends the phone's camera; everything else stays out of its reach.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.errors import UserError
from realtime.cameras.browser import BrowserFeed
from realtime.panel.accounts import Accounts
from realtime.panel.address import Address, bind, with_port
from realtime.panel.certificate import self_made
from realtime.panel.feature import Opened
from realtime.panel.neighbours import own_addresses
from realtime.panel.pages import MAX_MESSAGE, Page
from realtime.panel.security import AccessKey, Guard, given_keys
from realtime.panel.static_files import static_files

_PORT = 47_813
"""Any free one would do; one that stays lets a phone remember that its user has allowed it."""

_UNUSED = 600.0
"""Seconds after which a listener that no phone has come to is closed: scanning takes one minute."""

_WATCH = 0.5
"""Seconds from one look to the next at whether the phone is still wanted."""

_CHOOSING = 15.0
"""Seconds that a run may take to change to the phone; closing a slow camera takes up to ten."""

_MAX_TEXT = 1000
"""Letters of a message; the longest asks for the time."""

_CONNECTIONS = 64
"""At once: a page loads ten files, and others in the network must not cost more."""

_PAGE = ("/phone.js", "/phone.css", "/sender.js", "/pace.js", "/clock.js", "/i18n.js", "/icon.svg")
"""What the phone's page is made of, besides the tables of words."""

_log = logging.getLogger(__name__)


class Phone:
    """Lets one phone be the camera.

    Attributes:
        name: as a feature's; also the owner of the feed, which no page is called.
        changed: as a feature's.
    """

    name = "phone"

    def __init__(
        self,
        feed: BrowserFeed,
        folder: Path,
        choose: Callable[[], None],
        chosen: Callable[[], bool],
        tell: Callable[[str], None] = lambda line: None,
        addresses: Callable[[], list[str]] = own_addresses,
    ) -> None:
        """Listen nowhere yet.

        Args:
            feed: where the phone's pictures go.
            folder: where its certificate is kept.
            choose: makes the pictures of pages the camera of the run.
            chosen: whether they are.
            tell: is told a line for the user.
            addresses: those of this computer in its local networks, the most useful one first.
        """
        self.changed: Callable[[], None] = lambda: None
        self._feed, self._folder, self._tell = feed, folder, tell
        self._choose, self._chosen, self._addresses = choose, chosen, addresses
        self._lock = threading.Lock()
        self._listener: _Listener | None = None

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """`/phone/qr/NUMBER`: an address as a QR code."""

        async def code(request: Request) -> Response:
            if not opened(request.scope):
                return Response(status_code=401)
            listener = self._listener
            number = request.path_params["number"]
            if listener is None or number >= len(listener.urls):
                return Response(status_code=404)
            return Response(qr_code(listener.urls[number]), media_type="image/svg+xml")

        return (Route("/phone/qr/{number:int}", code, methods=["GET"]),)

    def state(self) -> Mapping[str, Any]:
        """Whether it listens, where, and whether a phone sends."""
        listener = self._listener
        if listener is None or listener.over:
            return {"on": False, "addresses": [], "fingerprint": "", "connected": False}
        return {
            "on": True,
            "addresses": listener.urls,
            "fingerprint": listener.fingerprint,
            "connected": listener.connected,
        }

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """`phone.start`, `phone.stop`, and `phone.leave`, which leaves a phone that is there."""
        return {
            "phone.start": lambda _: self.start(),
            "phone.stop": lambda _: self.close(),
            "phone.leave": lambda _: self._leave(),
        }

    def start(self) -> None:
        """Listen, with a new key.

        Raises:
            UserError: this computer is in no network, or the certificate cannot be kept.
        """
        with self._lock:
            if self._listener is not None and not self._listener.over:
                return
            hosts = self._addresses()
            if not hosts:
                raise UserError(
                    "This computer is in no network; connect it to the same one as the phone."
                )
            self._listener = _Listener(self, hosts)
            self._listener.start()
        self.changed()

    def _leave(self) -> None:
        # A page may not have heard yet that a phone has come.
        listener = self._listener
        if listener is not None and not listener.taken:
            self.close()

    def close(self) -> None:
        """Listen no more; the key opens nothing any longer."""
        with self._lock:
            listener, self._listener = self._listener, None
            if listener is not None:
                listener.close()
        self._feed.end(self.name)
        self.changed()


class _Listener:
    """One listener, with a key, from start to close."""

    def __init__(self, phone: Phone, hosts: Sequence[str]) -> None:
        self._phone, self._feed = phone, phone._feed
        self.connected = self.over = False
        self._came = self._was_chosen = False
        self._came_at = 0.0
        self._page: Page | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._key = AccessKey()
        certificate = self_made(phone._folder, hosts)
        self.fingerprint = certificate.fingerprint or ""
        self._sockets = _listen(hosts)
        port = int(self._sockets[0].getsockname()[1])
        places = [with_port(host, port) for host in hosts]
        self.urls = [f"https://{place}/#key={self._key.text}" for place in places]
        guarded = Guard(
            Starlette(routes=self._routes()),
            places,
            False,
            True,
            accounts=Accounts(),
            tell=phone._tell,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                guarded,
                log_config=None,
                log_level="critical",  # The terminal belongs to the status line.
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=1,
                limit_concurrency=_CONNECTIONS,
                ssl_certfile=certificate.certificate,
                ssl_keyfile=certificate.key,
            )
        )
        self._thread = threading.Thread(target=self._run, name="phone", daemon=True)

    @property
    def taken(self) -> bool:
        """Whether a phone is there, sending already or about to."""
        return self._page is not None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._key.renew()
        if self._loop is not None and not self.over:
            with suppress(RuntimeError, TimeoutError):
                asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(2.0)
        self._server.should_exit = True
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5.0)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (Exception, SystemExit) as error:
            _log.debug("the phone's listener has failed", exc_info=error)
        finally:
            self.over, self.connected = True, False
            for one in self._sockets:
                one.close()
            self._feed.end(self._phone.name)
            self._phone.changed()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        watching = asyncio.create_task(self._watch())
        try:
            await self._server.serve(sockets=self._sockets)
        finally:
            watching.cancel()

    async def _watch(self) -> None:
        """End it once it is no longer wanted: another camera was chosen, or no phone has come."""
        since = time.monotonic()
        while not self._server.should_exit:
            await asyncio.sleep(_WATCH)
            other = self._feed.owner not in (None, self._phone.name)
            chosen = await asyncio.to_thread(self._phone._chosen)
            now = time.monotonic()
            # Choosing takes a moment: until it is done, the run has another camera.
            self._was_chosen = self._came and (self._was_chosen or chosen)
            decided = self._was_chosen or now - self._came_at > _CHOOSING
            late = not self._came and now - since > _UNUSED
            if late or (self._came and (other or (decided and not chosen))):
                await self._end()

    async def _end(self) -> None:
        self._key.renew()
        if self._page is not None:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._page.socket.close(4410, "not wanted any more")
        self._server.should_exit = True

    def _routes(self) -> list[BaseRoute]:
        every = static_files()
        names = [*_PAGE, *(name for name in every if name.startswith("/strings/"))]
        contents = {"/": every["/phone"]} | {name: every[name] for name in names}

        async def file(request: Request) -> Response:
            content, kind = contents[request.url.path]
            return Response(content, media_type=kind)

        return [
            *(Route(path, file, methods=["GET"]) for path in contents),
            WebSocketRoute("/camera", self._camera),
        ]

    async def _camera(self, web: WebSocket) -> None:
        if not any(map(self._key.fits, given_keys(web.scope))):
            await web.close(4401)
            return
        await web.accept(subprotocol="phone")
        if self._page is not None:
            # The same phone, whose connection broke unnoticed, or the user's other one.
            with suppress(WebSocketDisconnect, RuntimeError):
                await self._page.socket.close(4409, "another phone is the camera now")
        page = self._page = Page(web, self._phone.name, False)
        answering = asyncio.create_task(page.answer())
        try:
            # First, so that the run never waits for another page's webcam.
            self._feed.begin(page.name)
            await asyncio.to_thread(self._phone._choose)
            self._was_chosen, self._came_at = False, time.monotonic()
            self.connected = self._came = True
            self._phone.changed()
            await self._listen(page)
        except (WebSocketDisconnect, RuntimeError) as error:
            _log.debug("the phone is gone", exc_info=error)
        except UserError as error:
            await web.close(4400, str(error)[:100])
        finally:
            answering.cancel()
            if self._page is page:
                self._page, self.connected = None, False
                self._feed.end(page.name)
                self._phone.changed()

    async def _listen(self, page: Page) -> None:
        while True:
            message = await page.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data, text = message.get("bytes"), message.get("text")
            if data is not None and self._page is page:
                page.hand_over(data, self._feed)
            elif text is not None:
                asked = _asked_at(text)
                if asked is not None:
                    page.pong(asked, time.perf_counter())


def qr_code(text: str) -> bytes:
    """A text as a QR code, an SVG file of black on white."""
    # Most runs need none.
    import segno

    file = io.BytesIO()
    segno.make(text, micro=False).save(
        file, kind="svg", border=3, dark="#000", light="#fff", omitsize=True
    )
    return file.getvalue()


def _listen(hosts: Sequence[str]) -> list[socket.socket]:
    """A socket for each address, all with the same port.

    Raises:
        UserError: none can be had.
    """
    for port in (_PORT, 0):
        sockets: list[socket.socket] = []
        try:
            for host in hosts:
                sockets.append(bind(Address(host, port)))
                port = port or int(sockets[0].getsockname()[1])
            return sockets
        except UserError as error:
            for one in sockets:
                one.close()
            trouble = error
    raise UserError("No port is free for the phone; try again.") from trouble


def _asked_at(text: str) -> float | None:
    """The time of a phone's clock that it wants an answer for."""
    try:
        asked = json.loads(text) if len(text) <= _MAX_TEXT else None
    except (ValueError, RecursionError):
        return None
    at = asked.get("ping") if isinstance(asked, dict) else None
    return at if isinstance(at, (int, float)) and math.isfinite(at) else None
