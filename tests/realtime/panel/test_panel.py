"""The panel's server by real sockets, without a browser."""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import ssl
import stat
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from models.errors import UserError
from models.types import Image
from realtime.animation.framing import Framing, Seen
from realtime.cameras import browser as page_camera
from realtime.cameras.base import CameraLost
from realtime.cameras.browser import BrowserFeed
from realtime.panel.address import Address, names_of, parse_address
from realtime.panel.certificate import given, self_made
from realtime.panel.preview import CAMERA_WIDTH, draw_driver
from realtime.panel.security import AccessKey
from realtime.session.avatar_library import MAX_UPLOAD
from realtime.session.settings import Settings
from scripts.rigs.fakes import face
from tests.panel_rig import Served, captured, do, jpeg, next_of, next_picture, state_where
from tests.session_rig import photo, three_avatars, wait


def test_the_page_and_its_parts_come_guarded(served: Served) -> None:
    status, headers, text = served.ask("/", key=False, Origin="")
    assert status == 200 and headers["content-type"] == "text/html; charset=utf-8"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    page = text.decode()
    assert served.panel.key.text not in page
    assert "<style" not in page and "style=" not in page and "onclick" not in page
    for part in ("/panel.js", "/socket.js", "/panel.css", "/icon.svg", "/output", "/output.js"):
        assert served.ask(part, key=False)[0] == 200, part


@pytest.mark.parametrize(
    "path",
    ["/../session.py", "/%2e%2e/server.py", "//etc/passwd", "/panel.js/../server.py", "/live",
     "/index.html", "/thumbnails/../../../etc/passwd", "/thumbnails/..%2f..%2fsession.py"],
)  # fmt: skip
def test_no_other_file_is_served(served: Served, path: str) -> None:
    assert served.ask(path)[0] in (400, 404)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "192.0.2.7:{port}", "", "localhost"],
)
def test_wrong_hosts_get_nothing(served: Served, host: str) -> None:
    """A name that was made to point here (DNS rebinding) is no name of the panel."""
    name = host.format(port=served.port)
    assert served.ask("/", Host=name)[0] in (400, 421)
    assert served.ask("/key", Host=name, Origin=f"http://{name}")[0] in (400, 421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST"])
def test_right_hosts(served: Served, host: str) -> None:
    name = f"{host}:{served.port}"
    assert served.ask("/", Host=name, Origin=f"http://{host}:{served.port}".lower())[0] == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "", "{secure}"],
)
def test_wrong_origins_get_nothing(served: Served, origin: str) -> None:
    origin = origin.format(secure=served.origin.replace("http", "https"))
    with pytest.raises(InvalidStatus) as refused, served.page(origin=origin or None):
        pass
    assert refused.value.response.status_code == 403
    assert served.ask("/avatars", "POST", b"x", Origin=origin)[0] == 403


@pytest.mark.parametrize(
    "protocols",
    [None, ["panel"], ["panel", "key."], ["key.wrong"], ["panel", "key.{almost}"]],
)
def test_wrong_keys_get_nothing(served: Served, protocols: list[str] | None) -> None:
    almost = served.panel.key.text[:-1] + ("a" if served.panel.key.text[-1] != "a" else "b")
    names = [Subprotocol(name.format(almost=almost)) for name in protocols or []]
    with pytest.raises(InvalidStatus) as refused, served.page(subprotocols=names or None):
        pass
    assert refused.value.response.status_code == 403
    for path, method in (("/key", "GET"), ("/thumbnails/a1", "GET"), ("/avatars", "POST")):
        body = b"x" if method == "POST" else None
        assert served.ask(path, method, body, key=False)[0] == 401
        assert served.ask(path, method, body, Authorization=f"Bearer {almost}")[0] == 401
    assert served.ask("/key")[0] == 204


def test_every_run_has_a_key_of_its_own() -> None:
    one, other = AccessKey(), AccessKey()
    assert len(one.text) >= 43 and one.text != other.text
    assert one.fits(one.text)
    assert not one.fits(other.text) and not one.fits("") and not one.fits("\udcff")


def test_a_page_sees_the_state_and_what_others_change(served: Served) -> None:
    with served.page() as one, served.page() as two, served.page() as three:
        greeting = next_of(one, "keys")
        assert {"key": "x", "command": "calibrate"}.items() <= next(
            key for key in greeting if key["key"] == "x"
        ).items()
        state = next_of(two, "state")
        assert [avatar["name"] for avatar in state["avatars"]] == ["one", "three", "two"]
        do(one, "hide", True)
        for page in (one, two, three):
            assert state_where(page, lambda state: state["hidden"])
        do(three, "number", 2)
        wait(lambda: state_where(two, lambda state: state["current"] == state["avatars"][1]["id"]))
        figures = next_of(two, "figures")
        assert figures["camera"] == "fake camera" and figures["outputs"] == ["fake sink"]
        assert not figures["stages"] and figures["dropped"] >= 0
        do(two, "stages", True)
        wait(lambda: "track" in next_of(two, "figures")["stages"])


