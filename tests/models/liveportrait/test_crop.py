"""What is cut out of pictures and how it comes back into them: the official numbers, and ours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from models.liveportrait.config import OUTPUT
from models.liveportrait.crop import (
    DRIVING,
    SOURCE,
    Box,
    Framing,
    cut,
    face_box,
    fitted,
    mean_box,
    network_picture,
)
from models.liveportrait.paste import Paste, official_mask, pasted, soft_mask
from models.types import Image
from tests.models.liveportrait.reference import expected, landmarks, picture

LAYOUTS = (203, 106, 68, 5)


@pytest.fixture(scope="module")
def source() -> Image:
    """The reference's photo, (256, 256, 3)."""
    values = np.floor(255 * picture("source")[0].transpose(1, 2, 0) + 0.5)
    return np.ascontiguousarray(values.astype(np.uint8))


def _landmarks(count: int) -> np.ndarray:
    return landmarks(f"crop_lmk_{count}", (count, 2), 60, 196)


@pytest.mark.parametrize("count", LAYOUTS)
@pytest.mark.parametrize("turned", [False, True])
def test_a_square_lies_where_it_does_officially(count: int, turned: bool) -> None:
    arrays, name = expected(), f"crop{count}_rot{int(turned)}"
    box = face_box(_landmarks(count), Framing(SOURCE.scale, SOURCE.up, turned))
    matrix = box.matrix(OUTPUT)
    np.testing.assert_allclose(matrix, arrays[f"{name}_M_o2c"], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.inv(matrix), arrays[f"{name}_M_c2o"], rtol=1e-5, atol=1e-5)
    if turned:
        points = np.c_[_landmarks(count)[:4], np.ones(4)] @ matrix.T
        np.testing.assert_allclose(points[:, :2], arrays[f"crop{count}_pt_crop_first4"], atol=1e-4)


@pytest.mark.parametrize("count", LAYOUTS)
def test_a_drivers_square_lies_where_it_does_officially(count: int) -> None:
    arrays, points = expected(), _landmarks(count)
    box = face_box(points, DRIVING)
    assert box.angle == 0.0
    np.testing.assert_allclose(
        box.corners, arrays[f"crop{count}_driving_bbox"], rtol=1e-6, atol=1e-4
    )
    np.testing.assert_allclose(box.side, arrays[f"crop{count}_driving_size"], rtol=1e-6)
    turned = face_box(points, Framing(DRIVING.scale, DRIVING.up, True))
    assert turned.angle == pytest.approx(arrays[f"crop{count}_driving_angle"].item(), abs=1e-6)


def test_a_photos_square_is_the_official_one_to_the_bit(source: Image) -> None:
    arrays = expected()
    out = cut(source, face_box(_landmarks(203), SOURCE))
    np.testing.assert_array_equal(out[::16, ::16], arrays["crop203_image_every16"])
    small = network_picture(out)[0].transpose(1, 2, 0) * 255
    np.testing.assert_allclose(small[::8, ::8], arrays["crop203_image256_every8"], atol=1e-4)


def test_the_mask_is_the_official_one() -> None:
    arrays = expected()
    back = arrays["paste_M_c2o"][:2]
    mask = cv2.warpAffine(official_mask(), back, (256, 256), flags=cv2.INTER_LINEAR)
    np.testing.assert_allclose(mask[::4, ::4] / 255, arrays["paste_mask_every4"], atol=1e-6)


def test_pasting_back_is_the_official_one(source: Image, shared: Path) -> None:
    with np.load(shared / "liveportrait_reference" / "dev.npz") as arrays:
        out = pasted(arrays["prediction_u8"], source, arrays["paste_M_c2o"])
        difference = np.abs(out.astype(int) - arrays["paste_result"])
    # The made-up photo itself is rounded the other way in one value of 196,608.
    assert difference.max() <= 1 and (difference > 0).sum() <= 3


