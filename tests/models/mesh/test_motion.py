"""Relative motion in 3-D on the neutral face mesh."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from models.face.topology import (
    EYES,
    INNER_LIPS,
    LOWER_LIP,
    MOUTH_REGION,
    UPPER_LIP,
    Eye,
    triangles,
)
from models.mesh.motion import (
    Strengths,
    absolute_motion,
    ease,
    features,
    relative_motion,
    strengthen,
)
from models.mesh.pose import Similarity, euler, fit, fit_head, from_euler
from models.mesh.tracker_gain import TrackerGain
from models.types import Floats


@pytest.fixture()
def neutral() -> Floats:
    """A frontal neutral face in crop units, irises in the middle of open eyes."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        mesh = np.load(file)["neutral"]
    points = mesh * np.array([1, -1, -1], np.float32) / 14.0
    irises = []
    for eye in EYES:
        centre = points[eye.opening].mean(0)
        irises += [centre] + [centre + d for d in np.eye(3)[[0, 1, 0, 1]] * 0.02]
    return np.concatenate([points, irises]).astype(np.float32)


def pose(points: Floats, yaw: float, pitch: float, roll: float, shift: float = 0.0) -> Floats:
    rotation = from_euler(*np.radians([yaw, pitch, roll]))
    return np.asarray(points @ rotation.T + np.float32(shift), np.float32)


def gap(points: Floats) -> float:
    return float(points[LOWER_LIP[4], 1] - points[UPPER_LIP[4], 1])


def test_fit_recovers_a_similarity() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0, 1, (40, 3)).astype(np.float32)
    made = Similarity(1.7, from_euler(0.3, -0.2, 0.5), np.array([1, 2, 3], np.float32))
    found = fit(points, made(points))
    assert found.scale == pytest.approx(1.7, rel=1e-4)
    assert np.allclose(found.rotation, made.rotation, atol=1e-4)
    assert np.allclose(found.inverse(made(points)), points, atol=1e-4)


def test_euler_round_trip() -> None:
    angles = (0.4, -0.25, 0.6)
    assert euler(from_euler(*angles)) == pytest.approx(angles, abs=1e-5)


def test_no_motion_is_the_source_itself(neutral: Floats) -> None:
    source = pose(neutral, 12, -5, 3, 0.1) * 0.8
    assert np.allclose(relative_motion(source, neutral, neutral), source, atol=2e-4)


@pytest.mark.parametrize("angles", [(15, 0, 0), (0, 10, 0), (0, 0, 12), (-12, 8, -6)])
def test_head_turns_carry_over(neutral: Floats, angles: tuple[float, float, float]) -> None:
    moved = relative_motion(neutral, neutral, pose(neutral, *angles))
    found = np.degrees(euler(fit_head(neutral, moved).rotation))
    # Limits ease in, so a little is given up on the way to them.
    assert np.allclose(found, angles, atol=2.0)
    shape = fit_head(neutral, moved).inverse(moved)
    assert np.abs(shape - neutral).max() < 0.01, "a turn must not change the face"


def test_motion_turns_about_the_sources_own_axes(neutral: Floats) -> None:
    source = pose(neutral, 0, 0, 30)
    nodded = relative_motion(source, neutral, pose(neutral, 0, 10, 0))
    local = from_euler(0, 0, np.radians(30))
    motion = local.T @ fit_head(source, nodded).rotation @ local
    assert np.degrees(euler(motion)) == pytest.approx((0, 10, 0), abs=1.5)


def test_large_turns_end_in_a_limit(neutral: Floats) -> None:
    turns = [
        euler(fit_head(neutral, relative_motion(neutral, neutral, pose(neutral, a, 0, 0))).rotation)
        for a in (30, 50, 80)
    ]
    yaws = np.degrees([t[0] for t in turns])
    assert (np.diff(yaws) > 0).all() and yaws[-1] < 39


def test_a_turned_photo_turns_less_in_its_own_direction(neutral: Floats) -> None:
    source = pose(neutral, 25, 0, 0)

    def total(angle: float) -> float:
        moved = relative_motion(source, neutral, pose(neutral, angle, 0, 0))
        return float(np.degrees(euler(fit_head(neutral, moved).rotation)[0]))

    assert 30 < total(40) < 45, "not the whole way on"
    assert total(-40) < -5, "all the way back"
    assert total(5) == pytest.approx(30, abs=1.5), "small turns stay as they are"


def test_an_opened_mouth_opens_and_lips_never_cross(neutral: Floats) -> None:
    closed = neutral.copy()
    closed[LOWER_LIP] = closed[UPPER_LIP] + [0, 0.001, 0]
    opened = closed.copy()
    opened[LOWER_LIP, 1] += 0.12
    assert gap(relative_motion(closed, closed, opened)) == pytest.approx(0.121, abs=0.015)
    shut = relative_motion(closed, opened, closed)
    assert ((shut[LOWER_LIP, 1] - shut[UPPER_LIP, 1]) > -1e-4).all()


