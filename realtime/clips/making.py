"""From a photo and a driving clip to a video file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from models.animator import Animator, MotionSettings, need_person
from models.backends import DEFAULT, create_animator
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.modes import Motion
from models.photos import turned_line
from models.together import together
from models.types import Avatar, Image, Photo
from realtime.cameras.clip import WHOLE, ClipReader
from realtime.cameras.turned import TurnedClip
from realtime.canvas.background import KEEP
from realtime.canvas.background import parse as parse_background
from realtime.canvas.compositor import Compositor
from realtime.canvas.fit import Fit
from realtime.clips.motion_files import is_motion, keeper, read_motion
from realtime.closing import Closing
from realtime.frames import AvatarFrame
from realtime.pipeline.kept_frames import KeptFrames
from realtime.pipeline.offline import Clip, ClipReport, Progress, Stage, animate
from realtime.pipeline.replay import replay
from realtime.session.source import load_source
from realtime.sinks.base import require_avatar_frame
from realtime.sinks.recording.video_writer import VideoWriter
from realtime.version import version


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a clip is made of, and how.

    Attributes:
        photo: a photo, or a folder of photos.
        driving: the video whose face moves it, or a motion file of the backend.
        part: from which second of it to which.
        reference: the frame of that part to measure motion against; None: the best one.
        turn: degrees clockwise by which its pictures are turned.
        canvas: (width, height) of the result in pixels; None: that of the photo.
        backend: NAME or NAME:MODEL.
        motion: relative or absolute.
        adapt_scale: scale relative motion by the size of the faces.
        mirror: flip the result.
        badge: put the mark on it.
        fit: how the photo fills the canvas.
        background: "keep", "blur", "green" or a photo, behind the person.
        face: which face of the photo, from 1 on; None: the largest.
        everyone: all faces of the photo, unless one is named.
        save_motion: the file to keep the driver's motion in; None: nowhere.
    """

    photo: Path
    driving: Path
    part: tuple[float, float] = WHOLE
    reference: int | None = None
    turn: int = 0
    canvas: tuple[int, int] | None = None
    backend: str = DEFAULT
    motion: Motion = "relative"
    adapt_scale: bool = True
    mirror: bool = False
    badge: bool = True
    fit: Fit = Fit.BLUR
    background: str = KEEP
    face: int | None = None
    everyone: bool = False
    save_motion: Path | None = None


def make(
    recipe: Recipe,
    path: Path,
    progress: Progress,
    say: Callable[[str], None] = lambda line: None,
    seen: Callable[[Clip], Clip] = lambda clip: clip,
    kept: Path | None = None,
) -> ClipReport:
    """Animate a photo by a clip into a new file.

    Args:
        recipe: what of and how.
        path: of the result, which ends in .mp4; a file that was begun stays when it fails.
        progress: told about every frame of every pass.
        say: called with one line for the user.
        seen: what is done with the driving clip before it is read.
        kept: a folder for what took long to draw, so that the same recipe goes on from there after
            an interruption; None: it begins anew. Who has the result deletes it.

    Raises:
        UserError: something is missing or cannot be used, or the disk is full.
    """
    background = parse_background(recipe.background)
    clip = None if is_motion(recipe.driving) else ClipReader(recipe.driving, part=recipe.part)
    photo = load_source(recipe.photo, FaceFinder(), recipe.face, recipe.everyone)
    if photo.turned:
        say(turned_line(photo.name, photo.turned))
    animator: Animator = create_animator(recipe.backend)
    if recipe.everyone:
        animator = together(animator)
    motion = None
    if clip is None:
        motion = read_motion(animator, recipe.driving, recipe.part, recipe.turn)
    keep = keeper(animator, recipe.save_motion, say)
    if background is not None:
        animator = need_person(animator)
    avatar = _prepared(recipe, animator, photo, say)
    size = recipe.canvas or even_size(avatar)
    composer = Compositor(size, recipe.fit, recipe.badge, recipe.mirror, background)
    drawn = None if kept is None else KeptFrames(kept, _inputs(recipe, photo, avatar))
    settings, cut_out = MotionSettings(recipe.motion, recipe.adapt_scale), background is not None

    def create() -> VideoWriter:
        if motion is not None:
            return VideoWriter(path, size, motion.fps)
        assert clip is not None, "what is no motion file is a clip"
        return VideoWriter(path, size, clip.fps, audio_from=recipe.driving, skipped=clip.begins)

    with _File(create) as file:
        if motion is not None:
            keep(motion)
            stage = Stage(animator, avatar, composer, file, settings, progress, cut_out, drawn)
            return replay(stage, motion, recipe.reference)
        assert clip is not None, "what is no motion file is a clip"
        return animate(
            animator,
            avatar,
            photo.face,
            seen(TurnedClip(clip, recipe.turn)),
            FaceTracker(),
            composer,
            file,
            settings=settings,
            reference=recipe.reference,
            progress=progress,
            cut_out=cut_out,
            kept=drawn,
            recorded=keep,
        )


