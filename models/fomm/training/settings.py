"""What a training run is told: the eight official configurations, `small`, and files of theirs.

A configuration is a mapping with the keys of the official YAML files, so these load unchanged and
what a run writes beside its weights can be read by the official code.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.environment import pip_command
from models.errors import UserError
from models.fomm.config import CONFIGS, KEYPOINTS, OWN, Config, Shape, Sizes

RATE = 2e-4
"""Of learning, in all official configurations (`lr_generator` and its like)."""

DROP = 0.1
"""What the rate is multiplied by at each milestone, as officially."""

_JITTER = {"brightness": 0.1, "contrast": 0.1, "saturation": 0.1, "hue": 0.1}
"""`jitter_param` of the configurations of faces, bodies and the robot."""


@dataclass(frozen=True)
class Weights:
    """How much each loss counts (`loss_weights`).

    Attributes:
        perceptual: of the five layers of the perceptual network.
        gan: of fooling the discriminator; 0: it is not trained at all.
        critic: of the discriminator's own loss.
        matching: of the discriminator's four blocks.
        value: of keypoints that move with the picture.
        jacobian: of their local motions doing so.
    """

    perceptual: tuple[float, ...]
    gan: float
    critic: float
    matching: tuple[float, ...]
    value: float
    jacobian: float


@dataclass(frozen=True)
class Critic:
    """The discriminator's shape (`discriminator_params`).

    Attributes:
        scales: of the pictures it looks at, one network for each.
        sizes: of each; `levels` are its blocks.
        spectral: whether its convolutions have spectral norm (`sn`).
        keypoints: whether it sees the driving keypoints too (`use_kp`).
    """

    scales: tuple[float, ...]
    sizes: Sizes
    spectral: bool
    keypoints: bool


@dataclass(frozen=True)
class Rates:
    """How fast each part learns (`lr_...`), before any milestone.

    Attributes:
        generator: of the generator.
        kp_detector: of the keypoint detector; 0 freezes its weights.
        discriminator: of the discriminator.
    """

    generator: float = RATE
    kp_detector: float = RATE
    discriminator: float = RATE


@dataclass(frozen=True)
class Settings:
    """A training configuration.

    Attributes:
        name: what it is called.
        networks: the shapes of generator and keypoint detector.
        critic: that of the discriminator.
        weights: of the losses.
        rates: of learning.
        epochs: how many there are.
        repeats: how often an epoch visits each clip or person.
        milestones: epochs at which the rates drop.
        batch: frame pairs a step.
        scales: of the pictures that are compared.
        keep_every: epochs between checkpoints.
        sigma_affine: spread of the random transform's affine part.
        sigma_tps: spread of its bends.
        points_tps: control points along a side.
        side: pixels of a frame's side.
        raw: all of it, with the official keys.
    """

    name: str
    networks: Config
    critic: Critic
    weights: Weights
    rates: Rates
    epochs: int
    repeats: int
    milestones: tuple[int, ...]
    batch: int
    scales: tuple[float, ...]
    keep_every: int
    sigma_affine: float
    sigma_tps: float
    points_tps: int
    side: int
    raw: Mapping[str, Any]

    @property
    def adversarial(self) -> bool:
        """Whether the discriminator takes part."""
        return self.weights.gan != 0

    def rate(self, base: float, epoch: int) -> float:
        """A part's rate in an epoch: counted from its number, so that resuming changes nothing."""
        return base * DROP ** sum(mark <= epoch for mark in self.milestones)


def _common(
    *, jitter: Mapping[str, float] | None = None, ids: bool = False, train: Mapping[str, Any]
) -> dict[str, Any]:
    """The official keys, with what all official files share."""
    augmentation: dict[str, Any] = {"flip_param": {"horizontal_flip": True, "time_flip": True}}
    if jitter:
        augmentation["jitter_param"] = dict(jitter)
    hourglass = {"max_features": 1024, "num_blocks": 5, "scale_factor": 0.25}
    return {
        "dataset_params": {
            "frame_shape": [256, 256, 3],
            "id_sampling": ids,
            "pairs_list": None,
            "augmentation_params": augmentation,
        },
        "model_params": {
            "common_params": {"num_kp": KEYPOINTS, "num_channels": 3, "estimate_jacobian": True},
            "kp_detector_params": {"temperature": 0.1, "block_expansion": 32, **hourglass},
            "generator_params": {
                "block_expansion": 64,
                "max_features": 512,
                "num_down_blocks": 2,
                "num_bottleneck_blocks": 6,
                "estimate_occlusion_map": True,
                "dense_motion_params": {"block_expansion": 64, **hourglass},
            },
            "discriminator_params": {
                "scales": [1],
                "block_expansion": 32,
                "max_features": 512,
                "num_blocks": 4,
                "sn": True,
            },
        },
        "train_params": {
            "num_epochs": 100,
            "epoch_milestones": [60, 90],
            "lr_generator": RATE,
            "lr_discriminator": RATE,
            "lr_kp_detector": RATE,
            "scales": [1, 0.5, 0.25, 0.125],
            "checkpoint_freq": 50,
            "transform_params": {"sigma_affine": 0.05, "sigma_tps": 0.005, "points_tps": 5},
            "loss_weights": {
                "generator_gan": 1,
                "discriminator_gan": 1,
                "feature_matching": [10, 10, 10, 10],
                "perceptual": [10, 10, 10, 10, 10],
                "equivariance_value": 10,
                "equivariance_jacobian": 10,
            },
            **train,
        },
        "reconstruction_params": {"num_videos": 1000, "format": ".mp4"},
        "animate_params": {
            "num_pairs": 50,
            "format": ".mp4",
            "normalization_params": {
                "adapt_movement_scale": False,
                "use_relative_movement": True,
                "use_relative_jacobian": True,
            },
        },
        "visualizer_params": {"kp_size": 5, "draw_border": True, "colormap": "gist_rainbow"},
    }


