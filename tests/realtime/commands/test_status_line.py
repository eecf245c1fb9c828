"""The status of a run: on terminals that can draw, on those that only print, and in files."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from models import streams
from realtime.commands import status_line
from realtime.commands.status_line import StatusLine, describe
from realtime.pipeline.live import Status

STATUS = Status(
    camera="demo",
    camera_lost=False,
    backend="mesh",
    device="CPU",
    face_found=True,
    calibration="calibrated",
    fps=30.0,
    fps_output=30.0,
    latency_p50=31.0,
    latency_p99=53.0,
    outputs=("out.mp4",),
    faults=0,
    last_fault=None,
    seconds=5.0,
)
ADDRESS = "https://a-computer-with-a-long-name.example:8443/#key=" + "k" * 40


def printed(console: Console, file: io.StringIO) -> list[str]:
    with StatusLine(console, every=0.0) as line:
        line.busy("Loading")
        line.note(ADDRESS)
        line.show(STATUS)
    return file.getvalue().splitlines()


def test_a_terminal_that_only_prints_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=40)
    assert printed(console, file) == ["Loading", ADDRESS, describe(STATUS)]


def test_a_file_gets_plain_lines_also_where_colours_are_forced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with open(tmp_path / "log", "w+") as file:
        with StatusLine(Console(file=file, width=40), every=0.0) as line:
            line.note(ADDRESS)
            line.show(STATUS)
        file.seek(0)
        assert file.read().splitlines() == [ADDRESS, describe(STATUS)]


def test_no_address_is_wrapped_and_without_colours_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    lines = printed(Console(file=file, force_terminal=True, width=20), file)
    assert any(ADDRESS in line for line in lines)
    # 30 to 37 and 90 to 97 are colours of the text.
    assert not [code for code in range(30, 98) if f"\x1b[{code}m" in file.getvalue()]


def test_the_cursor_is_never_left_hidden() -> None:
    """Also by a program that is killed."""
    file = io.StringIO()
    with StatusLine(Console(file=file, force_terminal=True)) as line:
        line.show(STATUS)
        assert file.getvalue().rfind("\x1b[?25h") > file.getvalue().rfind("\x1b[?25l") >= 0


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_in_the_background_only_events_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    front = True
    monkeypatch.setattr(status_line, "in_foreground", lambda descriptor: front)
    ours, theirs = pty.openpty()

    def shown(last: str) -> str:
        text = ""
        while last not in text:
            text += os.read(ours, 65536).decode()
        return text

    with os.fdopen(theirs, "w") as file, StatusLine(Console(file=file, width=200)) as line:
        line.show(STATUS)
        shown("to out.mp4")
        front = False
        line.show(STATUS)
        line.note("an event")
        told = shown("an event")
        assert told.replace("\x1b[0m", "").strip() == "an event", "nothing is moved or erased"
        front = True
        line.show(STATUS)
        shown("to out.mp4")
    os.close(ours)


def test_a_reader_who_has_gone_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    raw = streams._Raw(writing, "w")
    file = io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)
    line = StatusLine(Console(file=file))
    for _ in range(3):
        line.note("a line")
    assert capsys.readouterr().err.splitlines() == [
        "Nobody reads this any more; the run goes on, Ctrl-C ends it."
    ]
