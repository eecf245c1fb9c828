"""Writes an MP4 frame by frame, in the calling thread; for offline work and for the recorder."""

from __future__ import annotations

import contextlib
import errno
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter

from models.errors import UserError
from models.types import Image
from realtime.closing import Closing
from realtime.paths import check_writable
from realtime.sinks.base import SinkError
from realtime.sinks.recording.audio_track import AudioTrack
from realtime.sinks.recording.mp4_index import add_index, drop_torn_end

_BT709 = 1
_LIMITED_RANGE = 1
_TICKS = 512
"""Clock ticks to a frame: fine enough for the times of a clip with a variable frame rate."""

_FRAGMENTED = "frag_keyframe+default_base_moof+delay_moov+skip_trailer"
"""While it grows, the file consists of playable fragments of one second, so that memory does not
grow with it; at the end it becomes an ordinary MP4 (`fragments`)."""

MARK = "AI avatar: a photo animated with avatarify-like"
"""The comment in every file, also in one whose signature was never written."""


class VideoWriter(Closing):
    """An MP4 with H.264 video (BT.709, 4:2:0, constant quality) and perhaps a clip's sound.

    If the program is killed the file plays up to its last whole second. No frame is left out or
    repeated. size: (width, height) of the video. frames: how many were written.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float,
        *,
        audio_from: str | Path | None = None,
        live: bool = False,
        name: str | None = None,
    ) -> None:
        """Create the file; an existing one is replaced.

        Args:
            path: where to; its name ends in .mp4.
            size: (width, height) of the images; an odd last column or row is left out, as 4:2:0
                needs even sizes.
            fps: frames per second.
            audio_from: a clip whose first audio stream is copied, cut to the video's length; a
                clip without sound is no error.
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
        self._closed = self._failed = False
        rate = Fraction(fps).limit_denominator(1001)
        self._time_base = 1 / (rate * _TICKS)
        self._reformatter = VideoReformatter()
        clip = None if audio_from is None else Path(audio_from)
        try:
            check_writable(self.path, {"driving clip": clip})
        except UserError as error:
            raise SinkError(str(error)) from None
        try:
            self._container = av.open(
                str(self.path),
                "w",
                format="mp4",
                options={"movflags": _FRAGMENTED, "flush_packets": "1"},
            )
            self._container.metadata["comment"] = MARK
            self._stream = self._container.add_stream("libx264", rate=rate)
            self._set_up(rate, live)
            self._audio = None
            if clip is not None:
                self._audio = AudioTrack.open(clip, self._container)
            self._container.start_encoding()
        except (av.FFmpegError, OSError) as error:
            raise SinkError(
                f"{self.path} cannot be written: {_reason(error)}; choose another place."
            ) from None

    def write(self, image: Image, *, time: float | None = None, repeat: int = 1) -> None:
        """Add one image.

        Args:
            image: RGB of the size given at the start.
            time: seconds from the start of the video, greater than the last; None: one frame
                after the last, which makes a constant frame rate.
            repeat: how many frames show it.

        Raises:
            ValueError: the image has another size, or the video is closed.
            SinkError: the disk refused it. What was written before stays playable.
        """
        if image.shape != (self._given[1], self._given[0], 3):
            raise ValueError(f"an image of {self._given} was promised, not {image.shape}")
        if self._closed:
            raise ValueError(f"{self.name} is closed")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(image[: self.size[1], : self.size[0]], format="rgb24"),
            format="yuv420p",
            dst_colorspace=int(Colorspace.ITU709),
            dst_color_range=_LIMITED_RANGE,
        )
        length = float(_TICKS * self._time_base)
        try:
            for _ in range(repeat):
                at = self._end if time is None else time
                self._pts = max(round(at / self._time_base), self._pts + 1)
                frame.pts = self._pts
                frame.time_base = self._time_base
                self._container.mux(self._stream.encode(frame))
                self.frames += 1
                self._end = at + length
                if self._audio is not None:
                    self._audio.advance(self._end)
        except (av.FFmpegError, OSError) as error:
            raise self._stopped(error) from None

    def close(self) -> None:
        """Finish the file; safe to call twice.

        Raises:
            SinkError: the disk refused the end. What was written before stays playable.
        """
        if self._closed:
            return
        if self.frames == 0 and not self._failed:
            # A file without a single frame would not open.
            self.write(np.zeros((self._given[1], self._given[0], 3), np.uint8))
        self._closed = True
        refused: Exception | None = None
        for step in (self._flush, self._container.close, self._finish):
            try:
                step()
            except (av.FFmpegError, OSError) as error:
                self._failed, refused = True, refused or error
        if refused is not None:
            raise self._stopped(refused) from None

    def _set_up(self, rate: Fraction, live: bool) -> None:
        """Choose the encoder's settings."""
        self._stream.width, self._stream.height = self.size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"preset": "ultrafast" if live else "veryfast", "crf": "20"}
        if live:
            # No look-ahead: nothing is held back that a crash could lose.
            self._stream.options["tune"] = "zerolatency"
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.framerate = rate
        context.gop_size = max(round(rate), 1)
        # Live, the animation needs the other cores.
        context.thread_count = 1 if live else 0
        context.colorspace = _BT709
        context.color_primaries = _BT709
        context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE

    def _flush(self) -> None:
        """Write what the encoder still holds."""
        if self._audio is not None:
            self._audio.close()
        self._container.mux(self._stream.encode(None))

    def _finish(self) -> None:
        """Make an ordinary MP4 of the file, or of what a fault left of it."""
        if self._failed:
            drop_torn_end(self.path)
        # Fragments that cannot be read play as they are.
        with contextlib.suppress(ValueError):
            add_index(self.path)

    def _stopped(self, error: Exception) -> SinkError:
        self._failed = True
        return SinkError(
            f"The recording {self.name} stopped: {_reason(error)}; what was recorded before is "
            "kept, make room or choose another place."
        )


def _reason(error: Exception) -> str:
    """The system's own words for an error, short and in lower case."""
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "the disk is full"
    words = getattr(error, "strerror", None) or str(error)
    return words[:1].lower() + words[1:]
