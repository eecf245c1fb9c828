"""Separate a person from the background once per avatar, and fill the background behind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face import measures
from models.face.measures import CHIN
from models.face.topology import OVAL
from models.mesh.far_side import silhouette
from models.mesh.paint import spread_out
from models.mesh.rings import NECK
from models.types import Floats, Image

_FACE = 468
"""Landmarks of the face mesh; those of the irises follow."""
_MISSED = 0.06
"""Face heights by which the landmarks of a far cheek lie beyond it at most, on rendered heads
turned by 30 and 45 degrees."""

_LIGHT = 16.0
"""Levels of 255 by which what is behind the person is matched to the background beside; more is no
matter of light but another thing, such as a collar."""

_SIDE = 192  # working resolution of the segmentation

_NOISE = 3.0
"""Levels of 255 up to which the background beside the person takes on the photo's own grain; what
differs by more than twice that is the person's. Tuned by eye: dark backgrounds vary by 3 to 5."""


@dataclass(frozen=True)
class Layers:
    """The part of the photo that moves, taken apart.

    matte * person + (1 - matte) * background gives the photo back, but for rounding.

    Attributes:
        box: left, top, right, bottom of that part in the photo; all else never moves.
        person: (h, w, 3), the person's own colours, extended beyond the silhouette.
        matte: (h, w), 255 where the person is, soft at hair.
        background: (H, W, 3), the whole photo, completed behind the person inside the box.
    """

    box: tuple[int, int, int, int]
    person: Image
    matte: Image
    background: Image


def separate(photo: Image, landmarks: Floats) -> Layers:
    """Take `photo` (H, W, 3) apart, given the face's (478, 3) landmarks in pixels."""
    box = _moving_box(photo, landmarks)
    left, top, right, bottom = box
    image = np.ascontiguousarray(photo[top:bottom, left:right])
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    points = (landmarks[:, :2] - (left, top)) * np.array([size[0] / width, size[1] / height])
    mask = _segment(small, points.astype(np.float32))
    chin = float(landmarks[CHIN, 1] - top) * size[1] / height
    tall = measures.height(landmarks[:, :2]) * scale
    behind = _fill_behind(image, small, mask, round(chin - 0.15 * tall))
    matte = _strands(image, behind, _refine(image, mask))
    background = _keep_far(image, behind, matte)
    person = _own_colours(image.astype(np.float32), background, matte[..., None])
    person, matte, background = _exact(image.astype(np.float32), person, matte, background)
    # Where nothing ever moves both layers are the photo itself.
    static = _below_neck(landmarks, box)
    background[static] = person[static] = image[static]
    whole = photo.copy()
    whole[top:bottom, left:right] = background
    # Rows in which nothing moves were needed to tell the person apart, but not for every frame.
    rows = max(int(np.flatnonzero(~static.all(1)).max(initial=0)) + 1, 2)
    return Layers(
        (left, top, right, top + rows),
        np.clip(np.rint(person[:rows]), 0, 255).astype(np.uint8),
        np.rint(matte[:rows] * 255).astype(np.uint8),
        whole,
    )


