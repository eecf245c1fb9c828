"""A photo whose head turns, beside pictures of the same head that really is turned."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from models.animator import MotionSettings
from models.errors import UserError
from models.face import measures
from models.face.finder import FaceFinder
from models.face.measures import CHIN, FOREHEAD
from models.mesh.backend import MeshAnimator
from models.mesh.layers import separate
from models.types import Face, Floats, Image, Photo
from scripts.evaluation.tables import Figures

_AROUND = 0.9
"""Face heights around the middle of the face in which colours are compared: hair and neck too."""


def judge(pictures: Mapping[int, Image], animator: MeshAnimator, size: int) -> Figures:
    """Turn the first picture's head as the others' are turned, and compare.

    Args:
        pictures: (size, size, 3) of one head by its yaw in degrees; the first one is the photo.
        animator: draws.
        size: the longer side in pixels.

    Returns:
        For every other angle, as text: "error", the mean difference of colours, 0..255; and how far
        the person's outline is off between forehead and chin, of the face's height, on the "near"
        side, that comes toward the camera, and on the "far" one.

    Raises:
        UserError: a picture shows no face.
    """
    finder = FaceFinder()
    faces = {angle: _face(finder, picture, angle) for angle, picture in pictures.items()}
    first = next(iter(pictures))
    anchor = faces[first]
    avatar = animator.prepare(Photo(pictures[first], anchor, "turned"), size)
    reference = animator.observe(pictures[first], anchor, anchor)
    rows: Figures = {}
    for angle, truth in pictures.items():
        if angle == first:
            continue
        observed = animator.observe(truth, faces[angle], anchor)
        assert observed is not None
        drawn, person = animator.render_person(
            avatar, animator.pose(avatar, observed, reference, MotionSettings())
        )
        landmarks = faces[angle].landmarks
        left, right = _outline(person[..., 3] > 128, truth, landmarks)
        # The nose goes toward the far side.
        to_right = landmarks[4, 0] > landmarks[[234, 454], 0].mean()
        near, far = (left, right) if to_right else (right, left)
        rows[str(angle)] = {"error": _error(drawn, truth, landmarks), "near": near, "far": far}
    return rows


def _face(finder: FaceFinder, picture: Image, angle: int) -> Face:
    found = finder.find_faces(picture)
    if not found:
        raise UserError(f"No face was found in the head turned by {angle} degrees.")
    return found[0]


def _error(drawn: Image, truth: Image, landmarks: Floats) -> float:
    """The mean difference of colours around the face."""
    x, y = landmarks[:468, :2].mean(0)
    rows, columns = np.mgrid[0 : truth.shape[0], 0 : truth.shape[1]]
    near = np.hypot(columns - x, rows - y) < _AROUND * measures.height(landmarks)
    return float(np.abs(drawn.astype(int) - truth)[near].mean())


def _outline(ours: NDArray[np.bool_], truth: Image, landmarks: Floats) -> tuple[float, float]:
    """How far the left and the right outline are off, mean over rows, of the face's height.

    ours: (H, W), where the person is drawn; in the true picture the person is told apart by colour.
    """
    theirs = _person(truth, landmarks)
    off = []
    for row in range(int(landmarks[FOREHEAD, 1]), int(landmarks[CHIN, 1]), 3):
        a, b = np.flatnonzero(ours[row]), np.flatnonzero(theirs[row])
        if a.size and b.size:
            off.append([abs(a[0] - b[0]), abs(a[-1] - b[-1])])
    left, right = np.mean(off, axis=0) / measures.height(landmarks)
    return float(left), float(right)


def _person(picture: Image, landmarks: Floats) -> NDArray[np.bool_]:
    """Where the person is, (H, W)."""
    layers = separate(picture, landmarks)
    left, top, right, bottom = layers.box
    whole = np.zeros(picture.shape[:2], bool)
    whole[top:bottom, left:right] = layers.matte > 128
    return whole
