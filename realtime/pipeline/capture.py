"""The thread that reads one camera, and opens it again after it was lost."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum

from models.errors import UserError
from realtime.cameras.base import Camera
from realtime.cameras.turned import turn
from realtime.frames import CameraFrame
from realtime.latency import Times
from realtime.lines import Line
from realtime.mailbox import Mailbox

_BACKOFF = (0.25, 0.5, 1.0)
"""Seconds before a lost camera is opened again, the first, the second and every later time: one
that starts anew is back soon, one that is unplugged is not worth more."""

_NEVER_OPENED = 3.0
"""Seconds before a camera that was not there at the start is looked for again: it may take until
the user plugs one in, and looking costs a list of all devices."""

_TAKEN = 0.2
"""Seconds after which a thread that reads at full pace looks whether it should end."""

_CLOSING = 3.0
"""Seconds that a new camera waits for the one before it to be closed: they may be one device, and a
driver that hangs longer is left behind."""

_log = logging.getLogger(__name__)


class CameraState(StrEnum):
    """How far a camera is."""

    NONE = "none"
    OPENING = "opening"
    OPEN = "open"
    LOST = "lost"


@dataclass(frozen=True)
class Stamp:
    """What is done to every picture of a camera.

    Attributes:
        take: rises whenever pictures are of another camera or turned otherwise.
        degrees: by which they are turned clockwise: 0, 90, 180 or 270.
    """

    take: int = 0
    degrees: int = 0


@dataclass(frozen=True)
class CaptureTools:
    """What a capture needs of its run.

    Attributes:
        captured: where frames go.
        times: how long stages take.
        tell: has a line told to the user.
        works: lets the user be told when what is in its `with` hangs.
        failed: ends the run with an error.
        full_pace: read the next frame when the last one was taken, not before.
        patient: a camera that cannot be opened at the start ends nothing; it is tried again.
    """

    captured: Mailbox[CameraFrame]
    times: Times
    tell: Callable[[str], None]
    works: Callable[[], AbstractContextManager[None]]
    failed: Callable[[BaseException], None]
    full_pace: bool = False
    patient: bool = False


class Capture:
    """One camera of a run; another camera is another capture.

    Attributes:
        stamp: what is done to its pictures; replaced whole, by any thread.
        name: of the camera.
        state: how far it is.
        problem: why it is lost, as a sentence; "" while it is not.
        opened_at: when it was opened first, seconds of `time.perf_counter()`.
        device: the camera itself, while it is open; only for looking at.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera],
        tools: CaptureTools,
        stamp: Stamp,
        *,
        opened: Camera | None = None,
        before: Capture | None = None,
    ) -> None:
        """Nothing is opened before `start`.

        Args:
            open_camera: opens the camera, again after it was lost; called in a thread of its own.
            tools: what it needs of the run.
            stamp: what is done to its pictures.
            opened: the camera, where it is open already.
            before: what was the camera until now; it has been told to end.
        """
        self.stamp = stamp
        self.name = "opening" if opened is None else opened.name
        self.state = CameraState.OPENING
        self.problem = ""
        self.opened_at: float | None = None
        self.device: Camera | None = None
        self._open_camera = open_camera
        self._tools = tools
        self._opened = opened
        self._before = before
        self._attempt = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def end(self) -> None:
        """Give no more frames and close the camera as soon as its driver returns; does not wait."""
        self._ended.set()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end; whether it came."""
        if self._thread.ident is not None:
            self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            if self._before is not None and self._opened is None:
                self._before.join(_CLOSING)
            self._before = None
            while not self._ended.is_set():
                if not self._attend():
                    return
                pauses = _BACKOFF if self.opened_at is not None else (*_BACKOFF, _NEVER_OPENED)
                self._ended.wait(pauses[min(self._attempt, len(pauses) - 1)])
                self._attempt += 1
        except BaseException as error:
            _log.debug("the camera's thread has failed", exc_info=error)
            self._tools.failed(error)

    def _attend(self) -> bool:
        """Open the camera and read it until it is lost; False if that ends the run."""
        given, self._opened = self._opened, None
        try:
            with given or self._open_camera() as camera:
                if self._ended.is_set():
                    return True
                if self.state is CameraState.LOST:
                    back = "back" if self.opened_at is not None else "there"
                    self._tools.tell(
                        Line(f"The camera is {back}: {camera.name}.", "lost", over=True)
                    )
                self.name, self.state, self.problem = camera.name, CameraState.OPEN, ""
                self.device = camera
                self.opened_at = self.opened_at or time.perf_counter()
                self._read(camera)
        except UserError as error:
            _log.debug("the camera is lost", exc_info=error)
            if self.opened_at is None and not self._tools.patient:
                self._tools.failed(error)
                return False
            self._lost(str(error))
        except Exception as error:
            if self.opened_at is None and not self._tools.patient:
                raise
            _log.debug("the camera failed", exc_info=error)
            self._lost(f"The camera failed ({type(error).__name__}: {error}).")
        finally:
            self.device = None
        return True

    def _read(self, camera: Camera) -> None:
        tools = self._tools
        while not self._ended.is_set():
            asked = time.perf_counter()
            with tools.works():
                frame = camera.read()
            self._attempt = 0
            # A paced camera mostly waits; what counts is the time since the picture was taken.
            since = asked if tools.full_pace else frame.captured_at
            tools.times.add("capture", time.perf_counter() - since)
            stamp = self.stamp
            if stamp.degrees:
                frame = replace(frame, image=turn(frame.image, stamp.degrees))
            frame = replace(frame, turned=stamp.degrees, take=stamp.take)
            if self._ended.is_set():
                return
            tools.captured.put(frame)
            while tools.full_pace and not self._ended.is_set():
                if tools.captured.wait_empty(_TAKEN):
                    break

    def _lost(self, why: str) -> None:
        if self._ended.is_set():
            return
        self.problem = why
        if self.state is not CameraState.LOST:
            self.state = CameraState.LOST
            rests = "The avatar rests; trying to open it again."
            self._tools.tell(Line(f"{why} {rests}", "lost", alarm=True))
