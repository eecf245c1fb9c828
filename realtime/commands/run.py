"""Putting a live run together from the user's choices."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from models.animator import need_person
from models.backends import create_animator
from models.environment import cores
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import load_photo, turned_line
from models.runtime import device_wanted
from models.together import together
from models.types import Photo
from realtime.animation.animation import Animation
from realtime.animation.expected import slow_line
from realtime.animation.framing import FramedTracker
from realtime.cameras import Camera, chosen_device
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.chosen import ChosenCamera, Wish
from realtime.cameras.viewfinder import Viewfinder
from realtime.cameras.webcam import Webcam
from realtime.canvas.background import KEEP, Background
from realtime.canvas.background import parse as parse_background
from realtime.canvas.compositor import Compositor
from realtime.canvas.output_gate import OutputGate
from realtime.commands.options import RunChoices, check_faces
from realtime.commands.parts import Live
from realtime.commands.posing import PictureSigner
from realtime.commands.serving import serve
from realtime.commands.status_line import StatusLine, summary
from realtime.commands.terminal import terminal_keys, terminal_press
from realtime.panel.address import (
    has_screen,
    parse_address,
    parse_host,
)
from realtime.panel.certificate import given
from realtime.panel.preview import Preview
from realtime.paths import (
    VIDEO_SUFFIX,
    avatars_folder,
    background_file,
    check_writable,
    free_video,
    recorded_file,
    settings_file,
    videos_folder,
)
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.pipeline.threads import limit_threads, switch_quickly
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import LIVE, PARTLY_REAL, Claim
from realtime.session.avatar_entry import AvatarBuilder, AvatarEntry
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.background_photo import BackgroundPhoto
from realtime.session.camera_choice import BROWSER
from realtime.session.chosen import NOWHERE, Chosen
from realtime.session.recorded import STILL_SUFFIX, RecordedList, write_still
from realtime.session.session import Command, Parts, Session
from realtime.session.settings import load
from realtime.session.setup import Begun, Openers, Setup
from realtime.session.source import photo_paths
from realtime.sinks.base import SinkError
from realtime.sinks.null import NullSink
from realtime.sinks.registry import SinkChoice

CAMERA_SIZE = (640, 480)
"""What a webcam is asked for: every one has it, and the landmark network sees no more than 256
pixels across the face anyway."""


def build(
    choices: RunChoices,
    notify: Callable[[str], None],
    signer: Signer | None = None,
    *,
    settings: Path | None = None,
    panel_shows: bool = False,
    remembered: Path | None = None,
    avatar_size: int | None = None,
    full_pace: bool = False,
) -> Live:
    """Open the outputs, load the models and prepare the avatar.

    Args:
        choices: what the user chose.
        notify: called with one line for the user.
        signer: signs the recordings; None: they stay unsigned.
        settings: the file in which settings are kept; None: nowhere.
        panel_shows: the panel is enough of an output, and a camera can be chosen on it.
        remembered: the photo to begin with, where the choices are those of an earlier run: what of
            them cannot be had any more is left out.
        avatar_size: longer side of the avatars in pixels; None: what this computer can do.
        full_pace: read the next camera frame when the last one was taken, not before.

    Raises:
        UserError: something is missing or cannot be used.
    """
    limit_threads()
    switch_quickly()
    _check_record(choices)
    check_faces(choices)
    backdrop = BackgroundPhoto(None if settings is None else background_file())
    background, choices = _background(choices, backdrop, remembered is not None, notify)
    view, animation, library, first = _avatars(choices, avatar_size, notify, settings, remembered)
    composer = Compositor(choices.canvas, choices.fit, choices.badge, background=background)
    gate = OutputGate(composer.size, lambda: view.seen)
    recordings = _Recordings(choices, signer, RecordedList(settings and recorded_file()))
    troubles: list[str] = []
    outputs = _outputs(choices, notify, recordings.finished, panel_shows, troubles.append)
    if choices.camera == BROWSER and choices.webcam != (None, None):
        notify("--camera-size and --camera-fps are not for the webcam of a page.")
    feed, viewfinder = BrowserFeed(), Viewfinder()
    cameras = _cameras(choices, full_pace, feed, viewfinder, lambda line: pipeline.tell(line))
    pipeline = Pipeline(
        cameras(choices.camera),
        animation,
        composer,
        outputs,
        fps=choices.fps,
        full_pace=full_pace,
        notify=lambda line: session.hear(line),
        last_step=gate,
        delay=None if choices.delay is None else choices.delay / 1e3,
        turn=choices.turn,
        patient=panel_shows,
    )
    recordings.shape = lambda: (composer.size, pipeline.fps)

    def output(choice: str, size: tuple[int, int], fps: float) -> Output:
        capture = pipeline.capture
        camera = None if capture is None else capture.device
        reads = camera.device if isinstance(camera, Webcam) else None
        show = SinkChoice(choice, size, fps, session.say, reads=reads)
        return Output(show, retry=show.reopens, size=size)

    virtual = next((one for one in outputs if one.retry), None)
    begun = Begun(_chosen(choices), virtual, " ".join(troubles), choices.face)
    openers = Openers(cameras, output, _nowhere, feed.release, backdrop)
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
        setup=Setup(pipeline, composer, library, openers, begun),
    )
    session = recordings.session = Session(parts, first, settings, notify)
    _begin_with(session, choices)
    if line := slow_line(animation.animator, animation.avatar):
        session.hear(line)
    preview = Preview(gate, view, lambda: animation.reference_face, lambda: session.settings)
    return Live(
        pipeline,
        session,
        preview,
        feed,
        backdrop,
        viewfinder,
        library,
        recordings.written,
        lambda: recordings.still(gate),
    )


def _background(
    choices: RunChoices,
    backdrop: BackgroundPhoto,
    lenient: bool,
    notify: Callable[[str], None],
) -> tuple[Background | None, RunChoices]:
    """What is behind the person, and the choices without one that cannot be had."""
    try:
        if lenient and choices.background == "photo":
            return backdrop(), choices
        background = parse_background(choices.background)
        if background is not None and background.kind == "photo":
            backdrop.begin_with(background)
        return background, choices
    except UserError as error:
        if not lenient:
            raise
        notify(f"{error} Going on with the photo's own background.")
        return None, replace(choices, background=KEEP)


def _chosen(choices: RunChoices) -> Chosen:
    """What is chosen as the run begins, as it would be remembered."""
    wide, high = choices.canvas
    word = choices.background.strip().lower()
    return Chosen(
        camera=choices.camera,
        output=NOWHERE if choices.output.startswith("recorder") else choices.output,
        backend=choices.backend,
        device=device_wanted(),
        size=f"{wide}x{high}",
        fps=choices.fps,
        fit=choices.fit.value,
        rotate=choices.turn,
        background=word if word in (KEEP, "blur", "green") else "photo",
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
        self.shape: Callable[[], tuple[tuple[int, int], float]]
        self.shape = lambda: (choices.canvas, choices.fps)
        """Size and rate of the frames, as they are now."""

    def finished(self, path: Path) -> None:
        if self.session is not None:
            self._sign(path, self.session.always_badged)

    def new(self) -> Output:
        assert self.session is not None
        choices, say = self._choices, self.session.say
        self._prepare()
        return _recording(_free_path(choices.record), *self.shape(), say, self.finished)

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
    choices: RunChoices,
    size: int | None,
    notify: Callable[[str], None],
    settings: Path | None,
    remembered: Path | None,
) -> tuple[FramedTracker, Animation, AvatarLibrary, AvatarEntry]:
    """Who follows the driver, the animation, the avatars, and the one that the run begins with."""
    finder = FaceFinder()
    view = FramedTracker(FaceTracker())
    kept = None if settings is None else load(settings)

    def face_of(path: Path) -> int | None:
        return (kept and kept.of(path.name).face) or choices.face

    photo, path = _first_photo(choices, finder, remembered, face_of, choices.everyone)
    if photo.turned:
        notify(turned_line(path.name, photo.turned))
    animator = create_animator(choices.backend)
    if choices.everyone:
        animator = together(animator)
    size = size or min(animator.best_size(cores()), choices.canvas[1])
    cut_out = choices.background != KEEP
    if cut_out:
        animator = need_person(animator)
    builder = AvatarBuilder(animator, size, finder, choices.face, cut_out, choices.everyone)
    library = AvatarLibrary(builder, choices.photo, avatars_folder())
    first = library.first(photo, path)
    assert first.ready is not None
    animation = Animation(animator, view, first.ready.avatar, cut_out=cut_out)
    return view, animation, library, first


def _cameras(
    choices: RunChoices,
    full_pace: bool,
    feed: BrowserFeed,
    viewfinder: Viewfinder,
    notify: Callable[[str], None],
) -> Callable[[str], Callable[[], Camera] | None]:
    """What opens each camera that can be chosen; None for none."""
    size, fps = choices.webcam

    def opener(choice: str) -> Callable[[], Camera] | None:
        if choice == NOWHERE:
            return None
        if choice == BROWSER:
            return feed.open
        chosen = ChosenCamera(
            choice,
            size=size or CAMERA_SIZE,
            fps=fps or choices.fps,
            full_pace=full_pace,
            wish=Wish(size, fps),
            notify=notify,
        )

        def opened() -> Camera:
            viewfinder.release()  # A page may be looking at this very camera.
            return chosen()

        return opened

    return opener


def _first_photo(
    choices: RunChoices,
    finder: FaceFinder,
    remembered: Path | None,
    face_of: Callable[[Path], int | None],
    everyone: bool,
) -> tuple[Photo, Path]:
    """The first photo that can be animated, and where it lies."""
    trouble: UserError | None = None
    before = [] if remembered is None else [remembered]
    for path in (*before, *photo_paths(choices.photo)):
        try:
            return load_photo(path, finder, face_of(path), everyone), path
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
    trouble: Callable[[str], None] = lambda why: None,
) -> list[Output]:
    """What the run begins with: the virtual camera, the recording, or both."""
    outputs: list[Output] = []
    if choices.output != "none" or choices.record is None:
        reads = None if choices.camera == BROWSER else chosen_device(choices.camera)
        show = SinkChoice(choices.output, choices.canvas, choices.fps, notify, finished, reads)
        try:
            sink = show()
            size = choices.canvas if show.reopens else None
            outputs.append(Output(show, show.reopens, sink, sink.name, size=size))
        except SinkError as error:
            if choices.record is None and not panel_shows:
                raise
            trouble(str(error))
            alone = "panel" if choices.record is None else "recording"
            notify(f"{error} Going on with the {alone} alone.")
            if choices.record is None:
                outputs.append(_nowhere())
    if choices.record is not None:
        recording = _recording(choices.record, choices.canvas, choices.fps, notify, finished)
        outputs.append(recording)
    return outputs


def _nowhere() -> Output:
    """An output that keeps the figures going while only the panel shows the picture."""
    return Output(NullSink, name="the panel alone", sink=NullSink())


def _recording(
    path: Path,
    size: tuple[int, int],
    fps: float,
    notify: Callable[[str], None],
    finished: Callable[[Path], None] | None,
) -> Output:
    """The output that records into a file."""
    recorder = SinkChoice(f"recorder:{path}", size, fps, notify, finished)
    return Output(recorder, name=str(path))


def run_live(choices: RunChoices, console: Console, remembered: Path | None = None) -> None:
    """Run until the user stops it or its time is over, with a status line on `console`.

    Args:
        choices: what the user chose.
        console: where it is said what goes on.
        remembered: the photo to begin with, where the choices are those of an earlier run and
            everything else is chosen on the page.

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
        seen = remembered is not None or has_screen()
        shows = address is not None and (address.chosen or seen)
        live = build(
            choices,
            line.note,
            signer,
            settings=settings_file(),
            panel_shows=shows,
            remembered=remembered,
        )
        pipeline, session = live.pipeline, live.session
        stack.callback(session.close)
        if address is not None:
            sign = PictureSigner(signer, choices.sign_key, choices.sign_cert, line.note)
            stack.callback(serve(live, address, certificate, named, sign, console, line.note))
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