def test_nonsense_is_answered_and_harms_nothing(served: Served) -> None:
    with served.page() as page:
        for text in ("", "{", "[]", "5", '{"do": 1}', '{"show": 7}', '{"show": {"output": 3}}',
                     '{"show": {"output": {"width": "x"}}}', '{"show": {"output": {"fps": 1e9}}}',
                     '{"seen": "x"}', "[" * 15_000, '{"do": "' + "x" * 30_000 + '"}'):  # fmt: skip
            page.send(text)
            if "seen" not in text:
                assert next_of(page, "refused"), text
        do(page, "freeze", True)
        assert state_where(page, lambda state: state["frozen"])


def test_a_message_that_is_too_long_ends_only_that_page(served: Served) -> None:
    with served.page() as page, served.page() as other:
        with pytest.raises(ConnectionClosed):
            page.send(b"x" * (page_camera.MAX_FRAME + 1000))
            while True:
                page.recv(20)
        do(other, "freeze", True)
        assert state_where(other, lambda state: state["frozen"])


def test_moving_pictures(served: Served) -> None:
    with served.page() as page:
        page.send(json.dumps({"show": {"output": {"width": 300, "fps": 60}, "camera": {}}}))
        picture = next_picture(page, 1)
        assert picture.shape == (180, 320, 3)
        assert abs(int(picture[90, 160].mean()) - 60) < 4, "what the call sees"
        do(page, "number", 3)
        wait(lambda: abs(int(next_picture(page, 1)[90, 160].mean()) - 120) < 4)
        driver = next_picture(page, 2)
        assert driver.shape == (CAMERA_WIDTH * 48 // 64, CAMERA_WIDTH, 3)
        page.send(json.dumps({"show": {}}))
        do(page, "hide", True)
        state_where(page, lambda state: state["hidden"])
        next_of(page, "figures")
        kinds = [type(page.recv(20)) for _ in range(3)]
        assert kinds == [str] * 3, "no more pictures"


def test_the_run_never_waits_for_a_page_that_shows_nothing(served: Served) -> None:
    with served.page() as page:
        page.send(json.dumps({"show": {"output": {"width": 1280, "fps": 60}}}))
        for _ in range(2):
            next_of(page, "figures")
        before = len(served.rig.sink.frames)
        pictures = 0
        while len(served.rig.sink.frames) < before + 60:
            pictures += isinstance(page.recv(20), bytes)
        assert pictures <= 2, "what the page has not seen is not piled up"


def test_too_many_pages(served: Served) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        for _ in range(16):
            next_of(stack.enter_context(served.page()), "state")
        last = stack.enter_context(served.page())
        with pytest.raises(ConnectionClosed) as closed:
            last.recv(20)
        assert "close one" in str(closed.value)


def test_photos_are_added(served: Served) -> None:
    data = photo(served.rig.folder.parent, "new.png", 200).read_bytes()
    status, _, text = served.ask("/avatars", "POST", data, X_Name="My%20photo.png")
    assert status == 201
    entry = served.rig.settled(json.loads(text)["id"])
    assert entry.path == served.rig.own / "My photo.jpg"
    status, headers, picture = served.ask(f"/thumbnails/{entry.id}")
    assert status == 200 and headers["content-type"] == "image/jpeg"
    assert PIL.Image.open(io.BytesIO(picture)).size == (144, 144)
    assert served.ask("/thumbnails/a999")[0] == 404


def test_photos_that_are_refused(served: Served) -> None:
    dark = photo(served.rig.folder.parent, "dark.png", 0).read_bytes()
    bomb = io.BytesIO()
    PIL.Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    for data, reason in (
        (dark, "No face was found in dark"),
        (b"GIF89a", "dark"),
        (bomb.getvalue(), "million pixels"),
    ):
        status, _, text = served.ask("/avatars", "POST", data, X_Name="dark.png")
        assert status == 201
        entry = served.rig.settled(json.loads(text)["id"])
        assert reason in entry.reason
        assert str(entry.path.parent) not in str(served.rig.session.state())
    status, _, text = served.ask("/avatars", "POST", b"", X_Name="dark.png")
    assert status == 422 and "empty" in json.loads(text)["refused"]


def test_uploads_are_capped_whatever_they_say(served: Served) -> None:
    huge = str(MAX_UPLOAD + 1)
    status, _, text = served.ask("/avatars", "POST", b"", Content_Length=huge)
    assert status == 413 and "40 MB" in json.loads(text)["refused"]
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    chunk = bytes(1_000_000)
    headers = {"Origin": served.origin, "Authorization": f"Bearer {served.panel.key.text}"}
    try:
        connection.request(
            "POST", "/avatars", (chunk for _ in range(45)), headers, encode_chunked=True
        )
        assert connection.getresponse().status == 413
    except (BrokenPipeError, ConnectionResetError):
        pass  # It did not even listen to the end.
    finally:
        connection.close()
    assert not served.rig.own.exists()


def test_what_fails_is_logged_and_the_key_is_not(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*words: Any) -> None:
        failed.set()
        raise ValueError("a fault of ours")

    caplog.set_level(logging.DEBUG, "realtime")
    monkeypatch.setattr(served.rig.session, "thumbnail", fail)
    assert served.ask("/thumbnails/a1")[0] == 500
    wait(lambda: "a request failed" in caplog.text)
    failed.clear()
    monkeypatch.setattr(served.rig.session, "figures", fail)
    with served.page():
        assert failed.wait(20)
    wait(lambda: "a page is told nothing more" in caplog.text)
    assert caplog.text.count("ValueError: a fault of ours") == 2
    assert served.panel.key.text not in caplog.text


def test_the_webcam_of_a_page(served: Served) -> None:
    feed = served.panel._feed
    assert feed is not None
    with served.page() as one, served.page() as two:
        one.send(json.dumps({"webcam": True}))
        owner = state_where(one, lambda state: state["camera_page"])["camera_page"]
        one.send(captured(200))
        with feed.open() as camera:
            assert camera.name == "webcam of the page 64x48"
            frame = camera.read()
            assert frame.image.shape == (48, 64, 3) and abs(int(frame.image[0, 0, 0]) - 200) < 6
            two.send(captured(50))
            next_of(two, "figures")
            one.send(captured(100))
            second = camera.read()
            assert abs(int(second.image[0, 0, 0]) - 100) < 6, "another page is not heard"
            assert second.captured_at > frame.captured_at and second.index == 1
            two.send(json.dumps({"webcam": True}))
            state_where(one, lambda state: state["camera_page"] not in (None, owner))
            two.send(captured(50))
            assert abs(int(camera.read().image[0, 0, 0]) - 50) < 6, "the last one to begin is"
    wait(lambda: feed.owner is None)


def test_pictures_of_a_webcam_that_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_camera, "_SILENCE", 0.05)
    feed = BrowserFeed()
    feed.begin("page")
    feed.put("page", jpeg(9))
    camera = feed.open()
    camera.read()
    bad = [b"", b"x" * 100, jpeg(9)[:50], jpeg(9, (8000, 8000)), jpeg(9, (16, 16))]
    png = io.BytesIO()
    PIL.Image.new("RGB", (64, 48)).save(png, "PNG")
    for data in (*bad, png.getvalue()):
        feed.put("page", data)
        with pytest.raises(CameraLost, match="no pictures"):
            camera.read()
    assert feed.refused == 6
    feed.close()
    with pytest.raises(CameraLost):
        feed.open()


