"""Frames that all go out the same time after their capture."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

import numpy as np
import pytest

from realtime.latency import Series
from realtime.pipeline.alerts import Alerts, DelayAlerts
from realtime.pipeline.delay import Delay, DueBox
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from scripts.rigs.fakes import FakeCamera, FakeSink
from tests.realtime.pipeline.test_live import Rig


@dataclass(frozen=True)
class Item:
    due: float
    name: str = ""


def test_an_item_is_handed_over_when_it_is_due_and_not_before() -> None:
    box: DueBox[Item] = DueBox()
    due = time.perf_counter() + 0.1
    box.put(Item(due))
    assert box.take(0.0) is None and box.take(0.02) is None
    assert not box.comes(due - 0.01) and box.comes(due)
    assert box.take(5.0) is not None and time.perf_counter() >= due
    assert not box.comes(due + 99) and box.replaced == 0


def test_of_several_that_are_due_the_newest_is_taken() -> None:
    box: DueBox[Item] = DueBox()
    now = time.perf_counter()
    for name, due in (("a", now - 3), ("b", now - 2), ("c", now + 60)):
        box.put(Item(due, name))
    taken = box.take(0.0)
    assert taken is not None and taken.name == "b" and box.replaced == 1
    assert box.take(0.0) is None, "the third is not due"


def test_closing_wakes_who_waits() -> None:
    box: DueBox[Item] = DueBox()
    threading.Timer(0.05, box.close).start()
    assert box.take(60) is None


def test_what_writing_takes_is_learnt() -> None:
    """Simulated: frames are out 8 ms after they are taken, and captured with some jitter."""
    delay, rng = Delay(0.1), np.random.default_rng(2)
    late = []
    for index in range(300):
        captured = 1000 + index / 30 + rng.normal(0, 0.002)
        due = delay.due(captured, captured + 0.04)
        out = due + 0.008 + abs(rng.normal(0, 0.001))
        delay.went_out(out - captured)
        late.append(out - captured)
    assert abs(np.mean(late[100:]) - 0.1) < 0.001 and np.std(late[100:]) < 0.003
    for index in range(300):
        captured = 2000 + index / 30
        delay.went_out(0.4)
    due = delay.due(3000.0, 3000.3)
    assert due == 3000.3, "what is too late goes out at once"
    assert delay.due(None, 3000.1) == 3000.3, "and nothing overtakes it"


@pytest.mark.parametrize("delay", [0.15, 0.3])
def test_a_run_with_a_delay_puts_every_frame_out_that_late(delay: float) -> None:
    rig = Rig()
    rig.sink = FakeSink(enough_at=150)
    rig.pipeline = Pipeline(
        lambda: FakeCamera(pause=0.02),
        rig.animation,
        rig.composer,
        [Output(lambda: rig.sink, retry=True)],
        fps=60,
        delay=delay,
    )
    rig.run()
    latency = rig.pipeline.times["latency"]
    assert latency.count > 20
    least = latency.overall(1)
    assert least is not None and least > delay - 0.035, "none is early"
    assert rig.pipeline.status().delay == pytest.approx(delay * 1e3)
    captured = [frame.captured_at for frame in rig.sink.frames if frame.captured_at is not None]
    assert captured == sorted(captured)


def test_a_delay_that_cannot_be_kept_is_told_once() -> None:
    lines: list[str] = []
    watch, latency = DelayAlerts(Alerts(lines.append)), Series()
    for index in range(1200):
        now = 50 + index / 30
        latency.add(0.064 if now < 70 else 0.031, now)
        watch.look(now, 0.03, latency)
    assert lines == [
        "The picture takes 64 ms, more than --delay 30 leaves it; with --delay 80 it would be "
        "constant.",
        "The picture keeps to its delay again.",
    ]
