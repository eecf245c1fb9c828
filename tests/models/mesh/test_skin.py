"""What a turning head uncovers: skin, in the face's own colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings
from models.face.finder import FaceFinder
from models.face.topology import EYES, INNER_LIPS, JAW, mirrored
from models.keypoints import Keypoints
from models.mesh import skin
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.pose import euler, fit_head
from models.mesh.pose import turned as turn_landmarks
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def avatar() -> MeshAvatar:
    photo = load_photo(asset_path("face.jpg"), FaceFinder())
    return MeshAnimator().prepare(photo, 384)


def turned(avatar: MeshAvatar, yaw: float, pitch: float) -> tuple[Image, Floats]:
    """The avatar turned by degrees about the middle of its head, and its landmarks there."""
    angles = float(np.radians(yaw)), float(np.radians(pitch)), 0.0
    posed = turn_landmarks(avatar.rest.values, *angles)
    picture = MeshAnimator().render(avatar, Keypoints(posed))
    crop = avatar.crop
    return picture, posed * crop.half + np.array([crop.cx, crop.cy, 0], np.float32)


def skin_colour(avatar: MeshAvatar) -> Floats:
    x, y = np.rint(avatar.landmarks[[50, 280, 205, 425], :2]).astype(int).T
    return np.asarray(cv2.blur(avatar.still, (7, 7))[y, x].mean(0))


def test_mirroring_is_its_own_inverse() -> None:
    across = mirrored()
    assert (across[across] == np.arange(468)).all()
    assert across[33] == 263 and across[10] == 10


def test_the_picture_is_the_photo_where_the_face_looks_ahead(avatar: MeshAvatar) -> None:
    shown = avatar.person.skin
    for point in (1, 9, 50, 280, 13):
        x, y = np.rint(shown.places[point]).astype(int)
        patch = shown.picture[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1))
        left, top = np.rint(avatar.landmarks[point, :2]).astype(int)
        true = avatar.still[top - 3 : top + 4, left - 3 : left + 4].mean((0, 1))
        assert np.abs(patch - true).max() < 8


@pytest.mark.parametrize("yaw", [-30.0, 30.0])
def test_a_turned_jaw_uncovers_skin_and_not_the_background(avatar: MeshAvatar, yaw: float) -> None:
    picture, posed = turned(avatar, yaw, 0.0)
    # On the side that comes into view, just within where the jaw has come to.
    side = JAW[2:7] if yaw > 0 else JAW[-7:-2]
    within = posed[side, :2] - np.array([np.sign(yaw) * 3.0, 0.0], np.float32)
    x, y = np.rint(within).astype(int).T
    colours = cv2.blur(picture, (3, 3))[y, x].astype(np.float32)
    own = skin_colour(avatar)
    # The demo photo's background is bluish grey; skin is much redder than blue.
    redness = colours[:, 0] - colours[:, 2]
    assert redness.min() > 0.4 * float(own[0] - own[2])


@pytest.mark.parametrize("yaw", [-30.0, 30.0])
def test_a_turned_jaw_does_not_swell(avatar: MeshAvatar, yaw: float) -> None:
    # Without the neck that shows behind it.
    alone = replace(avatar, person=replace(avatar.person, back=None))
    picture, posed = turned(alone, yaw, 0.0)
    tall = float(np.linalg.norm(posed[10] - posed[152]))
    # Below the ear and above the neck the face ends where its jaw has come to.
    side = JAW[2:4] if yaw > 0 else JAW[-4:-2]
    beyond = posed[side, :2] + np.array([np.sign(yaw) * 0.03 * tall, 0.0], np.float32)
    x, y = np.rint(beyond).astype(int).T
    colours = cv2.blur(picture, (3, 3))[y, x].astype(np.float32)
    assert (colours[:, 0] - colours[:, 2]).max() < 20, "the background, which is bluish grey"


def test_a_face_photographed_from_the_side_gets_its_far_cheek(avatar: MeshAvatar) -> None:
    picture, _ = turned(avatar, 30.0, 0.0)
    found = FaceFinder().find_faces(picture)[0]
    animator = MeshAnimator()
    aside = animator.prepare(Photo(picture, found, "aside"), 384)
    back, posed = turned(aside, -30.0, 0.0)
    own = skin_colour(avatar)
    cheek = [50, 101, 118, 205, 187] + [280, 330, 347, 425, 411]
    x, y = np.rint(posed[cheek, :2]).astype(int).T
    colours = cv2.blur(back, (5, 5))[y, x].astype(np.float32)
    assert np.abs(colours - own).mean() < 30
    detail = np.abs(back.astype(np.float32) - cv2.blur(back, (3, 3)))[y, x].mean()
    assert detail < 12, "no streaks"


def test_where_the_known_skin_ends_does_not_depend_on_what_was_in_memory() -> None:
    known = np.zeros((40, 40), np.float32)
    known[15:25, 15:25] = 1
    middle = np.array([20.0, 20.0], np.float32)
    rims = []
    for value in (0.0, 1.0):
        used = [np.full((360, 56), value, np.float32) for _ in range(4)]
        del used  # Freed memory of the size that is needed next.
        rims.append(skin._rim(known, middle))
    assert np.array_equal(rims[0], rims[1])
    assert rims[0].max() < 8


@pytest.mark.parametrize("yaw", [-20.0, -10.0])
def test_a_painting_from_the_side_shows_no_second_far_side(shared: Path, yaw: float) -> None:
    """The girl with the pearl earring before her black wall, turned toward the front."""
    girl = MeshAnimator().prepare(load_photo(shared / "real" / "s10.jpg", FaceFinder()), 512)
    picture, posed = turned(girl, yaw, 0.0)
    tall = float(np.linalg.norm(posed[10] - posed[152]))
    wall = np.full(picture.shape[:2], 255, np.uint8)
    hull = cv2.convexHull(np.rint(posed[:468, :2]).astype(np.int32))
    cv2.fillConvexPoly(wall, hull, 0)
    margin = round(0.08 * tall) | 1
    wall = cv2.erode(wall, np.ones((margin, margin), np.uint8))
    # Left of the face, from the far eye down to the chin.
    wall[: int(posed[33, 1])] = wall[int(posed[152, 1]) :] = 0
    wall[:, int(posed[:468, 0].min()) :] = 0
    assert (wall > 0).sum() > 500
    assert np.quantile(picture[wall > 0].max(axis=1), 0.99) < 60


@pytest.mark.parametrize(("name", "yaw"), [("s10.jpg", -15.0), ("s8.jpg", -20.0), ("s8.jpg", 15.0)])
def test_a_painting_from_the_side_has_its_features_where_they_belong(
    shared: Path, name: str, yaw: float
) -> None:
    lady = MeshAnimator().prepare(load_photo(shared / "real" / name, FaceFinder()), 512)
    picture, posed = turned(lady, yaw, 0.0)
    found = FaceFinder().find_faces(picture)[0].landmarks
    tall = float(np.linalg.norm(posed[10] - posed[152]))
    features = np.concatenate([*(eye.opening for eye in EYES), INNER_LIPS, [1, 4, 98, 327]])
    apart = np.linalg.norm((found - posed)[features, :2], axis=1)
    assert apart.mean() < 0.025 * tall
    # Left and right are as light as in the photo: nothing of the wall is on the far cheek.
    cheek = [50, 101, 118, 205, 187] if yaw < 0 else [280, 330, 347, 425, 411]
    x, y = np.rint(posed[cheek, :2]).astype(int).T
    colours = cv2.blur(picture, (5, 5))[y, x].astype(np.float32)
    x, y = np.rint(lady.landmarks[[1, 9, 151], :2]).astype(int).T
    own = cv2.blur(lady.still, (5, 5))[y, x].astype(np.float32).mean(0)
    assert (colours.sum(1) > 0.35 * own.sum()).all()


def test_what_the_nose_hides_is_not_taken_from_the_photo(shared: Path, avatar: MeshAvatar) -> None:
    girl = MeshAnimator().prepare(load_photo(shared / "real" / "s10.jpg", FaceFinder()), 512)
    far, near = [234, 93, 132, 58], [454, 323, 361, 288]  # Along the border of the face.
    assert girl.person.skin.hidden[far].min() > 0.9
    assert girl.person.skin.hidden[near].max() < 0.1
    assert avatar.person.skin.hidden[far + near].max() < 0.1


def test_a_face_from_the_side_turns_less_far_to_the_front(shared: Path, avatar: MeshAvatar) -> None:
    animator = MeshAnimator()
    girl = animator.prepare(load_photo(shared / "real" / "s10.jpg", FaceFinder()), 512)
    ahead = avatar.rest.values
    pose = animator.pose(girl, Keypoints(turned_by(ahead, -40)), Keypoints(ahead), MotionSettings())
    yaw = np.degrees(euler(fit_head(girl.rest.values, pose.values).rotation)[0])
    assert -24 < yaw < -10
    pose = animator.pose(
        avatar, Keypoints(turned_by(ahead, -40)), Keypoints(ahead), MotionSettings()
    )
    assert np.degrees(euler(fit_head(ahead, pose.values).rotation)[0]) < -28


def turned_by(values: Floats, degrees: float) -> Floats:
    return turn_landmarks(values, float(np.radians(degrees)), 0.0, 0.0)
