"""A recording's file: an ordinary MP4 at its end, whatever comes in between."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.cameras.clip import ClipReader
from realtime.sinks.base import SinkError
from realtime.sinks.recording import video_writer
from realtime.sinks.recording.mp4_file import Mp4File
from realtime.sinks.recording.video_writer import VideoWriter
from scripts.rigs.browser import Browser
from tests.paths import ROOT

SIZE = (64, 48)
STEP = 2


def frames_of(path: Path) -> list[tuple[float, int]]:
    """When each frame is shown, milliseconds, and how bright it is."""
    return [(round(at * 1e3), round(float(i.mean()))) for i, at in ClipReader(path).frames()]


def kinds(path: Path) -> list[bytes]:
    """The boxes of the file itself."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        assert size >= 8 and at + size <= len(data)
        found.append(kind)
        at += size
    return found


def write(path: Path, count: int, *, live: bool = True, fps: float = 10, **more: object) -> None:
    """A clip that grows brighter by `STEP` a frame."""
    with VideoWriter(path, SIZE, fps, live=live, **more) as writer:  # type: ignore[arg-type]
        for number in range(count):
            writer.write(np.full((SIZE[1], SIZE[0], 3), 10 + STEP * number, np.uint8))


def killed_after(path: Path, count: int) -> None:
    """What a kill leaves of such a clip: the second that is not whole is missing."""
    with VideoWriter(path, SIZE, 10, live=True) as writer:
        for number in range(count):
            writer.write(np.full((SIZE[1], SIZE[0], 3), 10 + STEP * number, np.uint8))
        left = path.read_bytes()
    path.write_bytes(left)


