from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from models.face.moment import Moment
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.types import Face
from realtime.animation.calibration import Calibration, CalibrationState
from realtime.cameras.clip import ClipReader
from scripts.rigs.fakes import face, keypoints

FPS = 30.0


def _marked(index: int) -> Keypoints:
    return keypoints(float(index))


def offer(calibration: Calibration, faces: list[Face], start: float = 0.0) -> int | None:
    """Offer one face a frame; the index at which there was a new reference."""
    for index, one in enumerate(faces):
        if calibration.offer(one, start + index / FPS, partial(_marked, index)):
            return index
    return None


def test_it_takes_the_first_steady_moment() -> None:
    moving = [face((6.0 * i, 0)) for i in range(12)]
    still = [face((72.0, 0), seed=i) for i in range(40)]
    calibration = Calibration(patience=60)
    taken = offer(calibration, moving + still)
    assert taken is not None
    assert 12 + 10 <= taken <= 12 + 22, "half a second of it was still"
    assert calibration.state is CalibrationState.CALIBRATED
    assert calibration.reference is not None and calibration.reference.values[0, 0] == taken
    assert calibration.face is (moving + still)[taken]


def test_an_open_mouth_or_closed_eyes_are_not_taken() -> None:
    calibration = Calibration(patience=60)
    assert offer(calibration, [face(mouth=0.1, seed=i) for i in range(30)]) is None
    assert offer(calibration, [face(eyes=0.05, seed=i) for i in range(30)], start=1.0) is None
    assert calibration.state is CalibrationState.WAITING and calibration.face is None


def test_who_never_holds_still_gets_the_best_frame_and_a_better_one_later() -> None:
    restless = [
        face((12.0 * (i % 5), 0), mouth=0.02 if i == 17 else 0.1, yaw=10) for i in range(60)
    ]
    calibration = Calibration(patience=1.5)
    taken = offer(calibration, restless)
    assert taken is not None and abs(taken / FPS - 1.5) < 0.1
    assert calibration.state.value == CalibrationState.PROVISIONAL.value
    assert calibration.reference is not None and calibration.reference.values[0, 0] == 17
    assert offer(calibration, restless, start=3.0) is None, "not again and again"
    assert offer(calibration, [face(seed=i) for i in range(40)], start=6.0) is not None
    assert calibration.state is CalibrationState.CALIBRATED


@pytest.mark.parametrize("clip", ["d0.mp4", "d18.mp4"])
def test_a_real_driver_is_calibrated_without_being_asked(clip: str, shared: Path) -> None:
    path = shared / "real" / clip
    tracker, calibration = FaceTracker(), Calibration()
    moments = []
    for index, (image, seconds) in enumerate(ClipReader(path).frames()):
        found = tracker.track(image)
        assert found is not None
        moments.append(Moment.of(found))
        if calibration.offer(found, seconds, partial(_marked, index)):
            break
    assert calibration.reference is not None and seconds < 1.7
    # The driver of d0 looks aside after less than half a second; that is no reference.
    assert moments[int(calibration.reference.values[0, 0])].good


def test_on_request_it_calibrates_again() -> None:
    calibration = Calibration()
    offer(calibration, [face(seed=i) for i in range(40)])
    before = calibration.reference
    assert offer(calibration, [face((40, 0), seed=i) for i in range(40)], start=2.0) is None
    calibration.request()
    assert calibration.reference is before, "the old one serves until there is a new one"
    assert offer(calibration, [face((40, 0), seed=i) for i in range(40)], start=4.0) is not None
    assert calibration.reference is not before
    calibration.request(at_once=True)
    assert offer(calibration, [face(mouth=0.2, yaw=30)], start=6.0) == 0


def test_a_frame_that_the_backend_cannot_use_is_never_the_reference() -> None:
    calibration = Calibration()
    for i in range(90):
        assert not calibration.offer(face(seed=i), i / FPS, lambda: None)
    assert calibration.reference is None


@pytest.mark.parametrize("fps", [2, 3, 5, 10, 60])
def test_a_steady_moment_is_found_at_any_frame_rate(fps: int) -> None:
    calibration = Calibration(patience=60)
    taken = None
    for index in range(3 * fps):
        if calibration.offer(face(seed=index), index / fps, partial(_marked, index)):
            taken = index / fps
    assert taken is not None and 0.5 <= taken <= 0.5 + 1 / fps


def test_a_calibration_that_was_asked_for_can_be_undone_once() -> None:
    calibration = Calibration()
    offer(calibration, [face(seed=i) for i in range(40)])
    first, seen = calibration.reference, calibration.face
    assert first is not None and calibration.taken == 0 and not calibration.can_undo
    assert not calibration.undo(), "there is nothing to go back to"
    calibration.request(at_once=True)
    assert offer(calibration, [face((30.0, 0))], start=5.0) == 0
    assert calibration.taken == 1 and calibration.can_undo
    assert calibration.reference is not first
    assert calibration.undo()
    assert calibration.reference is first and calibration.face is seen
    assert calibration.state is CalibrationState.CALIBRATED
    assert not calibration.can_undo and not calibration.undo()


def test_another_driver_does_not_go_back_to_the_one_before() -> None:
    calibration = Calibration()
    offer(calibration, [face(seed=i) for i in range(40)])
    calibration.request(at_once=True)
    offer(calibration, [face((30.0, 0))], start=5.0)
    calibration.start_over()
    assert not calibration.can_undo
