"""Serves the panel in a thread of its own: the page, its socket, thumbnails and added photos.

The live threads never wait for a browser. A page says when it has shown a picture; at most
two are on their way to it, so what a slow page misses is dropped and not queued.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from models.errors import UserError
from realtime.cameras.browser import MAX_FRAME, BrowserFeed
from realtime.panel.address import Address, bind, names_of, with_port
from realtime.panel.certificate import Certificate
from realtime.panel.preview import Preview
from realtime.panel.security import AccessKey, Guard
from realtime.session.avatar_library import MAX_UPLOAD
from realtime.session.keys import KEYS
from realtime.session.session import Command, Session

_OUTPUT, _CAMERA = 1, 2
"""The kinds of pictures; the first byte of each, which static/socket.js reads."""

_IN_FLIGHT = 2
"""Pictures on their way: one that the page shows, and one that travels meanwhile."""

_FIGURES_EVERY = 0.5
"""Seconds; faster figures cannot be read."""

_MAX_PAGES = 16
"""More are a mistake or an attack: each costs computing time that drawing needs."""

_MAX_TEXT = 20_000
"""Letters of a message; the page's longest has some hundred."""

_WIDTHS = (320, 640, 1280, 1920, 3840)
"""Pixels: thumbnails, half, 720p, 1080p, 4K."""

