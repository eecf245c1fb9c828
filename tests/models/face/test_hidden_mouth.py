"""A mouth behind a mask or a hand rests; one that is seen moves as it does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import cv2
import numpy as np
import pytest

from models.face.hidden_mouth import HiddenMouth
from models.face.moment import Moment
from models.face.tracker import FaceTracker
from models.types import Face, Image
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path

FPS = 30
_LOWER = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152]
_LOWER += [377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 6]


@pytest.fixture(scope="module")
def driver() -> list[tuple[Image, Face]]:
    tracker = FaceTracker()
    frames = [image for image, _ in islice(ClipReader(asset_path("demo.mp4")).frames(), 150)]
    faces = [tracker.track(image) for image in frames]
    return [(image, face) for image, face in zip(frames, faces, strict=True) if face is not None]


def mask(image: Image, face: Face) -> Image:
    outline = face.landmarks[_LOWER, :2].astype(np.int32)
    return np.asarray(cv2.fillPoly(image.copy(), [outline], (150, 190, 215)), np.uint8)


def hand(image: Image, face: Face) -> Image:
    image = image.copy()
    left, top, right, bottom = face.box
    width, height = right - left, bottom - top
    x, y = face.landmarks[13, :2].tolist()
    palm = (round(0.38 * width), round(0.25 * height))
    cv2.ellipse(image, (round(x), round(y + 0.15 * height)), palm, 0, 0, 360, (150, 100, 80), -1)
    for finger in range(-2, 3):
        place = (round(x + 0.15 * finger * width), round(y - 0.02 * height))
        size = (round(0.07 * width), round(0.2 * height))
        cv2.ellipse(image, place, size, 0, 0, 360, (160, 108, 86), -1)
    return image


def gaps(frames: list[Image], rest: Face) -> tuple[list[float], list[float]]:
    """The lips' gaps as the network sees them, and as they are used."""
    tracker, hidden = FaceTracker(), HiddenMouth()
    seen, used = [], []
    for index, image in enumerate(frames):
        face = tracker.track(image, index / FPS)
        if face is not None:
            seen.append(Moment.of(face).mouth)
            used.append(Moment.of(hidden(image, face, rest, index / FPS)).mouth)
    return seen, used


@pytest.mark.parametrize("cover", [mask, hand])
def test_a_covered_mouth_rests(
    cover: Callable[[Image, Face], Image], driver: list[tuple[Image, Face]]
) -> None:
    """The driver talks behind it; `driver[0]` has the mouth closed."""
    assert max(Moment.of(face).mouth for _, face in driver[60:]) > 0.1
    frames = [image if i < 20 else cover(image, face) for i, (image, face) in enumerate(driver)]
    seen, used = gaps(frames, driver[0][1])
    assert len(used) == len(frames), "nothing is lost"
    still = np.array(used[80:])
    assert np.median(still) < 0.01 and np.quantile(still, 0.95) < 0.02
    if cover is hand:
        assert np.quantile(seen[80:], 0.95) > 0.05, "which the network alone does not see"


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_mouth_that_is_seen_is_left_alone(scale: float, driver: list[tuple[Image, Face]]) -> None:
    frames = [
        np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        for image, _ in driver
    ]
    seen, used = gaps(frames, driver[0][1])
    assert used == seen and max(seen) > 0.1


def test_the_rest_of_the_face_is_as_it_was(driver: list[tuple[Image, Face]]) -> None:
    rest = driver[0][1]
    image, face = next((i, f) for i, f in driver[60:] if Moment.of(f).mouth > 0.08)
    covered, hidden = hand(image, face), HiddenMouth()
    for index in range(FPS):
        found = hidden(covered, face, rest, index / FPS)
    upper = [33, 133, 159, 145, 263, 362, 70, 300, 10, 4, 468, 473]
    assert np.array_equal(found.landmarks[upper], face.landmarks[upper])
    assert Moment.of(found).mouth < 0.015
    away = np.linalg.norm(found.landmarks[[61, 291], :2] - face.landmarks[[61, 291], :2], axis=1)
    assert away.max() < 0.1 * (face.box[3] - face.box[1]), "it stays where the head is"
