"""A face that rests is the photo, and one that hardly moves is hardly another picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from models.animator import MotionSettings
from models.face.finder import FaceFinder
from models.face.topology import EYES
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.pose import turned
from models.photos import load_photo
from models.types import Floats, Image
from realtime.paths import asset_path
from tests.paths import SHARED

ASSETS = ("face.jpg", "readme.jpg")
REAL = ("s0.jpg", "s4.jpg", "s5.jpg", "s6.jpg", "s8.jpg", "s9.jpg", "s10.jpg")


@pytest.fixture(scope="module")
def animator() -> MeshAnimator:
    return MeshAnimator()


def _path(name: str, astronaut: Image, folder: Path) -> Path:
    if name == "astronaut":
        PillowImage.fromarray(astronaut).save(folder / "astronaut.png")
        return folder / "astronaut.png"
    if name in ASSETS:
        return asset_path(name)
    if not SHARED.is_dir():
        pytest.skip("needs the folder ../shared with real pictures and clips")
    return SHARED / "real" / name


@pytest.mark.parametrize("size", [512, 720])
@pytest.mark.parametrize("name", ["astronaut", *ASSETS, *REAL])
def test_at_rest_and_driven_by_the_reference_itself_it_is_the_photo(
    animator: MeshAnimator, name: str, size: int, astronaut: Image, tmp_path: Path
) -> None:
    photo = load_photo(_path(name, astronaut, tmp_path), FaceFinder())
    avatar = animator.prepare(photo, size)
    driven = animator.pose(avatar, avatar.rest, avatar.rest, MotionSettings())
    for pose in (avatar.rest, driven):
        picture = animator.render(avatar, pose)
        error = picture.astype(int) - avatar.still
        assert np.abs(error).max() <= 12
        assert 10 * np.log10(255**2 / max(float((error**2).mean()), 1e-9)) >= 60


def _turn(values: Floats, share: float) -> Floats:
    return turned(values, 0.3 * share, -0.1 * share, 0.1 * share)


def _shift(values: Floats, share: float) -> Floats:
    return np.asarray(values + np.array([0.3, 0.2, 0], np.float32) * np.float32(share))


def _look(values: Floats, share: float) -> Floats:
    """Irises aside and upper lids down."""
    out = values.copy()
    for eye in EYES:
        out[eye.iris, 0] += 0.06 * share
        out[eye.upper] += (out[eye.lower] - out[eye.upper]) * np.float32(0.5 * share)
    return out


@pytest.mark.parametrize("motion", [_turn, _shift, _look])
def test_motion_fades_in_from_the_photo_without_a_jump(
    animator: MeshAnimator, motion: object, astronaut: Image, tmp_path: Path
) -> None:
    assert callable(motion)
    photo = load_photo(_path("astronaut", astronaut, tmp_path), FaceFinder())
    avatar = animator.prepare(photo, 512)
    # Shares of a motion that moves points by up to a third of the face's height.
    shares = (0.0, 0.003, 0.006, 0.012, 0.018, 0.024, 0.03)
    pictures = [_picture(animator, avatar, motion(avatar.rest.values, share)) for share in shares]
    moved = (np.abs(pictures[-1] - pictures[0]).max(axis=2) > 2).any(axis=0)
    assert moved.any(), "it does move"
    steps = [np.abs(b - a).mean() for a, b in zip(pictures, pictures[1:], strict=False)]
    lengths = np.diff(shares)
    speeds = np.array(steps) / lengths
    # The first steps are no larger for their length than the later ones.
    assert speeds[0] < 2.5 * np.median(speeds[2:])
    assert speeds[1] < 2.5 * np.median(speeds[2:])


def _picture(animator: MeshAnimator, avatar: MeshAvatar, values: Floats) -> Floats:
    return np.asarray(animator.render(avatar, Keypoints(values)), np.float32)
