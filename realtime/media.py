"""Opening and reading video and sound files of others, which may be made to do harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from realtime.orientation import Orientation, Orientations

MAX_PIXELS = 36_000_000
"""Of one picture of a video: a little more than 8K has. Larger ones are refused undecoded."""

_STREAMS = 64
"""Of one file: ordinary ones have a handful, and each costs memory and time before it is known."""

_BUFFER = 1 << 16
"""Bytes that are read at once: few calls into Python at 20 Mbit/s, little waste after a jump."""

_WIDEST = 10.0
"""How many times wider than high a stored pixel may be, or the reverse. Real ones stay under 3; a
file that says more is mistaken, or made to have its pictures blown up."""

_BACK = 0.5
"""Seconds by which a clock must go back to be another recording's: more than pictures are stored
ahead of their turn (16 of them at 30 fps), less than any recording is long."""

_AHEAD = 10.0
"""Seconds by which it must leap ahead: what FFmpeg's own program takes for a new clock."""

_NEW_CLOCKS = cast(int, av.format.Flags.ts_discont.value)
"""FFmpeg's flag for kinds of files whose clock may jump."""

_ONE_PICTURE = 0.1
"""Seconds that one picture is shown at most where that matters: at 10 a second."""

_COVERS = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
"""Pictures in a file that are not its video."""

_ASIDE = (
    Disposition.comment
    | Disposition.hearing_impaired
    | Disposition.visual_impaired
    | Disposition.karaoke
    | Disposition.clean_effects
)
"""Sound that is not the main one."""


