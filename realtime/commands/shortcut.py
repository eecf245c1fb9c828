"""`install-shortcut`: an entry in the system's menu that starts the program without a terminal."""

from __future__ import annotations

import os
import plistlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

from models.errors import UserError
from realtime.commands.itself import NAME, this_program

_SUMMARY = {
    "": "Move a photo with your face, in calls",
    "de": "Ein Foto mit deinem Gesicht bewegen, in Anrufen",
    "zh_CN": "用你的脸驱动一张照片，用于视频通话",
}
"""What menus say about it."""

_CAMERA_USE = "Your camera moves the photo; its picture stays on this computer."
"""What macOS says when the program asks for the camera."""

_ICON_SIZE = 512
"""Pixels of the icon: the largest that macOS and Windows ask for and halve themselves."""

_FINER = 4
"""The icon is drawn so many times larger and then shrunk, which makes its edges smooth."""

_LINK = """
$link = (New-Object -ComObject WScript.Shell).CreateShortcut($env:SHORTCUT_LINK)
$link.TargetPath = $env:SHORTCUT_PROGRAM
$link.Arguments = $env:SHORTCUT_ARGUMENTS
$link.WorkingDirectory = $env:SHORTCUT_FOLDER
$link.IconLocation = $env:SHORTCUT_ICON
$link.Description = $env:SHORTCUT_SUMMARY
$link.Save()
"""
"""For PowerShell; what may hold any letter comes by the environment, which needs no quotes."""


def _run(words: Sequence[str], variables: Mapping[str, str]) -> int:
    try:
        return subprocess.run(
            list(words), env={**os.environ, **variables}, capture_output=True, check=False
        ).returncode
    except OSError:
        return 1


def _program() -> list[str]:
    return this_program(windowless=sys.platform == "win32")


@dataclass(frozen=True)
class Desktop:
    """Where the entry is made.

    Attributes:
        platform: `sys.platform`.
        home: the user's folder.
        variables: the environment.
        program: what is started, with its arguments.
        run: runs a program with further variables, and returns its exit status.
    """

    platform: str = sys.platform
    home: Path = field(default_factory=Path.home)
    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    program: Sequence[str] = field(default_factory=_program)
    run: Callable[[Sequence[str], Mapping[str, str]], int] = _run


def install(desktop: Desktop) -> Path:
    """Make the entry, or make it anew.

    Returns:
        The file or folder that is the entry.

    Raises:
        UserError: it cannot be made.
    """
    kind = _kind(desktop)
    try:
        kind.make(desktop)
    except OSError as error:
        raise UserError(
            f"The menu entry {kind.entry} cannot be made ({error.strerror}); start the program "
            f"with `{NAME}` instead."
        ) from error
    return kind.entry


def remove(desktop: Desktop) -> Path | None:
    """Take the entry away, with its icon.

    Returns:
        What it was; None if there was none.

    Raises:
        UserError: it cannot be removed.
    """
    kind = _kind(desktop)
    there = kind.entry.exists()
    for path in (kind.entry, *kind.more):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f"{path} cannot be removed ({error.strerror}); remove it by hand."
            ) from error
    return kind.entry if there else None


@dataclass(frozen=True)
class _Kind:
    """A system's way: the entry, how it is made, and what else is removed with it."""

    entry: Path
    make: Callable[[Desktop], None]
    more: tuple[Path, ...] = ()


def _kind(desktop: Desktop) -> _Kind:
    if desktop.platform == "darwin":
        return _Kind(_mac_app(desktop), _make_mac)
    if desktop.platform == "win32":
        return _Kind(_windows_link(desktop), _make_windows, (_windows_icon(desktop),))
    entry, icon = _linux_paths(desktop)
    return _Kind(entry, _make_linux, (icon,))


def _linux_paths(desktop: Desktop) -> tuple[Path, Path]:
    given = desktop.variables.get("XDG_DATA_HOME", "")
    # The specification of base directories ignores relative ones.
    data = Path(given) if os.path.isabs(given) else desktop.home / ".local" / "share"
    icons = data / "icons" / "hicolor" / "scalable" / "apps"
    return data / "applications" / f"{NAME}.desktop", icons / f"{NAME}.svg"


def _make_linux(desktop: Desktop) -> None:
    entry, icon = _linux_paths(desktop)
    for path in (entry, icon):
        path.parent.mkdir(parents=True, exist_ok=True)
    icon.write_bytes((files("realtime.panel") / "static" / "icon.svg").read_bytes())
    comments = [f"Comment[{one}]={text}" if one else f"Comment={text}"
                for one, text in _SUMMARY.items()]  # fmt: skip
    lines = [
        "[Desktop Entry]",
        "Type=Application",
        f"Name={NAME}",
        *comments,
        f"Exec={exec_line(desktop.program)}",
        f"Icon={NAME}",
        "Terminal=false",
        "Categories=AudioVideo;Video;",
        "Keywords=avatar;camera;webcam;call;",
    ]
    entry.write_text("\n".join(lines) + "\n", encoding="utf-8")
    entry.chmod(0o755)  # Some desktops start only what may be executed.


