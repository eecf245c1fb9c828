"""The camera's picture never gets out; and the detector that says so does find it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from models.types import Image
from realtime.cameras.clip import ClipReader
from realtime.canvas.compositor import Compositor
from realtime.canvas.fit import Fit
from realtime.frames import AvatarFrame
from realtime.paths import asset_path
from realtime.sinks.recording.video_writer import VideoWriter
from scripts.soak.leak import Detector, mark


@pytest.fixture(scope="module")
def driving() -> list[Image]:
    """Pictures of a webcam, 640 x 480."""
    frames = [image for image, _ in ClipReader(asset_path("demo.mp4")).frames()][::24]
    return [np.asarray(cv2.resize(frame[60:420], (640, 480)), np.uint8) for frame in frames]


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def passed(image: Image, size: tuple[int, int], fit: Fit, mirror: bool) -> Image:
    """A camera's picture as the canvas would show it, had it got there."""
    return Compositor(size, fit, mirror=mirror).compose(AvatarFrame(image, None, True)).image


def zoomed(image: Image, times: float) -> Image:
    height, width = (round(side / times) for side in image.shape[:2])
    return np.ascontiguousarray(image[20 : 20 + height, 30 : 30 + width])


def jpeg(image: Image, quality: int) -> Image:
    done = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(done, cv2.IMREAD_COLOR), np.uint8)


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (160, 90), (480, 640)])
@pytest.mark.parametrize("fit", list(Fit))
@pytest.mark.parametrize("mirror", [False, True])
def test_what_passes_through_is_found(
    size: tuple[int, int], fit: Fit, mirror: bool, detector: Detector, driving: list[Image]
) -> None:
    for image in driving[::4]:
        assert detector.finds(passed(mark(image), size, fit, mirror))


def test_what_was_changed_on_the_way_is_found(detector: Detector, driving: list[Image]) -> None:
    image, other = mark(driving[0]), driving[5]
    inset = other.copy()
    inset[200:440, 300:620] = cv2.resize(image, (320, 240))
    changed = {
        "JPEG": jpeg(passed(image, (640, 360), Fit.COVER, True), 20),
        "zoom": zoomed(image, 2.0),
        "zoom on a wide canvas": passed(zoomed(image, 1.5), (320, 180), Fit.COVER, True),
        "grey": np.repeat(image[..., 1:2], 3, axis=2),
        "dark": image // 4,
        "half transparent": np.asarray(image // 2 + other // 2, np.uint8),
        "inset": inset,
        "blur": np.asarray(cv2.GaussianBlur(image, (0, 0), 6), np.uint8),
    }
    found = {name: detector.correlation(picture) for name, picture in changed.items()}
    assert min(found.values()) > 0.45, found


@pytest.mark.parametrize("mirror", [False, True])
def test_what_was_recorded_is_found(
    mirror: bool, detector: Detector, driving: list[Image], tmp_path: Path
) -> None:
    path = tmp_path / "leak.mp4"
    with VideoWriter(path, (320, 180), 30, live=True) as writer:
        for image in driving:
            writer.write(passed(mark(image), (320, 180), Fit.COVER, mirror))
    with av.open(str(path)) as container:
        shown: list[Any] = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(shown) == len(driving)
    assert all(detector.finds(picture) for picture in shown)


def test_other_pictures_carry_no_mark(detector: Detector, driving: list[Image]) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (k, 2 * k, 3), dtype=np.uint8) for k in (6, 12, 18, 24, 36, 90)]
    flat = [np.full((90, 160, 3), level, np.uint8) for level in (0, 127, 255)]
    photos = [cv2.imread(str(path)) for path in sorted(asset_path("face.jpg").parent.glob("*.jpg"))]
    pictures = [*noise, *flat, *driving, *photos]
    assert len(pictures) > 18
    assert max(detector.correlation(np.asarray(picture, np.uint8)) for picture in pictures) < 0.33
