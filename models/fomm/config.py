"""The official configurations, as far as they matter for animating.

The numbers are those of the official repository (AliaksandrSiarohin/first-order-model): of its
files in `config/`, whose keys are in brackets, and where these say nothing of its code.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.errors import UserError

SIDE = 256
"""Pixels of a side of every picture that goes into or comes out of the networks (`frame_shape`)."""

KEYPOINTS = 10
"""As all official configurations have them (`num_kp`)."""

TEMPERATURE = 0.1
"""Of the softmax that makes heatmaps (`temperature`)."""

VARIANCE = 0.01
"""Of the Gaussian that shows a keypoint to the dense motion network, in squared crop units; the
code's default (`kp_variance`)."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of an encoder and decoder.

    Attributes:
        expansion: channels of the first level (`block_expansion`); each level doubles them,
        most: but not beyond this (`max_features`).
        levels: how often the side is halved (`num_blocks`).
    """

    expansion: int
    most: int
    levels: int


@dataclass(frozen=True)
class Shape:
    """The sizes of the networks; all official configurations have the defaults.

    Attributes:
        detector: of the keypoint detector.
        motion: of the dense motion network.
        generator: of the generator; its levels are `num_down_blocks`.
        bottleneck: how many residual blocks the generator has (`num_bottleneck_blocks`).
        scale: what part of a picture's side the first two look at (`scale_factor`).
    """

    detector: Sizes = Sizes(32, 1024, 5)
    motion: Sizes = Sizes(64, 1024, 5)
    generator: Sizes = Sizes(64, 512, 2)
    bottleneck: int = 6
    scale: float = 0.25


@dataclass(frozen=True)
class Config:
    """What differs between the official checkpoints.

    Attributes:
        name: that of the official file in `config/`, without its ending.
        shows: what the networks were trained on, in a few words.
        face: whether pictures are cut out around the face; otherwise the whole picture counts.
        single_jacobian_map: all keypoints share one map of local motion.
        align_corners: how `grid_sample` counts pixels. The official code leaves this to PyTorch's
            default, which is False since version 1.3; True is what the very first release computed.
        shape: the sizes of the networks.
        side: pixels of a side of the pictures (`frame_shape`).
    """

    name: str
    shows: str
    face: bool = True
    single_jacobian_map: bool = False
    align_corners: bool = False
    shape: Shape = Shape()
    side: int = SIDE

    @property
    def jacobian_maps(self) -> int:
        """How many maps of local motion the keypoint detector makes."""
        return 1 if self.single_jacobian_map else KEYPOINTS

    @property
    def small(self) -> int:
        """Pixels of a side of what keypoint detector and dense motion network look at."""
        return round(self.side * self.shape.scale)

    @property
    def features(self) -> tuple[int, int]:
        """Channels of the encoded source, and pixels of its side."""
        sizes = self.shape.generator
        return min(sizes.most, sizes.expansion * 2**sizes.levels), self.side // 2**sizes.levels


CONFIGS: dict[str, Config] = {
    config.name: config
    for config in (
        Config("vox-256", "talking heads"),
        Config("vox-adv-256", "talking heads, trained further with a discriminator"),
        Config("taichi-256", "people doing tai chi", face=False),
        Config(
            "taichi-adv-256",
            "people doing tai chi, trained further with a discriminator",
            face=False,
        ),
        Config("fashion-256", "models showing clothes", face=False),
        Config("mgif-256", "drawn animals", face=False, single_jacobian_map=True),
        Config("bair-256", "a robot's arm", face=False),
        Config("nemo-256", "smiling faces"),
    )
}
"""Name to configuration. All share one shape of networks, but for the jacobian maps."""


OWN = Config(
    "small",
    "what you trained it on",
    shape=Shape(Sizes(16, 128, 4), Sizes(16, 128, 4), Sizes(32, 128, 1), 3, 0.5),
    side=64,
)
"""A configuration of this project, to be trained within an hour without a card: 64 pixels, and so
few channels that a step costs a hundredth of the official one."""


def config_named(name: str) -> Config:
    """The configuration called `name`, with or without ".yaml".

    Raises:
        UserError: there is none.
    """
    try:
        return {**CONFIGS, OWN.name: OWN}[name.removesuffix(".yaml")]
    except KeyError:
        known = ", ".join([*CONFIGS, OWN.name])
        raise UserError(
            f"There is no configuration called {name!r}; choose one of: {known}."
        ) from None


def guess_config(filename: str, single_jacobian_map: bool) -> Config | None:
    """The configuration that an official file's name stands for; None if it is no such name.

    Args:
        filename: such as "vox-adv-cpk.pth.tar".
        single_jacobian_map: what the weights say; a name that contradicts them is not believed.
    """
    stem = filename.lower().replace("_", "-").removesuffix(".tar").removesuffix(".pth")
    for name in sorted(CONFIGS, key=len, reverse=True):
        if stem.startswith(name.removesuffix("-256")):
            config = CONFIGS[name]
            return config if config.single_jacobian_map == single_jacobian_map else None
    return None
