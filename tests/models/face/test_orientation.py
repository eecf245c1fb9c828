"""Which way up faces are, in photos and before a camera that hangs askew."""

from __future__ import annotations

import math
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from models.face.detector import FaceDetector
from models.face.finder import FaceFinder
from models.face.landmarker import CropRegion
from models.face.orientation import inverse, quarters, quarters_of, turned, turned_points
from models.face.tracker import FaceTracker
from models.photos import load_image, load_photo
from models.types import Image
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def save(path: Path, image: Image) -> Path:
    PIL.Image.fromarray(image).save(path)
    return path


def tilted(image: Image, degrees: float) -> Image:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    border = cv2.BORDER_REPLICATE
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=border), np.uint8)


def test_points_turn_with_their_picture() -> None:
    picture = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    for turns in range(-3, 4):
        view = turned(picture, turns)
        points = np.array([[1.0, 2.0, 9.0], [4.0, 6.0, 9.0]], np.float32)
        for (x, y, z), (u, v, w) in zip(
            points, turned_points(points, turns, picture.shape), strict=True
        ):
            assert np.array_equal(picture[int(y), int(x)], view[int(v), int(u)]) and z == w


@pytest.mark.parametrize(
    ("degrees", "turns"),
    [(0, 0), (60, 0), (-60, 0), (90, 3), (-90, 1), (75, 3), (170, 2), (-180, 2)],
)
def test_a_face_that_leans_needs_quarter_turns_only_beyond_a_tilt(degrees: int, turns: int) -> None:
    assert quarters_of(math.radians(degrees)) == turns
    assert quarters_of(math.radians(degrees + 360)) == turns


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("name", ["face", "astronaut"])
def test_a_photo_that_is_not_upright_is_turned(
    name: str, turns: int, finder: FaceFinder, astronaut: Image, tmp_path: Path
) -> None:
    image = astronaut if name == "astronaut" else load_image(asset_path("face.jpg"))
    straight = load_photo(save(tmp_path / "straight.png", image), finder)
    photo = load_photo(save(tmp_path / "turned.png", turned(image, turns)), finder)
    assert straight.turned == 0 and photo.turned == 90 * (4 - turns)
    assert np.array_equal(photo.image, straight.image)
    assert np.abs(photo.face.landmarks - straight.face.landmarks).mean() < 1.0


@pytest.mark.parametrize("degrees", [-60, -40, -30, 30, 40, 60])
def test_a_tilted_face_stays_as_it_is(degrees: float, finder: FaceFinder, tmp_path: Path) -> None:
    image = tilted(load_image(asset_path("face.jpg")), degrees)
    photo = load_photo(save(tmp_path / "tilted.png", image), finder)
    assert photo.turned == 0
    angle = CropRegion.from_landmarks(photo.face.landmarks).angle
    assert abs(math.degrees(angle) - degrees) < 12


def test_a_photo_with_somebody_upright_in_it_stays(finder: FaceFinder, tmp_path: Path) -> None:
    face = load_image(asset_path("face.jpg"))
    small = np.asarray(cv2.resize(face, (300, 300), interpolation=cv2.INTER_AREA), np.uint8)
    pair = np.concatenate([turned(small, 2), small], axis=1)
    assert load_photo(save(tmp_path / "pair.png", pair), finder).turned == 0


def test_real_photos_and_paintings_stay(finder: FaceFinder, shared: Path) -> None:
    found = 0
    for path in sorted((shared / "real").glob("*.jpg")):
        image = load_image(path)
        if finder.find_faces(image):
            found += 1
            assert load_photo(path, finder).turned == 0, path.name
    assert found >= 7


def test_the_inverse_of_an_upright_face_is_not_believed(astronaut: Image) -> None:
    detector, finder = FaceDetector(), FaceFinder()
    face = finder.find_faces(astronaut)[0]
    region = CropRegion.from_landmarks(face.landmarks)
    assert inverse(detector, astronaut, region) is None
    below = turned(astronaut, 2)
    x, y = 511 - region.cx, 511 - region.cy
    wrong = CropRegion(x, y, region.side, region.angle)
    righted = inverse(detector, below, wrong)
    assert righted is not None
    assert abs(math.remainder(righted.angle - region.angle - math.pi, 2 * math.pi)) < 0.2


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_camera_that_hangs_askew_is_noticed_and_its_face_followed(turns: int) -> None:
    clip = ClipReader(asset_path("demo.mp4"))
    frames = [image for image, _ in islice(clip.frames(), 90)]
    plain, askew = FaceTracker(), FaceTracker()
    for index, image in enumerate(frames[::3]):
        expected = plain.track(image, index / 10)
        face = askew.track(turned(image, turns), index / 10)
        assert expected is not None and face is not None
        assert quarters(face) == (4 - turns) % 4
        back = turned_points(face.landmarks, -turns, turned(image, turns).shape)
        assert np.abs(back - expected.landmarks)[:, :2].mean() < 3.0
