"""Eyes, drawn over the warped face: what no stretched triangle can show.

The eyeball is a layer behind the lids that moves as one piece; a closing lid has its own skin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.face.topology import EYES, Eye
from models.mesh.eyeball import Eyeball
from models.mesh.lids import flat_lid, fur_lid, ink, without_eye
from models.mesh.paint import blend, box, fill, similarity, smooth_line, soft
from models.mesh.pose import Similarity
from models.mesh.traits import PERSON, Lids, Traits
from models.types import Floats, Image

_STIRRED = (0.0006, 0.03)
"""Eye widths by which lids and iris have to move: up to the first the photo's own eye is seen,
from the second on the drawn one. The first is far less than landmarks tremble."""

_TAPERED, _EVEN = 0.7, 0.1
"""How the line between closed lids thins toward the corners, as a power of a sine: of lashes, and
of a drawn line, which is as thick everywhere."""

_MET, _RIM = 0.4, 1.4
"""Share of the photo's opening from which on lids that meet hide what is left of an eye, and how
much larger than its opening that is: with the dark rim."""

_TALLEST = 0.6
"""Share of its height by which an eye grows at most when its lids part: without, an eye widened in
surprise is white all around its iris; more would stretch the iris visibly."""


_SHUT = 0.1
"""Eye widths between the lids below which an eye is closed: rendered shut eyes are read as up to
0.1, narrow and smiling open ones as 0.2."""


_FREE = np.array([118, 347, 50, 280, 151, 9, 4])
"""Landmarks on the cheeks, the forehead and the nose, which glasses leave free."""

_DARK, _PLAIN = 0.55, 0.08
"""Dark glass has less than this part of the skin's light, and less difference in it: of 170 photos
of open eyes no socket was so dark and so plain, however deep its shadow."""


_HUE = 0.7
"""Share of the skin's hue that a drawn lid takes; with 0 lids of warm paintings are grey."""

_WHITES = (10.0, 18.0)
"""Distances in Lab by which what is around the lids may be lighter than the face's skin: of 290
faces it was by less than 6, white hair over an eye aside. From the second number on it surely is
the white of large drawn eyes."""


@dataclass(frozen=True)
class LidStyle:
    """How a closing lid is drawn, in eye widths.

    Attributes:
        line: how thick the line between closed lids is.
        cover: how far above the upper lid's edge it begins: over lashes, or the line around an eye.
        beyond: how far it reaches past the corners; points that are placed by hand miss these.
        plain: drawn with even lines and sharp edges, over a white of one colour.
        soon: share of the opening by which it closes until it is seen wholly.
    """

    line: float
    cover: float
    beyond: float = 0.0
    plain: bool = False
    soon: float = 0.25


_STYLES: Mapping[Lids, LidStyle] = {
    "skin": LidStyle(0.04, 0.07),
    "fur": LidStyle(0.035, 0.1, 0.1),
    "flat": LidStyle(0.07, 0.16, plain=True, soon=0.03),
    "dot": LidStyle(0.22, 0.16, plain=True, soon=0.03),
}
"""By what lids are made of; by eye, on photos of persons, on cats and dogs, and on drawings."""


@dataclass(frozen=True)
class EyeLayer:
    """One eye of the photo; places are the photo's pixels.

    Attributes:
        eye: which points.
        ball: what is behind the lids.
        skin: (h, w, 3), the lid's skin over the whole eye, for when it closes.
        under: (h, w, 3), what is seen below the closed upper lid; None: as the lower one moves.
        lash: (3,) 0..255, the colour of the line between closed lids.
        origin: (2,) left and top of the pictures.
        corners: (2, 2), of the lids.
        upper: (7, 2), the upper lid's edge.
        lower: (7, 2), the lower lid's edge.
        iris: (2,), its middle.
        gap: the lids' distance.
        style: how its closing lid is drawn.
    """

    eye: Eye
    ball: Eyeball
    skin: Image
    under: Image | None
    lash: Floats
    origin: Floats
    corners: Floats
    upper: Floats
    lower: Floats
    iris: Floats
    gap: float
    style: LidStyle


