"""Reading the official files: as they are handed out, or converted to safetensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import safetensors, torch_files
from models.errors import UserError
from models.liveportrait.config import MODULES
from models.liveportrait.official import WHERE
from models.types import Floats

SUFFIXES = (".pth", ".safetensors")
"""Kinds of files that are read."""

_RETARGETING = "stitching_retargeting_module"

FILES = (*MODULES[:4], _RETARGETING)
"""The five files by their official names without suffix; the last holds three networks."""

_PARTS = {"retarget_shoulder": "stitching", "retarget_mouth": "lip", "retarget_eye": "eye"}
"""In the fifth file, the official name of a network to ours."""

_PART_KEY = re.compile(r"(retarget_\w+?)[._]module\.(.+)")
"""A key of the fifth file: nested in the official one, flat in the conversion."""

_LARGEST = 2_000_000_000
"""Bytes of a file that is looked at; the official ones have at most 222 MB."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights of all networks.

    Attributes:
        weights: by module and official key, float32, without the counters that only training uses.
        files: where they were read from.
        animals: they are those of the animals mode.
    """

    weights: Mapping[str, Mapping[str, Floats]]
    files: tuple[Path, ...]
    animals: bool


def find(places: Iterable[Path], animals: bool = False) -> dict[str, Path]:
    """The five files, in folders (anywhere below them) or named one by one.

    Args:
        places: folders and files.
        animals: take the animals mode's, where both lie in one folder.

    Returns:
        The path of each of `FILES`.

    Raises:
        UserError: one is missing, or there are several that could be meant.
    """
    found: dict[str, list[Path]] = {name: [] for name in FILES}
    for place in places:
        if place.is_dir():
            paths = [path for suffix in SUFFIXES for path in sorted(place.rglob(f"*{suffix}"))]
        elif place.is_file():
            paths = [place]
            if place.suffix not in SUFFIXES or place.stem not in FILES:
                raise UserError(
                    f"{place.name} is none of LivePortrait's files; they are called "
                    f"{', '.join(FILES)} and end in .pth or .safetensors: {_advice()}"
                )
        else:
            raise UserError(f"There is no file or folder {place}; {_advice()}")
        for path in paths:
            if path.stem in found:
                found[path.stem].append(path)
    return {name: _one(name, paths, animals) for name, paths in found.items()}


def _one(name: str, paths: list[Path], animals: bool) -> Path:
    """The file that is meant of those with one name."""
    if name != _RETARGETING:  # The animals mode stitches with the network for people.
        fitting = [path for path in paths if _is_of_animals(path) == animals]
        newest = [path for path in fitting if path.parent.name == "base_models_v1.1"]
        paths = newest or fitting or (paths if not animals else [])
    if not paths:
        kind = " of the animals mode" if animals and name != _RETARGETING else ""
        raise UserError(f"The file {name}.pth{kind} is missing; {_advice()}")
    if len(paths) > 1 and {path.suffix for path in paths} != {*SUFFIXES}:
        raise UserError(
            f"There are several files {name}: {paths[0]} and {paths[1]}; name the folder of one, "
            "or the five files."
        )
    return paths[0]


def _is_of_animals(path: Path) -> bool:
    return any("animal" in part.lower() for part in path.parts[-4:-1])


def load(places: Iterable[Path], animals: bool = False) -> Checkpoint:
    """Read and check all weights.

    Args:
        places: as in `find`.
        animals: they are, or are to be, those of the animals mode.

    Raises:
        UserError: PyTorch is missing, or a file is missing, damaged, another one than its name
            says, or of another model.
    """
    torch_files.require_torch()
    files = find(places, animals)
    weights: dict[str, Mapping[str, Floats]] = {}
    for name, path in files.items():
        arrays = _read(path)
        if name == _RETARGETING:
            for part, module in _PARTS.items():
                weights[module] = arrays.get(part, {})
                _compare(path, module, weights[module], part)
        else:
            weights[name] = arrays.get("", {})
            _compare(path, name, weights[name])
    return Checkpoint(weights, tuple(files.values()), animals)


def _read(path: Path) -> dict[str, dict[str, Floats]]:
    """The arrays of a file by network; those of the first four files have the network ""."""
    size = path.stat().st_size
    if size > _LARGEST:
        raise UserError(f"{path.name} is far too large ({size:,} bytes); {_advice()}")
    if path.suffix == ".safetensors":
        try:
            flat: dict[str, Any] = dict(safetensors.load(path))
        except ValueError as error:
            raise UserError(
                f"{path.name} is incomplete or damaged ({error}); {_advice()}"
            ) from error
    else:
        data = torch_files.load(path, _advice())
        if not isinstance(data, Mapping):
            raise UserError(
                f"{path.name} holds a {type(data).__name__} and no weights; {_advice()}"
            )
        flat = _flat(path, data)
    sorted_out: dict[str, dict[str, Floats]] = {}
    for key, array in flat.items():
        match = _PART_KEY.fullmatch(key)
        part, name = (match[1], match[2]) if match else ("", key)
        if not name.endswith("num_batches_tracked"):
            sorted_out.setdefault(part, {})[name] = array
    return sorted_out


def _flat(path: Path, data: Mapping[Any, Any]) -> dict[str, Floats]:
    """The arrays of a state dict, or of state dicts by name, with joined names."""
    import torch

    values = dict(data)
    if set(_PARTS) & set(values):
        # More is in this file than is used.
        nested = {part: values[part] for part in _PARTS if isinstance(values.get(part), Mapping)}
        values = {
            f"{part}.{key}": one for part, state in nested.items() for key, one in state.items()
        }
    flat: dict[str, Floats] = {}
    for key, value in values.items():
        if not isinstance(value, torch.Tensor) or not torch_files.is_plain(value):
            raise UserError(
                f"{path.name} is damaged: {torch_files.shown(key)} is not an array; {_advice()}"
            )
        flat[str(key)] = value.detach().to(torch.float32).numpy()
    return flat


def expected_shapes(module: str) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of a module that must be there."""
    import torch

    from models.liveportrait.networks import build

    with torch.device("meta"):
        state = build(module).state_dict()
    return {
        key: tuple(value.shape)
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }


def _compare(path: Path, module: str, arrays: Mapping[str, Floats], part: str = "") -> None:
    wanted = expected_shapes(module)
    if not set(wanted) & set(arrays):
        other = next((name for name in MODULES if set(expected_shapes(name)) & set(arrays)), "")
        known = f"the weights of the {other}" if other and other != module else "other weights"
        lacks = f"no {part}" if part else known
        raise UserError(f"{path.name} is not what its name says: it holds {lacks}; {_advice()}")
    faults = torch_files.misfits(arrays, wanted)
    if faults:
        raise UserError(f"{path.name} does not fit LivePortrait's {module} ({faults}); {_advice()}")
    broken = torch_files.without_numbers(arrays)
    if broken:
        raise UserError(f"{path.name} is damaged: {broken} is not a number; {_advice()}")


def _advice() -> str:
    return f"get the official files again ({WHERE}), or run avatarify-like download-liveportrait."
