"""What was found on this computer, what `run` would choose, and how to mend what is missing."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.text import Text

from models import onnx_build
from models.backends import DEFAULT, describe_backends
from models.folders import HOME_VARIABLE, NOWHERE, trouble
from realtime.cameras.memory import preferred
from realtime.devices.discovery import VideoDevice, list_devices, real_cameras, virtual_outputs
from realtime.devices.host import SET_UP, Host, join_video_group
from realtime.paths import config_folder, log_file
from realtime.version import version

PACKAGES = (
    "av",
    "c2pa-python",
    "cryptography",
    "cv2-enumerate-cameras",
    "numpy",
    "onnxruntime",
    "opencv-python-headless",
    "pi-heif",
    "pillow",
    "platformdirs",
    "pyvirtualcam",
    "rich",
    "segno",
    "starlette",
    "tomli-w",
    "typer",
    "uvicorn",
    "websockets",
)
"""What the program needs, as in pyproject.toml."""

_OTHERS = ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnx", "torch")
"""What it can use besides; named where it is installed."""


@dataclass(frozen=True)
class Problem:
    """Something missing.

    Attributes:
        what: in a few words.
        command: what mends it here, or "".
        hint: what else to know, or "".
    """

    what: str
    command: str
    hint: str = ""


@dataclass(frozen=True)
class DoctorReport:
    """All that `doctor` prints.

    Attributes:
        system: name, release and processor of this computer's system.
        python: the version of Python.
        cameras: real webcams.
        virtual_cameras: what `run` can write to.
        providers: ONNX Runtime's execution providers, best first; empty if it cannot be loaded.
        weights: the files that come along, also if they are missing.
        camera: what `run` would choose, in words.
        backend: the same.
        output: the same.
        problems: what to mend.
        backends: each one's name and the lines it tells about itself.
        program: the version of this program.
        packages: name and version of each package that it loads.
        log: the log file; None where there can be none.
    """

    system: str
    python: str
    cameras: tuple[VideoDevice, ...]
    virtual_cameras: tuple[VideoDevice, ...]
    providers: tuple[str, ...]
    weights: tuple[Path, ...]
    camera: str
    backend: str
    output: str
    problems: tuple[Problem, ...]
    backends: tuple[tuple[str, str], ...] = ()
    program: str = ""
    packages: tuple[str, ...] = ()
    log: Path | None = None


def examine() -> DoctorReport:
    """Look around on this computer; opens no camera and changes nothing."""
    providers = _providers()
    report = assess(list_devices(), providers, _weights(), Host.this(), _output())
    return replace(
        report,
        problems=(*report.problems, *_of_the_installation(providers)),
        # Without ONNX Runtime there is nothing to say about what it would run on.
        backends=tuple(describe_backends()) if providers else (),
        program=version(),
        packages=_packages(),
        log=None if NOWHERE in log_file().parents else log_file(),
    )


def assess(
    devices: list[VideoDevice],
    providers: tuple[str, ...],
    weights: tuple[Path, ...],
    host: Host,
    output: str = "",
) -> DoctorReport:
    """Draw the conclusions from what was found.

    Args:
        devices: all video devices.
        providers: ONNX Runtime's execution providers.
        weights: the files that come along.
        host: the computer, for the mending commands.
        output: what `--output auto` would take and why.
    """
    cameras = tuple(preferred(real_cameras(devices)))
    outputs = tuple(virtual_outputs(devices))
    problems = []
    if not cameras:
        problems.append(
            Problem("no webcam", "avatarify-like run --source face.jpg --camera demo", _no_webcam())
        )
    if any(not device.readable for device in (*cameras, *outputs)):
        problems.append(
            Problem("you may not use all video devices", join_video_group(), "then log in again")
        )
    if not outputs:
        # One of PipeWire may exist: `output` says so, and who lists it.
        kind = " that every program lists" if host.system == "Linux" else ""
        hint = "without --yes it only says how"
        problems.append(Problem(f"no virtual camera{kind}", SET_UP, hint))
    elif not all(device.exclusive for device in outputs):
        hint = "until then Chrome and Zoom do not list it; close what uses it first"
        problems.append(Problem("a virtual camera without exclusive_caps=1", SET_UP, hint))
    if not providers:
        hint = onnx_build.fault()
        problems.append(Problem("ONNX Runtime cannot be loaded", onnx_build.mending(), hint))
    for path in weights:
        if not path.is_file():
            again = "install the program again"
            problems.append(Problem(f"the weights {path.name} are missing", "", again))
    return DoctorReport(
        system=f"{platform.system()} {platform.release()} ({platform.machine()})",
        python=platform.python_version(),
        cameras=cameras,
        virtual_cameras=outputs,
        providers=providers,
        weights=weights,
        camera=_first(cameras) or "none (--camera demo works without one)",
        backend=DEFAULT,
        output=output or _first(outputs) or "none (--record FILE.mp4 works without one)",
        problems=tuple(problems),
    )


def print_report(report: DoctorReport, console: Console) -> None:
    """Print a report for people: what is there, what would be chosen, what to mend."""
    rows = [("avatarify-like", report.program)] if report.program else []
    rows += [
        ("System", f"{report.system}, Python {report.python}"),
        ("Cameras", _lines(report.cameras)),
        ("Virtual cameras", _lines(report.virtual_cameras)),
        ("ONNX Runtime", ", ".join(report.providers) or "not usable"),
    ]
    for path in report.weights:
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
        rows.append(("Weights", f"{path} ({size})"))
    rows += [(f"--backend {name}", lines) for name, lines in report.backends]
    if report.packages:
        rows.append(("Packages", ", ".join(report.packages)))
    if report.log is not None:
        new = "" if os.path.exists(report.log) else " (nothing logged yet)"
        rows.append(("Log file", f"{report.log}{new}"))
    _print_rows(rows, console)
    console.print()
    console.print("[bold]run would choose[/bold]")
    chosen = [("camera", report.camera), ("backend", report.backend), ("output", report.output)]
    _print_rows(chosen, console, "  ")
    console.print()
    if not report.problems:
        console.print("[green]Nothing is missing.[/green]")
        return
    console.print("[bold]To mend[/bold]")
    for problem in report.problems:
        _print(Text(f"  {problem.what}:", "yellow"), console)
        if problem.command:
            _print(Text(f"    {problem.command}"), console)
        if problem.hint:
            _print(Text(f"    ({problem.hint})", "dim"), console)


def _print_rows(rows: Sequence[tuple[str, str]], console: Console, indent: str = "") -> None:
    """Titles and what belongs to them, which may have several lines, in two columns."""
    width = max(len(title) for title, _ in rows) + 2
    for title, text in rows:
        for number, line in enumerate(text.splitlines() or [""]):
            lead = indent + (title if number == 0 else "").ljust(width)
            style = "" if indent else "bold"
            _print(Text.assemble((lead, style), line), console)


def _print(text: Text, console: Console) -> None:
    """Print one line that is never wrapped: paths and commands are there to be copied."""
    console.print(text, soft_wrap=True, highlight=False)


def _lines(devices: tuple[VideoDevice, ...]) -> str:
    lines = [
        device.label
        + (f", {device.format}" if device.format and not device.virtual else "")
        + (", without colours" if device.grey else "")
        + (f", {device.identity}" if device.identity and not device.virtual else "")
        + ("" if device.readable else ", which you may not use")
        for device in devices
    ]
    return "\n".join(lines) or "none"


def _first(devices: tuple[VideoDevice, ...]) -> str:
    """What `auto` would try first: the first device that this user may open."""
    usable = [device for device in devices if device.readable] or list(devices)
    return usable[0].label if usable else ""


def _output() -> str:
    from realtime.sinks.registry import candidates, explain

    every = candidates()
    without = "" if every[0].found.usable else " (--record FILE.mp4 works without one)"
    return explain(every) + without


def _of_the_installation(providers: tuple[str, ...]) -> list[Problem]:
    """What stands in the way here, whatever devices there are."""
    found = []
    builds = onnx_build.installed()
    if providers and len(builds) > 1:
        what = f"{' and '.join(builds)} are builds of one program and replace each other's files"
        hint = "the one that was installed last counts; removing either one breaks the other"
        found.append(Problem(what, onnx_build.mending(), hint))
    why = trouble(config_folder())
    if why:
        what = f"settings, photos and the signing key cannot be kept ({why})"
        hint = f"name a folder of yours in the environment variable {HOME_VARIABLE}"
        found.append(Problem(what, "", hint))
    return found


def _no_webcam() -> str:
    where = " and allow the terminal to use it in System Settings > Privacy & Security"
    return (
        "plug one in" + (where if platform.system() == "Darwin" else "") + "; the demo needs none"
    )


def _providers() -> tuple[str, ...]:
    if onnx_build.fault():
        return ()
    import onnxruntime

    return tuple(onnxruntime.get_available_providers())


def _packages() -> tuple[str, ...]:
    """Name and version of what is installed."""
    found = []
    for name in (*PACKAGES, *_OTHERS):
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return tuple(found)


def _weights() -> tuple[Path, ...]:
    from models.face.network import NETWORKS, weights_path

    return tuple(weights_path(name) for name in NETWORKS)
