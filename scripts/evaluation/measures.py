"""What is measured on pictures and landmarks to judge an animated photo.

Landmarks are (478, 3) in pixels, MediaPipe's numbering, as the face tracker finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face import measures
from models.face.irises import gaze
from models.face.topology import EYES, INNER_LIPS, LOWER_LIP, OUTER_LIPS, UPPER_LIP, Eye, Indices
from models.mesh.photo_light import brightest_skin
from models.mesh.pose import euler, fit_head
from models.types import Crop, Floats, Image

LIPS: Indices = np.concatenate([OUTER_LIPS, INNER_LIPS])
LIDS_AND_IRISES: Indices = np.concatenate([np.append(eye.opening, eye.iris) for eye in EYES])

MOTIONS = {
    "mouth": 0.025,  # of the face's height
    "lids": 0.25,  # of the neutral opening
    "gaze": 0.1,  # eye widths
    "yaw": 6.0,  # degrees
    "pitch": 6.0,
    "roll": 6.0,
}
"""What is compared between driver and result, and the least range (2nd to 98th percentile, in the
unit given) from which on landmark noise does not decide the comparison."""

EXPRESSIONS = {
    "aside": 0.035,
    "smile": 0.025,
    "brows": 0.012,
    "squint": 0.15,  # of the neutral opening
}
"""What is compared beside `MOTIONS`, and the least range likewise, of the face's height: eight
times what the tracker trembles on real clips (0.001 to 0.003); of a mouth that goes aside more,
since a head that only turns by `_STEADY_HEAD` to either side reads as 0.03 of it.

Brows that come together are not among them: of a rendered frown the tracker reads a tenth, and the
opposite where brows only rise."""

PARTED = 0.03
"""Of the face's height: lips that are further apart show the mouth's inside."""

FOLLOWED = {"yaw": 35.0, "pitch": 25.0}
"""Degrees from the neutral pose up to which a photo is to follow; further turns end softly."""

_HIDES_AN_EYE = 32.0  # degrees of yaw from the camera
_STEADY_HEAD = 10.0
"""Degrees from the neutral pose up to which expressions are told from turns: the network's depth is
a guess, and beyond, a head that only turns reads as a mouth that goes aside."""

_BLINKS = 0.6  # of the neutral opening of the lids: what is below is a blink or on its way
# In MediaPipe's numbering:
_CORNERS = [61, 291]  # of the mouth
_BROWS = [70, 63, 105, 66, 107, 300, 293, 334, 296, 336]  # both


_INNER_CORNERS = (78, 308)  # of the mouth, MediaPipe's numbering
_LOWER_LIP = 0.05  # of the face's height: the lower lip, below the line through the mouth's corners
# fmt: off
_UPPER_LIP: Indices = np.array([
    0, 11, 12, 13, 37, 38, 39, 40, 41, 42, 72, 73, 74, 80, 81, 82, 191, 267, 268, 269, 270, 271,
    272, 302, 303, 304, 310, 311, 312, 415,
])
"""Both edges of the upper lip and what lies between them, in MediaPipe's numbering."""
# fmt: on


@dataclass(frozen=True)
class Agreement:
    """How one motion of the result goes with the driver's.

    Attributes:
        correlation: -1..1, or None where the driver moves too little to tell.
        gain: slope of the result on the driver, 1 as the driver; None likewise.
        span: the driver's range, 2nd to 98th percentile, in the motion's unit.
    """

    correlation: float | None
    gain: float | None
    span: float


