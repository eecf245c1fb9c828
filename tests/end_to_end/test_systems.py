"""A whole run where the system around it is unusual: jobs, pipes, and one folder for all."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.folders import HOME_VARIABLE
from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine
from tests.paths import ROOT
from tests.terminal_rig import terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a shell and a terminal of POSIX")


def words(record: Path, seconds: float, *more: str) -> list[str]:
    """A run that records the demo."""
    return [
        *(sys.executable, "-m", "realtime.cli", "run", "--source", str(asset_path("face.jpg"))),
        *("--camera", "demo", "--output", "none", "--size", "320x240", "--record", str(record)),
        *("--seconds", str(seconds), *(more or ("--panel", "off"))),
    ]


def test_a_run_that_is_started_in_the_background_runs_to_its_end(tmp_path: Path) -> None:
    record = tmp_path / "out.mp4"
    with terminal(tmp_path) as shell:
        shell.command("stty tostop")
        shell.type(f"{shlex.join(words(record, 2))} &\n")
        shell.wait(lambda: "added latency" in shell.look(), "the last line")
        assert shell.is_usual()
        assert "0" in shell.command("wait %1").split()
    assert examine(record).verdict is Verdict.UNCHANGED


def test_a_run_goes_on_when_the_reader_of_its_lines_has_gone(tmp_path: Path) -> None:
    record, code = tmp_path / "out.mp4", tmp_path / "code"
    run = shlex.join(words(record, 3))
    script = f"{{ {run}; echo $? >{shlex.quote(str(code))}; }} | head -0"
    done = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert code.read_text().strip() == "0", done.stderr
    assert done.stderr == "Nobody reads this any more; the run goes on, Ctrl-C ends it.\n"
    assert examine(record).verdict is Verdict.UNCHANGED


def test_on_a_terminal_that_only_prints_the_status_is_told_in_lines(tmp_path: Path) -> None:
    with terminal(tmp_path, "dumb", columns=40) as shell:
        told = shell.command(shlex.join(words(tmp_path / "out.mp4", 6)))
    assert "Loading the models" in told and "\x1b" not in told
    assert re.search(r"^demo.*fps.*latency p50/p99", told, re.M)


def test_a_run_without_a_home_goes_on_unsigned_and_says_so(tmp_path: Path) -> None:
    """As services have it."""
    record = tmp_path / "out.mp4"
    variables = {name: value for name, value in os.environ.items() if "XDG" not in name}
    del variables[HOME_VARIABLE]
    done = subprocess.run(
        words(record, 1),
        cwd=ROOT,
        env={**variables, "HOME": os.devnull},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [line for line in done.stdout.splitlines() if "signed" in line]
    assert line.startswith("This will not be signed: its key cannot be kept in")
    assert HOME_VARIABLE in line and "--sign-key" in line
    assert examine(record).verdict is Verdict.NO_MANIFEST


def test_one_named_folder_holds_all_that_is_kept(tmp_path: Path) -> None:
    """Every file that is opened for writing, by this program or a library, is looked at."""
    home, kept, temporary = tmp_path / "home", tmp_path / "kept", tmp_path / "temporary"
    for folder in (home, temporary):
        folder.mkdir()
    record = tmp_path / "out.mp4"
    variables = {name: value for name, value in os.environ.items() if "XDG" not in name}
    variables |= {"HOME": str(home), HOME_VARIABLE: str(kept), "TMPDIR": str(temporary)}
    trace = tmp_path / "trace"
    tracer = shutil.which("strace")
    traced = [tracer, "-f", "-qq", "-o", str(trace), "-e", "trace=%file"] if tracer else []
    done = subprocess.run(
        [*traced, *words(record, 2, "--panel", "0.0.0.0:0")],
        cwd=ROOT,
        env={**variables, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == [] == list(temporary.iterdir())
    for name in ("signing.pem", "panel-key.pem", "panel-certificate.pem"):
        assert (kept / name).is_file()
    assert examine(record).verdict is Verdict.UNCHANGED
    if tracer:
        outside = [path for path in _written(trace) if tmp_path not in path.parents]
        assert [path for path in outside if path.parts[1] not in ("dev", "proc", "sys")] == []


def _written(trace: Path) -> list[Path]:
    """The paths that were opened for writing, made, renamed or removed, as strace tells."""
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        call = re.search(r"(\w+)\(", line)
        if call is None or " = -1 " in line:
            continue
        changes = call[1].startswith(("mkdir", "rename", "unlink", "symlink", "link", "creat"))
        if changes or re.search(r"O_WRONLY|O_RDWR|O_CREAT", line):
            found += [Path(path) for path in re.findall(r'"(/[^"]*)"', line)]
    return found
