"""Small clips as other programs write them, made for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from models.types import Image

FPS = 25
RATE = 48000
SIZE = (64, 48)


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        name: of the file; its ending says the container, if `format` does not.
        video: the encoder.
        audio: the encoder; "" for no sound.
        format: of the container, as FFmpeg calls it.
        channels: of the sound.
        rate: of the sound, in hertz.
    """

    name: str
    video: str = "libx264"
    audio: str = "aac"
    format: str | None = None
    channels: int = 1
    rate: int = RATE


def write_flash(
    path: Path,
    kind: Kind | None = None,
    *,
    flash: float = 1.0,
    seconds: float = 2.0,
    starts: float = 0.0,
    sound: tuple[float, float] | None = None,
    gop: int = 12,
) -> Path:
    """A black clip that is white for 0.2 s, with a tone in just that time.

    Args:
        path: where to.
        kind: of file; None: that of the path's ending, with H.264 and AAC.
        flash: when it turns white, in seconds from the first picture.
        seconds: length of the pictures.
        starts: when the first picture is shown, on the clock of the file.
        sound: from when to when there is sound, in seconds from the first picture; None: all time.
        gop: pictures from keyframe to keyframe.
    """
    kind = kind or Kind(path.name)
    begin, end = sound or (0.0, seconds)
    with av.open(str(path), "w", format=kind.format) as out:
        video: Any = out.add_stream(kind.video, rate=FPS)
        video.width, video.height = SIZE
        video.pix_fmt = "yuvj420p" if kind.video == "mjpeg" else "yuv420p"
        video.codec_context.gop_size = gop
        audio: Any = out.add_stream(kind.audio, rate=kind.rate) if kind.audio else None
        if audio is not None:
            audio.layout = "mono" if kind.channels == 1 else "stereo"
        packets: list[Any] = []
        for index in range(round(seconds * FPS)):
            white = flash <= index / FPS + 1e-6 < flash + 0.2
            frame = av.VideoFrame.from_ndarray(shade(255 if white else 0), format="rgb24")
            frame.pts, frame.time_base = index + round(starts * FPS), Fraction(1, FPS)
            packets += video.encode(frame)
        packets += video.encode(None)
        if audio is not None:
            packets += _tone(audio, kind, begin, end, flash, starts)
        # Containers want the streams side by side.
        for packet in sorted(packets, key=lambda one: float((one.dts or 0) * one.time_base)):
            if packet.size:
                out.mux(packet)
    return path


def _tone(audio: Any, kind: Kind, begin: float, end: float, flash: float, starts: float) -> Any:
    at = np.arange(round(begin * kind.rate), round(end * kind.rate))
    loud = (at >= round(flash * kind.rate)) & (at < round((flash + 0.2) * kind.rate))
    wave = np.where(loud, 0.8 * np.cos(2 * np.pi * 1000 * at / kind.rate), 0).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(
        np.repeat(wave[None], kind.channels, 0), "fltp", audio.layout.name
    )
    frame.sample_rate = kind.rate
    frame.pts = round((begin + starts) * kind.rate)
    frame.time_base = Fraction(1, kind.rate)
    size = audio.codec_context.frame_size or 1024
    resampler = av.AudioResampler(audio.format, audio.layout, kind.rate, frame_size=size)
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        yield from audio.encode(piece)
    yield from audio.encode(None)


def shade(level: int, size: tuple[int, int] = SIZE) -> Image:
    return np.full((size[1], size[0], 3), level, np.uint8)


def offset(path: Path) -> float:
    """How much later the tone begins than the white picture, in seconds, as a player has it."""
    with av.open(str(path)) as container:
        white = next(
            frame.time
            for frame in container.decode(video=0)
            if frame.to_ndarray(format="gray").mean() > 128
        )
    return heard(path) - float(white or 0)


def heard(path: Path) -> float:
    """When the first tone of a file begins, in seconds of its clock."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            wave = frame.to_ndarray()
            if not frame.format.is_planar:
                wave = wave.reshape(-1, frame.layout.nb_channels).T
            most = 2.0 ** (8 * wave.itemsize - 1) if wave.dtype.kind == "i" else 1.0
            loud = np.flatnonzero(np.abs(np.asarray(wave[0], np.float64)) > 0.3 * most)
            if len(loud):
                return float(frame.time or 0) + int(loud[0]) / frame.sample_rate
    raise AssertionError(f"no tone in {path}")


def write_pictures(
    path: Path, images: Sequence[Image], *, codec: str = "libx264", aspect: Fraction | None = None
) -> Path:
    """A clip of these pictures at `FPS`, all of one size.

    Args:
        path: where to.
        images: RGB.
        codec: the encoder.
        aspect: the width of a pixel over its height.
    """
    with av.open(str(path), "w") as out:
        video: Any = out.add_stream(codec, rate=FPS)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        for image in images:
            out.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(video.encode(None))
    return path


def set_matrix(path: Path, matrix: Sequence[int]) -> Path:
    """Give the (only) track of an MP4 a display matrix.

    Args:
        path: the MP4.
        matrix: a, b, c and d, as whole numbers: (p, q) is shown at (a p + c q, b p + d q).
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = (value << 16 for value in matrix)
    data[at : at + 36] = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(bytes(data))
    return path
