"""Landmarks in a file beside a photo: written, read, and refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.face.face_file import face_path, read_face, write_face
from models.types import Image
from tests.placed_face import placed

IMAGE: Image = np.zeros((300, 400, 3), np.uint8)
LANDMARKS = placed(400, 300)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return tmp_path / "face.jpg"


def change(photo: Path, edit: Callable[[Any], object]) -> None:
    """Write a good file and let `edit` spoil what it holds."""
    path = write_face(photo, IMAGE, LANDMARKS)
    content = json.loads(path.read_text("utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_what_is_written_is_read_again(photo: Path) -> None:
    assert read_face(photo, IMAGE) is None
    assert write_face(photo, IMAGE, LANDMARKS) == face_path(photo)
    face = read_face(photo, IMAGE)
    assert face is not None and face.landmarks.dtype == np.float32 and face.score == 1
    assert np.abs(face.landmarks - LANDMARKS).max() < 1e-3
    assert sorted(path.name for path in photo.parent.iterdir()) == ["face.jpg.face.json"]


def test_points_are_fractions_so_that_a_copy_of_another_size_has_the_same_face(
    photo: Path,
) -> None:
    write_face(photo, IMAGE, LANDMARKS)
    content = json.loads(face_path(photo).read_text("utf-8"))
    assert (content["version"], content["width"], content["height"]) == (1, 400, 300)
    assert content["landmarks"][10] == pytest.approx((LANDMARKS[10] / [400, 300, 400]).tolist())
    # Halved, with its sides rounded up.
    face = read_face(photo, np.zeros((1201, 1599, 3), np.uint8))
    assert face is not None
    assert np.abs(face.landmarks - LANDMARKS * [1599 / 400, 1201 / 300, 1599 / 400]).max() < 1e-2


def test_photos_that_differ_in_their_ending_have_faces_of_their_own(photo: Path) -> None:
    write_face(photo, IMAGE, LANDMARKS)
    assert read_face(photo.with_suffix(".png"), IMAGE) is None


def test_a_later_face_takes_the_place_of_the_earlier_one(photo: Path) -> None:
    write_face(photo, IMAGE, LANDMARKS)
    write_face(photo, IMAGE, LANDMARKS + np.float32(7))
    face = read_face(photo, IMAGE)
    assert face is not None
    assert np.abs(face.landmarks - LANDMARKS - 7).max() < 1e-3


def deep(content: Any) -> None:
    nested: list[Any] = []
    for _ in range(500):
        nested = [nested]
    content["landmarks"] = nested


def moved_out(content: Any) -> None:
    for point in content["landmarks"]:
        point[0] += 0.6


def mirrored(content: Any) -> None:
    for point in content["landmarks"]:
        point[0] = 1 - point[0]


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda content: content.update(version=2), "not of version 1"),
        (lambda content: content.pop("version"), "not of version 1"),
        (lambda content: content.pop("landmarks"), "does not hold 478 points"),
        (lambda content: content["landmarks"].pop(), "does not hold 478 points"),
        (lambda content: content["landmarks"].append([0.5, 0.5, 0]), "does not hold 478 points"),
        (lambda content: content["landmarks"][3].pop(), "not three numbers"),
        (lambda content: content["landmarks"].__setitem__(3, 0.5), "not three numbers"),
        (lambda content: content["landmarks"][3].__setitem__(0, "0.5"), "not a number"),
        (lambda content: content["landmarks"][3].__setitem__(0, None), "not a number"),
        (lambda content: content["landmarks"][3].__setitem__(0, True), "not a number"),
        (lambda content: content["landmarks"][3].__setitem__(0, float("nan")), "far outside"),
        (lambda content: content["landmarks"][3].__setitem__(2, float("inf")), "far outside"),
        (lambda content: content["landmarks"][3].__setitem__(1, 2.5), "far outside"),
        (lambda content: content["landmarks"][3].__setitem__(1, -1.5), "far outside"),
        (lambda content: content["landmarks"][3].__setitem__(1, 10**400), "too large"),
        (lambda content: content.update(landmarks=[[0.5, 0.1, 0]] * 478), "do not form a face"),
        (lambda content: content["landmarks"].sort(), "do not form a face"),
        (mirrored, "do not form a face"),
        (deep, "does not hold 478 points"),
        (moved_out, "most of the face lies outside"),
        (lambda content: content.update(width=300), "another shape"),
        (lambda content: content.update(width=0), "another shape"),
        (lambda content: content.update(height=-300), "another shape"),
        (lambda content: content.update(height=float("nan")), "another shape"),
        (lambda content: content.pop("height"), "not a number"),
    ],
)
def test_a_file_of_something_else_is_refused_in_one_sentence(
    photo: Path, edit: Callable[[Any], object], reason: str
) -> None:
    change(photo, edit)
    with pytest.raises(UserError, match=reason) as caught:
        read_face(photo, IMAGE)
    told = str(caught.value)
    assert str(face_path(photo)) in told and "delete this file" in told and "\n" not in told


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000, b" " * 300_000, b"9" * 10_000],
)
def test_bytes_of_something_else_are_refused(photo: Path, content: bytes) -> None:
    face_path(photo).write_bytes(content)
    with pytest.raises(UserError, match="delete this file to have the face searched for"):
        read_face(photo, IMAGE)


def test_a_folder_in_its_place_is_refused(photo: Path) -> None:
    face_path(photo).mkdir()
    with pytest.raises(UserError, match="no file at all"):
        read_face(photo, IMAGE)


def test_a_photo_with_the_longest_name_has_no_such_file(tmp_path: Path) -> None:
    assert read_face(tmp_path / f"{'x' * 250}.jpg", IMAGE) is None


def test_points_that_would_be_refused_are_not_written(photo: Path) -> None:
    write_face(photo, IMAGE, LANDMARKS)
    before = face_path(photo).read_bytes()
    for bad in (LANDMARKS[:468], LANDMARKS * 5, LANDMARKS * np.nan):
        with pytest.raises(ValueError, match="points|outside"):
            write_face(photo, IMAGE, bad)
    assert face_path(photo).read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX")
def test_a_pipe_is_not_waited_for(photo: Path) -> None:
    os.mkfifo(face_path(photo))
    with pytest.raises(UserError, match="no file at all"):
        read_face(photo, IMAGE)


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be kept in .*missing"):
        write_face(tmp_path / "missing" / "face.jpg", IMAGE, LANDMARKS)
