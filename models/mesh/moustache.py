"""Moustaches that hang over the upper lip: where the mouth opens, and what colour its lips have.

The face tracker then guesses the lips' edges, mostly in the hair above them, and the mouth would
open there: a second one above the lip that is seen. Where hair is seen to end above flesh, the line
between the lips is put there. Nothing of a face without such hair is changed.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face import measures
from models.face.topology import INNER_LIPS, LOWER_LIP, OUTER_LIPS, UPPER_LIP
from models.mesh.covered import ABOVE, TALL, WIDE, Flags, colours_at, filled, straightened
from models.types import Floats, Image

_SMALLEST = 14.0
"""Distance in Lab of hair from bare skin, at least."""

_PALE, _DARK, _BROWN = 0.5, 0.62, 53.0
"""Hair has less than the first share of the skin's chroma; or less than the second one of its
light, and a hue in degrees above the third. Of 106 bare upper lips, rendered, painted and real,
none has; of 55 with hair drawn on them all have but red hair on brown skin."""

_GREY, _BLACK, _WHITE = 8.0, 0.5, 1.1
"""Chroma of skin below which a photo tells nothing by it; hair there is darker or lighter than
these shares of its light."""

_FLESH = 0.5
"""Of the way from the hair's colour to the skin's: what is beyond is flesh."""

_RED = 2.5
"""By how much lips are redder (a of Lab) than both hair and skin, at least: half of the least."""

_REACH = 0.13
"""Face heights around the tracker's line between the lips in which the true one is looked for."""

_SAME = 10.0
"""Distance in Lab within which it is the same hair."""

_COLUMNS, _MIDDLE, _UNEVEN = 0.35, 0.4, 0.05
"""Share of the columns that have to show an edge between hair and flesh, of the mouth's width on
both sides of its middle that is looked at, and face heights by which half of the edges may differ:
more is no lip."""

_OFF = 0.012
"""Face heights by which the tracker's line has to be wrong: it is not more exact on bare lips."""

_THICK = (0.025, 0.07)
"""Face heights of a lower lip, at least and at most."""

_LIP = np.array([0.85, 0.72, 0.75], np.float32)
"""A lip's red, green and blue by the skin's: the medians of 106 rendered, painted and real faces.
For where no lip is seen."""

_LEAST = 12
"""Pixels of lips below which a colour could not be told from noise."""


def on_the_lip(photo: Image, landmarks: Floats) -> Floats:
    """The landmarks (478, 3), with the lips where a moustache ends; mostly those that were given.

    Args:
        photo: (H, W, 3).
        landmarks: in its pixels.
    """
    seen = _Hair.of(photo, landmarks)
    line = None if seen is None else seen.line()
    if seen is None or line is None:
        return landmarks
    points, pixels = seen.points, WIDE / TALL
    upper, lower, above, below = (
        float(points[numbers, 1].mean())
        for numbers in (UPPER_LIP[3:6], LOWER_LIP[3:6], OUTER_LIPS[4:7], OUTER_LIPS[14:17])
    )
    top, bottom = line
    # Lips that the hair leaves free are where the tracker found them.
    if top - upper < _OFF * pixels or (lower - upper > _OFF * pixels and not seen.fills_mouth()):
        return landmarks
    if bottom is None:
        bottom = max(below, top + _THICK[0] * pixels)
    thick = min(max(bottom - top, _THICK[0] * pixels), _THICK[1] * pixels)
    nose, chin = float(points[2, 1]), float(points[measures.CHIN, 1])
    levels = np.array([nose, above, upper, lower, below, chin])
    levels = np.maximum.accumulate(levels + np.arange(6) * 1e-3)
    wanted = np.array([nose, max(top - (upper - above), nose + 1), top, top, top + thick, chin])
    down = np.interp(points[:, 1], levels, wanted - levels)
    aside = np.abs(points[:, 0] - points[[61, 291], 0].mean()) / WIDE
    down *= np.clip((1.1 - aside) / 0.5, 0, 1)
    down[468:] = 0
    moved = landmarks.copy()
    moved += (down / pixels)[:, None] * measures.down(landmarks)
    return np.asarray(moved, np.float32)


