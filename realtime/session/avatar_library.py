"""The avatars to choose from: photos of folders, made ready in the background."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.errors import UserError
from models.face.face_file import write_placed
from models.face.orientation import turned
from models.face.placed import Placed
from models.photos import NoFaceError, decode_image, list_photos, load_image
from models.types import Image, Photo
from realtime.session.avatar_entry import AvatarBuilder, AvatarEntry, AvatarState, ReadyAvatar
from realtime.session.avatar_inbox import AvatarInbox, companions, stem_of, store
from realtime.session.avatar_placing import placed_face, store_again, store_placed
from realtime.session.avatar_table import AS_IS, AvatarTable, Look, clean_name
from realtime.session.avatar_trash import AvatarTrash
from realtime.session.thumbnails import glimpse, portrait

MAX_UPLOAD = 40_000_000
"""Bytes of a photo that is added: more than a JPEG of `MAX_PIXELS` usually has."""

MAX_PIXELS = 50_000_000
"""Of a photo that is added; one of so many takes 150 MB while it is read."""

_KEEP = 8
"""How many avatars are kept ready; each takes some ten megabytes."""

_MAX_WAITING = 200
"""Photos that were sent and are not yet kept: more are a mistake or an attack, 8 GB at most."""

_log = logging.getLogger(__name__)


class AvatarLibrary:
    """The list of avatars. All methods may be called by any thread.

    Attributes:
        changed: called, from any thread, after something about the list has changed.
        arrived: called, from the library's thread, with a photo that was sent and is ready.
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
        self.arrived: Callable[[AvatarEntry], None] = lambda entry: None
        self.face_of: Callable[[str], int | None] = lambda key: None
        self._jobs: deque[Callable[[], None]] = deque()
        self._builder = builder
        self._source = source
        self._own = own
        self._table = AvatarTable(own / "list.json")
        self._trash = AvatarTrash(own / ".removed")
        self._inbox = AvatarInbox()
        self._removed: dict[str, tuple[AvatarEntry, int, Path | None]] = {}
        self._entries: tuple[AvatarEntry, ...] = ()
        self._count = 0
        self._work = threading.Condition()
        self._wanted: str | None = None
        self._then: Callable[[AvatarEntry], None] = lambda entry: None
        self._used: list[str] = []
        self._closed = False
        self._thread: threading.Thread | None = None
        self.reload()

    @property
    def entries(self) -> tuple[AvatarEntry, ...]:
        """The list as it is now."""
        return self._entries

    @property
    def chosen_before(self) -> bool:
        """Whether an avatar was ever chosen by hand."""
        return self._table.chosen

    def note_chosen(self) -> None:
        """An avatar was chosen by hand.

        Raises:
            UserError: it cannot be kept that it was.
        """
        with self._work:
            self._table.note_chosen()

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
            entries += [entry for entry in self._entries if entry.upload]
            places = {key: place for place, key in enumerate(self._table.order)}
            entries.sort(key=lambda one: places.get(_table_key(one.path, one.own), len(places)))
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
        with self._work:
            entry = next((entry for entry in self._entries if entry.path == path), None)
            if entry is None:
                entry = self._new(path, False)
                self._entries = (entry, *self._entries)
        changes = self._as_chosen(entry)
        if changes is None:
            changes = {
                "state": AvatarState.READY,
                "ready": self._builder.ready(photo),
                "thumbnail": portrait(photo),
                "turned": photo.turned,
            }
        with self._work:
            done = self._replace(entry.id, **changes)
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
            done = self._replace(identity, **_of_ready(ready), thumbnail=thumbnail)
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
        """Stop the work in the background, and delete what was removed."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        if self._thread is not None:
            self._thread.join(5.0)
        self._trash.empty()
        self._inbox.close()

    def want(self, identity: str, then: Callable[[AvatarEntry], None]) -> None:
        """Have an avatar as soon as it is ready or refused; only the last wish counts.

        Args:
            identity: its `id`.
            then: called with it; before this returns where it is ready already.

        Raises:
            UserError: there is no such avatar.
        """
        with self._work:
            entry = self._known(identity)
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
        photo = self._builder.photo(entry.path, self.face_of(entry.key), entry.look.turn)
        return self._builder.ready(photo, size)

    def inbox(self) -> Path:
        """An empty file to write a photo to that is being sent; then comes `receive` or `drop`.

        Raises:
            UserError: it cannot be made, or too many are waiting.
        """
        with self._work:
            if sum(entry.upload for entry in self._entries) >= _MAX_WAITING:
                raise UserError("Too many photos wait to be looked at; put some of them away.")
            return self._inbox.new()

    def drop(self, file: Path) -> None:
        """Delete what was written to a file of `inbox`."""
        self._inbox.drop(file)

    def receive(self, file: Path, name: str) -> AvatarEntry:
        """Put a photo that was sent on the list; it is looked at in the background.

        Then it is kept in the user's folder, stored anew, without what a camera writes into its
        photos (place, time, owner); or it is refused, and stays on the list until it is removed.

        Args:
            file: a file of `inbox` that holds it.
            name: what the user calls it; only letters, digits and the like are kept of it.
        """
        path = self._inbox.named(file, name)
        with self._work:
            entry = replace(self._new(path, True), upload=True)
            self._entries = (*self._entries, entry)
            self._work.notify_all()
        self.changed()
        return entry

    def keep(
        self, image: Image, name: str, look: Look = AS_IS, beside: Mapping[str, bytes] = {}
    ) -> AvatarEntry:
        """Keep a picture in the user's folder and put it on the list.

        Args:
            image: (H, W, 3) RGB.
            name: what its file is called after.
            look: how it is shown.
            beside: what is kept beside it, by the ending of its name, such as ".face.json".

        Raises:
            UserError: it cannot be written.
        """
        path = store(image, self._own, Path(name).name, beside)
        with self._work:
            if look != AS_IS:
                self._table.keep(_table_key(path, True), look)
            entry = self._new(path, True)
            self._entries = (*self._entries, entry)
            self._work.notify_all()
        self.changed()
        return entry

    def add_placed(self, image: Image, placed: Placed, name: str) -> AvatarEntry:
        """Keep a picture on which a person has placed a face's points, and make it ready.

        Args:
            image: (H, W, 3), upright.
            placed: the points.
            name: what the user calls it; as of `receive`.

        Raises:
            UserError: the points make no face that can be animated, or it cannot be kept.
        """
        stem = stem_of(name)
        ready, thumbnail = self._builder.of_picture(image, [placed_face(placed, image)], Path(stem))
        path = store_placed(image, self._own, stem, placed)
        with self._work:
            entry = replace(self._new(path, True), **_of_ready(ready), thumbnail=thumbnail)
            self._entries = (*self._entries, entry)
            self._touch(entry.id)
        self.changed()
        return entry

    def picture(self, identity: str) -> Image:
        """The photo of an avatar, (H, W, 3), turned as it is shown.

        Raises:
            UserError: there is no such avatar, or it cannot be read.
        """
        entry = self._known(identity)
        return turned(load_image(entry.path), entry.turn // 90)

    def place(self, identity: str, placed: Placed) -> str:
        """Keep new points of a photo's face, and make it ready by them.

        Points are kept beside a picture that is upright: a turned one is kept anew, in the user's
        folder, and so is one that was only sent yet.

        Returns:
            The avatar's `id`: another one where a turned photo of another folder was kept anew.

        Raises:
            UserError: there is no such photo, the points make no face that can be animated, or
                they cannot be kept.
        """
        entry, image = self._known(identity), self.picture(identity)
        if entry.turn and not entry.own:
            return self.add_placed(image, placed, f"{entry.name}.jpg").id
        face = placed_face(placed, image)
        ready, thumbnail = self._builder.of_picture(image, [face], Path(entry.name))
        path = entry.path
        if entry.upload:
            path = store_placed(image, self._own, entry.path.stem, placed)
        else:
            if entry.turn:
                store_again(image, path)
            write_placed(path, image, placed)
        look = replace(entry.look, turn=None)
        with self._work:
            if look != self._table.look(_table_key(path, entry.own)):
                self._table.keep(_table_key(path, entry.own), look)
            changes = {**_of_ready(ready), "path": path, "upload": False, "look": look}
            if self._replace(identity, **changes, thumbnail=thumbnail) is not None:
                self._touch(identity)
        if entry.upload:
            self._inbox.drop(entry.path)
        self.changed()
        return identity

    def rename(self, identity: str, name: str) -> None:
        """Call an avatar something else; its file and its settings stay where they are.

        Raises:
            UserError: there is no such avatar, that is no name, or it cannot be kept.
        """
        name = clean_name(name)
        if not name:
            raise UserError("A name needs at least one letter.")
        with self._work:
            entry = self._known(identity)
            self._look(entry, replace(entry.look, name="" if name == entry.path.stem else name))
        self.changed()

    def rotate(self, identity: str) -> None:
        """Turn a photo clockwise by a quarter, and make it ready anew.

        Raises:
            UserError: there is no such avatar, or it cannot be kept.
        """
        with self._work:
            entry = self._known(identity)
            self._look(entry, entry.look.rotated(entry.turned))
        self.changed()

    def move(self, identity: str, place: int) -> None:
        """Put an avatar at another place of the list.

        Args:
            identity: its `id`.
            place: from 0 on; more than there are is the last.

        Raises:
            UserError: there is no such avatar, or the order cannot be kept.
        """
        with self._work:
            entry = self._known(identity)
            others = [other for other in self._entries if other is not entry]
            others.insert(max(place, 0), entry)
            self._entries = tuple(others)
            keys = [_table_key(one.path, one.own) for one in others if not one.upload]
            # Photos of other folders keep their places among themselves.
            self._table.sort([*keys, *(key for key in self._table.order if key not in keys)])
        self.changed()

    def remove(self, identity: str) -> None:
        """Take a photo off the list; one of the user's own folder goes to the trash.

        Raises:
            UserError: there is no such photo, it cannot be moved, or it is the last one.
        """
        with self._work:
            entry = self.find(identity)
            if entry is None:
                raise UserError("This avatar is no longer in the list.")
            if len(self._entries) == 1:
                raise UserError("This is the last avatar; add another one before it is removed.")
            place = None
            if entry.own and not entry.upload and entry.path.exists():
                try:
                    place = self._trash.put([entry.path, *companions(entry.path)])
                except OSError as error:
                    raise UserError(
                        f"{entry.name} cannot be removed ({error.strerror}); close what uses it."
                    ) from error
            left = replace(entry, ready=None)
            if entry.state is not AvatarState.REFUSED:
                left = replace(left, state=AvatarState.WAITING)
            self._removed[identity] = left, self._entries.index(entry), place
            self._entries = tuple(other for other in self._entries if other is not entry)
            self._forget()
            if self._wanted == identity:
                self._wanted = None
        self.changed()

    def restore(self, identity: str) -> None:
        """Bring back what was removed in this run.

        Raises:
            UserError: it was not removed, or cannot be moved back.
        """
        with self._work:
            if identity not in self._removed:
                raise UserError("This avatar cannot be brought back any more.")
            entry, index, place = self._removed[identity]
            if place is not None:
                try:
                    self._trash.take_back(place, entry.path.parent)
                except OSError as error:
                    raise UserError(
                        f"{entry.name} cannot be brought back ({error.strerror or error})."
                    ) from error
            del self._removed[identity]
            others = [other for other in self._entries if other.path != entry.path]
            others.insert(index, entry)
            self._entries = tuple(others)
            self._forget()
            self._work.notify_all()
        self.changed()

    def renew(self, identity: str) -> None:
        """Make a photo ready anew, because something beside it has changed.

        Raises:
            UserError: there is no such avatar.
        """
        with self._work:
            self._again(self._known(identity).id)
        self.changed()

    def _new(self, path: Path, own: bool) -> AvatarEntry:
        self._count += 1
        look = self._table.look(_table_key(path, own))
        return AvatarEntry(f"a{self._count}", path, own, look=look)

    def _known(self, identity: str) -> AvatarEntry:
        entry = self.find(identity)
        if entry is None:
            raise UserError("This avatar is no longer in the list; choose another one.")
        return entry

    def _look(self, entry: AvatarEntry, look: Look) -> None:
        """Show a photo in another way; with the lock."""
        if look.turn != entry.look.turn:
            self._again(entry.id)
        self._replace(entry.id, look=look)
        if not entry.upload:
            self._table.keep(_table_key(entry.path, entry.own), look)

    def _again(self, identity: str) -> None:
        """Have a photo made ready anew; with the lock."""
        self._replace(
            identity, state=AvatarState.WAITING, ready=None, reason="", no_face=False, faces=None
        )
        self._used = [used for used in self._used if used != identity]
        self._work.notify_all()

    def _replace(self, identity: str, **changes: Any) -> AvatarEntry | None:
        """Change an entry if it is still there; with the lock."""
        changed = None
        entries = []
        for entry in self._entries:
            if entry.id == identity:
                entry = changed = replace(entry, **changes)
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
                    entry, do = next_one
                    if do == self._prepare:
                        self._replace(entry.id, state=AvatarState.PREPARING)
            begun = time.perf_counter()
            if job is not None:
                job()
                rest = time.perf_counter() - begun
                continue
            self.changed()
            do(entry)
            rest = time.perf_counter() - begun
            self.changed()

    def _next(self) -> tuple[AvatarEntry, Callable[[AvatarEntry], None]] | None:
        """What to do now, and for which photo; with the lock."""
        if self._wanted is not None:
            entry = self.find(self._wanted)
            if entry is not None and entry.state is AvatarState.WAITING:
                return entry, self._prepare
        waiting = [entry for entry in self._entries if entry.state is AvatarState.WAITING]
        for entry in waiting:
            if entry.upload:
                return entry, self._prepare
        for entry in self._entries:
            if entry.thumbnail is None:
                return entry, self._glimpse
        if waiting and len(self._used) < _KEEP:
            return waiting[0], self._prepare
        for entry in self._entries:
            if entry.faces is None and entry.state is AvatarState.READY:
                return entry, self._count_faces
        return None

    def _glimpse(self, entry: AvatarEntry) -> None:
        """Make a thumbnail of a photo, as good as it is without knowing its face."""
        thumbnail = glimpse(entry.path)
        with self._work:
            self._replace(entry.id, thumbnail=thumbnail or b"")

    def _count_faces(self, entry: AvatarEntry) -> None:
        """Find the faces of a photo that the run began with: until then one was enough."""
        try:
            faces, chosen = self._builder.faces_of(
                entry.path, self.face_of(entry.key), entry.look.turn
            )
        except UserError as error:
            _log.debug("the faces of a photo are not known", exc_info=error)
            faces, chosen = (), 0
        with self._work:
            self._replace(entry.id, faces=faces, chosen=chosen)

    def _prepare(self, entry: AvatarEntry) -> None:
        """Make a photo ready, or refuse it."""
        try:
            changes = self._taken_in(entry) if entry.upload else self._made(entry)
        except Exception as error:
            _log.debug("an avatar was refused", exc_info=error)
            changes = _refused(entry, error)
        with self._work:
            now = self.find(entry.id)
            if now is None or now.state is not AvatarState.PREPARING:
                if path := changes.get("path"):  # It was taken in, but is no longer wanted so.
                    path.unlink(missing_ok=True)
                return
            if "path" in changes:
                look = changes["look"] = replace(changes["look"], name=now.look.name)
                if look != AS_IS:
                    self._keep_quietly(changes["path"], look)
            done = self._replace(entry.id, **changes)
            assert done is not None
            if done.ready is not None:
                self._touch(entry.id)
            asked = self._wanted == entry.id
            if asked:
                self._wanted = None
            then = self._then
        if entry.upload and done.ready is not None:
            self._inbox.drop(entry.path)
            self.arrived(done)
        if asked:
            then(done)

    def _made(self, entry: AvatarEntry) -> dict[str, Any]:
        """What becomes of a photo in a folder.

        Raises:
            UserError: it is refused.
        """
        ready, thumbnail = self._builder.of_file(
            entry.path, self.face_of(entry.key), entry.look.turn
        )
        return {**_of_ready(ready), "thumbnail": thumbnail}

    def _as_chosen(self, entry: AvatarEntry) -> dict[str, Any] | None:
        """The same where somebody has turned it; else, and refused, None."""
        if entry.look.turn is None:
            return None
        try:
            return self._made(entry)
        except UserError as error:
            _log.debug("the first photo is shown as it is", exc_info=error)
            return None

    def _taken_in(self, entry: AvatarEntry) -> dict[str, Any]:
        """What becomes of a photo that was sent: it is checked and kept in the user's folder.

        Raises:
            UserError: it is refused.
        """
        called, look = Path(entry.path.stem), entry.look
        image = decode_image(entry.path.read_bytes(), called, MAX_PIXELS)
        degrees = 0
        if look.turn is None:
            image, faces, degrees = self._builder.upright(image)
        else:
            image = turned(image, look.turn // 90)
            faces = self._builder.find(image)
        ready, thumbnail = self._builder.of_picture(image, faces, called, degrees)
        path = store(image, self._own, called.name)
        return {
            **_of_ready(ready),
            "thumbnail": thumbnail,
            "turned": 0,  # It is kept as it was turned.
            "path": path,
            "upload": False,
            "look": replace(look, turn=None),
        }

    def _keep_quietly(self, path: Path, look: Look) -> None:
        """Keep how a photo is shown; where that fails, it is known until the end of the run."""
        try:
            self._table.keep(_table_key(path, True), look)
        except UserError as error:
            _log.debug("the table is not kept", exc_info=error)


def _table_key(path: Path, own: bool) -> str:
    """Under which something about a photo is kept: the user's own folder may be moved."""
    return path.name if own else str(path.absolute())


def _of_ready(ready: ReadyAvatar) -> dict[str, Any]:
    """What an entry takes over from its avatar."""
    return {
        "state": AvatarState.READY,
        "ready": ready,
        "faces": ready.faces,
        "chosen": ready.chosen,
        "turned": ready.turned,
        "reason": "",
        "no_face": False,
    }


def _refused(entry: AvatarEntry, error: Exception) -> dict[str, Any]:
    """What becomes of a photo that cannot be used."""
    told = str(error) if isinstance(error, UserError) else f"{type(error).__name__}."
    changes: dict[str, Any] = {
        "state": AvatarState.REFUSED,
        "reason": told.replace(str(entry.path), entry.path.name),
        "no_face": isinstance(error, NoFaceError),
    }
    if entry.thumbnail is None:
        changes["thumbnail"] = glimpse(entry.path) or b""
    return changes
