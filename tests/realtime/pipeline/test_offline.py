from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.face.orientation import turned, turned_points
from models.keypoints import Keypoints
from models.types import Face, Image
from realtime.frames import AvatarFrame
from realtime.pipeline.offline import animate
from realtime.pipeline.stretches import best_frame
from scripts.rigs.fakes import (
    FakeAnimator,
    FakeClip,
    FakeTracker,
    PlainComposer,
    avatar,
    face,
    keypoints,
    shows_camera,
)

SHAPE = (48, 64, 3)
"""Of the pictures of `FakeClip`."""


class Kept:
    def __init__(self) -> None:
        self.frames: list[AvatarFrame] = []
        self.times: list[float] = []

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        self.frames.append(frame)
        self.times.append(seconds)


def run(
    faces: Any, count: int = 40, clip: FakeClip | None = None, **options: Any
) -> tuple[Any, list[AvatarFrame], list[float]]:
    animator, sink = FakeAnimator(), Kept()
    animator.fail = options.pop("fail", {})
    report = animate(
        animator,
        avatar(),
        face(),
        clip or FakeClip(count),
        FakeTracker(faces),
        PlainComposer(),
        sink,
        **options,
    )
    return report, sink.frames, sink.times


def level(frame: AvatarFrame) -> int:
    return int(frame.image[0, 0, 0])


def sliding(index: int) -> Face | None:
    """5 pixels to the right a frame, at rest from frame 20 on."""
    return face((5.0 * min(index, 20), 0))


def test_every_frame_is_animated_from_the_reference() -> None:
    report, frames, _ = run(sliding, reference=0)
    assert report.frames == len(frames) == 40 and report.reference == 0
    assert level(frames[0]) == pytest.approx(100, abs=1)
    assert level(frames[-1]) == pytest.approx(100 + 100 * 100 / 190, abs=2)
    levels = [level(frame) for frame in frames]
    assert levels == sorted(levels)
    assert not any(shows_camera(frame.image) for frame in frames)


def test_another_reference_is_the_new_rest() -> None:
    _, frames, _ = run(sliding, reference=39)
    assert level(frames[39]) == 100 and level(frames[0]) < 60


def test_the_best_frame_is_the_one_most_like_the_source() -> None:
    faces: list[Face | None] = [face(mouth=0.4 - 0.02 * i, yaw=15 - i) for i in range(20)]
    faces[14] = None
    wanted = face((50, 20), size=77, mouth=0.12, yaw=1)
    assert best_frame(wanted, faces) in (13, 15)
    report, _, _ = run(lambda index: faces[index], count=20)
    assert report.reference == 19 and report.without_face == 1, "the photo's mouth is closed"


def test_frames_without_a_face_hold_and_then_rest() -> None:
    def faces(index: int) -> Face | None:
        return None if 30 <= index < 70 else sliding(index)

    report, frames, _ = run(faces, count=90, reference=0)
    assert report.frames == 90 and report.without_face == 40
    levels = [level(frame) for frame in frames]
    assert levels[30:36] == [levels[29]] * 6
    assert levels[65] == 100 and levels[-1] == levels[29]
    assert np.abs(np.diff(levels)).max() <= 8


def test_a_clip_that_begins_without_a_face_begins_with_the_photo_at_rest() -> None:
    _, frames, _ = run(lambda index: None if index < 10 else sliding(index), reference=12)
    assert [level(frame) for frame in frames[:10]] == [100] * 10


