"""Cameras, backends and outputs that fail on command, for tests and `scripts.soak.soak`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.animator import Observation, Pose
from models.types import Avatar, Face, Image
from realtime.cameras.base import CameraLost
from realtime.closing import Closing
from realtime.frames import AvatarFrame, CameraFrame
from realtime.sinks.base import SinkError, require_avatar_frame


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    Attributes:
        name: the part that is at fault, and how.
        line: what the user is told, as a regular expression; "" for nothing.
        stops: whether no animated frame comes while it lasts.
    """

    name: str
    line: str
    stops: bool


FAULTS: tuple[Fault, ...] = (
    Fault("camera: unplugged", "unplugged.*rests", True),
    Fault("camera: hangs", "The camera hangs", True),
    Fault("camera: black", "picture is black", False),
    Fault("camera: dark", "too dark", False),
    Fault("camera: frozen", "has not changed", False),
    Fault("camera: torn", "", False),
    Fault("camera: smaller", "", False),
    Fault("camera: wider", "", False),
    Fault("camera: grey", "", False),
    Fault("camera: garbage", "picture of shape", True),
    Fault("camera: 5 fps", "only [45] frames", False),
    Fault("camera: clock forward", "", False),
    Fault("camera: clock back", "", False),
    Fault("tracker: exception", "RuntimeError: tracker", True),
    Fault("tracker: not numbers", "not numbers", True),
    Fault("observation: exception", "RuntimeError: observation", True),
    Fault("observation: not numbers", "not numbers", True),
    Fault("observation: hangs", "Following the face hangs", True),
    Fault("render: exception", "RuntimeError: render", True),
    Fault("render: not numbers", "float32", True),
    Fault("render: wrong size", "shape", True),
    Fault("render: hangs", "Drawing the avatar hangs", True),
    Fault("sink: gone", "failed.*unplugged", False),
    Fault("sink: slow", "first is slow", False),
    Fault("sink: hangs", "first hangs", False),
)
"""Every fault that the parts below know, by the name that `Board.on` takes."""


