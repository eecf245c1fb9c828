"""Video files and GIFs: a plain reader for offline work, and a camera that plays in real time."""

from __future__ import annotations

import itertools
import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import VideoReformatter

from models.errors import UserError
from models.types import Image
from realtime.boxes import lacks_index
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import CameraFrame
from realtime.media import MAX_PIXELS, Picture, moving_picture, open_media, packets, pictures

_LATEST = 1.0
"""Seconds a reader may lag before the clip waits for it instead of decoding what nobody sees."""

_SLEEP = 0.1
"""Longest single sleep in seconds, so that `close` from another thread is noticed soon."""


WHOLE = (0.0, math.inf)
"""All seconds of a clip."""

_ROUNDING = 1e-4
"""Seconds by which a moment that was told in decimals may miss its picture: files tell the times
of theirs in ticks of down to 1/90000 s."""

_RATE_FROM = 300
"""Pictures that a rate is measured from: ten seconds, over which webcams keep theirs."""

_GIVE = "give a file such as MP4, MOV, WebM or GIF."
"""What to do with a file that is no video."""

_UNDECODABLE = (
    "has no picture that can be decoded; repair it or choose another video file, with pictures of "
    f"at most {MAX_PIXELS // 1_000_000} million pixels."
)
"""What is said of a video whose pictures are damaged, too large, or of an unknown kind."""

_SAMPLE = 0.5
"""Seconds from one keyframe to the next that is looked at for its size: what is shorter has no
weight, and where all pictures are keyframes, few are decoded twice."""


