"""Places the avatar's picture on the canvas that the virtual camera shows, with the badge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.types import Floats, Image
from realtime.canvas.background import Background
from realtime.canvas.fit import Fit
from realtime.frames import AvatarFrame

_LABEL = "AI avatar"

_TINY = 48
"""Longer side in pixels of the copy that the blurred fill is made from: most of the blur is that it
is enlarged, which costs nothing."""

_FILL_LIGHT = 0.72
"""The fill is a little darker than the picture, so that the eye stays on the picture."""


@dataclass(frozen=True)
class _Badge:
    """The label ready to be blended.

    Attributes:
        colour: (h, w, 3), times opacity.
        rest: (h, w, 3), 1 - opacity.
    """

    colour: Floats
    rest: Floats


@dataclass(frozen=True)
class Canvas:
    """What the picture is put on; replaced as a whole.

    Attributes:
        size: (width, height) in pixels, both even.
        fit: how a picture of another shape goes on it.
        background: what is shown behind the person; None: the picture's own.
    """

    size: tuple[int, int] = (1280, 720)
    fit: Fit = Fit.BLUR
    background: Background | None = None

    @property
    def even(self) -> Canvas:
        """The same with odd sides rounded down to even, as video needs."""
        width, height = self.size
        return replace(self, size=(max(width // 2 * 2, 2), max(height // 2 * 2, 2)))


@dataclass(frozen=True)
class _Layout:
    """Where pictures of one shape go; made once for each avatar and then only read.

    Attributes:
        canvas: what they go on.
        shape: (H, W) of the pictures.
        source: left, top, right, bottom of the part that is shown.
        target: where that goes on the canvas, likewise.
        backgrounds: the canvas around it, as it is and flipped left to right.
        badge: the label, or None where it has no room.
    """

    canvas: Canvas
    shape: tuple[int, int]
    source: tuple[int, int, int, int]
    target: tuple[int, int, int, int]
    backgrounds: tuple[Image, Image]
    badge: _Badge | None


class Composer(Protocol):
    """Puts the avatar on the canvas that the sinks expect."""

    @property
    def look(self) -> object:
        """Another object when earlier pictures would look different now."""
        ...

    def set_avatar(self, still: Image, focus: tuple[float, float]) -> None:
        """Prepare for the frames of an avatar.

        Args:
            still: a picture of the size of the frames to come.
            focus: (x, y) in pixels of it, the middle of the face.
        """
        ...

    def compose(self, frame: AvatarFrame) -> AvatarFrame:
        """The frame on the canvas."""
        ...


class Compositor:
    """Turns avatar pictures into pictures of the canvas's size.

    The surroundings are made once for each avatar, from its still photo, so that they never
    flicker. `compose` returns a new image each time and changes nothing that it was given.

    Attributes:
        mirror: flip the avatar's picture; may be changed at any time, by any thread.
    """

    def __init__(
        self,
        canvas: tuple[int, int] = (1280, 720),
        fit: Fit = Fit.BLUR,
        badge: bool = True,
        mirror: bool = False,
        background: Background | None = None,
    ) -> None:
        """Prepare the badge.

        Args:
            canvas: (width, height); odd values are rounded down to even, as video needs.
            fit: how a picture of another shape goes on the canvas.
            badge: mark the picture with "AI avatar" in the lower right corner of what is shown.
            mirror: flip the avatar's picture left to right, but not the badge.
            background: what is shown behind the person; None: the picture's own.
        """
        self.mirror = mirror
        self._canvas = Canvas(canvas, fit, background).even
        self._layout: _Layout | None = None
        self._avatar: tuple[Image, tuple[float, float] | None] | None = None
        self._shows_badge = badge
        self._backdrop: _Backdrop | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the canvas in pixels, both even."""
        return self._canvas.size

    @property
    def canvas(self) -> Canvas:
        """What pictures are put on; another one counts from the next picture on, by any thread."""
        return self._canvas

    @canvas.setter
    def canvas(self, canvas: Canvas) -> None:
        canvas = canvas.even
        if self._avatar is not None:  # Here, so that the thread that composes need not.
            self._layout = _laid_out(canvas, *self._avatar)
        self._canvas = canvas

    @property
    def look(self) -> object:
        """Another object when earlier pictures would look different now."""
        return self._canvas

    def show_badge(self, shown: bool) -> None:
        """Put the label on or take it off, from the next picture on; from any thread."""
        self._shows_badge = shown

    def set_avatar(self, still: Image, focus: tuple[float, float] | None = None) -> None:
        """Make the surroundings for an avatar; may be called from another thread.

        Args:
            still: the avatar's photo, of the size of the frames to come.
            focus: (x, y) in pixels of what `cover` must not cut off, such as the face's centre;
                None: the middle, somewhat above half the height, where faces are.
        """
        self._avatar = still, focus
        self._layout = _laid_out(self._canvas, still, focus)

    def compose(self, frame: AvatarFrame) -> AvatarFrame:
        """The frame's picture on the canvas, of exactly `size`."""
        picture = frame.image
        canvas, layout = self._canvas, self._layout
        known = self._avatar
        if known is None or known[0].shape[:2] != picture.shape[:2]:
            known = self._avatar = picture, None
        if layout is None or layout.canvas is not canvas or layout.shape != picture.shape[:2]:
            layout = self._layout = _laid_out(canvas, *known)
        badge = layout.badge if self._shows_badge else None
        cut = None
        if canvas.background is None or frame.person is None:
            image = _draw(picture, layout, self.mirror)
        else:
            image, cut = self._replaced(canvas.background, picture, frame.person, layout)
        if badge is not None:
            _blend_badge(image, badge, layout.target)
        alone = None if cut is None else partial(_alone, cut, canvas.size, layout.target, badge)
        return AvatarFrame(image, frame.captured_at, frame.live, alone=alone)

    def _replaced(
        self, background: Background, picture: Image, person: Image, layout: _Layout
    ) -> tuple[Image, Image]:
        """The person on another background, and alone as large as there."""
        known = self._backdrop
        left, top, right, bottom = layout.source
        part = slice(top, bottom), slice(left, right)
        if known is None or known.layout is not layout:
            canvas = background.canvas(
                layout.canvas.size, picture[part], person[part], layout.target
            )
            # A photo is not turned around with the person: it may show words.
            flips = background.kind == "blur"
            flipped = np.ascontiguousarray(canvas[:, ::-1]) if flips else canvas
            known = self._backdrop = _Backdrop(layout, (canvas, flipped))
        image = known.canvases[self.mirror].copy()
        left, top, right, bottom = layout.target
        cut = _fitted(person[part], (right - left, bottom - top), self.mirror)
        place = image[top:bottom, left:right]
        rest = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(cut, 3)), cv2.COLOR_GRAY2RGB)
        behind = cv2.multiply(place, rest, scale=1 / 255)
        cv2.add(cv2.cvtColor(cut, cv2.COLOR_RGBA2RGB), behind, dst=place)
        return image, cut


