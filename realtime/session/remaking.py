"""Making avatars otherwise while a run goes on: another backend, device, face, size or a cut-out.

All of it is done in the library's thread; what is shown goes on until the new is ready.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from models.animator import Animator, need_person
from models.backends import create_animator
from models.environment import cores
from models.errors import UserError
from models.runtime import device_wanted, use_device
from models.together import together
from realtime.animation.expected import slow_line
from realtime.session.avatar_entry import AvatarBuilder, AvatarEntry, ReadyAvatar
from realtime.session.avatar_library import AvatarLibrary

_ATTEMPTS = 5
"""How often the current avatar is made while the user switches to other ones meanwhile; nobody
goes on switching longer than that."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """An avatar that was made anew.

    Attributes:
        identity: its `id` in the library.
        builder: what has made it, and makes the others from now on.
        ready: the avatar.
        thumbnail: a JPEG file.
        face: which face of the photo was asked for, 0 for the usual; None: as before.
    """

    identity: str
    builder: AvatarBuilder
    ready: ReadyAvatar
    thumbnail: bytes
    face: int | None = None


class Place(Protocol):
    """Where what was made is shown."""

    @property
    def current(self) -> AvatarEntry:
        """The avatar that is shown."""
        ...

    def say(self, line: str) -> None:
        """Tell the user one line."""
        ...

    def show_made(self, made: Made) -> bool:
        """Show the current avatar as it was made anew."""
        ...


class Remaking:
    """Makes avatars otherwise, one change after another.

    All but `start` and `best_size` are for what `start` is given: they take long, and raise a
    `UserError` where it cannot be done; then everything is as before.
    """

    def __init__(self, library: AvatarLibrary, height: Callable[[], int]) -> None:
        """Nothing is made yet.

        Args:
            library: whose avatars are made anew, in its thread.
            height: of the canvas in pixels, as it is now.
        """
        self._library = library
        self._height = height

    def start(self, place: Place, make: Callable[[], None], done: Callable[[bool], None]) -> None:
        """Have something made in the library's thread; what fails is told there.

        Args:
            place: where it is shown.
            make: makes it.
            done: called at the end with whether it was made.
        """

        def job() -> None:
            made = False
            try:
                make()
                made = True
            except UserError as error:
                _log.debug("a change has failed", exc_info=error)
                path = place.current.path
                place.say(str(error).replace(str(path), path.name))
            except Exception as error:
                _log.debug("a change has failed", exc_info=error)
                place.say(f"That failed ({type(error).__name__}: {error}); all is as before.")
            finally:
                done(made)

        self._library.work(job)

    def best_size(self, animator: Animator | None = None) -> int:
        """The longer side in pixels of avatars that suits the canvas."""
        animator = animator or self._library.builder.animator
        return min(animator.best_size(cores()), self._height())

    def backend(self, place: Place, name: str) -> None:
        """Animate by another backend."""
        animator, now = create_animator(name), self._library.builder
        if now.everyone:
            animator = together(animator)
        if now.cut_out:
            animator = need_person(animator)
        builder = now.like(animator=animator, size=self.best_size(animator))
        self._all(place, builder)
        ready = place.current.ready
        line = None if ready is None else slow_line(animator, ready.avatar)
        if line is not None:
            place.say(line)

    def device(self, place: Place, key: str, name: str) -> None:
        """Let the backend of a name compute on another device."""
        before = device_wanted()
        use_device(key)
        try:
            self.backend(place, name)
        except BaseException:
            use_device(before)
            raise

    def resize(self, place: Place) -> None:
        """Make avatars of the size that suits the canvas."""
        self._all(place, self._library.builder.like(size=self.best_size()))

    def face(self, place: Place, face: int) -> None:
        """Animate another face of the current photo: from 1 on, 0 for the usual one."""
        builder, entry = self._library.builder, place.current
        ready, thumbnail = builder.of_file(entry.path, face or None, self._turn(entry))
        place.show_made(Made(entry.id, builder, ready, thumbnail, face))

    def cut_out(self, place: Place) -> None:
        """Have the person alone, too; the current avatar need not be made anew for that."""
        builder = self._library.builder
        if not builder.cut_out:
            builder = builder.like(cut_out=True)
        need_person(builder.animator)

        def cut(entry: AvatarEntry) -> Made:
            if entry.ready is None:
                return self._of(builder, entry)
            builder.cut(entry.ready.avatar)
            return Made(entry.id, builder, entry.ready, entry.thumbnail or b"")

        _until_shown(place, cut)

    def _all(self, place: Place, builder: AvatarBuilder) -> None:
        _until_shown(place, lambda entry: self._of(builder, entry))

    def _of(self, builder: AvatarBuilder, entry: AvatarEntry) -> Made:
        ready, thumbnail = builder.of_file(
            entry.path, self._library.face_of(entry.key), self._turn(entry)
        )
        # Networks take longer the first time.
        builder.animator.render(ready.avatar, ready.avatar.rest)
        return Made(entry.id, builder, ready, thumbnail)

    def _turn(self, entry: AvatarEntry) -> int | None:
        """Degrees by which a photo is turned by now."""
        return (self._library.find(entry.id) or entry).look.turn


def _until_shown(place: Place, make: Callable[[AvatarEntry], Made]) -> None:
    """Make the current avatar until it is still the current one when it is ready.

    Raises:
        UserError: it never was.
    """
    for _ in range(_ATTEMPTS):
        if place.show_made(make(place.current)):
            return
    raise UserError("The avatar was switched meanwhile, and nothing else changed; try again.")
