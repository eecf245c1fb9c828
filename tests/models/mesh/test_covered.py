"""A mouth that a photo does not show is not drawn, and every mouth that it shows is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import OUTER_LIPS
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.covered import is_covered
from models.mesh.pose import turned
from models.photos import load_image, load_photo
from models.types import Floats, Image, Photo
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from scripts.evaluation.measures import opened

Change = Callable[[Image, Floats], Image]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def faces(finder: FaceFinder) -> list[Photo]:
    """The demo's photo, and the person of the demo's clip."""
    image, _ = next(iter(ClipReader(asset_path("demo.mp4")).frames()))
    driver = Photo(image, finder.find_faces(image)[0], "driver")
    return [load_photo(asset_path("face.jpg"), finder), driver]


def found(image: Image, finder: FaceFinder) -> bool:
    """Whether the mouth of the face that is found in a picture is covered."""
    return is_covered(image, finder.find_faces(image)[0].landmarks)


def at(points: Floats, across: float, down: float) -> Floats:
    """A place on the face from its nose's tip, in heights of the face."""
    below, aside = points[152, :2] - points[10, :2], points[454, :2] - points[234, :2]
    aside = aside / np.linalg.norm(aside) * np.linalg.norm(below)
    return np.asarray(points[4, :2] + across * aside + down * below)


