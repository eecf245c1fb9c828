"""How strongly an avatar moves, by what is read of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import EYES, LOWER_LIP, UPPER_LIP
from models.face.tracker import FaceTracker
from models.mesh.backend import MeshAnimator
from models.mesh.motion import relative_motion
from models.mesh.pose import euler, fit_head, turned
from models.mesh.tracker_gain import TrackerGain
from models.types import Floats, Image, Photo
from scripts.evaluation.measures import opened


@pytest.fixture()
def face() -> Floats:
    """A frontal neutral face, one unit high, with closed lips."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        mesh = np.load(file)["neutral"] * np.array([1, -1, -1], np.float32)
    points = np.zeros((478, 3), np.float32)
    points[:468] = mesh / (mesh[152, 1] - mesh[10, 1])
    points[LOWER_LIP] = points[UPPER_LIP] + [0, 0.001, 0]
    for eye in EYES:
        points[eye.iris] = points[eye.opening].mean(0)
    return points


def reader(
    rest: Floats, left: float, right: float, mouth: float
) -> Callable[[Floats], Floats | None]:
    """Sees shares of the motion of irises and lips."""

    def look(points: Floats) -> Floats:
        seen, moved = points.copy(), points - rest
        for eye in EYES:
            seen[eye.iris] = rest[eye.iris] + moved[eye.iris] * (
                right if moved[eye.iris[0], 0] > 0 else left
            )
        seen[:468] = rest[:468] + mouth * moved[:468]
        return np.asarray(seen, np.float32)

    return look


def spoken(face: Floats) -> list[tuple[Floats, float]]:
    """Open mouths, and by how many face heights their driver has opened them."""

    def apart(points: Floats) -> float:
        return float(np.linalg.norm(points[LOWER_LIP[3:6]] - points[UPPER_LIP[3:6]], axis=1).mean())

    poses = [opened(face, gap) for gap in (0.05, 0.1)]
    return [(pose, apart(pose) - apart(face)) for pose in poses]


def test_what_reads_weakly_moves_more(face: Floats) -> None:
    weak = TrackerGain.measured(face, reader(face, 0.5, 0.9, 0.9), spoken(face))
    strong = TrackerGain.measured(face, reader(face, 0.9, 0.5, 1.1), spoken(face))
    assert weak.gaze[0] > strong.gaze[0] and weak.gaze[1] < strong.gaze[1]
    assert weak.mouth > 1 > strong.mouth
    assert weak.gaze == pytest.approx(strong.gaze[::-1], rel=1e-3)


def test_nothing_moves_beyond_measure(face: Floats) -> None:
    least = TrackerGain.measured(face, reader(face, 0.3, 3.0, 0.01), spoken(face))
    assert least.gaze == pytest.approx((1.9, 1.0)) and least.mouth == 1.25
    assert TrackerGain.measured(face, reader(face, 0.8, 0.8, 5.0), spoken(face)).mouth == 0.88


def test_wide_openings_count_most(face: Floats) -> None:
    poses = spoken(face)
    plain = reader(face, 0.8, 0.8, 1.0)

    def look(points: Floats) -> Floats | None:
        """The wide opening is read as less."""
        return plain(points if points is not poses[1][0] else face + 0.8 * (points - face))

    mean = float(np.mean([1.0, 0.8])) ** -0.6
    assert TrackerGain.measured(face, look, poses).mouth > mean
    assert TrackerGain.measured(face, plain, ()).mouth == 1.0, "nothing was looked at"


@pytest.mark.parametrize("share", [0.0, -0.5])
def test_irises_that_cannot_be_told_move_as_usual(face: Floats, share: float) -> None:
    assert TrackerGain.measured(face, reader(face, share, share, 1.0)).gaze == TrackerGain().gaze


def test_an_avatar_without_a_readable_face_moves_as_usual(face: Floats) -> None:
    assert TrackerGain.measured(face, lambda points: None) == TrackerGain()


def test_a_hidden_eye_says_nothing(face: Floats) -> None:
    plain = reader(face, 0.5, 0.5, 1.0)

    def look(points: Floats) -> Floats | None:
        seen = plain(points)
        assert seen is not None
        seen[EYES[0].iris] = face[EYES[0].iris] - 0.3 * (points - face)[EYES[0].iris]
        return seen

    assert TrackerGain.measured(face, look).gaze == TrackerGain().gaze


