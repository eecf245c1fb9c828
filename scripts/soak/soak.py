"""Runs that try to make the tool fail: every fault, a hunt for leaks, and hours at full pace.

    python -m scripts.soak.soak faults                every fault with the real backend, measured
    python -m scripts.soak.soak leak --frames 100000  does the camera's picture ever get out?
    python -m scripts.soak.soak long --minutes 60     memory, threads, files, latency over time

Each prints what it measured and ends with 1 if something was not as it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from models.backends import create_animator
from models.errors import UserError
from models.face.tracker import FaceTracker
from models.types import Image
from realtime.cameras.clip import ClipReader
from realtime.canvas.fit import Fit
from realtime.commands import run as live
from realtime.commands.options import RunChoices
from realtime.frames import AvatarFrame
from realtime.panel.address import Address
from realtime.panel.server import Panel
from realtime.paths import asset_path
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.pipeline.threads import limit_threads
from realtime.session.session import Command
from realtime.sinks.recording.recorder import Recorder
from scripts.soak.faults import (
    FAULTS,
    Board,
    Fault,
    FaultyAnimator,
    FaultyCamera,
    FaultySink,
    FaultyTracker,
)
from scripts.soak.leak import THRESHOLD, Detector, mark

LIMIT_GAP = 0.1
"""Seconds between two frames of an output: two in a row may be missing at 30 fps."""

LIMIT_RECOVERY = 2.0
"""Seconds from a fault's end to the next animated frame: a lost camera is tried once a second."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    faults = kinds.add_parser("faults", help="every fault, measured")
    faults.add_argument("--seconds", type=float, default=6.0, help="each fault lasts")
    faults.add_argument("--only", default="", help="those whose name holds this")
    leak = kinds.add_parser("leak", help="hunt for the camera's picture in the output")
    leak.add_argument("--frames", type=int, default=100_000)
    leak.add_argument("--seed", type=int, default=1)
    long = kinds.add_parser("long", help="memory, threads, files and latency over time")
    long.add_argument("--minutes", type=float, default=60.0)
    long.add_argument("--plot", type=Path, default=Path("soak.png"))
    return parser.parse_args()


@dataclass
class Kept:
    """What an output was given; of hours only the end.

    Attributes:
        stamps: when it was given a frame, seconds of `time.perf_counter()`.
        new: when this was a new animated one.
    """

    stamps: deque[float] = field(default_factory=lambda: deque(maxlen=200_000))
    new: deque[float] = field(default_factory=lambda: deque(maxlen=200_000))

    def __call__(self, frame: AvatarFrame) -> None:
        """Note one frame."""
        now = time.perf_counter()
        self.stamps.append(now)
        if frame.live and frame.captured_at is not None:
            self.new.append(now)

    def longest_gap(self, begin: float, end: float) -> float:
        """The longest time between two frames, of those with an end in a span of time.

        Args:
            begin: of the span, seconds of `time.perf_counter()`.
            end: likewise.
        """
        inside = [at for at in list(self.stamps) if begin - 1 < at < end]
        gaps = [b - a for a, b in zip(inside, inside[1:], strict=False) if b > begin]
        return max([*gaps, end - inside[-1] if inside else end - begin])

    def first_new(self, after: float) -> float:
        """Seconds until a new animated frame came after a moment; infinite if none did.

        Args:
            after: the moment, seconds of `time.perf_counter()`.
        """
        return next((at - after for at in list(self.new) if at > after), float("inf"))


