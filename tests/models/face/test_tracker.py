"""The face tracker on real pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from models.face.landmarker import CropRegion
from models.face.tracker import FaceTracker
from models.types import Image


@pytest.fixture(scope="module")
def tracker() -> FaceTracker:
    return FaceTracker()


def test_tracking_follows_the_chosen_face_when_a_larger_one_enters(
    tracker: FaceTracker, astronaut: Image
) -> None:
    head = astronaut[20:220, 130:330]
    picture = np.full((500, 900, 3), 220, np.uint8)
    picture[150:350, 100:300] = head
    tracker.reset()
    first = tracker.track(picture)
    picture[50:450, 450:850] = cv2.resize(head, (400, 400))
    second = tracker.track(picture)
    assert first is not None and second is not None
    assert abs(first.box[0] - second.box[0]) < 3


def test_a_hidden_face_keeps_its_place_for_a_while(tracker: FaceTracker, astronaut: Image) -> None:
    head = astronaut[20:220, 130:330]
    alone = np.full((500, 900, 3), 220, np.uint8)
    alone[150:350, 100:300] = head
    both = alone.copy()
    both[50:450, 450:850] = cv2.resize(head, (400, 400))
    hidden = both.copy()
    hidden[150:350, 100:300] = 120
    tracker.reset()
    chosen = tracker.track(alone)
    assert chosen is not None
    for _ in range(20):
        assert tracker.track(hidden) is None, "not the other person"
    back = tracker.track(both)
    assert back is not None and abs(chosen.box[0] - back.box[0]) < 3
    followed = [tracker.track(hidden) for _ in range(105)]
    assert followed[-1] is not None and followed[-1].box[0] > 450, "the first one has left"


def test_region_of_landmarks_is_square_to_the_eyes() -> None:
    rng = np.random.default_rng(1)
    landmarks = rng.normal(0, 30, (478, 3)).astype(np.float32) + 200
    landmarks[33, :2], landmarks[263, :2] = (180, 200), (220, 200)
    flat = CropRegion.from_landmarks(landmarks)
    assert flat.angle == pytest.approx(0.0)
    corner = flat.matrix() @ np.array([127.5, 127.5, 1], np.float32)
    assert corner == pytest.approx([flat.cx, flat.cy], abs=0.01)


@pytest.mark.parametrize("degrees", [-60, 50, 60])
def test_the_first_look_at_a_face_that_leans_is_as_good_as_the_next(
    tracker: FaceTracker, astronaut: Image, degrees: int
) -> None:
    height, width = astronaut.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.8)
    leaning = np.asarray(cv2.warpAffine(astronaut, matrix, (width, height)), np.uint8)
    tracker.reset()
    first, *_, settled = [tracker.track(leaning, index / 30) for index in range(4)]
    assert first is not None and settled is not None
    side = CropRegion.from_landmarks(settled.landmarks).side
    apart = np.linalg.norm((first.surface - settled.surface)[:, :2], axis=1) / side
    assert float(apart.max()) < 0.025
