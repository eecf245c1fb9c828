"""Jobs: one at a time, cancelled, failed, tried again, and none lost by a restart."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import pytest

from models.errors import UserError
from realtime.clips.job import Choices, Job, JobState, new_id
from realtime.clips.process import Stopped, Told, Worker
from realtime.clips.queue import MOST_JOBS, Estimate, Queue
from realtime.clips.store import Material, Store
from realtime.paths import asset_path
from realtime.provenance.verify import Verdict, examine


class FakeWorker(Worker):
    """Does what a test tells it: each task waits until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[dict[str, Any]] = []
        self.go = threading.Event()
        self.stopped = threading.Event()
        self.fails = ""

    def do(
        self, name: str, told: Mapping[str, Any], progress: Told = lambda stage, done, total: None
    ) -> dict[str, Any]:
        self.stopped.clear()
        self.tasks.append({**told, "do": name})
        progress("render", 1, 2)
        while not self.go.wait(0.01):
            if self.stopped.is_set():
                raise Stopped
        if self.fails:
            raise UserError(self.fails)
        Path(told["result"]).write_bytes(b"video")
        return {"length": 2.0, "signed": told["sign"], "notes": []}

    def stop(self) -> None:
        self.stopped.set()


def wait(what: Callable[[], Any], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)


def lay(store: Store, path: Path) -> Material:
    material = store.new_material(path.name, 0)
    shutil.copy(path, material.path)
    return material


class Rig:
    """A store with a photo and a clip, and a queue."""

    def __init__(self, folder: Path, worker: Worker | None = None) -> None:
        self.store = Store(folder)
        self.worker = FakeWorker() if worker is None else worker
        self.photo = lay(self.store, asset_path("face.jpg"))
        self.video = lay(self.store, asset_path("demo.mp4"))
        self.queue = Queue(self.store, self.worker)

    def add(self, title: str = "clip", **choices: Any) -> str:
        return self.queue.add(self.photo.id, self.video.id, title, Choices(**choices)).id

    def state(self, identity: str) -> JobState:
        return self.queue.find(identity).state


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    rig.queue.start()
    yield rig
    rig.queue.close()


def fake(rig: Rig) -> FakeWorker:
    assert isinstance(rig.worker, FakeWorker)
    return rig.worker


def test_one_is_made_at_a_time_in_the_order_in_which_they_were_asked_for(rig: Rig) -> None:
    ids = [rig.add(str(number)) for number in range(3)]
    wait(lambda: rig.queue.state()[2].get("progress", {}).get("stage") == "render")
    assert [rig.state(one) for one in ids[1:]] == [JobState.WAITING] * 2
    told = rig.queue.state()
    assert [one["title"] for one in told] == ["2", "1", "0"], "the newest first"
    assert told[2]["progress"]["stage"] == "render" and "progress" not in told[0]
    assert str(rig.store.folder) not in json.dumps(told), "pages see no path"
    fake(rig).go.set()
    wait(lambda: all(rig.state(one) is JobState.DONE for one in ids))
    results = [Path(task["result"]).name for task in fake(rig).tasks]
    assert results == ["0.mp4", "1.mp4", "2.mp4"]


def test_a_job_is_cancelled_while_it_waits_and_while_it_runs(rig: Rig) -> None:
    first, second, third = rig.add(), rig.add(), rig.add()
    wait(lambda: rig.state(first) is JobState.RUNNING)
    rig.queue.cancel(second)
    rig.queue.cancel(first)
    wait(lambda: len(fake(rig).tasks) == 2)
    assert rig.state(first) is rig.state(second) is JobState.CANCELLED
    assert rig.state(third) is JobState.RUNNING, "the one that waited was never begun"
    fake(rig).go.set()
    wait(lambda: rig.state(third) is JobState.DONE)
    rig.queue.again(first)
    wait(lambda: rig.state(first) is JobState.DONE)
    with pytest.raises(UserError, match="failed or were cancelled"):
        rig.queue.again(third)


