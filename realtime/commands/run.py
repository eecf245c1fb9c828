"""Putting a live run together from the user's choices."""

from __future__ import annotations

import os
import signal
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
from rich.console import Console

from models.animator import Animator, create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import load_photo
from models.types import Photo
from realtime.animation.animation import Animation, Motion
from realtime.animation.framing import FramedTracker
from realtime.cameras import Camera
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.chosen import ChosenCamera
from realtime.canvas.compositor import Compositor, Fit
from realtime.canvas.output_gate import OutputGate
from realtime.commands.status_line import StatusLine, summary
from realtime.commands.terminal import terminal_keys, terminal_press
from realtime.files import check_writable
from realtime.panel.address import Address, has_screen, names_of
from realtime.panel.certificate import Certificate
from realtime.panel.preview import Preview
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.pipeline.threads import cores, limit_threads, switch_quickly
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import LIVE, PARTLY_REAL, Claim
from realtime.session.avatar_library import AvatarBuilder, AvatarLibrary
from realtime.session.session import Command, Parts, Session
from realtime.session.settings import avatars_folder, settings_file
from realtime.session.source import AVATAR_SIZE, SMALL_AVATAR_SIZE, photo_paths
from realtime.sinks.base import SinkError
from realtime.sinks.null import NullSink
from realtime.sinks.registry import SinkChoice

BROWSER = "browser"
"""What `--camera` says for the webcam of the panel's page."""

CAMERA_SIZE = (640, 480)
"""What a webcam is asked for: every one has it, and the landmark network sees no more than 256
pixels across the face anyway."""


@dataclass(frozen=True)
class Choices:
    """What the user chose for a live run; `avatarify-like run --help` describes each.

    motion, mirror: None for what the settings say. settings: the file they are kept in, None for
    none. panel: where to serve it, None for nowhere. panel_shows: it is enough of an output.
    """

    source: Path
    camera: str = "auto"
    output: str = "auto"
    record: Path | None = None
    size: tuple[int, int] = (1280, 720)
    fps: float = 30.0
    backend: str = "mesh"
    motion: Motion | None = None
    adapt_scale: bool = True
    mirror: bool | None = None
    badge: bool = True
    fit: str = "blur"
    face: int | None = None
    avatar_size: int | None = None
    full_pace: bool = False
    sign_key: Path | None = None
    sign_cert: Path | None = None
    settings: Path | None = None
    panel: Address | None = None
    panel_shows: bool = False
    certificate: Certificate | None = None


@dataclass(frozen=True)
class Live:
    """A run that is ready to begin. feed: where a page's webcam arrives, if that is the camera."""

    pipeline: Pipeline
    session: Session
    preview: Preview
    feed: BrowserFeed | None


def build(choices: Choices, notify: Callable[[str], None], signer: Signer | None = None) -> Live:
    """Open the outputs, load the models and prepare the avatar.

    Args:
        choices: what the user chose.
        notify: called with one line for the user.
        signer: signs the recordings; None: they stay unsigned.

    Raises:
        UserError: something is missing or cannot be used.
    """
    limit_threads()
    switch_quickly()
    if choices.record is not None:
        check_writable(choices.record)
        _check_spared(choices.record, choices)
    finder = FaceFinder()
    photo, path = _first_photo(choices, finder)
    animator: Animator = create_animator(choices.backend)
    width, height = choices.size
    side = SMALL_AVATAR_SIZE if cores() <= 2 else AVATAR_SIZE
    size = choices.avatar_size or min(side, height)
    builder = AvatarBuilder(animator, size, finder, choices.face)
    library = AvatarLibrary(builder, choices.source, avatars_folder())
    first = library.first(photo, path)
    assert first.ready is not None
    view = FramedTracker(FaceTracker())
    animation = Animation(animator, view, first.ready.avatar)
    composer = Compositor(choices.size, Fit(choices.fit), choices.badge)
    gate = OutputGate(composer.size, lambda: view.seen)

    def finished(path: Path) -> None:
        if signer is not None:
            made = PARTLY_REAL if session.was_real else LIVE
            signer.add(path, Claim(made, session.always_badged))

    outputs = _outputs(choices, notify, finished)
    feed = BrowserFeed() if choices.camera == BROWSER else None
    camera: Callable[[], Camera] = ChosenCamera(
        choices.camera, size=CAMERA_SIZE, fps=choices.fps, full_pace=choices.full_pace
    )
    if feed is not None:
        camera = feed.open

    def new_recording() -> Output:
        if signer is not None and signer.credentials is None:
            signer.credentials = prepare(choices.sign_key, choices.sign_cert, session.say)
        return _recording(_free_path(choices.record), choices, session.say, finished)

    pipeline = Pipeline(
        camera,
        animation,
        composer,
        outputs,
        fps=choices.fps,
        full_pace=choices.full_pace,
        notify=lambda line: session.hear(line),
        last_step=gate,
    )
    parts = Parts(
        pipeline,
        library,
        view,
        gate,
        composer,
        animator.sliders,
        choices.adapt_scale,
        choices.badge,
        new_recording=new_recording,
        new_nowhere=_nowhere,
        recording=outputs[-1] if choices.record is not None else None,
    )
    session = Session(parts, first, choices.settings, notify)
    if choices.motion is not None:
        session.do(Command("relative", choices.motion == "relative"), keep=False)
    if choices.mirror is not None:
        session.do(Command("mirror_output", choices.mirror), keep=False)
    preview = Preview(gate, view, lambda: animation.reference_face, lambda: session.settings)
    return Live(pipeline, session, preview, feed)


