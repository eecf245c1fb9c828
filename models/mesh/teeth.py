"""A row of teeth or the tongue as a small 3-D part with a picture on it, and how rows are made.

The rows come from a model of teeth that stand apart. In a mouth they are seen as one row with soft
seams, so the gaps are closed and the contrast is taken down; then they get the photo's light,
blur and grain, and the photo's own teeth where it shows some.
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
from models.face.topology import LOWER_LIP, UPPER_LIP, Indices
from models.mesh.paint import over, soft
from models.mesh.photo_light import PhotoLight
from models.mesh.pose import Similarity
from models.mesh.raster import draw
from models.types import Floats, Image

_TEXELS_PER_CM = 43.0
"""Of the unrolled teeth at their front."""

DENSITY = 1.2
"""Texels for a pixel of the photo: fewer would blur twice, more would flicker."""

_FORM, _SEAMS = 0.45, 0.7
"""Shares of the model's contrast that light scattered in a mouth leaves: over a tooth, and between
two. By eye on grins at call size, and by the local contrast of real frames."""

_LOWER = 0.72
"""Light on the lower row, which lies behind the upper one and the lip."""

_ROSY = 0.4
"""Share of the flesh's colour in the light on the lower row."""

_CROWN = 45.0
"""Texels from the biting edge to the neck of a front tooth, with what is lengthened."""

_LIFT = (13, 6)
"""Texels by which crowns are lengthened over the gums, upper and lower: they are hardly seen."""


@dataclass(frozen=True)
class Part:
    """A row of teeth or the tongue: a grid of points with a picture on it.

    Attributes:
        points: (N, 3) in the photo's pixels.
        swing: (N, 1), how far each goes with the chin: the jaw turns about its joint, so the back
            goes less.
        colours: (h, w, 4) premultiplied.
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
        """Draw the part into `inside` with its points at (N, 3) pixels of it.

        field: (h, w, 2), where each pixel of `inside` is in `colours`.
        """
        drawn = cv2.remap(self.colours, field, None, cv2.INTER_LINEAR)
        if self.columns:
            # One value a column of texels, so that no column of the grid is seen as a step.
            facing = np.tile(self.facing(points, self.colours.shape[1]), (2, 1))
            shown = cv2.remap(facing, field[..., 0], np.zeros_like(field[..., 0]), cv2.INTER_LINEAR)
            drawn = cv2.multiply(drawn, cv2.merge([shown] * 4), dtype=cv2.CV_8U)
        inside[:] = over(np.asarray(drawn, np.uint8), inside)

    def facing(self, points: Floats, width: int) -> Floats:
        """(width,) 0..1: how much of each column of texels is seen from outside."""
        rows = len(points) // self.columns
        line = points[(rows // 2) * self.columns :][: self.columns]
        along = np.empty_like(line)
        along[1:-1] = line[2:] - line[:-2]
        along[0], along[-1] = line[1] - line[0], line[-1] - line[-2]
        facing = along[:, 0] / np.maximum(np.sqrt((along**2).sum(1)), 1e-6)
        facing = np.clip((facing - 0.12) / 0.5, 0, 1)
        texels = np.linspace(0, self.columns - 1, width)
        return np.asarray(np.interp(texels, np.arange(self.columns), facing), np.float32)

    def grid(self) -> Floats:
        """(rows, columns, 3), the points of a row of teeth."""
        return self.points.reshape(-1, self.columns, 3)


def fields(parts: Sequence[Part], places: Sequence[Floats], shape: tuple[int, ...]) -> Floats:
    """(parts, h, w, 2): where each pixel of a picture (h, w) is in the colours of each part.

    places: (N, 3) each, the parts' points in pixels of the picture.
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
class _Relief:
    """A row of the model without any light.

    Attributes:
        tooth: (h, w, 1) brightness of the enamel, about 1.
        gums: (h, w, 1) 0..1, how much of a texel is gum.
        gum: (h, w, 1) brightness of the gum, about 1.
        matte: (h, w, 1) 0..1.
        grid: (rows, columns, 3) in centimetres of the neutral face, y down, z away.
    """

    tooth: Floats
    gums: Floats
    gum: Floats
    matte: Floats
    grid: Floats


@cache
def _asset() -> dict[str, Any]:
    with (files("models.mesh") / "mouth.npz").open("rb") as file, np.load(file) as arrays:
        return {name: arrays[name] for name in arrays.files}


