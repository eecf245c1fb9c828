"""The one state of a run, and the commands that the command line, the keys and the panel send."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.animator import Slider
from models.errors import UserError
from models.face.placed import Placed
from models.folders import not_kept
from models.photos import turned_line
from models.types import Image
from realtime.animation.calibration import CalibrationState
from realtime.animation.framing import FramedTracker, Framing
from realtime.canvas.compositor import Compositor
from realtime.canvas.output_gate import OutputGate, Question
from realtime.lines import Line
from realtime.pipeline.live import Pipeline, Status
from realtime.pipeline.output import Output
from realtime.session import values
from realtime.session.avatar_entry import AvatarEntry, AvatarState
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.notices import Notices
from realtime.session.remaking import Made
from realtime.session.settings import AvatarSettings, Settings, load, save
from realtime.session.setup import Setup
from realtime.session.situation import Facts, Situation, situation
from realtime.sinks.null import NullSink

_NO_CAMERA = ("none", "opening")
"""States of the camera in which nothing is known of its pictures."""

SMOOTHING = Slider("smoothing", "Smoothing", help="Less tremble, or less delay.")
"""The slider that is the live tool's own."""

_SWITCHES = ("mirror_preview", "mirror_output", "blur", "landmarks", "stages")
"""The settings that a command of the same name turns over."""

_PAN = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Keys to the direction in the picture, x to the right and y down."""

_STEP = 0.02
"""Of the picture's sides that one key moves the framing: ten are a fifth."""

_REAL = "real face"
"""What lines about the camera's own picture are about."""

_SAVE_EVERY = 1.0
"""Seconds between two writes while a slider is dragged: no write for each of its steps, and hardly
anything is lost when the program is killed."""


@dataclass(frozen=True)
class Command:
    """One thing that is asked for.

    Attributes:
        name: one of `Session.commands`.
        value: what it takes, if anything.
    """

    name: str
    value: Any = None

    @classmethod
    def parse(cls, message: object) -> Command:
        """What a page has sent.

        Raises:
            UserError: it is not a command.
        """
        if not isinstance(message, dict) or not isinstance(message.get("do"), str):
            raise UserError("That is not a command.")
        return cls(message["do"], message.get("value"))


@dataclass(frozen=True)
class Parts:
    """What a session controls.

    Attributes:
        pipeline: the run.
        library: the avatars to choose from.
        view: what the camera sees.
        gate: the last step before the outputs.
        composer: puts the avatar on its canvas.
        adapt_scale: scale the motion by the size of the faces.
        badge: whether the run begins with the mark.
        new_recording: makes the output of the next recording, not yet open.
        new_nowhere: makes one that shows its frames to nobody.
        recording: the output of the recording that the run begins with, if any.
        setup: camera, output and the like, where they can be switched.
    """

    pipeline: Pipeline
    library: AvatarLibrary
    view: FramedTracker
    gate: OutputGate
    composer: Compositor
    adapt_scale: bool
    badge: bool
    new_recording: Callable[[], Output]
    new_nowhere: Callable[[], Output]
    recording: Output | None = None
    setup: Setup | None = None


