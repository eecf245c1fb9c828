"""The inside of the mouth: teeth and tongue in 3-D, posed with skull and jaw, behind the lips.

The upper teeth are fixed to the skull and the lower ones to the jaw, so they are right at any
pose; they are lit and toned like the photo's skin. Teeth that the photo itself shows stay. Lips
roll inward at their edges, and the light gets less toward the corners and under the upper lip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.face import measures
from models.face.topology import INNER_LIPS, LOWER_LIP, STABLE, UPPER_LIP, neutral_face
from models.mesh.paint import blend, box, fill, smooth_loop, soft
from models.mesh.photo_light import PhotoLight, Tone
from models.mesh.pose import Similarity, fit
from models.mesh.teeth import (
    DENSITY,
    Part,
    as_taken,
    fields,
    grid_triangles,
    grid_uv,
    own_edge,
    row,
    swing,
    widened,
    with_own,
)
from models.types import Floats, Image

_CHIN, _LOWER_LIP = np.array([200, 199, 152]), np.array([17, 18])
"""Points of the chin, and of the skin at the lower lip's edge (MediaPipe's numbering)."""

_CORNERS = (78, 308)
"""The inner corners of the mouth."""

_GRIN = 0.065
"""Face heights by which a grin lowers the chin's skin, for each mouth width it adds."""

_LONGEST = 0.075
"""Face heights by which a grin shows more of the upper crowns, at most; of real grins."""

_COVERED = 0.12
"""Face heights of the upper crowns that lips cover, for each mouth width that they lose."""

_ROLL = np.array([0.0, 0.4, 0.75, 0.93, 1.0], np.float32)
"""Shares of that for the rows of the upper teeth's grid, from the gums to the edge."""

_PULLED = (0.018, 0.02)
"""Face heights by which a lip drops more than the chin before it bares the lower teeth, and how
much more until it has bared them."""


@dataclass(frozen=True)
class Mouth:
    """The inside of one photo's mouth.

    Attributes:
        upper: the upper row of teeth; None in a mouth without human teeth.
        lower: the lower row; None likewise.
        tongue: the tongue.
        deep: (3,), the colour of the dark behind.
        dusk: (3,), how much of each colour goes in the shade; about 1.
        tone: of the photo; everything drawn gets it.
        middle: (3,), a point between the teeth.
        across: (3,), the unit vector to the person's left.
        width: of the photo's own opening, in pixels.
        gap: the photo's own opening, in pixels.
        own: whether the photo shows teeth of its own.
        flat: 0..1, how flat the picture is drawn.
    """

    upper: Part | None
    lower: Part | None
    tongue: Part
    deep: Floats
    dusk: Floats
    tone: Tone
    middle: Floats
    across: Floats
    width: float
    gap: float
    own: bool
    flat: float


def build(photo: Image, landmarks: Floats, teeth: bool = True) -> Mouth:
    """The mouth for a photo.

    Args:
        photo: (h, w, 3).
        landmarks: (478, 3) in pixels.
        teeth: False for creatures, which have no human teeth: throat and tongue alone.
    """
    gap = _gap(landmarks[:, :2])
    light = PhotoLight.of(photo, landmarks)
    place = _placement(landmarks)
    across = place.rotation[:, 0]
    own = teeth and bool(light.teeth.any())
    tongue = _tongue(place, light)
    upper = lower = None
    if teeth:
        number = _own_set(landmarks)
        upper, lower = (row(number, above, place, light) for above in (True, False))
        if own:
            down = own_edge(upper, photo, landmarks)
            # The lower teeth and the tongue follow, as the upper ones bite over them.
            upper, lower, tongue = (
                replace(part, points=part.points + share * down)
                for part, share in ((upper, 1.0), (lower, 0.5), (tongue, 0.7))
            )
            upper, lower = (widened(part, across, landmarks) for part in (upper, lower))
            upper, lower = with_own(upper, lower, photo, light.teeth, gap)
    return Mouth(
        upper=upper,
        lower=lower,
        tongue=tongue,
        deep=light.lip * np.array([0.42, 0.23, 0.23], np.float32),
        dusk=_dusk(light),
        tone=light.tone,
        middle=landmarks[[13, 14]].mean(0),
        across=across,
        width=float(np.linalg.norm(landmarks[_CORNERS[0]] - landmarks[_CORNERS[1]])),
        gap=gap,
        own=own,
        flat=light.flat,
    )


