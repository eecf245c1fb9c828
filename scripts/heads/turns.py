"""The demo photo's head, turned: how a photo should look when its head turns.

Needs what `scripts/heads/render_demo.py` needs: anny, moderngl and scipy.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from models.types import Image
from scripts.heads.geometry import HeadLibrary
from scripts.heads.pictures import as_bytes
from scripts.heads.render_demo import PHOTO_SHOT, SOURCE
from scripts.heads.renderer import HeadRenderer

ANGLES = (0, -30, -15, 15, 30)
"""Degrees of yaw; the first is the photo. Beyond 35, pictures stop following on purpose."""

_SIDE = 512
"""Pixels: as large as an avatar is on two cores."""


def heads_by_angle(parts: Path) -> dict[int, Image]:
    """The pictures (512, 512, 3) by the yaw in degrees.

    Args:
        parts: the folder of heads' parts (CC0).
    """
    library = HeadLibrary(parts)
    renderer = HeadRenderer(library, _SIDE, samples=4, scale=2)
    # One point a lamp: soft shadows take minutes without a GPU.
    shot = replace(PHOTO_SHOT, points=1)
    camera = shot.camera(library, SOURCE)
    pictures = {}
    for angle in ANGLES:
        head = replace(SOURCE, yaw=float(angle))
        pictures[angle] = as_bytes(shot.take(renderer, head, library.pose(head), camera))
    renderer.close()
    return pictures
