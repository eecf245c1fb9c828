"""Folds of the skin: painted once for each avatar, shown as far as its own features have moved.

Where a smile pushes the cheek against the mouth, skin folds; a moved mesh alone looks like rubber.
Each fold is a map of the light that it takes and gives, drawn along lines through landmarks, and
nothing of a camera's picture is in it. How strongly it shows is read from where the avatar's
features are in its pose, turned back to the photo's: so folds come and go with what one sees move.
A head that only turns or blinks reads as if features moved a little; what is no more than that
shows no fold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.face import measures
from models.face.drawn import SKIN, flatness
from models.face.topology import OUTER_LIPS
from models.mesh.paint import fill, smooth_loop
from models.mesh.pose import Similarity, euler
from models.types import Floats, Image

_LEAST, _MOST = -0.34, 0.14
"""Bounds of the light of all folds together, as the logarithm of a gain: 0.71 to 1.15 of the skin's
own. Darker ones look drawn with a pencil on a photo in soft light (looked at on ten photos)."""

_TINT = (0.8, 1.06, 1.18)
"""Share of the shade in red, green and blue: light that has gone through skin is red."""

_SEEN = 0.02
"""A fold that is weaker than this share of its own strength is not worth a pass."""

_THINNEST = 1.1
"""Pixels that a crease is wide at least; thinner ones are lost when the picture is sampled."""

_STEPS = 64
"""Points along a line. A fold is up to a third of a face long: a step is 0.5 % of its height."""

_CORNER, _CLEARED = 5.0, 0.5
"""Hundredths of the face's height around a corner of the mouth, as far as its shadow reaches, and
the most that is taken off it, as a log gain: 1.65 of the light."""

_LIKE_HUE, _LIKE_DARK = 20.0, 11.0
"""How much skin may differ in hue and be darker than what is around it (units of CIE Lab), where a
fold is still drawn: beyond that it is hair, a brow, or a frame."""


@dataclass(frozen=True)
class Line:
    """One crease with the soft forms beside it.

    Attributes:
        points: (N, 2), pixels of the picture, in order.
        side: 1 or -1, the side of the line (seen along it) on which the skin bulges into the light.
        crease: depth of the crease itself, as a log gain.
        shade: depth of the soft shadow beside it.
        light: height of the light on the bulge.
        width: of the soft forms, in hundredths of the face's height.
    """

    points: Floats
    side: float
    crease: float
    shade: float
    light: float
    width: float


@dataclass(frozen=True)
class Fold:
    """One map of light.

    Attributes:
        rows: of the picture.
        columns: of the picture.
        gain: (h, w) log gains at full strength.
        strength: from the features' motion to 0..1.
        bounded: whether the gain counts among those that `_LEAST` and `_MOST` bound together.
    """

    rows: slice
    columns: slice
    gain: Floats
    strength: Callable[[Motion], float]
    bounded: bool = True


@dataclass(frozen=True)
class Motion:
    """How an avatar's features have moved since the photo, in its head's own frame.

    All are shares of the face's height; sides are the person's own, right first.

    Attributes:
        lifted: how far the mouth's corners have gone up.
        widened: how far they have gone outward.
        narrowed: how far they have come together in all.
        brows: how far the outer halves of the brows have gone up.
        inner: how far the brows' inner ends have gone up.
        frown: how far these have come together.
        lids: how far the lower lids have gone up.
        nose: how far the wings of the nose have gone up.
        lip: how far the lower lip has gone up toward the nose, the mouth being closed.
    """

    lifted: tuple[float, float]
    widened: tuple[float, float]
    narrowed: float
    brows: tuple[float, float]
    inner: float
    frown: float
    lids: tuple[float, float]
    nose: tuple[float, float]
    lip: float

    @classmethod
    def of(cls, source: Floats, target: Floats, head: Similarity) -> Motion:
        """Read it off landmarks.

        Args:
            source: (478, 3) of the photo.
            target: (478, 3) of the pose, in the same pixels.
            head: the skull's motion from the one to the other.
        """
        tall = measures.height(source)
        down = measures.down(source) / tall
        across = source[_LEFT_EYE] - source[_RIGHT_EYE]
        across = across / max(float(np.linalg.norm(across)), 1e-6)
        moved = (head.inverse(target[_READ]) - source[_READ]) / tall
        # Plain numbers: for so few, NumPy's calls would take longer than the sums.
        rise: dict[int, float] = dict(zip(_READ.tolist(), (-(moved @ down)).tolist(), strict=True))
        aside: dict[int, float] = dict(zip(_READ.tolist(), (moved @ across).tolist(), strict=True))
        yaw, pitch, _ = (abs(angle) for angle in euler(head.rotation))
        shut = _shut(source, target, head)

        def up(false: _False, *points: int) -> float:
            mean = sum(rise[point] for point in points) / len(points)
            return false.beyond(mean, yaw, pitch, shut)

        def left(*points: int) -> float:
            return sum(aside[point] for point in points) / len(points)

        right_corner, left_corner = -left(_CORNERS[0]), left(_CORNERS[1])
        frown = left(*_INNER[0]) - left(*_INNER[1])
        return cls(
            lifted=(up(_LIFTED, _CORNERS[0]), up(_LIFTED, _CORNERS[1])),
            widened=(
                _WIDENED.beyond(right_corner, yaw, pitch, shut),
                _WIDENED.beyond(left_corner, yaw, pitch, shut),
            ),
            narrowed=_NARROWED.beyond(-(right_corner + left_corner), yaw, pitch, shut),
            brows=(up(_BROW, *_BROWS[0]), up(_BROW, *_BROWS[1])),
            inner=up(_BROW, *_INNER[0], *_INNER[1]),
            frown=_FROWN.beyond(frown, yaw, pitch, shut),
            lids=(up(_LID, *_LOWER_LIDS[0]), up(_LID, *_LOWER_LIDS[1])),
            nose=(up(_WING, _WINGS[0]), up(_WING, _WINGS[1])),
            lip=up(_LIP, _BELOW_LIP),
        )


@dataclass(frozen=True)
class _False:
    """By how much a feature seems to move that does not, in face heights.

    Attributes:
        yaw: for each radian that a head is turned aside.
        pitch: for each radian that it nods.
        blink: while both eyes are shut.
    """

    yaw: float
    pitch: float
    blink: float = 0.0

    def beyond(self, value: float, yaw: float, pitch: float, shut: float) -> float:
        """What of a motion is more than that; the angles are radians, `shut` 0..1."""
        most = self.yaw * yaw + self.pitch * pitch + self.blink * shut
        return max(value - most, 0.0) + min(value + most, 0.0)


# The worst of two rendered heads that turn by up to 30 degrees, nod by up to 20, or blink.
_LIFTED = _False(0.028, 0.057, 0.011)  # the mouth's corners
_WIDENED, _NARROWED = _False(0.09, 0.02), _False(0.03, 0.045)  # these, one by one and together
_BROW, _FROWN = _False(0.012, 0.036, 0.012), _False(0.034, 0.043)  # the brows likewise
_LID, _WING = _False(0.017, 0.016, 0.010), _False(0.017, 0.031, 0.015)  # the nose's wings
_LIP = _False(0.033, 0.059)  # the lower lip


def _shut(source: Floats, target: Floats, head: Similarity) -> float:
    """How far the lids have closed since the photo, 0..1."""
    gaps = []
    for points in (source, target):
        a, b, c, d = points[_LID_MIDDLES, :2].tolist()
        gaps.append(math.dist(a, b) + math.dist(c, d))
    return min(max(1 - gaps[1] / max(gaps[0] * head.scale, 1e-6), 0.0), 1.0)


_RIGHT_EYE, _LEFT_EYE = 33, 263
"""Outer corners of the eyes."""

_CORNERS, _WINGS, _BELOW_LIP = (61, 291), (129, 358), 18
"""The mouth's corners, the wings of the nose, and the middle below the lower lip."""

