"""Hands, masks, glasses, darkness and other people: the avatar eases to rest and never jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.types import Avatar, Crop, Face, Image
from realtime.animation.animation import Animation
from realtime.animation.calibration import CalibrationState
from realtime.animation.plausibility import Plausibility
from realtime.cameras.clip import ClipReader
from realtime.frames import CameraFrame
from realtime.paths import asset_path
from scripts.rigs.fakes import FakeAnimator, FakeTracker, face

FPS = 30
BEGINS, ENDS, LAST = 50, 110, 165
"""Frames of the clip in which something is before the face; the first and last half second of it,
it moves in and out."""


class AllPoints(FakeAnimator):
    """Moves every landmark, as a real backend does."""

    def observe(self, frame: Image, face: Face, anchor: Face) -> Keypoints:
        crop = Crop.around(anchor)
        points = (face.landmarks[:, :2] - (crop.cx, crop.cy)) / crop.half
        return Keypoints(points.astype(np.float32))


def rest() -> Avatar:
    points = face().landmarks[:, :2] / 200
    still = np.zeros((32, 32, 3), np.uint8)
    return Avatar("rest", still, Keypoints(points.astype(np.float32)), (16, 16))


@dataclass(frozen=True)
class Driver:
    """The demo clip as a webcam shows it, and where its face is."""

    images: list[Image]
    faces: list[Face]


@pytest.fixture(scope="module")
def driver() -> Driver:
    images = []
    for image, _ in ClipReader(asset_path("demo.mp4")).frames():
        images.append(np.asarray(cv2.resize(image[60:420], (640, 480)), np.uint8))
        if len(images) > LAST:
            break
    tracker = FaceTracker()
    faces = [tracker.track(image) for image in images]
    assert all(found is not None for found in faces)
    return Driver(images, [found for found in faces if found is not None])


def hand(image: Image, face: Face, share: float) -> Image:
    left, top, right, bottom = face.box
    width, height = right - left, bottom - top
    x, y = (left + right) / 2 + (1 - share) * 1.5 * width, (top + bottom) / 2 + 0.1 * height
    image = image.copy()
    centre = (round(x), round(y))
    cv2.ellipse(image, centre, (round(width / 2), round(height / 2.2)), 0, 0, 360, SKIN, -1)
    for finger in range(-2, 3):
        tip = (round(x + 0.2 * finger * width), round(y - 0.4 * height))
        cv2.ellipse(image, tip, (round(width / 12), round(height / 3.5)), 0, 0, 360, SKIN, -1)
    return image


SKIN = (205, 150, 125)
_LOWER = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]
_LOWER += [377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 6]


def mask(image: Image, face: Face, share: float) -> Image:
    image = image.copy()
    cv2.fillPoly(image, [face.landmarks[_LOWER, :2].astype(np.int32)], (150, 190, 215))
    return image


def glasses(image: Image, face: Face, share: float) -> Image:
    image = image.copy()
    for outer, inner in ((33, 133), (263, 362)):
        a, b = face.landmarks[outer, :2], face.landmarks[inner, :2]
        x, y = ((a + b) / 2).astype(int).tolist()
        cv2.circle(image, (x, y), round(0.85 * float(np.linalg.norm(a - b))), (20, 20, 25), -1)
    return image


def dark(image: Image, face: Face, share: float) -> Image:
    noise = np.random.default_rng(1).normal(0, 3, image.shape)
    return np.asarray(np.clip(image * (1 - 0.99 * share) + noise, 0, 255), np.uint8)


def second(image: Image, face: Face, share: float) -> Image:
    """A larger face comes in beside the driver."""
    other = cv2.cvtColor(cv2.imread(str(asset_path("face.jpg"))), cv2.COLOR_BGR2RGB)
    other = cv2.resize(other, (300, 300))
    shown = max(round(share * 220), 1)
    image = image.copy()
    image[180:, 640 - shown :] = other[:, :shown]
    return image


def second_and_hand(image: Image, face: Face, share: float) -> Image:
    return hand(second(image, face, 1.0), face, share)


@pytest.mark.parametrize(
    ("spoil", "hides"),
    [
        (hand, True),
        (mask, False),
        (glasses, False),
        (dark, True),
        (second, False),
        (second_and_hand, True),
    ],
)
def test_nothing_before_the_face_makes_the_avatar_jump(
    spoil: Callable[[Image, Face, float], Image],
    hides: bool,
    driver: Driver,
) -> None:
    tracker, avatar = FaceTracker(), rest()
    animation = Animation(AllPoints(), tracker, avatar)
    poses, found = [], []
    for index, (image, seen) in enumerate(zip(driver.images, driver.faces, strict=True)):
        if BEGINS <= index < ENDS:
            image = spoil(image, seen, min(1, (index - BEGINS) / 15, (ENDS - index) / 15))
        followed = animation.follow(CameraFrame(image, index / FPS, index))
        assert followed.pose is not None
        poses.append(followed.pose.values)
        found.append(animation.face_found)
        if animation.face_found and tracker._region is not None:
            middle = seen.landmarks[:468, 0].mean()
            assert abs(tracker._region.cx - middle) < 80, "another face was taken"
    assert animation.calibration_state is not CalibrationState.WAITING and animation.faults == 0
    steps = [np.linalg.norm(b - a, axis=1).max() for a, b in zip(poses, poses[1:], strict=False)]
    calm = max(steps[20:BEGINS])
    assert max(steps[BEGINS:]) < max(2.0 * calm, 0.1), "it jumps"
    inside = found[BEGINS + 25 : ENDS - 15]
    assert not any(inside) if hides else all(inside)
    if hides:
        assert (poses[ENDS - 15] == avatar.rest.values).all(), "it is at rest"
    assert all(found[-15:]), "it is back"


def test_a_turn_to_the_profile_and_back_does_not_make_it_jump(shared: Path) -> None:
    """A real head: from the front to one side, past the front to the other, nearly a profile."""
    clip = ClipReader(shared / "real" / "head-pose-face-detection-female.gif")
    images = [np.ascontiguousarray(image) for image, _ in clip.frames()]
    assert len(images) == 23
    front, profile = [21, 22, 21, 20] * 6, [1, 2, 3, 4, 3, 2] * 3
    there = front + list(range(19, 0, -1)) + profile
    order = there + list(range(1, 20)) + front
    animation = Animation(AllPoints(), FaceTracker(), rest())
    poses, found = [], []
    for index, number in enumerate(order):
        followed = animation.follow(CameraFrame(images[number], index / 12.5, index))
        assert followed.pose is not None
        poses.append(followed.pose.values)
        found.append(animation.face_found)
    steps = [np.linalg.norm(b - a, axis=1).max() for a, b in zip(poses, poses[1:], strict=False)]
    assert animation.calibration_state is not CalibrationState.WAITING and animation.faults == 0
    assert max(steps) < 0.3, "it jumps: the head itself moves its points by 0.2 a frame"
    still = steps[len(there) - len(profile) : len(there) - 1]
    assert max(still) < 0.15, "nor does a profile that hardly moves"
    assert np.abs(poses[len(there) - 1] - poses[len(front) - 1]).max() > 0.3, "it follows"
    assert all(found[-len(front) :])
    assert np.abs(poses[-1] - poses[len(front) - 1]).max() < 0.15, "it is back"


def squeezed(width: float) -> Face:
    points = face().landmarks.copy()
    points[:, 0] = 320 + (points[:, 0] - 320) * width
    return Face(points, None, 1.0)


def test_a_shape_that_changes_too_fast_is_not_believed_for_a_moment() -> None:
    plausibility = Plausibility()
    widths = [1.0] * 10 + [0.7] * 20 + list(np.linspace(0.7, 1.0, 15))
    believed = [plausibility.believes(squeezed(w), i / FPS) for i, w in enumerate(widths)]
    doubted = [index for index, one in enumerate(believed) if not one]
    assert doubted == list(range(10, 16)), "a fifth of a second; a slow change is believed"


def test_another_person_is_calibrated_anew() -> None:
    away = face((250.0, 60.0), size=120)
    faces = [face()] * 40 + [None] * 60 + [away] * 60
    animation = Animation(AllPoints(), FakeTracker(faces), rest())
    states, moved = [], []
    for index in range(len(faces)):
        image = np.zeros((480, 640, 3), np.uint8)
        followed = animation.follow(CameraFrame(image, index / FPS, index))
        states.append(animation.calibration_state)
        assert followed.pose is not None
        moved.append(float(np.abs(followed.pose.values - rest().rest.values).max()))
    assert states[39] is CalibrationState.CALIBRATED and states[101] is CalibrationState.WAITING
    assert states[-1] is CalibrationState.CALIBRATED
    assert max(moved) < 0.05, "against the other's reference it would be far away"


def test_the_same_person_in_the_same_place_is_not_calibrated_again() -> None:
    faces = [face()] * 40 + [None] * 60 + [face((30.0, 0.0))] * 30
    animation = Animation(AllPoints(), FakeTracker(faces), rest())
    for index in range(len(faces)):
        image = np.zeros((480, 640, 3), np.uint8)
        animation.follow(CameraFrame(image, index / FPS, index))
        if index >= 40:
            assert animation.calibration_state is CalibrationState.CALIBRATED
