"""A page, or something that pretends to be one, floods the panel: the output does not notice."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from realtime.panel.address import Address
from realtime.panel.preview import Preview
from realtime.panel.server import Panel
from scripts.rigs.fakes import shows_camera
from tests.session_rig import Rig, photo


@pytest.fixture()
def rig(tmp_path: Path) -> Iterator[Rig]:
    photo(tmp_path, "one.png", 60)
    photo(tmp_path, "two.png", 180)
    rig = Rig(tmp_path)
    rig.start()
    yield rig
    rig.close()


@pytest.fixture()
def panel(rig: Rig) -> Iterator[Panel]:
    preview = Preview(rig.gate, rig.view, lambda: None, lambda: rig.session.settings)
    panel = Panel(rig.session, preview, Address())
    panel.start()
    yield panel
    panel.close()


def page(panel: Panel) -> AbstractContextManager[ClientConnection]:
    host = panel.url.split("/")[2]
    return connect(
        f"ws://{host}/live",
        origin=Origin(f"http://{host}"),
        subprotocols=[Subprotocol("panel"), Subprotocol(f"key.{panel.key.text}")],
        max_size=None,
    )


def goes_on(rig: Rig, frames: int = 20) -> bool:
    """Whether some more frames go out."""
    before = len(rig.sink.frames)
    waited = threading.Event()
    for _ in range(1000):
        if len(rig.sink.frames) >= before + frames:
            return True
        waited.wait(0.02)
    return False


def test_a_flood_of_commands_and_pages(rig: Rig, panel: Panel) -> None:
    rng = np.random.default_rng(4)
    names = [name for name in rig.session.commands if name not in ("quit", "confirm", "remove")]
    values: list[Any] = [None, True, False, 0, 1, 0.5, -1, 1e300, "left", "", "x" * 5000, [], {}]
    over = threading.Event()
    sent = [0]

    def flood() -> None:
        while not over.is_set():
            try:
                with page(panel) as socket:
                    socket.send(json.dumps({"show": {"output": {"width": 640, "fps": 60}}}))
                    for _ in range(200):
                        order = {"do": str(rng.choice(names)), "value": values[rng.integers(13)]}
                        odd = rng.random() < 0.2
                        socket.send("{" * 30000 if odd else json.dumps(order))
                        sent[0] += 1
                        if over.is_set():
                            break
            except (OSError, WebSocketException):
                pass  # It may hang up on us.

    def knock() -> None:
        while not over.is_set():
            address = panel.url.split("#")[0] + "avatars"
            request = urllib.request.Request(address, data=b"\xff\xd8" * 100_000)
            try:
                urllib.request.urlopen(request, timeout=5).close()
            except (urllib.error.URLError, OSError):
                pass

    floods = [threading.Thread(target=work, daemon=True) for work in (flood, flood, flood, knock)]
    for thread in floods:
        thread.start()
    try:
        for _ in range(10):
            assert goes_on(rig), "the output stopped"
    finally:
        over.set()
    for thread in floods:
        thread.join(30)
    assert sent[0] > 100
    assert not any(shows_camera(frame.image) for frame in rig.sink.frames)
    rig.do("hide", False)
    rig.do("freeze", False)
    with page(panel) as socket:
        assert "keys" in json.loads(socket.recv(timeout=20)), "a page is served again"
    assert goes_on(rig)


def test_a_page_that_never_reads_holds_up_nothing(rig: Rig, panel: Panel) -> None:
    with ExitStack() as stack:
        lazy = [stack.enter_context(page(panel)) for _ in range(5)]
        for socket in lazy:
            wish = {"width": 3840, "fps": 60}
            socket.send(json.dumps({"show": {"output": wish, "camera": wish}}))
        assert goes_on(rig, 150)
        with page(panel) as quick:
            assert "keys" in json.loads(quick.recv(timeout=20))
        for socket in lazy:
            socket.close_socket()
