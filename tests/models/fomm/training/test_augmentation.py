from __future__ import annotations

import colorsys

import numpy as np
import PIL.Image
import pytest
from skimage import transform

from models.errors import UserError
from models.fomm.training.augmentation import Augmentation, pad, resized, rotated, turned_hue
from models.types import Floats


def pair(height: int = 40, width: int = 40) -> Floats:
    return np.random.default_rng(1).random((2, height, width, 3), np.float32)


def test_a_rotation_is_that_of_the_official_library() -> None:
    frame = pair(40, 56)[0]
    for degrees in (-30.0, 12.5, 90.0):
        expected = transform.rotate(frame, degrees)
        assert np.abs(rotated(frame, degrees) - expected).max() < 1e-5


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.75, 0.93, 1.0, 1.1, 1.4])
@pytest.mark.parametrize(("name", "order"), [("nearest", 0), ("bilinear", 1)])
def test_a_resize_is_that_of_the_official_library(factor: float, name: str, order: int) -> None:
    frame = pair(41, 56)[0]
    size = int(41 * factor), int(56 * factor)
    expected = transform.resize(
        frame, size, order=order, preserve_range=True, mode="constant", anti_aliasing=True
    )
    assert np.abs(resized(frame, size, name) - expected).max() < 1e-5


def test_flips_swap_the_frames_or_mirror_both() -> None:
    frames = pair()
    step = Augmentation({"flip_param": {"horizontal_flip": True, "time_flip": True}})
    kinds = {"swapped": frames[::-1], "mirrored": frames[:, :, ::-1], "as it was": frames}
    random = np.random.default_rng(0)
    counts = dict.fromkeys(kinds, 0)
    for _ in range(400):
        done = step(frames, random)
        (kind,) = [name for name, one in kinds.items() if np.array_equal(done, one)]
        counts[kind] += 1
    assert 160 < counts["swapped"] < 240 and 60 < counts["mirrored"] < 140
    still = Augmentation({"flip_param": {"horizontal_flip": False, "time_flip": False}})
    assert all(np.array_equal(still(frames, random), frames) for _ in range(9))


def test_a_crop_pads_what_is_too_small_and_reaches_every_place() -> None:
    frames = pair(10, 21)
    padded = pad(frames, 16, 16)
    assert padded.shape == (2, 16, 21, 3)
    assert np.array_equal(padded[:, 3:13], frames)
    assert np.array_equal(padded[:, 0], frames[:, 0])
    step = Augmentation({"crop_param": {"size": [16, 16]}})
    random = np.random.default_rng(0)
    places = set()
    for _ in range(100):
        done = step(frames, random)
        assert done.shape == (2, 16, 16, 3)
        (left,) = [i for i in range(6) if np.array_equal(done, padded[:, :, i : i + 16])]
        places.add(left)
    assert places == set(range(6))


def test_colours_change_alike_in_both_frames_within_their_ranges() -> None:
    frames = np.broadcast_to(np.array([0.5, 0.3, 0.2], np.float32), (2, 8, 8, 3))
    step = Augmentation({"jitter_param": {"brightness": 0.2}})
    random = np.random.default_rng(0)
    factors = []
    for _ in range(200):
        done = step(frames, random)
        assert np.array_equal(done[0], done[1])
        factors.append(float(done[0, 0, 0, 0]) / 0.5)
    assert 0.78 < min(factors) < 0.83 and 1.17 < max(factors) < 1.22


def test_all_four_colour_changes_are_drawn_in_any_order() -> None:
    frames = np.rint(pair(8, 8) * 255) / np.float32(255)
    ranges = {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1}
    whole = Augmentation({"jitter_param": ranges})
    for name in ranges:
        alone = Augmentation({"jitter_param": {name: ranges[name]}})
        change = np.abs(alone(frames, np.random.default_rng(3)) - frames)
        assert 0 < change.mean() < 0.2
    seen = {whole(frames, np.random.default_rng(i)).tobytes() for i in range(5)}
    assert len(seen) == 5
    assert np.array_equal(
        whole(frames, np.random.default_rng(1)), whole(frames, np.random.default_rng(1))
    )
    nothing = Augmentation({"jitter_param": {}})
    assert np.array_equal(nothing(pair(), np.random.default_rng(1)), pair())


def test_hues_turn_around_the_circle() -> None:
    red = PIL.Image.new("RGB", (2, 2), (200, 20, 20))
    for turn in (0.3, -0.25):
        pixel = turned_hue(red, turn).getpixel((0, 0))
        assert isinstance(pixel, tuple)
        hue = colorsys.rgb_to_hsv(*(value / 255 for value in pixel))[0]
        assert abs(hue - turn % 1) < 0.02


def test_steps_go_in_the_official_order_whatever_the_configuration_s() -> None:
    steps = Augmentation(
        {"crop_param": {"size": 32}, "resize_param": {"ratio": [0.5, 0.5]}, "flip_param": {}}
    )
    done = steps(pair(40, 40), np.random.default_rng(0))
    assert done.shape == (2, 32, 32, 3)
    assert np.array_equal(done[:, 0], done[:, 6])  # The edge of what was 20 high, repeated.


@pytest.mark.parametrize(
    "params",
    [
        {"blur_param": {}},
        {"jitter_param": {"hue": 0.7}},
        {"crop_param": {}},
        {"resize_param": {"ratio": [1.2, 0.5]}},
        {"rotation_param": {"degrees": -3}},
    ],
)
def test_what_a_configuration_asks_wrongly_is_said(params: dict[str, dict[str, object]]) -> None:
    with pytest.raises(UserError):
        Augmentation(params)
