"""Animating a photo by a video file: every frame, without hurry.

The same pieces as live, but in passes: find the face in every frame, choose the reference frame,
observe every frame, smooth without lag, render. The motion of every frame is
measured against the reference frame, so the result is that of animating forward and backward from
it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.animator import Animator, MotionSettings, Observation
from models.errors import UserError
from models.face.moment import difference
from models.types import Avatar, Face, Image
from realtime.animation.animation import Drawn, Tracker, draw, move, observe
from realtime.animation.frame_repair import Fault
from realtime.animation.presence import Presence
from realtime.canvas.compositor import Composer
from realtime.frames import AvatarFrame

_log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many frames are done, and how many there are."""


class Clip(Protocol):
    """A driving video that can be read more than once."""

    @property
    def fps(self) -> float:
        """Frames per second."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames there are, if the file tells."""
        ...

    def frames(self) -> Iterator[tuple[Image, float]]:
        """All frames from the start, with the second each is shown at."""
        ...


class Writer(Protocol):
    """Takes the frames of the result in order."""

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        """Append a frame that is shown at `seconds`."""
        ...


@dataclass(frozen=True)
class ClipReport:
    """What came out.

    Attributes:
        frames: how many were written.
        without_face: driving frames without a face.
        reference: the frame that motion was measured against.
        faults: frames that repeat the last image or pose because theirs could not be made.
        last_fault: the last of them, in words.
    """

    frames: int
    without_face: int
    reference: int
    faults: int
    last_fault: str | None


@dataclass
class _Faults:
    """Counts the frames that could not be made.

    Attributes:
        count: how many.
        last: why, the last time.
    """

    count: int = 0
    last: str | None = None

    def add(self, fault: Exception) -> None:
        self.count += 1
        self.last = f"{type(fault).__name__}: {fault}".splitlines()[0]
        _log.debug("a frame could not be made", exc_info=fault)


@dataclass(frozen=True)
class Driver:
    """What was found in the driving clip, one entry a frame.

    Attributes:
        faces: None where there is no face.
        seconds: when the frame is shown.
    """

    faces: list[Face | None]
    seconds: list[float]


def follow(clip: Clip, tracker: Tracker, progress: Progress) -> Driver:
    """Find the face in every frame of a clip.

    Args:
        clip: the driving clip.
        tracker: follows the face; it is reset before.
        progress: told about every frame.

    Raises:
        UserError: there is none in any of them.
    """
    faces: list[Face | None] = []
    seconds: list[float] = []
    tracker.reset()
    for image, moment in clip.frames():
        face = tracker.track(image)
        faces.append(face if face is None or np.isfinite(face.landmarks).all() else None)
        seconds.append(moment)
        progress("Following the face", len(faces), clip.frame_count or 0)
    if not faces:
        raise UserError("The driving clip has no frames; choose another one.")
    if not any(faces):
        raise UserError("No face was found in the driving clip; choose one that shows a face.")
    return Driver(faces, seconds)


def best_frame(source: Face, faces: list[Face | None]) -> int:
    """The index of the driving frame whose face is most like the source's in pose and expression.

    Args:
        source: the face in the photo.
        faces: those of all driving frames; None where there is none, but not everywhere.
    """
    distances = [np.inf if face is None else difference(source, face) for face in faces]
    return int(np.argmin(distances))


def choose_reference(source: Face, faces: list[Face | None], wanted: int | None) -> int:
    """The index of the reference frame.

    Args:
        source: the face in the photo.
        faces: those of all driving frames; None where there is none.
        wanted: the index to take; None: the best one.

    Raises:
        UserError: there is no frame `wanted`, or no face in it.
    """
    if wanted is None:
        return best_frame(source, faces)
    if not 0 <= wanted < len(faces):
        raise UserError(
            f"There is no frame {wanted} in the driving clip: choose one from 0 to "
            f"{len(faces) - 1}, or auto."
        )
    if faces[wanted] is None:
        raise UserError(f"Frame {wanted} of the driving clip shows no face; choose another one.")
    return wanted


def observations(
    clip: Clip,
    driver: Driver,
    reference: int,
    animator: Animator,
    progress: Progress,
    faults: _Faults | None = None,
) -> list[Observation | None]:
    """The observation of every frame, comparable with that of the reference, smoothed without lag.

    Args:
        clip: the driving clip.
        driver: the faces in it.
        reference: the index of the reference frame, which has a face.
        animator: the backend.
        progress: told about every frame.
        faults: counts observations that are not made of numbers.

    Returns:
        One for each frame; None where there is no face, or the observation cannot be used.

    Raises:
        UserError: the backend can do nothing with the reference frame.
    """
    anchor = driver.faces[reference]
    assert anchor is not None
    found: list[Observation | None] = []
    for (image, _), face in zip(clip.frames(), driver.faces, strict=False):
        one = None
        if face is not None:
            try:
                one = observe(animator, image, face, anchor)
            except (ArithmeticError, Fault) as fault:
                if faults is not None:
                    faults.add(fault)
        found.append(one)
        progress("Taking the motion", len(found), len(driver.faces))
    found += [None] * (len(driver.faces) - len(found))
    if found[reference] is None:
        raise UserError(
            f"The face in frame {reference} cannot serve as the reference; choose another frame."
        )
    return animator.smooth(found, driver.seconds)


def animate(
    animator: Animator,
    avatar: Avatar,
    source: Face,
    clip: Clip,
    tracker: Tracker,
    composer: Composer,
    writer: Writer,
    *,
    settings: MotionSettings = MotionSettings(),  # noqa: B008  frozen
    reference: int | None = None,
    progress: Progress = lambda what, done, total: None,
    cut_out: bool = False,
) -> ClipReport:
    """Animate an avatar by a clip and write every frame.

    Frames without a face hold the last pose, then ease to the still one. Every frame keeps the
    time it has in the clip, so that the clip's sound stays in step.

    Args:
        animator: the backend.
        avatar: what it prepared.
        source: the face in the photo, for choosing the reference frame.
        clip: the driving clip.
        tracker: follows the driver's face.
        composer: puts the avatar on the canvas.
        writer: takes the result.
        settings: how the motion is applied; relative motion is relative to the reference frame.
        reference: the index of the reference frame, or None for the best one.
        progress: told about every frame of every pass.
        cut_out: give the composer the person of each frame alone, too; the backend can.

    Raises:
        UserError: there is no face to follow, or the reference cannot be used.
    """
    driver = follow(clip, tracker, progress)
    chosen = choose_reference(source, driver.faces, reference)
    faults = _Faults()
    observed = observations(clip, driver, chosen, animator, progress, faults)
    presence = Presence(animator, avatar.rest)
    shown = draw(animator, avatar, avatar.rest, cut_out) if cut_out else Drawn(avatar.still)
    composer.set_avatar(avatar.still, avatar.focus)
    for index, (driving, moment) in enumerate(zip(observed, driver.seconds, strict=True)):
        try:
            target = None
            if driving is not None:
                target = move(animator, avatar, observed[chosen], driving, settings)
            if index == 0:
                presence = Presence(animator, avatar.rest, start=target)
            shown = draw(animator, avatar, presence.step(target, moment), cut_out)
        except Exception as fault:
            faults.add(fault)
        frame = composer.compose(AvatarFrame(shown.image, None, True, shown.person))
        writer.write(frame, moment)
        progress("Rendering", index + 1, len(observed))
    missing = sum(face is None for face in driver.faces)
    return ClipReport(len(observed), missing, chosen, faults.count, faults.last)