def _laid_out(canvas: Canvas, still: Image, focus: tuple[float, float] | None) -> _Layout:
    """Where an avatar's pictures go on a canvas, and what is around them."""
    height, width = still.shape[:2]
    place = focus if focus is not None else (0.5 * width, 0.38 * height)
    source, target = _place((width, height), canvas.size, canvas.fit, place)
    background = np.zeros((canvas.size[1], canvas.size[0], 3), np.uint8)
    if canvas.fit is Fit.BLUR and target != (0, 0, *canvas.size):
        background = _blurred_fill(still, canvas.size)
    room = (target[2] - target[0], target[3] - target[1])
    badge = _render_badge(_LABEL, canvas.size[1], room)
    flipped = np.ascontiguousarray(background[:, ::-1])
    return _Layout(canvas, (height, width), source, target, (background, flipped), badge)


@dataclass(frozen=True)
class _Backdrop:
    """What is shown behind the person of one avatar.

    Attributes:
        layout: of the avatar's pictures.
        canvases: (height, width, 3) each, for a picture as it is and for a flipped one.
    """

    layout: _Layout
    canvases: tuple[Image, Image]


def _place(
    picture: tuple[int, int],
    canvas: tuple[int, int],
    fit: Fit,
    focus: tuple[float, float],
) -> tuple[tuple[int, int, int, int], tuple[int, int, int, int]]:
    """Which part of the picture goes where on the canvas, each as left, top, right, bottom."""
    width, height = picture
    wide, high = canvas
    if fit is Fit.COVER:
        scale = max(wide / width, high / height)
        shown = (min(round(wide / scale), width), min(round(high / scale), height))
        left = round(min(max(focus[0] - shown[0] / 2, 0), width - shown[0]))
        top = round(min(max(focus[1] - shown[1] / 2, 0), height - shown[1]))
        return (left, top, left + shown[0], top + shown[1]), (0, 0, wide, high)
    scale = min(wide / width, high / height)
    size = (min(max(round(width * scale), 1), wide), min(max(round(height * scale), 1), high))
    left, top = (wide - size[0]) // 2, (high - size[1]) // 2
    return (0, 0, width, height), (left, top, left + size[0], top + size[1])