_BROWS, _INNER = ((70, 63, 105), (300, 293, 334)), ((66, 107), (296, 336))
"""Outer and inner halves of the brows."""

_LID_MIDDLES = [159, 145, 386, 374]
"""Upper and lower one of the right eye, then of the left."""

_LOWER_LIDS = (144, 145, 153), (373, 374, 380)
"""The middle of the lower lids."""

_READ = np.array(
    [*_CORNERS, *_WINGS, _BELOW_LIP]
    + [point for pair in (_BROWS, _INNER, _LOWER_LIDS) for side in pair for point in side]
)
"""All landmarks that are read."""


def _ramp(value: float, begins: float, full: float) -> float:
    """0 up to `begins`, 1 from `full` on, bent so that it is soon seen and ends softly."""
    share = min(max((value - begins) / (full - begins), 0.0), 1.0)
    return share * (2 - share)


def _smile(motion: Motion, side: int) -> float:
    """How much of a smile one side of the mouth makes."""
    return _ramp(motion.lifted[side] + 0.8 * motion.widened[side], 0.012, 0.075)


@dataclass(frozen=True)
class Folds:
    """All folds of one avatar.

    Attributes:
        folds: the maps.
        tint: share of the shade in red, green and blue.
    """

    folds: tuple[Fold, ...]
    tint: tuple[float, float, float]

    def light(self, picture: Image, motion: Motion) -> Image:
        """The picture with the folds that a motion calls for.

        Args:
            picture: (H, W, 4), that which the folds were painted for; the fourth channel stays.
            motion: of the avatar's features.

        Returns:
            `picture` itself where there is nothing to show.
        """
        strengths = [fold.strength(motion) for fold in self.folds]
        shown = [
            (fold, strength)
            for fold, strength in zip(self.folds, strengths, strict=True)
            if strength > _SEEN
        ]
        if not shown:
            return picture
        top = min(fold.rows.start for fold, _ in shown)
        bottom = max(fold.rows.stop for fold, _ in shown)
        left = min(fold.columns.start for fold, _ in shown)
        right = max(fold.columns.stop for fold, _ in shown)
        total = np.zeros((bottom - top, right - left), np.float32)
        for bounded in (True, False):
            for fold, strength in shown:
                if fold.bounded != bounded:
                    continue
                part = total[
                    fold.rows.start - top : fold.rows.stop - top,
                    fold.columns.start - left : fold.columns.stop - left,
                ]
                cv2.scaleAdd(fold.gain, strength, part, dst=part)
            if bounded:
                np.clip(total, _LEAST, _MOST, out=total)
        out = picture.copy()
        where = slice(top, bottom), slice(left, right)
        gains = cv2.exp(cv2.merge([total * np.float32(share) for share in (*self.tint, 0.0)]))
        out[where] = cv2.multiply(picture[where], gains, dtype=cv2.CV_8U)
        return out


