"""How a photo lights and shows a face, so that what is drawn into it looks taken with it.

Its brightness, its light's colour and side, its palette (grey, toned or of all colours), its grain
and its blur are read off the skin.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.drawn import flatness
from models.face.topology import EYES, INNER_LIPS, OUTER_LIPS, Indices
from models.mesh.moustache import lip_colour
from models.mesh.paint import fill
from models.types import Floats, Image

# fmt: off
_SKIN = np.array(
    [50, 101, 118, 205, 280, 330, 347, 425, 36, 266, 203, 423, 199, 200, 212, 432, 4, 5]
)
"""Landmarks on skin around the mouth, on the cheeks and the nose (MediaPipe's numbering)."""

_SIDES = (np.array([205, 206, 212, 207, 187]), np.array([425, 426, 432, 427, 411]))
"""Landmarks on the cheek beside the mouth: the person's right, then the left."""
# fmt: on

_TYPICAL = np.array([[1.0, 0.62, 0.47], [1.0, 0.78, 0.69]], np.float32)
"""The colours of dark and of light skin in white light, their red 1."""

_DARK, _LIGHT = 100, 220
"""Brightness, 0..255, of what counts as dark and as light skin."""

_ENAMEL = np.array([1.0, 0.935, 0.84], np.float32)
"""The colour of teeth in white light, tuned by eye beside the skin of paintings and photos."""

_LEVEL = (0.27, 0.71)
"""Teeth's brightness by that of the skin, 0..1: tuned by eye on light and on dark skin."""

_BRIGHTEST = 1.06
"""Teeth are hardly brighter than the brightest skin: 1.01-1.08, medians of three real clips."""

_TONED, _COLOURED = 0.8, 2.2
"""Mean distance, in Lab, of a face's colours from one line: grey and sepia photos are below the
first, every photo in colours seen so far is beyond the second."""

_LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
"""As OpenCV weighs red, green and blue."""

_STEPS = 24
"""Of brightness, equally frequent in the picture, for each of which a mean colour is kept."""

_SLIT = 12
"""Pixels of teeth below which a photo shows none that could be told from noise."""


@dataclass(frozen=True)
class Tone:
    """The one colour that a grey or toned photo has at each brightness.

    Attributes:
        colours: (256, 1, 3) RGB 0..255, by luminance.
        share: 0..1, how far other colours may leave them; 1 in a photo in colours.
    """

    colours: Image
    share: float

    @classmethod
    def of(cls, picture: Image) -> Tone:
        """The tone of a picture (h, w, 3)."""
        small = cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA)
        rgb = small.reshape(-1, 3).astype(np.float32)
        light = rgb @ _LUMINANCE
        order = np.argsort(light, kind="stable")
        steps = np.array([rgb[part].mean(0) for part in np.array_split(order, _STEPS)])
        line = np.concatenate([np.zeros((1, 3)), steps])
        levels, wanted = line @ _LUMINANCE, np.arange(256)
        table = np.stack([np.interp(wanted, levels, line[:, k]) for k in range(3)], 1)
        table *= np.maximum(wanted / max(float(levels[-1]), 1.0), 1)[:, None]
        mean = np.stack([np.interp(light, wanted, table[:, k]) for k in range(3)], 1)
        both = np.stack([rgb, np.minimum(mean, 255)]).astype(np.float32) / 255
        lab, own = cv2.cvtColor(both, cv2.COLOR_RGB2LAB)
        spread = float(np.hypot(*np.abs(lab - own)[:, 1:].mean(0)))
        share = float(np.clip((spread - _TONED) / (_COLOURED - _TONED), 0, 1))
        return cls(np.rint(np.minimum(table, 255)).astype(np.uint8)[:, None], share)

    def __call__(self, picture: Image) -> Image:
        """A picture (h, w, 3) in the tone."""
        if self.share >= 1:
            return picture
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        toned = cv2.LUT(cv2.merge([grey] * 3), self.colours)
        return np.asarray(cv2.addWeighted(picture, self.share, toned, 1 - self.share, 0), np.uint8)


