"""Loading the networks that come along: once, and with a sentence where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.network import NETWORKS, Network, load_network, weights_path
from models.face.tracker import FaceTracker
from models.mesh.backend import MeshAnimator
from models.types import Image, Photo


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files of the sessions that are made; nothing is loaded before."""
    files: list[str] = []
    make = onnxruntime.InferenceSession

    def made(source: str, *words: object, **more: object) -> object:
        files.append(Path(source).name)
        return make(source, *words, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", made)
    load_network.cache_clear()
    yield files
    load_network.cache_clear()


def test_trackers_finders_and_avatars_share_what_is_loaded_once(
    loaded: list[str], astronaut: Image
) -> None:
    finder, _ = FaceFinder(), FaceTracker()
    assert sorted(loaded) == sorted(f"{name}.onnx" for name in NETWORKS)
    animator = MeshAnimator()
    before = list(loaded)
    for picture in (astronaut, np.ascontiguousarray(astronaut[:, ::-1])):
        animator.prepare(Photo(picture, finder.find_faces(picture)[0], "photo"), 128)
    FaceTracker().track(astronaut)
    assert loaded == before


def test_trackers_that_share_networks_follow_different_faces(astronaut: Image) -> None:
    mirrored = np.ascontiguousarray(astronaut[:, ::-1])
    expected = [FaceTracker().track(picture) for picture in (astronaut, mirrored)]
    trackers = FaceTracker(), FaceTracker()
    for _ in range(2):
        seen = [
            tracker.track(picture)
            for tracker, picture in zip(trackers, (astronaut, mirrored), strict=True)
        ]
    for face, first in zip(seen, expected, strict=True):
        assert face is not None and first is not None
        assert np.abs(face.landmarks - first.landmarks).mean() < 2


@pytest.mark.parametrize("content", [None, b"", b"not a network", "half"])
def test_a_missing_or_broken_file_is_one_sentence(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "detector.onnx"
    whole = weights_path("detector").read_bytes()
    if content is not None:
        path.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    with pytest.raises(UserError, match=r"detector\.onnx is missing or broken; install"):
        Network(path)


def test_the_licence_and_the_origin_lie_beside_the_networks() -> None:
    folder = weights_path("landmarks").parent
    assert "Apache License" in (folder / "LICENSE").read_text("utf-8")
    notice = (folder / "NOTICE").read_text("utf-8")
    for name in NETWORKS:
        assert weights_path(name).is_file() and f"{name}.onnx" in notice
