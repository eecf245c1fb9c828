"""Reading files of PyTorch that come from strangers: tensors and plain values, nothing else."""

from __future__ import annotations

import importlib.util
import pickletools
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.environment import pip_command
from models.errors import UserError

if TYPE_CHECKING:
    import torch

EXTRA = "install torch onnx"
"""What pip is told, for what only the import needs."""

_NAMED = frozenset(
    ["collections OrderedDict", "collections Counter", "collections defaultdict"]
    + [f"torch._utils _rebuild_{kind}" for kind in ("tensor", "tensor_v2", "parameter")]
    + [f"torch {kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int")]
    + ["torch Size", "torch device"]
    + ["torch ShortStorage", "torch ByteStorage", "torch BoolStorage", "torch CharStorage"]
)
"""What the pickle of a checkpoint may name: tensors and dictionaries."""

_OLD_PICKLES = 5
"""How many there are one after the other at the start of an older checkpoint."""


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


def load(path: Path, advice: str, official_size: int | None = None) -> Any:
    """What a file holds.

    Args:
        path: the file.
        advice: what to do where it is damaged, the end of a sentence.
        official_size: bytes that it should have, where that is known.

    Raises:
        UserError: it is no whole file of PyTorch, or holds what no checkpoint needs.
        MemoryError: it does not fit.
    """
    import torch

    try:
        if zipfile.is_zipfile(path):
            _check_unpacked(path, advice)
        try:
            _check_pickles(path)
        except MemoryError as error:  # A text that is said to be longer than any file.
            raise ValueError("it has a text of an impossible length") from error
        # A checkpoint is a pickle: anything but tensors and plain values in it is refused.
        return torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, UserError):
        raise
    except Exception as error:  # A damaged pickle raises nearly anything.
        known = "" if official_size is None else f", where the official file has {official_size:,}"
        raise UserError(
            f"{path.name} cannot be read as a checkpoint: it is incomplete, damaged or another "
            f"kind of file (it has {path.stat().st_size:,} bytes{known}); {advice}"
        ) from error


def is_plain(value: torch.Tensor) -> bool:
    """Whether an array is stored as it is, and not, say, as one number that is repeated."""
    import torch

    if value.layout != torch.strided or value.device.type != "cpu" or value.is_quantized:
        return False
    return value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def misfits(arrays: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> str:
    """What keeps arrays from being those that a network has, in words; "" where nothing does.

    Args:
        arrays: by name.
        wanted: the shapes by name.
    """
    missing = [key for key in wanted if key not in arrays]
    unexpected = [key for key in arrays if key not in wanted]
    wrong = [
        f"{key} {tuple(arrays[key].shape)} instead of {shape}"
        for key, shape in wanted.items()
        if key in arrays and tuple(arrays[key].shape) != shape
    ]
    named = (("missing", missing), ("unexpected", unexpected), ("shape", wrong))
    return "; ".join(f"{what}: {_some(keys)}" for what, keys in named if keys)


def without_numbers(arrays: Mapping[str, Any]) -> str:
    """The arrays that hold something that is no number, in words; "" where all are numbers."""
    return _some([key for key, value in arrays.items() if not np.isfinite(value).all()])


def shown(key: object) -> str:
    """A name as it can be shown in one line, whatever is in it."""
    return str(key)[:100].encode("unicode_escape").decode()


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - 4} more" if len(keys) > 4 else ""
    return ", ".join(map(shown, keys[:4])) + more


def _check_unpacked(path: Path, advice: str) -> None:
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
            f"{unpacked:,} bytes; {advice}"
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
