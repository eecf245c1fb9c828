"""Drawn eyes: their lids lie on the edge of the white, their irises on what is dark in it.

The face tracker puts the lids of large drawn eyes far inside them, and a person who places points
does so roughly. A drawing has areas of one colour, so the white can be found as such an area.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.topology import EYES, Eye
from models.types import Floats, Image

_FREE = (50, 280, 151, 9, 205, 425)
"""Landmarks on the cheeks and the forehead (MediaPipe's numbering)."""

_UNLIKE = 9.0
"""Distance in Lab from which a light area is not the face's own: a white beside pale skin."""

_AROUND = 1.5
"""Eye widths around an eye's middle in which its white is looked for."""

_AREA = (0.12, 5.0)
"""Squares of the eye's width that a white with its iris has: less is a catchlight, more the paper
that a face without an outline lies on."""

_DARK = 0.5
"""Part of the way from the white to the darkest in it, from which it is the iris."""

_LEAST_IRIS = 0.02
"""Share of the eye's area that an iris has at least."""


def on_the_white(picture: Image, landmarks: Floats) -> Floats:
    """The landmarks with the lids and irises where they are drawn.

    Args:
        picture: (H, W, 3).
        landmarks: (478, 3) in its pixels.

    Returns:
        (478, 3); eyes without a white of their own keep their lids.
    """
    out = landmarks.copy()
    x, y = np.rint(landmarks[list(_FREE), :2]).astype(int).T
    seen = picture[y.clip(0, picture.shape[0] - 1), x.clip(0, picture.shape[1] - 1)]
    skin = _lab(np.median(seen, axis=0)[None, None].astype(np.uint8))[0, 0]
    for eye in EYES:
        _settle(out, picture, landmarks, eye, skin)
    return out


def _settle(out: Floats, picture: Image, landmarks: Floats, eye: Eye, skin: Floats) -> None:
    """Move one eye's points in `out`; `skin`: the face's colour in Lab."""
    corners = landmarks[eye.corners, :2]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    middle = landmarks[eye.opening, :2].mean(0)
    height_, width_ = picture.shape[:2]
    left, top = np.clip(middle - _AROUND * width, 0, [width_, height_]).astype(int)
    right, bottom = np.clip(middle + _AROUND * width + 1, 0, [width_, height_]).astype(int)
    if width < 6 or right - left < 6 or bottom - top < 6:
        return
    lab = _lab(picture[top:bottom, left:right])
    area = _white(lab, middle - (left, top), skin, width)
    if area is None:
        # A dot: what is dark around its middle is all of it.
        dot = np.zeros(lab.shape[:2], np.uint8)
        cv2.circle(
            dot, np.rint(middle - (left, top)).astype(int).tolist(), round(width * 0.7), 1, -1
        )
        area = dot > 0
    else:
        _lids(out, eye, area, corners - (left, top), np.array([left, top]))
    iris = _iris(lab, area)
    if iris is not None:
        centre, radius = iris
        along = (out[eye.corners[1], :2] - out[eye.corners[0], :2]) / width
        along *= np.sign(along[0]) / max(float(np.linalg.norm(along)), 1e-6)
        down = np.array([-along[1], along[0]])
        rim = np.array([along, -down, -along, down]) * radius
        places = np.concatenate([centre[None], centre + rim]) + (left, top)
        out[eye.iris, :2] = places


def _lab(picture: Image) -> Floats:
    colours = np.ascontiguousarray(picture).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2LAB), np.float32)


def _white(lab: Floats, middle: Floats, skin: Floats, width: float) -> NDArray[np.bool_] | None:
    """(h, w): the white with all that it surrounds; None where there is none."""
    light = (lab[..., 0] > skin[0]) & (np.linalg.norm(lab - skin, axis=-1) > _UNLIKE)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(light.astype(np.uint8))
    best: NDArray[np.bool_] | None = None
    most = 0.0
    for number in range(1, count):
        x, y, wide, tall, _ = stats[number]
        if x == 0 or y == 0 or x + wide == light.shape[1] or y + tall == light.shape[0]:
            continue
        part = (labels == number).astype(np.uint8)
        contours, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        whole = np.zeros_like(part)
        # An iris at the edge cuts a bay into the white.
        hulls = [cv2.convexHull(contour) for contour in contours]
        cv2.drawContours(whole, hulls, -1, 1, -1)
        share = float(whole.sum()) / width**2
        inside = 0 <= middle[1] < whole.shape[0] and 0 <= middle[0] < whole.shape[1]
        if not inside or not whole[int(middle[1]), int(middle[0])]:
            continue
        if _AREA[0] < share < _AREA[1] and share > most:
            best, most = whole > 0, share
    return best


def _lids(out: Floats, eye: Eye, area: NDArray[np.bool_], corners: Floats, origin: Floats) -> None:
    """Put the lids on the edge of an area; changes `out`.

    corners: (2, 2), those of before, in pixels of `area`; origin: its left and top.
    """
    ys, xs = np.nonzero(area)
    along = corners[1] - corners[0]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    down = np.array([-along[1], along[0]]) * np.sign(along[0])
    points = np.column_stack([xs, ys]).astype(np.float32)
    u, v = points @ along, points @ down
    low, high = float(u.min()), float(u.max())
    shares = np.linspace(0, 1, 9)
    at = low + (high - low) * shares
    upper, lower = [], []
    for place in at:
        near = v[np.abs(u - np.clip(place, low + 1, high - 1)) <= 1.0]
        upper.append(float(near.min()) if near.size else float(v.mean()))
        lower.append(float(near.max()) if near.size else float(v.mean()))
    ends = (upper[0] + lower[0]) / 2, (upper[-1] + lower[-1]) / 2
    for index, number in enumerate(eye.corners):
        out[number, :2] = at[-index] * along + ends[index] * down + origin
    for numbers, heights, skin in (
        (eye.upper, upper, eye.lid[:7]),
        (eye.lower, lower, eye.lid[8:15]),
    ):
        edge = at[1:-1, None] * along + np.array(heights[1:-1])[:, None] * down + origin
        moved = edge - out[numbers, :2]
        out[numbers, :2] = edge
        # The skin beside goes along, or the edge would pass it.
        out[skin, :2] += moved


def _iris(lab: Floats, area: NDArray[np.bool_]) -> tuple[Floats, float] | None:
    """Middle (2,) and radius of what is dark in an eye."""
    light = lab[..., 0]
    inner = cv2.erode(area.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    if not inner.any():
        return None
    white, dark = np.percentile(light[inner], [90, 2])
    found = (inner & (light < white + _DARK * (dark - white))).astype(np.uint8)
    contours, _ = cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    largest = max(contours, key=cv2.contourArea)
    size = float(cv2.contourArea(largest))
    if size < _LEAST_IRIS * float(area.sum()):
        return None
    (x, y), around = cv2.minEnclosingCircle(largest)
    # Of a large iris, lids hide a part: the circle around it is the whole.
    radius = min(float(around), 1.3 * float(np.sqrt(size / np.pi)))
    return np.array([x, y], np.float32), max(radius, 1.0)