def in_another_process(code: str, *arguments: object) -> list[str]:
    """What a program prints, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("fps", [10.0, 29.97])
def test_a_finished_file_is_an_ordinary_one(tmp_path: Path, live: bool, fps: float) -> None:
    path = tmp_path / "done.mp4"
    write(path, 80, live=live, fps=fps)
    assert kinds(path) == [b"ftyp", b"free", b"mdat", b"moov"]
    found = frames_of(path)
    period = 100 if fps == 10 else 1001 / 30
    assert [at for at, _ in found] == pytest.approx([i * period for i in range(80)], abs=1)
    assert [shade for _, shade in found] == pytest.approx([10 + STEP * i for i in range(80)], abs=3)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.frames == 80 and stream.start_time == 0
        assert stream.duration is not None and stream.time_base is not None
        assert float(stream.duration * stream.time_base) == pytest.approx(
            80 * period / 1e3, abs=1e-3
        )
        assert container.metadata["comment"] == video_writer.MARK
        keys = [packet.is_keyframe for packet in container.demux(stream) if packet.size]
        assert keys[0] and 3 <= sum(keys) <= 10
        container.seek(int(50 * period * 1e3), backward=True)
        first = next(iter(container.decode(stream)))
        assert first.key_frame and 0 < float(first.time) <= 50 * period / 1e3


def test_times_that_differ_and_sound_that_begins_late_are_kept(tmp_path: Path) -> None:
    source, path = tmp_path / "late.mp4", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        video = container.add_stream("libx264", rate=10)
        audio = container.add_stream("aac", rate=48000)
        assert isinstance(video, av.VideoStream) and isinstance(audio, av.AudioStream)
        video.width, video.height, video.pix_fmt, audio.layout = 64, 48, "yuv420p", "mono"
        for _ in range(60):
            image = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(image))
        for number in range(120):
            tone = av.AudioFrame.from_ndarray(np.full((1, 1024), 0.1, np.float32), "fltp", "mono")
            tone.rate, tone.pts = 48000, 96_000 + 1024 * number
            container.mux(audio.encode(tone))
        container.mux([*video.encode(None), *audio.encode(None)])
    times = np.cumsum(np.random.default_rng(1).uniform(0.02, 0.2, 50))
    times -= times[0]
    with VideoWriter(path, SIZE, 25, audio_from=source) as writer:
        for at in times:
            writer.write(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), time=float(at))
    assert kinds(path) == [b"ftyp", b"free", b"mdat", b"moov"]
    assert [at for at, _ in frames_of(path)] == pytest.approx(times * 1e3, abs=2)

    def begins(path: Path) -> float:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            assert stream.start_time is not None and stream.time_base is not None
            return float(stream.start_time * stream.time_base)

    assert begins(path) == pytest.approx(begins(source), abs=0.002)
    assert begins(path) > 1.9


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.devices
def test_a_browser_plays_it_and_seeks(tmp_path: Path, killed: bool) -> None:
    path = tmp_path / "done.mp4"
    if killed:
        killed_after(path, 109)
    else:
        write(path, 100)
    with Browser(tmp_path / "profile", flags=["--allow-file-access-from-files"]) as browser:
        page = tmp_path / "page.html"
        page.write_text(f'<video muted src="{path.name}"></video>')
        browser.open(page.as_uri())
        browser.wait("document.querySelector('video').readyState >= 2")
        assert browser.run("document.querySelector('video').duration") == pytest.approx(10.0)
        shade = browser.run(
            """new Promise(done => {
                const video = document.querySelector('video');
                const look = (now, shown) => {
                    if (shown.mediaTime < 7) {
                        video.requestVideoFrameCallback(look);  // One from before the seek.
                        return;
                    }
                    const canvas = document.createElement('canvas').getContext('2d');
                    canvas.drawImage(video, 0, 0);
                    done(canvas.getImageData(9, 9, 1, 1).data[0]);
                };
                video.requestVideoFrameCallback(look);
                video.onerror = () => done(-1);
                video.currentTime = 7.55;
            })"""
        )
    assert shade == pytest.approx(10 + STEP * 75, abs=STEP + 2)


class NotedFile(Mp4File):
    """Notes what was written and where; None where all of it was brought to the disk."""

    log: list[tuple[int | None, bytes]] = []

    def write(self, data: Any, /) -> int:
        at = self.tell()
        done = super().write(data)
        self.log.append((at, bytes(data)))
        return done


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int | None, bytes]]:
    """What recordings of this test write."""
    noted: list[tuple[int | None, bytes]] = []
    synchronise = os.fsync

    def fsync(file: int) -> None:
        noted.append((None, b""))
        synchronise(file)

    monkeypatch.setattr(NotedFile, "log", noted)
    monkeypatch.setattr(video_writer, "Mp4File", NotedFile)
    monkeypatch.setattr(os, "fsync", fsync)
    return noted


@pytest.mark.parametrize("count", [24, 3000])
def test_an_interrupted_end_plays(
    tmp_path: Path, log: list[tuple[int | None, bytes]], count: int
) -> None:
    """However many of the last writes came, and however much of the index.

    The index of the long clip is larger than FFmpeg's buffer, which writes it in pieces.
    """
    path, cut = tmp_path / "done.mp4", tmp_path / "cut.mp4"
    times = np.cumsum(np.random.default_rng(1).uniform(0.05, 0.15, count))
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    with VideoWriter(path, SIZE, 10, live=True) as writer:
        for at in times - times[0]:
            writer.write(image, time=float(at))
        before, left = len(log), bytearray(path.read_bytes())

    def plays(data: bytes | bytearray) -> int:
        cut.write_bytes(data)
        with av.open(str(cut)) as container:
            return sum(1 for _ in container.decode(video=0))

    whole = plays(left)
    assert count - 10 <= whole < count
    ends = [(at, data) for at, data in log[before:] if at is not None]
    assert len(ends) == 3 if count == 24 else len(ends) > 10
    assert b"moof" in ends[0][1] and b"moov" in ends[1][1] and ends[-1][1].endswith(b"mdat")
    for at, data in ends:
        if data[4:8] == b"moov":
            for part in range(0, len(data), len(data) // 7):
                assert plays(left + data[:part]) == whole
        left[at : at + len(data)] = data
        whole = count
        assert plays(left) == count
    assert left == path.read_bytes()


def test_nothing_is_replaced_before_all_behind_it_is_on_the_disk(
    tmp_path: Path, log: list[tuple[int | None, bytes]]
) -> None:
    """The head that knows the fragments must not be gone before the index is safe."""
    write(tmp_path / "done.mp4", 24)
    end, safe, replaced = 0, 0, 0
    for at, data in log:
        if at is None:
            safe = end
        elif at < end:
            assert safe == end
            replaced += 1
        else:
            end = at + len(data)
    assert replaced >= 1


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_a_fault_leaves_whole_fragments(tmp_path: Path) -> None:
    """A disk that refuses in the middle of a fragment, or of the index, whatever is free."""
    path = tmp_path / "whole.mp4"
    write(path, 24)
    data = path.read_bytes()
    index, first = data.rindex(b"moov") - 4, data.index(b"moof") - 4
    steps = [*range(first + 1, index, (index - first) // 9), index, index + 100, len(data) - 1]
    code = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from realtime.sinks.base import SinkError
from realtime.sinks.recording.video_writer import VideoWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for limit in sys.argv[2:]:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), hard))
    try:
        with VideoWriter(f"{sys.argv[1]}/{limit}.mp4", (64, 48), 10, live=True) as writer:
            for number in range(24):
                writer.write(np.full((48, 64, 3), 10 + 2 * number, np.uint8))
    except SinkError as error:
        print(error)
"""
    lines = in_another_process(code, tmp_path, *steps)
    assert len(lines) == len(steps)
    assert all("mp4 stopped: file too large; what was" in line for line in lines)
    counts = []
    for limit in steps:
        left = tmp_path / f"{limit}.mp4"
        found = kinds(left)
        fragments = found.count(b"moof")
        assert found == [b"ftyp", b"free", b"free", b"moov", *[b"moof", b"mdat"] * fragments]
        if fragments:
            assert len(frames_of(left)) == min(10 * fragments, 24)
        counts.append(fragments)
    assert counts == sorted(counts) and counts[0] == 0 and counts[-3:] == [3, 3, 3]


