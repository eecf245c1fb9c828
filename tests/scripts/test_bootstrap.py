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
    for name in ("locking.py", "streams.py"):
        shutil.copy(ROOT / "models" / name, project / "models")
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
    assert "installed: one of them is not the pinned one" in done.stderr.splitlines()[-1]
    assert not (project / ".venv" / "complete").exists()


def test_settings_of_pip_that_are_meant_for_others_change_nothing(
    project: Path, tmp_path: Path
) -> None:
    """Each of them alone would have sent the packages elsewhere, or refused them."""
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("everything==2.0\n")
    own = tmp_path / "pip.conf"
    own.write_text(
        f"[global]\nno-index = true\nfind-links = {wheels(project)}\nconstraint = {constraints}\n"
        "[install]\nuser = true\ndry-run = true\n"
    )
    shutil.rmtree(project / ".venv", ignore_errors=True)
    others = {
        "PIP_CONSTRAINT": str(constraints),
        "PIP_NO_BINARY": ":all:",
        "PIP_TARGET": str(tmp_path / "elsewhere"),
        "PIP_REQUIRE_VIRTUALENV": "1",
        "PIP_CONFIG_FILE": str(own),
        "PIP_FIND_LINKS": "",
        "AVATARIFY_HOME": str(tmp_path / "kept"),
    }
    done = start(project, "hello", **others)
    assert (done.returncode, done.stdout) == (0, "['hello'] 0.1.0\n"), done.stderr
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_of_pip_that_cannot_be_read_is_named(project: Path, tmp_path: Path) -> None:
    own = tmp_path / "pip.conf"
    own.write_text("[global\n")
    shutil.rmtree(project / ".venv", ignore_errors=True)
    done = start(project, PIP_CONFIG_FILE=str(own))
    assert done.returncode == 2 and str(own) in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Pip's settings cannot be read; mend the file")


def test_of_pips_settings_those_count_that_bring_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = (
        ":env:.default-timeout='9'\n:env:.index-url=''\n:env:.constraint='c.txt'\n"
        "global.cert='/a.pem'\nglobal.index-url='https://one/'\nglobal.user='true'\n"
        "install.index-url='https://two/'\ndownload.proxy='http://no/'\n"
        "global.extra-index-url='\\nhttps://a/\\nhttps://b/'\n"
    )
    expected = {
        "PIP_DEFAULT_TIMEOUT": "9",
        "PIP_CERT": "/a.pem",
        "PIP_INDEX_URL": "https://two/",
        "PIP_EXTRA_INDEX_URL": "\nhttps://a/\nhttps://b/",
    }
    monkeypatch.delenv("AVATARIFY_HOME")
    assert _bootstrap._pip_settings(listed) == expected
    monkeypatch.setenv("AVATARIFY_HOME", "home")
    cache = os.path.abspath(os.path.join("home", "cache", "pip"))
    assert _bootstrap._pip_settings(listed) == {**expected, "PIP_CACHE_DIR": cache}
    kept = _bootstrap._pip_settings(f"{listed}global.cache-dir='/c'\n")
    assert kept == {**expected, "PIP_CACHE_DIR": "/c"}


# What pip really printed, shortened.
_REFUSED = "after connection broken by 'NewConnectionError(\"HTTPSConnection(host='x', port=443)"
_NONE = "ERROR: No matching distribution found for av==18.1.0"


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("ERROR: due to an OSError: [Errno 28] No space left on device", "The disk is full"),
        ("OSError: [WinError 112] There is not enough space on the disk", "The disk is full"),
        (f"WARNING: Retrying {_REFUSED}\n{_NONE}", "index does not answer"),
        (f"WARNING: Retrying {_REFUSED}\n[Errno 28] No space left on device", "The disk is full"),
        (f"broken by 'ProxyError('Cannot connect', NewConnectionError(\n{_NONE}", "HTTPS_PROXY"),
        (f"broken by 'SSLError([SSL: CERTIFICATE_VERIFY_FAILED]\n{_NONE}", "clock"),
        ("ERROR: HTTP error 403 while getting https://x/av.whl\n403 Client Error", "name and pass"),
        (f"broken by 'ReadTimeoutError(\"HTTPSConnectionPool\n{_NONE}", "index does not answer"),
        (_NONE, "no such package for Python"),
        ("OSError: [Errno 13] Permission denied: '/x'", "mend the rights"),
        ("ERROR: something new", "a sentence"),
    ],
)
def test_the_true_cause_is_told(
    printed: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = subprocess.CompletedProcess([], 1, printed.encode())
    sentence = str(_bootstrap._failed(done, tmp_path, "a sentence"))
    assert told in sentence and "{" not in sentence
    assert printed.splitlines()[-1] in capsys.readouterr().err


def test_a_set_up_that_was_killed_says_so(tmp_path: Path) -> None:
    done = subprocess.CompletedProcess([], -9, b"")
    assert "signal 9" in str(_bootstrap._failed(done, tmp_path, "a sentence"))


def test_a_disk_that_is_full_is_found_also_where_nobody_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `python -m venv`, which only says that ensurepip failed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(1, 1, 0))
    done = subprocess.CompletedProcess([], 1, b"Command 'ensurepip' returned exit status 1.")
    assert "The disk is full" in str(_bootstrap._failed(done, tmp_path / "no" / "folder", "other"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount")
def test_a_set_up_on_a_full_disk(project: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("this root may not mount")
    try:
        copy = small / "project"
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv*"))
        done = start(copy)
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("The disk is full: make about 1 GB of room in")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_stop_no_start(project: Path, closed: str) -> None:
    start(project)
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" hello {closed}', project / "scripts" / "avatarify-like"],
        env=variables(project),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ("" if ">&-" in closed.split() else "['hello'] 0.1.0\n")


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
