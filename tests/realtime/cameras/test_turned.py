"""Pictures of cameras and clips that are mounted askew."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from realtime.cameras.clip import ClipCamera, ClipReader
from realtime.cameras.turned import TurnedClip, turn
from tests.realtime.cameras.test_cameras import picture


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip of 64 x 48 that is white in its upper left quarter."""
    image = picture(20)
    image[:24, :32] = 240
    path = tmp_path / "corner.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("degrees", "size", "corner"),
    [
        (0, (64, 48), (0, 0)),
        (90, (48, 64), (0, 1)),
        (180, (64, 48), (1, 1)),
        (270, (48, 64), (1, 0)),
    ],
)
def test_pictures_are_turned_clockwise(
    clip: Path, degrees: int, size: tuple[int, int], corner: tuple[int, int]
) -> None:
    """Where the white quarter goes: row and column of four."""
    with ClipCamera(clip) as camera:
        first = turn(camera.read().image, degrees)
    images = [image for image, _ in TurnedClip(ClipReader(clip), degrees).frames()]
    assert len(images) == 3
    for image in (first, images[2]):
        assert (image.shape[1], image.shape[0]) == size and image.flags.c_contiguous
        quarters = image[:, :, 0].reshape(2, size[1] // 2, 2, size[0] // 2).mean((1, 3))
        assert np.unravel_index(quarters.argmax(), (2, 2)) == corner