def test_pasting_back_keeps_what_the_mask_leaves_out(source: Image) -> None:
    back = expected()["paste_M_c2o"]
    out = pasted(np.full((OUTPUT, OUTPUT, 3), 200, np.uint8), source, back)
    mask = cv2.warpAffine(official_mask(), back[:2], (256, 256), flags=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(out[mask == 0], source[mask == 0])
    assert (out[mask == 255] == 200).all()


def _tracker_points(turn: float = 0.0) -> np.ndarray:
    from models.face.topology import neutral_face

    face = neutral_face()
    points = np.zeros((478, 3), np.float64)
    points[: len(face)] = face[:478]
    angle = np.radians(turn)
    cosine, sine = np.cos(angle), np.sin(angle)
    points[:, :2] = points[:, :2] @ np.array(((cosine, sine), (-sine, cosine)))
    return 80 * points + 300


def test_the_trackers_square_turns_with_the_face() -> None:
    straight, turned = (face_box(_tracker_points(turn), SOURCE) for turn in (0.0, 20.0))
    assert np.degrees(turned.angle - straight.angle) == pytest.approx(20, abs=0.1)
    assert turned.side == pytest.approx(straight.side, rel=1e-3)
    assert face_box(_tracker_points(20.0), DRIVING).angle == 0.0


def test_the_trackers_square_is_put_around_all_points_but_counts_without_the_forehead() -> None:
    points = _tracker_points()[:, :2]
    upright = Framing(SOURCE.scale, SOURCE.up, False)
    box = face_box(points, upright)
    least, most = points.min(0), points.max(0)
    side = 1.93 * (most - least).max()
    assert box.side == pytest.approx(side, rel=0.002)
    assert box.cy == pytest.approx((least[1] + most[1]) / 2 - 0.08 * side, abs=0.01 * side)


def test_landmarks_of_an_unknown_number_are_refused() -> None:
    with pytest.raises(ValueError, match="12"):
        face_box(np.zeros((12, 2), np.float32), SOURCE)


def test_landmarks_that_are_all_in_one_place_give_a_square() -> None:
    box = face_box(np.full((5, 2), 7.0, np.float32), SOURCE)
    assert box.side == 1.0 and np.isfinite(box.matrix(OUTPUT)).all()


def test_the_mean_square_is_that_of_all_frames() -> None:
    assert mean_box([Box(10, 20, 30), Box(20, 40, 50)]) == Box(15, 30, 40)


def test_a_large_photo_is_made_smaller_and_has_even_sides() -> None:
    assert fitted(np.zeros((2001, 1500, 3), np.uint8)).shape == (1280, 958, 3)
    assert fitted(np.zeros((301, 200, 3), np.uint8)).shape == (300, 200, 3)


@pytest.mark.parametrize("box", [Box(300, 250, 420, 0.2), Box(90, 60, 100, 0.0), Box(20, 30, 700)])
def test_a_pasted_picture_of_the_photo_itself_changes_nothing_to_see(box: Box) -> None:
    photo = np.ascontiguousarray(cv2.GaussianBlur(_noise((500, 640, 3)), (0, 0), 6), dtype=np.uint8)
    out = Paste(photo, box)(cut(photo, box))
    inside = cv2.warpAffine(
        np.ones((OUTPUT, OUTPUT), np.uint8), np.linalg.inv(box.matrix(OUTPUT))[:2], (640, 500)
    )
    np.testing.assert_array_equal(out[inside == 0], photo[inside == 0])
    # At the photo's own border a square that reaches beyond it mixes with black.
    difference = np.abs(out.astype(int) - photo)[2:-2, 2:-2]
    assert difference.mean() < 0.7
    assert difference.max() <= 24


def _noise(shape: tuple[int, ...]) -> Image:
    return np.random.default_rng(3).integers(0, 256, shape).astype(np.uint8)


def test_a_pasted_picture_fades_into_the_photo_without_a_step() -> None:
    photo, box = np.full((480, 640, 3), 60, np.uint8), Box(320, 240, 400)
    out = Paste(photo, box)(np.full((OUTPUT, OUTPUT, 3), 160, np.uint8))
    assert (out[240, 320] == 160).all() and (out[10, 10] == 60).all()
    row = out[240, :, 0].astype(int)
    assert np.abs(np.diff(row)).max() <= 5  # 100 levels over 37 pixels, half as steep again.
    assert photo.min() == photo.max() == 60


def test_a_square_beside_the_photo_touches_nothing() -> None:
    photo = _noise((40, 60, 3))
    out = Paste(photo, Box(500, 500, 100))(np.zeros((OUTPUT, OUTPUT, 3), np.uint8))
    np.testing.assert_array_equal(out, photo)


def test_the_soft_mask_is_whole_in_the_middle_and_nothing_at_the_sides() -> None:
    mask = soft_mask()
    assert mask[256, 256] == 1.0 and mask[0].max() < 1e-6 and mask[:, 0].max() < 1e-6