def test_it_is_finished_while_there_is_room_for_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, free = tmp_path / "full.mp4", 10_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda place: (10_000_000, 10_000_000 - free, free))
    with VideoWriter(path, SIZE, 10, live=True) as writer:
        for number in range(15):
            writer.write(np.full((SIZE[1], SIZE[0], 3), 10 + STEP * number, np.uint8))
        free = 60_000
        with pytest.raises(SinkError, match="the disk is full; what was recorded before is kept"):
            writer.write(np.full((SIZE[1], SIZE[0], 3), 200, np.uint8))
    assert kinds(path) == [b"ftyp", b"free", b"mdat", b"moov"]
    assert len(frames_of(path)) == 16


@pytest.mark.parametrize("known", [True, False])
def test_a_disk_that_does_not_count_its_room_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    def usage(place: Path) -> tuple[int, int, int]:
        if known:
            return 0, 0, 0
        raise OSError("not here")

    monkeypatch.setattr(shutil, "disk_usage", usage)
    write(tmp_path / "done.mp4", 24)
    assert len(frames_of(tmp_path / "done.mp4")) == 24


class SparseFile(Mp4File):
    """Leaves a hole for a block of zeros."""

    zeros = bytes(1 << 15)

    def write(self, data: Any, /) -> int:
        if data == self.zeros:
            self.seek(len(data), os.SEEK_CUR)
            return len(data)
        return super().write(data)


@pytest.mark.skipif(os.name != "posix", reason="needs files with holes")
def test_more_than_four_gigabytes(tmp_path: Path) -> None:
    """Positions behind the first 4 GB take another kind of index, and of head."""
    small, path = tmp_path / "small.mp4", tmp_path / "large.mp4"
    write(small, 24)
    big, period = bytes(1 << 26), 512
    options = {"movflags": video_writer._FLAGS, "flush_packets": "1"}
    with SparseFile(path) as file, av.open(str(small)) as source:
        with av.open(file, "w", format="mp4", options=options) as container:
            stream = container.add_stream_from_template(source.streams.video[0])

            def mux(packet: av.Packet[Any], number: int, key: bool) -> None:
                packet.stream, packet.time_base = stream, Fraction(1, 10 * period)
                packet.pts = packet.dts = number * period
                packet.duration, packet.is_keyframe = period, key
                container.mux(packet)

            for number in range(66):  # Every one is a fragment.
                mux(av.Packet(big), number, True)
            for number, packet in enumerate(source.demux(video=0)):
                if packet.size:
                    mux(packet, 66 + number, packet.is_keyframe)
    assert path.stat().st_size > 1 << 32
    with path.open("rb") as opened:
        assert opened.read(36)[28:] == struct.pack(">I4s", 1, b"mdat")
    with av.open(str(path)) as large, av.open(str(small)) as source:
        assert large.duration == 9_000_000
        large.seek(6_600_000)
        found = [bytes(packet) for packet in large.demux(video=0) if packet.size]
        assert found == [bytes(packet) for packet in source.demux(video=0) if packet.size]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_grows_by_the_index_alone(tmp_path: Path) -> None:
    """FFmpeg keeps 72 bytes for each frame until the end: 8 MB for an hour, 1.4 MB here."""
    code = """
import sys
import numpy as np
from realtime.sinks.recording.video_writer import VideoWriter

def memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

image = np.zeros((48, 64, 3), np.uint8)
with VideoWriter(sys.argv[1], (64, 48), 30, live=True) as writer:
    writer.write(image, repeat=5_000)
    before = memory()
    writer.write(image, repeat=20_000)
    print(memory() - before)
"""
    (grown,) = in_another_process(code, tmp_path / "long.mp4")
    assert int(grown) < 2_000, "kilobytes"
