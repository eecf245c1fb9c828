"""All kinds of sinks by name, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from realtime.devices.discovery import VideoDevice
from realtime.sinks import null
from realtime.sinks.base import Found, Sink, SinkError, SinkKind, SinkRequest, ignore_line
from realtime.sinks.recording import recorder
from realtime.sinks.virtual import pipewire, virtual_camera

SINK_KINDS: dict[str, SinkKind] = {
    kind.name: kind for kind in (virtual_camera.KIND, pipewire.KIND, recorder.KIND, null.KIND)
}
"""Every kind under its name; `auto` prefers the earlier ones: every program lists a v4l2loopback
camera, and fewer one of PipeWire."""

AUTO = "auto"
"""The `--output` that takes the best virtual camera that exists."""

DEVICES = virtual_camera.KIND
"""Whose device it is when `--output` names one without a kind."""


@dataclass(frozen=True)
class Candidate:
    """A kind that `auto` considers.

    Attributes:
        kind: of sink.
        found: what a look around says about it.
    """

    kind: SinkKind
    found: Found


def candidates() -> list[Candidate]:
    """What `auto` considers on this computer, best first: usable ones before the others."""
    every = [Candidate(kind, kind.find()) for kind in SINK_KINDS.values() if kind.camera]
    here = [candidate for candidate in every if candidate.found.usable or candidate.found.why]
    return sorted(here, key=lambda candidate: not candidate.found.usable)


def explain(every: list[Candidate]) -> str:
    """Why `auto` takes the first of these: "AI avatar (/dev/video10): every program lists it"."""
    best, *rest = every
    if not best.found.usable:
        return f"none: {'; '.join(candidate.found.why for candidate in every)}"
    place = best.found.where or best.kind.name
    missing = "; ".join(candidate.found.why for candidate in rest if not candidate.found.usable)
    return f"{place}: {best.found.why}" + (f" ({missing})" if missing else "")


def parse(choice: str) -> tuple[SinkKind, str | None]:
    """The kind and the device that an `--output` other than `auto` names.

    Args:
        choice: KIND, KIND:DEVICE or DEVICE.

    Returns:
        The kind, and the device or None.
    """
    name, colon, device = choice.partition(":")
    if name in SINK_KINDS:
        return SINK_KINDS[name], device or None
    return DEVICES, choice


class SinkChoice:
    """Opens what `--output` says: called once at the start, and again after a failure.

    `auto` is decided once: a run that goes to a loopback camera does not move to another kind of
    camera when that one fails, since the program that shows it would not follow.
    """

    def __init__(
        self,
        choice: str,
        size: tuple[int, int],
        fps: float,
        notify: Callable[[str], None] = ignore_line,
        finished: Callable[[Path], None] | None = None,
        reads: VideoDevice | None = None,
    ) -> None:
        """Remember the choice; nothing is opened yet.

        Args:
            choice: `auto`, the name of a kind, that and its device (`pipewire:My camera`,
                `recorder:out.mp4`), or the path, number or name of a virtual camera.
            size: (width, height) of the frames.
            fps: how often frames will be written per second.
            notify: called with one line for the user.
            finished: called with the path of a recording that is complete.
            reads: the device that is the camera of the run: it is never taken.
        """
        self._request = SinkRequest(size, fps, notify=notify, finished=finished, reads=reads)
        self._kind: SinkKind | None = None
        self._device: str | None = None
        if choice != AUTO:
            self._kind, self._device = parse(choice)

    @property
    def reopens(self) -> bool:
        """Whether a sink that failed may be opened again: a camera, but not a recording."""
        return self._kind is None or self._kind.camera

    def __call__(self) -> Sink:
        """Open the sink.

        Raises:
            SinkError: there is no such sink; the sentence says how to get one.
        """
        if self._kind is not None:
            return self._kind.open(replace(self._request, device=self._device))
        return self._choose()

    def _choose(self) -> Sink:
        every = candidates()
        troubles: list[SinkError] = []
        for candidate in every:
            if not candidate.found.usable:
                continue
            try:
                sink = candidate.kind.open(self._request)
            except SinkError as error:
                troubles.append(error)
                continue
            self._kind = candidate.kind
            reasons = [str(error).rstrip(".") for error in troubles]
            reasons = reasons or [other.found.why for other in every if not other.found.usable]
            since = f" ({'; '.join(reasons)})" if reasons else ""
            self._request.notify(f"Output: {sink.name}, {candidate.found.why}{since}.")
            return sink
        if troubles:
            raise troubles[0]
        raise SinkError(virtual_camera.nothing_found([candidate.found.why for candidate in every]))
