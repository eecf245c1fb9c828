"""The recordings of this user on the page: played, renamed, removed and brought back."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from models.errors import UserError
from realtime.media import open_media, pictures
from realtime.panel.feature import Opened
from realtime.panel.tokens import FileTokens
from realtime.provenance.verify import Finding, Trust, Verdict, examine
from realtime.session.recorded import Recorded, RecordedList

_THUMBNAIL = 320
"""Pixels of the longer side: shown half as large, on screens with two pixels for each."""

_KEPT = 100
"""Thumbnails in memory; each has about 10 kB."""

_KINDS = {".png": "image/png", ".mp4": "video/mp4"}
"""Of what is played; other endings are sent as they are."""


class Recordings:
    """The part "recordings" of the page.

    Attributes:
        name: of the part.
        changed: called when what pages show has changed.
    """

    name = "recordings"

    def __init__(self, kept: RecordedList, take_still: Callable[[], None]) -> None:
        """Serve a list.

        Args:
            kept: what was recorded.
            take_still: writes the output's picture into a file and adds it to the list.
        """
        self.changed: Callable[[], None] = lambda: None
        self._revision = 0
        self._last: Recorded | None = None
        self._kept = kept
        self._take_still = take_still
        self._tokens = FileTokens()
        self._thumbnails: dict[tuple[str, float], bytes] = {}
        self._found: dict[str, tuple[float, Finding | None]] = {}
        self._asked: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._examiner: threading.Thread | None = None
        self._lock = threading.Lock()
        kept.changed = self._touch
        kept.added = self._added

    def routes(self, opened: Opened) -> Sequence[BaseRoute]:
        """Thumbnails, tokens, the files behind them, and the folder on this computer's screen."""

        def guarded(answer: Callable[[Recorded, Request], Response]) -> Any:
            async def endpoint(request: Request) -> Response:
                if not opened(request.scope):
                    return Response(status_code=401)
                try:
                    entry = self._kept.find(request.path_params["identity"])
                    return await asyncio.to_thread(answer, entry, request)
                except UserError as error:
                    return JSONResponse({"refused": str(error)}, 404)

            return endpoint

        async def all_of_them(request: Request) -> Response:
            if not opened(request.scope):
                return Response(status_code=401)
            return JSONResponse(await asyncio.to_thread(self._listed))

        at = "/recordings/{identity:str}"
        return [
            Route("/recordings", all_of_them, methods=["GET"]),
            Route(f"{at}/thumbnail", guarded(self._thumbnail), methods=["GET"]),
            Route(f"{at}/token", guarded(self._token), methods=["POST"]),
            Route(f"{at}/folder", guarded(_open_folder), methods=["POST"]),
            Route("/recorded/{token:str}", self._file, methods=["GET"]),
        ]

    def state(self) -> Mapping[str, Any]:
        """When the list has changed, and what was finished last in this run, with its folder."""
        last = self._last
        about = None
        if last is not None:
            folder = str(last.path.parent)
            about = {"id": last.id, "file": last.path.name, "folder": folder, "still": last.still}
        return {"revision": self._revision, "last": about}

    def actions(self) -> Mapping[str, Callable[[Any], None]]:
        """Its commands."""
        return {
            "recordings.rename": self._rename,
            "recordings.remove": self._remove,
            "recordings.restore": self._kept.restore,
            "recordings.check": self._check,
            "recordings.still": lambda _: self._take_still(),
        }

    def close(self) -> None:
        """Delete what was removed."""
        self._asked.put(None)
        self._kept.close()

    def _touch(self) -> None:
        self._revision += 1
        self.changed()

    def _added(self, entry: Recorded) -> None:
        self._last = entry
        self._touch()

    def _listed(self) -> list[dict[str, Any]]:
        """All of them for pages, the newest first; whoever sees it may look for the files."""
        found = []
        for entry in self._kept.entries:
            with suppress(OSError):  # It was moved in this moment.
                found.append(self._described(entry))
        return found

    def _described(self, entry: Recorded) -> dict[str, Any]:
        about = entry.path.stat()
        checked = self._found.get(entry.id)
        known = checked is not None and checked[0] == about.st_mtime
        return {
            "id": entry.id,
            "name": entry.path.stem,
            "file": entry.path.name,
            "folder": str(entry.path.parent),
            "still": entry.still,
            "made": entry.made,
            "seconds": entry.seconds,
            "size": about.st_size,
            "signature": _in_words(checked[1]) if known and checked is not None else None,
        }

    def _rename(self, value: Any) -> None:
        wish = value if isinstance(value, dict) else {}
        self._tokens.revoke(self._kept.find(wish.get("id")).path)
        self._kept.rename(wish.get("id"), wish.get("name"))

    def _remove(self, identity: Any) -> None:
        self._tokens.revoke(self._kept.find(identity).path)
        self._kept.remove(identity)

    def _check(self, identity: Any) -> None:
        """Look at the signature of a file, in a thread of its own: a long one takes a while."""
        self._asked.put(self._kept.find(identity).id)
        with self._lock:
            if self._examiner is None:
                self._examiner = threading.Thread(
                    target=self._examine, name="signatures", daemon=True
                )
                self._examiner.start()

    def _examine(self) -> None:
        while (identity := self._asked.get()) is not None:
            try:
                path = self._kept.find(identity).place
                changed_at = path.stat().st_mtime
                finding = examine(path)
            except (UserError, OSError):
                try:
                    self._found[identity] = self._kept.find(identity).place.stat().st_mtime, None
                except (UserError, OSError):
                    continue
            else:
                self._found[identity] = changed_at, finding
            self._touch()

    def _token(self, entry: Recorded, request: Request) -> Response:
        return JSONResponse({"token": self._tokens.give(entry.place)})

    async def _file(self, request: Request) -> Response:
        """A file for its token, in ranges as a player asks for them."""
        path = self._tokens.path(request.path_params["token"])
        if path is None or not await asyncio.to_thread(_is_plain, path):
            return Response(status_code=404)
        kind = _KINDS.get(path.suffix.lower(), "application/octet-stream")
        if "download" in request.query_params:
            return FileResponse(path, media_type=kind, filename=path.name)
        return FileResponse(path, media_type=kind)

    def _thumbnail(self, entry: Recorded, request: Request) -> Response:
        key = entry.id, entry.place.stat().st_mtime
        with self._lock:
            picture = self._thumbnails.get(key)
        if picture is None:
            picture = _thumbnail(entry)
            with self._lock:
                while len(self._thumbnails) >= _KEPT:
                    self._thumbnails.pop(next(iter(self._thumbnails)))
                self._thumbnails[key] = picture
        if not picture:
            return Response(status_code=404)
        return Response(picture, media_type="image/jpeg")


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _in_words(finding: Finding | None) -> dict[str, str]:
    """What was found, as a code that pages put in words, and who signed."""
    if finding is None:
        return {"code": "unreadable", "by": "", "at": ""}
    if finding.verdict is Verdict.NO_MANIFEST:
        code = "none"
    elif finding.verdict is Verdict.TAMPERED:
        code = "changed"
    else:
        trusts = {Trust.OWN: "own", Trust.TRUSTED: "trusted", Trust.UNKNOWN: "unknown"}
        code = trusts[finding.trust]
    return {"code": code, "by": finding.signer[:200], "at": finding.moment[:40]}


