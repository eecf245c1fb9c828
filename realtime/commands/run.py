"""Putting a live run together from the user's choices."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from models.animator import need_person
from models.backends import create_animator
from models.environment import cores
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import load_photo, turned_line
from models.types import Photo
from realtime.animation.animation import Animation
from realtime.animation.framing import FramedTracker
from realtime.cameras import Camera, chosen_device
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.chosen import ChosenCamera, Wish
from realtime.cameras.turned import turned
from realtime.canvas.background import KEEP
from realtime.canvas.background import parse as parse_background
from realtime.canvas.compositor import Compositor
from realtime.canvas.output_gate import OutputGate
from realtime.commands.options import RunChoices
from realtime.commands.status_line import StatusLine, summary
from realtime.commands.terminal import terminal_keys, terminal_press
from realtime.panel.address import (
    Address,
    HostName,
    has_screen,
    names_of,
    parse_address,
    parse_host,
)
from realtime.panel.certificate import Certificate, given, self_made
from realtime.panel.preview import Preview
from realtime.paths import (
    VIDEO_SUFFIX,
    avatars_folder,
    check_writable,
    config_folder,
    free_video,
    output_key_file,
    recorded_file,
    settings_file,
    videos_folder,
)
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.pipeline.threads import limit_threads, switch_quickly
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import LIVE, PARTLY_REAL, Claim
from realtime.session.avatar_library import AvatarBuilder, AvatarEntry, AvatarLibrary
from realtime.session.recorded import STILL_SUFFIX, RecordedList, write_still
from realtime.session.session import Command, Parts, Session
from realtime.session.source import photo_paths
from realtime.sinks.base import SinkError
from realtime.sinks.null import NullSink
from realtime.sinks.registry import SinkChoice

if TYPE_CHECKING:
    from realtime.panel.server import Panel

BROWSER = "browser"
"""What `--camera` says for the webcam of the panel's page."""

CAMERA_SIZE = (640, 480)
"""What a webcam is asked for: every one has it, and the landmark network sees no more than 256
pixels across the face anyway."""


@dataclass(frozen=True)
class Live:
    """A run that is ready to begin.

    Attributes:
        pipeline: the run.
        session: what is chosen and set in it.
        preview: the pictures of the panel.
        feed: where a page's webcam arrives, if that is the camera.
        recorded: what this user has recorded.
        take_still: keeps what goes out now as a picture.
    """

    pipeline: Pipeline
    session: Session
    preview: Preview
    feed: BrowserFeed | None
    recorded: RecordedList
    take_still: Callable[[], None]


def build(
    choices: RunChoices,
    notify: Callable[[str], None],
    signer: Signer | None = None,
    *,
    settings: Path | None = None,
    panel_shows: bool = False,
    avatar_size: int | None = None,
    full_pace: bool = False,
) -> Live:
    """Open the outputs, load the models and prepare the avatar.

    Args:
        choices: what the user chose.
        notify: called with one line for the user.
        signer: signs the recordings; None: they stay unsigned.
        settings: the file in which settings are kept; None: nowhere.
        panel_shows: the panel is enough of an output.
        avatar_size: longer side of the avatars in pixels; None: what this computer can do.
        full_pace: read the next camera frame when the last one was taken, not before.

    Raises:
        UserError: something is missing or cannot be used.
    """
    limit_threads()
    switch_quickly()
    _check_record(choices)
    background = parse_background(choices.background)
    view, animation, library, first = _avatars(choices, avatar_size, notify)
    composer = Compositor(choices.canvas, choices.fit, choices.badge, background=background)
    gate = OutputGate(composer.size, lambda: view.seen)
    recordings = _Recordings(choices, signer, RecordedList(settings and recorded_file()))
    outputs = _outputs(choices, notify, recordings.finished, panel_shows)
    if choices.camera == BROWSER and choices.webcam != (None, None):
        notify("--camera-size and --camera-fps are not for the webcam of a page.")
    open_camera, feed = _camera(choices, full_pace, lambda line: pipeline.tell(line))
    pipeline = Pipeline(
        open_camera,
        animation,
        composer,
        outputs,
        fps=choices.fps,
        full_pace=full_pace,
        notify=lambda line: session.hear(line),
        last_step=gate,
        delay=None if choices.delay is None else choices.delay / 1e3,
    )
    parts = Parts(
        pipeline,
        library,
        view,
        gate,
        composer,
        choices.adapt_scale,
        choices.badge,
        new_recording=recordings.new,
        new_nowhere=_nowhere,
        recording=outputs[-1] if choices.record is not None else None,
    )
    session = recordings.session = Session(parts, first, settings, notify)
    _begin_with(session, choices)
    preview = Preview(gate, view, lambda: animation.reference_face, lambda: session.settings)
    return Live(
        pipeline,
        session,
        preview,
        feed,
        recordings.written,
        lambda: recordings.still(gate),
    )


