"""Opening video and sound files of others, which may be made to do harm."""

from __future__ import annotations

from pathlib import Path

import av

MAX_PIXELS = 36_000_000
"""Of one picture of a video: a little more than 8K has. Larger ones are refused undecoded."""

_FORMATS = (
    "mov,matroska,webm,gif,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,mxf,nut,rm,wtv,dv,m4v,h264,hevc,"
    "obu,ivf,yuv4mpegpipe,mjpeg,apng,webp,jpeg_pipe,png_pipe,webp_pipe,bmp_pipe,mp3,wav,flac,aac"
)
"""Kinds of files that hold their pictures themselves: no playlists, which name other files."""

_STREAMS = 64
"""Of one file: ordinary ones have a handful, and each costs memory and time before it is known."""


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file for reading. It cannot lead to other files, nor to the network.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """
    limit = {"max_pixels": str(MAX_PIXELS)}
    container = av.open(
        str(path),
        container_options={
            "format_whitelist": _FORMATS,
            "protocol_whitelist": "file",
            "max_streams": str(_STREAMS),
        },
        # FFmpeg decodes the first pictures already when it looks what a file holds.
        stream_options=[limit] * _STREAMS,  # type: ignore[list-item] # The stub is wrong.
    )
    for stream in container.streams.video:
        if stream.codec_context is not None:  # There is none for a codec that FFmpeg lacks.
            stream.codec_context.options = limit
    return container
