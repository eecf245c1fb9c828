"""The paper's figures, as its scripts (pose-evaluation) compute them, of what tools have found.

Their names promise more than they are: the keypoint distance is the mean over both coordinates of
the absolute difference, and the identity distance is squared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np

from models.environment import pip_command
from models.errors import UserError
from models.types import Floats, Image

SCALE = 256
"""Pixels of a side at which keypoint distances are told, whatever size the frames have."""


def keypoint_distance(real: Floats, generated: Floats, found: Floats | None = None) -> float:
    """The average keypoint distance (AKD) of faces.

    Args:
        real: (N, P, 2) pixels, of every frame.
        generated: likewise.
        found: (N,) whether the generated frame's face was found; the others do not count.

    Returns:
        Pixels; NaN if none was found.
    """
    use = np.ones(len(real), bool) if found is None else np.asarray(found, bool)
    if not use.any():
        return float("nan")
    return float(np.abs(real - generated)[use].mean())


def joint_distances(real: Floats, generated: Floats) -> tuple[float, float]:
    """The average keypoint distance and the missing keypoint rate (MKR) of bodies.

    Args:
        real: (N, P, 2) pixels, -1 where a joint was not found.
        generated: likewise.

    Returns:
        Both, each the mean over the frames where it is defined; NaN where there is none.
    """
    there, here = (real != -1).all(-1), (generated != -1).all(-1)
    missing, distances = [], []
    for frame in range(len(real)):
        if there[frame].any():
            lost = there[frame] & ~here[frame]
            missing.append(lost.sum() / there[frame].sum())
        both = there[frame] & here[frame]
        if both.any():
            distances.append(np.abs(real[frame] - generated[frame])[both].mean())
    return (
        float(np.mean(distances)) if distances else float("nan"),
        float(np.mean(missing)) if missing else float("nan"),
    )


def identity_distance(real: Floats, generated: Floats) -> float:
    """The average (squared) Euclidean distance (AED) of embeddings (N, D); NaN if there is none."""
    if not len(real):
        return float("nan")
    return float(((np.asarray(real) - generated) ** 2).sum(-1).mean())


class FaceTool(Protocol):
    """Finds what the figures compare in one frame.

    Attributes:
        name: of the tool, for the figures.
    """

    name: str

    def points(self, frame: Image) -> Floats | None:
        """(P, 2) pixels of the first face, or None."""
        ...

    def look(self, frame: Image) -> Floats | None:
        """(D,) what the face looks like, or None; also where the tool has no embedding."""
        ...


class OwnTool:
    """This program's own networks: a face mesh of 468 points, and light and dark of the face."""

    name = "face mesh"

    def __init__(self) -> None:
        """Load the networks.

        Raises:
            UserError: a network's file is missing or broken.
        """
        from models.face.finder import FaceFinder

        self._finder = FaceFinder()
        self._last: tuple[Image, Any] | None = None

    def points(self, frame: Image) -> Floats | None:
        """(468, 2) pixels, or None."""
        face = self._face(frame)
        return None if face is None else face.surface[:, :2] * (frame.shape[0] / SCALE)

    def look(self, frame: Image) -> Floats | None:
        """(256,) of length 1: the lightness of the face's 16 x 16 parts."""
        from models.face.landmarker import CropRegion
        from models.face.likeness import Look

        face = self._face(frame)
        if face is None:
            return None
        light = Look.of(_enlarged(frame), CropRegion.from_landmarks(face.landmarks)).light.ravel()
        return light / max(float(np.linalg.norm(light)), 1e-9)

    def _face(self, frame: Image) -> Any:
        # Asked twice for each frame.
        if self._last is None or self._last[0] is not frame:
            faces = self._finder.find_faces(_enlarged(frame))
            self._last = frame, faces[0] if faces else None
        return self._last[1]


class FaceAlignmentTool:
    """The tool of the paper's figures: 68 points by the package `face-alignment`."""

    name = "face-alignment"

    def __init__(self, device: str = "cpu") -> None:
        """Load it; at its first use it fetches its weights.

        Args:
            device: as PyTorch calls it.

        Raises:
            UserError: it is not installed, or its weights cannot be had.
        """
        try:
            import face_alignment
        except ImportError:
            raise UserError(
                "The package face-alignment is not installed; run "
                f"`{pip_command('install face-alignment')}` or leave --landmarks out."
            ) from None
        try:
            kind = face_alignment.LandmarksType.TWO_D
            self._found = face_alignment.FaceAlignment(kind, flip_input=False, device=device)
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"The weights of face-alignment cannot be had ({error}); leave --landmarks out to "
                "use the program's own face mesh."
            ) from error

    def points(self, frame: Image) -> Floats | None:
        """(68, 2) pixels, or None."""
        found = self._found.get_landmarks(frame)
        return None if not found else np.asarray(found[0])[:, :2]

    def look(self, frame: Image) -> Floats | None:
        """None: it has no embedding."""
        return None


@dataclass(frozen=True)
class Compared:
    """How generated frames differ from the real ones, by a tool.

    Attributes:
        akd: average keypoint distance in pixels at 256; NaN where there is nothing to compare.
        mkr: share of the frames with a real face in which the generated one has none.
        aed: average squared distance of the looks.
        frames: with a real face.
        tool: what found it.
    """

    akd: float
    mkr: float
    aed: float
    frames: int
    tool: str


class Comparison:
    """Takes pairs of frames one by one."""

    def __init__(self, tool: FaceTool) -> None:
        """Compare by a tool."""
        self._tool = tool
        self._points: list[tuple[Floats, Floats]] = []
        self._looks: list[tuple[Floats, Floats]] = []
        self._real = 0

    def add(self, real: Image, generated: Image) -> None:
        """Compare one frame, both (S, S, 3), 0..255."""
        points = self._tool.points(real)
        if points is None:
            return
        self._real += 1
        scale = SCALE / real.shape[0]
        look = self._tool.look(real)
        found = self._tool.points(generated)
        if found is None:
            return
        self._points.append((points * scale, found * scale))
        other = None if look is None else self._tool.look(generated)
        if look is not None and other is not None:
            self._looks.append((look, other))

    def result(self) -> Compared:
        """The figures of all that was added."""
        nothing = float("nan")
        return Compared(
            keypoint_distance(*_columns(self._points)) if self._points else nothing,
            1 - len(self._points) / self._real if self._real else nothing,
            identity_distance(*_columns(self._looks)) if self._looks else nothing,
            self._real,
            self._tool.name,
        )


TOOLS: dict[str, Callable[[], FaceTool]] = {
    "face-mesh": OwnTool,
    "face-alignment": FaceAlignmentTool,
}
"""By the names of the option `--landmarks`."""


def _columns(pairs: Sequence[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.stack([one for one, _ in pairs]), np.stack([other for _, other in pairs])


def _enlarged(frame: Image) -> Image:
    if frame.shape[0] == SCALE:
        return frame
    how = cv2.INTER_AREA if frame.shape[0] > SCALE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(frame, (SCALE, SCALE), interpolation=how), np.uint8)
