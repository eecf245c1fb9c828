"""The canvas: where the picture goes, what surrounds it, and the badge."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import pytest

from models.types import Image
from realtime.canvas.compositor import Compositor
from realtime.canvas.fit import Fit
from realtime.frames import AvatarFrame

astronaut = pytest.importorskip("skimage.data").astronaut


def photo(width: int = 512, height: int = 512) -> Image:
    small = cv2.resize(astronaut(), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def compose(
    image: Image,
    canvas: tuple[int, int] = (1280, 720),
    fit: Fit = Fit.BLUR,
    badge: bool = False,
    mirror: bool = False,
) -> Image:
    composer = Compositor(canvas, fit, badge, mirror)
    composer.set_avatar(image)
    return composer.compose(AvatarFrame(image, None, True)).image


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("canvas", [(1280, 720), (640, 480), (480, 640), (512, 512), (321, 181)])
@pytest.mark.parametrize("shape", [(512, 512), (300, 500), (500, 200), (64, 48)])
def test_result_has_exactly_the_canvas_size(
    fit: Fit, canvas: tuple[int, int], shape: tuple[int, int]
) -> None:
    composer = Compositor(canvas, fit)
    assert composer.size == (canvas[0] // 2 * 2, canvas[1] // 2 * 2)
    image = composer.compose(AvatarFrame(photo(*shape), 1.5, True)).image
    assert image.shape == (composer.size[1], composer.size[0], 3)
    assert image.dtype == np.uint8 and image.flags.c_contiguous


def test_contain_and_blur_show_all_of_the_picture() -> None:
    image = photo()
    wanted = cv2.resize(image, (720, 720), interpolation=cv2.INTER_LINEAR)
    for fit in (Fit.CONTAIN, Fit.BLUR):
        assert difference(compose(image, fit=fit)[:, 280:1000], wanted) < 0.01
    assert compose(image, fit=Fit.CONTAIN)[:, :280].max() == 0
    tall = compose(photo(400, 800), fit=Fit.CONTAIN)
    assert tall[:, :460].max() == 0 and tall[:, 820:].max() == 0 and tall[:, 470:810].mean() > 20


def test_blurred_fill_is_the_photo_out_of_focus() -> None:
    image = photo()
    fill = compose(image, fit=Fit.BLUR)[:, :280]
    composer = Compositor(fit=Fit.COVER, badge=False)
    composer.set_avatar(image, focus=(256, 256))
    cover = composer.compose(AvatarFrame(image, None, True)).image[:, :280]
    steps = np.abs(np.diff(fill.astype(int), axis=1))
    assert steps.mean() < 1.5 < np.abs(np.diff(cover.astype(int), axis=1)).mean()
    assert steps.max() <= 4, "no edge is left"
    low = cv2.resize(fill, (2, 4), interpolation=cv2.INTER_AREA)
    high = cv2.resize(cover, (2, 4), interpolation=cv2.INTER_AREA)
    assert np.corrcoef(low.ravel(), high.ravel())[0, 1] > 0.8, "it has the photo's colours"


def test_surroundings_never_flicker() -> None:
    image = photo()
    composer = Compositor(badge=False)
    composer.set_avatar(image)
    first = composer.compose(AvatarFrame(image, None, False)).image
    moved = np.ascontiguousarray(255 - image)
    second = composer.compose(AvatarFrame(moved, None, True)).image
    assert np.array_equal(first[:, :280], second[:, :280])
    assert np.array_equal(first[:, 1000:], second[:, 1000:])
    assert difference(first[:, 280:1000], second[:, 280:1000]) > 50


def test_cover_fills_and_keeps_the_focus() -> None:
    image = np.zeros((800, 400, 3), np.uint8)
    image[60:100, 180:220] = 255
    composer = Compositor(fit=Fit.COVER, badge=False)
    composer.set_avatar(image, focus=(200, 80))
    shown = composer.compose(AvatarFrame(image, None, True)).image
    assert shown[..., 0].sum() / 255 == pytest.approx(40 * 40 * 3.2**2, rel=0.05)
    composer.set_avatar(image, focus=(200, 700))
    assert composer.compose(AvatarFrame(image, None, True)).image.max() == 0


def test_mirror_flips_everything_but_the_badge() -> None:
    image = photo()
    plain, flipped = compose(image), compose(image, mirror=True)
    assert difference(plain[:, ::-1], flipped) < 1.0
    grey = np.full((512, 512, 3), 128, np.uint8)
    badge, badge_mirrored = compose(grey, badge=True), compose(grey, badge=True, mirror=True)
    assert difference(badge[:, 290:990], badge_mirrored[:, 290:990]) == 0


def test_badge_is_readable_in_a_small_tile() -> None:
    """White letters on a dark pill, on any background, also when shown 360 pixels high."""
    for shade in (0, 128, 255):
        grey = np.full((512, 512, 3), shade, np.uint8)
        bare, marked = compose(grey), compose(grey, badge=True)
        changed = np.argwhere((bare != marked).any(axis=2))
        (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
        assert 40 <= bottom - top <= 60 and 100 <= right - left <= 220
        assert 280 <= left and right < 1000 and bottom < 720, "inside the picture, so that a"
        # square tile of a gallery does not cut it off
        small = cv2.resize(marked, (640, 360), interpolation=cv2.INTER_AREA)
        label = small[top // 2 : bottom // 2, left // 2 : right // 2, 0].astype(float)
        assert label.max() > 200, "letters are light"
        assert np.percentile(label, 30) < 120, "their ground is dark"
        assert 0.05 < (label > 170).mean() < 0.4, "strokes, neither a blot nor a hairline"


def backgrounds() -> dict[str, Image]:
    """Light, dark, coloured and busy pictures."""
    y, x = np.mgrid[0:512, 0:512]
    checks = ((x // 6 + y // 6) % 2 * 255).astype(np.uint8)
    text = np.full((512, 512, 3), 255, np.uint8)
    for row in range(0, 512, 18):
        words = "Lorem ipsum dolor sit amet " * 3
        cv2.putText(text, words, (-row % 40 - 40, row), 0, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return {
        "white": np.full((512, 512, 3), 255, np.uint8),
        "black": np.zeros((512, 512, 3), np.uint8),
        "red": np.full((512, 512, 3), (255, 0, 0), np.uint8),
        "noise": np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8),
        "checks": np.repeat(checks[..., None], 3, axis=2),
        "text": text,
        "photo": photo(),
    }


def through_a_call(images: list[Image]) -> Image:
    """The last image after H.264 at 200 kbit/s, as in a small tile of a bad call."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 200_000
        rate = {"maxrate": "200000", "bufsize": "100000"}
        stream.options = {"preset": "veryfast", "tune": "zerolatency", **rate}
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = list(container.decode(video=0))
    return np.asarray(decoded[-1].to_ndarray(format="rgb24"), np.uint8)


