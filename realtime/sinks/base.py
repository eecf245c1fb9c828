"""What a place for avatar frames must do, and how a kind of place is registered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from models.errors import UserError
from realtime.closing import Closing
from realtime.devices.discovery import VideoDevice
from realtime.frames import AvatarFrame


class SinkError(UserError):
    """A sink cannot be opened or written to any more (missing device, full disk)."""


class Sink(Closing, Protocol):
    """A virtual camera, a recording, or nothing at all.

    All frames given to one sink have the size and are meant for the rate it was opened with.
    """

    name: str
    """For the status line: "OBS Virtual Camera", "out.mp4"."""

    def write(self, frame: AvatarFrame) -> None:
        """Show or store one frame.

        Raises:
            TypeError: it is not an `AvatarFrame` (the camera's frames must never leave).
            SinkError: the device or the disk refused it.
        """
        ...


def ignore_line(line: str) -> None:
    """A `notify` that nobody listens to."""


@dataclass(frozen=True)
class SinkRequest:
    """What a sink is opened for.

    Attributes:
        size: (width, height) in pixels, both even.
        fps: how often `write` will be called a second.
        device: the part of `--output` that is the kind's own (a path, a number, a name), or None
            for the kind's first choice.
        notify: called with one line for the user, such as a warning about a device that works but
            not for every program.
        finished: called with the path of a file once nothing more will be written to it.
        reads: the device that is the camera of the run, which cannot be written to as well.
    """

    size: tuple[int, int]
    fps: float
    device: str | None = None
    notify: Callable[[str], None] = ignore_line
    finished: Callable[[Path], None] | None = None
    reads: VideoDevice | None = None


@dataclass(frozen=True)
class Found:
    """What a look around says about a kind of sink; nothing was opened for it.

    Attributes:
        usable: it is worth an attempt.
        why: one clause without a capital or a full stop: what speaks for it ("every program lists
            it"), or what is missing ("there is no v4l2loopback camera"), or "" where this kind of
            sink does not exist on this system at all.
        where: what it would take ("AI avatar (/dev/video10)"), or "".
    """

    usable: bool
    why: str
    where: str = ""


@dataclass(frozen=True)
class SinkKind:
    """One kind of sink. A new one is an object of this class in `registry.SINK_KINDS`.

    Attributes:
        name: what `--output NAME` or `--output NAME:DEVICE` calls it.
        find: looks whether it can be used on this computer; quick, and changes nothing.
        open: opens a sink, or raises a `SinkError` of one sentence that says what to do. What the
            kind needs is imported there, not at import, so that a missing library stops nobody
            else.
        camera: other programs see it as a camera. `--output auto` takes the first such kind that
            opens, and one that fails during a run is opened again.
    """

    name: str
    find: Callable[[], Found]
    open: Callable[[SinkRequest], Sink]
    camera: bool = True


def require_avatar_frame(frame: object) -> AvatarFrame:
    """Return `frame` if it is an avatar frame; every sink calls this first.

    Raises:
        TypeError: it is anything else, such as a camera frame or a bare array.
    """
    if type(frame) is not AvatarFrame:
        raise TypeError(f"a sink takes avatar frames only, not {type(frame).__name__}")
    return frame
