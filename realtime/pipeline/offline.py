"""Animating a photo by a video file: every frame, without hurry.

The same pieces as live, but in passes: find the face in every frame, choose the reference frame,
observe every frame, smooth without lag, render. The motion of every frame is
measured against the reference frame, so the result is that of animating forward and backward from
it. After a cut there is another reference frame.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np

from models.animator import Animator, MotionSettings, Observation, Pose, RecordedMotion
from models.errors import UserError
from models.face.cuts import cuts
from models.face.hidden_mouth import HiddenMouth
from models.face.orientation import quarters, turned, turned_points
from models.types import Avatar, Face, Image
from realtime.animation.animation import Drawn, Tracker, draw, move, observe
from realtime.animation.frame_repair import Fault
from realtime.animation.presence import Presence
from realtime.canvas.compositor import Composer
from realtime.frames import AvatarFrame
from realtime.pipeline.kept_frames import KeptFrames
from realtime.pipeline.stretches import Stretch, stretches

_log = logging.getLogger(__name__)

_CLEARLY = 0.8
"""Share of the faces between two cuts that must be turned alike for their pictures to be turned."""

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
        reference: the frame that motion was measured against; of several parts, in the longest.
        cuts: after how many of them another frame was.
        turned: degrees clockwise by which its pictures were turned, because the face was not
            upright in them; several if the camera was turned meanwhile.
        faults: frames that repeat the last image or pose because theirs could not be made.
        last_fault: the last of them, in words.
    """

    frames: int
    without_face: int
    reference: int
    cuts: int
    turned: tuple[int, ...]
    faults: int
    last_fault: str | None


@dataclass
class Faults:
    """Counts the frames that could not be made.

    Attributes:
        count: how many.
        last: why, the last time.
    """

    count: int = 0
    last: str | None = None

    def add(self, fault: Exception) -> None:
        """Count one."""
        self.count += 1
        self.last = f"{type(fault).__name__}: {fault}".splitlines()[0]
        _log.debug("a frame could not be made", exc_info=fault)


@dataclass(frozen=True)
class Driver:
    """What was found in the driving clip, one entry a frame.

    Attributes:
        faces: None where there is no face; in pixels of the pictures after they were turned.
        seconds: when the frame is shown.
        turns: quarters clockwise by which its picture must be turned.
    """

    faces: list[Face | None]
    seconds: list[float]
    turns: list[int]


def follow(clip: Clip, tracker: Tracker, progress: Progress) -> Driver:
    """Find the face in every frame of a clip, and whether the clip, or a part of it, is turned.

    Args:
        clip: the driving clip.
        tracker: follows the face; it is reset before.
        progress: told about every frame.

    Raises:
        UserError: there is none in any of them.
    """
    faces: list[Face | None] = []
    seconds: list[float] = []
    shapes: list[tuple[int, ...]] = []
    tracker.reset()
    for image, moment in clip.frames():
        face = tracker.track(image, moment)
        shapes.append(image.shape)
        faces.append(face if face is None or np.isfinite(face.landmarks).all() else None)
        seconds.append(moment)
        progress("Following the face", len(faces), clip.frame_count or 0)
    if not faces:
        raise UserError("The driving clip has no frames; choose another one.")
    if not any(faces):
        raise UserError("No face was found in the driving clip; choose one that shows a face.")
    turns = _turns(faces, seconds)
    upright = [
        face
        if face is None or not quarter
        else replace(face, landmarks=turned_points(face.landmarks, quarter, shape))
        for face, shape, quarter in zip(faces, shapes, turns, strict=True)
    ]
    return Driver(upright, seconds, turns)


def _turns(faces: Sequence[Face | None], seconds: Sequence[float]) -> list[int]:
    """Quarters clockwise by which each frame must be turned; the same between two cuts."""
    starts = [0, *cuts(faces, seconds), len(faces)]
    turns: list[int] = []
    for start, stop in pairwise(starts):
        turns += [_turned_by(faces[start:stop])] * (stop - start)
    return turns


def _turned_by(faces: Sequence[Face | None]) -> int:
    """Quarters clockwise by which a part of a clip must be turned so that its faces are upright."""
    found = [quarters(face) for face in faces if face is not None]
    turns, count = Counter(found).most_common(1)[0] if found else (0, 0)
    return turns if count >= _CLEARLY * len(found) else 0


