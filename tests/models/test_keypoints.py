from __future__ import annotations

import numpy as np
import pytest

from models.face.topology import IRISES, LIDS, LIPS
from models.keypoints import (
    KeypointAnimator,
    KeypointFilter,
    Keypoints,
    Smoothing,
    blend,
    check_finite,
    smooth_sequence,
)
from models.types import Crop, Floats
from scripts.rigs.fakes import face

FPS = 30.0
QUICK = (*LIPS, *LIDS, *IRISES)


def real_like(count: int, noise_px: float, seed: int = 0) -> tuple[Floats, float]:
    """Landmarks (count, 478, 3) of a still, noisy face in crop units, and the pixels per unit."""
    still = face(size=250)
    crop = Crop.around(still)
    base = (still.landmarks - np.array([crop.cx, crop.cy, 0], np.float32)) / crop.half
    noise = np.random.default_rng(seed).normal(0, noise_px / crop.half, (count, 478, 3))
    return (base + noise).astype(np.float32), crop.half


def run(frames: Floats, fps: float = FPS, settings: Smoothing | None = None) -> Floats:
    smooth = KeypointFilter(settings, QUICK)
    values = [smooth(Keypoints(one), i / fps).values for i, one in enumerate(frames)]
    return np.stack(values)


@pytest.mark.parametrize("fps", [15.0, 30.0, 60.0])
def test_a_still_face_comes_out_still(fps: float) -> None:
    frames, pixels = real_like(120, 0.2)
    out = run(frames, fps)[20:]
    jitter = out[..., :2].std(axis=0).mean() * pixels
    assert frames[20:, :, :2].std(axis=0).mean() * pixels > 0.18
    assert jitter < (0.1 if fps >= 30 else 0.12)


UNMEASURED = Smoothing(noise_most=Smoothing().noise)


def test_a_grainy_camera_is_filtered_more_and_a_clean_one_as_before() -> None:
    grainy, pixels = real_like(120, 1.5)
    jitter, before = (
        run(grainy, settings=one)[40:, :, :2].std(axis=0).mean() * pixels
        for one in (None, UNMEASURED)
    )
    assert jitter < 0.65 * before
    clean, _ = real_like(60, 0.15)
    assert np.array_equal(run(clean), run(clean, settings=UNMEASURED))


def test_through_grain_blinks_and_turns_are_still_followed() -> None:
    values, course, pixels = blink(10.0, 90, 1.0, 60)
    lids = run(values)[:, list(LIDS), 1].mean(1) * pixels / 10.0
    lids -= lids[40:60].mean()
    assert lids[60:65].max() > 0.7
    values, pixels = real_like(120, 1.0)
    sweep = np.concatenate([np.zeros(60), np.linspace(0, 90, 30), np.full(30, 90.0)])
    values[:, :, 0] += (sweep / pixels).astype(np.float32)[:, None]
    late, before = (
        np.abs((values - run(values, settings=one))[65:90, :, 0].mean(1)).mean() * pixels
        for one in (None, UNMEASURED)
    )
    assert late < before + 1.5  # Of 3.1 pixels a frame: half a frame.


def blink(
    depth_px: float = 8.0, frames: int = 40, noise_px: float = 0.2, at: int = 20
) -> tuple[Floats, Floats, float]:
    """A noisy still face whose upper and lower lids move by a blink of five frames at `at`."""
    values, pixels = real_like(frames, noise_px)
    course = np.zeros(frames, np.float32)
    course[at : at + 5] = (0.5, 1.0, 1.0, 0.7, 0.3)
    values[:, list(LIDS), 1] += course[:, None] * depth_px / pixels
    return values, course, pixels


def test_a_blink_keeps_its_depth_and_is_not_late() -> None:
    values, course, pixels = blink()
    out = run(values)
    lids = out[:, list(LIDS), 1].mean(1)
    rest = lids[10:20].mean()
    moved = (lids - rest) * pixels / 8.0
    assert moved.max() > 0.9
    assert moved[20] > 0.4, "half closed in the very frame in which the driver is"
    assert int(moved.argmax()) in (21, 22)
    assert abs(moved[30:].mean()) < 0.03, "open again afterwards"


