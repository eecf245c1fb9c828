from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from rich.console import Console

from models.errors import UserError
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.viewfinder import Viewfinder
from realtime.commands import run as live
from realtime.commands import serving
from realtime.commands.options import RunChoices
from realtime.frames import AvatarFrame
from realtime.paths import HOME_VARIABLE, asset_path
from realtime.sinks import null, registry
from realtime.sinks.base import Found, SinkError, SinkKind, SinkRequest
from scripts.rigs.fakes import FakeSink
from tests.paths import ROOT


def refuse(request: SinkRequest) -> Any:
    raise SinkError("No virtual camera was found; mend it with `magic`.")


def outputs(monkeypatch: pytest.MonkeyPatch, open: Callable[[SinkRequest], Any]) -> None:
    """Let every camera be opened by `open`."""
    fake = SinkKind("fake", lambda: Found(True, "it is fake"), open)
    monkeypatch.setattr(registry, "SINK_KINDS", {"fake": fake, "none": null.KIND})
    monkeypatch.setattr(registry, "DEVICES", fake)


def names(choices: RunChoices, notes: list[str], panel_shows: bool = False) -> list[str]:
    outputs = live._outputs(choices, notes.append, None, panel_shows)
    return [output.name for output in outputs]


def test_without_a_virtual_camera_the_recording_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outputs(monkeypatch, refuse)
    notes: list[str] = []
    record = tmp_path / "out.mp4"
    assert names(RunChoices(record=record), notes) == [str(record)]
    assert len(notes) == 1 and "magic" in notes[0]


def test_without_any_output_there_is_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs(monkeypatch, refuse)
    with pytest.raises(SinkError, match="magic"):
        names(RunChoices(), [])


def test_the_panel_is_enough_of_an_output_where_it_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outputs(monkeypatch, refuse)
    notes: list[str] = []
    assert names(RunChoices(), notes, panel_shows=True) == ["the panel alone"]
    assert len(notes) == 1 and "panel alone" in notes[0]


def test_outputs_that_are_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outputs(monkeypatch, lambda request: FakeSink(request.device or "auto"))
    record = tmp_path / "out.mp4"
    assert names(RunChoices(output="none"), []) == ["none"]
    assert names(RunChoices(output="none", record=record), []) == [str(record)]
    assert names(RunChoices(output="5", record=record), []) == ["5", str(record)]


def test_an_output_knows_which_device_is_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[SinkRequest] = []

    def open_fake(request: SinkRequest) -> FakeSink:
        asked.append(request)
        return FakeSink("fake")

    outputs(monkeypatch, open_fake)
    for camera in ("/dev/video987", "demo", "browser", "rtsp://h/x"):
        names(RunChoices(camera=camera, output="/dev/video987"), [])
    assert [request.reads and request.reads.path for request in asked] == [
        "/dev/video987",
        None,
        None,
        None,
    ]


def test_what_is_asked_of_a_camera_reaches_it(tmp_path: Path) -> None:
    choices = RunChoices(camera="demo", rotate="90", camera_size="200x100", camera_fps=7)
    told: list[str] = []
    feed = BrowserFeed()
    cameras = live._cameras(choices, True, feed, Viewfinder(), told.append)
    open_camera = cameras(choices.camera)
    assert open_camera is not None
    with open_camera() as camera:
        assert camera.read().image.shape == (100, 100, 3), "the demo is square, and made to fit"
    assert len(told) == 1 and "--camera-fps is for webcams" in told[0]
    assert cameras("none") is None and cameras("browser") == feed.open


def test_a_camera_that_a_page_looks_at_is_let_go_before_the_run_opens_it() -> None:
    order: list[str] = []

    class Noted(Viewfinder):
        def release(self) -> None:
            order.append("released")

    cameras = live._cameras(RunChoices(), True, BrowserFeed(), Noted(), order.append)
    open_demo = cameras("demo")
    assert open_demo is not None and order == []
    with open_demo():
        assert order == ["released"]