def test_a_run_with_a_camera_refuses_a_page_that_offers_one(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    rig.start()
    served = Served(rig)
    try:
        with served.page() as page:
            assert next_of(page, "webcam") is False
            page.send(json.dumps({"webcam": True}))
            assert "--camera browser" in next_of(page, "refused")
    finally:
        served.panel.close()
        rig.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", None), ("auto", Address()), ("127.0.0.1:80", Address("127.0.0.1", 80, True)),
        ("[::1]:8080", Address("::1", 8080, True)), ("0.0.0.0:0", Address("0.0.0.0", 0, True)),
        ("Studio.local:9", Address("studio.local", 9, True)),
    ],
)  # fmt: skip
def test_addresses(text: str, expected: Address | None) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text", ["", "on", "8080", "host", "host:", "host:99999", "::1:80", "a b:1"]
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(UserError, match="HOST:PORT"):
        parse_address(text)


def test_only_this_computer_is_served_unencrypted(tmp_path: Path) -> None:
    assert Address("127.8.8.8").loopback and Address("::1").loopback
    assert not Address("0.0.0.0").loopback and not Address("studio.local").loopback
    rig = three_avatars(tmp_path)
    with pytest.raises(UserError, match="--tls-cert"):
        Served(rig, address=Address("0.0.0.0", 0, True))