class Board:
    """Which faults are on; all parts of one run look at the same board."""

    def __init__(self) -> None:
        """Begin without a fault."""
        self._changed = threading.Condition()
        self._on: set[str] = set()

    def on(self, name: str) -> None:
        """Begin a fault."""
        with self._changed:
            self._on.add(name)

    def off(self, name: str | None = None) -> None:
        """End a fault, or all of them."""
        with self._changed:
            self._on = set() if name is None else self._on - {name}
            self._changed.notify_all()

    def has(self, name: str) -> bool:
        """Whether a fault is on."""
        return name in self._on

    def hang(self, name: str, longest: float = 60.0) -> None:
        """Return when a fault is over, or after `longest` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: name not in self._on, longest)

    @contextmanager
    def during(self, name: str) -> Iterator[None]:
        """Have a fault for the body of the `with`."""
        self.on(name)
        try:
            yield
        finally:
            self.off(name)


class _Part(Closing):
    def close(self) -> None:
        """Let go."""


class FaultyCamera(_Part):
    """A camera at `fps` (0: as fast as it is read) with the pictures of a function."""

    name = "faulty camera"

    def __init__(self, board: Board, picture: Callable[[int], Image], fps: float = 30.0) -> None:
        """Open it.

        Args:
            board: says which faults there are.
            picture: the picture of each number, from 0 on.
            fps: frames per second.

        Raises:
            CameraLost: it is unplugged.
        """
        if board.has("camera: unplugged"):
            raise CameraLost("The faulty camera is unplugged.")
        self._board = board
        self._picture = picture
        self._pause = 1 / fps if fps else 0.0
        self._index = 0
        self._number = 0
        self._due = time.perf_counter()
        self._last: Image | None = None

    def read(self) -> CameraFrame:
        """The next picture, when it is due.

        Raises:
            CameraLost: it is unplugged.
        """
        board = self._board
        self._due = max(self._due + self._pause, time.perf_counter())
        if board.has("camera: 5 fps"):
            self._due += 0.2 - self._pause
        time.sleep(max(0.0, self._due - time.perf_counter()))
        board.hang("camera: hangs")
        if board.has("camera: unplugged"):
            raise CameraLost("The faulty camera was unplugged.")
        image = self._spoilt(self._next())
        at = time.perf_counter()
        at += 3600.0 * (board.has("camera: clock forward") - board.has("camera: clock back"))
        self._index += 1
        return CameraFrame(image, at, self._index - 1)

    def _next(self) -> Image:
        if self._last is not None and self._board.has("camera: frozen"):
            return self._last
        before, self._last = self._last, self._picture(self._number)
        self._number += 1
        if before is not None and self._board.has("camera: torn"):
            half = before.shape[0] // 2
            return np.concatenate([before[half:], self._last[: before.shape[0] - half]])
        return self._last

    def _spoilt(self, image: Image) -> Image:
        board = self._board
        if board.has("camera: black"):
            return np.zeros_like(image)
        if board.has("camera: dark"):
            # The sensor's noise is louder than what is left of the picture.
            noise = np.random.default_rng(self._number).integers(0, 20, image.shape, np.uint8)
            return np.asarray(image // 32 + noise, np.uint8)
        if board.has("camera: smaller"):
            return np.ascontiguousarray(image[::2, ::2])
        if board.has("camera: wider"):
            cut = image.shape[0] // 8
            return np.ascontiguousarray(image[cut : image.shape[0] - cut])
        if board.has("camera: grey"):
            return np.ascontiguousarray(image[..., 1])
        if board.has("camera: garbage"):
            return np.zeros(7, np.uint8)
        return image


class FaultyTracker:
    """A face tracker around another one."""

    def __init__(self, board: Board, inner: Any) -> None:
        """Track with `inner`."""
        self._board = board
        self._inner = inner

    def track(self, frame: Image, seconds: float | None = None) -> Face | None:
        """As the other tracker, or not."""
        if self._board.has("tracker: exception"):
            raise RuntimeError("tracker")
        face: Face | None = self._inner.track(frame, seconds)
        if face is not None and self._board.has("tracker: not numbers"):
            return Face(np.full_like(face.landmarks, np.nan), None, face.score)
        return face

    def __getattr__(self, name: str) -> Any:
        """What is never at fault is the other tracker's."""
        return getattr(self._inner, name)


class FaultyAnimator:
    """A backend around another one."""

    def __init__(self, board: Board, inner: Any) -> None:
        """Animate with `inner`."""
        self._board = board
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        """What is never at fault is the other backend's."""
        return getattr(self._inner, name)

    def observe(self, frame: Image, face: Face, anchor: Face) -> Observation | None:
        """As the other backend, or not."""
        self._board.hang("observation: hangs")
        if self._board.has("observation: exception"):
            raise RuntimeError("observation")
        found = self._inner.observe(frame, face, anchor)
        if found is not None and self._board.has("observation: not numbers"):
            return (np.full(3, np.nan),)
        return found

    def render(self, avatar: Avatar, pose: Pose) -> Image:
        """As the other backend, or not."""
        self._board.hang("render: hangs")
        if self._board.has("render: exception"):
            raise RuntimeError("render")
        image: Image = self._inner.render(avatar, pose)
        if self._board.has("render: not numbers"):
            return np.full(image.shape, np.nan, np.float32)
        return image[::2] if self._board.has("render: wrong size") else image


class FaultySink(_Part):
    """An output that hands each frame to a function."""

    def __init__(
        self, name: str, keep: Callable[[AvatarFrame], None], board: Board | None = None
    ) -> None:
        """Open it.

        Args:
            name: of the output.
            keep: is given each frame.
            board: says which faults there are; None: never any.

        Raises:
            SinkError: it is gone.
        """
        self.name = name
        self._keep = keep
        self._board = board or Board()
        self._check()

    def write(self, frame: AvatarFrame) -> None:
        """Take a frame.

        Raises:
            SinkError: it is gone.
        """
        require_avatar_frame(frame)
        self._check()
        if self._board.has("sink: slow"):
            time.sleep(0.3)
        self._board.hang("sink: hangs")
        self._keep(frame)

    def _check(self) -> None:
        if self._board.has("sink: gone"):
            raise SinkError(f"{self.name} was unplugged.")
