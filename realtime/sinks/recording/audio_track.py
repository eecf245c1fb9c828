"""The sound of one clip, copied into a new video."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.packet import Packet

from realtime.media import open_media

_Timed: TypeAlias = tuple[float, "Packet[Any]"]
"""When a packet starts, in seconds of the new video, and the packet."""

_COPIED = ("aac", "mp3", "mp3float")
"""Codecs that every player takes in an MP4; others are encoded anew as AAC."""

_RATES = (32000, 44100, 48000)
"""Samples a second that are kept where sound is encoded anew: those of MPEG-1, which every player
takes. Others become the last."""

_AAC_FRAME = 1024
"""Samples in a packet of AAC-LC (ISO/IEC 14496-3)."""

_ROUNDING = 1e-4
"""Seconds by which two clocks may differ about one moment: more than a tick of 1/48000 s."""

_OVERLAP = 0.02
"""Seconds before the first picture in which sound that counts may begin: about one packet's time
(1024 samples at 48 kHz are 0.021), as sound has no packet's edge just there."""


class AudioTrack:
    """Feeds the first audio stream of a clip into an output container, in step with its video.

    The sound starts where the clip's picture starts and ends with the last call of `advance`.
    """

    def __init__(self, source: av.container.InputContainer, output: OutputContainer) -> None:
        """Add a stream to the output.

        Args:
            source: the clip, which has sound; it belongs to this object now.
            output: the new video; its header is not written yet.
        """
        self._source = source
        self._output = output
        self._stream: AudioStream = source.streams.audio[0]
        self._start = _first_picture(source)
        name = self._stream.codec_context.name
        self._copies = name in _COPIED
        self._target: AudioStream
        if self._copies:
            self._target = output.add_stream_from_template(self._stream)
        else:
            rate = self._stream.codec_context.sample_rate
            rate = rate if rate in _RATES else _RATES[-1]
            self._target = output.add_stream("aac", rate=rate)
            channels = self._stream.codec_context.channels
            self._target.layout = "mono" if channels == 1 else "stereo"
        self._packets = self._copy() if self._copies else self._encode()
        self._next: _Timed | None = None
        self._last: int | None = None
        self._ended = False

    @classmethod
    def open(cls, path: Path, output: OutputContainer) -> AudioTrack | None:
        """The track of a clip, or None if it has no sound or cannot be read.

        Args:
            path: the clip.
            output: the new video; its header is not written yet.
        """
        try:
            source = open_media(path)
        except (av.FFmpegError, OSError, ValueError):
            return None
        if not source.streams.audio or source.streams.audio[0].codec_context is None:
            source.close()
            return None
        return cls(source, output)

    def advance(self, until: float) -> None:
        """Write all sound that starts before `until` (seconds of the new video)."""
        while not self._ended:
            if self._next is None:
                # A clip whose sound is damaged half-way loses only the rest of its sound.
                try:
                    self._next = next(self._packets, None)
                except av.FFmpegError:
                    self._next = None
                if self._next is None:
                    self._ended = True
                    return
            if self._next[0] >= until:
                return
            packet, self._next = self._next[1], None
            if self._goes_on(packet):
                self._mux(packet)

    def close(self) -> None:
        """Close the source."""
        self._ended = True
        self._packets.close()
        self._source.close()

    def _goes_on(self, packet: Packet[Any]) -> bool:
        """Whether a packet is later than the last; the clock of joined clips jumps back."""
        if packet.dts is None or packet.time_base is None or self._target.time_base is None:
            return True
        # On the output's clock, whose rounding may make two times one.
        at = math.floor(packet.dts * packet.time_base / self._target.time_base + Fraction(1, 2))
        if self._last is not None and at <= self._last:
            return False
        self._last = at
        return True

    def _mux(self, packet: Packet[Any]) -> None:
        """Write a packet; one that the file cannot take ends the sound, not the video.

        Raises:
            OSError: the disk refused it.
        """
        try:
            self._output.mux(packet)
        except av.FFmpegError as error:
            if isinstance(error, OSError):
                raise
            self._ended = True

    def _copy(self) -> Generator[_Timed, None, None]:
        """The source's own packets, moved to the new clock."""
        for packet in self._plain():
            if packet.pts is None or packet.time_base is None:
                continue
            shift = round(self._start / packet.time_base)
            at = float((packet.pts - shift) * packet.time_base)
            # Sound before the first picture (an encoder's run-in) has no place in the new clip.
            if at < -_ROUNDING:
                continue
            packet.pts = max(packet.pts - shift, 0)
            packet.dts = packet.pts
            packet.stream = self._target
            yield at, packet

    def _plain(self) -> Iterator[Packet[Any]]:
        """The source's packets as an MP4 holds them: AAC without the headers of a stream."""
        if self._stream.codec_context.name != "aac":
            yield from self._source.demux(self._stream)
            return
        strip = BitStreamFilterContext("aac_adtstoasc", self._stream)
        for packet in self._source.demux(self._stream):
            if packet.size:
                base = packet.time_base
                for bare in strip.filter(packet):
                    bare.time_base = base
                    yield bare

    def _encode(self) -> Generator[_Timed, None, None]:
        """The decoded sound as AAC."""
        context = self._target.codec_context
        # The resampler also joins and cuts frames to the size of AAC's.
        resampler = AudioResampler(
            "fltp", context.layout, context.sample_rate, frame_size=_AAC_FRAME
        )
        written = 0
        for frame in self._frames():
            for piece in resampler.resample(frame):
                if written == 0 and frame is not None and frame.time is not None:
                    # Silence of a late start is kept as a gap in time.
                    written = round(max(frame.time - self._start, 0.0) * context.sample_rate)
                piece.pts = written
                piece.time_base = Fraction(1, context.sample_rate)
                written += piece.samples
                yield from self._timed(context.encode(piece))
        yield from self._timed(context.encode(None))

    def _frames(self) -> Iterator[AudioFrame | None]:
        """Every decodable frame from the first picture on that is later than the last, then None.

        The picture of joined clips, whose clock jumps back, waits in the same way.
        """
        last = -math.inf
        for packet in self._source.demux(self._stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                continue
            for frame in decoded:
                if not isinstance(frame, AudioFrame):
                    continue
                if frame.time is not None:
                    if frame.time <= last:
                        continue
                    last = frame.time
                if (frame.time or 0.0) >= self._start - _OVERLAP:
                    yield frame
        yield None

    def _timed(self, packets: list[Packet[Any]]) -> Iterator[_Timed]:
        for packet in packets:
            packet.stream = self._target
            at = float((packet.pts or 0) * packet.time_base) if packet.time_base else 0.0
            yield at, packet


def _first_picture(source: av.container.InputContainer) -> float:
    """When the clip's picture starts, in seconds of its own clock; 0 if it has no picture."""
    if not source.streams.video:
        return 0.0
    video = source.streams.video[0]
    if video.start_time is None or video.time_base is None:
        return 0.0
    return float(video.start_time * video.time_base)
