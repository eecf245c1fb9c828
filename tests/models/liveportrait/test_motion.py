"""Keypoints from what the motion network says: the official numbers, and what goes beyond them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.liveportrait import motion
from models.liveportrait.heads import Heads
from models.liveportrait.motion import State
from models.liveportrait.ratios import OPEN_LIPS, opened_eyes, ratios
from models.modes import Motion
from models.types import Floats
from tests.models.liveportrait.reference import expected, landmarks
from tests.models.liveportrait.small_networks import SmallEngine

NEAR = 1e-4
"""The largest difference to the official arrays that is allowed."""

IMAGE_BY_VIDEO: tuple[tuple[str, Motion, motion.Region, str], ...] = (
    ("relative_pose", "relative", "all", ""),
    ("relative_pose_stitch", "relative", "all", "stitch"),
    ("relative_default", "relative", "all", "stitch friendly"),
    ("relative_default_nostitch", "relative", "all", "friendly"),
    ("relative_default_mult1.5", "relative", "all", "stitch friendly further"),
    ("relative_lipzero", "relative", "all", "stitch friendly shut"),
    ("relative_lipzero_nostitch", "relative", "all", "shut"),
    *((f"relative_region_{part}", "relative", part, "") for part in motion.REGIONS[1:]),
    *((f"absolute_region_{part}", "absolute", part, "") for part in motion.REGIONS),
    ("absolute_stitch", "absolute", "all", "stitch"),
    ("relative_eye", "relative", "all", "eyes still"),
    ("relative_lip", "relative", "all", "lips still"),
    ("relative_eye_lip_stitch", "relative", "all", "eyes lips still stitch"),
    ("absolute_eye_lip_stitch", "absolute", "all", "eyes lips stitch"),
)
"""Arrays `x_d_image_*`, and what the official pipeline was told to do for each."""

IMAGE_BY_IMAGE: tuple[tuple[str, Motion, motion.Region], ...] = (
    ("relative_all", "relative", "all"),
    ("relative_lip", "relative", "lip"),
    ("relative_eyes", "relative", "eyes"),
    ("relative_pose", "relative", "pose"),
    ("absolute_all", "absolute", "all"),
)

VIDEO: tuple[tuple[str, Motion, motion.Region, bool], ...] = (
    ("video_relative_all", "relative", "all", False),
    ("video_relative_region_exp", "relative", "exp", False),
    ("video_absolute_all", "absolute", "all", False),
    ("video_by_image_relative_all", "relative", "all", True),
    ("video_by_image_absolute_all", "absolute", "all", True),
)


class Case:
    """The reference's photo, its driver and its source video."""

    def __init__(self) -> None:
        """Read the arrays."""
        self.arrays = expected()
        self.engine = SmallEngine()
        self.heads = _heads(self.arrays, "M_source_", 0)
        self.source = State.of(self.heads)
        self.x_s = motion.keypoints(self.heads)
        self.driver_heads = [_heads(self.arrays, "M_driving_", i) for i in range(5)]
        self.driver = [State.of(heads) for heads in self.driver_heads]
        raw = {name: self.arrays[f"video_{name}"] for name in ("pitch", "yaw", "roll")}
        angles = {
            f"video_{name}": np.array([[motion.angle(row)] for row in values])
            for name, values in raw.items()
        }
        self.video_heads = [_heads({**self.arrays, **angles}, "video_", i) for i in range(5)]
        self.source_ratios = ratios(landmarks("lmk_source", (203, 2), 100, 412))
        self.driver_ratios = [
            ratios(points) for points in landmarks("lmk_driving", (5, 203, 2), 100, 412)
        ]

    def lips(self, target: float) -> Floats:
        """What takes the photo's lips to a ratio."""
        return self.engine.lip_delta(self.x_s, self.source_ratios.lips, target)

    def eyes(self, target: float) -> Floats:
        """What takes the photo's eyes to a ratio."""
        source = self.source_ratios
        return self.engine.eye_delta(self.x_s, source.left, source.right, target)


