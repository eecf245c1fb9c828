"""What training heads look like and do: every random choice of `render_heads.py`, without pictures.

Everything follows from the seed and the number of the identity, whatever was rendered before. What
must be spread evenly (skin tone, age, gender) comes from low-discrepancy sequences, so that any run
of consecutive identities covers the whole range. Needs only numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.heads.scene import Colour, FloatArray

TRACKS = Path(__file__).resolve().parent / "tracks.npz"
"""Real motion, written by `tracks.py`."""

_ITA = (64.0, -62.0)
"""Individual typology angle of the lightest and the darkest skin, degrees: a little beyond the ends
of Chardon's scale (very light above 55, dark below -30), so that both are learnt from."""

LIGHT_SKINS = (
    "young_lightskinned_female_diffuse2",
    "young_lightskinned_female_diffuse3",
    "young_lightskinned_male_diffuse",
    "young_lightskinned_male_diffuse2",
    "young_lightskinned_male_diffuse3",
    "middleage_lightskinned_female_diffuse2",
    "middleage_lightskinned_male_diffuse",
    "middleage_lightskinned_male_diffuse2",
)
DARK_SKINS = (
    "young_darkskinned_male_diffuse",
    "middleage_darkskinned_male_diffuse",
    "old_darkskinned_male_diffuse",
)
HAIRS = ("short01", "short02", "short03", "short04", "bob02", "braid01")
_HAIR_ODDS = (0.28, 0.28, 0.07, 0.25, 0.06, 0.06)
"""How often each of `HAIRS` is worn: three are rare, since their fringes hide an eye."""

EYES = ("blue", "bluegreen", "brown", "brownlight", "green", "grey", "ice", "lightblue")
# Names of textures and parts in the folder of CC0 parts.
BROWS = tuple(f"eyebrow{i:03d}" for i in range(1, 13))
LASHES = tuple(f"eyelashes{i:02d}" for i in range(1, 5))  # as above
TEETH = ("teeth_base", *(f"teeth_shape{i:02d}" for i in range(1, 6)))
"""Sets of teeth in the folder of CC0 parts."""

_HAIR: tuple[tuple[Colour, float], ...] = (
    ((0.010, 0.008, 0.007), 4),
    ((0.024, 0.014, 0.009), 4),
    ((0.055, 0.030, 0.017), 3),
    ((0.11, 0.065, 0.035), 2.5),
    ((0.24, 0.16, 0.085), 2),
    ((0.40, 0.30, 0.17), 1.2),
    ((0.16, 0.045, 0.016), 1.2),
    ((0.22, 0.21, 0.20), 1.8),
    ((0.52, 0.51, 0.49), 1.2),
    ((0.25, 0.03, 0.12), 0.3),
    ((0.03, 0.10, 0.22), 0.3),
)
"""Linear colours of hair and how often they come: black to blond, red, grey, white, two dyes. Dark
ones are the most, as among people; `_hair_colour` ages them."""

