"""Videos made to do harm: huge pictures in small files, and playlists that lead elsewhere."""

from __future__ import annotations

import re
import shutil
import struct
import zlib
from pathlib import Path

import av
import numpy as np
import pytest

from models.errors import UserError
from realtime.cameras.clip import ClipReader
from realtime.media import MAX_PIXELS, open_media
from realtime.sinks.recording.video_writer import VideoWriter
from tests.clips import Kind, write_flash
from tests.paths import ROOT, SEEDS

DEMO = ROOT / "assets" / "demo.mp4"


def black_png(width: int, height: int) -> bytes:
    """A valid picture of any size in a few kilobytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    packer = zlib.compressobj(9)
    row = bytes((width + 7) // 8 + 1)
    rows = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def video(path: Path, picture: bytes) -> Path:
    """A video with one picture, whose header says that it is small."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        container.start_encoding()
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts = stream, 0, 0
        container.mux(packet)
    return path


def test_huge_pictures_in_a_video_are_refused_undecoded(tmp_path: Path) -> None:
    small, huge = black_png(640, 480), black_png(9000, 9000)
    assert 9000 * 9000 > MAX_PIXELS and len(huge) < 100_000
    assert ClipReader(video(tmp_path / "small.mov", small)).size == (640, 480)
    (tmp_path / "huge.png").write_bytes(huge)
    gif = b"GIF89a" + struct.pack("<HHBBB", 9000, 9000, 0x80, 0, 0) + bytes(6)
    gif += b"," + struct.pack("<HHHHB", 0, 0, 9000, 9000, 0) + b"\x02\x02\x44\x01\x00;"
    (tmp_path / "huge.gif").write_bytes(gif)
    for path in (video(tmp_path / "huge.mov", huge), tmp_path / "huge.png", tmp_path / "huge.gif"):
        with pytest.raises(UserError, match="at most 36 million pixels"):
            ClipReader(path)
        with open_media(path) as container:
            context = container.streams.video[0].codec_context
            assert context.format is None, "it was not even probed"


def test_huge_pictures_in_a_file_without_a_head_are_refused_undecoded(tmp_path: Path) -> None:
    """Program streams and FLV say what they hold only as they go."""
    for kind in (Kind("a.mpg", "mpeg2video", ""), Kind("a.flv", "flv", "")):
        path = write_flash(tmp_path / kind.name, kind)
        assert len(list(ClipReader(path).frames())) == 50
        path.write_bytes(blown_up(path.read_bytes()))
        with pytest.raises(UserError, match="at most 36 million pixels"):
            ClipReader(path)
        with open_media(path) as container:
            assert container.streams.video[0].codec_context.format is None


def blown_up(data: bytes) -> bytes:
    """A file of 64 x 48 that says 16288 x 16288 (MPEG-2), or 16000 x 16000 (Sorenson)."""
    changed = bytearray(data)
    for sequence in re.finditer(rb"\x00\x00\x01\xb3", data):
        at = sequence.end()
        changed[at : at + 3] = bytes([0xFA, 0x0F, 0xA0])
        extension = data.index(b"\x00\x00\x01\xb5", at) + 4
        high = int.from_bytes(data[extension : extension + 4], "big") | 0b1111 << 13
        changed[extension : extension + 4] = high.to_bytes(4, "big")
    # A picture of FLV: its start code of 17 bits, version (5), number (8), then the size's kind
    # (3): 0 says 8 bits each, 1 says 16 bits each; what follows is nonsense then.
    for start in re.finditer(rb"\x12\x00\x00[\x80-\x87]|\x22\x00\x00[\x80-\x87]", data):
        at = start.start() + 1
        bits = int.from_bytes(data[at : at + 9], "big")
        head = (bits >> 42) << 42
        size = (1 << 39) | (16000 << 23) | (16000 << 7)
        changed[at : at + 9] = (head | size).to_bytes(9, "big")
    assert changed != data
    return bytes(changed)


def test_streams_of_an_unknown_kind_are_left_out(tmp_path: Path) -> None:
    seeds = SEEDS
    with pytest.raises(UserError, match="holds no video"):
        ClipReader(seeds / "video" / "unknown-codec")
    path = tmp_path / "out.mp4"
    with VideoWriter(path, (64, 64), 10, audio_from=seeds / "sound" / "unknown-codec") as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8))
    with open_media(path) as container:
        assert len(container.streams.video) == 1 and not container.streams.audio


def test_a_video_whose_rest_cannot_be_found_ends_there() -> None:
    reader = ClipReader(SEEDS / "video" / "lost-rest")
    assert len(list(reader.frames())) == 1


def test_a_playlist_leads_to_no_other_file(tmp_path: Path) -> None:
    shutil.copy(DEMO, tmp_path / "other.mp4")
    for number, text in enumerate(
        (
            "ffconcat version 1.0\nfile other.mp4\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n",
        )
    ):
        for suffix in (".mp4", ".m3u8", ".sdp"):
            path = tmp_path / f"list{number}{suffix}"
            path.write_text(text)
            with pytest.raises(UserError, match="cannot be read as a video"):
                ClipReader(path)
