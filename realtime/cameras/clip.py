"""Video files and GIFs: a plain reader for offline work, and a camera that plays in real time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from models.errors import UserError
from models.types import Image
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import CameraFrame
from realtime.media import MAX_PIXELS, open_media

_LATEST = 1.0
"""Seconds a reader may lag before the clip waits for it instead of decoding what nobody sees."""

_SLEEP = 0.1
"""Longest single sleep in seconds, so that `close` from another thread is noticed soon."""


class ClipReader:
    """The pictures of one video file or GIF, upright, with their times.

    Attributes:
        path: the file.
        name: the file's name.
        fps: mean frames per second, 1..240.
        frame_count: as the file tells it, or None.
        size: (width, height) in pixels of what `frames` gives.
    """

    def __init__(self, path: str | Path, max_size: tuple[int, int] | None = None) -> None:
        """Open the file and decode its first picture, so that a broken file is found here.

        Args:
            path: a file that FFmpeg can read.
            max_size: (width, height); larger pictures are shrunk to fit while they are converted.

        Raises:
            UserError: missing, a directory, empty, not a video, or without a readable picture.
        """
        self.path = Path(path)
        self.name = self.path.name
        self._max_size = max_size
        self._check_file()
        with self._open() as container:
            stream = container.streams.video[0]
            rate = stream.average_rate or stream.guessed_rate
            self.fps = min(max(float(rate), 1.0), 240.0) if rate else 25.0
            self.frame_count: int | None = stream.frames or None
        first = next(self._decode(), None)
        if first is None:
            raise UserError(
                f"No picture of {self.name} can be decoded; repair it or choose another video "
                f"file, with pictures of at most {MAX_PIXELS // 1_000_000} million pixels."
            )
        height, width = self._convert(first[0], VideoReformatter()).shape[:2]
        self.size = (width, height)

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Every picture in order, as (RGB image, seconds since the first one).

        Each call starts anew. Damaged pictures are left out. The times of a clip with a variable
        frame rate are its own; they never run backward.

        Raises:
            UserError: the file can no longer be opened.
        """
        reformatter = VideoReformatter()
        for frame, at, _ in self._decode():
            yield self._convert(frame, reformatter), at

    def _check_file(self) -> None:
        if self.path.is_dir():
            raise UserError(f"{self.path} is a directory; give the path of a video file or a GIF.")
        if not self.path.exists():
            raise UserError(f"There is no file {self.path}; check the path of the video.")
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise UserError(f"{self.path} is empty (zero bytes); give a video file or a GIF.")

    def _open(self) -> av.container.InputContainer:
        """Open the container; it holds at least one video stream."""
        try:
            container = open_media(self.path)
        except PermissionError:
            raise UserError(
                f"{self.path} may not be read; change its permissions or choose another file."
            ) from None
        except (av.FFmpegError, OSError, ValueError):
            raise UserError(
                f"{self.path} cannot be read as a video; give a file such as MP4, MOV, WebM or GIF."
            ) from None
        if not container.streams.video or container.streams.video[0].codec_context is None:
            container.close()
            raise UserError(f"{self.path} holds no video; give a file such as MP4, WebM or GIF.")
        return container

    def _decode(self) -> Iterator[tuple[VideoFrame, float, float]]:
        """Every decodable frame once, as (frame, start, end), in seconds from the first start."""
        usual = 1.0 / self.fps
        origin: float | None = None
        last = -usual
        with self._open() as container:
            packets = container.demux(video=0)
            while True:
                try:
                    packet = next(packets, None)
                except av.FFmpegError:
                    break  # The rest of the file cannot be found any more.
                if packet is None:
                    break
                try:
                    decoded = packet.decode()
                except av.FFmpegError:
                    continue
                for frame in decoded:
                    if not isinstance(frame, VideoFrame):
                        continue
                    at = last + usual
                    if frame.time is not None:
                        origin = frame.time if origin is None else origin
                        at = max(frame.time - origin, last, 0.0)
                    length = usual
                    if frame.duration and frame.time_base:
                        length = max(float(frame.duration * frame.time_base), 1e-3)
                    last = at
                    yield frame, at, at + length

    def _convert(self, frame: VideoFrame, reformatter: VideoReformatter) -> Image:
        """The frame as an upright RGB image of at most `max_size`."""
        turns = round(frame.rotation / 90) % 4
        width, height = frame.width, frame.height
        if self._max_size is not None:
            limit = self._max_size if turns % 2 == 0 else self._max_size[::-1]
            scale = min(limit[0] / width, limit[1] / height, 1.0)
            width, height = max(round(width * scale), 1), max(round(height * scale), 1)
        image = reformatter.reformat(frame, width, height, "rgb24").to_ndarray()
        # FFmpeg's angle and NumPy's are both counter-clockwise.
        return np.ascontiguousarray(np.rot90(image, turns), dtype=np.uint8)


