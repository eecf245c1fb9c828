from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import EYES
from models.mesh import folds
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.folds import Folds, Motion
from models.mesh.pose import fit_head, turned
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.paths import asset_path

STILL = Motion((0, 0), (0, 0), 0, (0, 0), 0, 0, (0, 0), (0, 0), 0)
SMILE = Motion((0.04, 0.04), (0.04, 0.04), -0.08, (0, 0), 0, 0, (0, 0), (0, 0), 0)


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_photo(asset_path("face.jpg"), FaceFinder())


@pytest.fixture(scope="module")
def avatar(photo: Photo) -> MeshAvatar:
    return MeshAnimator(with_eye_network=False).prepare(photo, 384)


def painted(avatar: MeshAvatar, picture: Image | None = None) -> tuple[Folds, Image]:
    face = avatar.person.face if picture is None else picture
    return folds.paint(face, avatar.landmarks - avatar.person.corner), face


def smiling(points: Floats, by: float) -> Floats:
    """The mouth's corners up and outward by a share of the face's height."""
    out = points.copy()
    tall = float(np.linalg.norm(points[152] - points[10]))
    for corner, side in ((61, -1), (291, 1)):
        out[corner] += np.array([side * by, -by, 0], np.float32) * tall
    return out


def test_nothing_moved_is_nothing_to_be_seen(avatar: MeshAvatar) -> None:
    made, face = painted(avatar)
    assert made.light(face, STILL) is face


@pytest.mark.parametrize("angles", [(0.4, 0, 0), (0, 0.3, 0), (0, 0, 0.4), (-0.3, 0.2, -0.2)])
def test_a_turning_head_folds_nothing(
    avatar: MeshAvatar, angles: tuple[float, float, float]
) -> None:
    target = turned(avatar.landmarks, *angles)
    motion = Motion.of(avatar.landmarks, target, fit_head(avatar.landmarks, target))
    made, face = painted(avatar)
    assert made.light(face, motion) is face


@pytest.mark.parametrize(("points", "by"), [((61, 291), 0.018), ((129, 358), 0.01), ((18,), 0.018)])
def test_what_no_more_than_a_nod_reads_as_folds_nothing(
    avatar: MeshAvatar, points: tuple[int, ...], by: float
) -> None:
    tall = float(np.linalg.norm(avatar.landmarks[152] - avatar.landmarks[10]))
    moved = avatar.landmarks.copy()
    moved[list(points), 1] -= by * tall
    seen = []
    for angle in (0.0, 0.35):
        target = turned(moved, 0.0, angle, 0.0)
        motion = Motion.of(avatar.landmarks, target, fit_head(avatar.landmarks, target))
        made, face = painted(avatar)
        seen.append(made.light(face, motion) is not face)
    assert seen == [True, False]


def test_a_blink_folds_nothing(avatar: MeshAvatar) -> None:
    tall = float(np.linalg.norm(avatar.landmarks[152] - avatar.landmarks[10]))
    seen = []
    for shut in (False, True):
        target = avatar.landmarks.copy()
        target[[144, 145, 153, 373, 374, 380], 1] -= 0.008 * tall
        if shut:
            for eye in EYES:
                target[eye.upper] = target[eye.lower]
        motion = Motion.of(avatar.landmarks, target, fit_head(avatar.landmarks, target))
        seen.append(max(motion.lids))
    assert seen[0] > 0.005 and seen[1] == 0


def test_a_smile_is_read_off_the_corners_and_folds_more_the_wider_it_is(
    avatar: MeshAvatar,
) -> None:
    made, face = painted(avatar)
    changes = []
    for by in (0.01, 0.03, 0.05):
        target = smiling(avatar.landmarks, by)
        motion = Motion.of(avatar.landmarks, target, fit_head(avatar.landmarks, target))
        assert motion.lifted == pytest.approx((by, by), abs=0.3 * by)
        lit = made.light(face, motion)
        changes.append(float(np.abs(lit.astype(int) - face).mean()))
    assert 0 <= changes[0] < changes[1] < changes[2]
    assert 0.1 < changes[2] < 5


