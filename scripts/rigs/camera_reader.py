"""Reads a camera by our own capture in a process of its own, for `pw-v4l2 python -m ...`.

    python -m scripts.rigs.camera_reader DEVICE FRAMES OUTPUT.npz

Stored are the last picture as `picture` (H, W, 3), RGB, and of every one read the first pixel's red
value as `marks`, the time in it as `codes` (-1: none) and the time when it came as `times`, both in
milliseconds of `timecode.now`.
"""

from __future__ import annotations

import argparse

import numpy as np

from realtime.cameras import Camera, CameraLost, open_camera
from scripts.rigs import timecode


def _opened(device: str) -> Camera:
    """The camera, as soon as it gives pictures: the program behind it may still be starting."""
    for _ in range(10):
        try:
            return open_camera(device, size=None)
        except CameraLost as error:
            print(error, flush=True)
    return open_camera(device, size=None)


def main() -> None:
    """Read and store."""
    parser = argparse.ArgumentParser()
    parser.add_argument("device")
    parser.add_argument("frames", type=int)
    parser.add_argument("output")
    options = parser.parse_args()
    marks: list[int] = []
    codes: list[int] = []
    times: list[int] = []
    with _opened(options.device) as camera:
        for _ in range(options.frames):
            image = camera.read().image
            times.append(timecode.now())
            marks.append(int(image[0, 0, 0]))
            code = timecode.read(image)
            codes.append(-1 if code is None else code)
        np.savez(
            options.output, picture=image, marks=marks, codes=codes, times=times, name=camera.name
        )


if __name__ == "__main__":
    main()
