"""A mouth under a moustache opens where its lips are seen, and is red inside, not hair-coloured."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import INNER_LIPS, LOWER_LIP, OUTER_LIPS
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator
from models.mesh.moustache import on_the_lip
from models.mesh.photo_light import PhotoLight
from models.photos import load_image
from models.types import Floats, Image, Photo
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from scripts.evaluation.measures import opened

BROWN, WHITE, BLACK = (60, 45, 32), (208, 206, 203), (28, 24, 22)
"""RGB of hair."""


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def bare(finder: FaceFinder) -> Photo:
    image = load_image(asset_path("face.jpg"))
    return Photo(image, finder.find_faces(image)[0], "bare")


def edge_of(points: Floats) -> float:
    """The row in which the moustache drawn by `bearded` ends: on the lower lip."""
    return float(points[LOWER_LIP[2:5], 1].mean()) + 0.03 * float(points[152, 1] - points[10, 1])


def bearded(photo: Photo, colour: tuple[int, int, int], chin: bool) -> Image:
    """The photo with hair from the nose to the lower lip, and on the chin, drawn hair by hair."""
    points, image = photo.face.landmarks[:, :2], photo.image.copy()
    tall = float(points[152, 1] - points[10, 1])
    edge, nose = edge_of(points), float(points[2, 1]) + 0.02 * tall
    ys, xs = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
    middle = float(points[2, 0])
    wide = (0.19 if chin else 0.15) * tall
    where = (np.abs(xs - middle) < wide) & (ys > nose) & (ys < edge - 0.03 * tall)
    lip = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(lip, [points[OUTER_LIPS].round().astype(np.int32)], 1)
    if chin:
        beard = (np.abs(xs - middle) < 1.2 * wide) & (ys > nose) & (ys < points[152, 1])
        where |= beard & ((lip == 0) | (np.abs(xs - middle) > 0.08 * tall))
    rng = np.random.default_rng(3)
    rows, columns = np.nonzero(where)
    thick = max(1, round(tall / 250))
    for at in rng.integers(0, len(rows), len(rows) // 12):
        start = np.array([columns[at], rows[at]])
        end = start + [rng.normal(0, 0.008) * tall, 0.03 * tall]
        shade = np.clip(np.array(colour) * rng.uniform(0.6, 1.3), 0, 255)
        cv2.line(image, start.tolist(), end.round().astype(int).tolist(), shade.tolist(), thick)
    return image


CASES = [(BROWN, True), (WHITE, True), (BLACK, False)]


@pytest.mark.parametrize(("colour", "chin"), CASES)
def test_the_lips_part_where_the_moustache_ends(
    finder: FaceFinder, bare: Photo, colour: tuple[int, int, int], chin: bool
) -> None:
    image = bearded(bare, colour, chin)
    landmarks = finder.find_faces(image)[0].landmarks
    tall = float(landmarks[152, 1] - landmarks[10, 1])
    edge = edge_of(bare.face.landmarks)
    off, before = (
        float(np.abs(points[INNER_LIPS[3:8], 1].mean() - edge)) / tall
        for points in (on_the_lip(image, landmarks), landmarks)
    )
    assert off < 0.02
    assert before > off
    assert before > 0.02, "the tracker was wrong"


@pytest.mark.parametrize(("colour", "chin"), CASES)
def test_no_second_mouth_opens_in_the_hair(
    finder: FaceFinder, bare: Photo, colour: tuple[int, int, int], chin: bool
) -> None:
    image = bearded(bare, colour, chin)
    animator = MeshAnimator(with_eye_network=False)
    avatar = animator.prepare(Photo(image, finder.find_faces(image)[0], "bearded"), 512)
    shown = animator.render(avatar, Keypoints(opened(avatar.rest.values, 0.08)))
    ratio = avatar.still.shape[0] / image.shape[0]
    points = bare.face.landmarks * ratio
    tall = float(points[152, 1] - points[10, 1])
    edge, nose, middle = edge_of(bare.face.landmarks) * ratio, points[2, 1], points[2, 0]
    columns = slice(int(middle - 0.08 * tall), int(middle + 0.08 * tall))
    hair = slice(int(nose + 0.03 * tall), int(edge - 0.025 * tall))
    below = slice(int(edge + 0.01 * tall), int(edge + 0.05 * tall))
    change = np.abs(shown.astype(int) - avatar.still).mean(2)
    assert change[hair, columns].mean() < 4, "the moustache stays"
    assert change[below, columns].mean() > 25, "the mouth opens under it"


@pytest.mark.parametrize(("colour", "chin"), CASES)
def test_the_mouth_has_the_colour_of_lips_not_of_hair(
    finder: FaceFinder, bare: Photo, colour: tuple[int, int, int], chin: bool
) -> None:
    image = bearded(bare, colour, chin)
    landmarks = on_the_lip(image, finder.find_faces(image)[0].landmarks)
    own = PhotoLight.of(bare.image, bare.face.landmarks).lip
    assert np.abs(PhotoLight.of(image, landmarks).lip - own).max() < 30


def test_lips_that_no_hair_hides_are_left_alone(bare: Photo, finder: FaceFinder) -> None:
    driver, _ = next(iter(ClipReader(asset_path("demo.mp4")).frames()))
    pictures = [bare.image, driver]
    pictures += [np.dstack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY)] * 3) for one in pictures]
    pictures.append((bare.image * 0.25).astype(np.uint8))
    for picture in pictures:
        landmarks = finder.find_faces(picture)[0].landmarks
        assert on_the_lip(picture, landmarks) is landmarks


def test_a_moustache_above_the_lip_moves_no_lip(finder: FaceFinder, bare: Photo) -> None:
    image, points = bare.image.copy(), bare.face.landmarks[:, :2]
    top = points[OUTER_LIPS[2:9]].copy()
    top[:, 1] -= 0.012 * (points[152, 1] - points[10, 1])
    outline = np.concatenate([top, (top + [0, -0.03 * (points[152, 1] - points[10, 1])])[::-1]])
    cv2.fillPoly(image, [outline.round().astype(np.int32)], BROWN, cv2.LINE_AA)
    landmarks = finder.find_faces(image)[0].landmarks
    assert on_the_lip(image, landmarks) is landmarks


@pytest.mark.skipif(not Path("../shared/real").is_dir(), reason="shared photos are not here")
def test_lips_of_paintings_are_left_alone(finder: FaceFinder) -> None:
    for path in sorted(Path("../shared/real").glob("s*.jpg")):
        image = load_image(path)
        for face in finder.find_faces(image):
            assert on_the_lip(image, face.landmarks) is face.landmarks, path.name
