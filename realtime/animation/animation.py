"""From a camera frame to an avatar frame: track, detect, calibrate, filter, move, render.

The only way for anything to become an `AvatarFrame` here is through the animator's `render` or the
photo's still: a camera frame's picture is never put into one.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from models.animator import Animator
from models.types import Avatar, Crop, Face, Image, Keypoints, Strengths
from realtime.animation.calibration import Calibration, CalibrationState, Search
from realtime.animation.frame_repair import Fault, SteadyClock, SteadySize, as_rgb
from realtime.animation.plausibility import Plausibility
from realtime.animation.presence import Presence
from realtime.animation.smoothing import KeypointFilter, Smoothing
from realtime.frames import AvatarFrame, CameraFrame
from realtime.latency import Times
from realtime.modes import Motion

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tuning:
    """How the driver's motion is applied; replaced as a whole.

    strengths: for relative motion. smoothing: how much of it, 0 none, 1 the usual.
    """

    motion: Motion = Motion.RELATIVE
    adapt_scale: bool = True
    strengths: Strengths = field(default_factory=Strengths)
    smoothing: float = 1.0


class Tracker(Protocol):
    """Finds the driver's face and follows it from frame to frame."""

    def track(self, frame: Image) -> Face | None:
        """The followed face, or None if there is none."""
        ...

    def reset(self) -> None:
        """Forget the face that is followed."""
        ...


@dataclass
class _Scene:
    """What belongs to one avatar: replaced as a whole when the avatar changes.

    `presence` is for the thread that follows the driver, the rest for the one that draws.
    """

    avatar: Avatar
    presence: Presence
    shown: Image
    posed: Keypoints | None
    live: bool = False


def _scene(avatar: Avatar) -> _Scene:
    return _Scene(avatar, Presence(avatar.keypoints), avatar.still, None)


@dataclass(frozen=True)
class Followed:
    """What one camera frame says about the avatar's pose; holds nothing of the frame's picture.

    pose: None after a fault, when the last picture is shown again.
    captured_at: when the camera frame was captured, seconds of `time.perf_counter()`; None where
        no frame was the reason.
    """

    scene: _Scene
    pose: Keypoints | None
    captured_at: float | None


