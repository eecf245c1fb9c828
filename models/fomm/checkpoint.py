"""Reading an official checkpoint file: full, or stripped to the two networks that animate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import torch_files
from models.errors import UserError
from models.fomm.config import CONFIGS, KEYPOINTS, Config, config_named, guess_config
from models.fomm.official import OFFICIAL, WHERE

if TYPE_CHECKING:
    from models.onnx_graph import Weights  # Needs onnx, which may be missing.

PARTS = ("generator", "kp_detector")
"""The parts of a checkpoint that animate, by their official names."""


@dataclass(frozen=True)
class Checkpoint:
    """The weights of both networks by their official names, all float32.

    Attributes:
        generator: with the dense motion network in it.
        kp_detector: of the keypoint detector.
    """

    generator: Weights
    kp_detector: Weights

    @property
    def single_jacobian_map(self) -> bool:
        """Whether all keypoints share one map of local motion."""
        return len(self.kp_detector["jacobian.bias"]) == 4


def load(path: Path, config_name: str | None = None) -> tuple[Checkpoint, Config]:
    """Read a checkpoint and decide which configuration it belongs to.

    Args:
        path: the file, such as vox-adv-cpk.pth.tar.
        config_name: the user's choice; None: from the file's name, else vox-256.

    Returns:
        The weights of both networks, and the configuration.

    Raises:
        UserError: PyTorch is missing, the file is no whole checkpoint, or the choice does not fit.
    """
    torch_files.require_torch()
    data = _read(path)
    lacking = [part for part in PARTS if not isinstance(data.get(part), Mapping)]
    if lacking:
        keys = ", ".join(sorted(map(torch_files.shown, data))[:6]) or "nothing"
        raise UserError(
            f"{path.name} is not a First Order Motion Model checkpoint: it has no "
            f"{' and no '.join(lacking)}, but {keys}; {_advice()}"
        )
    parts = {part: _arrays(path, data[part]) for part in PARTS}
    rows = parts["kp_detector"].get("jacobian.weight")
    config = _config(path, config_name, rows is not None and rows.shape[:1] == (4,))
    for part, arrays in parts.items():
        _compare(path, part, arrays, config)
    return Checkpoint(**parts), config


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise UserError(f"There is no file {path}; {_advice()}")
    official = OFFICIAL.get(path.name)
    data = torch_files.load(path, _advice(), official.size if official else None)
    if not isinstance(data, Mapping):
        raise UserError(
            f"{path.name} is not a First Order Motion Model checkpoint: it holds a "
            f"{type(data).__name__}; {_advice()}"
        )
    return data


def _advice() -> str:
    return f"get the official file again ({WHERE}) and give its path."


def _arrays(path: Path, part: Mapping[Any, Any]) -> dict[str, Any]:
    """A state dict as NumPy arrays, without the counters that only training uses."""
    import torch

    arrays: dict[str, Any] = {}
    for key, value in part.items():
        if str(key).endswith("num_batches_tracked"):
            continue
        if not isinstance(value, torch.Tensor) or not torch_files.is_plain(value):
            raise UserError(
                f"{path.name} is damaged: {torch_files.shown(key)} is not an array; {_advice()}"
            )
        arrays[str(key)] = value.detach().to(torch.float32).numpy()
    return arrays


def _config(path: Path, name: str | None, single: bool) -> Config:
    if name is None:
        fallback = CONFIGS["mgif-256" if single else "vox-256"]
        return guess_config(path.name, single) or fallback
    config = config_named(name)
    if config.single_jacobian_map != single:
        maps = "one jacobian map" if single else f"{KEYPOINTS} jacobian maps"
        fitting = [c.name for c in CONFIGS.values() if c.single_jacobian_map == single]
        raise UserError(
            f"{path.name} has {maps} and does not fit {config.name}; choose --config "
            f"{' or '.join(fitting)}."
        )
    return config


def expected_shapes(config: Config) -> dict[str, dict[str, tuple[int, ...]]]:
    """For both parts the shape of every parameter that must be there."""
    import torch

    from models.fomm.networks import Generator, KeypointDetector

    with torch.device("meta"):
        modules: dict[str, Any] = {
            "generator": Generator(config),
            "kp_detector": KeypointDetector(config),
        }
    return {
        part: {
            key: tuple(value.shape)
            for key, value in module.state_dict().items()
            if not key.endswith("num_batches_tracked")
        }
        for part, module in modules.items()
    }


def _compare(path: Path, part: str, arrays: Mapping[str, Any], config: Config) -> None:
    wanted = expected_shapes(config)[part]
    faults = torch_files.misfits(arrays, wanted)
    if faults:
        raise UserError(
            f"The {part} in {path.name} does not fit {config.name} ({faults}); "
            "choose the right --config or download the official file again."
        )
    broken = torch_files.without_numbers(arrays)
    if broken:
        raise UserError(f"{path.name} is damaged: {broken} is not a number; {_advice()}")
