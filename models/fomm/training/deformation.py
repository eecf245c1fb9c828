"""A random bend of the picture: keypoints have to move along with it.

T(z) = A z + t + sum over control points c of w_c U(|z - c|), U(r) = r^2 log(r + 1e-6), with the
distance as the sum of both coordinates' and one set of weights for x and y, as officially.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as fn

from models.fomm.blocks import grid

_TINY = 1e-6
"""Keeps the logarithm finite at a control point."""


@dataclass(frozen=True)
class Bend:
    """One transform for each sample.

    Attributes:
        affine: (B, 2, 3).
        weights: (B, points * points), of the control points, x fastest.
    """

    affine: Tensor
    weights: Tensor

    @classmethod
    def draw(
        cls,
        batch: int,
        sigma_affine: float,
        sigma_tps: float,
        points: int,
        generator: torch.Generator,
    ) -> Bend:
        """Draw transforms, on the CPU.

        Args:
            batch: how many.
            sigma_affine: spread of the affine part around the identity.
            sigma_tps: spread of the weights.
            points: control points along a side.
            generator: what to draw from.
        """
        noise = torch.randn(batch, 2, 3, generator=generator) * sigma_affine
        weights = torch.randn(batch, points * points, generator=generator) * sigma_tps
        return cls(noise + torch.eye(2, 3), weights)

    def like(self, x: Tensor) -> Bend:
        """The same with the type and on the device of `x`."""
        return Bend(self.affine.to(x), self.weights.to(x))

    def points(self, z: Tensor) -> Tensor:
        """T of points (B, N, 2)."""
        # Not as a matrix product, which mixed precision would compute too coarsely.
        moved = (self.affine[:, None, :, :2] * z[:, :, None]).sum(-1) + self.affine[:, None, :, 2]
        distance = self._offset(z).abs().sum(-1)
        bent = distance**2 * torch.log(distance + _TINY) * self.weights[:, None]
        return moved + bent.sum(-1, keepdim=True)

    def jacobian(self, z: Tensor) -> Tensor:
        """The derivatives (B, N, 2, 2) of `points` at (B, N, 2): rows are outputs."""
        offset = self._offset(z)
        distance = offset.abs().sum(-1)
        safe = distance + _TINY
        slope = 2 * distance * torch.log(safe) + distance**2 / safe
        along = ((slope * self.weights[:, None])[..., None] * offset.sign()).sum(2)
        return self.affine[:, None, :, :2] + along[:, :, None]

    def picture(self, picture: Tensor, align_corners: bool = False) -> Tensor:
        """Pictures (B, C, S, S) whose pixel at z is the one at T(z), reflected at the borders."""
        batch, side = picture.shape[0], picture.shape[-1]
        here = grid(side, picture).reshape(1, -1, 2).expand(batch, -1, -1)
        places = self.points(here).reshape(batch, side, side, 2)
        return fn.grid_sample(
            picture, places, padding_mode="reflection", align_corners=align_corners
        )

    def _offset(self, z: Tensor) -> Tensor:
        """(B, N, C, 2): from every control point."""
        side = round(self.weights.shape[1] ** 0.5)
        return z[:, :, None] - grid(side, z).reshape(1, 1, -1, 2)
