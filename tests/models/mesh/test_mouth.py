"""The inside of the mouth: what shows between parted lips, from the front and from the side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import INNER_LIPS, LOWER_LIP, UPPER_LIP
from models.keypoints import Keypoints
from models.mesh import mouth
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.photo_light import PhotoLight, brightest_skin
from models.mesh.pose import from_euler
from models.photos import load_photo
from models.types import Floats, Image, Photo
from realtime.paths import asset_path
from scripts.evaluation import measures


@pytest.fixture(scope="module")
def avatar() -> MeshAvatar:
    photo = load_photo(asset_path("face.jpg"), FaceFinder())
    return MeshAnimator().prepare(photo, 512)


@pytest.fixture(scope="module")
def smiling(astronaut: Image) -> MeshAvatar:
    face = FaceFinder().find_faces(astronaut)[0]
    return MeshAnimator().prepare(Photo(astronaut, face, "astronaut"), 512)


def opened(avatar: MeshAvatar, gap: float, wider: float = 0.0, yaw: float = 0.0) -> Floats:
    """The avatar's keypoints with the lips `gap` face heights further apart, by jaw and lip.

    wider: by how much the mouth is wider; its lips are then parted without the jaw. yaw: degrees.
    """
    values = avatar.rest.values.copy()
    tall = float(np.linalg.norm(values[152] - values[10]))
    middle = values[[13, 14]].mean(0)
    below = values[:468, 1] > middle[1]
    near = np.exp(-(((values[:468, :2] - middle[:2]) / (0.22 * tall)) ** 2).sum(1))
    if wider:
        values[:468, 0] += near * wider * (values[:468, 0] - middle[0])
        values[:468, 1] += near * np.where(below, 0.6, -0.4) * gap * tall
    else:
        jaw = np.zeros(468, np.float32)
        jaw[below] = np.clip((values[:468, 1] - middle[1])[below] / (0.05 * tall), 0, 1)
        jaw[LOWER_LIP] = 1
        jaw[UPPER_LIP] = 0
        values[:468, 1] += jaw * gap * tall
    pivot = (values[234] + values[454]) / 2
    turn = from_euler(np.radians(yaw), 0.0, 0.0)
    return np.asarray((values - pivot) @ turn.T + pivot, np.float32)


def let_down(avatar: MeshAvatar, gap: float) -> Floats:
    """The avatar's keypoints with the jaw let down, the lower lip in an arc."""
    return measures.opened(avatar.rest.values, gap)


def grin(avatar: MeshAvatar, gap: float, wider: float) -> Floats:
    """The same with the chin where it was, and a mouth that is wider by a share."""
    values = avatar.rest.values
    tall = float(np.linalg.norm(values[152] - values[10]))
    middle = values[[13, 14]].mean(0)
    away = values - middle
    near = np.exp(-((away[:, :2] / (0.2 * tall)) ** 2).sum(1, keepdims=True))
    near[468:] = 0
    wide = near * wider * away * np.array([1, 0, 0], np.float32)
    return np.asarray(values + near * (let_down(avatar, gap) - values) + wide, np.float32)


def inside(avatar: MeshAvatar, values: Floats) -> Floats:
    """The colours (N, 3) between the lips, a little inward of them."""
    picture = MeshAnimator().render(avatar, Keypoints(values))
    crop = avatar.crop
    outline = values[INNER_LIPS, :2] * crop.half + np.array([crop.cx, crop.cy])
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [outline.round().astype(np.int32)], 255)
    mask = cv2.erode(mask, np.ones((3, 3), np.uint8))
    return np.asarray(picture[mask > 0], np.float32)


def test_an_open_mouth_shows_teeth_a_tongue_and_a_dark_throat(avatar: MeshAvatar) -> None:
    colours = inside(avatar, opened(avatar, 0.15))
    light = colours.sum(1) / 3
    assert (light > 120).mean() > 0.03, "teeth"
    assert (light < 60).mean() > 0.1, "throat"
    red = (colours[:, 0] > 1.4 * colours[:, 1]) & (light > 60) & (light < 150)
    assert red.mean() > 0.1, "tongue"