def test_a_source_with_an_open_mouth_does_not_overshoot(neutral: Floats) -> None:
    closed, opened = neutral.copy(), neutral.copy()
    closed[LOWER_LIP] = closed[UPPER_LIP] + [0, 0.001, 0]
    opened[LOWER_LIP] = closed[UPPER_LIP] + [0, 0.12, 0]
    both = gap(relative_motion(opened, closed, opened))
    assert 0.12 < both < 0.22, "less than twice the opening"


@pytest.mark.parametrize(("scale", "narrow"), [(1.0, 1.0), (0.7, 0.6)])
def test_a_blink_closes_eyes_of_any_size(neutral: Floats, scale: float, narrow: float) -> None:
    source, blink = neutral * scale, neutral.copy()
    for eye in EYES:
        middle = (source[eye.upper] + source[eye.lower]) / 2
        source[eye.upper] = middle + (source[eye.upper] - middle) * narrow
        source[eye.lower] = middle + (source[eye.lower] - middle) * narrow
        blink[eye.upper] = blink[eye.lower] + (blink[eye.upper] - blink[eye.lower]) * 0.1
    moved = relative_motion(source.astype(np.float32), neutral, blink)
    for eye in EYES:
        assert np.abs(moved[eye.upper] - moved[eye.lower]).max() < 1e-3
        # The other way round the lids must not tear open.
        wide = relative_motion(source.astype(np.float32), blink, neutral)
        before = np.linalg.norm(source[eye.upper[3]] - source[eye.lower[3]])
        assert np.linalg.norm(wide[eye.upper[3]] - wide[eye.lower[3]]) < 1.6 * before


def test_a_wink_closes_one_eye(neutral: Floats) -> None:
    wink = neutral.copy()
    wink[EYES[0].upper] = wink[EYES[0].lower]
    moved = relative_motion(neutral, neutral, wink)
    right, left = (
        np.linalg.norm(moved[e.upper[3]] - moved[e.lower[3]])
        / np.linalg.norm(neutral[e.upper[3]] - neutral[e.lower[3]])
        for e in EYES
    )
    assert right < 0.05 and left > 0.9


def test_gaze_follows(neutral: Floats) -> None:
    looking = neutral.copy()
    for eye in EYES:
        looking[eye.iris, 0] += 0.02
    moved = relative_motion(neutral, neutral, looking)
    for eye in EYES:
        # A little more than the landmarks say, which lag behind an iris that looks aside.
        assert (moved[eye.iris, 0] - neutral[eye.iris, 0]).mean() == pytest.approx(0.027, abs=0.006)


@pytest.mark.parametrize(("yaw", "share"), [(0, 0.0), (-12, 0.3), (-35, 1.0)])
def test_both_eyes_look_together_where_one_is_seen_edgewise(
    neutral: Floats, yaw: float, share: float
) -> None:
    looking = neutral.copy()
    looking[EYES[0].iris, 0] += 0.02  # The right eye, which stays the nearer one.
    shape = relative_motion(neutral, neutral, pose(looking, yaw, 0, 0))
    moved = fit_head(neutral, shape).inverse(shape) - neutral
    right, left = (float(moved[eye.iris, 0].mean()) / (1.17 * 0.02) for eye in EYES)
    assert left / right == pytest.approx(share, abs=0.25)
    assert right > 0.55, "the nearer eye has more to say"


def test_eyes_that_look_aside_are_not_sleepy(neutral: Floats) -> None:
    """Lids read a tenth lower while the irises are aside."""
    aside = neutral.copy()
    for eye in EYES:
        width = abs(float(np.diff(neutral[eye.corners, 0])[0]))
        aside[eye.iris, 0] += 0.2 * width
        aside[eye.upper] += (aside[eye.lower] - aside[eye.upper]) * 0.1
    lowered = aside.copy()
    for eye in EYES:
        lowered[eye.iris] = neutral[eye.iris]

    def opens(driving: Floats) -> float:
        moved = relative_motion(neutral, neutral, driving)
        return float(np.mean([gap_of(moved, eye) / gap_of(neutral, eye) for eye in EYES]))

    def gap_of(points: Floats, eye: Eye) -> float:
        return float(np.linalg.norm(points[eye.upper[3]] - points[eye.lower[3]]))

    assert opens(aside) > 0.97
    assert opens(lowered) == pytest.approx(0.84, abs=0.03)


