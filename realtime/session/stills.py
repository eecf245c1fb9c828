"""Pictures of a posed photo: small ones that follow sliders, and one at the photo's own size."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import PIL.Image

from models.animator import EditorAnimator, Slider, can_edit, need_editor
from models.types import Avatar, Image
from realtime.animation.animation import draw
from realtime.canvas.compositor import Compositor
from realtime.frames import AvatarFrame
from realtime.session.avatar_entry import ReadyAvatar
from realtime.session.avatar_library import AvatarLibrary

PREVIEW = 720
"""Longer side in pixels of a picture that follows a slider: a page shows it no larger."""

_FINE = 480
"""Longer side in pixels from which on an avatar of the list will do for that. Those of a small
canvas are smaller, and then one is made for this alone."""

_FULL = 2048
"""Longer side in pixels of a picture that is kept, at most: as large as added photos are."""

_QUALITY = 88
"""Of JPEG, 1..100: skin shows no blocks, and a picture is below 100 KB."""


class StillEditor:
    """Draws posed photos, one at a time, for threads that may wait."""

    def __init__(self, library: AvatarLibrary) -> None:
        """Draw the avatars of `library` with the backend that makes them."""
        self._library = library
        self._turn = threading.Condition()
        self._newest = 0
        self._busy = False
        self._free_at = 0.0
        self._made: dict[tuple[str, int], tuple[EditorAnimator, ReadyAvatar | None, Avatar]] = {}

    @property
    def editor(self) -> EditorAnimator:
        """The backend.

        Raises:
            UserError: it poses no photos.
        """
        return need_editor(self._library.builder.animator)

    @property
    def sliders(self) -> Sequence[Slider]:
        """What can be set; nothing where the backend poses no photos."""
        animator = self._library.builder.animator
        return animator.editor if can_edit(animator) else ()

    def preview(self, identity: str, values: Mapping[str, float]) -> bytes | None:
        """A JPEG file of a posed photo, its longer side at most `PREVIEW`.

        Half of the time is left to the live threads: after a picture that took long the next one
        waits as long.

        Args:
            identity: the avatar's `id`.
            values: of the editor's sliders.

        Returns:
            The file; None if a newer one was asked for before this one's turn came.

        Raises:
            UserError: there is no such avatar, or it cannot be posed.
        """
        with self._turn:
            self._newest += 1
            number = self._newest
            self._turn.notify_all()
            while self._busy or time.perf_counter() < self._free_at:
                wait = self._free_at - time.perf_counter()
                self._turn.wait(None if self._busy else max(wait, 1e-3))
                if number != self._newest:
                    return None
            self._busy = True
        begun = time.perf_counter()
        try:
            return _jpeg(self._drawn(identity, values, PREVIEW))
        finally:
            self._done(time.perf_counter() - begun)

    def picture(self, identity: str, values: Mapping[str, float], badge: bool) -> bytes:
        """A PNG file of a posed photo at the photo's own size, at most `_FULL`.

        Args:
            identity: the avatar's `id`.
            values: of the editor's sliders.
            badge: put the mark "AI avatar" on it.

        Raises:
            UserError: there is no such avatar, or it cannot be posed.
        """
        with self._turn:
            self._turn.wait_for(lambda: not self._busy)
            self._busy = True
        begun = time.perf_counter()
        try:
            image = self._drawn(identity, values, _FULL)
            if badge:
                marked = Compositor((image.shape[1], image.shape[0]), badge=True)
                image = marked.compose(AvatarFrame(image, None, False)).image
            data = io.BytesIO()
            PIL.Image.fromarray(image).save(data, "PNG")
            return data.getvalue()
        finally:
            self._done(time.perf_counter() - begun)

    def _done(self, took: float) -> None:
        with self._turn:
            self._busy, self._free_at = False, time.perf_counter() + took
            self._turn.notify_all()

    def _drawn(self, identity: str, values: Mapping[str, float], size: int) -> Image:
        editor = self.editor
        avatar = self._avatar(editor, identity, size)
        return draw(editor, avatar, editor.edited(avatar, values)).image

    def _avatar(self, editor: EditorAnimator, identity: str, size: int) -> Avatar:
        """An avatar of the list, or the last one that was made for this alone."""
        library = self._library
        entry = library.find(identity)
        if size == PREVIEW and entry is not None and entry.ready is not None:
            ready = entry.ready.avatar
            side = max(ready.still.shape[:2])
            # One below the usual size is of a photo that has no more to show; sides are even.
            if side >= _FINE or side < library.builder.size - 1:
                return ready
        known = self._made.get((identity, size))
        ready_now = None if entry is None else entry.ready
        if entry is not None and known is not None and known[0] is editor:
            # One that is ready anew may have got other points.
            if ready_now is None or known[1] is None or known[1] is ready_now:
                return known[2]
        avatar = library.made(identity, size).avatar
        # One of each size: they take some ten megabytes, and people pose one photo at a time.
        self._made = {key: one for key, one in self._made.items() if key[1] != size}
        self._made[identity, size] = editor, ready_now, avatar
        return avatar


def _jpeg(image: Image) -> bytes:
    scale = PREVIEW / max(image.shape[:2])
    if scale < 1:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "OpenCV writes JPEG everywhere"
    return bytes(data)