class Animation:
    """One running animation: an avatar, its driver, and everything remembered between frames.

    A frame takes two steps, `follow` and `draw`, which may run in two threads, one frame apart;
    the other methods may be called by any thread.
    """

    def __init__(
        self,
        animator: Animator,
        tracker: Tracker,
        avatar: Avatar,
        *,
        motion: Motion = Motion.RELATIVE,
        adapt_scale: bool = True,
        calibration: Calibration | None = None,
        times: Times | None = None,
    ) -> None:
        """Start at rest with `avatar`."""
        self._animator = animator
        self._tracker = tracker
        self.tuning = Tuning(motion, adapt_scale)
        """May be replaced at any time, by any thread."""
        self._tuned = self.tuning
        self._search: Search | None = None
        self._filter = KeypointFilter()
        self._calibration = calibration or Calibration()
        if motion == Motion.ABSOLUTE:
            self._calibration.request(at_once=True)  # Only the crop is needed.
        self._asked = threading.Lock()  # For what other threads ask for: the next two.
        self._wanted: Literal["no", "good", "now"] = "no"
        self._next: Avatar | None = None
        self._scene = _scene(avatar)
        self._clock = SteadyClock()
        self._plausibility = Plausibility()
        self._size = SteadySize()
        self.times = times or Times()
        self.face_found = False
        self.faults = 0
        self.last_fault: str | None = None

    @property
    def avatar(self) -> Avatar:
        """The avatar of the last frame that was followed."""
        return self._scene.avatar

    @property
    def backend(self) -> str:
        """The backend's name."""
        return self._animator.name

    @property
    def device(self) -> str:
        """Where it computes, and why."""
        return self._animator.device

    @property
    def calibration_state(self) -> CalibrationState:
        """Whether the reference is known."""
        return self._calibration.state

    def set_avatar(self, avatar: Avatar) -> None:
        """Animate another avatar from the next frame on; the calibration stays."""
        with self._asked:
            self._next = avatar

    def recalibrate(self, at_once: bool = False) -> None:
        """Take a new reference at the next good moment, or from the very next face."""
        with self._asked:
            self._wanted = "now" if at_once else "good"

    @property
    def reference_face(self) -> Face | None:
        """The driver's face at calibration, in pixels of the camera frame."""
        return self._calibration.face

    @property
    def search(self) -> Search | None:
        """The search for a better reference that goes on."""
        return self._search

    def look_for(self, wanted: Face | None) -> None:
        """Calibrate whenever the driver's face is more like `wanted` than before; None: stop."""
        self._search = None if wanted is None else Search(wanted)

    def warm_up(self) -> None:
        """Run every network once, so that the first camera frame is not late; never raises."""
        scene = self._scene
        try:
            face = self._tracker.track(scene.avatar.still)
            if face is not None:
                self._animator.detect(scene.avatar.still, face, Crop.around(face))
            self._animator.render(scene.avatar, scene.avatar.keypoints)
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
        """Find the driver in a camera frame and move the avatar's keypoints.

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
        if scene.presence.settled and not new:
            return None
        return Followed(scene, scene.presence.step(None, self._clock(now)), None)

    def draw(self, followed: Followed) -> AvatarFrame:
        """Render the avatar in its pose, at the size of its still.

        Never raises: without a pose and on a fault, the last avatar frame (or the still) comes
        back with `captured_at` None.
        """
        scene, pose = followed.scene, followed.pose
        if pose is None or pose is scene.posed:
            return AvatarFrame(scene.shown, None, scene.live)
        if pose is scene.avatar.keypoints and not scene.live:
            return AvatarFrame(scene.avatar.still, None, False)
        try:
            image = self._render(scene, pose)
        except Exception as fault:
            self.count_fault(fault)
            return AvatarFrame(scene.shown, None, scene.live)
        scene.shown, scene.posed, scene.live = image, pose, True
        return AvatarFrame(image, followed.captured_at, True)

    def _present(self) -> tuple[_Scene, bool]:
        """The scene to animate, and whether it has just become another one."""
        with self._asked:
            following, self._next = self._next, None
        if following is not None:
            self._scene = _scene(following)
        return self._scene, following is not None

    def _pose(self, scene: _Scene, frame: CameraFrame) -> Keypoints:
        seconds = self._clock(frame.captured_at)
        with self._asked:
            wanted, self._wanted = self._wanted, "no"
        if wanted != "no":
            self._calibration.request(wanted == "now")
        with self.times.measure("detect"):
            driving, renewed = self._detect(self._size(as_rgb(frame.image)), seconds)
        with self.times.measure("motion"):
            tuning = self._tune(scene, seconds)
            if renewed:
                self._filter.reset()
                scene.presence.restart(seconds)
            target = None
            if driving is not None:
                if tuning.smoothing:
                    driving = self._filter(driving, seconds)
                target = self._target(scene.avatar, driving, tuning)
            return scene.presence.step(target, seconds)

    def _detect(self, image: Image, seconds: float) -> tuple[Keypoints | None, bool]:
        """The driving keypoints, and whether the reference has just been renewed."""
        seen = False
        try:
            face = self._tracker.track(image)
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
        self._size.keep(image)
        search = self._search
        if search is not None and search.offer(face):
            self._calibration.request(at_once=True)
        renewed = self._calibration.offer(
            face, seconds, lambda crop: self._animator.detect(image, face, crop)
        )
        crop = self._calibration.crop
        if crop is None:
            return None, renewed
        driving = self._animator.detect(image, face, crop)
        if driving is not None:
            check_finite(driving)
        return driving, renewed

    def _tune(self, scene: _Scene, seconds: float) -> Tuning:
        """What to apply now; a change of the kind of motion is eased into."""
        tuning, before = self.tuning, self._tuned
        if tuning.smoothing and tuning.smoothing != before.smoothing:
            self._filter = KeypointFilter(Smoothing().stronger(tuning.smoothing))
        if tuning.motion != before.motion:
            scene.presence.restart(seconds)
            if tuning.motion == Motion.ABSOLUTE and self._calibration.crop is None:
                self._calibration.request(at_once=True)  # Only the crop is needed.
        self._tuned = tuning
        return tuning

    def _target(self, avatar: Avatar, driving: Keypoints, tuning: Tuning) -> Keypoints:
        reference = self._calibration.reference
        assert reference is not None, "a crop comes with a reference"
        if tuning.motion == Motion.RELATIVE and tuning.strengths != Strengths():
            driving = self._animator.strengthen(reference, driving, tuning.strengths)
        return move(self._animator, avatar, reference, driving, tuning.motion, tuning.adapt_scale)

    def _render(self, scene: _Scene, pose: Keypoints) -> Image:
        start = time.perf_counter()
        image = render(self._animator, scene.avatar, pose)
        took = time.perf_counter() - start
        # A backend that generates parts of the picture says how much of the time that took.
        generator = float(getattr(self._animator, "generator_seconds", 0.0))
        self.times.add("warp", took - generator)
        if generator:
            self.times.add("generator", generator)
        return image

    def count_fault(self, fault: Exception) -> None:
        """Count a fault and keep it as one line for the status."""
        self.faults += 1
        self.last_fault = f"{type(fault).__name__}: {fault}".splitlines()[0][:160]
        _log.debug("a stage failed", exc_info=fault)


def move(
    animator: Animator,
    avatar: Avatar,
    reference: Keypoints,
    driving: Keypoints,
    motion: Motion,
    adapt_scale: bool,
) -> Keypoints:
    """The driver's keypoints transferred to the avatar.

    Raises:
        Fault: the result is not made of numbers, or not of the avatar's shape.
    """
    if motion == Motion.RELATIVE:
        target = animator.relative(avatar, reference, driving, adapt_scale)
    else:
        target = animator.absolute(avatar, driving)
    if target.values.shape != avatar.keypoints.values.shape:
        raise Fault(f"the motion gave keypoints of shape {target.values.shape}")
    check_finite(target)
    return target


def render(animator: Animator, avatar: Avatar, pose: Keypoints) -> Image:
    """The avatar's picture in a pose, checked.

    Raises:
        Fault: it is not a picture of the size of the avatar's still.
    """
    image = animator.render(avatar, pose)
    if not isinstance(image, np.ndarray):
        raise Fault(f"the animator gave a {type(image).__name__} and not a picture")
    if image.shape != avatar.still.shape or image.dtype != np.uint8:
        raise Fault(f"the animator gave a picture of shape {image.shape}, {image.dtype}")
    return image


def check_finite(keypoints: Keypoints) -> None:
    """Make sure that keypoints are numbers.

    Raises:
        Fault: one of them is not.
    """
    for part in (keypoints.values, keypoints.jacobians, keypoints.blendshapes):
        if part is not None and not np.isfinite(part).all():
            raise Fault("the keypoints are not numbers")
