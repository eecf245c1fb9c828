from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.types import Image
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.commands.status_line import describe, summary
from realtime.frames import AvatarFrame
from realtime.latency import Series
from realtime.mailbox import Mailbox
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.pipeline.output_clock import OutputClock
from realtime.sinks.base import SinkError
from scripts.rigs.fakes import (
    FakeAnimator,
    FakeCamera,
    FakeSink,
    FakeTracker,
    PlainComposer,
    avatar,
    face,
    shows_camera,
)


class Rig:
    """A pipeline of fakes; `run` ends when the first sink has had `enough` frames."""

    def __init__(
        self, camera: Any = None, outputs: list[Output] | None = None, **more: Any
    ) -> None:
        self.sink = FakeSink(enough_at=40)
        self.notes: list[str] = []
        self.animator = FakeAnimator()
        self.composer = PlainComposer()
        self.animation = Animation(
            self.animator,
            FakeTracker(lambda index: face((index % 50, 0.0))),
            avatar(),
            calibration=Calibration(patience=0.1),
        )
        self.pipeline = Pipeline(
            camera or FakeCamera,
            self.animation,
            self.composer,
            outputs if outputs is not None else [Output(lambda: self.sink, retry=True)],
            fps=120,
            notify=self.notes.append,
            **more,
        )

    def run(
        self,
        until: threading.Event | None = None,
        seconds: float | None = None,
        tick: Callable[[], None] | None = None,
    ) -> None:
        event = until or self.sink.enough

        def wait() -> None:
            event.wait(20)
            self.pipeline.stop()

        if seconds is None:
            threading.Thread(target=wait, daemon=True).start()
        self.pipeline.run(seconds, tick)


def test_a_face_ends_as_avatar_frames_only() -> None:
    rig = Rig()
    rig.run()
    assert rig.sink.closed
    assert not rig.sink.frames[0].live, "the still goes out first"
    assert any(frame.live for frame in rig.sink.frames)
    assert not any(shows_camera(frame.image) for frame in rig.sink.frames)
    status = rig.pipeline.status()
    assert status.camera == "fake camera" and status.face_found
    assert rig.pipeline.times["latency"].count > 0
    assert rig.pipeline.first_animated is not None
    for stage in ("capture", "track", "motion", "render", "composite", "output"):
        assert rig.pipeline.times[stage].count > 0, stage


def test_a_repeated_frame_is_not_counted_as_new() -> None:
    rig = Rig(camera=lambda: FakeCamera(pause=0.05))
    rig.run()
    new = [frame for frame in rig.sink.frames if frame.captured_at is not None]
    assert 0 < len(new) < len(rig.sink.frames) / 2
    assert rig.pipeline.times["latency"].count == len(new)
    assert len({frame.captured_at for frame in new}) == len(new)


def test_seconds_end_the_run() -> None:
    rig = Rig()
    rig.run(seconds=0.2)
    assert rig.sink.closed and rig.sink.frames


def test_the_seconds_count_from_when_the_camera_opened() -> None:
    opened: list[float] = []

    def open_camera() -> FakeCamera:
        time.sleep(0.4)
        opened.append(time.perf_counter())
        return FakeCamera()

    rig = Rig(camera=open_camera)
    rig.run(seconds=0.6)
    assert time.perf_counter() - opened[0] >= 0.6


def test_a_camera_that_does_not_open_in_time_is_an_error() -> None:
    give_up = threading.Event()

    def open_camera() -> FakeCamera:
        give_up.wait(20)
        return FakeCamera()

    rig = Rig(camera=open_camera)
    with pytest.raises(UserError, match="did not open within 0.1 seconds"):
        rig.run(seconds=0.1)
    give_up.set()
    assert rig.sink.closed


def test_a_camera_that_dies_is_opened_again_and_the_avatar_stays() -> None:
    cameras: list[FakeCamera] = []
    back = threading.Event()

    def open_camera() -> FakeCamera:
        cameras.append(FakeCamera(frames=20 if len(cameras) == 0 else None))
        if len(cameras) == 2:
            raise UserError("There is no camera.")
        if len(cameras) == 3:
            threading.Timer(0.1, back.set).start()
        return cameras[-1]

    rig = Rig(camera=open_camera)
    rig.run(until=back)
    assert len(cameras) == 3 and cameras[0].closed
    assert len(rig.notes) == 2
    assert "unplugged" in rig.notes[0] and "back" in rig.notes[1]
    assert not any(shows_camera(frame.image) for frame in rig.sink.frames)