def motions(landmarks: Floats, neutral: Floats) -> dict[str, float]:
    """The values of `MOTIONS` of one face against the same face's neutral landmarks.

    Args:
        landmarks: (478, 3) in pixels.
        neutral: of the same face, likewise.

    Returns:
        The values by name.

        - mouth: the inner lips' gap, of the face's neutral height.
        - lids: opening of the lids, 1 as neutral; NaN where the head hides an eye.
        - gaze: irises toward the right in the neutral pose, in eye widths; NaN where the head hides
          an eye, or the eyes are too far closed to tell.
        - yaw, pitch, roll: of the head since neutral, degrees, about the neutral head's own axes:
          those of the camera would mix them for a face that is photographed from above or from the
          side.
    """
    head = fit_head(neutral, landmarks)
    axes = fit_head(_frontal(), neutral).rotation
    facing = fit_head(_frontal(), landmarks).rotation
    hidden = abs(np.degrees(euler(facing)[0])) > _HIDES_AN_EYE
    height = measures.height(neutral[:, :2]) * head.scale
    gaps = landmarks[LOWER_LIP[3:6], :2] - landmarks[UPPER_LIP[3:6], :2]
    lids = float(np.mean([_openness(eye, landmarks) / _openness(eye, neutral) for eye in EYES]))
    values = {
        "mouth": float(np.linalg.norm(gaps, axis=1).mean()) / height,
        "lids": float("nan") if hidden else lids,
        "gaze": float("nan") if hidden or lids < 0.5 else gaze(head.inverse(landmarks)),
    }
    angles = np.degrees(euler(axes.T @ head.rotation @ axes)).tolist()
    return values | dict(zip(("yaw", "pitch", "roll"), angles, strict=True))


def expressions(landmarks: Floats, neutral: Floats) -> dict[str, float]:
    """The values of `EXPRESSIONS` of one face against the same face's neutral landmarks.

    The first three are how far points have moved in the head's own frame, of the face's height.
    NaN where the head is turned further than `_STEADY_HEAD`.

    Args:
        landmarks: (478, 3) in pixels.
        neutral: of the same face, likewise.

    Returns:
        The values by name.

        - aside: the mouth's corners, toward the person's left.
        - smile: these, up.
        - brows: both brows, up.
        - squint: how far the lids have come together, of their neutral opening; NaN in a blink.
    """
    head = fit_head(neutral, landmarks)
    if max(abs(np.degrees(angle)) for angle in euler(head.rotation)) > _STEADY_HEAD:
        return dict.fromkeys(EXPRESSIONS, float("nan"))
    tall = measures.height(neutral)
    down = measures.down(neutral) / tall
    across = neutral[EYES[1].corners[0]] - neutral[EYES[0].corners[0]]
    across = across - float(across @ down) * down
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    moved = (head.inverse(landmarks) - neutral) / tall
    up, left = -(moved @ down), moved @ across
    lids = float(np.mean([_openness(eye, landmarks) / _openness(eye, neutral) for eye in EYES]))
    return {
        "aside": float(left[_CORNERS].mean()),
        "smile": float(up[_CORNERS].mean()),
        "brows": float(up[_BROWS].mean()),
        "squint": 1 - lids if lids > _BLINKS else float("nan"),
    }


def beyond(motion: Mapping[str, float]) -> bool:
    """Whether a head is turned further than a photo is to follow; `motion` is from `motions`."""
    return any(abs(motion[name]) > most for name, most in FOLLOWED.items())


@cache
def _frontal() -> Floats:
    """An average neutral face that looks into the camera, (478, 3); the irises are not there."""
    with (files("models.face") / "topology.npz").open("rb") as file:
        mesh: Floats = np.load(file)["neutral"]
    points = np.zeros((478, 3), np.float32)
    points[: len(mesh)] = mesh * np.array([1, -1, -1], np.float32)
    return points


def _openness(eye: Eye, landmarks: Floats) -> float:
    """The lids' mean distance across the line through the corners, in eye widths."""
    along = landmarks[eye.corners[1], :2] - landmarks[eye.corners[0], :2]
    across = np.array([-along[1], along[0]])
    span = landmarks[eye.upper[1:6], :2] - landmarks[eye.lower[1:6], :2]
    return max(abs(float((span @ across).mean())) / max(float(along @ along), 1e-9), 1e-6)


