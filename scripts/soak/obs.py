"""The avatar in OBS: what OBS itself says that it sees, by screenshots through obs-websocket.

Recorded face -> PipeWire webcam -> OpenCV -> `avatarify-like run` -> PipeWire camera -> OBS. First
the colours are compared, and the face's motion with the driver's; then OBS comes, goes, is killed,
and the tool is started anew, in random order. Each time OBS must show pictures that the webcam has
shown since, in their order.

    python -m scripts.soak.obs --minutes 10 --json obs.json

Needs Linux with obs-studio, gcc and the Debian packages of .ci/packages.txt, and the environment of
scripts/test. OBS from version 30 on uses its source for PipeWire cameras, which needs a PipeWire as
new; an older OBS reads through pw-v4l2. `--obs "chroot FOLDER obs"` takes one of another system.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.types import Floats, Image
from realtime.sinks.virtual.pipewire import LABEL, PipeWireSink
from scripts.rigs import recorded_webcam, timecode
from scripts.rigs.desktop import Desktop
from scripts.rigs.obs import V4L2, Obs, ObsError
from scripts.soak.pipewire import judge, use_of

CANVAS = (1280, 720)
"""Width and height in pixels, as `run` has them unless it is told otherwise."""

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 90))
"""RGB that are compared: the ends of all channels, and skin."""

PICTURES = 90
"""How many are compared with the driver."""


class Tool:
    """`avatarify-like run` on the webcam; it can be started anew."""

    def __init__(self, desktop: Desktop) -> None:
        """Start it and wait for its camera."""
        self._desktop = desktop
        self.start()

    def start(self) -> None:
        """Start it (again) and wait for its camera."""
        words = ("--output", "pipewire", "--size", f"{CANVAS[0]}x{CANVAS[1]}")
        self.process = recorded_webcam.start_tool(self._desktop, *words)
        recorded_webcam.wait_for_avatar(self._desktop, self.process, LABEL)

    def stop(self) -> None:
        """End it as Ctrl-C does."""
        self.process.terminate()
        self.process.wait(30)


class Visits:
    """What OBS and the tool do; each gives the times in the pictures that OBS showed."""

    def __init__(self, desktop: Desktop, tool: Tool, command: Sequence[str]) -> None:
        """Act on this tool in this session.

        Args:
            desktop: the session.
            tool: what OBS sees.
            command: what starts OBS.
        """
        self._desktop = desktop
        self._tool = tool
        self._command = command

    def begin(self) -> Obs:
        """OBS with the camera."""
        return Obs(self._desktop, LABEL, CANVAS, self._command)

    def comes_and_goes(self) -> list[int]:
        """OBS is started and quit."""
        with self.begin() as obs:
            return _codes(obs)

    def killed(self) -> list[int]:
        """OBS crashes; the next one must get pictures."""
        self.begin().kill()
        return self.comes_and_goes()

    def tool_again(self) -> list[int]:
        """The tool ends and is started anew while OBS runs, which must show it again."""
        with self.begin() as obs:
            _codes(obs)
            self._tool.stop()
            time.sleep(random.uniform(0, 3))
            self._tool.start()
            return _codes(obs, timecode.now())


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of OBS that comes and goes")
    parser.add_argument("--obs", default="obs", help="the command that starts OBS")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the visits")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--pictures", type=Path, help="a folder for two of OBS's screenshots")
    options = parser.parse_args()
    order = random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="pw") as name, Desktop(Path(name) / "s") as desktop:
        os.environ["XDG_RUNTIME_DIR"] = desktop.environment["XDG_RUNTIME_DIR"]
        command = shlex.split(options.obs)
        try:
            report = soak(desktop, command, options.minutes * 60, order, options.pictures)
        except ObsError as error:
            sys.exit(str(error))
    print(json.dumps({key: value for key, value in report.items() if key != "usage"}))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if report["troubles"] else 0)


def soak(
    desktop: Desktop,
    command: Sequence[str],
    seconds: float,
    order: random.Random,
    folder: Path | None,
) -> dict[str, Any]:
    """All of it, and what came of it.

    Args:
        desktop: the session.
        command: what starts OBS.
        seconds: of OBS that comes and goes.
        order: chooses the visits.
        folder: where two screenshots go, or None.

    Returns:
        As `--json` writes it; "troubles" is empty if all was well.

    Raises:
        ObsError: OBS does not start.
    """
    done: Counter[str] = Counter()
    usage: list[dict[str, float]] = []
    report, seen = colours(desktop, command)
    _keep(folder, "colours", seen)
    driver = recorded_webcam.clip()
    with recorded_webcam.webcam(driver) as shown:
        tool = Tool(desktop)
        visits = Visits(desktop, tool, command)
        try:
            found, seen = motion(visits, driver, shown)
            _keep(folder, "avatar", seen)
            report["troubles"] += found.pop("troubles")
            kinds: list[Callable[[], list[int]]] = [visits.comes_and_goes, visits.killed]
            if report["source"] != V4L2:  # pw-v4l2 knows only what was there at the start.
                kinds.append(visits.tool_again)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                visit = order.choice(kinds)
                done[visit.__name__] += 1
                trouble = judge(visit, shown)
                print(visit.__name__, trouble or "well", flush=True)
                if trouble:
                    report["troubles"].append(f"{visit.__name__}: {trouble}")
                if tool.process.poll() is not None:
                    report["troubles"].append("the tool has ended")
                    break
                usage.append(use_of(tool.process.pid))
        finally:
            tool.stop()
    return {**report, **found, "visits": dict(done), "usage": usage}


def colours(desktop: Desktop, command: Sequence[str]) -> tuple[dict[str, Any], Image]:
    """How far the colours in OBS are off, and OBS's picture of them.

    OBS decodes every V4L2 camera by BT.709 whatever the camera says (tried with 29.0.2), so there
    they are compared with what that makes of them.
    """
    bars = np.repeat(np.array(COLOURS, np.uint8), 200, axis=0)[None].repeat(CANVAS[1], axis=0)
    bars = np.pad(bars, ((0, 0), (0, CANVAS[0] - bars.shape[1]), (0, 0)))
    with PipeWireSink(CANVAS, 30.0) as sink, recorded_webcam.shown(sink, [bars]):
        with Obs(desktop, LABEL, CANVAS, command) as obs:
            picture = obs.screenshot()
            version, source = obs.version, obs.source
    seen = picture[CANVAS[1] // 2, 100:1200:200].astype(float)
    off = float(np.abs(seen - COLOURS).max())
    expected = misread(np.array(COLOURS, float)) if source == V4L2 else np.array(COLOURS, float)
    unexplained = float(np.abs(seen - expected).max())
    report: dict[str, Any] = {"obs": version, "source": source, "colours_off": off, "troubles": []}
    if unexplained > 5:
        report["troubles"].append(f"colours: {seen.tolist()} instead of {expected.tolist()}")
    return report, picture


def misread(colours: Floats) -> Floats:
    """What BT.709 decodes from colours, (N, 3) in 0 to 255, that were encoded by BT.601."""
    red, green, blue = colours.T
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luma) / 1.772, (red - luma) / 1.402
    decoded = [luma + 1.5748 * cr, luma - 0.1873 * cb - 0.4681 * cr, luma + 1.8556 * cb]
    seen: Floats = np.clip(np.stack(decoded, 1), 0, 255)
    return seen


def motion(
    visits: Visits, driver: list[Image], shown: dict[int, int]
) -> tuple[dict[str, Any], Image]:
    """Whether the face in OBS moves like the driver's.

    Args:
        visits: open OBS.
        driver: what the webcam shows.
        shown: from `recorded_webcam.webcam`.

    Returns:
        Pictures, faces, correlations, ages in milliseconds (p50, p95, p99) and troubles; and one
        of the pictures.
    """
    with visits.begin() as obs:
        _codes(obs)  # The tool calibrates meanwhile.
        time.sleep(5)
        received: list[Image] = []
        ages: list[int] = []
        end = time.monotonic() + 120
        while len(received) < PICTURES and time.monotonic() < end:
            picture = obs.screenshot("jpg")
            code = timecode.read(picture)
            if code is not None:
                ages.append(timecode.age(code, timecode.now()))
            received.append(picture)
    faces, agreements = recorded_webcam.agreements(driver, shown, received)
    troubles = [
        f"{name}: correlation {agreements[name]}"
        for name in ("mouth", "yaw")
        if (agreements[name] or 0) < 0.8
    ]
    if faces < 0.95 * len(received):
        troubles.append(f"a face in {faces} of {len(received)}")
    found = {
        "pictures": len(received),
        "faces": faces,
        "correlations": agreements,
        "age_ms": [round(float(np.percentile(ages, part))) for part in (50, 95, 99)],
        "troubles": troubles,
    }
    return found, received[len(received) // 2]


def _codes(obs: Obs, since: int | None = None) -> list[int]:
    """The times in some of OBS's pictures, of those made after `since`."""
    codes: list[int] = []
    end = time.monotonic() + 60
    while len(codes) < 12 and time.monotonic() < end:
        try:
            code = timecode.read(obs.screenshot("jpg"))
        except ObsError:
            time.sleep(0.2)  # It has no picture while the camera is away.
            continue
        if code is not None and (since is None or timecode.age(since, code) < 1 << 23):
            codes.append(code)
    return codes


def _keep(folder: Path | None, name: str, picture: Image) -> None:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / f"{name}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