class Session:
    """What is chosen and set in a run. All methods may be called by any thread.

    Attributes:
        settings: what is set now.
        always_badged: every picture of this run had the badge.
        was_real: the camera's own picture was let through in this run.
        watched: somebody has the output's own page open.
        revision: rises with every change that a page should show.
        over: set when somebody has asked to end the run.
    """

    def __init__(
        self,
        parts: Parts,
        current: AvatarEntry,
        file: Path | None,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Take the settings of the last run and apply them.

        Args:
            parts: what is controlled.
            current: the avatar that the run begins with.
            file: where settings are kept; None: nowhere.
            notify: called by `hear`, with one line for the user.
        """
        self._parts = parts
        self._file = file
        self._notify = notify
        self._lock = threading.RLock()
        self.settings = self._kept = load(file) if file is not None else Settings()
        if parts.setup is not None:
            self.settings = replace(self.settings, chosen=parts.setup.begins_with)
        self._unsaved: float | None = None
        self._current = current
        self._told_turned = {current.id}
        self._wanted: str | None = None
        self._question: Question | None = None
        self._badge = parts.badge
        self.always_badged = parts.badge
        self.was_real = False
        self._recording = parts.recording
        self._notices = Notices()
        self._shown: object = None
        self.watched = False
        self.revision = 0
        self.over = threading.Event()
        self._actions: dict[str, tuple[Callable[[Any], Any], Callable[[Any], None]]] = {
            "avatar": (values.word, self._choose),
            "number": (values.whole, self._number),
            "next": (values.nothing, lambda _: self._step(1)),
            "previous": (values.nothing, lambda _: self._step(-1)),
            "random": (values.nothing, self._random),
            "reload": (values.nothing, lambda _: parts.library.reload()),
            "remove": (values.word, self._remove),
            "calibrate": (values.nothing, lambda _: self._calibrate(True)),
            "undo_calibration": (values.nothing, self._undo_calibration),
            "reset": (values.nothing, lambda _: self._calibrate(False)),
            "lock": (values.switch, self._lock_face),
            "search": (values.switch, self._search),
            "relative": (values.switch, self._relative),
            "zoom": (
                values.number(-1, 1),
                lambda by: self._frame(self.settings.framing.zoomed(by)),
            ),
            "pan": (values.choice(_PAN), lambda way: self._pan(way, None)),
            "nudge": (values.choice(_PAN), lambda way: self._pan(way, 1)),
            "auto_framing": (values.switch, self._auto_framing),
            "overlay": (values.number(0, 1), lambda value: self._change(overlay=value)),
            "overlay_by": (values.number(-1, 1), self._overlay_by),
            "badge": (values.switch, self._show_badge),
            "freeze": (values.switch, self._freeze),
            "hide": (values.switch, self._hide),
            "record": (values.switch, self._record),
            "pass_through": (values.switch, self._pass_through),
            "confirm": (values.switch, self._confirm),
            "quit": (values.nothing, self._quit),
        }
        self._sliders: tuple[Slider, ...] = ()
        self._know_sliders(parts.pipeline.animation.sliders)
        for name in _SWITCHES:
            self._actions[name] = (values.switch, self._setting(name))
        parts.library.changed = self.touch
        parts.library.arrived = self._tell_turned
        parts.library.face_of = lambda key: self.settings.of(key).face or None
        if parts.setup is not None:
            parts.setup.begin(self)
        self._apply()
        assert current.ready is not None
        for line in current.ready.notes:
            self.hear(line)

    def _know_sliders(self, sliders: Sequence[Slider]) -> None:
        """Have a command for each slider of the backend, and none for those of the one before."""
        for gone in self._sliders:
            del self._actions[gone.name]
        self._sliders = tuple(sliders)
        for slider in (*self._sliders, SMOOTHING):
            check = values.number(slider.least, slider.most)
            self._actions[slider.name] = (check, self._slider(slider))

    @property
    def commands(self) -> Sequence[str]:
        """The names of all commands."""
        setup = self._parts.setup
        return (*self._actions, *(() if setup is None else setup.actions))

    @property
    def current(self) -> AvatarEntry:
        """The avatar that is shown."""
        return self._current

    @property
    def recording(self) -> bool:
        """Whether the picture is being recorded."""
        return self._recording is not None and not self._recording.gone

    def do(self, command: Command, keep: bool = True) -> None:
        """Carry out a command.

        Args:
            command: what to do. A switch takes True, False or None, which turns it over.
            keep: whether a changed setting is kept for the next run.

        Raises:
            UserError: there is no such command, its value makes no sense, or it cannot be done.
        """
        setup = self._parts.setup
        if setup is not None and command.name in setup.actions:
            # Opening a device takes a while, in which the picture can still be hidden.
            setup.do(command.name, command.value, keep)
            return
        action = self._actions.get(command.name)
        if action is None:
            raise UserError(f"There is no command {command.name[:40]!r}.")
        check, act = action
        try:
            value = check(command.value)
        except ValueError as error:
            raise UserError(f"The command {command.name} {error}.") from None
        with self._lock:
            kept = self._kept
            act(value)
            if not keep:
                self._kept = kept
            self.touch()

    @property
    def library(self) -> AvatarLibrary:
        """The avatars to choose from."""
        return self._parts.library

    @property
    def wanted(self) -> str | None:
        """The `id` of the avatar that is shown as soon as it is ready, if there is one."""
        return self._wanted

    def keep_settings(self, avatar: str, settings: AvatarSettings) -> None:
        """Set everything for an avatar, by the name of the photo's file."""
        with self._lock:
            self.settings = replace(
                self.settings, avatars={**self.settings.avatars, avatar: settings}
            )
            self._kept = replace(self._kept, avatars={**self._kept.avatars, avatar: settings})
            self._unsaved = self._unsaved or time.monotonic()
            self._apply()
            self.touch()

    def add_placed(self, image: Image, placed: Placed, name: str) -> str:
        """Add a picture on which a person has placed a face's points; its `id` in the list.

        Args:
            image: (H, W, 3), upright.
            placed: the points.
            name: what the user calls it.

        Raises:
            UserError: it cannot be used or kept; the sentence says why.
        """
        entry = self._parts.library.add_placed(image, placed, name)
        self.touch()
        return entry.id

    def place(self, identity: str, placed: Placed) -> str:
        """Give an avatar of the list new points; on show, it is drawn by them from then on.

        Returns:
            Its `id`, or that of another one that was made (`AvatarLibrary.place`).

        Raises:
            UserError: there is no such avatar, or its points cannot be kept.
        """
        kept = self._parts.library.place(identity, placed)
        if kept == self._current.id:
            self._choose(kept)
        self.touch()
        return kept

    def say(self, line: str) -> None:
        """Tell the user one line, in the terminal and on every page; never waits."""
        self._parts.pipeline.tell(line)

    def hear(self, line: str) -> None:
        """Pass on a line of the pipeline: to every page, and to `notify`."""
        with self._lock:
            self._notices.hear(line)
            if not self._parts.gate.open:
                self._notices.withdraw(_REAL)  # It was taken back before this was heard.
            self.revision += 1
        self._notify(line)

    def choose(self, keep: bool = True, **chosen: Any) -> None:
        """Note what was chosen.

        Args:
            keep: for the next start without arguments, too.
            **chosen: fields of `Chosen`.
        """
        with self._lock:
            self.settings = _with_chosen(self.settings, chosen)
            if keep:
                self._kept = _with_chosen(self._kept, chosen)
                self._unsaved = self._unsaved or time.monotonic()
            self.touch()

    def show_made(self, made: Made) -> bool:
        """Show the current avatar as it was made anew; False if it is no longer the current one."""
        parts = self._parts
        with self._lock:
            if self._current.id != made.identity:
                return False
            builder, ready = made.builder, made.ready
            entry = parts.library.rebuild(builder, made.identity, ready, made.thumbnail)
            if entry is None:
                return False
            self._current = entry
            if made.face is not None:
                self._tune(face=made.face)
            self._know_sliders(builder.animator.sliders)
            parts.pipeline.animation.set_avatar(ready.avatar, builder.animator, builder.cut_out)
            if parts.pipeline.animation.search is not None:
                parts.pipeline.animation.look_for(ready.face)
            self._apply()
            self.touch()
            return True

    def no_real_face(self) -> None:
        """Show the avatar, whatever was agreed to before: the camera is another one now."""
        with self._lock:
            self._question = None
            if self._parts.gate.open:
                self._parts.gate.pass_through(None)
                self._notices.withdraw(_REAL)
                self.say("The avatar is shown again, since the camera has changed.")

    def touch(self) -> None:
        """Something has changed that pages should show."""
        with self._lock:
            self.revision += 1

    def tick(self) -> None:
        """Look at what changes by itself, and keep changed settings, at most once a second.

        To be called a few times a second.
        """
        if self._parts.setup is not None:
            self._parts.setup.look()
        shown = self._situation(), self._calibration()
        if shown != self._shown:
            self._shown = shown
            self.touch()
        if self._unsaved is not None and time.monotonic() - self._unsaved >= _SAVE_EVERY:
            self.save()

    def save(self) -> None:
        """Keep the settings now, if they have changed."""
        with self._lock:
            if self._file is None or self._unsaved is None:
                return
            self._unsaved, settings = None, self._kept
        try:
            save(settings, self._file)
        except OSError as error:
            file, self._file = self._file, None
            self.say(not_kept("What is set", file.parent, error))

    def start(self) -> None:
        """Begin to make the other avatars ready in the background."""
        self._parts.library.start()

    def close(self) -> None:
        """Keep the settings and stop the work in the background."""
        self._parts.library.close()
        self.save()

    @property
    def badged(self) -> bool:
        """Whether pictures have the mark now."""
        return self._badge

    @property
    def status(self) -> Status:
        """How the run is doing."""
        return self._parts.pipeline.status()

    def photo_file(self, identity: str) -> Path | None:
        """Where the photo of an avatar lies; None if there is no such avatar."""
        entry = self._parts.library.find(identity)
        return None if entry is None else entry.path

    def thumbnail(self, identity: str) -> bytes | None:
        """The small picture of an avatar, a JPEG file."""
        entry = self._parts.library.find(identity)
        return None if entry is None else entry.thumbnail

    def state(self) -> dict[str, Any]:
        """Everything that is chosen and set, for pages: only JSON, and no path of a file."""
        with self._lock:
            settings, gate = self.settings, self._parts.gate
            plain = asdict(settings)
            del plain["avatars"], plain["chosen"]
            setup = self._parts.setup
            recording = self._recording
            tuning = settings.of(self._current.key)
            return {
                "revision": self.revision,
                "avatars": [_described(entry) for entry in self._parts.library.entries],
                "current": self._current.id,
                "wanted": self._wanted,
                "settings": plain,
                "relative": tuning.relative,
                "sliders": [
                    *(_shown(one, tuning.strength(one), tuning.relative) for one in self._sliders),
                    _shown(SMOOTHING, tuning.smoothing, True),
                ],
                "badge": self._badge,
                "frozen": gate.frozen,
                "hidden": gate.hidden,
                "pass_through": gate.open,
                "asking": self._question is not None,
                "recording": (
                    None if recording is None or recording.gone else Path(recording.name).name
                ),
                "locked": self._parts.view.locked,
                "searching": self._parts.pipeline.animation.search is not None,
                "situation": asdict(self._situation()),
                "calibration": self._calibration(),
                "said": self._notices.shown(),
                "setup": None if setup is None else setup.state(),
            }

    def _situation(self) -> Situation:
        """What is said about the run as it is now."""
        gate, status = self._parts.gate, self.status
        waiting = status.calibration == CalibrationState.WAITING.value
        # What is recorded reaches no call.
        nobody = {NullSink.name, self._recording.name if self._recording is not None else ""}
        return situation(
            Facts(
                real_face=gate.open,
                hidden=gate.hidden,
                frozen=gate.frozen,
                camera_lost=status.camera_lost,
                no_camera=status.camera_state in _NO_CAMERA,
                dark=status.dark,
                face=status.face_found,
                turned=bool(status.turned),
                calibrated=not waiting,
                receivers=[name for name in status.outputs if name not in nobody],
                read=status.reading,
                page=self.watched,
            )
        )

    def _calibration(self) -> dict[str, Any]:
        """What pages are told about the calibration."""
        animation = self._parts.pipeline.animation
        return {
            "state": animation.calibration_state.name.lower(),
            "taken": animation.calibrations,
            "undo": animation.can_undo_calibration,
        }

    def figures(self) -> dict[str, Any]:
        """How the run is doing, for pages; milliseconds. Stages only where they are shown."""
        status = asdict(self.status)
        times, search = self._parts.pipeline.times, self._parts.pipeline.animation.search
        stages = {}
        for name in times.stages():
            recent = times[name].recents((50, 99)) if self.settings.stages else None
            if recent is not None:
                stages[name] = [round(value * 1e3, 2) for value in recent]
        found = None if search is None else {"score": search.score, "best": search.best}
        return {**status, "stages": stages, "match": found}

    def _choose(self, identity: str) -> None:
        before, self._wanted = self._wanted, identity
        try:
            self._parts.library.want(identity, self._show)
        except UserError:
            self._wanted = before
            raise

    def _show(self, entry: AvatarEntry) -> None:
        with self._lock:
            if self._wanted != entry.id:
                return
            self._wanted = None
            entry = self._parts.library.find(entry.id) or entry
            if entry.state is AvatarState.WAITING:  # It is to be made otherwise by now.
                self._choose(entry.id)
                return
            if entry.ready is None:
                self.say(entry.reason)
                return
            known, self._current = self._current, entry
            self._apply()
            if known.id != entry.id:
                self.choose(photo=str(entry.path))
            self._parts.pipeline.set_avatar(entry.ready.avatar)
            # A photo that was just added may be chosen by a key at the same time.
            for line in entry.ready.notes if known.id != entry.id else ():
                self.say(line)
            self._tell_turned(entry)
            self._note_chosen()
            animation = self._parts.pipeline.animation
            if animation.search is not None:
                animation.look_for(entry.ready.face)
            self.touch()

    def _tell_turned(self, entry: AvatarEntry) -> None:
        """Say once that a photo was turned."""
        if entry.ready is not None and entry.ready.turned and entry.id not in self._told_turned:
            self._told_turned.add(entry.id)
            self.say(turned_line(entry.name, entry.ready.turned))

    def _note_chosen(self) -> None:
        """Keep that an avatar was chosen by hand: from then on none goes live by itself."""
        try:
            self._parts.library.note_chosen()
        except UserError as error:
            self.say(str(error))

    def _number(self, number: int) -> None:
        entries = self._parts.library.entries
        if not 1 <= number <= len(entries):
            raise UserError(f"There is no avatar {number}; there are {len(entries)}.")
        self._choose(entries[number - 1].id)

    def _step(self, by: int) -> None:
        entries = [
            entry for entry in self._parts.library.entries if entry.state is not AvatarState.REFUSED
        ]
        now = self._wanted or self._current.id
        places = [index for index, entry in enumerate(entries) if entry.id == now]
        if entries:
            self._choose(entries[(places[0] + by if places else 0) % len(entries)].id)

    def _random(self, _: None) -> None:
        others = [
            entry
            for entry in self._parts.library.entries
            if entry.state is not AvatarState.REFUSED and entry.id != self._current.id
        ]
        if not others:
            raise UserError("There is no other avatar; drop a photo on the panel to add one.")
        self._choose(random.choice(others).id)

    def _remove(self, identity: str) -> None:
        if identity == self._current.id:
            others = [
                entry
                for entry in self._parts.library.entries
                if entry.state is AvatarState.READY and entry.id != identity
            ]
            if not others:
                raise UserError("This avatar is on show; switch to another one first.")
            self._choose(others[0].id)
        self._parts.library.remove(identity)

    def _calibrate(self, at_once: bool) -> None:
        self._parts.pipeline.animation.recalibrate(at_once)

    def _undo_calibration(self, _: None) -> None:
        animation = self._parts.pipeline.animation
        if not animation.can_undo_calibration:
            raise UserError("There is no former calibration to go back to.")
        animation.undo_calibration()

    def _lock_face(self, wanted: bool | None) -> None:
        view = self._parts.view
        on = not view.locked if wanted is None else wanted
        if on == view.locked:
            return
        if on and (view.seen is None or view.seen.face is None):
            raise UserError("No face is in view; look at the camera, then lock it.")
        view.lock(on)
        self.say(
            "The face that drives is locked: no other takes over until Shift-L is pressed again."
            if on
            else "The face that drives is no longer locked."
        )

    def _search(self, wanted: bool | None) -> None:
        animation = self._parts.pipeline.animation
        ready = self._current.ready
        on = animation.search is None if wanted is None else wanted
        if on and ready is not None:
            animation.look_for(ready.face)
        else:
            animation.look_for(None)

    def _relative(self, wanted: bool | None) -> None:
        now = self.settings.of(self._current.key).relative
        self._tune(relative=not now if wanted is None else wanted)

    def _slider(self, slider: Slider) -> Callable[[Any], None]:
        def move(value: float) -> None:
            if slider is SMOOTHING:
                self._tune(smoothing=value)
                return
            tuning = self.settings.of(self._current.key)
            if not tuning.relative:
                raise UserError(f"{slider.label} has no effect on absolute motion.")
            self._tune(strengths={**tuning.strengths, slider.name: value})

        return move

    def _setting(self, name: str) -> Callable[[Any], None]:
        def switch(wanted: bool | None) -> None:
            now = getattr(self.settings, name)
            self._change(**{name: not now if wanted is None else wanted})

        return switch

    def _pan(self, way: str, pixels: int | None) -> None:
        x, y = _PAN[way]
        seen = self._parts.view.seen
        height, width = seen.image.shape[:2] if seen is not None else (480, 640)
        if self.settings.mirror_preview:
            x = -x  # What is left in the preview is right in the camera's picture.
        step = (_STEP, _STEP) if pixels is None else (pixels / width, pixels / height)
        self._frame(self.settings.framing.moved(x * step[0], y * step[1]))

    def _auto_framing(self, wanted: bool | None) -> None:
        on = not self.settings.framing.auto if wanted is None else wanted
        self._frame(Framing() if on else replace(self.settings.framing, auto=False))

    def _frame(self, framing: Framing) -> None:
        self._change(framing=framing)

    def _overlay_by(self, by: float) -> None:
        self._change(overlay=round(min(max(self.settings.overlay + by, 0.0), 1.0), 3))

    def _change(self, **changes: Any) -> None:
        self.settings = replace(self.settings, **changes)
        self._kept = replace(self._kept, **changes)
        self._unsaved = self._unsaved or time.monotonic()
        self._apply()

    def _tune(self, **changes: Any) -> None:
        key = self._current.key
        self.settings = self.settings.with_avatar(key, **changes)
        self._kept = self._kept.with_avatar(key, **changes)
        self._unsaved = self._unsaved or time.monotonic()
        self._apply()

    def _apply(self) -> None:
        """Bring everything into the state that the settings say."""
        parts, settings = self._parts, self.settings
        parts.pipeline.animation.tuning = settings.of(self._current.key).tuning(
            parts.adapt_scale, self._sliders
        )
        parts.view.framing = settings.framing
        parts.composer.mirror = parts.gate.mirror = settings.mirror_output
        parts.composer.show_badge(self._badge)
        self.always_badged = self.always_badged and self._badge

    def _show_badge(self, wanted: bool | None) -> None:
        self._badge = not self._badge if wanted is None else wanted
        self._apply()

    def _freeze(self, wanted: bool | None) -> None:
        gate = self._parts.gate
        gate.freeze(not gate.frozen if wanted is None else wanted)

    def _hide(self, wanted: bool | None) -> None:
        gate = self._parts.gate
        gate.hidden = not gate.hidden if wanted is None else wanted
        self.always_badged = self.always_badged and not gate.hidden

    def _record(self, wanted: bool | None) -> None:
        recording = self._recording
        on = recording is None or recording.gone
        if wanted is not None and wanted != on:
            return  # It is as it should be.
        pipeline = self._parts.pipeline
        if recording is not None:
            self._recording = None
            if pipeline.status().outputs == (recording.name,):
                pipeline.add_output(self._parts.new_nowhere())  # The figures go on.
            pipeline.remove_output(recording)
            if not recording.gone:
                self.say(f"Recorded {recording.name}.")
        if on:
            output = self._parts.new_recording()
            pipeline.add_output(output)
            self._recording = output

    def _pass_through(self, wanted: bool | None) -> None:
        gate = self._parts.gate
        on = not gate.open if wanted is None else wanted
        if on:
            self._question = gate.ask()
        else:
            self._question = None
            gate.pass_through(None)
            self._notices.withdraw(_REAL)

    def _confirm(self, agreed: bool | None) -> None:
        question, self._question = self._question, None
        if question is None or not agreed:
            return
        if self._parts.gate.pass_through(question):
            self.was_real, self.always_badged = True, False
            shown = "Your real face is shown; press 0 to show the avatar again."
            self.say(Line(shown, _REAL, alarm=True))
        else:
            raise UserError("The question is too old; ask again.")

    def _quit(self, _: None) -> None:
        self.over.set()
        self._parts.pipeline.stop()


def _with_chosen(settings: Settings, chosen: dict[str, Any]) -> Settings:
    return replace(settings, chosen=replace(settings.chosen, **chosen))


def _shown(slider: Slider, value: float, usable: bool) -> dict[str, Any]:
    """A slider for pages.

    Args:
        slider: what it is.
        value: where it stands.
        usable: it has an effect now.
    """
    return {**asdict(slider), "value": value, "usable": usable}


def _described(entry: AvatarEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "own": entry.own,
        "state": entry.state.value,
        "reason": entry.reason,
        "picture": 0 if not entry.thumbnail else len(entry.thumbnail),
        "faces": entry.faces or [],
        "face": entry.chosen,
        "no_face": entry.no_face,
    }
