"""The files of the page, read once: everything that can be fetched without the key."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable

_KINDS = {
    "html": "text/html",
    "js": "text/javascript",
    "css": "text/css",
    "json": "application/json",
    "svg": "image/svg+xml",
}
"""The types of files that there are; others are not served."""


def static_files() -> dict[str, tuple[bytes, str]]:
    """The files by the address under which they are served: content and type.

    A page is served without its ending, `index.html` as `/`.
    """
    found: dict[str, tuple[bytes, str]] = {}
    _walk(files("realtime.panel") / "static", "/", found)
    return found


def _walk(folder: Traversable, at: str, found: dict[str, tuple[bytes, str]]) -> None:
    for item in folder.iterdir():
        if item.is_dir():
            _walk(item, f"{at}{item.name}/", found)
            continue
        stem, _, ending = item.name.rpartition(".")
        kind = _KINDS.get(ending)
        if kind is not None:
            address = at + (item.name if ending != "html" else "" if stem == "index" else stem)
            found[address] = item.read_bytes(), kind