def test_a_job_that_is_cancelled_before_its_process_has_begun_ends(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, begun, cancelled = fake(rig), threading.Event(), threading.Event()
    do = worker.do

    def late(*words: Any) -> dict[str, Any]:
        begun.set()
        assert cancelled.wait(60)
        return do(*words)

    monkeypatch.setattr(worker, "do", late)
    one = rig.add()
    assert begun.wait(60)
    rig.queue.cancel(one)
    cancelled.set()
    rig.queue.remove(one)
    assert rig.queue.jobs == [] and worker.stopped.is_set()


def test_a_failure_is_a_sentence_without_our_own_folders(rig: Rig) -> None:
    fake(rig).fails = f"{rig.video.path} shows no face; choose another one."
    fake(rig).go.set()
    one = rig.add()
    wait(lambda: rig.state(one) is JobState.FAILED)
    assert rig.queue.find(one).reason == "demo.mp4 shows no face; choose another one."


def test_a_worker_that_dies_fails_its_job_and_the_next_one_is_made(rig: Rig) -> None:
    first, second = rig.add(), rig.add()
    wait(lambda: fake(rig).tasks)
    fake(rig).stop()
    wait(lambda: rig.state(second) is JobState.RUNNING)
    assert rig.state(first) is JobState.FAILED and "memory" in rig.queue.find(first).reason


def test_what_was_running_waits_again_after_a_restart(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.queue.start()
    first, second = rig.add("one", start=1.0, end=2.5, badge=False), rig.add("two")
    wait(lambda: rig.state(first) is JobState.RUNNING)
    # As after a power cut: nobody says goodbye.
    again = Queue(rig.store, FakeWorker())
    assert [job.state for job in again.jobs] == [JobState.WAITING] * 2
    rig.queue.close()
    again = Queue(rig.store, worker := FakeWorker())
    assert [job.id for job in again.jobs] == [first, second]
    worker.go.set()
    again.start()
    wait(lambda: all(job.state is JobState.DONE for job in again.jobs))
    again.close()
    assert (worker.tasks[0]["start"], worker.tasks[0]["end"]) == (1.0, 2.5)
    assert worker.tasks[0]["badge"] is False
    assert [job.state for job in Queue(rig.store, FakeWorker()).jobs] == [JobState.DONE] * 2


def test_a_damaged_file_costs_no_other_job(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    keep, lose = rig.add("keep"), rig.add("lose")
    for content in ("{", "[]", '{"id": 3}', json.dumps({"id": "../../etc", "choices": {}})):
        (tmp_path / "jobs" / lose / "job.json").write_text(content)
        assert [job.id for job in Queue(rig.store, FakeWorker()).jobs] == [keep]


def test_a_removed_job_takes_its_files_along(rig: Rig) -> None:
    fake(rig).go.set()
    one = rig.add()
    wait(lambda: rig.state(one) is JobState.DONE)
    folder = rig.store.job_folder(rig.queue.find(one))
    assert folder.is_dir()
    removed = threading.Event()
    rig.queue.removed = removed.set
    rig.queue.remove(one)
    assert not folder.exists() and removed.is_set()
    with pytest.raises(UserError, match="no longer in the list"):
        rig.queue.remove(one)


def test_a_running_job_can_be_removed(rig: Rig) -> None:
    one = rig.add()
    wait(lambda: rig.state(one) is JobState.RUNNING)
    rig.queue.remove(one)
    assert rig.queue.jobs == []


def test_a_full_list_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for _ in range(MOST_JOBS):
        rig.add()
    with pytest.raises(UserError, match="remove one"):
        rig.add()


def test_a_full_disk_is_told_before_anything_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: (10**12, 10**12, 10**8))
    with pytest.raises(UserError, match="nearly full: 1.2 GB are needed and 0.1 GB are free"):
        store.new_material("clip.mp4", 10**9)


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"backend": 3},
        {"reference": -1},
        {"reference": 1.5},
        {"start": -1},
        {"start": 2, "end": 1},
        {"start": float("nan")},
        {"end": float("inf")},
        {"badge": "yes"},
        {"sign": None},
    ],
)
def test_choices_that_are_none_are_refused(told: Any) -> None:
    with pytest.raises(UserError):
        Choices.parse(told)


def test_names_become_names_of_files() -> None:
    store = Store(Path("/nowhere"))
    job = Job(new_id(), new_id(), new_id(), "face - demo", Choices(), 0.0)
    assert store.result(job).name == "face - demo.mp4"


def test_the_time_that_is_left_follows_the_work_that_is_left() -> None:
    now = [0.0]
    estimate = Estimate(lambda: now[0])
    assert estimate("follow", 0, 100).left is None
    now[0] = 10.0
    half = estimate("follow", 100, 100)
    rest = estimate("render", 50, 100)
    assert half.left is not None and rest.left is not None
    assert half.left == pytest.approx(10 * (1 - half.share) / half.share)
    assert half.share < rest.share < 1 and rest.left < half.left
    now[0] = 110.0
    slow = estimate("render", 60, 100)
    assert slow.left == pytest.approx(100 * 40 / 10), "the pace of drawing itself"
    assert estimate("sign", 0, 1).share == 1
    assert estimate("follow", 5, 0).share == 0, "a clip that does not tell how long it is"


@pytest.mark.skipif(os.name == "nt", reason="sends a signal")
def test_a_killed_worker_and_a_new_queue_still_give_a_signed_clip(tmp_path: Path) -> None:
    """The whole way, with the real process; killed in mid-work, as by a power cut."""
    rig = Rig(tmp_path, Worker())
    rig.queue.start()
    one = rig.add("real", start=1.0, end=1.4)
    wait(lambda: rig.state(one) is JobState.RUNNING and rig.worker._child is not None)
    rig.queue._closed = True  # So that the first queue learns nothing of it.
    child = rig.worker._child
    assert child is not None
    os.kill(child._process.pid, signal.SIGKILL)
    rig.queue.close()
    queue = Queue(rig.store)
    assert queue.find(one).state is JobState.WAITING
    queue.start()
    wait(lambda: queue.find(one).state not in (JobState.WAITING, JobState.RUNNING))
    queue.close()
    job = queue.find(one)
    assert job.state is JobState.DONE and job.signed, job.reason
    assert job.length == pytest.approx(0.4, abs=0.05)
    assert examine(rig.store.result(job)).verdict is Verdict.UNCHANGED
    for path in (rig.store.result(job), rig.store.driver(job)):
        with av.open(str(path)) as container:
            times = [frame.time for frame in container.decode(video=0)]
        assert len(times) == 12 and times[0] == 0, path.name
    assert sorted(os.listdir(rig.store.job_folder(job))) == ["driver.mp4", "job.json", "real.mp4"]
