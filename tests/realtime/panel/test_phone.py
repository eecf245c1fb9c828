"""A phone as the camera: its listener, its key, and when it ends."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from models.errors import UserError
from models.types import Image
from realtime.cameras.browser import BrowserFeed
from realtime.panel.neighbours import own_addresses
from realtime.panel.phone import Phone, qr_code
from tests.panel_rig import Served, captured, do, jpeg, next_of, state_where
from tests.session_rig import three_avatars, wait

HOST = "127.0.0.1"
"""Stands for this computer's address in its network, which a test may lack."""


class Rig:
    """A phone's feature with a feed, and what the run was asked."""

    def __init__(self, folder: Path) -> None:
        self.feed = BrowserFeed()
        self.choice = "none"
        self.lines: list[str] = []
        self.phone = Phone(
            self.feed,
            folder,
            self.choose,
            lambda: self.choice == "browser",
            self.lines.append,
            lambda: [HOST],
        )

    def choose(self) -> None:
        self.choice = "browser"

    @property
    def url(self) -> str:
        [url] = self.phone.state()["addresses"]
        return str(url)

    @property
    def place(self) -> str:
        return self.url.split("/")[2]

    @property
    def key(self) -> str:
        return self.url.partition("#key=")[2]

    def ask(self, path: str, host: str | None = None) -> tuple[int, bytes]:
        port = int(self.place.rpartition(":")[2])
        line = http.client.HTTPSConnection(HOST, port, timeout=20, context=trusting())
        line.request("GET", path, headers={"Host": host or self.place})
        answer = line.getresponse()
        body = answer.read()
        line.close()
        return answer.status, body

    def answer(self, key: str, origin: str) -> int:
        """What a request for the socket gets: 101 where it is opened."""
        port = int(self.place.rpartition(":")[2])
        line = http.client.HTTPSConnection(HOST, port, timeout=20, context=trusting())
        headers = {
            "Host": self.place,
            "Origin": origin,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
            "Sec-WebSocket-Protocol": f"phone, key.{key}",
        }
        line.request("GET", "/camera", headers=headers)
        status = line.getresponse().status
        line.close()
        return status

    @contextmanager
    def camera(self) -> Iterator[ClientConnection]:
        with connect(
            f"wss://{self.place}/camera",
            origin=Origin(f"https://{self.place}"),
            subprotocols=[Subprotocol("phone"), Subprotocol(f"key.{self.key}")],
            compression=None,
            ssl=trusting(),
            proxy=None,
        ) as line:
            yield line


