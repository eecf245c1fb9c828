"""The back of the head and of the neck: what a turned head shows beside the ear that comes nearer.

A photo from the front does not show it. A skull is longer than wide and a neck is as round as it is
wide, so their outlines are known well enough; their colours are those of the hair above the ears
and of the neck below the jaw. At rest all of it is hidden by the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face import measures
from models.face.measures import CHIN
from models.face.topology import Indices
from models.mesh.paint import box, over, spread_out
from models.mesh.pose import Similarity, euler, from_euler
from models.mesh.raster import draw
from models.mesh.rings import NECK
from models.types import Floats, Image

_EAR_TOP, _NAPE, _NECK_TOP = -0.14, 0.24, 0.0
"""Face heights below the middle of the ears where hair beside them is taken from, where it ends at
the neck, and where the neck begins behind the jaw."""

_SKULL = (0.14, 0.15)
"""Face heights by which the middle of the skull lies behind the ears, and by which its length is
more than its width; as in `rings.py`."""

_LOW = 0.46
"""Face heights below the upper end of the ears at which a skull would close."""

_THIN = 0.02
"""Face heights that hair is thick at least beside the face: as much as its soft edge."""

_NECK_WIDE, _OTHER_HUE = 0.45, 0.06
"""Face heights from the middle line to a neck's side at most, and by how much the shares of red,
green and blue in its colour may differ from those of the face."""

_DIFFERS, _ONE_COLOUR = 70.0, 25.0
"""Levels of 255 by which hair differs from the skin at least, and, at the median, from its own
middle at most."""

_UNEVEN = 0.01
"""Face heights by which the outline beside the hair differs from a smooth one, in the mean: a
skull's is smooth, that of locks and ornaments is not."""

_RIM, _EVEN = 0.03, 0.1
"""Face heights from the person's outline inward where no background is mixed in, and over which
outlines are smoothed."""

_BAND = 0.5
"""How fast its rows go upward from there, so that they end before the forehead."""

_FADE = 0.06
"""Face heights within which the neck ends."""

_SHADE = 0.08
"""How much darker the neck becomes behind the jaw."""

_CHEEKS = (50, 280, 205, 425, 151, 108, 337)
"""Landmarks of cheeks and forehead, where nothing but skin is seen."""

_COARSE = 2
"""Its field is drawn at this fraction of the size."""

_NOWHERE = np.float32(-1e6)
"""What the field says where there is nothing of it."""

_FINE = 2
"""Pixels of the photo to one of its picture: hair behind an ear and a neck in the shade are soft,
and an avatar is to be ready in less than a second."""

_ROWS = 10
"""Vertices from the top of the skull, and of the neck, to their ends."""

_TURN = (0.06, 0.14)
"""Sines of the turn at which it begins to show, and shows wholly."""

_HAIR = (1.1, 1.25)
"""How far out the person goes beside the ears, the face's oval being 1, at least and at most. Less
is a matte that has lost the hair; where there is more, long hair hangs and hides all this."""

_SIDEWAYS = (10.0, 20.0)
"""Degrees that the photo's head is turned up to and from which nothing is drawn: there the photo
shows one side already."""


