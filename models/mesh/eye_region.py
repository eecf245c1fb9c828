"""The parts of the picture that the region networks see and mend.

A region is a small square that moves with an eye or with the mouth. Its colours are measured in
the photo's own skin colour, so that a network meets every skin and every light as the same grey
and cannot tint one like another. What comes back is a bounded correction inside a prior mask.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.topology import EYES, INNER_LIPS, LOWER_LIP, UPPER_LIP, Eye, Indices
from models.mesh.paint import SHIFT, fill
from models.mesh.pose import Similarity
from models.types import Floats, Image

EYE_SIDE, MOUTH_SIDE = 64, 128
PLANES = 12
MOUTH_STEP = 4
"""The mouth's correction comes at 1/MOUTH_STEP of the region's size: light, not detail."""

EYE_DARKER, EYE_BRIGHTER, EYE_BLEND = 0.8, 0.15, 0.8
"""The most by which an eye's light changes, times exp(-darker) to exp(brighter), and its contrast,
against a mean. Brighter shadows would glow: those of paintings are full of colour."""
EYE_MEAN = 9
"""The side of the square of region pixels over which that mean goes."""
MOUTH_GAIN, MOUTH_OFFSET = 0.5, 0.2
"""The most by which the mouth's colours are multiplied (1 +- gain) and shifted."""

_LINE = 0.9  # how much of the lid's drawn line stays
_EYE_OUTER, _EYE_INNER = (13.0, 37.0), (51.0, 37.0)  # where the eye's corners are in its region
_MOUTH_SPAN = 0.52  # of the region's side: the photo's mouth, as wide as it was
# fmt: off
_OUTER_LIPS: Indices = np.array(
    [61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146]
)
# fmt: on


@dataclass(frozen=True)
class Source:
    """What a region's network knows of the photo; made once per avatar.

    picture: (3, S, S) the photo's own region, in skin colours. skin: (3,) 1..255.
    opening: (S, S) uint8, 255 between the photo's lids or lips.
    gap: how far these are apart in pixels of the region.
    """

    picture: Floats
    skin: Floats
    opening: Image
    gap: float


@dataclass(frozen=True)
class EyeRegion:
    """One region of one frame.

    matrix: (2, 3), from the picture's pixels to the region's.
    planes: (12, S, S) for the network: the drawn picture (3) and the photo (3) in skin colours;
    masks 0..1 of the opening now and in the photo; for an eye the upper lid's edge and the iris,
    for the mouth the lips and how far inside the opening; how far open against the photo, and how
    far turned away.
    prior: (S, S) 0..1, where how much of the correction may be seen; all zero: none.
    """

    matrix: Floats
    planes: Floats
    prior: Floats


def eye_source(photo: Image, landmarks: Floats, eye: Eye) -> Source:
    """The eye's region in the photo with its (478, 3) landmarks in pixels."""
    matrix = _eye_frame(eye, landmarks)
    opening = _polygon(landmarks[eye.opening], matrix, EYE_SIDE)
    picture, skin = _seen(photo, matrix, EYE_SIDE, opening, (9, 25))
    return Source(picture, skin, opening, _lid_gap(eye, landmarks))


def mouth_source(photo: Image, landmarks: Floats) -> Source:
    """The mouth's region in the photo with its (478, 3) landmarks in pixels."""
    matrix = _mouth_frame(landmarks, mouth_width(landmarks))
    lips = _polygon(landmarks[_OUTER_LIPS], matrix, MOUTH_SIDE)
    picture, skin = _seen(photo, matrix, MOUTH_SIDE, lips, (9, 31))
    opening = _polygon(landmarks[INNER_LIPS], matrix, MOUTH_SIDE)
    return Source(picture, skin, opening, _lip_gap(landmarks, mouth_width(landmarks)))


def eye_gate(eye: Eye, source: Source, target: Floats) -> float:
    """How far the eye has closed since the photo: 0 up to half, 1 nearly closed.

    Before, drawn lids are good, and the network would only blur what is seen.
    """
    ratio = _lid_gap(eye, target) / max(source.gap, 1e-6)
    return _step(1.0 - ratio, 0.5, 0.9)