def _draw(picture: Image, layout: _Layout, mirror: bool) -> Image:
    """The picture scaled into its place, with the surroundings around it."""
    left, top, right, bottom = layout.target
    source = picture[layout.source[1] : layout.source[3], layout.source[0] : layout.source[2]]
    background = layout.backgrounds[mirror]
    image = np.empty_like(background)
    # Only what the picture leaves free is copied.
    image[:top], image[bottom:] = background[:top], background[bottom:]
    image[top:bottom, :left] = background[top:bottom, :left]
    image[top:bottom, right:] = background[top:bottom, right:]
    place = image[top:bottom, left:right]
    place[:] = _fitted(source, (right - left, bottom - top), mirror)
    return image


def _fitted(source: Image, size: tuple[int, int], mirror: bool) -> Image:
    """A picture (h, w, channels) in another size (width, height), flipped if `mirror` says so."""
    if mirror:
        source = np.asarray(cv2.flip(source, 1), dtype=np.uint8)
    if (source.shape[1], source.shape[0]) == size:
        return source
    method = cv2.INTER_AREA if size[0] < source.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(source, size, interpolation=method), np.uint8)


def _blurred_fill(still: Image, canvas: tuple[int, int]) -> Image:
    """The still enlarged to cover the canvas, out of focus and a little darker."""
    height, width = still.shape[:2]
    (left, top, right, bottom), _ = _place(
        (width, height), canvas, Fit.COVER, (width / 2, height / 2)
    )
    part = still[top:bottom, left:right]
    scale = _TINY / max(canvas)
    tiny_size = (max(round(canvas[0] * scale), 2), max(round(canvas[1] * scale), 2))
    tiny = cv2.resize(part, tiny_size, interpolation=cv2.INTER_AREA).astype(np.float32)
    tiny = cv2.GaussianBlur(tiny * _FILL_LIGHT, (0, 0), 2.0, borderType=cv2.BORDER_REPLICATE)
    fill = cv2.resize(tiny, canvas, interpolation=cv2.INTER_CUBIC)
    # Slow gradients show steps of one grey level; a little fixed noise hides them.
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (*fill.shape[:2], 1)).astype(np.float32)
    return np.asarray(np.clip(np.rint(fill + noise), 0, 255), dtype=np.uint8)


