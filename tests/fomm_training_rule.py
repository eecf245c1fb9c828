"""Made-up weights, pictures and bends of a training step, by the rule of ../shared.

../shared/fomm_training_reference states it and holds what the official code computes;
tests/data/fomm_training_expected.npz holds what this project computes for smaller pictures.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.types import Floats
from tests import fomm_rule

SIZES = {
    "kp_detector_params": {"block_expansion": 8, "max_features": 64},
    "generator_params": {"block_expansion": 8, "max_features": 64, "num_bottleneck_blocks": 2},
    "dense_motion_params": {"block_expansion": 8, "max_features": 64},
    "discriminator_params": {"block_expansion": 4, "max_features": 32},
}
"""What makes the reference's narrow configurations of the official ones."""

NARROW = {"small": "vox-256", "small-adv": "vox-adv-256", "small-sn": "mgif-256"}


def settings(name: str) -> Any:
    """The configuration of a file of the reference."""
    from models.fomm.training.settings import raw_settings, settings_of

    raw = raw_settings(NARROW.get(name, name))
    if name in NARROW:
        model = raw["model_params"]
        for key, changes in SIZES.items():
            part = model["generator_params"] if key == "dense_motion_params" else model
            part[key].update(changes)
        if name == "small-sn":
            model["discriminator_params"]["scales"] = [1, 0.5]
    return settings_of(name, raw)


def weight(name: str, shape: tuple[int, ...]) -> Floats | None:
    """The array of a parameter or buffer with its prefix; None where it stays as built."""
    if name.endswith(("weight_u", "weight_v")):
        value = np.random.default_rng(zlib.crc32(f"{fomm_rule.SALT}/{name}".encode())).normal(
            0, 1, shape
        )
        return np.asarray(value / np.linalg.norm(value), np.float32)
    made = fomm_rule.weight(name, shape)
    if made is not None and name == "kp_detector.kp.weight":
        random = np.random.default_rng(zlib.crc32(f"{fomm_rule.SALT}/{name}".encode()))
        made = np.asarray(
            random.normal(0, 0.1 * np.sqrt(2 / np.prod(shape[1:])), shape), np.float32
        )
    return made


def fill(module: Any, prefix: str) -> None:
    """Give a module the rule's weights."""
    import torch

    state = module.state_dict()
    for key, value in state.items():
        made = weight(f"{prefix}.{key}", tuple(value.shape))
        if made is not None:
            value.copy_(torch.from_numpy(made))


def trainer(name: str, arrays: Mapping[str, Floats], double: bool) -> Any:
    """A trainer with the rule's weights and the reference's blurs."""
    import torch

    from models.fomm.training.perceptual import Vgg19
    from models.fomm.training.trainer import PARTS, Trainer

    judge = Vgg19(8 if name in NARROW else 1)
    fill(judge, "vgg19")
    made = Trainer(settings(name), judge)
    networks: dict[str, Any] = made.networks
    for part in PARTS:
        fill(networks[part], part)
    kernel = torch.from_numpy(arrays["kernel_0.25"])
    networks["generator"].dense_motion_network.down.weight.copy_(kernel.expand(3, 1, -1, -1))
    networks["kp_detector"].down.weight.copy_(kernel.expand(3, 1, -1, -1))
    for scale in (0.5, 0.25, 0.125):
        made.pyramid.set_kernel(scale, torch.from_numpy(arrays[f"kernel_{scale}"]))
    if double:
        for module in (*made.networks.values(), made.pyramid, judge):
            module.double()
    return made


def pictures(folder: Path) -> list[Any]:
    """Source and driving pictures (2, 3, 256, 256), float32."""
    import torch

    frames = np.load(folder / "frames.npz")
    return [
        torch.from_numpy(frames[k].astype(np.float32) / np.float32(255)).permute(0, 3, 1, 2)
        for k in ("source", "driving")
    ]


def small_pictures() -> list[Any]:
    """The same (2, 3, 128, 128), of whole numbers only, so that they are the same anywhere."""
    import torch

    random = np.random.default_rng(7)
    low = np.kron(random.integers(0, 192, (2, 2, 3, 8, 8)), np.ones((16, 16), np.int64))
    values = low + random.integers(0, 64, low.shape)
    values[1] = (6 * values[0] + 4 * values[1]) // 10
    return [torch.from_numpy(v.astype(np.float32) / np.float32(255)) for v in values]


def bend(arrays: Mapping[str, Floats], step: int) -> Any:
    """The random transforms of a step, counted from 1."""
    import torch

    from models.fomm.training.deformation import Bend

    noise = torch.from_numpy(arrays[f"theta{step}"])
    control = torch.from_numpy(arrays[f"control{step}"])
    return Bend(noise + torch.eye(2, 3), control.flatten(1))
