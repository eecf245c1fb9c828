"""How late a picture is on the other side, measured through the picture itself.

Each picture carries the time at which it was made, as a barcode; who receives it compares. Two
figures for each path: the way from our output to the reader alone, and the whole way from the
webcam's picture through the tool (real backend, everything on) to the reader, for which the tool
copies the barcode of each camera picture onto the picture that it caused.

    pipewire   OpenCV reads the PipeWire camera (pw-v4l2)
    page       a page in Chromium shows it (getUserMedia, requestVideoFrameCallback)
    recording  the recorder takes it (--record)
    loopback   OpenCV reads the first v4l2loopback camera; the way from our output alone

    python -m scripts.benchmarks.latency --paths pipewire,page --seconds 20 --json latency.json

The first three need Linux with the Debian packages of .ci/packages.txt, and run in a PipeWire
session of their own. Runs with the environment of scripts/test.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import numpy as np

from models.types import Image
from realtime.cameras.clip import ClipCamera
from realtime.commands.options import parse_size
from realtime.devices.discovery import list_devices, virtual_outputs
from realtime.sinks.virtual.pipewire import LABEL, PipeWireSink
from realtime.sinks.virtual.virtual_camera import VirtualCameraSink
from scripts.rigs import recorded_webcam, timecode
from scripts.rigs.camera_page import CameraPage
from scripts.rigs.desktop import Desktop

PERCENTILES = (50, 95, 99)
"""As in `scripts.benchmarks.benchmark`."""

FPS = 30
"""Of every output: as many as `recorded_webcam` shows, and most webcams give."""

Size: TypeAlias = tuple[int, int]
"""Width and height in pixels."""

_SETTLE = 3.0
"""Seconds at the start that do not count: first frames wait for memory and compilers."""


def main() -> None:
    """Measure the paths that were asked for and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--paths", default="pipewire,page,recording", help="comma between")
    parser.add_argument("--seconds", type=float, default=20, help="for each figure")
    parser.add_argument("--size", default="1280x720", help="canvas, at least 512 wide")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    width, height = parse_size(options.size)
    figures: dict[str, dict[str, list[float] | int]] = {}
    for path in options.paths.split(","):
        for part, ages in PATHS[path]((width, height), options.seconds):
            figures[f"{path}, {part}"] = {
                "pictures": len(ages),
                "ms": [float(np.percentile(ages, percent)) for percent in PERCENTILES],
            }
            print(f"{path}, {part}: {figures[f'{path}, {part}']}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def pipewire(size: Size, seconds: float) -> list[tuple[str, list[int]]]:
    """OpenCV on a PipeWire camera."""
    with _session() as (desktop, folder):

        def ages() -> list[int]:
            words = ("pw-v4l2", sys.executable, "-m", "scripts.rigs.camera_reader", "/dev/video0")
            return _read(words, desktop.environment, desktop.cameras()[LABEL], folder, seconds)

        return _both(desktop, size, ages)


def page(size: Size, seconds: float) -> list[tuple[str, list[int]]]:
    """A page in Chromium."""
    with _session() as (desktop, folder):

        def ages() -> list[int]:
            profile = Path(tempfile.mkdtemp(dir=folder))
            with CameraPage(profile, desktop.environment) as call:
                call.join(LABEL, size)
                time.sleep(_SETTLE)
                while all(item.code is None for item in call.seen()):
                    time.sleep(0.2)  # The tool calibrates.
                time.sleep(seconds)
                return [
                    timecode.age(item.code, item.at)
                    for item in call.seen()
                    if item.code is not None
                ]

        return _both(desktop, size, ages)


def recording(size: Size, seconds: float) -> list[tuple[str, list[int]]]:
    """The tool's own recording."""
    with _session() as (desktop, folder):
        file = folder / "out.mp4"
        with recorded_webcam.webcam(recorded_webcam.clip()):
            length = str(seconds + _SETTLE)
            tool = recorded_webcam.start_tool(
                *(desktop, "--output", "none", "--record", str(file), "--seconds", length),
                *_sized(size),
            )
            tool.wait()
        found = []
        with ClipCamera(file, size=None, full_pace=True) as camera:
            for index in range(int((seconds + _SETTLE - 1) * FPS)):
                image = camera.read().image
                code, taken = timecode.read(image), timecode.read(image, row=1)
                if code is not None and taken is not None and index > _SETTLE * FPS:
                    found.append(timecode.age(code, taken))
    return [("whole", found)]


def loopback(size: Size, seconds: float) -> list[tuple[str, list[int]]]:
    """OpenCV on the first v4l2loopback camera."""
    devices = virtual_outputs(list_devices())
    if not devices or devices[0].path is None:
        sys.exit("There is no v4l2loopback camera; `avatarify-like setup-camera` makes one.")
    path = devices[0].path
    with tempfile.TemporaryDirectory() as folder, VirtualCameraSink(size, FPS, path) as sink:
        with recorded_webcam.shown(sink, [_canvas(size)]):
            words = (sys.executable, "-m", "scripts.rigs.camera_reader", path)
            found = _read(words, dict(os.environ), None, Path(folder), seconds)
    return [("output", found)]


PATHS: dict[str, Callable[[Size, float], list[tuple[str, list[int]]]]] = {
    "pipewire": pipewire,
    "page": page,
    "recording": recording,
    "loopback": loopback,
}
"""How each path is measured, given the canvas and the seconds for each figure: parts of the path by
name ("output", "whole"), with the ages in milliseconds of the pictures that came."""


class _session(ExitStack):
    """A PipeWire session that is also ours, and a folder for files."""

    def __enter__(self) -> tuple[Desktop, Path]:  # type: ignore[override]
        folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="pw")))
        desktop = self.enter_context(Desktop(folder / "s"))
        os.environ["XDG_RUNTIME_DIR"] = desktop.environment["XDG_RUNTIME_DIR"]
        return desktop, folder


def _both(
    desktop: Desktop, size: Size, ages: Callable[[], list[int]]
) -> list[tuple[str, list[int]]]:
    """The way from our output alone, then the whole way through the tool."""
    with PipeWireSink(size, FPS) as sink, recorded_webcam.shown(sink, [_canvas(size)]):
        output = ages()
    with recorded_webcam.webcam(recorded_webcam.clip()):
        tool = recorded_webcam.start_tool(desktop, "--output", "pipewire", *_sized(size))
        recorded_webcam.wait_for_avatar(desktop, tool, LABEL)
        whole = ages()
        tool.terminate()
        tool.wait()
    return [("output", output), ("whole", whole)]


def _canvas(size: Size) -> Image:
    """Something that is not one colour."""
    return np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)


def _sized(size: Size) -> tuple[str, str]:
    return "--size", f"{size[0]}x{size[1]}"


def _read(
    words: tuple[str, ...],
    environment: dict[str, str],
    target: int | None,
    folder: Path,
    seconds: float,
) -> list[int]:
    """How old the pictures are that a reader in a process of its own gets."""
    output = folder / "read.npz"
    skipped = int(_SETTLE * FPS)
    command = (*words, str(int(seconds * FPS) + skipped), str(output))
    chosen = {} if target is None else {"PIPEWIRE_V4L2_TARGET": str(target)}
    subprocess.run(command, env={**environment, **chosen, "PYTHONPATH": "."}, check=True)
    with np.load(output) as file:
        codes, times = file["codes"][skipped:], file["times"][skipped:]
    return [
        timecode.age(int(code), int(at)) for code, at in zip(codes, times, strict=True) if code >= 0
    ]


if __name__ == "__main__":
    main()
