"""Recording onto an existing file: a question, `--overwrite`, or a clear refusal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.commands.options import AnimateChoices, RunChoices
from realtime.paths import HOME_VARIABLE, asset_path
from tests.paths import ROOT

RUN = ("run", "--camera", "nothing.mp4", "--output", "none", "--panel", "off", "--record")
ANIMATE = ("animate", "--driving", "nothing.mp4", "--output")
RECORDER = ("run", "--camera", "nothing.mp4", "--panel", "off", "--output")


def words(command: tuple[str, ...], path: Path, *more: str) -> list[str]:
    file = f"recorder:{path}" if command is RECORDER else str(path)
    source = ("--source", str(asset_path("face.jpg")))
    return [sys.executable, "-m", "realtime.cli", *command, file, *source, *more]


def home(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, HOME_VARIABLE: str(tmp_path / "home"), "TERM": "xterm"}


@pytest.mark.parametrize("command", [RUN, ANIMATE, RECORDER], ids=["run", "animate", "recorder"])
def test_without_a_terminal_an_existing_file_is_refused_in_one_sentence(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "a:1.mp4"
    path.write_bytes(b"precious")
    done = subprocess.run(
        words(command, path), cwd=ROOT, env=home(tmp_path), capture_output=True, text=True
    )
    assert done.returncode == 2
    told = f"{path} exists; choose another name, or add --overwrite to replace it."
    assert done.stderr.splitlines() == [told]
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("command", [RUN, ANIMATE], ids=["run", "animate"])
def test_with_overwrite_nothing_is_asked(tmp_path: Path, command: tuple[str, ...]) -> None:
    """The next fault is told: there is no such clip."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    done = subprocess.run(
        words(command, path, "--overwrite"),
        cwd=ROOT,
        env=home(tmp_path),
        capture_output=True,
        text=True,
    )
    assert "nothing.mp4" in done.stderr and "exists" not in done.stderr.replace("no such file", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo terminals for tests")
@pytest.mark.parametrize("command", [RUN, ANIMATE], ids=["run", "animate"])
@pytest.mark.parametrize(
    ("answer", "wanted"),
    [("y", "nothing.mp4"), ("n", "is kept as it is"), ("", "is kept as it is")],
)
def test_on_a_terminal_it_is_asked(
    tmp_path: Path, command: tuple[str, ...], answer: str, wanted: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    code, text = typed(words(command, path), answer, tmp_path)
    assert "exists. Replace it? [y/N]" in text
    assert wanted in text and code != 0
    assert path.read_bytes() == b"precious", "nothing has been written yet"


def typed(command: list[str], answer: str, tmp_path: Path) -> tuple[int, str]:
    """Exit code and output of a command on a terminal of its own, on which this is typed."""
    import pty

    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execve(command[0], command, home(tmp_path))
    text, asked = "", False
    while True:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # Linux tells the end of a terminal so.
            data = b""
        if not data:
            break
        text += data.decode()
        if not asked and "[y/N]" in text:
            asked = True
            os.write(terminal, answer.encode() + b"\n")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), " ".join(text.split())


def test_what_is_recorded_from_the_start_is_known_by_the_choices() -> None:
    assert RunChoices().recordings == []
    assert RunChoices(record=Path("a.mp4")).recordings == [Path("a.mp4")]
    both = RunChoices(record=Path("a.mp4"), output="recorder:b:1.mp4")
    assert both.recordings == [Path("b:1.mp4"), Path("a.mp4")]
    assert not AnimateChoices(driving=Path("a"), output=Path("b")).overwrite
