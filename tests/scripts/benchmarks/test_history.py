"""The rows of benchmarks.csv."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from scripts.benchmarks import history
from tests.paths import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def result(fps: float = 50.04, machine: str = "Some CPU, 2 cores, Python 3.13.0") -> dict[str, Any]:
    run = {
        "animated_fps": fps,
        "first_animated_s": 2.444,
        "cpu_cores_used": 0.9,
        "latency_ms": {"p50": 27.04, "p95": 38.0, "p99": None},
    }
    return {
        "machine": machine,
        "avatar_size": 512,
        "canvas": "1280x720",
        "peak_memory_mb": 358.4,
        "real_time": {**run, "animated_fps": 30.0},
        "full_pace": run,
    }


def test_a_row_has_the_figures_of_a_benchmark_and_the_lines_of_today() -> None:
    row = history.row(result())
    assert tuple(row) == history.COLUMNS and row["version"] == VERSION
    assert (row["full_pace_fps"], row["real_time_fps"], row["start_s"]) == ("50.0", "30.0", "2.44")
    assert (row["latency_p50_ms"], row["latency_p99_ms"], row["peak_memory_mb"]) == (
        "27.0",
        "",
        "358",
    )
    here = len(Path(history.__file__).read_text("utf-8").splitlines())
    assert int(row["lines_scripts"]) > here and int(row["lines_product"]) > 10_000


def test_a_second_measurement_of_a_version_replaces_the_first_on_that_machine(tmp_path) -> None:
    path = tmp_path / "benchmarks.csv"
    first, other = history.row(result(40)), history.row(result(50, machine="Another"))
    for new in (first, other, history.row(result(60))):
        history.append(path, new)
    assert [(row["machine"][:4], row["full_pace_fps"]) for row in history.read(path)] == [
        ("Anot", "50.0"),
        ("Some", "60.0"),
    ]
    history.append(path, {**first, "version": "9.9.9"})
    assert [row["version"] for row in history.read(path)] == [VERSION, VERSION, "9.9.9"]


def test_another_table_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="other columns"):
        history.append(path, history.row(result()))
    assert path.read_text() == "a,b\n1,2\n"


def test_our_history_can_be_read() -> None:
    for row in history.read(history.HISTORY):
        assert float(row["full_pace_fps"]) > 0 and int(row["lines_tests"]) > 0


def test_the_processor_has_a_name() -> None:
    assert history.processor().strip() and "\n" not in history.processor()


def test_the_benchmark_measures_the_whole_path_and_adds_a_row(tmp_path: Path) -> None:
    figures, rows = tmp_path / "figures.json", tmp_path / "rows.csv"
    words = ["--seconds", "3", "--avatar-size", "256", "--json", figures, "--append", rows]
    command = [sys.executable, "-m", "scripts.benchmarks.benchmark", *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads(figures.read_text("utf-8"))
    (row,) = history.read(rows)
    assert row["full_pace_fps"] == f"{told['full_pace']['animated_fps']:.1f}"
    assert float(row["full_pace_fps"]) > 0 and float(row["latency_p50_ms"]) > 0
    assert row["machine"].startswith(history.processor()) and row["avatar_size"] == "256"