def paint(picture: Image, landmarks: Floats, shown: float = 1.0) -> Folds:
    """Paint the folds of a face; on one that is drawn flat soft shadows would be blotches.

    Args:
        picture: (H, W, 3) or (H, W, 4), RGB.
        landmarks: (478, 3) in its pixels.
        shown: 0..1, how much of them at most; fur has none.
    """
    colours = np.ascontiguousarray(picture[..., :3])
    shown = min(shown, 1 - flatness(colours, landmarks))
    painter = _Painter(colours, landmarks, shown)
    if shown <= 0:
        return Folds((), painter.tint)
    for side in (0, 1):
        _paint_side(painter, side)
        painter.clear_corner(side)
    _paint_middle(painter)
    return Folds(tuple(painter.folds), painter.tint)


@dataclass(frozen=True)
class _Half:
    """Landmarks that the lines of one half of a face go through."""

    wing: tuple[int, int]
    cheek: tuple[int, int, int]
    apple: tuple[int, int]
    below: tuple[int, int, int, int]
    lid: tuple[int, ...]
    edge: tuple[int, ...]
    eye: tuple[int, int]


_HALVES = (
    _Half(
        (129, 203), (206, 216, 212), (205, 50), (57, 43, 202, 210),
        (233, 232, 231, 230, 229, 228), (112, 26, 22, 23, 24, 110), (133, 33),
    ),
    _Half(
        (358, 423), (426, 436, 432), (425, 280), (287, 273, 422, 430),
        (453, 452, 451, 450, 449, 448), (341, 256, 252, 253, 254, 339), (362, 263),
    ),
)  # fmt: skip
"""The person's right half, then the left (MediaPipe's numbering)."""