def _check_record(choices: RunChoices) -> None:
    """Make sure, before anything is loaded, that the recording can be written."""
    if choices.record is not None:
        inputs = {
            "source photo": choices.photo,
            "camera's video": Path(choices.camera),
            "background": Path(choices.background),
        }
        check_writable(choices.record, inputs)


def _begin_with(session: Session, choices: RunChoices) -> None:
    """Set what the command line says for this run alone."""
    if choices.motion is not None:
        session.do(Command("relative", choices.motion == "relative"), keep=False)
    if choices.mirror is not None:
        session.do(Command("mirror_output", choices.mirror), keep=False)


class _Recordings:
    """Makes the recordings that begin during a run, and has all of them signed and listed."""

    def __init__(self, choices: RunChoices, signer: Signer | None, written: RecordedList) -> None:
        self._choices, self._signer, self.written = choices, signer, written
        if signer is not None:
            signer.done = written.add
        self.session: Session | None = None
        """Given as soon as there is one; no recording begins before."""

    def finished(self, path: Path) -> None:
        if self.session is not None:
            self._sign(path, self.session.always_badged)

    def new(self) -> Output:
        assert self.session is not None
        choices, say = self._choices, self.session.say
        self._prepare()
        return _recording(_free_path(choices.record), choices, say, self.finished)

    def still(self, gate: OutputGate) -> None:
        """Keep what goes out now as a picture.

        Raises:
            UserError: nothing goes out yet, or it cannot be written.
        """
        assert self.session is not None
        shown = self.session.state()
        frame = gate.last
        if frame is None:
            raise UserError("There is no picture yet; wait until the camera is open.")
        path = _free_path(self._choices.record, STILL_SUFFIX)
        write_still(path, frame.image)
        self._prepare()
        badge = shown["badge"] and not shown["hidden"] and not shown["pass_through"]
        self._sign(path, badge)

    def _prepare(self) -> None:
        choices, signer = self._choices, self._signer
        if signer is not None and signer.credentials is None and self.session is not None:
            signer.credentials = prepare(choices.sign_key, choices.sign_cert, self.session.say)

    def _sign(self, path: Path, badge: bool) -> None:
        assert self.session is not None
        if self._signer is None:
            self.written.add(path)
            return
        made = PARTLY_REAL if self.session.was_real else LIVE
        self._signer.add(path, Claim(made, badge))


def _avatars(
    choices: RunChoices, size: int | None, notify: Callable[[str], None]
) -> tuple[FramedTracker, Animation, AvatarLibrary, AvatarEntry]:
    """Who follows the driver, the animation, the avatars, and the one that the run begins with."""
    finder = FaceFinder()
    view = FramedTracker(FaceTracker())
    photo, path = _first_photo(choices, finder)
    if photo.turned:
        notify(turned_line(path.name, photo.turned))
    animator = create_animator(choices.backend)
    size = size or min(animator.best_size(cores()), choices.canvas[1])
    cut_out = choices.background != KEEP
    if cut_out:
        animator = need_person(animator)
    builder = AvatarBuilder(animator, size, finder, choices.face, cut_out)
    library = AvatarLibrary(builder, choices.photo, avatars_folder())
    first = library.first(photo, path)
    assert first.ready is not None
    animation = Animation(animator, view, first.ready.avatar, cut_out=cut_out)
    return view, animation, library, first


def _camera(
    choices: RunChoices, full_pace: bool, notify: Callable[[str], None]
) -> tuple[Callable[[], Camera], BrowserFeed | None]:
    """What opens the camera, and where a page's webcam arrives if that is the camera."""
    size, fps = choices.webcam
    if choices.camera == BROWSER:
        feed = BrowserFeed()
        return turned(feed.open, choices.turn), feed
    choice = ChosenCamera(
        choices.camera,
        size=size or CAMERA_SIZE,
        fps=fps or choices.fps,
        full_pace=full_pace,
        wish=Wish(size, fps),
        notify=notify,
    )
    return turned(choice, choices.turn), None


def _first_photo(choices: RunChoices, finder: FaceFinder) -> tuple[Photo, Path]:
    """The first photo that can be animated, and where it lies."""
    trouble: UserError | None = None
    for path in photo_paths(choices.photo):
        try:
            return load_photo(path, finder, choices.face), path
        except UserError as error:
            trouble = trouble or error
    assert trouble is not None
    raise trouble