def lip_colour(photo: Image, landmarks: Floats, lips: Image) -> Floats:
    """(3,) RGB 0..255: the lips' mean colour, without the hair on them.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        lips: (H, W), 255 where they are.
    """
    # Lips that were put where the hair ends have it above them.
    seen = _Hair.of(photo, landmarks) or _Hair.of(photo, landmarks, above=True)
    whole = np.array(cv2.mean(photo, lips)[:3], np.float32)
    if seen is None:
        return whole
    own = photo[lips > 128].astype(np.float32)
    lab = cv2.cvtColor(own[None] / 255, cv2.COLOR_RGB2LAB)[0]
    flesh = own[seen.is_flesh(lab)]
    if len(flesh) >= max(_LEAST, len(own) // 50):
        return np.asarray(flesh.mean(0), np.float32)
    skin = cv2.cvtColor(seen.skin[None, None].astype(np.float32), cv2.COLOR_LAB2RGB)[0, 0]
    return np.asarray(255 * skin * _LIP, np.float32)


class _Hair:
    """Hair on the upper lip, in a small upright picture of the mouth."""

    def __init__(self, lab: Floats, points: Floats, hair: Floats, skin: Floats) -> None:
        """Keep the picture in Lab (S, S, 3), (478, 2) landmarks in it, and both colours, (3,)."""
        self.points = points
        self.skin = skin
        self._hair = hair
        self._lab = lab

    @classmethod
    def of(cls, photo: Image, landmarks: Floats, above: bool = False) -> _Hair | None:
        """Look; None where no hair is on the upper lip, or on the skin `above` it."""
        picture, points = straightened(photo, landmarks)
        lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab = cv2.GaussianBlur(lab, (0, 0), 1.0)
        skin = np.median(colours_at(photo, landmarks, ABOVE), axis=0)
        lip = _upper_lip(points, above)
        if lip.sum() < _LEAST:
            return None
        hair = np.median(lab[lip], axis=0)
        return cls(lab, points, hair, skin) if _is_hair(hair, skin) else None

    def is_flesh(self, lab: Floats) -> Flags:
        """Which colours (..., 3) are skin's or lips' rather than the hair's."""
        way = self.skin - self._hair
        share = (lab - self._hair) @ way / float(way @ way)
        # Lips may be as dark as hair.
        return np.asarray(
            (share > _FLESH) | (lab[..., 1] > max(self.skin[1], self._hair[1]) + _RED)
        )

    def fills_mouth(self) -> bool:
        """Whether what the tracker took for an open mouth is hair."""
        inside = self._lab[filled(self.points[INNER_LIPS]) > 0]
        apart = np.linalg.norm(np.median(inside, axis=0) - self._hair) if len(inside) else 0.0
        return bool(apart < _SAME)

    def line(self) -> tuple[float, float | None] | None:
        """The rows at which the hair ends above flesh and begins again below.

        None where no such edge is seen, and for the second where none is near.
        """
        points, pixels = self.points, WIDE / TALL
        inner = float(points[INNER_LIPS, 1].mean())
        first = max(round(float(points[OUTER_LIPS[4:7], 1].mean())), 0)
        last = min(round(inner + _REACH * pixels), len(self._lab) - 4)
        middle, half = float(points[[61, 291], 0].mean()), _MIDDLE * WIDE
        columns = range(max(round(middle - half), 0), round(middle + half) + 1)
        flesh = self.is_flesh(self._lab)
        tops, bottoms = [], []
        for column in columns:
            on = flesh[:, column]
            edges = [
                r for r in range(first, last) if not on[r - 2 : r].any() and on[r : r + 3].all()
            ]
            if not edges:
                continue
            tops.append(edges[0])
            below = np.flatnonzero(~on[tops[-1] : tops[-1] + round(1.5 * _THICK[1] * pixels)])
            if below.size:
                bottoms.append(tops[-1] + int(below[0]))
        if len(tops) < _COLUMNS * len(columns):
            return None
        low, top, high = np.percentile(tops, [25, 70, 75])
        if high - low > _UNEVEN * pixels:
            return None
        bounded = len(bottoms) > 0.5 * len(tops)
        return float(top), float(np.median(bottoms)) if bounded else None


def _is_hair(lip: Floats, skin: Floats) -> bool:
    """Whether a colour on the upper lip is a moustache's; both are (3,), Lab."""
    if np.linalg.norm(lip - skin) < _SMALLEST:
        return False
    light = float(lip[0]) / max(float(skin[0]), 1.0)
    chroma, usual = (float(np.hypot(*one[1:])) for one in (lip, skin))
    if usual < _GREY:
        return chroma < _GREY and not _BLACK < light < _WHITE
    hue = float(np.degrees(np.arctan2(lip[2], lip[1])))
    return chroma < _PALE * usual or (light < _DARK and hue > _BROWN)


def _upper_lip(points: Floats, above: bool) -> Flags:
    """(S, S): where the upper lip is, or the skin above it."""
    top, bottom = points[OUTER_LIPS[:11]], points[INNER_LIPS[:11]]
    if above:
        top, bottom = 0.5 * (top + [top[:, 0].mean(), points[2, 1]]), top
    return filled(np.concatenate([top, bottom[::-1]])) > 0