def paint(out: Image, mouth: Mouth, source: Floats, target: Floats, head: Similarity) -> None:
    """Draw the mouth's inside into `out`, between the lips of (478, 3) target landmarks.

    source: (478, 3) the photo's landmarks; head: the skull's motion from source to target.
    """
    flat = target[:, :2]
    gap = _gap(flat)
    width = max(float(np.linalg.norm(flat[_CORNERS[0]] - flat[_CORNERS[1]])), 1.0)
    shown = (gap - mouth.gap * 1.02 - 0.012 * width) / (0.05 * width)
    strength = float(np.clip(shown, 0, 1))
    if strength <= 0:
        return
    outline = smooth_loop(flat[INNER_LIPS])
    left, top, right, bottom = box(outline, 4, out)
    if right - left < 2 or bottom - top < 2:
        return
    corner = np.array([left, top, 0], np.float32)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    fill(mask, outline - (left, top))
    part = out[top:bottom, left:right]
    spot = _Opening(mask, flat - (left, top), width, gap)

    inside = spot.cavity(mouth.deep, mouth.flat)
    # A mouth drawn wide shows more of the row's sides than the row has: it is drawn wider too.
    wider = float(np.linalg.norm(target[78] - target[308])) / (head.scale * mouth.width)
    posed = _posed(mouth, source, target, head, wider)
    parts = [one for one, _ in posed]
    places = [head(points) - corner for _, points in posed]
    for one, placed, field in zip(parts, places, fields(parts, places, mask.shape), strict=True):
        one.draw(inside, placed, field)
        if one is mouth.tongue:
            # It lies deeper than the teeth and gets its light through the opening.
            inside = cv2.convertScaleAbs(inside, alpha=min(1.0, 0.3 + 0.8 * gap / width))
    # The photo's own teeth have their shadow already.
    shade = (0.3 if mouth.own else 1.0) * (1 - mouth.flat) * (1 - spot.light())[..., None]
    lit: Floats = inside * (1 - shade * mouth.dusk) + 0.6 * mouth.deep * shade
    # Lips that the photo shows apart have their own edges.
    lit = spot.roll_lips(lit, part, wider, gap - mouth.gap)
    edge = soft(mask, max(0.7, 0.006 * width))
    toned = mouth.tone(np.asarray(lit, np.uint8))
    blend(part, toned, np.rint(edge * strength).astype(np.uint8))