def luminance(image: Image) -> np.ndarray:
    """Relative luminance, 0..1, of sRGB."""
    values = image / 255.0
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ (0.2126, 0.7152, 0.0722))


@pytest.mark.parametrize("name", list(backgrounds()))
def test_badge_is_readable_at_360p_after_h264(name: str) -> None:
    """Contrast as WCAG asks for text (4.5), and letters that look as they were drawn."""
    picture = backgrounds()[name]
    composer = Compositor(badge=True)
    composer.set_avatar(picture)
    images = []
    for step in range(10):
        moved = np.ascontiguousarray(np.roll(picture, (3 * step, 5 * step), (0, 1)))
        images.append(composer.compose(AvatarFrame(moved, None, True)).image)
    grey = np.full((512, 512, 3), 128, np.uint8)
    marked = cv2.resize(compose(grey, badge=True), (640, 360), interpolation=cv2.INTER_AREA)
    bare = cv2.resize(compose(grey), (640, 360), interpolation=cv2.INTER_AREA)
    changed = np.argwhere(np.abs(marked.astype(int) - bare).max(axis=2) > 60)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0) + 1
    drawn = marked[top:bottom, left:right, 0].astype(np.float32)
    small = [cv2.resize(image, (640, 360), interpolation=cv2.INTER_AREA) for image in images]
    shown = through_a_call([np.asarray(image, np.uint8) for image in small])
    shown = shown[top:bottom, left:right]
    light = luminance(shown)
    inside = np.zeros(drawn.shape, bool)
    inside[3:-3, 12:-12] = True
    letters, ground = np.median(light[drawn > 170]), np.median(light[inside & (drawn < 60)])
    assert (letters + 0.05) / (ground + 0.05) > 4.5
    seen = cv2.cvtColor(shown, cv2.COLOR_RGB2GRAY).astype(float)[inside]
    assert np.corrcoef(seen, drawn[inside])[0, 1] > 0.8


def test_badge_stays_inside_narrow_pictures_and_small_canvases() -> None:
    narrow = np.full((800, 200, 3), 200, np.uint8)
    bare, marked = compose(narrow), compose(narrow, badge=True)
    columns = np.argwhere((bare != marked).any(axis=(0, 2)))
    assert len(columns) and columns.min() >= 550 and columns.max() < 730
    assert compose(photo(), canvas=(40, 30), badge=True).shape == (30, 40, 3)


def test_frames_are_not_changed_and_keep_their_times() -> None:
    image = photo()
    before = image.copy()
    composer = Compositor((512, 512))
    composer.set_avatar(image)
    one = composer.compose(AvatarFrame(image, 12.5, True))
    two = composer.compose(AvatarFrame(image, None, False))
    assert np.array_equal(image, before)
    assert (one.captured_at, one.live, two.captured_at, two.live) == (12.5, True, None, False)
    assert one.image is not two.image and not np.shares_memory(one.image, two.image)


def test_another_avatar_shape_is_laid_out_anew() -> None:
    composer = Compositor((640, 360), Fit.CONTAIN, badge=False)
    composer.set_avatar(photo(512, 512))
    wide = composer.compose(AvatarFrame(photo(640, 360), None, True)).image
    assert wide[:, :60].mean() > 20
