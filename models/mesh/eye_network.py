"""The eye network at run time: it refines the drawn picture around lids that have closed.

It is small enough for one thread. It is shipped in float32 and in 8-bit integers; which of the two
is faster differs between processors, so that is measured when it is opened.
"""

from __future__ import annotations

import time
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.face.topology import EYES
from models.mesh.eye_region import (
    PLANES,
    SIDE,
    EyeSource,
    eye_gate,
    eye_region,
    eye_source,
    refine_eye,
)
from models.runtime import Feeds, Precision, RuntimeSession, open_runtime
from models.types import Floats, Image

SHAPE = (len(EYES), PLANES, SIDE, SIDE)
"""Shape of the network's input `planes`: both eyes in one run. Its output is `answer`."""

_TRIALS = 5
"""Runs of each precision of which the least time counts; fewer are more often disturbed, more make
opening slower (a run takes some milliseconds)."""


def eye_sources(photo: Image, landmarks: Floats) -> tuple[EyeSource, ...]:
    """What the network knows of a photo's two eyes.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
    """
    return tuple(eye_source(photo, landmarks, eye) for eye in EYES)


class EyeNetwork:
    """The network, in its faster precision."""

    def __init__(self, session: RuntimeSession, precision: Precision) -> None:
        """Wrap an opened network."""
        self._session = session
        self.precision = precision

    @property
    def summary(self) -> str:
        """What runs in which precision, for the status line."""
        return f"eyes {self.precision}"

    def refine(self, out: Image, sources: tuple[EyeSource, ...], target: Floats) -> float:
        """Refine the drawn picture in place; an eye that has not closed stays as it is.

        Args:
            out: (H, W, 3), the avatar as it is drawn.
            sources: the photo's eyes (`eye_sources`).
            target: (478, 3) landmarks in pixels of `out`.

        Returns:
            the seconds that it took.
        """
        start = time.perf_counter()
        eyes = list(zip(EYES, sources, strict=True))
        gates = [eye_gate(eye, source, target) for eye, source in eyes]
        if any(gates):
            regions = [
                eye_region(out, eye, source, target, gate)
                for (eye, source), gate in zip(eyes, gates, strict=True)
            ]
            planes = np.stack([region.planes for region in regions])
            answers: Floats = self._session.run({"planes": planes}, ["answer"])[0]
            for region, source, gate, answer in zip(regions, sources, gates, answers, strict=True):
                if gate:
                    refine_eye(out, region, answer, source.skin)
        return time.perf_counter() - start


def weights_folder() -> Path:
    """Where the network that comes along lies."""
    with as_file(files("models") / "weights") as folder:
        return folder


def open_eye_network(folder: Path | None = None) -> EyeNetwork | None:
    """Open the network of a folder (None: the one that comes along); None if there is none.

    It is tried in every precision that is there and works, and the fastest is kept.
    """
    folder = folder or weights_folder()
    sample = {"planes": np.full(SHAPE, 0.5, np.float32)}
    best, found = np.inf, None
    for precision in ("fp32", "int8"):
        session = _open(folder / f"eyes_{precision}.onnx", precision, sample)
        if session is not None and (seconds := _seconds(session, sample)) < best:
            best, found = seconds, EyeNetwork(session, precision)
    return found


def _open(path: Path, precision: Precision, sample: Feeds) -> RuntimeSession | None:
    """The network on one thread of the CPU, or None if it is not there or does not work here."""
    if not path.is_file():
        return None
    try:
        runtime = open_runtime({"net": {precision: path}}, {"net": sample}, wanted="cpu", threads=1)
    except UserError:
        return None
    return runtime.sessions["net"]


def _seconds(session: RuntimeSession, sample: Feeds) -> float:
    """The least of some runs: what it takes when nothing else is in the way."""
    taken = []
    for _ in range(_TRIALS):
        start = time.perf_counter()
        session.run(sample, ["answer"])
        taken.append(time.perf_counter() - start)
    return min(taken)