def laid(image: Image, outline: Floats, colour: Floats) -> Image:
    """A colour, (3,) or a picture, over a polygon, with the light of what it covers."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 255, cv2.LINE_AA)
    light = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 25)
    light = 0.3 + 0.7 * light / light[mask > 0].mean()
    share = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None] / 255.0
    lit = np.clip(np.broadcast_to(colour, image.shape) * light[..., None], 0, 255)
    return np.asarray(np.rint(image * (1 - share) + lit * share), np.uint8)


def pleats(image: Image, points: Floats) -> Floats:
    """(h, w, 1): folds across the face."""
    rows = np.arange(image.shape[0], dtype=np.float32)[:, None, None]
    tall = np.linalg.norm(points[152] - points[10])
    return np.asarray(
        1
        - 0.15 * np.exp(-((((rows / tall * 10) % 1) / 0.15) ** 2)) * np.ones((1, image.shape[1], 1))
    )


def mask(*colour: int, top: float = -0.12) -> Change:
    """A surgical mask."""

    def worn(image: Image, points: Floats) -> Image:
        outline = [(-0.3, top + 0.08), (0, top), (0.3, top + 0.08)]
        outline += [(0.29, 0.3), (0, 0.52), (-0.29, 0.3)]
        return laid(
            image,
            np.array([at(points, *p) for p in outline]),
            np.array(colour) * pleats(image, points),
        )

    return worn


def scarf(*colour: int) -> Change:
    """A knitted scarf up to the nose."""

    def worn(image: Image, points: Floats) -> Image:
        outline = [(-0.7, 0.0), (0, -0.06), (0.7, 0.0), (0.8, 0.9), (-0.8, 0.9)]
        rows = np.arange(image.shape[0], dtype=np.float32)[:, None, None]
        knit = 1 + 0.12 * np.sin(rows * 1.3) * np.ones((1, image.shape[1], 1))
        return laid(image, np.array([at(points, *p) for p in outline]), np.array(colour) * knit)

    return worn


def respirator(image: Image, points: Floats) -> Image:
    """A half mask with a valve."""
    outline = [(-0.14, -0.02), (0, -0.14), (0.14, -0.02), (0.27, 0.22), (0, 0.5), (-0.27, 0.22)]
    out = laid(image, np.array([at(points, *p) for p in outline]), np.array([95, 95, 100]))
    tall = float(np.linalg.norm(points[152] - points[10]))
    x, y = np.rint(at(points, 0, 0.25)).astype(int).tolist()
    cv2.circle(out, (x, y), round(0.06 * tall), (40, 40, 40), -1, cv2.LINE_AA)
    return out


COVERS = {
    "blue": mask(170, 205, 226),
    "white": mask(226, 228, 230),
    "black": mask(36, 36, 40),
    "green": mask(120, 190, 160),
    "red cloth": mask(170, 40, 45),
    "grey cloth": mask(128, 128, 134),
    "navy cloth": mask(40, 50, 92),
    "below the nose": mask(150, 195, 225, top=0.04),
    "red scarf": scarf(150, 40, 50),
    "grey scarf": scarf(138, 138, 134),
    "respirator": respirator,
}


@pytest.mark.parametrize("cover", COVERS)
def test_masks_scarves_and_respirators_cover_the_mouth(
    cover: str, faces: list[Photo], finder: FaceFinder
) -> None:
    for photo in faces:
        assert found(COVERS[cover](photo.image, photo.face.landmarks), finder), photo.name


def hair(colour: tuple[int, int, int], beard: bool, over_lips: bool) -> Change:
    """A moustache, and a beard around the lips."""

    def grown(image: Image, points: Floats) -> Image:
        rng = np.random.default_rng(3)
        grows = np.zeros(image.shape[:2], np.uint8)
        lip = points[[216, 0, 436, 291, 14 if over_lips else 13, 61], :2]
        lip[1] = points[2, :2] * 0.7 + points[0, :2] * 0.3
        cv2.fillPoly(grows, [np.rint(lip).astype(np.int32)], 255)
        if beard:
            jaw = points[[132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365], :2]
            jaw = np.concatenate([jaw, points[[397, 288, 361, 436, 0, 216], :2]])
            around = np.zeros_like(grows)
            cv2.fillPoly(around, [np.rint(jaw).astype(np.int32)], 255)
            lips = np.zeros_like(grows)
            cv2.fillPoly(lips, [np.rint(points[OUTER_LIPS, :2]).astype(np.int32)], 255)
            grows |= cv2.subtract(around, lips)
        out, (ys, xs) = image.copy(), np.nonzero(grows)
        tall = float(np.linalg.norm(points[152] - points[10]))
        for i in rng.integers(0, len(xs), 5000 if beard else 1500):
            tip = np.array([xs[i], ys[i]]) + tall * rng.normal([0.0, 0.04], [0.012, 0.01])
            shade = (np.array(colour) * rng.uniform(0.6, 1.3)).clip(0, 255).tolist()
            end = (round(float(tip[0])), round(float(tip[1])))
            cv2.line(out, (int(xs[i]), int(ys[i])), end, shade, 1, cv2.LINE_AA)
        return out

    return grown


def grey(image: Image, _: Floats) -> Image:
    return np.dstack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3)


def sepia(image: Image, _: Floats) -> Image:
    level = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32) / 255
    return np.asarray(np.array([250, 225, 180]) * level ** np.array([0.8, 0.95, 1.15]), np.uint8)


def dark(image: Image, _: Floats) -> Image:
    return np.asarray(image * (59 / 255), np.uint8)


def blurred(image: Image, points: Floats) -> Image:
    tall = float(np.linalg.norm(points[152] - points[10]))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.012 * tall), np.uint8)


def pencil(image: Image, points: Floats) -> Image:
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    tall = float(np.linalg.norm(points[152] - points[10]))
    drawn = np.clip(light / np.maximum(cv2.GaussianBlur(light, (0, 0), 0.03 * tall), 1), 0, 1)
    return np.dstack([np.asarray(255 * drawn, np.uint8)] * 3)


def stone(image: Image, points: Floats) -> Image:
    pale = grey(image, points) * 0.5 + 70
    return np.asarray(np.clip(pale * np.array([1.0, 0.97, 0.9]), 0, 255), np.uint8)


def blue(image: Image, _: Floats) -> Image:
    return np.asarray(np.clip(image * np.array([0.5, 0.75, 1.3]), 0, 255), np.uint8)


def as_is(image: Image, _: Floats) -> Image:
    return image


OPEN = {
    "as it is": as_is,
    "grey": grey,
    "sepia": sepia,
    "dark": dark,
    "blurred": blurred,
    "pencil": pencil,
    "stone": stone,
    "in blue light": blue,
    "moustache over the lip": hair((50, 38, 28), False, True),
    "white moustache": hair((215, 212, 208), False, True),
    "black beard": hair((28, 24, 22), True, False),
    "white beard": hair((208, 206, 203), True, False),
    "brown beard over the lips": hair((85, 60, 40), True, True),
}


@pytest.mark.parametrize("change", OPEN)
def test_hair_and_other_light_do_not_cover_it(
    change: str, faces: list[Photo], finder: FaceFinder, astronaut: Image
) -> None:
    smiling = Photo(astronaut, finder.find_faces(astronaut)[0], "astronaut")
    for photo in (*faces, smiling):
        assert not found(OPEN[change](photo.image, photo.face.landmarks), finder), photo.name


def test_mouths_of_paintings_clips_and_a_statue_are_seen(shared: Path, finder: FaceFinder) -> None:
    real = shared / "real"
    pictures = [load_image(real / f"s{number}.jpg") for number in (0, 4, 5, 6, 8, 9, 10)]
    for clip in sorted([*real.glob("d*.mp4"), *real.glob("head-pose-*.gif")]):
        pictures += [image for image, _ in ClipReader(clip).frames()][::12]
    seen = [found(picture, finder) for picture in pictures if finder.find_faces(picture)]
    assert len(seen) > 25
    assert not any(seen)


def test_a_mask_of_a_photo_is_seen(shared: Path, finder: FaceFinder) -> None:
    assert found(load_image(shared / "fault_inputs" / "face_mask.png"), finder)


@pytest.fixture(scope="module")
def masked(faces: list[Photo], finder: FaceFinder) -> MeshAvatar:
    image = COVERS["blue"](faces[0].image, faces[0].face.landmarks)
    return MeshAnimator().prepare(Photo(image, finder.find_faces(image)[0], "masked"), 512)


def test_a_covered_mouth_does_not_open_and_its_mask_hangs_on_the_chin(masked: MeshAvatar) -> None:
    assert masked.notes == ("the mouth in this photo is covered: it will not open.",)
    animator = MeshAnimator()
    gap = 0.12
    picture = animator.render(masked, Keypoints(opened(masked.rest.values, gap)))
    points = masked.landmarks
    tall = float(np.linalg.norm(points[152] - points[10]))
    x, y = points[13, :2].astype(int).tolist()
    reach, deep = round(0.1 * tall), round(0.15 * tall)
    shown = picture[y - reach : y + deep, x - reach : x + reach].astype(int)
    was = masked.still[y - reach : y + deep, x - reach : x + reach].astype(int)
    # Blue like the mask, everywhere: no teeth, no throat.
    assert (shown[..., 2] - shown[..., 0]).min() > 0.6 * (was[..., 2] - was[..., 0]).min()
    assert shown.min() > 0.85 * was.min()
    # The lowest blue above the collar, in the middle.
    column = (slice(0, int(points[152, 1] + 0.15 * tall)), slice(x - 3, x + 4))
    lowest = [
        int(np.flatnonzero((each[column][..., 2] > each[column][..., 0] + 20.0).any(1)).max())
        for each in (masked.still, picture)
    ]
    assert 2 < lowest[1] - lowest[0] < 0.75 * gap * tall, "it goes along with the chin a little"


def test_a_masked_face_at_rest_is_the_photo(masked: MeshAvatar) -> None:
    picture = MeshAnimator().render(masked, masked.rest)
    assert np.abs(picture.astype(int) - masked.still).max() <= 12


@pytest.mark.parametrize("angle", [-0.45, 0.45])
@pytest.mark.parametrize("ear", [234, 454])
def test_a_strap_is_not_seen_on_the_other_side_when_the_head_turns(
    ear: int, angle: float, faces: list[Photo], finder: FaceFinder
) -> None:
    points = faces[0].face.landmarks
    image = COVERS["blue"](faces[0].image, points)
    green, side = (0, 230, 0), -0.3 if ear == 234 else 0.3
    ends = [at(points, side, -0.03), points[ear, :2], points[58 if ear == 234 else 288, :2]]
    line = np.rint(np.array(ends)).astype(np.int32)
    cv2.polylines(image, [line], False, green, 12, cv2.LINE_AA)
    animator = MeshAnimator(with_eye_network=False)
    face = finder.find_faces(image)[0]
    avatar = animator.prepare(Photo(image, face, "strapped"), 512)
    assert avatar.covered
    values = turned(avatar.rest.values, angle, 0.0, 0.0)
    shown = animator.render(avatar, Keypoints(values)).astype(int)
    strap = shown[..., 1] - shown[..., [0, 2]].max(2) > 25
    # In the head's own halves: the nose's bridge parts them.
    middle = float(values[[6, 2], 0].mean() * avatar.crop.half + avatar.crop.cx)
    left, right = strap[:, : int(middle)].sum(), strap[:, int(middle) :].sum()
    assert (right if ear == 234 else left) < 4
