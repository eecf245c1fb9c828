"""The starters in scripts/, run for real in a small project with one package, without network."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from scripts import _bootstrap
from tests.paths import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="runs the starters for POSIX")

# One wheel that stands for all packages: the modules that the set-up wants to import.
_MODULES = (
    "av c2pa/__init__ cv2 numpy onnxruntime PIL/__init__ PIL/Image pi_heif platformdirs "
    "pyvirtualcam rich/__init__ rich/live typer cv2_enumerate_cameras"
).split()
_CLI = """
import importlib.metadata, sys
import models
print(sys.argv[1:], importlib.metadata.version("avatarify-like"), flush=True)
sys.exit(7 if "fail" in sys.argv else 0)
"""


def wheels(project: Path) -> Path:
    """Beside the folder with the space in its name, because pip's setting is split at spaces."""
    return project.parents[1] / "wheels"


def write_wheel(project: Path) -> None:
    """The package that the lock names, and the lock with its hash."""
    wheel = wheels(project) / "everything-1.0-py3-none-any.whl"
    wheel.parent.mkdir(exist_ok=True)
    info = "everything-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        for module in _MODULES:
            file.writestr(f"{module}.py", "")
        for library in ("libc2pa_c.so", "libc2pa_c.rlib", "c2pa_c.lib"):
            file.writestr(f"c2pa/libs/{library}", "")
        file.writestr("cv2/data/haarcascade_eye.xml", "")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: everything\nVersion: 1.0\n")
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / "requirements" / "run.txt").write_text(f"everything==1.0 --hash=sha256:{digest}\n")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a space in its path."""
    project = tmp_path_factory.mktemp("starters") / "check out" / "project"
    for folder in ("models", "realtime", "requirements"):
        (project / folder).mkdir(parents=True)
        (project / folder / "__init__.py").touch()
    shutil.copytree(ROOT / "scripts", project / "scripts")
    shutil.copy(ROOT / "pyproject.toml", project)
    shutil.copy(ROOT / "models" / "locking.py", project / "models")
    (project / "realtime" / "cli.py").write_text(_CLI)
    write_wheel(project)
    return project


def variables(project: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "AVATARIFY_PYTHON": sys.executable,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels(project)),
        **more,
    }


def start(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "scripts" / "avatarify-like", *arguments],
        cwd=project.parent,
        env=variables(project, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_two_first_calls_at_once_set_up_once(project: Path, tmp_path: Path) -> None:
    shutil.rmtree(project / ".venv", ignore_errors=True)
    link = tmp_path / "linked"
    link.symlink_to(project / "scripts" / "avatarify-like")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").write_text("raise SystemExit('the wrong models')")
    calls = [
        subprocess.Popen(
            [link, "two words", f"*{number}"],
            cwd=tmp_path,
            env=variables(project, PYTHONPATH=str(tmp_path)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    results = [call.communicate() for call in calls]
    assert [call.returncode for call in calls] == [0, 0]
    assert [out for out, _ in results] == [
        f"['two words', '*{number}'] 0.1.0\n" for number in range(2)
    ]
    told = "".join(errors for _, errors in results)
    assert told.count("Setting up") == told.count("The set-up is complete") == 1
    packages = next((project / ".venv").glob("lib/*/site-packages"))
    assert not (packages / "pip").exists()
    assert not list(packages.rglob("*.xml"))
    assert [path.name for path in (packages / "c2pa" / "libs").iterdir()] == ["libc2pa_c.so"]


def test_a_second_call_sets_nothing_up_and_keeps_the_exit_code(project: Path) -> None:
    start(project)
    done = start(project, "fail")
    assert (done.returncode, done.stdout, done.stderr) == (7, "['fail'] 0.1.0\n", "")


def test_without_a_named_python_the_environment_is_used(project: Path) -> None:
    start(project)
    done = start(project, "again", AVATARIFY_PYTHON="", PATH="/usr/bin:/bin")
    assert (done.stdout, done.stderr) == ("['again'] 0.1.0\n", "")


def test_a_moved_checkout_still_works(project: Path) -> None:
    start(project)
    moved = project.rename(project.with_name("moved"))
    try:
        done = start(moved, AVATARIFY_PYTHON="")
    finally:
        moved.rename(project)
    assert (done.stdout, done.stderr) == ("[] 0.1.0\n", "")


def test_a_changed_lock_installs_again_even_after_an_interruption(project: Path) -> None:
    start(project)
    lock = project / "requirements" / "run.txt"
    lock.write_text(f"# changed\n{lock.read_text()}")
    call = subprocess.Popen(
        [project / "scripts" / "avatarify-like"],
        env=variables(project),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while (project / ".venv" / "complete").exists():
        assert call.poll() is None
        time.sleep(0.01)
    os.killpg(call.pid, signal.SIGINT)
    _, errors = call.communicate()
    assert call.returncode == 130
    assert "Traceback" not in errors and "run the same command again" in errors
    done = start(project, AVATARIFY_PYTHON="")
    assert done.stdout == "[] 0.1.0\n" and "The set-up is complete" in done.stderr


_SLOW = """
import sys, time
try:
    time.sleep(0.3)
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print("finished", flush=True)
    sys.exit(5)
