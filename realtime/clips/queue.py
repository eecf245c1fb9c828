"""The jobs of the page: one is made at a time, and none is lost when the program ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from models.errors import UserError
from realtime.clips.job import Choices, Job, JobState, new_id
from realtime.clips.process import Stopped, Worker
from realtime.clips.store import Store
from realtime.closing import Closing

MOST_JOBS = 50
"""Kept at once: what can be looked over on a page. Results take some megabytes each."""

_COSTS = {"follow": 1.0, "motion": 0.4, "render": 2.5, "sign": 0.0}
"""What a frame costs in each pass, against the first; for the time that is left."""

_SETTLED = 2.0
"""Seconds after which a first guess at the time that is left is worth telling."""


@dataclass(frozen=True)
class Progress:
    """How far the running job is.

    Attributes:
        stage: "start", "follow", "motion", "render" or "sign".
        share: of all its work that is done, 0..1.
        left: seconds that are left; None while that cannot be told.
    """

    stage: str = "start"
    share: float = 0.0
    left: float | None = None


class Estimate:
    """Tells how much is done and how long the rest takes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin; `clock` gives seconds."""
        self._clock = clock
        self._began: float | None = None
        self._rendering: tuple[float, int] | None = None

    def __call__(self, stage: str, done: int, total: int) -> Progress:
        """How far it is.

        Args:
            stage: what is being done.
            done: frames of that stage that are done.
            total: of how many; 0: unknown.
        """
        now = self._clock()
        began = self._began = now if self._began is None else self._began
        stages = list(_COSTS)
        whole = sum(_COSTS.values())
        before = sum(_COSTS[one] for one in stages[: stages.index(stage)])
        part = min(done / total, 1.0) if total else 0.0
        share = (before + _COSTS[stage] * part) / whole
        left = None
        if stage == "render":
            # The longest by far with some backends, and the last: its own pace tells best.
            since, first = self._rendering = self._rendering or (now, done)
            if done > first and now - since >= _SETTLED:
                return Progress(stage, share, (now - since) * (total - done) / (done - first))
        if share > 0 and now - began >= _SETTLED:
            left = (now - began) * (1 - share) / share
        return Progress(stage, share, left)


class Queue(Closing):
    """The jobs. All methods may be called by any thread.

    Attributes:
        changed: called, from any thread, after something about the jobs has changed.
        removed: called, from any thread, after a job was removed.
    """

    def __init__(self, store: Store, worker: Worker | None = None) -> None:
        """Read what was kept.

        Args:
            store: where jobs are kept.
            worker: makes them; None: one of its own.
        """
        self.changed: Callable[[], None] = lambda: None
        self.removed: Callable[[], None] = lambda: None
        self._store = store
        self._worker = worker or Worker()
        self._work = threading.Condition()
        self._jobs = {job.id: job for job in store.jobs()}
        self._running: str | None = None
        self._progress = Progress()
        self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> list[Job]:
        """All jobs, the oldest first."""
        with self._work:
            return list(self._jobs.values())

    def start(self) -> None:
        """Begin to make what waits."""
        self._thread = threading.Thread(target=self._run, name="clips", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a job that is running waits for the next start."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        self._worker.close()
        if self._thread is not None:
            self._thread.join(10.0)

    def find(self, identity: object) -> Job:
        """The job with this id.

        Raises:
            UserError: there is none.
        """
        with self._work:
            job = self._jobs.get(identity) if isinstance(identity, str) else None
        if job is None:
            raise UserError("This clip is no longer in the list.")
        return job

    def add(self, photo: str, video: str, title: str, choices: Choices) -> Job:
        """Have a clip made.

        Args:
            photo: the id of the photo.
            video: that of the driving clip.
            title: what to call the result.
            choices: how it is made.

        Raises:
            UserError: there are too many, or it cannot be kept.
        """
        job = Job(new_id(), photo, video, title, choices, time.time())
        with self._work:
            if len(self._jobs) >= MOST_JOBS:
                raise UserError(
                    f"There are {MOST_JOBS} clips in the list; remove one that you no longer need."
                )
            self._store.save(job)
            self._jobs[job.id] = job
            self._work.notify_all()
        self.changed()
        return job

    def again(self, identity: object) -> None:
        """Try a job once more that has failed or was cancelled.

        Raises:
            UserError: there is none, or it is on its way, or it is done.
        """
        with self._work:
            job = self.find(identity)
            if job.state not in (JobState.FAILED, JobState.CANCELLED):
                raise UserError("Only clips that have failed or were cancelled are made again.")
            self._put(replace(job, state=JobState.WAITING, reason="", made_at=time.time()))
            self._work.notify_all()
        self.changed()

    def cancel(self, identity: object) -> None:
        """Give up a job that waits or runs.

        Raises:
            UserError: there is none.
        """
        with self._work:
            job = self.find(identity)
            if job.state not in (JobState.WAITING, JobState.RUNNING):
                return
            self._put(replace(job, state=JobState.CANCELLED))
            if self._running == job.id:
                self._worker.stop()
        self.changed()

    def remove(self, identity: object) -> None:
        """Delete a job and its result; one that runs is ended.

        Raises:
            UserError: there is none, or it cannot be deleted.
        """
        self.cancel(identity)
        with self._work:
            job = self.find(identity)
            # What it is being written into must be closed first.
            self._work.wait_for(lambda: self._running != job.id, 10.0)
            self._store.remove(job)
            del self._jobs[job.id]
        self.removed()
        self.changed()

    def state(self) -> list[dict[str, Any]]:
        """What pages show, the newest first; no path."""
        with self._work:
            jobs, progress = list(self._jobs.values()), self._progress
        found = []
        for job in reversed(jobs):
            one = asdict(job)
            if job.state is JobState.RUNNING:
                one["progress"] = asdict(progress)
            found.append(one)
        return found

    def _put(self, job: Job) -> None:
        """Change a job; with the lock."""
        self._jobs[job.id] = job
        self._store.save(job)

    def _run(self) -> None:
        while True:
            with self._work:
                job = None
                while job is None and not self._closed:
                    waiting = [one for one in self._jobs.values() if one.state is JobState.WAITING]
                    job = min(waiting, key=lambda one: one.made_at, default=None)
                    if job is None:
                        self._work.wait()
                if self._closed:
                    return
                assert job is not None
                job = replace(job, state=JobState.RUNNING, reason="")
                # On the disk it still waits: so it does after an interruption.
                self._jobs[job.id], self._running, self._progress = job, job.id, Progress()
            self.changed()
            done = self._make(job)
            with self._work:
                self._running = None
                if done is None or done.state is not JobState.DONE:
                    self._store.clear(job)
                current = self._jobs.get(job.id)
                # It may have been cancelled meanwhile; and what was interrupted waits.
                if current is not None and current.state is JobState.RUNNING and done is not None:
                    try:
                        self._put(done)
                    except UserError as error:
                        self._jobs[job.id] = replace(job, state=JobState.FAILED, reason=str(error))
                self._work.notify_all()
            self.changed()
            # A process of its own for each, so that none leaves anything behind in memory.
            self._worker.stop()

    def _make(self, job: Job) -> Job | None:
        """Make a clip; None if it was interrupted."""
        estimate = Estimate()

        def progress(stage: str, done: int, total: int) -> None:
            with self._work:
                self._progress = estimate(stage, done, total)
                current = self._jobs.get(job.id)
                if current is None or current.state is not JobState.RUNNING:
                    # It was cancelled before there was a process to end.
                    self._worker.stop()
            self.changed()

        try:
            photo = self._store.material(job.photo)
            video = self._store.material(job.video)
            self._store.check_room(0)
            answer = self._worker.do(
                "make",
                {
                    **asdict(job.choices),
                    "photo": str(photo.path),
                    "video": str(video.path),
                    "seen": str(video.seen),
                    "result": str(self._store.result(job)),
                    "driver": str(self._store.driver(job)),
                },
                progress,
            )
        except Stopped:
            if self._closed:
                return None
            why = "It was ended from outside, perhaps for lack of memory; try again."
            return replace(job, state=JobState.FAILED, reason=why)
        except UserError as error:
            return replace(job, state=JobState.FAILED, reason=self._store.told(str(error)))
        return replace(
            job,
            state=JobState.DONE,
            notes=tuple(map(self._store.told, answer["notes"])),
            length=answer["length"],
            signed=answer["signed"],
        )
