"""From a camera frame to an avatar frame: track, observe, calibrate, smooth, pose, render.

The only way for anything to become an `AvatarFrame` here is through the animator's `render` or the
photo's still: a camera frame's picture is never put into one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from models.animator import (
    Animator,
    Motion,
    MotionSettings,
    Observation,
    Pose,
    Slider,
    Smoother,
    can_edit,
    knows_person,
    need_person,
)
from models.face.hidden_mouth import HiddenMouth
from models.face.orientation import quarters
from models.types import Avatar, Face, Image
from realtime.animation.calibration import Calibration, CalibrationState, Search
from realtime.animation.expression import Expression
from realtime.animation.frame_repair import (
    Fault,
    SteadyClock,
    SteadySize,
    as_rgb,
    check_numbers,
)
from realtime.animation.plausibility import Plausibility
from realtime.animation.presence import Presence
from realtime.frames import AvatarFrame, CameraFrame
from realtime.latency import Times

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuning:
    """How the driver's motion is applied; replaced as a whole.

    Attributes:
        settings: what the backend is told.
        smoothing: how strongly observations are smoothed; 0 not at all, 1 as usual.
    """

    settings: MotionSettings = field(default_factory=MotionSettings)
    smoothing: float = 1.0


class Tracker(Protocol):
    """Finds the driver's face and follows it from frame to frame."""

    @property
    def locked(self) -> bool:
        """Whether no other face takes over from the one that is followed."""
        ...

    def lock(self, on: bool) -> None:
        """Lock the face that is followed, or let others take over again."""
        ...

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        """The followed face, or None if there is none.

        Args:
            frame: (H, W, 3) RGB.
            seconds: when, on a steady clock; None: soon after the frame before.
        """
        ...

    def reset(self) -> None:
        """Forget the face that is followed."""
        ...


@dataclass(frozen=True)
class Drawn:
    """A picture of the avatar.

    Attributes:
        image: (H, W, 3).
        person: (H, W, 4), as in `AvatarFrame`; None where nobody asks for it.
    """

    image: Image
    person: Image | None = None


@dataclass
class _Scene:
    """What belongs to one avatar: replaced as a whole when the avatar changes.

    `presence` is for the thread that follows the driver, the rest for the one that draws.

    Attributes:
        animator: the backend that has made the avatar.
        cut_out: the person of each frame is wanted alone, too.
    """

    animator: Animator
    cut_out: bool
    avatar: Avatar
    presence: Presence
    still: Drawn
    shown: Drawn
    posed: Pose | None
    live: bool = False


@dataclass(frozen=True)
class Followed:
    """What one camera frame says about the avatar's pose; holds nothing of the frame's picture.

    Attributes:
        scene: the avatar and what belongs to it.
        pose: None after a fault, when the last picture is shown again.
        captured_at: when the camera frame was captured, seconds of `time.perf_counter()`; None
            where no frame was the reason.
    """

    scene: _Scene
    pose: Pose | None
    captured_at: float | None


