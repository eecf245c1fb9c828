"""Placing a face's points on the page: a picture, a first guess, a preview that moves, keeping it.

A page uploads a picture, or names an avatar of the list, and gets points to correct. While they are
dragged it asks for previews: the picture moved by a frame of the embedded clip. They are made one
at a time, and as long as one takes nothing is done after it: half of the time is left to the live
threads. What a newer question has overtaken is not drawn at all.
"""

from __future__ import annotations

import asyncio
import io
import json
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import cv2
import numpy as np
import PIL.Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from models.animator import Animator, MotionSettings, Observation
from models.backends import create_animator
from models.errors import UserError
from models.face.face_file import read_placed
from models.face.finder import FaceFinder
from models.face.guess import Guess, guess
from models.face.placed import Placed
from models.face.tracker import FaceTracker
from models.photos import MIN_FACE_HEIGHT, choose_face, crop_to_face, decode_image
from models.types import Avatar, Face, Image, Photo
from realtime.cameras.clip import ClipReader
from realtime.panel.feature import Answer, Opened, with_key
from realtime.paths import asset_path
from realtime.session.avatar_library import MAX_UPLOAD
from realtime.session.avatar_placing import placed_face
from realtime.session.session import Session

_MAX_PIXELS = 50_000_000
"""Of a picture, as of photos that are added to the list."""

_OPEN = 4
"""Pictures that are kept for pages at the same time; each takes up to 12 MB."""

_SIDE = 2048
"""Longer side in pixels of such a picture, as of photos that are kept."""

_SHOWN = 1280
"""Longer side of the picture that a page shows: enough to zoom in on an eye."""

_PREVIEW = 320
"""Longer side of an avatar for previews: made in 0.2 to 0.5 s, drawn in some 5 ms."""

_CLOSE = (0.5, 2.2)
"""Share of the picture's height below which a preview shows the face alone, and side of what it
shows then, in its longer sides: how it moves is to be judged."""

_EVERY = 2
"""Of the clip's frames one of so many is looked at: 15 a second show how a face moves."""

_MAX_BODY = 20_000
"""Bytes of points; sixteen of them take a tenth."""

_log = logging.getLogger(__name__)

_GONE = "This picture is no longer open; choose it again."
_NO_FACE = "These points make no face: {}; move it and look again."


@dataclass
class _Editing:
    """A picture whose points are being placed.

    Attributes:
        image: (H, W, 3).
        avatar: the entry of the list that it belongs to; None: it is new.
        made: the points that `ready` was made of.
        ready: the avatar of these.
        asked: the newest question's number.
    """

    image: Image
    avatar: str | None
    made: str = ""
    ready: Avatar | None = None
    asked: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


class _Driver:
    """What the embedded clip does, and a backend to show it on avatars. For one thread.

    The clip is followed as far as somebody has asked, since that takes seconds in all.
    """

    def __init__(self) -> None:
        """Load the backend, and follow the clip's first frame: there the face rests."""
        self.animator: Animator = create_animator()
        self._tracker = FaceTracker()
        self._frames = self._every_other()
        self._observations: list[Observation] = []
        self._anchor: Face | None = None
        if not self.follow():
            raise UserError("The embedded clip shows no face; install the program again.")

    def follow(self) -> bool:
        """Look at the next frame that shows a face; whether there was one."""
        for image in self._frames:
            face = self._tracker.track(image)
            if face is None:
                continue
            self._anchor = self._anchor or face
            seen = self.animator.observe(image, face, self._anchor)
            if seen is not None:
                self._observations.append(seen)
                return True
        return False

    def draw(self, avatar: Avatar, frame: int) -> Image:
        """An avatar moved by a frame of the clip; they begin anew after the last."""
        while frame >= len(self._observations) and self.follow():
            pass
        first, now = self._observations[0], self._observations[frame % len(self._observations)]
        pose = self.animator.pose(avatar, now, first, MotionSettings())
        return self.animator.render(avatar, pose)

    @staticmethod
    def _every_other() -> Iterator[Image]:
        for number, (image, _) in enumerate(_clip().frames()):
            if number % _EVERY == 0:
                yield image