_DETAILS: tuple[tuple[str, str, str], ...] = (
    ("head", "head-age-decr", "head-age-incr"),
    ("head", "head-angle-in", "head-angle-out"),
    ("head", "head-fat-decr", "head-fat-incr"),
    ("head", "head-diamond", "head-oval"),
    ("head", "head-rectangular", "head-round"),
    ("head", "head-square", "head-triangular"),
    ("head", "head-invertedtriangular", "head-oval"),
    ("head", "head-scale-horiz-decr", "head-scale-horiz-incr"),
    ("head", "head-scale-vert-decr", "head-scale-vert-incr"),
    ("forehead", "forehead-temple-decr", "forehead-temple-incr"),
    ("forehead", "forehead-trans-backward", "forehead-trans-forward"),
    ("eyebrows", "eyebrows-angle-down", "eyebrows-angle-up"),
    ("eyebrows", "eyebrows-trans-down", "eyebrows-trans-up"),
    ("eyes", "l-eye-bag-decr", "l-eye-bag-incr"),
    ("eyes", "l-eye-corner1-down", "l-eye-corner1-up"),
    ("eyes", "l-eye-corner2-down", "l-eye-corner2-up"),
    ("eyes", "l-eye-eyefold-angle-down", "l-eye-eyefold-angle-up"),
    ("eyes", "l-eye-eyefold-down", "l-eye-eyefold-up"),
    ("eyes", "l-eye-height1-decr", "l-eye-height1-incr"),
    ("eyes", "l-eye-height2-decr", "l-eye-height2-incr"),
    ("eyes", "l-eye-height3-decr", "l-eye-height3-incr"),
    ("eyes", "l-eye-scale-decr", "l-eye-scale-incr"),
    ("eyes", "l-eye-trans-in", "l-eye-trans-out"),
    ("eyes", "l-eye-trans-down", "l-eye-trans-up"),
    ("nose", "nose-base-down", "nose-base-up"),
    ("nose", "nose-curve-concave", "nose-curve-convex"),
    ("nose", "nose-flaring-decr", "nose-flaring-incr"),
    ("nose", "nose-greek-decr", "nose-greek-incr"),
    ("nose", "nose-hump-decr", "nose-hump-incr"),
    ("nose", "nose-nostrils-width-decr", "nose-nostrils-width-incr"),
    ("nose", "nose-point-down", "nose-point-up"),
    ("nose", "nose-scale-depth-decr", "nose-scale-depth-incr"),
    ("nose", "nose-scale-horiz-decr", "nose-scale-horiz-incr"),
    ("nose", "nose-scale-vert-decr", "nose-scale-vert-incr"),
    ("nose", "nose-volume-decr", "nose-volume-incr"),
    ("nose", "nose-width1-decr", "nose-width1-incr"),
    ("nose", "nose-width3-decr", "nose-width3-incr"),
    ("mouth", "mouth-angles-down", "mouth-angles-up"),
    ("mouth", "mouth-cupidsbow-decr", "mouth-cupidsbow-incr"),
    ("mouth", "mouth-lowerlip-height-decr", "mouth-lowerlip-height-incr"),
    ("mouth", "mouth-lowerlip-volume-decr", "mouth-lowerlip-volume-incr"),
    ("mouth", "mouth-upperlip-height-decr", "mouth-upperlip-height-incr"),
    ("mouth", "mouth-upperlip-volume-decr", "mouth-upperlip-volume-incr"),
    ("mouth", "mouth-scale-horiz-decr", "mouth-scale-horiz-incr"),
    ("mouth", "mouth-trans-down", "mouth-trans-up"),
    ("cheek", "l-cheek-bones-decr", "l-cheek-bones-incr"),
    ("cheek", "l-cheek-inner-decr", "l-cheek-inner-incr"),
    ("cheek", "l-cheek-volume-decr", "l-cheek-volume-incr"),
    ("chin", "chin-height-decr", "chin-height-incr"),
    ("chin", "chin-prominent-decr", "chin-prominent-incr"),
    ("chin", "chin-width-decr", "chin-width-incr"),
    ("chin", "chin-bones-decr", "chin-bones-incr"),
    ("ears", "l-ear-scale-decr", "l-ear-scale-incr"),
    ("ears", "l-ear-wing-decr", "l-ear-wing-incr"),
    ("neck", "neck-scale-horiz-decr", "neck-scale-horiz-incr"),
)
"""Targets that make faces differ: folder, and the two ends; "l-" is done on both sides."""

