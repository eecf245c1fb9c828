"""Files that are too large for the package: their download, and the cache they are kept in.

Every file is known by its size and SHA-256, so it does not matter which host served it.
"""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from models.errors import UserError
from models.folders import kept
from models.locking import exclusive

CACHE_VARIABLE = "AVATARIFY_CACHE"
"""The environment variable that names another folder for the cache alone."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes that there will be."""

_CONNECT_SECONDS = 5.0
"""Seconds without an answer or a byte after which a host is given up: less would give up slow
lines, more would look like a hang."""

_ATTEMPTS = 3
"""Requests for one file: one may be interrupted, and one may find that what was kept is wrong; more
would keep the user waiting for a host that is broken."""

_BLOCK = 1 << 20
"""Bytes that are taken at once, at most: few calls on a fast line, and progress is told often."""


@dataclass(frozen=True)
class Artifact:
    """A file that is known.

    Attributes:
        filename: its name in the cache.
        size: bytes.
        sha256: hexadecimal.
    """

    filename: str
    size: int
    sha256: str

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` is this one, by size and then by hash."""
        if _size(path) != self.size:
            return False
        try:
            with open(path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except OSError:
            return False


class _SourceFailed(Exception):
    """The host did not give the file; the text says why."""


class _Interrupted(_SourceFailed):
    """The transfer broke off; what has come is kept and may be gone on with."""


def cache_folder() -> Path:
    """The folder of fetched files: `AVATARIFY_CACHE`, else where the user's caches are."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(os.path.expanduser(chosen)) if chosen else kept("cache")


def fetch(
    artifact: Artifact,
    address: str,
    *,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> Path:
    """The path of a file, downloaded if it is not in the cache yet or not right there.

    A transfer that breaks off is kept beside the file as `.part` and goes on at the next try.
    Processes that fetch the same file at once wait for the first of them.

    Args:
        artifact: the file.
        address: where it is served.
        progress: told about the bytes that have come while it is downloaded.
        cache: the folder to keep it in; `cache_folder()` if None.

    Raises:
        UserError: the host did not give the file, or the cache folder cannot be written to.
    """
    folder = cache or cache_folder()
    target = folder / artifact.filename
    if artifact.is_at(target):
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / f"{artifact.filename}.lock"):
            if not artifact.is_at(target):
                _download(artifact, address, target, progress or _silent)
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


def _download(artifact: Artifact, address: str, target: Path, progress: Progress) -> None:
    """Make `target` the right file; goes on after an interruption while bytes still come."""
    part = target.with_name(f"{target.name}.part")
    try:
        for attempt in range(_ATTEMPTS):
            before = _size(part)
            last = attempt == _ATTEMPTS - 1
            try:
                _transfer(address, artifact, part, progress)
            except _Interrupted:
                if last or _size(part) <= before:
                    raise
                continue
            if artifact.is_at(part):
                os.replace(part, target)
                return
            part.unlink()
            if last or before == 0:
                break
            # The part that was here before may be at fault: once more, from nothing.
        raise _SourceFailed(f"{_host(address)} served another file than the one expected")
    except _SourceFailed as failure:
        raise UserError(
            f"{artifact.filename} ({_megabytes(artifact.size)}) could not be fetched ({failure}): "
            "connect this computer to the internet and run this again, or put the file at "
            f"{target}."
        ) from failure


def _transfer(address: str, artifact: Artifact, part: Path, progress: Progress) -> None:
    """One request: append to `part` what it still lacks."""
    have = _size(part)
    if have >= artifact.size:
        if artifact.is_at(part):
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