@cache
def _relief(number: int, upper: bool) -> _Relief:
    """One of the model's three rows, as one continuous row with soft seams."""
    name = f"{'upper' if upper else 'lower'}{number}"
    picture = cv2.imdecode(_asset()[f"{name}_png"], cv2.IMREAD_UNCHANGED)
    picture = _even_edge(cv2.cvtColor(picture, cv2.COLOR_BGRA2RGBA), upper)
    texture, solid = picture[..., :3].astype(np.float32), picture[..., 3]
    matte = solid.astype(np.float32) / 255
    whole = _blurred(_closed(solid), 3.0, 1.2) / 255
    red = np.clip((texture[..., 0] - texture[..., 1]) / 50, 0, 1)
    teeth = (red < 0.1) & (solid > 250)
    grey = texture.mean(2)
    usual = float(np.median(grey[teeth]))
    level = np.where(teeth, grey / usual, 1.0).astype(np.float32)
    weight = np.where(teeth, 1.0, 1e-3).astype(np.float32)
    form = _blurred(level * weight, 5, 5) / _blurred(weight, 5, 5)
    between = (whole > 0.5) & ~teeth & (red < 0.25)
    detail = np.where(teeth, level - form, np.where(between, -0.3, 0.0)).astype(np.float32)
    # Seams go on as far as the crowns do, under gums and lip: so their mean by columns is taken.
    crown = np.where(red < 0.1, whole, 0)
    seams = (np.clip(detail, -0.35, 0.1) * crown).sum(0) / np.maximum(crown.sum(0), 1)
    broad = (form * crown).sum(0) / np.maximum(crown.sum(0), 1)
    aside = np.abs(np.linspace(-1, 1, picture.shape[1], dtype=np.float32))
    seams *= 1 - 0.8 * np.clip((aside - 0.22) / 0.2, 0, 1)  # molars are seen as one
    edge = _biting_edge(picture, upper)
    rise = np.abs(np.arange(picture.shape[0], dtype=np.float32)[:, None] - edge) / _CROWN
    deep = _SEAMS * np.interp(rise, [0, 0.2, 1.0], [1.2, 1.0, 0.5])
    tooth = 1 + _FORM * (broad - 1) + deep * _blurred(seams[None], 1.6, 0.1)
    # The edge is a little translucent, the neck a little darker, the middle shines.
    tooth = tooth * np.interp(rise, [0, 0.12, 0.4, 1.0], [0.93, 1.0, 1.03, 0.9])
    gums = _blurred(_lifted(red, upper), 2.5, 2.5) * _blurred(matte, 1.0, 1.0)
    points = _asset()[f"{name}_grid"] * np.array([1, -1, -1], np.float32)
    edge = points[..., 1].max() if upper else points[..., 1].min()
    points[..., 1] = edge + (points[..., 1] - edge) * (1.25 if upper else 1.1)  # less gum
    return _Relief(
        tooth=np.clip(tooth, 0.6, 1.06).astype(np.float32)[..., None],
        gums=gums[..., None],
        gum=texture[..., :1] / 120,
        matte=whole[..., None],
        grid=points,
    )


def _blurred(values: Any, across: float, down: float) -> Floats:
    values = np.asarray(values, np.float32)
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigmaX=across, sigmaY=down), np.float32)


def _closed(matte: Image) -> Image:
    """The matte of a row without the gaps between its teeth."""
    return np.asarray(cv2.morphologyEx(matte, cv2.MORPH_CLOSE, np.ones((3, 25), np.uint8)))


