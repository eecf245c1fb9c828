"""Sheets to look at: one row a photo, one column a moment of the driving clip.

The first row shows the driver, the first column the photos as they are.

    python -m scripts.evaluation.contact_sheet --driving clip.mp4 --output sheet.png a.jpg b.jpg
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np

from models.animator import MotionSettings
from models.backends import create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.types import Crop, Image
from realtime.cameras.clip import ClipReader
from realtime.frames import AvatarFrame
from realtime.pipeline.offline import animate
from realtime.session.source import load_source


class Keeper:
    """A writer that keeps some frames."""

    def __init__(self, wanted: set[int]) -> None:
        """Keep the frames numbered `wanted`, from 0 on."""
        self._wanted = wanted
        self._count = 0
        self.frames: list[Image] = []

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        """Count a frame and keep it if it is wanted."""
        if self._count in self._wanted:
            self.frames.append(frame.image)
        self._count += 1


class NoCanvas:
    """The avatar as it is, without a badge."""

    def set_avatar(self, still: Image, focus: tuple[float, float]) -> None:
        """Nothing to prepare."""

    def compose(self, frame: AvatarFrame) -> AvatarFrame:
        """The frame itself."""
        return frame


def tile(image: Image, side: int) -> Image:
    """The image in a square of `side` x `side` pixels, with grey around."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    small = cv2.resize(
        image,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
    )
    out = np.full((side, side, 3), 128, np.uint8)
    top, left = (side - small.shape[0]) // 2, (side - small.shape[1]) // 2
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def sheet(
    sources: list[Path], driving: Path, moments: list[int], side: int, options: argparse.Namespace
) -> Image:
    """Animate every source by the clip and lay the results out.

    Args:
        sources: photos.
        driving: the clip.
        moments: numbers of the clip's frames to show.
        side: of a tile, in pixels.
        options: of the command line: backend, avatar_size, motion, best_frame and face.

    Raises:
        UserError: a photo or the clip cannot be used.
    """
    clip = ClipReader(driving)
    tracker = FaceTracker()
    driver = [tile(image, side) for i, (image, _) in enumerate(clip.frames()) if i in moments]
    rows = [[np.full((side, side, 3), 255, np.uint8), *driver]]
    for source in sources:
        photo = load_source(source, FaceFinder(), None)
        animator = create_animator(options.backend)
        avatar = animator.prepare(photo, options.avatar_size)
        keeper = Keeper(set(moments))
        report = animate(
            animator,
            avatar,
            photo.face,
            clip,
            tracker,
            NoCanvas(),
            keeper,
            settings=MotionSettings(options.motion),
            reference=options.best_frame,
        )
        print(f"{source.name}: {report}")
        row = [avatar.still, *keeper.frames]
        if options.face:
            ratio = avatar.still.shape[1] / photo.image.shape[1]
            found = Crop.around(photo.face)
            crop = Crop(*avatar.focus, found.half * ratio)
            row = [_around_face(image, crop) for image in row]
        rows.append([tile(image, side) for image in row])
    return np.ascontiguousarray(np.vstack([np.hstack(row) for row in rows]))


def _around_face(image: Image, crop: Crop) -> Image:
    height, width = image.shape[:2]
    reach = 0.75 * crop.half
    top, bottom = max(0, int(crop.cy - reach)), min(height, int(crop.cy + reach))
    left, right = max(0, int(crop.cx - reach)), min(width, int(crop.cx + reach))
    return image[top:bottom, left:right]


def main() -> None:
    """Make one sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, help="photos to animate")
    parser.add_argument("--driving", required=True, type=Path, help="video with a face")
    parser.add_argument("--output", required=True, type=Path, help="PNG to write")
    parser.add_argument("--columns", type=int, default=7, help="how many moments")
    parser.add_argument("--at", help="the moments by number: 0,12,40")
    parser.add_argument("--side", type=int, default=256, help="side of a tile in pixels")
    parser.add_argument("--avatar-size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--face", action="store_true", help="cut the tiles around the face")
    parser.add_argument("--motion", choices=("relative", "absolute"), default="relative")
    parser.add_argument("--best-frame", type=int, help="reference frame (default: the best)")
    parser.add_argument("--backend", default="mesh")
    options = parser.parse_args()
    try:
        count = sum(1 for _ in ClipReader(options.driving).frames())
        if options.at:
            moments = sorted({int(number) for number in options.at.split(",")})
        else:
            spaced = np.linspace(0, count - 1, options.columns).round()
            moments = sorted({int(number) for number in spaced})
        picture = sheet(options.sources, options.driving, moments, options.side, options)
    except UserError as error:
        sys.exit(str(error))
    options.output.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    main()
