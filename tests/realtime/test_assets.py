"""The demo photo and the demo clip are what the program and its tests need."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.types import Face, Image
from tests.paths import ROOT

# The tracker's first region comes from the detector; two frames later its landmarks are at rest.
SETTLED = 2
ASSETS = ROOT / "assets"


def frames(path: Path) -> Iterator[Image]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def distance(face: Face, a: int, b: int) -> float:
    return float(np.linalg.norm(face.landmarks[a, :2] - face.landmarks[b, :2]))


def lip_gap(face: Face) -> float:
    """Distance of the inner lips, in heights of the face."""
    return distance(face, 13, 14) / distance(face, 10, 152)


def lid_gap(face: Face) -> float:
    """Distance of the lids in widths of the eye, both eyes' mean."""
    left = distance(face, 386, 374) / distance(face, 362, 263)
    return (left + distance(face, 159, 145) / distance(face, 33, 133)) / 2


def yaw(face: Face) -> float:
    """Degrees, from the line between the two sides of the face."""
    across = face.landmarks[454] - face.landmarks[234]
    return float(np.degrees(np.arctan2(across[2], across[0])))


@pytest.fixture(scope="module")
def driver() -> list[Face]:
    tracker = FaceTracker()
    found = [tracker.track(frame) for frame in frames(ASSETS / "demo.mp4")]
    faces = [face for face in found if face is not None]
    assert len(faces) == len(found), "the face is lost in some frame"
    return faces


def test_photo_has_one_calm_frontal_face() -> None:
    (image,) = frames(ASSETS / "face.jpg")
    faces = FaceFinder().find_faces(image)
    assert image.shape == (768, 768, 3)
    assert len(faces) == 1
    assert lip_gap(faces[0]) < 0.02
    assert lid_gap(faces[0]) > 0.2
    assert abs(yaw(faces[0])) < 5


def test_clip_plays_everywhere() -> None:
    path = ASSETS / "demo.mp4"
    assert path.stat().st_size < 900_000
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.average_rate) == (512, 512, Fraction(30))
        assert sum(1 for _ in container.decode(video=0)) == 240


def test_clip_starts_steady_for_calibration(driver: list[Face]) -> None:
    first = np.stack([face.landmarks[:, :2] for face in driver[SETTLED:30]])
    assert np.abs(first - first[0]).max() < 2
    assert max(lip_gap(face) for face in driver[:30]) < 0.02
    assert max(abs(yaw(face)) for face in driver[:30]) < 5


def test_clip_loops_without_a_jump(driver: list[Face]) -> None:
    jump = np.linalg.norm((driver[-1].landmarks - driver[SETTLED].landmarks)[:, :2], axis=1)
    assert jump.max() < 3


def test_driver_talks_blinks_and_turns(driver: list[Face]) -> None:
    gaps = np.array([lip_gap(face) for face in driver])
    assert gaps.max() > 0.1
    # Syllables: the lips open and close again and again.
    opened = gaps > 0.03
    assert (opened[1:] & ~opened[:-1]).sum() >= 6

    lids = np.array([lid_gap(face) for face in driver])
    shut = lids < 0.4 * lids[:30].mean()
    assert (shut[1:] & ~shut[:-1]).sum() == 4

    turns = [yaw(face) for face in driver]
    assert max(turns) - min(turns) > 30