def mouth_gate(source: Source, width: float, target: Floats, head: Similarity) -> float:
    """How far the mouth has opened since the photo, 0..1. width: the photo's mouth's in pixels."""
    gap = _lip_gap(target, width * head.scale)
    return _step((gap - source.gap) / (MOUTH_SIDE * _MOUTH_SPAN), 0.03, 0.10)


def eye_region(picture: Image, eye: Eye, source: Source, target: Floats, gate: float) -> EyeRegion:
    """What the eye network sees of the drawn picture, with (478, 3) landmarks in its pixels."""
    side = EYE_SIDE
    matrix = _eye_frame(eye, target)
    opening = _polygon(target[eye.opening], matrix, side)
    edge = np.zeros((side, side), np.uint8)
    points = _move(target[np.concatenate([eye.corners[:1], eye.upper, eye.corners[1:]])], matrix)
    cv2.polylines(edge, [_fixed(points)], False, 255, 1, cv2.LINE_AA, SHIFT)
    iris = np.zeros((side, side), np.uint8)
    centre, *rim = _move(target[eye.iris], matrix)
    radius = float(np.linalg.norm(np.array(rim) - centre, axis=1).mean())
    middle = _fixed(centre)
    cv2.circle(
        iris, (int(middle[0]), int(middle[1])), max(1, round(radius * (1 << SHIFT))), 255, -1,
        cv2.LINE_AA, SHIFT,
    )  # fmt: skip
    closing = 1.0 - _lid_gap(eye, target) / max(source.gap, 1e-6)
    planes = np.empty((PLANES, side, side), np.float32)
    _in_skin(picture, matrix, source.skin, planes[0:3])
    planes[3:6] = source.picture
    planes[6] = opening * np.float32(1 / 255)
    planes[7] = source.opening * np.float32(1 / 255)
    planes[8] = edge * np.float32(1 / 255)
    planes[9] = iris * np.float32(1 / 255)
    planes[10] = closing
    planes[11] = _facing(target[eye.corners])
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    near = cv2.dilate(cv2.max(opening, source.opening), reach)
    # What is still seen of the eyeball stays as it is (its catchlight is not to be invented),
    # until little is left of it.
    seen = cv2.GaussianBlur(cv2.erode(opening, np.ones((3, 3), np.uint8)), (0, 0), 1.0)
    kept = seen * np.float32((1 - _step(closing, 0.6, 0.95)) / 255)
    # Lashes and the lids' line are drawn better than a network can redraw them.
    line = cv2.GaussianBlur(cv2.dilate(edge, np.ones((5, 3), np.uint8)), (0, 0), 1.0)
    kept = np.maximum(kept, line * np.float32(_LINE / 255))
    prior = cv2.GaussianBlur(near, (0, 0), 2.0) * (1 - kept) * np.float32(gate / 255)
    return EyeRegion(matrix, planes, _faded(prior))


