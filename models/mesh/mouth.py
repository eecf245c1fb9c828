"""The inside of the mouth: teeth and tongue in 3-D, posed with skull and jaw, behind the lips.

The upper teeth are fixed to the skull and the lower ones to the jaw, so they are right at any
pose; they are lit and tinted like the photo's skin. Teeth that the photo itself shows stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import cv2
import numpy as np

from models.mesh.paint import blend, box, fill, smooth_loop, soft
from models.mesh.pose import Similarity, fit
from models.mesh.raster import draw
from models.mesh.topology import INNER_LIPS, LOWER_LIP, STABLE, UPPER_LIP, Indices
from models.types import Floats, Image

# fmt: off
_OUTER_LIPS = np.array(
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
)
_CHEEKS = np.array([50, 101, 118, 205, 280, 330, 347, 425])
# fmt: on
_SKULL = np.array([33, 263, 2])  # outer eye corners and the base of the nose
_JAW = np.array([17, 17, 18, 200, 199, 152])  # the lower lip counts twice: teeth hide behind it
_TEXELS_PER_CM = 43.0  # of the unrolled teeth at their front


@dataclass(frozen=True)
class Part:
    """A row of teeth or the tongue: a grid of points with a picture on it.

    points: (N, 3) in the photo's pixels. colours: (h, w, 4) premultiplied. uv: (N, 2) pixels of
    `colours`. triangles: (T, 3).
    """

    points: Floats
    colours: Image
    uv: Floats
    triangles: Indices

    def draw(self, inside: Image, points: Floats) -> None:
        """Draw the part into `inside` with its points at (N, 3) pixels of it."""
        field = np.full((*inside.shape[:2], 2), -9, np.float32)
        far_first = np.argsort(-points[:, 2][self.triangles].sum(1), kind="stable")
        draw(field, self.triangles[far_first], points[:, :2], self.uv)
        drawn = cv2.remap(self.colours, field[..., 0], field[..., 1], cv2.INTER_LINEAR)
        rest = 255 - drawn[..., 3:].astype(np.uint16)
        inside[:] = drawn[..., :3] + (inside * rest // 255).astype(np.uint8)


@dataclass(frozen=True)
class Mouth:
    """The inside of one photo's mouth.

    upper, lower, tongue: what is drawn. deep: (3,), the colour of the dark behind.
    picture: (h, w, 3) the photo around the mouth; visible: (h, w), 255 where it shows the inside;
    origin: left, top of these in the photo; anchor: (3, 2), points there that the skull holds.
    gap: the photo's own opening in pixels.
    """

    upper: Part
    lower: Part
    tongue: Part
    deep: Floats
    picture: Image
    visible: Image
    origin: Floats
    anchor: Floats
    gap: float


def build(photo: Image, landmarks: Floats, teeth: int = 0) -> Mouth:
    """The mouth for a photo with (478, 3) landmarks in pixels; `teeth`: which set, 0..2."""
    outline = landmarks[INNER_LIPS, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    left, top, right, bottom = box(outline, max(4.0, 0.15 * width), photo)
    picture = np.ascontiguousarray(photo[top:bottom, left:right])
    gap = _gap(landmarks[:, :2])
    visible = np.zeros(picture.shape[:2], np.uint8)
    if gap > 0.06 * width:
        fill(visible, outline - (left, top))
        visible = soft(visible, max(0.6, 0.012 * width))
    lips = np.zeros(photo.shape[:2], np.uint8)
    fill(lips, landmarks[_OUTER_LIPS, :2])
    lip = np.array(cv2.mean(photo, lips)[:3], np.float32)
    light = _light(photo, landmarks, visible, picture)
    place = _placement(landmarks)
    asset = _asset()
    rows = [
        _row(asset[f"{side}{teeth}_png"], asset[f"{side}{teeth}_grid"], place, light, lip)
        for side in ("upper", "lower")
    ]
    return Mouth(
        upper=rows[0],
        lower=rows[1],
        tongue=_tongue(place, light, lip),
        deep=lip * np.array([0.3, 0.14, 0.14], np.float32) + 4,
        picture=picture,
        visible=visible,
        origin=np.array([left, top], np.float32),
        anchor=landmarks[_SKULL, :2],
        gap=gap,
    )


def paint(out: Image, mouth: Mouth, source: Floats, target: Floats, head: Similarity) -> None:
    """Draw the mouth's inside into `out`, between the lips of (478, 3) target landmarks.

    source: (478, 3) the photo's landmarks; head: the skull's motion from source to target.
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

    jaw = (head.inverse(target[_JAW]) - source[_JAW]).mean(0)
    inside = np.empty((*mask.shape, 3), np.uint8)
    inside[:] = mouth.deep
    mouth.tongue.draw(inside, head(mouth.tongue.points + jaw) - corner)
    mouth.lower.draw(inside, head(mouth.lower.points + jaw) - corner)
    mouth.upper.draw(inside, head(mouth.upper.points) - corner)
    if mouth.visible.any():
        move = cv2.getAffineTransform(
            (mouth.anchor - mouth.origin).astype(np.float32),
            (flat[_SKULL] - (left, top)).astype(np.float32),
        )
        own = cv2.warpAffine(mouth.picture, move, size, flags=cv2.INTER_LINEAR)
        blend(inside, own, cv2.warpAffine(mouth.visible, move, size, flags=cv2.INTER_LINEAR))
    shaded = (inside * _lip_shadow(mask, width, gap)[..., None]).astype(np.uint8)
    edge = soft(mask, max(0.7, 0.012 * width))
    blend(out[top:bottom, left:right], shaded, np.rint(edge * strength).astype(np.uint8))


