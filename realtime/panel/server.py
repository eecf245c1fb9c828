"""Serves the panel in a thread of its own: the page, its socket, thumbnails and added photos.

The live threads never wait for a browser. A page says when it has shown a picture; at most
two are on their way to it, so what a slow page misses is dropped and not queued.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import socket
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.errors import UserError
from realtime.cameras.browser import BrowserFeed
from realtime.panel.accounts import Accounts
from realtime.panel.address import Address, HostName, bind, names_of, with_port
from realtime.panel.certificate import Certificate
from realtime.panel.feature import Feature
from realtime.panel.output_key import OutputKey
from realtime.panel.pages import CAMERA, MAX_MESSAGE, OUTPUT, PERSON, Page, wishes
from realtime.panel.preview import Preview
from realtime.panel.security import (
    AccessKey,
    CodeUse,
    Guard,
    OneTimeCode,
    authorization,
    given_keys,
)
from realtime.panel.static_files import static_files
from realtime.session.avatar_library import MAX_UPLOAD
from realtime.session.keys import KEYS
from realtime.session.session import Command, Session

_IN_FLIGHT = 2
"""Pictures on their way: one that the page shows, and one that travels meanwhile."""

_LOOK = 0.004
"""Seconds after which it is looked again for a picture that is due: little beside a frame's time at
30 a second, and four looks for each at the most cost nothing."""

_FIGURES_EVERY = 0.5
"""Seconds; faster figures cannot be read."""

_MAX_PAGES = 16
"""More are a mistake or an attack: each costs computing time that drawing needs."""

_MAX_TEXT = 20_000
"""Letters of a message; the page's longest has some hundred."""

_USED_UP = (
    "This address was for one use and has been used, or is too old; open the one that the program "
    "has printed."
)
_NOT_OURS = "The program does not know this account; open the address that it has printed."

_log = logging.getLogger(__name__)