def _below_neck(landmarks: Floats, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """(h, w): the part of the box where the body stands still."""
    left, top, right, bottom = box
    chin = landmarks[CHIN, :2]
    down = measures.down(landmarks[:, :2])
    x, y = np.arange(left, right), np.arange(top, bottom)[:, None]
    along = (x - chin[0]) * down[0] + (y - chin[1]) * down[1]
    return np.asarray(along > (NECK + 0.03) * float(down @ down))


def _moving_box(photo: Image, landmarks: Floats) -> tuple[int, int, int, int]:
    """Head, hair and neck with room to move, inside the picture."""
    height, width = photo.shape[:2]
    oval = landmarks[OVAL, :2]
    centre, span = (oval.min(0) + oval.max(0)) / 2, float(np.ptp(oval, axis=0).max())
    reach = span * np.array([1.75, 1.55, 1.75, 1.75])
    left, top = np.maximum(np.floor(centre - reach[:2]), 0).astype(int).tolist()
    right = min(int(np.ceil(centre[0] + reach[2])), width)
    bottom = min(int(np.ceil(centre[1] + reach[3])), height)
    return left, top, right, bottom


def _segment(small: Image, points: Floats) -> Image:
    """A 0/1 mask of the person by GrabCut (Rother et al. 2004), seeded by the face."""
    height, width = small.shape[:2]
    chin = points[CHIN]
    up = -measures.down(points)
    tall = max(float(np.linalg.norm(up)), 4.0)
    up = up / tall
    side = np.array([-up[1], up[0]], np.float32)
    # Of a face from the side the outline in the picture is not the oval.
    face = points[:_FACE]
    centre = points[OVAL].mean(0)
    left, right = np.sort((face - centre) @ side)[[0, -1]]
    centre = centre + side * ((left + right) / 2)
    wide = float(right - left) / 2
    angle = float(np.degrees(np.arctan2(side[1], side[0])))

    def ellipse(mask: Image, rise: float, half_wide: float, half_tall: float, value: int) -> None:
        middle = centre + up * (tall * rise)
        axes = (max(1, round(half_wide)), max(1, round(half_tall)))
        place = (round(float(middle[0])), round(float(middle[1])))
        cv2.ellipse(mask, place, axes, angle, 0, 360, value, -1)

    def torso(mask: Image, shoulder: float, drop: float, value: int) -> None:
        neck = centre - up * (tall * 0.45)
        top = centre - up * (tall * drop)
        outline = [
            neck + side * wide * 0.55,
            top + side * shoulder,
            [top[0] + side[0] * shoulder * 1.25, height + tall],
            [top[0] - side[0] * shoulder * 1.25, height + tall],
            top - side * shoulder,
            neck - side * wide * 0.55,
        ]
        cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], value)

    mask = np.full((height, width), cv2.GC_BGD, np.uint8)
    ellipse(mask, 0.1, wide * 3.0, tall * 1.7, cv2.GC_PR_BGD)
    torso(mask, wide * 4.5, 0.5, cv2.GC_PR_BGD)
    ellipse(mask, 0.2, wide * 1.35, tall * 0.85, cv2.GC_PR_FGD)
    torso(mask, wide * 1.9, 1.0, cv2.GC_PR_FGD)
    sure, past = silhouette(centre + (face - centre) * 0.95, mask.shape, tall)
    mask[sure > 0] = cv2.GC_FGD
    ellipse(mask, 0.12, wide * 0.9, tall * 0.58, cv2.GC_FGD)
    # On the far side of a face landmarks miss its outline, and what is behind is seen there.
    rim = max(1, round(2 * _MISSED * tall))
    mask[cv2.erode(sure, np.ones((rim, rim), np.uint8), borderValue=0) < past] = cv2.GC_PR_FGD
    core = chin - up * (tall * 0.35)
    cv2.line(mask, _at(chin), _at(core), cv2.GC_FGD, max(1, round(wide * 0.8)))
    cv2.line(mask, _at(core - up * tall * 0.3), (_at(core)[0], height), cv2.GC_FGD, round(wide))
    if not (mask == cv2.GC_BGD).any():
        mask[0, :] = mask[:, 0] = mask[:, -1] = cv2.GC_BGD
    column, row = np.clip(_at(centre), 0, (width - 1, height - 1))
    # One piece, without holes: islands and gaps would move on their own.
    person = _cut_out(small, mask, row, column)
    outlines, _ = cv2.findContours(person, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(person, outlines, -1, 1, -1)
    return np.asarray(person, np.uint8)


def _at(point: Floats) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _refine(image: Image, mask: Image) -> Floats:
    """A soft matte 0..1 at full size that follows the picture's edges (guided filter, He 2010)."""
    height, width = image.shape[:2]
    coarse = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    side = max(5, round(max(height, width) / 60)) | 1

    def mean(x: Floats) -> Floats:
        return np.asarray(cv2.blur(x, (side, side)), np.float32)

    mean_g, mean_m = mean(guide), mean(coarse)
    slope = (mean(guide * coarse) - mean_g * mean_m) / (mean(guide * guide) - mean_g**2 + 1e-4)
    offset = mean_m - slope * mean_g
    matte = mean(slope) * guide + mean(offset)
    # Sure inside and outside stay sure; the soft band is as wide as the mask was coarse.
    matte = np.clip((matte - 0.15) / 0.7, 0, 1)
    band = max(3, round(max(height, width) / 64)) | 1
    kernel = np.ones((band, band), np.uint8)
    inside = cv2.erode((coarse > 0.5).astype(np.uint8), kernel)
    outside = cv2.dilate((coarse > 0.5).astype(np.uint8), kernel) == 0
    return np.asarray(np.where(inside > 0, 1.0, np.where(outside, 0.0, matte)), np.float32)


def _fill_behind(image: Image, small: Image, mask: Image, neck: int) -> Floats:
    """The background continued behind the person; smooth, since only its rim is ever seen.

    neck: the row of `small` from which on clothes may be seen on both sides.
    """
    height, width = image.shape[:2]
    hole = cv2.dilate(mask, np.ones((13, 13), np.uint8))
    if hole.all():
        filled = cv2.GaussianBlur(small, (0, 0), small.shape[1] / 12)
    else:
        filled = cv2.inpaint(small, hole, 4, cv2.INPAINT_TELEA)
        soft = cv2.GaussianBlur(filled, (0, 0), 3.0)
        filled = np.where(cv2.erode(hole, np.ones((5, 5), np.uint8))[..., None] > 0, soft, filled)
        filled = _fill_collar(filled.astype(np.float32), small, mask, neck)
    wide = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(wide, 0, 255), np.float32)


