"""Exact landmarks of a synthetic head in the face tracker's numbering (478 points).

Each point of the tracker's mesh is a point on a triangle of the skin; which one was measured by
`make_landmarks.py`: the median, over many rendered heads, of where the tracker saw it. Lid
edges and inner lips lie on the mesh's own edges, so that they meet where lids and lips meet.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.face import measures
from models.face.topology import EYES, INNER_LIPS
from scripts.heads.geometry import Head, HeadLibrary, Posed
from scripts.heads.scene import Camera, FloatArray

STORED = Path(__file__).resolve().parent / "landmarks.npz"

_IRIS_RADIUS = 0.0573
"""Of the irises on the base mesh's eyes, dm: where the textures' coloured disc ends."""

_IRIS_DEPTH = 0.012
"""By how much these lie behind the front of the cornea, dm."""

_IRIS_POINTS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))
"""Centre, then right, top, left, bottom in the picture, in radii: MediaPipe's order."""


class HeadLandmarks:
    """Projects a posed head's landmarks."""

    def __init__(self, library: HeadLibrary) -> None:
        """Load the measured places."""
        self._library = library
        with np.load(STORED) as stored:
            self._corners: npt.NDArray[np.int64] = stored["corners"]
            self._weights: FloatArray = stored["weights"]
        rest = library.part("eyes/high-poly").rest
        self._sides = (rest[:, 0] < 0, rest[:, 0] > 0)  # The person's right eye comes first.
        self._rest = [np.c_[rest[side], np.ones(int(side.sum()))] for side in self._sides]
        self._iris = []
        for side in self._sides:
            ball = rest[side]
            middle = (ball.min(axis=0) + ball.max(axis=0)) / 2
            front = ball[:, 2].max() - _IRIS_DEPTH
            self._iris.append(
                np.array(
                    [
                        [middle[0] + _IRIS_RADIUS * x, middle[1] + _IRIS_RADIUS * y, front, 1]
                        for x, y in _IRIS_POINTS
                    ]
                )
            )

    def __call__(self, posed: Posed, camera: Camera, size: int) -> FloatArray:
        """The landmarks (478, 3) in pixels; depth is negative toward the camera.

        Args:
            posed: the head.
            camera: from where it is seen.
            size: side of the picture in pixels.
        """
        points = [self._on_skin(posed)]
        eyes = posed.vertices["eyes/high-poly"]
        for side, rest, iris in zip(self._sides, self._rest, self._iris, strict=True):
            # Eyeballs move rigidly: what maps them now maps the iris too.
            moved, *_ = np.linalg.lstsq(rest, eyes[side], rcond=None)
            points.append(np.asarray(iris @ moved, np.float32))
        seen = camera.project(np.concatenate(points), size)
        middle = seen[:468, 2].mean()
        scale = size * camera.distance / camera.height / middle  # Pixels for a dm
        marks = np.asarray(np.c_[seen[:, :2], (seen[:, 2] - middle) * scale], np.float32)
        uncross(marks)
        return marks

    def closing(self, head: Head) -> tuple[float, float]:
        """How large the units eyeBlinkLeft and eyeBlinkRight are where a head's lids meet.

        Unit 1 pushes the lids of most faces through each other.
        """
        calm = replace(head, yaw=0.0, pitch=0.0, roll=0.0, gaze_yaw=0.0, gaze_pitch=0.0)
        both = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
        height = [
            self._on_skin(self._library.pose(replace(calm, expression=units)))[:, 1]
            for units in ({}, both)
        ]
        found = []
        for eye in reversed(EYES):
            middle = slice(1, -1)  # Near the corners lids always touch.
            before, after = (h[eye.upper[middle]] - h[eye.lower[middle]] for h in height)
            meet = before / np.maximum(before - after, 1e-6)
            found.append(float(np.clip(np.percentile(meet, 75), 0.5, 1.0)))
        return found[0], found[1]

    def _on_skin(self, posed: Posed) -> FloatArray:
        skin = posed.vertices["skin"]
        points = np.einsum("nc,nck->nk", self._weights, skin[self._corners])
        return np.asarray(points, np.float32)


def uncross(marks: FloatArray) -> None:
    """Let lids and lips that were pushed through each other meet halfway, in place (478, 3)."""
    pairs = [(eye.upper, eye.lower) for eye in EYES]
    pairs.append((INNER_LIPS[1:10], INNER_LIPS[:10:-1]))
    up = -measures.down(marks[:, :2])
    for upper, lower in pairs:
        crossed = (marks[upper, :2] - marks[lower, :2]) @ up < 0
        between = (marks[upper] + marks[lower])[crossed] / 2
        marks[upper[crossed]] = between
        marks[lower[crossed]] = between
