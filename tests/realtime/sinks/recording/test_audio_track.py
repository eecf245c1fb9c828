"""The sound of a clip stays with its picture, whatever the clip is and wherever it begins."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from realtime.cameras.clip import WHOLE, ClipReader
from realtime.sinks.recording.video_writer import VideoWriter
from tests.clips import FPS, Kind, heard, offset, shade, write_flash

CLOSE = 0.005
"""Seconds that sound may be off the picture here; what may be seen is 0.02 and more."""

KINDS = (
    Kind("a.mp4"),
    Kind("mp3.mp4", audio="libmp3lame"),
    Kind("a.mov", audio="pcm_s16le", channels=2),
    Kind("a.mkv"),
    Kind("flac.mkv", audio="flac", rate=44100),
    Kind("a.webm", "libvpx", "libopus"),
    Kind("nine.webm", "libvpx-vp9", "libopus", channels=2),
    Kind("a.ts"),
    Kind("mp2.ts", "mpeg2video", "mp2"),
    Kind("a.m2ts", audio="ac3"),
    Kind("a.mpg", "mpeg2video", "mp2"),
    Kind("one.mpg", "mpeg1video", "mp2", "mpeg"),
    Kind("a.vob", "mpeg2video", "ac3", "vob"),
    Kind("a.flv", "flv", "libmp3lame", rate=44100),
    Kind("h264.flv"),
    Kind("a.avi", "mpeg4", "pcm_s16le"),
    Kind("mjpeg.avi", "mjpeg", "pcm_s16le", rate=22050),
    Kind("a.wmv", "wmv2", "libmp3lame", "asf"),
    Kind("a.3gp", "mpeg4", "aac"),
    Kind("a.nut"),
    Kind("a.mxf", "mpeg2video", "pcm_s16le"),
)


def copied(source: Path, part: tuple[float, float] = WHOLE) -> Path:
    """The clip's pictures and sound in a new file, as `animate` writes them."""
    reader, result = ClipReader(source, part=part), source.with_name("result.mp4")
    frames = list(reader.frames())
    last = -1.0
    with VideoWriter(
        result, reader.size, reader.fps, audio_from=source, skipped=reader.begins
    ) as writer:
        for image, at in frames:
            last = max(at, last + 1e-3)
            writer.write(image, time=last)
    return result


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_of_file_is_read_and_its_sound_stays_with_its_picture(
    tmp_path: Path, kind: Kind
) -> None:
    # AVI knows no start of its own.
    starts = 0.0 if kind.name.endswith(".avi") else 0.4
    source = write_flash(tmp_path / kind.name, kind, starts=starts)
    assert abs(offset(source)) < 0.03, "the clip itself is as it should be"
    assert offset(copied(source)) == pytest.approx(offset(source), abs=CLOSE)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_of_a_part_of_a_clip_the_sound_is_cut_in_step(tmp_path: Path, kind: Kind) -> None:
    starts = 0.0 if kind.name.endswith(".avi") else 0.4
    source = write_flash(tmp_path / kind.name, kind, starts=starts)
    # From within a picture: it begins with the next one.
    result = copied(source, (0.63, 1.5))
    assert offset(result) == pytest.approx(offset(source), abs=CLOSE)
    with av.open(str(result)) as container:
        pictures = [float(frame.time or 0) for frame in container.decode(video=0)]
        container.seek(0)
        ends = [
            float(frame.time or 0) + frame.samples / frame.sample_rate
            for frame in container.decode(audio=0)
        ]
    assert len(pictures) == pytest.approx((1.5 - 0.64) * FPS, abs=1)
    assert pictures[0] == 0
    assert ends[-1] == pytest.approx(len(pictures) / FPS, abs=0.1), "the sound ends with it"


@pytest.mark.parametrize("sound", [(0.48, 2.0), (-0.4, 2.0), (0.013, 1.5)])
@pytest.mark.parametrize(
    "kind",
    [
        Kind("a.mp4"),
        Kind("a.ts"),
        Kind("a.mkv", audio="pcm_s16le"),
        Kind("a.webm", "libvpx", "libopus"),
    ],
    ids=lambda kind: kind.name,
)
def test_sound_that_begins_before_or_after_the_picture_stays_with_it(
    tmp_path: Path, kind: Kind, sound: tuple[float, float]
) -> None:
    source = write_flash(tmp_path / kind.name, kind, starts=1.0, sound=sound)
    assert offset(copied(source)) == pytest.approx(0, abs=0.007), "0.0065 s are Opus' own"