def test_a_camera_that_gave_frames_is_soon_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.pipeline.capture._BACKOFF", (0.01, 60.0))
    opened: list[bool] = []
    fourth = threading.Event()

    def open_camera() -> FakeCamera:
        opened.append(True)
        if len(opened) == 4:
            fourth.set()
        return FakeCamera(frames=3)

    rig = Rig(camera=open_camera)
    rig.run(until=fourth)
    assert len(opened) >= 4


def test_while_the_camera_is_lost_no_face_is_found() -> None:
    lost = threading.Event()
    rig = Rig(camera=lambda: FakeCamera(frames=20))
    rig.pipeline._notify = lambda line: lost.set()
    rig.run(until=lost)
    rig.animation.face_found = True  # As the last frame before said.
    status = rig.pipeline.status()
    assert status.camera_lost and not status.face_found


def test_no_camera_at_the_start_is_an_error() -> None:
    def open_camera() -> FakeCamera:
        raise UserError("There is no camera.")

    rig = Rig(camera=open_camera)
    with pytest.raises(UserError, match="There is no camera"):
        rig.run()
    assert rig.sink.closed


def test_a_recording_is_opened_when_the_camera_is() -> None:
    events: list[str] = []
    record = FakeSink("out.mp4", enough_at=10)

    def open_camera() -> FakeCamera:
        time.sleep(0.2)
        events.append("camera")
        return FakeCamera()

    def open_record() -> FakeSink:
        events.append("recording")
        return record

    rig = Rig(camera=open_camera, outputs=[Output(open_record)])
    rig.run(until=record.enough)
    assert events == ["camera", "recording"]
    assert len(record.frames) >= 10 and record.closed


def test_without_a_camera_no_recording_is_opened() -> None:
    def open_camera() -> FakeCamera:
        raise UserError("There is no camera.")

    opened: list[bool] = []

    def open_record() -> FakeSink:
        opened.append(True)
        return FakeSink()

    rig = Rig(camera=open_camera, outputs=[Output(open_record)])
    with pytest.raises(UserError, match="There is no camera"):
        rig.run()
    assert not opened


def test_a_recording_that_fails_does_not_end_the_run() -> None:
    good, full = FakeSink(enough_at=80), FakeSink("disk", fails_after=5)
    rig = Rig(outputs=[Output(lambda: good, retry=True), Output(lambda: full)])
    with pytest.raises(SinkError, match="disk is full"):  # At the end: the recording lacks frames.
        rig.run(until=good.enough)
    assert len(full.frames) == 5 and full.closed and len(good.frames) >= 80
    assert len(rig.notes) == 1 and "disk" in rig.notes[0]
    assert rig.pipeline.status().outputs == () and good.closed


def test_a_virtual_camera_comes_back_while_the_recording_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.pipeline.output.RETRY", 0.05)
    record = FakeSink("out.mp4")
    sinks = [FakeSink("camera 1", fails_after=3), FakeSink("camera 2", enough_at=60)]
    opened: list[FakeSink] = []

    def open_sink() -> FakeSink:
        opened.append(sinks[len(opened)])
        return opened[-1]

    rig = Rig(outputs=[Output(open_sink, retry=True), Output(lambda: record)])
    rig.run(until=sinks[1].enough)
    assert len(opened) == 2 and sinks[0].closed
    assert len(rig.notes) == 2 and "back" in rig.notes[1]
    assert len(record.frames) > 12


class HangingSink(FakeSink):
    """Hangs in the second `write` until `free` is set."""

    def __init__(self, fails: bool) -> None:
        super().__init__("hanging", fails_after=1 if fails else None)
        self.hangs, self.free = threading.Event(), threading.Event()
        self.closed_while_writing = False

    def write(self, frame: AvatarFrame) -> None:
        if self.frames:
            self.hangs.set()
            self.free.wait(20)
            self.closed_while_writing = self.closed
        super().write(frame)


def thread(name: str) -> threading.Thread:
    return next(thread for thread in threading.enumerate() if thread.name == name)


