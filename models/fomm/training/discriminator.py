"""The discriminator: does a patch look like a photograph? One network for each scale."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.fomm.blocks import full, gaussians
from models.fomm.config import KEYPOINTS
from models.fomm.training.settings import Critic

_SLOPE = 0.2
"""Of the leaky ReLU, as officially."""


class Judgement(NamedTuple):
    """What one network says of pictures.

    Attributes:
        features: the output of every block, (B, C, h, w).
        map: (B, 1, h, w), 1 where a patch looks real.
    """

    features: list[Tensor]
    map: Tensor


def _spectral(conv: nn.Conv2d, wanted: bool) -> nn.Conv2d:
    if not wanted:
        return conv
    with warnings.catch_warnings():
        # The newer form has other names, which no official file holds.
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.spectral_norm(conv)


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, first: bool, last: bool, spectral: bool) -> None:
        super().__init__()
        self.conv = _spectral(nn.Conv2d(inside, outside, 4), spectral)
        self.norm = None if first else nn.InstanceNorm2d(outside, affine=True)
        self.pool = not last

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv(x)
        if self.norm is not None:
            out = self.norm(out)
        out = fn.leaky_relu(out, _SLOPE)
        return fn.avg_pool2d(out, 2) if self.pool else out


class PatchNet(nn.Module):
    """The network of one scale."""

    def __init__(self, critic: Critic) -> None:
        """Untrained weights."""
        super().__init__()
        sizes = critic.sizes
        wide = [3 + (KEYPOINTS if critic.keypoints else 0)]
        wide += [min(sizes.most, sizes.expansion * 2 ** (i + 1)) for i in range(sizes.levels)]
        last = sizes.levels - 1
        self.down_blocks = nn.ModuleList(
            _Block(wide[i], wide[i + 1], i == 0, i == last, critic.spectral)
            for i in range(sizes.levels)
        )
        self.conv = _spectral(nn.Conv2d(wide[-1], 1, 1), critic.spectral)
        self.keypoints = critic.keypoints

    def forward(self, picture: Tensor, points: Tensor) -> Judgement:
        """Judge pictures (B, 3, H, W), 0..1, with driving keypoints (B, K, 2) in -1..1."""
        out = picture
        if self.keypoints:
            out = torch.cat([out, gaussians(points, picture.shape[-1])], 1)
        features = []
        for block in self.down_blocks:
            out = block(out)
            features.append(out)
        return Judgement(features, full(self.conv(out)))


class Discriminator(nn.Module):
    """The networks of all scales, with the official parameter names."""

    def __init__(self, critic: Critic) -> None:
        """Untrained weights."""
        super().__init__()
        self.scales = critic.scales
        self.discs = nn.ModuleDict(
            {_name(scale).replace(".", "-"): PatchNet(critic) for scale in critic.scales}
        )

    def forward(self, pyramid: Mapping[float, Tensor], points: Tensor) -> dict[float, Judgement]:
        """Judge pictures at every scale.

        Args:
            pyramid: scale to pictures.
            points: the driving keypoints (B, K, 2); no gradient goes into them.
        """
        points = points.detach()
        nets = self.discs.values()
        return {s: net(pyramid[s], points) for s, net in zip(self.scales, nets, strict=True)}


def _name(scale: float) -> str:
    return str(int(scale)) if scale == int(scale) else str(scale)
