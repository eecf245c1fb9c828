"""What a viewer sees: the photo moves like the driver, and only what should move does.

Everything is measured on the pictures that come out, by finding their landmarks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from models.animator import MotionSettings
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.irises import gaze
from models.face.topology import EYES, LOWER_LIP, STABLE, UPPER_LIP
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.layers import separate
from models.mesh.pose import euler, fit_head
from models.photos import load_photo
from models.types import Face, Floats, Image
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path


@dataclass
class Played:
    """A clip played on a photo: the driver's and the results' landmarks and the pictures."""

    avatar: MeshAvatar
    driving: list[Floats]
    result: list[Floats]
    pictures: list[Image]


def mouth(landmarks: Floats) -> float:
    gap = np.linalg.norm(landmarks[UPPER_LIP[4], :2] - landmarks[LOWER_LIP[4], :2])
    return float(gap / np.linalg.norm(landmarks[10, :2] - landmarks[152, :2]))


def lids(landmarks: Floats) -> float:
    total = 0.0
    for eye in EYES:
        gap = np.linalg.norm(landmarks[eye.upper[3], :2] - landmarks[eye.lower[3], :2])
        width = np.linalg.norm(landmarks[eye.corners[0], :2] - landmarks[eye.corners[1], :2])
        total += float(gap / width)
    return total / 2


def play(photo: Path, clip: Path, every: int, size: int = 384) -> Played:
    tracker, finder = FaceTracker(), FaceFinder()
    animator = MeshAnimator()
    avatar = animator.prepare(load_photo(photo, finder), size)
    played = Played(avatar, [], [], [])
    reference: Keypoints | None = None
    anchor: Face | None = None
    for number, (frame, _) in enumerate(ClipReader(clip).frames()):
        if number % every:
            continue
        face = tracker.track(frame)
        assert face is not None
        anchor = anchor or face
        driving = animator.observe(frame, face, anchor)
        assert driving is not None
        reference = reference or driving
        picture = animator.render(
            avatar, animator.pose(avatar, driving, reference, MotionSettings())
        )
        found = finder.find_faces(picture)
        assert found, f"no face in the result of frame {number}"
        played.driving.append(face.landmarks)
        played.result.append(found[0].landmarks)
        played.pictures.append(picture)
    return played


@pytest.fixture(scope="module")
def photo(astronaut: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    PillowImage.fromarray(astronaut).save(path)
    return path


@pytest.fixture(scope="module")
def played(photo: Path) -> Played:
    return play(photo, asset_path("demo.mp4"), every=4)


def correlation(a: list[float], b: list[float]) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def yaws(poses: list[Floats]) -> list[float]:
    return [euler(fit_head(poses[0], p).rotation)[0] for p in poses]


def test_mouth_lids_gaze_and_head_follow_the_driver(played: Played) -> None:
    for measure in (mouth, lids, gaze):
        driver = [measure(p) for p in played.driving]
        result = [measure(p) for p in played.result]
        assert correlation(driver, result) > 0.85, measure.__name__
    assert correlation(yaws(played.driving), yaws(played.result)) > 0.95


def test_lips_part_and_lids_close_when_the_drivers_do(played: Played) -> None:
    open_mouth = int(np.argmax([mouth(p) for p in played.driving]))
    assert mouth(played.result[open_mouth]) > mouth(played.result[0]) + 0.03
    blink = int(np.argmin([lids(p) for p in played.driving]))
    assert lids(played.driving[blink]) < 0.4 * lids(played.driving[0])
    assert lids(played.result[blink]) < 0.5 * lids(played.result[0])


def test_the_background_does_not_move(played: Played) -> None:
    left, top, right, bottom = played.avatar.person.layers.box
    outside = np.ones(played.avatar.still.shape[:2], bool)
    outside[top:bottom, left:right] = False
    far = cv2.dilate(played.avatar.person.layers.matte, np.ones((61, 61), np.uint8)) == 0
    outside[top:bottom, left:right] |= far
    assert outside.sum() > 2000
    for picture in played.pictures:
        moved = np.abs(picture.astype(int) - played.avatar.still)[outside]
        assert moved.mean() < 0.5


def test_the_shoulders_do_not_move(played: Played) -> None:
    landmarks = played.avatar.landmarks
    chin, tall = landmarks[152, 1], landmarks[152, 1] - landmarks[10, 1]
    rows = slice(int(chin + tall), played.avatar.still.shape[0])
    still = played.avatar.still[rows]
    assert still.shape[0] > 20
    for picture in played.pictures:
        assert np.abs(picture[rows].astype(int) - still).mean() < 0.5


def test_the_person_stays_the_same(played: Played) -> None:
    source = played.avatar.landmarks
    tall = float(np.linalg.norm(source[10] - source[152]))
    for result in played.result:
        fitted = fit_head(result, source)(result)
        assert np.linalg.norm((fitted - source)[STABLE, :2], axis=1).mean() < 0.025 * tall
    # The driver of the demo clip is much darker than the astronaut.
    cheeks = [50, 280, 205, 425]
    own = colours(played.avatar.still, source, cheeks)
    for picture, result in zip(played.pictures, played.result, strict=True):
        assert np.abs(colours(picture, result, cheeks) - own).max() < 25


def colours(picture: Image, landmarks: Floats, points: list[int]) -> Floats:
    """The mean colour (3,) of small patches at some landmarks."""
    blurred = cv2.blur(picture, (7, 7))
    x, y = np.rint(landmarks[points, :2]).astype(int).T
    return np.asarray(blurred[y, x].mean(0))


def test_no_motion_gives_the_photo_back(played: Played) -> None:
    animator = MeshAnimator()
    picture = animator.render(played.avatar, played.avatar.rest)
    assert picture.shape == played.avatar.still.shape
    change = np.abs(picture.astype(int) - played.avatar.still)
    assert change.mean() < 1.5
    assert (change.max(axis=2) > 40).mean() < 0.01


def test_rendering_is_repeatable_and_leaves_the_avatar_alone(played: Played) -> None:
    animator = MeshAnimator()
    still = played.avatar.still.copy()
    values = played.avatar.rest.values + np.float32(0.03)
    first = animator.render(played.avatar, Keypoints(values))
    second = animator.render(played.avatar, Keypoints(values))
    assert (first == second).all()
    assert (played.avatar.still == still).all()


def test_absolute_motion_turns_the_face_like_the_driver(played: Played) -> None:
    animator = MeshAnimator()
    turned = int(np.argmax(np.abs(yaws(played.driving))))
    face = Face(played.driving[turned], None, 1.0)
    driving = animator.observe(played.pictures[0], face, face)
    assert driving is not None
    picture = animator.render(
        played.avatar,
        animator.pose(played.avatar, driving, None, MotionSettings(motion="absolute")),
    )
    found = FaceFinder().find_faces(picture)
    assert found
    yaw = euler(fit_head(played.result[0], found[0].landmarks).rotation)[0]
    assert yaw * yaws(played.driving)[turned] > 0 and abs(yaw) > np.radians(5)


def test_wild_keypoints_still_give_a_picture(played: Played) -> None:
    animator = MeshAnimator()
    rng = np.random.default_rng(0)
    for scale in (0.1, 1.0, 30.0):
        noise = rng.normal(0, scale, played.avatar.rest.values.shape)
        values = (played.avatar.rest.values + noise).astype(np.float32)
        assert animator.render(played.avatar, Keypoints(values)).shape == played.avatar.still.shape


def test_layers_give_the_photo_back(astronaut: Image) -> None:
    face = FaceFinder().find_faces(astronaut)[0]
    layers = separate(astronaut, face.landmarks)
    left, top, right, bottom = layers.box
    weight = layers.matte[..., None] / 255
    behind = layers.background[top:bottom, left:right]
    whole = weight * layers.person + (1 - weight) * behind
    assert np.abs(whole - astronaut[top:bottom, left:right]).mean() < 1.0
    # Her forehead is hers; the flag and the rocket are background.
    assert layers.matte[80 - top, 225 - left] == 255
    assert layers.matte[30 - top, max(0, left + 4 - left)] == 0


def test_a_collar_goes_around_the_neck() -> None:
    photo = cv2.cvtColor(cv2.imread(str(asset_path("face.jpg"))), cv2.COLOR_BGR2RGB)
    photo = np.asarray(cv2.resize(photo, (512, 512), interpolation=cv2.INTER_AREA), np.uint8)
    face = FaceFinder().find_faces(photo)[0]
    layers = separate(photo, face.landmarks)
    collar = np.median(photo[352:362, 340:356].reshape(-1, 3), axis=0)
    behind = np.median(layers.background[352:362, 220:300].reshape(-1, 3), axis=0)
    wall = np.median(layers.background[280:300, 220:300].reshape(-1, 3), axis=0)
    assert np.abs(behind - collar).max() < 12
    assert np.abs(wall - collar).max() > 24


@pytest.mark.parametrize("clip", ["d0.mp4", "d18.mp4"])
@pytest.mark.parametrize("source", ["s9.jpg", "s5.jpg"])
def test_paintings_follow_real_people(shared: Path, source: str, clip: str) -> None:
    played = play(shared / "real" / source, shared / "real" / clip, every=6)
    for measure in (mouth, lids):
        driver = [measure(p) for p in played.driving]
        result = [measure(p) for p in played.result]
        assert correlation(driver, result) > 0.85, measure.__name__


def test_a_tiny_face_is_refused(tmp_path: Path, astronaut: Image) -> None:
    small = cv2.resize(astronaut, (128, 128), interpolation=cv2.INTER_AREA)
    path = tmp_path / "small.png"
    PillowImage.fromarray(np.asarray(small, np.uint8)).save(path)
    with pytest.raises(UserError):
        load_photo(path, FaceFinder())
