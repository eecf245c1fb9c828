"""Relative motion as the official demo computes it (`normalize_kp`), in NumPy."""

from __future__ import annotations

import cv2
import numpy as np

from models.keypoints import Keypoints
from models.types import Floats


def relative_motion(
    source: Keypoints, initial: Keypoints, driving: Keypoints, adapt_scale: bool
) -> Keypoints:
    """The motion from `initial` to `driving`, applied to `source`.

    Args:
        source: of the photo; values (K, 2) and jacobians (K, 2, 2), as all of them.
        initial: of the driver at the calibration.
        driving: of the driver now.
        adapt_scale: scale the motion by the size of the hull of the source's keypoints over that
            of the initial ones.

    Raises:
        ValueError: keypoints have no jacobians.
    """
    scale = scale_between(source, initial) if adapt_scale else 1.0
    values = source.values + scale * (driving.values - initial.values)
    jacobians = jacobians_of(driving) @ inverse(jacobians_of(initial)) @ jacobians_of(source)
    return Keypoints(np.asarray(values, np.float32), np.asarray(jacobians, np.float32))


def scale_between(source: Keypoints, initial: Keypoints) -> float:
    """How much larger the source's keypoints lie apart than the initial ones."""
    return float(np.sqrt(_hull_area(source.values) / max(_hull_area(initial.values), 1e-12)))


def inverse(matrices: Floats) -> Floats:
    """The inverses of (..., 2, 2) matrices, in closed form; singular ones give infinities."""
    wide = np.asarray(matrices, np.float64)
    a, b, c, d = wide[..., 0, 0], wide[..., 0, 1], wide[..., 1, 0], wide[..., 1, 1]
    turned = np.stack([np.stack([d, -b], -1), np.stack([-c, a], -1)], -2)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = turned / (a * d - b * c)[..., None, None]
    return result


def jacobians_of(keypoints: Keypoints) -> Floats:
    """The jacobians, which this backend's keypoints always have.

    Raises:
        ValueError: they are missing.
    """
    if keypoints.jacobians is None:
        raise ValueError("these keypoints carry no jacobians")
    return keypoints.jacobians


def _hull_area(values: Floats) -> float:
    hull = cv2.convexHull(np.ascontiguousarray(values, np.float32))
    return float(cv2.contourArea(hull))