def cut_eyes(photo: Image, landmarks: Floats, traits: Traits = PERSON) -> list[EyeLayer]:
    """The eyes of a photo; closed and hidden ones give none.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        traits: of the face.
    """
    layers, face = [], _face_colour(photo, landmarks)
    for eye in EYES:
        outline = landmarks[eye.opening, :2]
        width = float(np.linalg.norm(landmarks[eye.corners[0], :2] - landmarks[eye.corners[1], :2]))
        if width < 4 or is_shut(landmarks, eye):
            continue
        if traits.human and is_hidden(photo, landmarks, eye):
            continue
        left, top, right, bottom = box(outline, 0.6 * width, photo)
        picture = np.ascontiguousarray(photo[top:bottom, left:right])
        local = outline - (left, top)
        origin = np.array([left, top], np.float32)
        under = None
        if traits.lids == "fur":
            under = without_eye(picture, local, width)
            lid = fur_lid(under, landmarks, eye, origin)
        elif traits.plain:
            lid = flat_lid(picture, local, width, face)
        else:
            lid = _lid_skin(picture, local, width, face)
        if traits.plain:
            lash = ink(picture, local, width)
        else:
            lash = _lash_colour(picture, landmarks[eye.upper, :2] - (left, top), width, face)
        layers.append(
            EyeLayer(
                eye,
                Eyeball.cut(
                    picture,
                    local,
                    landmarks[eye.corners, :2] - (left, top),
                    landmarks[eye.iris, :2] - (left, top),
                    traits.plain,
                ),
                lid,
                under,
                lash,
                origin,
                landmarks[eye.corners, :2],
                landmarks[eye.upper, :2],
                landmarks[eye.lower, :2],
                landmarks[eye.iris[0], :2],
                _gap(landmarks, eye),
                _STYLES[traits.lids],
            )
        )
    return layers


def is_shut(landmarks: Floats, eye: Eye) -> bool:
    """Whether an eye is closed, by (478, 3) landmarks."""
    across = landmarks[eye.corners[0], :2] - landmarks[eye.corners[1], :2]
    return _gap(landmarks, eye) < _SHUT * float(np.linalg.norm(across))


