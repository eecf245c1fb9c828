"""Twelve points that a person places on a picture become a face's landmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.face.face_file import face_path, read_face, read_placed, write_face, write_placed
from models.face.finder import FaceFinder
from models.face.placed import LIDS, POINTS, Placed
from models.face.topology import EYES, neutral_face, triangles
from models.mesh.pose import own_yaw
from models.photos import load_photo
from models.types import Floats
from tests import creatures

SIZE = (creatures.SIDE, creatures.SIDE)
ALL = sorted(creatures.PICTURES)


def moved(name: str, **places: tuple[float, float]) -> Placed:
    """A drawing's points, some of them elsewhere (pixels)."""
    known = creatures.placed(name)
    points = {**known.points, **{at: (x / SIZE[0], y / SIZE[1]) for at, (x, y) in places.items()}}
    return Placed(points, known.kind)


def apart(name: str) -> float:
    """The distance of the eyes' outer corners in pixels."""
    points = creatures.placed(name).points
    across = np.subtract(points["right_eye_outer"], points["left_eye_outer"]) * SIZE
    return float(np.hypot(*across))


def turned_over(landmarks: Floats) -> int:
    """How many triangles show their back although those of a face from the front do not."""

    def area(points: Floats) -> Floats:
        a, b, c = (points[triangles()[:, k], :2] for k in range(3))
        ab, ac = b - a, c - a
        return np.asarray(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])

    before, after = area(neutral_face()), area(landmarks[:468])
    wide = float(np.abs(after).sum())
    return int(((before * after < 0) & (np.abs(after) > 2e-4 * wide)).sum())


@pytest.mark.parametrize("name", ALL)
def test_a_face_goes_through_its_points(name: str) -> None:
    placed = creatures.placed(name)
    landmarks = placed.face(SIZE).landmarks
    assert landmarks.shape == (478, 3) and landmarks.dtype == np.float32
    for point, number in POINTS.items():
        away = np.linalg.norm(landmarks[number, :2] - np.multiply(placed.points[point], SIZE))
        assert away < 0.02 * apart(name), point


@pytest.mark.parametrize("name", ALL)
def test_twelve_points_do_nearly_as_well_as_sixteen(name: str) -> None:
    twelve, sixteen = (creatures.placed(name, lids).face(SIZE).landmarks for lids in (False, True))
    deviation = np.linalg.norm(twelve[:468, :2] - sixteen[:468, :2], axis=1).mean()
    assert deviation < 0.025 * apart(name)


@pytest.mark.parametrize("name", ALL)
def test_the_mesh_does_not_fold(name: str) -> None:
    assert turned_over(creatures.placed(name).face(SIZE).landmarks) <= 12


@pytest.mark.parametrize("name", ALL)
def test_lids_go_through_their_handles_and_the_iris_lies_between(name: str) -> None:
    placed = creatures.placed(name)
    landmarks = placed.face(SIZE).landmarks
    for point, number in LIDS.items():
        away = np.linalg.norm(landmarks[number, :2] - np.multiply(placed.points[point], SIZE))
        assert away < 0.03 * apart(name), point
    for eye in EYES:
        top, middle, bottom = landmarks[[eye.upper[3], eye.iris[0], eye.lower[3]], 1]
        assert top < middle < bottom


def test_a_nose_that_leans_aside_turns_the_face() -> None:
    left, right = (moved("dog", nose=(x, 240)).face(SIZE).landmarks for x in (180, 220))
    assert own_yaw(left) > 0.1 and own_yaw(right) < -0.1
    assert abs(own_yaw(creatures.placed("dog").face(SIZE).landmarks)) < 0.02


def test_long_lips_have_a_longer_snout() -> None:
    def depth(name: str) -> float:
        landmarks = creatures.placed(name).face(SIZE).landmarks
        return float(landmarks[[33, 263], 2].mean() - landmarks[4, 2]) / apart(name)

    assert depth("dog") > 1.1 * depth("cat")


