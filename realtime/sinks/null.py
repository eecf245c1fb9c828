"""A sink that shows its frames to nobody."""

from __future__ import annotations

from realtime.closing import Closing
from realtime.frames import AvatarFrame
from realtime.sinks.base import Found, SinkKind, SinkRequest, require_avatar_frame


class NullSink(Closing):
    """Checks frames as every sink does and drops them: `--output none`, and benchmarks."""

    name = "none"

    def write(self, frame: AvatarFrame) -> None:
        """Drop one frame.

        Raises:
            TypeError: it is not an `AvatarFrame`.
        """
        require_avatar_frame(frame)

    def close(self) -> None:
        """Do nothing."""


def _find() -> Found:
    return Found(True, "nobody sees it")


def _open(request: SinkRequest) -> NullSink:
    return NullSink()


KIND = SinkKind("none", _find, _open, camera=False)
