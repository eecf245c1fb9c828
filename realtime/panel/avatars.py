"""The page's part for the list of avatars: adding, looking at, changing, giving on."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import PIL.Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from models.errors import UserError
from models.types import Avatar, Photo
from realtime.panel.feature import Answer, Opened, with_key
from realtime.panel.points import PointsFeature
from realtime.paths import asset_path
from realtime.session.avatar_entry import AvatarEntry, AvatarState
from realtime.session.avatar_file import MAGIC, SUFFIX, read_avatar_file, write_avatar_file
from realtime.session.avatar_inbox import small, stem_of
from realtime.session.avatar_library import MAX_UPLOAD
from realtime.session.session import Command, Session

_SHOWN = 1024
"""Longer side in pixels of a picture in a dialog of the page."""

_TOO_LARGE = f"Photos of up to {MAX_UPLOAD // 1_000_000} MB can be added; use a smaller one."
"""What is told about a file that has more bytes than that."""

_GONE = "This avatar is no longer in the list; choose another one."


class AvatarFeature:
    """Routes and commands for the list of avatars."""

    name = "avatar"

    def __init__(self, session: Session, points: PointsFeature) -> None:
        """Nothing is done before a page asks.

        Args:
            session: has the list.
            points: moves photos by the embedded clip.
        """
        self._points = points
        self._moving: dict[str, Avatar] = {}
        self.changed: Callable[[], None] = lambda: None
        self._session = session

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """Adding photos, their pictures, and avatars as files."""

        def guarded(answer: Answer) -> Answer:
            return with_key(opened, answer)

        return [
            Route("/avatars", guarded(self._add), methods=["POST"]),
            Route("/avatars/{identity:str}/picture", guarded(self._picture), methods=["GET"]),
            Route("/avatars/{identity:str}/still", guarded(self._still), methods=["GET"]),
            Route("/avatars/{identity:str}/preview", guarded(self._preview), methods=["GET"]),
            Route("/avatars/{identity:str}/file", guarded(self._export), methods=["GET"]),
        ]

    def state(self) -> Mapping[str, Any]:
        """Whether a photo that is added goes live by itself."""
        return {"first": self._first_time()}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """Changes of the list."""
        library = self._session.library
        return {
            "avatar.rename": lambda value: library.rename(*_pair(value, str)),
            "avatar.move": lambda value: library.move(*_pair(value, int)),
            "avatar.face": lambda value: self._choose_face(*_pair(value, int)),
            "avatar.rotate": lambda value: self._rotate(_word(value)),
            "avatar.restore": lambda value: library.restore(_word(value)),
        }

    def close(self) -> None:
        """Nothing to do: the list is the session's."""

    def _first_time(self) -> bool:
        """Whether nobody has ever chosen an avatar: the example is on show."""
        try:
            examples = asset_path("face.jpg").parent
        except UserError:
            return False
        shown = self._session.current.path.absolute().parent
        return not self._session.library.chosen_before and shown == examples.absolute()

    def _rotate(self, identity: str) -> None:
        self._session.library.rotate(identity)
        self._show_again(identity)

    def _choose_face(self, identity: str, number: int) -> None:
        """Animate another face of a photo, from 0 on."""
        session = self._session
        entry = session.library.find(identity)
        if entry is None:
            raise UserError(_GONE)
        if not 0 <= number < len(entry.faces or ()):
            raise UserError(f"{entry.name} has no such face; choose one of those in it.")
        session.keep_settings(entry.key, replace(session.settings.of(entry.key), face=number + 1))
        session.library.renew(identity)
        self._show_again(identity)

    def _show_again(self, identity: str) -> None:
        """What is on show is shown as it is now, as soon as it is ready."""
        if identity == self._session.current.id and self._session.wanted is None:
            self._session.do(Command("avatar", identity))

    def _entry(self, request: Request) -> AvatarEntry:
        entry = self._session.library.find(request.path_params["identity"])
        if entry is None:
            raise UserError(_GONE)
        return entry

    async def _add(self, request: Request) -> Response:
        """Take a photo, or an avatar that was given on; told at once, looked at later."""
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > MAX_UPLOAD:
            return JSONResponse({"refused": _TOO_LARGE}, 413)
        library = self._session.library
        file = library.inbox()
        try:
            if not await _received(request, file):
                library.drop(file)
                return JSONResponse({"refused": _TOO_LARGE}, 413)
            name = unquote(request.headers.get("x-name", ""))[:200]
            entry = await asyncio.to_thread(self._take, file, name)
        except BaseException:  # Also where the page went away meanwhile.
            library.drop(file)
            raise
        live = self._first_time() and self._session.wanted is None
        if live:
            await asyncio.to_thread(self._session.do, Command("avatar", entry.id))
        return JSONResponse({"id": entry.id, "live": live}, 201)

    def _take(self, file: Path, name: str) -> AvatarEntry:
        library = self._session.library
        with file.open("rb") as opened:
            start = opened.read(len(MAGIC))
        if not start:
            raise UserError(f"{stem_of(name)} is an empty file; choose another one.")
        packed = start == MAGIC
        if not packed and not name.lower().endswith(SUFFIX):
            return library.receive(file, name)
        found = read_avatar_file(file, Path(name.replace("\\", "/")).name or "This file")
        entry = library.keep(found.image, stem_of(name), found.look, found.beside)
        self._session.keep_settings(entry.key, found.settings)
        library.drop(file)
        return entry

    async def _picture(self, request: Request) -> Response:
        """The whole photo, turned as it is shown."""
        entry = self._entry(request)
        picture = self._session.library.picture
        return _jpeg(await asyncio.to_thread(lambda: _encoded(small(picture(entry.id), _SHOWN))))

    async def _still(self, request: Request) -> Response:
        """The avatar as it is at rest; 204 until it is ready."""
        entry = self._entry(request)
        if entry.ready is None:
            return Response(status_code=204)
        image = entry.ready.avatar.still
        return _jpeg(await asyncio.to_thread(lambda: _encoded(small(image, _SHOWN))))

    async def _preview(self, request: Request) -> Response:
        """The avatar moved by a frame of the embedded clip; 204 until it is ready."""
        entry, frame = self._entry(request), request.query_params.get("frame", "")
        if not frame.isdecimal() or len(frame) > 6:
            raise UserError("The preview's frame is not a whole number; load the page again.")
        if entry.ready is None:
            return Response(status_code=204)
        library = self._session.library
        face = library.face_of(entry.key)

        def photo() -> Photo:
            return library.builder.photo(entry.path, face, entry.look.turn)

        key = f"{entry.id} {entry.path} {face} {entry.look.turn} {id(entry.ready)}"
        picture = await asyncio.wrap_future(
            self._points.moved(photo, self._moving, key, int(frame))
        )
        return _jpeg(await asyncio.to_thread(lambda: _encoded(PIL.Image.fromarray(picture))))

    async def _export(self, request: Request) -> Response:
        """The avatar as a file to give on."""
        entry = self._entry(request)
        if entry.state is AvatarState.REFUSED:
            raise UserError(f"{entry.name} cannot be used, so there is nothing to give on.")
        settings = self._session.settings.of(entry.key)
        data = await asyncio.to_thread(write_avatar_file, entry, settings)
        name = quote(stem_of(entry.name.replace("/", "_") + ".") + SUFFIX)
        disposition = f"attachment; filename*=UTF-8''{name}"
        return Response(
            data,
            media_type="application/octet-stream",
            headers={"content-disposition": disposition},
        )


async def _received(request: Request, file: Path) -> bool:
    """Write what is sent to a file; whether it was not too much."""
    size = 0
    try:
        with file.open("wb") as opened:
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_UPLOAD:
                    return False
                await asyncio.to_thread(opened.write, chunk)
    except OSError as error:
        raise UserError(
            f"The photo cannot be kept ({error.strerror}); make room for it."
        ) from error
    return True


def _encoded(picture: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()


def _jpeg(data: bytes) -> Response:
    return Response(data, media_type="image/jpeg", headers={"cache-control": "no-store"})


def _word(value: Any) -> str:
    """Raises UserError if it is not the id of an avatar."""
    if not isinstance(value, str) or len(value) > 40:
        raise UserError("This command takes the id of an avatar.")
    return value


def _pair(value: Any, kind: type) -> tuple[str, Any]:
    """Raises UserError if it is not the id of an avatar and something of a kind."""
    if not isinstance(value, list) or len(value) != 2 or type(value[1]) is not kind:
        raise UserError("This command takes the id of an avatar and a value.")
    if len(str(value[1])) > 1000:
        raise UserError("This name is too long.")
    return _word(value[0]), value[1]
