from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.animator import Motion
from models.errors import UserError
from models.face.orientation import turned_points
from models.keypoints import Keypoints
from models.types import Avatar, Face, Image
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration, CalibrationState
from realtime.animation.presence import Presence
from realtime.frames import AvatarFrame, CameraFrame
from scripts.rigs.fakes import (
    FakeAnimator,
    FakeTracker,
    avatar,
    camera_image,
    face,
    keypoints,
    shows_camera,
)

FPS = 30.0


class Run:
    """An animation with a fake animator and a clock of its own."""

    def __init__(self, faces: Any, motion: Motion = "relative", patience: float = 60) -> None:
        self.animator = FakeAnimator()
        self.tracker = FakeTracker(faces)
        self.animation = Animation(
            self.animator,
            self.tracker,
            avatar(),
            motion=motion,
            calibration=Calibration(patience=patience),
        )
        self.index = 0

    def steps(self, count: int) -> list[AvatarFrame]:
        out = []
        for _ in range(count):
            out.append(
                self.animation.step(CameraFrame(camera_image(), self.index / FPS, self.index))
            )
            self.index += 1
        return out

    def calibrated(self) -> Run:
        self.steps(40)
        assert self.animation.calibration_state is CalibrationState.CALIBRATED
        return self


def level(frame: AvatarFrame) -> int:
    return int(frame.image[0, 0, 0])


def moving(index: int) -> Face:
    """Still for 40 frames, then 95 pixels to the right: half a crop unit (the face is 200 high)."""
    return face((95.0 if index >= 40 else 0.0, 0.0))


def test_before_calibration_the_still_goes_out() -> None:
    run = Run([None, face(mouth=0.2)])
    for frame in run.steps(30):
        assert frame.image is run.animation.avatar.still
        assert frame.captured_at is None and not frame.live
    assert run.animation.face_found


def test_the_avatar_follows_the_face() -> None:
    run = Run(moving).calibrated()
    frames = run.steps(30)
    assert level(frames[-1]) == 150
    assert all(frame.live and frame.captured_at is not None for frame in frames)
    levels = [level(frame) for frame in frames]
    assert levels == sorted(levels)


def test_absolute_motion_needs_no_calibration() -> None:
    run = Run([face(mouth=0.2, yaw=30)], motion="absolute")
    frames = run.steps(20)
    assert frames[-1].live and 90 < level(frames[-1]) < 110


def test_without_a_face_it_holds_then_eases_back_and_in_again_without_a_jump() -> None:
    def faces(index: int) -> Face | None:
        return None if 70 <= index < 120 else moving(index)

    run = Run(faces).calibrated()
    run.steps(30)
    away = run.steps(50)
    assert [level(frame) for frame in away[:9]] == [150] * 9, "held"
    assert level(away[-1]) == 100, "at rest"
    assert away[-1].captured_at is None and away[-1].live
    assert not run.animation.face_found
    back = run.steps(30)
    assert level(back[-1]) == 150
    levels = [150] + [level(frame) for frame in away + back]
    assert np.abs(np.diff(levels)).max() <= 7


def test_one_missed_frame_is_hardly_seen() -> None:
    def faces(index: int) -> Face | None:
        return None if index == 70 else moving(index)

    run = Run(faces).calibrated()
    run.steps(30)
    assert [level(frame) for frame in run.steps(10)] == [150] * 10


def test_a_new_calibration_does_not_jump() -> None:
    run = Run(moving).calibrated()
    run.steps(30)
    run.animation.recalibrate(at_once=True)
    levels = [150] + [level(frame) for frame in run.steps(30)]
    assert levels[-1] == 100
    assert np.abs(np.diff(levels)).max() <= 7


def test_a_calibration_asked_for_while_another_begins_is_not_forgotten() -> None:
    run = Run(moving).calibrated()
    asked: list[bool] = []

    def request(at_once: bool) -> None:
        asked.append(at_once)
        if len(asked) == 1:
            run.animation.recalibrate(at_once=True)  # As another thread may just then.

    run.animation._calibration.request = request  # type: ignore[method-assign,assignment]
    run.animation.recalibrate()
    run.steps(3)
    assert asked == [False, True]


def test_another_avatar_comes_at_the_next_frame() -> None:
    run = Run(moving).calibrated()
    other = avatar(200)
    run.animation.set_avatar(other)
    run.steps(30)
    assert run.animation.avatar is other
    assert level(run.steps(1)[0]) == 150


