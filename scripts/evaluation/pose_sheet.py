"""Sheets of sliders to look at: one row a photo, one column a slider's value.

    python -m scripts.evaluation.pose_sheet --output sheet.png --sliders smile,lids photos a.jpg

The first column shows the photos as they are. `--sliders smile+turn` moves two at once, each to the
value of its column.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from models.animator import can_edit
from models.backends import create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.types import Crop, Image
from realtime.session.source import load_source, photo_paths
from scripts.evaluation.contact_sheet import around_face, tile


def row(source: Path, finder: FaceFinder, options: argparse.Namespace) -> list[Image]:
    """A photo as it is, and with every slider at every value.

    Raises:
        UserError: the photo or the backend cannot be used.
    """
    photo = load_source(source, finder, None)
    animator = create_animator(options.backend)
    if not can_edit(animator):
        raise UserError(f"The backend {animator.name} has no sliders for photos; use mesh.")
    avatar = animator.prepare(photo, options.avatar_size)
    pictures = [avatar.still]
    for sliders in options.sliders.split(","):
        for value in (float(value) for value in options.values.split(",")):
            pose = animator.edited(avatar, dict.fromkeys(sliders.split("+"), value))
            pictures.append(animator.render(avatar, pose))
    if options.face:
        ratio = avatar.still.shape[1] / photo.image.shape[1]
        crop = Crop(*avatar.focus, Crop.around(photo.face).half * ratio)
        pictures = [around_face(image, crop) for image in pictures]
    return [tile(image, options.side) for image in pictures]


def main() -> None:
    """Make one sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, help="photos, or folders of them")
    parser.add_argument("--output", required=True, type=Path, help="PNG to write")
    parser.add_argument("--sliders", required=True, help="names: smile,lids,smile+turn")
    parser.add_argument("--values", default="-1,-0.5,0.5,1")
    parser.add_argument("--side", type=int, default=256, help="side of a tile in pixels")
    parser.add_argument("--avatar-size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--face", action="store_true", help="cut the tiles around the face")
    parser.add_argument("--backend", default="mesh")
    options = parser.parse_args()
    finder, rows = FaceFinder(), []
    for photo in (photo for source in options.sources for photo in photo_paths(source)):
        try:
            rows.append(np.hstack(row(photo, finder, options)))
        except UserError as error:
            print(error, file=sys.stderr)
    if not rows:
        sys.exit("None of the photos can be used.")
    cv2.imwrite(str(options.output), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    main()
