"""How fast the whole path is on this machine: camera to sink, with percentiles of every stage.

Runs the demo camera twice: at full pace (how fast can it go) and in real time at `--fps` (how late
is a frame). With `--json` the same figures go into a file, with `--append` a row of them into the
history of all versions.

    python -m scripts.benchmarks.benchmark --seconds 20 --cores 2 --json benchmark.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from scripts.benchmarks.history import append, processor, row

PERCENTILES = (50, 95, 99)
"""Half of all frames, one in twenty and one in a hundred take longer: usual, late, seldom."""


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
    parser.add_argument(
        "--page",
        type=int,
        metavar="ROUNDS",
        help="instead: what an open page of the control panel costs, off and on in turn",
    )
    parser.add_argument("--reader", help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, help="use only this many cores (Linux)")
    parser.add_argument("--threads", type=int, help="OpenCV's threads (default: as in run)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--append", type=Path, help="add a row to this history (benchmarks.csv)")
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
    """One run.

    Args:
        options: of the command line.
        full_pace: the camera gives frames as fast as they are taken, not at `options.fps`.

    Returns:
        The figures; a name ends with its unit: `_s`, `_ms`, `_fps`. `cpu_cores_used` is processor
        time by time. None: not measured, as no frame came.

    Raises:
        UserError: photo, camera or an option cannot be used.
    """
    began = time.perf_counter()  # The imports count too: a user waits for them.
    from realtime.commands.options import RunChoices
    from realtime.commands.run import build
    from realtime.pipeline.threads import limit_threads

    choices = RunChoices(
        source=options.source,
        camera=options.camera,
        output="none",
        record=options.record,
        size=options.size,
        # At full pace the output must not be what limits it.
        fps=120 if full_pace else options.fps,
        backend=options.backend,
    )
    pipeline = build(
        choices,
        lambda line: print(line, file=sys.stderr),
        avatar_size=options.avatar_size,
        full_pace=full_pace,
    ).pipeline
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
        "stages_ms": {stage: _percentiles(times[stage]) for stage in times.stages()},
    }


def _percentiles(series: Any) -> dict[str, float | None]:
    values = {f"p{percent}": series.overall(percent) for percent in PERCENTILES}
    return {name: None if value is None else value * 1e3 for name, value in values.items()}


def page_cost(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Figures of a real-time run without and with an open page, in turn within one run.

    Args:
        options: of the command line; `options.page` rounds with and as many without.
    """
    from realtime.commands.options import RunChoices
    from realtime.commands.run import build
    from realtime.panel.address import Address
    from realtime.panel.server import Panel

    choices = RunChoices(
        source=options.source,
        camera=options.camera,
        output="none",
        size=options.size,
        fps=options.fps,
        backend=options.backend,
    )
    live = build(
        choices, lambda line: print(line, file=sys.stderr), avatar_size=options.avatar_size
    )
    panel = Panel(live.session, live.preview, Address())
    panel.start()
    rounds: list[dict[str, Any]] = []

    def take_turns() -> None:
        latency, output = live.pipeline.times["latency"], live.pipeline.times["output"]
        time.sleep(5)
        for index in range(2 * options.page):
            # Each time in another order, so that a load that comes and goes falls on both.
            opened = index % 4 in (1, 2)
            reader = None
            if opened:
                reader = subprocess.Popen(
                    [sys.executable, "-m", "scripts.benchmarks.benchmark", "--reader", panel.url]
                )
            time.sleep(14)  # The figures are those of the last ten seconds.
            p50, p99 = latency.recent(50), latency.recent(99)
            if reader is not None:
                reader.terminate()
                reader.wait()
            rounds.append(
                {
                    "page": opened,
                    "animated_fps": latency.rate(),
                    "output_fps": output.rate(),
                    "p50_ms": None if p50 is None else p50 * 1e3,
                    "p99_ms": None if p99 is None else p99 * 1e3,
                }
            )
            print(json.dumps(rounds[-1]), file=sys.stderr)
        live.pipeline.stop()

    turns = threading.Thread(target=take_turns, daemon=True)
    turns.start()
    live.pipeline.run()
    panel.close()
    return rounds


def read_page(url: str) -> None:
    """What an open page does, without a browser: take both pictures, decode them, say so.

    Args:
        url: the panel's, with its key.
    """
    import cv2
    import numpy as np
    from websockets.sync.client import connect
    from websockets.typing import Origin, Subprotocol

    address, _, key = url.partition("/#key=")
    protocols = [Subprotocol("panel"), Subprotocol(f"key.{key}")]
    place = address.replace("http", "ws") + "/live"
    with connect(
        place, origin=Origin(address), subprotocols=protocols, compression=None, proxy=None
    ) as page:
        wanted = {"output": {"width": 640, "fps": 15}, "camera": {"width": 320, "fps": 8}}
        page.send(json.dumps({"show": wanted}))
        for data in page:
            if isinstance(data, bytes):
                cv2.imdecode(np.frombuffer(data[1:], np.uint8), cv2.IMREAD_COLOR)
                page.send(json.dumps({"seen": data[0]}))


def compare(rounds: list[dict[str, Any]]) -> dict[str, float]:
    """How the figures with the page stand to those without, by the medians of all rounds.

    Args:
        rounds: from `page_cost`.

    Returns:
        Ratios of rates, and differences of latency in milliseconds.
    """

    def middle(name: str, page: bool) -> float:
        values = [one[name] for one in rounds if one["page"] is page and one[name] is not None]
        return statistics.median(values) if values else float("nan")

    return {
        "output_fps_ratio": middle("output_fps", True) / middle("output_fps", False),
        "animated_fps_ratio": middle("animated_fps", True) / middle("animated_fps", False),
        "p50_ms_more": middle("p50_ms", True) - middle("p50_ms", False),
        "p99_ms_more": middle("p99_ms", True) - middle("p99_ms", False),
    }


def table(title: str, figures: dict[str, Any]) -> None:
    """Print one run; `figures` are those of `measure`."""
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
    from models.environment import cores
    from models.errors import UserError

    options = arguments()
    if options.reader:
        read_page(options.reader)
        return
    if options.cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    if options.page:
        rounds = page_cost(options)
        figures = compare(rounds)
        print("With an open page: " + json.dumps(figures))
        if options.json:
            text = json.dumps({**figures, "rounds": rounds}, indent=2)
            options.json.write_text(text + "\n", encoding="utf-8")
        return
    try:
        paced = measure(options, full_pace=False)
        full = measure(options, full_pace=True)
    except UserError as error:
        sys.exit(str(error))
    result = {
        "machine": f"{processor()}, {cores()} cores, Python {platform.python_version()}",
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
    if options.append:
        append(options.append, row(result))


if __name__ == "__main__":
    main()
