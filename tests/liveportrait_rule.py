"""Made-up weights of LivePortrait's networks that follow a fixed rule, and files that hold them.

The official implementation's outputs for them are in ../shared/liveportrait_reference, which also
states the rule; tests/data/liveportrait_expected.npz is the part of them that tests need here.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from models.liveportrait.config import MODULES
from models.types import Floats
from tests.models.liveportrait.reference import picture
from tests.paths import DATA

SALT = "dev"

_LAST = {"stitching": "mlp.6", "lip": "mlp.6", "eye": "mlp.10"}
"""The last layers of the three small networks."""

_HEADS = {"kp": 0.2, "exp": 0.03, "t": 0.1, "scale": 0.1}
"""Gains of the heads of the motion network."""


@cache
def shapes() -> dict[str, dict[str, list[int]]]:
    """Of every module the shape of every entry of its official state dict, in its order."""
    found: dict[str, dict[str, list[int]]] = json.loads(
        (DATA / "liveportrait_shapes.json").read_text(encoding="utf-8")
    )
    return found


def rule_image(salt: str, name: str) -> Floats:
    """A picture (1, 3, 256, 256), RGB, 0..1."""
    assert salt == SALT, "the pictures of the other salt are nowhere needed"
    return picture(name)


def rule_weights(salt: str, module: str) -> dict[str, Any]:
    """The official state dict of a module, with the rule's numbers; counters are left at 0."""
    made: dict[str, Any] = {}
    for key, shape in shapes()[module].items():
        random = np.random.default_rng(zlib.crc32(f"{salt}/{module}.{key}".encode()))
        made[key] = _weight(module, key, tuple(shape), random, made)
    return made


def _weight(
    module: str,
    key: str,
    shape: tuple[int, ...],
    random: np.random.Generator,
    made: dict[str, Any],
) -> Any:
    if key.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    if key.endswith("running_mean"):
        out = random.normal(0, 0.1, shape)
    elif key.endswith("running_var"):
        out = random.uniform(0.5, 1.5, shape)
    elif key.endswith("weight_u"):
        out = random.normal(0, 1, shape)
        out = out / np.sqrt((out * out).sum())
    elif key.endswith("weight_v"):
        stem = key[: -len("weight_v")]
        matrix = made[f"{stem}weight_orig"].astype(np.float64)
        out = matrix.reshape(len(matrix), -1).T @ made[f"{stem}weight_u"].astype(np.float64)
        out = out / np.sqrt((out * out).sum())
    elif key.endswith("grn.gamma"):
        out = random.normal(0, 0.5, shape)
    elif key.endswith("grn.beta"):
        out = random.normal(0, 0.1, shape)
    elif len(shape) == 1 and key.endswith("weight"):
        out = random.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        small = key == "detector.fc_exp.bias" or key == f"{_LAST.get(module)}.bias"
        out = random.normal(0, 0.01 if small else 0.1, shape)
        if key == "detector.fc_scale.bias":
            out = out + 1.3
    else:
        gain = _gain(module, key)
        out = random.normal(0, gain * np.sqrt(2 / np.prod(shape[1:])), shape)
    return np.asarray(out, np.float32)


def _gain(module: str, key: str) -> float:
    for head, gain in _HEADS.items():
        if key == f"detector.fc_{head}.weight":
            return gain
    if key.endswith(".conv2.weight"):
        return 0.5
    if key.endswith((".mlp_gamma.weight", ".mlp_beta.weight")):
        return 0.1
    return 0.1 if key == f"{_LAST.get(module)}.weight" else 1.0


def write_official_files(folder: Path, salt: str = SALT) -> list[Path]:
    """Write the five files as they are handed out, in the official tree; needs PyTorch."""
    import torch

    def tensors(module: str, prefix: str = "") -> dict[str, Any]:
        weights = rule_weights(salt, module)
        return {prefix + key: torch.from_numpy(np.array(value)) for key, value in weights.items()}

    base, retargeting = (
        folder / "liveportrait/base_models",
        folder / "liveportrait/retargeting_models",
    )
    base.mkdir(parents=True)
    retargeting.mkdir(parents=True)
    paths = []
    for module in MODULES[:4]:
        paths.append(base / f"{module}.pth")
        torch.save(tensors(module), paths[-1])
    paths.append(retargeting / "stitching_retargeting_module.pth")
    parts = {"retarget_shoulder": "stitching", "retarget_mouth": "lip", "retarget_eye": "eye"}
    torch.save({name: tensors(part, "module.") for name, part in parts.items()}, paths[-1])
    return paths
