"""An hour of PipeWire: the whole tool, with readers that come, go and are killed.

Recorded face -> PipeWire webcam -> OpenCV -> `avatarify-like run` -> PipeWire camera -> pages in
Chromium (one, two at once, killed in the middle) and OpenCV, in random order. Each must receive
pictures that the webcam has shown since, in their order. What the tool uses (memory, open files,
threads) is noted after each; what goes wrong is counted and the run goes on.

    python -m scripts.soak.pipewire --minutes 60 --json soak.json

Needs Linux with the Debian packages of .ci/packages.txt and the environment of scripts/test.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from playwright.sync_api import Error as BrowserError

from realtime.sinks.virtual.pipewire import LABEL
from scripts.rigs import recorded_webcam, timecode
from scripts.rigs.camera_page import CameraPage
from scripts.rigs.desktop import Desktop

CANVAS = (1280, 720)
"""Width and height in pixels, as `run` has them unless it is told otherwise."""

ENOUGH = 10
"""Pictures that a visit must get."""


class Visits:
    """What readers do, each with a fresh process; gives the times in the pictures it received."""

    def __init__(self, desktop: Desktop, folder: Path) -> None:
        """Read the tool's camera in this session; files go into the folder."""
        self._desktop = desktop
        self._folder = folder

    def page(self) -> list[int]:
        """A call in Chromium that ends as it should."""
        with self._joined() as page:
            time.sleep(random.uniform(1, 8))
            codes = _codes(page)
            page.leave()
        return codes

    def two_pages(self) -> list[int]:
        """A second call begins and ends during the first, which must go on."""
        # A thread holds one browser only.
        with self._joined() as first, ThreadPoolExecutor(1) as other:
            if not other.submit(self.page).result():
                return []
            first.seen()
            time.sleep(2)
            return _codes(first)

    def killed_page(self) -> list[int]:
        """A browser that is killed in the middle of a call."""
        with self._joined() as page:
            time.sleep(random.uniform(1, 3))
            codes = _codes(page)
            page.kill()
        return codes

    def opencv(self, killed: bool = False) -> list[int]:
        """A program that reads through V4L2."""
        output = self._folder / "read.npz"
        words = ("pw-v4l2", sys.executable, "-m", "scripts.rigs.camera_reader", "/dev/video0")
        target = str(self._desktop.cameras()[LABEL])
        reader = subprocess.Popen(
            (*words, "1000000" if killed else "90", str(output)),
            env={**self._desktop.environment, "PIPEWIRE_V4L2_TARGET": target, "PYTHONPATH": "."},
        )
        if killed:
            time.sleep(random.uniform(2, 5))
            reader.send_signal(signal.SIGKILL)
            reader.wait()
            return self.opencv()  # The next one must get pictures.
        if reader.wait(120) != 0:
            return []
        with np.load(output) as file:
            return [int(code) for code in file["codes"] if code >= 0]

    def killed_opencv(self) -> list[int]:
        """One that is killed, and another after it."""
        return self.opencv(killed=True)

    def nobody(self) -> list[int]:
        """Nobody reads for a while; the next one must get pictures."""
        time.sleep(random.uniform(1, 15))
        return self.page()

    def _joined(self) -> CameraPage:
        profile = Path(tempfile.mkdtemp(dir=self._folder))
        page = CameraPage(profile, self._desktop.environment)
        try:
            page.join(LABEL, CANVAS)
        except BaseException:
            page.close()
            raise
        return page


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the order of the visits")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="pw") as name:
        report = soak(Path(name), options.minutes * 60)
    print(json.dumps(report["visits"]), json.dumps(report["troubles"]))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if report["troubles"] or report["tool_ended"] else 0)


def soak(folder: Path, seconds: float) -> dict[str, object]:
    """Visits one after another.

    Args:
        folder: an empty folder with a short path.
        seconds: how long.

    Returns:
        As `--json` writes it; "troubles" is empty if all was well.
    """
    visits: Counter[str] = Counter()
    troubles: list[str] = []
    usage: list[dict[str, float]] = []
    with Desktop(folder / "s") as desktop:
        os.environ["XDG_RUNTIME_DIR"] = desktop.environment["XDG_RUNTIME_DIR"]
        with recorded_webcam.webcam(recorded_webcam.clip()) as shown:
            tool = recorded_webcam.start_tool(desktop, "--output", "pipewire")
            recorded_webcam.wait_for_avatar(desktop, tool, LABEL)
            reader = Visits(desktop, folder)
            kinds: list[Callable[[], list[int]]] = [
                reader.page,
                reader.two_pages,
                reader.killed_page,
                reader.opencv,
                reader.killed_opencv,
                reader.nobody,
            ]
            reader.page()  # The tool calibrates meanwhile.
            end = time.monotonic() + seconds
            while time.monotonic() < end and tool.poll() is None:
                visit = random.choice(kinds)
                visits[visit.__name__] += 1
                trouble = judge(visit, shown)
                if trouble:
                    troubles.append(f"{visit.__name__}: {trouble}")
                usage.append(use_of(tool.pid))
                print(visit.__name__, trouble or "well", usage[-1], flush=True)
            ended = tool.poll()
            log = desktop.log("pw-v4l2").read_text(errors="replace")[-2000:]
    return {
        "minutes": seconds / 60,
        "visits": dict(visits),
        "troubles": troubles,
        "tool_ended": ended is not None,
        "log": log if troubles or ended is not None else "",
        "usage": usage,
    }


def judge(visit: Callable[[], list[int]], shown: dict[int, int]) -> str:
    """What was wrong with a visit, or "".

    Args:
        visit: gives the times in the pictures that a reader got.
        shown: from `recorded_webcam.webcam`.
    """
    begun = timecode.now()
    try:
        codes = visit()
    except (BrowserError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    if len(codes) < ENOUGH:
        return f"only {len(codes)} pictures"
    if not set(codes) <= set(shown):
        return "pictures that the webcam never showed"
    ages = [timecode.age(codes[0], code) for code in codes]
    if ages != sorted(ages):
        return "pictures out of order"
    # From before the visit by more than the tool takes: an old picture was kept somewhere.
    if timecode.age(codes[-1], begun) < 1 << 23:
        return "only pictures from before the visit"
    return ""


def use_of(process: int) -> dict[str, float]:
    """Memory in MB (1000 KiB), open files and threads of a process, by its number."""
    place = Path("/proc") / str(process)
    status = dict(
        line.split(":", 1) for line in (place / "status").read_text().splitlines() if ":" in line
    )
    return {
        "memory_mb": int(status["VmRSS"].split()[0]) / 1000,
        "files": len(os.listdir(place / "fd")),
        "threads": int(status["Threads"]),
    }


def _codes(page: CameraPage) -> list[int]:
    """The times in what a page received; waits for a few pictures on a busy machine."""
    codes: list[int] = []
    end = time.monotonic() + 30
    while True:
        codes += [item.code for item in page.seen() if item.code is not None]
        if len(codes) >= ENOUGH or time.monotonic() > end:
            return codes
        time.sleep(0.2)


if __name__ == "__main__":
    main()