class Bench:
    """The program as it is put together for a user, small, with parts that fail on command.

    Attributes:
        board: says which faults there are.
        lines: what the user was told.
        size: of the canvas, (width, height).
        pictures: those of the camera.
        live: the run.
        pipeline: its pipeline.
        session: its session.
        failure: what ended it, or None.
    """

    def __init__(
        self,
        folder: Path,
        outputs: Callable[[Bench], list[Output]],
        *,
        fps: float = 30.0,
        full_pace: bool = False,
        size: tuple[int, int] = (320, 180),
        avatar_size: int = 192,
        marked: bool = False,
    ) -> None:
        """Load the models and prepare the avatars.

        Args:
            folder: for photos and recordings.
            outputs: makes the outputs; the last one is a recording.
            fps: of the output; of the camera too, unless `full_pace`.
            full_pace: the camera gives its frames as fast as they are taken.
            size: of the canvas.
            avatar_size: of the avatars.
            marked: put the mark on the camera's pictures.
        """
        self.board = Board()
        self.lines: list[str] = []
        self.size = size
        self.failure: UserError | None = None
        self._camera_fps = 0 if full_pace else fps
        self.pictures = driving_pictures(marked)
        choices = RunChoices(
            source=photos(folder / "photos"),
            output="none",
            record=folder / "record.mp4",
            size=f"{size[0]}x{size[1]}",
            fps=fps,
            fit=Fit.COVER,
        )
        self._parts = mock.patch.multiple(
            live,
            ChosenCamera=lambda *words, **more: self._open_camera,
            create_animator=lambda name: FaultyAnimator(self.board, create_animator(name)),
            FaceTracker=lambda: FaultyTracker(self.board, FaceTracker()),
            avatars_folder=lambda: folder / "own",
            _outputs=lambda *words: outputs(self),
        )
        with self._parts:
            made = live.build(
                choices, self.lines.append, avatar_size=avatar_size, full_pace=full_pace
            )
        limit_threads(1)
        self.live, self.pipeline, self.session = made, made.pipeline, made.session
        self._thread = threading.Thread(target=self._run, name="run")

    def __enter__(self) -> Bench:
        """Start, and wait until the avatar moves."""
        self._parts.start()
        self.session.start()
        self._thread.start()
        until = time.perf_counter() + 120
        while self.pipeline.first_animated is None and time.perf_counter() < until:
            if self.failure is not None:
                raise self.failure
            time.sleep(0.05)
        return self

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self.board.off()
        self.pipeline.stop()
        self._thread.join(60)
        self.session.close()
        self._parts.stop()

    def do(self, name: str, value: Any = None) -> None:
        """Send a command as a page does; one that is refused is no matter."""
        with suppress(UserError):
            self.session.do(Command(name, value))

    def _run(self) -> None:
        try:
            self.pipeline.run()
        except UserError as error:
            self.failure = error

    def _open_camera(self) -> FaultyCamera:
        return FaultyCamera(self.board, self._picture, self._camera_fps)

    def _picture(self, number: int) -> Image:
        # To and fro, so that the face never jumps.
        last = len(self.pictures) - 1
        return self.pictures[last - abs(number % (2 * last) - last)]


def photos(folder: Path) -> Path:
    """A folder with two photos that can be told apart."""
    folder.mkdir()
    face = np.asarray(cv2.imread(str(asset_path("face.jpg"))), np.uint8)
    cv2.imwrite(str(folder / "one.jpg"), face)
    cv2.imwrite(str(folder / "two.jpg"), np.ascontiguousarray(face[:, ::-1, ::-1]))
    return folder


def driving_pictures(marked: bool) -> list[Image]:
    """The demo clip as a webcam shows it, 640 x 480."""
    made = []
    for image, _ in ClipReader(asset_path("demo.mp4")).frames():
        whole = np.asarray(cv2.resize(image[60:420], (640, 480)), np.uint8)
        made.append(mark(whole) if marked else whole)
    return made


def run_faults(options: argparse.Namespace) -> int:
    """Measure the output's gaps and the recovery for every fault; 1 if a limit was passed."""
    failures = 0
    print(f"{'fault':26} {'longest gap':>12} {'undisturbed':>12} {'recovery':>9}  what is said")
    for fault in (fault for fault in FAULTS if options.only in fault.name):
        with tempfile.TemporaryDirectory(prefix="avatarify-soak-") as folder:
            failures += try_fault(fault, options.seconds, Path(folder))
    print(f"{failures} of the faults went beyond the limits." if failures else "All is well.")
    return min(failures, 1)