_FILES = {
    "/": ("index.html", "text/html"),
    "/output": ("output.html", "text/html"),
    **{
        f"/{name}": (name, "text/javascript" if name.endswith(".js") else "text/css")
        for name in (
            *("panel.js", "socket.js", "avatars.js", "controls.js", "figures.js", "keys.js"),
            *("webcam.js", "output.js", "panel.css"),
        )
    },
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Everything that can be fetched without the key: address to file and type."""

_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Page:
    """One open page.

    Attributes:
        socket: to talk to it.
        name: made here, new for every page.
        shows: kind of picture to its width and frames per second.
        in_flight: kind of picture to how many the page has not shown yet.
        sending: held while a message is sent.
        told: the revision of the state that it knows.
    """

    socket: WebSocket
    name: str
    shows: dict[int, tuple[int, float]] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: int = -1


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
    ) -> None:
        """Take the address; nothing is answered before `start`.

        Args:
            session: what pages see and control.
            preview: makes their pictures.
            address: where to listen.
            certificate: for https; needed for anything but this computer alone.
            feed: where the pictures of a page's webcam go, if they are wanted.

        Raises:
            UserError: it cannot listen there, or it would be open to others unencrypted.
        """
        if not address.loopback and certificate is None:
            raise UserError(
                f"The panel is shown to other computers ({address.host}) only encrypted; give "
                "--tls-cert and --tls-key."
            )
        self.key = AccessKey()
        self._session = session
        self._preview = preview
        self._feed = feed
        self._secure = certificate is not None
        self._listener = bind(address)
        port = int(self._listener.getsockname()[1])
        self._hosts = [with_port(name, port) for name in names_of(address)]
        self._pages: set[_Page] = set()
        self._figures: tuple[float, str] = (-1.0, "")
        self._contents = {
            path: ((files("realtime.panel") / "static" / name).read_bytes(), kind)
            for path, (name, kind) in _FILES.items()
        }
        app = Starlette(
            routes=[
                *(Route(path, self._file, methods=["GET"]) for path in _FILES),
                Route("/key", self._check, methods=["GET"]),
                Route("/thumbnails/{identity:str}", self._thumbnail, methods=["GET"]),
                Route("/avatars", self._add, methods=["POST"]),
                WebSocketRoute("/live", self._live),
            ],
            exception_handlers={Exception: self._failed},
        )
        guarded = Guard(app, self._hosts, not address.loopback, self._secure)
        self._server = uvicorn.Server(
            uvicorn.Config(
                guarded,
                log_config=None,
                log_level="critical",  # The terminal belongs to the status line.
                access_log=False,
                server_header=False,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=MAX_FRAME + 1,
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
        return self.url_of("/")

    def url_of(self, path: str) -> str:
        """The address of one of the pages, with the key."""
        scheme = "https" if self._secure else "http"
        return f"{scheme}://{self._hosts[0]}{path}#key={self.key.text}"

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering; open pages are told that the run is over."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(5.0)
        self._listener.close()

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

    async def _check(self, request: Request) -> Response:
        return Response(status_code=204 if self.key.opens(request.scope) else 401)

    async def _thumbnail(self, request: Request) -> Response:
        if not self.key.opens(request.scope):
            return Response(status_code=401)
        picture = self._session.thumbnail(request.path_params["identity"])
        if not picture:
            return Response(status_code=404)
        return Response(picture, media_type="image/jpeg")

    async def _add(self, request: Request) -> Response:
        if not self.key.opens(request.scope):
            return Response(status_code=401)
        name = unquote(request.headers.get("x-name", ""))[:200]
        too_large = f"Photos of up to {MAX_UPLOAD // 1_000_000} MB can be added; use a smaller one."
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_UPLOAD:
            return JSONResponse({"refused": too_large}, 413)
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_UPLOAD:
                return JSONResponse({"refused": too_large}, 413)
        try:
            entry = await asyncio.to_thread(self._session.add, bytes(data), name)
        except UserError as error:
            return JSONResponse({"refused": str(error)}, 422)
        return JSONResponse({"id": entry.id}, 201)

    async def _live(self, web: WebSocket) -> None:
        if not self.key.opens(web.scope):
            await web.close(4401)
            return
        await web.accept(subprotocol="panel")
        if len(self._pages) >= _MAX_PAGES:
            await web.close(4429, "Too many pages are open; close one.")
            return
        page = _Page(web, secrets.token_hex(8))
        self._pages.add(page)
        try:
            await self._greet(page)
            jobs = [
                asyncio.create_task(job)
                for job in (self._tell(page), self._show(page, _OUTPUT), self._show(page, _CAMERA))
            ]
            try:
                await self._listen(page)
            finally:
                for job in jobs:
                    job.cancel()
                for ended in await asyncio.gather(*jobs, return_exceptions=True):
                    if isinstance(ended, Exception):
                        _log.debug("a page is told nothing more", exc_info=ended)
        except (WebSocketDisconnect, RuntimeError) as error:
            _log.debug("a page is gone", exc_info=error)
        except Exception as error:
            _log.debug("a page failed", exc_info=error)
            raise
        finally:
            self._pages.discard(page)
            if self._feed is not None:
                self._feed.end(page.name)
                self._session.touch()

    async def _greet(self, page: _Page) -> None:
        await self._send(
            page,
            {
                "keys": [asdict(key) for key in KEYS],
                "page": page.name,
                "webcam": self._feed is not None,
                "upload": MAX_UPLOAD,
            },
        )

    async def _send(self, page: _Page, message: dict[str, Any]) -> None:
        await self._send_text(page, json.dumps(message, allow_nan=False))

    async def _send_text(self, page: _Page, text: str) -> None:
        async with page.sending:
            await page.socket.send_text(text)

    async def _tell(self, page: _Page) -> None:
        """Keep a page up to date about state and figures."""
        figures_at = 0.0
        while True:
            revision = self._session.revision
            if revision != page.told:
                state = await asyncio.to_thread(self._session.state)
                page.told = state["revision"]
                camera = None if self._feed is None else self._feed.owner
                await self._send(page, {"state": {**state, "camera_page": camera}})
            now = time.monotonic()
            if now - figures_at >= _FIGURES_EVERY:
                figures_at = now
                await self._send_text(page, self._figures_text(now))
            await asyncio.sleep(0.05)

    def _figures_text(self, now: float) -> str:
        """The figures as they are now, computed once for all pages."""
        made_at, text = self._figures
        if now - made_at >= 0.9 * _FIGURES_EVERY:
            text = json.dumps({"figures": self._session.figures()}, allow_nan=False)
            self._figures = now, text
        return text

    async def _show(self, page: _Page, kind: int) -> None:
        """Send a page one kind of picture as fast as it wants and can."""
        before: bytes | None = None
        due = time.monotonic()
        while True:
            wanted = page.shows.get(kind)
            if wanted is None:
                await asyncio.sleep(0.1)
                continue
            width, fps = wanted
            due = max(due + 1 / fps, time.monotonic() - 1 / fps)
            await asyncio.sleep(max(due - time.monotonic(), 0))
            if page.in_flight.get(kind, 0) >= _IN_FLIGHT:
                continue
            # A millisecond of OpenCV, which holds up no other thread; handing it to one costs more.
            if kind == _OUTPUT:
                picture = self._preview.output(width, before)
            else:
                picture = self._preview.camera(before)
            if picture is None:
                continue
            before = picture
            page.in_flight[kind] = page.in_flight.get(kind, 0) + 1
            async with page.sending:
                await page.socket.send_bytes(bytes([kind]) + picture)

    async def _listen(self, page: _Page) -> None:
        """Do what a page asks for until it is gone."""
        while True:
            message = await page.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            data = message.get("bytes")
            if data is not None:
                if self._feed is not None:
                    self._feed.put(page.name, data)
                continue
            try:
                await self._obey(page, message.get("text") or "")
            except UserError as error:
                await self._send(page, {"refused": str(error)})

    async def _obey(self, page: _Page, text: str) -> None:
        try:
            asked = json.loads(text) if len(text) <= _MAX_TEXT else None
        except (ValueError, RecursionError):
            asked = None
        if isinstance(asked, dict) and "seen" in asked:
            kind = asked["seen"]
            if kind in (_OUTPUT, _CAMERA):
                page.in_flight[kind] = max(page.in_flight.get(kind, 0) - 1, 0)
        elif isinstance(asked, dict) and "show" in asked:
            page.shows = _wishes(asked["show"])
            page.in_flight.clear()
        elif isinstance(asked, dict) and "webcam" in asked:
            self._webcam(page, asked["webcam"] is True)
        else:
            await asyncio.to_thread(self._session.do, Command.parse(asked))

    def _webcam(self, page: _Page, on: bool) -> None:
        if self._feed is None:
            raise UserError("This run has a camera; start one with --camera browser.")
        if on:
            self._feed.begin(page.name)
        else:
            self._feed.end(page.name)
        self._session.touch()


def _wishes(asked: object) -> dict[int, tuple[int, float]]:
    """The pictures a page wants: kind to width and frames per second.

    Raises:
        UserError: that is not what it says.
    """
    shows: dict[int, tuple[int, float]] = {}
    known = {"output": _OUTPUT, "camera": _CAMERA}
    if not isinstance(asked, dict):
        raise UserError("That is not a list of pictures.")
    for name, wish in asked.items():
        kind = known.get(name)
        if kind is None or not isinstance(wish, dict):
            raise UserError("That is not a list of pictures.")
        width, fps = wish.get("width", 640), wish.get("fps", 15)
        if type(width) is not int or not isinstance(fps, (int, float)) or not 0.5 <= fps <= 60:
            raise UserError("Pictures have a width and 0.5 to 60 frames per second.")
        # A few widths only, so that pages share pictures.
        shows[kind] = next((one for one in _WIDTHS if one >= width), _WIDTHS[-1]), float(fps)
    return shows
