"""Eyes, drawn over the warped face: what no stretched triangle can show.

The eyeball is a layer behind the lids that moves as one piece; a closing lid has its own skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.mesh.paint import SHIFT, blend, box, fill, similarity, smooth_line, soft
from models.mesh.topology import EYES, Eye
from models.types import Floats, Image


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
    fill(hole, outline)
    reach = max(3, round(width * 0.2)) | 1
    hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    skin = cv2.inpaint(picture, hole, max(3.0, width * 0.1), cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(skin, (0, 0), max(width * 0.05, 0.8))
    blend(skin, np.asarray(smooth, np.uint8), soft(hole, max(width * 0.03, 0.8)))
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
    left, top, right, bottom = box(outline, 3, out)
    if right - left < 2 or bottom - top < 2:
        return
    move = similarity(layer.corners, target[eye.corners])
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
    points = np.rint((smooth_line(edge) - (left, top)) * (1 << SHIFT)).astype(np.int32)
    cv2.polylines(line, [points], False, 255, max(1, round(0.05 * width)), cv2.LINE_AA, SHIFT)
    line = soft(line, max(0.5, 0.015 * width))
    colour = np.broadcast_to(layer.lash.astype(np.uint8), part.shape)
    blend(part, colour, (line * (0.85 * strength)).astype(np.uint8))
