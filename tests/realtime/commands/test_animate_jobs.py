from __future__ import annotations

import csv
import os
import signal
from itertools import islice
from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.errors import UserError
from realtime.cameras.clip import ClipReader
from realtime.cli import app
from realtime.commands.job_table import Job, Outcome, Results, here, on_ray, read_jobs
from tests.clips import write_pictures
from tests.paths import ROOT


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = [image for image, _ in islice(ClipReader(ROOT / "assets/demo.mp4").frames(), 4)]
    return write_pictures(tmp_path_factory.mktemp("clip") / "driver.mp4", frames)


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def told(path: Path) -> dict[str, dict[str, str]]:
    with open(path, newline="") as file:
        return {Path(row["output"]).name: row for row in csv.DictReader(file)}


def test_a_table_is_done_once_and_failures_are_told(clip: Path, tmp_path: Path) -> None:
    common = {"source": str(ROOT / "assets/face.jpg"), "size": "64x64", "mirror": "no"}
    rows = [
        {**common, "driving": str(clip), "output": "out/a.mp4"},
        {**common, "driving": "absent.mp4", "output": "out/b.mp4"},
    ]
    jobs = write_table(tmp_path / "jobs.csv", rows)
    first = CliRunner().invoke(app, ["animate-jobs", str(jobs)])
    assert first.exit_code == 1, first.output
    assert "Made 1 clips; 0 were there, 1 failed" in first.output
    assert "b.mp4 was not made: " in first.output and "absent.mp4" in first.output
    results = told(tmp_path / "jobs-results.csv")
    assert results["a.mp4"]["state"] == "done" and results["b.mp4"]["state"] == "failed"
    made = (tmp_path / "out" / "a.mp4").stat().st_mtime_ns
    os.link(clip, tmp_path / "absent.mp4")
    second = CliRunner().invoke(app, ["animate-jobs", str(jobs), "--workers", "1"])
    assert second.exit_code == 0, second.output
    assert "Made 1 clips; 1 were there, 0 failed" in second.output
    assert (tmp_path / "out" / "a.mp4").stat().st_mtime_ns == made
    assert len(list(ClipReader(tmp_path / "out" / "b.mp4").frames())) == 4


def fake(arguments: tuple[str, ...]) -> Outcome:
    """A job that writes which process did it."""
    output = Path(arguments[arguments.index("--output") + 1])
    output.write_text(str(os.getpid()))
    return Outcome("done", 0.1, str(os.getpid()), "")


def fake_jobs(folder: Path, count: int) -> list[Job]:
    rows = [{"source": "s.jpg", "driving": f"{n}.mp4", "output": f"{n}.out"} for n in range(count)]
    return read_jobs(write_table(folder / "jobs.csv", rows))


def test_a_changed_file_or_option_makes_a_job_new(tmp_path: Path) -> None:
    (job,) = fake_jobs(tmp_path, 1)
    table = Results(tmp_path / "results.csv")
    assert not table.is_done(job)
    for one, outcome in here([job], 1, fake):
        table.add(one, outcome)
    assert Results(tmp_path / "results.csv").is_done(job)
    (tmp_path / "0.mp4").write_bytes(b"now it is there")
    (changed,) = read_jobs(tmp_path / "jobs.csv")
    assert not table.is_done(changed)
    job.output.unlink()
    assert not table.is_done(job)


def test_options_and_switches_become_arguments(tmp_path: Path) -> None:
    row = {"source": "s.jpg", "driving": "d.mp4", "output": "o.mp4"}
    more = {"best_frame": "3", "mirror": "yes", "no-badge": "", "adapt-scale": "no"}
    (job,) = read_jobs(write_table(tmp_path / "jobs.csv", [{**row, **more}]))
    assert job.arguments[-3:] == ("--best-frame", "3", "--mirror")
    assert job.arguments[:3] == ("--overwrite", "--source", str(tmp_path / "s.jpg"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no jobs"),
        ("source,driving,output\n", "no jobs"),
        ("source,driving\na,b\n", "Line 2 .* no output"),
        ("source,driving,output\na,b\n", "not as many values"),
        ("source,driving,output\na,b,c\na,d,c\n", "Line 3 .* again"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "jobs.csv").write_text(text)
    with pytest.raises(UserError, match=says):
        read_jobs(tmp_path / "jobs.csv")
    with pytest.raises(UserError, match="cannot be read"):
        read_jobs(tmp_path / "absent.csv")


def test_other_files_are_not_taken_for_results(tmp_path: Path) -> None:
    jobs = fake_jobs(tmp_path, 1)
    with pytest.raises(UserError, match="no table of results"):
        Results(tmp_path / "jobs.csv")
    assert jobs


def test_without_ray_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(UserError, match="Ray is not installed"):
        list(on_ray(fake_jobs(tmp_path, 1), "local", fake))


def dies_once(arguments: tuple[str, ...]) -> Outcome:
    """The first worker that takes the first job is killed in the middle of it."""
    output = Path(arguments[arguments.index("--output") + 1])
    mark = output.with_suffix(".dead")
    if output.name == "0.out" and not mark.exists():
        mark.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return fake(arguments)


def test_the_jobs_of_a_killed_worker_are_done_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    # Workers import what they do from here.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    jobs = fake_jobs(tmp_path, 3)
    table = Results(tmp_path / "results.csv")
    for job, outcome in on_ray(jobs, "local", dies_once):
        table.add(job, outcome)
    dead = (tmp_path / "0.dead").read_text()
    assert all(table.is_done(job) for job in jobs)
    assert (tmp_path / "0.out").read_text() != dead