def _with_keypoints(raw: dict[str, Any]) -> dict[str, Any]:
    """The discriminator of the second, adversarial training."""
    del raw["model_params"]["discriminator_params"]["sn"]
    raw["model_params"]["discriminator_params"]["use_kp"] = True
    return raw


def _without_gan(raw: dict[str, Any]) -> dict[str, Any]:
    raw["train_params"]["loss_weights"]["generator_gan"] = 0
    return raw


def _taichi(adversarial: bool) -> dict[str, Any]:
    train = {"num_repeats": 150, "batch_size": 30}
    if adversarial:
        # The motion was learnt before; only the picture is refined.
        train = {"num_repeats": 150, "batch_size": 27, "num_epochs": 150, "lr_kp_detector": 0}
        train["epoch_milestones"] = []  # type: ignore[assignment]
        return _with_keypoints(_common(jitter=_JITTER, ids=True, train=train))
    raw = _without_gan(_common(jitter=_JITTER, ids=True, train=train))
    del raw["model_params"]["discriminator_params"]["sn"]
    return raw


def _fashion() -> dict[str, Any]:
    raw = _common(jitter={"hue": 0.1}, train={"num_repeats": 50, "batch_size": 27})
    del raw["model_params"]["discriminator_params"]["sn"]
    return raw


def _mgif() -> dict[str, Any]:
    train = {"num_repeats": 25, "batch_size": 36, "checkpoint_freq": 100}
    raw = _common(jitter={"hue": 0.5}, train=train)
    raw["dataset_params"]["augmentation_params"]["resize_param"] = {"ratio": [0.9, 1.1]}
    raw["dataset_params"]["augmentation_params"]["crop_param"] = {"size": [256, 256]}
    raw["model_params"]["kp_detector_params"]["single_jacobian_map"] = True
    return raw


def _small() -> dict[str, Any]:
    """64 pixels and a hundredth of the work: for a look, a laptop and tests; ours."""
    train = {"num_repeats": 50, "batch_size": 16, "checkpoint_freq": 10, "scales": [1, 0.5, 0.25]}
    raw = _without_gan(_common(jitter=_JITTER, train=train))
    raw["dataset_params"]["frame_shape"] = [64, 64, 3]
    model = raw["model_params"]
    hourglass = {"block_expansion": 16, "max_features": 128, "num_blocks": 4, "scale_factor": 0.5}
    model["kp_detector_params"].update(hourglass)
    generator = model["generator_params"]
    generator.update(
        block_expansion=32, max_features=128, num_down_blocks=1, num_bottleneck_blocks=3
    )
    generator["dense_motion_params"].update(hourglass)
    # Without padding each of its blocks needs some pixels; 64 are too few for four.
    model["discriminator_params"].update(block_expansion=16, max_features=128, num_blocks=3)
    raw["train_params"]["loss_weights"]["feature_matching"] = [10, 10, 10]
    return raw


_TABLE = {
    "vox-256": lambda: _without_gan(
        _common(jitter=_JITTER, ids=True, train={"num_repeats": 75, "batch_size": 40})
    ),
    "vox-adv-256": lambda: _with_keypoints(
        _common(
            jitter=_JITTER,
            ids=True,
            train={
                "num_repeats": 75,
                "batch_size": 36,
                "num_epochs": 150,
                "epoch_milestones": [],
            },
        )
    ),
    "taichi-256": lambda: _taichi(False),
    "taichi-adv-256": lambda: _taichi(True),
    "fashion-256": _fashion,
    "mgif-256": _mgif,
    "bair-256": lambda: _common(
        jitter=_JITTER,
        train={
            "num_repeats": 1,
            "batch_size": 36,
            "num_epochs": 20,
            "epoch_milestones": [12, 18],
            "checkpoint_freq": 10,
        },
    ),
    "nemo-256": lambda: _common(train={"num_repeats": 8, "batch_size": 36}),
    "small": _small,
}


def names() -> list[str]:
    """What the built-in configurations are called."""
    return list(_TABLE)


def raw_settings(name: str) -> dict[str, Any]:
    """A built-in configuration, with the official keys.

    Raises:
        UserError: there is none of this name.
    """
    try:
        return copy.deepcopy(_TABLE[name]())
    except KeyError:
        raise UserError(
            f"There is no configuration called {name!r}; choose one of {', '.join(_TABLE)}, or "
            "give a YAML file with the official keys."
        ) from None


