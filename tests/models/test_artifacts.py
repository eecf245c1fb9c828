"""Fetching from real HTTP servers on this computer that behave well, badly and not at all."""

from __future__ import annotations

import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.artifacts import Artifact, fetch
from models.errors import UserError
from tests.paths import ROOT

CONTENT = hashlib.shake_256(b"content").digest(3_000_000)
THING = Artifact("file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves `content`; the other fields say how it misbehaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.honours_range = True
        self.refuses_range = False
        self.breaks_after: int | None = None
        self.breaks = 0
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server = self.server
        asked = self.headers.get("Range")
        server.ranges.append(asked)
        start = 0
        if asked and server.refuses_range:
            self.send_error(416)
            return
        if asked and server.honours_range:
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            assert match
            start = int(match[1])
            self.send_response(206)
            total = len(server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        else:
            self.send_response(200)
        body = server.content[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.breaks_after is not None and server.breaks > 0:
            server.breaks -= 1
            self.wfile.write(body[: server.breaks_after])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/file.bin"


def test_fetching(tmp_path, server):
    seen: list[tuple[int, int]] = []
    path = fetch(
        THING,
        server.url,
        cache=tmp_path / "new",
        progress=lambda *state: seen.append(state),
    )
    assert path.read_bytes() == CONTENT and THING.is_at(path)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in seen] == sorted(have for have, _ in seen)
    assert not path.with_name("file.bin.part").exists()


def test_a_second_fetch_asks_no_server(tmp_path, server):
    fetch(THING, server.url, cache=tmp_path)
    fetch(THING, server.url, cache=tmp_path)
    assert len(server.ranges) == 1


def test_the_cache_folder_can_be_chosen(tmp_path, server, monkeypatch):
    monkeypatch.setenv("AVATARIFY_CACHE", str(tmp_path / "mine"))
    assert fetch(THING, server.url) == tmp_path / "mine" / "file.bin"


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"\0", CONTENT[:-1], CONTENT + b"\0"])
def test_a_wrong_file_is_not_kept(tmp_path, server, wrong):
    server.content = wrong
    with pytest.raises(UserError, match="another file than|a file of another size"):
        fetch(THING, server.url, cache=tmp_path)
    assert len(server.ranges) == 1
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / "file.bin.part").exists()


def test_a_wrong_file_alone_is_one_sentence(tmp_path, server):
    server.content = CONTENT[:-1] + b"\0"
    with pytest.raises(UserError, match=r"another file than the one expected.*put the file at"):
        fetch(THING, server.url, cache=tmp_path)
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / "file.bin.part").exists()


def test_an_interrupted_transfer_goes_on_where_it_stopped(tmp_path, server):
    server.breaks_after, server.breaks = 1_000_000, 2
    assert fetch(THING, server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_transfer_that_gave_up_goes_on_at_the_next_call(tmp_path, server):
    server.breaks_after, server.breaks = 100_000, 3
    with pytest.raises(UserError, match="broke off"):
        fetch(THING, server.url, cache=tmp_path)
    assert (tmp_path / "file.bin.part").stat().st_size == 300_000
    assert fetch(THING, server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=300000-"


@pytest.mark.parametrize("how", ["ignores", "refuses"])
def test_a_server_without_ranges_starts_again(tmp_path, server, how):
    server.honours_range = False
    server.refuses_range = how == "refuses"
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch(THING, server.url, cache=tmp_path).read_bytes() == CONTENT


def test_a_spoilt_part_is_dropped(tmp_path, server):
    (tmp_path / "file.bin.part").write_bytes(bytes(1000))
    assert fetch(THING, server.url, cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("content", [b"", b"short", CONTENT[::-1]])
def test_a_corrupted_cache_is_fetched_again(tmp_path, server, content):
    (tmp_path / "file.bin").write_bytes(content)
    assert not THING.is_at(tmp_path / "file.bin")
    assert fetch(THING, server.url, cache=tmp_path).read_bytes() == CONTENT


def test_no_host_answers(tmp_path, server):
    for address in (closed_port(), f"{server.url}\0"):
        with pytest.raises(UserError) as caught:
            fetch(THING, address, cache=tmp_path)
        assert str(tmp_path / "file.bin") in str(caught.value)
        assert "connect this computer" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_put_there_by_hand_is_taken(tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert fetch(THING, closed_port(), cache=tmp_path) == tmp_path / "file.bin"


def test_many_at_once_download_once(tmp_path, server):
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: fetch(THING, server.url, cache=tmp_path), range(8)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(server.ranges) == 1


def test_a_cache_that_is_a_file(tmp_path, server):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UserError, match="AVATARIFY_CACHE"):
        fetch(THING, server.url, cache=tmp_path / "cache")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without space")
def test_a_full_disk(tmp_path, server):
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="too full for file.bin"):
        fetch(THING, server.url, cache=tmp_path)


def test_importing_it_loads_nothing_heavy():
    import subprocess

    code = "import sys, models.artifacts; print('numpy' in sys.modules, 'cv2' in sys.modules)"
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