class ClipReader:
    """The pictures of one video file or GIF, upright, of one size, with their times.

    Attributes:
        path: the file.
        name: the file's name.
        fps: mean frames per second, 1..240.
        frame_count: about how many frames there are, as the file tells it, or None.
        size: (width, height) in pixels of what `frames` gives.
        begins: when the first of them is shown, in seconds from the first picture of the whole
            clip; of a part it is known once that frame was read.
    """

    def __init__(
        self,
        path: str | Path,
        max_size: tuple[int, int] | None = None,
        part: tuple[float, float] = WHOLE,
    ) -> None:
        """Open the file and decode its first picture, so that a broken file is found here.

        Args:
            path: a file that FFmpeg can read.
            max_size: (width, height); larger pictures are shrunk to fit while they are converted.
                None: the whole clip is looked through for its largest picture.
            part: from which second to which, from the first picture on; the end is left out.

        Raises:
            UserError: missing, a directory, empty, not a video, or without a readable picture.
        """
        self.path = Path(path)
        self.name = self.path.name
        self.begins = 0.0
        self._part = part
        self._max_size = max_size
        self._check_file()
        with self._open() as container:
            stream = moving_picture(container)
            assert stream is not None
            rate = stream.average_rate or self._measured_rate() or stream.guessed_rate
            self.fps = min(max(float(rate), 1.0), 240.0) if rate else 25.0
            self.frame_count: int | None = None
            if stream.frames:
                start, end = (min(max(one * self.fps, 0), stream.frames) for one in part)
                self.frame_count = max(round(end - start), 1)
            first = next(pictures(container), None)
        if first is None:
            raise UserError(self._unreadable(_UNDECODABLE))
        self.size = self._shown_size(first) if max_size is not None else self._largest(first)

    def frames(self) -> Iterator[tuple[Image, float]]:
        """Every picture of the part in order, as (RGB image, seconds since the first one).

        Each call starts anew. Damaged pictures are left out. The times of a clip with a variable
        frame rate are its own; they never run backward. Where the clip changes its size, pictures
        are scaled to fit into `size`, in black borders if their shape differs.

        Raises:
            UserError: the file can no longer be opened, or has no picture in that part.
        """
        reformatter = VideoReformatter()
        start, end = self._part
        first: float | None = None
        for picture, at, _ in self._decode():
            if at >= end - _ROUNDING:
                break
            if at >= start - _ROUNDING:
                first = self.begins = at if first is None else first
                yield self._convert(picture, reformatter), at - first
        if first is None and self._part != WHOLE:
            raise UserError(
                f"{self.name} has no picture from second {start:g} to {end:g}; choose another part."
            )

    def _measured_rate(self) -> float | None:
        """Usual rate of the first pictures where the file tells none, as recordings of browsers do.

        FFmpeg's guess would be the ticks of their clock, a thousand a second.
        """
        with self._open() as container:
            stream = moving_picture(container)
            assert stream is not None
            found = packets(container, stream)
            some = itertools.islice(found, _RATE_FROM)
            times = [float(one.pts * one.time_base) for one in some if one.pts is not None]
        apart = np.diff(np.sort(times))
        # The median: a browser that is busy at first leaves a gap there.
        usual = float(np.median(apart)) if len(apart) else 0.0
        return 1 / usual if usual > 0 else None

    def _check_file(self) -> None:
        # Not `Path.exists`: it raises where a name is too long to be one.
        if os.path.isdir(self.path):
            raise UserError(f"{self.path} is a directory; give the path of a video file or a GIF.")
        if not os.path.exists(self.path):
            raise UserError(f"There is no file {self.path}; check the path of the video.")
        if not os.path.isfile(self.path):
            raise UserError(f"{self.path} is no ordinary file; save the video into one.")
        if os.path.getsize(self.path) == 0:
            raise UserError(f"{self.path} is empty (zero bytes); give a video file or a GIF.")

    @contextmanager
    def _open(self) -> Iterator[InputContainer]:
        """Open the container; it holds a video."""
        with ExitStack() as stack:
            try:
                container = stack.enter_context(open_media(self.path))
            except PermissionError:
                raise UserError(
                    f"{self.path} may not be read; change its permissions or choose another file."
                ) from None
            except (av.FFmpegError, OSError, ValueError):
                raise UserError(self._unreadable(f"cannot be read as a video; {_GIVE}")) from None
            if moving_picture(container) is None:
                raise UserError(self._unreadable(f"holds no video; {_GIVE}"))
            yield container

    def _unreadable(self, what: str) -> str:
        """What the user is told of a file without a picture, where the reason is not `what`."""
        if lacks_index(self.path):
            return (
                f"{self.path} cannot be read as a video: its index is missing, as recording or "
                "copying it was not finished; copy it again, or repair it with a tool for MP4."
            )
        return f"{self.path} {what}"

    def _decode(self) -> Iterator[tuple[Picture, float, float]]:
        """Every decodable picture once, as (picture, start, end), in seconds from the first one."""
        usual = 1.0 / self.fps
        origin: float | None = None
        last = -usual
        with self._open() as container:
            for picture in pictures(container):
                at = last + usual
                if picture.at is not None:
                    origin = picture.at if origin is None else origin
                    at = max(picture.at - origin, last, 0.0)
                length, frame = usual, picture.frame
                if frame.duration and frame.time_base:
                    length = max(float(frame.duration * frame.time_base), 1e-3)
                last = at
                yield picture, at, at + length

    def _largest(self, first: Picture) -> tuple[int, int]:
        """The size of the largest picture; calls often begin with small ones."""
        sizes = [self._shown_size(first)]
        with self._open() as container:
            sizes += [self._shown_size(picture) for picture in pictures(container, _SAMPLE)]
        return max(sizes, key=lambda size: size[0] * size[1])

    def _shown_size(self, picture: Picture) -> tuple[int, int]:
        """(width, height) of a picture in square pixels, upright, no larger than allowed."""
        width, height = float(picture.frame.width), float(picture.frame.height)
        if picture.aspect > 1:  # The side that was squeezed is widened, so that nothing is lost.
            width *= picture.aspect
        else:
            height /= picture.aspect
        if picture.lies.swaps:
            width, height = height, width
        scale = min(1.0, (MAX_PIXELS / (width * height)) ** 0.5)
        if self._max_size is not None:
            scale = min(scale, self._max_size[0] / width, self._max_size[1] / height)
        return max(round(width * scale), 1), max(round(height * scale), 1)

    def _convert(self, picture: Picture, reformatter: VideoReformatter) -> Image:
        """The picture as an upright RGB image of the clip's size."""
        wide, high = self.size
        width, height = self._shown_size(picture)
        scale = min(wide / width, high / height)
        width, height = (max(round(side * scale), 1) for side in (width, height))
        turn = picture.lies
        stored = (height, width) if turn.swaps else (width, height)
        scaled = reformatter.reformat(picture.frame, *stored, "rgb24").to_ndarray()
        image = turn(np.asarray(scaled, np.uint8))
        if (width, height) != self.size:
            left, top = (wide - width) // 2, (high - height) // 2
            whole = np.zeros((high, wide, 3), np.uint8)
            whole[top : top + height, left : left + width] = image
            image = whole
        return np.ascontiguousarray(image, dtype=np.uint8)


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
        self._ahead: deque[tuple[Picture, float]] = deque()
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
        picture, at = self._ahead.popleft()
        return self._convert(picture), self._started + at

    def _convert(self, picture: Picture) -> Image:
        return self._reader._convert(picture, self._reformatter)

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
            for picture, at, until in self._reader._decode():
                found, end = True, offset + until
                yield picture, offset + at
            if not found:
                raise CameraLost(f"{self._reader.name} can no longer be decoded.")
            offset = end