def load_settings(which: str, changes: Mapping[str, Any] | None = None) -> Settings:
    """A configuration by its name, or of a file.

    Args:
        which: a built-in name, or the path of a YAML file with the official keys.
        changes: keys of `train_params` to replace.

    Raises:
        UserError: there is none, it cannot be read, or it asks for what there is not.
    """
    path = Path(which).expanduser()
    if path.suffix in (".yaml", ".yml") and path.is_file():
        raw, name = _read(path), path.stem
    else:
        name = which.removesuffix(".yaml")
        raw = raw_settings(name)
    raw = copy.deepcopy(raw)
    if changes:
        raw.setdefault("train_params", {}).update(changes)
    return settings_of(name, raw)


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):  # A run writes JSON, which is YAML too, without PyYAML.
        raw = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(raw, dict):
            return raw
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise UserError(
            f"Reading {path.name} needs PyYAML: run `{pip_command('install pyyaml')}` or name a "
            "built-in configuration."
        ) from None
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read as YAML; correct it or name another.") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path} holds no configuration; start from a built-in one.")
    return raw


def settings_of(name: str, raw: Mapping[str, Any]) -> Settings:
    """Read a mapping with the official keys.

    Raises:
        UserError: a key is missing or has a value that cannot be used.
    """
    try:
        return _parsed(name, raw)
    except KeyError as error:
        raise UserError(f"The configuration {name} lacks the key {error}; add it.") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"The configuration {name} has a value that cannot be used ({error}); correct it."
        ) from error


def _parsed(name: str, raw: Mapping[str, Any]) -> Settings:
    model, train = raw["model_params"], raw["train_params"]
    weights, transform = train["loss_weights"], train["transform_params"]
    height, width = (int(n) for n in raw["dataset_params"].get("frame_shape", (256, 256, 3))[:2])
    if height != width:
        raise UserError(f"The configuration {name} has frames that are not square; make them so.")
    critic = model["discriminator_params"]
    scales = tuple(float(s) for s in train["scales"])
    seen = tuple(float(s) for s in critic.get("scales", (1,)))
    if not set(seen) <= set(scales):
        raise UserError(f"In {name}, every scale of the discriminator must be one of `scales`.")
    return Settings(
        name=name,
        networks=_networks(name, model, height),
        critic=Critic(
            seen,
            _sizes(critic),
            bool(critic.get("sn", False)),
            bool(critic.get("use_kp", False)),
        ),
        weights=Weights(
            tuple(float(w) for w in weights["perceptual"]),
            float(weights["generator_gan"]),
            float(weights["discriminator_gan"]),
            tuple(float(w) for w in weights["feature_matching"]),
            float(weights["equivariance_value"]),
            float(weights["equivariance_jacobian"]),
        ),
        rates=Rates(
            float(train["lr_generator"]),
            float(train["lr_kp_detector"]),
            float(train["lr_discriminator"]),
        ),
        epochs=int(train["num_epochs"]),
        repeats=int(train.get("num_repeats", 1)),
        milestones=tuple(int(e) for e in train.get("epoch_milestones") or ()),
        batch=int(train["batch_size"]),
        scales=scales,
        keep_every=int(train.get("checkpoint_freq", 50)),
        sigma_affine=float(transform["sigma_affine"]),
        sigma_tps=float(transform["sigma_tps"]),
        points_tps=int(transform["points_tps"]),
        side=height,
        raw=raw,
    )


def _networks(name: str, model: Mapping[str, Any], side: int) -> Config:
    common, detector = model["common_params"], model["kp_detector_params"]
    generator = model["generator_params"]
    motion = generator["dense_motion_params"]
    if int(common["num_kp"]) != KEYPOINTS or int(common.get("num_channels", 3)) != 3:
        raise UserError(
            f"The configuration {name} has another number of keypoints or colours; only "
            f"{KEYPOINTS} keypoints in RGB can be trained."
        )
    if not common.get("estimate_jacobian", True):
        raise UserError(f"The configuration {name} estimates no jacobians; set estimate_jacobian.")
    scale = float(detector.get("scale_factor", 1))
    if float(motion.get("scale_factor", 1)) != scale:
        raise UserError(f"In {name}, both scale_factor must be the same; make them so.")
    known = {**CONFIGS, OWN.name: OWN}.get(name)
    generator_sizes = {**generator, "num_blocks": generator["num_down_blocks"]}
    return Config(
        name,
        known.shows if known else OWN.shows,
        face=known.face if known else True,
        single_jacobian_map=bool(detector.get("single_jacobian_map", False)),
        shape=Shape(
            _sizes(detector),
            _sizes(motion),
            _sizes(generator_sizes),
            int(generator["num_bottleneck_blocks"]),
            scale,
        ),
        side=side,
    )


def _sizes(params: Mapping[str, Any]) -> Sizes:
    return Sizes(
        int(params["block_expansion"]), int(params["max_features"]), int(params["num_blocks"])
    )
