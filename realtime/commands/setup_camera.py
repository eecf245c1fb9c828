"""`setup-camera`: what this computer needs to have a virtual camera, done and checked."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.errors import UserError
from models.types import Image
from realtime.commands.itself import this_command
from realtime.devices.discovery import (
    VideoDevice,
    capture_backend,
    find_device,
    list_devices,
    virtual_outputs,
)
from realtime.devices.host import Host
from realtime.frames import AvatarFrame
from realtime.sinks.base import Sink
from realtime.sinks.registry import SinkChoice, candidates

LABEL = "AI avatar"
"""What the camera is called in other programs."""

_OPTIONS = f'exclusive_caps=1 card_label="{LABEL}"'
"""Chrome and Zoom list a loopback camera only with exclusive_caps=1."""

_SIZE = (640, 480)
"""Pixels of the check's picture: every program takes them."""

_FPS = 30.0
"""Frames per second of the check, likewise."""

_CHECK_WITHIN = 10.0
"""Seconds in which the picture must come back; v4l2loopback gives it in less than one."""

_TOLERANCE = 16
"""How far a colour may be off, of 255, after two conversions: 5 were seen."""

TRIED = "Debian 12"
"""Where the commands below were run and the camera checked; the others are as the distributions
call their packages."""

_UNTRIED = (
    f"These commands were tried on {TRIED} only; here they follow what this system calls its "
    "packages."
)

_MODULE = "the kernel module v4l2loopback"
_APT = (
    ("what there is to install", "apt-get update"),
    # Without the headers of the kernel that runs, the module is not built.
    (_MODULE, "apt-get install -y v4l2loopback-dkms linux-headers-{release}"),
)
_RECIPES = {
    "debian": _APT,
    "ubuntu": _APT,
    "fedora": (
        (_MODULE, "dnf install -y akmod-v4l2loopback kernel-devel-{release}"),
        ("it is built for this kernel", "akmods --force"),
    ),
    "arch": ((_MODULE, "pacman -S --needed --noconfirm v4l2loopback-dkms {arch}"),),
    "opensuse": ((_MODULE, "zypper --non-interactive install v4l2loopback-kmp-default"),),
}
"""How distributions get the module: what each command is for, and the command. {release}: of the
kernel that runs. {arch}: Arch's package of its headers."""