@dataclass(frozen=True)
class PhotoLight:
    """What is read off one photo.

    Attributes:
        enamel: (3,) RGB 0..255, teeth in full light.
        lip: (3,) RGB 0..255, the lips' mean colour, without hair on them.
        sides: light on the person's right and left side of the mouth; the brighter one is 1.
        tone: the photo's palette.
        grain: standard deviation of its noise, 0..255.
        blur: sigma of its blur in pixels, beyond a sharp photo's.
        teeth: (h, w), 255 where the photo shows teeth of its own.
        flat: 0..1, how flat it is drawn.
    """

    enamel: Floats
    lip: Floats
    sides: tuple[float, float]
    tone: Tone
    grain: float
    blur: float
    teeth: Image
    flat: float

    @classmethod
    def of(cls, photo: Image, landmarks: Floats) -> PhotoLight:
        """Read the photo (h, w, 3) with (478, 3) landmarks in pixels."""
        low = np.maximum(landmarks[:468, :2].min(0).astype(int), 0)
        high = landmarks[:468, :2].max(0).astype(int) + 2
        face = np.ascontiguousarray(photo[low[1] : high[1], low[0] : high[0]])
        lips = _filled(photo, landmarks[OUTER_LIPS])
        # All of a toned photo tells its tone, but a face may also have been cut out of one.
        tone = Tone.of(photo)
        if tone.share > 0:
            tone = Tone.of(face)
        teeth = own_teeth(photo, landmarks, tone.share > 0.5)
        grain, blur = _grain(face)
        flat = flatness(photo, landmarks)
        enamel = _enamel(photo, landmarks, teeth)
        if flat > 0 and not teeth.any():
            enamel = enamel + flat * (_white(photo, landmarks, enamel) - enamel)
        return cls(
            enamel=enamel,
            lip=lip_colour(photo, landmarks, lips),
            sides=_sides(photo, landmarks),
            tone=tone,
            grain=grain,
            blur=blur,
            teeth=teeth,
            flat=flat,
        )


