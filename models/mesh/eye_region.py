"""The part of the picture around an eye that the eye network sees and refines.

A region is a small square that moves with an eye. Its colours are measured in the photo's own skin
colour, so that the network meets every skin and every light as the same grey and cannot tint one
like another. What comes back is a bounded correction inside a prior mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.topology import EYES, Eye
from models.mesh.paint import SHIFT, fill
from models.types import Floats, Image

SIDE = 64
"""Side of a region in pixels, as the shipped network was trained. A face that fills a picture of
512 pixels has eyes about as large; a larger side would cost its square and show little more."""

PLANES = 12
"""Planes of a region that the network sees; `EyeRegion.planes` lists them."""

DARKER, BRIGHTER, BLEND = 0.8, 0.15, 0.8
"""The most by which light and contrast change: light times exp(-DARKER) to exp(BRIGHTER), and BLEND
of the difference to a mean. Brighter is the least, since shadows of painted lids are full of colour
and began to glow. The shipped weights were trained with them."""

MEAN_SIDE = 9
"""Side of the square of region pixels over which that mean goes: the larger, the coarser the detail
that is softened. The shipped weights were trained with it."""

_LINE_KEPT = 0.9
"""Share of the lid's drawn line that stays as it is: with 0 the network washes lashes out, with 1
it never touches them. The shipped weights were trained with it."""

_OUTER, _INNER = (13.0, 37.0), (51.0, 37.0)
"""Where the eye's corners come to lie in its region: three fifths of its side apart, and below the
middle, so that the whole upper lid is seen. The shipped weights were trained with them."""

_SPAN = _INNER[0] - _OUTER[0]
"""Pixels of the region between the corners."""


@dataclass(frozen=True)
class EyeSource:
    """What the network knows of one eye in the photo; made once per avatar.

    Attributes:
        picture: the photo's own region, (3, S, S) in skin colours (0.5 is skin, 2 the most).
        skin: (3,) the skin around the eye, 24..255.
        opening: (S, S) uint8, 255 between the photo's lids.
        gap: how far these are apart, in pixels of the region.
    """

    picture: Floats
    skin: Floats
    opening: Image
    gap: float


@dataclass(frozen=True)
class EyeRegion:
    """One eye of one frame.

    Attributes:
        matrix: (2, 3), from the picture's pixels to the region's.
        planes: (12, S, S) for the network: the drawn picture (3) and the photo (3) in skin colours;
            masks 0..1 of the opening now and in the photo, of the upper lid's edge and of the iris;
            how far the lid has closed since the photo (1: shut), and how far the eye is turned away
            (-1..1).
        prior: (S, S) 0..1, where how much of the correction may be seen; all zero: none.
    """

    matrix: Floats
    planes: Floats
    prior: Floats


def eye_source(photo: Image, landmarks: Floats, eye: Eye) -> EyeSource:
    """Look at an eye in the photo.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        eye: which of the two.
    """
    matrix = _frame(eye, landmarks)
    opening = _polygon(landmarks[eye.opening], matrix)
    picture, skin = _seen(photo, matrix, opening)
    return EyeSource(picture, skin, opening, _lid_gap(eye, landmarks))


def eye_gate(eye: Eye, source: EyeSource, target: Floats) -> float:
    """How far the eye has closed since the photo: 0 up to half, 1 nearly closed.

    Before, drawn lids are good, and the network would only blur what is seen.

    Args:
        eye: which of the two.
        source: the eye in the photo.
        target: (478, 3) landmarks of the frame.
    """
    return _step(_closing(eye, source, target), 0.5, 0.9)


def eye_region(
    picture: Image, eye: Eye, source: EyeSource, target: Floats, gate: float
) -> EyeRegion:
    """What the network sees of the drawn picture.

    Args:
        picture: (H, W, 3), the avatar as it is drawn.
        eye: which of the two.
        source: the eye in the photo.
        target: (478, 3) landmarks in pixels of `picture`.
        gate: 0..1, how much of a correction is to be seen (`eye_gate`).
    """
    matrix = _frame(eye, target)
    opening = _polygon(target[eye.opening], matrix)
    edge, iris = _lid_edge(eye, target, matrix), _iris(eye, target, matrix)
    closing = _closing(eye, source, target)
    planes = np.empty((PLANES, SIDE, SIDE), np.float32)
    planes[0:3] = region_colours(picture, matrix, source.skin)
    planes[3:6] = source.picture
    planes[6] = opening * np.float32(1 / 255)
    planes[7] = source.opening * np.float32(1 / 255)
    planes[8] = edge * np.float32(1 / 255)
    planes[9] = iris * np.float32(1 / 255)
    planes[10] = closing
    planes[11] = _facing(target[eye.corners])
    return EyeRegion(matrix, planes, _prior(opening, source.opening, edge, closing, gate))


def region_colours(picture: Image, matrix: Floats, skin: Floats) -> Floats:
    """(3, S, S): a region of a picture, 0.5 being skin and four times skin the most.

    Args:
        picture: (H, W, 3).
        matrix: (2, 3), from its pixels to the region's.
        skin: (3,), the colour that becomes 0.5.
    """
    cut = cv2.warpAffine(picture, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return _in_skin(np.asarray(cut, np.uint8), skin)


def refine_eye(out: Image, region: EyeRegion, answer: Floats, skin: Floats) -> None:
    """Change light and contrast of the picture in place by the network's answer.

    The hue of every pixel stays its own or that of its surroundings and of the photo's skin around
    the eye, so a lid gets no other tint.

    Args:
        out: (H, W, 3), the picture that `region` was cut from.
        region: the eye.
        answer: (2, S, S), -1..1: light and contrast.
        skin: (3,) that around the eye in the photo.
    """
    rows, columns = np.flatnonzero(region.prior.any(1)), np.flatnonzero(region.prior.any(0))
    if not len(rows):
        return
    bounds = (columns[0] - 1, rows[0] - 1, columns[-1] + 1, rows[-1] + 1)
    box, inverse = _place(out, region.matrix, bounds)
    if box is None:
        return
    left, top, right, bottom = box
    part = out[top:bottom, left:right]
    share = answer.transpose(1, 2, 0) * region.prior[..., None]
    size, flags = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    change = cv2.warpAffine(np.ascontiguousarray(share, np.float32), inverse, size, flags=flags)
    scale = float(np.hypot(region.matrix[0, 0], region.matrix[1, 0]))
    side = max(3, round((MEAN_SIDE / scale - 1) / 2) * 2 + 1)
    colours = part.astype(np.float32)
    mean = cv2.blur(colours, (side, side))
    blend = change[..., 1:] * np.float32(BLEND)
    colours += (mean - colours) * blend
    # Such a mean of skin, lashes and what was white is grey, and closed lids are skin.
    level = (colours / skin).mean(2, keepdims=True)
    colours += (level * skin - colours) * np.clip(blend, 0, 1)
    light = change[..., :1]
    light *= np.where(light < 0, np.float32(DARKER), np.float32(BRIGHTER))
    part[:] = np.clip(np.rint(colours * np.exp(light)), 0, 255).astype(np.uint8)


def _lid_edge(eye: Eye, target: Floats, matrix: Floats) -> Image:
    """(S, S), 255 on the upper lid's edge."""
    edge = np.zeros((SIDE, SIDE), np.uint8)
    points = _move(target[np.concatenate([eye.corners[:1], eye.upper, eye.corners[1:]])], matrix)
    cv2.polylines(edge, [_fixed(points)], False, 255, 1, cv2.LINE_AA, SHIFT)
    return edge


