"""Eyes and mouth, drawn over the warped face: what no stretched triangle can show.

The eyeball is a layer behind the lids that moves as one piece. The mouth's inside is dark, with
the source's own visible teeth fixed to the skull. These are the slots of the region networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.mesh.topology import EYES, INNER_LIPS, LOWER_LIP, UPPER_LIP, Eye
from models.types import Floats, Image

_SHIFT = 4  # fractional bits of cv2's polygon coordinates


@dataclass(frozen=True)
class EyeLayer:
    """One eyeball of the photo.

    eye: which points. picture: (h, w, 3), the eye with the white continued behind the lids.
    skin: (h, w, 3), the same place with the lid's skin over the whole eye, for when it closes.
    lash: (3,) float, the colour of the line between closed lids.
    origin: left, top of the pictures in the photo. corners: (2, 2), upper: (7, 2) the upper lid's
    edge and iris: (2,), photo pixels. gap: the lids' distance in pixels.
    """

    eye: Eye
    picture: Image
    skin: Image
    lash: Floats
    origin: Floats
    corners: Floats
    upper: Floats
    iris: Floats
    gap: float


@dataclass(frozen=True)
class MouthLayer:
    """The inside of the mouth of the photo.

    picture: (h, w, 3) the photo around the mouth; visible: (h, w) uint8, where the photo shows
    the inside. origin: left, top in the photo. anchor: (3, 2), three points fixed to the skull.
    depth: (3,) float, the colour of the dark. gap: the photo's own opening in pixels.
    """

    picture: Image
    visible: Image
    origin: Floats
    anchor: Floats
    depth: Floats
    gap: float


def cut_eyes(photo: Image, landmarks: Floats) -> list[EyeLayer]:
    """The eyeballs of a photo with (478, 3) landmarks in pixels; closed eyes give none."""
    layers = []
    for eye in EYES:
        outline = landmarks[eye.opening, :2]
        width = float(np.linalg.norm(landmarks[eye.corners[0], :2] - landmarks[eye.corners[1], :2]))
        gap = _gap(landmarks, eye)
        if width < 4 or gap < 0.1 * width:
            continue
        left, top, right, bottom = _box(outline, 0.6 * width, photo)
        picture = np.ascontiguousarray(photo[top:bottom, left:right])
        inside = np.zeros(picture.shape[:2], np.uint8)
        local = outline - (left, top)
        _fill(inside, local.mean(0) + (local - local.mean(0)) * np.array([0.97, 0.86]))
        layers.append(
            EyeLayer(
                eye,
                _extend(picture, inside, width),
                _lid_skin(picture, local, width),
                _lash_colour(picture, landmarks[eye.upper, :2] - (left, top), width),
                np.array([left, top], np.float32),
                landmarks[eye.corners, :2],
                landmarks[eye.upper, :2],
                landmarks[eye.iris[0], :2],
                gap,
            )
        )
    return layers


def _gap(landmarks: Floats, eye: Eye) -> float:
    """The lids' mean distance in the picture."""
    span = landmarks[eye.upper[2:5], :2] - landmarks[eye.lower[2:5], :2]
    return float(np.linalg.norm(span, axis=1).mean())