_ARCH_HEADERS = {
    "-lts": "linux-lts-headers",
    "-zen": "linux-zen-headers",
    "-hardened": "linux-hardened-headers",
}
"""Arch's headers for other kernels than the usual one, by how their release ends."""


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        what: what it is for.
        words: the program and its arguments.
        text: its input.
    """

    what: str
    words: tuple[str, ...]
    text: str | None = None

    @property
    def line(self) -> str:
        """The same for a shell, to copy."""
        command = shlex.join(self.words)
        if self.text is None:
            return command
        return f"echo {shlex.quote(self.text.rstrip())} | {command}"


@dataclass(frozen=True)
class Plan:
    """What to do, in order: commands first, then what only the user can do.

    Attributes:
        steps: the commands.
        by_hand: a sentence for each thing that only the user can do.
        blocked: why the commands cannot be run before something is done by hand, or "".
        note: where the commands were tried, or "" where that says nothing about them.
    """

    steps: tuple[Step, ...] = ()
    by_hand: tuple[str, ...] = ()
    blocked: str = ""
    note: str = ""


def plan(
    host: Host, devices: Sequence[VideoDevice], root: Path = Path("/"), as_root: bool = False
) -> Plan:
    """What has to be done on a computer.

    Args:
        host: the computer.
        devices: its video devices.
        root: where its files are; another folder in tests.
        as_root: whether the commands are run by root, without sudo.

    Returns:
        The commands and what is left to the user; empty where nothing is missing.
    """
    if host.system == "Linux":
        return _linux(host, devices, root, () if as_root else ("sudo",))
    if virtual_outputs(list(devices)):
        return Plan()
    if host.system == "Windows":
        words = ("winget", "install", "--exact", "--id", "OBSProject.OBSStudio")
        return Plan(
            (Step("OBS Studio brings a virtual camera along", words),),
            (
                "If Windows has no winget, install OBS Studio from obsproject.com. OBS need not "
                "run. For several cameras, or one of another size, install UnityCapture instead.",
            ),
            note=_UNTRIED,
        )
    if host.system == "Darwin":
        return Plan(
            (
                Step(
                    "OBS Studio brings a virtual camera along",
                    ("brew", "install", "--cask", "obs"),
                ),
            ),
            (
                "Open OBS (30 or newer, on macOS 13 or newer) and click Start Virtual Camera.",
                "Allow its camera extension in System Settings > General > Login Items & "
                "Extensions (before macOS 15: Privacy & Security).",
                "Click Stop Virtual Camera and quit OBS; it need not run any more.",
            ),
            note=_UNTRIED,
        )
    return Plan(by_hand=("Install OBS Studio 30 or newer.",))


def perform(steps: Sequence[Step], notify: Callable[[str], None]) -> None:
    """Run the commands; what they ask (a password) and print goes through the terminal.

    Args:
        steps: the commands, in order.
        notify: called with each before it is run.

    Raises:
        UserError: one failed; the rest is not run.
    """
    for step in steps:
        notify(f"$ {step.line}")
        try:
            done = subprocess.run(
                step.words, input=step.text, text=True, stderr=subprocess.PIPE, check=False
            )
        except OSError:
            raise UserError(
                f"There is no {step.words[0]} here; install it, or do this by hand: {step.what}."
            ) from None
        if done.returncode != 0:
            raise UserError(_failure(step, done.stderr))


def check(notify: Callable[[str], None], output: str = "pyvirtualcam") -> str:
    """Write a picture into the virtual camera and read it back as another program would.

    Args:
        notify: called with what there is to say about the camera.
        output: which one, as in `--output`.

    Returns:
        What was found, for the user.

    Raises:
        UserError: there is no camera, or what came out is not what went in.
    """
    card = _card()
    with SinkChoice(output, _SIZE, _FPS, notify)() as sink:
        stop = threading.Event()
        feeder = threading.Thread(target=_feed, args=(sink, card, stop), daemon=True)
        feeder.start()
        try:
            difference = _read_back(getattr(sink, "device", sink.name), card)
        finally:
            stop.set()
            feeder.join()
        if difference is None:
            raise UserError(
                f"{sink.name} takes pictures but gives none back; close programs that use it and "
                "try again."
            )
        if difference > _TOLERANCE:
            raise UserError(
                f"{sink.name} gives other colours back than were written (off by {difference:.0f} "
                "of 255); close programs that write to it and try again."
            )
        return f"{sink.name} works: a picture was written and read back with its colours."


def setup_camera(yes: bool, notify: Callable[[str], None]) -> None:
    """Print what this computer needs, do it if the user said yes, and check the result.

    Args:
        yes: run the commands.
        notify: called with one line for the user.

    Raises:
        UserError: a command failed, something has to be done by hand first, or the check failed.
    """
    as_root = os.name != "posix" or os.geteuid() == 0
    todo = plan(Host.this(), list_devices(), as_root=as_root)
    if todo.blocked:
        raise UserError(todo.blocked)
    if todo.steps and todo.note:
        notify(todo.note)
    if todo.steps and not yes:
        notify("To have a virtual camera, run:")
        for step in todo.steps:
            notify(f"  {step.line}")
            notify(f"      # {step.what}")
        for sentence in todo.by_hand:
            notify(f"Then: {sentence}")
        notify("`avatarify-like setup-camera --yes` runs these commands and checks the camera.")
    elif todo.steps:
        perform(todo.steps, notify)
        for sentence in todo.by_hand:
            notify(f"Now: {sentence}")
    for candidate in candidates():
        if candidate.kind.name != "pyvirtualcam" and candidate.found.usable:
            notify(
                f"Without any of that: `--output {candidate.kind.name}`, {candidate.found.where} "
                f"({candidate.found.why})."
            )
    if virtual_outputs(list_devices()):
        notify(check(notify))
    elif yes and not todo.by_hand:
        raise UserError(
            "The commands ran, but no virtual camera came; restart the computer and run "
            "`avatarify-like setup-camera --yes` again."
        )


def for_page() -> dict[str, Any]:
    """How this computer gets a virtual camera, for the panel: only JSON.

    Returns:
        command: the one that does it all; does: what it runs, and why, of each command; by_hand:
        sentences; blocked: why something must be done by hand first, or "".
    """
    as_root = os.name != "posix" or os.geteuid() == 0
    todo = plan(Host.this(), list_devices(), as_root=as_root)
    return {
        "command": this_command("setup-camera", "--yes"),
        "does": [{"what": step.what, "line": step.line} for step in todo.steps],
        "by_hand": list(todo.by_hand),
        "blocked": todo.blocked,
    }


def _linux(host: Host, devices: Sequence[VideoDevice], root: Path, sudo: tuple[str, ...]) -> Plan:
    loopbacks = virtual_outputs(list(devices))
    steps: list[Step] = []
    by_hand: list[str] = []
    blocked = note = ""
    if not loopbacks and not host.has_loopback:
        install, blocked = _install(host, root, sudo)
        steps += install
        own = host.distributions[:1] == ("debian",)
        note = f"These commands were tried on {TRIED}." if own else _UNTRIED
    options_file, listed = _configured(root)
    if options_file is None:
        path = root / "etc/modprobe.d/avatarify-like.conf"
        text = f"options v4l2loopback {_OPTIONS}\n"
        steps += _written(path, "how the camera is made", text, sudo)
    elif not listed:
        by_hand.append(f"Write exclusive_caps=1 into {options_file}: Chrome and Zoom ask for it.")
    if not _loaded_at_start(root):
        path = root / "etc/modules-load.d/avatarify-like.conf"
        steps += _written(path, "at every start", "v4l2loopback\n", sudo)
    if loopbacks and not any(device.exclusive for device in loopbacks):
        words = (*sudo, "modprobe", "-r", "v4l2loopback")
        steps.append(Step("it was loaded without exclusive_caps=1", words))
        loopbacks = []
    if not loopbacks:
        words = (*sudo, "modprobe", "v4l2loopback")
        if options_file is not None and not listed:
            words = (*words, "exclusive_caps=1", f"card_label={LABEL}")
        steps.append(Step("now", words))
    elif not any(device.readable for device in loopbacks):
        user = _user()
        if user:
            steps.append(Step("to be allowed to use it", (*sudo, "usermod", "-aG", "video", user)))
            by_hand.append("Log in again.")
        else:
            by_hand.append(
                f"Let an administrator allow user {os.getuid()} to use {loopbacks[0].label}: a "
                "user without a name cannot be put into a group."
            )
    return Plan(tuple(steps), tuple(by_hand), blocked, note)


def _user() -> str:
    """The name of who is to use the camera; "" where the system knows none."""
    name = os.environ.get("SUDO_USER") or os.environ.get("USER")
    if name or sys.platform == "win32":
        return name or ""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return ""


def _written(path: Path, what: str, text: str, sudo: tuple[str, ...]) -> list[Step]:
    """The commands that write a file, whose folder a small system may lack."""
    steps = [Step(what, (*sudo, "tee", str(path)), text)]
    if not path.parent.is_dir():
        steps.insert(0, Step("its folder", (*sudo, "mkdir", "-p", str(path.parent))))
    return steps


def _install(host: Host, root: Path, sudo: tuple[str, ...]) -> tuple[list[Step], str]:
    """The package manager's commands for the kernel module, and what stands in their way.

    The nearest relative of the distribution decides.
    """
    name = next((name for name in host.distributions if name in _RECIPES), None)
    if name is None:
        return [], (
            "This system's way to kernel modules is not known here; install its v4l2loopback "
            "package and run this again, or write --output pipewire, which needs nothing."
        )
    kind = next((end for end in _ARCH_HEADERS if host.release.endswith(end)), "")
    names = {"release": host.release, "arch": _ARCH_HEADERS.get(kind, "linux-headers")}
    steps = [Step(what, (*sudo, *line.format_map(names).split())) for what, line in _RECIPES[name]]
    if name == "fedora" and not any((root / "etc/yum.repos.d").glob("rpmfusion-free*.repo")):
        return steps, (
            "Fedora has v4l2loopback in RPM Fusion (free); switch that on as "
            "rpmfusion.org/Configuration shows, then run this again, or write --output "
            "pipewire, which needs nothing."
        )
    return steps, ""


def _configured(root: Path) -> tuple[Path | None, bool]:
    """The file that sets v4l2loopback's options, and whether its first camera is exclusive."""
    for folder in ("etc/modprobe.d", "run/modprobe.d", "usr/lib/modprobe.d", "lib/modprobe.d"):
        for path in sorted((root / folder).glob("*.conf")):
            for line in _lines(path):
                if re.match(r"options\s+v4l2loopback\s", line):
                    return path, bool(re.search(r"\bexclusive_caps=(1|Y)", line))
    return None, False