def bad_keypoints() -> Keypoints:
    return Keypoints(np.full((5, 2), np.nan, np.float32))


def explode() -> Any:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("stage", "fault"),
    [
        ("observe", explode),
        ("observe", bad_keypoints),
        ("pose", explode),
        ("pose", bad_keypoints),
        ("pose", lambda: Keypoints(np.zeros((4, 2), np.float32))),
        ("render", explode),
        ("render", lambda: np.zeros((8, 8, 3), np.uint8)),
        ("render", lambda: np.zeros((32, 32, 3), np.float32)),
        ("render", lambda: "picture"),
    ],
)
def test_on_a_fault_the_last_avatar_frame_goes_out(stage: str, fault: Any) -> None:
    run = Run(lambda index: face((index * 1.0 if index > 40 else 0.0, 0))).calibrated()
    before = run.steps(5)[-1]
    run.animator.fail[stage] = fault
    for frame in run.steps(5):
        assert frame.image is before.image
        assert frame.captured_at is None and frame.live
    assert run.animation.faults == 5
    assert run.animation.last_fault is not None and "\n" not in run.animation.last_fault
    assert run.tracker.resets == 0, "a fault says nothing about who is followed"
    run.animator.fail.clear()
    assert run.steps(5)[-1].image is not before.image, "it recovers"
    assert run.animation.faults == 5


def test_on_a_fault_before_anything_was_shown_the_still_goes_out() -> None:
    run = Run(lambda index: explode())
    frame = run.steps(3)[-1]
    assert frame.image is run.animation.avatar.still and not frame.live
    assert run.animation.faults == 3


def test_no_frame_ever_shows_the_camera() -> None:
    rng = np.random.default_rng(5)

    def faces(index: int) -> Face | None:
        chance = rng.random()
        if chance < 0.1:
            raise RuntimeError("tracker")
        return None if chance < 0.2 else moving(index)

    run = Run(faces, patience=0.5)
    for index in range(200):
        run.animator.fail.clear()
        if index % 7 == 0:
            run.animator.fail[("observe", "pose", "render")[index % 3]] = explode
        assert not shows_camera(run.steps(1)[0].image)
    assert run.animation.faults > 20


def test_warm_up_never_raises_and_shows_nothing() -> None:
    run = Run(lambda index: explode())
    run.animation.warm_up()
    assert run.animation.faults == 1
    run = Run([face()])
    run.animation.warm_up()
    assert run.animation.faults == 0 and run.tracker.resets == 1
    assert not run.steps(1)[0].live


def test_the_stages_are_timed() -> None:
    run = Run(moving).calibrated()
    run.steps(10)
    times = run.animation.times
    for stage in ("track", "motion"):
        assert times[stage].count == 50
    assert 0 < times["render"].count <= 50
    median = times["track"].overall(50)
    assert median is not None and 0 < median < time.perf_counter()


def test_presence_can_start_in_a_pose() -> None:
    presence = Presence(FakeAnimator(), keypoints(), start=keypoints(0.5))
    assert presence.step(keypoints(0.6), 0.0).values[0, 0] == np.float32(0.6)