class ClipCamera(Closing):
    """A video file that plays in a loop like a webcam: in real time, newest frame only.

    With `full_pace` every frame comes at once, for benchmarks.

    Attributes:
        name: for the status line.
        fps: of the clip.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        size: tuple[int, int] | None = None,
        name: str | None = None,
        full_pace: bool = False,
    ) -> None:
        """Open the clip; the clock starts with the first `read`.

        Args:
            path: a file that FFmpeg can read.
            size: (width, height) that pictures must fit in; larger ones are shrunk.
            name: what to call the clip instead of its file name.
            full_pace: give every frame without waiting.

        Raises:
            UserError: as `ClipReader`.
        """
        self._reader = ClipReader(path, size)
        width, height = self._reader.size
        self.name = f"{name or self._reader.name} {width}x{height} {self._reader.fps:.3g} fps"
        self.fps = self._reader.fps
        self._full_pace = full_pace
        self._reformatter = VideoReformatter()
        self._frames = self._loop()
        self._ahead: deque[tuple[VideoFrame, float]] = deque()
        self._started: float | None = None
        self._index = 0
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def read(self) -> CameraFrame:
        """The frame that is due now; waits for it if it is still to come.

        A late reader skips what nobody can see any more, as with a webcam.

        Raises:
            CameraLost: the file can no longer be read, or the camera was closed.
        """
        with self._lock:
            image, due = self._pick()
        while not self._full_pace and not self._closed.is_set():
            left = due - time.perf_counter()
            if left <= 0:
                break
            time.sleep(min(left, _SLEEP))
        if self._closed.is_set():
            raise CameraLost(f"{self._reader.name} was closed.")
        frame = CameraFrame(image, time.perf_counter(), self._index)
        self._index += 1
        return frame

    def close(self) -> None:
        """Stop playing; a waiting `read` ends with `CameraLost`."""
        self._closed.set()
        with self._lock:
            self._frames.close()
            self._ahead.clear()

    def _pick(self) -> tuple[Image, float]:
        """Convert the next frame worth showing; also when it is due, on the clock."""
        if self._closed.is_set():
            raise CameraLost(f"{self._reader.name} was closed.")
        try:
            self._fill(1)
            if self._full_pace:
                return self._convert(self._ahead.popleft()[0]), 0.0
            now = time.perf_counter()
            if self._started is None:
                self._started = now
            # A reader that was away for long (a paused machine) does not make us decode it all.
            self._started += max(now - self._started - self._ahead[0][1] - _LATEST, 0.0)
            self._fill(2)
            while self._ahead[1][1] <= time.perf_counter() - self._started:
                self._ahead.popleft()
                self._fill(2)
        except UserError as error:
            raise CameraLost(str(error)) from None
        frame, at = self._ahead.popleft()
        return self._convert(frame), self._started + at

    def _convert(self, frame: VideoFrame) -> Image:
        return self._reader._convert(frame, self._reformatter)

    def _fill(self, count: int) -> None:
        """Decode until `count` frames are ahead."""
        while len(self._ahead) < count:
            self._ahead.append(next(self._frames))

    def _loop(self) -> Any:
        """The frames without end, as (frame, time on one continuous clock)."""
        offset = 0.0
        while True:
            end = offset
            found = False
            for frame, at, until in self._reader._decode():
                found, end = True, offset + until
                yield frame, offset + at
            if not found:
                raise CameraLost(f"{self._reader.name} can no longer be decoded.")
            offset = end