def test_a_port_that_is_taken(served: Served, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot listen"):
        Served(served.rig, address=Address("127.0.0.1", served.port, True))
    with pytest.raises(UserError, match="cannot listen"):
        certificate = self_made(tmp_path / "tls", ["192.0.2.1"])
        Served(served.rig, address=Address("192.0.2.1", 0, True), certificate=certificate)


def test_a_self_made_certificate_is_kept_private_and_used_again(tmp_path: Path) -> None:
    one = self_made(tmp_path, ["localhost", "192.0.2.7"])
    assert one.fingerprint is not None and len(one.fingerprint) == 95
    if os.name == "posix":
        assert stat.S_IMODE(one.key.stat().st_mode) == 0o600
    assert self_made(tmp_path, ["localhost"]) == one
    assert self_made(tmp_path, ["localhost", "studio.local"]) != one
    one.certificate.write_text("broken")
    assert self_made(tmp_path, ["localhost"]).fingerprint != one.fingerprint


def test_certificates_of_the_user(tmp_path: Path) -> None:
    assert given(None, None) is None
    made = self_made(tmp_path, ["localhost"])
    with pytest.raises(UserError, match="belong together"):
        given(made.certificate, None)
    with pytest.raises(UserError, match="no file"):
        given(made.certificate, tmp_path / "missing.pem")
    chosen = given(made.certificate, made.key)
    assert chosen is not None and chosen.fingerprint is None


def test_other_computers_are_served_encrypted(tmp_path: Path) -> None:
    rig = three_avatars(tmp_path)
    rig.start()
    address = Address("0.0.0.0", 0, True)
    certificate = self_made(tmp_path / "tls", names_of(address))
    served = Served(rig, address=address, certificate=certificate)
    try:
        assert served.panel.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate.certificate))
        name = f"localhost:{served.port}"
        key = served.panel.key.text
        with connect(
            f"wss://{name}/live",
            ssl=trust,
            origin=Origin(f"https://{name}"),
            subprotocols=[Subprotocol(f"key.{key}"), Subprotocol("panel")],
            proxy=None,
        ) as page:
            assert next_of(page, "state")["avatars"]
        secure = http.client.HTTPSConnection("127.0.0.1", served.port, context=trust, timeout=20)
        secure.request("GET", "/", headers={"Host": f"192.0.2.9:{served.port}"})
        assert secure.getresponse().status == 200, "addresses in figures cannot be rebound"
        secure.close()
        secure.request("GET", "/", headers={"Host": f"evil.example:{served.port}"})
        assert secure.getresponse().status == 421
        secure.close()
        with pytest.raises((http.client.HTTPException, OSError)):
            served.ask("/")
    finally:
        served.panel.close()
        rig.close()


def detail(image: Image) -> float:
    """How much a picture changes from pixel to pixel."""
    return float(np.abs(cv2.Laplacian(image.astype(np.float32), cv2.CV_32F)).mean())


def test_the_preview_hides_the_face_until_asked(astronaut: Image) -> None:
    seen = Seen(astronaut, None, (0, 0, 512, 512), 1)
    blurred = draw_driver(seen, Settings(), None)
    clear = draw_driver(seen, Settings(blur=False), None)
    assert blurred.shape == clear.shape == (CAMERA_WIDTH, CAMERA_WIDTH, 3)
    assert detail(blurred) < 0.1 * detail(clear)
    plain = draw_driver(seen, Settings(blur=False, mirror_preview=False), None)
    assert (plain[:, ::-1] == clear).all()


def test_the_preview_shows_what_was_found(astronaut: Image) -> None:
    found = face()
    plain = Settings(blur=False, mirror_preview=False)
    seen = Seen(np.zeros((480, 640, 3), np.uint8), found, (0, 0, 640, 480), 1)
    box = draw_driver(seen, plain, None)
    left, top, right, bottom = found.box
    assert box[int(top / 2) - 6, int(left / 2) - 6].any(), "the corner of the box"
    assert not box[int((top + bottom) / 4), int((left + right) / 4)].any(), "nothing in its middle"
    from dataclasses import replace

    points = draw_driver(seen, replace(plain, landmarks=True), None)
    assert (points > 0).sum() > 3 * (box > 0).sum()
    moved = face((-150.0, 0.0))
    none = draw_driver(seen, plain, moved)
    weak = draw_driver(seen, replace(plain, overlay=0.3), moved)
    strong = draw_driver(seen, replace(plain, overlay=1.0), moved)
    assert (none == box).all()
    assert 0 < int(weak[:, :100].max()) < int(strong[:, :100].max())


def test_the_preview_shows_the_part_that_is_looked_at() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[240:, 320:] = 255
    framing = Framing(False, 0.5, 0.75, 0.75)
    seen = Seen(image, None, framing.box(image), 1)
    assert (draw_driver(seen, Settings(blur=False), None) == 255).all()
