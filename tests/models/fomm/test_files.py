"""Relative motion, configurations, the folder of models and the official file: without PyTorch."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.backends import create_animator
from models.errors import UserError
from models.fomm import manifest as manifests
from models.fomm import official
from models.fomm.config import CONFIGS, config_named, guess_config
from models.fomm.manifest import FileEntry, Manifest
from models.fomm.motion import inverse, relative_motion
from models.keypoints import Keypoints
from tests.models.test_artifacts import CONTENT, Server, server  # noqa: F401
from tests.paths import DATA

OWN = np.load(DATA / "fomm_expected.npz")


def expected(name: str) -> Keypoints:
    return Keypoints(OWN[f"{name}_value"][0], OWN[f"{name}_jacobian"][0])


@pytest.mark.parametrize("scale", [False, True])
def test_relative_motion_is_the_official_one(scale: bool) -> None:
    made = relative_motion(
        expected("kp_source"), expected("kp_initial"), expected("kp_driving"), scale
    )
    wanted = expected(f"norm_rel1_scale{int(scale)}")
    assert np.abs(made.values - wanted.values).max() < 1e-5
    assert made.jacobians is not None and wanted.jacobians is not None
    assert np.abs(made.jacobians - wanted.jacobians).max() < 1e-5
    assert made.values.dtype == made.jacobians.dtype == np.float32


def test_no_motion_is_no_change() -> None:
    source, initial = expected("kp_source"), expected("kp_initial")
    made = relative_motion(source, initial, initial, True)
    assert np.abs(made.values - source.values).max() < 1e-6
    assert np.abs(made.jacobians - source.jacobians).max() < 1e-5  # type: ignore[operator]


def test_inverse_of_singular_matrices_is_no_number() -> None:
    matrices = np.array([[[2, 1], [1, 1]], [[1, 1], [1, 1]]], np.float32)
    made = inverse(matrices)
    assert np.allclose(made[0], [[1, -1], [-1, 2]])
    assert not np.isfinite(made[1]).all()


def test_configurations() -> None:
    assert config_named("vox-adv-256.yaml") is CONFIGS["vox-adv-256"]
    for file, single, name in (
        ("vox-adv-cpk.pth.tar", False, "vox-adv-256"),
        ("vox-cpk.pth.tar", False, "vox-256"),
        ("taichi-adv-cpk.pth.tar", False, "taichi-adv-256"),
        ("mgif-cpk.pth.tar", True, "mgif-256"),
    ):
        guess = guess_config(file, single)
        assert guess is not None and guess.name == name
    assert guess_config("vox-cpk.pth.tar", True) is None, "the weights contradict the name"
    assert guess_config("my-weights.pth", False) is None
    with pytest.raises(UserError, match="'vox-512'.*vox-adv-256"):
        config_named("vox-512")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(manifests.MODELS_VARIABLE, str(tmp_path))
    return manifests.models_folder()


def model(folder: Path, name: str, imported: float) -> Manifest:
    place = folder / name
    place.mkdir(parents=True)
    (place / "detect.fp32.onnx").write_bytes(b"a network")
    made = Manifest(
        name=name,
        config="vox-256",
        align_corners=True,
        checkpoint=FileEntry("x.tar", 1, "0" * 64),
        imported=imported,
        files={"detect.fp32": manifests.describe(place / "detect.fp32.onnx")},
        losses={},
    )
    manifests.write(place, made)
    return made


def test_without_a_model_one_sentence_says_how_to_get_one(folder: Path) -> None:
    for backend in ("fomm", "fomm:vox"):
        with pytest.raises(UserError, match="avatarify-like import-fomm vox-adv-cpk.pth.tar"):
            create_animator(backend)


def test_the_newest_model_or_the_one_named(folder: Path) -> None:
    old, new = model(folder, "old", 1.0), model(folder, "new", 2.0)
    assert manifests.choose() == (folder / "new", new)
    assert manifests.choose("old") == (folder / "old", old)
    assert old.settings == replace(CONFIGS["vox-256"], align_corners=True)
    assert manifests.describe_imported() == "new (vox-256), old (vox-256)"
    with pytest.raises(UserError, match="called 'other'; choose one of: new, old"):
        create_animator("fomm:other")
    with pytest.raises(UserError, match="cannot be used"):
        manifests.choose("../old")
    with pytest.raises(UserError, match="no models to choose"):
        create_animator("mesh:old")


def test_files_are_checked_when_they_are_used(folder: Path) -> None:
    made = model(folder, "one", 1.0)
    path = folder / "one" / "detect.fp32.onnx"
    assert manifests.verified(folder / "one", made, "detect.fp32") == path
    path.write_bytes(b"A network")
    with pytest.raises(UserError, match="changed since the import"):
        manifests.verified(folder / "one", made, "detect.fp32")
    path.unlink()
    with pytest.raises(UserError, match="missing"):
        manifests.verified(folder / "one", made, "detect.fp32")


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"format": 1}', '{"format": 9}', "[" * 9000 + "]" * 9000]
)
def test_damaged_manifests(folder: Path, damage: str) -> None:
    model(folder, "one", 1.0)
    (folder / "one" / "manifest.json").write_text(damage)
    for name in ("", "one"):
        with pytest.raises(UserError, match="import it again"):
            manifests.choose(name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("config", ["vox-256"]),
        ("imported", "today"),
        ("imported", float("nan")),
        ("align_corners", 1),
        ("losses", {"fp32": 1}),
        ("losses", [1]),
        ("files", {"detect.fp32": {"file": 1, "size": 5, "sha256": "0"}}),
        ("files", {"detect.fp32": {"file": "a", "size": "5", "sha256": "0"}}),
        ("checkpoint", None),
    ],
)
def test_a_manifest_of_other_kinds_of_values(folder: Path, field: str, value: object) -> None:
    good, bad = model(folder, "good", 1.0), model(folder, "bad", 2.0)
    path = folder / bad.name / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    assert manifests.imported() == [good], "the others can still be used"
    with pytest.raises(UserError, match="import it again"):
        manifests.choose("bad")


def test_a_manifest_cannot_name_another_folder(folder: Path) -> None:
    model(folder, "one", 1.0)
    path = folder / "one" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "name": "../../elsewhere"}))
    assert manifests.choose()[0] == folder / "one"


def test_a_manifest_cannot_point_outside(folder: Path) -> None:
    made = model(folder, "one", 1.0)
    (folder / "secret").write_bytes(b"a network")
    entry = replace(made.files["detect.fp32"], file="../secret")
    path = folder / "one" / "manifest.json"
    data = json.loads(path.read_text())
    data["files"]["detect.fp32"]["file"] = "../secret"
    path.write_text(json.dumps(data))
    outside = manifests.read(folder / "one")
    assert outside.files["detect.fp32"] == entry
    with pytest.raises(UserError, match="import the model again"):
        manifests.verified(folder / "one", outside, "detect.fp32")


def test_importing_without_pytorch_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.torch_files import require_torch

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    # An environment without pip, as the starter makes it, is served by another one's.
    with pytest.raises(UserError, match=r"torch and onnx.*-m pip --python \S+ install torch onnx"):
        require_torch()


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> str:
    """The official file, made small."""
    name = "vox-adv-cpk.pth.tar"
    small = replace(
        official.OFFICIAL[name], size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(official.OFFICIAL, name, small)
    return name


def address(server: Server, name: str) -> str:  # noqa: F811
    return server.url.rsplit("/", 1)[0] + f"/weights/{name}?download=1"


def test_the_official_file_is_known() -> None:
    artifact = official.OFFICIAL["vox-adv-cpk.pth.tar"]
    assert artifact.size == 750_926_934 and artifact.sha256.startswith("6792d681")
    assert official.is_official(artifact.sha256) and not official.is_official("0" * 64)


def test_a_copy_is_fetched_and_an_interruption_resumed(
    server: Server,  # noqa: F811
    known: str,
    tmp_path: Path,
) -> None:
    server.breaks, server.breaks_after = 1, 1_000_000
    path = official.fetch_copy(address(server, known), cache=tmp_path)
    assert path.name == known and path.read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000000-"]


def test_a_wrong_file_is_refused(server: Server, known: str, tmp_path: Path) -> None:  # noqa: F811
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(UserError, match="another file than the one expected"):
        official.fetch_copy(address(server, known), cache=tmp_path)
    assert not (tmp_path / known).exists()


def test_an_interruption_for_good(server: Server, known: str, tmp_path: Path) -> None:  # noqa: F811
    server.breaks, server.breaks_after = 99, 0
    with pytest.raises(UserError, match="broke off"):
        official.fetch_copy(address(server, known), cache=tmp_path)


def test_only_known_files_are_fetched(server: Server, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(UserError, match="taichi-cpk.pth.tar yourself"):
        official.fetch_copy(address(server, "taichi-cpk.pth.tar"), cache=tmp_path)
    assert server.ranges == []
