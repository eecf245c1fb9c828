"""Places for avatar frames."""

from __future__ import annotations

from collections.abc import Callable

from realtime.sinks.base import Sink, SinkError, require_avatar_frame

__all__ = ["OUTPUTS", "Sink", "SinkError", "open_output", "require_avatar_frame"]


def _auto(size: tuple[int, int], fps: float) -> Sink:
    from realtime.sinks.virtual_camera import VirtualCameraSink

    return VirtualCameraSink(size, fps)


def _none(size: tuple[int, int], fps: float) -> Sink:
    from realtime.sinks.null import NullSink

    return NullSink()


OUTPUTS: dict[str, Callable[[tuple[int, int], float], Sink]] = {"auto": _auto, "none": _none}
"""What `--output` may say to what opens it; everything else names a virtual camera."""


def open_output(choice: str, size: tuple[int, int], fps: float) -> Sink:
    """Open what `--output` asks for.

    Args:
        choice: a key of `OUTPUTS` (`auto`: the first virtual camera; `none`), or the path, number
            or name of a virtual camera.
        size: (width, height) of the frames.
        fps: how often frames will be written per second.

    Raises:
        SinkError: there is no such virtual camera; the sentence says how to get one.
    """
    if choice in OUTPUTS:
        return OUTPUTS[choice](size, fps)
    from realtime.sinks.virtual_camera import VirtualCameraSink

    return VirtualCameraSink(size, fps, choice)