def _lifted(red: Floats, upper: bool) -> Floats:
    """Where gums are, moved away from the biting edge."""
    by = _LIFT[0] if upper else _LIFT[1]
    shift = np.array([[1, 0, 0], [0, 1, -by if upper else by]], np.float32)
    size = red.shape[::-1]
    return np.asarray(cv2.warpAffine(red, shift, size, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _biting_edge(picture: Image, upper: bool) -> Floats:
    """(1, w): the line of texels at which the row ends in each column."""
    solid = _closed(picture[..., 3]) > 128
    edge = len(solid) - 1 - np.argmax(solid[::-1], 0) if upper else np.argmax(solid, 0)
    return np.asarray(edge, np.float32)[None]


def _even_edge(picture: Image, upper: bool) -> Image:
    """The row with its biting edge nearer to a smooth curve: no tooth stands out like a peg."""
    height, width = picture.shape[:2]
    edge = _biting_edge(picture, upper)
    shift = _blurred(0.65 * (edge - _blurred(edge, 13, 0.1)), 2, 0.1)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # Only the crown moves: the shift fades toward the root.
    y += shift * np.clip(1 - np.abs(y - edge) / _CROWN, 0, 1)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def row(number: int, upper: bool, place: Similarity, light: PhotoLight) -> Part:
    """One row of teeth in the photo's light.

    Args:
        number: which set, 0..2.
        upper: the upper row, or the lower one.
        place: from centimetres of the neutral face to pixels of the photo.
        light: of the photo.
    """
    relief = _relief(number, upper)
    height, width = relief.tooth.shape[:2]
    rosy = 0.55 * light.lip + 0.45 * light.enamel * np.array([0.67, 0.35, 0.35], np.float32)
    # In a flat drawing teeth are one band in its own white, and only the upper ones are seen.
    plain = 1 - light.flat
    enamel, gum = (1 + plain * (relief.tooth - 1)) * light.enamel, relief.gum * rosy
    # Columns run from the person's right to the left.
    along = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    right, left = light.sides
    # Cheeks and lips keep the light from the back of the row.
    back = 1 - 0.5 * plain * np.clip((np.abs(2 * along - 1) - 0.2) / 0.5, 0, 1) ** 1.2
    lit = back * (1 + plain * (right + (left - right) * along - 1))
    if not upper:
        # What comes to the lower row comes off lips and tongue.
        enamel, lit = enamel + _ROSY * (rosy - enamel), lit * _LOWER
    colour = np.clip((enamel + (gum - enamel) * relief.gums * plain) * lit, 0, 255)
    matte = relief.matte + (1 - plain) * (
        _band(relief.matte) - relief.matte if upper else -relief.matte
    )
    colours = np.dstack([colour * matte, matte * 255])
    scale = float(np.clip(place.scale * DENSITY / _TEXELS_PER_CM, 0.08, 1.0))
    size = (max(8, round(width * scale)), max(4, round(height * scale)))
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    points = relief.grid.reshape(-1, 3)
    rows, columns = relief.grid.shape[:2]
    return Part(
        place(points),
        swing(points),
        as_taken(colours, light),
        grid_uv(rows, columns, size),
        grid_triangles(rows, columns),
        columns,
    )


def _band(matte: Floats) -> Floats:
    """(h, w, 1): the matte of an upper row, with a biting edge as smooth as if drawn at one go."""
    solid = matte[..., 0] > 0.5
    edge = len(solid) - 1 - np.argmax(solid[::-1], 0)
    seen = np.asarray(solid.any(0))
    smooth = _blurred(np.where(seen, edge, 0)[None], 30, 0.1)
    smooth /= np.maximum(_blurred(seen[None], 30, 0.1), 1e-3)
    rows = np.arange(len(solid), dtype=np.float32)[:, None]
    return np.asarray((np.clip(smooth - rows + 0.5, 0, 1) * seen)[..., None], np.float32)


def as_taken(colours: Floats, light: PhotoLight) -> Image:
    """Colours (h, w, 4), premultiplied 0..255, with the photo's blur and grain."""
    if light.blur > 0.1:
        colours = cv2.GaussianBlur(colours, (0, 0), light.blur * DENSITY)
    noise = np.random.default_rng(7).normal(0, 1, colours.shape[:2]).astype(np.float32)
    noise = _blurred(noise, 0.7, 0.7)
    # Drawing it softens the grain by about a quarter.
    noise *= 1.3 * light.grain / max(float(noise.std()), 1e-6)
    grained = colours[..., :3] + (noise * colours[..., 3] / 255)[..., None]
    colours = np.dstack([np.minimum(grained, colours[..., 3:]), colours[..., 3]])
    return np.asarray(np.rint(np.clip(colours, 0, 255)), np.uint8)


# The photo's own teeth


def with_own(upper: Part, lower: Part, photo: Image, seen: Image, gap: float) -> tuple[Part, Part]:
    """Both rows with the photo's own teeth on them.

    Args:
        upper: the upper row, where the photo shows its own.
        lower: the lower row.
        photo: (h, w, 3).
        seen: (h, w), 255 where the photo shows teeth.
        gap: how far its lips are apart, in pixels.
    """
    upper = _own_on(upper, photo, seen, gap)
    return upper, _own_on(lower, photo, _uncovered(seen, upper), gap)


def own_edge(row: Part, photo: Image, landmarks: Floats) -> Floats:
    """(3,): the way down from the upper row's edge to that of the photo's own upper teeth."""
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
    edge = row.grid()[-2, row.columns // 2]
    down = measures.down(landmarks)
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    lower = float((np.median(ends, axis=0) - edge[:2]) @ down[:2])
    reach = 0.12 * measures.height(landmarks)
    return np.asarray(down * np.clip(lower, 0, reach), np.float32)


def widened(row: Part, across: Floats, landmarks: Floats) -> Part:
    """A row as wide as a smile that shows its teeth."""
    corners = landmarks[[78, 308]]
    line = row.grid()[2] @ across
    wide = 0.94 * abs(float((corners[1] - corners[0]) @ across)) / max(float(np.ptp(line)), 1e-6)
    middle = float(corners.mean(0) @ across)
    shift = (row.points @ across - middle) * (float(np.clip(wide, 1.0, 1.4)) - 1)
    return replace(row, points=row.points + shift[:, None] * across)


def _uncovered(seen: Image, row: Part) -> Image:
    """Where teeth are seen that a row does not cover."""
    field = np.full((*seen.shape, 2), -9, np.float32)
    draw(field, row.triangles, row.points[:, :2], row.uv)
    matte = np.ascontiguousarray(row.colours[..., 3])
    covered = cv2.remap(matte, field[..., 0], field[..., 1], cv2.INTER_LINEAR)
    return np.where(covered > 64, 0, seen).astype(np.uint8)


def _own_on(row: Part, photo: Image, seen: Image, gap: float) -> Part:
    """The row with the photo's own teeth on it, where it shows them."""
    width = row.colours.shape[1]
    field = np.full((*row.colours.shape[:2], 2), -9, np.float32)
    draw(field, row.triangles, row.uv, row.points[:, :2])
    sure = soft(cv2.erode(seen, np.ones((3, 3), np.uint8)), max(0.7, 0.05 * gap))
    found = cv2.remap(
        np.dstack([photo, sure]), field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shown = found[..., 3].astype(np.float32) / 255 * row.facing(row.points, width)
    own = np.dstack([found[..., :3], np.full(found.shape[:2], 255, np.uint8)])
    tall = np.linalg.norm(row.points[0] - row.points[-row.columns])
    more = 0.3 * gap * shown.shape[0] / max(float(tall), 1e-6)
    return replace(row, colours=_longer(row.colours, own, shown, more))


def _longer(colours: Image, own: Image, shown: Floats, more: float) -> Image:
    """A row's picture with the photo's teeth laid over, which go on under the upper lip.

    colours, own: (h, w, 4), premultiplied; shown: (h, w), 0..1, where `own` is seen; more: rows
    by which teeth are longer than what is seen of them.
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
    shown = np.where(longer | gone, 0, shown)[..., None]
    mixed = below + (own - below) * shown
    mixed[:, seen < height] = cv2.GaussianBlur(mixed, (1, 5), 0)[:, seen < height]
    return np.rint(mixed).astype(np.uint8)


# Grids


def swing(points: Floats) -> Floats:
    """(N, 1): the share of the chin's motion at points in centimetres of the neutral face."""
    hinge = 3.3  # behind the origin, where the jaw's joint is
    return np.asarray(np.clip((hinge - points[:, 2:]) / (hinge + 4.5), 0, 1), np.float32)


def grid_uv(rows: int, columns: int, size: tuple[int, int]) -> Floats:
    """(rows * columns, 2): the points of a grid in a picture of some width and height."""
    v, u = np.mgrid[0:rows, 0:columns].astype(np.float32)
    flat = np.dstack([u / (columns - 1) * (size[0] - 1), v / (rows - 1) * (size[1] - 1)])
    return np.asarray(flat.reshape(-1, 2), np.float32)


def grid_triangles(rows: int, columns: int) -> Indices:
    """(T, 3): two triangles for each cell of a grid."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    a, b, c, d = first, first + 1, first + columns, first + columns + 1
    return np.concatenate([np.stack([a, b, d], 1), np.stack([a, d, c], 1)])
