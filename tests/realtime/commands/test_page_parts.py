"""What the page is told of the cameras that the run has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from realtime.cameras.browser import BrowserFeed
from realtime.cameras.viewfinder import Viewfinder
from realtime.commands import page_parts
from realtime.devices.discovery import VideoDevice
from realtime.pipeline.capture import CameraState
from realtime.session.background_photo import BackgroundPhoto

DEVICES = [VideoDevice(0, "Demo auto cam", "/dev/video0", identity="usb:1:1:port 1:0")]


@pytest.mark.parametrize(
    ("choice", "state", "name", "note"),
    [
        ("auto", CameraState.OPEN, "Demo auto cam (/dev/video0) 640x480 30 fps", "in_use"),
        ("usb:1:1:port 1:0", CameraState.OPENING, "opening", "in_use"),
        ("usb:1:1:port 1:0", CameraState.LOST, "Demo auto cam (/dev/video0)", "in_use"),
        ("auto", CameraState.LOST, "", ""),
        ("demo", CameraState.OPENING, "opening", ""),
        ("demo", CameraState.OPEN, "demo 512x512", ""),
        ("none", None, "", ""),
    ],
)
def test_the_camera_of_the_run_is_told_from_the_others(
    choice: str,
    state: CameraState | None,
    name: str,
    note: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capture = None if state is None else SimpleNamespace(state=state, name=name)
    pipeline: Any = SimpleNamespace(capture=capture, outputs=[])
    chosen = SimpleNamespace(chosen=SimpleNamespace(camera=choice))
    session: Any = SimpleNamespace(settings=chosen, say=lambda line: None)
    made = page_parts.setup_parts(
        session, pipeline, BrowserFeed(), BackgroundPhoto(None), Viewfinder()
    )
    cameras: Any = next(part for part in made if part.name == "cameras")
    monkeypatch.setattr(cameras, "_devices", lambda: DEVICES)
    assert [one["note"] for one in cameras.offered()] == [note]


def test_every_part_has_a_name_of_its_own(tmp_path: Path) -> None:
    nothing: Any = SimpleNamespace(say=lambda line: None)
    made = page_parts.setup_parts(
        nothing, nothing, BrowserFeed(), BackgroundPhoto(tmp_path / "b.jpg"), Viewfinder()
    )
    names = [part.name for part in made]
    assert len(set(names)) == len(names)
    assert all(name.isalpha() and name.islower() for name in names)
