"""The contract that every backend fulfils, and the values that pass through it.

A backend turns a photo into an avatar, a frame of the driver into an observation, that and the
calibration's observation into a pose, and a pose into a picture. What an observation and a pose
are is the backend's own affair: nothing outside looks into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeGuard

from models.errors import UserError
from models.modes import Motion as Motion
from models.types import Avatar, Face, Image, Photo

Observation: TypeAlias = Any
"""What a backend sees of the driver in one frame; opaque."""

Pose: TypeAlias = Any
"""Where a backend moves an avatar; opaque. Arrays, numbers and dataclasses or tuples of these."""


@dataclass(frozen=True)
class Slider:
    """One strength that a user may set for each avatar; the page and the settings are made of it.

    Attributes:
        name: its key in settings and commands, `[a-z_]+`, such as "motion".
        label: what people read, such as "Head motion".
        least: the lowest value.
        most: the highest value.
        usual: the value that changes nothing.
        help: one sentence that says what it does.
        group: of the sliders that are shown together, `[a-z]+`; empty: no group.
    """

    name: str
    label: str
    least: float = 0.0
    most: float = 2.0
    usual: float = 1.0
    help: str = ""
    group: str = ""


@dataclass(frozen=True)
class MotionSettings:
    """How the driver's motion is applied to an avatar.

    Attributes:
        motion: relative to the calibration, or absolute.
        adapt_scale: relative motion is scaled by the ratio of the source's face to the driver's.
        strengths: values of the backend's sliders by their names; what is not there is as usual.
            They are for relative motion.
    """

    motion: Motion = "relative"
    adapt_scale: bool = True
    strengths: Mapping[str, float] = field(default_factory=dict)


class Smoother(Protocol):
    """Takes the jitter out of the observations of one driver, frame by frame, without lag."""

    def __call__(self, observation: Observation, seconds: float, /) -> Observation:
        """The smoothed observation of a frame that was captured at `seconds` (a steady clock).

        Raises:
            ArithmeticError: the observation is not made of numbers; it leaves no trace.
        """
        ...

    def reset(self) -> None:
        """Forget the past: the next observation goes through as it is."""
        ...


class Animator(Protocol):
    """A way to move a photo.

    `observe`, `pose`, `mix`, `distance` and smoothers are called by one thread, `render` and
    `stages` by another and `prepare` by a third, at the same time: they share nothing that changes.
    """

    @property
    def name(self) -> str:
        """The backend's name, as `--backend` takes it before a colon."""
        ...

    @property
    def device(self) -> str:
        """Where it computes and why, in a few words for the status line: "CPU (no GPU needed)"."""
        ...

    @property
    def sliders(self) -> Sequence[Slider]:
        """The strengths that `pose` heeds, in the order in which the page shows them."""
        ...

    def best_size(self, cores: int | None = None) -> int:
        """The longer side of an avatar in pixels that suits a computer.

        Args:
            cores: the processor cores that a live run may use; None where time does not matter.
        """
        ...

    def prepare(self, photo: Photo, size: int) -> Avatar:
        """Make a photo ready to be rendered.

        Args:
            photo: the picture and the face in it.
            size: of the avatar's longer side, in pixels, at most.

        Raises:
            UserError: the photo cannot be animated by this backend.
        """
        ...

    def observe(self, frame: Image, face: Face, anchor: Face) -> Observation | None:
        """What a frame of the driver says.

        Args:
            frame: (H, W, 3) RGB.
            face: the driver's face in it.
            anchor: the driver's face at calibration, in frames of the same size (`face` itself in
                the frame of the calibration). What is cut out of frames is cut around this one, so
                that observations can be compared.

        Returns:
            The observation, or None if this frame is of no use.
        """
        ...

    def pose(
        self,
        avatar: Any,
        observation: Observation,
        reference: Observation | None,
        settings: MotionSettings,
    ) -> Pose:
        """Where the avatar goes.

        Args:
            avatar: what `prepare` made.
            observation: of the frame, made with the same anchor as `reference`.
            reference: of the calibration; None only in absolute motion.
            settings: how the motion is applied.

        Returns:
            The pose, for `render`.
        """
        ...

    def mix(self, start: Pose, end: Pose, share: float) -> Pose:
        """The pose that is `share` (0..1) of the way from `start` to `end`."""
        ...

    def distance(self, one: Pose, other: Pose) -> float:
        """How far the part that moves most goes from one pose to the other; 1 is a face's width.

        Raises:
            ValueError: these are not two poses of one avatar.
        """
        ...

    def smoother(self, amount: float = 1.0) -> Smoother:
        """A filter for live observations.

        Args:
            amount: how strong, above 0; 1 as usual, 2 twice as strong.
        """
        ...

    def smooth(
        self, observations: Sequence[Observation | None], seconds: Sequence[float]
    ) -> list[Observation | None]:
        """Smooth a whole clip without lag, looking ahead too.

        Args:
            observations: of each frame; None where there is none, and None comes back there.
            seconds: when each frame is shown, rising.
        """
        ...

    def render(self, avatar: Any, pose: Pose) -> Image:
        """The avatar's picture in a pose, of the size of `avatar.still`."""
        ...

    def stages(self) -> Mapping[str, float]:
        """The seconds that parts of the last `render` took, by their names; may be empty."""
        ...


