"""Creatures and drawings: at rest as the picture, without human teeth, with lids that meet."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.animator import MotionSettings
from models.face.placed import Placed, neutral_landmarks
from models.face.topology import EYES, INNER_LIPS, JAW, LOWER_LIP
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.traits import PERSON, Traits
from models.types import Floats, Image, Kind, Photo
from tests import creatures

SIZE = (creatures.SIDE, creatures.SIDE)


@pytest.fixture(scope="module")
def animator() -> MeshAnimator:
    return MeshAnimator(with_eye_network=True)


def avatar(
    animator: MeshAnimator, name: str, kind: Kind | None = None, placed: Placed | None = None
) -> MeshAvatar:
    points = placed or creatures.placed(name, kind=kind)
    return animator.prepare(Photo(creatures.PICTURES[name](), points.face(SIZE), name), 400)


def driver() -> Floats:
    """A person at rest, (478, 3) in crop units, whose eyes are as open as usual."""
    return np.asarray(neutral_landmarks() / 12, np.float32)


def blinking() -> Floats:
    out = driver()
    for eye in EYES:
        out[eye.upper] = out[eye.lower]
    return out


def speaking(by: float = 0.15) -> Floats:
    out = driver()
    out[[*LOWER_LIP, *JAW[6:15], 17, 18, 200, 199, 175, 16, 15, 85, 315, 180, 404], 1] += by
    return out


def glancing(by: float = 0.06) -> Floats:
    out = driver()
    for eye in EYES:
        out[eye.iris, 0] += by
    return out


def shown(animator: MeshAnimator, avatar: MeshAvatar, driving: Floats) -> Image:
    return animator.render(avatar, moved(animator, avatar, driving))


def moved(animator: MeshAnimator, avatar: MeshAvatar, driving: Floats) -> Keypoints:
    reference = Keypoints(driver())
    return animator.pose(avatar, Keypoints(driving), reference, MotionSettings())


def eyes_of(avatar: MeshAvatar) -> Image:
    """255 between the lids as the picture shows them, without their edges."""
    mask = np.zeros(avatar.still.shape[:2], np.uint8)
    for eye in EYES:
        cv2.fillPoly(mask, [np.rint(avatar.landmarks[eye.opening, :2]).astype(np.int32)], 255)
    return np.asarray(cv2.erode(mask, np.ones((5, 5), np.uint8)), np.uint8)


@pytest.mark.parametrize("name", sorted(creatures.PICTURES))
def test_at_rest_it_is_the_picture(animator: MeshAnimator, name: str) -> None:
    one = avatar(animator, name)
    difference = np.abs(shown(animator, one, driver()).astype(int) - one.still)
    assert difference.max() <= 2
    assert one.kind == creatures.placed(name).kind


def test_a_creature_that_opens_its_mouth_shows_no_teeth(animator: MeshAnimator) -> None:
    light = {}
    for kind in ("creature", "person"):
        one = avatar(animator, "dog", kind)
        picture = shown(animator, one, speaking())
        mask = np.zeros(picture.shape[:2], np.uint8)
        lips = lips_of(animator, one)
        cv2.fillPoly(mask, [np.rint(lips).astype(np.int32)], 255)
        inside = cv2.erode(mask, np.ones((7, 7), np.uint8)) > 0
        assert inside.sum() > 200
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        light[kind] = float(np.quantile(grey[inside], 0.99))
        assert (one.mouth.upper is None) == (kind == "creature")
    assert light["creature"] < 0.8 * light["person"]


def lips_of(animator: MeshAnimator, one: MeshAvatar) -> Floats:
    """(20, 2): the inner lips' edge while it speaks, in pixels."""
    values = moved(animator, one, speaking()).values[INNER_LIPS, :2]
    return np.asarray(values * one.crop.half + (one.crop.cx, one.crop.cy), np.float32)


