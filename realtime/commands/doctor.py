"""What was found on this computer, what `run` would choose, and how to mend what is missing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.animator import BACKENDS
from models.environment import pip_command
from models.errors import UserError
from realtime.cameras.memory import preferred
from realtime.devices.discovery import VideoDevice, list_devices, real_cameras, virtual_outputs
from realtime.devices.host import SET_UP, Host, join_video_group


@dataclass(frozen=True)
class Problem:
    """Something missing. command: what mends it here, or "". hint: what else to know, or ""."""

    what: str
    command: str
    hint: str = ""


@dataclass(frozen=True)
class DoctorReport:
    """All that `doctor` prints.

    cameras: real webcams. virtual_cameras: what `run` can write to. providers: ONNX Runtime's
    execution providers, best first; empty if it cannot be loaded. weights: the files that come
    along, also if they are missing. camera, backend, output: what `run` would choose, in words.
    networks: what ONNX Runtime would compute on, and why not on what is better. fomm: the imported
    First Order Motion Models.
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
    networks: str = ""
    fomm: str = ""


def examine() -> DoctorReport:
    """Look around on this computer; opens no camera and changes nothing."""
    report = assess(list_devices(), _providers(), _weights(), Host.this(), _output())
    from models.fomm.manifest import describe_imported

    return replace(report, networks=_networks(), fomm=describe_imported())


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
        problems.append(
            Problem("ONNX Runtime cannot be loaded", pip_command("install onnxruntime"))
        )
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
        backend=next(iter(BACKENDS)),
        output=output or _first(outputs) or "none (--record FILE.mp4 works without one)",
        problems=tuple(problems),
    )


def print_report(report: DoctorReport, console: Console) -> None:
    """Print a report for people: what is there, what would be chosen, what to mend."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(title: str, text: str) -> None:
        table.add_row(title, escape(text))

    row("System", f"{report.system}, Python {report.python}")
    row("Cameras", _lines(report.cameras))
    row("Virtual cameras", _lines(report.virtual_cameras))
    row("ONNX Runtime", ", ".join(report.providers) or "not found")
    for path in report.weights:
        size = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "missing"
        row("Weights", f"{path} ({size})")
    if report.fomm:
        row("--backend fomm", report.fomm)
    if report.networks:
        row("Its networks on", report.networks)
    console.print(table)
    console.print()
    console.print("[bold]run would choose[/bold]")
    chosen = Table(show_header=False, box=None, padding=(0, 2, 0, 2))
    chosen.add_column(no_wrap=True)
    chosen.add_column(overflow="fold")
    for title, text in (
        ("camera", report.camera),
        ("backend", report.backend),
        ("output", report.output),
    ):
        chosen.add_row(title, escape(text))
    console.print(chosen)
    console.print()
    if not report.problems:
        console.print("[green]Nothing is missing.[/green]")
        return
    console.print("[bold]To mend[/bold]")
    for problem in report.problems:
        console.print(f"  {escape(problem.what)}:", style="yellow", highlight=False)
        # Never wrapped: a command is there to be copied.
        if problem.command:
            console.print(f"    {escape(problem.command)}", soft_wrap=True, highlight=False)
        if problem.hint:
            console.print(f"    ({escape(problem.hint)})", style="dim", highlight=False)


def _lines(devices: tuple[VideoDevice, ...]) -> str:
    lines = [
        device.label
        + (f", {device.format}" if device.format and not device.virtual else "")
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


def _no_webcam() -> str:
    where = " and allow the terminal to use it in System Settings > Privacy & Security"
    return (
        "plug one in" + (where if platform.system() == "Darwin" else "") + "; the demo needs none"
    )


def _providers() -> tuple[str, ...]:
    try:
        import onnxruntime
    except (ImportError, OSError):
        return ()
    return tuple(onnxruntime.get_available_providers())


def _networks() -> str:
    try:
        from models.runtime import DEVICE_VARIABLE, probe

        if os.environ.get(DEVICE_VARIABLE, "").lower() == "torch":
            return f"PyTorch, as {DEVICE_VARIABLE} says"

        return probe().summary
    except (ImportError, OSError, UserError) as error:
        return f"nothing ({error})"


def _weights() -> tuple[Path, ...]:
    from models.face.network import NETWORKS, weights_path

    return tuple(weights_path(name) for name in NETWORKS)