def is_hidden(photo: Image, landmarks: Floats, eye: Eye) -> bool:
    """Whether an eye is behind dark glass or hair: as plain and dark as what is around it.

    Args:
        photo: (H, W, 3).
        landmarks: (478, 3) in its pixels.
        eye: which of the two.
    """
    corners = landmarks[eye.corners, :2]
    width = float(np.linalg.norm(corners[0] - corners[1]))
    left, top, right, bottom = box(landmarks[eye.opening, :2], 0.5 * width, photo)
    if right - left < 8 or bottom - top < 8:
        return False
    light = cv2.cvtColor(photo[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
    opening = np.zeros(light.shape, np.uint8)
    fill(opening, landmarks[eye.opening, :2] - (left, top))
    near, far = (max(3, round(share * width)) | 1 for share in (0.15, 0.6))
    inner, outer = (cv2.dilate(opening, np.ones((side, side), np.uint8)) for side in (near, far))
    inside, around = light[opening > 128], light[(outer > 128) & (inner < 128)]
    if not inside.size or not around.size:
        return False
    skin = float(_face_colour(photo, landmarks).mean())
    # Reflections may lie on a part of the glass.
    low, high = np.percentile(inside, [10, 60])
    return float(np.median(around)) < _DARK * skin and float(high - low) < _PLAIN * skin


def held(source: Floats, target: Floats, head: Similarity, still: Sequence[Eye]) -> Floats:
    """Landmarks (478, 3) of a frame in which some eyes stay as in the photo.

    There is nothing to see behind closed lids, which would be torn, nor behind dark glass.

    Args:
        source: (478, 3) the photo's landmarks.
        target: (478, 3) those of the frame.
        head: the skull's motion from source to target.
        still: the eyes that stay.
    """
    if not still:
        return target
    held = target.copy()
    for eye in still:
        points = np.concatenate([eye.opening, eye.iris])
        held[points] = head(source[points])
        # The skin around goes half of the way, so that brows may move.
        held[eye.lid] = (held[eye.lid] + head(source[eye.lid])) / 2
    return held


def _gap(landmarks: Floats, eye: Eye) -> float:
    """The lids' mean distance in the picture."""
    span = landmarks[eye.upper[2:5], :2] - landmarks[eye.lower[2:5], :2]
    return float(np.linalg.norm(span, axis=1).mean())


def _lid_skin(picture: Image, outline: Floats, width: float, face: Floats) -> Image:
    """The skin around an eye, continued over it and its lashes.

    Args:
        picture: (h, w, 3), around the eye.
        outline: (N, 2), the lids' edges.
        width: of the eye.
        face: (3,), the skin of the whole face.
    """
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
        wrong = _unlike(bright, face)
        bright += wrong * (face - bright)
        # White and iris, which are painted into the skin around, must not tint it.
        hue = (
            bright
            / max(float(bright.mean()), 1.0)
            / np.maximum(lid / max(float(lid.mean()), 1), 0.1)
        )
        lighter = skin * (hue**_HUE * np.clip(0.85 * bright.mean() / max(lid.mean(), 1), 1.0, 1.8))
        lighter += wrong * (bright - lighter)
        inner = soft(cv2.erode(hole, np.ones((3, 3), np.uint8)), max(width * 0.06, 0.8))
        blend(skin, np.clip(lighter, 0, 255).astype(np.uint8), inner)
    return np.asarray(skin, np.uint8)


def _face_colour(photo: Image, landmarks: Floats) -> Floats:
    """(3,): the skin of the face, of which glasses leave enough free."""
    height, width = photo.shape[:2]
    x, y = np.rint(landmarks[_FREE, :2]).astype(int).T
    colours = photo[y.clip(0, height - 1), x.clip(0, width - 1)]
    return np.asarray(np.median(colours, axis=0), np.float32)


def _unlike(colour: Floats, face: Floats) -> float:
    """0..1: how surely what is around the lids is no skin, as the large whites of drawn eyes."""
    both = np.array([[colour, face]], np.float32) / 255
    lab = cv2.cvtColor(both, cv2.COLOR_RGB2LAB)[0]
    # Only what is lighter than the face is white: darker are shadows and paint on lids.
    apart = float(np.linalg.norm(lab[0] - lab[1])) if lab[0, 0] > lab[1, 0] else 0.0
    low, high = _WHITES
    return min(max((apart - low) / (high - low), 0.0), 1.0)


def _lash_colour(picture: Image, edge: Floats, width: float, face: Floats) -> Floats:
    """The darker colours along the upper lid's edge, with something of the skin's hue.

    Args:
        picture: (h, w, 3), around the eye.
        edge: (7, 2), the upper lid's.
        width: of the eye.
        face: (3,), the skin of the whole face.
    """
    line = np.zeros(picture.shape[:2], np.uint8)
    cv2.polylines(line, [np.rint(edge).astype(np.int32)], False, 255, max(1, round(width * 0.07)))
    colours = picture[line > 0].astype(np.float32)
    dark = colours[np.argsort(colours.sum(1))[: max(1, len(colours) // 3)]].mean(0)
    # The iris behind the lashes may tint them; they are never bluish.
    dark = np.minimum(dark, dark[0])
    hue = face / max(float(face.mean()), 1.0)
    return np.asarray(np.minimum(0.5 * dark + 0.5 * dark.mean() * hue, 255), np.float32)


def draw_eye(out: Image, layer: EyeLayer, target: Floats) -> None:
    """Draw one eyeball within the lids.

    Args:
        out: (H, W, 3), drawn into.
        layer: the eye.
        target: (478, 2) landmarks in pixels of `out`.
    """
    eye = layer.eye
    outline = target[eye.opening]
    left, top, right, bottom = box(outline, 3, out)
    if right - left < 2 or bottom - top < 2:
        return
    move = similarity(layer.corners, target[eye.corners])
    stirred = _stirred(layer, move, target)
    if stirred <= 0:
        return
    wider = _gap(target, eye) / max(float(np.hypot(*move[:, 0])) * layer.gap, 1e-6) - 1
    # Lids that part show more of the iris; white all around it would look startled.
    move = _taller(move, target[eye.corners], 1 + min(max(wider, 0.0), _TALLEST))
    shift = target[eye.iris[0]] - (move[:, :2] @ layer.iris + move[:, 2])
    move[:, 2] += move[:, :2] @ layer.origin - (left, top)
    ball = layer.ball.draw(move, shift, (right - left, bottom - top))
    mask = np.zeros(ball.shape[:2], np.uint8)
    fill(mask, outline - (left, top))
    blend(out[top:bottom, left:right], ball, (soft(mask, 0.7) * stirred).astype(np.uint8))


def _stirred(layer: EyeLayer, move: Floats, target: Floats) -> float:
    """0..1: how far the eye looks and opens other than in the photo; `move` brings its corners."""
    eye = layer.eye
    marks = np.concatenate([layer.upper, layer.lower, layer.iris[None]])
    numbers = np.concatenate([eye.upper, eye.lower, eye.iris[:1]])
    moved = np.abs(target[numbers] - (marks @ move[:, :2].T + move[:, 2])).max()
    width = float(np.linalg.norm(target[eye.corners[0]] - target[eye.corners[1]]))
    low, high = _STIRRED
    return min((float(moved) / max(width, 1e-6) - low) / (high - low), 1.0)


def _taller(move: Floats, corners: Floats, factor: float) -> Floats:
    """A map that also stretches across a line, (2, 3).

    Args:
        move: (2, 3), the map.
        corners: (2, 2), two points of the line.
        factor: 1 leaves it as it is.
    """
    along = corners[1] - corners[0]
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6)
    stretch = np.eye(2) + (factor - 1) * np.outer(across, across)
    middle = corners.mean(0)
    shift = stretch @ (move[:, 2] - middle) + middle
    return np.concatenate([stretch @ move[:, :2], shift[:, None]], 1).astype(np.float32)


def _beyond(edge: Floats, reach: float) -> Floats:
    """A lid's edge (N, 2) that goes on past its corners by some pixels."""
    if not reach:
        return edge
    along = edge[-1] - edge[0]
    along = along / max(float(np.hypot(*along)), 1e-6)
    return np.concatenate([edge[:1] - reach * along, edge, edge[-1:] + reach * along])


def _above(was_open: Floats, corners: Floats, up: Floats, cover: float, plain: bool) -> Floats:
    """(N, 2): where a closing lid begins, some pixels beyond the edge of the open one.

    Args:
        was_open: (7, 2), that edge.
        corners: (2, 2), of the lids.
        up: (2,), the unit vector up.
        cover: so many pixels.
        plain: the line around the eye is covered on all sides.
    """
    if not plain:
        return np.asarray(was_open + up * cover)
    edge = np.concatenate([corners[:1], was_open, corners[1:]])
    away = edge - corners.mean(0)
    far = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return np.asarray(edge + away * (cover / far), np.float32)


def draw_lid(out: Image, layer: EyeLayer, target: Floats) -> None:
    """Draw the skin and the lashes of a closing upper lid.

    The lid's own skin is folded away in the photo: it takes the colours around the eye, between
    where the edge was in the photo and where it is now.

    Args:
        out: (H, W, 3), drawn into.
        layer: the eye.
        target: (478, 2) landmarks in pixels of `out`.
    """
    eye = layer.eye
    move = similarity(layer.corners, target[eye.corners])
    size = float(np.linalg.norm(move[:, 0]))
    width = size * float(np.linalg.norm(layer.corners[0] - layer.corners[1]))
    corners = target[eye.corners]
    was_open = layer.upper @ move[:, :2].T + move[:, 2]
    edge = np.concatenate([corners[:1], target[eye.upper], corners[1:]])
    up = np.array([move[0, 1], -move[0, 0]], np.float32) / max(size, 1e-6)
    # An eye that the lower lid narrows keeps its upper lid as it is in the photo.
    fallen = float(((was_open[2:5] - target[eye.upper[2:5]]) @ up).mean())
    closing = fallen / max(size * layer.gap, 1e-6)
    if closing < 0.05:
        return
    # From nothing on, so that no line comes and goes with the landmarks' noise.
    strength = min((closing - 0.05) / layer.style.soon, 1.0)
    if layer.under is not None:
        _clear(out, layer, move, target, closing)
    edge = _beyond(edge, layer.style.beyond * width)
    cover = layer.style.cover * width
    outline = np.concatenate([edge, _above(was_open, corners, up, cover, layer.style.plain)[::-1]])
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
    part = out[top:bottom, left:right]
    plain = layer.style.plain
    mask = soft(mask, 0.7 if plain else max(0.7, 0.025 * width))
    blend(part, np.asarray(skin, np.uint8), (mask * strength).astype(np.uint8))
    line = np.zeros(part.shape[:2], np.uint8)
    curve = smooth_line(smooth_line(edge)) - (left, top)
    # Thick in the middle, nothing at the corners.
    taper = _EVEN if plain else _TAPERED
    thick = np.sin(np.linspace(0, np.pi, len(curve)))[:, None].clip(0) ** taper
    thick *= max(layer.style.line * width, 1.0)
    fill(line, np.concatenate([curve + up * (0.3 * thick), (curve - up * (0.7 * thick))[::-1]]))
    line = soft(line, 0.6 if plain else max(0.8, 0.022 * width))
    colour = np.broadcast_to(layer.lash.astype(np.uint8), part.shape)
    dense = 1.0 if plain else 0.85
    blend(part, colour, (line * (dense * strength)).astype(np.uint8))


def _clear(out: Image, layer: EyeLayer, move: Floats, target: Floats, closing: float) -> None:
    """Draw what surrounds an eye over what is left of it, as its lids meet.

    Args:
        out: (H, W, 3), drawn into.
        layer: the eye.
        move: (2, 3), brings its corners from the photo.
        target: (478, 2) landmarks in pixels of `out`.
        closing: share of the opening by which the upper lid has come down.
    """
    assert layer.under is not None
    gap = _gap(target, layer.eye) / max(float(np.hypot(*move[:, 0])) * layer.gap, 1e-6)
    strength = min(max((_MET - gap) / _MET, 0.0), 1.0) * min(closing / 0.3, 1.0)
    if strength <= 0:
        return
    width = float(np.linalg.norm(np.subtract(*target[layer.eye.corners])))
    ring = np.concatenate([layer.corners[:1], layer.upper, layer.corners[1:], layer.lower[::-1]])
    outline = ring @ move[:, :2].T + move[:, 2]
    middle = outline.mean(0)
    outline = middle + (outline - middle) * _RIM
    left, top, right, bottom = box(outline, 0.2 * width + 2, out)
    if right - left < 2 or bottom - top < 2:
        return
    place = move.copy()
    place[:, 2] += move[:, :2] @ layer.origin - (left, top)
    size = (right - left, bottom - top)
    fur = cv2.warpAffine(layer.under, place, size, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(fur.shape[:2], np.uint8)
    fill(mask, outline - (left, top))
    mask = soft(mask, max(0.7, 0.06 * width))
    part = out[top:bottom, left:right]
    blend(part, np.asarray(fur, np.uint8), (mask * strength).astype(np.uint8))
