"""Made-up weights and pictures that follow a fixed rule, so that outputs can be compared anywhere.

The official implementation's outputs for them are in ../shared/fomm_reference, which also states
the rule; tests/data/fomm_expected.npz holds what this project computes.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from models.types import Floats

SALT = "dev"


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{SALT}/{name}".encode()))


def weight(name: str, shape: tuple[int, ...]) -> Floats | None:
    """The array of a parameter with its prefix, such as "generator.first.conv.weight".

    None for those that stay as they were built.
    """
    key = name.split(".", 1)[1]
    random = _random(name)
    if key.endswith("num_batches_tracked") or key.endswith("down.weight"):
        return None
    if key.endswith("running_mean"):
        out = random.normal(0, 0.1, shape)
    elif key.endswith("running_var") or (
        len(shape) == 1 and ".norm" in key and key.endswith("weight")
    ):
        out = random.uniform(0.5, 1.5, shape)
    elif len(shape) == 1:
        out = random.normal(0, 0.1, shape)
        if key.startswith("jacobian"):
            out = np.tile([1.0, 0, 0, 1], shape[0] // 4) + out
    else:
        gain = {"jacobian.weight": 0.05, "final.weight": 0.5}.get(key, 1.0)
        out = random.normal(0, gain * np.sqrt(2 / np.prod(shape[1:])), shape)
    return np.asarray(out, np.float32)


def checkpoint(config: Any) -> dict[str, dict[str, Any]]:
    """A stripped checkpoint with the rule's weights; needs PyTorch."""
    import torch

    from models.fomm.networks import Generator, KeypointDetector

    out = {}
    modules: tuple[tuple[str, Any], ...] = (
        ("generator", Generator(config)),
        ("kp_detector", KeypointDetector(config)),
    )
    for prefix, module in modules:
        state = module.state_dict()
        for key, value in state.items():
            made = weight(f"{prefix}.{key}", tuple(value.shape))
            if made is not None:
                state[key] = torch.from_numpy(made)
        out[prefix] = state
    return out


def image(name: str) -> Floats:
    """A picture (1, 3, 256, 256), 0..1."""
    random = _random(name)
    low = random.uniform(0, 1, (1, 3, 9, 9)).astype(np.float32)
    high = random.uniform(0, 1, (1, 3, 256, 256)).astype(np.float32)
    place = np.linspace(0, 8, 256)
    left = np.minimum(place.astype(int), 7)
    weights = np.zeros((256, 9), np.float32)
    weights[np.arange(256), left] = 1 - (place - left)
    weights[np.arange(256), left + 1] = place - left
    smooth = np.einsum("yi,bcij,xj->bcyx", weights, low, weights)
    return np.asarray(np.float32(0.9) * smooth + np.float32(0.1) * high, np.float32)


def pictures() -> dict[str, Floats]:
    """The three pictures `source`, `initial` and `driving`."""
    initial = image("initial")
    driving = np.float32(0.6) * initial + np.float32(0.4) * image("driving")
    return {"source": image("source"), "initial": initial, "driving": driving}


def thin(name: str, value: Floats, expected: Floats) -> Floats:
    """An output at the density at which the expected one is kept."""
    if value.shape == expected.shape:
        return value
    if name == "deformation":
        return value[:, ::2, ::2]
    step = 2 if name == "occlusion_map" else 4
    return value[:, :, ::step, ::step]


def worst(got: Mapping[str, Floats], expected: Mapping[str, Floats]) -> dict[str, float]:
    """The largest absolute error of every expected array."""
    errors = {}
    for name, wanted in expected.items():
        made = thin(name, got[name], wanted)
        assert made.shape == wanted.shape, name
        errors[name] = float(np.abs(made - wanted).max())
    return errors
