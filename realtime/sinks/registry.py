"""All kinds of sinks by name, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.sinks import null
from realtime.sinks.base import Backend, Found, Request, Sink, SinkError, unheard
from realtime.sinks.recording import recorder
from realtime.sinks.virtual import pipewire, virtual_camera

BACKENDS: dict[str, Backend] = {
    backend.name: backend
    for backend in (virtual_camera.BACKEND, pipewire.BACKEND, recorder.BACKEND, null.BACKEND)
}
"""Every backend under its name; `auto` prefers the earlier ones: every program lists a v4l2loopback
camera, and fewer one of PipeWire."""

AUTO = "auto"
"""The `--output` that takes the best virtual camera that exists."""

DEVICES = virtual_camera.BACKEND
"""Whose device it is when `--output` names one without a backend."""


@dataclass(frozen=True)
class Option:
    """A backend that `auto` considers, and what was found of it."""

    backend: Backend
    found: Found


def options() -> list[Option]:
    """What `auto` considers on this computer, best first: usable ones before the others."""
    every = [Option(backend, backend.find()) for backend in BACKENDS.values() if backend.camera]
    here = [option for option in every if option.found.usable or option.found.why]
    return sorted(here, key=lambda option: not option.found.usable)


def explain(every: list[Option]) -> str:
    """Why `auto` takes the first of these: "AI avatar (/dev/video10): every program lists it"."""
    best, *rest = every
    if not best.found.usable:
        return f"none: {'; '.join(option.found.why for option in every)}"
    place = best.found.where or best.backend.name
    missing = "; ".join(option.found.why for option in rest if not option.found.usable)
    return f"{place}: {best.found.why}" + (f" ({missing})" if missing else "")


def parse(choice: str) -> tuple[Backend, str | None]:
    """The backend and the device that an `--output` other than `auto` names."""
    name, colon, device = choice.partition(":")
    if name in BACKENDS:
        return BACKENDS[name], device or None
    return DEVICES, choice


class Output:
    """Opens what `--output` says: called once at the start, and again after a failure.

    `auto` is decided once: a run that goes to a loopback camera does not move to another kind of
    camera when that one fails, since the program that shows it would not follow.
    """

    def __init__(
        self,
        choice: str,
        size: tuple[int, int],
        fps: float,
        notify: Callable[[str], None] = unheard,
        finished: Callable[[Path], None] | None = None,
    ) -> None:
        """Remember the choice; nothing is opened yet.

        Args:
            choice: `auto`, the name of a backend, that and its device (`pipewire:My camera`,
                `recorder:out.mp4`), or the path, number or name of a virtual camera.
            size: (width, height) of the frames.
            fps: how often frames will be written per second.
            notify: called with one line for the user.
            finished: called with the path of a recording that is complete.
        """
        self._request = Request(size, fps, notify=notify, finished=finished)
        self._backend: Backend | None = None
        self._device: str | None = None
        if choice != AUTO:
            self._backend, self._device = parse(choice)

    @property
    def reopens(self) -> bool:
        """Whether a sink that failed may be opened again: a camera, but not a recording."""
        return self._backend is None or self._backend.camera

    def __call__(self) -> Sink:
        """Open the sink.

        Raises:
            SinkError: there is no such sink; the sentence says how to get one.
        """
        if self._backend is not None:
            return self._backend.open(replace(self._request, device=self._device))
        return self._choose()

    def _choose(self) -> Sink:
        every = options()
        troubles: list[SinkError] = []
        for option in every:
            if not option.found.usable:
                continue
            try:
                sink = option.backend.open(self._request)
            except SinkError as error:
                troubles.append(error)
                continue
            self._backend = option.backend
            reasons = [str(error).rstrip(".") for error in troubles]
            reasons = reasons or [other.found.why for other in every if not other.found.usable]
            since = f" ({'; '.join(reasons)})" if reasons else ""
            self._request.notify(f"Output: {sink.name}, {option.found.why}{since}.")
            return sink
        if troubles:
            raise troubles[0]
        raise SinkError(virtual_camera.nothing_found([option.found.why for option in every]))
