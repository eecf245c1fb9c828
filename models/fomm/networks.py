"""Keypoint detector, dense motion network and generator in PyTorch.

Parameter names and outputs are those of the official implementation, so its checkpoints fit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.fomm.blocks import (
    AntiAlias,
    Down,
    Hourglass,
    Res,
    Same,
    Up,
    full,
    gaussians,
    grid,
    inverse,
    product,
)
from models.fomm.config import KEYPOINTS, TEMPERATURE, Config


class Points(NamedTuple):
    """Keypoints.

    Attributes:
        values: (B, K, 2), x and y in -1..1.
        jacobians: (B, K, 2, 2), the local affine motion of each.
    """

    values: Tensor
    jacobians: Tensor


class Motion(NamedTuple):
    """Dense motion, at 64 x 64 in the official configurations.

    Attributes:
        deformation: (B, 64, 64, 2), for each pixel the (x, y) of the source it comes from, -1..1.
        mask: (B, K + 1, 64, 64), 0..1, the share of each keypoint's motion, the background's first.
        occlusion: (B, 1, 64, 64), 0..1, 0 where the source shows nothing usable.
    """

    deformation: Tensor
    mask: Tensor
    occlusion: Tensor


class KeypointDetector(nn.Module):
    """Finds ten keypoints with their local affine motions, learnt without supervision."""

    def __init__(self, config: Config) -> None:
        """Untrained weights of the shape that `config` asks for."""
        super().__init__()
        sizes = config.shape.detector
        self.predictor = Hourglass(3, sizes.expansion, sizes.most, sizes.levels)
        self.kp = nn.Conv2d(self.predictor.out_channels, KEYPOINTS, 7)
        self.jacobian = nn.Conv2d(self.predictor.out_channels, 4 * config.jacobian_maps, 7)
        assert self.jacobian.bias is not None
        with torch.no_grad():  # At first no keypoint turns or stretches anything.
            self.jacobian.weight.zero_()
            self.jacobian.bias.copy_(torch.eye(2).flatten().repeat(config.jacobian_maps))
        self.down = AntiAlias(3, config.shape.scale)

    def forward(self, picture: Tensor) -> Points:
        """Keypoints of pictures (B, 3, 256, 256), RGB, 0..1."""
        features = self.predictor(self.down(picture))
        maps = full(self.kp(features))
        batch, _, side, _ = maps.shape
        heat = torch.softmax(maps.flatten(2) / TEMPERATURE, 2)
        values = (heat[..., None] * grid(side, heat).reshape(-1, 2)).sum(2)
        local = full(self.jacobian(features)).reshape(batch, -1, 4, side * side)
        jacobians = (heat[:, :, None] * local).sum(-1)
        return Points(values, jacobians.reshape(batch, KEYPOINTS, 2, 2))


class DenseMotion(nn.Module):
    """From keypoints to the motion of every pixel, and to what the source cannot show."""

    def __init__(self, config: Config) -> None:
        """Untrained weights."""
        super().__init__()
        sizes = config.shape.motion
        inside = 4 * (KEYPOINTS + 1)
        self.hourglass = Hourglass(inside, sizes.expansion, sizes.most, sizes.levels)
        self.mask = nn.Conv2d(self.hourglass.out_channels, KEYPOINTS + 1, 7, padding=3)
        self.occlusion = nn.Conv2d(self.hourglass.out_channels, 1, 7, padding=3)
        self.down = AntiAlias(3, config.shape.scale)
        self.align_corners = config.align_corners

    def forward(self, small: Tensor, source: Points, driving: Points) -> Motion:
        """Motion between the keypoints of the source and those wanted.

        Args:
            small: (B, 3, 64, 64), what `down` makes of the source picture.
            source: its keypoints.
            driving: those wanted.
        """
        batch, _, side, _ = small.shape
        small = full(small)
        heat = gaussians(driving.values, side) - gaussians(source.values, side)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)
        turn = product(source.jacobians, inverse(driving.jacobians))
        here = grid(side, small)
        offset = (here - driving.values[:, :, None, None])[..., None, :]
        moved = (turn[:, :, None, None] * offset).sum(-1) + source.values[:, :, None, None]
        motions = torch.cat([here.expand(batch, 1, -1, -1, -1), moved], 1)
        many = small[:, None].expand(-1, KEYPOINTS + 1, -1, -1, -1)
        warped = fn.grid_sample(
            many.flatten(0, 1), motions.flatten(0, 1), align_corners=self.align_corners
        )
        warped = warped.reshape(batch, KEYPOINTS + 1, 3, side, side)
        out = self.hourglass(torch.cat([heat[:, :, None], warped], 2).flatten(1, 2))
        mask = torch.softmax(full(self.mask(out)), 1)
        deformation = (mask[..., None] * motions).sum(1)
        return Motion(deformation, mask, torch.sigmoid(full(self.occlusion(out))))


class Generator(nn.Module):
    """Warps the encoded source and paints what it lacks."""

    def __init__(self, config: Config) -> None:
        """Untrained weights."""
        super().__init__()
        self.dense_motion_network = DenseMotion(config)
        sizes = config.shape.generator
        wide = [min(sizes.most, sizes.expansion * 2**i) for i in range(sizes.levels + 1)]
        self.first = Same(3, sizes.expansion, 7)
        self.down_blocks = nn.ModuleList(Down(a, b) for a, b in zip(wide, wide[1:], strict=False))
        back = wide[::-1]
        self.up_blocks = nn.ModuleList(Up(a, b) for a, b in zip(back, back[1:], strict=False))
        self.bottleneck = nn.Sequential()
        for i in range(config.shape.bottleneck):
            self.bottleneck.add_module(f"r{i}", Res(wide[-1]))
        self.final = nn.Conv2d(sizes.expansion, 3, 7, padding=3)
        self.align_corners = config.align_corners

    def encode(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """What does not depend on the driver, of pictures (B, 3, 256, 256), RGB, 0..1.

        Returns:
            The features (B, 256, 64, 64) and the small picture (B, 3, 64, 64).
        """
        out = self.first(picture)
        for block in self.down_blocks:
            out = block(out)
        return out, self.dense_motion_network.down(picture)

    def decode(
        self, features: Tensor, small: Tensor, source: Points, driving: Points
    ) -> tuple[Tensor, Motion]:
        """The source moved to the driving keypoints.

        Args:
            features: (B, 256, 64, 64), of `encode`.
            small: (B, 3, 64, 64), likewise.
            source: the keypoints of the source.
            driving: those wanted.

        Returns:
            The picture (B, 3, 256, 256), 0..1, and the motion.
        """
        motion: Motion = self.dense_motion_network(small, source, driving)
        side = features.shape[-1]
        out = self.warp(features, motion.deformation)
        out = self.bottleneck(out * _resized(motion.occlusion, side))
        for block in self.up_blocks:
            out = block(out)
        return torch.sigmoid(full(self.final(out))), motion

    def warp(self, picture: Tensor, deformation: Tensor) -> Tensor:
        """A picture or features (B, C, S, S), each pixel taken from where `deformation` says."""
        field = _resized(deformation.movedim(-1, 1), picture.shape[-1]).movedim(1, -1)
        # A grid in half precision would be wrong by half a pixel.
        return fn.grid_sample(picture.to(field.dtype), field, align_corners=self.align_corners)

    def forward(self, picture: Tensor, source: Points, driving: Points) -> tuple[Tensor, Motion]:
        """Encode and decode at once, as the official demo does for every frame."""
        return self.decode(*self.encode(picture), source, driving)


def _resized(maps: Tensor, side: int) -> Tensor:
    """Maps (B, C, S, S) at another size, bilinearly; in the official shapes they have it."""
    if maps.shape[-1] == side:
        return maps
    return fn.interpolate(maps, size=(side, side), mode="bilinear")
