"""One rendered head in several skins, from very light to very dark.

All else is equal, but for the exposure, which follows the picture halfway, as a webcam's does.

Needs what `scripts/heads/render_demo.py` needs: anny, moderngl and scipy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.types import Image
from scripts.heads.geometry import HeadLibrary
from scripts.heads.pictures import Wall, as_bytes
from scripts.heads.render_demo import CLIP_SHOT, GROUND, SKY, UNLIT, Shot, driver_at
from scripts.heads.renderer import HeadRenderer
from scripts.heads.scene import Lamp, Lighting

TONES = {
    "very light": ("young_lightskinned_male_diffuse", (1.26, 1.47, 1.63)),
    "light": ("young_lightskinned_male_diffuse", (0.93, 1.05, 1.14)),
    "medium": ("young_lightskinned_male_diffuse", (0.55, 0.57, 0.55)),
    "dark": ("young_darkskinned_male_diffuse", (2.07, 2.39, 2.60)),
    "very dark": ("young_darkskinned_male_diffuse", (0.86, 1.00, 1.09)),
}
"""Texture and gain (linear RGB) of each skin."""

MOMENTS = tuple(np.linspace(0.0, 6.3, 13).round(2).tolist())
"""Seconds of the demo clip's performance."""

_MIDDLE = 0.2
"""Linear brightness of the picture's middle that a webcam aims at: middle grey, about."""

# Only the lamps' ratio counts: the whole is exposed afterwards (`_MIDDLE`).
_SHOT = Shot(
    looks=CLIP_SHOT.looks,
    light=Lighting(
        lamps=(
            Lamp(-38, 32, (1.9, 1.72, 1.5), 28, 28),
            UNLIT,
            Lamp(150, 28, (0.6, 0.65, 0.75), 24, 24),
        ),
        sky=SKY,
        ground=GROUND,
    ),
    wall=Wall(),
    height=2.6,
    points=2,
)


def heads_by_tone(parts: Path, side: int = 320) -> Iterator[tuple[str, list[Image]]]:
    """For each skin its name and the pictures (side, side, 3) of one performance.

    Args:
        parts: the folder of heads' parts (CC0).
        side: of the pictures in pixels.
    """
    library = HeadLibrary(parts)
    renderer = HeadRenderer(library, side, samples=4, scale=2)
    heads = [driver_at(moment) for moment in MOMENTS]
    camera = _SHOT.camera(library, heads[0])
    posed = [library.pose(head) for head in heads]
    for tone, (skin, gain) in TONES.items():
        tinted = [replace(head, skin=skin, skin_gain=gain) for head in heads]

        first = as_bytes(_SHOT.take(renderer, tinted[0], posed[0], camera))
        exposure = _exposure(first)
        yield (
            tone,
            [
                as_bytes(_SHOT.take(renderer, head, shape, camera, exposure))
                for head, shape in zip(tinted, posed, strict=True)
            ],
        )
    renderer.close()


def _exposure(picture: Image) -> float:
    """What brings the middle of a picture that was taken with 1.0 halfway to `_MIDDLE`."""
    side = len(picture) // 3
    middle = picture[side : 2 * side, side : 2 * side].astype(np.float32) / 255
    return float(np.clip((_MIDDLE / (middle**2.2).mean()) ** 0.5, 0.5, 2.0))
