"""The sound of one clip, copied into a new video."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from realtime.media import Timing, main_sound, open_media, packets, timing

_Timed: TypeAlias = tuple[float, "Packet[Any]"]
"""When a packet starts, in seconds of the new video, and the packet."""

Samples: TypeAlias = npt.NDArray[np.float32]
"""(channels, samples), -1..1."""

_COPIED = ("aac", "mp3", "mp3float")
"""Codecs that every player takes in an MP4; others are encoded anew as AAC."""

_RATES = (32000, 44100, 48000)
"""Samples a second that are kept where sound is encoded anew: those of MPEG-1, which every player
takes. Others become the last."""

_AAC_FRAME = 1024
"""Samples in a packet of AAC-LC (ISO/IEC 14496-3)."""

_ROUNDING = 1e-4
"""Seconds by which two clocks may differ about one moment: more than a tick of 1/48000 s."""

_LOOSE = 0.005
"""Seconds by which decoded sound may be off its time on the average: a quarter of what is seen."""

_GAP = 0.05
"""Seconds by which one frame must be off to count at once: more than the clocks of recorders
jitter, which would make clicks of themselves."""

_MEMORY = 0.2
"""Seconds of sound in that average: ten frames of most codecs."""


class AudioTrack:
    """Feeds the main sound of a clip into an output container, in step with its picture.

    What is heard with the first picture that can be decoded is heard at 0; the sound ends with the
    last call of `advance`.
    """

    def __init__(
        self, source: ExitStack, stream: AudioStream, clock: Timing, output: OutputContainer
    ) -> None:
        """Add a stream to the output.

        Args:
            source: closes the clip; it belongs to this object now.
            stream: the clip's sound.
            clock: what the clip's picture says about its times.
            output: the new video; its header is not written yet.
        """
        self._source = source
        self._output = output
        self._stream = stream
        self._clock = clock
        context = stream.codec_context
        self._copies = context.name in _COPIED and context.sample_rate > 0
        self._target: AudioStream
        if self._copies:
            self._target = output.add_stream_from_template(stream)
        else:
            rate = context.sample_rate if context.sample_rate in _RATES else _RATES[-1]
            self._target = output.add_stream("aac", rate=rate)
            self._target.layout = "mono" if context.channels == 1 else "stereo"
        self._packets = self._copy() if self._copies else self._encode()
        self._next: _Timed | None = None
        self._last: int | None = None
        self._ended = False

    @classmethod
    def open(cls, path: Path, output: OutputContainer, skipped: float = 0.0) -> AudioTrack | None:
        """The track of a clip, or None if it has no sound or cannot be read.

        Args:
            path: the clip.
            output: the new video; its header is not written yet.
            skipped: seconds after the clip's first picture at which the new video begins.
        """
        with ExitStack() as source:
            try:
                stream = main_sound(source.enter_context(open_media(path)))
                if stream is None:
                    return None
                clock = timing(path)
                clock = replace(clock, start=clock.start + skipped)
                return cls(source.pop_all(), stream, clock, output)
            except (av.FFmpegError, OSError, ValueError):
                return None

    def advance(self, until: float) -> None:
        """Write all sound that starts before `until` (seconds of the new video)."""
        while not self._ended:
            if self._next is None:
                # A clip whose sound is damaged half-way loses only the rest of its sound.
                try:
                    self._next = next(self._packets, None)
                except (av.FFmpegError, ValueError):
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
        if packet.dts is None or not packet.time_base or not self._target.time_base:
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
        # Containers count in ticks of up to a whole packet (AVI), too coarse for the move.
        tick = Fraction(1, self._stream.codec_context.sample_rate)
        for packet in self._plain():
            if packet.pts is None or not packet.time_base:
                continue
            at = float(packet.pts * packet.time_base) - self._clock.start
            length = float((packet.duration or 0) * packet.time_base)
            # The file's edit list hides what is before the first picture. Of that a decoder needs
            # the packet that reaches into the picture, and the one before it to run in.
            if at + 2 * length < -_ROUNDING:
                continue
            packet.pts = packet.dts = round(at / tick)
            packet.duration = round(length / tick)
            packet.time_base = tick
            packet.stream = self._target
            yield at, packet

    def _plain(self) -> Iterator[Packet[Any]]:
        """The source's packets as an MP4 holds them: AAC without the headers of a stream."""
        found = self._found()
        if self._stream.codec_context.name != "aac":
            yield from found
            return
        strip = BitStreamFilterContext("aac_adtstoasc", self._stream)
        for packet in found:
            if packet.size:
                base = packet.time_base
                for bare in strip.filter(packet):
                    bare.time_base = base
                    yield bare

    def _found(self) -> Iterator[Packet[Any]]:
        container = self._stream.container
        assert isinstance(container, InputContainer)
        return packets(container, self._stream, self._clock.joins)

    def _encode(self) -> Generator[_Timed, None, None]:
        """The decoded sound as AAC."""
        context = self._target.codec_context
        waiting = np.zeros((context.channels, 0), np.float32)
        written: int | None = None
        for begin, wave in self._placed():
            written = begin if written is None else written
            waiting = np.concatenate([waiting, wave], axis=1)
            while waiting.shape[1] >= _AAC_FRAME:
                yield from self._encoded(waiting[:, :_AAC_FRAME], written)
                waiting = waiting[:, _AAC_FRAME:]
                written += _AAC_FRAME
        if written is not None:
            if waiting.shape[1]:
                yield from self._encoded(waiting, written)
            yield from self._timed(context.encode(None))

    def _encoded(self, wave: Samples, begin: int) -> Iterator[_Timed]:
        context = self._target.codec_context
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(wave), format="fltp", layout=context.layout.name
        )
        frame.sample_rate = context.sample_rate
        frame.pts, frame.time_base = begin, Fraction(1, context.sample_rate)
        return self._timed(context.encode(frame))

    def _placed(self) -> Iterator[tuple[int, Samples]]:
        """The sound without gaps or overlaps from its first sample on: (first sample, samples).

        Only the beginning may be late; other gaps are filled with silence, and what comes twice is
        left out, so that each sample is heard when the clip says.
        """
        rate = self._target.codec_context.sample_rate
        done: int | None = None
        drift = 0.0
        for piece in self._resampled():
            wave = np.asarray(piece.to_ndarray(), np.float32)
            due = done or 0
            if piece.time is not None:
                due = round((piece.time - self._clock.start) * rate)
            if done is None:
                if due + wave.shape[1] <= 0:
                    continue  # It is over before the first picture.
                done = max(due, 0)
            elif abs(due - done) <= _GAP * rate:
                drift += min(wave.shape[1] / (_MEMORY * rate), 1) * (due - done - drift)
                due = done + (round(drift) if abs(drift) > _LOOSE * rate else 0)
            drift = drift if due == done else 0.0
            while due > done:
                silence = min(due - done, _AAC_FRAME)
                yield done, np.zeros((len(wave), silence), np.float32)
                done += silence
            wave = wave[:, done - due :]
            if wave.shape[1]:
                yield done, wave
                done += wave.shape[1]

    def _resampled(self) -> Iterator[AudioFrame]:
        """Every decodable frame at the rate and with the channels of the new file."""
        context = self._target.codec_context
        resampler: AudioResampler | None = None
        kind: tuple[str, str, int] | None = None
        for packet in self._found():
            try:
                decoded = packet.decode()
            except (av.FFmpegError, ValueError):  # PyAV's own: the codec did not open before.
                continue
            for frame in decoded:
                if not isinstance(frame, AudioFrame):
                    continue
                new = (frame.format.name, frame.layout.name, frame.sample_rate)
                if resampler is None or new != kind:  # A channel may switch from stereo to 5.1.
                    if resampler is not None:
                        yield from resampler.resample(None)
                    resampler = AudioResampler("fltp", context.layout, context.sample_rate)
                    kind = new
                yield from resampler.resample(frame)
        if resampler is not None:
            yield from resampler.resample(None)

    def _timed(self, packets: list[Packet[Any]]) -> Iterator[_Timed]:
        for packet in packets:
            packet.stream = self._target
            at = float((packet.pts or 0) * packet.time_base) if packet.time_base else 0.0
            yield at, packet
