"""Rigid motion of the head between two sets of landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from models.face.topology import STABLE
from models.types import Floats


@dataclass(frozen=True)
class Similarity:
    """p -> scale * rotation @ p + shift, in 3-D.

    Attributes:
        scale: above 0.
        rotation: (3, 3).
        shift: (3,).
    """

    scale: float
    rotation: Floats
    shift: Floats

    def __call__(self, points: Floats) -> Floats:
        """Move (N, 3) points."""
        moved = points @ (self.scale * self.rotation).T + self.shift
        return np.asarray(moved, np.float32)

    def inverse(self, points: Floats) -> Floats:
        """Move (N, 3) points back."""
        moved = (points - self.shift) @ self.rotation / self.scale
        return np.asarray(moved, np.float32)


def fit(source: Floats, target: Floats) -> Similarity:
    """The similarity from source to target, (N, 3) each, least squares (Umeyama 1991)."""
    count = len(source)
    mean_s, mean_t = (points.sum(0, np.float64) / count for points in (source, target))
    centred_s, centred_t = source - mean_s, target - mean_t
    d, u, vt = cv2.SVDecomp(centred_t.T @ centred_s)
    d, rotation = d[:, 0], u @ vt
    if _determinant(rotation) < 0:
        # The nearest rotation instead of the nearest reflection.
        d[2], u[:, 2] = -d[2], -u[:, 2]
        rotation = u @ vt
    scale = float(d.sum()) / max(float((centred_s**2).sum()), 1e-12)
    shift = mean_t - scale * rotation @ mean_s
    return Similarity(scale, rotation.astype(np.float32), shift.astype(np.float32))


def _determinant(matrix: Floats) -> float:
    (a, b, c), (d, e, f), (g, h, i) = matrix.tolist()
    return float(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def fit_head(source: Floats, target: Floats) -> Similarity:
    """The motion of the skull from source to target, (478, 3) landmarks each.

    Two rounds: the second leaves out the three tenths of the points that the first explained worst
    (a raised brow wrinkles the forehead).
    """
    a, b = source[STABLE], target[STABLE]
    first = fit(a, b)
    error = ((first(a) - b) ** 2).sum(1)
    most = np.partition(error, int(0.7 * len(error)))[int(0.7 * len(error))]
    keep = error <= max(float(most), 1e-12)
    return fit(a[keep], b[keep])


def euler(rotation: Floats) -> tuple[float, float, float]:
    """Yaw, pitch, roll in radians of a rotation R = Rz(roll) Ry(yaw) Rx(pitch).

    x to the right, y down, z away from the camera. Positive yaw turns the nose toward the left
    of the picture, positive pitch turns it up, positive roll is clockwise in the picture.
    """
    (a, _, _), (b, _, _), (c, d, e) = rotation.tolist()
    return math.asin(min(max(-c, -1.0), 1.0)), math.atan2(d, e), math.atan2(b, a)


def from_euler(yaw: float, pitch: float, roll: float) -> Floats:
    """The inverse of `euler`."""
    (cy, sy), (cp, sp), (cr, sr) = ((math.cos(a), math.sin(a)) for a in (yaw, pitch, roll))
    rz = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(rz @ ry @ rx, np.float32)


def pivot(landmarks: Floats) -> Floats:
    """The middle between the ears: the centre of the skull, about which heads turn."""
    return np.asarray((landmarks[234] + landmarks[454]) / 2, np.float32)


def own_yaw(landmarks: Floats) -> float:
    """How far a face is turned, in radians with the sign of `euler`, by the depth of its ears."""
    across = landmarks[454] - landmarks[234]
    return float(-np.arctan2(across[2], np.hypot(across[0], across[1])))


def turned(landmarks: Floats, yaw: float, pitch: float, roll: float) -> Floats:
    """The landmarks with the head turned about the middle of its skull.

    Args:
        landmarks: (478, 3).
        yaw: radians with the sign of `euler`, as the next two.
        pitch: radians.
        roll: radians.
    """
    centre = pivot(landmarks)
    return np.asarray((landmarks - centre) @ from_euler(yaw, pitch, roll).T + centre, np.float32)
