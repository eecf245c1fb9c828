"""A run as one of a shell's jobs: in the background, stopped, and in front again."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

import cv2
import pytest

from models.photos import load_image
from realtime.commands.job_control import in_foreground
from realtime.paths import asset_path
from tests.clips import write_pictures
from tests.terminal_rig import Terminal, terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX terminal")

_PROGRAM = """
import sys, threading
from pathlib import Path
from rich.console import Console
from realtime.commands.job_control import never_stopped
from realtime.commands.status_line import StatusLine
from realtime.commands.terminal import terminal_keys
from tests.realtime.commands.test_status_line import STATUS

keys, done = Path(sys.argv[1]), threading.Event()

def press(key):
    keys.write_text(keys.read_text() + key)
    if key == "q":
        done.set()

with never_stopped(), StatusLine(Console()) as line, terminal_keys(sys.stdin, press):
    keys.touch()
    line.note("begun")
    while not done.wait(0.05):
        line.show(STATUS)
keys.with_name("ended").touch()
"""


def job(folder: Path, before: str = "") -> tuple[str, Path]:
    """The command that starts a program with a status line and keys, and where it writes these."""
    program, keys = folder / "program.py", folder / "keys"
    program.write_text(_PROGRAM)
    return f"{before} {shlex.join([sys.executable, str(program), str(keys)])}", keys


def began(shell: Terminal, keys: Path) -> None:
    shell.wait(keys.exists, "the start")
    shell.wait(lambda: "begun" in shell.seen, "the first line")


def wait_for(shell: Terminal, keys: Path, pressed: str) -> None:
    shell.wait(lambda: keys.read_text() == pressed, f"pressing {pressed}")


def test_a_job_of_the_background_runs_and_has_its_keys_when_it_comes_to_the_front(
    tmp_path: Path,
) -> None:
    command, keys = job(tmp_path)
    with terminal(tmp_path) as shell:
        # The strictest terminal: whoever prints from the background is stopped.
        shell.command("stty tostop")
        shell.type(f"{command} &\n")
        began(shell, keys)
        assert "Running" in shell.command("jobs") and shell.is_usual()
        assert "face found" not in shell.seen, "the line on which the user types is theirs"
        shell.type("fg\n")
        shell.wait(lambda: not shell.is_usual(), "taking the terminal")
        shell.wait(lambda: "face found" in shell.look(), "the status line")
        shell.type("x")
        wait_for(shell, keys, "x")
        for pressed in ("xy", "xyz"):
            shell.type("\x1a")
            shell.wait(shell.is_usual, "giving the terminal back")
            assert "topped" in shell.command("jobs")
            shell.type("fg\n")
            shell.wait(lambda: not shell.is_usual(), "taking the terminal again")
            shell.type(pressed[-1])
            wait_for(shell, keys, pressed)
        shell.type("q")
        shell.wait(keys.with_name("ended").exists, "the end")
        assert shell.is_usual() and keys.read_text() == "xyzq"
        assert "program.py" not in shell.command("jobs")


def test_a_stopped_job_goes_on_in_the_background_without_the_terminal(tmp_path: Path) -> None:
    command, keys = job(tmp_path)
    with terminal(tmp_path) as shell:
        shell.type(f"{command}\n")
        began(shell, keys)
        shell.wait(lambda: not shell.is_usual(), "taking the terminal")
        shell.type("\x1a")
        shell.wait(shell.is_usual, "giving the terminal back")
        shell.command("bg")
        before = shell.look().count("face found")
        assert "Running" in shell.command("jobs") and shell.is_usual()
        shell.command("sleep 0.5")
        assert shell.look().count("face found") == before
        shell.command("kill %1; wait")
        assert shell.is_usual() and keys.read_text() == ""


@pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")
def test_a_program_of_another_session_leaves_the_terminal_alone(tmp_path: Path) -> None:
    command, keys = job(tmp_path, "setsid")
    with terminal(tmp_path) as shell:
        shell.type(f"{command} &\n")
        began(shell, keys)
        assert shell.is_usual()
        assert "seven" in shell.command("echo sev''en"), "what is typed is for the shell"
        assert keys.read_text() == ""
    # `setsid` has forked, so that the shell does not know its number.
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if os.fsencode(tmp_path) in entry.read_bytes():
                os.kill(int(entry.parent.name), signal.SIGKILL)


def test_a_file_is_no_foreground(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w") as file:
        assert not in_foreground(file.fileno())


def test_a_clip_is_animated_in_the_background_too(tmp_path: Path) -> None:
    """In the strictest terminal, and without drawing over the line on which the user types."""
    clip, result = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_pictures(clip, [cv2.resize(load_image(asset_path("face.jpg")), (256, 256))] * 3)
    words = ["animate", "--source", str(asset_path("face.jpg")), "--driving", str(clip)]
    command = shlex.join([sys.executable, "-m", "realtime.cli", *words, "--output", str(result)])
    with terminal(tmp_path) as shell:
        shell.command("stty tostop")
        shell.type(f"{command} &\n")
        shell.wait(result.exists, "the result")
        shell.wait(lambda: "is signed" in shell.seen, "its last line")
        assert "Rendering" not in shell.seen
