"""Lids are drawn where they close; eyes that a photo shows closed stay so, and that is told."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import EYES
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.eyes import EyeLayer, cut_eyes, draw_lid, held, is_hidden, is_shut
from models.mesh.pose import fit_head, turned
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_photo(asset_path("face.jpg"), FaceFinder())


def drawn(photo: Photo, layers: list[EyeLayer], target: Floats) -> Image:
    out = photo.image.copy()
    for layer in layers:
        draw_lid(out, layer, np.ascontiguousarray(target[:, :2]))
    return out


def test_an_upper_lid_is_drawn_where_it_comes_down_and_not_where_the_lower_one_rises(
    photo: Photo,
) -> None:
    layers, rest = cut_eyes(photo.image, photo.face.landmarks), photo.face.landmarks
    fallen, risen = rest.copy(), rest.copy()
    for layer in layers:
        eye = layer.eye
        span = rest[eye.lower] - rest[eye.upper]
        fallen[eye.upper] += 0.4 * span
        risen[eye.lower] -= 0.4 * span
    assert np.array_equal(drawn(photo, layers, risen), photo.image)
    assert not np.array_equal(drawn(photo, layers, fallen), photo.image)


def shut(points: Floats, *numbers: int) -> Floats:
    """The landmarks with some of the eyes closed."""
    out = points.copy()
    for eye in (EYES[number] for number in numbers):
        middle = 0.2 * out[eye.upper] + 0.8 * out[eye.lower]
        out[eye.upper] = middle + 0.02 * (out[eye.upper] - middle)
        out[eye.lower] = middle + 0.02 * (out[eye.lower] - middle)
    return out


@pytest.fixture(scope="module")
def awake() -> MeshAvatar:
    return MeshAnimator().prepare(load_photo(asset_path("face.jpg"), FaceFinder()), 512)


@pytest.fixture(scope="module")
def asleep(awake: MeshAvatar) -> MeshAvatar:
    """A photo of the same face with closed eyes, as the tracker sees it."""
    animator = MeshAnimator()
    points = shut(awake.rest.values, 0, 1)
    picture = animator.render(awake, Keypoints(points))
    face = FaceFinder().find_faces(picture)[0]
    return animator.prepare(Photo(picture, face, "asleep"), 512)


def test_closed_eyes_are_told(awake: MeshAvatar, asleep: MeshAvatar) -> None:
    assert awake.notes == ()
    assert asleep.notes == (
        "the eyes in this photo are closed and will stay so; choose a photo with open eyes.",
    )
    assert asleep.eyes == []


def test_one_closed_eye_is_told_as_one(awake: MeshAvatar) -> None:
    wink = shut(awake.landmarks, 0)
    assert [is_shut(wink, eye) for eye in EYES] == [True, False]
    assert [layer.eye for layer in cut_eyes(awake.still, wink)] == [EYES[1]]


def test_closed_lids_stay_while_the_driver_looks_around(asleep: MeshAvatar) -> None:
    animator = MeshAnimator()
    values = asleep.rest.values.copy()
    for eye in EYES:
        width = np.linalg.norm(values[eye.corners[0]] - values[eye.corners[1]])
        values[eye.upper, 1] -= 0.15 * width
        values[eye.lower, 1] += 0.05 * width
        values[eye.iris, 0] += 0.2 * width
    picture = animator.render(asleep, Keypoints(values))
    for eye in EYES:
        x, y, wide, tall = cv2.boundingRect(np.rint(asleep.landmarks[eye.opening, :2]).astype(int))
        part = (slice(y - 2, y + tall + 2), slice(x, x + wide))
        assert np.abs(picture[part].astype(int) - asleep.still[part]).mean() < 3


def test_open_eyes_are_not_held(awake: MeshAvatar) -> None:
    moved = turned(awake.landmarks, 0.2, 0.1, 0.0)
    moved[EYES[0].upper, 1] += 3
    head = fit_head(awake.landmarks, moved)
    assert held(awake.landmarks, moved, head, ()) is moved
    still = held(awake.landmarks, moved, head, EYES[:1])
    assert np.allclose(still[EYES[0].opening], head(awake.landmarks)[EYES[0].opening], atol=1e-3)
    assert np.array_equal(still[EYES[1].opening], moved[EYES[1].opening])


def glasses(image: Image, points: Floats, dark: bool) -> Image:
    """Round glasses with a reflection on each; dark ones hide the eyes."""
    out = image.astype(np.float32)
    wide = float(np.linalg.norm(points[454, :2] - points[234, :2]))
    for eye in EYES:
        middle = points[eye.corners, :2].mean(0)
        x, y = np.rint(middle).astype(int).tolist()
        size = (round(0.17 * wide), round(0.135 * wide))
        glass, frame, shine = (np.zeros(image.shape[:2], np.uint8) for _ in range(3))
        cv2.ellipse(glass, (x, y), size, 0, 0, 360, 255, -1, cv2.LINE_AA)
        cv2.ellipse(frame, (x, y), size, 0, 0, 360, 255, max(2, round(0.018 * wide)), cv2.LINE_AA)
        corners = middle + wide * np.array(
            [[-0.1, -0.1], [-0.05, -0.1], [-0.1, 0.06], [-0.14, 0.0]]
        )
        cv2.fillPoly(shine, [np.rint(corners).astype(np.int32)], 255)
        shares = 0.85 * dark, 0.5, 1.0
        colours = 26.0, 255.0, 32.0
        for mask, share, colour in zip((glass, shine & glass, frame), shares, colours, strict=True):
            weight = share * mask[..., None].astype(np.float32) / 255
            out += weight * (colour - out)
    return np.asarray(np.rint(out), np.uint8)


def test_eyes_behind_dark_glasses_do_not_move_and_that_is_told(awake: MeshAvatar) -> None:
    animator = MeshAnimator()
    picture = glasses(awake.still, awake.landmarks, dark=True)
    face = FaceFinder().find_faces(picture)[0]
    avatar = animator.prepare(Photo(picture, face, "cool"), 512)
    assert avatar.notes == (
        "the eyes in this photo are hidden by dark glasses or hair and will not move.",
    )
    drawn = animator.render(avatar, Keypoints(shut(avatar.rest.values, 0, 1)))
    for eye in EYES:
        x, y, wide, tall = cv2.boundingRect(np.rint(avatar.landmarks[eye.opening, :2]).astype(int))
        part = (slice(y, y + tall), slice(x, x + wide))
        assert np.abs(drawn[part].astype(int) - avatar.still[part]).mean() < 3


def test_clear_glasses_hide_no_eye_and_keep_their_frame(awake: MeshAvatar) -> None:
    animator = MeshAnimator()
    picture = glasses(awake.still, awake.landmarks, dark=False)
    face = FaceFinder().find_faces(picture)[0]
    avatar = animator.prepare(Photo(picture, face, "worn"), 512)
    assert avatar.notes == () and len(avatar.eyes) == 2
    drawn = animator.render(avatar, Keypoints(shut(avatar.rest.values, 0, 1)))
    frame = (avatar.still.max(2) < 45) & (awake.still.max(2) > 80)
    assert frame.sum() > 300, "else nothing is looked at"
    assert (drawn.max(2)[frame] < 90).mean() > 0.9


def test_dark_skin_and_deep_shadows_hide_no_eye(awake: MeshAvatar) -> None:
    clip = ClipReader(asset_path("demo.mp4"))
    image, _ = next(iter(clip.frames()))
    face = FaceFinder().find_faces(image)[0]
    dark = np.asarray(awake.still * 0.2, np.uint8)
    shade = np.asarray(awake.still * np.where(np.arange(512) < 256, 0.3, 1.0)[:, None], np.uint8)
    for eye in EYES:
        assert not is_hidden(image, face.landmarks, eye)
        assert not is_hidden(dark, awake.landmarks, eye)
        assert not is_hidden(shade, awake.landmarks, eye)


def test_white_lashes_stay_white(awake: MeshAvatar) -> None:
    white = np.full_like(awake.still, 255)
    for layer in cut_eyes(white, awake.landmarks):
        assert layer.lash.max() <= 255


def test_lids_of_large_drawn_eyes_are_of_skin(awake: MeshAvatar) -> None:
    drawn = awake.still.copy()
    for eye in EYES:
        middle = awake.landmarks[eye.corners, :2].mean(0)
        left, top = np.rint(middle).astype(int).tolist()
        wide = float(np.linalg.norm(np.diff(awake.landmarks[eye.corners, :2], axis=0)))
        cv2.circle(drawn, (left, top), round(0.9 * wide), (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(drawn, (left, top), round(0.2 * wide), (40, 110, 60), -1, cv2.LINE_AA)
    x, y = awake.landmarks[[118, 347, 50, 280], :2].astype(int).T
    skin = np.median(awake.still[y, x], axis=0)
    for layer in cut_eyes(drawn, awake.landmarks):
        u, v = np.rint(layer.corners.mean(0) - layer.origin).astype(int).tolist()
        lid = layer.skin[v - 2 : v + 3, u - 2 : u + 3].mean((0, 1))
        assert np.abs(lid - skin).max() < 0.5 * np.abs(255 - skin).max()
