"""A panel on a session of fakes, and a page of it that is no browser."""

from __future__ import annotations

import http.client
import io
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import PIL.Image
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from models.types import Image
from realtime.panel.address import Address
from realtime.panel.avatars import AvatarFeature
from realtime.panel.points import PointsFeature
from realtime.panel.preview import Preview
from realtime.panel.server import Panel
from tests.session_rig import Finder, Rig


class Served:
    """A panel that answers, and a client of it."""

    def __init__(self, rig: Rig, **options: Any) -> None:
        self.rig = rig
        preview = Preview(
            rig.gate,
            rig.view,
            lambda: rig.animation.reference_face,
            lambda: rig.session.settings,
        )
        address = options.pop("address", Address())
        points = PointsFeature(rig.session, Finder())
        options.setdefault("features", [AvatarFeature(rig.session, points), points])
        self.panel = Panel(rig.session, preview, address, **options)
        self.panel.start()
        self.host = self.panel.url.split("/")[2]
        self.port = int(self.host.rpartition(":")[2])
        self.origin = self.panel.url.split("/#")[0]

    def ask(
        self, path: str, method: str = "GET", body: Any = None, key: bool = True, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request: status, headers, body."""
        sent = {"Host": self.host, "Origin": self.origin}
        if key:
            sent["Authorization"] = f"Bearer {self.panel.key.text}"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            if value:
                connection.putheader(name, value)
        if body is not None and "Content_Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        if body is not None:
            connection.send(body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text

    @contextmanager
    def page(self, host: str | None = None, **changes: Any) -> Iterator[ClientConnection]:
        """A page's socket; `host`: by which name it asks."""
        options: dict[str, Any] = {
            "origin": Origin(self.origin),
            "subprotocols": [Subprotocol("panel"), Subprotocol(f"key.{self.panel.key.text}")],
            "compression": None,
            "max_size": 10_000_000,
            "proxy": None,
            **changes,
        }
        line = socket.create_connection(("127.0.0.1", self.port))
        with connect(f"ws://{host or self.host}/live", sock=line, **options) as page:
            yield page


def next_of(page: ClientConnection, name: str) -> Any:
    """The next message of this name; pictures and others are passed over."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        data = page.recv(20)
        if isinstance(data, str) and name in (message := json.loads(data)):
            return message[name]
    raise AssertionError(f"no {name} came")


def next_picture(page: ClientConnection, kind: int) -> Image:
    """The next picture of this kind; all are said to be seen."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        data = page.recv(20)
        if isinstance(data, bytes):
            page.send(json.dumps({"seen": data[0]}))
            if data[0] == kind:
                return np.asarray(PIL.Image.open(io.BytesIO(data[1:])))
    raise AssertionError("no picture came")


def state_where(page: ClientConnection, true: Any) -> Any:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if true(state := next_of(page, "state")):
            return state
    raise AssertionError("the state did not come")


def do(page: ClientConnection, name: str, value: Any = None) -> None:
    page.send(json.dumps({"do": name, "value": value}))


def captured(level: int, at: float | None = None) -> bytes:
    """A picture of a page's webcam as the page sends it; `at`: when it was captured."""
    return struct.pack(">d", time.perf_counter() if at is None else at) + jpeg(level)


def jpeg(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    data = io.BytesIO()
    PIL.Image.new("RGB", size, (level, 10, 10)).save(data, "JPEG")
    return data.getvalue()
