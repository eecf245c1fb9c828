"""Ours beside LivePortrait's own published frames of three paintings by one clip.

Its authors show one GIF: three paintings in columns, moved by a clip that is at hand too. Ours are
drawn for the same moments and brought to the same size, so that the tracker, which judges both,
sees as much of the one as of the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from models.animator import MotionSettings
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.mesh.backend import MeshAnimator
from models.types import Floats, Image
from realtime.cameras.clip import ClipReader
from realtime.session.source import load_source
from scripts.evaluation import measures
from scripts.evaluation.driver import COMPARED, Driver, series
from scripts.evaluation.tables import Figures

PUBLISHED = "liveportrait_d0.gif"
"""The GIF, beside the clip and the paintings."""

DRIVER = "d0.mp4"
"""The clip that moves them."""

COLUMNS = {"s8": (0, 172), "s10": (172, 352), "s9": (352, 512)}
"""The paintings, and the first column of the GIF that shows each and that after the last."""

_ENLARGED = 2
"""The tracker finds faces of 60 pixels less surely than of 120."""


@dataclass(frozen=True)
class Shown:
    """One painting's pictures, ours and theirs, for the same moments of the driver.

    Attributes:
        name: of the painting.
        ours: (H, W, 3) each.
        theirs: likewise, in the same size and framing.
    """

    name: str
    ours: list[Image]
    theirs: list[Image]


def moments(count: int, frames: int) -> list[int]:
    """Which of a clip's `frames` each of the GIF's `count` pictures shows.

    The GIF has fewer at the same rate: it leaves frames out evenly (mouths of both correlate by
    0.95 to 0.99 then, and by 0.85 at most for any stretch of the clip without gaps).
    """
    return [round(n) for n in np.linspace(0, frames - 1, count)]


def show(folder: Path, name: str, animator: MeshAnimator, driver: Driver, size: int) -> Shown:
    """Draw what was published of one painting.

    Args:
        folder: with the GIF and the paintings.
        name: of the painting.
        animator: draws.
        driver: every frame of the clip.
        size: the longer side of the avatar in pixels.

    Raises:
        UserError: the painting or the GIF cannot be read, or shows no face.
    """
    pictures = [image for image, _ in ClipReader(folder / PUBLISHED).frames()]
    left, right = COLUMNS[name]
    theirs = [_enlarged(picture[:, left:right]) for picture in pictures]
    avatar = animator.prepare(load_source(folder / f"{name}.jpg", FaceFinder(), None), size)
    face = FaceTracker().track(theirs[0])
    if face is None:
        raise UserError(f"No face was found in the first picture of {name} in {PUBLISHED}.")
    ours_at, theirs_at = (
        np.ascontiguousarray(points[:468, :2]) for points in (avatar.landmarks, face.landmarks)
    )
    frame, _ = cv2.estimateAffinePartial2D(ours_at, theirs_at)
    anchor = driver.observed[driver.neutral]
    ours = []
    for n in moments(len(theirs), len(driver.frames)):
        pose = animator.pose(avatar, driver.observed[n], anchor, MotionSettings())
        ours.append(_framed(animator.render(avatar, pose), frame, theirs[0]))
    return Shown(name, ours, theirs)


def _enlarged(picture: Image) -> Image:
    size = picture.shape[1] * _ENLARGED, picture.shape[0] * _ENLARGED
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _framed(picture: Image, frame: Floats, like: Image) -> Image:
    """The picture (H, W, 3) where `frame` (2, 3) brings it, as small as `like` was, enlarged."""
    size = like.shape[1] // _ENLARGED, like.shape[0] // _ENLARGED
    small = cv2.warpAffine(
        picture, frame / _ENLARGED, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return _enlarged(np.asarray(small, np.uint8))


def judge(shown: Shown, driver: Driver) -> Figures:
    """How far both follow the driver, and how their mouths look.

    Returns:
        For "ours" and "LivePortrait" an `Agreement` for every motion and expression, the local
        "contrast" inside open mouths, of the driver's own, the brightest "tooth" by the brightest
        skin, and how often the face was "lost".
    """
    kept = moments(len(shown.theirs), len(driver.frames))
    own = driver.motions()
    theirs = {name: [values[n] for n in kept] for name, values in own.items()}
    real = [measures.local_contrast(driver.frames[n], driver.faces[n]) for n in kept]
    rows: Figures = {}
    for who, pictures in (("ours", shown.ours), ("LivePortrait", shown.theirs)):
        tracker = FaceTracker()
        found = [tracker.track(picture) for picture in pictures]
        faces = [None if face is None else face.landmarks for face in found]
        neutral = next(face for face in faces if face is not None)
        moved = series(faces, neutral)
        row: Figures = {
            name: asdict(measures.agreement(theirs[name], moved[name], least))
            for name, least in COMPARED.items()
        }
        seen = [
            (picture, face, contrast)
            for n, picture, face, contrast in zip(kept, pictures, faces, real, strict=True)
            if face is not None and measures.parted(driver.faces[n]) > measures.PARTED
        ]
        power = sum(measures.local_contrast(picture, face) for picture, face, _ in seen)
        teeth = [measures.brightest_tooth(picture, face) for picture, face, _ in seen]
        row["contrast"] = float(np.sqrt(power / sum(one for *_, one in seen))) if seen else None
        row["tooth"] = float(np.mean(teeth)) if teeth else None
        row["lost"] = sum(face is None for face in faces)
        rows[who] = row
    return rows