@contextmanager
def open_media(path: Path, **options: str) -> Iterator[InputContainer]:
    """Open a file of any kind that FFmpeg can read, whatever its name is.

    FFmpeg gets the bytes and neither a name nor a way to open anything else, so that playlists lead
    nowhere: not to other files and not to the network. While it looks what the file holds it
    decodes no picture; when pictures are decoded, none has more than `MAX_PIXELS`.

    Args:
        path: any file; its name may hold anything.
        options: more of FFmpeg's for this kind of file.

    Yields:
        What FFmpeg found in it.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        container = av.open(
            _Bytes(file),
            mode="r",
            buffer_size=_BUFFER,
            container_options={
                # In this list, not in the codecs' own options: those do not reach the first look
                # into formats without a head, such as program streams and FLV.
                "codec_whitelist": _harmless_decoders(),
                "protocol_whitelist": "none",
                "max_streams": str(_STREAMS),
                **options,
            },
            io_open=_refuse,
        )
        with container:
            for stream in container.streams.video:
                if stream.codec_context is not None:  # None for a codec that FFmpeg lacks.
                    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
            yield container


class _Bytes:
    """A file without its name, in which FFmpeg would look for protocols and patterns."""

    def __init__(self, file: IO[bytes]) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def _refuse(url: str, flags: int, options: dict[str, str]) -> NoReturn:
    raise ValueError("a media file may not open another one")


@cache
def _harmless_decoders() -> str:
    """What FFmpeg may decode at its first look: sound, which has no pixels.

    MPEG-1 has at most 4095 x 4095, fewer than `MAX_PIXELS`; without a look, its times are wrong.
    """
    names = [name for name in av.codecs_available if _is_sound(name)]
    return ",".join([*sorted(names), "mpeg1video"])


def _is_sound(name: str) -> bool:
    try:
        return av.Codec(name, "r").type == "audio"
    except ValueError:  # It can only be encoded.
        return False


def moving_picture(container: InputContainer) -> VideoStream | None:
    """The video of a file: its default one if it says so, else the first; no cover."""
    known = [
        stream
        for stream in container.streams.video
        if stream.codec_context is not None and not stream.disposition & _COVERS
    ]
    return min(known, key=_is_aside, default=None)


def main_sound(container: InputContainer) -> AudioStream | None:
    """The sound that players play: the default one, else the first that is no comment."""
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    return min(known, key=_is_aside, default=None)


def _is_aside(stream: Stream) -> tuple[bool, bool]:
    return not stream.disposition & Disposition.default, bool(stream.disposition & _ASIDE)


@dataclass(frozen=True)
class Picture:
    """One decoded picture of a video.

    Attributes:
        frame: as it is stored.
        at: when it is shown, in seconds on the file's clock, or None if the file does not tell.
        aspect: the width of a stored pixel over its height; 1 where the file says nothing of use.
        lies: how it must be turned and mirrored to stand upright.
        position: where in the file it is stored, in bytes, or None if that is not known.
    """

    frame: VideoFrame
    at: float | None
    aspect: float
    lies: Orientation
    position: int | None


class _Mark:
    """Goes with a packet through the decoder, and so with its picture."""

    def __init__(self, position: int | None) -> None:
        self.position = position
        self.aspect = 1.0


def pictures(container: InputContainer, sample: float = 0.0) -> Iterator[Picture]:
    """Every picture of the video that can be decoded, in the order in which they are shown.

    Args:
        container: a file with a video; it is read from where it is.
        sample: take only keyframes that are at least this far apart, in seconds; 0: take all.
    """
    stream = moving_picture(container)
    assert stream is not None
    context = stream.codec_context
    context.copy_opaque = True
    told = stream.sample_aspect_ratio
    # What the container says holds for the whole clip, and goes before what the codec says.
    fixed = told if told and told != context.sample_aspect_ratio else None
    lies = Orientations()
    for packet in _sampled(packets(container, stream), sample):
        packet.opaque = mark = _Mark(packet.pos)
        try:
            decoded = packet.decode()
        except (av.FFmpegError, ValueError):  # PyAV's own: the codec did not open before.
            continue
        mark.aspect = _pixel_aspect(fixed or context.sample_aspect_ratio)
        for frame in decoded:
            if isinstance(frame, VideoFrame):
                # Decoders hold pictures back: this one may be of an earlier packet.
                own = frame.opaque if isinstance(frame.opaque, _Mark) else mark
                yield Picture(frame, frame.time, own.aspect, lies(frame), own.position)


def _sampled(found: Iterator[Packet[Any]], apart: float) -> Iterator[Packet[Any]]:
    """Of these packets all, or only keyframes that are some seconds apart, and the last one."""
    last: float | None = None
    for packet in found:
        at = float(packet.dts * packet.time_base) if packet.dts is not None else None
        if packet.size and apart > 0:
            if not packet.is_keyframe or (
                last is not None and at is not None and at - last < apart
            ):
                continue
            last = at
        yield packet


def _pixel_aspect(told: Any) -> float:
    aspect = float(told) if told else 1.0
    return aspect if 1 / _WIDEST <= aspect <= _WIDEST else 1.0


@dataclass(frozen=True)
class Timing:
    """What sound must know of the video beside it.

    Attributes:
        start: when the first picture that can be decoded is shown, in seconds of the file's clock.
        joins: by how much the clock is moved after each place where it jumps, in seconds.
    """

    start: float
    joins: tuple[float, ...]


def timing(path: Path) -> Timing:
    """Look where the video of a file begins, and where its clock jumps.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be read.
    """
    with open_media(path) as container:
        stream = moving_picture(container)
        first = next(pictures(container), None) if stream is not None else None
        start = first.at if first is not None and first.at is not None else 0.0
        jumps = container.format.flags & _NEW_CLOCKS
        edited = container.format.name.startswith("mov")
    if edited and first is not None:
        start = _unrounded(path, start, first.position)
    clock = _Clock()
    if jumps:
        with open_media(path) as container:
            for packet in _read(container, moving_picture(container)):
                clock(packet)
    return Timing(start, tuple(clock.joins))


def _unrounded(path: Path, start: float, position: int | None) -> float:
    """When the first picture of an MP4 or MOV is really shown.

    Where an edit list begins within a picture, FFmpeg begins with the next one, at once: early by
    up to a whole picture, while the sound is cut to the sample. Without its care for edit lists it
    only moves all times, as they are.
    """
    with open_media(path, advanced_editlist="0") as container:
        for packet in _read(container, moving_picture(container)):
            if packet.pos == position and packet.pts is not None and packet.time_base:
                at = float(packet.pts * packet.time_base)
                return at if 0 <= at - start < _ONE_PICTURE else start
    return start


def packets(
    container: InputContainer, stream: Stream, joins: tuple[float, ...] | None = None
) -> Iterator[Packet[Any]]:
    """All packets of a stream as far as they can be found, last an empty one for the decoder.

    Transport and program streams may be joined of several, as `cat` does it. Their clocks jump;
    here they go on.

    Args:
        container: the file.
        stream: one of its streams.
        joins: by how much the clock is moved after each jump; None: let the stream itself say.
    """
    clock = None
    if container.format.flags & _NEW_CLOCKS:
        clock = _Clock(joins)
    for packet in _read(container, stream):
        shift = clock(packet) if clock is not None else 0.0
        if shift and packet.time_base:
            ticks = round(shift / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
        yield packet


def _read(container: InputContainer, stream: Stream | None) -> Iterator[Packet[Any]]:
    found = container.demux(stream) if stream is not None else iter(())
    while True:
        try:
            packet = next(found, None)
        except av.FFmpegError:
            return  # The rest of the file cannot be found any more.
        if packet is None:
            return
        yield packet


class _Clock:
    """Notices where a stream's clock jumps, and says by how much its times must be moved.

    Attributes:
        joins: how much it was after each jump, in seconds.
    """

    def __init__(self, known: tuple[float, ...] | None = None) -> None:
        """Begin.

        Args:
            known: the joins of the stream that leads, which this one follows; None: it leads.
        """
        self.joins: list[float] = []
        self._known = known
        self._shift = 0.0
        self._next: float | None = None

    def __call__(self, packet: Packet[Any]) -> float:
        """By how much this packet is moved, in seconds."""
        if packet.dts is None or not packet.time_base:
            return self._shift
        at = float(packet.dts * packet.time_base)
        due = self._next
        if due is not None and not -_BACK <= at - due <= _AHEAD:
            self._shift = self._joined(due + self._shift - at)
        self._next = at + float((packet.duration or 0) * packet.time_base)
        return self._shift

    def _joined(self, even: float) -> float:
        """How much times are moved from here on, where `even` lets them go on without a gap."""
        if self._known is None:
            self.joins.append(even)
            return even
        return min((self._shift, *self._known), key=lambda shift: abs(shift - even))
