"""What a run is set up with, switched while it goes on: camera, output, canvas, backend and more.

A change that fails leaves everything as it was. What takes long is made in the library's thread,
while the old goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol

from models.animator import need_person
from models.backends import backend_choices
from models.errors import UserError
from models.runtime import device_choices
from realtime.addresses import hide_secrets
from realtime.cameras.base import Camera
from realtime.canvas.background import Background
from realtime.canvas.compositor import Canvas, Compositor
from realtime.canvas.fit import Fit
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.session import values
from realtime.session.avatar_entry import AvatarEntry
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.camera_choice import BROWSER, check_camera, same_camera
from realtime.session.chosen import BACKGROUNDS, NOWHERE, TURNS, Chosen
from realtime.session.output_choice import check_output, same_output
from realtime.session.remaking import Made, Remaking
from realtime.sinks.null import NullSink

SIZES = ("1280x720", "1920x1080", "960x540", "640x360", "640x480", "720x720", "720x1280")
"""What the page offers for the output: what calls send, and a square and an upright one."""

RATES = (15.0, 24.0, 25.0, 30.0, 60.0)
"""Frames per second that the page offers: those of cameras and of film."""


class Desk(Protocol):
    """What a setup needs of its session."""

    settings: Any

    @property
    def current(self) -> AvatarEntry:
        """The avatar that is shown."""
        ...

    def say(self, line: str) -> None:
        """Tell the user one line."""
        ...

    def touch(self) -> None:
        """Something has changed that pages should show."""
        ...

    def choose(self, keep: bool = True, **chosen: Any) -> None:
        """Note what was chosen."""
        ...

    def show_made(self, made: Made) -> bool:
        """Show the current avatar as it was made anew."""
        ...

    def no_real_face(self) -> None:
        """Show the avatar, whatever was agreed to before."""
        ...


@dataclass(frozen=True)
class Openers:
    """How what is chosen is opened.

    Attributes:
        camera: what opens a camera; None for "none" alone.
        output: the output to a virtual camera for frames of a size and a rate, not yet open.
        nowhere: one that shows its frames to nobody.
        release_page: lets whoever waits for a page's webcam give up.
        photo: the last photo that was given as a background, or a `UserError`.
    """

    camera: Callable[[str], Callable[[], Camera] | None]
    output: Callable[[str, tuple[int, int], float], Output]
    nowhere: Callable[[], Output]
    release_page: Callable[[], None] = lambda: None
    photo: Callable[[], Background] | None = None


@dataclass(frozen=True)
class Begun:
    """What the run has begun with.

    Attributes:
        chosen: all that was chosen.
        output: the output to the virtual camera, if there is one.
        problem: why there is none although one was chosen; "" if nothing is wrong.
        face: which face of every photo the command line asks for.
    """

    chosen: Chosen
    output: Output | None = None
    problem: str = ""
    face: int | None = None


class Setup:
    """Switches what a run is set up with. All methods may be called by any thread.

    Attributes:
        begins_with: what was chosen at the start.
        actions: what can be switched, by the names of the commands.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        composer: Compositor,
        library: AvatarLibrary,
        openers: Openers,
        begun: Begun,
    ) -> None:
        """Know a run that is about to begin; `begin` gives its session."""
        self.begins_with = begun.chosen
        self._pipeline = pipeline
        self._composer = composer
        self._library = library
        self._openers = openers
        self._output, self._output_problem = begun.output, begun.problem
        self._face = begun.face
        self._camera = begun.chosen.camera
        self._lock = threading.RLock()
        self._busy: list[str] = []
        self._seen: tuple[Any, ...] = ()
        self._backends = backend_choices()
        self._desk: Desk | None = None
        self._remaking = Remaking(library, lambda: self._composer.size[1])
        number = values.number(1, 120)
        checked: dict[str, tuple[Callable[[Any], Any], Callable[[Any], dict[str, Any]]]] = {
            "camera": (values.text, self._choose_camera),
            "output": (values.text, self._choose_output),
            "rotate": (values.one_of(TURNS), self._turn),
            "size": (values.size, lambda size: self._change_canvas(size=size)),
            "fps": (number, lambda fps: self._change_canvas(fps=fps)),
            "fit": (values.choice(tuple(Fit)), self._fit),
            "background": (values.choice(BACKGROUNDS), self._background),
            "backend": (values.text, self._choose_backend),
            "device": (values.text, self._choose_device),
            "face": (values.face, self._choose_face),
        }
        self._checked = checked
        self.actions: Mapping[str, Any] = MappingProxyType(checked)

    def begin(self, desk: Desk) -> None:
        """Take the session, which everything is told to."""
        self._desk = desk

    def do(self, name: str, value: Any, keep: bool = True) -> None:
        """Carry out a command; what takes long goes on after this has returned.

        Args:
            name: one of `actions`.
            value: what to switch to.
            keep: whether the choice is kept for the next start.

        Raises:
            UserError: the value makes no sense, or it cannot be done; then all is as before.
        """
        check, act = self._checked[name]
        try:
            checked = check(value)
        except ValueError as error:
            raise UserError(f"The command {name} {error}.") from None
        with self._lock:
            self._keep = keep
            chosen = act(checked)
            if chosen:
                self._session.choose(keep, **chosen)
            self._session.touch()

    def look(self) -> None:
        """Have pages told when a device has come or gone; to be called a few times a second."""
        capture = self._pipeline.capture
        sink = None if self._output is None else self._output.sink
        seen = (
            None if capture is None else (capture.state, capture.name, capture.problem),
            sink is None,
            None if self._output is None else self._output.watched,
        )
        if seen != self._seen:
            self._seen = seen
            self._session.touch()

    def state(self) -> dict[str, Any]:
        """What is chosen and what could be, for pages: only JSON, no password and no path."""
        chosen: Chosen = self._session.settings.chosen
        canvas, fps = self._composer.canvas, self._pipeline.fps
        size = "{}x{}".format(*canvas.size)
        devices = device_choices()
        if chosen.device not in [key for key, _ in devices]:
            devices.append((chosen.device, chosen.device))
        return {
            "camera": self._camera_state(),
            "output": self._output_state(chosen),
            "backend": {
                "choice": chosen.backend,
                "choices": [
                    {
                        "name": one.name,
                        "label": one.label,
                        "available": one.available,
                        "why": one.why,
                    }
                    for one in self._backends
                ],
            },
            "device": {
                "choice": chosen.device,
                "choices": [{"name": key, "label": label} for key, label in devices],
            },
            "size": size,
            "sizes": list(dict.fromkeys([*SIZES, size])),
            "fps": fps,
            "rates": sorted({*RATES, fps}),
            "fit": canvas.fit.value,
            "fits": [one.value for one in Fit],
            "rotate": chosen.rotate,
            "face": self._session.settings.of(self._session.current.key).face or self._face,
            "background": chosen.background,
            "busy": next(iter(self._busy), None),
        }

    @property
    def _session(self) -> Desk:
        assert self._desk is not None, "a session takes its setup before anything is asked of it"
        return self._desk

    def _camera_state(self) -> dict[str, Any]:
        capture = self._pipeline.capture
        state = "none" if capture is None else capture.state.value
        waiting = self._camera == BROWSER and state in ("opening", "lost")
        problem = "" if capture is None or waiting else hide_secrets(capture.problem)
        return {
            "choice": hide_secrets(self._camera),
            "name": "" if capture is None or state == "opening" else capture.name,
            "state": "waiting" if waiting else state,
            "problem": problem or None,
        }

    def _output_state(self, chosen: Chosen) -> dict[str, Any]:
        output = self._output
        state = "none"
        if output is not None:
            state = "open" if output.sink is not None else "lost"
        elif chosen.output != NOWHERE:
            state = "lost"
        problem = self._output_problem if output is None else output.failure
        return {
            "choice": chosen.output,
            "name": None if output is None else output.name,
            "state": state,
            "problem": problem or None,
            "reading": None if output is None else output.watched,
        }

    @contextmanager
    def _during(self, what: str) -> Iterator[None]:
        """Let pages know that something is being changed."""
        self._busy.append(what)
        self._session.touch()
        try:
            yield
        finally:
            self._busy.remove(what)
            self._session.touch()

    def _later(self, what: str, make: Callable[[], None], **chosen: Any) -> dict[str, Any]:
        """Have something made in the library's thread, after what is being made there already."""
        keep = self._keep
        self._busy.append(what)

        def done(made: bool) -> None:
            self._busy.remove(what)
            if made and chosen:
                self._session.choose(keep, **chosen)
            self._session.touch()

        self._remaking.start(self._session, make, done)
        return {}

    def _choose_camera(self, choice: str) -> dict[str, Any]:
        capture = self._pipeline.capture
        now = None if capture is None else capture.device
        if choice == self._camera and (now is not None or choice in (NOWHERE, BROWSER)):
            return {}
        check_camera(choice, self.begins_with.camera)
        opener = self._openers.camera(choice)
        opened = None
        with self._during("camera"):
            # One device cannot be opened twice; every other one is, before the old is let go.
            if opener is not None and choice != BROWSER and not same_camera(choice, now):
                opened = opener()
            self._session.no_real_face()
            self._openers.release_page()
            self._pipeline.set_camera(opener, opened)
            self._camera = choice
        secret = hide_secrets(choice) != choice
        self._session.choose(False, camera=choice)
        return {} if secret else {"camera": choice}

    def _turn(self, degrees: int) -> dict[str, Any]:
        if degrees != self._session.settings.chosen.rotate:
            self._pipeline.set_turn(degrees)
        return {"rotate": degrees}

    def _choose_output(self, choice: str) -> dict[str, Any]:
        check_output(choice)
        old = self._output
        sink = None if old is None else old.sink
        if choice != NOWHERE and sink is not None and same_output(choice, sink):
            return {"output": choice}
        with self._during("output"):
            new = None
            if choice != NOWHERE:
                new = self._openers.output(choice, self._composer.size, self._pipeline.fps)
                self._pipeline.add_output(new)
            self._output, self._output_problem = new, ""
            self._leave(old)
        return {"output": choice}

    def _leave(self, old: Output | None) -> None:
        """Let go of an output; something is always fed, so that there are figures."""
        if self._output is None and not any(one is not old for one in self._pipeline.outputs):
            self._pipeline.add_output(self._openers.nowhere())
        for output in self._pipeline.outputs:
            spare = self._output is not None and isinstance(output.sink, NullSink)
            if output is old or spare:
                self._pipeline.remove_output(output)

    def _change_canvas(
        self, size: tuple[int, int] | None = None, fps: float | None = None
    ) -> dict[str, Any]:
        before = self._composer.canvas, self._pipeline.fps
        after = replace(before[0], size=size or before[0].size), fps or before[1]
        if after == before:
            return {}
        if any(self._records(output) for output in self._pipeline.outputs):
            raise UserError("A recording has one size and one rate; stop the recording first.")
        with self._during("size" if size else "fps"):
            self._move_to(after, before)
        if size is not None:
            self._fit_avatars()
        wide, high = self._composer.size
        return {"size": f"{wide}x{high}", "fps": self._pipeline.fps}

    def _records(self, output: Output) -> bool:
        return not (output.retry or output.gone or isinstance(output.sink, NullSink))

    def _move_to(self, after: tuple[Canvas, float], before: tuple[Canvas, float]) -> None:
        """Put the picture on another canvas, and open the virtual camera anew for it."""
        old, choice = self._output, self._session.settings.chosen.output
        if old is not None:
            self._pipeline.remove_output(old)  # A device has one size at a time.
        for canvas, fps in (after, before):
            self._composer.canvas, self._pipeline.fps = canvas, fps
            if old is None:
                return
            new = self._openers.output(choice, self._composer.size, fps)
            try:
                self._pipeline.add_output(new)
            except UserError as error:
                if (canvas, fps) == before:
                    self._output, self._output_problem = None, str(error)
                    self._leave(None)
                    raise
                trouble = error
                continue
            self._output = new
            if (canvas, fps) == before:
                raise trouble
            return

    def _fit_avatars(self) -> None:
        """Make the avatars of the size that suits the canvas."""
        if self._remaking.best_size() != self._library.builder.size:
            self._later("size", lambda: self._remaking.resize(self._session))

    def _fit(self, fit: str) -> dict[str, Any]:
        self._composer.canvas = replace(self._composer.canvas, fit=Fit(fit))
        return {"fit": fit}

    def _background(self, word: str) -> dict[str, Any]:
        background = None
        if word == "photo":
            if self._openers.photo is None:
                raise UserError("There is no photo for the background yet; choose one first.")
            background = self._openers.photo()
        elif word != "keep":
            background = Background("blur" if word == "blur" else "green")
        builder = self._library.builder
        if background is None:
            self._put_behind(None)
            ready = self._session.current.ready
            if ready is not None:
                self._pipeline.animation.set_avatar(ready.avatar, cut_out=False)
            self._library.use(builder.like(cut_out=False))
            return {"background": word}
        need_person(builder.animator)
        if builder.cut_out and not self._busy:
            self._put_behind(background)
            return {"background": word}

        def make() -> None:
            self._remaking.cut_out(self._session)
            self._put_behind(background)

        return self._later("background", make, background=word)

    def _put_behind(self, background: Background | None) -> None:
        self._composer.canvas = replace(self._composer.canvas, background=background)

    def _choose_backend(self, name: str) -> dict[str, Any]:
        return self._later(
            "backend", lambda: self._remaking.backend(self._session, name), backend=name
        )

    def _choose_device(self, key: str) -> dict[str, Any]:
        def make() -> None:
            name = self._session.settings.chosen.backend
            self._remaking.device(self._session, key, name)

        return self._later("device", make, device=key)

    def _choose_face(self, face: int) -> dict[str, Any]:
        return self._later("face", lambda: self._remaking.face(self._session, face))
