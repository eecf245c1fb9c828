"""The inside of the mouth: teeth and tongue in 3-D, posed with skull and jaw, behind the lips.

The upper teeth are fixed to the skull and the lower ones to the jaw, so they are right at any
pose; they are lit and tinted like the photo's skin. Teeth that the photo itself shows stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from models.face import measures
from models.face.topology import (
    INNER_LIPS,
    LOWER_LIP,
    OUTER_LIPS,
    STABLE,
    UPPER_LIP,
    Indices,
    neutral_face,
)
from models.mesh.paint import WIDEST, blend, box, fill, over, smooth_loop, soft
from models.mesh.pose import Similarity, fit
from models.mesh.raster import draw
from models.types import Floats, Image

_CHEEKS = np.array([50, 101, 118, 205, 280, 330, 347, 425])
"""Points of the cheeks, whose colour tells the light."""

_CHIN, _BELOW_LIP = np.array([200, 199, 152]), np.array([17, 18])
"""Points of the chin, and of the skin at the lower lip's edge."""

_ENAMEL = np.array([1.0, 0.96, 0.87], np.float32)
"""Red, green and blue of teeth in white light: a little yellow, since bluish ones look painted."""

_GRIN = 0.065
"""Face heights by which a grin lowers the chin's skin, for each mouth width that it adds: less, and
grins of closed teeth open the jaw; more, and laughter does not."""

_TEXELS_PER_CM = 43.0
"""Of the unrolled teeth at their front: `make_mouth.WIDTH` over an arc of 165 degrees whose radius
is 3.5 to 3.9 cm."""


