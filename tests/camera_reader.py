"""Reads a camera by our own capture in a process of its own, for `pw-v4l2 python -m ...`.

    python -m tests.camera_reader DEVICE FRAMES OUTPUT.npz [--keep N]

Stored are `frames` (N, H, W, 3), RGB, of the last N, and for every frame read the first pixel's red
value and the time, seconds of `time.time()`.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from models.types import Image
from realtime.cameras import open_camera


def main() -> None:
    """Read and store."""
    options = argparse.ArgumentParser()
    options.add_argument("device")
    options.add_argument("frames", type=int)
    options.add_argument("output")
    options.add_argument("--keep", type=int, default=1)
    chosen = options.parse_args()
    kept: list[Image] = []
    marks: list[int] = []
    times: list[float] = []
    with open_camera(chosen.device, size=None) as camera:
        for _ in range(chosen.frames):
            image = camera.read().image
            times.append(time.time())
            marks.append(int(image[0, 0, 0]))
            kept = [*kept[1 - chosen.keep :], image] if chosen.keep > 1 else [image]
        np.savez(chosen.output, frames=np.array(kept), marks=marks, times=times, name=camera.name)


if __name__ == "__main__":
    main()