@pytest.mark.parametrize("fails", [False, True])
def test_a_sink_that_hangs_is_closed_only_when_it_comes_back(
    fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.pipeline.live._PATIENCE_STAGES", 0.2)
    hanging, other = HangingSink(fails), FakeSink("other")
    outputs = [Output(lambda: hanging, retry=True), Output(lambda: other, retry=True)]
    rig = Rig(outputs=outputs)
    rig.run(until=hanging.hangs)
    assert other.closed and not hanging.closed
    assert rig.notes == ["The output hanging hangs and was left as it is."]
    feed = thread("to hanging")
    hanging.free.set()
    feed.join(20)
    assert hanging.closed and not hanging.closed_while_writing


def test_a_sink_that_hangs_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.pipeline.live._PATIENCE_STAGES", 0.2)
    hanging, record = HangingSink(False), FakeSink("out.mp4", enough_at=40)
    rig = Rig(outputs=[Output(lambda: hanging, retry=True), Output(lambda: record)])
    rig.run(until=record.enough)
    assert hanging.hangs.is_set() and len(hanging.frames) == 1
    assert len(record.frames) >= 40 and record.closed
    hanging.free.set()


def test_an_output_that_is_slow_to_close_is_waited_for_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.pipeline.live._PATIENCE_STAGES", 0.1)
    may_end = threading.Event()

    class Slow(FakeSink):
        def close(self) -> None:
            assert may_end.wait(20)
            super().close()

    slow = Slow("out.mp4", enough_at=5)
    output = Output(lambda: slow)
    rig = Rig(outputs=[Output(lambda: rig.sink, retry=True), output])

    def stop_recording() -> None:
        slow.enough.wait(20)
        rig.pipeline.remove_output(output)
        assert not slow.closed
        threading.Timer(0.3, may_end.set).start()
        rig.pipeline.stop()

    threading.Thread(target=stop_recording, daemon=True).start()
    rig.pipeline.run()
    assert slow.closed and rig.notes == ["The output out.mp4 is still being closed."]


def test_a_user_interface_that_hangs_does_not_hold_up_the_output() -> None:
    full, good = FakeSink("disk", fails_after=3), FakeSink(enough_at=60)
    rig = Rig(outputs=[Output(lambda: full), Output(lambda: good, retry=True)])

    # A terminal held by Ctrl-S: the run says that the disk is full, and that line does not return.
    def hold(line: str) -> None:
        good.enough.wait(20)

    rig.pipeline._notify = hold
    with pytest.raises(SinkError, match="disk"):
        rig.run(until=good.enough)
    assert len(good.frames) >= 60


def test_a_terminal_that_is_gone_does_not_end_the_run() -> None:
    rig = Rig()

    def broken(*words: str) -> None:
        raise BrokenPipeError

    rig.pipeline._notify = broken
    rig.pipeline.tell("one line")
    rig.run(tick=broken)
    assert len(rig.sink.frames) >= 40 and rig.sink.closed


def test_a_recording_that_is_not_finished_is_an_error() -> None:
    class Unfinished(FakeSink):
        def close(self) -> None:
            super().close()
            raise SinkError("The recording stopped: the disk is full.")

    record = Unfinished("out.mp4", enough_at=20)
    rig = Rig(outputs=[Output(lambda: record)])
    with pytest.raises(SinkError, match="did not close well.*disk is full"):
        rig.run(until=record.enough)


def test_when_every_output_is_gone_the_run_ends_with_an_error() -> None:
    only = FakeSink("out.mp4", fails_after=3)
    rig = Rig(outputs=[Output(lambda: only)])
    with pytest.raises(SinkError, match="out.mp4"):
        rig.pipeline.run()
    assert only.closed


def test_the_only_output_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.pipeline.output.RETRY", 0.05)
    sinks = [FakeSink("camera 1", fails_after=3), FakeSink("camera 2", enough_at=10)]
    opened: list[FakeSink] = []

    def open_sink() -> FakeSink:
        opened.append(sinks[len(opened)])
        return opened[-1]

    rig = Rig(outputs=[Output(open_sink, retry=True)])
    rig.run(until=sinks[1].enough)
    assert len(sinks[1].frames) >= 10 and sinks[1].closed


def test_a_virtual_camera_that_opens_slowly_does_not_hold_up_the_recording(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.pipeline.output.RETRY", 0.01)
    monkeypatch.setattr("realtime.pipeline.live._PATIENCE_STAGES", 0.2)
    record = FakeSink("out.mp4", enough_at=40)
    first, late = FakeSink("camera 1", fails_after=1), FakeSink("camera 2")
    opening, done = threading.Event(), threading.Event()

    def open_sink() -> FakeSink:
        if not first.closed:
            return first
        assert not opening.is_set(), "one at a time"
        opening.set()
        done.wait(20)
        return late

    rig = Rig(outputs=[Output(open_sink, retry=True), Output(lambda: record)])
    rig.run(until=record.enough)
    assert opening.is_set() and not done.is_set()
    feed = thread("to camera 1")
    done.set()
    feed.join(20)
    assert late.closed and not late.frames, "what opens after the end is closed at once"


def test_an_output_that_cannot_be_opened_closes_the_others() -> None:
    first = FakeSink()

    def broken() -> FakeSink:
        raise SinkError("There is no virtual camera.")

    rig = Rig(outputs=[Output(lambda: first), Output(broken)])
    with pytest.raises(SinkError, match="no virtual camera"):
        rig.pipeline.run()
    assert first.closed


def test_a_broken_canvas_keeps_the_last_frame() -> None:
    rig = Rig()
    rig.composer.fails = True
    rig.run()
    assert not any(frame.live for frame in rig.sink.frames)
    assert rig.animation.faults > 0


def test_another_avatar_reaches_the_canvas() -> None:
    rig = Rig()
    other = avatar(200)
    threading.Timer(0.1, rig.pipeline.set_avatar, [other]).start()
    rig.run()
    assert [int(still[0, 0, 0]) for still in rig.composer.stills] == [40, 200]


def test_another_avatar_is_shown_while_the_camera_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("realtime.pipeline.capture._BACKOFF", (60.0,))
    monkeypatch.setattr("realtime.pipeline.live._WAIT", 0.02)
    rig = Rig(camera=lambda: FakeCamera(frames=20))
    others = [avatar(200), avatar(220)]
    shown = threading.Event()
    compose = rig.composer.set_avatar

    def choose(line: str) -> None:
        # Later than the frames that are still on their way.
        threading.Timer(0.3, rig.pipeline.set_avatar, [others[0]]).start()

    def follow(still: Image, focus: tuple[float, float]) -> None:
        compose(still, focus)
        if still is others[0].still:
            rig.pipeline.set_avatar(others[1])
        elif still is others[1].still:
            threading.Timer(0.1, shown.set).start()

    monkeypatch.setattr(rig.composer, "set_avatar", follow)
    rig.pipeline._notify = choose
    rig.run(until=shown)
    assert [int(still[0, 0, 0]) for still in rig.composer.stills] == [40, 200, 220]
    assert rig.sink.frames[-1].image is others[1].still


def test_at_full_pace_no_camera_frame_is_dropped() -> None:
    rig = Rig(camera=lambda: FakeCamera(frames=None, pause=0.0), full_pace=True)
    rig.run()
    assert rig.pipeline._captured.replaced <= 1


def test_the_mailbox_hands_over_only_the_newest() -> None:
    box: Mailbox[int] = Mailbox()
    for item in (1, 2, 3):
        box.put(item)
    assert box.take(0) == 3 and box.replaced == 2
    assert box.take(0.01) is None
    assert box.wait_empty(0)
    threading.Timer(0.02, box.put, [4]).start()
    assert box.take(5) == 4
    threading.Timer(0.02, box.close).start()
    assert box.take(60) is None


def serve(fps: float, camera_fps: float, phase: float, seconds: float) -> tuple[int, list[float]]:
    """Play a camera against the clock: how many frames went out, and how long the new ones waited.

    Frames are ready at `phase` + i / `camera_fps`; writing takes no time.
    """
    pace, now, index, written = OutputClock(fps, 0.0), 0.0, 0, 0
    waits: list[float] = []
    while now < seconds:
        now = max(now, pace.opens)
        newest = math.floor((now - phase) * camera_fps)
        waited = None
        if newest >= index:
            index = newest
        ready = phase + index / camera_fps
        now = max(now, min(ready, pace.closes()))
        if ready <= now:
            waited, index = now - ready, index + 1
            waits.append(waited)
        pace.served(now, waited)
        written += 1
    return written, waits


@pytest.mark.parametrize("phase", [0.0, 0.01, 0.02, 0.032])
@pytest.mark.parametrize("camera_fps", [15.0, 25.0, 30.0, 60.0])
def test_the_output_keeps_its_rate_and_frames_hardly_wait(camera_fps: float, phase: float) -> None:
    written, waits = serve(30, camera_fps, phase, 60)
    assert abs(written - 1800) <= 8
    late = waits[len(waits) // 6 :]
    assert np.median(late) < 0.005
    assert len(waits) >= 60 * min(30, camera_fps) - 3


def play(ready: list[float], drawing: float) -> tuple[list[float], int, int]:
    """Put out frames that become ready at these times, each drawn for `drawing` seconds before.

    Returns:
        How long each waited, how many were lost, and how many repeats went out.
    """
    pace, waits, lost, repeats = OutputClock(30, 0.0), [], 0, 0
    now, index = 0.0, 0
    while index < len(ready):
        now = max(now, pace.opens)
        while index + 1 < len(ready) and ready[index + 1] <= now:
            index, lost = index + 1, lost + 1
        now = max(now, min(ready[index], pace.closes()))
        if ready[index] - drawing <= now < ready[index]:
            now = max(now, min(ready[index], pace.closes(True)))
        if ready[index] <= now:
            waits.append(now - ready[index])
            pace.served(now, waits[-1])
            index += 1
        else:
            repeats += 1
            pace.served(now, None)
    return waits, lost, repeats


@pytest.mark.parametrize("phase", [0.005, 0.015])
@pytest.mark.parametrize("drawing", [0.0, 0.02])
def test_one_late_frame_delays_no_others(drawing: float, phase: float) -> None:
    """30 frames a second, ready this late in their slots, but the thirtieth 1.36 slots."""
    ready = [i / 30 + phase + (1.36 / 30 - phase if i == 30 else 0) for i in range(60)]
    ready[31] = max(ready[31], ready[30] + 0.015)
    waits, lost, repeats = play(ready, drawing)
    if drawing:
        assert max(waits) == pytest.approx(0, abs=1e-9)
        assert (lost, repeats) == (0, 0)
    else:
        assert repeats == 1 and lost + sum(wait > 0.005 for wait in waits) >= 1


def test_a_frame_that_is_never_finished_is_not_waited_for_again_and_again() -> None:
    pace = OutputClock(30, 0.0)
    written: list[float] = []
    while len(written) < 90:
        written.append(pace.closes(True))
        pace.served(written[-1], None)
    assert np.diff(written).max() < 1.01 / 30
    assert written[-1] < 91 / 30 + 0.02


@pytest.mark.parametrize("camera_fps", [15.0, 24.0, 25.0])
def test_no_frame_of_a_slower_camera_is_given_up(camera_fps: float) -> None:
    waits, lost, _ = play([i / camera_fps + 0.002 for i in range(300)], 0.015)
    assert lost == 0
    assert max(waits) < 1 / 30


@pytest.mark.parametrize("camera_fps", [29.9, 29.97, 30.03, 30.1])
def test_cameras_drift_against_the_clock_and_hardly_a_frame_is_lost(camera_fps: float) -> None:
    waits, lost, repeats = play([i / camera_fps + 0.002 for i in range(3000)], 0.015)
    assert lost <= 12 and repeats <= 12
    assert np.percentile(waits, 95) < 0.02


def test_waiting_frames_move_the_clock_once() -> None:
    pace = OutputClock(30, 0.0)
    now = 0.0
    for _ in range(90):
        now = pace.opens
        pace.served(now, 0.016)
    assert pace.opens == pytest.approx(3.0 - 0.016, abs=1e-6)


def test_slots_missed_by_a_slow_sink_are_left_out() -> None:
    pace = OutputClock(10, 0.0)
    pace.served(0.55, None)
    assert pace.opens == pytest.approx(0.5)
    pace.served(0.56, None)
    assert pace.opens == pytest.approx(0.6)


def test_series_keep_a_window_and_the_whole_run() -> None:
    series = Series(window=1.0)
    assert series.recent(50) is None and series.overall(99) is None and series.rate() == 0
    for i in range(300):
        series.add(0.010 if i < 297 else 0.500, now=i / 30)
    assert series.count == 300
    assert series.overall(50) == pytest.approx(0.010, rel=0.011)
    assert series.overall(99.5) == pytest.approx(0.5, rel=0.011)
    assert series.recent(100, now=299 / 30) == 0.5
    assert series.recent(50, now=20.0) is None
    assert series.overall_rate() == pytest.approx(30)


def test_the_status_line_says_what_a_user_asks() -> None:
    rig = Rig()
    rig.run()
    line = describe(rig.pipeline.status())
    for word in ("fake camera", "fake on CPU (a test)", "face found", "fps", "p50/p99", "ms"):
        assert word in line
    latency = rig.pipeline.times["latency"]
    closing = summary(
        rig.pipeline.status(), latency.count, latency.overall(50), latency.overall(99)
    )
    assert f"{latency.count} animated frames" in closing


def test_another_device_is_told() -> None:
    rig = Rig()
    rig.animator.device = "CPU (CUDA is not used: it failed in mid-run)"
    rig.run()
    assert rig.notes == [
        "The avatar is now computed on CPU (CUDA is not used: it failed in mid-run)."
    ]
