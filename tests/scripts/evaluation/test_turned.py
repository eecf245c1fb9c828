"""A photo whose head turns beside the turned head."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import UserError
from models.face.finder import FaceFinder
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator
from models.mesh.pose import turned as rotated
from models.photos import load_photo
from models.types import Floats, Image
from realtime.paths import asset_path
from scripts.evaluation import turned


@pytest.fixture(scope="module")
def pictures() -> dict[int, Image]:
    """Ours, turned, stand in for rendered heads."""
    animator = MeshAnimator(with_eye_network=False)
    avatar = animator.prepare(load_photo(asset_path("face.jpg"), FaceFinder()), 384)
    values = avatar.rest.values
    return {
        angle: animator.render(avatar, Keypoints(rotated(values, np.radians(angle), 0.0, 0.0)))
        for angle in (0, 15, -15)
    }


def test_what_is_drawn_as_the_truth_is_hardly_off(pictures: dict[int, Image]) -> None:
    rows = turned.judge(pictures, MeshAnimator(with_eye_network=False), 384)
    assert list(rows) == ["15", "-15"]
    for row in rows.values():
        assert row["error"] < 6 and row["near"] < 0.03 and row["far"] < 0.03


@pytest.mark.parametrize(("angle", "side"), [(15, "near"), (-15, "far")])
def test_an_outline_that_is_off_is_told_on_its_side(
    pictures: dict[int, Image], angle: int, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The truth's person reaches 30 pixels further to the right of the picture."""

    animator, told = MeshAnimator(with_eye_network=False), turned._person
    before = turned.judge(pictures, animator, 384)[str(angle)]

    def person(picture: Image, landmarks: Floats) -> np.ndarray:
        mask = told(picture, landmarks)
        mask[:, 30:] |= mask[:, :-30]
        return mask

    monkeypatch.setattr(turned, "_person", person)
    row = turned.judge(pictures, animator, 384)[str(angle)]
    other = "near" if side == "far" else "far"
    assert row[side] > before[side] + 0.1
    assert row[other] == before[other]


def test_a_picture_without_a_face_is_refused(pictures: dict[int, Image]) -> None:
    nobody = {0: pictures[0], 30: np.zeros_like(pictures[0])}
    with pytest.raises(UserError, match="turned by 30 degrees"):
        turned.judge(nobody, MeshAnimator(with_eye_network=False), 384)