def observations(
    clip: Clip,
    driver: Driver,
    parts: Sequence[Stretch],
    animator: Animator,
    progress: Progress,
    faults: Faults | None = None,
) -> list[Observation | None]:
    """The observation of every frame, comparable with that of the reference, smoothed without lag.

    Args:
        clip: the driving clip.
        driver: the faces in it.
        parts: all of it; the reference of each has a face.
        animator: the backend.
        progress: told about every frame.
        faults: counts observations that are not made of numbers.

    Returns:
        One for each frame; None where there is no face, or the observation cannot be used.

    Raises:
        UserError: the backend can do nothing with a reference frame.
    """
    anchors = [driver.faces[part.reference] for part in parts for _ in range(part.start, part.stop)]
    found: list[Observation | None] = []
    mouth = HiddenMouth()
    for (image, at), face, anchor, turns in zip(
        clip.frames(), driver.faces, anchors, driver.turns, strict=False
    ):
        one = None
        if face is not None and anchor is not None:
            upright = turned(image, turns)
            try:
                one = observe(animator, upright, mouth(upright, face, anchor, at), anchor)
            except (ArithmeticError, Fault) as fault:
                if faults is not None:
                    faults.add(fault)
        found.append(one)
        progress("Taking the motion", len(found), len(driver.faces))
    found += [None] * (len(driver.faces) - len(found))
    smooth: list[Observation | None] = []
    for part in parts:
        if found[part.reference] is None:
            raise UserError(
                f"The face in frame {part.reference} cannot serve as the reference; choose another "
                "frame."
            )
        frames = slice(part.start, part.stop)
        smooth += animator.smooth(found[frames], driver.seconds[frames])
    return smooth


@dataclass(frozen=True)
class Stage:
    """What frames are made with.

    Attributes:
        animator: the backend.
        avatar: what it prepared.
        composer: puts the avatar on the canvas.
        writer: takes the result.
        settings: how the motion is applied.
        progress: told about every frame.
        cut_out: give the composer the person of each frame alone, too; the backend can.
        kept: what an interrupted run has drawn, and where this one keeps what takes long.
    """

    animator: Animator
    avatar: Avatar
    composer: Composer
    writer: Writer
    settings: MotionSettings
    progress: Progress
    cut_out: bool
    kept: KeptFrames | None


def render_all(
    stage: Stage, motion: RecordedMotion, seconds: Sequence[float], faults: Faults
) -> None:
    """Render and write the frames of a motion.

    Args:
        stage: what they are made with.
        motion: what they do.
        seconds: when each is shown, rising.
        faults: counts those that cannot be made.
    """
    animator, avatar, kept = stage.animator, stage.avatar, stage.kept
    observed = motion.observations
    presence = Presence(animator, avatar.rest)
    shown = Drawn(avatar.still)
    if stage.cut_out:
        shown = draw(animator, avatar, avatar.rest, True)
    stage.composer.set_avatar(avatar.still, avatar.focus)
    rushes = kept is not None
    for index, (driving, moment) in enumerate(zip(observed, seconds, strict=True)):
        try:
            target = None
            if driving is not None:
                still = observed[motion.references[index]]
                target = move(animator, avatar, still, driving, stage.settings)
            if index == 0:
                presence = Presence(animator, avatar.rest, start=target)
            pose = presence.step(target, moment)
            found = None if kept is None else kept.get(index)
            if found is None or found.image.shape != avatar.still.shape:
                found = _drawn(animator, avatar, pose, stage.cut_out, index, kept)
                rushes = False
            shown = found
        except Exception as fault:
            faults.add(fault)
        frame = stage.composer.compose(AvatarFrame(shown.image, None, True, shown.person))
        stage.writer.write(frame, moment)
        if not rushes or index + 1 == len(observed):
            # What was kept counts at once: its pace says nothing of what is still to be drawn.
            stage.progress("Rendering", index + 1, len(observed))


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
    kept: KeptFrames | None = None,
    recorded: Callable[[RecordedMotion], None] | None = None,
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
        reference: the index of the reference frame, or None for the best one; after a cut, the best
            one there.
        progress: told about every frame of every pass.
        cut_out: give the composer the person of each frame alone, too; the backend can.
        kept: what an interrupted run has drawn, and where this one keeps what takes long.
        recorded: called with the driver's motion before anything is rendered.

    Raises:
        UserError: there is no face to follow, or the reference cannot be used.
    """
    driver = follow(clip, tracker, progress)
    parts = stretches(source, driver.faces, driver.seconds, reference)
    references = [part.reference for part in parts for _ in range(part.start, part.stop)]
    faults = Faults()
    observed = observations(clip, driver, parts, animator, progress, faults)
    motion = RecordedMotion(clip.fps, observed, references)
    if recorded is not None:
        recorded(motion)
    stage = Stage(animator, avatar, composer, writer, settings, progress, cut_out, kept)
    render_all(stage, motion, driver.seconds, faults)
    longest = max(parts, key=lambda part: part.stop - part.start)
    return ClipReport(
        frames=len(observed),
        without_face=sum(face is None for face in driver.faces),
        reference=longest.reference if reference is None else reference,
        cuts=len(parts) - 1,
        turned=tuple(sorted({90 * turns for turns in driver.turns if turns})),
        faults=faults.count,
        last_fault=faults.last,
    )


def _drawn(
    animator: Animator,
    avatar: Avatar,
    pose: Pose,
    cut_out: bool,
    index: int,
    kept: KeptFrames | None,
) -> Drawn:
    """The picture of a frame, which is kept if it took long."""
    begun = time.perf_counter()
    drawn = draw(animator, avatar, pose, cut_out)
    if kept is not None:
        kept.keep(index, drawn, time.perf_counter() - begun)
    return drawn