"""


def test_without_exec_an_interrupted_program_may_finish() -> None:
    """The way of Windows, where the program is a child of the starter."""
    starter = (
        "import sys, _bootstrap\n"
        "_bootstrap._WINDOWS = True\n"
        f"sys.exit(_bootstrap._replace([sys.executable, '-c', {_SLOW!r}]))\n"
    )
    call = subprocess.Popen(
        [sys.executable, "-c", starter],
        cwd=ROOT / "scripts",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert call.stdout is not None and call.stdout.readline() == "ready\n"
    os.killpg(call.pid, signal.SIGINT)
    out, errors = call.communicate(timeout=30)
    assert (out, errors, call.returncode) == ("finished\n", "", 5)


def test_a_package_that_is_not_the_pinned_one_is_refused(project: Path) -> None:
    lock = project / "requirements" / "run.txt"
    right = lock.read_text()
    lock.write_text(f"everything==1.0 --hash=sha256:{'0' * 64}\n")
    try:
        done = start(project)
    finally:
        lock.write_text(right)
    assert done.returncode == 2 and done.stdout == ""
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert "could not be installed; check the network" in done.stderr.splitlines()[-1]
    assert not (project / ".venv" / "complete").exists()


def fake_python(folder: Path, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "python3"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    for tool in ("dirname", "readlink", "uname", "sh"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return path


def test_an_old_python_or_none(project: Path, tmp_path: Path) -> None:
    shutil.rmtree(project / ".venv", ignore_errors=True)
    python = fake_python(
        tmp_path / "bin", 'case "$2" in *platform*) echo 3.9.2 ;; *) exit 1 ;; esac'
    )
    done = start(project, AVATARIFY_PYTHON="", PATH=str(tmp_path / "bin"))
    assert done.returncode == 2 and "Python 3.9.2 of this computer is too old" in done.stderr
    python.unlink()
    done = start(project, AVATARIFY_PYTHON="", PATH=str(tmp_path / "bin"))
    assert done.returncode == 2 and "There is no Python" in done.stderr
    done = start(project, AVATARIFY_PYTHON=str(tmp_path / "nothing"))
    assert done.returncode == 2 and "AVATARIFY_PYTHON names" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_python_without_venv(project: Path, tmp_path: Path) -> None:
    """As Debian has it: the interpreter is there, the module comes in a package of its own."""
    shutil.rmtree(project / ".venv", ignore_errors=True)
    (tmp_path / "ensurepip.py").write_text("raise ImportError('No module named ensurepip')")
    wrapper = fake_python(
        tmp_path / "bin",
        f'[ "$1" = -I ] && shift\nPYTHONPATH="{tmp_path}" exec "{sys.executable}" "$@"',
    )
    # The set-up asks the interpreter behind it; here that one is the wrapper.
    code = (
        f"import sys; sys.path.insert(0, {str(project / 'scripts')!r}); "
        f"sys._base_executable = {str(wrapper)!r}; import _bootstrap; "
        "sys.exit(_bootstrap.main(['run']))"
    )
    # The wrapper sets its own path, so the shield of the set-up does not remove it.
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=variables(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "lacks the module venv" in done.stderr.splitlines()[-1]
    assert f"python{sys.version_info[0]}.{sys.version_info[1]}-venv" in done.stderr


def test_what_the_tests_ran_is_told_in_shares(tmp_path, monkeypatch, capsys) -> None:
    for room, calls in (("models", "one()"), ("realtime", "one(); other()"), ("scripts", "")):
        (tmp_path / room).mkdir()
        body = f"def one():\n    x = 1\ndef other():\n    x = 2\n{calls}\n"
        (tmp_path / room / "__init__.py").write_text(body)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.py").write_text("import models, realtime, scripts\n")
    words = ["-m", "coverage", "run", "--source=models,realtime,scripts", "all.py"]
    subprocess.run([sys.executable, *words], check=True)
    _bootstrap._say_coverage(sys.executable)
    told = capsys.readouterr().err
    assert told.startswith(
        "Coverage: 90 % of the lines of models and realtime, 50 % of the lines of scripts; "
    )
    (tmp_path / ".coverage").unlink()
    _bootstrap._say_coverage(sys.executable)
    assert "an unknown share of the lines of scripts" in capsys.readouterr().err


def test_the_locks_are_pinned_hashed_and_name_no_host() -> None:
    for name in ("run", "test"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert "://" not in text and "index" not in text and "find-links" not in text
        entries = text.replace("\\\n", " ").splitlines()
        packages = [line for line in entries if line and not line.lstrip().startswith("#")]
        assert packages
        for package in packages:
            assert "==" in package and "--hash=sha256:" in package


def test_the_lock_for_tests_holds_the_one_for_running() -> None:
    # Without the conditions: tests may need a package on more systems.
    pinned = [
        {
            line.split(" ")[0]
            for line in (ROOT / "requirements" / name).read_text().splitlines()
            if "==" in line and not line.startswith((" ", "#"))
        }
        for name in ("run.txt", "test.txt")
    ]
    assert pinned[0] and pinned[0] <= pinned[1]