def _posed(
    mouth: Mouth, source: Floats, target: Floats, head: Similarity, width: float
) -> list[tuple[Part, Floats]]:
    """What is drawn, the farthest first, with its points (N, 3) in the photo's pose.

    width: of the mouth, by that of the photo's.
    """
    stretch = max(width - 1, 0.0)
    down = measures.down(source)
    tall = max(float(np.linalg.norm(down)), 1e-6)
    down = down / tall
    chin, lip = ((head.inverse(target[at]) - source[at]).mean(0) for at in (_CHIN, _LOWER_LIP))
    # Teeth hide behind the lower lip, but a grin draws the lip off closed teeth.
    jaw = chin + (lip - chin) * max(0.4 - 1.6 * stretch, 0.0)
    jaw = _without_grin(jaw, source, stretch)
    wider = min(0.6 * stretch, 0.25)
    lips = head.inverse(target[np.concatenate([UPPER_LIP[3:6], LOWER_LIP[3:6]])]) @ down
    lowest, parted = float(lips[3:].mean()), float((lips[3:] - lips[:3]).mean())
    dropped = max(float(jaw @ down), 0.0) / tall
    grin = min(stretch / 0.10, 1.0) * max(1 - dropped / 0.035, 0.0)

    def moved(part: Part, share: float) -> Floats:
        aside = (part.points - mouth.middle) @ mouth.across
        across = (wider * aside)[:, None] * mouth.across
        return np.asarray(part.points + across + share * part.swing * jaw, np.float32)

    posed = [(mouth.tongue, moved(mouth.tongue, 1.0))]
    if mouth.upper is None or mouth.lower is None:
        return posed
    lower = moved(mouth.lower, 1.0)
    middle = lower.reshape(-1, mouth.lower.columns, 3)[1:3, mouth.lower.columns // 2] @ down
    edge = float(np.array([0.4, 0.6]) @ middle)
    # The lower row hides behind the lip, unless that is really pulled down or drawn over it.
    pulled = (float((lip - chin) @ down) / tall - _PULLED[0]) / _PULLED[1]
    pulled = min(max(pulled, 0.0), 1.0)
    bared = max(0.10 * pulled, 0.08 * grin, 0.22 * min(stretch / 0.10, 1.0)) * parted
    # Rounded lips cover it whole.
    bared -= (0.004 + 0.08 * min(max(1 - width, 0.0), 0.3)) * tall
    posed.append((mouth.lower, lower + max(lowest - bared - edge, 0.0) * down))
    upper = moved(mouth.upper, 0.0)
    # A grin shows the upper row down to the lower lip: its crowns come out from under the lip.
    # Those that the photo shows are out already.
    grin = 0.0 if mouth.own else grin
    edge = float(upper.reshape(-1, mouth.upper.columns, 3)[-1, mouth.upper.columns // 2] @ down)
    longer = grin * min(max(lowest - 0.06 * parted - edge, 0.0), _LONGEST * tall)
    longer = max(longer, 0.013 * tall * min(dropped / 0.04, 1.0))
    # Rounded lips cover them.
    longer -= _COVERED * tall * min(max(1 - width, 0.0), 0.3)
    share = np.repeat(_ROLL, mouth.upper.columns)
    posed.append((mouth.upper, upper + (share * longer)[:, None] * down))
    return posed


class _Opening:
    """The opening between the lips in a small picture: what light and lips do in it."""

    def __init__(self, mask: Image, flat: Floats, width: float, gap: float) -> None:
        """Measure it.

        mask: (h, w), 255 inside. flat: (478, 2) landmarks in its pixels. width, gap: of the mouth.
        """
        self._mask, self._flat, self._width, self._gap = mask, flat, width, gap
        right, left = flat[_CORNERS[0]], flat[_CORNERS[1]]
        along = (left - right) / max(float((left - right) @ (left - right)), 1e-6)
        x = np.arange(mask.shape[1], dtype=np.float32) - right[0]
        y = np.arange(mask.shape[0], dtype=np.float32) - right[1]
        self._across = np.add.outer(y * along[1], x * along[0]).astype(np.float32)
        """(h, w): 0 at the person's right corner, 1 at the left one."""
        # Below the upper lip, along the picture's columns.
        self._below = np.cumsum(mask, axis=0, dtype=np.float32) / 255
        self._down = self._below / np.maximum(self._below[-1:], 1)
        """(h, w): 0 at the upper lip, 1 at the lower one."""

    def cavity(self, deep: Floats, flat: float) -> Image:
        """(h, w, 3): palate, throat and cheeks, darkest in the throat; one colour if `flat`."""
        aside = (self._across - 0.5) * 2.2
        deeper = cv2.exp(-(aside**2) - ((self._down - 0.5) / 0.32) ** 2)
        return np.asarray(
            (1.6 - 1.15 * deeper + flat * (1.15 * deeper - 0.6))[..., None] * deep, np.uint8
        )

    def light(self) -> Floats:
        """(h, w), 0..1: less in the corners and under the upper lip."""
        aside = np.clip(np.minimum(self._across, 1 - self._across) / 0.27, 0, 1)
        corner = 0.10 + 0.90 * (aside * aside * (3 - 2 * aside))
        reach = float(np.clip(0.45 * self._gap, 1.5, 0.10 * self._width))
        v = np.clip(self._below / reach, 0, 1)
        above = 0.72 + 0.28 * v * (2 - v)
        # Little light falls through lips that are hardly parted.
        most = min(1.0, 0.7 + self._gap / (0.25 * self._width))
        return np.asarray(most * corner * above, np.float32)

    def roll_lips(self, inside: Floats, drawn: Image, wider: float, more: float) -> Floats:
        """The inside with the lips' edges rolled into it, in the colours they are drawn in.

        inside: (h, w, 3). drawn: (h, w, 3), the picture with the lips. wider: the mouth's width
        by the photo's; rounded lips are thick, stretched ones thin. more: pixels by which the lips
        are further apart than in the photo.
        """
        round_ = float(np.clip(1 + 3.0 * (1 - wider), 0.5, 2.5))
        thick = min(0.2 * more, 0.085 * self._width * round_)
        if thick < 0.7:
            return inside
        height, width = self._mask.shape
        # The lips' colours just outside the opening, along both edges.
        up, low = self._flat[UPPER_LIP], self._flat[LOWER_LIP]
        out = (up - low) / np.maximum(np.linalg.norm(up - low, axis=1, keepdims=True), 1e-6)
        off = 1.5 + 0.02 * self._width
        points = np.rint(np.stack([up + off * out, low - off * out])).astype(int)
        x, y = points[..., 0].clip(0, width - 1), points[..., 1].clip(0, height - 1)
        lips = cv2.GaussianBlur(drawn[y, x].astype(np.float32), (3, 1), 0)
        at = np.clip(self._across * 10 - 1, 0, 8).astype(np.float32)
        colour = cv2.remap(lips, at, self._down, cv2.INTER_LINEAR)
        deep = cv2.distanceTransform(self._mask, cv2.DIST_L2, 3)
        # The upper lip hangs over its edge; of the lower one the wet inside is seen.
        deep = np.clip(deep / (thick * (0.4 + 0.6 * self._down)), 0, 1)
        shine = np.exp(-(((deep - 0.3) / 0.16) ** 2)) * self._down**2 * 0.10
        level = 1.0 - (0.62 - 0.12 * self._down) * deep + shine
        matte = (1 - deep * deep) * (0.7 + 0.3 * self._down)
        rolled = colour * level[..., None]
        return np.asarray(inside + (rolled - inside) * matte[..., None], np.float32)


def _gap(flat: Floats) -> float:
    """The mean distance of the lips' inner edges in the middle of the mouth."""
    return float(np.linalg.norm(flat[UPPER_LIP[3:6]] - flat[LOWER_LIP[3:6]], axis=1).mean())


def _dusk(light: PhotoLight) -> Floats:
    """(3,): how much of each colour goes in the shade: lips and gums throw their own back."""
    warm = (0.5 * light.lip + 0.5 * light.enamel) / np.maximum(light.enamel, 1)
    dusk = np.clip((float(warm.mean()) / np.maximum(warm, 0.1)) ** 0.5, 0.8, 1.1)
    return np.asarray(dusk, np.float32)


def _without_grin(jaw: Floats, source: Floats, stretch: float) -> Floats:
    """The jaw's shift without what a grin, which pulls the chin's skin down, adds to it.

    stretch: by how much the mouth is wider than in the photo, of its width.
    """
    down = measures.down(source)
    tall = max(float(np.linalg.norm(down)), 1e-6)
    lowered = float(jaw @ down) / tall
    pulled = min(max(lowered, 0.0), _GRIN * stretch * tall)
    return np.asarray(jaw - down / tall * pulled, np.float32)


def _own_set(landmarks: Floats) -> int:
    """A set of teeth for this face, by the proportion of its nose, which no expression changes."""
    nose = float(np.linalg.norm(landmarks[168] - landmarks[4]))
    eyes = float(np.linalg.norm(landmarks[33] - landmarks[263]))
    return int(nose / max(eyes, 1e-6) * 40) % 3


def _placement(landmarks: Floats) -> Similarity:
    """From the neutral face mesh's centimetres (x, y down, z away) to the photo's pixels."""
    neutral = neutral_face()
    head = fit(neutral[STABLE], landmarks[STABLE])
    closed = head(neutral[[13, 14]]).mean(0)
    actual = landmarks[13] + 0.3 * (landmarks[14] - landmarks[13])
    size = float(np.linalg.norm(landmarks[61] - landmarks[291]))
    ratio = size / (head.scale * float(np.linalg.norm(neutral[61] - neutral[291])))
    scale = head.scale * float(np.clip(ratio, 0.88, 1.05))
    # Scaling about the lips, not about the origin, keeps the teeth behind them.
    middle = neutral[[13, 14]].mean(0)
    shift = closed - scale * head.rotation @ middle + (actual - closed) * 0.8
    return Similarity(scale, head.rotation, np.asarray(shift, np.float32))


def _tongue(place: Similarity, light: PhotoLight) -> Part:
    """A tongue at rest behind the lower teeth: a wet dome with a groove, soft at its rim."""
    rows, columns = 6, 9
    v, u = np.mgrid[0:rows, 0:columns] / np.array([rows - 1, columns - 1])[:, None, None]
    across = (u - 0.5) * 2
    points = np.dstack(
        [
            across * (2.15 + 0.2 * v),
            -(-4.9 + 1.75 * np.sin(v * np.pi * 0.55) * (1 - 0.3 * across**2)),
            -(3.7 - 3.2 * v - 0.5 * across**2),
        ]
    )
    points = points.reshape(-1, 3).astype(np.float32)
    # As many texels as pixels: fewer would make blotches of the grain.
    side = round(float(np.clip(4.3 * place.scale * DENSITY, 24, 192)))
    y, x = np.mgrid[0:side, 0:side] / (side - 1)  # y from the tip to the back
    off = np.abs(x - 0.5) * 2
    groove = np.exp(-((off / 0.10) ** 2)) * np.clip(y / 0.15, 0, 1)
    form = 1.1 - 0.5 * off**2 - 0.07 * groove - 0.6 * y
    # Papillae scatter the light, and what is wet shines in spots on both sides of the groove.
    rough = np.random.default_rng(3).normal(0, 1, (side, side)).astype(np.float32)
    rough = cv2.GaussianBlur(rough, (0, 0), max(0.6, 0.03 * side))
    rough /= float(rough.std())
    form, rough = form + light.flat * (0.85 - form), rough * (1 - light.flat)
    band = (1 - light.flat) * np.exp(-(((y - 0.22) / 0.09) ** 2) - ((off - 0.32) / 0.2) ** 2)
    shine = 0.09 * band * np.clip(0.8 + 0.3 * rough, 0, 1.5)
    flesh = 0.52 * light.lip + 0.52 * light.enamel * np.array([0.8, 0.42, 0.44], np.float32)
    rgb = np.clip(form * (1 + 0.015 * rough), 0.05, 1.3)[..., None] * flesh
    rgb = np.clip(rgb + shine[..., None] * light.enamel, 0, 255)
    matte = np.clip((1 - off) / 0.25, 0, 1) * np.clip(y / 0.1, 0, 1) * np.clip((1 - y) / 0.45, 0, 1)
    colours = np.dstack([rgb * matte[..., None], matte * 255]).astype(np.float32)
    return Part(
        place(points),
        swing(points),
        as_taken(colours, replace(light, blur=0.0)),
        grid_uv(rows, columns, (side, side)),
        grid_triangles(rows, columns),
        0,
    )
