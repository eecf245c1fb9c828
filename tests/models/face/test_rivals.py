"""Which of several faces drives: posters, second persons, drivers who go and come back, cuts."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from models.face.landmarker import CropRegion
from models.face.tracker import FaceTracker
from models.photos import load_image
from models.types import Face, Image
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path

FPS = 10
"""Of the clips here: few, so that what counts frames instead of seconds fails."""

Part = tuple[Image, int, int, int]
"""A picture, where its left and top edges are, and its side."""


@pytest.fixture(scope="module")
def demo() -> list[Image]:
    return [image for image, _ in ClipReader(asset_path("demo.mp4")).frames()][::3]


@pytest.fixture(scope="module")
def photo() -> Image:
    return load_image(asset_path("face.jpg"))


def scene(*parts: Part) -> Image:
    """A wall of 640 x 480 with some pictures on it."""
    wall = np.full((480, 640, 3), 118, np.uint8)
    for image, left, top, side in parts:
        wall[top : top + side, left : left + side] = cv2.resize(
            image, (side, side), interpolation=cv2.INTER_AREA
        )
    return wall


def follow(tracker: FaceTracker, frames: Sequence[Image], fps: float = FPS) -> list[Face | None]:
    return [tracker.track(frame, index / fps) for index, frame in enumerate(frames)]


def middle(face: Face | None) -> float | None:
    return None if face is None else CropRegion.from_landmarks(face.landmarks).cx


def drives(face: Face | None, left: bool) -> bool:
    x = middle(face)
    return x is not None and (x < 400) == left


def test_the_driver_takes_over_from_a_poster_that_was_seen_first(
    demo: list[Image], photo: Image
) -> None:
    poster = (photo, 450, 10, 180)
    frames = [scene(poster)] * 20 + [scene((one, 0, 80, 390), poster) for one in demo[:50]]
    faces = follow(FaceTracker(), frames)
    assert all(drives(face, left=False) for face in faces[:20])
    assert all(drives(face, left=True) for face in faces[20 + 2 * FPS :]), "within 2 seconds"
    first, last = faces[0], faces[-1]
    assert first is not None and last is not None and last.take == first.take + 1


def test_the_driver_goes_and_comes_back(demo: list[Image], photo: Image) -> None:
    poster = (photo, 450, 10, 180)
    there = [scene((one, 0, 80, 390), poster) for one in demo]
    frames = there[:20] + [scene(poster)] * 50 + there[20:60]
    faces = follow(FaceTracker(), frames)
    assert all(drives(face, left=True) for face in faces[:20])
    assert faces[20 + 2 * FPS] is None, "nobody for a while"
    assert all(drives(face, left=True) for face in faces[70 + 2 * FPS :]), "within 2 seconds"


def test_somebody_in_the_background_gives_way_to_a_much_nearer_face(demo: list[Image]) -> None:
    """Both move: the one who was seen first is half as large."""
    behind = [(one, 440, 20, 190) for one in demo]
    frames = [scene(one) for one in behind[:15]]
    frames += [scene((a, 0, 80, 390), b) for a, b in zip(demo[20:], behind[15:75], strict=True)]
    faces = follow(FaceTracker(), frames)
    assert all(drives(face, left=False) for face in faces[: 15 + 2 * FPS]), "not at once"
    assert all(drives(face, left=True) for face in faces[15 + 4 * FPS :]), "within 4 seconds"


def test_somebody_who_walks_by_takes_nothing_over(demo: list[Image]) -> None:
    own = [(one, 380, 150, 240) for one in demo]
    frames = [
        scene(a, (b, 0, 90, 380)) if 20 <= index < 42 else scene(a)
        for index, (a, b) in enumerate(zip(own, demo[::-1], strict=True))
    ]
    faces = follow(FaceTracker(), frames)
    assert all(drives(face, left=False) for face in faces)


def test_between_two_of_similar_size_nothing_changes(demo: list[Image]) -> None:
    others = demo[::-1]
    frames = [
        scene((a, 10, 120, 300), (b, 325, 120, 310))
        for a, b in zip(demo * 2, others * 2, strict=True)
    ]
    faces = follow(FaceTracker(), frames)
    sides = [drives(face, left=True) for face in faces]
    assert all(sides) or not any(sides)


@pytest.mark.parametrize("side", [230, 310, 380])
def test_a_driver_takes_over_from_a_large_poster(
    side: int, demo: list[Image], photo: Image
) -> None:
    """Also where the poster's face is as large as the driver's, or larger."""
    poster = (photo, 640 - side, 60, side)
    frames = [scene(poster)] * 10 + [scene((one, 0, 150, 260), poster) for one in demo]
    faces = follow(FaceTracker(), frames)
    assert all(drives(face, left=False) for face in faces[:10])
    assert all(drives(face, left=True) for face in faces[10 + 5 * FPS :]), "within 5 seconds"


def test_between_two_posters_nothing_changes(photo: Image) -> None:
    rng = np.random.default_rng(1)
    wall = scene((photo, 10, 120, 270), (photo, 325, 120, 310)).astype(np.float32)
    noisy = [
        np.clip(wall + rng.normal(0, 6, wall.shape), 0, 255).astype(np.uint8) for _ in range(80)
    ]
    sides = [drives(face, left=True) for face in follow(FaceTracker(), noisy)]
    assert all(sides) or not any(sides)


def test_a_driver_who_listens_without_a_word_keeps_the_lead(demo: list[Image]) -> None:
    """Somebody moves behind, half as large."""
    behind = [(one, 440, 20, 190) for one in demo]
    frames = [scene((demo[index // 4], 0, 80, 390), other) for index, other in enumerate(behind)]
    assert all(drives(face, left=True) for face in follow(FaceTracker(), frames))


@pytest.mark.parametrize("fps", [5, 30, 60])
def test_a_cut_is_followed_at_once_at_any_frame_rate(fps: int, demo: list[Image]) -> None:
    def cut_at(image: Image, left: int) -> Image:
        frame = np.zeros((512, 900, 3), np.uint8)
        frame[:, left : left + 512] = image
        return frame

    frames = [cut_at(one, 0) for one in demo[:10]] + [cut_at(one, 388) for one in demo[40:50]]
    faces = follow(FaceTracker(), frames, fps)
    assert all(face is not None for face in faces)
    assert [face.take for face in faces if face is not None] == [0] * 10 + [1] * 10


def test_a_jump_before_the_same_wall_is_followed_at_once(demo: list[Image]) -> None:
    wall = demo[0][:, :8].mean(axis=(0, 1)).astype(np.uint8)

    def at(image: Image, left: int) -> Image:
        frame = np.empty((300, 900, 3), np.uint8)
        frame[:] = wall
        frame[:, left : left + 300] = cv2.resize(image, (300, 300))
        return frame

    frames = [at(one, 0) for one in demo[:10]] + [at(one, 500) for one in demo[10:20]]
    faces = follow(FaceTracker(), frames)
    assert [face is not None and face.take for face in faces] == [0] * 10 + [1] * 10


@pytest.mark.parametrize("fps", [5, 30])
def test_a_hidden_face_is_waited_for_in_seconds(fps: int, demo: list[Image], photo: Image) -> None:
    """Somebody else is in view all the time; the driver's place is kept for 3 seconds."""
    other = (photo, 400, 10, 230)
    both = scene((demo[0], 0, 90, 390), other)
    alone = scene(other)
    faces = follow(FaceTracker(), [both] * 5 + [alone] * (5 * fps), fps)
    waited = [face is None for face in faces[5:]]
    assert sum(waited) == pytest.approx(3 * fps, abs=2)
    assert all(waited[: 3 * fps - 2]) and drives(faces[-1], left=False)