class PointsFeature:
    """The page's part for placing points."""

    name = "points"

    def __init__(self, session: Session, finder: FaceFinder | None = None) -> None:
        """Nothing is loaded before a page asks.

        Args:
            session: has the list of avatars.
            finder: finds faces; None: one is made when it is needed.
        """
        self.changed: Callable[[], None] = lambda: None
        self._session = session
        self._finder = finder
        self._editings: OrderedDict[str, _Editing] = OrderedDict()
        self._lock = threading.Lock()
        """Of the list above."""
        self._looking = threading.Lock()
        """Held while a picture is looked at: one at a time."""
        self._worker = _Worker()

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """Those of the module's description."""

        def guarded(answer: Answer) -> Answer:
            return with_key(opened, answer)

        return [
            Route("/points", guarded(self._open), methods=["POST"]),
            Route("/points/{identity:str}/picture", guarded(self._picture), methods=["GET"]),
            Route("/points/{identity:str}/preview", guarded(self._preview), methods=["POST"]),
            Route("/points/{identity:str}/keep", guarded(self._keep), methods=["POST"]),
        ]

    def state(self) -> Mapping[str, Any]:
        """How many pictures are open."""
        return {"open": len(self._editings)}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """None: everything goes by its routes."""
        return {}

    def close(self) -> None:
        """End the previews."""
        self._worker.close()

    def moved(
        self, photo: Callable[[], Photo], known: dict[str, Avatar], key: str, frame: int
    ) -> Future[Image]:
        """A photo moved by a frame of the clip, as soon as it is its turn.

        Args:
            photo: gives it; called where it is not yet known.
            known: keeps the avatar that was made of the last one.
            key: under which it is there.
            frame: any whole number; frames begin anew after the last.
        """

        def draw(driver: _Driver) -> Image:
            if key not in known:
                avatar = driver.animator.prepare(photo(), _PREVIEW)
                known.clear()
                known[key] = avatar
            return driver.draw(known[key], frame)

        return self._worker.submit(draw)

    async def _open(self, request: Request) -> Response:
        """A picture's size and first points."""
        too_large = f"Pictures of up to {MAX_UPLOAD // 1_000_000} MB can be used; take a smaller."
        if request.headers.get("content-type", "").startswith("application/json"):
            wish = await _json(request)
            identity = str(wish.get("avatar", ""))[:100]
            opened = await asyncio.to_thread(self._of_avatar, identity)
        else:
            data = await _body(request, MAX_UPLOAD)
            if data is None:
                return JSONResponse({"refused": too_large}, 413)
            name = Path(unquote(request.headers.get("x-name", ""))[:200]).name or "picture"
            opened = await asyncio.to_thread(self._of_picture, data, name)
        identity, editing, first = opened
        self.changed()
        self._worker.warm()
        return JSONResponse(
            {
                "id": identity,
                "width": editing.size[0],
                "height": editing.size[1],
                "points": first.placed.listed(),
                "kind": first.placed.kind,
                "found": first.found,
                "frames": self._worker.frames,
                "fps": self._worker.fps,
            },
            201,
        )

    def _of_picture(self, data: bytes, name: str) -> tuple[str, _Editing, Guess]:
        with self._looking:
            image = _shrunk(decode_image(data, Path(name), _MAX_PIXELS), _SIDE)
            return self._enter(_Editing(image, None), self._look(image))

    def _of_avatar(self, identity: str) -> tuple[str, _Editing, Guess]:
        library = self._session.library
        entry = library.find(identity)
        with self._looking:
            image = _shrunk(library.picture(identity), _SIDE)
            try:
                # Points lie beside the photo as it is, not as it was turned.
                placed = None if entry is None or entry.turn else read_placed(entry.path, image)
            except UserError:
                placed = None  # What cannot be used is placed anew.
            first = self._look(image) if placed is None else Guess(placed, True)
            return self._enter(_Editing(image, identity), first)

    def _look(self, image: Image) -> Guess:
        if self._finder is None:
            self._finder = FaceFinder()
        # One that is too small to be animated is none, but a pattern in fur or hatching.
        faces = self._finder.find_faces(image)
        return guess(image, [one for one in faces if _height(one) >= MIN_FACE_HEIGHT])

    def _enter(self, editing: _Editing, first: Guess) -> tuple[str, _Editing, Guess]:
        identity = secrets.token_urlsafe(9)
        with self._lock:
            self._editings[identity] = editing
            while len(self._editings) > _OPEN:
                self._editings.popitem(last=False)
        return identity, editing, first

    def _editing(self, request: Request) -> _Editing:
        """Raises UserError if it is no longer open."""
        identity = request.path_params["identity"]
        with self._lock:
            if identity not in self._editings:
                raise UserError(_GONE)
            self._editings.move_to_end(identity)
            return self._editings[identity]

    async def _picture(self, request: Request) -> Response:
        """The picture that points are placed on."""
        image = self._editing(request).image
        data = await asyncio.to_thread(lambda: _jpeg(_shrunk(image, _SHOWN)))
        return Response(data, media_type="image/jpeg", headers={"cache-control": "no-store"})

    async def _preview(self, request: Request) -> Response:
        """The picture moved by a frame of the clip; 204 where a newer question came meanwhile."""
        editing = self._editing(request)
        wish = await _json(request)
        placed, face = _placed(wish, editing)
        image, near = crop_to_face(editing.image, face, *_CLOSE)
        photo = choose_face(image, [near], Path("this picture"))
        frame = wish.get("frame", 0)
        if type(frame) is not int or not 0 <= frame < 1_000_000:
            raise UserError("The preview's frame is not a whole number; load the page again.")
        with editing.lock:
            editing.asked += 1
            number = editing.asked

        def draw(driver: _Driver) -> Image | None:
            if number != editing.asked:
                return None
            key = json.dumps(placed.content(), sort_keys=True)
            if editing.made != key or editing.ready is None:
                editing.ready = driver.animator.prepare(photo, _PREVIEW)
                editing.made = key
            return driver.draw(editing.ready, frame)

        picture = await asyncio.wrap_future(self._worker.submit(draw))
        if picture is None:
            return Response(status_code=204)
        return Response(
            _jpeg(picture), media_type="image/jpeg", headers={"cache-control": "no-store"}
        )

    async def _keep(self, request: Request) -> Response:
        """Put the picture into the list, or its avatar there under its new points."""
        editing = self._editing(request)
        wish = await _json(request)
        placed, _ = _placed(wish, editing)
        name = str(wish.get("name") or "picture")[:200]
        if editing.avatar is None:
            kept = await asyncio.to_thread(self._session.add_placed, editing.image, placed, name)
            editing.avatar = kept
        else:
            kept = await asyncio.to_thread(self._session.place, editing.avatar, placed)
        return JSONResponse({"avatar": kept}, 201)


