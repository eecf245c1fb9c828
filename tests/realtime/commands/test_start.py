"""The start without arguments: what is remembered, and what of it is gone."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from realtime.commands.start import CAMERA_VARIABLE, remembered
from realtime.paths import HOME_VARIABLE, asset_path, settings_file
from realtime.session.chosen import Chosen
from realtime.session.settings import Settings, save
from tests.end_to_end.test_panel_browser import Run
from tests.paths import ROOT


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(CAMERA_VARIABLE, raising=False)
    return tmp_path / "home"


def keep(**chosen: object) -> None:
    settings_file().parent.mkdir(parents=True, exist_ok=True)
    save(Settings(chosen=replace(Chosen(), **chosen)), settings_file())  # type: ignore[arg-type]


def test_the_first_time_there_is_the_example_and_no_camera() -> None:
    lines: list[str] = []
    choices, photo = remembered(lines.append)
    assert photo == asset_path("face.jpg") == choices.source
    assert (choices.camera, choices.output) == ("none", "none")
    assert lines == []


def test_what_was_chosen_last_is_chosen_again(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jpg"
    shutil.copy(asset_path("face.jpg"), mine)
    keep(photo=str(mine), camera="demo", output="pipewire", size="640x360", fps=25.0, rotate=90)
    choices, photo = remembered(lambda line: None)
    assert photo == mine
    assert (choices.camera, choices.output, choices.size) == ("demo", "pipewire", "640x360")
    assert (choices.fps, choices.rotate) == (25.0, "90")


def test_what_is_gone_is_told_and_replaced(tmp_path: Path) -> None:
    keep(photo=str(tmp_path / "gone.jpg"), backend="fomm:gone")
    lines: list[str] = []
    choices, photo = remembered(lines.append)
    assert photo == asset_path("face.jpg") and choices.backend == "mesh"
    assert any("gone.jpg is gone" in line for line in lines)
    assert any("Going on with mesh" in line for line in lines)


def test_an_address_with_a_password_comes_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(CAMERA_VARIABLE, "rtsp://me:secret@192.0.2.1/")
    keep(camera="demo")
    assert remembered(lambda line: None)[0].camera == "rtsp://me:secret@192.0.2.1/"


def arguments(*words: str) -> list[str]:
    source = str(asset_path("face.jpg"))
    return ["run", "--source", source, "--camera", "no such camera", "--output", "none", *words]


@pytest.mark.skipif(sys.platform == "win32", reason="ends it by a signal")
def test_with_a_page_a_missing_camera_does_not_end_the_run(home: Path) -> None:
    run = Run(home, command=arguments("--size", "320x180", "--panel", "127.0.0.1:0"))
    try:
        until = time.monotonic() + 60
        while not any("no such camera" in line for line in run.lines):
            assert time.monotonic() < until and run.process.poll() is None, run.lines
            time.sleep(0.05)
        time.sleep(1)
        assert run.process.poll() is None, run.lines
        run.process.send_signal(signal.SIGINT)
        assert run.process.wait(30) == 0, run.lines
    finally:
        run.close()


def test_without_a_page_a_missing_camera_ends_it_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", *arguments("--panel", "off")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "no such camera" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
