"""An eye taken apart: its white stays between the lids, its iris moves as a whole."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.mesh.eyeball import Eyeball
from models.types import Floats, Image

SKIN, WHITE, IRIS, CORNER = (200, 150, 120), (225, 222, 218), (60, 90, 130), (210, 120, 120)
MIDDLE, RADIUS = np.array([60.0, 40.0], np.float32), 12.0


def _lens(down: float = 0.0) -> Floats:
    """An eye's outline, 80 wide; the upper lid `down` pixels lower."""
    x = np.linspace(-1, 1, 17)
    upper = np.stack([40 * x, -14 * (1 - x**2) + down * (1 - x**2)], 1)
    lower = np.stack([40 * x[::-1], 11 * (1 - x[::-1] ** 2)], 1)
    return np.asarray(np.concatenate([upper, lower]) + MIDDLE, np.float32)


def _photo(outline: Floats) -> Image:
    inside = np.zeros((80, 120), np.uint8)
    cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 255)
    eye = np.full((80, 120, 3), WHITE, np.uint8)
    cv2.circle(eye, (95, 40), 9, CORNER, -1)
    cv2.circle(eye, (60, 40), int(RADIUS), IRIS, -1, cv2.LINE_AA)
    cv2.circle(eye, (60, 40), 5, (15, 15, 15), -1, cv2.LINE_AA)
    photo = np.full((80, 120, 3), SKIN, np.uint8)
    photo[inside > 0] = eye[inside > 0]
    cv2.polylines(photo, [np.rint(outline[:17]).astype(np.int32)], False, (40, 25, 20), 2)
    return photo


def _cut(outline: Floats, guess: float = 1.0) -> tuple[Image, Eyeball]:
    photo = _photo(outline)
    turns = np.radians([0, 90, 180, 270])
    rim = MIDDLE + guess * RADIUS * np.stack([np.cos(turns), np.sin(turns)], 1)
    corners = np.array([MIDDLE - [40, 0], MIDDLE + [40, 0]], np.float32)
    return photo, Eyeball.cut(photo, outline, corners, np.vstack([MIDDLE, rim]).astype(np.float32))


def _draw(eye: Eyeball, shift: float = 0.0, lashes: bool = True) -> Image:
    place = np.eye(2, 3, dtype=np.float32)
    shown = eye if lashes else replace(eye, lashes=np.zeros_like(eye.lashes))
    return shown.draw(place, np.array([shift, 0], np.float32), (120, 80))


def _inside(outline: Floats, shrunk: float = 0.8) -> Image:
    mask = np.zeros((80, 120), np.uint8)
    smaller = outline.mean(0) + (outline - outline.mean(0)) * shrunk
    cv2.fillPoly(mask, [np.rint(smaller).astype(np.int32)], 255)
    return mask


def test_at_rest_it_is_the_photo_with_its_lashes() -> None:
    outline = _lens()
    photo, eye = _cut(outline)
    apart = np.abs(_draw(eye).astype(int) - photo).max(-1)
    assert apart[_inside(outline, 1.0) > 0].mean() < 3


@pytest.mark.parametrize("guess", [0.9, 1.0])
@pytest.mark.parametrize("shift", [-16.0, 14.0])
def test_the_iris_moves_whole_and_leaves_white_behind(shift: float, guess: float) -> None:
    outline = _lens()
    picture = _draw(_cut(outline, guess)[1], shift)
    dark = (picture.astype(int).sum(-1) < 400) & (_inside(outline) > 0)
    # The corners keep what they show.
    dark[:, :25] = dark[:, 95:] = False
    x = np.nonzero(dark)[1]
    assert abs(float(x.mean()) - (60 + shift)) < 2
    assert abs(np.ptp(x) - 2 * RADIUS) < 5
    behind = picture[36:45, 58:63] if abs(shift) > RADIUS + 3 else picture[38:43, 48:52]
    assert np.abs(behind.astype(int) - WHITE).max() < 45


def test_the_corner_stays_pink_when_the_eye_turns() -> None:
    photo, eye = _cut(_lens())
    turned = _draw(eye, -16.0)
    assert np.abs(turned[39:43, 91:94].astype(int) - photo[39:43, 91:94]).max() < 30


def test_a_lid_that_parts_from_the_iris_uncovers_its_round_edge() -> None:
    outline = _lens(down=8.0)  # The upper lid covers the iris's upper half but for a bit.
    _, eye = _cut(outline)
    open_eye = _draw(eye, lashes=False)
    top = open_eye[30:33, 57:64].astype(int)  # Within the disc, behind the photo's lid.
    assert np.abs(top - IRIS).max(-1).mean() < 60
    above = open_eye[22:25, 57:64].astype(int)  # Beyond it.
    assert above.sum(-1).mean() > 480


def test_an_eye_without_any_white_still_gives_a_picture() -> None:
    photo = np.full((40, 60, 3), (150, 90, 60), np.uint8)  # A statue's.
    outline = np.array([[10, 20], [30, 12], [50, 20], [30, 28]], np.float32)
    rim = np.array([[30, 20], [36, 20], [30, 26], [24, 20], [30, 14]], np.float32)
    eye = Eyeball.cut(photo, outline, outline[[0, 2]], rim)
    picture = eye.draw(np.eye(2, 3, dtype=np.float32), np.array([5, 0], np.float32), (60, 40))
    assert np.abs(picture[15:25, 20:40].astype(int) - photo[0, 0]).max() < 40


@pytest.mark.parametrize("spot", [(-3, -3), (-7, -5), (6, 4)])
def test_the_catchlight_goes_with_the_iris(spot: tuple[int, int]) -> None:
    outline = _lens()
    photo = _photo(outline)
    at = int(MIDDLE[0]) + spot[0], int(MIDDLE[1]) + spot[1]
    cv2.circle(photo, at, 2, (250, 250, 250), -1)
    turns = np.radians([0, 90, 180, 270])
    rim = MIDDLE + RADIUS * np.stack([np.cos(turns), np.sin(turns)], 1)
    corners = np.array([MIDDLE - [40, 0], MIDDLE + [40, 0]], np.float32)
    eye = Eyeball.cut(photo, outline, corners, np.vstack([MIDDLE, rim]).astype(np.float32))
    shifted = _draw(eye, 10.0)[at[1] - 1 : at[1] + 2, at[0] + 9 : at[0] + 12]
    assert shifted.min() > 200
