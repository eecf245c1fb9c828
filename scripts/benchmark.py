"""How fast the whole path is on this machine: camera to sink, with percentiles of every stage.

Runs the demo camera twice: at full pace (how fast can it go) and in real time at `--fps` (how late
is a frame). With `--json` the same figures go into a file.

    python scripts/benchmark.py --seconds 20 --cores 2 --json benchmark.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

PERCENTILES = (50, 95, 99)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--source", type=Path, help="photo (default: the demo face)")
    parser.add_argument("--camera", default="demo", help="as for run (default: demo)")
    parser.add_argument("--seconds", type=float, default=15, help="for each of the two runs")
    parser.add_argument("--fps", type=float, default=30, help="of the real-time run")
    parser.add_argument("--avatar-size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--size", default="1280x720", help="canvas")
    parser.add_argument("--backend", default="mesh")
    parser.add_argument("--record", type=Path, help="also record both runs into this MP4 file")
    parser.add_argument("--cores", type=int, help="use only this many cores (Linux)")
    parser.add_argument("--threads", type=int, help="OpenCV's threads (default: as in run)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


def peak_memory() -> float:
    """The largest resident size so far, in MB (10^6 bytes); NaN where it cannot be told."""
    try:
        import resource
    except ImportError:
        return float("nan")
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / 1e6 if sys.platform == "darwin" else size * 1024 / 1e6


def measure(options: argparse.Namespace, full_pace: bool) -> dict[str, Any]:
    """One run; the figures in milliseconds and frames per second."""
    began = time.perf_counter()  # The imports count too: a user waits for them.
    from realtime.assets import asset_path
    from realtime.cli import parse_size
    from realtime.latency import STAGES
    from realtime.live import Choices, build
    from realtime.threads import limit_threads

    choices = Choices(
        source=options.source or asset_path("face.jpg"),
        camera=options.camera,
        output="none",
        record=options.record,
        size=parse_size(options.size),
        # At full pace the output must not be what limits it.
        fps=120 if full_pace else options.fps,
        backend=options.backend,
        avatar_size=options.avatar_size,
        full_pace=full_pace,
    )
    pipeline = build(choices, lambda line: print(line, file=sys.stderr)).pipeline
    if options.threads:
        limit_threads(options.threads)
    ready = time.perf_counter()
    cpu = time.process_time()
    pipeline.run(options.seconds)
    spent = time.perf_counter() - ready
    used = time.process_time() - cpu
    times = pipeline.times
    latency = times["latency"]
    status = pipeline.status()
    first = pipeline.first_animated
    return {
        "animated_fps": latency.overall_rate(),
        "output_fps": times["output"].overall_rate(),
        "frames": latency.count,
        "prepare_s": ready - began,
        "first_animated_s": None if first is None else first - began,
        "cpu_cores_used": used / spent,
        "faults": status.faults,
        "last_fault": status.last_fault,
        "latency_ms": _percentiles(latency),
        "stages_ms": {stage: _percentiles(times[stage]) for stage in STAGES},
    }


def _percentiles(series: Any) -> dict[str, float | None]:
    values = {f"p{percent}": series.overall(percent) for percent in PERCENTILES}
    return {name: None if value is None else value * 1e3 for name, value in values.items()}


def table(title: str, figures: dict[str, Any]) -> None:
    """Print one run."""
    from rich.console import Console
    from rich.table import Table

    view = Table(title=title, title_justify="left")
    view.add_column("ms")
    for percent in PERCENTILES:
        view.add_column(f"p{percent}", justify="right")
    rows = {**figures["stages_ms"], "added latency": figures["latency_ms"]}
    for name, values in rows.items():
        view.add_row(name, *("-" if v is None else f"{v:.1f}" for v in values.values()))
    console = Console()
    console.print(view)
    first = figures["first_animated_s"]
    console.print(
        f"animated {figures['animated_fps']:.1f} fps, output {figures['output_fps']:.1f} fps, "
        f"first animated frame after {'-' if first is None else f'{first:.2f}'} s, "
        f"{figures['cpu_cores_used']:.2f} cores busy, {figures['faults']} faults"
        + (f" (last: {figures['last_fault']})" if figures["faults"] else ""),
        highlight=False,
        soft_wrap=True,
    )


def main() -> None:
    """Measure, print, write."""
    from models.errors import UserError

    options = arguments()
    if options.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        paced = measure(options, full_pace=False)
        full = measure(options, full_pace=True)
    except UserError as error:
        sys.exit(str(error))
    result = {
        "machine": f"{platform.machine()}, {cores} cores, Python {platform.python_version()}",
        "avatar_size": options.avatar_size,
        "canvas": options.size,
        "recording": options.record is not None,
        "peak_memory_mb": peak_memory(),
        "real_time": paced,
        "full_pace": full,
    }
    table(f"Real time at {options.fps:g} fps", paced)
    table("Full pace", full)
    print(f"{result['machine']}; peak memory {result['peak_memory_mb']:.0f} MB")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
