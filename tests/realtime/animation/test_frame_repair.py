from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from realtime.animation.frame_repair import Fault, SteadyClock, SteadySize, as_rgb


def test_the_clock_follows_frames_and_never_jumps() -> None:
    clock = SteadyClock()
    times = [100.0, 100.1, 100.2, 3.0, 3.1, 9000.0, 9000.1, math.nan, 9000.2]
    expected = [0.0, 0.1, 0.2, 0.2, 0.3, 1.3, 1.4, 1.4, 1.5]
    assert [clock(at) for at in times] == pytest.approx(expected)


def picture(width: int, height: int) -> Any:
    """A dot in the middle of white."""
    image = np.full((height, width, 3), 255, np.uint8)
    y, x = height // 2, width // 2
    image[y - height // 10 : y + height // 10, x - height // 10 : x + height // 10] = 0
    return image


@pytest.mark.parametrize("size", [(320, 240), (1280, 720), (1280, 960), (640, 360), (640, 480)])
def test_another_size_becomes_the_one_that_is_kept(size: tuple[int, int]) -> None:
    fit = SteadySize()
    assert fit(picture(*size)).shape == (size[1], size[0], 3)
    fit.keep(picture(640, 480))
    fit.keep(picture(32, 32))
    image = fit(picture(*size))
    assert image.shape == (480, 640, 3) and image.dtype == np.uint8
    rows, columns = np.nonzero(image[..., 0] < 128)
    assert abs(rows.mean() - 240) < 2 and abs(columns.mean() - 320) < 2
    # The dot keeps its shape, and its size relative to the picture's width.
    side = 2 * (size[1] // 10) * 640 / size[0]
    assert np.ptp(rows) == pytest.approx(side, abs=4)
    assert np.ptp(columns) == pytest.approx(side, abs=4)


@pytest.mark.parametrize("size", [(480, 640), (1080, 1920), (90, 160)])
def test_a_camera_that_is_turned_on_its_side_keeps_its_whole_picture(size: tuple[int, int]) -> None:
    fit = SteadySize()
    fit.keep(picture(640, 480))
    image = picture(*size)
    image[: size[1] // 8], image[-size[1] // 8 :] = (255, 0, 0), (0, 0, 255)
    whole = fit(image)
    assert whole.shape == (480, 640, 3)
    assert np.abs(whole[30, 320].astype(int) - (255, 0, 0)).max() < 3
    assert np.abs(whole[450, 320].astype(int) - (0, 0, 255)).max() < 3
    rows, columns = np.nonzero(whole[80:400, 200:440].max(axis=2) < 128)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=4), "it is not squeezed"


def test_grey_and_transparent_pictures_become_rgb() -> None:
    grey = np.arange(400, dtype=np.uint8).reshape(20, 20)
    for image in (grey, grey[..., None], np.dstack([grey] * 4)):
        rgb = as_rgb(image)
        assert rgb.shape == (20, 20, 3) and rgb.flags.c_contiguous
        assert (rgb == grey[..., None]).all()


@pytest.mark.parametrize(
    "image",
    [
        None,
        b"\xff\xd8",
        np.zeros((20, 20, 3), np.float32),
        np.zeros((8, 20, 3), np.uint8),
        np.zeros((20, 20, 2), np.uint8),
        np.zeros(60, np.uint8),
        np.zeros((0, 0, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_a_fault(image: Any) -> None:
    with pytest.raises(Fault):
        as_rgb(image)
