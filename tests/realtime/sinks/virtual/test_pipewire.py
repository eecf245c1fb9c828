"""The PipeWire camera, in a real PipeWire session with real readers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from realtime.frames import AvatarFrame, CameraFrame
from realtime.paths import asset_path
from realtime.sinks import registry
from realtime.sinks.base import SinkError
from realtime.sinks.virtual import pipewire
from realtime.sinks.virtual.pipewire import PipeWireSink
from scripts.rigs.desktop import Desktop

pytestmark = pytest.mark.devices

SIZE = (320, 240)
COLOURS = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
    (128, 128, 128),
    (200, 120, 90),
    (30, 60, 200),
)


@pytest.fixture(scope="module")
def session() -> Iterator[Desktop]:
    # Not pytest's own folder: its path is too long for a socket.
    with tempfile.TemporaryDirectory(prefix="pw") as folder, Desktop(Path(folder)) as desktop:
        yield desktop


@pytest.fixture
def desktop(session: Desktop, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    monkeypatch.setenv("XDG_RUNTIME_DIR", session.environment["XDG_RUNTIME_DIR"])
    for name in ("PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return session


def bars(mark: int = 0) -> AvatarFrame:
    """Eight colours side by side; the top left corner is grey of the value `mark`."""
    image = np.empty((SIZE[1], SIZE[0], 3), np.uint8)
    for index, colour in enumerate(COLOURS):
        image[:, index * SIZE[0] // 8 : (index + 1) * SIZE[0] // 8] = colour
    image[:16, :16] = mark
    return AvatarFrame(image, None, True)


@contextmanager
def fed(sink: PipeWireSink) -> Iterator[list[int]]:
    """Write 30 frames a second in a thread; gives a list that grows with each."""
    written: list[int] = []
    stop = threading.Event()

    def feed() -> None:
        while not stop.wait(1 / 30):
            sink.write(bars(len(written) % 200))
            written.append(len(written))

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def start_reader(desktop: Desktop, frames: int, output: Path) -> subprocess.Popen[bytes]:
    here = {"PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"}
    words = (
        sys.executable,
        "-m",
        "scripts.rigs.camera_reader",
        "/dev/video0",
        str(frames),
        str(output),
    )
    return desktop.start("pw-v4l2", *words, environment=here)


def read(desktop: Desktop, frames: int, output: Path) -> dict[str, np.ndarray]:
    """What a program that reads the camera through V4L2 gets."""
    assert start_reader(desktop, frames, output).wait(60) == 0, desktop.log("pw-v4l2").read_text()
    with np.load(output) as file:
        return dict(file)


def test_others_see_the_camera_its_pictures_and_its_colours(desktop, tmp_path):
    with PipeWireSink(SIZE, 30.0) as sink:
        assert list(desktop.cameras()) == ["AI avatar"]
        assert not sink.watched
        with fed(sink):
            seen = read(desktop, 40, tmp_path / "seen.npz")
    assert desktop.cameras() == {}
    picture = seen["picture"]
    assert picture.shape == (SIZE[1], SIZE[0], 3)
    assert "320x240 30 fps YUYV" in str(seen["name"])
    for index, colour in enumerate(COLOURS):
        middle = picture[SIZE[1] // 2, index * SIZE[0] // 8 + SIZE[0] // 16].astype(int)
        # A wrong range moves black and white by 16 or more, a wrong matrix colours by 10 or more.
        assert np.abs(middle - colour).max() <= 3, (colour, middle)
    steps = np.diff(np.round(seen["marks"][5:]).astype(int)) % 200
    assert steps.max() < 100 and np.count_nonzero(steps) > 20, steps  # Forward, all the time.


def test_readers_come_and_go_and_writing_waits_for_none(desktop, tmp_path):
    with PipeWireSink(SIZE, 30.0) as sink, fed(sink) as written:
        for turn in range(3):
            assert len(read(desktop, 20, tmp_path / f"{turn}.npz")["marks"]) == 20
        # One that hangs, and is then killed in the middle of it, as browsers are.
        reader = start_reader(desktop, 10_000, tmp_path / "never.npz")
        eventually(lambda: sink.watched)
        reader.send_signal(signal.SIGSTOP)
        before = len(written)
        eventually(lambda: len(written) > before + 60)
        reader.kill()
        reader.wait()
        assert len(read(desktop, 20, tmp_path / "last.npz")["marks"]) == 20


def test_the_end_of_pipewire_is_told_and_the_camera_can_be_made_again(desktop):
    with PipeWireSink(SIZE, 30.0) as sink:
        sink.write(bars())
        desktop.stop_pipewire()
        with pytest.raises(SinkError, match="PipeWire has ended"):
            for _ in range(100):
                sink.write(bars())
                time.sleep(0.05)
        with pytest.raises(SinkError, match="PipeWire"):
            PipeWireSink(SIZE, 30.0)
        desktop.start_pipewire()
        with PipeWireSink(SIZE, 30.0, "Another name") as again:
            again.write(bars())
            assert list(desktop.cameras()) == ["Another name"]


def test_a_run_gets_its_camera_back_when_pipewire_does(desktop, tmp_path):
    run = desktop.start(
        *(sys.executable, "-m", "realtime.cli", "run", "--source", str(asset_path("face.jpg"))),
        *("--camera", "demo", "--output", "pipewire", "--size", "320x240", "--panel", "off"),
        environment={key: os.environ.get(key, "") for key in ("HOME", "XDG_CACHE_HOME")},
    )
    for turn in range(2):
        eventually(lambda: "AI avatar" in desktop.cameras() or run.poll() is not None)
        assert run.poll() is None
        if turn == 0:
            desktop.stop_pipewire()
            desktop.start_pipewire()
    assert len(read(desktop, 10, tmp_path / "seen.npz")["marks"]) == 10
    run.terminate()
    assert run.wait(30) == 0


def test_auto_takes_it_where_there_is_no_other_camera(desktop, monkeypatch):
    monkeypatch.setattr("realtime.sinks.virtual.virtual_camera.list_devices", list)
    heard: list[str] = []
    with registry.SinkChoice("auto", SIZE, 30.0, heard.append)() as sink:
        assert type(sink) is PipeWireSink
    assert heard == [
        "Output: AI avatar (PipeWire), OBS 30 lists it, Firefox and Chrome after one setting, Zoom "
        "does not (there is no v4l2loopback camera)."
    ]
    with registry.SinkChoice("pipewire:Anna", SIZE, 30.0)() as sink:
        assert sink.name == "Anna (PipeWire)"


def test_only_avatar_frames_of_its_size_go_out(desktop):
    with PipeWireSink(SIZE, 30.0) as sink:
        with pytest.raises(TypeError):
            sink.write(CameraFrame(bars().image, 0.0, 0))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="promised"):
            sink.write(AvatarFrame(np.zeros((10, 10, 3), np.uint8), None, True))
    with pytest.raises(SinkError, match="closed"):
        sink.write(bars())
    sink.close()


def test_opening_and_closing_leaves_nothing_behind(desktop):
    for _ in range(3):
        PipeWireSink(SIZE, 30.0).close()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(10):
        PipeWireSink(SIZE, 30.0).close()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_what_is_lacking_is_said_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("realtime.sinks.virtual.libpipewire.SONAME", "libnothing.so.0")
    with pytest.raises(SinkError, match="not installed .*; install the package pipewire.$"):
        PipeWireSink(SIZE, 30.0)
    monkeypatch.setattr("realtime.sinks.virtual.libpipewire.load", lambda: None)
    monkeypatch.delenv("PIPEWIRE_RUNTIME_DIR", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(SinkError, match="does not run for this user; start it with .*systemctl"):
        PipeWireSink(SIZE, 30.0)
    assert pipewire.KIND.find().why == "PipeWire does not run for this user"
    monkeypatch.setattr("platform.system", lambda: "Windows")
    found = pipewire.KIND.find()
    assert not found.usable and not found.why
