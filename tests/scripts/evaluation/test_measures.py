"""The measures of `scripts.evaluation` on made-up faces and pictures whose answers are known."""

from __future__ import annotations

from importlib.resources import files

import cv2
import numpy as np
import pytest

from models.face.topology import EYES, INNER_LIPS, LOWER_LIP, UPPER_LIP
from models.mesh.pose import from_euler
from models.types import Crop, Floats, Image
from scripts.evaluation import measures


@pytest.fixture()
def neutral() -> Floats:
    """A frontal neutral face, 140 pixels wide or so, irises in the middle of open eyes."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        mesh = np.load(file)["neutral"]
    points = mesh * np.array([10, -10, -10], np.float32) + np.array([200, 220, 0], np.float32)
    irises = [points[eye.opening].mean(0) for eye in EYES for _ in range(5)]
    return np.asarray(np.concatenate([points, irises]), np.float32)


@pytest.fixture()
def texture() -> Image:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 255, (256, 256, 3)).astype(np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.uint8)


def test_a_neutral_face_has_no_motion(neutral: Floats) -> None:
    found = measures.motions(neutral, neutral)
    assert found["lids"] == pytest.approx(1.0)
    for name in ("gaze", "yaw", "pitch", "roll"):
        assert found[name] == pytest.approx(0.0, abs=0.05), name


@pytest.mark.parametrize("angles", [(20, 0, 0), (0, -12, 0), (0, 0, 15)])
def test_head_angles_come_back_in_degrees(neutral: Floats, angles: tuple[float, ...]) -> None:
    turn = from_euler(*np.radians(angles))
    centre = neutral.mean(0)
    moved = ((neutral - centre) @ turn.T * 1.3 + centre + 7).astype(np.float32)
    found = measures.motions(moved, neutral)
    assert [found[name] for name in ("yaw", "pitch", "roll")] == pytest.approx(angles, abs=0.1)
    assert found["lids"] == pytest.approx(1.0, abs=0.25)


def test_mouth_lids_and_gaze_have_their_units_at_any_size(neutral: Floats) -> None:
    height = float(np.linalg.norm(neutral[152, :2] - neutral[10, :2]))
    before = measures.motions(neutral, neutral)["mouth"]
    moved = neutral.copy()
    moved[UPPER_LIP, 1] -= 0.03 * height
    moved[LOWER_LIP, 1] += 0.07 * height
    for eye in EYES:
        moved[eye.upper] = moved[eye.lower] + 0.6 * (moved[eye.upper] - moved[eye.lower])
        width = abs(float(np.diff(moved[eye.corners, 0])[0]))
        moved[eye.iris, 0] += 0.2 * width
    for size in (1.0, 2.5):
        found = measures.motions(np.asarray(moved * size, np.float32), neutral)
        assert found["mouth"] - before == pytest.approx(0.1, abs=0.003)
        assert found["lids"] == pytest.approx(0.6, abs=0.02)
        assert found["gaze"] == pytest.approx(0.2, abs=0.02)


def test_closed_eyes_have_no_gaze(neutral: Floats) -> None:
    shut = neutral.copy()
    for eye in EYES:
        shut[eye.upper] = shut[eye.lower]
    found = measures.motions(shut, neutral)
    assert found["lids"] < 0.05
    assert np.isnan(found["gaze"])


def expressive(neutral: Floats) -> Floats:
    """A mouth aside by 0.02 and up by 0.03, brows up by 0.04, lids closed by a fifth."""
    tall = float(np.linalg.norm(neutral[152, :2] - neutral[10, :2]))
    moved = neutral.copy()
    moved[[61, 291]] += np.array([0.02, -0.03, 0], np.float32) * tall
    moved[[70, 63, 105, 66, 107, 300, 293, 334, 296, 336], 1] -= 0.04 * tall
    for eye in EYES:
        moved[eye.upper] += 0.2 * (moved[eye.lower] - moved[eye.upper])
    return moved


@pytest.mark.parametrize(("angles", "size"), [((0, 0, 0), 1.0), ((8, -5, 6), 2.5)])
def test_expressions_are_read_in_the_heads_own_frame(
    neutral: Floats, angles: tuple[float, ...], size: float
) -> None:
    assert measures.expressions(neutral, neutral) == pytest.approx(
        dict.fromkeys(measures.EXPRESSIONS, 0.0), abs=1e-5
    )
    moved = expressive(neutral)
    turned = (moved - moved.mean(0)) @ from_euler(*np.radians(angles)).T * size + 100
    found = measures.expressions(np.asarray(turned, np.float32), neutral)
    assert [found[name] for name in ("aside", "smile", "brows")] == pytest.approx(
        [0.02, 0.03, 0.04], abs=0.004
    )
    assert found["squint"] == pytest.approx(0.2, abs=0.03)


def test_expressions_of_a_turned_head_and_squints_of_a_blink_are_not_told(neutral: Floats) -> None:
    turned = (neutral - neutral.mean(0)) @ from_euler(*np.radians([12.0, 0, 0])).T
    assert np.isnan(
        list(measures.expressions(np.asarray(turned, np.float32), neutral).values())
    ).all()
    shut = neutral.copy()
    for eye in EYES:
        shut[eye.upper] = shut[eye.lower]
    found = measures.expressions(shut, neutral)
    assert np.isnan(found.pop("squint")) and np.isfinite(list(found.values())).all()


def test_turns_beyond_the_limits_are_told_apart(neutral: Floats) -> None:
    for yaw, pitch, far in ((34, 0, False), (36, 0, True), (0, -24, False), (0, 26, True)):
        turn = from_euler(*np.radians([yaw, pitch, 0.0]))
        middle = neutral.mean(0)
        turned = np.asarray((neutral - middle) @ turn.T + middle, np.float32)
        assert measures.beyond(measures.motions(turned, neutral)) is far


def test_a_statue_has_no_irises_and_a_photo_has(neutral: Floats) -> None:
    stone = np.full((400, 400, 3), 140, np.uint8)
    assert not measures.irises_show(stone, neutral)
    person, points = stone.copy(), neutral.copy()
    for eye in EYES:
        width = float(np.linalg.norm(points[eye.corners[0]] - points[eye.corners[1]]))
        centre = points[eye.iris[0], :2]
        around = 0.18 * width * np.array([[1, 0], [0, 1], [-1, 0], [0, -1]], np.float32)
        points[eye.iris[1:], :2] = centre + around
        cv2.circle(person, np.rint(centre).astype(int).tolist(), round(0.18 * width), 60, -1)
        person[..., 1:] = person[..., :1]
    assert measures.irises_show(person, points)


def test_the_slope_ignores_a_few_failures() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, 100)
    y = 0.8 * x + 0.3 + rng.normal(0, 0.02, 100)
    y[:6] += 5.0
    assert measures.robust_slope(x, y) == pytest.approx(0.8, abs=0.02)
    found = measures.agreement(x.tolist(), y.tolist(), 0.5)
    assert found.gain == pytest.approx(0.8, abs=0.02)
    assert found.correlation is not None and found.correlation < 0.9, "failures still show"


def test_nothing_is_told_of_a_driver_that_does_not_move() -> None:
    still = (np.arange(50) * 1e-3).tolist()
    found = measures.agreement(still, still, 0.1)
    assert found.correlation is None and found.gain is None
    assert found.span == pytest.approx(0.047, abs=0.003)
    lost = measures.agreement([0.0, 1.0, 2.0, 3.0], [float("nan")] * 4, 0.1)
    assert lost.correlation is None


def test_a_result_that_stands_still_has_no_gain() -> None:
    found = measures.agreement(np.linspace(0, 1, 50).tolist(), [0.4] * 50, 0.1)
    assert found.correlation == 0.0
    assert found.gain == pytest.approx(0.0, abs=1e-6)


def test_landmark_distance_is_in_units(neutral: Floats) -> None:
    moved = neutral + np.array([3, 4, 100], np.float32)
    assert measures.landmark_distance(neutral, moved, 2.0) == pytest.approx(2.5)
    moved[measures.LIPS] = neutral[measures.LIPS]
    assert measures.landmark_distance(neutral, moved, 2.0, measures.LIPS) == 0.0


def test_blur_lowers_gradient_energy_only_where_it_is(texture: Image) -> None:
    left = np.array([[10, 10], [110, 10], [110, 240], [10, 240]], np.float32)
    right = left + np.array([130, 0], np.float32)
    blurred = texture.copy()
    blurred[:, :128] = cv2.GaussianBlur(texture, (0, 0), 3)[:, :128]
    before = measures.gradient_energy(texture, left)
    assert measures.gradient_energy(blurred, left) < 0.3 * before
    assert measures.gradient_energy(blurred, right) == measures.gradient_energy(texture, right)


def test_only_corners_count_as_corners(texture: Image) -> None:
    changed = texture.copy()
    changed[60:200, 60:200] = 0
    assert measures.corner_change(changed, texture) == 0.0
    changed[:21, :21] = texture[:21, :21] ^ 128
    assert measures.corner_change(changed, texture) == pytest.approx(32.0)


def test_jitter_is_the_spread_in_pixels(neutral: Floats) -> None:
    rng = np.random.default_rng(0)
    track = [neutral + rng.normal(0, 0.2, neutral.shape) for _ in range(80)]
    assert measures.jitter(track) == pytest.approx(0.2, rel=0.05)
    assert measures.jitter([neutral] * 5) == 0.0


def test_a_cut_is_the_square_at_the_wanted_size(texture: Image) -> None:
    assert (measures.cut(texture, Crop(127.5, 127.5, 128), 256) == texture).all()
    inner = measures.cut(texture, Crop(63.5, 95.5, 32), 64)
    assert (inner == texture[64:128, 32:96]).all()


def test_the_mouth_crop_holds_the_lips(neutral: Floats) -> None:
    crop = measures.mouth_crop(neutral)
    apart = np.abs(neutral[measures.LIPS, :2] - np.array([crop.cx, crop.cy])).max()
    assert 0.6 * crop.half < apart < crop.half


def parted(neutral: Floats) -> Floats:
    """The face with its lower lip and all below let down by a tenth of its height."""
    points = neutral.copy()
    below = points[:468, 1] > points[[13, 14], 1].mean()
    below[LOWER_LIP], below[UPPER_LIP] = True, False
    points[:468, 1] += np.where(below, 0.1 * np.linalg.norm(neutral[152] - neutral[10]), 0)
    return points


def test_parted_lips_are_measured_by_the_height_of_the_face(neutral: Floats) -> None:
    apart = measures.parted(parted(neutral)) - measures.parted(neutral)
    assert apart == pytest.approx(0.1, abs=0.02)


def test_contrast_counts_between_the_lips_alone_and_not_the_whole_brightness(
    neutral: Floats, texture: Image
) -> None:
    face = parted(neutral)
    texture = np.asarray(cv2.resize(texture, (512, 512)), np.uint8)
    mask = np.zeros(texture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [face[INNER_LIPS, :2].round().astype(np.int32)], 255)
    inside = mask[..., None] > 0
    plain = np.where(inside, np.uint8(90), texture)
    brighter = np.where(inside, np.uint8(200), texture)
    assert measures.local_contrast(plain, face) < 1
    assert measures.local_contrast(brighter, face) < 1
    assert measures.local_contrast(texture, face) > 4


def test_a_tooth_is_measured_by_the_skin(neutral: Floats) -> None:
    face = parted(neutral)
    side = int(face[:, :2].max()) + 20
    picture = np.full((side, side, 3), 100, np.uint8)
    cv2.fillPoly(picture, [face[INNER_LIPS, :2].round().astype(np.int32)], (150, 150, 150))
    assert measures.brightest_tooth(picture, face) == pytest.approx(1.5, abs=0.02)
