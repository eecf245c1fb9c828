"""What the user sees while a run goes on: one line that is kept up to date."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from realtime.closing import Closing
from realtime.pipeline.live import Status


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def describe(status: Status) -> str:
    """One line about a run, without colours."""
    if status.camera_lost:
        face = "camera lost, trying again"
    elif not status.face_found:
        face = "no face"
    else:
        face = f"face found, {status.calibration}"
    latency = f"{_milliseconds(status.latency_p50)}/{_milliseconds(status.latency_p99)}"
    parts = [
        status.camera,
        f"{status.backend} on {status.device}",
        face,
        f"{status.fps:.0f} fps (output {status.fps_output:.0f})",
        f"latency p50/p99 {latency} ms",
        "to " + (" + ".join(status.outputs) or "nowhere"),
    ]
    if status.faults:
        parts.append(f"{status.faults} faults, last: {status.last_fault}")
    return " | ".join(parts)


def summary(status: Status, frames: int, p50: float | None, p99: float | None) -> str:
    """The closing line: the whole run in figures.

    Args:
        status: at its end.
        frames: how many were animated.
        p50: median of the latency that was added, in seconds; None where there was none.
        p99: the same of the slowest frames.
    """
    ms = [None if value is None else value * 1e3 for value in (p50, p99)]
    text = (
        f"{status.seconds:.1f} s, {frames} animated frames, "
        f"added latency p50/p99 {_milliseconds(ms[0])}/{_milliseconds(ms[1])} ms"
    )
    if status.faults:
        text += f", {status.faults} faults (last: {status.last_fault})"
    return text + "."


class StatusLine(Closing):
    """A live line on a terminal; elsewhere a plain line every few seconds."""

    def __init__(self, console: Console, every: float = 5.0) -> None:
        """Show nothing yet.

        Args:
            console: where.
            every: seconds between two lines where that is no terminal.
        """
        self._console = console
        self._every = every
        self._printed = time.perf_counter()
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Self:
        """Take over the last line of the terminal."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def close(self) -> None:
        """Give the line back."""
        self._live.stop()

    def show(self, status: Status) -> None:
        """Bring the line up to date."""
        if self._console.is_terminal:
            self._live.update(Text(describe(status), style="dim"), refresh=True)
        elif time.perf_counter() - self._printed >= self._every:
            self._printed = time.perf_counter()
            self._console.print(describe(status), soft_wrap=True, markup=False, highlight=False)

    def busy(self, what: str) -> None:
        """Say what is going on before there is a status."""
        if self._console.is_terminal:
            self._live.update(Text(what, style="dim"), refresh=True)

    def note(self, line: str) -> None:
        """Print one line above the status."""
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