def _prepared(
    recipe: Recipe, animator: Animator, photo: Photo, say: Callable[[str], None]
) -> Avatar:
    """The photo made ready, at the size that suits the canvas."""
    side = animator.best_size()
    if recipe.canvas is not None:
        side = min(side, recipe.canvas[1])
    avatar = animator.prepare(photo, side)
    for note in avatar.notes:
        say(f"{avatar.name}: {note}")
    return avatar


def _inputs(recipe: Recipe, photo: Photo, avatar: Avatar) -> object:
    """All that the pictures of a clip depend on."""
    driving = recipe.driving.stat()
    return (
        version(),
        # Put on when it is written, or not in the picture at all.
        replace(recipe, badge=False, mirror=False, fit=Fit.BLUR, save_motion=None),
        (driving.st_size, driving.st_mtime_ns),
        hashlib.sha256(avatar.still.tobytes()).hexdigest(),
        hashlib.sha256(photo.face.landmarks.tobytes()).hexdigest(),
    )


def even_size(avatar: Avatar) -> tuple[int, int]:
    """(width, height) in pixels of a canvas that shows all of an avatar; both are even."""
    height, width = avatar.still.shape[:2]
    return width // 2 * 2, height // 2 * 2


class Shrunk:
    """A video file for small pictures of a driving clip; it is made when the first one comes."""

    def __init__(self, create: Callable[[tuple[int, int]], VideoWriter], side: int) -> None:
        """Prepare.

        Args:
            create: makes the file for pictures of a (width, height).
            side: pixels of their longer side at most.
        """
        self._create, self._side = create, side
        self._writer: VideoWriter | None = None
        self._times = _Rising()

    def write(self, image: Image, seconds: float) -> None:
        """Append a picture that is shown at `seconds`."""
        height, width = image.shape[:2]
        scale = min(self._side / max(height, width), 1.0)
        size = (max(round(width * scale / 2) * 2, 2), max(round(height * scale / 2) * 2, 2))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._writer = self._writer or self._create(size)
        self._writer.write(np.asarray(small, np.uint8), time=self._times(seconds))

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.close()


class CopiedClip:
    """A driving clip that is written into another file while it is read for the first time.

    Attributes:
        fps: mean frames per second.
        frame_count: about how many frames there are, or None.
    """

    def __init__(self, clip: Clip, copy: Shrunk) -> None:
        """Copy `clip` into `copy`."""
        self._clip = clip
        self._copy: Shrunk | None = copy
        self.fps, self.frame_count = clip.fps, clip.frame_count

    def frames(self) -> Iterator[tuple[Image, float]]:
        """As the clip's."""
        copy, self._copy = self._copy, None
        try:
            for image, moment in self._clip.frames():
                if copy is not None:
                    copy.write(image, moment)
                yield image, moment
        finally:
            if copy is not None:
                copy.close()


class _File(Closing):
    """A video file that takes avatar frames only; it is made when the first one comes."""

    def __init__(self, create: Callable[[], VideoWriter]) -> None:
        self._create = create
        self._writer: VideoWriter | None = None
        self._times = _Rising()

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        image = require_avatar_frame(frame).image
        if self._writer is None:
            self._writer = self._create()
        self._writer.write(image, time=self._times(seconds))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Rising:
    """Odd clips show two frames at one moment; a video file needs rising times."""

    def __init__(self) -> None:
        self._last = -1.0

    def __call__(self, seconds: float) -> float:
        self._last = max(seconds, self._last + 1e-3)
        return self._last
