"""A sink that shows its frames to nobody."""

from __future__ import annotations

from types import TracebackType

from realtime.frames import AvatarFrame
from realtime.sinks.base import Found, SinkKind, SinkRequest, require_avatar_frame


class NullSink:
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

    def __enter__(self) -> NullSink:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing."""


def _find() -> Found:
    return Found(True, "nobody sees it")


def _open(request: SinkRequest) -> NullSink:
    return NullSink()


KIND = SinkKind("none", _find, _open, camera=False)
