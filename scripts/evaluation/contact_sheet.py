"""Sheets to look at: one row a photo, one column a moment of a driving clip.

The first row shows the driver, the first column the photos as they are. Without other wishes the
moments are the clip's most telling ones: at rest, mouth open, a smile, eyes closed and wide, head
turned left and right.

    python -m scripts.evaluation.contact_sheet --driving clip.mp4 --output sheet.png photos a.jpg

Several clips give their columns side by side; a folder stands for the photos in it. A photo that
cannot be used is told and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from models.animator import MotionSettings
from models.backends import create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.moment import Moment
from models.face.tracker import FaceTracker
from models.types import Crop, Image
from realtime.cameras.clip import ClipReader
from realtime.frames import AvatarFrame
from realtime.pipeline.offline import animate
from realtime.session.source import load_source, photo_paths


class Keeper:
    """A writer that keeps some frames."""

    def __init__(self, wanted: set[int]) -> None:
        """Keep the frames numbered `wanted`, from 0 on."""
        self._wanted = wanted
        self._count = 0
        self.frames: dict[int, Image] = {}

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        """Count a frame and keep it if it is wanted."""
        if self._count in self._wanted:
            self.frames[self._count] = frame.image
        self._count += 1


class NoCanvas:
    """The avatar as it is, without a badge."""

    look = None

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


def telling_moments(clip: ClipReader) -> list[int]:
    """The numbers of the frames that show most: at rest, mouth, smile, lids, both turns.

    A frame that is the most in two ways comes once.

    Raises:
        UserError: no face is found in it.
    """
    tracker = FaceTracker()
    found = [(i, tracker.track(image)) for i, (image, _) in enumerate(clip.frames())]
    moments = {i: Moment.of(face) for i, face in found if face is not None}
    if not moments:
        raise UserError("No face was found in the driving clip; use another one.")

    def first(key: Callable[[Moment], float]) -> int:
        return min(moments, key=lambda number: key(moments[number]))

    most = (
        first(lambda moment: moment.badness),
        first(lambda moment: -moment.mouth),
        first(lambda moment: -moment.width),
        first(lambda moment: moment.eyes),
        first(lambda moment: -moment.eyes),
        first(lambda moment: moment.yaw),
        first(lambda moment: -moment.yaw),
    )
    return list(dict.fromkeys(most))


def sheet(
    sources: list[Path],
    driving: list[tuple[Path, list[int]]],
    side: int,
    options: argparse.Namespace,
) -> Image:
    """Animate every source by the clips and lay the results out.

    Args:
        sources: photos.
        driving: clips, each with the numbers of its frames to show, in that order.
        side: of a tile, in pixels.
        options: of the command line: backend, avatar_size, motion, best_frame and face.

    Raises:
        UserError: a clip cannot be used.
    """
    finder = FaceFinder()
    top = [np.full((side, side, 3), 255, np.uint8)]
    for path, moments in driving:
        frames = {i: image for i, (image, _) in enumerate(ClipReader(path).frames())}
        top += [tile(frames[number], side) for number in moments]
    rows = [top]
    for source in sources:
        try:
            row = _row(source, driving, finder, options)
        except UserError as error:
            print(error, file=sys.stderr)
            continue
        rows.append([tile(image, side) for image in row])
    return np.ascontiguousarray(np.vstack([np.hstack(row) for row in rows]))


def _row(
    source: Path,
    driving: list[tuple[Path, list[int]]],
    finder: FaceFinder,
    options: argparse.Namespace,
) -> list[Image]:
    """A photo as it is, and as it is animated at the clips' moments."""
    photo = load_source(source, finder, None)
    animator = create_animator(options.backend)
    avatar = animator.prepare(photo, options.avatar_size)
    for note in avatar.notes:
        print(f"{source.name}: {note}")
    row = [avatar.still]
    for clip, moments in driving:
        keeper = Keeper(set(moments))
        report = animate(
            animator,
            avatar,
            photo.face,
            ClipReader(clip),
            FaceTracker(),
            NoCanvas(),
            keeper,
            settings=MotionSettings(options.motion),
            reference=options.best_frame,
        )
        print(f"{source.name}, {clip.name}: {report}")
        row += [keeper.frames[number] for number in moments]
    if options.face:
        ratio = avatar.still.shape[1] / photo.image.shape[1]
        crop = Crop(*avatar.focus, Crop.around(photo.face).half * ratio)
        row = [around_face(image, crop) for image in row]
    return row


def around_face(image: Image, crop: Crop) -> Image:
    """The part of a picture that shows the face of a crop."""
    height, width = image.shape[:2]
    reach = 0.75 * crop.half
    top, bottom = max(0, int(crop.cy - reach)), min(height, int(crop.cy + reach))
    left, right = max(0, int(crop.cx - reach)), min(width, int(crop.cx + reach))
    return image[top:bottom, left:right]


def _moments(clip: ClipReader, options: argparse.Namespace) -> list[int]:
    """The frames to show of a clip, as the command line wants them."""
    if options.at:
        return sorted({int(number) for number in options.at.split(",")})
    if options.columns is None:
        return telling_moments(clip)
    count = sum(1 for _ in clip.frames())
    return sorted({int(number) for number in np.linspace(0, count - 1, options.columns).round()})


def main() -> None:
    """Make one sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("sources", nargs="+", type=Path, help="photos, or folders of them")
    parser.add_argument("--driving", required=True, type=Path, nargs="+", help="videos with a face")
    parser.add_argument("--output", required=True, type=Path, help="PNG to write")
    parser.add_argument("--columns", type=int, help="so many moments, evenly spaced")
    parser.add_argument("--at", help="the moments by number: 0,12,40")
    parser.add_argument("--side", type=int, default=256, help="side of a tile in pixels")
    parser.add_argument("--avatar-size", type=int, default=512, help="longer side in pixels")
    parser.add_argument("--face", action="store_true", help="cut the tiles around the face")
    parser.add_argument("--motion", choices=("relative", "absolute"), default="relative")
    parser.add_argument("--best-frame", type=int, help="reference frame (default: the best)")
    parser.add_argument("--backend", default="mesh")
    options = parser.parse_args()
    try:
        driving = [(path, _moments(ClipReader(path), options)) for path in options.driving]
        sources = [photo for source in options.sources for photo in photo_paths(source)]
        picture = sheet(sources, driving, options.side, options)
    except UserError as error:
        sys.exit(str(error))
    options.output.write_bytes(cv2.imencode(".png", picture[..., ::-1])[1].tobytes())


if __name__ == "__main__":
    main()
