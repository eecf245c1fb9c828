"""The faces of real pictures, and of photos with a face that was placed by hand."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.face.face_file import face_path, write_face
from models.face.finder import FaceFinder
from models.face.irises import set_irises
from models.face.tracker import FaceTracker
from models.photos import load_image, load_photo
from models.types import Image
from tests.placed_face import drawing, placed


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_finds_the_astronaut_where_she_is(finder: FaceFinder, astronaut: Image) -> None:
    faces = finder.find_faces(astronaut)
    assert len(faces) == 1
    landmarks = faces[0].landmarks
    assert landmarks.shape == (478, 3)
    # Her eyes and mouth, read off the photo by hand.
    assert np.linalg.norm(landmarks[468, :2] - (203, 101)) < 2
    assert np.linalg.norm(landmarks[473, :2] - (246, 103)) < 2
    assert np.linalg.norm(landmarks[13, :2] - (222, 143)) < 3
    assert landmarks[1, 2] < landmarks[234, 2], "the nose is nearer than the ear"


def test_irises_are_on_their_eyes(finder: FaceFinder, astronaut: Image) -> None:
    landmarks = finder.find_faces(astronaut)[0].landmarks
    again = landmarks.copy()
    set_irises(again)
    assert np.allclose(landmarks, again, atol=1e-3)


def test_no_face_in_noise_or_flat_pictures(finder: FaceFinder) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert finder.find_faces(noise) == []
    assert finder.find_faces(np.full((480, 640, 3), 127, np.uint8)) == []
    assert FaceTracker().track(noise) is None


def test_a_small_face_in_a_large_picture_is_found(finder: FaceFinder, astronaut: Image) -> None:
    large = np.full((1400, 1800, 3), 200, np.uint8)
    large[800 : 800 + 512, 1200 : 1200 + 512] = astronaut
    faces = finder.find_faces(large)
    assert len(faces) == 1
    assert np.linalg.norm(faces[0].landmarks[468, :2] - (1403, 901)) < 4


def test_two_faces_come_largest_first(finder: FaceFinder, astronaut: Image) -> None:
    head = astronaut[20:220, 130:330]
    picture = np.full((300, 640, 3), 220, np.uint8)
    picture[50:250, 400:600] = head
    picture[80:220, 60:200] = cv2.resize(head, (140, 140), interpolation=cv2.INTER_AREA)
    faces = finder.find_faces(picture)
    assert len(faces) == 2
    assert faces[0].box[0] > 400 > faces[1].box[2]


@pytest.mark.parametrize("angle", [-30, 25])
def test_a_tilted_head_keeps_its_shape(finder: FaceFinder, astronaut: Image, angle: float) -> None:
    centre = (226.0, 125.0)
    turn = cv2.getRotationMatrix2D(centre, angle, 1.0)
    turned = cv2.warpAffine(astronaut, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    expected = finder.find_faces(astronaut)[0].landmarks[:468, :2] @ turn[:, :2].T + turn[:, 2]
    found = finder.find_faces(np.asarray(turned, np.uint8))[0].landmarks[:468, :2]
    assert np.abs(found - expected).mean() < 2.0


def test_threads_share_it_and_find_the_same(finder: FaceFinder, astronaut: Image) -> None:
    pictures = [astronaut, np.ascontiguousarray(astronaut[:, ::-1])] * 8
    alone = [finder.find_faces(picture)[0].landmarks for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(finder.find_faces, pictures))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one, other[0].landmarks)


def test_a_face_that_was_placed_by_hand_wins(
    finder: FaceFinder, astronaut: Image, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    PIL.Image.fromarray(astronaut).save(photo)
    (found,) = finder.faces_of(astronaut, photo)
    placed = found.landmarks + np.array([30, -10, 0], np.float32)
    write_face(photo, astronaut, placed)
    (face,) = finder.faces_of(astronaut, photo)
    assert np.abs(face.landmarks - placed).max() < 1e-3
    assert np.array_equal(finder.find_faces(astronaut)[0].landmarks, found.landmarks)
    face_path(photo).unlink()
    assert np.array_equal(finder.faces_of(astronaut, photo)[0].landmarks, found.landmarks)


def test_a_photo_without_a_face_that_can_be_found(finder: FaceFinder, tmp_path: Path) -> None:
    """A drawing, with points that somebody has placed on it."""
    photo = tmp_path / "drawing.png"
    PIL.Image.fromarray(drawing()).save(photo)
    with pytest.raises(UserError, match="No face was found"):
        load_photo(photo, finder)
    write_face(photo, load_image(photo), placed(400, 300))
    loaded = load_photo(photo, finder)
    assert np.abs(loaded.face.landmarks - placed(400, 300)).max() < 1e-3
    with pytest.raises(UserError, match="shows 1 face,"):
        load_photo(photo, finder, 2)