Range = tuple[float, float]
MOUTHS: dict[str, dict[str, Range]] = {
    "rest": {"mouthClose": (0.03, 0.09), "mouthShrugLower": (0.05, 0.2)},
    "aa": {"jawOpen": (0.3, 0.55), "mouthUpperUp": (0.2, 0.55)},
    "eh": {"jawOpen": (0.15, 0.35), "mouthStretch": (0.1, 0.35), "mouthUpperUp": (0.2, 0.6)},
    "ee": {
        "jawOpen": (0.05, 0.18),
        "mouthSmile": (0.2, 0.5),
        "mouthStretch": (0.1, 0.4),
        "mouthLowerDown": (0.1, 0.5),
        "mouthUpperUp": (0.3, 0.7),
    },
    "oh": {"jawOpen": (0.2, 0.45), "mouthFunnel": (0.4, 0.9)},
    "oo": {"jawOpen": (0.03, 0.18), "mouthPucker": (0.5, 1.0), "mouthFunnel": (0.1, 0.5)},
    "mm": {"mouthPress": (0.2, 0.7), "mouthRollLower": (0.05, 0.3), "mouthClose": (0.03, 0.08)},
    "ff": {"jawOpen": (0.03, 0.1), "mouthRollLower": (0.3, 0.6), "mouthUpperUp": (0.1, 0.4)},
    "ss": {
        "jawOpen": (0.03, 0.1),
        "mouthStretch": (0.1, 0.4),
        "mouthLowerDown": (0.1, 0.4),
        "mouthUpperUp": (0.2, 0.6),
    },
    "ll": {"jawOpen": (0.12, 0.3), "mouthUpperUp": (0.2, 0.6), "tongueOut": (0.0, 0.25)},
    "wide": {"jawOpen": (0.6, 1.0), "mouthUpperUp": (0.0, 0.5), "mouthLowerDown": (0.0, 0.4)},
    "shout": {"jawOpen": (0.5, 0.9), "mouthStretch": (0.1, 0.6), "mouthUpperUp": (0.3, 0.9)},
    "smile": {"mouthSmile": (0.4, 0.9), "cheekSquint": (0.2, 0.7), "mouthClose": (0.0, 0.06)},
    "grin": {
        "mouthSmile": (0.4, 0.85),
        "mouthUpperUp": (0.4, 0.9),
        "mouthLowerDown": (0.0, 0.5),
        "jawOpen": (0.05, 0.16),
        "cheekSquint": (0.2, 0.7),
    },
    "laugh": {
        "mouthSmile": (0.4, 0.8),
        "mouthUpperUp": (0.3, 0.8),
        "jawOpen": (0.25, 0.55),
        "cheekSquint": (0.3, 0.8),
    },
    "teeth": {"mouthUpperUp": (0.6, 1.0), "mouthLowerDown": (0.5, 1.0), "mouthStretch": (0.1, 0.5)},
    "frown": {"mouthFrown": (0.3, 0.9), "mouthShrugLower": (0.2, 0.6)},
    "pout": {"mouthPucker": (0.4, 0.9), "mouthShrugLower": (0.1, 0.5)},
    "aside": {"mouthLeft": (0.2, 0.7), "mouthSmileLeft": (0.1, 0.6), "jawOpen": (0.0, 0.12)},
    "aside too": {"mouthRight": (0.2, 0.7), "mouthSmileRight": (0.1, 0.6), "jawOpen": (0.0, 0.12)},
    "tongue": {"jawOpen": (0.25, 0.5), "tongueOut": (0.4, 1.0)},
}
"""Mouths as ranges of face units that are drawn from evenly, posed by eye; names without a side
move both sides."""

_PAIRED = (
    *("mouthLowerDown", "mouthUpperUp", "mouthStretch", "mouthSmile", "mouthPress", "mouthFrown"),
    *("cheekSquint", "browDown", "browOuterUp", "eyeSquint", "eyeWide", "eyeBlink", "noseSneer"),
)
_MOUTH_CYCLE = (
    *("wide", "grin", "aa", "ee", "oo", "mm", "shout", "laugh", "oh", "teeth", "ss", "smile"),
    *("rest", "eh", "ff", "wide", "grin", "ll", "rest", "aa", "laugh", "frown", "pout", "aside"),
    *("aside too", "tongue", "oh", "ee"),
)
"""Each identity shows all of a cycle before any comes again."""

_LID_CYCLE = ("open", "closed", "open", "half", "open", "open", "closed", "half", "wide", "wink")
"""The same for lids."""

