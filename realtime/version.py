"""Which version of the program this is."""

from __future__ import annotations

from importlib import metadata


def version() -> str:
    """The version of this program, or "0" where it is not installed."""
    try:
        return metadata.version("avatarify-like")
    except metadata.PackageNotFoundError:
        return "0"