def _heads(arrays: Mapping[str, Any], prefix: str, i: int) -> Heads:
    pitch, yaw, roll, scale = (
        float(arrays[prefix + name][i, 0]) for name in ("pitch", "yaw", "roll", "scale")
    )
    t, kp, exp = (arrays[prefix + name][i] for name in ("t", "kp", "exp"))
    return Heads(pitch, yaw, roll, scale, t, kp.reshape(21, 3), exp.reshape(21, 3))


@pytest.fixture(scope="module")
def case() -> Case:
    """The arrays of the reference."""
    return Case()


def test_the_small_copy_is_part_of_the_reference(case: Case, shared: Path) -> None:
    with np.load(shared / "liveportrait_reference" / "dev.npz") as whole:
        for name in case.arrays:
            if not name.startswith("video_"):
                np.testing.assert_array_equal(case.arrays[name], whole[name], err_msg=name)
        every = {name for name in whole.files if name.startswith(("x_", "kalman_"))}
        assert every <= set(case.arrays)


@pytest.mark.parametrize("name", ["pitch", "yaw", "roll"])
def test_an_angle_is_the_expectation_of_its_bins(case: Case, name: str) -> None:
    found = motion.angle(case.arrays[f"M_source_raw_{name}"])
    assert found == pytest.approx(float(case.arrays[f"M_source_{name}"][0, 0]), abs=NEAR)


def test_turns_and_keypoints_are_the_official_ones(case: Case) -> None:
    for heads, turn in zip(
        [case.heads, *case.driver_heads],
        [case.arrays["M_source_R"][0], *case.arrays["M_driving_R"]],
        strict=True,
    ):
        np.testing.assert_allclose(State.of(heads).turn, turn, atol=NEAR)
    np.testing.assert_allclose(case.x_s, case.arrays["x_s"][0], atol=NEAR)
    for heads, points in zip(case.driver_heads, case.arrays["x_driving"], strict=True):
        np.testing.assert_allclose(motion.keypoints(heads), points, atol=NEAR)
    for heads, points in zip(case.video_heads, case.arrays["x_s_video"], strict=True):
        np.testing.assert_allclose(motion.keypoints(heads), points, atol=NEAR)


def test_stitching_moves_keypoints_by_the_official_delta(case: Case) -> None:
    driving = case.arrays["x_driving"][2]
    found = motion.stitched(driving, case.arrays["stitch_delta"])
    np.testing.assert_allclose(found, case.arrays["stitched"][0], atol=NEAR)
    np.testing.assert_allclose(case.engine.stitch(case.x_s, driving), found, atol=NEAR)


def test_ratios_and_their_deltas_are_the_official_ones(case: Case) -> None:
    arrays, source = case.arrays, case.source_ratios
    np.testing.assert_allclose((source.left, source.right), arrays["eye_ratio_source"][0], NEAR)
    assert source.lips == pytest.approx(arrays["lip_ratio_source"].item(), rel=NEAR)
    for found, eyes, lips in zip(
        case.driver_ratios, arrays["eye_ratio_driving"], arrays["lip_ratio_driving"], strict=True
    ):
        np.testing.assert_allclose((found.left, found.right, found.lips), [*eyes, *lips], NEAR)
    second = case.driver_ratios[2]
    np.testing.assert_allclose(case.eyes(second.left), arrays["eye_delta"][0], atol=NEAR)
    np.testing.assert_allclose(case.lips(second.lips), arrays["lip_delta"][0], atol=NEAR)
    plausible = case.engine.eye_delta(case.x_s, 0.30, 0.28, 0.05)
    np.testing.assert_allclose(plausible, arrays["eye_delta_plausible"][0], atol=NEAR)
    plausible = case.engine.lip_delta(case.x_s, 0.12, 0)
    np.testing.assert_allclose(plausible, arrays["lip_delta_plausible"][0], atol=NEAR)


