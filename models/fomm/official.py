"""The official checkpoint file that is known by size and hash, and where users get it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from models.artifacts import Artifact, fetch
from models.errors import UserError

WHERE = (
    "the links under 'Pre-trained checkpoint' in the README of the official repository "
    "AliaksandrSiarohin/first-order-model on GitHub"
)
"""Where users find the official files."""

OFFICIAL: dict[str, Artifact] = {
    artifact.filename: artifact
    for artifact in (
        Artifact(
            filename="vox-adv-cpk.pth.tar",
            size=750_926_934,
            sha256="6792d6810d7f46e3c5c487a1cfec916b96fad8912c3c6cc81baa1fc300c820d3",
        ),
    )
}
"""File name to artifact.

The official hosts hand files out through web pages only, so there is no address to ask; the user
downloads the file, or names a host that has a copy.
"""


def is_official(sha256: str) -> bool:
    """Whether a file's hash is that of an official file."""
    return any(artifact.sha256 == sha256 for artifact in OFFICIAL.values())


def is_address(text: str) -> bool:
    """Whether the user gave a web address in place of a path."""
    return text.startswith(("http://", "https://"))


def fetch_copy(
    address: str,
    *,
    progress: Callable[[int, int], None] | None = None,
    cache: Path | None = None,
) -> Path:
    """Download a known file from a host that has a copy; what comes must have the official hash.

    Args:
        address: ends in the official file's name.
        progress: told about the bytes that have come.
        cache: the folder to keep it in; the program's cache folder if None.

    Returns:
        The file in the cache.

    Raises:
        UserError: the file is not known, or the host did not give it.
    """
    filename = PurePosixPath(urlsplit(address).path).name
    artifact = OFFICIAL.get(filename)
    if artifact is None:
        raise UserError(
            f"Only {' and '.join(OFFICIAL)} can be fetched, because only its hash is known; "
            f"download {filename or 'the file'} yourself and give its path."
        )
    return fetch(artifact, address, progress=progress, cache=cache)
