"""Recordings: frames, colours, clock, sound, kills and full disks."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from models.types import Image
from realtime.cameras.clip import ClipReader
from realtime.frames import AvatarFrame, CameraFrame
from realtime.sinks.base import SinkError
from realtime.sinks.recording.recorder import Recorder
from realtime.sinks.recording.video_writer import VideoWriter
from tests.paths import ROOT

SIZE = (160, 90)


def picture(shade: int, size: tuple[int, int] = SIZE) -> Image:
    return np.full((size[1], size[0], 3), shade, np.uint8)


def frame(shade: int) -> AvatarFrame:
    return AvatarFrame(picture(shade), None, True)


def shades(path: Path) -> list[int]:
    return [round(float(image.mean())) for image, _ in ClipReader(path).frames()]


def write_sound(path: Path, codec: str, seconds: float, rate: int = 44100) -> Path:
    """A clip with a dark picture and a tone of 440 Hz that starts with it."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        audio = container.add_stream(codec, rate=rate)
        assert isinstance(video, av.VideoStream) and isinstance(audio, av.AudioStream)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio.layout = "mono"
        for _ in range(round(25 * seconds)):
            image = av.VideoFrame.from_ndarray(picture(9, (64, 48)), format="rgb24")
            container.mux(video.encode(image))
        t = np.arange(round(rate * seconds)) / rate
        wave = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
        resampler = av.AudioResampler(audio.format, "mono", rate, frame_size=1024)
        tone = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
        tone.rate = rate
        for piece in [*resampler.resample(tone), *resampler.resample(None)]:
            container.mux(audio.encode(piece))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def sound_of(path: Path) -> tuple[str, np.ndarray, int]:
    """Codec, samples of the first channel, and rate of a file's sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        parts = [f.to_ndarray()[0] for f in container.decode(stream)]
        return stream.codec_context.name, np.concatenate(parts), stream.rate


def loudest_hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * rate / len(samples))


# --- the writer ----------------------------------------------------------------------------------


def test_writer_keeps_every_frame_at_a_constant_rate(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    wanted = [20 + 3 * i for i in range(70)]
    with VideoWriter(path, SIZE, 29.97) as writer:
        for shade in wanted:
            writer.write(picture(shade))
    assert shades(path) == pytest.approx(wanted, abs=3)
    reader = ClipReader(path)
    assert reader.fps == pytest.approx(30000 / 1001, abs=1e-3)
    assert [at for _, at in reader.frames()] == pytest.approx(
        [i * 1001 / 30000 for i in range(70)], abs=1e-4
    )


def test_writer_keeps_colours_and_says_which(tmp_path: Path) -> None:
    path = tmp_path / "colour.mp4"
    image = np.zeros((96, 256, 3), np.uint8)
    patches = [(230, 40, 30), (30, 200, 60), (40, 50, 220), (240, 190, 160)]
    for i, patch in enumerate(patches):
        image[:, 64 * i : 64 * i + 64] = patch
    with VideoWriter(path, (256, 96), 25) as writer:
        writer.write(image)
    back, _ = next(ClipReader(path).frames())
    for i, patch in enumerate(patches):
        assert back[48, 64 * i + 32].tolist() == pytest.approx(patch, abs=6)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert (context.color_range, context.pix_fmt) == (1, "yuv420p")


def test_writer_takes_the_times_of_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "vfr.mp4"
    times = [0.0, 0.04, 0.2, 0.23, 1.0]
    with VideoWriter(path, SIZE, 25) as writer:
        for at in times:
            writer.write(picture(90), time=at)
    assert [at for _, at in ClipReader(path).frames()] == pytest.approx(times, abs=1e-3)


def test_odd_sizes_lose_their_last_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, (161, 91), 25) as writer:
        assert writer.size == (160, 90)
        writer.write(picture(90, (161, 91)))
        with pytest.raises(ValueError, match="promised"):
            writer.write(picture(90))
    assert ClipReader(path).size == (160, 90)


@pytest.mark.parametrize(
    ("name", "codec", "result"),
    [
        ("a.mp4", "aac", "aac"),
        ("b.mp4", "libmp3lame", "mp3float"),
        ("c.mkv", "pcm_s16le", "aac"),
        ("d.mkv", "libopus", "aac"),
    ],
)
def test_sound_is_kept_and_cut_to_the_video(
    tmp_path: Path, name: str, codec: str, result: str
) -> None:
    source = write_sound(tmp_path / name, codec, 3.0, 48000)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, SIZE, 25, audio_from=source) as writer:
        for _ in range(50):
            writer.write(picture(90))
    found, samples, rate = sound_of(path)
    assert found == result
    assert len(samples) / rate == pytest.approx(2.0, abs=0.08)
    assert loudest_hertz(samples[rate // 2 :], rate) == pytest.approx(440, abs=3)
    assert len(shades(path)) == 50


@pytest.mark.parametrize("codec", ["aac", "libmp3lame", "mp2"])
def test_sound_whose_clock_jumps_back_goes_on_with_the_picture(tmp_path: Path, codec: str) -> None:
    """Two transport streams, joined as `cat` joins them."""
    one = write_sound(tmp_path / "one.ts", codec, 1.0, 48000)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() * 2)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, SIZE, 25, audio_from=joined) as writer:
        for _ in range(60):
            writer.write(picture(90))
    assert len(shades(path)) == 60
    _, samples, rate = sound_of(path)
    assert len(samples) / rate == pytest.approx(2.0, abs=0.15)
    assert loudest_hertz(samples, rate) == pytest.approx(440, abs=3)


@pytest.mark.parametrize(("number", "lost"), [(errno.EINVAL, False), (errno.ENOSPC, True)])
def test_sound_that_the_file_refuses_ends_the_sound_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, lost: bool
) -> None:
    """A full disk is still told."""
    source = write_sound(tmp_path / "clip.mp4", "aac", 1.0, 48000)
    path = tmp_path / "out.mp4"
    calls = 0

    def refuse(packet: object) -> None:
        nonlocal calls
        calls += 1
        av.error.err_check(-number)

    writer = VideoWriter(path, SIZE, 25, audio_from=source)
    assert writer._audio is not None
    monkeypatch.setattr(writer._audio, "_output", SimpleNamespace(mux=refuse))
    if lost:
        with pytest.raises(SinkError, match="the disk is full"):
            writer.write(picture(90))
    else:
        for _ in range(10):
            writer.write(picture(90))
    writer.close()
    assert calls == 1
    assert len(shades(path)) == (1 if lost else 10)


def test_shorter_or_no_sound_is_no_error(tmp_path: Path) -> None:
    short = write_sound(tmp_path / "short.mp4", "aac", 0.5)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, SIZE, 25, audio_from=short) as writer:
        for _ in range(50):
            writer.write(picture(90))
    _, samples, rate = sound_of(path)
    assert len(samples) / rate == pytest.approx(0.5, abs=0.08)
    silent = tmp_path / "silent.mp4"
    with VideoWriter(silent, SIZE, 25, audio_from=None) as writer:
        writer.write(picture(9))
    with VideoWriter(path, SIZE, 25, audio_from=silent) as writer:
        writer.write(picture(90))
    with av.open(str(path)) as container:
        assert not container.streams.audio


def test_bad_places_are_one_sentence_each(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    clip = write_sound(tmp_path / "clip.mp4", "aac", 0.2)
    before = clip.read_bytes()
    wanted = {
        tmp_path / "folder.mp4": "is a folder",
        tmp_path / "out.avi": "MP4",
        tmp_path / "nowhere" / "out.mp4": "does not exist",
        tmp_path / "file" / "out.mp4": "does not exist",
        Path("/proc/out.mp4"): "cannot be written" if os.path.isdir("/proc") else "does not exist",
        clip: "driving clip",
    }
    for path, words in wanted.items():
        with pytest.raises(SinkError, match=words) as caught:
            VideoWriter(path, SIZE, 25, audio_from=clip)
        assert str(caught.value).count(". ") == 0 and str(caught.value).endswith(".")
    assert clip.read_bytes() == before


# --- the live recorder ---------------------------------------------------------------------------


class Clock:
    """A clock that the test turns."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_recorder_follows_the_clock(tmp_path: Path) -> None:
    """Jitter changes nothing, a gap is filled, a frame too many replaces the one before."""
    clock = Clock()
    path = tmp_path / "live.mp4"
    with Recorder(path, SIZE, 10, clock=clock) as recorder:

        def show(shade: int, at: float) -> None:
            clock.now = 100 + at
            recorder.write(frame(shade))
            settle(recorder)

        show(50, 0.0)
        show(60, 0.13)  # late by less than a frame
        show(70, 0.17)  # early
        show(80, 0.7)  # three frames are missing
        show(90, 0.8)
    assert shades(path) == pytest.approx([50, 60, 70, 70, 70, 70, 70, 80, 90], abs=3)