def trusting() -> ssl.SSLContext:
    """Like a phone whose user has accepted the certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.phone.start()
    yield rig
    rig.phone.close()


def test_nothing_listens_before_it_is_wanted_and_after(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    assert rig.phone.state() == {
        "on": False, "addresses": [], "fingerprint": "", "connected": False
    }  # fmt: skip
    rig.phone.start()
    place, key = rig.place, rig.key
    assert rig.ask("/")[0] == 200
    rig.phone.start()
    assert rig.key == key, "started once"
    rig.phone.close()
    with pytest.raises(OSError):
        socket.create_connection((HOST, int(place.rpartition(":")[2])), 1)
    rig.phone.start()
    assert rig.key != key, "a key is good for one time"
    rig.phone.close()


def test_the_phone_gets_one_small_page_and_nothing_of_the_panel(rig: Rig) -> None:
    status, page = rig.ask("/")
    assert status == 200 and b"/phone.js" in page and rig.key.encode() not in page
    for path in ("/phone.js", "/phone.css", "/sender.js", "/strings/en.json", "/i18n.js"):
        assert rig.ask(path)[0] == 200, path
    for path in ("/panel.js", "/key", "/avatars", "/live", "/cameras", "/output"):
        assert rig.ask(path)[0] in (404, 405), path
    assert rig.ask("/", "evil.example")[0] == 421
    assert len(rig.phone.state()["fingerprint"].split(":")) == 32


def test_its_pictures_are_the_camera(rig: Rig) -> None:
    with rig.camera() as line:
        wait(lambda: rig.phone.state()["connected"])
        assert rig.feed.owner == "phone" and rig.choice == "browser"
        line.send(json.dumps({"ping": 5.0}))
        asked, there = json.loads(line.recv(20))["pong"][0]
        assert asked == 5.0 and abs(there - time.perf_counter()) < 20
        line.send(captured(200))
        assert json.loads(line.recv(20))["taken"][0] >= 0
        taken = rig.feed.take(20)
        assert taken is not None and taken[0][..., 0].mean() > 190
    wait(lambda: rig.feed.owner is None and not rig.phone.state()["connected"])
    assert rig.phone.state()["on"], "the phone may come back"


def test_a_wrong_key_or_another_page_gets_nothing(rig: Rig) -> None:
    for key, origin in (("x" * 43, None), (None, "https://evil.example")):
        assert rig.answer(key or rig.key, origin or f"https://{rig.place}") == 403
    assert rig.feed.owner is None and rig.choice == "none"
    assert rig.answer(rig.key, f"https://{rig.place}") == 101


def test_a_second_phone_takes_over(rig: Rig) -> None:
    with rig.camera() as first:
        wait(lambda: rig.phone.state()["connected"])
        with rig.camera() as second:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    first.recv(20)
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 4409
            wait(lambda: rig.phone.state()["connected"])
            second.send(captured(100))
            assert rig.feed.take(20) is not None


@pytest.mark.parametrize("how", ["another camera", "another page", "stop"])
def test_it_ends_when_the_user_takes_something_else(rig: Rig, how: str) -> None:
    with rig.camera() as line:
        wait(lambda: rig.phone.state()["connected"])
        if how == "another camera":
            rig.choice = "demo"
        elif how == "another page":
            rig.feed.begin("page")
        else:
            rig.phone.close()
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                line.recv(60)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4410
    wait(lambda: not rig.phone.state()["on"])
    assert rig.feed.owner == ("page" if how == "another page" else None)


def test_it_ends_when_the_run_never_takes_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.panel.phone._CHOOSING", 1.0)
    rig.phone._choose = lambda: None
    with rig.camera() as line:
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                line.recv(60)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 4410
    wait(lambda: not rig.phone.state()["on"])


def test_a_computer_in_no_network_says_so(tmp_path: Path) -> None:
    phone = Phone(BrowserFeed(), tmp_path, lambda: None, lambda: False, addresses=lambda: [])
    with pytest.raises(UserError, match="in no network"):
        phone.start()
    assert not phone.state()["on"]


def test_own_addresses_lead_neither_into_the_world_nor_to_this_computer_alone() -> None:
    for address in own_addresses():
        with socket.socket() as one:
            one.bind((address, 0))
        assert not address.startswith("127.")


def test_the_code_reads_as_the_address() -> None:
    text = "https://192.168.1.20:47813/#key=" + "kX3_-aB9" * 5 + "abc"
    assert cv2.QRCodeDetector().detectAndDecode(drawn(qr_code(text).decode()))[0] == text


def drawn(svg: str) -> Image:
    """The picture of a code: its path goes in lines of dark squares, one high."""
    size = int(svg.partition('viewBox="0 0 ')[2].split()[0])
    squares = np.full((size, size, 3), 255, np.uint8)
    x = y = 0.0
    [path] = re.findall(r'stroke="#000" d="([^"]*)"', svg)
    for letter, numbers in re.findall(r"([Mmh])([-\d. ]+)", path):
        values = [float(one) for one in re.findall(r"-?[\d.]+", numbers)]
        if letter == "h":
            squares[int(y), int(x) : int(x + values[0])] = 0
            x += values[0]
        else:
            x, y = (values[0], values[1]) if letter == "M" else (x + values[0], y + values[1])
    return np.kron(squares, np.ones((6, 6, 1), np.uint8))


def test_a_page_starts_it_and_sees_its_code(tmp_path: Path) -> None:
    rig, session = Rig(tmp_path), three_avatars(tmp_path)
    served = Served(session, feed=rig.feed, features=[rig.phone])
    try:
        with served.page() as page:
            assert next_of(page, "state")["phone"]["on"] is False
            assert served.ask("/phone/qr/0")[0] == 404
            do(page, "phone.start")
            state = state_where(page, lambda state: state["phone"]["on"])
            [url] = state["phone"]["addresses"]
            assert url.startswith("https://127.0.0.1:")
            status, headers, svg = served.ask("/phone/qr/0")
            assert status == 200 and headers["content-type"] == "image/svg+xml"
            assert served.ask("/phone/qr/0", key=False)[0] == 401
            assert served.ask("/phone/qr/1")[0] == 404
            with rig.camera() as line:
                state_where(page, lambda state: state["phone"]["connected"])
                line.send(b"x" * 20 + jpeg(1))
            do(page, "phone.stop")
            state_where(page, lambda state: not state["phone"]["on"])
    finally:
        served.panel.close()
        session.close()
