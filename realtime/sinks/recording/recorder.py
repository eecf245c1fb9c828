"""Records the live picture as an MP4 without holding up the other outputs."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from models.types import Image
from realtime.closing import Closing
from realtime.frames import AvatarFrame
from realtime.sinks.base import Found, SinkError, SinkKind, SinkRequest, require_avatar_frame
from realtime.sinks.recording.video_writer import VideoWriter

_QUEUE = 8
"""Frames that may wait for the encoder: a quarter of a second at 30 fps, 22 MB at 1280 x 720."""

_TOLERANCE = 1.5
"""How many frames the calls may be off the clock before a frame is repeated or left out: more than
one, as a call that comes a frame late and the next in time are jitter and lose nothing."""

_LONGEST_GAP = 10.0
"""Seconds without a frame that are filled; a longer pause (a sleeping laptop) is left out. Chosen:
longer than any stutter, shorter than a sleep."""

_log = logging.getLogger(__name__)


class Recorder(Closing):
    """Encodes in a thread of its own, at a constant frame rate that follows the clock.

    A gap is filled by repeating the frame before; a frame too many replaces the one before; when
    the encoder cannot keep up, waiting frames are dropped and the frame before the dropped ones is
    shown longer. So the length of the video is the time that passed. Frames are kept by reference
    and must not be changed after `write`.

    Attributes:
        name: what messages call the recording.
        dropped: frames that the encoder had no time for.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        fps: float,
        *,
        audio_from: str | Path | None = None,
        clock: Callable[[], float] = time.perf_counter,
        finished: Callable[[Path], None] | None = None,
    ) -> None:
        """Create the file.

        Args:
            path: where to; its name ends in .mp4; an existing file is replaced.
            size: (width, height) of the frames.
            fps: frames per second of the video.
            audio_from: a clip whose sound is copied.
            clock: the time in seconds; another one in tests.
            finished: called once with the path when nothing more will be written there, also
                after a fault, in the thread that encodes; it must not take long.

        Raises:
            SinkError: the file cannot be made there.
        """
        self._writer = VideoWriter(path, size, fps, audio_from=audio_from, live=True)
        self.name = self._writer.name
        self.dropped = 0
        self._size = size
        self._fps = fps
        self._clock = clock
        self._finished = finished
        self._started: float | None = None
        self._slot = 0
        self._waiting: deque[tuple[int, Image]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._error: SinkError | None = None
        self._told = False
        self._thread = threading.Thread(target=self._encode, name="recorder", daemon=True)
        self._thread.start()

    def write(self, frame: AvatarFrame) -> None:
        """Hand one frame to the encoder; never waits for it.

        Raises:
            TypeError: it is not an `AvatarFrame`.
            ValueError: it does not have the promised size.
            SinkError: the disk refused an earlier frame, or the recorder was closed.
        """
        image = require_avatar_frame(frame).image
        if image.shape != (self._size[1], self._size[0], 3):
            raise ValueError(f"a frame of {self._size} was promised, not {image.shape}")
        now = self._clock()
        with self._changed:
            if self._error is not None:
                self._told = True
                raise self._error
            if self._closing:
                raise SinkError(f"The recording {self.name} was closed.")
            slot = self._next_slot(now)
            if self._waiting and self._waiting[-1][0] >= slot:
                self._waiting.pop()
            elif len(self._waiting) >= _QUEUE:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append((slot, image))
            self._slot = slot + 1
            self._changed.notify_all()

    def close(self) -> None:
        """Encode what waits and finish the file; safe to call twice.

        Raises:
            SinkError: the disk refused it and `write` had no chance to say so.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None and not self._told:
            self._told = True
            raise self._error

    def _next_slot(self, now: float) -> int:
        """Which frame of the video this moment is; small jitter of the calls does not count."""
        if self._started is None:
            self._started = now
        behind = (now - self._started) * self._fps - self._slot
        if behind > _LONGEST_GAP * self._fps:
            self._started += behind / self._fps
            behind = 0.0
        if behind >= _TOLERANCE:
            return self._slot + round(behind)
        if behind <= -_TOLERANCE:
            return max(self._slot - 1, 0)
        return self._slot

    def _encode(self) -> None:
        """Write frames until closed, then finish the file; the only user of the writer."""
        last: Image | None = None
        try:
            while (item := self._take()) is not None:
                slot, image = item
                gap = slot - self._writer.frames
                if gap > 0 and last is not None:
                    self._writer.write(last, repeat=gap)
                if gap >= 0 or last is None:
                    self._writer.write(image)
                last = image
        except Exception as error:
            self._fail(error)
        finally:
            try:
                self._writer.close()
            except Exception as error:
                self._fail(error)
            if self._finished is not None:
                self._finished(self._writer.path)

    def _take(self) -> tuple[int, Image] | None:
        """The next waiting frame, or None when closing and none is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return self._waiting.popleft() if self._waiting else None

    def _fail(self, error: Exception) -> None:
        """Keep the first error for the next `write` or `close`, and drop what waits."""
        _log.debug("the recording %s stopped", self.name, exc_info=error)
        if not isinstance(error, SinkError):
            error = SinkError(f"The recording {self.name} stopped: {error}.")
        with self._changed:
            self._error = self._error or error
            self._waiting.clear()


def _find() -> Found:
    return Found(True, "it needs no camera")


def _open(request: SinkRequest) -> Recorder:
    if request.device is None:
        raise SinkError("A recording needs a file: write --record out.mp4.")
    return Recorder(request.device, request.size, request.fps, finished=request.finished)


KIND = SinkKind("recorder", _find, _open, camera=False)