def _paint_side(painter: _Painter, side: int) -> None:
    """The folds that each half of a face has for itself."""
    p, unit, at = painter.points, painter.unit, _HALVES[side]
    # Lines are walked downward; the cheek then is on this side of them.
    outside = 1.0 if side == 0 else -1.0
    wing, cheek = at.wing, at.cheek
    smile_fold = np.array(
        [
            p[wing[0]] + 0.3 * (p[wing[1]] - p[wing[0]]),
            0.55 * p[wing[1]] + 0.45 * p[cheek[0]],
            0.7 * p[cheek[0]] + 0.3 * p[cheek[1]],
            0.95 * p[cheek[1]] + 0.05 * p[cheek[2]],
            0.55 * p[cheek[1]] + 0.45 * p[cheek[2]],
        ]
    )
    painter.add(
        [Line(smile_fold, outside, 0.17, 0.21, 0.07, 3.4)],
        lambda motion: max(_smile(motion, side), 0.7 * _ramp(motion.nose[side], 0.006, 0.03)),
    )
    apple = p[list(at.apple)].mean(0)
    painter.add_glow(apple, 6.0 * unit, 0.10, lambda motion: _smile(motion, side))
    corner = p[_CORNERS[side]]
    out = corner - p[[13, 14]].mean(0)
    out = out / max(float(np.linalg.norm(out)), 1e-6)
    end = corner + 3.0 * unit * out
    dimple = np.array(
        [end + unit * (3.4 * painter.up - 0.9 * out), end + 0.7 * unit * out]
        + [end - unit * (3.2 * painter.up + 0.7 * out)]
    )
    painter.add(
        [Line(dimple, outside, 0.11, 0.10, 0.04, 2.2)],
        lambda motion: _ramp(motion.widened[side] + 0.4 * motion.lifted[side], 0.010, 0.05),
    )
    below = at.below
    sulk = np.array(
        [p[below[0]], 0.5 * (p[below[1]] + p[below[2]]), 0.5 * (p[below[2]] + p[below[3]])]
    )
    painter.add(
        [Line(sulk, outside, 0.11, 0.12, 0.04, 2.4)],
        lambda motion: _ramp(-motion.lifted[side], 0.010, 0.035),
    )
    inner, outer = at.eye
    along = p[outer] - p[inner]
    above = np.array([-along[1], along[0]]) * (1 if along[0] < 0 else -1)
    start = p[outer] + 0.27 * along
    # Three rays: above, straight on, below; each rises or falls as it goes outward.
    rays = [
        start
        + np.array([[0.0], [0.21], [reach]]) * along
        + np.array([[lift], [bend], [fall]]) * above
        for lift, bend, reach, fall in (
            (0.05, 0.12, 0.38, 0.23),
            (-0.03, -0.02, 0.43, 0.0),
            (-0.11, -0.18, 0.31, -0.28),
        )
    ]
    painter.add(
        [Line(ray, 1.0, 0.10, 0.03, 0.03, 1.3) for ray in rays],
        lambda motion: max(
            0.8 * _ramp(_smile(motion, side), 0.25, 1.0),
            0.6 * _ramp(motion.lids[side], 0.004, 0.016),
        ),
    )
    lid = 0.5 * (p[list(at.lid)] + p[list(at.edge)])
    painter.add(
        [Line(lid, -outside, 0.08, 0.07, 0.05, 1.8)],
        lambda motion: max(0.7 * _smile(motion, side), _ramp(motion.lids[side], 0.003, 0.014)),
    )


