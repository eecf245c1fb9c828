"""Cameras of a network, against servers of our own: MJPEG, files, playlists and RTSP."""

from __future__ import annotations

import base64
import io
import logging
import random
import re
import socket
import socketserver
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import av
import cv2
import numpy as np
import pytest

from models.errors import UserError
from realtime.addresses import parse
from realtime.cameras import open_camera
from realtime.cameras.base import CameraLost
from realtime.cameras.network import NetworkCamera
from realtime.panel.certificate import self_made
from tests.clips import set_matrix, write_pictures
from tests.realtime.cameras.test_cameras import picture, shade_of, write_clip

LOGIN = "anna:geheim"
SECRETS = ("anna", "geheim", "tok3n", "pfad7")


class Site(ThreadingHTTPServer):
    """A phone's camera and other things that answer by HTTP.

    Attributes:
        shade: of the picture that was sent last.
        fps: of the moving pictures.
        cut: hang up on everyone.
        files: what is served by name.
        asked: the paths that were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.shade, self.fps, self.cut = 0, 30.0, False
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def address(self, path: str, login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.server_port}{path}"


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # noqa: N802
        site = cast(Site, self.server)
        path = self.path.split("?")[0]
        site.asked.append(path)
        given = self.headers.get("Authorization", "")
        if path == "/closed" and given != f"Basic {base64.b64encode(LOGIN.encode()).decode()}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="kamera"')
            self.end_headers()
        elif path in ("/video", "/closed"):
            self._stream(site)
        elif path == "/page":
            self._send(b"<html>Welcome</html>" * 50, "text/html")
        elif path == "/silent":
            time.sleep(3)
        elif path == "/moved":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif path in site.files:
            self._send(site.files[path], "application/octet-stream")
        else:
            self.send_response(int(path[1:]) if path[1:].isdecimal() else 404)
            self.end_headers()

    def _send(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, site: Site) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            while not site.cut:
                site.shade = (site.shade + 4) % 200
                data = cv2.imencode(".jpg", picture(site.shade))[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(1 / site.fps)
        except OSError:
            pass

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with serving(site):
        yield site


def no_secret(*texts: str) -> None:
    for text in texts:
        assert not any(secret in text for secret in SECRETS), text


def failure(choice: str, **more: Any) -> UserError:
    """How a camera fails to open; nothing that a traceback prints holds a secret."""
    with pytest.raises(UserError) as caught:
        NetworkCamera(parse(choice), (640, 480), **more)
    no_secret(str(caught.value), *traceback.format_exception(caught.value))
    return caught.value


# --- MJPEG, as phones send it --------------------------------------------------------------------


def test_the_newest_picture_is_given_and_nothing_queues(site: Site) -> None:
    with open_camera(site.address("/closed?token=tok3n", LOGIN), size=(640, 480)) as camera:
        assert camera.name == f"http://127.0.0.1:{site.server_port} 64x48"
        first = camera.read()
        time.sleep(1.0)
        newest = camera.read()
        assert newest.index > first.index + 10, "what nobody took is dropped"
        behind = (site.shade - shade_of(newest.image)) % 200 / 4
        assert behind <= 4, "of 30 that were sent meanwhile"
        assert 0 <= time.perf_counter() - newest.captured_at < 0.5


def test_a_camera_with_a_certificate_of_its_own_is_read(site: Site, tmp_path: Path) -> None:
    made = self_made(tmp_path, ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    address = site.address("/closed?tok3n", LOGIN).replace("http:", "https:")
    with open_camera(address) as camera:
        assert camera.name == f"https://127.0.0.1:{site.server_port} 64x48"
        assert camera.read().image.shape == (48, 64, 3)


def test_a_lost_connection_is_noticed_and_made_again(site: Site) -> None:
    address = site.address("/video?token=tok3n")
    with open_camera(address) as camera:
        camera.read()
        site.cut = True
        with pytest.raises(CameraLost, match="sends no more pictures") as lost:
            for _ in range(100):
                camera.read()
        no_secret(str(lost.value))
    site.cut = False
    with open_camera(address) as camera:
        assert camera.read().image.shape == (48, 64, 3)


def test_silence_is_noticed(site: Site) -> None:
    with NetworkCamera(parse(site.address("/video")), None, silence=0.6) as camera:
        camera.read()
        site.fps = 0.2
        with pytest.raises(CameraLost, match="sends no more pictures"):
            for _ in range(9):
                camera.read()


def test_a_closed_camera_gives_no_pictures_and_ends_its_threads(site: Site) -> None:
    camera = open_camera(site.address("/video"))
    camera.read()
    camera.close()
    camera.close()
    with pytest.raises(CameraLost):
        camera.read()
    assert not [one for one in threading.enumerate() if one.name in ("_receive", "_decode")]


# --- what cannot be opened -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/closed?token=tok3n", "wants a name and a password.*NAME:PASSWORD@127.0.0.1"),
        ("/403?token=tok3n", r"does not allow this \(403\)"),
        ("/pfad7?token=tok3n", r"nothing at this path \(404\)"),
        ("/503?token=tok3n", "answers with an error of its own"),
        ("/page?token=tok3n", "answers, but gives no video.*/video"),
        ("/moved?token=tok3n", "answers, but gives no video"),
        ("/silent?token=tok3n", "does not answer"),
    ],
)
def test_each_refusal_is_one_sentence(site: Site, path: str, words: str) -> None:
    for login in ("", "anna:geheim2"):
        text = str(failure(site.address(path, login), open_within=1))
        assert re.search(words, text) and text.count(". ") == 0 and text.endswith(".")
        assert f"http://127.0.0.1:{site.server_port}" in text


def test_a_port_that_nobody_listens_on_is_called_that() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        for scheme in ("http", "https", "rtsp"):
            address = f"{scheme}://{LOGIN}@127.0.0.1:{port}/pfad7?tok3n"
            assert "refuses the connection" in str(failure(address, open_within=3))


def test_a_host_of_no_name_is_called_that() -> None:
    text = str(failure(f"http://{LOGIN}@no-such-camera.invalid/pfad7", open_within=3))
    assert "no host of this name: http://no-such-camera.invalid;" in text


def test_a_single_picture_is_no_camera(site: Site) -> None:
    site.files["/shot.jpg"] = cv2.imencode(".jpg", picture(90, 320, 240))[1].tobytes()
    assert "gives a single picture" in str(failure(site.address("/shot.jpg?tok3n")))


def test_the_log_holds_no_secret(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    site.files["/broken.mjpg"] = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(5000)
    with caplog.at_level(logging.DEBUG):
        for path in ("/closed", "/broken.mjpg", "/page"):
            failure(site.address(f"{path}?tok3n", "anna:geheim3"), open_within=1)
    no_secret(caplog.text)


# --- files and playlists -------------------------------------------------------------------------


def test_a_file_plays_at_its_own_pace_and_again(site: Site, tmp_path: Path) -> None:
    shades = list(range(40, 200, 8))
    site.files["/clip.mp4"] = write_clip(tmp_path / "clip.mp4", shades).read_bytes()
    with open_camera(site.address("/clip.mp4?token=tok3n")) as camera:
        frames = [camera.read() for _ in range(30)]
    steps = np.diff([frame.captured_at for frame in frames])
    assert 0.02 < np.median(steps) < 0.06, "25 a second"
    seen = [shade_of(frame.image) for frame in frames]
    assert seen[0] < 80 and max(seen) > 150 and min(seen[15:]) < 80, "it begins again"


def playlist(tmp_path: Path) -> dict[str, bytes]:
    """Two pieces of a second each, and the list that names them."""
    pieces = {}
    for number in (0, 1):
        file = tmp_path / f"{number}.ts"
        shades = [60 + 60 * number + at for at in range(25)]
        write_clip(file, shades, times=[number + at / 25 for at in range(25)])
        pieces[f"/{number}.ts"] = file.read_bytes()
    text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-VERSION:3\n"
    text += "".join(f"#EXTINF:1.0,\n{number}.ts\n" for number in (0, 1)) + "#EXT-X-ENDLIST\n"
    return {"/live.m3u8": text.encode(), **pieces}


def test_a_playlist_is_played_piece_by_piece(site: Site, tmp_path: Path) -> None:
    site.files = playlist(tmp_path)
    seen = []
    with open_camera(site.address("/live.m3u8")) as camera, pytest.raises(CameraLost):
        for _ in range(100):
            seen.append(shade_of(camera.read().image))
    assert min(seen) < 100 and max(seen) > 125 and len(seen) > 20


@pytest.mark.parametrize("what", ["file://{}", "{}", "concat:{}", "subfile,,start,0,end,0,,:{}"])
def test_a_playlist_cannot_lead_to_files(site: Site, tmp_path: Path, what: str) -> None:
    local = tmp_path / "local.ts"
    write_clip(local, [90] * 25)
    name = what.format(local)
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.0,\n{name}\n#EXT-X-ENDLIST\n"
    site.files["/live.m3u8"] = text.encode()
    failure(site.address("/live.m3u8?tok3n"), open_within=2, silence=2)


def test_a_picture_of_too_many_pixels_is_refused(site: Site) -> None:
    data = bytearray(cv2.imencode(".jpg", picture(9, 64, 64))[1].tobytes())
    size = data.find(b"\xff\xc0") + 5
    for side in (64, 60000):
        data[size : size + 4] = struct.pack(">HH", side, side)
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        site.files[f"/{side}"] = (head.encode() + bytes(data) + b"\r\n") * 20
    with open_camera(site.address("/64")) as camera:
        assert camera.read().image.shape == (64, 64, 3)
    failure(site.address("/60000"), open_within=2, silence=1)


@pytest.mark.parametrize("kind", ["mp4", "ts"])
def test_pixels_that_are_not_square_are_made_so(site: Site, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"wide.{kind}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2, 1)
        for _ in range(25):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(90), format="rgb24")))
        container.mux(stream.encode(None))
    site.files[f"/wide.{kind}"] = path.read_bytes()
    with open_camera(site.address(f"/wide.{kind}")) as camera:
        assert camera.read().image.shape == (48, 128, 3)
    with open_camera(site.address(f"/wide.{kind}"), size=(64, 64)) as camera:
        assert camera.read().image.shape == (24, 64, 3)


def test_a_mirrored_clip_is_shown_as_it_says(site: Site, tmp_path: Path) -> None:
    left_white = picture(0, 64, 64)
    left_white[:, :32] = 255
    path = set_matrix(write_pictures(tmp_path / "a.mp4", [left_white] * 25), (-1, 0, 0, 1))
    site.files["/a.mp4"] = path.read_bytes()
    with open_camera(site.address("/a.mp4")) as camera:
        image = camera.read().image
    assert image[:, :24].mean() < 40 < 200 < image[:, 40:].mean()


# --- RTSP ----------------------------------------------------------------------------------------


class Rtsp(socketserver.ThreadingTCPServer):
    """A camera that sends H.264 by RTSP over TCP, to those who give the password.

    Attributes:
        shade: of the picture that was sent last.
        cut: hang up on everyone.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.shade, self.cut = 0, False

    def address(self, login: str = "") -> str:
        port = self.server_address[1]
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{port}/pfad7?tok3n"


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = cast(Rtsp, self.server)
        while lines := self._request():
            fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
            verb, url, _ = lines[0].split(" ")
            key = base64.b64encode(LOGIN.encode()).decode()
            head = [f"CSeq: {fields['CSeq']}", "Session: 1"]
            body = ""
            if verb != "OPTIONS" and fields.get("Authorization") != f"Basic {key}":
                self._answer("401 Unauthorized", [*head, 'WWW-Authenticate: Basic realm="k"'])
                continue
            if verb == "OPTIONS":
                head.append("Public: DESCRIBE, SETUP, PLAY, TEARDOWN")
            elif verb == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=k\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
                body += "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
                body += "a=control:track0\r\n"
                head += [f"Content-Base: {url}/", "Content-Type: application/sdp"]
            elif verb == "SETUP":
                head.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            self._answer("200 OK", head, body)
            if verb == "PLAY":
                self._play(server)
                return

    def _request(self) -> list[str]:
        lines = []
        while line := self.rfile.readline().decode().strip():
            lines.append(line)
        return lines

    def _answer(self, status: str, head: list[str], body: str = "") -> None:
        head = [*head, f"Content-Length: {len(body)}"] if body else head
        text = "\r\n".join([f"RTSP/1.0 {status}", *head, "", body])
        self.wfile.write(text.encode())

    def _play(self, server: Rtsp) -> None:
        sequence = 0
        try:
            for number, nals in enumerate(_encoded(server)):
                if server.cut:
                    return
                for index, nal in enumerate(nals):
                    last = 0x80 if index == len(nals) - 1 else 0
                    head = struct.pack(
                        ">BBHII", 0x80, 96 | last, sequence & 0xFFFF, number * 3600, 7
                    )
                    self.wfile.write(struct.pack(">cBH", b"$", 0, len(head + nal)) + head + nal)
                    sequence += 1
                time.sleep(1 / 25)
        except OSError:
            pass