class Animation:
    """One running animation: an avatar, its driver, and everything remembered between frames.

    A frame takes two steps, `follow` and `draw`, which may run in two threads, one frame apart;
    the other methods may be called by any thread.

    Attributes:
        tuning: how motion is applied; may be replaced at any time, by any thread.
        expression: what is added to the driver's own; likewise.
        times: how long the stages take.
        face_found: the driver's face was in the last frame that was followed.
        turn: degrees clockwise by which the camera's picture should be turned, so that the face in
            the last frame is upright.
        faults: how many there were.
        last_fault: the last of them, in one line.
    """

    def __init__(
        self,
        animator: Animator,
        tracker: Tracker,
        avatar: Avatar,
        *,
        motion: Motion = "relative",
        adapt_scale: bool = True,
        calibration: Calibration | None = None,
        times: Times | None = None,
        cut_out: bool = False,
    ) -> None:
        """Start at rest.

        Args:
            animator: the backend.
            tracker: follows the driver's face.
            avatar: what the backend prepared.
            motion: relative to the calibration, or absolute.
            adapt_scale: scale relative motion by the size of the faces.
            calibration: chooses the reference; None: a usual one.
            times: where the stages' durations go; None: a new one.
            cut_out: also give the person of each frame alone.

        Raises:
            UserError: the backend cannot tell the person from the background.
        """
        self._animator = need_person(animator) if cut_out else animator
        self.faults = 0
        self.last_fault: str | None = None
        self._tracker = tracker
        self.tuning = Tuning(MotionSettings(motion, adapt_scale))
        self._tuned = self.tuning
        self.expression = Expression()
        self._search: Search | None = None
        self._smoother: Smoother = animator.smoother()
        self._calibration = calibration or Calibration()
        if motion == "absolute":
            self._calibration.request(at_once=True)  # Any face will do.
        self._asked = threading.Lock()  # For what other threads ask for: the next two.
        self._wanted: Literal["no", "good", "now", "undo"] = "no"
        self._anew = False
        self._next: tuple[Animator, Avatar, bool] | None = None
        self._newest = animator, cut_out
        self._scene = self._scene_of(animator, avatar, cut_out)
        self._clock = SteadyClock()
        self._plausibility = Plausibility()
        self._mouth = HiddenMouth()
        self._size = SteadySize()
        self.times = times or Times()
        self.face_found = False
        self.turn = 0

    @property
    def avatar(self) -> Avatar:
        """The avatar of the last frame that was followed."""
        return self._scene.avatar

    @property
    def animator(self) -> Animator:
        """The backend."""
        return self._animator

    @property
    def backend(self) -> str:
        """The backend's name."""
        return self._animator.name

    @property
    def device(self) -> str:
        """Where it computes, and why."""
        return self._animator.device

    @property
    def sliders(self) -> Sequence[Slider]:
        """The strengths that the backend heeds."""
        return self._animator.sliders

    @property
    def calibration_state(self) -> CalibrationState:
        """Whether the reference is known."""
        return self._calibration.state

    def set_avatar(
        self, avatar: Avatar, animator: Animator | None = None, cut_out: bool | None = None
    ) -> None:
        """Animate another avatar from the next frame on; the calibration stays.

        Args:
            avatar: what the backend prepared; the one that is animated keeps its pose.
            animator: another backend, which must be calibrated anew; None: the present one.
            cut_out: also give the person of each frame alone; None: as now.

        Raises:
            UserError: the backend cannot tell the person from the background.
        """
        with self._asked:
            known, cut = self._newest
            animator, cut_out = animator or known, cut if cut_out is None else cut_out
            if cut_out:
                need_person(animator)
            self._newest = animator, cut_out
            self._next = animator, avatar, cut_out

    def start_over(self) -> None:
        """Forget the driver: what comes is of another camera, or turned otherwise.

        The avatar rests until the next calibration. For the thread that calls `follow`.
        """
        try:
            self._tracker.lock(False)
            self._tracker.reset()
        except Exception as fault:
            self.count_fault(fault)
        self._plausibility, self._mouth, self._size = Plausibility(), HiddenMouth(), SteadySize()
        self._calibration.start_over()
        if self.tuning.settings.motion == "absolute":
            self._calibration.request(at_once=True)  # Any face will do.
        self.face_found, self.turn = False, 0

    def recalibrate(self, at_once: bool = False) -> None:
        """Look for the driver's face anew, unless it is locked, and take a new reference.

        Args:
            at_once: from the very next face; else at the next good moment.
        """
        with self._asked:
            self._wanted, self._anew = "now" if at_once else "good", True

    def undo_calibration(self) -> None:
        """Go back to the reference before the one that was asked for last, if there is one."""
        with self._asked:
            self._wanted = "undo"

    @property
    def calibrations(self) -> int:
        """How many references were taken because somebody asked for one."""
        return self._calibration.taken

    @property
    def can_undo_calibration(self) -> bool:
        """Whether there is a reference to go back to."""
        return self._calibration.can_undo

    @property
    def reference_face(self) -> Face | None:
        """The driver's face at calibration, in pixels of the camera frame."""
        return self._calibration.face

    @property
    def search(self) -> Search | None:
        """The search for a better reference that goes on."""
        return self._search

    def look_for(self, wanted: Face | None) -> None:
        """Calibrate whenever the driver's face is more like another one than before.

        When it begins, the driver's face is looked for anew, unless it is locked.

        Args:
            wanted: the other face, usually the photo's; None: stop looking.
        """
        with self._asked:
            self._anew = self._anew or (wanted is not None and self._search is None)
        self._search = None if wanted is None else Search(wanted)

    def warm_up(self) -> None:
        """Run every network once, so that the first camera frame is not late; never raises."""
        scene = self._scene
        try:
            face = self._tracker.track(scene.avatar.still)
            if face is not None:
                self._animator.observe(scene.avatar.still, face, face)
            self._animator.render(scene.avatar, scene.avatar.rest)
        except Exception as fault:
            self.count_fault(fault)
        try:
            self._tracker.reset()
        except Exception as fault:
            self.count_fault(fault)

    def step(self, frame: CameraFrame) -> AvatarFrame:
        """The avatar's answer to one camera frame: `follow`, then `draw`."""
        return self.draw(self.follow(frame))

    def follow(self, frame: CameraFrame) -> Followed:
        """Find the driver in a camera frame and say how the avatar moves.

        Never raises: a fault is counted and kept in `last_fault`, and there is no pose.
        """
        scene, _ = self._present()
        try:
            return Followed(scene, self._pose(scene, frame), frame.captured_at)
        except Exception as fault:
            self.count_fault(fault)
            return Followed(scene, None, frame.captured_at)

    def idle(self, now: float) -> Followed | None:
        """What follows while no camera frame comes: the avatar eases to its neutral pose.

        Args:
            now: seconds of `time.perf_counter()`.

        Returns:
            None when nothing changes any more.
        """
        scene, new = self._present()
        if scene.presence.settled and not new and not self.expression.moving:
            return None
        seconds = self._clock(now)
        pose = scene.presence.step(None, seconds)
        return Followed(scene, self._expressed(scene, pose, seconds), None)

    def draw(self, followed: Followed) -> AvatarFrame:
        """Render the avatar in its pose, at the size of its still.

        Never raises: without a pose and on a fault, the last avatar frame (or the still) comes
        back with `captured_at` None.
        """
        scene, pose = followed.scene, followed.pose
        if pose is None or pose is scene.posed:
            return _frame(scene.shown, None, scene.live)
        if pose is scene.avatar.rest and not scene.live:
            return _frame(scene.still, None, False)
        try:
            drawn = self._render(scene, pose)
        except Exception as fault:
            self.count_fault(fault)
            return _frame(scene.shown, None, scene.live)
        scene.shown, scene.posed, scene.live = drawn, pose, True
        return _frame(drawn, followed.captured_at, True)

    def still(self) -> AvatarFrame:
        """The present avatar at rest."""
        return _frame(self._scene.still, None, False)

    def _scene_of(self, animator: Animator, avatar: Avatar, cut_out: bool) -> _Scene:
        still = self._still_of(animator, avatar, cut_out)
        presence = Presence(animator, avatar.rest)
        return _Scene(animator, cut_out, avatar, presence, still, still, None)

    def _still_of(self, animator: Animator, avatar: Avatar, cut_out: bool) -> Drawn:
        if cut_out:
            try:
                return Drawn(avatar.still, draw(animator, avatar, avatar.rest, True).person)
            except Exception as fault:
                self.count_fault(fault)
        return Drawn(avatar.still)

    def _present(self) -> tuple[_Scene, bool]:
        """The scene to animate, and whether it has just become another one."""
        with self._asked:
            following, self._next = self._next, None
        if following is not None:
            animator, avatar, cut_out = following
            before = self._scene
            if animator is not self._animator:
                self._animator = animator
                self._smoother = animator.smoother(self.tuning.smoothing or 1.0)
                self._calibration.start_over()
            if avatar is before.avatar and animator is before.animator:
                # Drawn anew, since its last picture may lack the person, and from the same pose.
                still = self._still_of(animator, avatar, cut_out)
                self._scene = replace(before, cut_out=cut_out, still=still, posed=None)
            else:
                self._scene = self._scene_of(animator, avatar, cut_out)
        return self._scene, following is not None

    def _pose(self, scene: _Scene, frame: CameraFrame) -> Pose:
        seconds = self._clock(frame.captured_at)
        with self._asked:
            wanted, self._wanted = self._wanted, "no"
            anew, self._anew = self._anew, False
        if anew and not self._tracker.locked:
            self._tracker.reset()
            self._plausibility.start_anew()
        undone = wanted == "undo" and self._calibration.undo()
        if wanted in ("good", "now"):
            self._calibration.request(wanted == "now")
        with self.times.measure("track"):
            driving, renewed = self._observe(self._size(as_rgb(frame.image)), seconds)
        with self.times.measure("motion"):
            tuning = self._tune(scene, seconds)
            if renewed or undone:
                self._smoother.reset()
                scene.presence.restart(seconds)
            target = None
            if driving is not None:
                if tuning.smoothing:
                    driving = self._smoother(driving, seconds)
                reference = self._calibration.reference
                target = move(self._animator, scene.avatar, reference, driving, tuning.settings)
            return self._expressed(scene, scene.presence.step(target, seconds), seconds)

    def _expressed(self, scene: _Scene, pose: Pose, seconds: float) -> Pose:
        """The pose with the expression that is wanted besides; without it where that fails."""
        values = self.expression.step(seconds)
        if not values or not can_edit(scene.animator):
            return pose
        try:
            onto = None if pose is scene.avatar.rest else pose
            expressed = scene.animator.edited(scene.avatar, values, onto)
            check_numbers(expressed, "the expression")
        except Exception as fault:
            self.count_fault(fault)
            return pose
        return expressed

    def _observe(self, image: Image, seconds: float) -> tuple[Observation | None, bool]:
        """The driver's observation, and whether the reference has just been renewed."""
        seen = False
        try:
            face = self._tracker.track(image, seconds)
            if face is not None and not np.isfinite(face.landmarks).all():
                raise Fault("the face tracker gave landmarks that are not numbers")
            seen = face is not None and self._plausibility.believes(face, seconds)
        finally:
            # Not before: the status is read at any time, and looking takes most of a frame's.
            self.face_found = seen
        if face is None or not seen:
            self._calibration.lost()
            return None, False
        if self._plausibility.newcomer and self._calibration.reference is not None:
            # Against the reference of another person the avatar would be deformed.
            self._calibration.start_over()
        self.turn = 90 * quarters(face)
        self._size.keep(image)
        search = self._search
        if search is not None and search.offer(face):
            self._calibration.request(at_once=True)
        renewed = self._calibration.offer(
            face, seconds, lambda: observe(self._animator, image, face, face)
        )
        anchor = self._calibration.face
        if anchor is None:
            return None, renewed
        seen_face = self._mouth(image, face, anchor, seconds)
        return observe(self._animator, image, seen_face, anchor), renewed

    def _tune(self, scene: _Scene, seconds: float) -> Tuning:
        """What to apply now; a change of the kind of motion is eased into."""
        tuning, before = self.tuning, self._tuned
        if tuning.smoothing and tuning.smoothing != before.smoothing:
            self._smoother = self._animator.smoother(tuning.smoothing)
        motion = tuning.settings.motion
        if motion != before.settings.motion:
            scene.presence.restart(seconds)
            if motion == "absolute" and self._calibration.reference is None:
                self._calibration.request(at_once=True)  # Any face will do.
        self._tuned = tuning
        return tuning

    def _render(self, scene: _Scene, pose: Pose) -> Drawn:
        with self.times.measure("render"):
            drawn = draw(scene.animator, scene.avatar, pose, scene.cut_out)
        for part, seconds in scene.animator.stages().items():
            self.times.add(part, seconds)
        return drawn

    def count_fault(self, fault: Exception) -> None:
        """Count a fault and keep it as one line for the status."""
        self.faults += 1
        self.last_fault = f"{type(fault).__name__}: {fault}".splitlines()[0][:160]
        _log.debug("a stage failed", exc_info=fault)


