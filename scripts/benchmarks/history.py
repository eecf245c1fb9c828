"""How fast each release was: `benchmarks.csv`, one row for a version and a machine.

    python -m scripts.benchmarks.benchmark --append benchmarks.csv

measures and adds a row; `scripts.release.release` does so for a release. Only rows of one machine
can be compared.
"""

from __future__ import annotations

import csv
import datetime
import platform
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from scripts.paths import ROOT

HISTORY = ROOT / "benchmarks.csv"

COLUMNS = (
    "version",
    "date",
    "machine",
    "avatar_size",
    "canvas",
    "full_pace_fps",
    "real_time_fps",
    "latency_p50_ms",
    "latency_p95_ms",
    "latency_p99_ms",
    "start_s",
    "cores_busy",
    "peak_memory_mb",
    "lines_product",
    "lines_scripts",
    "lines_tests",
)
"""Speed at full pace; all else of the run in real time. `start_s` ends with the first animated
frame and counts from the imports on. The product is models and realtime."""


def row(result: dict[str, Any]) -> dict[str, str]:
    """What a benchmark (the JSON of `scripts.benchmarks.benchmark`) says about this version."""
    paced, full = result["real_time"], result["full_pace"]
    lines = {name: _lines(ROOT / name) for name in ("models", "realtime", "scripts", "tests")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    values = (
        project["version"],
        datetime.date.today().isoformat(),
        result["machine"],
        str(result["avatar_size"]),
        result["canvas"],
        _rounded(full["animated_fps"], 1),
        _rounded(paced["animated_fps"], 1),
        *(_rounded(paced["latency_ms"][name], 1) for name in ("p50", "p95", "p99")),
        _rounded(paced["first_animated_s"], 2),
        _rounded(paced["cpu_cores_used"], 2),
        _rounded(result["peak_memory_mb"], 0),
        str(lines["models"] + lines["realtime"]),
        str(lines["scripts"]),
        str(lines["tests"]),
    )
    return dict(zip(COLUMNS, values, strict=True))


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a history, oldest first; none if there is no file.

    Raises:
        ValueError: its columns are not ours.
    """
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise ValueError(f"{path} has other columns than {', '.join(COLUMNS)}")
        return list(table)


def append(path: Path, new: dict[str, str]) -> None:
    """Add a row at the end, in place of an earlier one of the same version and machine.

    Raises:
        ValueError: the file is not a history.
    """

    def same(old: dict[str, str]) -> bool:
        return (old["version"], old["machine"]) == (new["version"], new["machine"])

    rows = [*(old for old in read(path) if not same(old)), new]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


def processor() -> str:
    """The processor as its maker calls it, or its kind where that cannot be told."""
    name = ""
    try:
        if sys.platform == "darwin":
            words = ["sysctl", "-n", "machdep.cpu.brand_string"]
            name = subprocess.run(words, capture_output=True, text=True).stdout
        elif sys.platform == "linux":
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
                if line.startswith("model name"):
                    name = line.partition(":")[2]
                    break
        else:
            name = platform.processor()
    except OSError:
        pass
    return " ".join(name.split()) or platform.machine()


def _rounded(value: float | None, digits: int) -> str:
    """A number as text, or nothing where it was not measured."""
    return "" if value is None else f"{value:.{digits}f}"


def _lines(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.rglob("*.py"))
