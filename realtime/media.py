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


_LIVE_FORMATS = f"{_FORMATS},mpjpeg,rtsp,hls"
"""What cameras of a network send besides. A playlist is one of addresses: files are out of reach,
as the protocols below say."""

_NETWORK = "http,https,httpproxy,rtsp,rtsps,rtp,udp,tcp,tls,crypto"
"""The protocols that what an address names may lead to; none of them reads a file."""


def open_media(path: Path) -> av.container.InputContainer:
    """Open a file for reading. It cannot lead to other files, nor to the network.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """
    return _open(str(path), {"format_whitelist": _FORMATS, "protocol_whitelist": "file"})


def open_stream(url: str, opening: float, reading: float) -> av.container.InputContainer:
    """Open what a camera of a network sends, as soon as can be. It cannot lead to files.

    Args:
        url: begins with http, https, rtsp or rtsps.
        opening: seconds that this may take.
        reading: seconds that the next packet may take afterwards.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read. The texts repeat the whole address,
            with its password.
    """
    return _open(
        url,
        {
            "format_whitelist": _LIVE_FORMATS,
            "protocol_whitelist": _NETWORK,
            # By TCP, where nothing is lost, or else by UDP.
            "rtsp_flags": "prefer_tcp",
            "allowed_media_types": "video",
            # The newest piece of a live playlist, not the third from the end.
            "live_start_index": "-1",
            # A second of looking at what comes is enough; FFmpeg would take five.
            "analyzeduration": "1000000",
            "fpsprobesize": "1",
        },
        (opening, reading),
    )


def _open(
    target: str, options: dict[str, str], timeout: tuple[float, float] | None = None
) -> av.container.InputContainer:
    limit = {"max_pixels": str(MAX_PIXELS)}
    container = av.open(
        target,
        container_options={**options, "max_streams": str(_STREAMS)},
        # FFmpeg decodes the first pictures already when it looks what a file holds.
        stream_options=[limit] * _STREAMS,  # type: ignore[list-item] # The stub is wrong.
        timeout=timeout,
    )
    for stream in container.streams.video:
        if stream.codec_context is not None:  # There is none for a codec that FFmpeg lacks.
            stream.codec_context.options = limit
    return container