def test_a_moving_head_is_followed_without_lag() -> None:
    values, pixels = real_like(60, 0.15)
    sweep = np.concatenate([np.zeros(20), np.linspace(0, 60, 20), np.full(20, 60.0)])
    values[:, :, 0] += (sweep / pixels).astype(np.float32)[:, None]
    out = run(values)
    late = (values - out)[21:40, :, 0].mean(1) * pixels
    assert np.abs(late).max() < 0.5  # Of 3.2 pixels a frame.


def test_offline_has_no_lag_and_keeps_gaps() -> None:
    values, course, pixels = blink()
    frames: list[Keypoints | None] = [Keypoints(one) for one in values]
    frames[5] = None
    out = smooth_sequence(frames, [i / FPS for i in range(len(frames))], quick=QUICK)
    assert out[5] is None
    kept = np.stack([one.values for one in out[6:] if one is not None])
    lids = kept[:, list(LIDS), 1].mean(1)
    moved = (lids - lids[:10].mean()) * pixels / 8.0
    weights = np.clip(moved[10:26], 0, None)
    centre = (weights * np.arange(16, 32)).sum() / weights.sum()
    truth = (course * np.arange(40)).sum() / course.sum()
    assert moved.max() > 0.9
    assert abs(centre - truth) < 0.25


def test_jacobians_and_blendshapes_are_filtered_too() -> None:
    rng = np.random.default_rng(3)
    smooth = KeypointFilter()
    out = []
    for i in range(60):
        noisy = Keypoints(
            rng.normal(0, 0.001, (10, 2)).astype(np.float32),
            (np.eye(2) + rng.normal(0, 0.1, (10, 2, 2))).astype(np.float32),
            (0.5 + rng.normal(0, 0.005, 52)).astype(np.float32),
        )
        out.append(smooth(noisy, i / FPS))
    jacobians = np.stack([one.jacobians for one in out[20:] if one.jacobians is not None])
    shapes = np.stack([one.blendshapes for one in out[20:] if one.blendshapes is not None])
    assert jacobians.shape == (40, 10, 2, 2) and shapes.shape == (40, 52)
    assert jacobians.std(0).mean() < 0.05
    assert shapes.std(0).mean() < 0.0035


def test_after_a_gap_or_a_reset_nothing_of_the_past_is_left() -> None:
    smooth = KeypointFilter()
    old = Keypoints(np.zeros((5, 2), np.float32))
    new = Keypoints(np.full((5, 2), 0.001, np.float32))
    smooth(old, 0.0)
    assert np.array_equal(smooth(new, 10.0).values, new.values)
    smooth(old, 10.03)
    smooth.reset()
    assert np.array_equal(smooth(new, 10.06).values, new.values)
    other = Keypoints(np.ones((7, 2), np.float32))
    assert np.array_equal(smooth(other, 10.1).values, other.values)


def test_blend_goes_from_one_to_the_other() -> None:
    a = Keypoints(np.zeros((3, 2), np.float32), None, np.zeros(52, np.float32))
    b = Keypoints(np.ones((3, 2), np.float32), None, np.ones(52, np.float32))
    half = blend(a, b, 0.5)
    assert np.allclose(half.values, 0.5) and half.jacobians is None
    assert half.blendshapes is not None and np.allclose(half.blendshapes, 0.5)
    assert np.array_equal(blend(a, b, 1.0).values, b.values)


def test_numbers_that_are_none_are_refused_and_leave_no_trace() -> None:
    smooth = KeypointFilter()
    smooth(Keypoints(np.zeros((5, 2), np.float32)), 0.0)
    for broken in (np.nan, np.inf):
        with pytest.raises(ArithmeticError, match="not numbers"):
            smooth(Keypoints(np.full((5, 2), broken, np.float32)), 0.03)
    assert np.isfinite(smooth(Keypoints(np.ones((5, 2), np.float32)), 0.06).values).all()
    with pytest.raises(ArithmeticError):
        check_finite(Keypoints(np.zeros((5, 2)), np.full((5, 2, 2), np.nan)))


def test_the_distance_of_two_poses_is_that_of_the_keypoint_that_moves_most() -> None:
    animator = KeypointAnimator()
    one, other = Keypoints(np.zeros((3, 2))), Keypoints(np.array([[0, 0], [0.3, 0.4], [0.1, 0]]))
    assert animator.distance(one, other) == pytest.approx(0.5)
    assert animator.distance(one, animator.mix(one, other, 0.5)) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="cannot be compared"):
        animator.distance(one, Keypoints(np.zeros((4, 2))))
