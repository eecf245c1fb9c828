"""One output of a run, fed by a thread of its own: a slow or broken one holds up no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from models.errors import UserError
from realtime.frames import AvatarFrame
from realtime.mailbox import Mailbox
from realtime.sinks.base import Sink

RETRY = 1.0
"""Seconds before an output that failed is opened again: soon for whoever waits, seldom for a device
that is gone for good."""

_WAIT = 0.2
"""Seconds after which a waiting thread looks whether it should end: a run ends without a noticeable
wait, and looking so seldom costs nothing."""

_log = logging.getLogger(__name__)


@dataclass
class Output:
    """One place for frames, and how to open it.

    Attributes:
        open: opens the sink.
        retry: open it again when it fails (a virtual camera; not a recording, whose file is lost).
            What is not retried is opened when the camera is, so that a run that cannot start leaves
            the file of an earlier recording alone.
        sink: while it is open.
        name: what to call it.
        gone: it has failed and is not tried again.
        failure: why, as a sentence, until it is back.
        size: (width, height) of the only frames that it takes; None: any.
    """

    open: Callable[[], Sink]
    retry: bool = False
    sink: Sink | None = None
    name: str = ""
    gone: bool = False
    failure: str = ""
    size: tuple[int, int] | None = None

    @property
    def watched(self) -> bool | None:
        """Whether a program reads it now; None where that cannot be told."""
        watched = getattr(self.sink, "watched", None)
        return watched if isinstance(watched, bool) else None

    def open_now(self) -> None:
        """Open it in the calling thread, if it is not open yet.

        Raises:
            SinkError: it cannot be opened.
        """
        if self.sink is None:
            self.sink = self.open()
        self.name = self.sink.name


@dataclass(frozen=True)
class _Parcel:
    """A frame, and when it was handed over (seconds of `time.perf_counter()`)."""

    frame: AvatarFrame
    handed_at: float


class OutputThread:
    """Writes the newest frame to an open output, opens it again, and closes it at the end.

    Attributes:
        output: what is fed.
        busy_since: since when the sink has been at one frame, seconds of `time.perf_counter()`;
            None while it waits.
    """

    def __init__(
        self,
        output: Output,
        notify: Callable[[str], None],
        written: Callable[[Output, AvatarFrame, float], None],
    ) -> None:
        """Start the thread; `output` is open.

        Args:
            output: from now on only this thread touches its sink.
            notify: called with one line for the user.
            written: called after each frame with the output, the frame, and when `put` was called
                (seconds of `time.perf_counter()`).
        """
        self.output = output
        self._notify = notify
        self._written = written
        self._box: Mailbox[_Parcel] = Mailbox()
        self._ended = threading.Event()
        self.busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name=f"to {output.name}", daemon=True)
        self._thread.start()

    def put(self, frame: AvatarFrame, repeat: bool = False) -> None:
        """Hand over a frame without waiting. A slow output gets only the newest.

        Args:
            frame: what to write.
            repeat: it shows what the last one showed, and replaces nothing that still waits.
        """
        parcel = _Parcel(frame, time.perf_counter())
        if repeat:
            self._box.offer(parcel)
        else:
            self._box.put(parcel)

    @property
    def dropped(self) -> int:
        """How many new frames came before the sink was ready for the one before."""
        return self._box.replaced

    def end(self) -> None:
        """Let the thread write what waits, close the sink and end; does not wait for it."""
        self._ended.set()
        self._box.close()

    def join(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for the end; whether it came."""
        self._thread.join(max(timeout, 0.0))
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            ended = self._ended.is_set()
            parcel = self._box.take(_WAIT)
            if parcel is not None:
                self._deliver(parcel)
            elif ended:
                break
            if self.output.sink is None and not (self._reopens() and self._open_again()):
                break
        self._close()

    def _deliver(self, parcel: _Parcel) -> None:
        sink = self.output.sink
        if sink is None:
            return
        self.busy_since = time.perf_counter()
        try:
            sink.write(parcel.frame)
        except Exception as error:
            self._failed(error)
        else:
            self._written(self.output, parcel.frame, parcel.handed_at)
        finally:
            self.busy_since = None

    def _failed(self, error: Exception) -> None:
        _log.debug("%s failed", self.output.name, exc_info=error)
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        output = self.output
        output.failure = f"The output {output.name} failed ({reason.rstrip('.')})"
        self._close()
        output.gone = not output.retry
        self._notify(f"{output.failure}{'; trying again' if output.retry else ''}.")

    def _reopens(self) -> bool:
        """Wait before the next attempt; whether there is one."""
        return self.output.retry and not self._ended.wait(RETRY)

    def _open_again(self) -> bool:
        """Try until it opens; False if the run ended before."""
        while True:
            try:
                self.output.sink = self.output.open()
            except Exception as error:
                _log.debug("%s cannot be opened again", self.output.name, exc_info=error)
            else:
                break
            if not self._reopens():
                return False
        self.output.failure = ""
        if self._ended.is_set():
            return False
        self._notify(f"The output {self.output.name} is back.")
        return True

    def _close(self) -> None:
        sink, self.output.sink = self.output.sink, None
        if sink is None:
            return
        try:
            sink.close()
        except Exception as error:
            _log.debug("%s did not close well", self.output.name, exc_info=error)
            reason = str(error).rstrip(".")
            self.output.failure = f"The output {self.output.name} did not close well ({reason})"
            self._notify(f"{self.output.failure}.")