@pytest.mark.parametrize(
    ("faces", "options", "message"),
    [
        (lambda index: None, {}, "No face was found"),
        (sliding, {"reference": 40}, "from 0 to 39"),
        (lambda index: None if index == 3 else sliding(index), {"reference": 3}, "shows no face"),
        (sliding, {"clip": FakeClip(0)}, "no frames"),
    ],
)
def test_what_cannot_be_animated_is_one_sentence(faces: Any, options: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(faces, **options)


def test_a_frame_that_cannot_be_rendered_repeats_the_last_one() -> None:
    def explode() -> Any:
        raise RuntimeError("no memory")

    report, frames, _ = run(sliding, reference=0, fail={"render": explode})
    assert report.frames == len(frames) == 40 and report.faults == 40
    assert "no memory" in report.last_fault
    assert level(frames[-1]) == 40, "the still"


def test_a_frame_whose_keypoints_are_not_numbers_holds_the_pose_before() -> None:
    calls = iter(range(40))

    def odd() -> Keypoints | None:
        return keypoints(float("nan")) if next(calls) == 30 else None

    report, frames, _ = run(sliding, reference=0, fail={"observe": odd})
    assert (report.frames, report.faults, report.without_face) == (40, 1, 0)
    assert "not numbers" in report.last_fault
    assert level(frames[30]) == level(frames[29]) == pytest.approx(153, abs=2)
    assert [level(frame) for frame in frames[31:]] == [level(frames[29])] * 9


def test_a_reference_whose_keypoints_are_not_numbers_is_one_sentence() -> None:
    with pytest.raises(UserError, match="cannot serve as the reference"):
        run(sliding, reference=0, fail={"observe": lambda: keypoints(float("nan"))})


def test_every_frame_keeps_its_time() -> None:
    times = [0.0, 0.04, 0.08, 0.2, 0.24, 0.4]
    report, frames, written = run(sliding, clip=FakeClip(6, fps=25.0, times=times), reference=0)
    assert report.frames == len(frames) == 6 and written == times


def test_progress_tells_of_every_pass() -> None:
    told: dict[str, int] = {}

    def progress(what: str, done: int, total: int) -> None:
        told[what] = done
        assert total == 40

    run(sliding, reference=0, progress=progress)
    assert len(told) == 3 and set(told.values()) == {40}


def test_after_a_cut_motion_is_measured_against_a_frame_after_it() -> None:
    """The picture jumps aside by a face and nearer; the head does the same as before."""

    def faces(index: int) -> Face | None:
        x = 2.0 * (index % 20)
        return face((x, 0)) if index < 40 else face((x + 300, -40), size=140)

    report, frames, _ = run(faces, count=100)
    assert report.cuts == 1 and report.without_face == 0
    assert 40 <= report.reference < 100, "of the longer part"
    levels = np.array([level(frame) for frame in frames])
    assert np.abs(levels - 100).max() < 45, "it does not stand aside"


def test_what_jumps_for_a_moment_is_no_cut_and_neither_is_a_quick_head() -> None:
    def mistaken(index: int) -> Face | None:
        return face((250.0, 0)) if index == 20 else face((1.0 * index, 0))

    assert run(mistaken)[0].cuts == 0
    assert run(lambda index: face((30.0 * (index % 4), 0)))[0].cuts == 0


@pytest.mark.parametrize("fps", [5.0, 30.0, 120.0])
def test_a_cut_is_one_at_any_frame_rate(fps: float) -> None:
    def faces(index: int) -> Face | None:
        return face() if index < 20 else replace(face((400.0, 0)), take=1)

    assert run(faces, clip=FakeClip(40, fps=fps))[0].cuts == 1


def test_a_chosen_reference_is_that_of_its_part_alone() -> None:
    def faces(index: int) -> Face | None:
        return (
            face((3.0 * index, 0)) if index < 20 else replace(face((300 + 3.0 * index, 0)), take=1)
        )

    report, frames, _ = run(faces, reference=3)
    assert report.reference == 3 and level(frames[3]) == 100
    with pytest.raises(UserError, match="shows no face"):
        run(lambda index: None if index == 3 else faces(index), reference=3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_clip_that_is_turned_is_turned_back(turns: int) -> None:
    def upright(index: int) -> Face:
        return face((2.0 * min(index, 20), 0))

    def askew(index: int) -> Face | None:
        one = upright(index)
        return replace(one, landmarks=turned_points(one.landmarks, turns, SHAPE))

    class Askew(FakeClip):
        def frames(self) -> Iterator[tuple[Image, float]]:
            for image, moment in super().frames():
                assert image.shape == SHAPE
                yield turned(image, turns), moment

    plain, expected, _ = run(upright, reference=0)
    report, frames, _ = run(askew, clip=Askew(40), reference=0)
    assert plain.turned == () and report.turned == (360 - 90 * turns,)
    assert [level(frame) for frame in frames] == [level(frame) for frame in expected]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_camera_that_is_turned_in_the_middle_is_no_motion(turns: int) -> None:
    def upright(index: int) -> Face:
        return face((2.0 * min(index, 20), 0))

    def askew(index: int) -> Face | None:
        one = upright(index)
        if not 15 <= index < 30:
            return one
        return replace(one, landmarks=turned_points(one.landmarks, turns, SHAPE))

    class Askew(FakeClip):
        def frames(self) -> Iterator[tuple[Image, float]]:
            for index, (image, moment) in enumerate(super().frames()):
                yield turned(image, turns if 15 <= index < 30 else 0), moment

    _, expected, _ = run(upright, reference=0)
    report, frames, _ = run(askew, clip=Askew(40), reference=0)
    assert report.turned == (360 - 90 * turns,)
    assert [level(frame) for frame in frames] == [level(frame) for frame in expected]


def test_a_cut_to_a_camera_that_leans_begins_another_part() -> None:
    def faces(index: int) -> Face | None:
        one = face()
        if index < 20:
            return one
        middle = one.landmarks.mean(axis=0)
        cos, sin = np.cos(1.0), np.sin(1.0)
        turning = np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]])
        points = (one.landmarks - middle) @ turning + middle
        return replace(one, landmarks=points.astype(np.float32))

    report, _, _ = run(faces)
    assert report.cuts == 1 and report.turned == ()