class _Worker:
    """Draws previews in a thread of its own, one at a time and at half pace."""

    def __init__(self) -> None:
        """Nothing runs before the first job."""
        self._jobs = threading.Condition()
        self._waiting: list[tuple[Callable[[_Driver], Any], Future[Any]]] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def frames(self) -> int:
        """How many frames of the clip there are to preview."""
        return (_clip().frame_count or 1) // _EVERY

    @property
    def fps(self) -> float:
        """How many of them are a second."""
        return _clip().fps / _EVERY

    def warm(self) -> None:
        """Load what the first preview needs."""
        self.submit(lambda driver: None)

    def submit(self, job: Callable[[_Driver], Any]) -> Future[Any]:
        """Do something with the driver, as soon as it is its turn."""
        done: Future[Any] = Future()
        with self._jobs:
            if self._closed:
                raise UserError("The program ends; start it again.")
            self._waiting.append((job, done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="points", daemon=True)
                self._thread.start()
            self._jobs.notify_all()
        return done

    def close(self) -> None:
        """End the thread; what waits is not done."""
        with self._jobs:
            self._closed = True
            waiting, self._waiting = self._waiting, []
            self._jobs.notify_all()
        for _, done in waiting:
            done.cancel()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        driver: _Driver | None = None
        more = False  # Whether the clip goes on.
        while True:
            with self._jobs:
                if not more:
                    self._jobs.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                job, done = self._waiting.pop(0) if self._waiting else (None, None)
            begun = time.perf_counter()
            if job is None or done is None:
                # Nobody waits: what will be asked is looked at.
                more = driver is not None and _went_on(driver)
            elif done.set_running_or_notify_cancel():
                try:
                    driver, more = driver or _Driver(), True
                    done.set_result(job(driver))
                except Exception as error:  # Whoever asked is told.
                    _log.debug("a preview failed", exc_info=error)
                    done.set_exception(error)
            with self._jobs:
                # Half of the time is left to the live threads.
                self._jobs.wait_for(lambda: self._closed, time.perf_counter() - begun)


def _went_on(driver: _Driver) -> bool:
    """Whether the clip's next frame could be looked at; who asks for one that cannot is told."""
    try:
        return driver.follow()
    except Exception:
        _log.debug("the clip is not followed", exc_info=True)
        return False


def _height(face: Face) -> float:
    _, top, _, bottom = face.box
    return bottom - top


def _clip() -> ClipReader:
    return ClipReader(asset_path("demo.mp4"), (512, 512))


def _placed(wish: Mapping[str, Any], editing: _Editing) -> tuple[Placed, Face]:
    """The points that a page sent, and the face that they make.

    Raises:
        UserError: they make none.
    """
    points = wish.get("points")
    if isinstance(points, list) and all(isinstance(one, dict) for one in points):
        points = {str(one.get("name")): [one.get("x"), one.get("y")] for one in points}
    try:
        placed = Placed.of(points, wish.get("kind", "person"), wish.get("snout"))
    except ValueError as error:
        raise UserError(_NO_FACE.format(error)) from error
    return placed, placed_face(placed, editing.image)


async def _body(request: Request, most: int) -> bytes | None:
    """What was sent; None where it is more than `most` bytes."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        return None
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > most:
            return None
    return bytes(data)


async def _json(request: Request) -> dict[str, Any]:
    """A page's wish.

    Raises:
        UserError: it is not one.
    """
    try:
        wish = json.loads(await _body(request, _MAX_BODY) or b"")
    except (ValueError, RecursionError):
        wish = None
    if not isinstance(wish, dict):
        raise UserError("The page asked for something that is not known; load it again.")
    return wish


def _shrunk(image: Image, side: int) -> Image:
    """A picture with its longer side at most `side` pixels."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(image: Image) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(image).save(file, "JPEG", quality=88)
    return file.getvalue()