def _fill_collar(filled: Floats, small: Image, mask: Image, neck: int) -> Floats:
    """Continue what is the same on both sides of the neck behind it: a collar goes around.

    Its ends are too narrow for `inpaint`, which has to stay clear of the person's soft edge.
    """
    person = cv2.dilate(mask, np.ones((5, 5), np.uint8)) > 0
    wanted, share = filled.copy(), np.zeros(mask.shape, np.float32)
    for y in range(max(neck, 0), len(mask)):
        inside = np.flatnonzero(person[y])
        if not inside.size or inside[0] < 3 or inside[-1] > mask.shape[1] - 4:
            continue
        left, right = inside[0], inside[-1] + 1
        ends = [small[y, at : at + 3].mean(0) for at in (left - 3, right)]
        alike = float(np.exp(-((np.abs(ends[0] - ends[1]).max() / 40) ** 2)))
        way = np.linspace(0, 1, right - left, dtype=np.float32)[:, None]
        wanted[y, left:right] = ends[0] * (1 - way) + ends[1] * way
        share[y, left:right] = alike
    wanted, share = cv2.GaussianBlur(wanted, (0, 0), 1.0), cv2.GaussianBlur(share, (0, 0), 1.5)
    return np.asarray(filled + (wanted - filled) * share[..., None], np.float32)