def _gap(flat: Floats) -> float:
    """The mean distance of the lips' inner edges in the middle of the mouth."""
    return float(np.linalg.norm(flat[UPPER_LIP[3:6]] - flat[LOWER_LIP[3:6]], axis=1).mean())


def _lip_shadow(mask: Image, width: float, gap: float) -> Floats:
    """Less light under the lips, most under the upper one: (h, w), 0..1."""
    sigma = max(0.8, min(0.07 * width, 0.16 * gap))
    lowered = np.zeros_like(mask)
    drop = max(1, round(sigma * 0.5))
    lowered[drop:] = mask[:-drop]
    open_sky = cv2.GaussianBlur(lowered, (0, 0), sigma).astype(np.float32) / 255
    return np.asarray(0.45 + 0.55 * np.clip(open_sky * 1.5 - 0.25, 0, 1), np.float32)


def _light(photo: Image, landmarks: Floats, visible: Image, picture: Image) -> Floats:
    """(3,): how white teeth look in the photo's light, 0..1 each channel."""
    if visible.any():
        seen = picture[visible > 200].astype(np.float32)
        if len(seen) > 30:
            bright = seen[np.argsort(seen.sum(1))[-max(10, len(seen) // 3) :]].mean(0)
            if bright.min() > 90:
                return np.asarray(bright / 235, np.float32)
    height, width = photo.shape[:2]
    places = np.rint(landmarks[_CHEEKS, :2]).astype(int).clip(0, [width - 1, height - 1])
    skin = np.median(photo[places[:, 1], places[:, 0]].astype(np.float32), axis=0)
    level = 0.35 + 0.5 * float(skin.max()) / 255
    # Half of the skin's cast is the light's; the other half is the skin's own colour.
    cast = skin / max(float(skin.max()), 1.0)
    typical = np.array([1.0, 0.76, 0.64], np.float32)
    return np.asarray(level * np.clip(cast / typical, 0.45, 1.0), np.float32)


def _placement(landmarks: Floats) -> Similarity:
    """From the neutral face mesh's centimetres (x, y down, z away) to the photo's pixels."""
    neutral = _asset_neutral()
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


def _row(png: Image, grid: Floats, place: Similarity, light: Floats, lip: Floats) -> Part:
    """One row of teeth: its picture at about the photo's resolution, in the photo's light."""
    picture = cv2.cvtColor(cv2.imdecode(png, cv2.IMREAD_UNCHANGED), cv2.COLOR_BGRA2RGBA)
    matte = picture[..., 3:].astype(np.float32) / 255
    rows, columns = grid.shape[:2]
    around = np.abs(np.linspace(-1, 1, picture.shape[1]))
    # Cheeks and lips keep the light from the back of the row.
    falloff = (1.0 - 0.6 * np.clip((around - 0.2) / 0.65, 0, 1) ** 1.2)[None, :, None]
    enamel = np.array([1.24, 1.17, 1.04], np.float32)  # teeth are never bluish
    texture = picture[..., :3].astype(np.float32)
    red = np.clip((texture[..., :1] - texture[..., 1:2]) / 50, 0, 1)
    gum = texture[..., :1] / 130 * lip
    whitened = np.clip(texture * enamel * light * (1 - red) + gum * red, 0, 255)
    colours = np.dstack([whitened * falloff * matte, matte[..., 0] * 255])
    scale = float(np.clip(place.scale * 1.2 / _TEXELS_PER_CM, 0.08, 1.0))
    size = (max(8, round(picture.shape[1] * scale)), max(4, round(picture.shape[0] * scale)))
    colours = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    return Part(
        place(grid.reshape(-1, 3) * np.array([1, -1, -1], np.float32)),
        np.rint(colours).astype(np.uint8),
        _grid_uv(rows, columns, size),
        _grid_triangles(rows, columns),
    )


def _tongue(place: Similarity, light: Floats, lip: Floats) -> Part:
    """A tongue at rest behind the lower teeth: a dome with a groove, soft at its rim."""
    rows, columns = 6, 9
    v, u = np.mgrid[0:rows, 0:columns] / np.array([rows - 1, columns - 1])[:, None, None]
    across = (u - 0.5) * 2
    points = np.dstack(
        [
            across * (1.9 + 0.2 * v),
            -(-4.95 + 1.35 * np.sin(v * np.pi * 0.55) * (1 - 0.3 * across**2)),
            -(3.7 - 3.2 * v - 0.5 * across**2),
        ]
    ).reshape(-1, 3)
    side = 48
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    off = np.abs(x - 0.5) * 2
    form = 1.15 - 0.4 * off**2 - 0.2 * np.exp(-((off / 0.12) ** 2)) - 0.55 * y
    colour = 0.5 * lip + 0.5 * np.array([225, 120, 115], np.float32) * light
    matte = np.clip((1 - off) / 0.25, 0, 1) * np.clip(y / 0.1, 0, 1) * np.clip((1 - y) / 0.3, 0, 1)
    rgb = np.clip(form, 0.05, 1)[..., None] * colour * matte[..., None]
    return Part(
        place(points.astype(np.float32)),
        np.clip(np.dstack([rgb, matte * 255]), 0, 255).astype(np.uint8),
        _grid_uv(rows, columns, (side, side)),
        _grid_triangles(rows, columns),
    )


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


@cache
def _asset_neutral() -> Floats:
    """The neutral face (468, 3) with y down and z away from the camera, in centimetres."""
    with (files("models.mesh") / "topology.npz").open("rb") as file:
        return np.asarray(np.load(file)["neutral"] * np.array([1, -1, -1]), np.float32)