def test_from_unreadable_to_readable_there_is_no_step(face: Floats) -> None:
    shares = np.linspace(0.15, 0.45, 31)
    gains = [TrackerGain.measured(face, reader(face, s, s, 1.0)).gaze[0] for s in shares]
    assert np.abs(np.diff(gains)).max() < 0.09 and max(gains) > 1.5


def test_what_fails_while_looking_does_not_refuse_the_photo(
    astronaut: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = Photo(astronaut, FaceFinder().find_faces(astronaut)[0], "astronaut")

    def broken(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(FaceTracker, "track", broken)
    assert MeshAnimator().prepare(photo, 384).gain == TrackerGain()


def test_somebody_elses_face_teaches_nothing(face: Floats) -> None:
    other = face + np.array([1.5, 0, 0], np.float32)
    assert TrackerGain.measured(face, lambda points: other) == TrackerGain()


def test_the_jaw_opens_by_what_is_asked_and_the_upper_face_stays(face: Floats) -> None:
    moved = opened(face, 0.1) - face
    assert moved[14, 1] == pytest.approx(0.1, abs=0.005) and moved[152, 1] == pytest.approx(0.1)
    above = face[:468, 1] < face[78, 1]
    assert np.abs(moved[:468][above & ~np.isin(np.arange(468), LOWER_LIP)]).max() < 1e-6
    assert np.abs(moved[UPPER_LIP]).max() == 0 and np.abs(moved[468:]).max() == 0


def test_a_face_that_leans_when_it_turns_is_set_upright(face: Floats) -> None:
    """Looked at from the side; each degree of yaw reads as 0.8, with a tenth of a degree down."""
    source = turned(face, np.radians(20), 0.0, 0.0)

    def look(points: Floats) -> Floats:
        yaw = euler(fit_head(source, points).rotation)[0]
        return points if abs(yaw) < 1e-4 else turned(source, 0.8 * yaw, -0.1 * yaw, 0.0)

    response = TrackerGain.measured(source, look)
    assert response.nod == pytest.approx(0.1, abs=0.01)
    assert 1.05 < response.turn <= 1.12
    posed = relative_motion(source, source, turned(source, 0.2, 0.0, 0.0), True, response)
    yaw, pitch, _ = euler(fit_head(source, posed).rotation)
    assert yaw == pytest.approx(0.2 * response.turn, abs=0.01)
    assert pitch == pytest.approx(0.02, abs=0.005)


def test_motion_takes_the_response(face: Floats) -> None:
    driving = opened(face, 0.1)
    for eye in EYES:
        driving[eye.iris, 0] += 0.01

    def moved(response: TrackerGain) -> Floats:
        return relative_motion(face, face, driving, True, response) - face

    plain = moved(TrackerGain((1.0, 1.0), 1.0))
    more = moved(TrackerGain((1.0, 1.5), 1.1))
    iris, lip = EYES[0].iris[0], 14
    assert more[iris, 0] / plain[iris, 0] == pytest.approx(1.5, abs=0.05)
    assert more[lip, 1] / plain[lip, 1] == pytest.approx(1.1, abs=0.02)


def test_a_real_avatar_is_looked_at(astronaut: Image) -> None:
    photo = Photo(astronaut, FaceFinder().find_faces(astronaut)[0], "astronaut")
    first, again = (MeshAnimator().prepare(photo, 384).gain for _ in range(2))
    assert first.gaze[0] < 1.15, "her clear irises show more than most"
    assert np.allclose(first.gaze, again.gaze, atol=0.02), "the same avatar moves the same"


def test_the_smaller_of_two_faces_is_looked_at(astronaut: Image) -> None:
    large = cv2.resize(astronaut[:320, 60:380], (480, 480), interpolation=cv2.INTER_LINEAR)
    small = cv2.resize(astronaut[:320, 60:380], (300, 300), interpolation=cv2.INTER_AREA)
    picture = np.full((480, 800, 3), 90, np.uint8)
    picture[:, :480], picture[100:400, 490:790] = large, small
    faces = FaceFinder().find_faces(picture)
    assert len(faces) == 2 and faces[1].landmarks[1, 0] > 480
    animator = MeshAnimator()
    beside = animator.prepare(Photo(picture, faces[1], "smaller"), 800).gain
    assert beside.gaze[0] < 1.1, "as of the photo alone: her clear irises show more than most"