def mouth_region(
    picture: Image, source: Source, width: float, target: Floats, head: Similarity, gate: float
) -> EyeRegion:
    """What the mouth network sees; arguments as of `mouth_gate` and `eye_region`."""
    side = MOUTH_SIDE
    matrix = _mouth_frame(target, width * head.scale)
    opening = _polygon(target[INNER_LIPS], matrix, side)
    lips = _polygon(target[_OUTER_LIPS], matrix, side)
    planes = np.empty((PLANES, side, side), np.float32)
    _in_skin(picture, matrix, source.skin, planes[0:3])
    planes[3:6] = source.picture
    planes[6] = opening * np.float32(1 / 255)
    planes[7] = source.opening * np.float32(1 / 255)
    planes[8] = lips * np.float32(1 / 255)
    planes[9] = _smooth(opening, 6.0) * np.float32(1 / 255)
    planes[10] = (_lip_gap(target, width * head.scale) - source.gap) / (side * _MOUTH_SPAN)
    planes[11] = _facing(target[[61, 291]])
    near = cv2.dilate(lips, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    prior = _smooth(near, 4.0) * np.float32(gate / 255)
    return EyeRegion(matrix, planes, _faded(prior))


def target_colours(picture: Image, region: EyeRegion, source: Source) -> Floats:
    """(3, S, S): another picture's colours in a region, for training."""
    colours = np.empty_like(region.planes[:3])
    _in_skin(picture, region.matrix, source.skin, colours)
    return colours


def mend_eye(out: Image, region: EyeRegion, answer: Floats) -> None:
    """Change light and contrast of the picture in place by the eye network's answer (2, S, S).

    The hue of every pixel stays its own or that of its surroundings, so a lid gets no tint.
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
    side = max(3, round((EYE_MEAN / scale - 1) / 2) * 2 + 1)
    colours = part.astype(np.float32)
    mean = cv2.blur(colours, (side, side))
    colours += (mean - colours) * (change[..., 1:] * np.float32(EYE_BLEND))
    light = change[..., :1]
    light *= np.where(light < 0, np.float32(EYE_DARKER), np.float32(EYE_BRIGHTER))
    part[:] = _rounded(colours * np.exp(light))


def mend_mouth(out: Image, region: EyeRegion, source: Source, answer: Floats) -> None:
    """Multiply and shift the picture in place by the mouth network's answer (6, s, s), -1..1."""
    small = answer.shape[1:]
    prior = cv2.resize(region.prior, small, interpolation=cv2.INTER_AREA)[..., None]
    gain = answer[:3].transpose(1, 2, 0) * (prior * np.float32(MOUTH_GAIN))
    offset = answer[3:].transpose(1, 2, 0) * (prior * np.float32(2 * MOUTH_OFFSET)) * source.skin
    # Pixel centres of the small answer, in the region's pixels.
    step = MOUTH_SIDE // small[0]
    to_small = region.matrix / step
    to_small[:, 2] += 0.5 / step - 0.5
    box, inverse = _place(out, np.asarray(to_small, np.float32), (0, 0, *small))
    if box is None:
        return
    left, top, right, bottom = box
    part = out[top:bottom, left:right]
    size, flags = (right - left, bottom - top), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    gain, offset = (
        cv2.warpAffine(np.ascontiguousarray(values, np.float32), inverse, size, flags=flags)
        for values in (gain, offset)
    )
    part[:] = _rounded(part * (1 + gain) + offset)


def _seen(
    photo: Image, matrix: Floats, side: int, hole: Image, ring: tuple[int, int]
) -> tuple[Floats, Floats]:
    """`picture` and `skin` of a source: skin is what lies in a ring around the hole."""
    inner, outer = (
        cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
        for width in ring
    )
    colours = cv2.warpAffine(photo, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)
    around = colours[(outer > 128) & (inner < 128)]
    skin = np.median(around, axis=0) if len(around) else np.full(3, 128.0)
    # Darker than this is noise, which would be multiplied.
    skin = np.maximum(skin, 24.0).astype(np.float32)
    seen = np.empty((3, side, side), np.float32)
    _scale(np.asarray(colours, np.uint8), skin, seen)
    return seen, skin


def _in_skin(picture: Image, matrix: Floats, skin: Floats, out: Floats) -> None:
    """Cut a region of the picture into `out` (3, S, S)."""
    side = out.shape[-1]
    _scale(
        cv2.warpAffine(picture, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE), skin, out
    )


def _scale(colours: Image, skin: Floats, out: Floats) -> None:
    """Write colours into `out` (3, S, S): 0.5 is skin, and four times skin the most."""
    for channel, values in enumerate(cv2.split(colours)):
        np.multiply(values, np.float32(0.5 / skin[channel]), out=out[channel])
    np.minimum(out, np.float32(2), out=out)


def _smooth(mask: Image, sigma: float) -> Image:
    """A wide blur, at a quarter of the size."""
    side = mask.shape[0]
    small = cv2.resize(mask, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    return np.asarray(
        cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (side, side)), np.uint8
    )


def _eye_frame(eye: Eye, landmarks: Floats) -> Floats:
    """(2, 3): the corners come to fixed places; the left eye is mirrored to look like the right."""
    outer, inner = landmarks[eye.corners, :2]
    along = inner - outer
    up = np.array([along[1], -along[0]]) * (1.0 if eye is EYES[0] else -1.0)
    return _affine(
        np.array([outer, inner, outer + up]),
        np.array([_EYE_OUTER, _EYE_INNER, (_EYE_OUTER[0], _EYE_OUTER[1] - _span())]),
    )


def _span() -> float:
    return _EYE_INNER[0] - _EYE_OUTER[0]


def mouth_width(landmarks: Floats) -> float:
    """The distance of the mouth's corners in 3-D."""
    return float(np.linalg.norm(landmarks[61] - landmarks[291]))


def _mouth_frame(landmarks: Floats, width: float) -> Floats:
    """(2, 3): the lips in the middle, upright; `width` pixels become a fixed share of the side."""
    along = landmarks[291, :2] - landmarks[61, :2]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    centre = landmarks[[61, 291, 0, 17], :2].mean(0)
    scale = MOUTH_SIDE * _MOUTH_SPAN / max(width, 1e-6)
    turn = scale * np.array([[along[0], along[1]], [-along[1], along[0]]])
    shift = (MOUTH_SIDE - 1) / 2 - turn @ centre
    return np.concatenate([turn, shift[:, None]], 1).astype(np.float32)


def _affine(source: Floats, target: Floats) -> Floats:
    matrix = cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32))
    return np.asarray(matrix, np.float32)


