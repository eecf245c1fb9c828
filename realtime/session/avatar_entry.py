"""Photos that become avatars: what is known about one, and how it is made."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeAlias

from models.animator import Animator, knows_person
from models.face.finder import FaceFinder
from models.photos import choose_all, choose_face, read_faces, turn_upright
from models.types import Avatar, Face, Image, Photo
from realtime.session.avatar_table import AS_IS, Look
from realtime.session.thumbnails import portrait

FaceBox: TypeAlias = tuple[float, float, float, float]
"""Left, top, width and height of a face, as fractions of its picture."""


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
        faces: all faces of the photo, largest first.
        chosen: which of them is animated, from 0 on.
    """

    avatar: Avatar
    face: Face
    turned: int = 0
    faces: tuple[FaceBox, ...] = ()
    chosen: int = 0

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
        look: how it is shown, as somebody has said.
        faces: all faces of the photo, largest first; None before they are known.
        chosen: which of them is animated, from 0 on.
        turned: degrees clockwise by which the photo was turned, because the face was not upright.
        upload: it was sent and is not yet kept anywhere.
        no_face: it was refused because no face was found; its points may be placed by hand.
    """

    id: str
    path: Path
    own: bool
    state: AvatarState = AvatarState.WAITING
    reason: str = ""
    thumbnail: bytes | None = None
    ready: ReadyAvatar | None = None
    look: Look = AS_IS
    faces: tuple[FaceBox, ...] | None = None
    chosen: int = 0
    turned: int = 0
    upload: bool = False
    no_face: bool = False

    @property
    def name(self) -> str:
        """What to call it."""
        return self.look.name or self.path.stem

    @property
    def turn(self) -> int:
        """Degrees clockwise by which the photo is turned, by somebody or unasked."""
        return self.turned if self.look.turn is None else self.look.turn

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
        everyone: all faces of a photo are animated.
    """

    def __init__(
        self,
        animator: Animator,
        size: int,
        finder: FaceFinder,
        face: int | None = None,
        cut_out: bool = False,
        everyone: bool = False,
    ) -> None:
        """Build with what is loaded already.

        Args:
            animator: the backend.
            size: longer side of an avatar in pixels.
            finder: knows the faces of photos.
            face: which face of each photo, from 1 on, largest first; None: the largest.
            cut_out: the person will be wanted alone; the backend can tell it.
            everyone: all faces of each photo, unless one is named; the backend can animate them.
        """
        self.animator = animator
        self.everyone = everyone
        self.cut_out = cut_out
        self.size = size
        self.finder = finder
        self._face = face
        self._lock = threading.Lock()
        """Held while an avatar is built: two at once would take the live threads' cores."""

    def like(self, **changes: Any) -> AvatarBuilder:
        """One that builds the same way but for `animator`, `size` or `cut_out`."""
        usual = {"animator": self.animator, "size": self.size, "cut_out": self.cut_out}
        return AvatarBuilder(
            **{**usual, **changes}, finder=self.finder, face=self._face, everyone=self.everyone
        )

    def of_file(
        self, path: Path, face: int | None = None, turn: int | None = None
    ) -> tuple[ReadyAvatar, bytes]:
        """The avatar of a photo, and its thumbnail.

        Args:
            path: where it lies.
            face: which face of it, from 1 on, largest first; None: as for all photos.
            turn: degrees clockwise by which it is turned; None: as its face needs.

        Raises:
            UserError: it cannot be read or shows no face that can be animated.
        """
        with self._lock:
            image, faces, degrees = read_faces(path, self.finder, turn)
            return self._of(image, faces, path, face, degrees)

    def photo(self, path: Path, face: int | None, turn: int | None) -> Photo:
        """A photo with the face to animate; as `of_file`."""
        with self._lock:
            image, faces, _ = read_faces(path, self.finder, turn)
            return self._chosen(image, faces, path, face or self._face)

    def faces_of(
        self, path: Path, face: int | None, turn: int | None
    ) -> tuple[tuple[FaceBox, ...], int]:
        """All faces of a photo, and which of them is animated, from 0 on; as `of_file`.

        Raises:
            UserError: it cannot be read.
        """
        with self._lock:
            image, faces, _ = read_faces(path, self.finder, turn)
            return _boxes(image, faces), (face or self._face or 1) - 1

    def upright(self, image: Image) -> tuple[Image, list[Face], int]:
        """A picture that is not a file yet, its faces, and by how much it was turned for them."""
        with self._lock:
            return turn_upright(image, self.finder.find_faces(image), self.finder)

    def find(self, image: Image) -> list[Face]:
        """The faces of a picture as it is."""
        with self._lock:
            return self.finder.find_faces(image)

    def of_picture(
        self, image: Image, faces: list[Face], called: Path, degrees: int = 0
    ) -> tuple[ReadyAvatar, bytes]:
        """The same of a picture that is not a file yet.

        Args:
            image: (H, W, 3) RGB, turned already.
            faces: those in it.
            called: what to call it.
            degrees: clockwise, by which it was turned unasked.

        Raises:
            UserError: it shows no face that can be animated.
        """
        with self._lock:
            return self._of(image, faces, called, None, degrees)

    def _of(
        self, image: Image, faces: list[Face], called: Path, face: int | None, degrees: int
    ) -> tuple[ReadyAvatar, bytes]:
        number = face or self._face
        photo = replace(self._chosen(image, faces, called, number), turned=degrees)
        ready = self.ready(photo)
        return replace(ready, faces=_boxes(image, faces), chosen=(number or 1) - 1), portrait(photo)

    def _chosen(self, image: Image, faces: list[Face], called: Path, number: int | None) -> Photo:
        if self.everyone and number is None:
            return choose_all(image, faces, called)
        return choose_face(image, faces, called, number)

    def ready(self, photo: Photo, size: int | None = None) -> ReadyAvatar:
        """The avatar of a photo; its longer side is at most `size` pixels, None: as of all."""
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


def _boxes(image: Image, faces: list[Face]) -> tuple[FaceBox, ...]:
    """Where faces are, as fractions of their picture."""
    height, width = image.shape[:2]
    return tuple(
        (
            round(left / width, 4),
            round(top / height, 4),
            round((right - left) / width, 4),
            round((bottom - top) / height, 4),
        )
        for left, top, right, bottom in (face.box for face in faces)
    )
