"""`animate` with frames that take long: interrupted as a user does it, and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from realtime.paths import asset_path
from tests.paths import ROOT

COMMAND = [sys.executable, "-m", "tests.end_to_end.slow_backend"]


def start(output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *COMMAND,
            *("animate", "--backend", "slow", "--source", asset_path("face.jpg")),
            *("--driving", asset_path("demo.mp4"), "--to", "0.5", "--size", "320x240"),
            *("--output", output),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


@pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_clip_is_resumed_by_the_same_command(tmp_path: Path, how: int) -> None:
    output = tmp_path / "out.mp4"
    first = start(output)
    assert first.stderr is not None
    for count, _ in enumerate((line for line in first.stderr if "drawn" in line), 1):
        if count == 5:
            first.send_signal(how)
            break
    text, _ = first.communicate(timeout=60)
    assert first.returncode != 0
    assert not output.exists()
    if how == signal.SIGINT:
        assert "frames are kept; the same command goes on from there" in text
    assert list(tmp_path.glob(".*.frames"))
    second = start(output)
    text, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    with av.open(str(output)) as result:
        frames = sum(1 for _ in result.decode(video=0))
    assert frames == 15
    drawn = errors.count("drawn")
    assert 1 <= drawn <= frames - 4, "what was drawn before is not drawn again"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".frames"] == []
