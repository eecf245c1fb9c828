"""A run that is stopped, killed, put to sleep or out of disk: exit codes and recordings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from tests.paths import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals and limits of POSIX")
FPS = 15


def seconds(path: Path, whole: bool = True) -> float:
    """How long a recording plays; every frame is decoded.

    whole: no picture may be damaged; else those at the torn end of a killed run are left out.
    """
    if not whole:
        return len(list(ClipReader(path).frames())) / FPS
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0)) / FPS


@contextmanager
def recording(
    path: Path, limit: Callable[[], None] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A run that records the demo."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "realtime.cli", "run", "--source", asset_path("face.jpg")),
            *("--camera", "demo", "--output", "none", "--panel", "off", "--size", "320x240"),
            *("--fps", str(FPS), "--record", path),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=limit,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def grown(path: Path, size: int) -> None:
    """Wait until a file has some bytes."""
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if path.exists() and path.stat().st_size >= size:
            return
        time.sleep(0.05)
    pytest.fail(f"{path.name} does not grow")


def test_sleep_and_sigterm_end_well(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with recording(path) as process:
        grown(path, 20_000)
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.0)
        asleep = path.stat().st_size
        process.send_signal(signal.SIGCONT)
        grown(path, asleep + 10_000)
        process.send_signal(signal.SIGTERM)
        told, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    assert "animated frames" in told and "Traceback" not in errors
    assert seconds(path) > 3.0, "the sleep is a part of it"


def test_a_closed_terminal_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with recording(path) as process:
        grown(path, 20_000)
        assert process.stdout is not None
        process.stdout.close()  # Whatever is printed from now on fails.
        process.send_signal(signal.SIGHUP)
        process.wait(90)
        assert process.stderr is not None
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors and seconds(path) > 0.5


def test_after_sigkill_every_second_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with recording(path) as process:
        grown(path, 10_000)
        # The file of a recording grows by a second at a time, so that many are safe.
        began, before = time.monotonic(), path.stat().st_size
        time.sleep(4.0)
        grown(path, before + 10_000)
        process.kill()
        lasted = time.monotonic() - began
        process.wait()
    assert process.returncode == -signal.SIGKILL
    assert seconds(path, whole=False) > lasted - 2.5


def test_a_full_disk_ends_a_run_that_only_records(tmp_path: Path) -> None:
    def small() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))

    path = tmp_path / "out.mp4"
    with recording(path, small) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    (line,) = [line for line in errors.splitlines() if line]
    assert "out.mp4 stopped" in line and "too large" in line and "no output is left" in line
    assert seconds(path) > 1.0
