"""What a turning head uncovers: skin, in the face's own colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import JAW, mirrored
from models.keypoints import Keypoints
from models.mesh import skin
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.pose import from_euler
from models.photos import load_photo
from models.types import Floats, Image
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def avatar() -> MeshAvatar:
    photo = load_photo(asset_path("face.jpg"), FaceFinder())
    return MeshAnimator().prepare(photo, 384)


def turned(avatar: MeshAvatar, yaw: float, pitch: float) -> tuple[Image, Floats]:
    """The avatar turned by degrees about the middle of its head, and its landmarks there."""
    values = avatar.rest.values
    pivot = (values[234] + values[454]) / 2
    turn = from_euler(*np.radians([yaw, pitch, 0.0]))
    posed = np.asarray((values - pivot) @ turn.T + pivot, np.float32)
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


@pytest.mark.parametrize("yaw", [-35.0, 35.0])
def test_a_turned_jaw_uncovers_skin_and_not_the_background(avatar: MeshAvatar, yaw: float) -> None:
    picture, posed = turned(avatar, yaw, 0.0)
    # Between the jaw and where it was, on the side that comes into view.
    side = JAW[2:7] if yaw > 0 else JAW[-7:-2]
    outward = 1.0 if yaw > 0 else -1.0
    beyond = posed[side, :2] + np.array([outward * 6.0, 0.0], np.float32)
    x, y = np.rint(beyond).astype(int).T
    colours = cv2.blur(picture, (3, 3))[y, x].astype(np.float32)
    own = skin_colour(avatar)
    # The demo photo's background is bluish grey; skin is much redder than blue.
    redness = colours[:, 0] - colours[:, 2]
    assert redness.min() > 0.4 * float(own[0] - own[2])


def test_a_face_photographed_from_the_side_gets_its_far_cheek(avatar: MeshAvatar) -> None:
    picture, _ = turned(avatar, 30.0, 0.0)
    found = FaceFinder().find_faces(picture)[0]
    from models.types import Photo

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
