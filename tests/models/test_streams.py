"""Standard streams that are closed, full, read by nobody, or in an encoding that lacks letters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")

_BEGIN = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from models.streams import *; secure()\n"


def run(code: str, redirected: str, **more: str) -> tuple[int, bytes, bytes]:
    """Run Python code with redirected streams: exit code, stdout, stderr."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -c "$1" {redirected}', sys.executable, _BEGIN + code],
        env={**os.environ, **more},
        capture_output=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_leads_nowhere(closed: str, tmp_path: Path) -> None:
    code = f"""
import os, subprocess
file = open({str(tmp_path / "recording")!r}, "w")
assert file.fileno() > 2, "it must not get what others print"
print("out"); print("err", file=sys.stderr)
os.write(1, b"from C"); os.write(2, b"from C")
assert sys.stdin.read() == ""
subprocess.run([sys.executable, "-c", "import sys; print(2, file=sys.stdout)"], check=True)
"""
    code_of_exit, out, err = run(code, f"</dev/null {closed}")
    assert code_of_exit == 0 and b"Traceback" not in err
    assert out == (b"" if ">&-" in closed.split() else b"out\nfrom C2\n"), out
    assert err == (b"" if "2>&-" in closed else b"err\nfrom C")
    assert (tmp_path / "recording").read_text() == ""


def test_a_reader_who_goes_away_ends_nothing() -> None:
    code = """
import time
print("first", flush=True)
while not reader_ended(lost(sys.stdout)):
    print("more", flush=True); time.sleep(0.01)
print("goes on", file=sys.stderr)
print("and does not fail at the end")
"""
    _, out, err = run(code, "| head -1")
    assert (out, err) == (b"first\n", b"goes on\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_known_and_ends_nothing() -> None:
    code = """
print("lost", flush=True)
error = lost(sys.stdout)
print(error.strerror, reader_ended(error), lost(sys.stderr), file=sys.stderr)
"""
    assert run(code, ">/dev/full") == (0, b"", b"No space left on device False None\n")


def test_a_pipe_that_does_not_wait_loses_lines_and_no_more() -> None:
    code = """
import os
os.set_blocking(1, False)
for number in range(3):
    print("x" * 100_000, flush=True)
print("end", file=sys.stderr)
"""
    exit_code, _, err = run(code, "| (sleep 0.5; cat >/dev/null)")
    assert (exit_code, err) == (0, b"end\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii:strict"},
        {"PYTHONIOENCODING": "utf-8:strict"},
    ],
)
def test_every_name_can_be_printed(variables: dict[str, str]) -> None:
    code = 'print("a\\udcff\\udce9.jpg \\u0431"); print("\\udcff", file=sys.stderr)'
    exit_code, out, err = run(code, "", **variables)
    letter = "б".encode() if "utf-8:strict" in variables.values() else b"?"
    assert (exit_code, out, err) == (0, b"a\\xff\\xe9.jpg " + letter + b"\n", b"\\xff\n")