def try_fault(fault: Fault, seconds: float, folder: Path) -> bool:
    """Let one fault happen and print what came of it; whether a limit was passed.

    Args:
        fault: what happens.
        seconds: how long; and before, how long nothing does.
        folder: an empty one.
    """
    kept, own = Kept(), Kept()

    def outputs(bench: Bench) -> list[Output]:
        return [
            Output(lambda: FaultySink("first", own, bench.board), retry=True),
            Output(lambda: FaultySink("second", kept), retry=True),
            Output(lambda: Recorder(folder / "record.mp4", bench.size, 30)),
        ]

    with Bench(folder, outputs) as bench:
        began = time.perf_counter()
        time.sleep(seconds)
        calm = kept.longest_gap(began, time.perf_counter())
        began = time.perf_counter()
        with bench.board.during(fault.name):
            time.sleep(seconds)
        ended = time.perf_counter()
        time.sleep(LIMIT_RECOVERY + 1.0)
        gap = kept.longest_gap(began, time.perf_counter())
        recovery = (own if fault.name.startswith("sink") else kept).first_new(ended)
        lines = list(bench.lines)
    return report_fault(fault, gap, calm, recovery, lines)


def report_fault(fault: Fault, gap: float, calm: float, recovery: float, lines: list[str]) -> bool:
    """Print one line of the table; whether a limit was passed.

    Args:
        fault: what happened.
        gap: the output's longest during the fault and after it, seconds.
        calm: the same before.
        recovery: seconds from the fault's end to the next animated frame.
        lines: what the user was told.
    """
    told = next((line for line in lines if fault.line and re.search(fault.line, line)), "")
    # On a machine that is busy with other things, no fault is to be blamed for its pauses.
    bad = (
        gap > max(LIMIT_GAP, 1.5 * calm)
        or recovery > LIMIT_RECOVERY
        or bool(fault.line) != bool(told)
    )
    print(
        f"{fault.name:26} {gap * 1e3:9.0f} ms {calm * 1e3:9.0f} ms {recovery:7.2f} s  "
        f"{told[:90]}{'   <-- beyond the limits' if bad else ''}",
        flush=True,
    )
    return bad


class Guard:
    """An output that looks for the mark in every frame.

    Attributes:
        frames: how many there were.
        pictures: how many of them differed from the one before.
        leaks: frames with the mark that must not have it.
        passed: frames with the mark that may have it.
        highest: correlation of those that must not, 0..1.
    """

    def __init__(self, allowed: Callable[[], bool] = lambda: False) -> None:
        """Start at zero.

        Args:
            allowed: whether the camera's picture may be seen at this moment.
        """
        self._allowed = allowed
        self._detector = Detector()
        self._last: Image | None = None
        self._value = 0.0
        self.frames = self.pictures = self.leaks = self.passed = 0
        self.highest = 0.0

    def __call__(self, frame: AvatarFrame) -> None:
        """Look at one frame; one that is shown again is not looked at again."""
        allowed = self._allowed()
        self.frames += 1
        if frame.image is not self._last:
            self.pictures += 1
            self._last, self._value = frame.image, self._detector.correlation(frame.image)
        if allowed:
            self.passed += self._value >= THRESHOLD
            return
        self.highest = max(self.highest, self._value)
        self.leaks += self._value >= THRESHOLD