def _render_badge(text: str, canvas_height: int, room: tuple[int, int]) -> _Badge | None:
    """White text on a dark, hardly transparent pill, or None where there is no room for it.

    Args:
        text: what it says.
        canvas_height: the label is 1/15 as high, readable when the canvas is shown 360 px high.
        room: (width, height) of the picture that it must fit in.
    """
    # Drawn four times as large and then shrunk: OpenCV's letters are thin strokes.
    finer = 4
    height = max(round(canvas_height / 15), 16)
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(round(height * finer * 0.085), 1)
    scale = cv2.getFontScaleFromHeight(font, round(height * finer * 0.46), thickness)
    (text_width, text_height), _ = cv2.getTextSize(text, font, scale, thickness)
    width = round(text_width / finer + height * 0.95)
    if width > room[0] * 0.8:
        shrink = room[0] * 0.8 / width
        if canvas_height * shrink / 15 < 8 or height < 17:
            return None
        return _render_badge(text, int(canvas_height * shrink), (10**6, 10**6))
    pill = np.zeros((height * finer, width * finer), np.uint8)
    radius = height * finer // 2
    cv2.rectangle(pill, (radius, 0), (width * finer - radius, height * finer), 255, -1)
    cv2.circle(pill, (radius, radius), radius, 255, -1)
    cv2.circle(pill, (width * finer - radius - 1, radius), radius, 255, -1)
    letters = np.zeros_like(pill)
    origin = ((width * finer - text_width) // 2, (height * finer + text_height) // 2)
    cv2.putText(letters, text, origin, font, scale, 255, thickness, cv2.LINE_AA)
    back = _shrunk(pill, finer) * 0.85
    front = _shrunk(letters, finer) * 0.97
    # White over dark over the picture: what each layer hides of those below.
    rest = (1 - back) * (1 - front)
    colour = 250.0 * front + 18.0 * back * (1 - front)
    return _Badge(
        np.repeat(colour[..., None], 3, axis=2).astype(np.float32),
        np.repeat(rest[..., None], 3, axis=2).astype(np.float32),
    )


def _shrunk(mask: NDArray[np.uint8], times: int) -> Floats:
    """A mask of 0..255, `times` smaller, as 0..1."""
    size = (mask.shape[1] // times, mask.shape[0] // times)
    small = cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / 255


def _alone(
    cut: Image,
    size: tuple[int, int],
    target: tuple[int, int, int, int],
    badge: _Badge | None,
) -> Image:
    """The person on a canvas of nothing.

    Args:
        cut: (h, w, 4), the person, premultiplied.
        size: (width, height) of the canvas.
        target: left, top, right, bottom of `cut` on it.
        badge: the label, which stays: what is shown alone is made too.

    Returns:
        (H, W, 4), premultiplied.
    """
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    left, top, right, bottom = target
    canvas[top:bottom, left:right] = cut
    place = None if badge is None else _badge_place(canvas, badge, target)
    if badge is not None and place is not None:
        place[..., :3] = place[..., :3] * badge.rest + badge.colour
        place[..., 3] = 255 - (255 - place[..., 3]) * badge.rest[..., 0]
    return canvas


def _blend_badge(image: Image, badge: _Badge, shown: tuple[int, int, int, int]) -> None:
    """Blend the badge into the lower right corner of what is shown of the picture.

    Not the canvas's corner: there, a square tile of a meeting's gallery would cut it off.
    """
    place = _badge_place(image, badge, shown)
    if place is not None:
        place[:] = place * badge.rest + badge.colour


def _badge_place(image: Image, badge: _Badge, shown: tuple[int, int, int, int]) -> Image | None:
    """The part of a canvas that the badge covers; None where it has no room."""
    height, width = badge.rest.shape[:2]
    gap = height // 3
    bottom, right = max(shown[3] - gap, height), max(shown[2] - gap, width)
    if bottom > image.shape[0] or right > image.shape[1]:
        return None
    return image[bottom - height : bottom, right - width : right]