def _paint_middle(painter: _Painter) -> None:
    """Forehead, between the brows, root of the nose, chin."""
    p, unit = painter.points, painter.unit
    brow = p[[63, 105, 66, 107, 9, 336, 296, 334, 293]]
    hair = p[[54, 103, 67, 109, 10, 338, 297, 332, 284]]
    rows = []
    for number, share in enumerate((0.33, 0.52, 0.70)):
        row = brow + share * (hair - brow)
        wave = np.array([0.4, -0.3, 0.3, 0.5, 0.6, 0.3, 0.0, -0.4, 0.3])
        row[:, 1] += unit * wave * (-0.8 if number == 1 else 1.0)
        rows.append(Line(row, -1.0, (0.09, 0.12, 0.08)[number], 0.06, 0.06, 1.9))
    middle, half = p[9], 0.5 * float(np.linalg.norm(p[334] - p[105]))

    def share_of(which: int) -> _Fade:
        """Where the forehead is wrinkled by the inner ends of the brows, or by one outer half."""

        def fade(x: Floats, y: Floats) -> Floats:
            aside = ((x - middle[0]) * painter.right[0] + (y - middle[1]) * painter.right[1]) / half
            centre = np.exp(-0.5 * (aside / 0.5) ** 2)
            if which == 0:
                return np.asarray(0.5 * centre, np.float32)
            return np.asarray((1 - 0.5 * centre) / (1 + np.exp(-which * aside / 0.15)), np.float32)

        return fade

    painter.add_shared(
        rows,
        [
            (lambda motion: _ramp(motion.inner, 0.008, 0.035), share_of(0)),
            (lambda motion: _ramp(motion.brows[0], 0.008, 0.035), share_of(-1)),
            (lambda motion: _ramp(motion.brows[1], 0.008, 0.035), share_of(1)),
        ],
    )
    gap = float(np.linalg.norm(p[285] - p[55]))
    upright = []
    for side, depth in ((-1.0, 0.12), (1.0, 0.10)):
        low = 0.8 * p[8] + 0.2 * p[168] + painter.right * (side * 0.14 * gap)
        high = 0.45 * p[9] + 0.55 * p[151] + painter.right * (side * 0.19 * gap)
        bent = 0.5 * (low + high) - painter.right * (side * 0.4 * unit)
        upright.append(Line(np.array([high, bent, low]), side, depth, 0.10, 0.05, 2.4))
    painter.add(upright, lambda motion: _ramp(motion.frown, 0.012, 0.036))
    root = np.array([0.5 * (p[193] + p[122]), 0.5 * (p[6] + p[168]), 0.5 * (p[417] + p[351])])
    painter.add(
        [Line(root, -1.0, 0.11, 0.05, 0.05, 1.5)],
        lambda motion: max(
            _ramp(sum(motion.nose) / 2, 0.008, 0.03), 0.6 * _ramp(-motion.inner, 0.010, 0.03)
        ),
    )
    chin = np.array(
        [
            0.6 * p[204] + 0.4 * p[182],
            0.5 * (p[201] + p[83]),
            0.45 * p[200] + 0.55 * p[18],
            0.5 * (p[421] + p[313]),
            0.6 * p[424] + 0.4 * p[406],
        ]
    )
    painter.add(
        [Line(chin, 1.0, 0.10, 0.13, 0.06, 2.4)],
        lambda motion: max(
            _ramp(motion.lip, 0.012, 0.035), 0.5 * _ramp(motion.narrowed, 0.03, 0.09)
        ),
    )


_Fade = Callable[[Floats, Floats], Floats]
"""From pixels' columns and rows, (h, w) each, to a share 0..1."""