@dataclass(frozen=True)
class Part:
    """A row of teeth or the tongue: a grid of points with a picture on it.

    Attributes:
        points: (N, 3) in the photo's pixels.
        swing: (N, 1) 0..1, how far each goes with the chin: the jaw turns about its joint, so the
            back goes less.
        colours: (h, w, 4), RGB premultiplied by the matte.
        uv: (N, 2) pixels of `colours`.
        triangles: (T, 3).
        columns: of the grid of a row of teeth, which fades where it turns away; 0 for the tongue.
    """

    points: Floats
    swing: Floats
    colours: Image
    uv: Floats
    triangles: Indices
    columns: int

    def draw(self, inside: Image, points: Floats, field: Floats) -> None:
        """Draw the part.

        Args:
            inside: (h, w, 3), drawn into.
            points: (N, 3), where its points are, pixels of `inside`.
            field: (h, w, 2), where each pixel of `inside` is in `colours`.
        """
        drawn = cv2.remap(self.colours, field, None, cv2.INTER_LINEAR)
        if self.columns:
            step = self.colours.shape[1] / self.columns
            column = np.clip((field[..., 0] / step).astype(np.int32), 0, self.columns - 1)
            facing = self._facing(points)[column]
            drawn = (drawn * facing[..., None]).astype(np.uint8)
        inside[:] = over(np.asarray(drawn, np.uint8), inside)

    def _facing(self, points: Floats) -> Floats:
        """(columns,) 0..1: how much of each column of the grid is seen from outside."""
        rows = len(points) // self.columns
        line = points[(rows // 2) * self.columns :][: self.columns]
        along = np.empty_like(line)
        along[1:-1] = line[2:] - line[:-2]
        along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
        facing = along[:, 0] / np.maximum(np.sqrt((along**2).sum(1)), 1e-6)
        return np.asarray(np.clip((facing - 0.12) / 0.35, 0, 1), np.float32)


def _fields(parts: Sequence[Part], places: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    """(parts, h, w, 2): where each pixel of a picture is in the colours of each part.

    Args:
        parts: rows and tongue.
        places: (N, 3) each, their points in pixels of the picture.
        shape: height and width of the picture.
    """
    height, width = shape
    field = np.full((len(parts) * height, width, 2), -9, np.float32)
    triangles, flat, first, count = [], [], [], 0
    for number, (part, points) in enumerate(zip(parts, places, strict=True)):
        far_first = np.argsort(-points[:, 2][part.triangles].sum(1), kind="stable")
        triangles.append(part.triangles[far_first] + count)
        flat.append(points[:, :2] + np.array([0, number * height], np.float32))
        first.append(np.full(len(part.triangles), number * height))
        count += len(points)
    rows, uv = np.concatenate(first), np.concatenate([part.uv for part in parts])
    draw(field, np.concatenate(triangles), np.concatenate(flat), uv, (rows, rows + height))
    return field.reshape(len(parts), height, width, 2)


@dataclass(frozen=True)
class Mouth:
    """The inside of one photo's mouth; places are the photo's pixels.

    Attributes:
        upper: the upper teeth.
        lower: the lower teeth.
        tongue: behind these.
        deep: (3,) 0..255, the colour of the dark behind.
        middle: (3,), a point between the teeth.
        across: (3,), the unit vector to the person's left.
        width: between the corners of the photo's own opening.
        gap: how far the photo's own lips are apart.
    """

    upper: Part
    lower: Part
    tongue: Part
    deep: Floats
    middle: Floats
    across: Floats
    width: float
    gap: float


def build(photo: Image, landmarks: Floats, teeth: int | None = None) -> Mouth:
    """The mouth for a photo.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        teeth: which set, 0..2; None lets the face's shape choose, so that one face keeps its teeth.
    """
    if teeth is None:
        teeth = _own_set(landmarks)
    outline = landmarks[INNER_LIPS, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    gap = _gap(landmarks[:, :2])
    visible = np.zeros(photo.shape[:2], np.uint8)
    if gap > 0.06 * width:
        fill(visible, outline)
    lips = np.zeros(photo.shape[:2], np.uint8)
    fill(lips, landmarks[OUTER_LIPS, :2])
    lip = np.array(cv2.mean(photo, lips)[:3], np.float32)
    light = _light(photo, landmarks, visible)
    place = _placement(landmarks)
    asset = _asset()
    upper, lower = (
        _row(asset[f"{side}{teeth}_png"], asset[f"{side}{teeth}_grid"], above, place, light, lip)
        for side, above in (("upper", True), ("lower", False))
    )
    tongue = _tongue(place, light, lip)
    if visible.any():
        down = _own_edge(upper, photo, landmarks)
        # The lower teeth and the tongue follow, as the upper ones bite over them.
        upper, lower, tongue = (
            replace(part, points=part.points + share * down)
            for part, share in ((upper, 1.0), (lower, 0.5), (tongue, 0.7))
        )
        upper, lower = (_widened(row, place.rotation[:, 0], landmarks) for row in (upper, lower))
        upper = _own_teeth(upper, photo, visible, gap)
        lower = _own_teeth(lower, photo, _uncovered(visible, upper), gap)
    return Mouth(
        upper=upper,
        lower=lower,
        tongue=tongue,
        deep=lip * np.array([0.52, 0.27, 0.27], np.float32) + 5,
        middle=landmarks[[13, 14]].mean(0),
        across=place.rotation[:, 0],
        width=float(np.linalg.norm(landmarks[78] - landmarks[308])),
        gap=gap,
    )


def paint(out: Image, mouth: Mouth, source: Floats, target: Floats, head: Similarity) -> None:
    """Draw the mouth's inside between the lips.

    Args:
        out: (H, W, 3), drawn into.
        mouth: what is inside.
        source: (478, 3) the photo's landmarks in pixels.
        target: (478, 3) landmarks in pixels of `out`.
        head: the skull's motion from source to target.
    """
    flat = target[:, :2]
    gap, width = _gap(flat), max(float(np.linalg.norm(flat[78] - flat[308])), 1.0)
    shown = (gap - mouth.gap * 1.02 - 0.012 * width) / (0.05 * width)
    strength = float(np.clip(shown, 0, 1))
    if strength <= 0:
        return
    outline = smooth_loop(flat[INNER_LIPS])
    left, top, right, bottom = box(outline, 4, out)
    if right - left < 2 or bottom - top < 2:
        return
    size = (right - left, bottom - top)
    corner = np.array([left, top, 0], np.float32)
    mask = np.zeros(size[::-1], np.uint8)
    fill(mask, outline - (left, top))

    inside = np.empty((*mask.shape, 3), np.uint8)
    inside[:] = _cavity(mask, mouth.deep)
    # A mouth drawn wide shows more of the row's sides than the row has: it is drawn wider too.
    wider = float(np.linalg.norm(target[78] - target[308])) / (head.scale * mouth.width)
    stretch = max(wider - 1, 0.0)
    chin, lip = ((head.inverse(target[at]) - source[at]).mean(0) for at in (_CHIN, _BELOW_LIP))
    # Teeth hide behind the lower lip, but a grin draws the lip off closed teeth.
    jaw = chin + (lip - chin) * max(0.4 - 1.6 * stretch, 0.0)
    jaw = _without_grin(jaw, source, stretch)
    wider = min(0.6 * stretch, 0.25)
    parts, moves = (mouth.tongue, mouth.lower, mouth.upper), (1.0, 1.0, 0.0)
    places: list[Floats] = []
    for part, share in zip(parts, moves, strict=True):
        aside = (part.points - mouth.middle) @ mouth.across
        points = part.points + (wider * aside)[:, None] * mouth.across + share * part.swing * jaw
        places.append(head(points) - corner)
    for part, placed, field in zip(parts, places, _fields(parts, places, mask.shape), strict=True):
        part.draw(inside, placed, field)
        if part is mouth.tongue:
            # It lies deeper than the teeth and gets its light through the opening.
            inside = cv2.convertScaleAbs(inside, alpha=min(1.0, 0.4 + 0.8 * gap / width))
    shaded = (inside * _lip_shadow(mask, width, gap)[..., None]).astype(np.uint8)
    edge = soft(mask, max(0.7, 0.012 * width))
    blend(out[top:bottom, left:right], shaded, np.rint(edge * strength).astype(np.uint8))


def _gap(flat: Floats) -> float:
    """The mean distance of the lips' inner edges in the middle of the mouth."""
    return float(np.linalg.norm(flat[UPPER_LIP[3:6]] - flat[LOWER_LIP[3:6]], axis=1).mean())


def _without_grin(jaw: Floats, source: Floats, stretch: float) -> Floats:
    """The jaw's shift without what a grin, which pulls the chin's skin down, adds to it.

    Args:
        jaw: (3,), the shift in the photo's pixels.
        source: (478, 3) the photo's landmarks in pixels.
        stretch: by how much the mouth is wider than in the photo, of its width.
    """
    down = measures.down(source)
    tall = max(float(np.linalg.norm(down)), 1e-6)
    lowered = float(jaw @ down) / tall
    pulled = min(max(lowered, 0.0), _GRIN * stretch * tall)
    return np.asarray(jaw - down / tall * pulled, np.float32)


def _cavity(mask: Image, deep: Floats) -> Image:
    """The inside of the cheeks and the throat: (h, w, 3), darkest in the middle."""
    reach = max(3, round(0.3 * mask.shape[1])) | 1
    inner = cv2.blur(cv2.blur(mask, (reach, reach)), (reach, reach)).astype(np.float32) / 255
    return np.asarray((1.25 - 0.85 * inner)[..., None] * deep, np.uint8)


def _own_set(landmarks: Floats) -> int:
    """A set of teeth for this face, by the proportion of its nose, which no expression changes."""
    nose = float(np.linalg.norm(landmarks[168] - landmarks[4]))
    eyes = float(np.linalg.norm(landmarks[33] - landmarks[263]))
    return int(nose / max(eyes, 1e-6) * 40) % 3


def _own_edge(row: Part, photo: Image, landmarks: Floats) -> Floats:
    """(3,): the way down from the upper row's edge to that of the photo's own upper teeth.

    Args:
        row: the upper teeth.
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    steps = np.linspace(0.1, 0.95, 24, dtype=np.float32)
    ends = []
    for above, below in zip(UPPER_LIP[2:7], LOWER_LIP[2:7], strict=True):
        line = landmarks[above, :2] + steps[:, None] * (landmarks[below] - landmarks[above])[:2]
        x, y = np.rint(line).astype(int).T
        level = grey[y.clip(0, len(grey) - 1), x.clip(0, grey.shape[1] - 1)].astype(np.float32)
        dark = np.flatnonzero(level < 0.62 * level[:12].max())
        later = dark[dark > 6]
        ends.append(line[later[0]] if len(later) else line[-1])
    columns = row.points.reshape(-1, row.columns, 3)
    edge = columns[-2, row.columns // 2]
    down = measures.down(landmarks)
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    lower = float((np.median(ends, axis=0) - edge[:2]) @ down[:2])
    reach = 0.12 * measures.height(landmarks)
    return np.asarray(down * np.clip(lower, 0, reach), np.float32)


def _widened(row: Part, across: Floats, landmarks: Floats) -> Part:
    """A row as wide as a smile that shows its teeth.

    Args:
        row: the teeth.
        across: (3,), the unit vector to the person's left.
        landmarks: (478, 3) in the photo's pixels.
    """
    corners = landmarks[[78, 308]]
    line = row.points.reshape(-1, row.columns, 3)[2] @ across
    wide = 0.94 * abs(float((corners[1] - corners[0]) @ across)) / max(float(np.ptp(line)), 1e-6)
    middle = float(corners.mean(0) @ across)
    shift = (row.points @ across - middle) * (float(np.clip(wide, 1.0, 1.4)) - 1)
    return replace(row, points=row.points + shift[:, None] * across)


def _uncovered(visible: Image, row: Part) -> Image:
    """Where the inside is visible and not covered by a row of teeth."""
    field = np.full((*visible.shape, 2), -9, np.float32)
    draw(field, row.triangles, row.points[:, :2], row.uv)
    matte = np.ascontiguousarray(row.colours[..., 3])
    covered = cv2.remap(matte, field[..., 0], field[..., 1], cv2.INTER_LINEAR)
    return np.where(covered > 64, 0, visible).astype(np.uint8)


def _own_teeth(row: Part, photo: Image, visible: Image, gap: float) -> Part:
    """The row with the photo's own teeth on it, where the photo shows the inside.

    Args:
        row: the teeth.
        photo: (H, W, 3).
        visible: (H, W), 255 where it shows the row.
        gap: how far the lips are apart in pixels.
    """
    field = np.full((*row.colours.shape[:2], 2), -9, np.float32)
    draw(field, row.triangles, row.uv, row.points[:, :2])
    sure = soft(cv2.erode(visible, np.ones((3, 3), np.uint8)), max(0.7, 0.05 * gap))
    seen = np.dstack([photo, sure])
    seen = cv2.remap(seen, field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    shown = seen[..., 3:].astype(np.float32) / 255
    facing = row._facing(row.points)
    shown *= np.interp(
        np.linspace(0, row.columns - 1, shown.shape[1]), np.arange(row.columns), facing
    )[None, :, None]
    own = np.dstack([seen[..., :3], np.full(seen.shape[:2], 255, np.uint8)])
    tall = np.linalg.norm(row.points[0] - row.points[-row.columns])
    more = 0.3 * gap * shown.shape[0] / max(float(tall), 1e-6)
    return replace(row, colours=_longer(row.colours, own, shown[..., 0], more))


def _longer(colours: Image, own: Image, shown: Floats, more: float) -> Image:
    """A row's picture with the photo's teeth laid over, which go on under the upper lip.

    Args:
        colours: (h, w, 4), RGB premultiplied by the matte.
        own: the same of the photo's teeth.
        shown: (h, w), 0..1, where `own` is seen.
        more: rows by which teeth are longer than what is seen of them.
    """
    height, width = shown.shape
    level = own[..., :3].astype(np.float32).sum(2) * (shown > 0.6)
    tooth_like = level > 0.82 * np.maximum(level.max(0), 1)
    seen = np.where(tooth_like.any(0), np.argmax(tooth_like, axis=0), height)
    first = own[np.minimum(seen, height - 1), np.arange(width)]
    rows = np.arange(height)[:, None]
    longer = (rows < seen) & (rows >= seen - more) & (seen < height)
    gone = (rows < seen - more) & (seen < height)
    below = np.where(longer[..., None], first[None].astype(np.float32), colours)
    shown = np.where(longer | gone, 0, shown)
    mixed = below + (own - below) * shown[..., None]
    mixed[:, seen < height] = cv2.GaussianBlur(mixed, (1, 5), 0)[:, seen < height]
    return np.rint(mixed).astype(np.uint8)


def _lip_shadow(mask: Image, width: float, gap: float) -> Floats:
    """Less light under the lips, least under the upper one: (h, w), 0..1.

    Args:
        mask: (h, w), 255 between the lips.
        width: of the mouth in pixels.
        gap: how far the lips are apart in pixels.
    """
    sigma = max(0.8, min(0.07 * width, 0.16 * gap, WIDEST))
    lowered = np.zeros_like(mask)
    drop = max(1, round(sigma * 0.5))
    lowered[drop:] = mask[:-drop]
    open_sky = cv2.GaussianBlur(lowered, (0, 0), sigma).astype(np.float32) / 255
    # Little light falls through lips that are hardly parted.
    least = 0.45 * min(1.0, 0.3 + gap / (0.22 * width))
    most = min(1.0, 0.35 + gap / (0.28 * width))
    return np.asarray(least + (most - least) * np.clip(open_sky * 1.5 - 0.25, 0, 1), np.float32)


def _light(photo: Image, landmarks: Floats, visible: Image) -> Floats:
    """(3,): how white teeth look in the photo's light, 0..1 each channel.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        visible: (H, W), 255 where it shows the inside of the mouth.
    """
    seen = photo[visible > 200].astype(np.float32)
    if len(seen) > 30:
        bright = seen[np.argsort(seen.sum(1))[-max(10, len(seen) // 3) :]].mean(0)
        if bright.min() > 90:
            return np.asarray(bright / 255, np.float32)
    height, width = photo.shape[:2]
    places = np.rint(landmarks[_CHEEKS, :2]).astype(int).clip(0, [width - 1, height - 1])
    skin = np.median(photo[places[:, 1], places[:, 0]].astype(np.float32), axis=0)
    level = 0.32 + 0.56 * float(skin.max()) / 255
    # Half of the skin's cast is the light's; the other half is the skin's own colour, and dark
    # skin has more of it.
    cast = skin / max(float(skin.max()), 1.0)
    lightness = float(np.clip((skin.max() - 100) / 120, 0, 1))
    typical = np.array([1.0, 0.67 + 0.12 * lightness, 0.51 + 0.18 * lightness], np.float32)
    cast = np.clip(cast / typical, 0.45, 1.0)
    return np.asarray(level * cast**0.7 * _ENAMEL, np.float32)


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


def _row(
    png: Image, grid: Floats, upper: bool, place: Similarity, light: Floats, lip: Floats
) -> Part:
    """One row of teeth: its picture at about the photo's resolution, in the photo's light.

    Args:
        png: the unrolled row, coded.
        grid: (rows, columns, 3), its points in centimetres of the neutral face.
        upper: whether it is the upper row.
        place: from the neutral face to the photo's pixels.
        light: (3,) 0..1, of white teeth.
        lip: (3,) 0..255, colour of the lips.
    """
    picture = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    matte = picture[..., 3:].astype(np.float32) / 255
    rows, columns = grid.shape[:2]
    around = np.abs(np.linspace(-1, 1, picture.shape[1]))
    # Cheeks and lips keep the light from the back of the row.
    falloff = (1.0 - 0.5 * np.clip((around - 0.35) / 0.6, 0, 1) ** 1.2)[None, :, None]
    texture = picture[..., :3].astype(np.float32)
    red = np.clip((texture[..., :1] - texture[..., 1:2]) / 50, 0, 1)
    # The asset's teeth are grey with dark seams; in a mouth most of the light is scattered.
    grey = texture.mean(2, keepdims=True)
    usual = float(np.median(grey[(red < 0.1) & (picture[..., 3:] > 250)]))
    tooth = np.clip(1 + 0.6 * (grey / usual - 1), 0, 1.12) * 255 * light
    gum = texture[..., :1] / 130 * (0.5 * lip + 0.5 * np.array([190, 105, 105]) * light)
    whitened = np.clip(tooth * (1 - red) + gum * red, 0, 255)
    colours = np.dstack([whitened * falloff * matte, matte[..., 0] * 255])
    scale = float(np.clip(place.scale * 1.2 / _TEXELS_PER_CM, 0.08, 1.0))
    size = (max(8, round(picture.shape[1] * scale)), max(4, round(picture.shape[0] * scale)))
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    points = grid.reshape(-1, 3) * np.array([1, -1, -1], np.float32)
    edge = points[:, 1].max() if upper else points[:, 1].min()
    points[:, 1] = edge + (points[:, 1] - edge) * (1.25 if upper else 1.1)  # less gum
    return Part(
        place(points),
        _swing(points),
        np.rint(colours).astype(np.uint8),
        _grid_uv(rows, columns, size),
        _grid_triangles(rows, columns),
        columns,
    )


def _tongue(place: Similarity, light: Floats, lip: Floats) -> Part:
    """A tongue at rest behind the lower teeth: a dome with a groove, soft at its rim.

    Args:
        place: from the neutral face's centimetres to the photo's pixels.
        light: (3,) 0..1, of white teeth.
        lip: (3,) 0..255, colour of the lips.
    """
    rows, columns = 6, 9
    v, u = np.mgrid[0:rows, 0:columns] / np.array([rows - 1, columns - 1])[:, None, None]
    across = (u - 0.5) * 2
    points = np.dstack(
        [
            across * (2.0 + 0.2 * v),
            -(-4.9 + 1.4 * np.sin(v * np.pi * 0.55) * (1 - 0.3 * across**2)),
            -(3.7 - 3.2 * v - 0.5 * across**2),
        ]
    ).reshape(-1, 3)
    side = 48
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    off = np.abs(x - 0.5) * 2
    form = 1.15 - 0.4 * off**2 - 0.1 * np.exp(-((off / 0.12) ** 2)) - 0.68 * y
    colour = 0.5 * lip + 0.5 * np.array([215, 115, 120], np.float32) * light
    matte = np.clip((1 - off) / 0.25, 0, 1) * np.clip(y / 0.1, 0, 1) * np.clip((1 - y) / 0.45, 0, 1)
    rgb = np.clip(form, 0.05, 1)[..., None] * colour * matte[..., None]
    return Part(
        place(points.astype(np.float32)),
        _swing(points.astype(np.float32)),
        np.clip(np.dstack([rgb, matte * 255]), 0, 255).astype(np.uint8),
        _grid_uv(rows, columns, (side, side)),
        _grid_triangles(rows, columns),
        0,
    )


def _swing(points: Floats) -> Floats:
    """(N, 1): the share of the chin's motion at points in centimetres of the neutral face."""
    hinge = 3.3  # behind the origin, where the jaw's joint is
    return np.asarray(np.clip((hinge - points[:, 2:]) / (hinge + 4.5), 0, 1), np.float32)


def _grid_uv(rows: int, columns: int, size: tuple[int, int]) -> Floats:
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    flat = np.dstack([u / (columns - 1) * (size[0] - 1), v / (rows - 1) * (size[1] - 1)])
    return np.asarray(flat.reshape(-1, 2), np.float32)


def _grid_triangles(rows: int, columns: int) -> Indices:
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    a, b, c, d = first, first + 1, first + columns, first + columns + 1
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])


@cache
def _asset() -> dict[str, Any]:
    with (files("models.mesh") / "mouth.npz").open("rb") as file, np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}