def settle(recorder: Recorder) -> None:
    """Wait until the encoder took what waits."""
    for _ in range(500):
        if not recorder._waiting:
            return
        time.sleep(0.002)


def test_recorder_fed_too_fast_keeps_the_clock(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "fast.mp4"
    with Recorder(path, SIZE, 10, clock=clock) as recorder:
        for i in range(100):  # 50 frames a second for two seconds
            clock.now = 100 + i * 0.02
            recorder.write(frame(50 + i))
            settle(recorder)
    assert len(shades(path)) == pytest.approx(20, abs=2)


def test_slow_encoder_neither_blocks_nor_changes_the_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    path = tmp_path / "slow.mp4"
    gate = threading.Event()
    original = VideoWriter.write

    def stuck(self: VideoWriter, image: Image, *, repeat: int = 1) -> None:
        gate.wait(20)
        original(self, image, repeat=repeat)

    monkeypatch.setattr(VideoWriter, "write", stuck)
    with Recorder(path, SIZE, 10, clock=clock) as recorder:
        for i in range(60):  # returns although the encoder takes none of them
            clock.now = 100 + i / 10
            recorder.write(frame(100 + i))
        assert len(recorder._waiting) <= 8 and recorder.dropped >= 50
        gate.set()
    found = shades(path)
    assert len(found) == 60
    assert found[-1] == pytest.approx(159, abs=3)


def test_recorder_takes_avatar_frames_only(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with Recorder(path, SIZE, 25) as recorder:
        with pytest.raises(TypeError, match="avatar frames only"):
            recorder.write(CameraFrame(picture(200), 0.0, 0))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="avatar frames only"):
            recorder.write(picture(200))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="promised"):
            recorder.write(AvatarFrame(picture(200, (80, 80)), None, True))
        recorder.write(frame(50))
    recorder.close()
    with pytest.raises(SinkError, match="closed"):
        recorder.write(frame(50))
    assert shades(path) == pytest.approx([50], abs=3)


