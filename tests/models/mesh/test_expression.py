"""What follows from what the tracker reads, on the neutral face mesh."""

from __future__ import annotations

import numpy as np
import pytest

from models.face import measures
from models.face.topology import EYES, INNER_LIPS, mirrored, neutral_face
from models.mesh.expression import emphasise
from models.mesh.motion import relative_motion
from models.mesh.pose import Similarity, from_euler
from models.types import Floats

CORNERS, CHEEKS, UNDER_EYES = [61, 291], [50, 280], [230, 450]
BESIDE_MOUTH, INNER_BROWS, OUTER_BROWS = [216, 436], [107, 336], [70, 300]
BROWS = [70, 63, 105, 66, 107, 300, 293, 334, 296, 336]
LOOKS_AHEAD = Similarity(1.0, np.eye(3, dtype=np.float32), np.zeros(3, np.float32))


@pytest.fixture()
def neutral() -> Floats:
    """A frontal neutral face in crop units, irises in the middle of open eyes."""
    points = neutral_face() / 14.0
    irises = [points[eye.opening].mean(0) for eye in EYES for _ in range(5)]
    return np.concatenate([points, irises]).astype(np.float32)


def looking(yaw: float, pitch: float) -> Similarity:
    return Similarity(1.0, from_euler(*np.radians([yaw, pitch, 0.0])), np.zeros(3, np.float32))


def shifted(points: Floats, which: list[int], right: float, up: float) -> Floats:
    """Some points moved in the picture, in face heights."""
    out = points.copy()
    out[which] += np.array([right, -up, 0], np.float32) * measures.height(points)
    return out


def further(local: Floats, reference: Floats, head: Similarity = LOOKS_AHEAD) -> Floats:
    """(478, 2): what is added, to the right and up in face heights."""
    out = local.copy()
    emphasise(out, reference, head)
    return np.asarray((out - local)[:, :2] * (1, -1) / measures.height(reference))


def test_a_face_at_rest_stays_as_it_is(neutral: Floats) -> None:
    out = neutral.copy()
    assert emphasise(out, neutral, looking(20, -10)) == (0, 0)
    assert np.array_equal(out, neutral)


def test_a_smile_raises_cheeks_and_the_skin_under_the_eyes(neutral: Floats) -> None:
    smile = shifted(neutral, CORNERS, 0, 0.05)
    added = further(smile, neutral)
    assert (added[CHEEKS, 1] > 0.01).all() and (added[UNDER_EYES, 1] > 0.008).all()
    assert np.abs(added[[*CORNERS, *INNER_LIPS, *EYES[0].opening, 152, 1, 10]]).max() < 1e-6
    assert np.allclose(added[:468, 1], added[mirrored(), 1], atol=1e-4), "both sides alike"
    one = further(shifted(neutral, [61], 0, 0.05), neutral)
    assert one[CHEEKS[0], 1] > 0.01 and abs(one[CHEEKS[1], 1]) < 0.002


def test_a_mouth_drawn_down_takes_the_skin_beside_it_along(neutral: Floats) -> None:
    down, up = (
        further(shifted(neutral, CORNERS, 0, by), neutral)[BESIDE_MOUTH, 1].mean()
        for by in (-0.03, 0.03)
    )
    assert down < -0.012 and abs(up) < 0.6 * abs(down), "up it meets the cheek"


def test_a_mouth_pulled_aside_goes_further_and_a_turned_head_pulls_none(neutral: Floats) -> None:
    lips = INNER_LIPS.tolist()
    mouth = [*CORNERS, *lips]
    pulled = further(shifted(neutral, mouth, 0.03, 0), neutral)
    assert (pulled[lips, 0] > 0.008).all() and (pulled[lips, 0] < 0.03).all()
    assert abs(pulled[152, 0]) < 0.001, "the chin stays"
    left = further(shifted(neutral, mouth, -0.03, 0), neutral)
    assert np.allclose(left[lips, 0], -pulled[lips, 0], atol=1e-3)
    little = further(shifted(neutral, mouth, 0.006, 0), neutral)
    assert np.abs(little[lips, 0]).max() < 1e-6, "noise"
    turned = further(shifted(neutral, mouth, 0.03, 0), neutral, looking(25, 0))
    assert np.abs(turned[lips, 0]).max() < 1e-6, "what a turn alone reads as"
    assert further(shifted(neutral, mouth, 0.2, 0), neutral)[lips, 0].max() < 0.046


def test_brows_go_further_and_come_together_only_when_they_go_down(neutral: Floats) -> None:
    raised = further(shifted(neutral, BROWS, 0, 0.02), neutral)
    assert (raised[BROWS, 1] > 0.004).all() and np.abs(raised[BROWS, 0]).max() < 1e-6
    lowered = further(shifted(neutral, BROWS, 0, -0.015), neutral)
    assert (lowered[BROWS, 1] < -0.003).all()
    right, left = lowered[INNER_BROWS, 0]
    assert right > 0.006 and left < -0.006, "together"
    assert np.abs(lowered[OUTER_BROWS, 0]).max() < 0.5 * right
    nodding = further(shifted(neutral, BROWS, 0, -0.01), neutral, looking(0, 18))
    assert np.abs(nodding[BROWS]).max() < 1e-6


def test_brows_that_are_guessed_to_close_in_stay(neutral: Floats) -> None:
    guess = shifted(shifted(neutral, [107, 66], 0.01, 0), [336, 296], -0.01, 0)
    out = guess.copy()
    emphasise(out, neutral, LOOKS_AHEAD)
    assert np.allclose(out[INNER_BROWS, 0], neutral[INNER_BROWS, 0], atol=1e-4)


def test_a_blink_raises_no_brow(neutral: Floats) -> None:
    blink = shifted(neutral, BROWS, 0, 0.012)
    for eye in EYES:
        blink[eye.upper] = blink[eye.lower]
    assert np.abs(further(blink, neutral)[BROWS]).max() < 1e-6


def squinting(points: Floats, by: float) -> Floats:
    """Eyes that are read as narrowed by a share from above, as the tracker reads every squint."""
    out = points.copy()
    for eye in EYES:
        out[eye.upper] += by * (out[eye.lower] - out[eye.upper])
    return out


def test_a_smiling_eye_is_narrowed_by_the_lower_lid(neutral: Floats) -> None:
    smile = shifted(neutral, CORNERS, 0, 0.05)
    for eye in EYES:
        span = np.linalg.norm(neutral[eye.upper[3]] - neutral[eye.lower[3]])
        grave, glad, wide = (
            (relative_motion(neutral, neutral, driving) - neutral)[:, 1] / span
            for driving in (squinting(neutral, 0.15), squinting(smile, 0.15), smile)
        )
        assert grave[eye.upper[3]] > 0.15 and abs(grave[eye.lower[3]]) < 0.02
        assert glad[eye.lower[3]] < -0.12 and abs(glad[eye.upper[3]]) < 0.08
        assert np.abs(wide[eye.opening]).max() < 0.03, "a smile alone narrows no eye"


def test_a_blink_of_a_smiling_face_comes_from_above(neutral: Floats) -> None:
    smile = shifted(neutral, CORNERS, 0, 0.05)
    moved = relative_motion(neutral, neutral, squinting(smile, 0.95)) - neutral
    for eye in EYES:
        span = np.linalg.norm(neutral[eye.upper[3]] - neutral[eye.lower[3]])
        assert moved[eye.upper[3], 1] / span > 0.9 and abs(moved[eye.lower[3], 1]) / span < 0.1