def test_one_sided_smiles_fold_one_side(avatar: MeshAvatar) -> None:
    made, face = painted(avatar)
    one = Motion((0.05, 0), (0.05, 0), -0.05, (0, 0), 0, 0, (0, 0), (0, 0), 0)
    change = np.abs(made.light(face, one).astype(int) - face)[..., :3].sum(-1)
    middle = int(avatar.landmarks[4, 0] - avatar.person.corner[0])
    assert change[:, :middle].sum() > 20 * change[:, middle:].sum()


def test_the_light_is_bounded_and_the_matte_stays(avatar: MeshAvatar) -> None:
    made, face = painted(avatar)
    wild = Motion((9, 9), (9, 9), 9, (9, 9), 9, 9, (9, 9), (9, 9), 9)
    lit = made.light(face, wild)
    assert np.array_equal(lit[..., 3], face[..., 3])
    seen = face[..., :3] > 40
    gain = lit[..., :3][seen] / face[..., :3][seen]
    assert gain.min() > 0.6 and gain.max() < 1.25
    assert (lit[..., :3] != face[..., :3]).any()


def test_a_grey_photo_stays_grey(avatar: MeshAvatar) -> None:
    grey = cv2.cvtColor(np.ascontiguousarray(avatar.person.face[..., :3]), cv2.COLOR_RGB2GRAY)
    face = np.dstack([grey, grey, grey, avatar.person.face[..., 3]])
    made, _ = painted(avatar, face)
    lit = made.light(face, SMILE)
    assert (lit[..., 0] == lit[..., 1]).all() and (lit[..., 1] == lit[..., 2]).all()
    assert (lit != face).any()


def test_nothing_is_drawn_on_brows_and_hair(avatar: MeshAvatar) -> None:
    made, face = painted(avatar)
    points = (avatar.landmarks - avatar.person.corner)[:, :2]
    raised = Motion((0, 0), (0, 0), 0, (0.05, 0.05), 0.05, 0, (0, 0), (0, 0), 0)
    change = np.abs(made.light(face, raised).astype(int) - face)[..., :3].max(-1)

    def at(*numbers: int) -> float:
        x, y = np.rint(points[list(numbers)].mean(0)).astype(int)
        return float(change[y - 2 : y + 3, x - 2 : x + 3].max())

    assert change.max() > 4
    assert at(105, 66) <= 2 and at(334, 296) <= 2


def test_paintings_are_folded_too(shared: Path) -> None:
    finder = FaceFinder()
    for name in ("s0.jpg", "s5.jpg", "s9.jpg"):
        animator = MeshAnimator(with_eye_network=False)
        avatar = animator.prepare(load_photo(shared / "real" / name, finder), 384)
        made, face = painted(avatar)
        change = np.abs(made.light(face, SMILE).astype(int) - face)
        assert 3 < change.max() < 90


@pytest.mark.parametrize("shape", ["rounded", "wide open"])
def test_the_shadow_in_the_corners_goes_where_lips_are_rounded_or_wide_open(
    avatar: MeshAvatar, shape: str
) -> None:
    dark = avatar.person.face.copy()
    spots = avatar.landmarks[[61, 291], :2] - avatar.person.corner[:2]
    for x, y in spots:
        cv2.circle(dark, (round(float(x)), round(float(y))), 3, (60, 40, 35, 255), -1)
    made, face = painted(avatar, dark)
    moved = (
        Motion((0, 0), (-0.03, -0.03), 0.06, (0, 0), 0, 0, (0, 0), (0, 0), 0)
        if shape == "rounded"
        else Motion((0, 0), (0, 0), 0, (0, 0), 0, 0, (0, 0), (0, 0), -0.15)
    )
    lit = made.light(face, moved)
    for x, y in np.rint(spots).astype(int):
        before, after = (float(one[y - 1 : y + 2, x - 1 : x + 2, :3].mean()) for one in (face, lit))
        assert after > 1.2 * before
    still = made.light(face, SMILE)
    x, y = np.rint(spots[0]).astype(int)
    assert still[y, x, :3].mean() <= face[y, x, :3].mean() + 1