def _lid_skin(picture: Image, outline: Floats, width: float) -> Image:
    """The skin around an eye, continued over it and its lashes."""
    hole = np.zeros(picture.shape[:2], np.uint8)
    _fill(hole, outline)
    reach = max(3, round(width * 0.2)) | 1
    hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    skin = cv2.inpaint(picture, hole, max(3.0, width * 0.1), cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(skin, (0, 0), max(width * 0.05, 0.8))
    _blend(skin, np.asarray(smooth, np.uint8), _soft(hole, max(width * 0.03, 0.8)))
    return np.asarray(skin, np.uint8)


def _lash_colour(picture: Image, edge: Floats, width: float) -> Floats:
    """The darker colours along the upper lid's edge."""
    line = np.zeros(picture.shape[:2], np.uint8)
    cv2.polylines(line, [np.rint(edge).astype(np.int32)], False, 255, max(1, round(width * 0.07)))
    colours = picture[line > 0].astype(np.float32)
    dark = np.argsort(colours.sum(1))[: max(1, len(colours) // 3)]
    return np.asarray(colours[dark].mean(0), np.float32)


def _extend(picture: Image, inside: Image, width: float) -> Image:
    """Continue the eye behind the lids."""
    rim = inside > 0
    sigma = max(width * 0.06, 1.0)
    total = np.zeros(picture.shape, np.float32)
    weight = np.zeros(picture.shape[:2], np.float32)
    for spread, trust in ((1.0, 1.0), (3.0, 1e-2), (9.0, 1e-4)):
        # Wider up and down than sideways: what a lid hides is mostly what is right below it.
        across, along = sigma * spread * 0.4, sigma * spread
        share = rim.astype(np.float32)
        total += trust * cv2.GaussianBlur(
            picture * share[..., None], (0, 0), sigmaX=across, sigmaY=along
        )
        weight += trust * cv2.GaussianBlur(share, (0, 0), sigmaX=across, sigmaY=along)
    behind = total / np.maximum(weight, 1e-12)[..., None]
    keep = cv2.GaussianBlur(rim.astype(np.float32), (0, 0), max(width * 0.015, 0.5))[..., None]
    keep = np.clip(keep * 2 - 0.5, 0, 1)
    mixed = picture * keep + behind * (1 - keep)
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)


def draw_eye(out: Image, layer: EyeLayer, target: Floats) -> None:
    """Draw one eyeball into `out`, within the lids at (478, 2) target pixels of `out`."""
    eye = layer.eye
    outline = target[eye.opening]
    box = _box(outline, 3, out)
    left, top, right, bottom = box
    if right - left < 2 or bottom - top < 2:
        return
    move = _similarity(layer.corners, target[eye.corners])
    iris = move[:, :2] @ layer.iris + move[:, 2]
    # The eyeball turns as a whole, by as much as its iris was moved against the lids.
    move[:, 2] += target[eye.iris[0]] - iris
    move[:, 2] += move[:, :2] @ layer.origin - (left, top)
    ball = cv2.warpAffine(
        layer.picture,
        move,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask = np.zeros(ball.shape[:2], np.uint8)
    _fill(mask, outline - (left, top))
    _blend(out[top:bottom, left:right], ball, _soft(mask, 0.7))


def draw_lid(out: Image, layer: EyeLayer, target: Floats) -> None:
    """Draw the skin and the lashes of a closing upper lid into `out`.

    The lid's own skin is folded away in the photo: it takes the colours around the eye, between
    where the edge was in the photo and where it is now.
    """
    eye = layer.eye
    move = _similarity(layer.corners, target[eye.corners])
    size = float(np.linalg.norm(move[:, 0]))
    width = size * float(np.linalg.norm(layer.corners[0] - layer.corners[1]))
    closing = 1.0 - _gap(target, eye) / max(size * layer.gap, 1e-6)
    if closing < 0.05:
        return
    corners = target[eye.corners]
    was_open = layer.upper @ move[:, :2].T + move[:, 2]
    edge = np.concatenate([corners[:1], target[eye.upper], corners[1:]])
    up = np.array([move[0, 1], -move[0, 0]], np.float32) / max(size, 1e-6)
    outline = np.concatenate([edge, (was_open + up * (0.07 * width))[::-1]])
    left, top, right, bottom = _box(outline, 0.12 * width + 2, out)
    if right - left < 2 or bottom - top < 2:
        return
    move[:, 2] += move[:, :2] @ layer.origin - (left, top)
    skin = cv2.warpAffine(
        layer.skin,
        move,
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    mask = np.zeros(skin.shape[:2], np.uint8)
    _fill(mask, outline - (left, top))
    strength = min(closing / 0.3, 1.0)
    part = out[top:bottom, left:right]
    mask = _soft(mask, max(0.7, 0.025 * width))
    _blend(part, np.asarray(skin, np.uint8), (mask * strength).astype(np.uint8))
    line = np.zeros(skin.shape[:2], np.uint8)
    points = np.rint((_smooth_line(edge) - (left, top)) * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(line, [points], False, 255, max(1, round(0.05 * width)), cv2.LINE_AA, _SHIFT)
    line = _soft(line, max(0.5, 0.015 * width))
    colour = np.broadcast_to(layer.lash.astype(np.uint8), part.shape)
    _blend(part, colour, (line * (0.85 * strength)).astype(np.uint8))


def cut_mouth(photo: Image, landmarks: Floats) -> MouthLayer:
    """The mouth of a photo with (478, 3) landmarks in pixels."""
    outline = landmarks[INNER_LIPS, :2]
    width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
    left, top, right, bottom = _box(outline, max(4.0, 0.15 * width), photo)
    picture = np.ascontiguousarray(photo[top:bottom, left:right])
    gaps = np.linalg.norm(landmarks[UPPER_LIP, :2] - landmarks[LOWER_LIP, :2], axis=1)
    gap = float(gaps[3:6].mean())
    visible = np.zeros(picture.shape[:2], np.uint8)
    if gap > 0.06 * width:
        _fill(visible, outline - (left, top))
        visible = _soft(visible, max(0.6, 0.012 * width))
    lips = np.zeros(picture.shape[:2], np.uint8)
    _fill(lips, landmarks[_OUTER_LIPS, :2] - (left, top))
    tone = cv2.mean(picture, lips)[:3] if lips.any() else (120.0, 60.0, 60.0)
    depth = np.array(tone, np.float32) * np.array([0.24, 0.14, 0.14], np.float32)
    return MouthLayer(
        picture,
        visible,
        np.array([left, top], np.float32),
        landmarks[_SKULL, :2],
        depth,
        gap,
    )


def draw_mouth(out: Image, layer: MouthLayer, target: Floats, anchor: Floats) -> None:
    """Draw the mouth's inside into `out`.

    target: (478, 2) landmarks in pixels of `out`; anchor: (3, 2), where the skull's points are.
    """
    gap = float(np.linalg.norm(target[UPPER_LIP[3:6]] - target[LOWER_LIP[3:6]], axis=1).mean())
    width = max(float(np.linalg.norm(target[78] - target[308])), 1.0)
    strength = float(np.clip((gap - layer.gap * 1.02 - 0.012 * width) / (0.05 * width), 0, 1))
    if strength <= 0:
        return
    outline = _smooth_loop(target[INNER_LIPS])
    left, top, right, bottom = _box(outline, 4, out)
    if right - left < 2 or bottom - top < 2:
        return
    size = (right - left, bottom - top)
    mask = np.zeros(size[::-1], np.uint8)
    _fill(mask, outline - (left, top))
    # Darkest in the middle, a little of the lips' own light near the edge.
    edge = cv2.GaussianBlur(mask, (0, 0), max(1.0, 0.05 * width)).astype(np.float32) / 255
    glow = 1.0 + 1.6 * (1.0 - np.clip(edge * 1.6 - 0.6, 0, 1))
    inside = np.clip(glow[..., None] * layer.depth, 0, 255).astype(np.uint8)
    if layer.visible.any():
        move = cv2.getAffineTransform(
            (layer.anchor - layer.origin).astype(np.float32),
            (anchor - (left, top)).astype(np.float32),
        )
        teeth = cv2.warpAffine(layer.picture, move, size, flags=cv2.INTER_LINEAR)
        shown = cv2.warpAffine(layer.visible, move, size, flags=cv2.INTER_LINEAR)
        _blend(inside, teeth, shown)
    soft = _soft(mask, max(0.7, 0.012 * width))
    _blend(out[top:bottom, left:right], inside, np.rint(soft * strength).astype(np.uint8))


_OUTER_LIPS = np.array(
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
)
_SKULL = np.array([33, 263, 2])  # outer eye corners and the base of the nose


def skull_anchor(target: Floats) -> Floats:
    """The three skull points of (478, 2) landmarks that hold the upper teeth."""
    return np.asarray(target[_SKULL])


def _box(points: Floats, margin: float, image: Image) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the points with a margin, inside the image."""
    height, width = image.shape[:2]
    low = np.floor(points.min(0) - margin).astype(int).tolist()
    high = np.ceil(points.max(0) + margin + 1).astype(int).tolist()
    return max(low[0], 0), max(low[1], 0), min(high[0], width), min(high[1], height)


def _fill(mask: Image, outline: Floats) -> None:
    points = np.rint(np.asarray(outline) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SHIFT)


def _soft(mask: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.uint8)


def _blend(below: Image, above: Image, matte: Image) -> None:
    """Lay `above` over `below` in place, where the matte says; for small regions only."""
    weight = matte[..., None].astype(np.float32) / 255
    mixed = below + (above.astype(np.float32) - below) * weight
    np.rint(mixed, out=mixed)
    below[:] = mixed.astype(np.uint8)


def _smooth_loop(points: Floats) -> Floats:
    """A closed loop with its corners cut twice (Chaikin), through four times the points."""
    for _ in range(2):
        after = np.roll(points, -1, axis=0)
        points = np.stack([points * 0.75 + after * 0.25, points * 0.25 + after * 0.75], 1)
        points = points.reshape(-1, 2)
    return points


def _smooth_line(points: Floats) -> Floats:
    """An open line with its inner corners cut (Chaikin)."""
    inner = np.stack(
        [points[:-1] * 0.75 + points[1:] * 0.25, points[:-1] * 0.25 + points[1:] * 0.75], 1
    )
    return np.concatenate([points[:1], inner.reshape(-1, 2)[1:-1], points[-1:]])


def _similarity(source: Floats, target: Floats) -> Floats:
    """(2, 3): turn, scale and shift that bring two points onto two others."""
    s, t = source[1] - source[0], target[1] - target[0]
    norm = max(float(s @ s), 1e-9)
    a, b = float(s @ t) / norm, float(s[0] * t[1] - s[1] * t[0]) / norm
    linear = np.array([[a, -b], [b, a]], np.float32)
    shift = target.mean(0) - linear @ source.mean(0)
    return np.concatenate([linear, shift[:, None]], 1).astype(np.float32)
