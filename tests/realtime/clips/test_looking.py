"""A driving clip is looked at once; then its best moments and previews cost no second look."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import load_photo
from models.types import Photo
from realtime.clips import looking
from realtime.clips.looking import Seen, look, preview
from realtime.paths import asset_path
from scripts.rigs.fakes import FakeAnimator


@pytest.fixture(scope="module")
def photo() -> Photo:
    return load_photo(asset_path("face.jpg"), FaceFinder())


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """The demo clip, of which every fourth frame is looked at."""
    folder = tmp_path_factory.mktemp("seen")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "_MOST", 60)
        look(asset_path("demo.mp4"), folder, FaceTracker(), lambda stage, done, total: None)
    return Seen.read(folder)


def test_frames_are_spread_evenly_and_know_their_number_in_the_clip(seen: Seen) -> None:
    assert len(seen.times) == 240 and list(seen.samples) == list(range(0, 240, 4))
    assert len(seen.faces) == 60 and all(face is not None for face in seen.faces)
    assert seen.seconds[30] == pytest.approx(4.0)
    assert seen.frame_in_part(30, 0.0) == 120
    assert seen.frame_in_part(30, 2.0) == 60, "counted from where the part begins"
    assert seen.frame_in_part(30, 4.0) == 0
    with PIL.Image.open(seen.picture(59)) as picture:
        assert picture.size == (480, 480)


def test_the_best_moments_come_first_and_are_apart(seen: Seen, photo: Photo) -> None:
    best = seen.best(photo.face, 0.0, float("inf"))
    assert len(best) == 5
    scores = [one.score for one in best]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] <= scores[0] <= 1
    times = sorted(one.seconds for one in best)
    assert np.diff(times).min() >= (seen.seconds[-1]) / 12 - 1e-9
    assert best[0].score == max(
        looking._score(photo.face, face) for face in seen.faces if face is not None
    )
    inside = seen.best(photo.face, 2.0, 3.0)
    assert all(2 <= one.seconds < 3 for one in inside)


def test_a_part_without_a_face_is_refused(seen: Seen, photo: Photo) -> None:
    faces = [None if at < 2 else face for at, face in zip(seen.seconds, seen.faces, strict=True)]
    half = replace(seen, faces=faces)
    with pytest.raises(UserError, match="No face was seen in this part"):
        half.best(photo.face, 0.0, 2.0)
    assert all(one.seconds >= 2 for one in half.best(photo.face, 0.0, 8.0))
    with pytest.raises(UserError, match="shows no face"):
        half.portrait(0)


def test_the_preview_is_a_picture_of_the_avatar_and_never_of_the_driver(
    seen: Seen, photo: Photo
) -> None:
    animator = FakeAnimator()
    avatar = animator.prepare(photo, 128)
    whole = (0.0, float("inf"))
    for sample in (0, 30):
        data = preview(animator, avatar, photo.face, seen, sample, 0, whole, badge=False)
        with PIL.Image.open(io.BytesIO(data)) as picture:
            height, width = avatar.still.shape[:2]
            assert picture.size == (width // 2 * 2, height // 2 * 2)
            assert np.asarray(picture).std() < 3, "flat, as this backend draws"
    with pytest.raises(UserError, match="not in the chosen part"):
        preview(animator, avatar, photo.face, seen, 0, None, (2.0, 3.0), True)


def test_what_was_lost_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="choose the clip again"):
        Seen.read(tmp_path)
    (tmp_path / "seen.npz").write_bytes(b"PK damaged")
    with pytest.raises(UserError, match="choose the clip again"):
        Seen.read(tmp_path)