def test_a_picture_that_changes_its_size_keeps_its_face(demo: list[Image]) -> None:
    half = [cv2.resize(one, (256, 256), interpolation=cv2.INTER_AREA) for one in demo[10:20]]
    faces = follow(FaceTracker(), [*demo[:10], *half])
    assert [face is not None and face.take for face in faces] == [0] * 20


def test_looking_anew_takes_the_largest_face(demo: list[Image], photo: Image) -> None:
    tracker = FaceTracker()
    poster = (photo, 450, 10, 180)
    both = scene((demo[0], 0, 80, 390), poster)
    assert drives(tracker.track(scene(poster), 0.0), left=False)
    assert drives(tracker.track(both, 0.1), left=False)
    tracker.reset()
    assert drives(tracker.track(both, 0.2), left=True)


def test_of_faces_of_similar_size_the_one_in_the_middle_is_taken(photo: Image) -> None:
    frame = scene((photo, 0, 0, 230), (photo, 215, 140, 220))
    found = middle(FaceTracker().track(frame, 0.0))
    assert found is not None and abs(found - 325) < 30


def test_a_locked_face_is_waited_for_and_found_again(demo: list[Image], photo: Image) -> None:
    """The one in the background is locked; a larger face comes, then the locked one goes."""
    tracker = FaceTracker()
    tracker.lock(True)
    own = [(one, 420, 10, 200) for one in demo]
    larger = (photo, 0, 80, 390)
    frames = [scene(one) for one in own[:15]]
    frames += [scene(one, larger) for one in own[15:60]]
    frames += [scene(larger)] * 50
    frames += [scene((one, 400, 250, 220), larger) for one in demo[:15]]
    faces = follow(tracker, frames)
    assert all(drives(face, left=False) for face in faces[:60]), "nobody takes over"
    assert not any(faces[61:110]), "it is waited for, longer than for any other"
    assert all(drives(face, left=False) for face in faces[112:]), "back in another place"
    tracker.lock(False)
    later = [tracker.track(scene(larger), 13 + index / FPS) for index in range(40)]
    assert drives(later[-1], left=True), "no longer locked"
