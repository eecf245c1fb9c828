"""What this program has recorded for this user, as a list of its own.

Only files that the program itself has written are in it. What is removed is moved aside first, in
the same folder, and deleted when the run ends.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from models.errors import UserError
from models.locking import exclusive
from models.types import Image
from realtime.media import moving_picture, open_media

STILL_SUFFIX = ".png"
"""What the name of a still ends in."""

_log = logging.getLogger(__name__)

_TRASH = ".avatarify-like-removed"
"""The folder, beside the files, of what was removed and can still be taken back."""

_MOST = 1000
"""Entries; the oldest are forgotten, their files stay."""

_LONGEST_NAME = 255
"""Bytes of a file's name at most, on all usual file systems."""

_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*\ud800-\udfff]')
"""What a name cannot have on one of the three systems."""

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names of devices on Windows."""


@dataclass(frozen=True)
class Recorded:
    """One file that was written.

    Attributes:
        id: how pages call it, 16 letters.
        path: where it lies, absolute.
        made: when it was finished, seconds since 1970.
        seconds: how long it lasts; None: a still, or not known.
        removed: it waits in the trash, to be deleted or taken back.
    """

    id: str
    path: Path
    made: float
    seconds: float | None = None
    removed: bool = False

    @property
    def still(self) -> bool:
        """Whether it is one picture."""
        return self.path.suffix.lower() == STILL_SUFFIX

    @property
    def there(self) -> bool:
        """Whether its file is still where it was; a link is none of ours."""
        try:
            return self.place.is_file() and not self.place.is_symlink()
        except OSError:
            return False

    @property
    def place(self) -> Path:
        """Where its bytes are now."""
        if self.removed:
            return self.path.parent / _TRASH / f"{self.id}{self.path.suffix}"
        return self.path


class RecordedList:
    """The list, kept in a file from run to run. All methods may be called by any thread.

    Attributes:
        changed: called after each change.
        added: called in its place with what was added.
    """

    def __init__(self, file: Path | None) -> None:
        """Read what was kept; `file` None: keep nothing."""
        self._file = file
        self._lock = threading.RLock()
        self._own_trash: set[str] = set()
        self.changed: Callable[[], None] = lambda: None
        self.added: Callable[[Recorded], None] = lambda entry: None
        self._entries = self._read()

    @property
    def entries(self) -> list[Recorded]:
        """What is there, the newest first; without what was removed."""
        with self._lock:
            found = [one for one in self._entries.values() if not one.removed]
        return sorted((one for one in found if one.there), key=lambda one: -one.made)

    def find(self, identity: object) -> Recorded:
        """The entry of this id, removed or not.

        Raises:
            UserError: there is none, or its file is gone.
        """
        with self._lock:
            found = self._entries.get(identity) if isinstance(identity, str) else None
        if found is None or not found.there:
            raise UserError("This recording is not there any more; it was moved or deleted.")
        return found

    def add(self, path: Path) -> Recorded:
        """A file was written and is finished."""
        path = Path(os.path.abspath(path))
        seconds = None if path.suffix.lower() == STILL_SUFFIX else _seconds(path)
        made = Recorded(secrets.token_hex(8), path, time.time(), seconds)

        def put(entries: dict[str, Recorded]) -> None:
            for known in [one for one in entries.values() if one.path == path and not one.removed]:
                del entries[known.id]  # Its file was overwritten.
            entries[made.id] = made

        self._change(put)
        self.added(made)
        return made

    def rename(self, identity: object, name: object) -> Recorded:
        """Give a file another name in its folder; its ending stays.

        Raises:
            UserError: that is no name for a file, or there is one of that name.
        """
        known = self.find(identity)
        target = known.path.with_name(_file_name(name, known.path.suffix))
        if target == known.path or known.removed:
            return known
        # Another writing of the same name, as on disks that do not tell A from a.
        own = target.exists() and target.samefile(known.path)
        if os.path.lexists(target) and not own:
            raise UserError(f"There is a file {target.name} already; choose another name.")
        _move(known.path, target)
        return self._put(replace(known, path=target))

    def remove(self, identity: object) -> None:
        """Move a file aside; `restore` brings it back until the run ends.

        Raises:
            UserError: it cannot be moved.
        """
        known = self.find(identity)
        if known.removed:
            return
        aside = replace(known, removed=True)
        try:
            aside.place.parent.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UserError(_cannot(known.path, error)) from error
        _move(known.path, aside.place)
        self._own_trash.add(known.id)
        self._put(aside)

    def restore(self, identity: object) -> None:
        """Bring back what was removed, under another name if its own was taken.

        Raises:
            UserError: it was deleted already, or cannot be moved.
        """
        known = self.find(identity)
        if not known.removed:
            return
        path, number = known.path, 2
        while os.path.lexists(path):
            path = known.path.with_name(f"{known.path.stem} ({number}){known.path.suffix}")
            number += 1
        _move(known.place, path)
        self._own_trash.discard(known.id)
        with suppress(OSError):
            known.place.parent.rmdir()
        self._put(replace(known, path=path, removed=False))

    def close(self) -> None:
        """Delete what was removed in this run, and what an earlier one could not delete."""
        with self._lock:
            gone = [one for one in self._entries.values() if one.removed]
            # Another run may still take back what it has removed: a day later it is over.
            old = time.time() - 86_400
            gone = [one for one in gone if one.id in self._own_trash or _moved_at(one) < old]
        for one in gone:
            with suppress(OSError):
                one.place.unlink(missing_ok=True)
            with suppress(OSError):
                one.place.parent.rmdir()

        def forget(entries: dict[str, Recorded]) -> None:
            for one in gone:
                entries.pop(one.id, None)

        if gone:
            self._change(forget)

    def _put(self, entry: Recorded) -> Recorded:
        self._change(lambda entries: entries.update({entry.id: entry}))
        self.changed()
        return entry

    def _change(self, change: Callable[[dict[str, Recorded]], None]) -> None:
        """Change the list, here and in its file, which another run may have changed meanwhile."""
        with self._lock:
            try:
                if self._file is not None:
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    with exclusive(self._file.with_suffix(".lock")):
                        self._entries.update(self._read())
                        change(self._entries)
                        self._write(self._file)
                    return
            except OSError as error:
                _log.debug("the list of recordings is not kept", exc_info=error)
            change(self._entries)

    def _read(self) -> dict[str, Recorded]:
        try:
            kept = json.loads(self._file.read_text("utf-8")) if self._file else []
        except (OSError, ValueError, RecursionError):
            return {}
        found = map(_entry, kept if isinstance(kept, list) else [])
        return {one.id: one for one in found if one is not None}

    def _write(self, path: Path) -> None:
        newest = sorted(self._entries.values(), key=lambda one: one.made)[-_MOST:]
        self._entries = {one.id: one for one in newest}
        text = json.dumps([{**asdict(one), "path": str(one.path)} for one in newest], indent=0)
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def write_still(path: Path, image: Image) -> None:
    """Write a picture (H, W, 3) as a new PNG file.

    Raises:
        UserError: it cannot be written.
    """
    done, data = cv2.imencode(STILL_SUFFIX, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done, "OpenCV writes PNG everywhere"
    try:
        with open(path, "xb") as file:
            file.write(data.tobytes())
    except OSError as error:
        with suppress(OSError):
            if not isinstance(error, FileExistsError):
                path.unlink(missing_ok=True)
        raise UserError(
            f"{path} cannot be written ({error.strerror}); make room there, or choose another "
            "folder by --record FILE.mp4."
        ) from error


def _entry(kept: Any) -> Recorded | None:
    """What a line of the file says; None where it makes no sense."""
    try:
        identity, path = kept["id"], Path(kept["path"])
        seconds = None if kept["seconds"] is None else float(kept["seconds"])
        if not re.fullmatch(r"[0-9a-f]{16}", identity) or not path.is_absolute():
            return None
        return Recorded(identity, path, float(kept["made"]), seconds, kept["removed"] is True)
    except (KeyError, TypeError, ValueError):
        return None


def _file_name(name: object, suffix: str) -> str:
    """A name that a user has typed, with the ending.

    Raises:
        UserError: it is none for a file.
    """
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if text.lower().endswith(suffix.lower()):
        text = text[: -len(suffix)]
    text = text.rstrip(". ")
    if not text or text.startswith(".") or _FORBIDDEN.search(text) or _RESERVED.fullmatch(text):
        raise UserError('This is no name for a file; leave out / \\ : * ? " < > | and a first dot.')
    if len(os.fsencode(text + suffix)) > _LONGEST_NAME:
        raise UserError("This name is too long for a file; give a shorter one.")
    return text + suffix


def _move(path: Path, target: Path) -> None:
    try:
        path.rename(target)
    except OSError as error:
        raise UserError(_cannot(path, error)) from error


def _cannot(path: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    return (
        f"{path.name} cannot be moved ({reason}); close programs that have it open and try again."
    )


def _moved_at(entry: Recorded) -> float:
    """When a file was moved aside, in seconds since 1970; 0: it is not there."""
    try:
        return entry.place.stat().st_ctime
    except OSError:
        return 0.0


def _seconds(path: Path) -> float | None:
    import av

    try:
        with open_media(path) as container:
            stream = moving_picture(container)
            if stream is not None and stream.duration and stream.time_base:
                return float(stream.duration * stream.time_base)
            return None if container.duration is None else container.duration / av.time_base
    except (av.FFmpegError, OSError, ValueError):
        return None