FEED = """
import sys, time
import numpy as np
from realtime.frames import AvatarFrame
from realtime.sinks.recording.recorder import Recorder
now = [0.0]
recorder = Recorder(sys.argv[1], (320, 180), 10, clock=lambda: now[0])
noise = np.random.default_rng(0)
for i in range(int(sys.argv[2])):
    now[0] = i / 10
    image = noise.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    recorder.write(AvatarFrame(image, None, True))
    while recorder._waiting:
        time.sleep(0.001)
"""


def feed(extra: str, *arguments: object) -> subprocess.Popen[str]:
    root = ROOT
    return subprocess.Popen(
        [sys.executable, "-c", FEED + extra, *map(str, arguments)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_recording_plays(tmp_path: Path) -> None:
    path = tmp_path / "killed.mp4"
    process = feed("print('fed', flush=True); time.sleep(60)", path, 45)
    assert process.stdout is not None and process.stdout.readline() == "fed\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(shades(path)) >= 30, "at most the last second and a bit may be lost"


@pytest.mark.skipif(os.name != "posix", reason="needs a limit on the size of files")
def test_full_disk_is_one_sentence_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "full.mp4"
    limit = """
import resource, signal
from realtime.sinks.base import SinkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
"""
    code = "\ntry:\n" + "".join(f"    {line}\n" for line in FEED.strip().splitlines())
    code += "except SinkError as error:\n    print(error)\nrecorder.close()\nprint('closed')\n"
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", limit + code, str(path), "400"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    sentence, closed = done.stdout.splitlines()
    assert sentence.startswith("The recording full.mp4 stopped: file too large")
    assert closed == "closed"
    assert "Traceback" not in done.stderr
    assert path.stat().st_size <= 3_000_000
    assert len(shades(path)) >= 30


def test_a_recording_without_a_frame_closes_and_opens(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    VideoWriter(path, SIZE, 30).close()
    assert shades(path) == [0]
