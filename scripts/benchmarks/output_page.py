"""How fast the output page is in Chromium, and what it costs: `/output` as OBS opens it.

    python -m scripts.benchmarks.output_page --size 1920x1080 --background green

A real run with the demo clip, without outputs, and one page without a window. Prints the pictures
a second that differ from the one before, and cores of the program and of the browser, with and
without the page.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from realtime.paths import asset_path
from scripts.rigs.browser import Browser

_COUNT = """
(() => {
  const seen = { drawn: 0, different: 0, last: "" };
  const small = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  small.canvas.width = small.canvas.height = 24;
  const original = CanvasRenderingContext2D.prototype.drawImage;
  const output = document.getElementById("output").getContext("2d");
  CanvasRenderingContext2D.prototype.drawImage = function (image, ...rest) {
    original.call(this, image, ...rest);
    if (this !== output || this.filter !== "none") return;
    original.call(small, image, 0, 0, 24, 24);
    const now = small.getImageData(0, 0, 24, 24).data.join();
    seen.drawn += 1;
    seen.different += now !== seen.last;
    seen.last = now;
  };
  window.seen = seen;
  return true;
})()
"""
"""Counts what the page draws, and how much of it is new, by copies of 24 x 24 pixels."""


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--background", default="keep", help="of the run: keep, green, blur")
    parser.add_argument("--query", default="", help="of the page, such as background=transparent")
    parser.add_argument("--seconds", type=float, default=15.0)
    choices = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        words = ["--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none"]
        words += ["--size", choices.size, "--background", choices.background]
        run = subprocess.Popen(
            [sys.executable, "-m", "realtime.cli", "run", *words],
            env={**os.environ, "AVATARIFY_HOME": home, "DISPLAY": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _measure(run, choices, Path(home))
        finally:
            run.terminate()
            run.wait(30)


def _measure(run: subprocess.Popen[str], choices: argparse.Namespace, home: Path) -> None:
    assert run.stdout is not None
    lines = (re.search(r"Panel: (\S+)/#(key=\S+)", line) for line in run.stdout)
    found = next(filter(None, lines))
    time.sleep(6)  # The start is over.
    alone = _cores([run.pid], choices.seconds / 2)
    with Browser(home / "profile") as browser:
        browser.open(f"{found[1]}/output?{choices.query}#{found[2]}")
        browser.wait("document.body.dataset.status === 'open'")
        time.sleep(3)
        browser.run(_COUNT)
        before, since = browser.run("{ ...seen }"), time.perf_counter()
        browsers = _children(os.getpid())
        own, theirs = _cpu([run.pid]), _cpu(browsers)
        time.sleep(choices.seconds)
        after, seconds = browser.run("{ ...seen }"), time.perf_counter() - since
        own, theirs = _cpu([run.pid]) - own, _cpu(browsers) - theirs
        size = browser.run(
            "`${document.getElementById('output').width}x` + "
            "document.getElementById('output').height"
        )
    print(
        f"{size} {choices.query or 'plain'}: "
        f"{(after['drawn'] - before['drawn']) / seconds:.1f} drawn a second, "
        f"{(after['different'] - before['different']) / seconds:.1f} different; program "
        f"{own / seconds:.2f} cores ({alone:.2f} without the page), browser "
        f"{theirs / seconds:.2f} cores"
    )


def _cores(processes: list[int], seconds: float) -> float:
    before, since = _cpu(processes), time.perf_counter()
    time.sleep(seconds)
    return (_cpu(processes) - before) / (time.perf_counter() - since)


def _cpu(processes: list[int]) -> float:
    """Seconds of computing time that they have used."""
    total = 0
    for process in processes:
        try:
            stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(stat[11]) + int(stat[12])
    return total / os.sysconf("SC_CLK_TCK")


def _children(process: int) -> list[int]:
    """All processes of Chromium below one."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            head, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        number = int(path.parent.name)
        parents[number], names[number] = int(rest.split()[1]), head.partition("(")[2]
    found = [process]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [one for one in found if "chrom" in names.get(one, "")]


if __name__ == "__main__":
    main()