@dataclass(frozen=True)
class BackOfHead:
    """A skull and a neck behind the person.

    Attributes:
        picture: (2 h, w, 4) both, one below the other, RGB premultiplied by the matte, at
            1 / `_FINE` of the photo's size.
        values: (N, 2) the vertices' places in it.
        points: (N, 2) their places in the photo, pixels.
        near: (N,) -1 at the left outline, 0 in the middle, 1 at the right one.
        stays: (N,) how much of the skull's motion they do not take: 0 to 1 at the neck's end.
        is_neck: (N,).
        pivot: (3,) the middle of the ears.
        tall: the face's height in pixels.
        share: (2,) how much of it is drawn on the left and on the right, 0..1.
        left: the triangles of the left half, (T, 3), the neck's first.
        right: of the right half.
    """

    picture: Image
    values: Floats
    points: Floats
    near: Floats
    stays: Floats
    is_neck: Floats
    pivot: Floats
    tall: float
    share: Floats
    left: Indices
    right: Indices

    @classmethod
    def of(
        cls, person: Image, matte: Image, landmarks: Floats, corner: Floats, hair: Floats
    ) -> BackOfHead | None:
        """Make it.

        Args:
            person: (h, w, 3), the person's colours.
            matte: (h, w), 255 where the person is.
            landmarks: (478, 3) in the photo's pixels.
            corner: (2,) left and top of `person` in the photo.
            hair: (2,) how far out hair goes beside the left and the right ear, the oval being 1.
        """
        share = np.asarray((hair >= _HAIR[0]) & (hair <= _HAIR[1]), np.float32)
        ear = landmarks[454] - landmarks[234]
        sideways = np.degrees(np.arctan2(abs(ear[2]), np.linalg.norm(ear[:2])))
        share *= 1 - np.clip((sideways - _SIDEWAYS[0]) / (_SIDEWAYS[1] - _SIDEWAYS[0]), 0, 1)
        if share.max() == 0:
            return None
        size = (person.shape[1] // _FINE, person.shape[0] // _FINE)
        person, matte = (cv2.resize(x, size, interpolation=cv2.INTER_AREA) for x in (person, matte))
        pivot = (landmarks[234] + landmarks[454]) / 2
        landmarks = (landmarks - (_FINE - 1) / 2) / _FINE
        corner = corner / _FINE
        shape = _Shape.of(person, matte, landmarks, corner)
        skull, skull_points, skull_near, seen = _skull(person, shape)
        neck, neck_points, neck_near, bare = _neck(person, shape)
        share *= seen
        if share.max() == 0:
            return None
        below = np.array([0, person.shape[0]], np.float32)
        points = np.concatenate([neck_points, skull_points])
        count = len(neck_points)
        is_neck = np.arange(len(points)) < count
        along = (points - shape.middle) @ shape.down / shape.tall
        chin = shape.chin / shape.tall
        end = chin + NECK
        stays = np.clip((along - _NECK_TOP) / (end - 0.2 - _NECK_TOP), 0, 1) * is_neck
        strips = _strip(_ROWS, 0), _strip(_ROWS, count)
        return cls(
            picture=np.concatenate([skull, neck]),
            values=np.concatenate([neck_points - corner + below, skull_points - corner]).astype(
                np.float32
            ),
            points=(points * _FINE + (_FINE - 1) / 2).astype(np.float32),
            near=np.concatenate([neck_near, skull_near]).astype(np.float32),
            stays=stays.astype(np.float32),
            is_neck=is_neck.astype(np.float32),
            pivot=pivot.astype(np.float32),
            tall=shape.tall * _FINE,
            share=share.astype(np.float32),
            left=np.concatenate([*[strips[0][0]] * bool(bare[0]), strips[1][0]]),
            right=np.concatenate([*[strips[0][1]] * bool(bare[1]), strips[1][1]]),
        )

    def lay(self, behind: Image, head: Similarity, corner: Floats) -> Image | None:
        """Draw it over what is behind; None where it would not be seen.

        Args:
            behind: (h, w, 3), drawn into.
            head: the skull's motion from the photo.
            corner: (2,) left and top of `behind` in the photo.

        Returns:
            (h, w), its matte.
        """
        sine = float(head.rotation[0, 2])
        side = int(sine > 0)
        share = float(np.clip((abs(sine) - _TURN[0]) / (_TURN[1] - _TURN[0]), 0, 1))
        share *= float(self.share[side])
        if share == 0:
            return None
        places = self._places(head) - corner
        triangles = self.right if side else self.left
        matte = np.zeros(behind.shape[:2], np.uint8)
        x0, y0, x1, y1 = box(places[np.unique(triangles)], 1, behind)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return None
        # It moves so smoothly that the field may be coarse.
        size = (-(-(x1 - x0) // _COARSE), -(-(y1 - y0) // _COARSE))
        field = np.full((size[1], size[0], 2), _NOWHERE, np.float32)
        small = (places - (x0, y0) - (_COARSE - 1) / 2) / _COARSE
        draw(field, triangles, small.astype(np.float32), self.values)
        field = cv2.resize(field, (size[0] * _COARSE, size[1] * _COARSE))[: y1 - y0, : x1 - x0]
        warped = cv2.remap(self.picture, field, None, cv2.INTER_LINEAR, borderValue=0)
        if share < 1:
            warped = cv2.convertScaleAbs(warped, alpha=share)
        part = behind[y0:y1, x0:x1]
        part[:] = over(warped, part)
        matte[y0:y1, x0:x1] = cv2.extractChannel(warped, 3)
        return matte

    def _places(self, head: Similarity) -> Floats:
        flat = head.scale * from_euler(0.0, 0.0, euler(head.rotation)[2])[:2, :2]
        back = self.tall * head.scale * head.rotation[:2, 2]
        middle = head(self.pivot[None])[0, :2]
        sign = 1.0 if back[0] > 0 else -1.0
        aside = (_SKULL[0] + _SKULL[1] * self.near * sign)[:, None] * back
        aside = aside * (1 - self.is_neck[:, None])
        moved = (self.points - self.pivot[:2]) @ flat.T + middle + aside
        return np.asarray(moved + (self.points - moved) * self.stays[:, None], np.float32)


@dataclass(frozen=True)
class _Shape:
    """Where the person ends beside the middle line.

    Attributes:
        middle: (2,) the middle of the ears in the photo.
        down: (2,) toward the chin.
        side: (2,) to the right.
        tall: the face's height in pixels.
        chin: how far below the ears the chin is, pixels.
        corner: (2,) of the matte in the photo.
        first: the row, in pixels below the ears, that `ends` begins with.
        ends: (rows, 2) where the person ends on the left and on the right, pixels; 0: nowhere.
        skin: (3,) its colour.
        uneven: (rows, 2) pixels by which `ends` was smoothed.
    """

    middle: Floats
    down: Floats
    side: Floats
    tall: float
    chin: float
    corner: Floats
    first: int
    ends: Floats
    skin: Floats
    uneven: Floats

    @classmethod
    def of(cls, person: Image, matte: Image, landmarks: Floats, corner: Floats) -> _Shape:
        down = measures.down(landmarks[:, :2])
        tall = max(float(np.linalg.norm(down)), 1.0)
        down = down / tall
        side = np.array([down[1], -down[0]])
        middle = landmarks[[234, 454], :2].mean(0)
        first = -round(1.3 * tall)
        rows = np.arange(first, round((NECK + 0.8) * tall))
        steps = np.arange(0, round(1.3 * tall))
        ends = np.zeros((len(rows), 2), np.float32)
        height, width = matte.shape
        for at, sign in enumerate((-1, 1)):
            places = middle - corner + rows[:, None, None] * down + sign * steps[:, None] * side
            x, y = np.rint(places).astype(int).transpose(2, 0, 1)
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            shown = inside & (matte[y.clip(0, height - 1), x.clip(0, width - 1)] > 250)
            gone = np.concatenate([~shown, np.ones((len(rows), 1), bool)], 1)
            ends[:, at] = gone.argmax(1)
        wide = round(_EVEN * tall) | 1
        even = np.stack([cv2.blur(np.ascontiguousarray(e), (1, wide)).ravel() for e in ends.T], 1)
        chin = float((landmarks[CHIN, :2] - middle) @ down)
        x, y = np.rint(landmarks[list(_CHEEKS), :2] - corner).astype(int).T
        seen = person[y.clip(0, height - 1), x.clip(0, width - 1)]
        skin = np.median(seen, axis=0).astype(np.float32)
        return cls(
            middle,
            down,
            side,
            tall,
            chin,
            corner,
            first,
            np.minimum(ends, even),
            skin,
            np.abs(ends - even),
        )

    def across(self, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
        """(h, w) each: how far right of the middle and below the ears the pixels are."""
        x = np.arange(shape[1], dtype=np.float32) + (self.corner[0] - self.middle[0])
        y = np.arange(shape[0], dtype=np.float32)[:, None] + (self.corner[1] - self.middle[1])
        return x * self.side[0] + y * self.side[1], x * self.down[0] + y * self.down[1]

    def end(self, rows: Floats) -> Floats:
        """(n, 2): where the person ends at these rows, pixels below the ears."""
        at = np.arange(self.first, self.first + len(self.ends))
        return np.stack([np.interp(rows, at, self.ends[:, k]) for k in (0, 1)], 1)

    def rise(self) -> float:
        """Where the person ends above the ears, pixels below them: below 0."""
        seen = np.flatnonzero(self.ends[: -self.first].min(1) < 0.02 * self.tall)
        return float(self.first + (seen[-1] if seen.size else 0))


def _skull(person: Image, shape: _Shape) -> tuple[Image, Floats, Floats, Floats]:
    """The skull's picture, its vertices, on which side they are, and which side has hair."""
    tall = shape.tall
    top, beside = shape.rise(), _EAR_TOP * tall
    rows = np.arange(np.ceil(top), _NAPE * tall)
    above = shape.end(np.array([1.3 * beside]))[0]
    round_ = np.sqrt(np.clip(1 - ((rows - beside) / (_LOW * tall)) ** 2, 0, 1))
    ends = shape.end(rows)
    wide = np.where((rows > beside)[:, None], np.minimum(above * round_[:, None], ends), ends)
    # Hair beside and below the ears is like that above them.
    from_rows = np.where(rows > beside, beside - (rows - beside) * _BAND, rows)
    hair, seen = _hair(person, shape)
    return (
        _picture(hair, shape, rows, wide, from_rows, np.ones(len(rows)), 1.5),
        *_vertices(shape, rows, wide),
        seen,
    )


def _hair(person: Image, shape: _Shape) -> tuple[Floats, Floats]:
    """(h, w, 3): a picture of hair alone, and (2,), 0 or 1, whether hair is seen on a side.

    It is where it has another colour than the skin, and one colour. Dark hair before a dark wall is
    not: nobody knows where it ends.
    """
    tall = shape.tall
    rows = np.arange(2.5 * _EAR_TOP * tall, _EAR_TOP * tall)
    u, v = shape.across(person.shape)
    middles, seen = [], []
    for k, sign in enumerate((-1, 1)):
        across = sign * (shape.end(rows)[:, k, None] - _RIM * tall - np.arange(_THIN * tall))
        places = across[..., None] * shape.side + rows[:, None, None] * shape.down
        places = np.asarray(places + (shape.middle - shape.corner), np.float32)
        rim = cv2.remap(person, places, None, cv2.INTER_LINEAR).reshape(-1, 3).astype(np.float32)
        middle = np.median(rim, axis=0)
        spread = float(np.median(np.linalg.norm(rim - middle, axis=1)))
        differs = float(np.linalg.norm(middle - shape.skin))
        seen.append(differs > _DIFFERS and spread < _ONE_COLOUR)
        middles.append(middle)
    soft = cv2.GaussianBlur(person, (0, 0), tall / 150).astype(np.float32)
    to_hair = np.linalg.norm(soft - np.where((u > 0)[..., None], *middles[::-1]), axis=2)
    known = to_hair < 0.5 * np.linalg.norm(soft - shape.skin, axis=2)
    ends = shape.end(v.ravel()).reshape(*v.shape, 2)
    inside = np.abs(u) < np.where(u > 0, ends[..., 1], ends[..., 0])
    known &= inside & (v < _EAR_TOP * tall)
    above = slice(round(rows[0]) - shape.first, round(rows[-1]) - shape.first)
    uneven = shape.uneven[above].mean(0) / tall
    seen = np.array(seen) & (uneven < _UNEVEN)
    hair = spread_out(person.astype(np.float32), known.astype(np.float32))
    return hair, seen.astype(np.float32)


def _neck(person: Image, shape: _Shape) -> tuple[Image, Floats, Floats, Floats]:
    """The neck's picture, its vertices, on which side they are, and which side is bare."""
    tall = shape.tall
    below = shape.chin + 0.1 * tall
    rows = np.arange(_NECK_TOP * tall, shape.chin + NECK * tall)
    beside = np.arange(below - 0.05 * tall, below + 0.12 * tall)
    narrow = shape.end(beside).mean(0)
    wide = np.where((rows < below)[:, None], narrow, np.minimum(narrow, shape.end(rows)))
    from_rows = np.where(rows < below, below + (below - rows) * 0.25, rows)
    shade = 1 - _SHADE * np.clip((below - rows) / (0.4 * tall), 0, 1)
    return (
        _picture(person, shape, rows, wide, from_rows, shade, _FADE * tall),
        *_vertices(shape, rows, wide),
        _bare(person, shape, beside),
    )


def _bare(person: Image, shape: _Shape, rows: Floats) -> Floats:
    """(2,): whether the neck's left and right outline at some rows is that of a bare neck, 0 or 1.

    A collar or long hair is wider, and has another colour than the skin.
    """
    ends = shape.end(rows)
    spread = ends.max(0) - ends.min(0)
    across = (ends - _RIM * shape.tall) * (-1, 1)
    places = across[..., None] * shape.side + rows[:, None, None] * shape.down
    places = np.asarray(places + (shape.middle - shape.corner), np.float32)
    colours = cv2.remap(person, places, None, cv2.INTER_LINEAR).astype(np.float32)
    # A neck lies in the shade of the head: only the hue counts.
    hues = colours / np.maximum(colours.sum(-1, keepdims=True), 30)
    skin = shape.skin / max(float(shape.skin.sum()), 30)
    other = np.abs(hues - skin).max(-1).mean(0)
    bare = (ends.mean(0) < _NECK_WIDE * shape.tall) & (other < _OTHER_HUE)
    return np.asarray(bare & (spread < 0.15 * shape.tall), np.float32)


def _picture(
    person: Image | Floats,
    shape: _Shape,
    rows: Floats,
    wide: Floats,
    from_rows: Floats,
    shade: Floats,
    fade: float,
) -> Image:
    """(h, w, 4): the shape, with the person's colours of some rows, from outside inward.

    Args:
        person: (h, w, 3).
        shape: of the person.
        rows: (n,) of the shape, pixels below the ears.
        wide: (n, 2) how far each goes to the left and right.
        from_rows: (n,) whose colours each takes.
        shade: (n,) their light, 1 as they are.
        fade: pixels within which the shape ends below.
    """
    u, v = shape.across(person.shape)
    side = (u >= 0).astype(np.intp)
    row = np.clip(np.rint(v - rows[0]).astype(np.intp), 0, len(rows) - 1)
    half = np.asarray(wide, np.float32)[row, side]
    ends = np.asarray(shape.end(from_rows), np.float32)[row, side]
    aside = np.abs(u)
    across = (2 * side - 1) * np.maximum(ends - (half - aside), 0)
    source = np.asarray(from_rows, np.float32)[row]
    x, y = (
        across * shape.side[k] + source * shape.down[k] + (shape.middle - shape.corner)[k]
        for k in (0, 1)
    )
    colours = cv2.remap(
        person,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    matte = np.clip((half - aside) / 1.5, 0, 1) * np.clip((v - rows[0]) / 1.5, 0, 1)
    matte *= np.clip((rows[-1] - v) / fade, 0, 1)
    matte = matte.astype(np.float32)
    lit = colours * (np.asarray(shade, np.float32)[row] * matte)[..., None]
    return np.dstack([np.rint(lit), np.rint(matte * 255)]).astype(np.uint8)


def _vertices(shape: _Shape, rows: Floats, wide: Floats) -> tuple[Floats, Floats]:
    """(3 * `_ROWS`, 2) left, middle, right of each of some rows, and -1, 0, 1."""
    at = np.linspace(rows[0], rows[-1], _ROWS)
    ends = np.stack([np.interp(at, rows, wide[:, k]) for k in (0, 1)], 1)
    across = np.stack([-ends[:, 0] - 2, np.zeros(_ROWS), ends[:, 1] + 2], 1)
    points = shape.middle + across[..., None] * shape.side + at[:, None, None] * shape.down
    return points.reshape(-1, 2), np.tile([-1.0, 0.0, 1.0], _ROWS)


def _strip(rows: int, first: int) -> tuple[Indices, Indices]:
    """The triangles of the left and of the right half."""
    halves = []
    for column in (0, 1):
        half = []
        for row in range(rows - 1):
            a = first + 3 * row + column
            half += [(a, a + 1, a + 4), (a, a + 4, a + 3)]
        halves.append(np.array(half))
    return halves[0], halves[1]