def _iris(eye: Eye, target: Floats, matrix: Floats) -> Image:
    """(S, S), 255 on the iris."""
    iris = np.zeros((SIDE, SIDE), np.uint8)
    centre, *rim = _move(target[eye.iris], matrix)
    radius = float(np.linalg.norm(np.array(rim) - centre, axis=1).mean())
    middle = _fixed(centre)
    cv2.circle(
        iris, (int(middle[0]), int(middle[1])), max(1, round(radius * (1 << SHIFT))), 255, -1,
        cv2.LINE_AA, SHIFT,
    )  # fmt: skip
    return iris


def _prior(opening: Image, before: Image, edge: Image, closing: float, gate: float) -> Floats:
    """(S, S) 0..1: around the lids, not on what the network is to leave as it is.

    Args:
        opening: (S, S), 255 between the lids.
        before: the same in the photo.
        edge: (S, S), 255 on the upper lid's edge.
        closing: how far the lid has closed since the photo.
        gate: 0..1, times all of it.
    """
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    near = cv2.dilate(cv2.max(opening, before), reach)
    # What is still seen of the eyeball stays as it is (its catchlight is not to be invented),
    # until little is left of it.
    seen = cv2.GaussianBlur(cv2.erode(opening, np.ones((3, 3), np.uint8)), (0, 0), 1.0)
    kept = seen * np.float32((1 - _step(closing, 0.6, 0.95)) / 255)
    # Lashes and the lids' line are drawn better than a network can redraw them.
    line = cv2.GaussianBlur(cv2.dilate(edge, np.ones((5, 3), np.uint8)), (0, 0), 1.0)
    kept = np.maximum(kept, line * np.float32(_LINE_KEPT / 255))
    prior = cv2.GaussianBlur(near, (0, 0), 2.0) * (1 - kept) * np.float32(gate / 255)
    # Zero at the region's border: a correction never ends in a line.
    ramp = np.minimum(np.arange(SIDE), np.arange(SIDE)[::-1]) / (0.06 * SIDE)
    ramp = np.clip(ramp, 0, 1).astype(np.float32)
    return np.asarray(np.clip(prior, 0, 1) * ramp * ramp[:, None], np.float32)