class PersonAnimator(Animator, Protocol):
    """A backend that also knows which part of its pictures is the person."""

    def render_person(self, avatar: Any, pose: Pose) -> tuple[Image, Image]:
        """As `render`, and (H, W, 4): the person alone, RGB premultiplied by the matte, the matte.

        Called by the thread of `render`, and once for each avatar by that of `prepare`.
        """
        ...


def knows_person(animator: Animator) -> TypeGuard[PersonAnimator]:
    """Whether a backend tells the person from the background."""
    return callable(getattr(animator, "render_person", None))


class TimedAnimator(Animator, Protocol):
    """A backend that may be too slow to be live, and finds out how slow."""

    def seconds_per_frame(self, avatar: Any) -> float:
        """How long one frame takes on this computer, measured now.

        Called before the avatar is live, or by the thread of `prepare`.
        """
        ...


def tells_time(animator: Animator) -> TypeGuard[TimedAnimator]:
    """Whether a backend measures how long its frames take."""
    return callable(getattr(animator, "seconds_per_frame", None))


class EditorAnimator(Animator, Protocol):
    """A backend that also poses a photo without a driver, by sliders.

    Called by any thread, as `pose` is: it shares nothing that changes.
    """

    @property
    def editor(self) -> Sequence[Slider]:
        """What can be set, in the order in which the page shows it; 0 changes nothing."""
        ...

    def edited(self, avatar: Any, values: Mapping[str, float], onto: Pose | None = None) -> Pose:
        """The pose of a photo with some sliders moved.

        Args:
            avatar: what `prepare` made.
            values: of the sliders by their names; what is not there is 0, unknown ones and what
                is beyond a slider's ends are left out.
            onto: a pose that this is added to; None: the photo as it is.

        Returns:
            The pose, for `render`; `avatar.rest` or `onto` itself where nothing is moved.
        """
        ...


def can_edit(animator: Animator) -> TypeGuard[EditorAnimator]:
    """Whether a backend poses photos by sliders."""
    return callable(getattr(animator, "edited", None))


MOTION_SUFFIXES = (".npz", ".pkl")
"""What the names of motion files end in: of our own, which come first, and of others' templates."""


@dataclass(frozen=True)
class RecordedMotion:
    """A driver's motion without the driver's pictures.

    Attributes:
        fps: frames per second.
        observations: of each frame; None where no face was seen.
        references: for each frame the number of the one to measure it against; all the same but
            after a cut.
    """

    fps: float
    observations: Sequence[Observation | None]
    references: Sequence[int]


class MotionFileAnimator(Animator, Protocol):
    """A backend whose observations can be kept in files."""

    def load_motion(self, path: Path) -> RecordedMotion:
        """Read a file of this backend's motion.

        Raises:
            UserError: it is none, or is damaged.
        """
        ...

    def save_motion(self, path: Path, motion: RecordedMotion) -> None:
        """Write a motion to a file that nothing can hide in.

        Raises:
            UserError: there is nothing in it, or it cannot be written.
        """
        ...


def keeps_motion(animator: Animator) -> TypeGuard[MotionFileAnimator]:
    """Whether a backend keeps motion in files."""
    return callable(getattr(animator, "load_motion", None))


def need_motion_files(animator: Animator) -> MotionFileAnimator:
    """The same backend, for reading and writing motion files.

    Raises:
        UserError: it has none.
    """
    if keeps_motion(animator):
        return animator
    raise UserError(
        f"The backend {animator.name} has no motion files; choose --backend liveportrait for them, "
        "or a video as the driving clip."
    )


def need_editor(animator: Animator) -> EditorAnimator:
    """The same backend, for posing photos by sliders.

    Raises:
        UserError: it poses none.
    """
    if can_edit(animator):
        return animator
    raise UserError(
        f"The backend {animator.name} cannot pose photos; choose the backend mesh for that."
    )


def need_person(animator: Animator) -> PersonAnimator:
    """The same backend, for putting its person before another background.

    Raises:
        UserError: it does not tell the person from the background.
    """
    if knows_person(animator):
        return animator
    raise UserError(
        f"The backend {animator.name} does not tell the person from the background; leave out "
        "--background, or use --backend mesh."
    )