def _free_path(record: Path | None, suffix: str = VIDEO_SUFFIX) -> Path:
    """Where the next recording goes: beside the one of the command line, or to the videos."""
    folder = record.parent if record else videos_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"The folder {folder} for recordings cannot be made ({error.strerror}); start with "
            "--record FILE.mp4 to choose another one."
        ) from error
    stem = record.stem if record else "avatarify-like"
    path = free_video(folder, stem, time.strftime("%Y-%m-%d %H.%M.%S"), suffix)
    if suffix == VIDEO_SUFFIX:
        check_writable(path)
    return path


def _outputs(
    choices: RunChoices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None = None,
    panel_shows: bool = False,
) -> list[Output]:
    """What the run begins with: the virtual camera, the recording, or both."""
    outputs: list[Output] = []
    if choices.output != "none" or choices.record is None:
        reads = None if choices.camera == BROWSER else chosen_device(choices.camera)
        show = SinkChoice(choices.output, choices.canvas, choices.fps, notify, finished, reads)
        try:
            sink = show()
            outputs.append(Output(show, retry=show.reopens, sink=sink, name=sink.name))
        except SinkError as error:
            if choices.record is None and not panel_shows:
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
    choices: RunChoices,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None,
) -> Output:
    """The output that records into a file."""
    recorder = SinkChoice(f"recorder:{path}", choices.canvas, choices.fps, notify, finished)
    return Output(recorder, name=str(path))


def run_live(choices: RunChoices, console: Console) -> None:
    """Run until the user stops it or its time is over, with a status line on `console`.

    Args:
        choices: what the user chose.
        console: where it is said what goes on.

    Raises:
        UserError: it cannot start, or every output has failed.
    """
    address, certificate = parse_address(choices.panel), given(choices.tls_cert, choices.tls_key)
    if choices.camera == BROWSER and address is None:
        raise UserError("--camera browser takes the webcam of the panel; leave out --panel off.")
    named = [parse_host(name) for name in choices.panel_host or ()]
    with StatusLine(console) as line, ExitStack() as stack:
        line.busy("Loading the models and preparing the avatar ...")
        signer = Signer(None, Claim(LIVE, choices.badge), line.note)
        if choices.record is not None or choices.output.startswith("recorder:"):
            signer.credentials = prepare(choices.sign_key, choices.sign_cert, line.note)
        shows = address is not None and (address.chosen or has_screen())
        live = build(choices, line.note, signer, settings=settings_file(), panel_shows=shows)
        pipeline, session = live.pipeline, live.session
        stack.callback(session.close)
        if address is not None:
            stack.callback(_serve(live, address, certificate, named, console, line.note))
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
                pipeline.run(choices.seconds, tick)
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
    live: Live,
    address: Address,
    certificate: Certificate | None,
    named: list[HostName],
    console: Console,
    notify: Callable[[str], None],
) -> Callable[[], None]:
    """Serve the panel, open it where there is a screen, and return what ends it."""
    from realtime.panel.recordings import Recordings
    from realtime.panel.server import Panel

    if certificate is None and not address.loopback:
        certificate = self_made(config_folder(), names_of(address))

    def tell_address() -> None:
        notify(f"Panel: {panel.url if _own_eyes(console) else shown.keep(panel)}")

    panel = Panel(
        live.session,
        live.preview,
        address,
        certificate,
        live.feed,
        named=named,
        output_key=output_key_file(),
        renewed=tell_address,
        features=[Recordings(live.recorded, live.take_still)],
    )
    shown = _AddressFile()
    panel.start()
    tell_address()
    if certificate is not None and certificate.fingerprint is not None:
        notify(f"The browser asks about its certificate, SHA-256 {certificate.fingerprint}.")
    if not address.chosen and has_screen():
        # Other accounts can read the browser's command line.
        webbrowser.open(panel.url_for_one_use())

    def close() -> None:
        if live.feed is not None:
            live.feed.close()
        panel.close()
        shown.close()

    return close


def _own_eyes(console: Console) -> bool:
    """Whether a console's lines go to whoever has started the program, and not into a file."""
    try:
        mode = os.fstat(console.file.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    return console.file.isatty() or stat.S_ISFIFO(mode)


class _AddressFile:
    """The panel's address, in a file that only the user can read, until the run ends."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def keep(self, panel: Panel) -> str:
        """Write it, and return what to tell the user."""
        from realtime.panel.output_key import write_private

        self._path = config_folder() / f"panel-{panel.place.rstrip('/').rpartition(':')[2]}.txt"
        try:
            write_private(self._path, f"{panel.url}\n")
        except UserError as error:
            return f"{panel.place} (its key is told to a terminal only: {error})"
        return f"{panel.place} (with its key in {self._path}, which only you can read)"

    def close(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)


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
