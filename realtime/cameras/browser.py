"""The webcam of a page as the driving camera: `--camera browser`."""

from __future__ import annotations

import io
import logging
import math
import threading
import time

import cv2
import numpy as np
import PIL.Image

from models.types import Image
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import CameraFrame
from realtime.mailbox import Mailbox

MAX_FRAME = 2_000_000
"""Bytes of one picture: about one for each of `_MAX_PIXELS`, which is more than a webcam's JPEG
has."""

_MAX_PIXELS = 1920 * 1080
"""A page asks its webcam for 640 x 480, and some give more. Larger pictures are refused undecoded:
they may be made to take time."""

_SILENCE = 3.0
"""Seconds without a picture after which the camera counts as lost: longer than a network stalls now
and then, short enough for the user to be told soon."""

_OLDEST = 10.0
"""Seconds; a page that says more has a clock of its own kind."""

_LEAST_STEP = 1e-3
"""Seconds from one picture to the next: no webcam is faster."""

_log = logging.getLogger(__name__)


class BrowserFeed:
    """Where the pictures of a page arrive. One page at a time is the camera: the last to begin.

    Attributes:
        refused: how many pictures could not be used.
    """

    def __init__(self) -> None:
        """Wait for a page."""
        self._newest: Mailbox[tuple[bytes, float]] = Mailbox()
        self._lock = threading.Lock()
        self._owner: str | None = None
        self._closed = threading.Event()
        self._latest = 0.0
        self._waiting: object = None
        self.refused = 0

    @property
    def owner(self) -> str | None:
        """The page that is the camera."""
        return self._owner

    def begin(self, page: str) -> None:
        """A page starts to send."""
        with self._lock:
            self._owner = page

    def end(self, page: str) -> None:
        """A page stops or is gone."""
        with self._lock:
            if self._owner == page:
                self._owner = None

    def put(
        self,
        page: str,
        data: bytes,
        captured_at: float | None = None,
        arrived_at: float | None = None,
    ) -> float:
        """Take one picture; ignored if another page is the camera.

        Args:
            page: which page has sent it.
            data: a JPEG file of at most `MAX_FRAME` bytes; a larger one is ignored too.
            captured_at: when the page's webcam gave it, as the page has worked it out, in seconds
                of `time.perf_counter()`; None: on arrival. What cannot be is corrected.
            arrived_at: when it came; None: now.

        Returns:
            How old it was when it came, in seconds.
        """
        now = time.perf_counter() if arrived_at is None else arrived_at
        at = now if captured_at is None or not math.isfinite(captured_at) else captured_at
        at = min(max(at, now - _OLDEST), now)
        if page == self._owner and len(data) <= MAX_FRAME:
            # The page may have come to know its clock better; time does not go back for that.
            self._latest = max(at, min(self._latest + _LEAST_STEP, now))
            self._newest.put((data, self._latest))
        return now - at

    def release(self) -> None:
        """Let whoever waits in `open` give up: another camera was chosen."""
        self._waiting = None

    def close(self) -> None:
        """End all waiting."""
        self._closed.set()
        self._newest.close()

    def open(self) -> BrowserCamera:
        """The camera, as soon as a page sends. One waits at a time: the last to begin.

        Raises:
            CameraLost: the run has ended before, or another one waits now.
        """
        mine = self._waiting = object()
        while not self._closed.is_set() and self._waiting is mine:
            first = self.take(0.5)
            if first is not None:
                return BrowserCamera(self, first)
        raise CameraLost("No page has sent a picture; press the camera's button on the panel.")

    def take(self, timeout: float) -> tuple[Image, float] | None:
        """The newest picture and when it was captured; None if none comes in `timeout` seconds."""
        until = time.perf_counter() + timeout
        while not self._closed.is_set():
            item = self._newest.take(max(until - time.perf_counter(), 0))
            if item is None:
                return None
            image = _decode(item[0])
            if image is not None:
                return image, item[1]
            self.refused += 1
        return None


class BrowserCamera(Closing):
    """A `Camera` that gives what a page sends."""

    def __init__(self, feed: BrowserFeed, first: tuple[Image, float]) -> None:
        """Begin with a picture that has arrived."""
        height, width = first[0].shape[:2]
        self.name = f"webcam of the page {width}x{height}"
        self._feed = feed
        self._first: tuple[Image, float] | None = first
        self._index = 0

    def read(self) -> CameraFrame:
        """The newest picture.

        Raises:
            CameraLost: none came for some seconds.
        """
        item, self._first = self._first, None
        item = item or self._feed.take(_SILENCE)
        if item is None:
            raise CameraLost("The page sends no pictures any more.")
        self._index += 1
        return CameraFrame(item[0], item[1], self._index - 1)

    def close(self) -> None:
        """Do nothing: the page decides what it sends."""


def _decode(data: bytes) -> Image | None:
    """The picture in a JPEG file, or None if it is none or too large; looked at before decoding."""
    try:
        with PIL.Image.open(io.BytesIO(data), formats=["JPEG"]) as header:
            width, height = header.size
    except Exception as error:  # Decoders raise nearly anything on a broken file.
        _log.debug("a page's picture cannot be read", exc_info=error)
        return None
    if width * height > _MAX_PIXELS or min(width, height) < 32:
        return None
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        return None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
