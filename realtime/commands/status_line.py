"""What the user sees while a run goes on: one line that is kept up to date."""

from __future__ import annotations

import os
import sys
import time
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from models.streams import lost, reader_ended
from realtime.closing import Closing
from realtime.commands.job_control import descriptor_of, in_foreground
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
    """A live line on a terminal; elsewhere a plain line every few seconds.

    In the background it shows nothing, for what is typed then is meant for another program.
    """

    def __init__(self, console: Console, every: float = 5.0) -> None:
        """Show nothing yet.

        Args:
            console: where.
            every: seconds between two lines where that is no terminal, or one that can only print.
        """
        self._console = console
        self._every = every
        self._printed = time.perf_counter()
        self._open = False
        self._live: Live | None = None
        self._descriptor = descriptor_of(console)
        # Colours may be forced for a file; a line that is drawn again may not.
        real = self._descriptor is None or os.isatty(self._descriptor)
        self._lively = console.is_terminal and not console.is_dumb_terminal and real
        self._told = False

    def __enter__(self) -> Self:
        """Take over the last line of the terminal."""
        self._open = True
        self._look()
        return self

    def close(self) -> None:
        """Give the line back."""
        self._open = False
        self._look()

    def show(self, status: Status) -> None:
        """Bring the line up to date."""
        self._look()
        if self._live is not None:
            self._live.update(Text(describe(status), style="dim"), refresh=True)
        elif not self._lively and time.perf_counter() - self._printed >= self._every:
            self._printed = time.perf_counter()
            self._print(describe(status))

    def busy(self, what: str) -> None:
        """Say what is going on before there is a status."""
        self._look()
        if self._live is not None:
            self._live.update(Text(what, style="dim"), refresh=True)
        elif self._console.is_dumb_terminal:
            self._print(what)

    def note(self, line: str) -> None:
        """Print one line above the status."""
        self._look()
        self._print(line)

    def _print(self, line: str) -> None:
        # Never wrapped: an address or a command is there to be copied.
        self._console.print(line, soft_wrap=True, markup=False, highlight=False)
        if not self._told and reader_ended(lost(self._console.file)):
            self._told = True
            print("Nobody reads this any more; the run goes on, Ctrl-C ends it.", file=sys.stderr)

    def _look(self) -> None:
        """Take the terminal's last line, or let go of it, as the program is in front or not."""
        ours = self._lively and (self._descriptor is None or in_foreground(self._descriptor))
        if ours and self._open and self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
            # It may be stopped at any moment, and who comes after it wants to see the cursor.
            self._console.show_cursor(True)
        elif self._live is not None and not (ours and self._open):
            live, self._live = self._live, None
            # In the background what stands there now is the shell's.
            self._console.quiet = not ours
            live.stop()
            self._console.quiet = False