def _encoded(server: Rtsp) -> Iterator[list[bytes]]:
    """Pictures as H.264 without end, in pieces as RTP carries them."""
    container = av.open(io.BytesIO(), "w", format="h264")
    stream = container.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "25"})
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 25)
    while True:
        server.shade = (server.shade + 4) % 200
        frame = av.VideoFrame.from_ndarray(picture(server.shade), format="rgb24")
        for packet in stream.encode(frame):
            pieces = bytes(packet).replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
            yield [piece for piece in pieces if piece]


@pytest.fixture
def rtsp() -> Iterator[Rtsp]:
    server = Rtsp()
    with serving(server):
        yield server


def test_rtsp_gives_the_newest_picture_to_those_who_may(rtsp: Rtsp) -> None:
    with open_camera(rtsp.address(LOGIN), size=(640, 480)) as camera:
        assert camera.name.startswith(f"rtsp://127.0.0.1:{rtsp.server_address[1]} 64x48")
        no_secret(camera.name)
        for _ in range(10):
            camera.read()
        time.sleep(1.0)
        newest = camera.read()
        behind = (rtsp.shade - shade_of(newest.image)) % 200 / 4
        assert behind <= 6, "of 25 that were sent meanwhile"
        rtsp.cut = True
        with pytest.raises(CameraLost) as lost:
            for _ in range(100):
                camera.read()
        no_secret(str(lost.value))


def test_rtsp_without_the_password_is_one_sentence(rtsp: Rtsp) -> None:
    for login in ("", "anna:geheim4"):
        assert "wants a name and a password" in str(failure(rtsp.address(login), open_within=3))