def irises_show(image: Image, landmarks: Floats) -> bool:
    """Whether a photo's irises are darker than the white around: those of a statue are not.

    Args:
        image: the photo.
        landmarks: of its face, (478, 3) in pixels.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    for eye in EYES:
        centre, *rim = landmarks[eye.iris, :2]
        radius = float(np.linalg.norm(np.array(rim) - centre, axis=1).mean())
        outline, inside = landmarks[eye.opening, :2], np.zeros_like(grey)
        middle = outline.mean(0)
        smaller = middle + (outline - middle) * np.array([0.95, 0.8])
        cv2.fillPoly(inside, [np.rint(smaller).astype(np.int32)], 255)
        ys, xs = np.nonzero(inside)
        away = np.hypot(xs - centre[0], ys - centre[1]) / max(radius, 1e-6)
        level = grey[ys, xs].astype(np.float32)
        iris, white = level[away < 0.9], level[away > 1.25]
        if len(iris) > 3 and len(white) > 3 and np.median(iris) < 0.85 * np.median(white):
            return True
    return False


def agreement(driver: Sequence[float], result: Sequence[float], least: float) -> Agreement:
    """Compare one motion over many frames; frames where either is NaN are left out.

    Args:
        driver: the motion in each frame.
        result: likewise, as many.
        least: the range of the driver's motion below which nothing can be told.
    """
    both: Floats = np.array([driver, result], np.float64).reshape(2, -1)
    both = both[:, np.isfinite(both).all(0)]
    if both.shape[1] < 5:
        return Agreement(None, None, 0.0)
    span = float(np.ptp(np.quantile(both[0], [0.02, 0.98])))
    if span < least:
        return Agreement(None, None, span)
    still = np.ptp(both[1]) < 1e-9
    correlation = 0.0 if still else float(np.atleast_2d(np.corrcoef(both))[0, 1])
    return Agreement(correlation, robust_slope(both[0], both[1]), span)


def robust_slope(x: Floats, y: Floats, rounds: int = 20) -> float:
    """The slope of y on x by Huber's regression: outliers count less.

    Args:
        x: (N,).
        y: (N,).
        rounds: of reweighting.
    """
    design = np.stack([x, np.ones_like(x)], 1).astype(np.float64)
    weight = np.ones(len(design))
    slope, offset = 0.0, 0.0
    for _ in range(rounds):
        scaled = design * weight[:, None]
        slope, offset = np.linalg.lstsq(scaled.T @ design, scaled.T @ y, rcond=None)[0]
        error = np.abs(y - slope * x - offset)
        # 1.345 as Huber (1964) for normal errors; 1.4826 makes their median a standard deviation.
        limit = max(1.345 * 1.4826 * float(np.median(error)), 1e-9)
        weight = limit / np.maximum(error, limit)
    return float(slope)


def landmark_distance(a: Floats, b: Floats, unit: float, points: Indices | None = None) -> float:
    """Mean distance in the picture between two faces' landmarks.

    Args:
        a: landmarks of one face, (478, 3) in pixels.
        b: of the other.
        unit: pixels that count as 1.
        points: which landmarks; all but the irises if None.
    """
    chosen = slice(0, 468) if points is None else points
    apart = np.linalg.norm(a[chosen, :2] - b[chosen, :2], axis=1)
    return float(apart.mean()) / unit


def gradient_energy(picture: Image, outline: Floats) -> float:
    """Mean squared gradient of the brightness (0..255) inside the convex hull of (N, 2) points."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = cv2.Sobel(grey, cv2.CV_32F, 1, 0) ** 2 + cv2.Sobel(grey, cv2.CV_32F, 0, 1) ** 2
    mask = np.zeros(grey.shape, np.uint8)
    hull = cv2.convexHull(np.ascontiguousarray(outline, np.float32)).round().astype(np.int32)
    cv2.fillConvexPoly(mask, hull, 255)
    inside = mask > 0
    return float(energy[inside].mean()) if inside.any() else 0.0