def exec_line(words: Sequence[str]) -> str:
    """A command as the key Exec of a desktop entry has it: every word in quotes.

    Within quotes four letters are escaped, and a percent sign is doubled; then every backslash is
    doubled once more, because the line is a string of the file.
    """
    quoted = []
    for word in words:
        for letter in ("\\", '"', "`", "$"):
            word = word.replace(letter, "\\" + letter)
        quoted.append(f'"{word}"'.replace("%", "%%"))
    return " ".join(quoted).replace("\\", "\\\\")


def _mac_app(desktop: Desktop) -> Path:
    return desktop.home / "Applications" / f"{NAME}.app"


def _make_mac(desktop: Desktop) -> None:
    contents = _mac_app(desktop) / "Contents"
    start, resources = contents / "MacOS" / NAME, contents / "Resources"
    for folder in (start.parent, resources):
        folder.mkdir(parents=True, exist_ok=True)
    start.write_text(f"#!/bin/sh\nexec {shlex.join(desktop.program)}\n", encoding="utf-8")
    start.chmod(0o755)
    icon().save(resources / "icon.icns")
    about = {
        "CFBundleExecutable": NAME,
        "CFBundleIconFile": "icon",
        "CFBundleIdentifier": f"local.{NAME}",
        "CFBundleName": NAME,
        "CFBundlePackageType": "APPL",
        "CFBundleInfoDictionaryVersion": "6.0",
        "LSUIElement": True,  # Its window is the browser's: no second icon in the Dock.
        "NSCameraUsageDescription": _CAMERA_USE,
    }
    (contents / "Info.plist").write_bytes(plistlib.dumps(about))


def _windows_folder(desktop: Desktop) -> Path:
    given = desktop.variables.get("APPDATA", "")
    return Path(given) if given else desktop.home / "AppData" / "Roaming"


def _windows_link(desktop: Desktop) -> Path:
    menu = _windows_folder(desktop) / "Microsoft" / "Windows" / "Start Menu" / "Programs"
    return menu / f"{NAME}.lnk"


def _windows_icon(desktop: Desktop) -> Path:
    return _windows_folder(desktop) / NAME / f"{NAME}.ico"


def _make_windows(desktop: Desktop) -> None:
    link, picture = _windows_link(desktop), _windows_icon(desktop)
    for path in (link, picture):
        path.parent.mkdir(parents=True, exist_ok=True)
    icon().save(picture)
    program, *arguments = desktop.program
    variables = {
        "SHORTCUT_LINK": str(link),
        "SHORTCUT_PROGRAM": program,
        "SHORTCUT_ARGUMENTS": subprocess.list2cmdline(arguments),
        "SHORTCUT_FOLDER": str(desktop.home),
        "SHORTCUT_ICON": str(picture),
        "SHORTCUT_SUMMARY": _SUMMARY[""],
    }
    powershell = ["powershell", "-NoProfile", "-NonInteractive", "-Command", _LINK]
    if desktop.run(powershell, variables) != 0:
        raise UserError(
            "PowerShell has not made the entry of the Start menu; start the program with "
            f"`{NAME}` instead."
        )


def icon(size: int = _ICON_SIZE) -> PIL.Image.Image:
    """The program's icon, as `static/icon.svg` has it, in pixels: RGBA."""
    scale = size * _FINER / 32  # The SVG file is 32 wide.
    image = PIL.Image.new("RGBA", (size * _FINER, size * _FINER), (0, 0, 0, 0))
    pen = PIL.ImageDraw.Draw(image)

    def circle(x: float, y: float, radius: float, colour: str) -> None:
        box = [(one * scale) for one in (x - radius, y - radius, x + radius, y + radius)]
        pen.ellipse(box, colour)

    edge = size * _FINER - 1
    pen.rounded_rectangle((0, 0, edge, edge), 8 * scale, "#2f6f5e")
    circle(16, 13, 6, "#ffffff")
    left = _curve((5, 29), (6, 22), (10, 19), (16, 19))
    right = _curve((16, 19), (22, 19), (26, 22), (27, 29))
    pen.polygon([(x * scale, y * scale) for x, y in [*left, *right]], "#ffffff")
    circle(25, 8, 4, "#ffbe46")
    return image.resize((size, size), PIL.Image.Resampling.BOX)


_Point = tuple[float, float]


def _curve(start: _Point, first: _Point, second: _Point, end: _Point) -> list[_Point]:
    """Points along a cubic Bezier curve."""
    points = []
    for at in (step / 40 for step in range(41)):
        weights = ((1 - at) ** 3, 3 * at * (1 - at) ** 2, 3 * at**2 * (1 - at), at**3)
        corners = (start, first, second, end)
        x, y = (
            sum(weight * corner[axis] for weight, corner in zip(weights, corners, strict=True))
            for axis in (0, 1)
        )
        points.append((x, y))
    return points
