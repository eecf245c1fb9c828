"""The avatars to choose from: photos of folders, made ready in the background."""

from __future__ import annotations

import contextlib
import logging
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import PIL.Image

from models.animator import Animator, knows_person
from models.errors import UserError
from models.face.face_file import face_path, write_placed
from models.face.finder import FaceFinder
from models.face.placed import Placed
from models.folders import not_kept
from models.photos import (
    choose_face,
    decode_image,
    list_photos,
    load_image,
    load_photo,
    turn_upright,
)
from models.types import Avatar, Face, Image, Photo
from realtime.session.thumbnails import glimpse, portrait

MAX_UPLOAD = 40_000_000
"""Bytes of a photo that is added: more than a JPEG of `_MAX_PIXELS` usually has."""

_MAX_PIXELS = 50_000_000
"""Of a photo that is added; one of so many takes 150 MB while it is read."""

_KEEP = 8
"""How many avatars are kept ready; each takes some ten megabytes."""

_KEPT_SIDE = 2048
"""Longer side in pixels of a photo that is added: an avatar is 720, and may be one face of it."""

_log = logging.getLogger(__name__)


class AvatarState(StrEnum):
    """How far an avatar is."""

    WAITING = "waiting"
    PREPARING = "preparing"
    READY = "ready"
    REFUSED = "refused"


@dataclass(frozen=True)
class ReadyAvatar:
    """A prepared avatar.

    Attributes:
        avatar: what the backend made of the photo.
        face: the photo's, for finding the driver's pose that is most like it.
        turned: degrees clockwise by which the photo was turned, because the face was not upright.
    """

    avatar: Avatar
    face: Face
    turned: int = 0

    @property
    def notes(self) -> list[str]:
        """What a user should know about the photo, a line each."""
        return [f"{self.avatar.name}: {note}" for note in self.avatar.notes]


@dataclass(frozen=True)
class AvatarEntry:
    """One photo of the list; replaced as a whole when something about it changes.

    Attributes:
        id: never used again for another photo.
        path: where the photo lies.
        own: it lies in the user's folder and may be deleted.
        state: how far it is.
        reason: why it was refused.
        thumbnail: a JPEG file; None before it is made, empty where it cannot be.
        ready: the avatar, while it is kept ready.
    """

    id: str
    path: Path
    own: bool
    state: AvatarState = AvatarState.WAITING
    reason: str = ""
    thumbnail: bytes | None = None
    ready: ReadyAvatar | None = None

    @property
    def name(self) -> str:
        """What to call it."""
        return self.path.stem

    @property
    def key(self) -> str:
        """Under which its settings are kept."""
        return self.path.name


