"""What is shown behind the person: a colour, a photo, or the photo's own background, blurred."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.types import Image
from realtime.canvas.background import GREEN, Background, parse
from realtime.canvas.compositor import Compositor
from realtime.canvas.fit import Fit
from realtime.frames import AvatarFrame

CANVAS = (320, 180)
SKIN = (200, 150, 120)
WALL = (40, 60, 160)


def frame(shift: int = 0, size: int = 120) -> AvatarFrame:
    """A person, a disc with a soft rim on the left of the middle, before a wall."""
    alpha = np.zeros((size, size), np.uint8)
    cv2.circle(alpha, (size // 2 - 20 + shift, size // 2), 25, 255, -1)
    alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 2), np.uint8)
    share = alpha[..., None].astype(np.float32) / 255
    person = np.dstack([np.rint(share * np.array(SKIN)).astype(np.uint8), alpha])
    image = np.rint(share * np.array(SKIN) + (1 - share) * np.array(WALL)).astype(np.uint8)
    return AvatarFrame(image, 1.5, True, person)


def composed(kind: Background | None, fit: Fit = Fit.BLUR, mirror: bool = False) -> Image:
    composer = Compositor(CANVAS, fit, False, mirror, kind)
    one = frame()
    composer.set_avatar(one.image)
    out = composer.compose(one)
    assert (out.captured_at, out.live, out.person) == (1.5, True, None)
    return out.image


def near(image: Image, colour: tuple[int, int, int]) -> Image:
    return np.asarray(np.abs(image.astype(int) - colour).max(2) <= 3)


def test_green_is_everywhere_but_on_the_person() -> None:
    image = composed(Background("green"))
    person, green = near(image, SKIN), near(image, GREEN)
    assert green[0].all() and green[-1].all() and green[:, :60].all() and green[:, -60:].all()
    assert person.sum() > 2500 and green.sum() > 0.9 * (image.shape[0] * image.shape[1] - 5000)
    mixed = image[~person & ~green].astype(float)
    # Each pixel of the rim lies on the line between the two colours: none of the wall is left.
    way = np.array(SKIN, float) - GREEN
    along = (mixed - GREEN) @ way / (way @ way)
    assert np.abs(mixed - (GREEN + along[:, None] * way)).max() < 4


def test_the_person_is_mirrored_and_a_photo_is_not() -> None:
    sign = np.zeros((90, 160, 3), np.uint8)
    sign[:, :80] = 255
    plain, flipped = (
        composed(Background("photo", sign), mirror=mirror) for mirror in (False, True)
    )
    assert np.flatnonzero(near(plain, SKIN).any(0)).mean() < 160
    assert np.flatnonzero(near(flipped, SKIN).any(0)).mean() > 160
    for image in (plain, flipped):
        assert image[5, :150].min() > 250 and image[5, 170:].max() < 5


@pytest.mark.parametrize("shape", [(90, 160), (400, 100), (40, 500), (180, 320)])
def test_a_photo_of_any_shape_covers_the_canvas(shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), 77, np.uint8)
    image = composed(Background("photo", photo), Fit.CONTAIN)
    assert image.shape == (180, 320, 3) and (image[:, :60] == 77).all()


def test_blur_keeps_the_wall_and_none_of_the_person() -> None:
    one = frame()
    assert one.person is not None
    canvas = Background("blur").canvas(CANVAS, one.image, one.person, (70, 0, 250, 180))
    assert np.abs(canvas.astype(int) - WALL).max() <= 6, "behind the person and at the sides too"
    image = composed(Background("blur"))
    assert near(image, SKIN).sum() > 2500 and near(image, WALL)[:, :60].all()


def test_blur_softens_what_the_wall_shows() -> None:
    one = frame()
    assert one.person is not None
    stripes = one.image.copy()
    stripes[:, 90::6] = 255
    canvas = Background("blur").canvas(CANVAS, stripes, one.person, (70, 0, 250, 180))
    assert np.abs(np.diff(canvas.astype(int), axis=1)).max() < 12


def test_the_backdrop_of_an_avatar_stands_still() -> None:
    composer = Compositor(CANVAS, Fit.BLUR, False, False, Background("blur"))
    first, second = (composer.compose(frame(shift)).image for shift in (0, 10))
    still = ~near(first, SKIN) & ~near(second, SKIN)
    still[:, 80:210] = False
    assert np.array_equal(first[still], second[still])
    composer.set_avatar(np.zeros((100, 100, 3), np.uint8))
    assert composer.compose(frame(0, 100)).image.shape == (180, 320, 3)


def test_without_a_person_or_a_wish_the_picture_is_as_it_was() -> None:
    one = frame()
    bare = AvatarFrame(one.image, None, True)
    plain = Compositor(CANVAS, Fit.CONTAIN, False).compose(one).image
    for composer in (
        Compositor(CANVAS, Fit.CONTAIN, False, background=Background("green")),
        Compositor(CANVAS, Fit.CONTAIN, False),
    ):
        assert np.array_equal(composer.compose(bare).image, plain)


def test_words_and_photos_are_understood_and_all_else_is_one_sentence(tmp_path: Path) -> None:
    assert parse("keep") is None
    assert parse(" Blur ") == Background("blur") and parse("green") == Background("green")
    room = tmp_path / "room.png"
    PIL.Image.new("RGB", (80, 70), (1, 2, 3)).save(room)
    found = parse(str(room))
    assert found is not None and found.photo is not None and found.photo.shape == (70, 80, 3)
    (tmp_path / "text.png").write_text("no picture")
    for text, words in (
        ("transparent", "green.*Chroma Key"),
        ("nowhere.jpg", "keep, blur, green or the path"),
        (str(tmp_path / "text.png"), "text.png"),
    ):
        with pytest.raises(UserError, match=words):
            parse(text)
