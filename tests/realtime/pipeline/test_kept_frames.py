"""A clip whose frames take long goes on where it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.types import Image
from realtime.animation.animation import Drawn
from realtime.frames import AvatarFrame
from realtime.pipeline.kept_frames import KeptFrames, kept_count
from realtime.pipeline.offline import animate
from scripts.rigs.fakes import FakeAnimator, FakeClip, FakeTracker, PlainComposer, avatar, face


def picture(channels: int = 3) -> Image:
    return np.random.default_rng(channels).integers(0, 256, (6, 9, channels), np.uint8)


def test_a_picture_comes_back_to_the_bit(tmp_path: Path) -> None:
    kept = KeptFrames(tmp_path / "kept", "this")
    kept.keep(3, Drawn(picture(), picture(4)), 9.0)
    kept.keep(4, Drawn(picture()), 9.0)
    again = KeptFrames(tmp_path / "kept", "this")
    whole, plain = again.get(3), again.get(4)
    assert whole is not None
    assert plain is not None
    np.testing.assert_array_equal(whole.image, picture())
    np.testing.assert_array_equal(whole.person, picture(4))
    np.testing.assert_array_equal(plain.image, picture())
    assert plain.person is None
    assert again.get(5) is None
    assert kept_count(tmp_path / "kept") == 2


def test_what_was_quick_or_made_from_something_else_is_not_kept(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    KeptFrames(folder, "this").keep(0, Drawn(picture()), 0.01)
    assert not folder.exists()
    KeptFrames(folder, "this").keep(0, Drawn(picture()), 1.0)
    assert KeptFrames(folder, "that").get(0) is None
    assert not folder.exists()


@pytest.mark.parametrize("damaged", [b"", b"\x89PNG\r\n\x1a\nhalf"])
def test_a_damaged_picture_is_drawn_anew(tmp_path: Path, damaged: bytes) -> None:
    kept = KeptFrames(tmp_path, "this")
    kept.keep(0, Drawn(picture()), 1.0)
    (tmp_path / "0.image.png").write_bytes(damaged)
    assert kept.get(0) is None


def test_a_disk_that_refuses_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    kept = KeptFrames(tmp_path / "file" / "kept", "this")
    kept.keep(0, Drawn(picture()), 1.0)
    assert kept.get(0) is None


class Kept:
    def __init__(self, stop_at: int | None = None) -> None:
        self.frames: list[Image] = []
        self._stop_at = stop_at

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        if len(self.frames) == self._stop_at:
            raise KeyboardInterrupt
        self.frames.append(frame.image)


def run(writer: Kept, kept: KeptFrames | None = None, told: Any = None) -> int:
    """How many pictures were drawn."""
    animator = FakeAnimator()
    animate(
        animator,
        avatar(),
        face(),
        FakeClip(20),
        FakeTracker(lambda index: face((3.0 * index, 0))),
        PlainComposer(),
        writer,
        reference=0,
        kept=kept,
        progress=told or (lambda what, done, total: None),
    )
    return len(animator.rendered)


def test_an_interrupted_clip_goes_on_and_is_the_same(tmp_path: Path) -> None:
    whole = Kept()
    assert run(whole) == 20
    with pytest.raises(KeyboardInterrupt):
        run(Kept(stop_at=12), KeptFrames(tmp_path, "this", worth=0.0))
    told: list[int] = []

    def progress(what: str, done: int, total: int) -> None:
        if what == "Rendering":
            told.append(done)

    resumed = Kept()
    assert run(resumed, KeptFrames(tmp_path, "this", worth=0.0), progress) == 7
    assert told == list(range(14, 21)), "what was kept counts at once"
    assert len(resumed.frames) == 20
    for one, other in zip(whole.frames, resumed.frames, strict=True):
        np.testing.assert_array_equal(one, other)
