"""Lids of creatures and drawings: what comes down over an eye that shows no lid of its own."""

from __future__ import annotations

import cv2
import numpy as np

from models.face.topology import Eye
from models.mesh.paint import fill
from models.types import Floats, Image

_RIM = 0.16
"""Eye widths above the upper lid's edge where fur begins: below are the dark edge and lashes."""

_CLEARED = 0.25
"""Eye widths around an eye that its dark rim and its corners reach: points are placed inside."""

_PRESSED = 0.45
"""What is above is pressed together by this much as it is folded down: between eye and brow there
is little of it."""

_SHADE = 0.22
"""Share of its light that a lid loses an eye's width below the edge: it is round."""


def fur_lid(picture: Image, landmarks: Floats, eye: Eye, origin: Floats) -> Image:
    """(h, w, 3): what is above an eye, folded down over it.

    Args:
        picture: (h, w, 3), around the eye, without it (`without_eye`).
        landmarks: (478, 3) in pixels of the whole picture.
        eye: which of the two.
        origin: (2,), left and top of `picture` in that.
    """
    first, last = (landmarks[at, :2] - origin for at in eye.corners)
    if first[0] > last[0]:
        first, last = last, first
    width = max(float(np.linalg.norm(last - first)), 1e-6)
    along = (last - first) / width
    down = np.array([-along[1], along[0]])
    lid = landmarks[[eye.corners[0], *eye.upper, eye.corners[1]], :2] - origin - first
    order = np.argsort(lid @ along)
    ys, xs = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(np.float32)
    u = (xs - first[0]) * along[0] + (ys - first[1]) * along[1]
    v = (xs - first[0]) * down[0] + (ys - first[1]) * down[1]
    start = np.interp(u, (lid @ along)[order], (lid @ down)[order]) - _RIM * width
    below = np.maximum(v - start, 0)
    folded = np.where(below > 0, start - _PRESSED * below, v)
    at = [np.float32(first[i] + u * along[i] + folded * down[i]) for i in (0, 1)]
    fur = cv2.remap(picture, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    shade = 1 - _SHADE * np.clip(below / (1.2 * width), 0, 1)[..., None]
    return np.asarray(np.clip(np.rint(fur * shade), 0, 255), np.uint8)


def without_eye(picture: Image, outline: Floats, width: float) -> Image:
    """(h, w, 3): the fur around an eye, continued over it, its rim and what lies in its corners.

    Args:
        picture: (h, w, 3), around the eye.
        outline: (N, 2), the lids' edges.
        width: of the eye.
    """
    hole = np.zeros(picture.shape[:2], np.uint8)
    fill(hole, outline)
    reach = max(3, round(2 * _CLEARED * width)) | 1
    hole = cv2.dilate(hole, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return np.asarray(
        cv2.inpaint(picture, hole, max(3.0, 0.1 * width), cv2.INPAINT_TELEA), np.uint8
    )


def flat_lid(picture: Image, outline: Floats, width: float, face: Floats) -> Image:
    """(h, w, 3): the one colour that a drawn face has around an eye.

    Args:
        picture: (h, w, 3), around the eye.
        outline: (N, 2), the lids' edges.
        width: of the eye.
        face: (3,), the colour of the whole face.
    """
    hole = np.zeros(picture.shape[:2], np.uint8)
    fill(hole, outline)
    near, far = (max(3, round(share * width)) | 1 for share in (0.3, 0.8))
    shape = cv2.MORPH_ELLIPSE
    inner, outer = (
        cv2.dilate(hole, cv2.getStructuringElement(shape, (side, side))) for side in (near, far)
    )
    around = picture[(outer > 128) & (inner < 128)].astype(np.float32)
    alike = np.linalg.norm(around - face, axis=1) if len(around) else np.zeros(0)
    # Hair, brows and a nose may lie there too; the lid is skin.
    near_skin = around[alike <= np.quantile(alike, 0.5)] if len(around) else around
    colour = np.median(near_skin, axis=0) if len(near_skin) else face
    return np.broadcast_to(np.rint(colour).astype(np.uint8), picture.shape).copy()


def ink(picture: Image, outline: Floats, width: float) -> Floats:
    """(3,): the colour of the line around a drawn eye: the darkest along its edge."""
    line = np.zeros(picture.shape[:2], np.uint8)
    cv2.polylines(line, [np.rint(outline).astype(np.int32)], True, 255, max(2, round(0.12 * width)))
    colours = picture[line > 0].astype(np.float32)
    if not len(colours):
        return np.zeros(3, np.float32)
    dark = colours[np.argsort(colours.sum(1))[: max(1, len(colours) // 8)]]
    return np.asarray(np.median(dark, axis=0), np.float32)
