"""The official files: found, read as they are, and refused with one sentence where they are not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.liveportrait.checkpoint import FILES, find, load
from models.liveportrait.config import MODULES
from tests.liveportrait_rule import rule_weights, write_official_files

torch = pytest.importorskip("torch", reason="needs PyTorch")


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("official")
    write_official_files(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def copy(official: Path, tmp_path: Path) -> Path:
    """The official tree in links, so that one file can be replaced."""
    for path in official.rglob("*.pth"):
        target = tmp_path / "files" / path.relative_to(official)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    return tmp_path / "files"


def file(folder: Path, name: str) -> Path:
    return next(folder.rglob(f"{name}.*"))


def replace(path: Path, content: Any) -> None:
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)


def safetensors(path: Path, arrays: dict[str, Any]) -> None:
    table, at = {}, 0
    for key, array in arrays.items():
        end = at + array.nbytes
        table[key] = {"dtype": "F32", "shape": array.shape, "data_offsets": [at, end]}
        at = end
    header = json.dumps(table).encode()
    with path.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        for array in arrays.values():
            out.write(array.tobytes())


def test_the_official_files_load_unchanged(official: Path) -> None:
    loaded = load([official])
    assert set(loaded.weights) == set(MODULES) and not loaded.animals
    for module in ("motion_extractor", "stitching", "eye"):
        wanted = rule_weights("dev", module)
        for key, array in loaded.weights[module].items():
            assert array.dtype == np.float32 and np.array_equal(array, wanted[key]), key
    named = load([path for path in official.rglob("*.pth")])
    assert named.files == loaded.files, "one by one they are the same"


def test_the_known_conversion_loads_too(copy: Path) -> None:
    path = file(copy, "appearance_feature_extractor")
    arrays = rule_weights("dev", "appearance_feature_extractor")
    path.unlink()
    plain = {key: array for key, array in arrays.items() if array.dtype == np.float32}
    safetensors(path.with_suffix(".safetensors"), plain)
    path = file(copy, "stitching_retargeting_module")
    path.unlink()
    names = {"stitching": "shoulder", "lip": "mouth", "eye": "eye"}
    flat = {
        f"retarget_{name}_module.{key}": array
        for module, name in names.items()
        for key, array in rule_weights("dev", module).items()
    }
    safetensors(path.with_suffix(".safetensors"), flat)
    loaded = load([copy])
    for module in ("appearance_feature_extractor", "stitching", "lip", "eye"):
        wanted = rule_weights("dev", module)
        assert all(np.array_equal(a, wanted[k]) for k, a in loaded.weights[module].items())
        assert len(loaded.weights[module]) == len([k for k in wanted if "num_b" not in k])


def test_a_missing_file_is_named(copy: Path) -> None:
    file(copy, "warping_module").unlink()
    with pytest.raises(UserError, match=r"warping_module\.pth is missing; .*download-liveportrait"):
        load([copy])
    with pytest.raises(UserError, match="no file or folder"):
        load([copy / "nowhere"])
    stranger = copy / "landmark.onnx"
    stranger.write_bytes(b"x")
    with pytest.raises(UserError, match="none of LivePortrait's files"):
        load([stranger])


def test_swapped_files_are_told_apart(copy: Path, official: Path) -> None:
    path = file(copy, "motion_extractor")
    path.unlink()
    path.symlink_to(file(official, "appearance_feature_extractor"))
    with pytest.raises(UserError, match=r"motion_extractor\.pth is not what its name says.*appear"):
        load([copy])


def test_damaged_and_strange_files_get_one_sentence(copy: Path, official: Path) -> None:
    name = "appearance_feature_extractor"
    path = file(copy, name)
    whole = file(official, name).read_bytes()
    weights = {k: torch.from_numpy(np.array(v)) for k, v in rule_weights("dev", name).items()}
    first = "first.conv.weight"
    cases: list[tuple[Any, str]] = [
        (whole[:-4000], "cannot be read as a checkpoint"),
        (b"<html>not found</html>", "cannot be read as a checkpoint"),
        (["a list"], "holds a list"),
        (
            {**weights, first: weights[first][:1].clone()},
            r"shape: first.conv.weight \(1, 3, 3, 3\)",
        ),
        ({**weights, first: weights[first] * float("nan")}, "is not a number"),
        ({**weights, "more.weight": weights[first]}, "unexpected: more.weight"),
        ({**weights, first: "text"}, "first.conv.weight is not an array"),
        ({k: v for k, v in weights.items() if k != first}, "missing: first.conv.weight"),
        ({**weights, first: torch.zeros(1).expand(64, 3, 3, 3)}, "is not an array"),
    ]
    for content, sentence in cases:
        replace(path, content)
        with pytest.raises(UserError, match=sentence) as told:
            load([copy])
        assert "\n" not in str(told.value)


def test_the_fifth_file_needs_its_three_networks(copy: Path) -> None:
    path = file(copy, "stitching_retargeting_module")
    state = {f"module.{k}": torch.from_numpy(v) for k, v in rule_weights("dev", "lip").items()}
    replace(path, {"retarget_mouth": state, "epoch": 3, "optimizer": {"lr": 0.1}})
    with pytest.raises(UserError, match="no retarget_shoulder"):
        load([copy])


def test_the_weights_for_animals_are_found_beside_those_for_people(copy: Path) -> None:
    for name in FILES[:4]:
        path = file(copy, name)
        for version in ("base_models", "base_models_v1.1"):
            target = copy / "liveportrait_animals" / version / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
    people, animals = find([copy]), find([copy], animals=True)
    assert people[FILES[0]].parts[-3:-1] == ("liveportrait", "base_models")
    assert animals[FILES[0]].parts[-3:-1] == ("liveportrait_animals", "base_models_v1.1")
    assert people[FILES[4]] == animals[FILES[4]], "the animals mode stitches as for people"
    shutil.rmtree(copy / "liveportrait_animals")
    with pytest.raises(UserError, match="of the animals mode is missing"):
        find([copy], animals=True)
