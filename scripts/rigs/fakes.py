"""Stand-ins for devices and models, so that the loop can be tested without either."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.animator import MotionSettings, Slider
from models.keypoints import KeypointAnimator, Keypoints
from models.types import Avatar, Crop, Face, Image, Photo
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import AvatarFrame, CameraFrame
from realtime.sinks.base import SinkError, require_avatar_frame

CAMERA_COLOUR = (255, 0, 255)
"""What every pixel of a fake camera frame has, and no pixel of a fake avatar."""


def face(
    shift: tuple[float, float] = (0.0, 0.0),
    *,
    size: float = 200.0,
    mouth: float = 0.0,
    eyes: float = 0.3,
    yaw: float = 0.0,
    gaze: float = 0.0,
    seed: int | None = None,
) -> Face:
    """A made-up face around (320, 240) with the few landmarks in place that are measured.

    Args:
        shift: of its middle, (x, y) in pixels.
        size: the face's height in pixels.
        mouth: the inner lips' gap against the face's height.
        eyes: opening against width.
        yaw: degrees.
        gaze: how far the irises are aside, in eye widths.
        seed: of noise on all landmarks (standard deviation 0.18 pixels); None: no noise.
    """
    rng = np.random.default_rng(1)
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = rng.uniform(-0.35, 0.35, (478, 2))
    points[10], points[152] = (0, -0.5, 0), (0, 0.5, 0.176)  # Leans as real faces do.
    points[234], points[454] = (-0.45, 0, 0), (0.45, 0, 0)
    points[13], points[14] = (0, 0.25 - mouth / 2, 0), (0, 0.25 + mouth / 2, 0)
    for outer, inner, upper, lower, side in ((33, 133, 159, 145, -1), (263, 362, 386, 374, 1)):
        points[outer], points[inner] = (side * 0.3, -0.1, 0), (side * 0.1, -0.1, 0)
        points[upper] = (side * 0.2, -0.1 - 0.1 * eyes, 0)
        points[lower] = (side * 0.2, -0.1 + 0.1 * eyes, 0)
        points[468 if side < 0 else 473] = (side * 0.2 + gaze * 0.2, -0.1, 0)
    angle = np.radians(yaw)
    turned = points.copy()
    turned[:, 0] = points[:, 0] * np.cos(angle) - points[:, 2] * np.sin(angle)
    turned[:, 2] = points[:, 0] * np.sin(angle) + points[:, 2] * np.cos(angle)
    turned *= size
    turned[:, :2] += (320 + shift[0], 240 + shift[1])
    if seed is not None:
        turned += np.random.default_rng(seed).normal(0, 0.18, turned.shape).astype(np.float32)
    return Face(turned.astype(np.float32), None, 1.0)


def camera_image(width: int = 64, height: int = 48) -> Image:
    """A picture that must never come out."""
    return np.full((height, width, 3), CAMERA_COLOUR, np.uint8)


def shows_camera(image: Image) -> bool:
    """Whether any pixel is the camera's."""
    return bool((image == np.array(CAMERA_COLOUR, np.uint8)).all(-1).any())


def keypoints(x: float = 0.0, y: float = 0.0) -> Keypoints:
    """Five keypoints, (5, 2), moved by x and y."""
    base = np.array([[0, 0], [0.3, 0], [0, 0.3], [-0.3, 0], [0, -0.3]], np.float32)
    return Keypoints((base + np.array([x, y], np.float32)).astype(np.float32))


def avatar(level: int = 40) -> Avatar:
    """A grey still of 32 x 32."""
    still = np.full((32, 32, 3), level, np.uint8)
    return Avatar("fake", still, keypoints(), (16, 16))