@pytest.mark.parametrize(("name", "mode", "region", "told"), IMAGE_BY_VIDEO)
def test_a_photo_driven_by_a_video_moves_as_officially(
    case: Case, name: str, mode: Motion, region: motion.Region, told: str
) -> None:
    want = case.arrays[f"x_d_image_{name}"]
    shut = case.lips(0.0) if "shut" in told and case.source_ratios.lips >= OPEN_LIPS else 0.0
    asked = [
        motion.placed(case.heads.kp, motion.driven(case.source, now, case.driver[0], mode, region))
        for now in case.driver
    ]
    for i, points in enumerate(asked):
        before: Any = 0.0
        if "eyes" in told.split():
            before = before + case.eyes(case.driver_ratios[i].left)
        if "lips" in told.split():
            before = before + case.lips(case.driver_ratios[i].lips)
        # The official pipeline drops the motion where it retargets: "still".
        driving = case.x_s if "still" in told else points
        if "friendly" in told:
            driving = motion.friendly(case.x_s, driving, asked[0])
        found = motion.finished(
            case.x_s,
            driving,
            case.engine.stitch if "stitch" in told else None,
            before,
            shut,
            1.5 if "further" in told else 1.0,
        )
        np.testing.assert_allclose(found, want[i], atol=NEAR)


@pytest.mark.parametrize(("name", "mode", "region"), IMAGE_BY_IMAGE)
def test_a_photo_driven_by_a_picture_moves_as_officially(
    case: Case, name: str, mode: Motion, region: motion.Region
) -> None:
    state = motion.driven_by_image(case.source, case.driver[2], mode, region)
    found = motion.placed(case.heads.kp, state)
    np.testing.assert_allclose(found, case.arrays[f"x_d_image_by_image_{name}"][0], atol=NEAR)


@pytest.mark.parametrize(("name", "mode", "region", "image"), VIDEO)
def test_a_video_as_source_moves_as_officially(
    case: Case, name: str, mode: Motion, region: motion.Region, image: bool
) -> None:
    sources = [State.of(heads) for heads in case.video_heads]
    drivers = case.driver[2:3] if image else case.driver
    states = motion.driven_video(sources, drivers, mode, region)
    for i, (heads, state) in enumerate(zip(case.video_heads, states, strict=True)):
        found = motion.placed(heads.kp, state)
        np.testing.assert_allclose(found, case.arrays[f"x_d_{name}"][i], atol=NEAR)


def test_a_video_as_source_with_shut_lips_and_opened_eyes_moves_as_officially(case: Case) -> None:
    want = case.arrays["x_d_video_relative_all_stitch_lipzero_eye"]
    sources = [State.of(heads) for heads in case.video_heads]
    states = motion.driven_video(sources, case.driver, "relative")
    openings = [ratios(points) for points in landmarks("lmk_source_video", (5, 203, 2), 100, 412)]
    target = opened_eyes(openings[0])
    for i, (heads, state) in enumerate(zip(case.video_heads, states, strict=True)):
        x_s, own = motion.keypoints(heads), openings[i]
        shut: Any = 0.0
        if own.lips >= OPEN_LIPS:
            shut = case.engine.lip_delta(x_s, own.lips, 0.0)
        eyes = case.engine.eye_delta(x_s, own.left, own.right, target)
        found = motion.finished(
            x_s, motion.placed(heads.kp, state), case.engine.stitch, after=shut + eyes
        )
        np.testing.assert_allclose(found, want[i], atol=NEAR)


@pytest.mark.parametrize(
    ("name", "multiplier"), [("x_d_animal", 1.0), ("x_d_animal_stitch_mult1.75", 1.75)]
)
def test_an_animal_moves_as_officially(case: Case, name: str, multiplier: float) -> None:
    asked = [
        motion.placed(case.heads.kp, motion.driven_animal(case.source, now)) for now in case.driver
    ]
    stitch = case.engine.stitch if "stitch" in name else None
    for points, want in zip(asked, case.arrays[name], strict=True):
        driving = motion.friendly(case.x_s, points, asked[0])
        found = motion.finished(case.x_s, driving, stitch, multiplier=multiplier)
        np.testing.assert_allclose(found, want, atol=NEAR)