class AvatarBuilder:
    """Turns photos into avatars.

    Attributes:
        animator: the backend.
        size: longer side of an avatar in pixels.
        finder: knows the faces of photos.
        cut_out: the person will be wanted alone.
    """

    def __init__(
        self,
        animator: Animator,
        size: int,
        finder: FaceFinder,
        face: int | None = None,
        cut_out: bool = False,
    ) -> None:
        """Build with what is loaded already.

        Args:
            animator: the backend.
            size: longer side of an avatar in pixels.
            finder: knows the faces of photos.
            face: which face of each photo, from 1 on, largest first; None: the largest.
            cut_out: the person will be wanted alone; the backend can tell it.
        """
        self.animator = animator
        self.cut_out = cut_out
        self.size = size
        self.finder = finder
        self._face = face
        self._lock = threading.Lock()
        """Held while an avatar is built: two at once would take the live threads' cores."""

    def like(self, **changes: Any) -> AvatarBuilder:
        """One that builds the same way but for `animator`, `size` or `cut_out`."""
        usual = {"animator": self.animator, "size": self.size, "cut_out": self.cut_out}
        return AvatarBuilder(**{**usual, **changes}, finder=self.finder, face=self._face)

    def of_file(
        self, path: Path, face: int | None = None, size: int | None = None
    ) -> tuple[ReadyAvatar, bytes]:
        """The avatar of a photo, and its thumbnail.

        Args:
            path: where it lies.
            face: which face of it, from 1 on, largest first; None: as for all photos.
            size: longer side in pixels, at most; None: as of the others.

        Raises:
            UserError: it cannot be read or shows no face that can be animated.
        """
        with self._lock:
            photo = load_photo(path, self.finder, face or self._face)
            return self.ready(photo, size), portrait(photo)

    def upright(self, image: Image) -> tuple[Image, list[Face], int]:
        """A picture that is not a file yet, its faces, and by how much it was turned for them."""
        with self._lock:
            return turn_upright(image, self.finder.find_faces(image), self.finder)

    def of_picture(
        self, image: Image, faces: list[Face], called: Path
    ) -> tuple[ReadyAvatar, bytes]:
        """The same of a picture that is not a file yet.

        Args:
            image: (H, W, 3) RGB.
            faces: those in it.
            called: what to call it.

        Raises:
            UserError: it shows no face that can be animated.
        """
        with self._lock:
            return self._of(choose_face(image, faces, called, self._face))

    def _of(self, photo: Photo) -> tuple[ReadyAvatar, bytes]:
        return self.ready(photo), portrait(photo)

    def ready(self, photo: Photo, size: int | None = None) -> ReadyAvatar:
        """The avatar of a photo, with its longer side at most `size` pixels."""
        avatar = self.animator.prepare(photo, size or self.size)
        if self.cut_out:
            self.cut(avatar)
        return ReadyAvatar(avatar, photo.face, photo.turned)

    def cut(self, avatar: Avatar) -> None:
        """Cut the person out of an avatar.

        What this takes once, it takes here and not in a live thread.
        """
        if knows_person(self.animator):
            self.animator.render_person(avatar, avatar.rest)


