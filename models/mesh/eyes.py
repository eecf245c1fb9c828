"""Eyes, drawn over the warped face: what no stretched triangle can show.

The eyeball is a layer behind the lids that moves as one piece; a closing lid has its own skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.mesh.paint import blend, box, fill, similarity, smooth_line, soft
from models.mesh.topology import EYES, Eye
from models.types import Floats, Image


@dataclass(frozen=True)
class EyeLayer:
    """One eyeball of the photo.

    eye: which points.
    ball: (h, w, 3), the eyeball, its white continued behind lids and corners.
    photo: (h, w, 3), the same place as it is; fixed: (h, w, 2), 255 where that is shown instead of
    the ball, while the eye looks as in the photo and while it looks elsewhere.
    skin: (h, w, 3), the lid's skin over the whole eye, for when it closes.
    lash: (3,) float, the colour of the line between closed lids.
    origin: left, top of the pictures in the photo. corners: (2, 2), upper: (7, 2) the upper lid's
    edge and iris: (2,), photo pixels. gap: the lids' distance in pixels.
    """

    eye: Eye
    ball: Image
    photo: Image
    fixed: Image
    skin: Image
    lash: Floats
    origin: Floats
    corners: Floats
    upper: Floats
    iris: Floats
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
        left, top, right, bottom = box(outline, 0.6 * width, photo)
        picture = np.ascontiguousarray(photo[top:bottom, left:right])
        inside = np.zeros(picture.shape[:2], np.uint8)
        local = outline - (left, top)
        fill(inside, local.mean(0) + (local - local.mean(0)) * np.array([0.97, 0.86]))
        layers.append(
            EyeLayer(
                eye,
                *_eyeball(picture, inside, landmarks, eye, np.array([left, top], np.float32)),
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
    fill(hole, outline)
    reach = max(3, round(width * 0.2)) | 1
    hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    skin = cv2.inpaint(picture, hole, max(3.0, width * 0.1), cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(skin, (0, 0), max(width * 0.05, 0.8))
    blend(skin, np.asarray(smooth, np.uint8), soft(hole, max(width * 0.03, 0.8)))
    # A lid catches light: where lashes or paint darken all around, it takes that of further out.
    far = max(3, round(width * 0.3)) | 1
    around = cv2.dilate(hole, np.ones((far, far), np.uint8)) - hole
    colours = picture[around > 0].astype(np.float32)
    lid = skin[hole > 0].astype(np.float32).mean(0)
    if len(colours):
        bright = colours[np.argsort(colours.sum(1))[len(colours) // 2 :]].mean(0)
        lighter = skin * np.clip(0.85 * bright / np.maximum(lid, 1), 1.0, 1.8)
        inner = soft(cv2.erode(hole, np.ones((3, 3), np.uint8)), max(width * 0.06, 0.8))
        blend(skin, np.clip(lighter, 0, 255).astype(np.uint8), inner)
    return np.asarray(skin, np.uint8)


def _lash_colour(picture: Image, edge: Floats, width: float) -> Floats:
    """The darker colours along the upper lid's edge."""
    line = np.zeros(picture.shape[:2], np.uint8)
    cv2.polylines(line, [np.rint(edge).astype(np.int32)], False, 255, max(1, round(width * 0.07)))
    colours = picture[line > 0].astype(np.float32)
    dark = colours[np.argsort(colours.sum(1))[: max(1, len(colours) // 3)]].mean(0)
    # The iris behind the lashes may tint them; they are never bluish.
    dark = np.minimum(dark, dark[0])
    return np.asarray(0.6 * dark + 0.4 * dark.mean() * np.array([1.1, 0.97, 0.9]), np.float32)


def _eyeball(
    picture: Image, inside: Image, landmarks: Floats, eye: Eye, origin: Floats
) -> tuple[Image, Image, Image]:
    """The fields `ball`, `photo` and `fixed` of a layer.

    A turned eye shows white where the photo has corner skin: beyond the middle part of the eye the
    ball is white, as seen on that side of the iris; the very corners stay in their place.
    """
    a, b = landmarks[eye.corners, :2] - origin
    width = max(float(np.linalg.norm(b - a)), 1.0)
    ys, xs = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]]
    axis = (b - a) / width
    along = ((xs - (a[0] + b[0]) / 2) * axis[0] + (ys - (a[1] + b[1]) / 2) * axis[1]) / width
    iris = landmarks[eye.iris, :2] - origin
    radius = float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()) / width
    place = float((iris[0] - (a + b) / 2) @ axis) / width

    ball = _extend(picture, inside, width).astype(np.float32)
    sure = (inside > 200) & (np.abs(along - place) > 1.2 * radius) & (np.abs(along) < 0.4)
    left = _white(picture, sure & (along < place))
    right = _white(picture, sure & (along > place))
    either = left if right is None else right
    if either is not None:
        # A side that shows no white lies in shadow, mostly that of the nose or the brow.
        left, right = (either * 0.88 if side is None else side for side in (left, right))
        whites = np.where((along < place)[..., None], left, right)
        # The upper lid's shadow, and that of the corners.
        across = ((xs - iris[0, 0]) * -axis[1] + (ys - iris[0, 1]) * axis[0]) / width
        shadow = 0.14 * np.clip(0.3 - across / 0.15, 0, 1) + 0.2 * np.clip(np.abs(along), 0, 0.5)
        whites = whites * (1 - shadow[..., None])
        low, high = min(-0.3, place - 1.15 * radius), max(0.3, place + 1.15 * radius)
        away = np.clip(np.maximum(low - along, along - high) / 0.07, 0, 1)[..., None]
        ball = ball * (1 - away) + whites * away
    as_seen = np.clip((np.abs(along) - 0.22) / 0.06, 0, 1)
    corner = np.clip((np.abs(along) - 0.4) / 0.06, 0, 1)
    fixed = np.rint(np.dstack([as_seen, corner]) * 255).astype(np.uint8)
    return np.clip(ball, 0, 255).astype(np.uint8), picture, fixed