def _thumbnail(entry: Recorded) -> bytes:
    """A small picture of a recording, a JPEG file; b"" if there is none."""
    import av

    try:
        if entry.still:
            read = cv2.imdecode(np.fromfile(entry.place, np.uint8), cv2.IMREAD_COLOR)
            image = None if read is None else cv2.cvtColor(read, cv2.COLOR_BGR2RGB)
        else:
            with open_media(entry.place) as container:
                first = next(pictures(container), None)
                image = None if first is None else first.frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, OSError, ValueError, AssertionError, cv2.error):
        return b""
    if image is None:
        return b""
    scale = min(_THUMBNAIL / max(image.shape[:2]), 1.0)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    return bytes(data) if done else b""


def _open_folder(entry: Recorded, request: Request) -> Response:
    """Show a file's folder on the screen of this computer, to a page that is on it too.

    Raises:
        UserError: the page is elsewhere, or there is nothing that shows folders.
    """
    host = request.client.host if request.client is not None else ""
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise UserError("The folder is on another computer than this page; download the file.")
    command = _shower(entry.place)
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(
            f"Nothing here shows folders; the file is in {entry.path.parent}."
        ) from error
    return Response(status_code=204)


def _shower(path: Path) -> list[str]:
    """The command that shows a file in its folder."""
    if sys.platform == "win32":
        return ["explorer", f"/select,{path}"]
    if sys.platform == "darwin":
        return ["open", "-R", str(path)]
    return ["xdg-open", os.fspath(path.parent)]