def _lid_gap(eye: Eye, landmarks: Floats) -> float:
    """The mean distance of the lids in the middle, in pixels of the region."""
    span = landmarks[eye.lower[2:5], :2] - landmarks[eye.upper[2:5], :2]
    along = landmarks[eye.corners[1], :2] - landmarks[eye.corners[0], :2]
    scale = _span() / max(float(np.hypot(along[0], along[1])), 1e-6)
    return scale * float(np.hypot(span[:, 0], span[:, 1]).mean())


def _lip_gap(landmarks: Floats, width: float) -> float:
    """The mean distance of the lips in the middle; `width` pixels as in `_mouth_frame`."""
    span = landmarks[LOWER_LIP[3:6], :2] - landmarks[UPPER_LIP[3:6], :2]
    return MOUTH_SIDE * _MOUTH_SPAN / max(width, 1e-6) * float(np.hypot(*span.T).mean())


def _facing(corners: Floats) -> float:
    """How far the line through two (3,) points turns away from the camera: -1..1."""
    across = corners[1] - corners[0]
    return float(across[2]) / max(float(np.linalg.norm(across)), 1e-6)


def _move(points: Floats, matrix: Floats) -> Floats:
    return np.asarray(points[:, :2] @ matrix[:, :2].T + matrix[:, 2], np.float32)


def _polygon(points: Floats, matrix: Floats, side: int) -> Image:
    mask = np.zeros((side, side), np.uint8)
    fill(mask, _move(points, matrix))
    return mask


def _fixed(points: Floats) -> NDArray[np.int32]:
    return np.asarray(np.rint(np.asarray(points) * (1 << SHIFT)), np.int32)


def _faded(prior: Floats) -> Floats:
    """The prior, zero at the region's border: a correction never ends in a line."""
    side = prior.shape[0]
    ramp = np.minimum(np.arange(side), np.arange(side)[::-1]) / (0.06 * side)
    ramp = np.clip(ramp, 0, 1).astype(np.float32)
    return np.asarray(np.clip(prior, 0, 1) * ramp * ramp[:, None], np.float32)


def _step(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`, smooth between."""
    share = float(np.clip((value - low) / (high - low), 0.0, 1.0))
    return share * share * (3 - 2 * share)


def _place(
    out: Image, matrix: Floats, bounds: tuple[int, ...]
) -> tuple[tuple[int, int, int, int] | None, Floats]:
    """Where a region lies in the picture, and the map from that part's pixels to the region's.

    bounds: left, top, right, bottom of what is wanted of the region. None: it is out of sight.
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


def _rounded(values: Floats) -> Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
