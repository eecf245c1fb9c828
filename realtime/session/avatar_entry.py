"""Photos that become avatars: what is known about one, and how it is made."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from models.animator import Animator, knows_person
from models.face.finder import FaceFinder
from models.photos import choose_face, read_faces, turn_upright
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
    """Turns photos into avatars."""

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
        self._animator = animator
        self._cut_out = cut_out
        self._size = size
        self._finder = finder
        self._face = face
        self._lock = threading.Lock()
        """Held while an avatar is built: two at once would take the live threads' cores."""

    def of_file(self, path: Path, look: Look = AS_IS) -> tuple[ReadyAvatar, bytes]:
        """The avatar of a photo, and its thumbnail.

        Args:
            path: the photo.
            look: how it is turned, and which of its faces is animated.

        Raises:
            UserError: it cannot be read or shows no face that can be animated.
        """
        with self._lock:
            image, faces, degrees = read_faces(path, self._finder, look.turn)
            return self._of(image, faces, path, look, degrees)

    def faces_of(self, path: Path, look: Look) -> tuple[tuple[FaceBox, ...], int]:
        """All faces of a photo, and which of them is animated, from 0 on.

        Raises:
            UserError: it cannot be read.
        """
        with self._lock:
            image, faces, _ = read_faces(path, self._finder, look.turn)
            boxes = _boxes(image, faces)
            return boxes, (self._number(boxes, look) or 1) - 1

    def upright(self, image: Image) -> tuple[Image, list[Face], int]:
        """A picture that is not a file yet, its faces, and by how much it was turned for them."""
        with self._lock:
            return turn_upright(image, self._finder.find_faces(image), self._finder)

    def find(self, image: Image) -> list[Face]:
        """The faces of a picture as it is."""
        with self._lock:
            return self._finder.find_faces(image)

    def of_picture(
        self, image: Image, faces: list[Face], called: Path, look: Look = AS_IS, degrees: int = 0
    ) -> tuple[ReadyAvatar, bytes]:
        """The same of a picture that is not a file yet.

        Args:
            image: (H, W, 3) RGB, turned already.
            faces: those in it.
            called: what to call it.
            look: which of its faces is animated.
            degrees: clockwise, by which it was turned unasked.

        Raises:
            UserError: it shows no face that can be animated.
        """
        with self._lock:
            return self._of(image, faces, called, look, degrees)

    def _of(
        self, image: Image, faces: list[Face], called: Path, look: Look, degrees: int
    ) -> tuple[ReadyAvatar, bytes]:
        boxes = _boxes(image, faces)
        number = self._number(boxes, look)
        photo = replace(choose_face(image, faces, called, number), turned=degrees)
        ready = replace(self.ready(photo), faces=boxes, chosen=(number or 1) - 1)
        return ready, portrait(photo)

    def _number(self, boxes: tuple[FaceBox, ...], look: Look) -> int | None:
        """Which face is animated, from 1 on; None: the largest."""
        if look.face is None or not boxes:
            return self._face
        wanted = look.face
        middles = [(left + width / 2, top + height / 2) for left, top, width, height in boxes]
        return 1 + min(range(len(boxes)), key=lambda index: math.dist(middles[index], wanted))

    def ready(self, photo: Photo) -> ReadyAvatar:
        """The avatar of a photo."""
        avatar = self._animator.prepare(photo, self._size)
        if self._cut_out and knows_person(self._animator):
            # What this takes once, it takes here and not in a live thread.
            self._animator.render_person(avatar, avatar.rest)
        return ReadyAvatar(avatar, photo.face, photo.turned)


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
