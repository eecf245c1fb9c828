"""What lies behind the lids: a white that stays between them, and an iris that moves over it.

The white keeps the lids' shadows and the pink of the corners, which do not turn with the eye.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.paint import fill, over
from models.types import Floats, Image

_WHITE = 1.15
"""Radii of the iris from its middle to where the white surely begins: nearer, its soft rim would be
taken for white; further, narrow eyes have none left."""

_FEW = 12
"""Pixels of a drawn white at least, to know its colour."""

_SPOT = 0.08
"""Share of the iris that a catchlight covers at most; larger is the white or a lid."""

_CORNER = 0.38
"""Eye widths from the middle, beyond which the white may be the skin of a corner: further, and a
glance aside uncovers pink; nearer, and less white is known."""


@dataclass(frozen=True)
class Eyeball:
    """One eye of a photo without its lids, as pictures of the same size.

    Attributes:
        white: (h, w, 3), without an iris.
        iris: (h, w, 4), RGB premultiplied by the matte: the whole disc.
        seen: (h, w, 3), the eye as it looks in the photo, continued behind the lids.
        lashes: (h, w, 4), RGB premultiplied by the matte: the dark edges of the lids.
    """

    white: Image
    iris: Image
    seen: Image
    lashes: Image

    @classmethod
    def cut(
        cls, picture: Image, outline: Floats, corners: Floats, rim: Floats, plain: bool = False
    ) -> Eyeball:
        """Take an eye apart; all places are pixels of the picture.

        Args:
            picture: (h, w, 3), around the eye.
            outline: (N, 2), the lids' edges.
            corners: (2, 2) of the lids.
            rim: (5, 2), the iris: its middle, then four points around.
            plain: the white has one colour, as in a drawing.
        """
        inside = np.zeros(picture.shape[:2], np.uint8)
        middle = outline.mean(0)
        # The lids' edges are lashes, not eye.
        fill(inside, middle + (outline - middle) * np.array([0.97, 0.86]))
        eye = _EyeCoordinates(picture.shape[:2], corners, rim[0], _radius(picture, inside, rim))
        sigma = max(eye.width * 0.015, 0.5)
        sure = cv2.GaussianBlur(np.asarray(inside > 0, np.float32), (0, 0), sigma)[..., None]
        sure = np.clip(sure * 2 - 0.5, 0, 1)
        colours = picture.astype(np.float32)
        edge = np.zeros(picture.shape[:2], np.uint8)
        fill(edge, middle + (outline - middle) * 1.1)
        below = colours[(edge == 0) & (eye.down[..., 0] > 0.1) & (eye.down[..., 0] < 0.35)]
        skin = float(np.median(below)) if len(below) else 0.0
        white = _white(colours, inside > 200, skin, eye)
        if plain:
            white = _even(colours, inside > 200, white, eye)
        # Of what is seen beside the iris, lashes and shadows of the lid would stay behind it.
        lightness = _level(colours) / np.maximum(_level(white), 1)
        known = sure * np.clip((eye.away - _WHITE) / 0.1 + 0.5, 0, 1)
        known *= np.maximum(_ramp(lightness, 0.6, 0.85), _ramp(np.abs(eye.along), _CORNER, 0.45))
        white = colours * known + white * (1 - known)
        iris = _whole_iris(colours, sure * _belongs(colours, white, eye), eye)
        matte = eye.disc
        behind = white * (1 - matte) + iris * matte
        seen = colours * sure + behind * (1 - sure)
        edges = np.asarray(edge, np.float32)[..., None] / 255 * (1 - sure)
        disc, lashes = (
            _rounded(np.dstack([part * share, share * 255]))
            for part, share in ((iris, matte), (colours, edges))
        )
        return cls(_rounded(white), disc, _rounded(seen), lashes)

    def draw(self, place: Floats, shift: Floats, size: tuple[int, int]) -> Image:
        """(h, w, 3): the eye brought to its place, with its iris moved.

        Args:
            place: (2, 3), from this eye's pixels to those drawn.
            shift: (2,), of the iris, in pixels that are drawn.
            size: width and height.
        """
        turned = place.copy()
        turned[:, 2] += shift
        white, iris, seen, lashes = (
            cv2.warpAffine(part, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
            for part, matrix, border in (
                (self.white, place, cv2.BORDER_REPLICATE),
                (self.iris, turned, cv2.BORDER_CONSTANT),
                (self.seen, place, cv2.BORDER_REPLICATE),
                (self.lashes, place, cv2.BORDER_CONSTANT),
            )
        )
        # Where it looks as in the photo it is as in the photo.
        scale = max(float(np.hypot(place[0, 0], place[1, 0])), 1e-6)
        aside = min(float(np.hypot(*shift)) / (0.02 * scale * self.white.shape[1]), 1.0)
        eye = cv2.addWeighted(over(iris, white), aside, seen, 1 - aside, 0)
        return over(lashes, np.asarray(eye, np.uint8))


class _EyeCoordinates:
    """Where each pixel lies.

    Attributes:
        width: of the eye in pixels.
        along: (h, w, 1), from the middle of the eye towards its second corner, in eye widths.
        down: (h, w, 1), from the iris's middle, in eye widths.
        away: (h, w, 1), the distance from there, in radii of the iris.
        disc: (h, w, 1), 1 within the iris, with a soft edge.
    """

    def __init__(
        self, shape: tuple[int, ...], corners: Floats, centre: Floats, radius: float
    ) -> None:
        ys, xs = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
        a, b = corners
        self.width = max(float(np.linalg.norm(b - a)), 1.0)
        axis = (b - a) / self.width
        middle = (a + b) / 2
        self.along = ((xs - middle[0]) * axis[0] + (ys - middle[1]) * axis[1])[..., None]
        self.along /= self.width
        down = (ys - centre[1]) * axis[0] - (xs - centre[0]) * axis[1]
        self.down = down[..., None] / self.width * np.sign(axis[0])
        self.away = np.hypot(xs - centre[0], ys - centre[1])[..., None] / radius
        edge = max(0.16, 0.8 / radius)
        self.disc = np.clip((1.04 - self.away) / edge + 0.5, 0, 1)


def _radius(picture: Image, inside: Image, rim: Floats) -> float:
    """The iris's radius in pixels: where, near the landmarks' guess, it gets light on both sides.

    As in Daugman 1993, the largest change of the mean brightness along arcs left and right.

    Args:
        picture: (h, w, 3), around the eye.
        inside: (h, w), 255 between the lids.
        rim: (5, 2), the iris: its middle, then four points around.
    """
    guess = max(float(np.linalg.norm(rim[1:] - rim[0], axis=1).mean()), 0.5)
    shares = np.arange(0.85, 1.5, 0.05)
    angles = np.radians(np.arange(-30, 31, 6))
    angles = np.concatenate([angles, angles + np.pi])
    reach = guess * shares[:, None]
    x = np.asarray(rim[0, 0] + reach * np.cos(angles), np.float32)
    y = np.asarray(rim[0, 1] + reach * np.sin(angles), np.float32)
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 0.7)
    level = cv2.remap(grey, x, y, cv2.INTER_LINEAR).astype(np.float32)
    seen = cv2.remap(inside, x, y, cv2.INTER_LINEAR) > 200
    change = level[2:] - level[:-2]
    both = seen[2:] & seen[:-2]
    change = np.where(both, change, 0).sum(1) / np.maximum(both.sum(1), 4)
    # The guess is seldom far off.
    change *= np.exp(-(((shares[1:-1] - 1.08) / 0.25) ** 2) / 2)
    best = int(np.argmax(change))
    return guess * float(shares[1 + best]) if change[best] > 6 else guess


def _white(colours: Floats, inside: NDArray[np.bool_], skin: float, eye: _EyeCoordinates) -> Floats:
    """(h, w, 3): the white of the eye everywhere, from what is seen of it at the same height.

    Args:
        colours: (h, w, 3), 0..255.
        inside: (h, w), where the eye is seen.
        skin: how light the skin around is, 0..255.
        eye: where each pixel lies.
    """
    usable = inside[..., None] & (eye.away > _WHITE) & (np.abs(eye.along) < _CORNER)
    if usable.sum() < 6:
        usable = inside[..., None]  # Hardly any white is seen: the whole eye is its colour.
    if not usable.any():
        return colours
    share = usable.astype(np.float32)
    level = _level(colours)
    # Lashes and the iris's rim are darker than the white they lie in.
    typical = float(np.quantile(level[usable], 0.6))
    share *= np.maximum(_ramp(level / max(typical, 1.0), 0.55, 0.85), 1e-3)
    # What lies behind the upper lid is in its shadow when the lid parts from it.
    shadow = 1 - 0.2 * _ramp(-eye.down, 0.0, 0.15)
    place = eye.along.reshape(-1)[int(np.argmin(eye.away))]
    for aside in (place - eye.along, eye.along - place):
        if (usable & (aside > 0)).sum() < 4:
            # A side that shows no white lies in shadow, mostly that of the nose or the brow.
            shadow *= 1 - 0.2 * _ramp(aside, 0.0, 0.15)
    total, weight = np.zeros_like(colours), np.zeros(share.shape, np.float32)
    for spread, trust in ((0.06, 1.0), (0.2, 1e-2), (0.6, 1e-4)):
        across, down = spread * eye.width, 0.35 * spread * eye.width
        total += trust * cv2.GaussianBlur(
            colours * share, (0, 0), sigmaX=max(across, 0.8), sigmaY=max(down, 0.5)
        )
        weight[..., 0] += trust * cv2.GaussianBlur(
            share, (0, 0), sigmaX=max(across, 0.8), sigmaY=max(down, 0.5)
        )
    white = total / np.maximum(weight, 1e-9)
    # Of narrow eyes little but lashes is seen; yet no white is much darker than skin.
    dim = np.clip(0.8 * skin / np.maximum(_level(white), 1), 1.0, 1.6)
    return np.asarray(white * dim * shadow, np.float32)


def _even(
    colours: Floats, inside: NDArray[np.bool_], white: Floats, eye: _EyeCoordinates
) -> Floats:
    """(h, w, 3): a white of one colour, the commonest light one beside the iris.

    Args:
        colours: (h, w, 3), 0..255.
        inside: (h, w), where the eye is seen.
        white: (h, w, 3), what it is where hardly any is seen.
        eye: where each pixel lies.
    """
    beside = inside & (eye.away[..., 0] > _WHITE)
    if beside.sum() < _FEW:
        return white
    seen = colours[beside]
    light = seen[seen.sum(1) >= np.median(seen.sum(1))]
    return np.broadcast_to(np.median(light, axis=0), colours.shape).astype(np.float32)


def _belongs(colours: Floats, white: Floats, eye: _EyeCoordinates) -> Floats:
    """(h, w, 1), 0..1: 0 for what is as light as the white at the rim of the iris's disc.

    The disc is a guess and may reach over lids and white. In the middle such is a catchlight, and
    so is a small spot that iris surrounds.

    Args:
        colours: (h, w, 3), 0..255.
        white: (h, w, 3), the white of the eye everywhere.
        eye: where each pixel lies.
    """
    middle = eye.away < 0.8
    typical = float(np.median(_level(colours)[middle])) if middle.any() else 0.0
    contrast = np.maximum(_level(white) - typical, 1)
    light = _ramp((_level(colours) - typical) / contrast, 0.35, 0.6)
    light[_spots(light[..., 0] > 0.5, eye)] = 0
    return np.asarray(1 - light * _ramp(eye.away, 0.5, 0.7), np.float32)


def _spots(light: NDArray[np.bool_], eye: _EyeCoordinates) -> NDArray[np.bool_]:
    """(h, w): the small light spots within the iris; all else that is light reaches its rim."""
    away = eye.away[..., 0]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        light.astype(np.uint8), connectivity=4
    )
    most = _SPOT * float((away < 1).sum())
    out = np.zeros(light.shape, np.bool_)
    for number in range(1, count):
        spot = labels == number
        if stats[number, cv2.CC_STAT_AREA] <= most and away[spot].max() < 1:
            out |= spot
    # With the edge that shades off into the iris.
    return np.asarray(cv2.dilate(out.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)


def _level(colours: Floats) -> Floats:
    return np.asarray(colours.mean(2, keepdims=True), np.float32)


def _ramp(values: Floats, low: float, high: float) -> Floats:
    """0 up to `low`, 1 from `high`."""
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def _whole_iris(colours: Floats, sure: Floats, eye: _EyeCoordinates) -> Floats:
    """(h, w, 3): the iris with what the lids hide of it, which looks as it does left and right.

    Args:
        colours: (h, w, 3), 0..255.
        sure: (h, w, 1), 0..1, where these are of the eye.
        eye: where each pixel lies.
    """
    known = sure * (eye.away < 1.1)
    rings = np.minimum((eye.away * 8).astype(int), 9)[..., 0]
    weight = np.bincount(rings.ravel(), known.ravel(), 10)
    seen = np.flatnonzero(weight > 0.5)
    if not len(seen):
        return colours
    lit = (colours * known).reshape(-1, 3).T
    sums = [np.bincount(rings.ravel(), channel, 10) for channel in lit]
    at = np.clip(eye.away[..., 0] * 8 - 0.5, seen[0], seen[-1])
    ringed = np.dstack([np.interp(at, seen, total[seen] / weight[seen]) for total in sums])
    return np.asarray(colours * known + ringed * (1 - known), np.float32)


def _rounded(values: Floats) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
