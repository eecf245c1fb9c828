"""From the user's choices for `animate-jobs` to many video files."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.errors import UserError
from realtime.commands.job_table import CORES, Results, here, on_ray, read_jobs


def animate_jobs(
    jobs: Path, results: Path | None, workers: int | None, ray: str | None, console: Console
) -> bool:
    """Animate all clips of a table, with a progress bar on `console`.

    Args:
        jobs: a csv.
        results: the table of results; None: beside the jobs.
        workers: at once on this machine; None: by its cores.
        ray: the address of a Ray cluster; None: this machine.
        console: where progress and results are said.

    Returns:
        Whether all clips are there now.

    Raises:
        UserError: a table cannot be used, or the cluster.
    """
    wanted = read_jobs(jobs)
    place = results or jobs.with_name(f"{jobs.stem}-results.csv")
    if place.exists() and place.samefile(jobs):
        raise UserError("--results must not be the table of jobs; name another file.")
    table = Results(place)
    left = [job for job in wanted if not table.is_done(job)]
    for job in left:
        job.output.parent.mkdir(parents=True, exist_ok=True)
    count = workers or max((os.cpu_count() or 1) // CORES, 1)
    done = on_ray(left, ray) if ray is not None else here(left, count)
    failed = []
    columns = (
        TextColumn("Animating"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("time left"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=len(wanted), completed=len(wanted) - len(left))
        for job, outcome in done if left else ():
            table.add(job, outcome)
            if outcome.state == "failed":
                failed.append(f"{job.output} was not made: {outcome.message}")
            bar.advance(task)
    made = len(left) - len(failed)
    before = len(wanted) - len(left)
    lines = [*failed, f"Made {made} clips; {before} were there, {len(failed)} failed: {place}."]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return not failed
