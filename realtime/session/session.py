"""The one state of a run, and the commands that the command line, the keys and the panel send."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.animator import Slider
from models.errors import UserError
from models.folders import not_kept
from models.photos import turned_line
from realtime.animation.framing import FramedTracker, Framing
from realtime.canvas.compositor import Compositor
from realtime.canvas.output_gate import OutputGate, Question
from realtime.pipeline.live import Pipeline, Status
from realtime.pipeline.output import Output
from realtime.session.avatar_library import AvatarEntry, AvatarLibrary, AvatarState
from realtime.session.settings import Settings, load, save

SMOOTHING = Slider("smoothing", "Smoothing", help="Less tremble, or less delay.")
"""The slider that is the live tool's own."""

_SWITCHES = ("mirror_preview", "mirror_output", "blur", "landmarks", "stages")
"""The settings that a command of the same name turns over."""

_PAN = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Keys to the direction in the picture, x to the right and y down."""

_STEP = 0.02
"""Of the picture's sides that one key moves the framing: ten are a fifth."""

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


class Session:
    """What is chosen and set in a run. All methods may be called by any thread.

    Attributes:
        settings: what is set now.
        always_badged: every picture of this run had the badge.
        was_real: the camera's own picture was let through in this run.
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
        self._unsaved: float | None = None
        self._current = current
        self._told_turned = {current.id}
        self._wanted: str | None = None
        self._question: Question | None = None
        self._badge = parts.badge
        self.always_badged = parts.badge
        self.was_real = False
        self._recording = parts.recording
        self._said: deque[tuple[int, str]] = deque(maxlen=12)
        self.revision = 0
        self.over = threading.Event()
        self._actions: dict[str, tuple[Callable[[Any], Any], Callable[[Any], None]]] = {
            "avatar": (_word, self._choose),
            "number": (_whole, self._number),
            "next": (_nothing, lambda _: self._step(1)),
            "previous": (_nothing, lambda _: self._step(-1)),
            "random": (_nothing, self._random),
            "reload": (_nothing, lambda _: parts.library.reload()),
            "remove": (_word, self._remove),
            "calibrate": (_nothing, lambda _: self._calibrate(True)),
            "reset": (_nothing, lambda _: self._calibrate(False)),
            "lock": (_switch, self._lock_face),
            "search": (_switch, self._search),
            "relative": (_switch, self._relative),
            "zoom": (_number(-1, 1), lambda by: self._frame(self.settings.framing.zoomed(by))),
            "pan": (_choice(_PAN), lambda way: self._pan(way, None)),
            "nudge": (_choice(_PAN), lambda way: self._pan(way, 1)),
            "auto_framing": (_switch, self._auto_framing),
            "overlay": (_number(0, 1), lambda value: self._change(overlay=value)),
            "overlay_by": (_number(-1, 1), self._overlay_by),
            "badge": (_switch, self._show_badge),
            "freeze": (_switch, self._freeze),
            "hide": (_switch, self._hide),
            "record": (_switch, self._record),
            "pass_through": (_switch, self._pass_through),
            "confirm": (_switch, self._confirm),
            "quit": (_nothing, self._quit),
        }
        self._sliders = tuple(parts.pipeline.animation.sliders)
        for slider in (*self._sliders, SMOOTHING):
            check = _number(slider.least, slider.most)
            self._actions[slider.name] = (check, self._slider(slider))
        for name in _SWITCHES:
            self._actions[name] = (_switch, self._setting(name))
        parts.library.changed = self.touch
        self._apply()
        assert current.ready is not None
        for line in current.ready.notes:
            self.hear(line)

    @property
    def commands(self) -> Sequence[str]:
        """The names of all commands."""
        return tuple(self._actions)

    def do(self, command: Command, keep: bool = True) -> None:
        """Carry out a command.

        Args:
            command: what to do. A switch takes True, False or None, which turns it over.
            keep: whether a changed setting is kept for the next run.

        Raises:
            UserError: there is no such command, its value makes no sense, or it cannot be done.
        """
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

    def add(self, data: bytes, name: str) -> AvatarEntry:
        """Add a photo to the avatars, without switching to it.

        Args:
            data: the file.
            name: what the user calls it.

        Raises:
            UserError: it cannot be used; the sentence says why.
        """
        entry = self._parts.library.add(data, name)
        self._tell_turned(entry)
        self.touch()
        return entry

    def say(self, line: str) -> None:
        """Tell the user one line, in the terminal and on every page; never waits."""
        self._parts.pipeline.tell(line)

    def hear(self, line: str) -> None:
        """Pass on a line of the pipeline: to every page, and to `notify`."""
        with self._lock:
            self._said.append((self._said[-1][0] + 1 if self._said else 1, line))
            self.revision += 1
        self._notify(line)

    def touch(self) -> None:
        """Something has changed that pages should show."""
        with self._lock:
            self.revision += 1

    def tick(self) -> None:
        """Keep changed settings, at most once a second; to be called now and then."""
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
            del plain["avatars"]
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
                "said": [{"number": number, "line": line} for number, line in self._said],
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
            if entry.ready is None:
                self.say(entry.reason)
                return
            known, self._current = self._current, entry
            self._apply()
            self._parts.pipeline.set_avatar(entry.ready.avatar)
            # A photo that was just added may be chosen by a key at the same time.
            for line in entry.ready.notes if known.id != entry.id else ():
                self.say(line)
            self._tell_turned(entry)
            animation = self._parts.pipeline.animation
            if animation.search is not None:
                animation.look_for(entry.ready.face)
            self.touch()

    def _tell_turned(self, entry: AvatarEntry) -> None:
        """Say once that a photo was turned."""
        if entry.ready is not None and entry.ready.turned and entry.id not in self._told_turned:
            self._told_turned.add(entry.id)
            self.say(turned_line(entry.name, entry.ready.turned))

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

    def _confirm(self, agreed: bool | None) -> None:
        question, self._question = self._question, None
        if question is None or not agreed:
            return
        if self._parts.gate.pass_through(question):
            self.was_real, self.always_badged = True, False
            self.say("Your real face is shown; press 0 to show the avatar again.")
        else:
            raise UserError("The question is too old; ask again.")

    def _quit(self, _: None) -> None:
        self.over.set()
        self._parts.pipeline.stop()


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
    }


def _nothing(value: Any) -> None:
    if value is not None:
        raise ValueError("takes no value")


def _switch(value: Any) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError("takes true, false or nothing")
    return value


def _word(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 40:
        raise ValueError("takes the id of an avatar")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("takes a whole number")
    return value


def _choice(words: Any) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"takes one of: {', '.join(words)}")
        return value

    return check


def _number(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"takes a number from {least:g} to {most:g}")
        number = float(value) if abs(value) < 1e6 else math.inf
        if not least <= number <= most:
            raise ValueError(f"takes a number from {least:g} to {most:g}")
        return number

    return check
