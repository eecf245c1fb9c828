"""The evaluation's judges and goals, without the packages of the networks."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.mesh.backend import MeshAnimator
from models.photos import load_photo
from realtime.cameras.clip import ClipReader
from scripts.evaluation import measures
from scripts.evaluation.driver import read_driver
from scripts.evaluation.evaluate import (
    Judges,
    lids_can_be_told,
    own_avatar,
    self_reenactment,
)
from scripts.evaluation.judges import Keypoints68
from scripts.evaluation.tables import goals


class Aligner:
    """Stands in for face_alignment.FaceAlignment: 68 points on the diagonal of the box."""

    def __init__(self, kind: object, **options: object) -> None:
        assert options["device"] == "cpu"

    def get_landmarks_from_image(self, picture: Any, detected_faces: Any) -> list[Any]:
        x0, y0, x1, y1 = detected_faces[0]
        share = np.linspace(0, 1, 68)[:, None]
        return [np.array([[x0, y0]]) * (1 - share) + np.array([[x1, y1]]) * share]


def package(aligner: object) -> SimpleNamespace:
    return SimpleNamespace(FaceAlignment=aligner, LandmarksType=SimpleNamespace(TWO_D=1))


def test_the_68_keypoints_are_asked_for_in_the_known_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "face_alignment", package(Aligner))
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[:468, :2] = np.random.default_rng(0).uniform(10, 50, (468, 2))
    landmarks[468:, :2] = 500  # Irises do not make the box.
    found = Keypoints68().find(np.zeros((64, 64, 3), np.uint8), landmarks)
    assert found.shape == (68, 2)
    assert np.allclose(found[0], landmarks[:468, :2].min(0))
    assert np.allclose(found[-1], landmarks[:468, :2].max(0))


def test_weights_that_cannot_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setitem(sys.modules, "face_alignment", package(offline))
    with pytest.raises(UserError, match="weights not available"):
        Keypoints68()
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(UserError, match="pip install"):
        Keypoints68()


@pytest.mark.parametrize(("name", "told"), [("s0.jpg", True), ("s6.jpg", False)])
def test_the_lids_of_a_painting_can_be_told_and_those_of_a_statue_not(
    shared: Path, name: str, told: bool
) -> None:
    tracker, animator = FaceTracker(), MeshAnimator()
    photo = load_photo(shared / "real" / name, FaceFinder())
    avatar = animator.prepare(photo, 512)
    assert lids_can_be_told(avatar, animator, tracker, avatar.landmarks) is told


def cell(correlation: float | None, gain: float | None) -> dict[str, float | None]:
    return {"correlation": correlation, "gain": gain, "span": 1.0}


def test_goals_count_what_the_driver_moves() -> None:
    names = (*measures.MOTIONS, *measures.EXPRESSIONS)
    row = {name: cell(None, None) for name in names} | {"corners": 0.2, "lost": 0}
    good = row | {"mouth": cell(0.95, 1.1), "yaw": cell(0.95, 0.7)}
    good |= {"aside": cell(0.81, 1.29), "smile": cell(0.79, 1.0), "brows": cell(0.9, 0.69)}
    own = row | {"mouth": cell(0.1, 0.1)}
    figures = {
        "cross": {"itself": {"clip": own}, "photo": {"clip": good, "other": row | {"lost": 2}}},
        "skin_tones": {"light": {"times_best": 1.0}, "dark": {"times_best": 1.3}},
        "still_driver": {"photo": {"jitter_px": 0.05}},
    }
    assert goals(figures) == {
        "follows": (1, 2),
        "expressions": (1, 3),
        "skin tones": (1, 2),
        "still": (1, 1),
        "corners": (2, 2),
        "faces": (1, 2),
    }
    assert goals(figures | {"skin_tones": "missing"})["skin tones"] == (0, 0)


@pytest.mark.parametrize("clip", ["d0.mp4", "d18.mp4", "head-pose-face-detection-male.gif"])
def test_the_inside_of_the_mouth_has_the_contrast_and_light_of_real_frames(
    shared: Path, clip: str
) -> None:
    animator = MeshAnimator()
    driver = read_driver(ClipReader(shared / "real" / clip), 8, animator)
    judges = Judges(FaceTracker(), None, None, None, {})
    figures, _ = self_reenactment(own_avatar(driver, animator), driver, animator, judges)
    assert 0.7 <= figures["result"]["contrast_inside"] <= 1.3
    assert figures["result"]["brightest_tooth"] <= 1.1