@pytest.mark.parametrize(
    "kind",
    [Kind("a.ts"), Kind("ac3.ts", audio="ac3"), Kind("mp2.ts", "mpeg2video", "mp2")],
    ids=lambda kind: kind.name,
)
@pytest.mark.parametrize("flash", [0.96, 1.4])
def test_a_clip_cut_before_a_keyframe_begins_with_its_first_picture(
    tmp_path: Path, kind: Kind, flash: float
) -> None:
    """The sound before it is cut, too."""
    source = write_flash(tmp_path / kind.name, kind, flash=flash, gop=24)
    data = source.read_bytes()
    source.write_bytes(data[len(data) * 3 // 10 // 188 * 188 :])
    first = next(iter(ClipReader(source).frames()))
    assert first[1] == 0
    result = copied(source)
    assert offset(result) == pytest.approx(0, abs=0.01)
    assert heard(result) < 0.9, "what came before the first keyframe is gone"


@pytest.mark.parametrize(
    "kind", [Kind("a.ts"), Kind("mp2.ts", "mpeg2video", "mp2")], ids=lambda kind: kind.name
)
@pytest.mark.parametrize("starts", [(3.0, 0.0), (0.0, 900.0)], ids=["back", "ahead"])
def test_joined_clips_play_one_after_the_other_with_their_sound(
    tmp_path: Path, kind: Kind, starts: tuple[float, float]
) -> None:
    """Their clocks begin anew, and the second one's sound may begin before its picture."""
    one = write_flash(tmp_path / ("one-" + kind.name), kind, flash=9, starts=starts[0])
    two = write_flash(
        tmp_path / ("two-" + kind.name), kind, flash=1.2, starts=starts[1], sound=(-0.2, 2.0)
    )
    joined = tmp_path / kind.name
    joined.write_bytes(one.read_bytes() + two.read_bytes())
    times = [at for _, at in ClipReader(joined).frames()]
    assert times[-1] == pytest.approx(4.0, abs=0.15)
    assert max(np.diff(times)) < 0.15 and min(np.diff(times)) > 0.02
    result = copied(joined)
    assert heard(result) == pytest.approx(3.2, abs=0.15)
    assert offset(result) == pytest.approx(0, abs=0.01)


def trim(path: Path, seconds: float) -> Path:
    """Let an MP4 begin later, by the edit lists of its two tracks, as editors do."""
    data = bytearray(path.read_bytes())
    edit = scale = 0
    for _ in range(2):
        edit, scale = data.index(b"elst", edit + 1), data.index(b"mdhd", scale + 1)
        ticks = struct.unpack_from(">I", data, scale + 16)[0]
        length, begin = struct.unpack_from(">II", data, edit + 12)
        new = (length - round(seconds * 1000), begin + round(seconds * ticks))
        struct.pack_into(">II", data, edit + 12, *new)
    path.write_bytes(bytes(data))
    return path


@pytest.mark.parametrize("audio", ["aac", "libmp3lame"])
@pytest.mark.parametrize("cut", [0.48, 0.5, 0.51])
def test_an_edit_list_may_begin_within_a_picture(tmp_path: Path, cut: float, audio: str) -> None:
    source = trim(write_flash(tmp_path / "a.mp4", Kind("a.mp4", audio=audio)), cut)
    result = copied(source)
    assert offset(result) == pytest.approx(0, abs=CLOSE)
    assert heard(result) == pytest.approx(1 - cut, abs=0.04)


def two_sounds(path: Path, default: int | None, comment: bool = False) -> Path:
    """Silence in the first track, a tone of 1 s in the second."""
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks: list[Any] = [out.add_stream("aac", rate=48000, layout="mono") for _ in range(2)]
        flags = av.stream.Disposition
        for index, track in enumerate(tracks):
            track.disposition = flags.default if index == default else flags(0)
        if comment:
            tracks[0].disposition = flags.comment
        for _ in range(25):
            out.mux(video.encode(av.VideoFrame.from_ndarray(shade(0), format="rgb24")))
        for index, track in enumerate(tracks):
            wave = np.cos(np.arange(48000) * 2 * np.pi * 440 / 48000) * 0.8 * index
            frame = av.AudioFrame.from_ndarray(np.asarray(wave[None], np.float32), "fltp", "mono")
            frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
            out.mux([*track.encode(frame), *track.encode(None)])
        out.mux(video.encode(None))
    return path


@pytest.mark.parametrize(
    ("default", "comment", "tone"), [(1, False, True), (0, False, False), (None, True, True)]
)
def test_the_default_sound_is_kept_of_several(
    tmp_path: Path, default: int | None, comment: bool, tone: bool
) -> None:
    result = copied(two_sounds(tmp_path / "a.mkv", default, comment))
    with av.open(str(result)) as container:
        assert len(container.streams.audio) == 1
        loudest = max(np.abs(frame.to_ndarray()).max() for frame in container.decode(audio=0))
    assert bool(loudest > 0.3) is tone


def test_a_gap_in_encoded_sound_stays_a_gap(tmp_path: Path) -> None:
    """Players of the new file hear each sound when the clip had it."""
    whole, source = tmp_path / "whole.mkv", tmp_path / "gap.mkv"
    write_flash(whole, Kind("", audio="pcm_s16le"), flash=1.4)
    with av.open(str(whole)) as given, av.open(str(source), "w") as out:
        streams = [out.add_stream_from_template(stream) for stream in given.streams]
        for packet in given.demux():
            late = packet.pts is not None and 0.3 < float(packet.pts * packet.time_base) < 1.0
            if packet.size and not (packet.stream.type == "audio" and late):
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    assert offset(copied(source)) == pytest.approx(0, abs=CLOSE)
