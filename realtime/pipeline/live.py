"""The live loop: capture, tracking, rendering and output, each in its own thread.

Each hands over only its newest result, so that nothing grows stale when a stage is slow. The
output goes at its own steady rate and repeats the last frame when there is no new one; each output
writes in a thread of its own, and what the user is told is printed by the thread that called
`run`. So nothing that stalls (camera, networks, drivers, disks, the terminal) stalls the rest.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from models.errors import UserError
from models.types import Avatar, Image
from realtime.animation.animation import Animation, Followed
from realtime.cameras.base import Camera
from realtime.canvas.compositor import Composer
from realtime.frames import AvatarFrame, CameraFrame
from realtime.mailbox import Mailbox
from realtime.pipeline.alerts import (
    Alerts,
    DelayAlerts,
    OutputAlerts,
    PictureAlerts,
    StageAlerts,
    TurnAlert,
)
from realtime.pipeline.capture import CameraState, Capture, CaptureTools, Stamp
from realtime.pipeline.delay import Delay, DueBox
from realtime.pipeline.output import Output, OutputThread
from realtime.pipeline.output_clock import OutputClock
from realtime.sinks.base import SinkError

_WAIT = 0.2
"""Seconds after which a waiting thread looks whether it should stop: a run ends without a
noticeable wait, and looking so seldom costs nothing."""

_BEHIND = 0.1
"""Seconds for which the next frame is not followed while the last one waits to be drawn: it would
only be replaced, and following it takes computing time from drawing."""

_DRAWING = "Drawing the avatar"
"""What the stage is called, in lines for the user too."""

_POLL = 0.05
"""As `_WAIT`, for the thread that called `run`, which also prints lines and opens recordings."""

_TICK = 0.25
"""Seconds between two looks at the status: more often nobody reads it."""

_ABSENT = 1.0
"""Seconds without a camera frame after which the avatar eases to its neutral pose: longer than a
camera in the dark takes for a frame."""

_EASING = 1 / 30
"""Seconds between two steps toward the neutral pose: as smooth as a camera."""

_PATIENCE_STAGES = 2.0
"""Seconds that are waited at the end for threads that may hang in a driver."""

_PATIENCE_OUTPUTS = 60.0
"""The same for recordings that are being finished: a long one on a slow disk takes a while."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """The state of a run at one moment.

    Attributes:
        camera: its name.
        camera_lost: it gives no pictures and is being opened again.
        backend: the backend's name.
        device: where it computes, and why.
        face_found: the driver's face was in the last frame.
        calibration: how far it is, in words.
        fps: animated frames a second.
        fps_output: frames a second that go out, repeats too.
        latency_p50: added latency in milliseconds; None where not yet known.
        latency_p99: the same, of the slowest frames.
        outputs: where frames go.
        faults: how many there were.
        last_fault: the last of them, in one line.
        seconds: since the start.
        dropped: camera frames that were replaced by newer ones before they were used.
        delay: the latency that was asked for, in milliseconds; None: as little as can be.
        camera_state: how far the camera is: none, opening, open or lost.
        camera_problem: why it is lost, as a sentence; "" while it is not.
        dark: the camera's pictures are black, or too dark for a face.
        turned: degrees clockwise by which the camera's pictures should still be turned for the face
            in them to be upright: 0, 90, 180 or 270.
        reading: whether a program reads an output now; None where no output can tell.
    """

    camera: str
    camera_lost: bool
    backend: str
    device: str
    face_found: bool
    calibration: str
    fps: float
    fps_output: float
    latency_p50: float | None
    latency_p99: float | None
    outputs: tuple[str, ...]
    faults: int
    last_fault: str | None
    seconds: float
    dropped: int = 0
    delay: float | None = None
    camera_state: str = CameraState.NONE.value
    camera_problem: str = ""
    dark: bool = False
    turned: int = 0
    reading: bool | None = None


@dataclass(frozen=True)
class _Posed:
    """A frame that was followed and not yet drawn.

    Attributes:
        followed: what the animation made of it.
        queued: seconds the camera frame waited before it was followed.
        ready_at: when it was followed, seconds of `time.perf_counter()`.
    """

    followed: Followed
    queued: float
    ready_at: float


@dataclass(frozen=True)
class _Rendered:
    """A frame that was drawn, its avatar, and when it may go out (`time.perf_counter()`)."""

    frame: AvatarFrame
    avatar: Avatar
    due: float


class Pipeline:
    """One run from a camera to the outputs; `run` may be called once.

    Attributes:
        animation: turns camera frames into avatar frames.
        times: how long the stages take.
        first_animated: when the first animated frame was written, seconds of
            `time.perf_counter()`; None before that.
    """

    def __init__(
        self,
        open_camera: Callable[[], Camera] | None,
        animation: Animation,
        composer: Composer,
        outputs: Sequence[Output],
        *,
        fps: float = 30.0,
        full_pace: bool = False,
        notify: Callable[[str], None] | None = None,
        last_step: Callable[[AvatarFrame], AvatarFrame] | None = None,
        delay: float | None = None,
        turn: int = 0,
        patient: bool = False,
    ) -> None:
        """Prepare a run; nothing is opened yet.

        Args:
            open_camera: opens the camera, again after it was lost; called in the capture thread.
                None: there is none yet.
            animation: turns camera frames into avatar frames.
            composer: puts them on the canvas.
            outputs: where they go; at least one. Those with a `sink` are open already.
            fps: frames per second of the output.
            full_pace: read the next camera frame when the last one was taken, not before: for
                measuring how fast the path can go.
            notify: called, in the thread that calls `run`, with one line for the user.
            last_step: given every frame that is about to go out, repeats too, and gives back what
                goes out instead; must be quick.
            delay: seconds after its capture at which every frame is to go out; None: at once.
            turn: degrees clockwise by which the camera's pictures are turned.
            patient: a camera that cannot be opened at the start ends nothing; it is tried again.
        """
        if not outputs:
            raise ValueError("a pipeline needs an output")
        self.animation = animation
        self.times = animation.times
        self._composer = composer
        self._outputs = list(outputs)
        self._fps = fps
        self._full_pace = full_pace
        self._notify = notify or (lambda line: None)
        self._last_step = last_step or (lambda frame: frame)
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._asked_to_stop = False
        self._stop = threading.Event()
        self._feeds: list[OutputThread] = []
        self._leaving: list[OutputThread] = []
        self._changing = threading.Lock()  # For `_outputs` and `_feeds`, which are replaced whole.
        alerts = Alerts(self.tell)
        self._pictures, self._stages = PictureAlerts(alerts), StageAlerts(alerts)
        self._output_alerts = OutputAlerts(alerts)
        self._delay = None if delay is None else Delay(delay)
        self._delay_alerts = DelayAlerts(alerts)
        self._turned = TurnAlert(self.tell)
        self._busy: dict[str, float | None] = {}
        self._device = animation.device
        self._captured: Mailbox[CameraFrame] = Mailbox()
        self._followed: Mailbox[_Posed] = Mailbox()
        self._rendered: Mailbox[_Rendered] | DueBox[_Rendered] = (
            Mailbox() if delay is None else DueBox()
        )
        self._error: BaseException | None = None
        self._tools = CaptureTools(
            self._captured,
            self.times,
            self.tell,
            lambda: self._works("The camera"),
            self._fail,
            full_pace,
            patient,
        )
        self._stamp = Stamp(0, turn)
        self._captures: list[Capture] = []
        self._capture: Capture | None = None
        if open_camera is not None:
            self._capture = Capture(open_camera, self._tools, self._stamp)
            self._captures.append(self._capture)
        self._running = False
        self._started = time.perf_counter()
        self.first_animated: float | None = None

    def stop(self) -> None:
        """End the run; safe to call from a signal handler or any thread."""
        # No lock: the handler may have interrupted a thread that holds it.
        self._asked_to_stop = True

    def set_avatar(self, avatar: Avatar) -> None:
        """Show another avatar from the next frame on; at rest while the camera is lost."""
        self.animation.set_avatar(avatar)

    def set_camera(
        self, open_camera: Callable[[], Camera] | None, opened: Camera | None = None
    ) -> None:
        """Take another camera from now on; no frame of the one before is used any more.

        The avatar rests until the calibration with the new one. Callable from any thread.

        Args:
            open_camera: opens it, again after it was lost; None: there is none.
            opened: the camera itself, where it is open already; it belongs to the run now.
        """
        with self._changing:
            before = self._capture
            if before is not None:
                before.end()
            self._stamp = Stamp(self._stamp.take + 1, self._stamp.degrees)
            self._capture = None
            if open_camera is not None and not self._stop.is_set():
                self._capture = capture = Capture(
                    open_camera, self._tools, self._stamp, opened=opened, before=before
                )
                self._captures = [one for one in self._captures if not one.join(0)]
                self._captures.append(capture)
                if self._running:
                    capture.start()
                return
        if opened is not None:
            opened.close()

    def set_turn(self, degrees: int) -> None:
        """Turn the camera's pictures clockwise from now on, and calibrate anew."""
        with self._changing:
            self._stamp = Stamp(self._stamp.take + 1, degrees)
            if self._capture is not None:
                self._capture.stamp = self._stamp

    @property
    def capture(self) -> Capture | None:
        """What reads the camera; only for looking at."""
        return self._capture

    @property
    def outputs(self) -> Sequence[Output]:
        """The places for frames that there are now; only for looking at."""
        return self._outputs

    @property
    def fps(self) -> float:
        """Frames per second of the output."""
        return self._fps

    @fps.setter
    def fps(self, fps: float) -> None:
        self._fps = fps

    def run(self, seconds: float | None = None, tick: Callable[[], None] | None = None) -> None:
        """Run until `stop` is called or `seconds` are over, then close everything.

        Args:
            seconds: how long to run, counted from when the camera opened; None for no limit.
            tick: called about four times a second in this thread, for the status line.

        Raises:
            UserError: the camera or an output cannot be opened at the start, the camera does not
                open within `seconds`, every output has failed, or a recording is incomplete.
        """
        threads = [
            threading.Thread(target=self._guard, args=(work,), name=work.__name__, daemon=True)
            for work in (self._follow, self._draw, self._output)
        ]
        late: UserError | None = None
        ticked = -_TICK
        try:
            self._feed([output for output in self._outputs if output.retry])
            later = [output for output in self._outputs if not output.retry]
            self._started = time.perf_counter()
            for thread in threads:
                thread.start()
            self._start_capture()
            while not self._asked_to_stop and not self._stop.is_set():
                left = _POLL
                if seconds is not None:
                    begun = self._opened_at() or self._started
                    left = min(left, begun + seconds - time.perf_counter())
                if left <= 0:
                    if self._opened_at() is None and not self._tools.patient:
                        late = UserError(
                            f"The camera did not open within {seconds:g} seconds; give the run "
                            "more time or choose another camera."
                        )
                    break
                self._stop.wait(left)
                # A recording starts when the camera has opened.
                if later and self._opened_at() is not None:
                    self._feed([output for output in later if output in self._outputs])
                    later = []
                self._look()
                self._print_lines()
                now = time.perf_counter()
                if tick is not None and now - ticked >= _TICK:
                    ticked = now
                    with suppress(OSError):  # A terminal that was closed ends nothing.
                        tick()
                if self._outputs and all(output.gone for output in self._outputs):
                    break
        finally:
            self._finish([thread for thread in threads if thread.ident is not None])
        error = self._error or late or self._incomplete()
        if error is not None:
            raise error

    def status(self) -> Status:
        """How the run is doing; callable from any thread."""
        latency, written = self.times["latency"], self.times["output"]
        p50, p99 = latency.recent(50), latency.recent(99)
        camera = self._capture
        state = CameraState.NONE if camera is None else camera.state
        gives = state is CameraState.OPEN
        known = [watched for feed in self._feeds if (watched := feed.output.watched) is not None]
        return Status(
            camera="none" if camera is None else camera.name,
            camera_lost=state is CameraState.LOST,
            backend=self.animation.backend,
            device=self.animation.device,
            face_found=self.animation.face_found and gives,
            calibration=self.animation.calibration_state.value,
            fps=latency.rate(),
            fps_output=written.rate(),
            latency_p50=None if p50 is None else p50 * 1e3,
            latency_p99=None if p99 is None else p99 * 1e3,
            outputs=tuple(output.name for output in self._outputs if output.sink is not None),
            faults=self.animation.faults,
            last_fault=self.animation.last_fault,
            seconds=time.perf_counter() - self._started,
            dropped=self._captured.replaced + self._followed.replaced + self._rendered.replaced,
            delay=None if self._delay is None else self._delay.seconds * 1e3,
            camera_state=state.value,
            camera_problem="" if camera is None else camera.problem,
            dark=self._pictures.dark and gives,
            turned=self.animation.turn if gives and self.animation.face_found else 0,
            reading=any(known) if known else None,
        )

    def add_output(self, output: Output) -> None:
        """Open one more place for frames in mid-run; callable from any thread.

        Raises:
            UserError: it cannot be opened, or the run is over.
        """
        output.open_now()
        with self._changing:
            if not self._stop.is_set():
                self._outputs = [*self._outputs, output]
                self._feeds = [*self._feeds, OutputThread(output, self.tell, self._written)]
                return
        if output.sink is not None:
            output.sink.close()
        raise UserError("The run is over; start the program again.")

    def remove_output(self, output: Output) -> None:
        """Close one place for frames; the run goes on, even with none left.

        Waits a moment for it; what takes longer is waited for at the end of the run.
        """
        with self._changing:
            ended = [feed for feed in self._feeds if feed.output is output]
            self._feeds = [feed for feed in self._feeds if feed.output is not output]
            self._outputs = [other for other in self._outputs if other is not output]
        for feed in ended:
            feed.end()
            if not feed.join(_PATIENCE_STAGES):
                # Whoever asked has other things to do, such as hiding the picture.
                self._leaving.append(feed)
                self.tell(f"The output {output.name} is still being closed.")

    def _feed(self, outputs: Sequence[Output]) -> None:
        """Open outputs and start feeding them."""
        for output in outputs:
            output.open_now()
            with self._changing:
                self._feeds = [*self._feeds, OutputThread(output, self.tell, self._written)]

    def _start_capture(self) -> None:
        with self._changing:
            self._running = True
            if self._capture is not None:
                self._capture.start()

    def _opened_at(self) -> float | None:
        """When a camera was opened first; from the start where none is chosen."""
        camera = self._capture
        return self._started if camera is None else camera.opened_at

    def _fail(self, error: BaseException) -> None:
        """End the run with an error, which `run` raises."""
        self._error = self._error or error
        self._stop.set()

    def _finish(self, threads: list[threading.Thread]) -> None:
        with self._changing:
            self._stop.set()
            for capture in self._captures:
                capture.end()
        for box in (self._captured, self._followed, self._rendered):
            box.close()
        until = time.perf_counter() + _PATIENCE_STAGES
        for thread in threads:
            # A camera driver may hang in `read`; nobody waits for it longer than this.
            thread.join(max(0.0, until - time.perf_counter()))
        for capture in self._captures:
            capture.join(until - time.perf_counter())
        fed = {id(feed.output) for feed in self._feeds}
        for feed in self._feeds:
            feed.end()
        for output in self._outputs:
            if id(output) not in fed and output.sink is not None:
                try:
                    output.sink.close()
                except Exception as error:  # What kept the run from starting is raised.
                    _log.debug("%s did not close well", output.name, exc_info=error)
        until = time.perf_counter() + _PATIENCE_OUTPUTS
        for feed in [*self._feeds, *self._leaving]:
            patience = until - time.perf_counter()
            if not feed.join(min(patience, _PATIENCE_STAGES) if feed.output.retry else patience):
                # It must not be closed under its driver's feet: its thread does so if it returns.
                feed.output.failure = f"The output {feed.output.name} hangs and was left as it is"
                self.tell(f"{feed.output.failure}.")
        self._print_lines()

    def _look(self) -> None:
        """Tell the user about what the stages have met."""
        animation = self.animation
        now = time.perf_counter()
        self._stages.look(now, animation.faults, animation.last_fault, dict(self._busy))
        fed = {feed.output.name: (feed.busy_since, feed.dropped) for feed in self._feeds}
        self._output_alerts.look(now, fed)
        if self._delay is not None:
            self._delay_alerts.look(now, self._delay.seconds, self.times["latency"])
        if animation.device != self._device:
            self._device = animation.device
            self.tell(f"The avatar is now computed on {self._device}.")

    def _incomplete(self) -> SinkError | None:
        """What is to be said about outputs that failed for good."""
        if self._outputs and all(output.gone for output in self._outputs):
            reasons = "; ".join(output.failure for output in self._outputs)
            return SinkError(f"{reasons}; no output is left.")
        lost = [output.failure for output in self._outputs if not output.retry and output.failure]
        return SinkError(f"{'; '.join(lost)}.") if lost else None

    def tell(self, line: str) -> None:
        """Have a line told to the user by `notify`; never waits, callable from any thread."""
        self._lines.put(line)

    def _print_lines(self) -> None:
        while not self._lines.empty():
            line = self._lines.get()
            _log.info("%s", line)
            with suppress(OSError):
                self._notify(line)

    def _guard(self, work: Callable[[], None]) -> None:
        """Run a thread's work; what it raises ends the run and is raised by `run`."""
        try:
            work()
        except BaseException as error:
            self._fail(error)

    @contextmanager
    def _works(self, stage: str) -> Iterator[None]:
        """Let the user be told when the body of the `with` hangs."""
        self._busy[stage] = time.perf_counter()
        try:
            yield
        finally:
            self._busy[stage] = None

    def _follow(self) -> None:
        self.animation.warm_up()
        heard, easing = time.perf_counter(), False
        take = self._stamp.take
        while not self._stop.is_set():
            self._followed.wait_empty(_BEHIND)
            captured = self._captured.take(_EASING if easing else _WAIT)
            now = time.perf_counter()
            if take != self._stamp.take:
                take = self._stamp.take
                self.animation.start_over()
                self._turned.start_over()
            if captured is None or captured.take != take:
                if now - heard >= _ABSENT:
                    rest = self.animation.idle(now)
                    easing = rest is not None
                    if rest is not None:
                        self._followed.put(_Posed(rest, 0.0, now))
                continue
            heard, easing = now, False
            with self._works("Following the face"):
                followed = self.animation.follow(captured)
            self._followed.put(_Posed(followed, now - captured.captured_at, time.perf_counter()))
            if not self._full_pace:
                self._pictures.look(captured, now, self.animation.face_found)
                turn = self.animation.turn if self.animation.face_found else 0
                self._turned.look(now, turn, captured.turned)

    def _draw(self) -> None:
        while not self._stop.is_set():
            posed = self._followed.take(_WAIT)
            if posed is None:
                continue
            self.times.add("queue", posed.queued + time.perf_counter() - posed.ready_at)
            with self._works(_DRAWING):
                frame = self.animation.draw(posed.followed)
            avatar = posed.followed.scene.avatar
            due = time.perf_counter()
            if self._delay is not None:
                due = self._delay.due(frame.captured_at, due)
            self._rendered.put(_Rendered(frame, avatar, due))

    def _comes(self, until: float) -> bool:
        """Whether a new frame is worth waiting for: it is being drawn, or due before `until`."""
        if isinstance(self._rendered, DueBox):
            return self._rendered.comes(until)
        return self._busy.get(_DRAWING) is not None or self._followed.full

    def _output(self) -> None:
        avatar = self.animation.avatar
        self._composer.set_avatar(avatar.still, avatar.focus)
        drawn, look = self.animation.still(), self._composer.look
        current = self._composer.compose(drawn)
        clock, fps = OutputClock(self._fps, time.perf_counter()), self._fps
        sent: Image | None = None
        while not self._stop.is_set():
            if fps != self._fps:
                clock, fps = OutputClock(self._fps, time.perf_counter()), self._fps
            self._stop.wait(max(0.0, clock.opens - time.perf_counter()))
            item = self._rendered.take(max(0.0, clock.closes() - time.perf_counter()))
            if item is None and self._comes(clock.closes(True)):
                item = self._rendered.take(max(0.0, clock.closes(True) - time.perf_counter()))
            taken = time.perf_counter()
            if self._stop.is_set():
                break
            composed = current
            if item is not None:
                self.times.add("wait", taken - item.due)
                drawn = item.frame
            if item is not None or look is not self._composer.look:
                look = self._composer.look
                try:
                    with self.times.measure("composite"):
                        if item is not None and item.avatar is not avatar:
                            self._composer.set_avatar(item.avatar.still, item.avatar.focus)
                            avatar = item.avatar
                        composed = self._composer.compose(drawn)
                except Exception as fault:
                    self.animation.count_fault(fault)
                else:
                    current = replace(composed, captured_at=None)
                    composed = composed if item is not None else current
            out = composed
            try:
                out = self._last_step(composed)
            except Exception as fault:
                self.animation.count_fault(fault)
            height, width = out.image.shape[:2]
            for feed in self._feeds:
                # An output of another size is of a canvas that comes or goes just now.
                if feed.output.size in (None, (width, height)):
                    # What was hidden in the meantime must not wait in a slow output.
                    feed.put(out, repeat=out.captured_at is None and out.image is sent)
            sent = out.image
            now = time.perf_counter()
            clock.served(now, None if item is None else taken - item.due)

    def _written(self, output: Output, frame: AvatarFrame, handed_at: float) -> None:
        """A frame went out: the first output that works is the one that is measured."""
        first = next((one for one in self._outputs if one.sink is not None), None)
        if output is not first:
            return
        now = time.perf_counter()
        self.times["output"].add(now - handed_at, now)
        if frame.captured_at is not None:
            self.times["latency"].add(now - frame.captured_at, now)
            if self._delay is not None:
                self._delay.went_out(now - frame.captured_at)
            self.first_animated = self.first_animated or now
