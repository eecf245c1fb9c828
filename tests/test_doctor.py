"""The doctor's conclusions and its page, and the mending commands."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from realtime.cameras.discovery import Device
from realtime.doctor import Problem, Weights, assess, examine, print_report
from realtime.remedy import Host, install_virtual_camera, missing_virtual_camera

WEBCAM = Device(0, "Integrated Camera [HD]", "/dev/video0")
LOOPBACK = Device(10, "AI avatar", "/dev/video10", virtual=True, capture=False, output=True)
FACE = Weights("face_landmarker", 3_758_596, Path("cache/face.task"))
UBUNTU = Host("Linux", ("ubuntu", "debian"))


def page(report_of: tuple[Device, ...], host: Host = UBUNTU, width: int = 60) -> str:
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
    report = assess([], (), (Weights("face_landmarker", 1, None),), UBUNTU)
    assert [problem.what for problem in report.problems] == [
        "no webcam",
        "no virtual camera",
        "ONNX Runtime cannot be loaded",
        "the weights face_landmarker are not here yet",
    ]
    assert all(problem.command for problem in report.problems)
    assert "--camera demo" in report.camera and "--record" in report.output


def test_commands_are_never_wrapped() -> None:
    lines = page((), width=40).splitlines()
    wanted = install_virtual_camera(UBUNTU)
    assert len(wanted) > 100 and any(line.strip() == wanted for line in lines)


def test_forbidden_devices_and_shared_caps() -> None:
    closed = Device(0, "Cam", "/dev/video0", readable=False)
    shared = replace(LOOPBACK, exclusive=False)
    report = assess([closed, shared], ("X",), (FACE,), UBUNTU)
    assert [problem.command.split()[:2] for problem in report.problems] == [
        ["sudo", "usermod"],
        ["sudo", "modprobe"],
    ]
    assert "which you may not use" in page((closed,), width=200)


@pytest.mark.parametrize(
    ("host", "words"),
    [
        (UBUNTU, "sudo apt install -y v4l2loopback-dkms"),
        (Host("Linux", ("linuxmint", "ubuntu")), "sudo apt install"),
        (Host("Linux", ("fedora",)), "sudo dnf install"),
        (Host("Linux", ("manjaro", "arch")), "sudo pacman -S"),
        (Host("Linux", ("nixos",)), "your distribution's v4l2loopback"),
        (Host("Windows"), "winget install OBSProject.OBSStudio"),
        (Host("Darwin"), "brew install --cask obs"),
        (Host("FreeBSD"), "OBS Studio"),
    ],
)
def test_virtual_camera_command_fits_the_system(host: Host, words: str) -> None:
    command = install_virtual_camera(host)
    assert words in command
    if host.system == "Linux":
        assert command.endswith('modprobe v4l2loopback exclusive_caps=1 card_label="AI avatar"')
    sentence = missing_virtual_camera(host)
    assert command in sentence and sentence.count(". ") == 0 and "--record" in sentence
    report = assess([], (), (), host)
    assert any(isinstance(p, Problem) and p.command == command for p in report.problems)


def test_installed_module_only_needs_loading() -> None:
    command = install_virtual_camera(Host("Linux", ("debian",), has_loopback=True))
    assert command.startswith("sudo modprobe v4l2loopback") and "apt" not in command


def test_examine_works_on_this_computer() -> None:
    report = examine()
    assert report.python.count(".") == 2 and report.system
    assert "CPUExecutionProvider" in report.providers
    assert any(item.name == "face_landmarker" for item in report.weights)
    out = io.StringIO()
    print_report(report, Console(file=out, width=100))
    assert "run would choose" in out.getvalue()