def test_the_lids_of_a_cat_meet_in_the_middle_and_hide_its_eyes(animator: MeshAnimator) -> None:
    one = avatar(animator, "cat")
    pose = moved(animator, one, blinking()).values
    for eye in EYES:
        still, closed = one.rest.values, pose
        gap = np.linalg.norm(closed[eye.upper] - closed[eye.lower], axis=1).max()
        tall = float(still[eye.lower[3], 1] - still[eye.upper[3], 1])
        assert gap < 0.1 * tall
        met = float(still[eye.lower[3], 1] - closed[eye.lower[3], 1]) / tall
        assert 0.35 < met < 0.55
    inside = eyes_of(one) > 0
    before, after = one.still[inside].astype(int), shown(animator, one, blinking())[inside]
    # Its eyes are green.
    assert (before[:, 1] > before[:, 0] + 20).mean() > 0.4
    assert (after[:, 1].astype(int) > after[:, 0] + 20).mean() < 0.01


def test_the_white_of_a_cartoon_is_gone_when_it_blinks(animator: MeshAnimator) -> None:
    one = avatar(animator, "cartoon")
    inside = eyes_of(one) > 0
    picture = shown(animator, one, blinking())

    def white(image: Image) -> float:
        return float((np.abs(image[inside].astype(int) - creatures.WHITE).max(1) < 12).mean())

    assert white(one.still) > 0.5
    assert white(picture) < 0.02
    skin = np.abs(picture[inside].astype(int) - (250, 215, 185)).max(1) < 12
    assert skin.mean() > 0.7


def test_drawn_lids_and_irises_are_put_where_they_are_drawn(animator: MeshAnimator) -> None:
    known = creatures.placed("cartoon")
    narrow = dict(known.points)
    for side in ("left", "right"):
        narrow[f"{side}_upper_lid"] = (narrow[f"{side}_upper_lid"][0], 155 / SIZE[1])
        narrow[f"{side}_lower_lid"] = (narrow[f"{side}_lower_lid"][0], 185 / SIZE[1])
    one = avatar(animator, "cartoon", placed=Placed(narrow, "drawing"))
    for eye, x in zip(EYES, (145, 255), strict=True):
        assert abs(one.landmarks[eye.upper[3], 1] - 121) < 4
        assert abs(one.landmarks[eye.lower[3], 1] - 219) < 4
        assert np.linalg.norm(one.landmarks[eye.iris[0], :2] - (x, 175)) < 4
        radius = np.linalg.norm(one.landmarks[eye.iris[1], :2] - one.landmarks[eye.iris[0], :2])
        assert abs(radius - 17) < 4


def test_a_creature_glances_and_widens_its_eyes_less_than_a_person(animator: MeshAnimator) -> None:
    glances, widths = {}, {}
    wide = driver()
    for eye in EYES:
        wide[eye.upper, 1] -= 0.03
    for kind in ("creature", "person"):
        one = avatar(animator, "cat", kind)
        eye, rest = EYES[0], one.rest.values
        glance = moved(animator, one, glancing()).values
        glances[kind] = float(glance[eye.iris[0], 0] - rest[eye.iris[0], 0])
        opened = moved(animator, one, wide).values
        tall = [float(at[eye.lower[3], 1] - at[eye.upper[3], 1]) for at in (opened, rest)]
        widths[kind] = tall[0] / tall[1]
    assert 0 < glances["creature"] < 0.7 * glances["person"]
    assert widths["creature"] < 1.13 < widths["person"]


def test_networks_for_persons_do_not_look_at_others(animator: MeshAnimator) -> None:
    for name in ("cat", "stick"):
        one = avatar(animator, name)
        assert one.known is None and not one.covered and not one.still_eyes and not one.notes


def test_a_person_has_the_traits_of_a_person() -> None:
    landmarks = creatures.placed("cat").face(SIZE).landmarks
    assert Traits.of("person", landmarks) == PERSON


def test_only_round_eyes_are_shaped_as_those_of_creatures() -> None:
    cat, dog = (
        Traits.of("creature", creatures.placed(name).face(SIZE).landmarks)
        for name in ("cat", "dog")
    )
    assert min(cat.round) > 0.9
    assert cat.widening == 1 and dog.widening < 0.7