@pytest.mark.parametrize("role", ["source", "camera"])
def test_a_recording_over_its_own_input_is_refused(role: str, tmp_path: Path) -> None:
    used = tmp_path / "used.mp4"
    used.write_bytes(b"precious")
    other = tmp_path / "link.mp4"
    os.link(used, other)
    source, camera = (used, "demo") if role == "source" else (asset_path("face.jpg"), str(used))
    choices = RunChoices(source=source, camera=camera, output="none", record=other)
    with pytest.raises(UserError, match="choose another file"):
        live.build(choices, print)
    assert used.read_bytes() == b"precious"


def test_a_missing_camera_leaves_an_existing_recording_alone(tmp_path: Path) -> None:
    record = tmp_path / "out.mp4"
    record.write_bytes(b"precious")
    missing = str(tmp_path / "nothing.mp4")
    choices = RunChoices(camera=missing, output="none", record=record)
    with pytest.raises(UserError, match="nothing.mp4"):
        live.build(choices, print).pipeline.run()
    assert record.read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="Windows has other pipes")
def test_the_panel_s_key_is_printed_for_eyes_and_not_into_files(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with (tmp_path / "log.txt").open("w") as file, os.fdopen(writing, "w") as pipe:
        assert not serving._own_eyes(Console(file=file, force_terminal=True))
        assert serving._own_eyes(Console(file=pipe))
    os.close(reading)
    assert not serving._own_eyes(Console(file=io.StringIO()))


@pytest.mark.skipif(os.name == "nt", reason="Windows allows few odd names")
@pytest.mark.parametrize(
    "name",
    ["take:2.mp4", os.fsdecode(b"\xff.mp4"), "ä" * 125 + "z.mp4", "-x.mp4"],
    ids=lambda name: ascii(name[:20]),
)
def test_a_recording_may_have_any_name_and_those_that_begin_later_fit_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    record = Path(name)
    (output,) = live._outputs(RunChoices(output="none", record=record), print)
    output.open_now()
    assert output.sink is not None
    with output.sink as recorder:
        recorder.write(AvatarFrame(np.zeros((720, 1280, 3), np.uint8), None, True))
    assert len(frames(record.absolute())) == 1
    for _ in range(2):
        later = live._free_path(record)
        assert not later.exists() and later.parent == record.parent
        later.touch()
    assert len(os.listdir()) == 3


def frames(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "realtime.cli", *words]


def test_the_demo_runs_and_records_a_moving_face(tmp_path: Path) -> None:
    record = tmp_path / "out.mp4"
    words = command(
        *("run", "--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none"),
        *("--record", str(record), "--size", "320x240", "--seconds", "6", "--verbose"),
    )
    home = {**os.environ, HOME_VARIABLE: str(tmp_path / "home")}
    done = subprocess.run(words, cwd=ROOT, env=home, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "animated frames" in done.stdout and "Traceback" not in done.stderr
    key = done.stdout.partition("#key=")[2].split()[0]
    log = "".join(path.read_text("utf-8") for path in (tmp_path / "home").glob("log/*"))
    assert len(key) > 40 and key not in done.stderr + log
    pictures = frames(record)
    assert 90 < len(pictures) < 195, "the length follows the clock"
    assert pictures[0].shape == (240, 320, 3)
    first = pictures[0].astype(int)
    change = max(np.abs(picture - first).max() for picture in pictures)
    assert change > 60, "it moves"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a single process")
def test_an_interrupted_run_ends_well_and_the_recording_plays(tmp_path: Path) -> None:
    record = tmp_path / "out.mp4"
    words = command(
        *("run", "--source", str(asset_path("face.jpg")), "--camera", "demo", "--output", "none"),
        *("--record", str(record), "--size", "320x240"),
    )
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert len(frames(record)) > 10