def _white(picture: Image, where: NDArray[np.bool_]) -> Floats | None:
    """(3,): the colour of the white of the eye there, or None where too little of it is seen."""
    colours = picture[where].astype(np.float32)
    if len(colours) < 4:
        return None
    bright = np.argsort(colours.sum(1))[-max(3, len(colours) // 4) :]
    seen = np.median(colours[bright], axis=0)
    # Lashes and blood vessels tint what little is seen of it.
    return np.asarray(np.clip(1.04 * (0.85 * seen + 0.15 * seen.mean()), 0, 245), np.float32)


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
    left, top, right, bottom = box(outline, 3, out)
    if right - left < 2 or bottom - top < 2:
        return
    move = similarity(layer.corners, target[eye.corners])
    shift = target[eye.iris[0]] - (move[:, :2] @ layer.iris + move[:, 2])
    move[:, 2] += move[:, :2] @ layer.origin - (left, top)
    # The eyeball turns as a whole, by as much as its iris was moved against the lids.
    turned = move.copy()
    turned[:, 2] += shift
    size = (right - left, bottom - top)
    ball, photo, fixed = (
        cv2.warpAffine(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
        for picture, matrix, border in (
            (layer.ball, turned, cv2.BORDER_REPLICATE),
            (layer.photo, move, cv2.BORDER_REPLICATE),
            (layer.fixed, move, cv2.BORDER_CONSTANT),
        )
    )
    width = max(float(np.linalg.norm(target[eye.corners[0]] - target[eye.corners[1]])), 1.0)
    aside = min(float(np.linalg.norm(shift)) / (0.05 * width), 1.0)
    blend(ball, photo, cv2.addWeighted(fixed[..., 0], 1 - aside, fixed[..., 1], aside, 0))
    mask = np.zeros(ball.shape[:2], np.uint8)
    fill(mask, outline - (left, top))
    blend(out[top:bottom, left:right], ball, soft(mask, 0.7))


def draw_lid(out: Image, layer: EyeLayer, target: Floats) -> None:
    """Draw the skin and the lashes of a closing upper lid into `out`.

    The lid's own skin is folded away in the photo: it takes the colours around the eye, between
    where the edge was in the photo and where it is now.
    """
    eye = layer.eye
    move = similarity(layer.corners, target[eye.corners])
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
    left, top, right, bottom = box(outline, 0.12 * width + 2, out)
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
    fill(mask, outline - (left, top))
    strength = min(closing / 0.3, 1.0)
    part = out[top:bottom, left:right]
    mask = soft(mask, max(0.7, 0.025 * width))
    blend(part, np.asarray(skin, np.uint8), (mask * strength).astype(np.uint8))
    line = np.zeros(skin.shape[:2], np.uint8)
    curve = smooth_line(smooth_line(edge)) - (left, top)
    # Thick in the middle, nothing at the corners.
    thick = np.sin(np.linspace(0, np.pi, len(curve)))[:, None] ** 0.7 * max(0.04 * width, 1.0)
    fill(line, np.concatenate([curve + up * (0.3 * thick), (curve - up * (0.7 * thick))[::-1]]))
    line = soft(line, max(0.8, 0.022 * width))
    colour = np.broadcast_to(layer.lash.astype(np.uint8), part.shape)
    blend(part, colour, (line * (0.85 * strength)).astype(np.uint8))
