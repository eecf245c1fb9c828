from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.moment import Moment, difference
from models.face.tracker import FaceTracker
from models.photos import load_photo
from models.types import Face
from realtime.cameras.clip import ClipReader
from scripts.rigs.fakes import face
from tests.paths import ROOT

CLIPS = ("d0.mp4", "d18.mp4", "head-pose-face-detection-female.gif")
"""Clips in which the mouth is closed now and then; that of the male GIF never is."""


def test_a_face_is_measured() -> None:
    moment = Moment.of(face(mouth=0.1, eyes=0.3, yaw=20))
    assert abs(np.degrees(moment.yaw) - 20) < 1
    assert abs(moment.mouth - 0.1) < 0.01
    assert abs(moment.eyes - 0.3) < 0.03
    assert Moment.of(face()).good
    assert abs(Moment.of(face(gaze=0.2)).gaze - 0.2) < 0.01
    for fault in (face(mouth=0.08), face(eyes=0.05), face(yaw=25), face(gaze=0.2)):
        assert not Moment.of(fault).good
        assert Moment.of(fault).badness > Moment.of(face()).badness


def test_an_open_mouth_a_look_aside_or_a_blink_are_worse_than_any_turn() -> None:
    wanted = face()
    turned = max(difference(wanted, face(yaw=angle)) for angle in (-40, -20, 20, 40))
    for unlike in (face(gaze=0.2), face(eyes=0.03), face(mouth=0.05)):
        assert difference(wanted, unlike) > turned
    assert difference(wanted, face()) == pytest.approx(0, abs=1e-5)
    slightly_turned = difference(wanted, face(yaw=4))
    assert 0 < slightly_turned < difference(wanted, face(yaw=20)) < turned
    assert difference(wanted, face(eyes=0.22)) < slightly_turned, "eyes of another shape"


def test_from_a_closed_mouth_an_open_one_can_be_reached_but_not_the_other_way() -> None:
    assert difference(face(mouth=0.05), face()) < difference(face(), face(mouth=0.05))


def test_a_photo_from_the_side_wants_a_driver_who_looks_ahead() -> None:
    assert difference(face(yaw=-30), face()) < difference(face(yaw=-30), face(yaw=-30))


def test_where_the_face_is_and_how_large_does_not_count() -> None:
    assert difference(face(), face((80, -30), size=120)) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("clip", CLIPS)
def test_no_photo_with_a_closed_mouth_gets_an_open_reference(clip: str, shared: Path) -> None:
    tracker, finder = FaceTracker(), FaceFinder()
    frames = [tracker.track(image) for image, _ in ClipReader(shared / "real" / clip).frames()]
    faces: list[Face] = [found for found in frames if found is not None]
    photos = [*sorted((shared / "real").glob("s*.jpg")), ROOT / "assets" / "face.jpg"]
    photos += sorted((shared / "fault_inputs").glob("face_*.png"))
    judged = 0
    for path in photos:
        try:
            wanted = load_photo(path, finder).face
        except UserError:
            continue  # A cat.
        if Moment.of(wanted).mouth > 0.02:
            continue
        chosen = Moment.of(faces[int(np.argmin([difference(wanted, one) for one in faces]))])
        assert chosen.mouth < 0.02 and chosen.eyes > 0.16, path.name
        judged += 1
    assert judged > 10