def test_the_ratio_of_hulls_is_the_official_one(case: Case) -> None:
    found = motion.hull_ratio(case.x_s, case.arrays["x_driving"][0])
    assert found == pytest.approx(float(case.arrays["motion_multiplier_driving0"]), abs=NEAR)


def test_a_hull_whose_sides_have_four_corners_is_not_counted_twice() -> None:
    corners = np.array([(x, y, z) for x in (0, 2) for y in (0, 1) for z in (0, 3)], float)
    inside = np.array([(1.0, 0.5, 1.0), (0.5, 0.2, 2.0)])
    assert motion.hull_volume(np.concatenate([corners, inside])) == pytest.approx(6.0, rel=1e-6)


@pytest.mark.parametrize("variance", ["3e-7", "1e-5"])
def test_the_smoother_is_the_official_one(case: Case, variance: str) -> None:
    found = motion.smoothed(case.arrays["kalman_in"], float(variance))
    want = case.arrays[f"kalman_out_{variance}"]
    np.testing.assert_allclose(found.reshape(want.shape), want, atol=NEAR * 0.01)


def test_retargeting_keeps_the_motion_of_all_else(case: Case) -> None:
    now = motion.driven(case.source, case.driver[3], case.driver[0], "relative")
    half = motion.without(now, case.source, motion.LIDS, 0.5)
    whole = motion.without(now, case.source, motion.LIDS, 1.0)
    lids = np.zeros((21, 3), bool)
    lids[tuple(zip(*motion.LIDS, strict=True))] = True
    np.testing.assert_array_equal(whole.exp[~lids], now.exp[~lids])
    np.testing.assert_array_equal(whole.exp[lids], case.source.exp[lids])
    np.testing.assert_allclose(half.exp, (now.exp + whole.exp) / 2, atol=1e-7)
    assert whole.turn is now.turn and whole.scale == now.scale
    points = motion.finished(
        case.x_s, motion.placed(case.heads.kp, whole), case.engine.stitch, case.eyes(0.05)
    )
    still = motion.finished(case.x_s, case.x_s, case.engine.stitch, case.eyes(0.05))
    assert np.abs(points - still).max() > 0.05


def test_states_mix_on_the_straight_way(case: Case) -> None:
    start, end = case.driver[0], case.driver[4]
    middle = motion.mix(start, end, 0.25)
    np.testing.assert_allclose(middle.exp, 0.75 * start.exp + 0.25 * end.exp, atol=1e-7)
    assert middle.scale == pytest.approx(0.75 * start.scale + 0.25 * end.scale)
    assert motion.mix(start, end, 0.0).finite()
    assert not State(start.turn * np.nan, start.exp, 1.0, start.t).finite()


@pytest.mark.parametrize(
    ("gap", "upper", "lower", "slope", "offset"),
    [("left", 159, 145, 1.19, -0.035), ("right", 386, 374, 1.20, -0.034), ("lips", 13, 14, 1, 0)],
)
def test_the_trackers_points_give_official_ratios_by_a_line(
    gap: str, upper: int, lower: int, slope: float, offset: float
) -> None:
    points = np.zeros((478, 3), np.float32)
    points[[133, 263, 291], 0] = 40.0
    points[upper, 1], points[lower, 1] = -5.0, 5.0
    assert getattr(ratios(points), gap) == pytest.approx(slope * 0.25 + offset, abs=1e-6)
    points[upper, 1] = points[lower, 1]
    assert getattr(ratios(points), gap) == 0.0


def test_ratios_of_other_landmarks_are_refused() -> None:
    with pytest.raises(ValueError, match="68"):
        ratios(np.zeros((68, 2), np.float32))