def test_an_iris_that_is_misread_on_the_far_eye_does_not_move_the_lids(neutral: Floats) -> None:
    misread = neutral.copy()
    width = abs(float(np.diff(neutral[EYES[1].corners, 0])[0]))
    misread[EYES[1].iris, 0] += 0.25 * width
    plain, wrong = (
        relative_motion(neutral, neutral, pose(points, -35, 0, 0)) for points in (neutral, misread)
    )
    for eye in EYES:
        gaps = [np.linalg.norm(p[eye.upper[3]] - p[eye.lower[3]]) for p in (plain, wrong)]
        assert gaps[1] / gaps[0] == pytest.approx(1, abs=0.09)


def test_a_blink_is_whole_wherever_the_covered_iris_is_guessed(neutral: Floats) -> None:
    blink = neutral.copy()
    for eye in EYES:
        blink[eye.upper] = blink[eye.lower] + (blink[eye.upper] - blink[eye.lower]) * 0.15
        blink[eye.iris, 0] += 0.25 * abs(float(np.diff(neutral[eye.corners, 0])[0]))
    moved = relative_motion(neutral, neutral, blink)
    for eye in EYES:
        assert np.abs(moved[eye.upper] - moved[eye.lower]).max() < 1e-3


def test_a_look_down_does_not_jump_as_the_gaze_passes_the_middle(neutral: Floats) -> None:
    response = TrackerGain(gaze=(1.0, 1.9))

    def down(sideways: float) -> list[float]:
        looking = neutral.copy()
        for eye in EYES:
            looking[eye.iris] += np.array([sideways, 0.015, 0], np.float32)
        moved = relative_motion(neutral, neutral, looking, True, response) - neutral
        return [float(moved[eye.iris[0], 1]) for eye in EYES]

    assert down(-1e-4) == pytest.approx(down(1e-4), abs=2e-4)
    assert down(0.0)[0] == pytest.approx(down(0.0)[1], rel=0.02)


def test_the_lean_of_a_turn_ends_where_the_turn_ends(neutral: Floats) -> None:
    source = pose(neutral, 25, 0, 0)
    pitches = []
    for yaw in (10, 40, 60):
        moved = relative_motion(
            source, neutral, pose(neutral, yaw, 0, 0), True, TrackerGain(nod=0.2)
        )
        turned = euler(fit_head(source, moved).rotation)
        pitches.append(np.degrees(turned[1]))
    assert 1 < pitches[0] < 2.5
    assert pitches[2] < 4 and pitches[2] - pitches[1] < 0.5


def test_a_little_opening_of_an_open_mouth_does_not_jump(neutral: Floats) -> None:
    source = neutral.copy()
    source[LOWER_LIP, 1] += 0.15

    def corner(by: float) -> float:
        driving = neutral.copy()
        driving[LOWER_LIP, 1] += by
        driving[61, 0] += 0.02  # The lips widen all the while.
        return float(relative_motion(source, neutral, driving)[61, 0])

    assert corner(1e-4) == pytest.approx(corner(-1e-4), abs=3e-4)


def test_scale_adaptation(neutral: Floats) -> None:
    source = neutral * 0.5
    driving = neutral.copy()
    driving[INNER_LIPS[10:], 1] += 0.1
    driving = pose(driving, 0, 0, 0, 0.2)
    adapted = relative_motion(source, neutral, driving, adapt_scale=True)
    as_is = relative_motion(source, neutral, driving, adapt_scale=False)
    shift_adapted = (adapted - source)[10, 0]
    shift_as_is = (as_is - source)[10, 0]
    assert 0.05 < shift_adapted < 0.11
    assert shift_as_is > 1.4 * shift_adapted


def test_absolute_takes_the_drivers_shape_at_the_sources_place(neutral: Floats) -> None:
    source = pose(neutral * 0.6, 0, 0, 0, 0.3)
    driving = pose(neutral, 20, 0, 0)
    placed = absolute_motion(source, driving)
    assert np.allclose(placed[:468].mean(0), source[:468].mean(0), atol=1e-3)
    assert np.degrees(euler(fit_head(source, placed).rotation))[0] == pytest.approx(20, abs=1)
    assert fit_head(source, placed).scale == pytest.approx(1, abs=0.02)


def test_ease_is_the_identity_near_zero_and_bounded() -> None:
    assert ease(0.01, 1.0) == pytest.approx(0.01, rel=1e-3)
    assert abs(ease(-50.0, 1.0)) <= 1.0


