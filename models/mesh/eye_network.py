"""The region networks at run time: mend the drawn picture around the eyes and the mouth.

The networks are small enough for one thread. Each is shipped in float32 and in 8-bit integers;
which of the two is faster differs between processors, so that is measured when they are opened.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from models.errors import UserError
from models.face.topology import EYES
from models.mesh import eye_region as regions
from models.mesh.eye_region import EyeRegion, Source
from models.mesh.pose import Similarity
from models.runtime import Feeds, Precision, RuntimeSession, open_runtime
from models.types import Floats, Image

SHAPES = {
    "eyes": (len(EYES), regions.PLANES, regions.EYE_SIDE, regions.EYE_SIDE),
    "mouth": (1, regions.PLANES, regions.MOUTH_SIDE, regions.MOUTH_SIDE),
}
"""The networks by name, with the shape of their input `planes`; the output is `answer`."""

_TRIALS = 5


@dataclass(frozen=True)
class Known:
    """What the networks know of one photo. width: of its mouth in pixels."""

    eyes: tuple[Source, ...]
    mouth: Source
    width: float

    @classmethod
    def of(cls, photo: Image, landmarks: Floats) -> Known:
        """Look at a photo with (478, 3) landmarks in pixels."""
        eyes = tuple(regions.eye_source(photo, landmarks, eye) for eye in EYES)
        mouth = regions.mouth_source(photo, landmarks)
        return cls(eyes, mouth, regions.mouth_width(landmarks))


class EyeNetwork:
    """The region networks that are there, each in its faster precision."""

    def __init__(self, sessions: Mapping[str, RuntimeSession], precisions: Mapping[str, Precision]):
        """Wrap opened networks; the keys are some of `SHAPES`."""
        self._sessions = sessions
        self.precisions = precisions

    @property
    def summary(self) -> str:
        """Which networks run in which precision, for the status line."""
        return ", ".join(f"{name} {kind}" for name, kind in sorted(self.precisions.items()))

    def mend(self, out: Image, known: Known, target: Floats, head: Similarity) -> float:
        """Mend the drawn picture in place; the seconds that it took.

        out: (H, W, 3). target: (478, 3) landmarks in pixels of `out`. head: the skull's motion
        since the photo. Where nothing has opened or closed since the photo, nothing changes.
        """
        start = time.perf_counter()
        self._mend_eyes(out, known, target)
        self._mend_mouth(out, known, target, head)
        return time.perf_counter() - start

    def _mend_eyes(self, out: Image, known: Known, target: Floats) -> None:
        if "eyes" not in self._sessions:
            return
        gates = [
            regions.eye_gate(eye, source, target)
            for eye, source in zip(EYES, known.eyes, strict=True)
        ]
        if not any(gates):
            return
        seen = [
            regions.eye_region(out, eye, source, target, gate)
            for eye, source, gate in zip(EYES, known.eyes, gates, strict=True)
        ]
        answers = self._ask("eyes", seen)
        for region, gate, answer in zip(seen, gates, answers, strict=True):
            if gate:
                regions.mend_eye(out, region, answer)

    def _mend_mouth(self, out: Image, known: Known, target: Floats, head: Similarity) -> None:
        if "mouth" not in self._sessions:
            return
        gate = regions.mouth_gate(known.mouth, known.width, target, head)
        if not gate:
            return
        seen = regions.mouth_region(out, known.mouth, known.width, target, head, gate)
        regions.mend_mouth(out, seen, known.mouth, self._ask("mouth", [seen])[0])

    def _ask(self, name: str, seen: list[EyeRegion]) -> Floats:
        planes = np.stack([region.planes for region in seen])
        answer: Floats = self._sessions[name].run({"planes": planes}, ["answer"])[0]
        return answer


def weights_folder() -> Path:
    """Where the networks that come along lie."""
    with as_file(files("models") / "weights") as folder:
        return folder


def open_eye_network(folder: Path | None = None) -> EyeNetwork | None:
    """Open the networks of a folder (None: those that come along); None if there are none.

    Each is tried in every precision that is there and works, and the fastest is kept.
    """
    folder = folder or weights_folder()
    sessions: dict[str, RuntimeSession] = {}
    precisions: dict[str, Precision] = {}
    for name, shape in SHAPES.items():
        sample = {"planes": np.full(shape, 0.5, np.float32)}
        best = np.inf
        for precision in ("fp32", "int8"):
            opened = _open(folder / f"{name}_{precision}.onnx", precision, sample)
            if opened is not None and (seconds := _seconds(opened, sample)) < best:
                best, sessions[name], precisions[name] = seconds, opened, precision
    return EyeNetwork(sessions, precisions) if sessions else None


def _open(path: Path, precision: Precision, sample: Feeds) -> RuntimeSession | None:
    """One network on one thread of the CPU, or None if it is not there or does not work here."""
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
