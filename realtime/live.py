"""Putting a live run together from the user's choices."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from models.animator import Animator, create_animator
from models.errors import UserError
from models.face.tracker import FaceTracker
from realtime.animation import Animation, Motion
from realtime.cameras import open_camera
from realtime.compositor import Compositor, Fit
from realtime.files import check_writable
from realtime.pipeline import Outlet, Pipeline
from realtime.provenance.sealer import Sealer, prepare
from realtime.provenance.signing import LIVE, Claim
from realtime.sinks.base import SinkError
from realtime.sinks.registry import Output
from realtime.source import AVATAR_SIZE, SMALL_AVATAR_SIZE, load_source
from realtime.status import StatusLine, summary
from realtime.threads import cores, limit_threads

CAMERA_SIZE = (640, 480)
"""What a webcam is asked for: every one has it, and the landmark network sees no more than 256
pixels across the face anyway."""


@dataclass(frozen=True)
class Choices:
    """What the user chose for a live run; `avatarify-like run --help` describes each."""

    source: Path
    camera: str = "auto"
    output: str = "auto"
    record: Path | None = None
    size: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    backend: str = "mesh"
    motion: Motion = "relative"
    adapt_scale: bool = True
    mirror: bool = False
    badge: bool = True
    fit: str = "blur"
    face: int | None = None
    avatar_size: int | None = None
    full_pace: bool = False
    sign_key: Path | None = None
    sign_cert: Path | None = None


def build(
    choices: Choices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None = None,
) -> Pipeline:
    """Open the outputs, load the models and prepare the avatar.

    Args:
        choices: what the user chose.
        notify: called with one line for the user.
        finished: called with the path of a recording that is complete.

    Raises:
        UserError: something is missing or cannot be used.
    """
    limit_threads()
    if choices.record is not None:
        check_writable(choices.record)
        _check_spared(choices.record, choices)
    tracker = FaceTracker()
    photo = load_source(choices.source, tracker, choices.face)
    animator: Animator = create_animator(choices.backend)
    width, height = choices.size
    side = SMALL_AVATAR_SIZE if cores() <= 2 else AVATAR_SIZE
    avatar = animator.prepare(photo, choices.avatar_size or min(side, height))
    animation = Animation(
        animator, tracker, avatar, motion=choices.motion, adapt_scale=choices.adapt_scale
    )
    composer = Compositor(choices.size, Fit(choices.fit), choices.badge, choices.mirror)
    outlets = _outlets(choices, notify, finished)
    return Pipeline(
        lambda: open_camera(
            choices.camera, size=CAMERA_SIZE, fps=choices.fps, full_pace=choices.full_pace
        ),
        animation,
        composer,
        outlets,
        fps=choices.fps,
        full_pace=choices.full_pace,
        notify=notify,
    )


def _check_spared(record: Path, choices: Choices) -> None:
    """Make sure that the recording does not replace what it is made from."""
    for used, what in ((choices.source, "source photo"), (Path(choices.camera), "camera's video")):
        if record.exists() and used.exists() and os.path.samefile(record, used):
            raise UserError(f"{record} is the {what}; choose another file for the recording.")


def _outlets(
    choices: Choices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None = None,
) -> list[Outlet]:
    outlets: list[Outlet] = []
    if choices.output != "none" or choices.record is None:
        show = Output(choices.output, choices.size, choices.fps, notify, finished)
        try:
            sink = show()
            outlets.append(Outlet(show, retry=show.reopens, sink=sink, name=sink.name))
        except SinkError as error:
            if choices.record is None:
                raise
            notify(f"{error} Going on with the recording alone.")
    if choices.record is not None:
        recorder = f"recorder:{choices.record}"
        recording = Output(recorder, choices.size, choices.fps, notify, finished)
        outlets.append(Outlet(recording, name=str(choices.record)))
    return outlets


def run_live(choices: Choices, console: Console, seconds: float | None = None) -> None:
    """Run until the user stops it or `seconds` are over, with a status line on `console`.

    Raises:
        UserError: it cannot start, or every output has failed.
    """
    with StatusLine(console) as line:
        line.busy("Loading the models and preparing the avatar ...")
        credentials = None
        if choices.record is not None or choices.output.startswith("recorder:"):
            credentials = prepare(choices.sign_key, choices.sign_cert, line.note)
        sealer = Sealer(credentials, Claim(LIVE, choices.badge), line.note)
        pipeline = build(choices, line.note, sealer.add)
        if console.is_terminal and sys.stdin is not None and sys.stdin.isatty():
            line.note("Press Enter to calibrate again, Ctrl-C to stop.")
            on_enter(sys.stdin, lambda: pipeline.animation.recalibrate(at_once=True))
        failure: UserError | None = None
        try:
            with _stopped_by_signals(pipeline.stop), sealer:
                pipeline.run(seconds, tick=lambda: line.show(pipeline.status()))
        except UserError as error:
            failure = error
        latency = pipeline.times["latency"]
        if latency.count or failure is None:
            p50, p99 = latency.overall(50), latency.overall(99)
            with suppress(OSError):  # The terminal may be gone.
                line.note(summary(pipeline.status(), latency.count, p50, p99))
        if failure is not None:
            raise failure


def on_enter(keys: TextIO, action: Callable[[], None]) -> threading.Thread:
    """Do `action` for each line that comes from `keys`, in a thread that ends with them."""

    def read() -> None:
        for _ in keys:
            action()

    thread = threading.Thread(target=read, name="keys", daemon=True)
    thread.start()
    return thread


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C, a polite kill and a closed terminal end the run cleanly, with its recordings.

    A second signal ends it at once, should something hang.
    """

    def handle(number: int, frame: Any) -> None:
        stop()
        for caught in before:
            signal.signal(caught, signal.default_int_handler)

    numbers = [signal.SIGINT, signal.SIGTERM]
    # Windows has no SIGHUP; with nohup it is ignored and must remain so.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
