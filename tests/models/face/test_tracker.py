"""The face tracker on real pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.errors import UserError
from models.face.bundle import Bundle
from models.face.irises import set_irises
from models.face.landmarker import CropRegion
from models.face.tracker import FaceTracker
from models.types import Image


@pytest.fixture(scope="module")
def tracker(landmarker_bundle: Path) -> FaceTracker:
    return FaceTracker(landmarker_bundle, blendshapes=True)


def test_finds_the_astronaut_where_she_is(tracker: FaceTracker, astronaut: Image) -> None:
    faces = tracker.find_faces(astronaut)
    assert len(faces) == 1
    landmarks = faces[0].landmarks
    assert landmarks.shape == (478, 3)
    # Her eyes and mouth, read off the photo by hand.
    assert np.linalg.norm(landmarks[468, :2] - (203, 101)) < 2
    assert np.linalg.norm(landmarks[473, :2] - (246, 103)) < 2
    assert np.linalg.norm(landmarks[13, :2] - (222, 143)) < 3
    assert landmarks[1, 2] < landmarks[234, 2], "the nose is nearer than the ear"


def test_irises_are_on_their_eyes(tracker: FaceTracker, astronaut: Image) -> None:
    landmarks = tracker.find_faces(astronaut)[0].landmarks
    again = landmarks.copy()
    set_irises(again)
    assert np.allclose(landmarks, again, atol=1e-3)


def test_blendshapes_see_the_smile(tracker: FaceTracker, astronaut: Image) -> None:
    units = tracker.find_faces(astronaut)[0].blendshapes
    assert units is not None
    smile_left, smile_right, blink_left, jaw_open = units[44], units[45], units[9], units[25]
    assert smile_left > 0.5 and smile_right > 0.5
    assert blink_left < 0.4 and jaw_open < 0.4


def test_no_face_in_noise_or_flat_pictures(tracker: FaceTracker) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert tracker.find_faces(noise) == []
    assert tracker.find_faces(np.full((480, 640, 3), 127, np.uint8)) == []
    tracker.reset()
    assert tracker.track(noise) is None


def test_a_small_face_in_a_large_picture_is_found(tracker: FaceTracker, astronaut: Image) -> None:
    large = np.full((1400, 1800, 3), 200, np.uint8)
    large[800 : 800 + 512, 1200 : 1200 + 512] = astronaut
    faces = tracker.find_faces(large)
    assert len(faces) == 1
    assert np.linalg.norm(faces[0].landmarks[468, :2] - (1403, 901)) < 4


def test_two_faces_come_largest_first(tracker: FaceTracker, astronaut: Image) -> None:
    head = astronaut[20:220, 130:330]
    picture = np.full((300, 640, 3), 220, np.uint8)
    picture[50:250, 400:600] = head
    picture[80:220, 60:200] = cv2.resize(head, (140, 140), interpolation=cv2.INTER_AREA)
    faces = tracker.find_faces(picture)
    assert len(faces) == 2
    assert faces[0].box[0] > 400 > faces[1].box[2]


@pytest.mark.parametrize("angle", [-30, 25])
def test_a_tilted_head_keeps_its_shape(
    tracker: FaceTracker, astronaut: Image, angle: float
) -> None:
    centre = (226.0, 125.0)
    turn = cv2.getRotationMatrix2D(centre, angle, 1.0)
    turned = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    expected = tracker.find_faces(astronaut)[0].landmarks[:468, :2] @ turn[:, :2].T + turn[:, 2]
    found = tracker.find_faces(np.asarray(turned, np.uint8))[0].landmarks[:468, :2]
    assert np.abs(found - expected).mean() < 2.0


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


def test_a_wrong_bundle_is_one_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "face_landmarker.task"
    wrong.write_bytes(b"not a zip")
    with pytest.raises(UserError, match="not a face landmarker bundle"):
        Bundle.open(wrong)
