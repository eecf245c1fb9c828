"""Reading an official checkpoint file: full, or stripped to the two networks that animate."""

from __future__ import annotations

import importlib.util
import pickletools
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.environment import pip_command
from models.errors import UserError
from models.fomm.config import CONFIGS, KEYPOINTS, Config, config_named, guess_config
from models.fomm.official import OFFICIAL, WHERE

if TYPE_CHECKING:
    import torch

    from models.onnx_graph import Weights  # Needs onnx, which may be missing.

EXTRA = "install torch onnx"
"""What pip is told, for what only the import needs."""

PARTS = ("generator", "kp_detector")
"""The parts of a checkpoint that animate, by their official names."""

_NAMED = frozenset(
    ["collections OrderedDict", "collections Counter", "collections defaultdict"]
    + [f"torch._utils _rebuild_{kind}" for kind in ("tensor", "tensor_v2", "parameter")]
    + [f"torch {kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int")]
    + ["torch ShortStorage", "torch ByteStorage", "torch BoolStorage", "torch CharStorage"]
)
"""What the pickle of a checkpoint may name: tensors and dictionaries."""

_OLD_PICKLES = 5
"""How many there are one after the other at the start of an older checkpoint."""


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


def require_torch() -> None:
    """Make sure that what only the import needs is there.

    Raises:
        UserError: it is not.
    """
    missing = [name for name in ("torch", "onnx") if importlib.util.find_spec(name) is None]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise UserError(
            f"Importing needs {' and '.join(missing)}, which {verb} not installed here (not needed "
            f"afterwards): run `{pip_command(EXTRA)}` and try again."
        )


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
    require_torch()
    data = _read(path)
    lacking = [part for part in PARTS if not isinstance(data.get(part), Mapping)]
    if lacking:
        keys = ", ".join(sorted(map(_shown, data))[:6]) or "nothing"
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
    import torch

    if not path.is_file():
        raise UserError(f"There is no file {path}; {_advice()}")
    size = path.stat().st_size
    official = OFFICIAL.get(path.name)
    try:
        if zipfile.is_zipfile(path):
            _check_unpacked(path)
        try:
            _check_pickles(path)
        except MemoryError as error:  # A text that is said to be longer than any file.
            raise ValueError("it has a text of an impossible length") from error
        # A checkpoint is a pickle: anything but tensors and plain values in it is refused.
        data = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, UserError):
        raise
    except Exception as error:  # A damaged pickle raises nearly anything.
        known = f", where the official file has {official.size:,}" if official else ""
        raise UserError(
            f"{path.name} cannot be read as a checkpoint: it is incomplete, damaged or another "
            f"kind of file (it has {size:,} bytes{known}); {_advice()}"
        ) from error
    if not isinstance(data, Mapping):
        raise UserError(
            f"{path.name} is not a First Order Motion Model checkpoint: it holds a "
            f"{type(data).__name__}; {_advice()}"
        )
    return data


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that is larger unpacked than packed; PyTorch never compresses.

    Raises:
        UserError: it is one.
        OSError, ValueError, ...: it is damaged.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > path.stat().st_size:
        raise UserError(
            f"{path.name} is packed in a way that PyTorch never does and would take "
            f"{unpacked:,} bytes; {_advice()}"
        )


def _check_pickles(path: Path) -> None:
    """Refuse pickles that name anything that no checkpoint of this kind needs.

    PyTorch refuses what runs code, but makes an array or a buffer of any size that it is asked for.

    Raises:
        ValueError: it is such a file.
        OSError, ...: it is damaged.
    """
    with path.open("rb") as file:
        packed = file.read(4) == b"PK\x03\x04"
        if not packed:
            file.seek(0)
            for _ in range(_OLD_PICKLES):
                _check_names(pickletools.genops(file))
    if packed:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".pkl"):
                    _check_names(pickletools.genops(archive.read(entry)))


def _check_names(steps: Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]) -> None:
    for step, name, _ in steps:
        if step.name in ("STACK_GLOBAL", "INST", "EXT1", "EXT2", "EXT4") or (
            step.name == "GLOBAL" and name not in _NAMED
        ):
            raise ValueError(f"it names {name}")


def _advice() -> str:
    return f"get the official file again ({WHERE}) and give its path."


def _arrays(path: Path, part: Mapping[Any, Any]) -> dict[str, Any]:
    """A state dict as NumPy arrays, without the counters that only training uses."""
    import torch

    arrays: dict[str, Any] = {}
    for key, value in part.items():
        if str(key).endswith("num_batches_tracked"):
            continue
        if not isinstance(value, torch.Tensor) or not _is_plain(value):
            raise UserError(f"{path.name} is damaged: {_shown(key)} is not an array; {_advice()}")
        arrays[str(key)] = value.detach().to(torch.float32).numpy()
    return arrays


def _is_plain(value: torch.Tensor) -> bool:
    """Whether an array is stored as it is, and not, say, as one number that is repeated."""
    import torch

    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


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
    missing = [key for key in wanted if key not in arrays]
    unexpected = [key for key in arrays if key not in wanted]
    wrong = [
        f"{key} {tuple(arrays[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in arrays and tuple(arrays[key].shape) != shape
    ]
    faults = [
        f"{what}: {_some(keys)}"
        for what, keys in (("missing", missing), ("unexpected", unexpected), ("shape", wrong))
        if keys
    ]
    if faults:
        raise UserError(
            f"The {part} in {path.name} does not fit {config.name} ({'; '.join(faults)}); "
            "choose the right --config or download the official file again."
        )
    broken = [key for key, value in arrays.items() if not np.isfinite(value).all()]
    if broken:
        raise UserError(f"{path.name} is damaged: {_some(broken)} is not a number; {_advice()}")


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return ", ".join(map(_shown, keys[:4])) + more


def _shown(key: object) -> str:
    """A name as it can be shown in one line, whatever is in it."""
    return str(key)[:100].encode("unicode_escape").decode()