class Panel:
    """The panel of one run.

    Attributes:
        key: what pages must know to be answered.
    """

    def __init__(
        self,
        session: Session,
        preview: Preview,
        address: Address,
        certificate: Certificate | None = None,
        feed: BrowserFeed | None = None,
        *,
        named: Collection[HostName] = (),
        output_key: Path | None = None,
        renewed: Callable[[], None] = lambda: None,
        features: Sequence[Feature] = (),
    ) -> None:
        """Take the address; nothing is answered before `start`.

        Args:
            session: what pages see and control.
            preview: makes their pictures.
            address: where to listen.
            certificate: for https; needed for anything but this computer alone.
            feed: where the pictures of a page's webcam go, if they are wanted.
            named: names of tunnels and proxies by which it may be asked for, too.
            output_key: the file of the output page's fixed key; None: there is none.
            renewed: called when `key` was made anew, because its code was used twice.
            features: parts of the page with routes, state and commands of their own.

        Raises:
            UserError: it cannot listen there, or it would be open to others unencrypted.
        """
        if not address.loopback and certificate is None:
            raise UserError(
                f"The panel is shown to other computers ({address.host}) only encrypted; give "
                "--tls-cert and --tls-key."
            )
        self.key = AccessKey()
        self._code: OneTimeCode | None = None
        self._output_key = OutputKey(output_key)
        self._renewed = renewed
        self._accounts = Accounts()
        self._session = session
        self._preview = preview
        self._feed = feed
        self._secure = certificate is not None
        self._listener = self._listen_at(address)
        self._port = int(self._listener.getsockname()[1])
        self._hosts = [with_port(name, self._port) for name in names_of(address)]
        self._pages: set[Page] = set()
        self._figures: tuple[float, str] = (-1.0, "")
        self._contents = static_files()
        self._features = tuple(features)
        self._actions: dict[str, Callable[[Any], None]] = {}
        for feature in self._features:
            feature.changed = session.touch
            self._actions.update(feature.actions())
        app = Starlette(
            routes=[
                *(Route(path, self._file, methods=["GET"]) for path in self._contents),
                Route("/key", self._check, methods=["GET"]),
                Route("/enter", self._enter, methods=["POST"]),
                Route("/thumbnails/{identity:str}", self._thumbnail, methods=["GET"]),
                WebSocketRoute("/live", self._live),
                *(route for feature in self._features for route in feature.routes(self._opened)),
            ],
            exception_handlers={Exception: self._failed},
        )
        guarded = Guard(
            app,
            self._hosts,
            not address.loopback,
            self._secure,
            named=named,
            accounts=None if named else self._accounts,
            tell=session.say,
        )
        self._server = uvicorn.Server(
            uvicorn.Config(
                guarded,
                log_config=None,
                log_level="critical",  # The terminal belongs to the status line.
                access_log=False,
                server_header=False,
                proxy_headers=False,  # Anybody can say from where a request comes.
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=MAX_MESSAGE,
                ws_per_message_deflate=False,  # JPEG does not become smaller.
                timeout_graceful_shutdown=1,
                limit_concurrency=16 * _MAX_PAGES,
                ssl_certfile=None if certificate is None else certificate.certificate,
                ssl_keyfile=None if certificate is None else certificate.key,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="panel", daemon=True)

    @property
    def url(self) -> str:
        """The address of the page, with the key where no server and no log sees it."""
        return f"{self.place}#key={self.key.text}"

    @property
    def place(self) -> str:
        """The address of the page, without a key."""
        scheme = "https" if self._secure else "http"
        return f"{scheme}://{self._hosts[0]}/"

    def url_for_one_use(self) -> str:
        """The address of the page, with a code that opens it once: for a browser's command line.

        Every call makes a new code, and the one before opens nothing any more.
        """
        self._code = OneTimeCode()
        return f"{self.place}#code={self._code.text}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; open pages are told that the run is over."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._listener.close()
        for feature in self._features:
            feature.close()

    def _listen_at(self, address: Address) -> socket.socket:
        """Where the user says; else where the output page's fixed address is, if that is free."""
        fixed = self._output_key.port
        if address.chosen or address.port or fixed is None:
            return bind(address)
        try:
            return bind(Address(address.host, fixed))
        except UserError:
            self._session.say(
                f"Another program has port {fixed}, so the output page's fixed address shows "
                "nothing of this run; end that program, or make a new address on the panel."
            )
            return bind(address)

    def _serve(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except (Exception, SystemExit) as error:
            _log.debug("the panel has failed", exc_info=error)
            self._session.say(f"The panel has failed ({error}); the run goes on without it.")

    async def _failed(self, request: Request, error: Exception) -> Response:
        # The server's own log is off: it would write on the terminal.
        _log.debug("a request failed", exc_info=error)
        return Response(status_code=500)

    async def _file(self, request: Request) -> Response:
        content, kind = self._contents[request.url.path]
        return Response(content, media_type=kind)

    def _opened(self, scope: Scope) -> bool:
        """Whether a request has the key of the run."""
        return any(self.key.fits(key) for key in given_keys(scope))

    def _shown(self, scope: Scope) -> bool:
        """Whether a request may see the output page."""
        return self._opened(scope) or any(map(self._output_key.fits, given_keys(scope)))

    async def _check(self, request: Request) -> Response:
        return Response(status_code=204 if self._shown(request.scope) else 401)

    async def _enter(self, request: Request) -> Response:
        """Give the key for the code of `url_for_one_use`."""
        own = self._accounts.own(self._accounts.owner(request.scope))
        # Where the system tells whose program asks, it must be ours: others can read the code.
        if self._accounts.known and own is not True:
            return Response(_NOT_OURS, 403, media_type="text/plain")
        use = CodeUse.WRONG
        if self._code is not None:
            use = self._code.use(authorization(request.scope, "code") or "")
        if use is CodeUse.FIRST:
            return JSONResponse({"key": self.key.text})
        if use is CodeUse.AGAIN and own is None:
            await self._shut_out()
        return Response(_USED_UP, 410, media_type="text/plain")

    async def _shut_out(self) -> None:
        """Two had the code, and nobody can tell who was the user: both lose what it gave."""
        self._code = None
        self.key.renew()
        self._session.say(
            "The page's address for one use was used twice, so somebody else may have seen the "
            "panel; every page was shut out. Open the new address."
        )
        self._renewed()
        await self._close_pages(lambda page: page.everything)

    async def _close_pages(self, which: Callable[[Page], bool]) -> None:
        closing = [page.socket.close(4401) for page in self._pages if which(page)]
        await asyncio.gather(*closing, return_exceptions=True)

    async def _thumbnail(self, request: Request) -> Response:
        if not self._opened(request.scope):
            return Response(status_code=401)
        picture = self._session.thumbnail(request.path_params["identity"])
        if not picture:
            return Response(status_code=404)
        return Response(picture, media_type="image/jpeg")

    async def _live(self, web: WebSocket) -> None:
        if not self._shown(web.scope):
            await web.close(4401)
            return
        await web.accept(subprotocol="panel")
        if len(self._pages) >= _MAX_PAGES:
            await web.close(4429, "Too many pages are open; close one.")
            return
        page = Page(web, secrets.token_hex(8), self._opened(web.scope))
        self._pages.add(page)
        self._count_viewers()
        try:
            await self._attend(page)
        except (WebSocketDisconnect, RuntimeError) as error:
            _log.debug("a page is gone", exc_info=error)
        except Exception as error:
            _log.debug("a page failed", exc_info=error)
            raise
        finally:
            self._pages.discard(page)
            self._count_viewers()
            if self._feed is not None:
                self._feed.end(page.name)
                self._session.touch()

    def _count_viewers(self) -> None:
        """Tell the session whether a page that sees the output alone is open."""
        watched = any(not page.everything for page in self._pages)
        if watched != self._session.watched:
            self._session.watched = watched
            self._session.touch()

    async def _attend(self, page: Page) -> None:
        """Show a page what it may see, and do what it asks for, until it is gone."""
        work = [self._show(page, OUTPUT), self._show(page, PERSON), page.answer()]
        if page.everything:
            await self._greet(page)
            work += [self._tell(page), self._show(page, CAMERA)]
        jobs = [asyncio.create_task(job) for job in work]
        try:
            await self._listen(page)
        finally:
            for job in jobs:
                job.cancel()
            for ended in await asyncio.gather(*jobs, return_exceptions=True):
                if isinstance(ended, Exception):
                    _log.debug("a page is told nothing more", exc_info=ended)

    async def _greet(self, page: Page) -> None:
        await page.send(
            {
                "keys": [asdict(key) for key in KEYS],
                "page": page.name,
                "webcam": self._feed is not None,
                "upload": MAX_UPLOAD,
            }
        )

    async def _tell(self, page: Page) -> None:
        """Keep a page up to date about state and figures."""
        figures_at = 0.0
        while True:
            revision = self._session.revision
            if revision != page.told:
                state = await asyncio.to_thread(self._session.state)
                page.told = state["revision"]
                camera = None if self._feed is None else self._feed.owner
                more = {feature.name: feature.state() for feature in self._features}
                await page.send({"state": {**state, **more, "camera_page": camera}})
            now = time.monotonic()
            if now - figures_at >= _FIGURES_EVERY:
                figures_at = now
                await page.send_text(self._figures_text(now))
            await asyncio.sleep(0.05)

    def _figures_text(self, now: float) -> str:
        """The figures as they are now, computed once for all pages."""
        made_at, text = self._figures
        if now - made_at >= 0.9 * _FIGURES_EVERY:
            text = json.dumps({"figures": self._session.figures()}, allow_nan=False)
            self._figures = now, text
        return text

    async def _show(self, page: Page, kind: int) -> None:
        """Send a page one kind of picture as fast as it wants and can."""
        before: bytes | None = None
        due = time.monotonic()
        while True:
            wanted = page.shows.get(kind)
            if wanted is None:
                await asyncio.sleep(0.1)
                continue
            width, fps = wanted
            await asyncio.sleep(max(due - time.monotonic(), 0))
            # A few milliseconds of OpenCV, which hold up no other thread.
            full = page.in_flight.get(kind, 0) >= _IN_FLIGHT
            picture = None if full else self._picture(kind, width, before)
            if picture is None:
                await asyncio.sleep(_LOOK)
                continue
            # One that came late takes none of the time of the next.
            due = max(due + 1 / fps, time.monotonic() - 1 / fps)
            before = picture
            await page.send_picture(kind, picture)

    def _picture(self, kind: int, width: int, before: bytes | None) -> bytes | None:
        """The newest picture of a kind, if it is not the one before."""
        if kind == OUTPUT:
            return self._preview.output(width, before)
        if kind == PERSON:
            return self._preview.person(width, before)
        return self._preview.camera(before)

    async def _listen(self, page: Page) -> None:
        """Do what a page asks for until it is gone."""
        while True:
            message = await page.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is not None:
                self._take(page, data)
                continue
            try:
                await self._obey(page, message.get("text") or "")
            except UserError as error:
                await page.send({"refused": str(error)})

    def _take(self, page: Page, data: bytes) -> None:
        """Take a picture of a page's webcam, and tell the page that it is here."""
        if self._feed is not None and page.everything:
            page.hand_over(data, self._feed)

    async def _obey(self, page: Page, text: str) -> None:
        try:
            asked = json.loads(text) if len(text) <= _MAX_TEXT else None
        except (ValueError, RecursionError):
            asked = None
        if isinstance(asked, dict) and "seen" in asked:
            kind = asked["seen"]
            if kind in (OUTPUT, CAMERA, PERSON):
                page.in_flight[kind] = max(page.in_flight.get(kind, 0) - 1, 0)
        elif isinstance(asked, dict) and "show" in asked:
            page.shows = wishes(asked["show"])
            page.in_flight.clear()
        elif not page.everything:
            raise UserError("This page only shows the output.")
        elif isinstance(asked, dict) and "ping" in asked:
            if isinstance(asked["ping"], (int, float)) and math.isfinite(asked["ping"]):
                page.pong(asked["ping"], time.perf_counter())
        elif isinstance(asked, dict) and "webcam" in asked:
            self._webcam(page, asked["webcam"] is True)
        elif isinstance(asked, dict) and "output_key" in asked:
            await self._fixed_key(page, asked["output_key"])
        else:
            command = Command.parse(asked)
            action = self._actions.get(command.name)
            if action is not None:
                await asyncio.to_thread(action, command.value)
            else:
                await asyncio.to_thread(self._session.do, command)

    def _webcam(self, page: Page, on: bool) -> None:
        if self._feed is None:
            raise UserError("This run has a camera; start one with --camera browser.")
        if on:
            self._feed.begin(page.name)
        else:
            self._feed.end(page.name)
        self._session.touch()

    async def _fixed_key(self, page: Page, wish: object) -> None:
        """Make or revoke the output page's fixed key, and tell the page that asked what it is."""
        if wish == "make":
            self._output_key.make(self._port)
        elif wish == "revoke":
            self._output_key.revoke()
        if wish in ("make", "revoke"):
            await self._close_pages(lambda one: not one.everything)
        await page.send({"output_key": self._output_key.text or ""})