class FakeAnimator(KeypointAnimator):
    """Renders a grey whose level follows the x of the first keypoint.

    Attributes:
        fail: what a step gives instead of its result, by its name: observe, pose, render.
        rendered: the poses that were rendered.
    """

    name = "fake"
    device = "CPU (a test)"
    sliders = (Slider("motion", "Motion"), Slider("eyes", "Eyes"))

    def __init__(self) -> None:
        """Work without a fault."""
        self.fail: dict[str, Callable[[], Any]] = {}
        self.rendered: list[Keypoints] = []

    def _maybe(self, stage: str) -> Any:
        return self.fail[stage]() if stage in self.fail else None

    def prepare(self, photo: Photo, size: int) -> Avatar:
        """The grey avatar, whatever the photo."""
        return avatar()

    def observe(self, frame: Image, face: Face, anchor: Face) -> Keypoints | None:
        """Five keypoints around the face's middle."""
        odd = self._maybe("observe")
        if odd is not None:
            return odd  # type: ignore[no-any-return]
        crop = Crop.around(anchor)
        nose = (face.landmarks[10, :2] + face.landmarks[152, :2]) / 2
        return keypoints((nose[0] - crop.cx) / crop.half, (nose[1] - crop.cy) / crop.half)

    def pose(
        self,
        avatar: Avatar,
        observation: Keypoints,
        reference: Keypoints | None,
        settings: MotionSettings,
    ) -> Keypoints:
        """The displacement since the reference, times the strength "motion"."""
        odd = self._maybe("pose")
        if odd is not None:
            return odd  # type: ignore[no-any-return]
        if settings.motion == "absolute":
            return observation
        assert reference is not None
        strength = np.float32(settings.strengths.get("motion", 1.0))
        moved = strength * (observation.values - reference.values)
        return Keypoints(avatar.rest.values + moved)

    def render(self, avatar: Avatar, pose: Keypoints) -> Image:
        """A grey picture."""
        odd = self._maybe("render")
        if odd is not None:
            return odd  # type: ignore[no-any-return]
        self.rendered.append(pose)
        level = int(np.clip(100 + 100 * pose.values[0, 0], 0, 255))
        return np.full(avatar.still.shape, level, np.uint8)


class FakeTracker:
    """Gives the faces of a list, or what a function makes of the frame's number."""

    def __init__(self, faces: Sequence[Face | None] | Callable[[int], Face | None]) -> None:
        self._faces = faces
        self.count = 0
        self.resets = 0
        self.locked = False

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        """The next face."""
        index, self.count = self.count, self.count + 1
        if callable(self._faces):
            return self._faces(index)
        return self._faces[min(index, len(self._faces) - 1)]

    def reset(self) -> None:
        """Counted only."""
        self.resets += 1

    def lock(self, on: bool) -> None:
        """Noted only."""
        self.locked = on


@dataclass
class _Noted(Closing):
    closed: bool = False

    def close(self) -> None:
        """Noted only."""
        self.closed = True


class FakeCamera(_Noted):
    """Gives `frames` camera frames, then is lost (None: never)."""

    name = "fake camera"

    def __init__(self, frames: int | None = None, pause: float = 0.005) -> None:
        super().__init__()
        self._left = frames
        self._pause = pause
        self._index = 0

    def read(self) -> CameraFrame:
        """The next frame, after a pause."""
        time.sleep(self._pause)
        if self._left is not None and self._index >= self._left:
            raise CameraLost("The fake camera was unplugged.")
        self._index += 1
        return CameraFrame(camera_image(), time.perf_counter(), self._index - 1)


class FakeSink(_Noted):
    """Keeps what it is given; fails after `fails_after` frames; sets `enough` after `enough_at`."""

    def __init__(
        self, name: str = "fake sink", fails_after: int | None = None, enough_at: int = 0
    ) -> None:
        super().__init__()
        self.name = name
        self.frames: list[AvatarFrame] = []
        self.fails_after = fails_after
        self.enough_at = enough_at
        self.enough = threading.Event()

    def write(self, frame: AvatarFrame) -> None:
        """Keep the frame, or fail."""
        require_avatar_frame(frame)
        if self.fails_after is not None and len(self.frames) >= self.fails_after:
            raise SinkError(f"{self.name} is full.")
        self.frames.append(frame)
        if self.enough_at and len(self.frames) >= self.enough_at:
            self.enough.set()


class PlainComposer:
    """The avatar as it is."""

    look = None

    def __init__(self) -> None:
        self.stills: list[Image] = []
        self.fails = False

    def set_avatar(self, still: Image, focus: tuple[float, float]) -> None:
        """Noted only."""
        self.stills.append(still)

    def compose(self, frame: AvatarFrame) -> AvatarFrame:
        """The frame itself; with `fails` an error, but for stills."""
        if self.fails and frame.live:
            raise RuntimeError("no canvas")
        return frame


class FakeClip:
    """A driving clip of `count` grey frames."""

    def __init__(self, count: int, fps: float = 25.0, times: Sequence[float] | None = None) -> None:
        self.fps = fps
        self.frame_count: int | None = count
        self._times = list(times) if times is not None else [i / fps for i in range(count)]

    def frames(self) -> Any:
        """The grey pictures, each with its time in seconds."""
        for moment in self._times:
            yield camera_image(), moment
