"""Writes an MP4 frame by frame, in the calling thread; for offline work and for the recorder."""

from __future__ import annotations

import errno
import os
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from models.errors import UserError
from models.types import Image
from realtime.closing import Closing
from realtime.paths import check_writable
from realtime.sinks.base import SinkError
from realtime.sinks.recording.audio_track import AudioTrack
from realtime.sinks.recording.mp4_file import Mp4File

_BT709 = 1
"""The number of BT.709 for primaries, transfer and matrix alike, in ITU-T H.273 and FFmpeg."""

_LIMITED_RANGE = 1
"""FFmpeg's number (`AVCOL_RANGE_MPEG`) for black at 16 and white at 235, which players expect."""

_QUALITY = 20
"""x264's constant rate factor, where lower is better: a little more than its own choice of 23, as a
recording may be edited and encoded again."""

_TICKS = 512
"""Clock ticks to a frame: fine enough for the times of a clip with a variable frame rate."""

_FLAGS = "hybrid_fragmented+frag_keyframe+default_base_moof+delay_moov"
"""FFmpeg's `movflags`. While it grows, the file consists of playable fragments from keyframe to
keyframe; at the end it becomes an ordinary MP4. `delay_moov`: the head waits for the first
fragment, which tells the delays that its edit list says."""

_KEYFRAMES = 1.0
"""Seconds from keyframe to keyframe, and so of a fragment: what a kill may lose."""

_INDEX = 64
"""Bytes of the index a frame, at most: 20 for the picture (size 4, time 8, delay 8), 12 for each of
the sound's packets, of which there are 3 to a frame at 15 frames a second. An hour of live video
without sound took 5."""

_SPARE = 65_536
"""Bytes of room beside those that grow with the file: what index and fragment always have (3 kB)
and a second of sound (40 kB at 320 kbit/s)."""

MARK = "AI avatar: a photo animated with avatarify-like"
"""The comment in every file, also in one whose signature was never written."""