def observe(animator: Animator, frame: Image, face: Face, anchor: Face) -> Observation | None:
    """What the backend sees of the driver, checked.

    Args:
        animator: the backend.
        frame: (H, W, 3) RGB.
        face: the driver's, in pixels of the frame.
        anchor: the driver's at calibration, likewise.

    Raises:
        Fault: it is not made of numbers.
    """
    observation = animator.observe(frame, face, anchor)
    check_numbers(observation, "the observation")
    return observation


def move(
    animator: Animator,
    avatar: Avatar,
    reference: Observation | None,
    driving: Observation,
    settings: MotionSettings,
) -> Pose:
    """The driver's motion transferred to the avatar, checked.

    Args:
        animator: the backend.
        avatar: what it prepared.
        reference: the observation of the calibration; None only in absolute motion.
        driving: that of the frame.
        settings: how the motion is applied.

    Raises:
        Fault: the result is not made of numbers.
    """
    pose = animator.pose(avatar, driving, reference, settings)
    check_numbers(pose, "the pose")
    return pose


def draw(animator: Animator, avatar: Avatar, pose: Pose, cut_out: bool = False) -> Drawn:
    """The avatar's picture in a pose, checked.

    Args:
        animator: the backend.
        avatar: what it prepared.
        pose: where it goes.
        cut_out: the person alone is wanted too; the backend can tell it.

    Raises:
        Fault: it is not a picture of the size of the avatar's still.
    """
    person = None
    if cut_out and knows_person(animator):
        image, person = animator.render_person(avatar, pose)
        _check_picture(person, (*avatar.still.shape[:2], 4))
    else:
        image = animator.render(avatar, pose)
    _check_picture(image, avatar.still.shape)
    return Drawn(image, person)


def _check_picture(image: object, shape: tuple[int, ...]) -> None:
    if not isinstance(image, np.ndarray):
        raise Fault(f"the animator gave a {type(image).__name__} and not a picture")
    if image.shape != shape or image.dtype != np.uint8:
        raise Fault(f"the animator gave a picture of shape {image.shape}, {image.dtype}")


def _frame(drawn: Drawn, captured_at: float | None, live: bool) -> AvatarFrame:
    return AvatarFrame(drawn.image, captured_at, live, drawn.person)
