from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime import cli
from realtime.paths import asset_path
from tests.paths import ROOT


def call(
    *words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["avatarify-like", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out = capsys.readouterr()
    code = ended.value.code
    return (code if isinstance(code, int) else int(code is not None)), out.out, out.err


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["run", "-h"], ["animate", "--help"]])
def test_help(words: list[str]) -> None:
    result = CliRunner().invoke(cli.app, words, env={"COLUMNS": "120", "TERM": "dumb"})
    assert result.exit_code == 0
    wanted = "Examples" if len(words) > 1 else "doctor"
    assert wanted in result.output


def test_every_promised_option_is_there() -> None:
    env = {"COLUMNS": "160", "TERM": "dumb"}
    run = CliRunner().invoke(cli.app, ["run", "--help"], env=env).output
    for option in (
        "--source --camera --output --record --size --fps --backend --motion --adapt-scale "
        "--no-adapt-scale --mirror --badge --no-badge --seconds --face --fit"
    ).split():
        assert option in run, option
    animate = CliRunner().invoke(cli.app, ["animate", "--help"], env=env).output
    for option in "--source --driving --output --best-frame --face".split():
        assert option in animate, option


def test_help_and_completion_load_nothing_heavy() -> None:
    code = (
        "import sys, realtime.cli\n"
        "heavy = {'cv2', 'numpy', 'av', 'onnxruntime', 'pyvirtualcam'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    root = ROOT
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "--size", "big"], "such as 1280x720"),
        (["run", "--fps", "0"], "--fps"),
        (["run", "--fps", "121"], "--fps"),
        (["run", "--fps", "nan"], "--fps"),
        (["run", "--motion", "wild"], "--motion"),
        (["run", "--unknown"], "--unknown"),
        (["animate", "--driving", "a.mp4", "--output", "b.mp4", "--best-frame", "x"], "best-frame"),
        (["animate", "--driving", "a.mp4"], "--output"),
        (["sing"], "sing"),
    ],
)
def test_bad_choices_are_told_without_a_traceback(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = call(*words, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2
    assert message in err and "Traceback" not in err


def test_a_user_error_is_one_line_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call("run", "--size", "7x7", monkeypatch=monkeypatch, capsys=capsys)
    assert (code, out) == (2, "")
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ["animate", "--source", "NAME.png", "--driving", "demo.mp4", "--output", "o.mp4"],
        ["animate", "--driving", "NAME.mp4", "--output", "o.mp4"],
        ["animate", "--driving", "demo.mp4", "--output", "NAME.mp4"],
        ["run", "--camera", "demo", "--output", "none", "--panel", "off", "--record", "NAME.mp4"],
        ["run", "--source", "NAME.png", "--camera", "demo", "--output", "none", "--panel", "off"],
        ["run", "--camera", "NAME.mp4", "--output", "none", "--panel", "off"],
        ["verify", "NAME.mp4"],
        ["sign", "NAME.mp4"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_name_that_is_too_long_is_told_in_one_sentence(
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    shutil.copy(asset_path("demo.mp4"), tmp_path / "demo.mp4")
    monkeypatch.chdir(tmp_path)
    named = [word.replace("NAME", "ä" * 140) for word in words]
    code, _, err = call(*named, monkeypatch=monkeypatch, capsys=capsys)
    assert code == 2 and "fault of its own" not in err
    assert len(err.strip().splitlines()) == 1 and "ää" in err


def test_names_outside_the_code_page_are_told_all_the_same(tmp_path: Path) -> None:
    """As on Windows with redirected output."""
    words = ["animate", "--driving", str(tmp_path / "a.mp4"), "--output"]
    done = subprocess.run(
        [sys.executable, "-m", "realtime.cli", *words, str(tmp_path / "видео.avi")],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "cp1252:strict"},
        capture_output=True,
    )
    told = done.stderr.decode("cp1252").strip()
    assert done.returncode == 2
    assert told.splitlines() == [
        "Videos are written as MP4; give '?????.avi' a name that ends in .mp4."
    ]
    code = (
        "import sys, realtime.commands.doctor as doctor\n"
        "from realtime import cli\n"
        "doctor.examine = lambda: None\n"
        "doctor.print_report = lambda report, console: console.print('камера 1')\n"
        "sys.argv[1:] = ['doctor']\n"
        "cli.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "cp1252:strict"},
        capture_output=True,
    )
    assert (done.returncode, done.stdout.decode("cp1252").strip()) == (0, "?????? 1"), done.stderr


_NO_HOME = """
import os, pwd, sys
os.environ.pop("HOME", None)
os.environ.pop("AVATARIFY_HOME", None)
def getpwuid(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")
pwd.getpwuid = getpwuid
from realtime import cli
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="users of POSIX")
@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--version"], 0, "avatarify-like"),
        (["verify", "assets/face.jpg"], 3, "no manifest"),
        (["doctor"], 0, "cannot be kept (this user has no home folder"),
    ],
)
def test_a_user_without_home_and_name(words: list[str], code: int, told: str) -> None:
    command = [sys.executable, "-c", _NO_HOME, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (code, "") and told in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of POSIX")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("doctor <&- >&- 2>&-", 0),
        ("--help <&- >&-", 0),
        ("--version >&-", 0),
        ("verify assets/face.jpg >&-", 3),
        ("verify assets/face.jpg <&- 2>&-", 3),
        ("--help | true", 0),
        ("doctor | true", 0),
        ("--version >/dev/full", 1),
        ("verify assets/face.jpg >/dev/full", 3),
    ],
)
def test_streams_that_are_closed_or_end_stop_no_command(command: str, code: int) -> None:
    if "/dev/full" in command and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    script = f'"$0" -m realtime.cli {command}'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable], cwd=ROOT, capture_output=True, text=True
    )
    expected = ["Not all of this could be printed"] if "/dev/full" in command else []
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == expected
    assert done.returncode == code


def test_bytes_of_names_that_are_no_text_are_told(tmp_path: Path) -> None:
    program = os.fsencode(sys.executable)
    words = [program, b"-m", b"realtime.cli", b"run", b"--source", b"f\xff\xe9.jpg"]
    for variables in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {}):
        done = subprocess.run(
            words,
            cwd=ROOT,
            env={**os.environ, **variables},
            capture_output=True,
        )
        assert done.returncode == 2
        assert done.stderr == b"There is no file f\\xff\\xe9.jpg; check the name.\n"


def test_examples_are_never_wrapped() -> None:
    for words in (["run", "-h"], ["animate", "-h"], ["verify", "-h"]):
        help_text = CliRunner().invoke(cli.app, words, env={"COLUMNS": "40"}).output
        examples = help_text.partition("Examples:")[2].split("\n")
        commands = [line for line in examples if line.strip()]
        assert commands and all(line.startswith(" avatarify-like ") for line in commands)


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call("--version", monkeypatch=monkeypatch, capsys=capsys)
    assert code == 0 and out.startswith("avatarify-like")
