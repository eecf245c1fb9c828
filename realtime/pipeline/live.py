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
from dataclasses import dataclass, field, replace

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

_BACKOFF = (0.25, 0.5, 1.0)
"""Seconds before a lost camera is opened again, the first, the second and every later time: one
that starts anew is back soon, one that is unplugged is not worth more."""

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


@dataclass
class _Camera:
    """What the capture thread tells the others.

    Attributes:
        name: of the camera.
        lost: it gives no pictures.
        attempt: how often it was lost or not opened since the last frame.
        device: the camera itself, while it is open.
        error: why it could not be opened at the start.
        opened_at: when it was opened first, seconds of `time.perf_counter()`.
        opened: set from then on.
    """

    name: str = "opening"
    lost: bool = False
    attempt: int = 0
    device: Camera | None = None
    error: UserError | None = None
    opened_at: float | None = None
    opened: threading.Event = field(default_factory=threading.Event)


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
        open_camera: Callable[[], Camera],
        animation: Animation,
        composer: Composer,
        outputs: Sequence[Output],
        *,
        fps: float = 30.0,
        full_pace: bool = False,
        notify: Callable[[str], None] | None = None,
        last_step: Callable[[AvatarFrame], AvatarFrame] | None = None,
        delay: float | None = None,
    ) -> None:
        """Prepare a run; nothing is opened yet.

        Args:
            open_camera: opens the camera, again after it was lost; called in the capture thread.
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
        """
        if not outputs:
            raise ValueError("a pipeline needs an output")
        self.animation = animation
        self.times = animation.times
        self._open_camera = open_camera
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
        self._camera = _Camera()
        self._captured: Mailbox[CameraFrame] = Mailbox()
        self._followed: Mailbox[_Posed] = Mailbox()
        self._rendered: Mailbox[_Rendered] | DueBox[_Rendered] = (
            Mailbox() if delay is None else DueBox()
        )
        self._error: BaseException | None = None
        self._started = time.perf_counter()
        self.first_animated: float | None = None

    def stop(self) -> None:
        """End the run; safe to call from a signal handler or any thread."""
        # No lock: the handler may have interrupted a thread that holds it.
        self._asked_to_stop = True

    def set_avatar(self, avatar: Avatar) -> None:
        """Show another avatar from the next frame on; at rest while the camera is lost."""
        self.animation.set_avatar(avatar)

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
            for work in (self._capture, self._follow, self._draw, self._output)
        ]
        late: UserError | None = None
        ticked = -_TICK
        try:
            self._feed([output for output in self._outputs if output.retry])
            later = [output for output in self._outputs if not output.retry]
            self._started = time.perf_counter()
            for thread in threads:
                thread.start()
            while not self._asked_to_stop and not self._stop.is_set():
                left = _POLL
                if seconds is not None:
                    begun = self._camera.opened_at or self._started
                    left = min(left, begun + seconds - time.perf_counter())
                if left <= 0:
                    if self._camera.opened_at is None:
                        late = UserError(
                            f"The camera did not open within {seconds:g} seconds; give the run "
                            "more time or choose another camera."
                        )
                    break
                self._stop.wait(left)
                # A recording starts when the camera has opened.
                if later and self._camera.opened.is_set():
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
        error = self._camera.error or self._error or late or self._incomplete()
        if error is not None:
            raise error

    def status(self) -> Status:
        """How the run is doing; callable from any thread."""
        latency, written = self.times["latency"], self.times["output"]
        p50, p99 = latency.recent(50), latency.recent(99)
        return Status(
            camera=self._camera.name,
            camera_lost=self._camera.lost,
            backend=self.animation.backend,
            device=self.animation.device,
            face_found=self.animation.face_found and not self._camera.lost,
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

    def _finish(self, threads: list[threading.Thread]) -> None:
        with self._changing:
            self._stop.set()
        for box in (self._captured, self._followed, self._rendered):
            box.close()
        until = time.perf_counter() + _PATIENCE_STAGES
        for thread in threads:
            # A camera driver may hang in `read`; nobody waits for it longer than this.
            thread.join(max(0.0, until - time.perf_counter()))
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
            self._error = error
            self._stop.set()

    def _capture(self) -> None:
        while not self._stop.is_set():
            try:
                with self._open_camera() as camera:
                    if self._camera.lost:
                        self.tell(f"The camera is back: {camera.name}.")
                    self._camera.name, self._camera.lost = camera.name, False
                    self._camera.opened_at = self._camera.opened_at or time.perf_counter()
                    self._camera.opened.set()
                    self._read(camera)
            except UserError as error:
                _log.debug("the camera is lost", exc_info=error)
                if not self._camera.opened.is_set():
                    self._camera.error = error
                    self._stop.set()
                    return
                self._lost(str(error))
            except Exception as error:
                if not self._camera.opened.is_set():
                    raise
                _log.debug("the camera failed", exc_info=error)
                self._lost(f"The camera failed ({type(error).__name__}: {error}).")
            self._stop.wait(_BACKOFF[min(self._camera.attempt, len(_BACKOFF) - 1)])
            self._camera.attempt += 1

    def _read(self, camera: Camera) -> None:
        while not self._stop.is_set():
            asked = time.perf_counter()
            with self._works("The camera"):
                frame = camera.read()
            self._camera.attempt = 0
            # A paced camera mostly waits; what counts is the time since the picture was taken.
            since = asked if self._full_pace else frame.captured_at
            self.times.add("capture", time.perf_counter() - since)
            self._captured.put(frame)
            while self._full_pace and not self._stop.is_set():
                if self._captured.wait_empty(_WAIT):
                    break

    def _lost(self, why: str) -> None:
        if not self._camera.lost:
            self._camera.lost = True
            self.tell(f"{why} The avatar rests; trying to open it again.")

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
        while not self._stop.is_set():
            self._followed.wait_empty(_BEHIND)
            captured = self._captured.take(_EASING if easing else _WAIT)
            now = time.perf_counter()
            if captured is None:
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
        current = self._composer.compose(self.animation.still())
        clock = OutputClock(self._fps, time.perf_counter())
        sent: Image | None = None
        while not self._stop.is_set():
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
                try:
                    with self.times.measure("composite"):
                        if item.avatar is not avatar:
                            self._composer.set_avatar(item.avatar.still, item.avatar.focus)
                            avatar = item.avatar
                        composed = self._composer.compose(item.frame)
                except Exception as fault:
                    self.animation.count_fault(fault)
                else:
                    current = replace(composed, captured_at=None)
            out = composed
            try:
                out = self._last_step(composed)
            except Exception as fault:
                self.animation.count_fault(fault)
            for feed in self._feeds:
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