def _first_photo(choices: Choices, finder: FaceFinder) -> tuple[Photo, Path]:
    """The first photo that can be animated, and where it lies."""
    trouble: UserError | None = None
    for path in photo_paths(choices.source):
        try:
            return load_photo(path, finder, choices.face), path
        except UserError as error:
            trouble = trouble or error
    assert trouble is not None
    raise trouble


def _free_path(record: Path | None) -> Path:
    """Where the next recording goes: beside the one of the command line, or to the videos."""
    folder = record.parent if record else platformdirs.user_videos_path() / "avatarify-like"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {folder} for recordings cannot be made ({error.strerror}); start with "
            "--record FILE.mp4 to choose another one."
        ) from error
    stem = record.stem if record else "avatarify-like"
    path = folder / f"{stem} {time.strftime('%Y-%m-%d %H.%M.%S')}.mp4"
    check_writable(path)
    return path


def _check_spared(record: Path, choices: Choices) -> None:
    """Make sure that the recording does not replace what it is made from."""
    for used, what in ((choices.source, "source photo"), (Path(choices.camera), "camera's video")):
        if record.exists() and used.exists() and os.path.samefile(record, used):
            raise UserError(f"{record} is the {what}; choose another file for the recording.")


def _outputs(
    choices: Choices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None = None,
) -> list[Output]:
    outputs: list[Output] = []
    if choices.output != "none" or choices.record is None:
        show = SinkChoice(choices.output, choices.size, choices.fps, notify, finished)
        try:
            sink = show()
            outputs.append(Output(show, retry=show.reopens, sink=sink, name=sink.name))
        except SinkError as error:
            if choices.record is None and not choices.panel_shows:
                raise
            alone = "panel" if choices.record is None else "recording"
            notify(f"{error} Going on with the {alone} alone.")
            if choices.record is None:
                outputs.append(_nowhere())
    if choices.record is not None:
        outputs.append(_recording(choices.record, choices, notify, finished))
    return outputs


def _nowhere() -> Output:
    """An output that keeps the figures going while only the panel shows the picture."""
    return Output(NullSink, name="the panel alone", sink=NullSink())


def _recording(
    path: Path,
    choices: Choices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None,
) -> Output:
    """The output that records into a file."""
    recorder = SinkChoice(f"recorder:{path}", choices.size, choices.fps, notify, finished)
    return Output(recorder, name=str(path))


def run_live(choices: Choices, console: Console, seconds: float | None = None) -> None:
    """Run until the user stops it or `seconds` are over, with a status line on `console`.

    Raises:
        UserError: it cannot start, or every output has failed.
    """
    if choices.camera == BROWSER and choices.panel is None:
        raise UserError("--camera browser takes the webcam of the panel; leave out --panel off.")
    with StatusLine(console) as line, ExitStack() as stack:
        line.busy("Loading the models and preparing the avatar ...")
        signer = Signer(None, Claim(LIVE, choices.badge), line.note)
        if choices.record is not None or choices.output.startswith("recorder:"):
            signer.credentials = prepare(choices.sign_key, choices.sign_cert, line.note)
        live = build(choices, line.note, signer)
        pipeline, session = live.pipeline, live.session
        stack.callback(session.close)
        if choices.panel is not None:
            stack.callback(_serve(live, choices, choices.panel, line.note))
        if console.is_terminal and sys.stdin is not None and sys.stdin.isatty():
            line.note("Press x to calibrate again, ? for all keys, Ctrl-C to stop.")
            stack.enter_context(terminal_keys(sys.stdin, terminal_press(session)))

        def tick() -> None:
            line.show(pipeline.status())
            session.tick()

        failure: UserError | None = None
        try:
            with _stopped_by_signals(pipeline.stop), signer:
                session.start()
                pipeline.run(seconds, tick)
        except UserError as error:
            failure = error
        latency = pipeline.times["latency"]
        if latency.count or failure is None:
            p50, p99 = latency.overall(50), latency.overall(99)
            with suppress(OSError):  # The terminal may be gone.
                line.note(summary(pipeline.status(), latency.count, p50, p99))
        if failure is not None:
            raise failure


def _serve(
    live: Live, choices: Choices, address: Address, notify: Callable[[str], None]
) -> Callable[[], None]:
    """Serve the panel, open it where there is a screen, and return what ends it."""
    from realtime.panel.certificate import self_made
    from realtime.panel.server import Panel

    certificate = choices.certificate
    if certificate is None and not address.loopback:
        certificate = self_made(settings_file().parent, names_of(address))
    panel = Panel(live.session, live.preview, address, certificate, live.feed)
    panel.start()
    notify(f"Panel: {panel.url}")
    if certificate is not None and certificate.fingerprint is not None:
        notify(f"The browser asks about its certificate, SHA-256 {certificate.fingerprint}.")
    if not address.chosen and has_screen():
        webbrowser.open(panel.url)

    def close() -> None:
        if live.feed is not None:
            live.feed.close()
        panel.close()

    return close


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
