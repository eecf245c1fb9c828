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
from scripts.heads.geometry import Head, HeadLibrary
from scripts.heads.render_demo import driver_at
from scripts.heads.renderer import Camera, HeadRenderer, Scene

TONES = {
    "very light": ("young_lightskinned_male_diffuse", (1.15, 1.12, 1.12)),
    "light": ("young_lightskinned_male_diffuse", (0.85, 0.8, 0.78)),
    "medium": ("young_lightskinned_male_diffuse", (0.5, 0.43, 0.38)),
    "dark": ("young_darkskinned_male_diffuse", (1.2, 1.2, 1.2)),
    "very dark": ("young_darkskinned_male_diffuse", (0.5, 0.5, 0.5)),
}
"""Texture and gain (linear RGB) of each skin."""

MOMENTS = tuple(np.linspace(0.0, 6.3, 13).round(2).tolist())
"""Seconds of the demo clip's performance."""

_MIDDLE = 0.2
"""Linear brightness of the picture's middle that a webcam aims at."""


def heads_by_tone(parts: Path, side: int = 320) -> Iterator[tuple[str, list[Image]]]:
    """For each skin its name and the pictures (side, side, 3) of one performance.

    parts: the folder of heads' parts (CC0).
    """
    library = HeadLibrary(parts)
    renderer = HeadRenderer(library, side, supersample=1, samples=4, dome=8)
    heads = [driver_at(moment) for moment in MOMENTS]
    eyes = library.pose(heads[0]).eye_centres.mean(axis=0)
    camera = Camera(target=(0.0, float(eyes[1]) - 0.42, float(eyes[2])), height=2.6)
    scene = replace(Scene(), camera=camera)
    posed = [library.pose(head) for head in heads]
    for tone, (skin, gain) in TONES.items():
        tinted = [replace(head, skin=skin, skin_gain=gain) for head in heads]

        def shot(number: int, lit: Scene, tinted: list[Head] = tinted) -> Image:
            picture = renderer.render_posed(tinted[number], posed[number], lit)
            return np.asarray(picture.rgb, np.uint8)

        lit = replace(scene, light=replace(scene.light, exposure=_exposure(shot(0, scene))))
        yield tone, [shot(number, lit) for number in range(len(heads))]
    renderer.close()


def _exposure(picture: Image) -> float:
    """What brings the middle of a picture that was taken with 1.0 halfway to `_MIDDLE`."""
    side = len(picture) // 3
    middle = picture[side : 2 * side, side : 2 * side].astype(np.float32) / 255
    return float(np.clip((_MIDDLE / (middle**2.2).mean()) ** 0.5, 0.5, 2.0))
