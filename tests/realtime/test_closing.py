"""What has a `close` is closed at the end of its block."""

from __future__ import annotations

import pytest

from realtime.cameras.clip import ClipCamera
from realtime.cameras.webcam import Webcam
from realtime.closing import Closing
from realtime.frames import AvatarFrame
from realtime.provenance.signer import Signer
from realtime.sinks.base import Sink
from realtime.sinks.null import NullSink
from realtime.sinks.virtual.pipewire import PipeWireSink
from realtime.sinks.virtual.virtual_camera import VirtualCameraSink


class Door(Closing):
    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_the_block_gets_the_thing_and_closes_it() -> None:
    door = Door()
    with door as inside:
        assert inside is door and door.closed < 1
    assert door.closed == 1


def test_an_error_closes_it_too_and_goes_on() -> None:
    door = Door()
    with pytest.raises(KeyError, match="lost"), door:
        raise KeyError("lost")
    assert door.closed == 1


def test_without_a_close_there_is_no_object() -> None:
    class Hole(Closing):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Hole()  # type: ignore[abstract]


def test_what_only_looks_like_a_sink_is_one() -> None:
    class Foreign:
        name = "foreign"

        def write(self, frame: AvatarFrame) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> Foreign:
            return self

        def __exit__(self, *error: object) -> None: ...

    def takes(sink: Sink) -> str:
        return sink.name

    assert takes(Foreign()) == "foreign" and takes(NullSink()) == "none"


@pytest.mark.parametrize(
    "kind", [ClipCamera, Webcam, NullSink, PipeWireSink, VirtualCameraSink, Signer]
)
def test_cameras_and_sinks_are_closed_so(kind: type) -> None:
    assert Closing in kind.__mro__ and "__exit__" not in vars(kind)