def test_another_face_far_away_is_reached_without_a_jump() -> None:
    poses = [face((200.0 * (index >= 60) * (-1) ** (index // 10), 0.0)) for index in range(140)]
    run = Run(lambda index: poses[min(index, 139)]).calibrated()
    run.steps(100)
    shown = np.array([pose.values[0, 0] for pose in run.animator.rendered])
    assert np.ptp(shown) > 1.0, "it does move"
    assert np.abs(np.diff(shown)).max() <= 5.0 / 30 + 1e-4


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_clocks_that_jump_are_not_seen(jump: float) -> None:
    run = Run(moving).calibrated()
    plain = Run(moving).calibrated()
    run.steps(10)
    plain.steps(10)
    step = run.animation.follow
    run.animation.follow = lambda frame: step(  # type: ignore[method-assign]
        CameraFrame(frame.image, frame.captured_at + jump, frame.index)
    )
    levels = [level(frame) for frame in run.steps(30)]
    assert levels == sorted(levels) and levels[-1] == 150
    assert np.abs(np.diff(levels)).max() <= 17


def test_without_camera_frames_the_avatar_goes_to_rest_and_comes_back() -> None:
    run = Run(moving).calibrated()
    run.steps(30)
    levels = [150]
    now = run.index / FPS + 1.0
    while (followed := run.animation.idle(now)) is not None:
        frame = run.animation.draw(followed)
        levels.append(level(frame))
        assert frame.captured_at is None
        now += 1 / FPS
        assert len(levels) < 200
    assert levels[-1] == 100 and len(levels) > 15
    run.index += 200
    levels += [level(frame) for frame in run.steps(40)]
    assert levels[-1] == 150
    assert np.abs(np.diff(levels)).max() <= 7
    run.animation.set_avatar(other := avatar(200))
    run.index += 100
    shown = run.animation.idle(now)
    assert shown is not None and shown.scene.avatar is other
    assert run.animation.idle(now) is None


def test_frames_of_other_kinds_are_still_frames() -> None:
    run = Run(moving).calibrated()
    run.steps(30)
    kinds = [camera_image(128, 96), camera_image()[..., 0], camera_image()[..., :1]]
    for image in kinds:
        frame = run.animation.step(CameraFrame(image, run.index / FPS, run.index))
        assert frame.live and level(frame) == 150
    assert run.animation.faults == 0
    torn: Any = None
    assert run.animation.step(CameraFrame(torn, 0.0, 0)).live and run.animation.faults == 1


def test_a_face_counts_as_found_while_the_next_frame_is_looked_at() -> None:
    """The status is read at any time, also in the middle of a frame."""
    told: list[bool] = []

    def look(index: int) -> Face | None:
        told.append(run.animation.face_found)
        return face() if index < 5 else None

    run = Run(look)
    run.steps(7)
    assert told == [False, True, True, True, True, True, False]


class Person(FakeAnimator):
    """A backend that knows the person: the whole picture, as opaque as it is bright."""

    broken = False

    def render_person(self, avatar: Avatar, pose: Keypoints) -> tuple[Image, Image]:
        image = self.render(avatar, pose)
        person = np.dstack([image, image[..., 0]])
        return image, person[..., : 3 if self.broken else 4]


def test_every_frame_carries_the_person_who_is_asked_for() -> None:
    run = Run(moving)
    run.animator = Person()
    run.animation = Animation(run.animator, run.tracker, avatar(), cut_out=True)
    frames = [run.animation.still(), *run.steps(60)]
    assert frames[-1].live
    for frame in frames:
        assert frame.person is not None and frame.person.shape == (*frame.image.shape[:2], 4)
    run.animator.broken = True
    faults = run.animation.faults
    (frame,) = run.steps(1)
    assert frame.person is not None and run.animation.faults == faults + 1, "the last one stays"


def test_a_backend_without_a_person_is_refused() -> None:
    with pytest.raises(UserError, match="--background"):
        Animation(FakeAnimator(), FakeTracker([None]), avatar(), cut_out=True)
    assert Run([None]).steps(1)[0].person is None


def test_calibrating_again_looks_for_the_face_anew_but_for_a_locked_one() -> None:
    run = Run(moving).calibrated()
    for at_once in (True, False):
        before = run.tracker.resets
        run.animation.recalibrate(at_once)
        run.steps(1)
        assert run.tracker.resets == before + 1
    run.animation.look_for(face())
    run.steps(3)
    assert run.tracker.resets == 3, "when the search begins, not at each better match"
    run.tracker.lock(True)
    run.animation.recalibrate()
    run.steps(1)
    assert run.tracker.resets == 3


def test_after_a_cut_motion_is_measured_anew() -> None:
    """The picture jumps by more than a face; the tracker says that it is another take."""

    def faces(index: int) -> Face:
        return face() if index < 60 else replace(face((230.0, 0.0)), take=1)

    run = Run(faces).calibrated()
    run.steps(20)
    levels = [level(frame) for frame in run.steps(60)]
    assert max(levels) <= 101, "the avatar does not stand aside"
    assert run.animation.calibration_state is CalibrationState.CALIBRATED


def test_a_face_that_is_turned_tells_how_to_turn_the_picture() -> None:
    upright = face()
    points = turned_points(upright.landmarks, 1, (480, 640))
    run = Run([replace(upright, landmarks=points)])
    run.steps(1)
    assert run.animation.turn == 270
    run = Run([upright])
    run.steps(1)
    assert run.animation.turn == 0