class VideoWriter(Closing):
    """An MP4 with H.264 video (BT.709, 4:2:0, constant quality) and perhaps a clip's sound.

    If the program is killed the file plays up to its last whole second; on a disk that gets full it
    is finished while there is room for its end. No frame is left out or repeated.

    Attributes:
        path: where it is written.
        name: what messages call it.
        size: (width, height) of the video, in pixels; both are even.
        frames: how many were written.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float,
        *,
        audio_from: str | Path | None = None,
        skipped: float = 0.0,
        mark: str = MARK,
        live: bool = False,
        name: str | None = None,
    ) -> None:
        """Create the file; an existing one is replaced.

        Args:
            path: where to; its name ends in .mp4.
            size: (width, height) of the images, in pixels; an odd last column or row is left out,
                as 4:2:0 needs even sizes.
            fps: frames per second.
            audio_from: a clip whose first audio stream is copied, cut to the video's length; a
                clip without sound is no error.
            skipped: seconds of that clip before the first image.
            mark: the comment in the file.
            live: encode with the least work and delay instead of the smallest file.
            name: what messages call the file, if not by its own name.

        Raises:
            SinkError: the file cannot be made there.
        """
        self.path = Path(path)
        self.name = name or self.path.name
        self.size = (size[0] // 2 * 2, size[1] // 2 * 2)
        self.frames = 0
        self._given = size
        self._end = 0.0
        self._pts = -1
        self._pending = 0
        self._closed = False
        self._fault: Exception | None = None
        rate = Fraction(fps).limit_denominator(1001)
        self._time_base = 1 / (rate * _TICKS)
        self._reformatter = VideoReformatter()
        clip = None if audio_from is None else Path(audio_from)
        try:
            check_writable(self.path, {"driving clip": clip})
        except UserError as error:
            raise SinkError(str(error)) from None
        try:
            self._file = Mp4File(self.path)
            try:
                self._open(rate, live, clip, skipped, mark)
            except BaseException:
                self._file.close()
                raise
        except (av.FFmpegError, OSError) as error:
            raise SinkError(
                f"{self.path} cannot be written: {_reason(error)}; choose another place."
            ) from None

    def write(self, image: Image, *, time: float | None = None, repeat: int = 1) -> None:
        """Add one image.

        Args:
            image: RGB, uint8, of the size given at the start.
            time: seconds from the start of the video, greater than the last; None: one frame
                after the last, which makes a constant frame rate.
            repeat: how many frames show it.

        Raises:
            ValueError: the image has another size, or the video is closed.
            SinkError: the disk is full or refused it. What was written before stays playable.
        """
        if image.shape != (self._given[1], self._given[0], 3):
            raise ValueError(f"an image of {self._given} was promised, not {image.shape}")
        if self._closed:
            raise ValueError(f"{self.name} is closed")
        try:
            self._add(image, time, repeat)
        except (av.FFmpegError, OSError) as error:
            raise self._stopped(error) from None

    def close(self) -> None:
        """Finish the file; safe to call twice.

        Raises:
            SinkError: the disk refused the end. What was written before stays playable.
        """
        if self._closed:
            return
        self._closed = True
        refused: Exception | None = None
        steps = (self._fill, self._flush, self._container.close, self._file.close)
        for step in steps:
            try:
                step()
            except (av.FFmpegError, OSError) as error:
                refused = refused or error
        if refused is not None:
            raise self._stopped(refused) from None

    def _open(
        self, rate: Fraction, live: bool, clip: Path | None, skipped: float, mark: str
    ) -> None:
        """Begin the streams: the video's and, where the clip has one, the sound's.

        Raises:
            av.FFmpegError, OSError: it cannot be written.
        """
        self._container = av.open(
            self._file, "w", format="mp4", options={"movflags": _FLAGS, "flush_packets": "1"}
        )
        self._container.metadata["comment"] = mark
        self._stream = self._container.add_stream("libx264", rate=rate)
        self._set_up(rate, live)
        self._audio = None
        if clip is not None:
            self._audio = AudioTrack.open(clip, self._container, skipped)
        self._container.start_encoding()

    def _set_up(self, rate: Fraction, live: bool) -> None:
        """Choose the encoder's settings."""
        self._stream.width, self._stream.height = self.size
        self._stream.pix_fmt = "yuv420p"
        preset = "ultrafast" if live else "veryfast"
        self._stream.options = {"preset": preset, "crf": str(_QUALITY)}
        if live:
            # No look-ahead: nothing is held back that a crash could lose.
            self._stream.options["tune"] = "zerolatency"
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.framerate = rate
        context.gop_size = max(round(rate * _KEYFRAMES), 1)
        # Live, the animation needs the other cores.
        context.thread_count = 1 if live else 0
        context.colorspace = _BT709
        context.color_primaries = _BT709
        context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE

    def _add(self, image: Image, time: float | None, repeat: int) -> None:
        """Encode an image as `repeat` frames, and write the sound up to their end.

        Raises:
            av.FFmpegError, OSError: the disk is full or refused it.
        """
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(image[: self.size[1], : self.size[0]], format="rgb24"),
            format="yuv420p",
            dst_colorspace=int(Colorspace.ITU709),
            dst_color_range=_LIMITED_RANGE,
        )
        length = float(_TICKS * self._time_base)
        for _ in range(repeat):
            at = self._end if time is None else time
            self._pts = max(round(at / self._time_base), self._pts + 1)
            frame.pts = self._pts
            frame.time_base = self._time_base
            self._mux(self._stream.encode(frame))
            self.frames += 1
            self._end = at + length
            if self._audio is not None:
                self._audio.advance(self._end)
            self._check_room()

    def _mux(self, packets: list[Packet[Any]]) -> None:
        """Hand packets of the video to the file, where they wait for the next keyframe."""
        for packet in packets:
            self._pending = packet.size + (0 if packet.is_keyframe else self._pending)
        self._container.mux(packets)

    def _check_room(self) -> None:
        """Stop while the disk has room for the fragment that waits, and for the index.

        An index that FFmpeg was refused once cannot be written later. Where the room is not known
        before (a quota, a fast writer beside this one), the file stays in whole fragments.

        Raises:
            OSError: the disk is as good as full.
        """
        # Twice: the next frame comes before the next look.
        needed = 2 * self._pending + _INDEX * self.frames + _SPARE
        try:
            total, _, free = shutil.disk_usage(self.path.parent)
        except OSError:
            return
        # A file system that does not count says that it has nothing at all.
        if total and free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _fill(self) -> None:
        """Add a black frame where none was written: a file without a single one would not open."""
        if self.frames == 0 and self._fault is None:
            self._add(np.zeros((self._given[1], self._given[0], 3), np.uint8), None, 1)

    def _flush(self) -> None:
        """Write what the encoder still holds."""
        if self._audio is not None:
            self._audio.close()
        self._mux(self._stream.encode(None))

    def _stopped(self, error: Exception) -> SinkError:
        # After the first fault FFmpeg refuses everything without a reason.
        self._fault = self._fault or error
        return SinkError(
            f"The recording {self.name} stopped: {_reason(self._fault)}; what was recorded before "
            "is kept, make room or choose another place."
        )


def _reason(error: Exception) -> str:
    """The system's own words for an error, short and in lower case."""
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "the disk is full"
    words = getattr(error, "strerror", None) or str(error)
    return words[:1].lower() + words[1:]
