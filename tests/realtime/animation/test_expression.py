"""Expressions that are added to the driver's own, and come and go without a jump."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from models.animator import Slider
from models.keypoints import Keypoints
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.animation.expression import Expression
from realtime.frames import CameraFrame
from scripts.rigs.fakes import FakeAnimator, FakeTracker, avatar, camera_image, face

FPS = 30.0


class FakeEditor(FakeAnimator):
    """Has one slider, which moves the avatar to the right."""

    editor = (Slider("right", "Right", 0.0, 1.0, 0.0),)

    def edited(
        self, avatar: Any, values: Mapping[str, float], onto: Keypoints | None = None
    ) -> Keypoints:
        base: Keypoints = avatar.rest if onto is None else onto
        if not values:
            return base
        moved = np.array([values.get("right", 0.0), 0.0], np.float32)
        return Keypoints(base.values + moved)


def test_it_eases_in_and_out_and_from_one_to_the_other() -> None:
    expression = Expression()
    assert not expression.step(0.0) and not expression.moving
    expression.want({"smile": 1.0})
    assert expression.moving
    seen = [expression.step(1 + at / 100).get("smile", 0.0) for at in range(0, 26, 2)]
    assert seen[0] == 0 and seen[-1] == 1 and seen == sorted(seen)
    assert max(np.diff(seen)) < 0.2
    assert not expression.moving
    expression.want({"lids": -1.0})
    expression.step(2.0)
    half = expression.step(2.1)
    assert abs(half["smile"] - 0.5) < 0.05 and abs(half["lids"] + 0.5) < 0.05
    expression.want(None)
    assert expression.step(2.1) == half
    assert expression.step(2.4) == {}


def test_a_change_of_mind_goes_on_from_where_the_face_is() -> None:
    expression = Expression()
    expression.want({"smile": 1.0})
    expression.step(0.0)
    before = expression.step(0.08)["smile"]
    expression.want({"smile": -1.0})
    assert expression.step(0.08)["smile"] == before
    assert expression.step(0.09)["smile"] < before + 0.01


def run(animator: FakeAnimator, faces: Any) -> Animation:
    return Animation(animator, FakeTracker(faces), avatar(), calibration=Calibration(patience=0.1))


def levels(animation: Animation, start: int, count: int) -> list[int]:
    found = []
    for index in range(start, start + count):
        frame = animation.step(CameraFrame(camera_image(), index / FPS, index))
        found.append(int(frame.image[0, 0, 0]))
    return found


def test_it_is_added_to_the_drivers_motion_and_taken_back_without_a_jump() -> None:
    animation = run(FakeEditor(), lambda index: face((20.0 if index > 30 else 0.0, 0.0)))
    before = levels(animation, 0, 80)[-1]
    animation.expression.want({"right": 0.5})
    coming = levels(animation, 80, 20)
    assert coming[-1] == before + 50
    assert max(np.diff([before, *coming])) < 20
    animation.expression.want(None)
    going = levels(animation, 100, 20)
    assert going[-1] == before
    assert min(np.diff([coming[-1], *going])) > -20


def test_it_is_shown_while_no_camera_frame_comes() -> None:
    animation = run(FakeEditor(), lambda index: face())
    levels(animation, 0, 40)
    at = 40 / FPS
    while (followed := animation.idle(at)) is not None:
        animation.draw(followed)
        at += 1 / FPS
    animation.expression.want({"right": 0.5})
    shown = []
    while (followed := animation.idle(at)) is not None:
        shown.append(int(animation.draw(followed).image[0, 0, 0]))
        at += 1 / FPS
    assert shown[-1] == 150 and shown[0] < 120


def test_a_backend_without_sliders_shows_the_driver_alone() -> None:
    animation = run(FakeAnimator(), lambda index: face())
    before = levels(animation, 0, 60)[-1]
    animation.expression.want({"right": 0.5})
    assert levels(animation, 60, 20)[-1] == before
    assert animation.faults == 0