class _Painter:
    """Draws lines on one face and keeps them as maps."""

    def __init__(self, picture: Image, landmarks: Floats, shown: float) -> None:
        self.points = landmarks[:, :2].astype(np.float32)
        tall = max(measures.height(self.points), 1.0)
        self.unit = tall / 100
        self.up = -measures.down(self.points) / tall
        self.right = np.array([-self.up[1], self.up[0]], np.float32)
        self.folds: list[Fold] = []
        self._size = picture.shape[1], picture.shape[0]
        self._picture = picture
        self._lips = np.zeros(picture.shape[:2], np.uint8)
        fill(self._lips, smooth_loop(self.points[OUTER_LIPS]))
        like, grey = _skin_like(picture, self.points, self.unit)
        self._like = like * _roughness(picture, self.points, self.unit) * shown
        self.tint = (1.0, 1.0, 1.0) if grey else _TINT

    def add(self, lines: Sequence[Line], strength: Callable[[Motion], float]) -> None:
        """Draw lines as one fold."""
        self.add_shared(lines, [(strength, None)])

    def add_shared(
        self,
        lines: Sequence[Line],
        parts: Sequence[tuple[Callable[[Motion], float], _Fade | None]],
    ) -> None:
        """Draw the same lines as several folds, each with its share of every pixel."""
        rows, columns, x, y = self._place(np.concatenate([line.points for line in lines]), 13)
        if x.size == 0:
            return
        gain = sum((self._profile(line, x, y) for line in lines), np.zeros(x.shape, np.float32))
        for strength, fade in parts:
            shared = gain if fade is None else gain * fade(x, y)
            self._keep(rows, columns, np.asarray(shared, np.float32), strength)

    def add_glow(
        self, centre: Floats, radius: float, light: float, strength: Callable[[Motion], float]
    ) -> None:
        """A bulge that catches the light, such as a cheek's; radius in pixels."""
        rows, columns, x, y = self._place(centre[None], 2.5 * radius / self.unit)
        if x.size:
            apart = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / radius**2
            self._keep(rows, columns, light * np.exp(-0.5 * apart), strength)

    def clear_corner(self, side: int) -> None:
        """Take away the shadow in a corner of the mouth, as rounded and wide open lips do.

        It lies beyond the corner's landmark, so lips that come together would leave it on the
        cheek as a spot.
        """
        corner = self.points[_CORNERS[side]]
        out = corner - self.points[[13, 14]].mean(0)
        out = out / max(float(np.linalg.norm(out)), 1e-6)
        middle = corner + 1.0 * self.unit * out
        rows, columns, x, y = self._place(middle[None], 9)
        if min(x.shape) < 5:
            return
        light = cv2.cvtColor(self._picture[rows, columns], cv2.COLOR_RGB2GRAY).astype(np.float32)
        apart = np.hypot(x - middle[0], y - middle[1]) / self.unit
        window = np.clip((_CORNER - apart) / (0.5 * _CORNER), 0, 1)
        mask = np.asarray(apart < _CORNER, np.uint8) * np.uint8(255)
        mask |= self._lips[rows, columns]
        skin = cv2.inpaint(light.astype(np.uint8), mask, 3, cv2.INPAINT_TELEA)
        skin = cv2.GaussianBlur(skin.astype(np.float32), (0, 0), max(self.unit, 0.7))
        lips = cv2.GaussianBlur(self._lips[rows, columns].astype(np.float32) / 255, (0, 0), 0.8)
        # Of the lips only their end, with the line between them, is cleared.
        near = np.clip(1.5 - np.hypot(x - corner[0], y - corner[1]) / (2 * self.unit), 0, 1)
        gain = (
            np.log((skin + 8) / (light + 8)).clip(0, _CLEARED) * window * (1 - lips + near * lips)
        )
        self.folds.append(
            Fold(
                rows,
                columns,
                np.ascontiguousarray(gain, np.float32),
                lambda motion: max(
                    _ramp(-motion.widened[side], 0.004, 0.03),
                    0.8 * _ramp(-motion.lip, 0.05, 0.15),
                ),
                bounded=False,
            )
        )

    def _keep(
        self, rows: slice, columns: slice, gain: Floats, strength: Callable[[Motion], float]
    ) -> None:
        gain = np.asarray(gain * self._like[rows, columns], np.float32)
        self.folds.append(Fold(rows, columns, np.ascontiguousarray(gain), strength))

    def _place(self, points: Floats, margin: float) -> tuple[slice, slice, Floats, Floats]:
        """The part of the picture around points, and its pixels' columns and rows."""
        low = np.floor(points.min(0) - margin * self.unit).astype(int)
        high = np.ceil(points.max(0) + margin * self.unit).astype(int)
        left, top = np.clip(low, 0, self._size).tolist()
        right, bottom = np.clip(high, 0, self._size).tolist()
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        return slice(top, bottom), slice(left, right), x, y

    def _profile(self, line: Line, x: Floats, y: Floats) -> Floats:
        """(h, w) log gains of one line."""
        rng = np.random.default_rng(round(float(np.abs(line.points[0]).sum())) + len(line.points))
        curve = _curve(line.points, _STEPS)
        way = np.gradient(curve, axis=0)
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
        column, row = x[0], y[:, 0]
        best = np.full(x.shape, np.inf, np.float32)
        nearest = np.zeros(x.shape, np.intp)
        for number, (cx, cy) in enumerate(curve.tolist()):
            apart = (column - cx)[None] ** 2 + (row - cy)[:, None] ** 2
            np.copyto(nearest, number, where=apart < best)
            np.minimum(best, apart, out=best)
        away = np.sqrt(best) / self.unit
        aside = way[nearest, 0] * (y - curve[nearest, 1]) - way[nearest, 1] * (
            x - curve[nearest, 0]
        )
        bulge = np.clip(0.5 + 0.5 * line.side * aside / (0.4 * line.width * self.unit), 0, 1)
        along = nearest / (len(curve) - 1)
        # A fold fades at its ends, and is not equally deep all along.
        taper = np.sin(np.pi * np.clip(0.94 * along + 0.03, 0, 1)) ** 0.75
        uneven = np.interp(along, np.linspace(0, 1, 7), rng.uniform(0.6, 1.15, 7))
        thin = max(0.75, _THINNEST / self.unit)
        gain = -line.crease * uneven * np.exp(-0.5 * (away / thin) ** 2)
        gain -= line.shade * (1 - 0.65 * bulge) * np.exp(-0.5 * (away / line.width) ** 2)
        gain += line.light * bulge * np.exp(-0.5 * ((away - 1.7 * line.width) / line.width) ** 2)
        return np.asarray(gain * taper, np.float32)


