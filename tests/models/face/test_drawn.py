"""Flat drawings stay flat: no soft folds, a plain mouth; photos are not taken for drawings."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.drawn import flatness
from models.face.finder import FaceFinder
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.photos import load_image
from models.types import Image, Photo
from realtime.paths import asset_path
from scripts.evaluation.measures import opened

SKIN, LINE, LIP, WHITE = (250, 215, 185), (70, 40, 40), (190, 80, 80), (255, 255, 252)


def cartoon() -> Image:
    """A face in areas of one colour with outlines."""
    image = np.full((512, 512, 3), (235, 225, 205), np.uint8)

    def oval(x: int, y: int, wide: int, tall: int, colour: tuple[int, ...], thick: int) -> None:
        cv2.ellipse(image, (x, y), (wide, tall), 0, 0, 360, colour, thick, cv2.LINE_AA)

    oval(256, 190, 165, 175, (90, 50, 40), -1)
    cv2.rectangle(image, (225, 400), (287, 500), SKIN, -1)
    oval(256, 260, 135, 165, SKIN, -1)
    oval(256, 260, 135, 165, LINE, 3)
    cv2.ellipse(image, (256, 140), (140, 70), 0, 180, 360, (90, 50, 40), -1, cv2.LINE_AA)
    for x in (200, 312):
        oval(x, 255, 34, 24, WHITE, -1)
        oval(x, 255, 34, 24, LINE, 3)
        oval(x, 257, 17, 20, (70, 130, 60), -1)
        oval(x, 257, 9, 10, (20, 20, 20), -1)
        cv2.ellipse(image, (x, 212), (34, 16), 0, 200, 340, LINE, 5, cv2.LINE_AA)
    nose = np.array([[256, 270], [248, 312], [262, 316]])
    cv2.polylines(image, [nose], False, (190, 160, 140), 3, cv2.LINE_AA)
    oval(256, 350, 42, 16, LIP, -1)
    cv2.line(image, (214, 350), (298, 350), LINE, 3, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.7), np.uint8)


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def drawn(finder: FaceFinder) -> MeshAvatar:
    image = cartoon()
    faces = finder.find_faces(image)
    assert faces, "the drawing looks like a face"
    return MeshAnimator(with_eye_network=False).prepare(Photo(image, faces[0], "drawn"), 512)


def test_a_drawing_is_flat_also_when_it_was_saved_badly(
    finder: FaceFinder, drawn: MeshAvatar
) -> None:
    assert flatness(drawn.still, drawn.landmarks) == 1
    small = cv2.resize(drawn.still, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    _, file = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 40])
    saved = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR), np.uint8)
    assert flatness(saved, drawn.landmarks * 0.5) > 0.9


def test_photos_are_not_flat_however_dark_pale_or_blurred(finder: FaceFinder) -> None:
    photo = load_image(asset_path("face.jpg"))
    landmarks = finder.find_faces(photo)[0].landmarks
    grey = np.dstack([cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)] * 3)
    changed = [photo, grey, photo * 0.2, photo * 0.3 + 170, cv2.GaussianBlur(photo, (0, 0), 3)]
    for picture in changed:
        assert flatness(np.asarray(picture, np.uint8), landmarks) == 0


@pytest.mark.skipif(not Path("../shared/real").is_dir(), reason="shared photos are not here")
def test_paintings_are_not_flat(finder: FaceFinder) -> None:
    for path in sorted(Path("../shared/real").glob("s*.jpg")):
        image = load_image(path)
        for face in finder.find_faces(image):
            assert flatness(image, face.landmarks) == 0, path.name


def test_a_smile_leaves_the_colour_of_a_drawn_cheek(drawn: MeshAvatar) -> None:
    values = drawn.rest.values.copy()
    tall = float(values[152, 1] - values[10, 1])
    for corner, side in ((61, -1), (291, 1)):
        near = np.exp(-(((values[:468] - values[corner]) / (0.08 * tall)) ** 2).sum(1))
        values[:468, 0] += side * 0.04 * tall * near
        values[:468, 1] -= 0.04 * tall * near
    shown = MeshAnimator(with_eye_network=False).render(drawn, Keypoints(values))
    for point in (205, 425, 50, 280):
        x, y = drawn.landmarks[point, :2].astype(int)
        assert np.abs(shown[y - 8 : y + 9, x - 8 : x + 9].astype(int) - SKIN).max() < 12


def test_drawn_teeth_are_one_band_in_the_white_of_the_eyes(drawn: MeshAvatar) -> None:
    values = opened(drawn.rest.values, 0.1)
    shown = MeshAnimator(with_eye_network=False).render(drawn, Keypoints(values))
    crop = drawn.crop
    x, top = (values[13, :2] * crop.half + (crop.cx, crop.cy)).astype(int)
    bottom = int(values[14, 1] * crop.half + crop.cy)
    mouth = shown[top:bottom, x - 12 : x + 13].astype(int)
    teeth = mouth[np.abs(mouth - WHITE).max(2) < 25]
    assert len(teeth) > 0.1 * mouth[..., 0].size
    assert teeth.std(0).max() < 8