def test_hardly_parted_lips_hide_the_teeth_in_shadow(avatar: MeshAvatar) -> None:
    parted, wide = (inside(avatar, opened(avatar, gap)) for gap in (0.025, 0.1))
    # Nearly all that shows between parted lips is teeth, but of wide open ones the least part.
    assert np.median(parted.sum(1)) < 0.75 * np.quantile(wide.sum(1), 0.95)


@pytest.mark.parametrize("yaw", [-35.0, 0.0, 35.0])
def test_a_grin_has_no_dark_gap_at_its_corners(avatar: MeshAvatar, yaw: float) -> None:
    colours = inside(avatar, opened(avatar, 0.08, wider=0.3, yaw=yaw))
    light = colours.sum(1) / 3
    assert (light > 110).mean() > 0.4, "mostly teeth"
    assert (light < 35).mean() < 0.15


def test_teeth_of_the_photo_stay_when_the_mouth_opens(smiling: MeshAvatar) -> None:
    at_rest = inside(smiling, smiling.rest.values)
    own = np.median(at_rest[at_rest.sum(1) > np.quantile(at_rest.sum(1), 0.7)], axis=0)
    colours = inside(smiling, opened(smiling, 0.08))
    teeth = colours[colours.sum(1) > np.quantile(colours.sum(1), 0.85)]
    assert np.abs(np.median(teeth, axis=0) - own).max() < 30


def grey(image: Image) -> Image:
    """Without colours."""
    return np.asarray(np.dstack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)] * 3), np.uint8)


def sepia(image: Image) -> Image:
    """Toned: yellowish brown in the middle, nearly white where it is light."""
    level = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    toned = np.dstack([250 * level**0.8, 225 * level**0.95, 180 * level**1.15])
    return np.asarray(np.clip(toned, 0, 255), np.uint8)


def dark(image: Image) -> Image:
    """No pixel above 59 of 255."""
    return np.asarray(image.astype(np.float32) * (59 / 255), np.uint8)


def as_is(image: Image) -> Image:
    """The same."""
    return image


def copied(avatar: MeshAvatar, change: Callable[[Image], Image]) -> MeshAvatar:
    """The avatar of the same photo in other colours."""
    face = FaceFinder().find_faces(avatar.still)[0]
    return MeshAnimator().prepare(Photo(change(avatar.still), face, avatar.name), 512)


def shown_at(avatar: MeshAvatar, values: Floats) -> Floats:
    """Landmarks (478, 3) in pixels of the picture."""
    crop = avatar.crop
    return np.asarray(values * crop.half + np.array([crop.cx, crop.cy, 0]), np.float32)


@pytest.mark.parametrize("change", [as_is, grey, sepia, dark])
@pytest.mark.parametrize("photo", ["avatar", "smiling"])
def test_no_tooth_is_much_brighter_than_the_brightest_skin(
    photo: str, change: Callable[[Image], Image], request: pytest.FixtureRequest
) -> None:
    toned = copied(request.getfixturevalue(photo), change)
    skin = brightest_skin(toned.still, toned.landmarks)
    for values in (let_down(toned, 0.15), grin(toned, 0.08, 0.3)):
        colours = inside(toned, values)
        light = colours @ np.array([0.299, 0.587, 0.114], np.float32)
        assert np.quantile(light, 0.98) <= 1.1 * skin
        assert light.max() <= 1.15 * skin
        assert np.quantile(light, 0.98) > 0.6 * skin, "and teeth are seen"


