"""The page's clips: what they are made of, how far they are, and what came out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from models.errors import UserError
from realtime.clips.desk import MAX_PHOTO, MAX_VIDEO, Desk
from realtime.clips.job import Choices, JobState
from realtime.clips.looking import picture_file
from realtime.clips.queue import Queue
from realtime.clips.store import Material, Store
from realtime.panel.feature import Answer, Opened, with_key
from realtime.panel.tokens import FileTokens

_PIECE = 1 << 20
"""Bytes of an upload that are written at once: few changes of thread, little memory."""

_MAX_ASKED = 4096
"""Bytes of a request with choices; the longest has some hundred."""

_GONE = "This clip is no longer in the list."


class _TooLarge(Exception):
    """More bytes came than may."""


class ClipsFeature:
    """The panel's part for clips.

    Attributes:
        name: under which pages find its state.
        changed: called when that has changed.
    """

    name = "clips"

    def __init__(self, folder: Path, avatar: Callable[[str], Path | None]) -> None:
        """Go on with what waits.

        Args:
            folder: where clips are kept.
            avatar: where the photo of an avatar lies, by its id; None: there is none.
        """
        self.changed: Callable[[], None] = lambda: None
        self._avatar = avatar
        self._store = Store(folder)
        self._queue = Queue(self._store)
        self._desk = Desk(self._store, self._queue)
        self._queue.changed = self._desk.changed = lambda: self.changed()
        self._tokens = FileTokens()
        self._desk.tidy()
        self._queue.start()

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """What pages ask for; players ask by a token."""

        def route(path: str, answer: Answer, method: str = "GET") -> Route:
            return Route(f"/clips{path}", with_key(opened, answer), methods=[method])

        return [
            route("/photo", self._take_photo, "POST"),
            route("/video", self._take_video, "POST"),
            route("/avatar", self._take_avatar, "POST"),
            route("/moments", self._moments),
            route("/best", self._best, "POST"),
            route("/preview", self._preview, "POST"),
            route("/link", self._link, "POST"),
            route("/material/{id:str}/thumbnail", self._thumbnail),
            route("/material/{id:str}/frames/{sample:int}", self._frame),
            route("/material/{id:str}/faces/{sample:int}", self._face),
            Route("/clips/media", self._media, methods=["GET"]),
        ]

    def state(self) -> Mapping[str, Any]:
        """Desk and jobs."""
        return {**self._desk.state(), "jobs": self._queue.state()}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """What pages can have done."""
        return {
            "clips.start": self._start,
            "clips.cancel": self._queue.cancel,
            "clips.again": self._queue.again,
            "clips.remove": self._remove,
            "clips.reuse": lambda value: self._desk.reuse(self._queue.find(value)),
            "clips.clear": lambda value: self._desk.clear(),
        }

    def close(self) -> None:
        """End all processes; what was being made waits for the next start."""
        self._queue.close()
        self._desk.close()

    def _remove(self, value: Any) -> None:
        job = self._queue.find(value)
        for path in (self._store.result(job), self._store.driver(job)):
            self._tokens.revoke(path)
        self._queue.remove(value)

    def _start(self, value: Any) -> None:
        self._desk.start(Choices.parse(value))

    async def _take_photo(self, request: Request) -> Response:
        return await self._take(request, MAX_PHOTO, "Photos", self._desk.lay_photo)

    async def _take_video(self, request: Request) -> Response:
        return await self._take(request, MAX_VIDEO, "Clips", self._desk.lay_video)

    async def _take(
        self, request: Request, most: int, what: str, lay: Callable[[Material], None]
    ) -> Response:
        """Stream an upload to the disk and lay it on the desk."""
        name = unquote(request.headers.get("x-name", ""))[:200]
        length = request.headers.get("content-length", "")
        size = int(length) if length.isdecimal() else 0
        too_large = f"{what} of up to {most // 1_000_000} MB can be taken; use a smaller one."
        if size > most:
            return JSONResponse({"refused": too_large}, 413)
        try:
            with self._desk.arriving(name, size) as material:
                await _stream(request, material.path, most)
                await asyncio.to_thread(lay, material)
        except _TooLarge:
            return JSONResponse({"refused": too_large}, 413)
        except OSError as error:
            why = error.strerror or type(error).__name__
            sentence = f"The file cannot be kept ({why}); make room on the disk."
            return JSONResponse({"refused": sentence}, 507)
        return JSONResponse({"id": material.id}, 201)

    async def _take_avatar(self, request: Request) -> Response:
        asked = await _asked(request)
        identity = asked.get("id")
        path = self._avatar(identity) if isinstance(identity, str) else None
        if path is None:
            raise UserError("This avatar is no longer in the list; choose another one.")
        await asyncio.to_thread(self._desk.copy_photo, path)
        return Response(status_code=204)

    async def _moments(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(self._desk.moments))

    async def _best(self, request: Request) -> Response:
        choices = Choices.parse(await _asked(request))
        found = await asyncio.to_thread(self._desk.best, choices.start, choices.end)
        return JSONResponse({"best": found})

    async def _preview(self, request: Request) -> Response:
        asked = await _asked(request)
        sample = asked.get("sample")
        if type(sample) is not int:
            raise UserError("Say which moment the preview is of.")
        choices = Choices.parse(asked)
        picture = await asyncio.to_thread(self._desk.preview, sample, choices)
        return Response(picture, media_type="image/jpeg")

    async def _thumbnail(self, request: Request) -> Response:
        material = self._store.material(request.path_params["id"])
        return _picture(material.thumbnail)

    async def _frame(self, request: Request) -> Response:
        material = self._store.material(request.path_params["id"])
        return _picture(picture_file(material.seen, request.path_params["sample"]))

    async def _face(self, request: Request) -> Response:
        material = self._store.material(request.path_params["id"])
        return _picture(material.seen / f"face-{request.path_params['sample']}.jpg")

    async def _link(self, request: Request) -> Response:
        """An address for a player, or for saving: result or driving clip of a job."""
        asked = await _asked(request)
        job = self._queue.find(asked.get("job"))
        if job.state is not JobState.DONE:
            raise UserError("This clip is not finished yet.")
        what = asked.get("what")
        path = self._store.driver(job) if what == "driver" else self._store.result(job)
        if not path.is_file():
            raise UserError("The file of this clip is gone; make it again.")
        save = "&save=yes" if what == "download" else ""
        return JSONResponse({"address": f"/clips/media?token={self._tokens.give(path)}{save}"})

    async def _media(self, request: Request) -> Response:
        """One file for one token; parts of it too, so that a player can seek."""
        path = self._tokens.path(request.query_params.get("token", ""))
        if path is None:
            return Response(status_code=401)
        if not path.is_file():
            return JSONResponse({"refused": _GONE}, 404)
        name = path.name if "save" in request.query_params else None
        return FileResponse(path, media_type="video/mp4", filename=name)


async def _stream(request: Request, path: Path, most: int) -> None:
    """Write a request's body into a new file.

    Raises:
        OSError: the disk refuses it.
        _TooLarge: it has more than `most` bytes.
    """
    taken = 0
    with path.open("xb") as file:
        held = bytearray()
        async for chunk in request.stream():
            held += chunk
            taken += len(chunk)
            if taken > most:
                raise _TooLarge
            if len(held) >= _PIECE:
                await asyncio.to_thread(file.write, bytes(held))
                held.clear()
        await asyncio.to_thread(file.write, bytes(held))


async def _asked(request: Request) -> dict[str, Any]:
    """What a request says in JSON.

    Raises:
        UserError: nothing that can be understood.
    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > _MAX_ASKED:
            break
    try:
        asked = json.loads(data) if len(data) <= _MAX_ASKED else None
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        raise UserError("This request cannot be understood; load the page anew.")
    return asked


def _picture(path: Path) -> Response:
    if not path.is_file():
        return Response(status_code=404)
    return FileResponse(path, media_type="image/jpeg")