def _seen(photo: Image, matrix: Floats, hole: Image) -> tuple[Floats, Floats]:
    """`picture` and `skin` of a source: skin is what lies in a ring around the hole."""
    inner, outer = (
        cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        for width in (9, 25)
    )
    cut = cv2.warpAffine(photo, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    around = cut[(outer > 128) & (inner < 128)]
    skin = np.median(around, axis=0) if len(around) else np.full(3, 128.0)
    # Darker than this is noise, which would be multiplied.
    skin = np.maximum(skin, 24.0).astype(np.float32)
    return _in_skin(np.asarray(cut, np.uint8), skin), skin


def _in_skin(colours: Image, skin: Floats) -> Floats:
    """(3, S, S) of (S, S, 3): 0.5 is skin, and four times skin the most."""
    found = np.empty((3, SIDE, SIDE), np.float32)
    for channel, values in enumerate(cv2.split(colours)):
        np.multiply(values, np.float32(0.5 / skin[channel]), out=found[channel])
    return np.minimum(found, np.float32(2), out=found)


def _frame(eye: Eye, landmarks: Floats) -> Floats:
    """(2, 3): the corners come to fixed places; the left eye is mirrored to look like the right."""
    outer, inner = landmarks[eye.corners, :2]
    along = inner - outer
    up = np.array([along[1], -along[0]]) * (1.0 if eye is EYES[0] else -1.0)
    here = np.array([outer, inner, outer + up], np.float32)
    there = np.array([_OUTER, _INNER, (_OUTER[0], _OUTER[1] - _SPAN)], np.float32)
    return np.asarray(cv2.getAffineTransform(here, there), np.float32)


def _closing(eye: Eye, source: EyeSource, target: Floats) -> float:
    """How far the lid has closed since the photo: 0 not, 1 shut, negative wider open."""
    return 1.0 - _lid_gap(eye, target) / max(source.gap, 1e-6)


def _lid_gap(eye: Eye, landmarks: Floats) -> float:
    """The mean distance of the lids in the middle, in pixels of the region."""
    span = landmarks[eye.lower[2:5], :2] - landmarks[eye.upper[2:5], :2]
    along = landmarks[eye.corners[1], :2] - landmarks[eye.corners[0], :2]
    scale = _SPAN / max(float(np.hypot(along[0], along[1])), 1e-6)
    return scale * float(np.hypot(span[:, 0], span[:, 1]).mean())


def _facing(corners: Floats) -> float:
    """How far the line through two (3,) points turns away from the camera: -1..1."""
    across = corners[1] - corners[0]
    return float(across[2]) / max(float(np.linalg.norm(across)), 1e-6)


def _move(points: Floats, matrix: Floats) -> Floats:
    return np.asarray(points[:, :2] @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _polygon(points: Floats, matrix: Floats) -> Image:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    fill(mask, _move(points, matrix))
    return mask


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.asarray(np.rint(np.asarray(points) * (1 << SHIFT)), np.int32)


def _step(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, smooth between."""
    share = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return share * share * (3 - 2 * share)


def _place(
    out: Image, matrix: Floats, bounds: tuple[int, ...]
) -> tuple[tuple[int, int, int, int] | None, Floats]:
    """Where a region lies in the picture, and the map from that part's pixels to the region's.

    Args:
        out: the picture, (H, W, 3).
        matrix: (2, 3), from its pixels to the region's.
        bounds: left, top, right, bottom of what is wanted of the region.

    Returns:
        left, top, right, bottom in the picture, or None where it is out of sight; and the map.
    """
    back = cv2.invertAffineTransform(matrix)
    x0, y0, x1, y1 = bounds
    corners = np.array([[x0, y0], [x1, y0], [x0, y1], [x1, y1]], np.float32)
    places = corners @ back[:, :2].T + back[:, 2]
    height, width = out.shape[:2]
    left, top = np.clip(np.floor(places.min(0)), 0, [width, height]).astype(int).tolist()
    right, bottom = np.clip(np.ceil(places.max(0)) + 1, 0, [width, height]).astype(int).tolist()
    if right - left < 1 or bottom - top < 1:
        return None, matrix
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2] @ np.array([left, top], np.float32)
    return (left, top, right, bottom), moved
