"""Irises on the plane of their eyes."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from models.face.irises import gaze, set_irises
from models.face.topology import EYES
from models.mesh.pose import from_euler
from models.types import Floats


@pytest.fixture()
def face() -> Floats:
    """A frontal face of 200 pixels; its irises look a quarter of an eye aside."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        mesh = np.load(file)["neutral"] * np.array([1, -1, -1], np.float32)
    points = np.zeros((478, 3), np.float32)
    points[:468] = mesh * (200 / (mesh[152, 1] - mesh[10, 1]))
    for eye in EYES:
        middle = points[eye.opening].mean(0)
        points[eye.iris] = middle + [6, 0, 0] + np.eye(3)[[2, 0, 1, 0, 1]] * [2, 2, 0]
    set_irises(points)
    return points


@pytest.mark.parametrize("angles", [(25, 0, 0), (-30, 0, 0), (15, 12, 8), (0, -20, 30)])
def test_a_wrong_depth_is_set_right_in_any_pose(
    face: Floats, angles: tuple[float, float, float]
) -> None:
    turned = np.asarray(face @ from_euler(*np.radians(angles)).T, np.float32)
    wrong = turned.copy()
    for eye, by in zip(EYES, (20, -15), strict=True):
        wrong[eye.iris, 2] += by
    set_irises(wrong)
    assert np.array_equal(wrong[:, :2], turned[:, :2]), "the picture stays"
    assert np.allclose(wrong, turned, atol=0.1)


@pytest.mark.parametrize("degrees", range(60, 91, 5))
def test_an_eye_seen_edgewise_keeps_its_iris_near(face: Floats, degrees: float) -> None:
    turned = np.asarray(face @ from_euler(np.radians(degrees), 0, 0).T, np.float32)
    for eye in EYES:
        turned[eye.iris, 0] += 3
    set_irises(turned)
    for eye in EYES:
        away = turned[eye.iris, 2] - turned[eye.opening, 2].mean()
        assert np.abs(away).max() < 36, "a pixel in the picture is at most three in depth"


def test_gaze_is_told_in_eye_widths_toward_the_pictures_right(face: Floats) -> None:
    widths = [abs(float(np.diff(face[eye.corners, 0])[0])) for eye in EYES]
    ahead = face.copy()
    for eye in EYES:
        ahead[eye.iris, :2] += face[eye.corners, :2].mean(0) - face[eye.iris[0], :2]
    assert gaze(ahead) == pytest.approx(0, abs=1e-4)
    for eye, width in zip(EYES, widths, strict=True):
        ahead[eye.iris, 0] += 0.2 * width
    assert gaze(ahead) == pytest.approx(0.2, abs=0.01)
