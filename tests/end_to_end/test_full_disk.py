"""Recordings on a file system that is really full; needs root, who may mount one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.boxes import top_boxes
from realtime.frames import AvatarFrame
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.provenance.credentials import of_this_computer
from realtime.provenance.signer import Signer
from realtime.provenance.signing import LIVE, Claim, sign
from realtime.sinks.base import SinkError
from realtime.sinks.recording.recorder import Recorder
from realtime.sinks.recording.video_writer import VideoWriter
from scripts.rigs.fakes import FakeAnimator, FakeCamera, FakeSink, FakeTracker, avatar, face
from scripts.rigs.programs import absent
from tests.end_to_end.test_signals import FPS, recording

if sys.platform != "linux" or os.geteuid() != 0:
    pytest.skip("needs Linux and root", allow_module_level=True)

pytestmark = pytest.mark.devices

SIZE = (240, 180)
ROOM = 800_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for `ROOM` bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(place)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        absent(f"needs the right to mount a file system ({done.stderr.strip()})")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def pictures(path: Path) -> int:
    """How many frames are in a file; every one is decoded."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def kinds(path: Path) -> list[str]:
    """The outermost boxes of a file; the last one is whole."""
    with path.open("rb") as file:
        boxes = list(top_boxes(file))
    assert sum(size for _, size in boxes) == path.stat().st_size
    return [kind for kind, _ in boxes]


class Noise:
    """A canvas of noise, which fills a disk soon."""

    look = None

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def set_avatar(self, still: object, focus: object) -> None:
        """Nothing is prepared."""

    def compose(self, frame: AvatarFrame) -> AvatarFrame:
        image = self._random.integers(0, 60, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        return AvatarFrame(image, frame.captured_at, frame.live)


def test_the_avatar_goes_on_and_the_recording_has_every_second(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path, camera, notes = disk / "out.mp4", FakeSink(), list[str]()
    failed = threading.Event()
    began = []

    def heard(line: str) -> None:
        notes.append(line)
        if "stopped" in line:
            failed.set()

    with Signer(of_this_computer(), Claim(LIVE, True), notes.append) as signer:

        def record() -> Recorder:
            began.append(time.perf_counter())
            return Recorder(path, SIZE, FPS, finished=signer.add)

        animation = Animation(
            FakeAnimator(),
            FakeTracker(lambda index: face((index % 50, 0.0))),
            avatar(),
            calibration=Calibration(patience=0.1),
        )
        outputs = [Output(lambda: camera, retry=True), Output(record)]
        pipeline = Pipeline(FakeCamera, animation, Noise(), outputs, fps=FPS, notify=heard)
        lasted, frames = [], []

        def watch() -> None:
            failed.wait(60)
            lasted.append(time.perf_counter() - began[0])
            before = len(camera.frames)
            time.sleep(1.0)
            frames.append(len(camera.frames) - before)
            pipeline.stop()

        thread = threading.Thread(target=watch)
        thread.start()
        with pytest.raises(SinkError, match="the disk is full"):
            pipeline.run()
        thread.join()
    assert frames[0] >= FPS / 3, "the camera's output goes on"
    # The signer and the pipeline speak each on its own: either may be first.
    about = [line for line in notes if "out.mp4" in line]
    unsigned, stopped = sorted(about, key=lambda line: "stopped" in line)
    assert "out.mp4 stopped: the disk is full; what was recorded before is kept" in stopped
    assert "was not signed" in unsigned and "\n" not in unsigned
    assert os.listdir(disk) == ["out.mp4"]
    # A second may not be whole, and some frames wait for the encoder.
    assert pictures(path) / FPS >= lasted[0] - 2.0
    assert kinds(path) == ["ftyp", "free", "mdat", "moov"], "there was room for the index"


def test_a_run_that_only_records_ends_with_one_line(disk: Path, tmp_path: Path) -> None:
    (disk / "other").write_bytes(bytes(ROOM // 2))
    path = disk / "out.mp4"
    with recording(path) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    (line,) = [line for line in errors.splitlines() if line]
    assert "out.mp4 stopped: the disk is full" in line and "no output is left" in line
    assert pictures(path) >= FPS
    moved = tmp_path / "moved.mp4"
    shutil.copy(path, moved)
    words = [sys.executable, "-m", "realtime.cli", "sign", str(moved)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert pictures(moved) == pictures(path)


def test_what_others_fill_at_once_leaves_every_whole_second(
    disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room for the index either: the file is as that of a killed recording."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path, other = disk / "out.mp4", disk / "other"
    random = np.random.default_rng(0)
    writer = VideoWriter(path, SIZE, 10, live=True)
    for _ in range(25):
        writer.write(random.integers(0, 20, (SIZE[1], SIZE[0], 3), dtype=np.uint8))
    with pytest.raises(OSError), other.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(512))
    with pytest.raises(SinkError, match="the disk is full; what was recorded before is kept"):
        writer.write(np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    with pytest.raises(SinkError, match="the disk is full"):
        writer.close()
    assert kinds(path) == ["ftyp", "free", "free", "moov", *["moof", "mdat"] * 2]
    assert pictures(path) == 20
    other.unlink()
    moved = tmp_path / "moved.mp4"
    shutil.copy(path, moved)
    sign(moved, of_this_computer(), Claim(LIVE, True))
    assert pictures(moved) == 20