def _strands(image: Image, behind: Floats, matte: Floats) -> Floats:
    """Loose hair around the silhouette: what differs from the background toward the person.

    Near the edge a pixel is taken as a mixture of the nearest sure colours of the person and the
    colour behind; its share is trusted as far as the two differ.
    """
    spread = spread_out(image.astype(np.float32), (matte > 0.97).astype(np.float32))
    difference = spread - behind
    contrast = (difference**2).sum(2)
    share = ((image - behind) * difference).sum(2) / np.maximum(contrast, 1.0)
    share = np.clip((share - 0.12) / 0.76, 0, 1)
    trust = np.clip((contrast - 40.0**2) / (60.0**2), 0, 1)
    # Outward the trust fades, so that a picture on the wall does not become hair.
    reach = max(image.shape[:2]) / 40
    outside = cv2.distanceTransform((matte < 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    inside = cv2.distanceTransform((matte >= 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    trust *= np.clip(1.5 - outside / reach, 0, 1) * np.clip(1.5 - inside / (0.5 * reach), 0, 1)
    return np.asarray(matte + (share - matte) * trust, np.float32)


def _keep_far(image: Image, behind: Floats, matte: Floats) -> Floats:
    """The photo itself up to a little outside the silhouette, what is behind it further in.

    What is behind takes the photo's light along that line, else it would show where it begins.
    """
    reach = max(3, round(max(image.shape[:2]) / 90)) | 1
    near = cv2.dilate((matte > 0.02).astype(np.float32), np.ones((reach, reach)))
    light = np.clip(image - behind, -_LIGHT, _LIGHT)
    behind = np.clip(behind + spread_out(light, 1 - near), 0, 255)
    near = cv2.GaussianBlur(near, (0, 0), reach / 4)[..., None]
    return np.asarray(behind * near + image * (1 - near), np.float32)


def _own_colours(image: Floats, background: Floats, matte: Floats) -> Floats:
    """The person's colours without the background's share, continued outward past the rim."""
    pure = (image - (1 - matte) * background) / np.maximum(matte, 0.35)
    spread = spread_out(np.clip(pure, 0, 255), (matte[..., 0] > 0.6).astype(np.float32))
    certain = np.clip((matte - 0.3) / 0.4, 0, 1)
    return np.asarray(pure * certain + spread * (1 - certain), np.float32)


def _exact(
    image: Floats, person: Floats, matte: Floats, background: Floats
) -> tuple[Floats, Floats, Floats]:
    """Person, matte and background as near as can be to these that give the photo back.

    Outside the matte a small difference is the background's. For the rest, the matte is raised to
    the least for which some colour 0..255 gives the photo, and that colour becomes the person's:
    so loose hair that the matte left out moves with the head.
    """
    share = matte[..., None]
    rest = image - background
    little = np.clip(2 - np.abs(rest).max(2, keepdims=True) / _NOISE, 0, 1)
    background = background + rest * little * np.clip(1 - 4 * share, 0, 1)
    background = np.clip(np.rint(background), 0, 255)
    room = np.where(image > background, 255 - background, background)
    least = (np.abs(image - background) / np.maximum(room, 1)).max(2)
    # Both are kept in 8 bits.
    matte = np.maximum(np.rint(matte * 255), np.ceil(np.clip(least, 0, 1) * 255)) / 255
    share = matte[..., None]
    pure = (image - (1 - share) * background) / np.maximum(share, 1 / 255)
    # Where the matte is nothing, the person's colours go on past the rim.
    person = np.where(share > 0, np.clip(pure, 0, 255), person)
    return person.astype(np.float32), matte.astype(np.float32), background.astype(np.float32)


@dataclass(frozen=True)
class Body:
    """What of the person stands still: clothes and shoulders, which the layers leave behind.

    Attributes:
        matte: (H, W), 255 where it is.
        behind: (H, W, 3), the photo's background, completed behind all of the person.
    """

    matte: Image
    behind: Image


def find_body(photo: Image, landmarks: Floats, layers: Layers) -> Body:
    """Tell the rest of the person from the background, going on from what the layers know.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) of the face in its pixels.
        layers: of the same photo.
    """
    height, width = photo.shape[:2]
    left, top, right, bottom = layers.box
    sides = top, height - bottom, left, width - right
    head = cv2.copyMakeBorder(layers.matte, *sides, cv2.BORDER_CONSTANT, value=0)
    scale = _SIDE / max(height, width)
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    points = landmarks[:, :2] * np.array([size[0] / width, size[1] / height])
    mask = _segment_all(small, cv2.resize(head, size, interpolation=cv2.INTER_AREA), points)
    behind = _fill_behind(photo, small, mask, len(mask))
    matte = np.maximum(_strands(photo, behind, _refine(photo, mask)) * 255, head)
    behind = _keep_far(photo, behind, matte / 255)
    # What the moving layers have is theirs: where the head was, nothing of the person stays.
    below = _along(landmarks, width, height)
    share = np.clip((below - _SHOULDERS) / 0.1, 0, 1)
    own = matte * share + np.maximum(matte - head.astype(np.float32), 0) * (1 - share)
    own *= np.clip((below + 0.2) / 0.1, 0, 1)
    return Body(np.rint(own).astype(np.uint8), np.rint(behind).astype(np.uint8))


_SHOULDERS = 0.05
"""Face heights below the chin from which on all of the person is body: hardly anything moves there,
and a collar stays where it is."""


def _along(landmarks: Floats, width: int, height: int) -> Floats:
    """(height, width): how far below the chin each pixel lies, in heights of the face."""
    chin, down = landmarks[CHIN, :2], measures.down(landmarks[:, :2])
    x, y = np.arange(width), np.arange(height)[:, None]
    below = ((x - chin[0]) * down[0] + (y - chin[1]) * down[1]) / float(down @ down)
    return np.asarray(below, np.float32)


def _segment_all(small: Image, head: Image, points: Floats) -> Image:
    """A 0/1 mask of the whole person, given the matte of the head at the same size."""
    height, width = small.shape[:2]
    below = _along(points, width, height)
    chin, down = points[CHIN], measures.down(points)
    tall = float(np.linalg.norm(down))
    x, y = np.arange(width) - chin[0], np.arange(height)[:, None] - chin[1]
    aside = np.abs(x * down[1] - y * down[0]) / tall**2
    # Shoulders begin below the chin, and are about four widths of a head across.
    likely = (below > 0.1) & (aside < 0.4 + 1.4 * below)
    mask = np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    mask[(below > 0.45) & (aside < 0.3)] = cv2.GC_FGD
    mask[(below < -0.1) | (aside > 0.8 + 2.5 * np.maximum(below, 0))] = cv2.GC_BGD
    mask[head >= 250] = cv2.GC_FGD
    column, row = np.clip(_at(points[OVAL].mean(0)), 0, (width - 1, height - 1))
    mask[row, column] = cv2.GC_FGD
    if not (mask == cv2.GC_BGD).any():
        mask[0, :] = cv2.GC_BGD
    return _cut_out(small, mask, row, column)


def _cut_out(small: Image, mask: Image, row: int, column: int) -> Image:
    """The piece at a row and a column of what GrabCut finds, given its mask: 0 or 1; or all of it.

    The mask is changed. Every start gives the same.
    """
    cv2.setRNGSeed(1)
    model_b, model_f = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, mask, (0, 0, 1, 1), model_b, model_f, 4, cv2.GC_INIT_WITH_MASK)
    person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    person = np.asarray(cv2.morphologyEx(person, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)))
    _, labels = cv2.connectedComponents(person)
    seed = labels[row, column]
    return np.asarray(labels == seed if seed else person, np.uint8)