def run_leak(options: argparse.Namespace) -> int:
    """Let faults, switches and commands happen at random, and look at all that goes out.

    Returns:
        1 if the mark was found where it must not be, or never where it may be.
    """
    chance = random.Random(options.seed)
    consent = Consents()
    guard = Guard(consent.covers)
    with tempfile.TemporaryDirectory(prefix="avatarify-soak-") as name:
        folder = Path(name)

        def outputs(bench: Bench) -> list[Output]:
            return [
                Output(lambda: FaultySink("watched", guard, bench.board), retry=True),
                Output(lambda: Recorder(folder / "record.mp4", bench.size, 30)),
            ]

        bench = Bench(folder, outputs, fps=120, full_pace=True, avatar_size=128, marked=True)
        assert Detector().finds(bench.pictures[0]), "the detector is blind"
        with bench:
            hunt(bench, guard, options.frames, chance)
            bench.do("record", False)
            records = sorted(folder.glob("*.mp4"))
            consent.now_and_then(bench, 5, chance)
            status = bench.pipeline.status()
        print(
            f"then with {consent.given} consents: the mark in {guard.passed} frames while it was "
            f"allowed, and in {guard.leaks} of all others"
        )
        print(f"{status.faults} frames failed on the way; {len(bench.lines)} lines were said.")
        searched = [search(one, max(options.frames // (5 * len(records)), 20)) for one in records]
    shown, found = sum(one[0] for one in searched), sum(one[1] for one in searched)
    print(
        f"{len(records)} recordings: {shown} frames searched, the mark in {found}, "
        f"highest correlation {max(one[2] for one in searched):.2f}"
    )
    return int(bool(guard.leaks or found or not guard.passed))


def hunt(bench: Bench, guard: Guard, frames: int, chance: random.Random) -> None:
    """Watch some frames of a run in which nobody agrees to show the real face.

    Args:
        bench: the run.
        guard: its output.
        frames: until it has seen so many.
        chance: decides what happens.
    """
    began, told = time.perf_counter(), 0
    while guard.frames < frames:
        disturb(bench, chance)
        if guard.frames // 5000 > told:
            told = guard.frames // 5000
            print(describe_leak(guard, began), flush=True)
    print(describe_leak(guard, began))


@dataclass
class Consents:
    """A user who agrees now and then that the real face is shown.

    Attributes:
        given: how often.
    """

    given: int = 0
    _now: bool = False
    _until: float = 0.0

    def covers(self) -> bool:
        """Whether the real face may be seen at this moment.

        What was handed over before a consent ended is still on its way for a moment.
        """
        return self._now or time.perf_counter() < self._until

    def now_and_then(self, bench: Bench, times: int, chance: random.Random) -> None:
        """Agree some times, with random moments in between."""
        for _ in range(times):
            disturb(bench, chance)
            bench.do("hide", False)
            bench.do("pass_through", True)
            self._now = True
            self.given += 1
            bench.do("confirm", True)
            time.sleep(1.0)
            bench.do("pass_through", False)
            self._until = time.perf_counter() + 1.0
            self._now = False
            time.sleep(1.5)


def disturb(bench: Bench, chance: random.Random) -> None:
    """One random moment of a run: faults, then commands; the real face is never agreed to."""
    for fault in FAULTS:
        if chance.random() < 0.06:
            bench.board.on(fault.name)
    time.sleep(chance.uniform(0.0, 0.4))
    bench.board.off()
    left_out = ("quit", "confirm", "remove", "avatar")
    names = [name for name in bench.session.commands if name not in left_out]
    values: list[Any] = [None, None, None, True, False, 0, 1, 0.5, -0.1, 2, "left", "up", "odd"]
    for _ in range(chance.randrange(6)):
        bench.do(chance.choice(names), chance.choice(values))
    bench.do("confirm", chance.choice([False, None]))  # Not agreed; None is no answer either.
    if chance.random() < 0.7:  # Else most of the run would show a card or a still picture.
        bench.do("hide", False)
        bench.do("freeze", False)
    time.sleep(chance.uniform(0.0, 1.0))


def describe_leak(guard: Guard, began: float) -> str:
    """One line of how far it is."""
    return (
        f"{time.perf_counter() - began:6.0f} s: {guard.frames} frames, {guard.pictures} different "
        f"pictures, the mark in {guard.leaks}, highest correlation {guard.highest:.2f}"
    )


def search(record: Path, most: int) -> tuple[int, int, float]:
    """Look for the mark in a recording.

    Args:
        record: its file.
        most: frames to look at, evenly spaced.

    Returns:
        Frames that were searched, those with the mark, and the highest correlation.
    """
    detector, values = Detector(), []
    every = (ClipReader(record).frame_count or 0) // most + 1
    for number, (image, _) in enumerate(ClipReader(record).frames()):
        if number % every == 0:
            values.append(detector.correlation(image))
    return len(values), sum(value >= THRESHOLD for value in values), max(values, default=0.0)


@dataclass(frozen=True)
class Sample:
    """The state of the process at one moment.

    Attributes:
        minutes: since the start.
        memory: resident, MB (10^6 bytes).
        threads: how many.
        files: open file descriptors.
        latency: p50, p95 and p99 of the last ten seconds, ms.
        fps: animated frames per second.
    """

    minutes: float
    memory: float
    threads: int
    files: int
    latency: tuple[float, float, float]
    fps: float


def sample(pipeline: Pipeline, began: float) -> Sample:
    """Look at this process (Linux); `began` is the start, seconds of `time.perf_counter()`."""
    latency = pipeline.times["latency"]
    p50, p95, p99 = ((latency.recent(percent) or 0.0) * 1e3 for percent in (50, 95, 99))
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sample(
        (time.perf_counter() - began) / 60,
        pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        len(os.listdir("/proc/self/task")),
        len(os.listdir("/proc/self/fd")),
        (p50, p95, p99),
        latency.rate(),
    )


def run_long(options: argparse.Namespace) -> int:
    """Run everything at full pace, with a page open and commands all the time, and watch.

    Returns:
        1 if something has grown, failed or ended the run.
    """
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="avatarify-soak-") as name, ExitStack() as stack:
        folder = Path(name)
        choices = RunChoices(
            source=photos(folder / "photos"),
            camera="demo",
            output="none",
            record=folder / "long.mp4",
            size="640x360",
            fps=60,
        )
        stack.enter_context(mock.patch.object(live, "avatars_folder", lambda: folder / "own"))
        made = live.build(choices, print, avatar_size=360, full_pace=True)
        panel = Panel(made.session, made.preview, Address())
        panel.start()
        stack.callback(panel.close)
        made.session.start()
        stack.callback(made.session.close)
        over = threading.Event()
        visitor = threading.Thread(target=visit, args=(panel, over), name="page", daemon=True)
        visitor.start()
        began = time.perf_counter()
        due = [began + 10.0]

        def tick() -> None:
            made.session.tick()
            if time.perf_counter() < due[0]:
                return
            due[0] += 10.0
            samples.append(sample(made.pipeline, began))
            if len(samples) % 6 == 0:
                print(describe_sample(samples[-1]), flush=True)

        failure: UserError | None = None
        try:
            made.pipeline.run(options.minutes * 60, tick)
        except UserError as error:
            failure = error
            print(error)
        over.set()
        visitor.join(10)
        faults = made.pipeline.status().faults
    draw(samples, options.plot)
    return max(judge(samples, faults), int(failure is not None))


def visit(panel: Panel, over: threading.Event) -> None:
    """Be a page: look at both pictures, and send a command every two seconds, until `over`."""
    host = panel.url.split("/")[2]
    chance = random.Random(1)
    commands: list[tuple[str, Any]] = [
        ("next", None),
        ("calibrate", None),
        ("mirror_output", None),
        ("badge", None),
    ]
    commands += [("overlay", 0.5), ("landmarks", None), ("zoom", -0.05), ("auto_framing", True)]
    with connect(
        f"ws://{host}/live",
        origin=Origin(f"http://{host}"),
        subprotocols=[Subprotocol("panel"), Subprotocol(f"key.{panel.key.text}")],
        max_size=None,
    ) as socket:
        wishes = {"output": {"width": 640, "fps": 15}, "camera": {"width": 320, "fps": 10}}
        socket.send(json.dumps({"show": wishes}))
        due = time.perf_counter()
        while not over.is_set():
            with suppress(TimeoutError):
                try:
                    told = socket.recv(timeout=1.0)
                except ConnectionClosed:
                    return
                if isinstance(told, bytes):
                    socket.send(json.dumps({"seen": told[0]}))
            if time.perf_counter() >= due:
                due += 2.0
                name, value = chance.choice(commands)
                socket.send(json.dumps({"do": name, "value": value}))


def describe_sample(one: Sample) -> str:
    """One line."""
    p50, p95, p99 = one.latency
    return (
        f"{one.minutes:5.1f} min: {one.memory:.1f} MB, {one.threads} threads, {one.files} files, "
        f"{one.fps:.0f} fps, latency {p50:.0f}/{p95:.0f}/{p99:.0f} ms"
    )


def judge(samples: list[Sample], faults: int) -> int:
    """Print what has grown between the first and the last sixth, after five minutes to settle.

    Args:
        samples: in order.
        faults: of the run.

    Returns:
        1 if memory has grown by more than 2 %, or threads or files at all, or there were faults.
    """
    settled = [one for one in samples if one.minutes >= 5] or samples[len(samples) // 3 :]
    share = max(len(settled) // 6, 1)
    first, last = settled[:share], settled[-share:]

    def median(part: list[Sample], of: Callable[[Sample], float]) -> float:
        return float(np.median([of(one) for one in part]))

    growth = median(last, lambda s: s.memory) / median(first, lambda s: s.memory) - 1
    print(f"memory after the first minutes: {100 * growth:+.2f} %")
    bad = growth > 0.02 or faults > 0
    kinds: tuple[tuple[str, Callable[[Sample], float]], ...] = (
        ("threads", lambda s: s.threads),
        ("files", lambda s: s.files),
    )
    for name, of in kinds:
        begin, end = median(first, of), median(last, of)
        print(f"{name}: {begin:.0f} at first, {end:.0f} at last")
        bad |= end > begin
    for index, name in enumerate(("p50", "p95", "p99")):
        begin = median(first, lambda s: s.latency[index])  # noqa: B023
        end = median(last, lambda s: s.latency[index])  # noqa: B023
        print(f"latency {name}: {begin:.0f} ms at first, {end:.0f} ms at last")
    print(f"{faults} faults")
    return int(bad)


def draw(samples: list[Sample], path: Path) -> None:
    """Plot the samples as a PNG: memory, threads and files, latency, frames per second."""
    panels: list[tuple[str, list[list[float]]]] = [
        ("resident memory, MB", [[one.memory for one in samples]]),
        (
            "threads (dark), open files (light)",
            [[one.threads for one in samples], [one.files for one in samples]],
        ),
        (
            "added latency, ms: p50, p95, p99",
            [[one.latency[index] for one in samples] for index in range(3)],
        ),
        ("animated frames per second", [[one.fps for one in samples]]),
    ]
    width, height = 1000, 190
    sheet = np.full((height * len(panels), width, 3), 255, np.uint8)
    for row, (title, lines) in enumerate(panels):
        part = sheet[row * height : (row + 1) * height]
        plot(part, title, [one.minutes for one in samples], lines)
    cv2.imwrite(str(path), sheet)
    print(f"plot: {path}")


def plot(part: Image, title: str, minutes: list[float], lines: list[list[float]]) -> None:
    """Draw curves over time, from zero up.

    Args:
        part: the picture that is drawn into.
        title: stands above.
        minutes: of all curves.
        lines: values of each curve, as many as minutes.
    """
    height, width = part.shape[:2]
    left, right, top, bottom = 60, width - 20, 30, height - 26
    font, grey = cv2.FONT_HERSHEY_SIMPLEX, (110, 110, 110)
    highest = max([1.0, *(value for values in lines for value in values)]) * 1.1
    end = max([1e-3, *minutes])

    def place(minute: float, value: float) -> tuple[int, int]:
        x = left + (right - left) * minute / end
        return round(x), round(bottom - (bottom - top) * value / highest)

    cv2.putText(part, title, (left, 20), font, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
    for share in (0.0, 0.5, 1.0):
        x, y = place(end * share, highest * share)
        cv2.line(part, (left, y), (right, y), (225, 225, 225), 1)
        cv2.putText(part, f"{highest * share:.0f}", (8, y + 4), font, 0.4, grey, 1, cv2.LINE_AA)
        where = (min(x, width - 70), height - 8)
        cv2.putText(part, f"{end * share:.1f} min", where, font, 0.4, grey, 1, cv2.LINE_AA)
    colours = [(120, 60, 20), (210, 150, 80), (80, 80, 210)]
    for values, colour in zip(lines, colours, strict=False):
        points = [place(minute, value) for minute, value in zip(minutes, values, strict=True)]
        cv2.polylines(part, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)


def main() -> int:
    """Run what was asked for; 0 if all was as it must be."""
    options = arguments()
    runs = {"faults": run_faults, "leak": run_leak, "long": run_long}
    return runs[options.kind](options)


if __name__ == "__main__":
    sys.exit(main())
