"""A little fuzzing of everything that reads a file; and the fuzzer sees what it should.

`scripts/fuzz/fuzz.py --inputs 20000` does it at length.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")
if sys.platform == "win32":
    pytest.skip("it watches itself by POSIX signals", allow_module_level=True)

from scripts.fuzz.fuzz import TARGETS, seeds  # noqa: E402
from tests.paths import ROOT  # noqa: E402

_HARM = """
import subprocess, sys, time
from pathlib import Path
from models.errors import UserError
from scripts.fuzz.fuzz import Watch
folder = Path(sys.argv[1]) / "work"
folder.mkdir()
watch = Watch(folder)
kept = []

def refuse(data, folder):
    raise UserError("No.")

def spin(data, folder):
    end = time.process_time() + 2.2
    while time.process_time() < end:
        pass

def fill(data, folder):
    kept.append(b"x" * 1_100_000_000)
    kept.clear()

calls = [
    lambda data, folder: (folder / "inside").write_bytes(data),
    refuse,
    lambda data, folder: [][1],
    lambda data, folder: (folder.parent / "outside").write_bytes(data),
    lambda data, folder: subprocess.run([sys.executable, "-c", ""]),
    spin,
    fill,
]
for call in calls:
    before = len(watch.findings)
    watch.run(call, b"data")
    print(list(watch.findings)[before:])
"""


def test_the_fuzzer_sees_what_must_not_happen(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _HARM, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    good, refused, raised, outside, program, slow, large = done.stdout.splitlines()
    assert (good, refused) == ("[]", "[]")
    assert "IndexError" in raised and f"writes to {tmp_path}/outside" in outside
    assert "subprocess.Popen" in program and "s of work" in slow
    assert sys.platform != "linux" or "MB of memory" in large


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(name, marks=[pytest.mark.torch] if target.needs else [])
        for name, target in TARGETS.items()
    ],
)
def test_damaged_files_do_no_harm(target: str, tmp_path: Path) -> None:
    assert len(seeds(target)) >= 3
    done = subprocess.run(
        [sys.executable, "-m", "scripts.fuzz.fuzz", "--targets", target, "--inputs", "100"]
        + ["--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 findings" in done.stdout and " inputs in " in done.stdout
