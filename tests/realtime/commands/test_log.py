"""What lands in the log file, what does not, and what the terminal shows instead."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest
import typer

from models.backends import create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.types import Image, Photo
from realtime import cli
from realtime.animation.animation import Animation
from realtime.commands import log as module
from realtime.commands.log import Log, Repeats
from realtime.frames import CameraFrame
from realtime.paths import HOME_VARIABLE, log_file
from scripts.rigs.fakes import FakeAnimator, FakeTracker, avatar, camera_image
from tests.paths import ROOT

_logger = logging.getLogger("realtime.anything")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    return tmp_path / "home"


def fail(number: int) -> NoReturn:
    raise ValueError(f"the fault number {number}")


def logged(*messages: str) -> str:
    """What the file holds after these were logged."""
    with Log(log_file()):
        for message in messages:
            _logger.debug("%s", message)
    return log_file().read_text("utf-8")


def call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[object, str]:
    """Run the command line: exit code and stderr."""
    monkeypatch.setattr(sys, "argv", ["avatarify-like", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code, capsys.readouterr().err


def test_the_file_begins_with_what_a_reader_needs_and_has_every_entry() -> None:
    lines = logged("one", "Zürich 平仮名 \udcff").splitlines()
    assert lines[0].startswith("--- 0") and f"Python {sys.version.split()[0]}" in lines[0]
    assert "DEBUG MainThread realtime.anything: one" in lines[1]
    assert "Zürich 平仮名 \\udcff" in lines[2]


def test_without_anything_to_say_there_is_no_file(home: Path) -> None:
    with Log(log_file()):
        logging.getLogger("somebody.else").error("not ours")
    assert not home.exists()


def test_after_the_end_the_loggers_are_as_before() -> None:
    package = logging.getLogger("realtime")
    before = (package.level, list(package.handlers), threading.excepthook)
    log = Log(log_file())
    log.close()
    log.close()
    assert (package.level, list(package.handlers), threading.excepthook) == before


def test_importing_the_command_line_sets_no_logging_up() -> None:
    code = (
        "import logging, realtime.cli, realtime.commands.log\n"
        "names = [None, 'realtime', 'models']\n"
        "assert not any(logging.getLogger(name).handlers for name in names)\n"
        "assert logging.getLogger('realtime').level == logging.NOTSET\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_one_fault_thirty_times_a_second_is_written_once_a_minute() -> None:
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    written = []
    for frame in range(30 * 150):
        now[0] = frame / 30
        try:
            fail(frame)
        except ValueError as error:
            info = (type(error), error, error.__traceback__)
        record = _logger.makeRecord(
            _logger.name, logging.DEBUG, __file__, 1, "a stage failed", (), info
        )
        if repeats.filter(record):
            written.append((now[0], vars(record)["held_back"]))
    assert written == [(0.0, 0), (60.0, 1799), (120.0, 1799)]


def test_other_faults_and_other_words_are_not_held_back() -> None:
    repeats = Repeats(lambda: 0.0)

    def passes(line: int, text: str, error: Exception | None = None) -> bool:
        info = None if error is None else (type(error), error, error.__traceback__)
        record = _logger.makeRecord(_logger.name, logging.DEBUG, __file__, line, text, (), info)
        return repeats.filter(record)

    assert passes(1, "a") and not passes(1, "a") and passes(1, "b") and passes(2, "a")
    assert passes(1, "a", ValueError("x")) and not passes(1, "a", ValueError("y"))
    assert passes(1, "a", KeyError("x"))
    for number in range(3 * module._MOST_KNOWN):
        assert passes(3, f"text {number}")
    assert len(repeats._known) <= module._MOST_KNOWN


def test_a_run_of_faults_leaves_a_small_file_with_one_traceback() -> None:
    animation = Animation(FakeAnimator(), FakeTracker(fail), avatar())
    with Log(log_file()):
        for index in range(300):
            animation.step(CameraFrame(camera_image(), index / 30, index))
    text = log_file().read_text("utf-8")
    assert animation.faults == 300
    assert text.count("ValueError: the fault number 0") == 1 and text.count("Traceback") == 1
    assert 'raise ValueError(f"the fault number {number}")' in text
    assert len(text) < 10_000


def test_the_file_is_rotated_and_stays_small(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 2000)
    logged(*(f"entry {number} {'x' * 100}" for number in range(200)))
    files = sorted((home / "log").iterdir())
    assert [file.name for file in files] == [
        "avatarify-like.log",
        "avatarify-like.log.1",
        "avatarify-like.log.2",
    ]
    assert all(file.stat().st_size < 2300 for file in files)
    assert "entry 199" in files[0].read_text() and files[0].read_text().startswith("---")


def test_an_endless_entry_is_cut() -> None:
    text = logged(f"begin {'x' * 10_000_000} end")
    assert len(text) < 25_000 and "begin" in text and "end" in text


def test_the_key_of_the_panel_is_cut_out_wherever_it_stands() -> None:
    key = "q_3-" + "k7" * 20
    text = logged(f"http://127.0.0.1:80/#key={key}", f"subprotocol 'key.{key}', refused")
    assert key not in text and text.count("...") == 2 and "refused" in text


def test_a_folder_that_cannot_be_made_stops_nobody(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("a file in the way")
    with Log(log_file()):
        _logger.debug("lost")
    assert capsys.readouterr() == ("", "")


def test_verbose_prints_what_the_file_gets(capsys: pytest.CaptureFixture[str]) -> None:
    with Log(log_file()) as log:
        _logger.debug("before")
        log.show()
        _logger.debug("after")
    printed = capsys.readouterr().err
    assert "after" in printed and "after" in log_file().read_text("utf-8")


@pytest.mark.parametrize(
    "words", [["--verbose", "verify", "x.mp4"], ["verify", "x.mp4", "--verbose"]]
)
def test_verbose_stands_before_or_after_the_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def examine(*words: object) -> None:
        _logger.debug("looking closely")
        raise UserError("There is no file; name another one.")

    monkeypatch.setattr("realtime.provenance.verify.examine", examine)
    code, err = call(monkeypatch, capsys, *words)
    assert code == 2 and "looking closely" in err and "Traceback" in err
    assert "There is no file; name another one." in err.splitlines()
    _, err = call(monkeypatch, capsys, *(word for word in words if word != "--verbose"))
    assert err == "There is no file; name another one.\n"


def test_every_command_takes_verbose() -> None:
    commands = vars(typer.main.get_command(cli.app))["commands"]
    assert {"run", "animate", "verify", "sign", "doctor", "setup-camera"} < set(commands)
    for name, command in commands.items():
        assert "verbose" in {option.name for option in command.params}, name


def test_an_unexpected_error_is_one_sentence_and_a_traceback_in_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("realtime.commands.doctor.examine", lambda: fail(7))
    code, err = call(monkeypatch, capsys, "doctor")
    assert code == 1 and len(err.splitlines()) == 1 and "Traceback" not in err
    assert str(log_file()) in err and "ValueError: the fault number 7" in err
    text = log_file().read_text("utf-8")
    assert "Traceback" in text and "in fail" in text and "CRITICAL" in text


def test_where_there_is_no_file_the_traceback_is_printed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.write_text("a file in the way")
    monkeypatch.setattr("realtime.commands.doctor.examine", lambda: fail(7))
    code, err = call(monkeypatch, capsys, "doctor")
    assert code == 1 and "Traceback" in err and "in fail" in err
    assert str(log_file()) not in err.splitlines()[-1]


def test_a_user_error_says_in_the_file_what_was_behind_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def examine() -> None:
        try:
            fail(8)
        except ValueError as error:
            raise UserError("Plug it in.") from error

    monkeypatch.setattr("realtime.commands.doctor.examine", examine)
    code, err = call(monkeypatch, capsys, "doctor")
    assert (code, err) == (2, "Plug it in.\n")
    assert "the fault number 8" in log_file().read_text("utf-8")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_one_line_and_a_traceback_in_the_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Log(log_file()):
        thread = threading.Thread(target=fail, args=(9,), name="worker")
        thread.start()
        thread.join()
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and str(log_file()) in err
    assert "CRITICAL worker" in log_file().read_text("utf-8")


def test_the_look_at_an_avatar_that_fails_is_in_the_file(
    monkeypatch: pytest.MonkeyPatch, astronaut: Image
) -> None:
    face = FaceFinder().find_faces(astronaut)[0]
    animator = create_animator("mesh")
    monkeypatch.setattr("models.mesh.backend.TrackerGain.measured", lambda *words: fail(10))
    with Log(log_file()):
        animator.prepare(Photo(astronaut, face, "astronaut"), 256)
    text = log_file().read_text("utf-8")
    assert "the look at astronaut failed" in text and "the fault number 10" in text
