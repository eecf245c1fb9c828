"""The end of a recording: from fragments to an ordinary MP4, whatever comes in between."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.cameras.clip import ClipReader
from realtime.sinks.recording import video_writer
from realtime.sinks.recording.mp4_index import add_index, drop_torn_end
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


@pytest.fixture
def fragmented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three fragments, as a kill leaves them, of a clip with 24 frames."""
    path = tmp_path / "parts.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(video_writer, "add_index", lambda path: None)
        write(path, 24)
    assert kinds(path) == [b"ftyp", b"moov", *[b"moof", b"mdat"] * 3]
    return path


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("fps", [10.0, 29.97])
def test_a_finished_file_is_an_ordinary_one(tmp_path: Path, live: bool, fps: float) -> None:
    path = tmp_path / "done.mp4"
    write(path, 80, live=live, fps=fps)
    assert kinds(path) == [b"ftyp", b"mdat", b"moov"]
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
    assert kinds(path) == [b"ftyp", b"mdat", b"moov"]
    assert [at for at, _ in frames_of(path)] == pytest.approx(times * 1e3, abs=2)

    def begins(path: Path) -> float:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            assert stream.start_time is not None and stream.time_base is not None
            return float(stream.start_time * stream.time_base)

    assert begins(path) == pytest.approx(begins(source), abs=0.002)
    assert begins(path) > 1.9


@pytest.mark.devices
def test_a_browser_plays_it_and_seeks(tmp_path: Path) -> None:
    path = tmp_path / "done.mp4"
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
                video.onseeked = () => {
                    const canvas = document.createElement('canvas').getContext('2d');
                    canvas.drawImage(video, 0, 0);
                    done(canvas.getImageData(9, 9, 1, 1).data[0]);
                };
                video.onerror = () => done(-1);
                video.currentTime = 7.55;
            })"""
        )
    assert shade == pytest.approx(10 + STEP * 75, abs=STEP + 2)


def test_an_interrupted_end_plays(fragmented: Path, tmp_path: Path) -> None:
    """However much of the index was written; an ordinary file is left as it is."""
    parts, cut = fragmented.read_bytes(), tmp_path / "cut.mp4"
    wanted = frames_of(fragmented)
    assert len(wanted) == 24
    add_index(fragmented)
    whole = fragmented.read_bytes()
    assert frames_of(fragmented) == wanted
    add_index(fragmented)
    assert fragmented.read_bytes() == whole
    head = parts[:44]
    for length in range(len(parts) + 1, len(whole) + 1, (len(whole) - len(parts)) // 7):
        cut.write_bytes(head + whole[44:length])
        assert frames_of(cut) == wanted
        drop_torn_end(cut)
        add_index(cut)
        assert frames_of(cut) == wanted and kinds(cut)[-1] == b"moov"


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
@pytest.mark.parametrize("room", [0, 100])
def test_no_room_for_the_index_leaves_the_file_as_it_was(fragmented: Path, room: int) -> None:
    before = fragmented.read_bytes()
    limit = len(before) + room
    code = f"""
import resource, signal, sys
from pathlib import Path
from realtime.sinks.recording.mp4_index import add_index
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    add_index(Path(sys.argv[1]))
except OSError:
    print("refused")
"""
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code, str(fragmented)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "refused\n" and not done.stderr
    assert fragmented.read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="needs files with holes")
def test_more_than_four_gigabytes(fragmented: Path) -> None:
    wanted = frames_of(fragmented)
    data = fragmented.read_bytes()
    at = data.index(b"moof") - 4
    hole = 5_000_000_000
    with fragmented.open("r+b") as file:
        file.seek(at)
        file.write(struct.pack(">I4sQ", 1, b"free", hole))
        file.seek(at + hole)
        file.write(data[at:])
    add_index(fragmented)
    assert frames_of(fragmented) == wanted


def test_fragments_of_another_kind_are_refused(fragmented: Path) -> None:
    data = bytearray(fragmented.read_bytes())
    at = data.index(b"tfhd")
    data[at + 5] &= 0xFD  # Positions no longer count from the fragment.
    fragmented.write_bytes(data)
    with pytest.raises(ValueError, match="fragment|positions"):
        add_index(fragmented)
    assert fragmented.read_bytes() == data


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_a_recording(tmp_path: Path) -> None:
    """An index in memory would take 72 bytes a frame: 1.4 MB here."""
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
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "long.mp4")],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 500, "kilobytes"