def test_irises_stay_in_the_eyes_when_calibrated_while_looking_aside(neutral: Floats) -> None:
    def look(sideways: float) -> Floats:
        """The neutral face looking aside, in eye widths."""
        face = neutral.copy()
        for eye in EYES:
            face[eye.iris, 0] += sideways * abs(float(np.diff(face[eye.corners, 0])[0]))
        return face

    def aside(face: Floats, eye: Eye) -> float:
        """How far an iris is from the middle between the corners, in eye widths."""
        a, b = face[eye.corners, 0]
        return float((face[eye.iris[0], 0] - (a + b) / 2) / abs(b - a))

    small = relative_motion(neutral, neutral, look(0.15))
    wild = relative_motion(neutral, look(0.25), look(-0.25))
    for eye in EYES:
        moved = aside(small, eye) - aside(neutral, eye)
        assert moved == pytest.approx(1.17 * 0.15, abs=0.025), "a usual glance is not limited"
        assert -0.46 < aside(wild, eye) < -0.3


def test_full_strength_changes_nothing(neutral: Floats) -> None:
    driving = pose(neutral, 12, -6, 8, 0.1)
    driving[LOWER_LIP, 1] += 0.05
    same = strengthen(neutral, driving, Strengths())
    assert np.abs(same - driving).max() < 1e-4


def test_head_motion_is_scaled_on_its_own(neutral: Floats) -> None:
    driving = pose(neutral, 12, -6, 8, 0.1)
    driving[LOWER_LIP, 1] += 0.05
    for strength in (0.0, 0.5, 2.0):
        moved = strengthen(neutral, driving, Strengths(motion=strength))
        angles = np.degrees(euler(fit_head(neutral, moved).rotation))
        assert angles == pytest.approx(np.array([12, -6, 8]) * strength, abs=0.6)
    still = strengthen(neutral, driving, Strengths(motion=0))
    assert gap(still) - gap(neutral) == pytest.approx(0.05, abs=0.01), "the mouth still opens"


def test_expression_eyes_and_mouth_are_scaled_on_their_own(neutral: Floats) -> None:
    driving = neutral.copy()
    driving[LOWER_LIP, 1] += 0.06
    for eye in EYES:
        driving[eye.upper, 1] += 0.02

    def motions(strengths: Strengths) -> tuple[float, float]:
        moved = strengthen(neutral, driving, strengths) - neutral
        return float(moved[LOWER_LIP, 1].mean()), float(moved[EYES[0].upper, 1].mean())

    mouth, eyes = motions(Strengths())
    assert (mouth, eyes) == pytest.approx((0.06, 0.02), abs=0.003)
    assert motions(Strengths(mouth=2)) == pytest.approx((2 * mouth, eyes), abs=0.003)
    assert motions(Strengths(eyes=0)) == pytest.approx((mouth, 0), abs=0.003)
    assert motions(Strengths(expression=0.5)) == pytest.approx((mouth / 2, eyes / 2), abs=0.003)


def test_twice_a_blink_is_a_blink(neutral: Floats) -> None:
    blink = neutral.copy()
    for eye in EYES:
        blink[eye.upper] = blink[eye.lower] + (blink[eye.upper] - blink[eye.lower]) * 0.1
    for strengths in (Strengths(expression=2), Strengths(eyes=2), Strengths(2, 2, 2, 2)):
        moved = relative_motion(neutral, neutral, strengthen(neutral, blink, strengths))
        for eye in EYES:
            assert np.abs(moved[eye.upper] - moved[eye.lower]).max() < 1e-3


def test_the_skin_between_eyes_and_mouth_is_not_torn() -> None:
    """Neighbours on the mesh differ by a part of the whole strength."""
    eyes, mouth = features()
    for weights in (eyes, mouth):
        assert weights.shape == (478, 1) and 0 <= weights.min() <= weights.max() <= 1
        edges = triangles()[:, [0, 1]]
        steps = np.abs(weights[edges[:, 0], 0] - weights[edges[:, 1], 0])
        assert 0 < steps.max() < 0.95


def test_a_mouth_that_smiles_already_becomes_no_wider_than_mouths_are(neutral: Floats) -> None:
    def wide(points: Floats) -> float:
        return float(
            np.linalg.norm(points[61] - points[291]) / np.linalg.norm(points[33] - points[263])
        )

    def smiling(points: Floats, by: float) -> Floats:
        """The region of the mouth wider by a share of the distance of the eyes' corners."""
        out = points.copy()
        eyes = float(np.linalg.norm(points[33] - points[263]))
        middle = points[[61, 291], 0].mean()
        half = float(np.abs(points[[61, 291], 0] - middle).mean())
        out[MOUTH_REGION, 0] += (out[MOUTH_REGION, 0] - middle) / half * by * eyes / 2
        return out

    reference = neutral
    driving = smiling(reference, 0.22)
    smiles = smiling(reference, 0.20)
    assert wide(relative_motion(reference, reference, driving)) == pytest.approx(
        wide(driving), abs=0.05
    )
    grin = wide(relative_motion(smiles, reference, driving))
    assert wide(smiles) < grin <= 0.87
    assert np.allclose(relative_motion(smiles, reference, reference), smiles, atol=1e-4)