def _curve(points: Floats, count: int) -> Floats:
    """(count, 2): a smooth line through points, a Catmull-Rom spline."""
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    at = np.linspace(0, len(points) - 1 - 1e-4, count)
    first = at.astype(int)
    t = (at - first)[:, None]
    a, b, c, d = (ends[first + step] for step in range(4))
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.asarray(curve, np.float32)


def _skin_like(picture: Image, points: Floats, unit: float) -> tuple[Floats, bool]:
    """Where a picture looks like its face's bare skin, (H, W) 0..1; and whether it is grey."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    near = cv2.GaussianBlur(lab, (0, 0), max(0.8 * unit, 0.6))
    around = cv2.GaussianBlur(lab[..., 0], (0, 0), max(6 * unit, 1.0))
    height, width = picture.shape[:2]
    at = np.rint(points[SKIN]).astype(int).clip(0, [width - 1, height - 1])
    skin = near[at[:, 1], at[:, 0]]
    # The brighter two thirds: the others may lie under hair or a hat.
    own = np.median(skin[np.argsort(skin[:, 0])[len(skin) // 3 :]], axis=0)
    hue = np.linalg.norm(near[..., 1:] - own[1:], axis=2) / _LIKE_HUE
    dark = np.maximum(around - near[..., 0] - 6, 0) / _LIKE_DARK
    deep = np.maximum(0.5 * own[0] - near[..., 0], 0) / _LIKE_DARK
    like = cv2.GaussianBlur(np.exp(-(hue**2) - dark**2 - deep**2), (0, 0), max(1.2 * unit, 0.7))
    return like, bool(np.abs(skin[:, 1:]).max() < 3)


def _roughness(picture: Image, points: Floats, unit: float) -> float:
    """0.6 for the smooth skin of the young and of many paintings, up to 1 for skin with texture."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), max(0.8 * unit, 0.8)))
    height, width = picture.shape[:2]
    at = np.rint(points[SKIN]).astype(int).clip(0, [width - 1, height - 1])
    reach = max(1, round(2 * unit)) * 2 + 1
    seen = cv2.blur(detail, (reach, reach))[at[:, 1], at[:, 0]]
    return float(np.clip(0.5 + 0.22 * np.median(seen), 0.6, 1.0))
