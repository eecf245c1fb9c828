"""The worker's process: what it answers, and that it is never left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import UserError
from realtime.clips.process import Stopped, Worker, _start
from realtime.paths import asset_path


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


def test_a_fault_is_a_sentence_and_the_next_task_is_done(worker: Worker, tmp_path: Path) -> None:
    told = {"photo": str(tmp_path / "none.jpg"), "thumbnail": str(tmp_path / "small.jpg")}
    with pytest.raises(UserError, match="There is no file"):
        worker.do("photo", told)
    assert worker._child is not None
    process = worker._child._process.pid
    assert worker.do("photo", {**told, "photo": str(asset_path("face.jpg"))}) == {"turned": 0}
    assert (tmp_path / "small.jpg").stat().st_size > 1000
    assert worker._child._process.pid == process, "the same process"
    with pytest.raises(UserError, match="please report"):
        worker.do("photo", {})


def test_who_waits_is_told_that_it_was_stopped(worker: Worker, tmp_path: Path) -> None:
    begun, ended = threading.Event(), []
    told = {"video": str(asset_path("demo.mp4")), "folder": str(tmp_path / "seen")}

    def look() -> None:
        try:
            worker.do("look", told, lambda stage, done, total: begun.set())
        except Stopped:
            ended.append(True)

    thread = threading.Thread(target=look)
    thread.start()
    assert begun.wait(60)
    worker.stop()
    thread.join(20)
    assert ended == [True]
    worker.close()
    with pytest.raises(Stopped):
        worker.do("look", told)


def test_it_ends_when_nobody_is_left() -> None:
    process = _start()
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(30) == 0
    if process.stdout is not None:
        process.stdout.close()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs Linux")
def test_it_leaves_the_cores_to_the_live_run(worker: Worker, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        worker.do("photo", {"photo": str(tmp_path / "none"), "thumbnail": ""})
    assert worker._child is not None
    process = worker._child._process.pid
    assert os.getpriority(os.PRIO_PROCESS, process) == 19
    assert len(os.sched_getaffinity(process)) == max(len(os.sched_getaffinity(0)) // 2, 1)


@pytest.mark.skipif(os.name == "nt", reason="kills")
def test_it_ends_when_the_program_is_killed(tmp_path: Path) -> None:
    code = (
        "from realtime.clips.process import Worker\nimport time\nfrom models.errors import *\n"
        "w = Worker()\ntry: w.do('photo', {'photo': '/none', 'thumbnail': ''})\n"
        "except UserError: print(w._child._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    program = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    child = int(program.stdout.readline())
    program.kill()
    program.wait(10)
    program.stdout.close()
    until = time.monotonic() + 20
    while _lives(child):
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.05)


def _lives(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        try:
            os.kill(process, 0)
        except OSError:
            return False
        return not Path("/proc").is_dir()
    return status.rpartition(")")[2].split()[0] != "Z"