def _loaded_at_start(root: Path) -> bool:
    files = [root / "etc/modules", *sorted((root / "etc/modules-load.d").glob("*.conf"))]
    return any("v4l2loopback" in line.split() for path in files for line in _lines(path))


def _lines(path: Path) -> list[str]:
    """The lines of a file that are no comments; none if it cannot be read."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.strip() for line in lines if not line.lstrip().startswith("#")]


def _failure(step: Step, printed: str) -> str:
    """One sentence about a command that failed, with what to do."""
    lowered = printed.lower()
    last = (printed.strip().splitlines() or ["it gave no reason"])[-1].strip().rstrip(".")
    if "key was rejected" in lowered or "required key not available" in lowered:
        return (
            "Secure Boot refuses the module because its key is not enrolled; run `sudo mokutil "
            "--import /var/lib/dkms/mok.pub`, restart, choose Enroll MOK, and run this again."
        )
    if "modprobe" in step.words and "not found" in lowered:
        return (
            "There is no v4l2loopback for the kernel that runs; restart into the newest kernel "
            "and run this again."
        )
    if "-r" in step.words and "in use" in lowered:
        return "The virtual camera is in use; close the programs that show it and run this again."
    return f"`{step.line}` failed ({last}); mend that and run this again."


def _card() -> Image:
    """A picture of five colours side by side."""
    colours = [(20, 20, 20), (235, 235, 235), (220, 40, 40), (40, 180, 60), (40, 60, 210)]
    image = np.zeros((_SIZE[1], _SIZE[0], 3), np.uint8)
    for index, colour in enumerate(colours):
        image[:, index * _SIZE[0] // 5 : (index + 1) * _SIZE[0] // 5] = colour
    return image


def _feed(sink: Sink, card: Image, stop: threading.Event) -> None:
    frame = AvatarFrame(card, None, True)
    while not stop.wait(1 / _FPS):
        try:
            sink.write(frame)
        except UserError:
            return  # The reader finds that nothing comes, and says so.


def _read_back(name: str, card: Image) -> float | None:
    """How far the colours that come out are off at most; None if no picture comes."""
    end = time.perf_counter() + _CHECK_WITHIN
    device = find_device(name, list_devices())
    best: float | None = None
    while time.perf_counter() < end:
        if device is not None and device.path is None:
            capture = cv2.VideoCapture(device.index, capture_backend())
        else:
            capture = cv2.VideoCapture(name, capture_backend())
        try:
            for _ in range(5):
                ok, picture = capture.read()
                if not ok:
                    break
                if picture.shape[:2] != card.shape[:2]:
                    picture = cv2.resize(picture, _SIZE)
                seen = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(int)
                # Away from the edges, where neighbours share their colour.
                columns = [int((index + 0.5) * _SIZE[0] / 5) for index in range(5)]
                off = float(np.abs(seen - card)[_SIZE[1] // 2, columns].max())
                best = off if best is None else min(best, off)
                if best <= _TOLERANCE:
                    return best
        finally:
            capture.release()
        time.sleep(0.1)
    return best
