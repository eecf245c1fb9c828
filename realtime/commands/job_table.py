"""Many clips to animate: a table of jobs, their workers, and a table of results.

A job is done once: what the table of results calls done, of the same files and options, is not made
again, so a run that was interrupted goes on where it was. A result takes its name when it is whole,
so two workers on one job do no harm.
"""

from __future__ import annotations

import csv
import hashlib
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from models.environment import pip_command
from models.errors import UserError

_log = logging.getLogger(__name__)

State: TypeAlias = Literal["done", "failed"]

COLUMNS = ("source", "driving", "output")
"""That every table of jobs has; each other one is an option of `animate`."""

RESULTS = ("output", "state", "seconds", "worker", "job", "message")
"""The columns of the table of results."""

RETRIES = 4
"""Times that Ray begins a job anew on another worker after its own has died."""

CORES = 2
"""Of a worker: what `animate` keeps busy most of the time."""

_LAST = 300
"""Letters of what a failed job has said that are kept."""


@dataclass(frozen=True)
class Job:
    """A clip to make.

    Attributes:
        output: where to.
        arguments: all options of `animate`.
        key: changes with its files and options.
    """

    output: Path
    arguments: tuple[str, ...]
    key: str


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        state: whether the clip is there.
        seconds: that it took.
        worker: the computer's name and the process there.
        message: what was said last.
    """

    state: State
    seconds: float
    worker: str
    message: str


Work: TypeAlias = Callable[[tuple[str, ...]], Outcome]
"""Does one job, given its options."""


def read_jobs(path: Path) -> list[Job]:
    """The jobs of a table; paths in it are counted from its own folder.

    Raises:
        UserError: it cannot be read, lacks a column or a value, or names one output twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no csv"
        raise UserError(f"The jobs of {path} cannot be read ({reason}); name a csv.") from error
    if not rows:
        raise UserError(f"{path} has no jobs; give it the columns {', '.join(COLUMNS)} and rows.")
    jobs = [_job(path, number, row) for number, row in enumerate(rows, 2)]
    outputs = [job.output for job in jobs]
    for number, output in enumerate(outputs, 2):
        if output in outputs[: number - 2]:
            raise UserError(f"Line {number} of {path} writes {output} again; name another output.")
    return jobs


def _job(path: Path, number: int, row: dict[str, Any]) -> Job:
    if None in row or None in row.values():
        raise UserError(f"Line {number} of {path} has not as many values as the first has names.")
    values = {name.strip(): value.strip() for name, value in row.items()}
    for name in COLUMNS:
        if not values.get(name):
            raise UserError(f"Line {number} of {path} has no {name}; give one.")
    places = {name: (path.parent / Path(values[name]).expanduser()) for name in COLUMNS}
    arguments = ["--overwrite"]
    marks: list[object] = []
    for name in COLUMNS:
        place = places[name].absolute()
        arguments += [f"--{name}", str(place)]
        if name != "output":
            try:
                status = place.stat()
                marks += [status.st_mtime_ns, status.st_size]
            except OSError:  # The job itself will say so.
                marks.append(None)
    for name, value in sorted(values.items()):
        if name not in COLUMNS and value:
            option = f"--{name.replace('_', '-')}"
            # A switch has no value: `mirror` with "yes", or with nothing.
            if value.lower() in ("no", "false"):
                continue
            arguments += [option] if value.lower() in ("yes", "true") else [option, value]
    key = hashlib.sha256(repr((arguments, marks)).encode()).hexdigest()[:16]
    return Job(places["output"].absolute(), tuple(arguments), key)


class Results:
    """The table of results, on the disk after every job."""

    def __init__(self, path: Path) -> None:
        """Read what is there already.

        Raises:
            UserError: it cannot be read.
        """
        self._path = path
        self._rows: dict[str, dict[str, str]] = {}
        try:
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self._rows[row["output"]] = {name: row[name] or "" for name in RESULTS}
        except FileNotFoundError:
            pass
        except (OSError, UnicodeError, KeyError, csv.Error) as error:
            raise UserError(
                f"{path} is no table of results; name another with --results, or remove it."
            ) from error

    def is_done(self, job: Job) -> bool:
        """Whether the clip is there, of these very files and options."""
        row = self._rows.get(str(job.output), {})
        return row.get("state") == "done" and row["job"] == job.key and job.output.is_file()

    def add(self, job: Job, outcome: Outcome) -> None:
        """Note what became of a job.

        Raises:
            UserError: the table cannot be written.
        """
        self._rows[str(job.output)] = {
            "output": str(job.output),
            "state": outcome.state,
            "seconds": f"{outcome.seconds:.1f}",
            "worker": outcome.worker,
            "job": job.key,
            "message": outcome.message,
        }
        part = self._path.with_name(f".{self._path.name}.part")
        try:
            with open(part, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, RESULTS)
                writer.writeheader()
                writer.writerows(self._rows.values())
            os.replace(part, self._path)
        except OSError as error:
            raise UserError(
                f"{self._path} cannot be written ({error.strerror}); name another table with "
                "--results."
            ) from error


def animate_in_process(arguments: tuple[str, ...]) -> Outcome:
    """Do one job in a process of its own, on this computer."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "realtime.commands.animate_one", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    said = (done.stdout if done.returncode == 0 else done.stderr).strip()
    last = said.splitlines()[-1][-_LAST:] if said else ""
    if done.returncode < 0:
        last = f"ended by signal {-done.returncode}"
    return Outcome(
        "done" if done.returncode == 0 else "failed",
        time.monotonic() - begun,
        f"{socket.gethostname()}:{os.getpid()}",
        last,
    )


def here(
    jobs: Sequence[Job], workers: int, work: Work = animate_in_process
) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs on this computer, several at once, and yield them as they are finished."""
    pool = ThreadPoolExecutor(workers)
    try:
        waiting = {pool.submit(work, job.arguments): job for job in jobs}
        for one in as_completed(waiting):
            yield waiting[one], one.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def on_ray(
    jobs: Sequence[Job], address: str, work: Work = animate_in_process
) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs as tasks of a Ray cluster, and yield them as they are finished.

    Its machines need this program and see the same files under the same names.

    Args:
        jobs: what to do.
        address: of the cluster, "auto" for the one that this machine belongs to, or "local" for
            one of this machine alone, which ends with the run.
        work: does one job.

    Raises:
        UserError: Ray is not installed, or the cluster is not there.
    """
    try:
        import ray
    except ImportError:
        raise UserError(
            f"Ray is not installed; run `{pip_command('install ray')}` or leave --ray out."
        ) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises several kinds, by what it has tried.
        raise UserError(
            f"No Ray cluster was found at {address} ({type(error).__name__}); start it with "
            "`ray start --head`, or leave --ray out."
        ) from error
    try:
        # A task whose worker or machine dies is begun anew on another one.
        task = ray.remote(num_cpus=CORES, max_retries=RETRIES)(work)
        waiting = {task.remote(job.arguments): job for job in jobs}
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            job = waiting.pop(ready[0])
            try:
                outcome = ray.get(ready[0])
            except Exception as error:  # Whatever the task raised, or that it died too often.
                _log.warning("a job failed on the cluster", exc_info=error)
                last = str(error).strip().splitlines() or [type(error).__name__]
                outcome = Outcome("failed", 0.0, "", last[-1][-_LAST:])
            yield job, outcome
    finally:
        ray.shutdown()