def parted(landmarks: Floats) -> float:
    """How far the lips are apart, of the face's height."""
    gaps = landmarks[LOWER_LIP[3:6], :2] - landmarks[UPPER_LIP[3:6], :2]
    return float(np.linalg.norm(gaps, axis=1).mean()) / measures.height(landmarks[:, :2])


def local_contrast(picture: Image, landmarks: Floats) -> float:
    """Mean square between the lips of what differs from its surroundings, of 255 squared.

    The surroundings are a blur of a twentieth of the mouth's width, by what is between the lips
    alone: so neither the lips' edge nor the whole mouth's brightness counts.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    inside = _between_lips(picture, landmarks)
    if not inside.any():
        return 0.0
    sigma = 0.05 * max(float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2])), 1.0)
    weight = inside.astype(np.float32)
    around = cv2.GaussianBlur(grey * weight, (0, 0), sigma)
    around /= np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)
    return float(((grey - around)[inside] ** 2).mean())


def brightest_tooth(picture: Image, landmarks: Floats) -> float:
    """What two hundredths between the lips exceed, by the same of the skin: luminances."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[_between_lips(picture, landmarks)]
    if not grey.size:
        return 0.0
    return float(np.percentile(grey, 98)) / max(brightest_skin(picture, landmarks), 1.0)


def _between_lips(picture: Image, landmarks: Floats) -> NDArray[np.bool_]:
    """(h, w): where the mouth's inside is seen for sure."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[INNER_LIPS, :2]).astype(np.int32)], 255)
    return np.asarray(cv2.erode(mask, np.ones((3, 3), np.uint8)) > 0)


def corner_change(picture: Image, still: Image) -> float:
    """Mean absolute change in the four corners (a twelfth of the shorter side each), 0..255."""
    side = max(1, min(still.shape[:2]) // 12)
    change = np.abs(picture.astype(np.float32) - still)
    parts = [change[y, x] for y in (slice(side), slice(-side, None))
             for x in (slice(side), slice(-side, None))]  # fmt: skip
    return float(np.mean([part.mean() for part in parts]))


def opened(points: Floats, gap: float) -> Floats:
    """The face with its jaw let down; gap: of the face's height, (478, 3) landmarks."""
    down = measures.down(points)
    height = max(float(np.linalg.norm(down)), 1e-6)
    down = down / height
    below = (points - points[list(_INNER_CORNERS)].mean(0)) @ down / height
    share = np.clip(below / _LOWER_LIP, 0.0, 1.0)
    share[_UPPER_LIP] = 0.0
    share[LOWER_LIP] = np.sqrt(np.sin(np.linspace(0.25, np.pi - 0.25, len(LOWER_LIP))))
    share[468:] = 0.0
    return np.asarray(points + gap * height * share[:, None] * down, np.float32)


def jitter(track: Sequence[Floats]) -> float:
    """Root mean square over landmarks of their spread (standard deviation) in pixels, x and y.

    Args:
        track: of each frame the landmarks, (N, 3) in pixels.
    """
    places = np.array([points[:, :2] for points in track], np.float64)
    return float(np.sqrt(places.var(axis=0).mean()))


def cut(picture: Image, crop: Crop, side: int) -> Image:
    """The square `crop` of a picture at side x side pixels; its border continues outside."""
    scale = side / (2 * crop.half)
    matrix = np.array(
        [
            [scale, 0, side / 2 - 0.5 - scale * crop.cx],
            [0, scale, side / 2 - 0.5 - scale * crop.cy],
        ],
        np.float64,
    )
    if scale < 0.7:  # Or fine detail would alias.
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.4 / scale), np.uint8)
    moved = cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def mouth_crop(landmarks: Floats) -> Crop:
    """The square around the lips, with a margin of a third."""
    points = landmarks[OUTER_LIPS, :2]
    low, high = points.min(0), points.max(0)
    cx, cy = (low + high) / 2
    return Crop(float(cx), float(cy), max(0.65 * float((high - low).max()), 2.0))
