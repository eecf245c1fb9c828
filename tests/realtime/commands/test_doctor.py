"""The doctor's conclusions and its page, and the mending commands."""

from __future__ import annotations

import io
import platform
import re
import sys
import tomllib
import types
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from rich.console import Console

from models import onnx_build
from realtime.commands.doctor import PACKAGES, assess, examine, print_report
from realtime.devices.discovery import VideoDevice
from realtime.devices.host import SET_UP, Host
from realtime.version import version
from tests.paths import ROOT

WEBCAM = VideoDevice(0, "Integrated Camera [HD]", "/dev/video0")
LOOPBACK = VideoDevice(10, "AI avatar", "/dev/video10", virtual=True, capture=False, output=True)
FACE = Path(__file__)
UBUNTU = Host("Linux", ("ubuntu", "debian"))


def page(report_of: tuple[VideoDevice, ...], host: Host = UBUNTU, width: int = 60) -> str:
    report = assess(list(report_of), ("CPUExecutionProvider",), (FACE,), host)
    out = io.StringIO()
    print_report(report, Console(file=out, width=width))
    return out.getvalue()


def test_nothing_missing() -> None:
    report = assess([WEBCAM, LOOPBACK], ("CPUExecutionProvider",), (FACE,), UBUNTU)
    assert report.problems == ()
    assert report.camera == "Integrated Camera [HD] (/dev/video0)"
    assert report.output == "AI avatar (/dev/video10)"
    assert report.backend == "mesh"
    text = page((WEBCAM, LOOPBACK), width=200)
    assert "Integrated Camera [HD] (/dev/video0)" in text, "brackets in names are no markup"
    assert "Nothing is missing" in text


def test_bare_machine_is_told_how_to_mend_each_thing() -> None:
    report = assess([], (), (Path("face.onnx"),), UBUNTU)
    assert [problem.what for problem in report.problems] == [
        "no webcam",
        "no virtual camera that every program lists",
        "ONNX Runtime cannot be loaded",
        "the weights face.onnx are missing",
    ]
    assert all(problem.command or problem.hint for problem in report.problems)
    assert "--camera demo" in report.camera and "--record" in report.output


def test_commands_are_never_wrapped() -> None:
    lines = page((), width=30).splitlines()
    assert len(SET_UP) > 30 and any(line.strip() == SET_UP for line in lines)


def test_nothing_is_wrapped_that_is_there_to_be_copied() -> None:
    """Not by the program: a terminal that is narrow breaks lines in a way that copies well."""
    report = replace(
        assess([], ("CPUExecutionProvider",), (FACE,), UBUNTU, f"none{': why' * 30}"),
        backends=(("fomm", "it needs this\npython -m pip install one two three four five six"),),
        packages=("a-package-with-a-name 1.2.3",) * 5,
        log=Path("/home/somebody/with/a/long/name/avatarify-like.log"),
    )
    out = io.StringIO()
    print_report(report, Console(file=out, width=20))
    lines = [line.strip() for line in out.getvalue().splitlines()]
    assert "python -m pip install one two three four five six" in lines, "on a line of its own"
    for whole in (str(FACE), str(report.log), report.output, ", ".join(report.packages)):
        assert any(whole in line for line in lines), whole


def broken(monkeypatch: pytest.MonkeyPatch, **builds: str) -> None:
    found = {name.replace("_", "-"): version for name, version in builds.items()}
    monkeypatch.setattr(onnx_build, "installed", lambda: found)


def test_a_removed_build_of_onnxruntime_is_told_with_what_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", types.ModuleType("onnxruntime"))
    broken(monkeypatch, onnxruntime_gpu="1.26.0")
    report = examine()
    assert report.providers == () and report.backends == ()
    (problem,) = [one for one in report.problems if "ONNX" in one.what]
    assert problem.command.endswith("--force-reinstall --no-deps onnxruntime-gpu==1.26.0")
    assert "another build" in problem.hint
    out = io.StringIO()
    print_report(report, Console(file=out, width=40))
    assert f"    {problem.command}" in out.getvalue().splitlines()


def test_two_builds_of_onnxruntime_are_a_problem_before_one_is_removed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken(monkeypatch, onnxruntime="1.26.0", onnxruntime_gpu="1.26.0")
    (problem,) = [one for one in examine().problems if "builds" in one.what]
    assert "uninstall -y onnxruntime &&" in problem.command


def test_a_home_in_which_nothing_can_be_kept_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("AVATARIFY_HOME", str(file))
    (problem,) = [one for one in examine().problems if "kept" in one.what]
    assert f"{file} is no folder" in problem.what and "AVATARIFY_HOME" in problem.hint


def test_forbidden_devices_and_shared_caps() -> None:
    closed = VideoDevice(0, "Cam", "/dev/video0", readable=False)
    shared = replace(LOOPBACK, exclusive=False)
    report = assess([closed, shared], ("X",), (FACE,), UBUNTU)
    assert [problem.command.split()[:2] for problem in report.problems] == [
        ["sudo", "usermod"],
        ["avatarify-like", "setup-camera"],
    ]
    assert "which you may not use" in page((closed,), width=200)


def test_examine_works_on_this_computer() -> None:
    report = examine()
    assert report.python.count(".") == 2 and report.system
    assert "CPUExecutionProvider" in report.providers
    assert {path.name for path in report.weights} == {"detector.onnx", "landmarks.onnx"}
    assert not any("weights" in problem.what for problem in report.problems)
    out = io.StringIO()
    print_report(report, Console(file=out, width=100))
    assert "run would choose" in out.getvalue()


def test_a_bug_report_finds_versions_and_the_log_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVATARIFY_HOME", "some folder")
    out = io.StringIO()
    print_report(examine(), Console(file=out, width=1000))
    text = out.getvalue()
    assert version() in text and platform.python_version() in text and platform.system() in text
    for name in PACKAGES:
        assert f"{name} {metadata.version(name)}" in text
    log = Path("some folder", "log", "avatarify-like.log")
    assert f"{log} (nothing logged yet)" in text


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    assert set(PACKAGES) == needed


def test_a_camera_without_colours_is_listed_last_and_called_that() -> None:
    infrared = VideoDevice(0, "Integrated Camera", "/dev/video0", format="640x360 GREY", grey=True)
    colour = replace(WEBCAM, index=2, path="/dev/video2")
    report = assess([infrared, colour], ("CPUExecutionProvider",), (FACE,), UBUNTU)
    assert report.camera == "Integrated Camera [HD] (/dev/video2)"
    text = page((infrared, colour), width=200)
    assert "640x360 GREY, without colours" in text and text.count("without colours") == 1