_BOTH_SIDES = (
    *("browDown", "browOuterUp", "cheekSquint", "eyeBlink", "eyeLookDown", "eyeLookIn"),
    *("eyeLookOut", "eyeLookUp", "eyeSquint", "eyeWide", "mouthDimple", "mouthFrown"),
    *("mouthLowerDown", "mouthPress", "mouthSmile", "mouthStretch", "mouthUpperUp", "noseSneer"),
)
_MIDDLE = (
    *("browInnerUp", "cheekPuff", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose"),
    *("mouthFunnel", "mouthLeft", "mouthPucker", "mouthRight", "mouthRollLower"),
    *("mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
)
UNITS_OF_TRACKS = (*sorted((*(n + s for n in _BOTH_SIDES for s in ("Left", "Right")), *_MIDDLE)),)
"""Columns of a track; yaw, pitch and roll (degrees) follow them."""


@dataclass(frozen=True)
class Moment:
    """What a head does in one frame.

    Attributes:
        kind: of expression, in words.
        expression: weights of face units by their names, 0..1.
        yaw: degrees as in `geometry.Head`, as all that follow.
        pitch: of the head.
        roll: of the head.
        gaze_yaw: of the eyes in the head.
        gaze_pitch: of the eyes in the head.
        lean: yaw, pitch and roll of the body.
    """

    kind: str
    expression: Mapping[str, float]
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Webcam:
    """What lens, sensor and coding do to the picture (sRGB 0..1).

    Attributes:
        blur: sigma in pixels.
        sharpen: share of the detail that is added once more.
        noise: standard deviation of the grain where it is dark.
        colour_noise: standard deviation of coarser, coloured grain.
        vignette: by how much the middles of the picture's sides are darker; the corners twice that.
        quality: of the JPEG file, 1..100.
    """

    blur: float = 0.4
    sharpen: float = 0.0
    noise: float = 0.008
    colour_noise: float = 0.004
    vignette: float = 0.05
    quality: int = 90


@dataclass(frozen=True)
class Plan:
    """One identity with all that stays the same in its frames.

    Attributes:
        seed: of the whole set.
        number: of the identity.
        tone: of the skin, 0 lightest to 1 darkest.
        ita: individual typology angle of the skin, degrees.
        albedo: of the skin, linear.
        shape: arguments of `geometry.Identity`.
        skin: name of a texture.
        eyes: name of a texture.
        teeth: name of a part.
        hair: name of a part, or None.
        hair_colour: linear.
        eyebrows: name of a part.
        eyelashes: name of a part.
        shirt_colour: linear.
        looks: arguments of `scene.Looks`.
        lamps: arguments of `scene.Lamp`: key, fill, rim.
        light: further arguments of `scene.Lighting`.
        exposure: the argument of `scene.Lighting`.
        distance: of the camera, dm.
        height: seen by the camera at the face, dm.
        aim: place of the face in the picture: right and up, dm.
        background: what `pictures.paint_background` wants.
        webcam: what takes the picture.
        moments: what the head does in each frame.
    """

    seed: int
    number: int
    tone: float
    ita: float
    albedo: Colour
    shape: Mapping[str, Any]
    skin: str
    eyes: str
    teeth: str
    hair: str | None
    hair_colour: Colour
    eyebrows: str
    eyelashes: str
    shirt_colour: Colour
    looks: Mapping[str, Any]
    lamps: tuple[Mapping[str, Any], ...]
    light: Mapping[str, Any]
    exposure: float
    distance: float
    height: float
    aim: tuple[float, float]
    background: Mapping[str, Any]
    webcam: Webcam
    moments: tuple[Moment, ...] = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        """All of it in types that JSON has."""
        return {**asdict(self), "moments": [asdict(m) for m in self.moments]}


def spread(number: int, base: int, shift: float) -> float:
    """The van der Corput sequence, rotated: evenly spread over [0, 1) at any length.

    Args:
        number: of the value, from 0.
        base: a prime; sequences of different ones do not go together.
        shift: by how much the values are rotated, [0, 1).
    """
    value, share = 0.0, 1.0
    while number:
        share /= base
        number, digit = divmod(number, base)
        value += digit * share
    return (value + shift) % 1.0


def skin_albedo(ita: float, rng: np.random.Generator) -> Colour:
    """A skin colour (linear RGB).

    Args:
        ita: its individual typology angle in degrees, atan((L* - 50) / b*): above 55 very light,
            below -30 dark (Chardon et al., 1991).
        rng: draws its redness and yellowness around what goes with that angle.
    """
    share = (ita - _ITA[1]) / (_ITA[0] - _ITA[1])
    b = np.interp(share, (0, 0.3, 0.6, 1), (13.0, 17.5, 19.0, 14.5)) + rng.normal(0, 0.8)
    a = np.interp(share, (0, 0.3, 0.6, 1), (11.0, 13.5, 13.0, 10.5)) + rng.normal(0, 1.2)
    return lab_to_linear((50 + b * float(np.tan(np.radians(ita))), float(a), float(b)))


def lab_to_linear(lab: Sequence[float]) -> Colour:
    """CIE L*a*b* (D65) to linear sRGB, clipped to what exists."""
    y = (lab[0] + 16) / 116
    f = np.array([y + lab[1] / 500, y, y - lab[2] / 200])
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * (0.9505, 1.0, 1.089)
    matrix = ((3.2406, -1.5372, -0.4986), (-0.9689, 1.8758, 0.0415), (0.0557, -0.2040, 1.0570))
    red, green, blue = np.clip(np.array(matrix) @ xyz, 0.002, 0.95).tolist()
    return red, green, blue


def sample(seed: int, number: int, frames: int, tracks: Sequence[FloatArray] = ()) -> Plan:
    """Draw an identity and its frames.

    Args:
        seed: of the whole set.
        number: of the identity, from 0.
        frames: how many moments; the first is frontal and neutral.
        tracks: (frames, 51 + 3) tables of real motion, see `tracks.py`; may be none.
    """
    rng = np.random.default_rng([seed, number])
    shifts = np.random.default_rng([seed, 1 << 30]).uniform(size=4)
    tone = spread(number, 2, shifts[0])
    old = spread(number, 3, shifts[1])
    gender = spread(number, 5, shifts[2])
    ita = _ITA[0] + (_ITA[1] - _ITA[0]) * tone
    albedo = skin_albedo(ita, rng)
    male = gender > 0.5
    hair = (
        None if rng.uniform() < (0.22 if male else 0.06) else str(rng.choice(HAIRS, p=_HAIR_ODDS))
    )
    hair_colour = _hair_colour(rng, old)
    dark = rng.uniform() < np.clip((tone - 0.35) / 0.4, 0, 1)
    beard = float(rng.uniform(0.15, 1.0)) if male and rng.uniform() < 0.45 else 0.0
    lamps, light = _light(rng)
    height = float(rng.uniform(2.2, 3.6))
    return Plan(
        seed=seed,
        number=number,
        tone=tone,
        ita=ita,
        albedo=albedo,
        shape=_shape(rng, old, gender, tone),
        skin=str(rng.choice(DARK_SKINS if dark else LIGHT_SKINS)),
        eyes=f"{rng.choice(EYES, p=_eye_odds(tone))}_eye",
        teeth=str(rng.choice(TEETH)),
        hair=hair,
        hair_colour=hair_colour,
        eyebrows=str(rng.choice(BROWS)),
        eyelashes=str(rng.choice(LASHES)),
        shirt_colour=_colour(rng, 0.02, 0.6),
        looks=_looks(rng, hair, hair_colour, beard),
        lamps=lamps,
        light=light,
        exposure=_exposure(rng, albedo, lamps, light),
        distance=float(np.exp(rng.uniform(np.log(4.5), np.log(14)))),
        height=height,
        aim=(float(rng.normal(0, 0.05) * height), float(rng.normal(-0.02, 0.04) * height)),
        background=_background(rng),
        webcam=Webcam(
            blur=float(rng.uniform(0.0, 0.75)),
            sharpen=float(rng.choice([0.0, rng.uniform(0, 0.8)])),
            noise=float(rng.exponential(0.007)),
            colour_noise=float(rng.exponential(0.004)),
            vignette=float(rng.uniform(0, 0.15)),
            quality=int(rng.integers(65, 98)),
        ),
        moments=_moments(rng, frames, tracks),
    )


def _colour(rng: np.random.Generator, low: float, high: float) -> Colour:
    level = np.exp(rng.uniform(np.log(low), np.log(high)))
    tint = np.exp(rng.normal(0, 0.35, 3))
    red, green, blue = np.clip(level * tint, 0.004, 0.9).tolist()
    return red, green, blue


def _hair_colour(rng: np.random.Generator, old: float) -> Colour:
    weights = np.array([w for _, w in _HAIR])
    weights[7:9] *= 0.3 + 4 * max(0.0, old - 0.5) ** 1
    weights[9:] *= 1.5 - old
    colour = np.array(_HAIR[rng.choice(len(_HAIR), p=weights / weights.sum())][0])
    red, green, blue = np.clip(colour * np.exp(rng.normal(0, 0.12, 3)), 0.003, 0.8).tolist()
    return red, green, blue


def _eye_odds(tone: float) -> NDArray[np.float64]:
    # Light eyes become rare, never absent, with darker skin.
    light = np.interp(tone, (0, 0.5, 1), (1.0, 0.45, 0.2))
    odds = np.array([light, light, 1.6, 1.6, light, light, 0.5 * light, light])
    return np.asarray(odds / odds.sum(), np.float64)


def _shape(rng: np.random.Generator, old: float, gender: float, tone: float) -> dict[str, Any]:
    bias = np.array([0.5 + tone, 0.9, 1.4 - tone])
    african, asian, caucasian = rng.dirichlet(0.8 * bias).tolist()
    details: dict[str, float] = {}
    for index in rng.permutation(len(_DETAILS))[: rng.integers(8, 20)]:
        folder, low, high = _DETAILS[index]
        amount = float(np.clip(rng.normal(0, 0.38), -0.75, 0.75))
        name = low if amount < 0 else high
        for side in ("l-", "r-") if name.startswith("l-") else ("",):
            key = f"{folder}/{side}{name.removeprefix('l-')}"
            details[key] = details.get(key, 0.0) + abs(amount)
    return {
        "age": 0.27 + 0.68 * old,
        "gender": float(np.clip(gender + rng.normal(0, 0.08), 0, 1)),
        "muscle": float(np.clip(rng.normal(0.5, 0.18), 0, 1)),
        "weight": float(np.clip(rng.normal(0.5, 0.2), 0, 1)),
        "african": african,
        "asian": asian,
        "caucasian": caucasian,
        "details": details,
    }


def _looks(
    rng: np.random.Generator, hair: str | None, hair_colour: Colour, beard: float
) -> dict[str, Any]:
    dark = np.array(hair_colour) * rng.uniform(0.35, 0.9)
    warm = rng.uniform(0, 1)
    teeth = rng.uniform(0.75, 1.15) * np.array([1, 0.99 - 0.06 * warm, 0.96 - 0.2 * warm])
    pink = np.exp(rng.normal(0, 0.15, 3)) * rng.uniform(0.7, 1.2)
    return {
        "beard": beard,
        "moustache": float(rng.uniform(0.3, 1.2)) if beard else 0.0,
        "scalp": float(rng.uniform(0.45, 0.8)) if hair else float(rng.choice([0.0, 0.25, 0.7])),
        "brow_colour": tuple(np.clip(dark, 0.003, 0.25).tolist()),
        "lash_colour": tuple((np.array([0.010, 0.008, 0.007]) * rng.uniform(0.5, 2.5)).tolist()),
        "lash_density": float(rng.uniform(0.3, 0.75)),
        "iris_gain": tuple(np.exp(rng.normal(0, 0.12, 3) + rng.normal(-0.2, 0.25)).tolist()),
        "sclera_gain": tuple((rng.uniform(0.8, 1.12) * np.array([1, 0.97, 0.945])).tolist()),
        "teeth_gain": tuple(teeth.tolist()),
        "mouth_gain": tuple(pink.tolist()),
        "roughness": float(rng.uniform(0.34, 0.56)),
        "shine": float(rng.uniform(0.25, 1.0)),
        "blotches": float(rng.uniform(0.0, 0.22)),
    }


def _light(rng: np.random.Generator) -> tuple[tuple[Mapping[str, Any], ...], dict[str, Any]]:
    def warmth(low: float, high: float) -> NDArray[np.float64]:
        t = rng.uniform(low, high)  # -1 candle, 0 neutral, 1 blue sky
        return np.exp(np.array([-0.28, -0.04, 0.32]) * t + rng.normal(0, 0.015, 3))

    def lamp(azimuth: float, elevation: float, colour: NDArray[np.float64]) -> dict[str, Any]:
        return {
            "azimuth": float(azimuth),
            "elevation": float(elevation),
            "colour": tuple(np.maximum(colour, 0).tolist()),
            "width": float(rng.uniform(6, 26)),
            "height": float(rng.uniform(6, 26)),
        }

    # Screens and windows stand in front or at the side, ceiling lamps above.
    key_azimuth = rng.uniform(-75, 75)
    key = lamp(key_azimuth, rng.uniform(0, 55), warmth(-0.9, 0.6))
    across = -key_azimuth + rng.normal(0, 20)
    fill = lamp(across, rng.uniform(-15, 35), warmth(-0.7, 0.6) * rng.uniform(0.0, 0.7))
    level = rng.choice([0.0, rng.uniform(0.2, 1.3)])
    behind = rng.choice([-1, 1]) * rng.uniform(105, 165)
    rim = lamp(behind, rng.uniform(5, 50), warmth(-0.8, 0.8) * level)
    level = rng.uniform(0.15, 0.75)
    sky = warmth(-0.45, 0.45) * level
    ground = sky * rng.uniform(0.25, 0.9) * np.array([1.08, 1.0, 0.9])
    # Cameras balance most of the key's colour away.
    white = np.array(key["colour"]) ** -rng.uniform(0.6, 1.0) * np.exp(rng.normal(0, 0.03, 3))
    return (key, fill, rim), {
        "sky": tuple(sky.tolist()),
        "ground": tuple(ground.tolist()),
        "white": tuple(white.tolist()),
        "contrast": float(rng.uniform(0.88, 1.18)),
        "saturation": float(rng.uniform(0.95, 1.4)),
        "softness": float(np.exp(rng.uniform(np.log(0.015), np.log(0.16)))),
    }


def _exposure(
    rng: np.random.Generator,
    albedo: Colour,
    lamps: tuple[Mapping[str, Any], ...],
    light: Mapping[str, Any],
) -> float:
    """What a camera's automatic chooses: it makes up for half of the face's own brightness."""
    weights = np.array([0.25, 0.65, 0.1])
    received = sum(
        float(np.dot(lamp["colour"], weights)) * max(0.15, np.cos(np.radians(lamp["azimuth"])))
        for lamp in lamps
    ) + 0.8 * float(np.dot(light["sky"], weights))
    balance = float(np.dot(light["white"], weights))
    face = float(np.dot(albedo, weights))
    wanted = 0.34 * (face / 0.25) ** 0.55
    return float(wanted / (face * received * balance) * np.exp(rng.normal(0, 0.28)))


def _background(rng: np.random.Generator) -> dict[str, Any]:
    kinds = ("gradient", "room", "shapes", "clouds")
    return {
        "seed": int(rng.integers(1 << 31)),
        "kind": str(rng.choice(kinds, p=(0.3, 0.36, 0.26, 0.08))),
        "top": _colour(rng, 0.02, 0.7),
        "bottom": _colour(rng, 0.02, 0.7),
        "shapes": int(rng.integers(4, 22)),
        "blur": float(rng.uniform(0.0, 0.03)),  # Of the picture's side
        "texture": float(rng.uniform(0.0, 0.06)),
    }


def _cycle(rng: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        found += [names[i] for i in rng.permutation(len(names))]
    return found[:count]


def _moments(
    rng: np.random.Generator, frames: int, tracks: Sequence[FloatArray]
) -> tuple[Moment, ...]:
    yaw, pitch, roll = rng.normal(0, (1.2, 1.5, 0.8)).tolist()
    found = [
        Moment(
            kind="neutral",
            expression={"mouthClose": 0.06, "mouthShrugLower": 0.12},
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            gaze_yaw=-yaw,
            gaze_pitch=-pitch,
        )
    ]
    mouths = _cycle(rng, _MOUTH_CYCLE, frames)
    lids = _cycle(rng, _LID_CYCLE, frames)
    for index in range(1, frames):
        if len(tracks) and rng.uniform() < 0.35:
            found.append(_tracked(rng, tracks))
        else:
            found.append(_random_moment(rng, mouths[index], lids[index]))
    return tuple(found)


def _tracked(rng: np.random.Generator, tracks: Sequence[FloatArray]) -> Moment:
    """A frame of a real track, its gaze split off the lids; mirrored half of the time."""
    number = int(rng.integers(len(tracks)))
    row = tracks[number][rng.integers(len(tracks[number]))].astype(float)
    units = dict(zip(UNITS_OF_TRACKS, row[:-3].tolist(), strict=True))
    yaw, pitch, roll = row[-3:].tolist()
    if rng.uniform() < 0.5:
        yaw, roll = -yaw, -roll
        swap = {"Left": "Right", "Right": "Left"}
        units = {
            next((n.removesuffix(s) + o for s, o in swap.items() if n.endswith(s)), n): v
            for n, v in units.items()
        }
    side = np.mean(
        [
            units["eyeLookOutLeft"] - units["eyeLookInLeft"],
            units["eyeLookInRight"] - units["eyeLookOutRight"],
        ]
    )
    up = np.mean([units[f"eyeLookUp{s}"] - units[f"eyeLookDown{s}"] for s in ("Left", "Right")])
    units = {n: v for n, v in units.items() if not n.startswith("eyeLook")}
    pose = (float(yaw), float(pitch), float(roll))
    if rng.uniform() < 0.5:  # The tracks turn the head less than users do.
        pose = _random_pose(rng)
    return _settled(
        f"track {number}",
        units,
        pose,
        (30 * float(side), 25 * float(up)),
        rng,
    )


def _random_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    near = rng.uniform() < 0.4
    spread = rng.normal(0, (6, 5, 3)) if near else rng.uniform(-1, 1, 3) * (35, 25, 15)
    return float(spread[0]), float(spread[1]), float(spread[2])


def _random_moment(rng: np.random.Generator, mouth: str, lids: str) -> Moment:
    units: dict[str, float] = {}

    def add(name: str, amount: float) -> None:
        lopsided = rng.normal(0, 0.1)
        for side, sign in (("Left", 1), ("Right", -1)) if name in _PAIRED else (("", 0),):
            value = amount * (1 + sign * lopsided)
            units[name + side] = float(np.clip(units.get(name + side, 0.0) + value, 0, 1))

    for name, (low, high) in MOUTHS[mouth].items():
        add(name, rng.uniform(low, high))
    if lids == "closed":
        add("eyeBlink", rng.uniform(0.92, 1.0))
    elif lids == "half":
        add("eyeBlink", rng.uniform(0.2, 0.8))
    elif lids == "wide":
        add("eyeWide", rng.uniform(0.3, 1.0))
    elif lids == "wink":
        add("eyeBlink" + str(rng.choice(["Left", "Right"])), rng.uniform(0.8, 1.0))
    elif rng.uniform() < 0.3:
        add("eyeSquint", rng.uniform(0.1, 0.7))
    brows = rng.uniform()
    if brows < 0.2:
        add("browInnerUp", rng.uniform(0.2, 0.9))
        add("browOuterUp", rng.uniform(0.2, 0.9))
    elif brows < 0.4:
        add("browDown", rng.uniform(0.2, 0.9))
    elif brows < 0.5:
        add("noseSneer", rng.uniform(0.2, 0.7))
    if rng.uniform() < 0.06 and mouth in ("rest", "mm"):
        add("cheekPuff", rng.uniform(0.3, 0.9))
    yaw, pitch, roll = _random_pose(rng)
    if rng.uniform() < 0.45:
        gaze = (-0.8 * yaw + rng.normal(0, 4), -0.8 * pitch + rng.normal(0, 3))
    else:
        angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform())
        gaze = (30 * reach * np.cos(angle), 22 * reach * np.sin(angle))
    return _settled(f"{mouth}, {lids}", units, (yaw, pitch, roll), gaze, rng)


def _settled(
    kind: str,
    units: dict[str, float],
    pose: tuple[float, float, float],
    gaze: tuple[float, float],
    rng: np.random.Generator,
) -> Moment:
    """Keep within what a face can do: lids and lips do not pass through each other."""
    yaw, pitch, roll = (float(np.clip(v, -m, m)) for v, m in zip(pose, (38, 27, 17), strict=True))
    look, look_up = float(np.clip(gaze[0], -30, 30)), float(np.clip(gaze[1], -22, 22))
    for side in ("Left", "Right"):
        blink = min(units.get(f"eyeBlink{side}", 0.0), 1.0)
        for other in ("eyeSquint", "eyeWide"):
            units[other + side] = units.get(other + side, 0.0) * (1 - blink)
        # The gaze moves the lids too; a closed lid must not be pulled on.
        share = look_up / 25
        name = f"eyeLook{'Up' if share > 0 else 'Down'}{side}"
        units[name] = -abs(share) * blink
        for axis_name, amount in (
            (f"eyeLook{'Out' if (look > 0) == (side == 'Left') else 'In'}{side}", abs(look) / 30),
        ):
            units[axis_name] = -amount * blink
    units["mouthClose"] = min(units.get("mouthClose", 0.0), 0.1 + 0.9 * units.get("jawOpen", 0.0))
    lean = rng.normal(0, (1.5, 1.0, 1.0))
    return Moment(
        kind=kind,
        expression={n: round(v, 5) for n, v in sorted(units.items()) if abs(v) > 1e-3},
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        gaze_yaw=look,
        gaze_pitch=look_up,
        lean=(float(lean[0] + 0.08 * yaw), float(lean[1]), float(lean[2])),
    )
