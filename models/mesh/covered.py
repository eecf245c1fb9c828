"""Whether a photo shows the mouth, or a mask, a scarf or a hand where the mouth should be.

The face tracker puts lips there all the same. What tells is that nothing looks like lips: no other
colour than around them, no dark line between them; and that what lies around them, mostly on the
nose too, has not the colour of the face above. A beard has no such colour either, but leaves the
nose free and is black, white, grey or brown: where a beard could be, a mouth is believed.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face import measures
from models.face.topology import INNER_LIPS, OUTER_LIPS, OVAL, Indices
from models.mesh.paint import fill
from models.mesh.pose import Similarity
from models.types import Floats, Image

Flags = NDArray[np.bool_]
"""(S, S): where something is in the small picture."""

_SIDE = 96
"""Side of the small picture of the mouth in pixels: its details are all wider than a pixel."""

WIDE, TALL = 40.0, 0.33
"""Pixels between the mouth's corners there, and the part of the face's height that is as long:
about as wide as a mouth is."""

# fmt: off
ABOVE: Indices = np.array([
    6, 168, 8, 9, 151, 107, 336, 108, 337, 69, 299, 118, 347, 119, 348, 117, 346, 111, 340,
])
"""Landmarks on the bridge of the nose, the forehead and below the eyes: what masks leave free."""
# fmt: on

_NOSE: Indices = np.array([4, 5, 45, 275])
"""Landmarks on the tip of the nose and beside it."""

_ALIKE = 0.25
"""Share of the places above that have to differ from a colour before it is foreign: hair on the
forehead, a shadow or paint may lie on the others."""

_LIPS, _ONE = (6.0, 3.0, 3.5), (9.0, 4.5, 5.25)
"""Differences of light, red and yellow (L, a, b of Lab) that show lips, or one of them, by
themselves. These numbers and those below are from 1200 pictures of uncovered mouths and 980 of
masks, scarves and hands drawn on them: photos, paintings, rendered heads."""

_LINE = 12.0
"""Hundredths by which the line between the lips is darker than the skin, to show lips alone."""

_FOREIGN, _VERY_FOREIGN = 9.0, 12.0
"""Distances in Lab, light counting two fifths, that the same skin hardly has between its parts."""

_HIDDEN = 10.0
"""Such a distance of the nose from the face above, where a mask lies on it."""

_PRINTED = (1.6, 4.0)
"""Signs of lips, below which cloth of a colour that no beard has, and what lies on the nose, are
believed, there without a line: cloth has prints, and respirators have valves."""

_HAIR = (9.0, 15.0, 100.0, 45.0)
"""The colours of hair in Lab: grey up to a chroma of the first; else hues in degrees between the
next two, up to the last chroma."""

_PALE, _SMOOTH = 8.0, 1.5
"""White hair lighter than the face by the first number (L) has structure finer than that of the
second (deviation of L); paper and cloth have less."""

_BARE, _EDGES, _SKIN = 0.55, 0.9, 6.0
"""What is left of signs of lips below fingers, the structure (deviation of L) in their place,
without which the photo may be too blurred to tell, and how foreign they are: a beard is more."""


def is_covered(photo: Image, landmarks: Floats) -> bool:
    """Whether something lies over the mouth.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
    """
    seen = _Seen.of(photo, landmarks)
    if seen is None:
        return False
    if seen.on_nose and seen.foreign > _FOREIGN:
        return seen.contrast < _PRINTED[1]
    if seen.foreign > _VERY_FOREIGN:
        if not seen.like_hair:
            return seen.lips < _PRINTED[0]
        return seen.lips < 1 and seen.paler > _PALE and seen.structure[1] < _SMOOTH
    # Fingers: as much structure beside the lips as on them, and nothing that looks like lips.
    on, beside = seen.structure
    bare = seen.coloured and seen.lips < _BARE and seen.foreign < _SKIN
    return bare and beside > max(_EDGES, 0.85 * on)


@dataclass(frozen=True)
class _Seen:
    """What the surroundings of a mouth look like; colours are Lab.

    Attributes:
        contrast: how much lips differ in colour; 1 is enough to believe in a mouth.
        one: how much the lower or the upper lip does, likewise.
        line: how dark the line between them is, likewise.
        foreign: the distance of the skin around the lips from the face above.
        on_nose: the nose has the colour of what is around the lips, not that of the face above.
        like_hair: what is around the lips may be a beard.
        paler: by how much it is lighter than the face above.
        structure: the deviation of fine detail's L on the lips and around them.
        coloured: the face has a colour at all.
    """

    contrast: float
    one: float
    line: float
    foreign: float
    on_nose: bool
    like_hair: bool
    paler: float
    structure: tuple[float, float]
    coloured: bool

    @property
    def lips(self) -> float:
        """Signs of lips, the strongest of them."""
        return max(self.contrast, self.one, self.line)

    @classmethod
    def of(cls, photo: Image, landmarks: Floats) -> _Seen | None:
        """Look; None where too little of the mouth is in the picture."""
        picture, points = straightened(photo, landmarks)
        lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        outer, inner = filled(points[OUTER_LIPS]), filled(points[INNER_LIPS])
        near, far, small = (
            cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (n, n)) for n in (7, 21, 3)
        )
        around = cv2.dilate(outer, far) & ~cv2.dilate(outer, near)
        around &= filled(points[OVAL])
        rows = np.arange(_SIDE, dtype=np.float32)[:, None]
        ring = (around > 0) & (rows > points[2, 1] + 1)
        lips = (cv2.erode(outer, small) > 0) & ~(cv2.dilate(inner, small) > 0)
        if min(ring.sum(), lips.sum()) < 20:
            return None
        below = rows > points[[61, 291], 1].mean()
        skin = np.median(lab[ring], axis=0)
        above = colours_at(photo, landmarks, ABOVE)
        nose = np.median(colours_at(photo, landmarks, _NOSE), axis=0)
        apart = float(np.quantile(_distance(nose, above), _ALIKE))
        fine = lab[..., 0] - cv2.GaussianBlur(lab[..., 0], (0, 0), 2.0)
        chroma, hue = float(np.hypot(*skin[1:])), float(np.degrees(np.arctan2(skin[2], skin[1])))
        grey, first, last, most = _HAIR
        usual = np.median(above, axis=0)
        return cls(
            contrast=float((_apart(lab, lips, ring) / _LIPS).max()),
            # A lip alone often is darker or yellower by its light.
            one=max(
                float((_apart(lab, lips & half, ring & half) / _ONE)[:2].max())
                for half in (below, ~below)
            ),
            line=_line(lab[..., 0], points, float(skin[0])),
            foreign=float(np.quantile(_distance(skin, above), _ALIKE)),
            on_nose=apart > _HIDDEN and float(_distance(nose, skin[None])[0]) < 0.6 * apart,
            like_hair=chroma < grey or (first < hue < last and chroma < most),
            paler=float(skin[0] - usual[0]),
            structure=(float(fine[outer > 0].std()), float(fine[ring].std())),
            coloured=float(np.hypot(*usual[1:])) > 8,
        )


def _apart(lab: Floats, lips: Flags, ring: Flags) -> Floats:
    """(3,): how far lips and what is around them are apart in Lab; 0 where too little is seen."""
    if min(lips.sum(), ring.sum()) < 10:
        return np.zeros(3, np.float32)
    return np.abs(np.median(lab[lips], axis=0) - np.median(lab[ring], axis=0))


def _line(light: Floats, points: Floats, skin: float) -> float:
    """How dark the line between the lips is; 1 is enough to tell it.

    A line that goes on beside the mouth is a fold of cloth.

    Args:
        light: (S, S), L of Lab.
        points: (478, 2), landmarks.
        skin: L around the lips.
    """
    smooth = cv2.GaussianBlur(light, (0, 0), sigmaX=2.0, sigmaY=0.7)
    upper, lower = points[INNER_LIPS[:11]], points[INNER_LIPS[[0, *range(19, 9, -1)]]]
    right, left = float(upper[0, 0]), float(upper[-1, 0])
    if left - right < 8:
        return 0.0
    inset = 0.12 * (left - right)

    def valley(x: Floats) -> float:
        """How much darker it is there than above and below, along columns x."""
        top, bottom = (np.interp(x, edge[:, 0], edge[:, 1]) for edge in (upper, lower))
        steps = np.arange(9, dtype=np.float32)[:, None]
        columns = np.broadcast_to(x, (9, len(x))).astype(np.float32)

        def at(y: Floats) -> Floats:
            return np.asarray(
                cv2.remap(smooth, columns, y.astype(np.float32), cv2.INTER_LINEAR,
                          borderMode=cv2.BORDER_REPLICATE)
            )  # fmt: skip

        dark = at(top - 2 + (bottom - top + 4) * steps / 8).min(0)
        sides = at(top - 3 - steps * 0.6).max(0), at(bottom + 3 + steps * 0.6).max(0)
        return float(np.median(np.minimum(*sides) - dark))

    between = valley(np.arange(right + inset, left - inset))
    away = np.arange(5, 17)
    beside = valley(np.concatenate([right - away, left + away]))
    return (between - max(beside, 0.0)) / max(skin, 8.0) * 100 / _LINE


def straightened(photo: Image, landmarks: Floats) -> tuple[Image, Floats]:
    """The mouth in a small upright picture, and (478, 2) landmarks there."""
    right, left = landmarks[61, :2], landmarks[291, :2]
    down = measures.down(landmarks[:, :2])
    tall = max(float(np.linalg.norm(down)), 1e-6)
    along = left - right
    wide = max(float(np.linalg.norm(along)), 1e-6)
    along, wide = along / wide, max(wide, 0.1 * tall)
    middle = (right + left) / 2
    here = np.array([middle, middle + along * wide, middle + down * TALL], np.float32)
    half = _SIDE / 2
    there = np.array([[half, half], [half + WIDE, half], [half, half + WIDE]], np.float32)
    matrix = cv2.getAffineTransform(here, there)
    pixels = max(wide, tall * TALL) / WIDE
    if pixels > 1.2:
        photo = _blurred(photo, here, 0.45 * pixels)
    picture = cv2.warpAffine(photo, matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picture, np.uint8), landmarks[:, :2] @ matrix[:, :2].T + matrix[:, 2]


def _blurred(photo: Image, places: Floats, sigma: float) -> Image:
    """The photo, with the part around some places blurred before it is made smaller."""
    height, width = photo.shape[:2]
    reach = 2.5 * float(np.abs(places - places[0]).max())
    x0, y0 = np.clip(places[0] - reach, 0, [width, height]).astype(int).tolist()
    x1, y1 = np.clip(places[0] + reach, 0, [width, height]).astype(int).tolist()
    out = photo.copy()
    if x1 > x0 and y1 > y0:
        out[y0:y1, x0:x1] = cv2.GaussianBlur(photo[y0:y1, x0:x1], (0, 0), sigma)
    return out


def filled(outline: Floats) -> Image:
    """(S, S), 255 inside an outline (N, 2) in the small picture."""
    mask = np.zeros((_SIDE, _SIDE), np.uint8)
    fill(mask, outline)
    return mask


def colours_at(photo: Image, landmarks: Floats, points: Indices) -> Floats:
    """(N, 3): the colours around landmarks, of those that are in the picture."""
    height, width = photo.shape[:2]
    reach = max(2, round(0.012 * measures.height(landmarks[:, :2])))
    x, y = np.rint(landmarks[points, :2]).astype(int).T
    x, y = x.clip(0, width - 1), y.clip(0, height - 1)
    squares = [
        photo[max(v - reach, 0) : v + reach + 1, max(u - reach, 0) : u + reach + 1].mean((0, 1))
        for u, v in zip(x, y, strict=True)
    ]
    lab = cv2.cvtColor(np.array(squares, np.float32)[None] / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab[0], np.float32)


def _distance(colour: Floats, others: Floats) -> Floats:
    """(N,): how far colours of Lab are from one; shadows change the light, so it counts less."""
    away = (others - colour) * np.array([0.4, 1.0, 1.0])
    return np.asarray(np.sqrt((away**2).sum(1)))


_FROM, _WHOLLY = -0.1, 0.25
"""Of the way from below the nose to the chin: where cloth begins to lie on the face, and where it
has the face's motion wholly; between, skin must not be seen to slide."""

_STRETCH = 0.5
"""Share of the chin's motion that cloth over it shows; it slides over the skin for the rest."""


def held(source: Floats, target: Floats, head: Similarity) -> Floats:
    """Landmarks (478, 3) of a frame whose covered mouth does not open.

    What lies over it moves with the head, and hangs on the chin a little.

    Args:
        source: (478, 3) the photo's landmarks.
        target: (478, 3) those of the frame.
        head: the skull's motion from source to target.
    """
    below = source[measures.CHIN] - source[2]
    far = ((source - source[2]) @ below / max(float(below @ below), 1e-6))[:, None]
    share = np.clip((far - _FROM) / (_WHOLLY - _FROM), 0, 1)
    share = share * share * (3 - 2 * share)
    still = head(source)
    chin = target[measures.CHIN] - still[measures.CHIN]
    cloth = still + _STRETCH * np.clip(far, 0, 1) * chin
    return np.asarray(target + share * (cloth - target), np.float32)