@pytest.mark.parametrize(("change", "most"), [(grey, 0.5), (sepia, 3.5)])
@pytest.mark.parametrize("photo", ["avatar", "smiling"])
def test_the_inside_keeps_to_the_tones_of_a_photo_without_colours(
    photo: str, change: Callable[[Image], Image], most: float, request: pytest.FixtureRequest
) -> None:
    toned = copied(request.getfixturevalue(photo), change)
    # What such a photo looks like at every brightness.
    ramp = change(np.arange(256, dtype=np.uint8).repeat(3).reshape(256, 1, 3))
    lab = cv2.cvtColor(ramp.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[:, 0]
    for values in (let_down(toned, 0.15), grin(toned, 0.08, 0.3)):
        colours = inside(toned, values)[:, None] / 255
        drawn = cv2.cvtColor(np.ascontiguousarray(colours), cv2.COLOR_RGB2LAB)[:, 0]
        own = np.stack([np.interp(drawn[:, 0], lab[:, 0], lab[:, k]) for k in (1, 2)], 1)
        apart = np.linalg.norm(drawn[:, 1:] - own, axis=1)
        assert np.quantile(apart, 0.95) < most
        assert apart.mean() < most / 2


def test_teeth_are_one_row_whose_seams_are_soft(avatar: MeshAvatar) -> None:
    values = grin(avatar, 0.08, 0.3)
    picture = cv2.cvtColor(MeshAnimator().render(avatar, Keypoints(values)), cv2.COLOR_RGB2GRAY)
    at = shown_at(avatar, values)
    right, left = at[78, :2], at[308, :2]
    above, below = at[13, :2], at[14, :2]
    middle = above + 0.4 * (below - above)
    steps = np.linspace(-0.25, 0.25, 80)[:, None] * (left - right) + middle
    x, y = np.rint(steps).astype(int).T
    light = picture[y, x].astype(np.float32)
    assert light.min() > 0.75 * np.median(light), "no tooth is outlined"
    # Yet it is no white band.
    assert light.std() > 2


def test_a_grin_is_in_shade_at_its_corners_and_under_the_upper_lip(avatar: MeshAvatar) -> None:
    values = grin(avatar, 0.08, 0.3)
    picture = cv2.cvtColor(MeshAnimator().render(avatar, Keypoints(values)), cv2.COLOR_RGB2GRAY)
    at = shown_at(avatar, values)

    def light(above: int, below: int, share: float) -> float:
        x, y = np.rint(at[above, :2] + share * (at[below, :2] - at[above, :2])).astype(int)
        return float(picture[y - 1 : y + 2, x - 1 : x + 2].mean())

    profile = [light(13, 14, share) for share in np.linspace(0.06, 0.94, 12)]
    assert profile[0] < 0.95 * max(profile), "under the upper lip"
    for above, below in ((191, 95), (415, 324)):
        assert light(above, below, 0.5) < 0.65 * max(profile), "a corner"


@pytest.mark.parametrize("change", [as_is, grey, sepia, dark])
@pytest.mark.parametrize("size", [512, 300])
def test_teeth_of_a_smile_are_found_by_their_colour(
    smiling: MeshAvatar, change: Callable[[Image], Image], size: int
) -> None:
    scale = size / max(smiling.still.shape[:2])
    photo = cv2.resize(
        change(smiling.still), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA
    )
    landmarks = np.asarray(smiling.landmarks * scale, np.float32)
    light = PhotoLight.of(photo, landmarks)
    opening = np.zeros(photo.shape[:2], np.uint8)
    cv2.fillPoly(opening, [landmarks[INNER_LIPS, :2].round().astype(np.int32)], 255)
    assert (light.teeth > 0).sum() > 0.4 * (opening > 0).sum()
    assert light.teeth[opening == 0].mean() < 30


@pytest.mark.parametrize("change", [as_is, grey, sepia, dark])
def test_closed_lips_show_no_teeth(avatar: MeshAvatar, change: Callable[[Image], Image]) -> None:
    assert not PhotoLight.of(change(avatar.still), avatar.landmarks).teeth.any()


@pytest.mark.parametrize("name", ["s0", "s4", "s5", "s6", "s8", "s9"])
def test_closed_lips_of_paintings_show_no_teeth(shared: Path, name: str) -> None:
    photo = load_photo(shared / "real" / f"{name}.jpg", FaceFinder())
    assert not PhotoLight.of(photo.image, photo.face.landmarks).teeth.any()


def test_a_slit_of_teeth_is_found_and_a_throat_with_a_tongue_is_none(avatar: MeshAvatar) -> None:
    slit = grin(avatar, 0.04, 0.2)
    picture = MeshAnimator().render(avatar, Keypoints(slit))
    assert PhotoLight.of(picture, shown_at(avatar, slit)).teeth.any()
    bare = replace(avatar, mouth=mouth.build(avatar.still, avatar.landmarks, teeth=False))
    wide = let_down(avatar, 0.15)
    picture = MeshAnimator().render(bare, Keypoints(wide))
    assert not PhotoLight.of(picture, shown_at(avatar, wide)).teeth.any()


def test_a_mouth_without_human_teeth_has_a_tongue_and_a_throat(avatar: MeshAvatar) -> None:
    bare = replace(avatar, mouth=mouth.build(avatar.still, avatar.landmarks, teeth=False))
    colours = inside(bare, let_down(avatar, 0.15))
    light = colours.mean(1)
    assert (light < 60).mean() > 0.1, "throat"
    red = colours[:, 0] > 1.3 * colours[:, 1]
    assert (red & (light > 60)).mean() > 0.2, "tongue"
    assert (~red & (light > 130)).mean() < 0.01, "teeth"


def test_the_lower_teeth_show_only_when_the_lip_is_pulled_down(avatar: MeshAvatar) -> None:
    lower = avatar.mouth.lower
    assert lower is not None
    green = lower.colours.copy()
    green[..., :3] = np.array([0, 1, 0]) * green[..., 3:]
    marked = replace(avatar, mouth=replace(avatar.mouth, lower=replace(lower, colours=green)))

    def seen(values: Floats) -> float:
        colours = inside(marked, values)
        return float((colours[:, 1] > colours[:, 0] + colours[:, 2] + 30).mean())

    jaw = let_down(avatar, 0.1)
    pulled = jaw.copy()
    tall = float(np.linalg.norm(jaw[152] - jaw[10]))
    near = np.exp(-(((jaw[:468, :2] - jaw[14, :2]) / (0.1 * tall)) ** 2).sum(1))
    near[UPPER_LIP] = 0
    near[jaw[:468, 1] < jaw[78, 1]] = 0
    pulled[:468, 1] += 0.05 * tall * near
    assert seen(jaw) < 0.003
    assert seen(pulled) > 0.012


def test_lips_roll_into_the_mouth_without_a_cut(avatar: MeshAvatar) -> None:
    values = let_down(avatar, 0.15)
    picture = MeshAnimator().render(avatar, Keypoints(values)).astype(np.float32)
    at = shown_at(avatar, values)[:, :2]
    unit = float(np.linalg.norm(at[78] - at[308]))
    for above, below in ((81, 178), (13, 14), (311, 402)):
        down = (at[below] - at[above]) / np.linalg.norm(at[below] - at[above])

        def colour(depth: float, edge: int = below, way: Floats = down) -> Floats:
            x, y = np.rint(at[edge] - depth * unit * way).astype(int)
            return np.asarray(picture[y, x], np.float32)

        lip, rim, deep = colour(-0.03), colour(0.015), colour(0.12)
        assert np.abs(rim - lip).sum() < np.abs(rim - deep).sum()


def test_drawn_teeth_have_the_grain_of_the_photo(avatar: MeshAvatar) -> None:
    def noisy(image: Image) -> Image:
        noise = np.random.default_rng(1).normal(0, 9, image.shape[:2])
        return np.asarray(np.clip(image + noise[..., None], 0, 255), np.uint8)

    def grain(one: MeshAvatar) -> float:
        assert one.mouth.upper is not None
        light = one.mouth.upper.colours[..., 1].astype(np.float32)
        fine = light - cv2.GaussianBlur(light, (0, 0), 1.0)
        return float(fine[one.mouth.upper.colours[..., 3] == 255].std())

    assert grain(copied(avatar, noisy)) > grain(avatar) + 3


def test_the_mouth_is_not_drawn_anew_from_frame_to_frame(avatar: MeshAvatar) -> None:
    pose = Keypoints(let_down(avatar, 0.1))
    first, second = (MeshAnimator().render(avatar, pose) for _ in range(2))
    assert np.array_equal(first, second)
