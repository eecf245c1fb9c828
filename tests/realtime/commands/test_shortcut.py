"""The entry in the menu of programs, on systems that are made up but for this one."""

from __future__ import annotations

import configparser
import json
import os
import plistlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner

from models.errors import UserError
from realtime.cli import app
from realtime.commands.itself import NAME, this_command, this_program
from realtime.commands.shortcut import Desktop, exec_line, icon, install, remove
from tests.paths import ROOT

HARD = ["a b", 'say "so"', "cost $5", "back\\slash", "100 %", "`tick`", "it's", "%f", "ü 照片"]
"""Arguments that a wrong quotation breaks."""


def parsed_exec(line: str) -> list[str]:
    """The words of an Exec key, read as the Desktop Entry Specification says."""
    text, words, at = line.replace("\\\\", "\\"), [], 0
    while at < len(text):
        assert text[at] == '"'
        word, at = "", at + 1
        while text[at] != '"':
            at += text[at] == "\\"
            word += text[at]
            at += 1
        words.append(word.replace("%%", "%"))
        at += 2
    return words


def linux(home: Path, program: Sequence[str], **variables: str) -> Desktop:
    return Desktop("linux", home, variables, program)


def test_every_letter_of_a_command_survives_a_desktop_entry() -> None:
    assert parsed_exec(exec_line(HARD)) == HARD


def test_the_desktop_entry_of_linux_starts_the_program(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    code = f"import json, sys; json.dump(sys.argv[1:], open({str(told)!r}, 'w'))"
    desktop = linux(tmp_path, [sys.executable, "-c", code, *HARD])
    entry = install(desktop)
    assert entry == tmp_path / ".local/share/applications/avatarify-like.desktop"
    if (validate := shutil.which("desktop-file-validate")) is not None:
        subprocess.run([validate, entry], check=True)
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(entry, "utf-8")
    values = parser["Desktop Entry"]
    assert values["Terminal"] == "false" and values["Comment[de]"]
    subprocess.run(parsed_exec(values["Exec"]), check=True)
    assert json.loads(told.read_text()) == HARD
    icon_file = tmp_path / ".local/share/icons/hicolor/scalable/apps/avatarify-like.svg"
    assert icon_file.read_bytes().startswith(b"<svg")

    assert install(desktop) == entry, "made anew without a question"
    assert remove(desktop) == entry
    assert not entry.exists() and not icon_file.exists()
    assert remove(desktop) is None


def test_the_entry_goes_where_the_user_keeps_data(tmp_path: Path) -> None:
    entry = install(linux(tmp_path, ["x"], XDG_DATA_HOME=str(tmp_path / "data")))
    assert entry == tmp_path / "data/applications/avatarify-like.desktop"
    assert install(linux(tmp_path, ["x"], XDG_DATA_HOME="data")).is_relative_to(tmp_path / ".local")


@pytest.mark.skipif(os.name != "posix", reason="runs a shell script")
def test_the_bundle_of_macos_starts_the_program(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    code = f"import json, sys; json.dump(sys.argv[1:], open({str(told)!r}, 'w'))"
    desktop = Desktop("darwin", tmp_path, {}, [sys.executable, "-c", code, *HARD])
    bundle = install(desktop)
    about = plistlib.loads((bundle / "Contents/Info.plist").read_bytes())
    assert about["NSCameraUsageDescription"], "without it macOS gives no camera"
    subprocess.run([bundle / "Contents/MacOS" / about["CFBundleExecutable"]], check=True)
    assert json.loads(told.read_text()) == HARD
    with PIL.Image.open(bundle / "Contents/Resources/icon.icns") as picture:
        assert picture.format == "ICNS"
    assert remove(desktop) == bundle and not bundle.exists()


def test_the_link_of_windows_is_made_by_powershell(tmp_path: Path) -> None:
    calls: list[tuple[Sequence[str], Mapping[str, str]]] = []

    def run(words: Sequence[str], variables: Mapping[str, str]) -> int:
        calls.append((words, variables))
        Path(variables["SHORTCUT_LINK"]).touch()
        return 0

    program = ["C:\\Program Files\\pythonw.exe", "-c", 'print("hello world")']
    desktop = Desktop("win32", tmp_path, {"APPDATA": str(tmp_path / "Roaming")}, program, run)
    link = install(desktop)
    assert link == tmp_path / "Roaming/Microsoft/Windows/Start Menu/Programs/avatarify-like.lnk"
    [(words, variables)] = calls
    assert words[0] == "powershell" and "$link.Save()" in words[-1]
    assert variables["SHORTCUT_PROGRAM"] == program[0]
    assert variables["SHORTCUT_ARGUMENTS"] == '-c "print(\\"hello world\\")"'
    with PIL.Image.open(variables["SHORTCUT_ICON"]) as picture:
        assert picture.format == "ICO"
    assert remove(desktop) == link
    assert not link.exists() and not Path(variables["SHORTCUT_ICON"]).exists()


def test_a_powershell_that_fails_is_one_sentence(tmp_path: Path) -> None:
    desktop = Desktop("win32", tmp_path, {}, ["pythonw.exe"], lambda words, variables: 1)
    with pytest.raises(UserError, match="PowerShell has not made the entry"):
        install(desktop)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a file where a folder must be")
def test_an_entry_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("a file")
    with pytest.raises(UserError, match="cannot be made"):
        install(linux(tmp_path, ["x"]))


def test_this_program_starts_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [*this_program(), "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("avatarify-like ")


def test_the_script_of_an_installation_is_what_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "avatarify-like.exe" if os.name == "nt" else "avatarify-like"
    for one in (name, "pythonw.exe"):
        (tmp_path / one).write_text("")
        (tmp_path / one).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert this_program() == [str(tmp_path / name)]
    assert this_program(windowless=True)[0] == str(tmp_path / "pythonw.exe")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert this_command("setup-camera", "--yes") == "avatarify-like setup-camera --yes"
    monkeypatch.setenv("PATH", "")
    assert this_command("doctor").partition(" ")[0] == str(ROOT / "scripts" / NAME)


def test_the_command_makes_and_removes_the_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    runner = CliRunner()
    assert "There is no menu entry." in runner.invoke(app, ["install-shortcut", "--remove"]).output
    made = runner.invoke(app, ["install-shortcut"])
    assert made.exit_code == 0, made.output


def test_the_icon_is_drawn_as_the_page_has_it() -> None:
    picture = icon(64)
    assert picture.getpixel((0, 0))[3] == 0, "round corners"  # type: ignore[index]
    assert picture.getpixel((32, 26)) == (255, 255, 255, 255), "the head"
    assert picture.getpixel((50, 16)) == (255, 190, 70, 255), "the dot"
    assert picture.getpixel((8, 32)) == (47, 111, 94, 255), "the ground"