WRONG = {
    "the left eye lies to the right": {
        "left_eye_outer": (288.0, 178.0),
        "right_eye_outer": (112.0, 178.0),
    },
    "nose is not above the mouth middle": {"nose": (200.0, 390.0)},
    "mouth left is not left of the mouth middle": {"mouth_left": (230.0, 275.0)},
    "forehead is not above the left eye outer": {"forehead": (200.0, 250.0)},
    "left upper lid is not above": {"left_upper_lid": (140.0, 215.0)},
    "in one place": {"left_eye_outer": (200.0, 178.0), "right_eye_outer": (203.0, 178.0)},
}


@pytest.mark.parametrize("told", sorted(WRONG))
def test_points_that_make_no_face_are_refused(told: str) -> None:
    with pytest.raises(ValueError, match=told):
        moved("cat", **WRONG[told]).face(SIZE)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"nose": None}, "nose is missing"),
        ({"nose": [0.5]}, "nose has not two numbers"),
        ({"nose": [0.5, "a"]}, "nose has not two numbers"),
        ({"nose": [0.5, float("nan")]}, "nose lies outside"),
        ({"nose": [0.5, 3]}, "nose lies outside"),
        ({"ear": [0.5, 0.5]}, "no point called 'ear'"),
    ],
)
def test_what_is_no_table_of_points_is_refused(changes: dict[str, Any], told: str) -> None:
    points = {**creatures.placed("cat").points, **changes}
    with pytest.raises(ValueError, match=told):
        Placed.of({name: at for name, at in points.items() if at is not None}, "creature")


@pytest.mark.parametrize(("kind", "snout"), [("plant", None), ("creature", 9), (3, None)])
def test_unknown_kinds_and_snouts_are_refused(kind: object, snout: object) -> None:
    with pytest.raises(ValueError, match="kind|snout"):
        Placed.of(creatures.placed("cat").points, kind, snout)


def test_points_of_known_landmarks_are_those_landmarks() -> None:
    landmarks = creatures.placed("dog").face(SIZE).landmarks
    again = Placed.on(landmarks, SIZE, "creature").face(SIZE).landmarks
    assert np.abs(again - landmarks)[:468, :2].mean() < 0.02 * apart("dog")


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    PIL.Image.fromarray(creatures.cat()).save(path)
    return path


def test_points_are_kept_beside_the_photo_and_loaded_with_it(cat: Path) -> None:
    placed = creatures.placed("cat")
    write_placed(cat, creatures.cat(), placed)
    photo = load_photo(cat, FaceFinder())
    assert photo.kind == "creature"
    assert np.abs(photo.face.landmarks - placed.face(SIZE).landmarks).max() < 0.1
    again = read_placed(cat, creatures.cat())
    assert again is not None and again.listed() == placed.listed()


def test_landmarks_are_kept_as_before_and_are_a_persons(cat: Path) -> None:
    write_face(cat, creatures.cat(), creatures.placed("cat").face(SIZE).landmarks)
    face = read_face(cat, creatures.cat())
    assert face is not None and face.kind == "person"
    assert read_placed(cat, creatures.cat()) is None
    content = json.loads(face_path(cat).read_text())
    face_path(cat).write_text(json.dumps({**content, "kind": "drawing"}))
    face = read_face(cat, creatures.cat())
    assert face is not None and face.kind == "drawing"


@pytest.mark.parametrize(
    "changes",
    [{"kind": "plant"}, {"placed": 3}, {"placed": {}}, {"width": 4000}, {"snout": "long"}],
)
def test_a_wrong_file_is_told_in_a_sentence(cat: Path, changes: dict[str, Any]) -> None:
    write_placed(cat, creatures.cat(), creatures.placed("cat"))
    content = json.loads(face_path(cat).read_text())
    face_path(cat).write_text(json.dumps({**content, **changes}))
    with pytest.raises(UserError, match=r"cannot be used .*place them again"):
        load_photo(cat, FaceFinder())


def test_a_photo_without_a_face_tells_where_points_are_placed(cat: Path) -> None:
    PIL.Image.new("RGB", (256, 256), (90, 120, 90)).save(cat)
    with pytest.raises(UserError, match="place the points .* on the page"):
        load_photo(cat, FaceFinder())