class AvatarLibrary:
    """The list of avatars. All methods may be called by any thread.

    Attributes:
        changed: called, from any thread, after something about the list has changed.
        face_of: which face of a photo is wanted, by its entry's `key`; None: as for all photos.
    """

    def __init__(self, builder: AvatarBuilder, source: Path | None, own: Path) -> None:
        """List the photos; nothing is read yet.

        Args:
            builder: turns photos into avatars.
            source: a photo or a folder of photos.
            own: the folder for photos that are added; made when it is needed.
        """
        self.changed: Callable[[], None] = lambda: None
        self.face_of: Callable[[str], int | None] = lambda key: None
        self._jobs: deque[Callable[[], None]] = deque()
        self._builder = builder
        self._source = source
        self._own = own
        self._entries: tuple[AvatarEntry, ...] = ()
        self._count = 0
        self._work = threading.Condition()
        self._wanted: str | None = None
        self._then: Callable[[AvatarEntry], None] = lambda entry: None
        self._used: list[str] = []
        self._closed = False
        self._thread: threading.Thread | None = None
        self._adding = threading.Lock()
        self.reload()

    @property
    def entries(self) -> tuple[AvatarEntry, ...]:
        """The list as it is now."""
        return self._entries

    def find(self, identity: str) -> AvatarEntry | None:
        """The avatar with this `id`."""
        return next((entry for entry in self._entries if entry.id == identity), None)

    def reload(self) -> None:
        """List the folders again; what was known stays known."""
        source, found = self._source, []
        if source is not None:
            found = [(path, False) for path in list_photos(source)] if source.is_dir() else []
            if not source.is_dir():
                found = [(source, False)]
        if self._own.is_dir():
            paths = [path for path, _ in found]
            found += [(path, True) for path in list_photos(self._own) if path not in paths]
        with self._work:
            known = {entry.path: entry for entry in self._entries}
            entries = []
            for path, own in found:
                entry = known.get(path)
                # A photo that was refused may have been replaced by a better one.
                if entry is None or entry.state is AvatarState.REFUSED:
                    entry = self._new(path, own)
                entries.append(entry)
            self._entries = tuple(entries)
            self._forget()
            self._work.notify_all()
        self.changed()

    def first(self, photo: Photo, path: Path) -> AvatarEntry:
        """Make ready, here and now, the photo that the run begins with.

        Args:
            photo: loaded already.
            path: where it lies.
        """
        ready = self._builder.ready(photo)
        with self._work:
            entry = next((entry for entry in self._entries if entry.path == path), None)
            if entry is None:
                entry = self._new(path, False)
                self._entries = (entry, *self._entries)
            done = self._replace(
                entry.id, state=AvatarState.READY, ready=ready, thumbnail=portrait(photo)
            )
            assert done is not None
            self._used.append(done.id)
        return done

    @property
    def builder(self) -> AvatarBuilder:
        """What turns photos into avatars now."""
        return self._builder

    def use(self, builder: AvatarBuilder) -> None:
        """Build otherwise from now on; what is ready stays."""
        with self._work:
            self._builder = builder

    def work(self, job: Callable[[], None]) -> None:
        """Have something else done by the thread that makes avatars ready, before those.

        Args:
            job: must not raise.
        """
        with self._work:
            self._jobs.append(job)
            self._work.notify_all()

    def rebuild(
        self, builder: AvatarBuilder, identity: str, ready: ReadyAvatar, thumbnail: bytes
    ) -> AvatarEntry | None:
        """Build otherwise from now on: all but one are made ready anew.

        Args:
            builder: turns photos into avatars from now on.
            identity: the one that has been made ready by it already.
            ready: what it made.
            thumbnail: the same, a JPEG file.

        Returns:
            The entry of that one; None if it was removed meanwhile.
        """
        with self._work:
            anew = builder is not self._builder
            self._builder = builder
            for entry in self._entries if anew else ():
                if entry.state is not AvatarState.PREPARING:
                    self._replace(entry.id, state=AvatarState.WAITING, ready=None, reason="")
            if anew:
                self._used = []
            done = self._replace(
                identity, state=AvatarState.READY, ready=ready, thumbnail=thumbnail
            )
            if done is not None:
                self._touch(identity)
            self._work.notify_all()
        self.changed()
        return done

    def start(self) -> None:
        """Begin to make the others ready in the background."""
        self._thread = threading.Thread(target=self._run, name="avatars", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the work in the background."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        if self._thread is not None:
            self._thread.join(5.0)

    def want(self, identity: str, then: Callable[[AvatarEntry], None]) -> None:
        """Have an avatar as soon as it is ready or refused; only the last wish counts.

        Args:
            identity: its `id`.
            then: called with it; before this returns where it is ready already.

        Raises:
            UserError: there is no such avatar.
        """
        with self._work:
            entry = self.find(identity)
            if entry is None:
                raise UserError("This avatar is no longer in the list; choose another one.")
            if entry.state is AvatarState.WAITING:
                self._wanted, self._then = identity, then
                self._work.notify_all()
                return
            if entry.state is AvatarState.PREPARING:
                self._wanted, self._then = identity, then
                return
            self._wanted = None
            if entry.ready is not None:
                self._touch(identity)
        then(entry)

    def made(self, identity: str, size: int) -> ReadyAvatar:
        """An avatar for something besides the run, which leaves the list as it is.

        Args:
            identity: its `id`.
            size: longer side in pixels, at most.

        Raises:
            UserError: there is no such avatar, or its photo cannot be used.
        """
        entry = self.find(identity)
        if entry is None:
            raise UserError("This avatar is no longer in the list; choose another one.")
        if entry.state is AvatarState.REFUSED:
            raise UserError(entry.reason)
        return self._builder.of_file(entry.path, self.face_of(entry.key), size)[0]

    def add(self, data: bytes, name: str) -> AvatarEntry:
        """Check a photo, keep it in the user's folder and make it ready.

        It is stored anew, without what a camera writes into its photos (place, time, owner).

        Args:
            data: the file.
            name: what the user calls it; only letters, digits and the like are kept of it.

        Raises:
            UserError: it is too large, not a picture, or shows no face.
        """
        called = _safe(name)
        if len(data) > MAX_UPLOAD:
            raise UserError(
                f"{called} is larger than {MAX_UPLOAD // 1_000_000} MB; use a smaller copy of it."
            )
        with self._adding:
            builder = self._builder
            image = decode_image(data, called, _MAX_PIXELS)
            image, faces, degrees = builder.upright(image)
            ready, thumbnail = builder.of_picture(image, faces, called)
            ready = replace(ready, turned=degrees)
            path = self._store(image, called.name)
            with self._work:
                entry = replace(
                    self._new(path, True), state=AvatarState.READY, ready=ready, thumbnail=thumbnail
                )
                if builder is not self._builder:  # It is to be made otherwise by now.
                    entry = replace(entry, state=AvatarState.WAITING, ready=None)
                self._entries = (*self._entries, entry)
                if entry.ready is not None:
                    self._touch(entry.id)
                self._work.notify_all()
        self.changed()
        return entry

    def add_placed(self, image: Image, placed: Placed, name: str) -> AvatarEntry:
        """Keep a picture on which a person has placed a face's points, and make it ready.

        Args:
            image: (H, W, 3), upright.
            placed: the points.
            name: what the user calls it; as of `add`.

        Raises:
            UserError: the points make no face that can be animated, or it cannot be kept.
        """
        called = _safe(name)
        with self._adding:
            ready, thumbnail = self._builder.of_picture(image, [placed_face(placed, image)], called)
            path = self._store(image, called.name)
            try:
                write_placed(path, image, placed)
            except UserError:
                path.unlink(missing_ok=True)
                raise
            with self._work:
                entry = replace(
                    self._new(path, True), state=AvatarState.READY, ready=ready, thumbnail=thumbnail
                )
                self._entries = (*self._entries, entry)
                self._touch(entry.id)
        self.changed()
        return entry

    def place(self, identity: str, placed: Placed) -> None:
        """Keep new points of a photo's face, and make it ready by them.

        Raises:
            UserError: there is no such photo, the points make no face that can be animated, or
                they cannot be kept.
        """
        entry = self.find(identity)
        if entry is None:
            raise UserError("This avatar is no longer in the list; choose another one.")
        with self._adding:
            image = load_image(entry.path)
            ready, thumbnail = self._builder.of_picture(
                image, [placed_face(placed, image)], entry.path
            )
            write_placed(entry.path, image, placed)
            with self._work:
                state = AvatarState.READY
                if self._replace(
                    identity, state=state, ready=ready, thumbnail=thumbnail, reason=""
                ):
                    self._touch(identity)
        self.changed()

    def remove(self, identity: str) -> None:
        """Take a photo off the list; one of the user's own folder is deleted.

        Raises:
            UserError: there is no such photo, it cannot be deleted, or it is the last one.
        """
        with self._work:
            entry = self.find(identity)
            if entry is None:
                raise UserError("This avatar is no longer in the list.")
            if len(self._entries) == 1:
                raise UserError("This is the last avatar; add another one before it is removed.")
            if entry.own:
                try:
                    entry.path.unlink(missing_ok=True)
                    face_path(entry.path).unlink(missing_ok=True)
                except OSError as error:
                    raise UserError(
                        f"{entry.name} cannot be deleted ({error.strerror}); close what uses it."
                    ) from error
            self._entries = tuple(other for other in self._entries if other is not entry)
            self._forget()
            if self._wanted == identity:
                self._wanted = None
        self.changed()

    def _new(self, path: Path, own: bool) -> AvatarEntry:
        self._count += 1
        return AvatarEntry(f"a{self._count}", path, own)

    def _replace(self, identity: str, **changes: object) -> AvatarEntry | None:
        """Change an entry if it is still there; with the lock."""
        changed = None
        entries = []
        for entry in self._entries:
            if entry.id == identity:
                entry = changed = replace(entry, **changes)  # type: ignore[arg-type]
            entries.append(entry)
        self._entries = tuple(entries)
        return changed

    def _forget(self) -> None:
        """Let go of what is no longer in the list; with the lock."""
        self._used = [identity for identity in self._used if self.find(identity) is not None]

    def _touch(self, identity: str) -> None:
        """Note that an avatar is in use, and let go of the one that was not for longest."""
        if identity in self._used:
            self._used.remove(identity)
        self._used.append(identity)
        while len(self._used) > _KEEP:
            self._replace(self._used.pop(0), state=AvatarState.WAITING, ready=None)

    def _store(self, image: Image, stem: str) -> Path:
        height, width = image.shape[:2]
        scale = min(1.0, _KEPT_SIDE / max(height, width))
        picture = PIL.Image.fromarray(image)
        if scale < 1:
            picture = picture.resize((max(round(width * scale), 1), max(round(height * scale), 1)))
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            for number in range(1, 10_000):
                path = self._own / (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg")
                with contextlib.suppress(FileExistsError), path.open("xb") as file:
                    picture.save(file, "JPEG", quality=95, subsampling=0)
                    # Points that were left behind by another photo of this name.
                    face_path(path).unlink(missing_ok=True)
                    return path
        except OSError as error:
            raise UserError(not_kept("The photo", self._own, error)) from error
        raise UserError(f"There are too many photos called {stem}; give it another name.")

    def _run(self) -> None:
        rest = 0.0
        while True:
            with self._work:
                if self._wanted is None:
                    # Half of the time is left to the live threads. A lower priority would not do
                    # that: while it waits for a core, it may hold what all threads need.
                    self._work.wait_for(
                        lambda: self._wanted is not None or bool(self._jobs) or self._closed, rest
                    )
                next_one = self._next()
                while next_one is None and not self._jobs and not self._closed:
                    self._work.wait()
                    next_one = self._next()
                if self._closed:
                    return
                job = self._jobs.popleft() if self._jobs else None
                if job is None:
                    assert next_one is not None
                    entry, whole = next_one
                    if whole:
                        self._replace(entry.id, state=AvatarState.PREPARING)
            begun = time.perf_counter()
            if job is not None:
                job()
                rest = time.perf_counter() - begun
                continue
            self.changed()
            if whole:
                self._prepare(entry)
            else:
                thumbnail = glimpse(entry.path)
                with self._work:
                    self._replace(entry.id, thumbnail=thumbnail or b"")
            rest = time.perf_counter() - begun
            self.changed()

    def _next(self) -> tuple[AvatarEntry, bool] | None:
        """What to do now, and whether to make the avatar ready or only its thumbnail."""
        if self._wanted is not None:
            entry = self.find(self._wanted)
            if entry is not None and entry.state is AvatarState.WAITING:
                return entry, True
        for entry in self._entries:
            if entry.thumbnail is None:
                return entry, False
        if len(self._used) < _KEEP:
            for entry in self._entries:
                if entry.state is AvatarState.WAITING:
                    return entry, True
        return None

    def _prepare(self, entry: AvatarEntry) -> None:
        try:
            ready, thumbnail = self._builder.of_file(entry.path, self.face_of(entry.key))
        except Exception as error:
            _log.debug("an avatar was refused", exc_info=error)
            told = str(error) if isinstance(error, UserError) else f"{type(error).__name__}."
            reason = told.replace(str(entry.path), entry.path.name)
            with self._work:
                done = self._replace(entry.id, state=AvatarState.REFUSED, reason=reason)
        else:
            with self._work:
                done = self._replace(
                    entry.id, state=AvatarState.READY, ready=ready, thumbnail=thumbnail
                )
                if done is not None:
                    self._touch(entry.id)
        with self._work:
            asked = self._wanted == entry.id
            if asked:
                self._wanted = None
            then = self._then
        if asked and done is not None:
            then(done)


def _safe(name: str) -> Path:
    """What a photo may be called in a folder: only letters, digits and the like are kept."""
    stem = re.sub(r"[^\w \-]+", "_", Path(name.replace("\\", "/")).stem).strip(" _")[:60]
    return Path(stem or "avatar")


def placed_face(placed: Placed, image: Image) -> Face:
    """The face of points on a picture (H, W, 3).

    Raises:
        UserError: they make none.
    """
    try:
        return placed.face((image.shape[1], image.shape[0]))
    except ValueError as error:
        raise UserError(f"These points make no face: {error}; move it and look again.") from error
