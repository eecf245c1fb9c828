"""One open page: what it wants to see, what is on its way to it, and what it is answered."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.websockets import WebSocket

from models.errors import UserError
from realtime.cameras.browser import MAX_FRAME, BrowserFeed

OUTPUT, CAMERA, PERSON = 1, 2, 3
"""The kinds of pictures; the first byte of each, which static/socket.js reads. The person is the
output without its background, where that was replaced."""

_CAPTURED = struct.Struct(">d")
"""Before the JPEG of a page's webcam: when it was captured, in seconds of our own clock."""

MAX_MESSAGE = MAX_FRAME + _CAPTURED.size + 1
"""Bytes of a message of a page: its longest is a picture of its webcam."""

_WIDTHS = (320, 640, 960, 1280, 1920, 3840)
"""Pixels: thumbnails, half, three quarters, 720p, 1080p, 4K."""

_MOST_ANSWERS = 100
"""Answers that wait for a page; one that sends so much and reads nothing is none of ours."""


@dataclass(eq=False)
class Page:
    """One open page.

    Attributes:
        socket: to talk to it.
        name: made by the server, new for every page.
        everything: it has the run's key; else it sees the output and nothing more.
        shows: kind of picture to its width and frames per second.
        in_flight: kind of picture to how many the page has not shown yet.
        sending: held while a message is sent.
        told: the revision of the state that it knows.
    """

    socket: WebSocket
    name: str
    everything: bool
    shows: dict[int, tuple[int, float]] = field(default_factory=dict)
    in_flight: dict[int, int] = field(default_factory=dict)
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    told: int = -1
    _pongs: list[list[float]] = field(default_factory=list)
    _taken: list[float] = field(default_factory=list)
    _to_answer: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message."""
        await self.send_text(json.dumps(message, allow_nan=False))

    async def send_text(self, text: str) -> None:
        """Send a message that is JSON already."""
        async with self.sending:
            await self.socket.send_text(text)

    async def send_picture(self, kind: int, picture: bytes) -> None:
        """Send a picture, which the page says to have shown."""
        self.in_flight[kind] = self.in_flight.get(kind, 0) + 1
        async with self.sending:
            await self.socket.send_bytes(bytes([kind]) + picture)

    def pong(self, asked_at: float, now: float) -> None:
        """Tell the page what time it is here, soon.

        Args:
            asked_at: milliseconds of its own clock, as it said.
            now: seconds of `time.perf_counter()`.
        """
        if len(self._pongs) < _MOST_ANSWERS:
            self._pongs.append([asked_at, now])
        self._to_answer.set()

    def took(self, age: float) -> None:
        """Tell the page, soon, that a picture of its webcam is here, `age` seconds old."""
        if len(self._taken) < _MOST_ANSWERS:
            self._taken.append(age)
        self._to_answer.set()

    def hand_over(self, data: bytes, feed: BrowserFeed) -> None:
        """Take a picture of the page's webcam, and tell the page that it is here.

        Args:
            data: when it was captured, and the JPEG file.
            feed: where it goes.
        """
        now = time.perf_counter()
        if len(data) > _CAPTURED.size:
            captured_at = _CAPTURED.unpack_from(data)[0]
            self.took(feed.put(self.name, data[_CAPTURED.size :], captured_at, now))

    async def answer(self) -> None:
        """Send what was left by `pong` and `took`: whoever listens to a page never waits for it."""
        while True:
            await self._to_answer.wait()
            self._to_answer.clear()
            message = {"pong": self._pongs, "taken": self._taken}
            self._pongs, self._taken = [], []
            await self.send(message)


def wishes(asked: object) -> dict[int, tuple[int, float]]:
    """The pictures a page wants: kind to width and frames per second.

    Raises:
        UserError: that is not what it says.
    """
    shows: dict[int, tuple[int, float]] = {}
    known = {"output": OUTPUT, "camera": CAMERA, "person": PERSON}
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