def own_teeth(photo: Image, landmarks: Floats, coloured: bool) -> Image:
    """(h, w), 255 where the photo shows teeth between the lips: found by colour, at any gap.

    Teeth are about as bright as the lips or brighter, and less red; in a photo of one tone they are
    brighter. What lies between closed lips is darker, and a tongue is redder.

    Args:
        photo: (h, w, 3).
        landmarks: (478, 3) in pixels.
        coloured: whether the photo has more than one tone.
    """
    opening = _filled(photo, landmarks[INNER_LIPS])
    lips = cv2.subtract(_filled(photo, landmarks[OUTER_LIPS]), opening)
    none = np.zeros_like(opening)
    left, top, wide, tall = cv2.boundingRect(lips)
    part = (slice(top, top + tall), slice(left, left + wide))
    around = lips[part] > 128
    # The lips' own edges lie in the outermost pixels, since landmarks are not that exact.
    inside = cv2.erode(opening[part], np.ones((3, 3), np.uint8)) > 128
    if not around.any() or inside.sum() < _SLIT:
        return none
    lab = cv2.cvtColor(photo[part].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    light, red = lab[..., 0], lab[..., 1]
    lip_light, lip_red = float(np.median(light[around])), float(np.median(red[around]))
    if coloured:
        tooth = inside & (light > 0.85 * lip_light) & (red < lip_red - max(0.25 * lip_red, 1.0))
    else:
        tooth = inside & (light > 1.1 * lip_light)
    if tooth.sum() < max(_SLIT, 0.12 * inside.sum()):
        return none
    # The seams between teeth belong to them, and so does the edge under the lips.
    reach = max(3, round(0.05 * wide)) | 1
    round_ = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
    whole = cv2.morphologyEx(tooth.astype(np.uint8) * 255, cv2.MORPH_CLOSE, round_)
    none[part] = cv2.bitwise_and(cv2.dilate(whole, np.ones((3, 3), np.uint8)), opening[part])
    return none


def _filled(photo: Image, outline: Floats) -> Image:
    mask = np.zeros(photo.shape[:2], np.uint8)
    fill(mask, outline[:, :2])
    return mask


def _enamel(photo: Image, landmarks: Floats, teeth: Image) -> Floats:
    """(3,) RGB 0..255: teeth in the photo's light, as it shows them or as its skin lets expect."""
    shown = photo[teeth > 200].astype(np.float32)
    if len(shown) >= _SLIT:
        order = np.argsort(shown.sum(1))
        return np.asarray(shown[order[-max(_SLIT // 2, len(order) // 3) :]].mean(0), np.float32)
    near = _sampled(photo, landmarks, _SKIN, 5)
    near = near[np.argsort(near.sum(1))]
    skin = near[len(near) // 2 : -2].mean(0)
    most = max(float(skin.max()), 1.0)
    # About half of the skin's cast is the light's; the rest is the skin's own colour.
    lightness = float(np.clip((most - _DARK) / (_LIGHT - _DARK), 0, 1))
    typical = _TYPICAL[0] + lightness * (_TYPICAL[1] - _TYPICAL[0])
    tint = np.clip((skin / most) ** 0.6 / typical**0.35, 0.45, 1.0)
    tint[1] = min(tint[1], 0.5 * (tint[0] + tint[2]) + 0.08)  # never greenish
    enamel = 255 * (_LEVEL[0] + _LEVEL[1] * most / 255) * tint * _ENAMEL
    limit = _BRIGHTEST * brightest_skin(photo, landmarks)
    return np.asarray(enamel * min(1.0, limit / max(float(enamel @ _LUMINANCE), 1e-6)), np.float32)


def _white(photo: Image, landmarks: Floats, enamel: Floats) -> Floats:
    """(3,): the white that a drawing has for eyes, or else the enamel."""
    eyes = np.zeros(photo.shape[:2], np.uint8)
    for eye in EYES:
        fill(eyes, landmarks[eye.opening, :2])
    seen = photo[eyes > 200].astype(np.float32)
    if len(seen) < _SLIT:
        return enamel
    light = seen @ _LUMINANCE
    white = seen[light >= np.percentile(light, 75)].mean(0)
    return np.asarray(white if white @ _LUMINANCE > enamel @ _LUMINANCE else enamel, np.float32)


def brightest_skin(photo: Image, landmarks: Floats) -> float:
    """The luminance, 0..255, that two hundredths of the cheeks, the nose and the chin exceed."""
    hull = cv2.convexHull(np.ascontiguousarray(landmarks[_SKIN, :2], np.float32))[:, 0]
    mask = cv2.subtract(_filled(photo, hull), _filled(photo, landmarks[OUTER_LIPS]))
    skin = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[mask > 128]
    return float(np.percentile(skin, 98)) if skin.size else 255.0


def _sampled(photo: Image, landmarks: Floats, points: Indices, side: int) -> Floats:
    """(N, 3): the mean colours of small squares around some landmarks."""
    height, width = photo.shape[:2]
    x, y = np.rint(landmarks[points, :2]).astype(int).T
    around = side // 2
    squares = [
        photo[max(v - around, 0) : v + around + 1, max(u - around, 0) : u + around + 1]
        for u, v in zip(x.clip(0, width - 1), y.clip(0, height - 1), strict=True)
    ]
    return np.array([square.mean((0, 1)) for square in squares], np.float32)


def _sides(photo: Image, landmarks: Floats) -> tuple[float, float]:
    """Light on the person's right and left cheek, half of it straightened out by the lips."""
    levels = [
        float(np.median(_sampled(photo, landmarks, points, 7).mean(1))) + 12 for points in _SIDES
    ]
    right, left = (0.45 + 0.55 * level / max(levels) for level in levels)
    return right, left


def _grain(face: Image) -> tuple[float, float]:
    """The noise of a picture of a face, 0..255, and its blur in pixels."""
    grey = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    wide = grey - cv2.GaussianBlur(grey, (0, 0), 3.0)
    # Plain skin is in the half of the tiles with the least detail.
    tiles = np.sort(cv2.resize(fine**2, (16, 16), interpolation=cv2.INTER_AREA).ravel())
    noise = float(np.sqrt(np.median(tiles[: len(tiles) // 2])))
    most = max(1, grey.size // 20)
    strong = [
        float(np.partition(np.abs(band).ravel(), -most)[-most:].mean()) for band in (fine, wide)
    ]
    # Edges of sharp photos have 0.42 of their contrast within a pixel.
    sharp = strong[0] / max(strong[1], 1e-6)
    return noise, float(np.clip((0.42 - sharp) / 0.12, 0.0, 1.5))
