"""Hours of real devices, inside the virtual machine; `scripts.soak.devices` starts it there.

    python -m scripts.soak.guest --seconds 3600 --json /mnt/soak.json

The program's loop runs with a stub animator while, in random order, the webcam is unplugged and
plugged in again, the virtual camera vanishes and is loaded anew, and readers come and go. After
each event the right picture must come out and move. What goes wrong is counted; the run goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.rigs import guest as vm

LIGHT = ("--single-process", "--no-zygote", "--js-flags=--jitless", "--disable-software-rasterizer")
"""With these Chromium opens a page on an emulated processor within half a minute, once Playwright
has started, which takes a minute (tried with version 156)."""


def moves(device: str) -> None:
    """The picture of a device has its colours and its number rises.

    Raises:
        AssertionError: it has not, or does not.
    """
    with vm.reader(device) as capture:
        first = vm.pictures(capture, 1, skip=2)[0]
        vm.assert_colours(first)
        seen = vm.number_of(first)
        for picture in vm.pictures(capture, 20):
            number = vm.number_of(picture)
            assert number >= seen, f"{number} came after {seen}"
            if number > seen:
                return
        raise AssertionError("it stands still")


class Events:
    """What happens to a run."""

    def __init__(self, run: vm.Run) -> None:
        """Act on this run, which writes to the first loopback device."""
        self._run = run

    def opencv(self) -> None:
        """A reader comes and goes."""
        moves(vm.OWN)

    def ffmpeg(self) -> None:
        """A reader of another kind comes and goes."""
        numbers = [vm.number_of(picture) for picture in vm.through_pyav(vm.OWN, 5)]
        assert vm.rising(numbers), numbers

    def unplug(self) -> None:
        """The webcam is unplugged for a moment, under the eyes of a reader."""
        with vm.plugged_in_at_the_end(), vm.reader(vm.OWN) as capture:
            vm.unplug()
            vm.eventually(lambda: self._run.pipeline.status().camera_lost)
            vm.assert_colours(vm.pictures(capture, 1, skip=4)[0])
            time.sleep(random.uniform(0, 3))
            vm.plug_in()
            vm.eventually(lambda: not self._run.pipeline.status().camera_lost)
        moves(vm.OWN)

    def reload(self) -> None:
        """The virtual camera vanishes and comes back."""
        status = self._run.pipeline.status
        os.unlink(vm.OWN)
        vm.eventually(lambda: not status().outputs)
        vm.eventually(lambda: subprocess.run(["modprobe", "-r", "v4l2loopback"]).returncode == 0)
        time.sleep(random.uniform(0, 3))
        vm.load_loopback()
        vm.eventually(lambda: bool(status().outputs))
        moves(vm.OWN)

    def chromium(self) -> None:
        """A page opens the camera by getUserMedia; of the two it lists the exclusive one only."""
        # Here, because loading it takes a quarter of a minute there.
        from scripts.rigs.camera_page import CameraPage

        with (
            tempfile.TemporaryDirectory() as folder,
            vm.shown(vm.SHARED),
            CameraPage(
                Path(folder), flags=LIGHT, programs=("chromium-headless-shell",), patience=600
            ) as page,
        ):
            page.join("Avatar A", vm.SIZE)
            offered = page.cameras()
            assert "Avatar A" in offered and "Avatar B" not in offered, offered
            page.keep(1)
            vm.eventually(lambda: page.kept() > 3, 600)
            page.keep(0)
            pictures = page.pictures()
            numbers = [vm.number_of(picture) for _, picture in pictures]
            assert vm.rising(numbers) and numbers[-1] > numbers[0], numbers
            vm.assert_colours(pictures[-1][1], tolerance=12)
            page.leave()


def resources() -> dict[str, int]:
    """Memory in KiB, open files and threads of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    memory = next(line.split()[1] for line in lines if line.startswith("VmRSS"))
    return {
        "memory": int(memory),
        "files": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
    }


def main() -> None:
    """Let things happen for a while and write down how it went."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chromium", action="store_true")
    parser.add_argument("--json", type=Path, required=True)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    vm.load_devices()
    done: Counter[str] = Counter()
    failures: list[str] = []
    series: list[dict[str, Any]] = []
    begun = time.monotonic()
    with vm.Run("20", vm.OWN) as run:
        events = Events(run)
        every: list[Callable[[], None]] = [
            events.opencv,
            events.ffmpeg,
            events.unplug,
            events.reload,
        ]
        if arguments.chromium:
            every.append(events.chromium)
        while time.monotonic() - begun < arguments.seconds:
            # The slowest comes first, so that a short run has it too.
            event = random.choice(every) if series else every[-1]
            try:
                event()
            except Exception as error:
                failures.append(f"{event.__name__}: {type(error).__name__}: {error}")
            done[event.__name__] += 1
            series.append({"at": round(time.monotonic() - begun, 1), **resources()})
            # Written each time: a guest that is switched off leaves what was found until then.
            result = {"events": done, "failures": failures, "resources": series}
            arguments.json.write_text(json.dumps(result, indent=1))
            print(
                f"{series[-1]['at']:7.1f} s {event.__name__}, {len(failures)} failures", flush=True
            )


if __name__ == "__main__":
    main()
