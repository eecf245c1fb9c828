"""The building blocks of the networks, with the parameter names of the official checkpoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.fomm.config import VARIANCE


class Down(nn.Module):
    """Convolution, batch norm, ReLU and a halving by averages."""

    def __init__(self, inside: int, outside: int) -> None:
        """A block from `inside` to `outside` channels."""
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / 2, W / 2)."""
        out: Tensor = fn.avg_pool2d(fn.relu(self.norm(self.conv(x))), 2)
        return out


class Up(nn.Module):
    """Doubling by repetition, convolution, batch norm and ReLU."""

    def __init__(self, inside: int, outside: int) -> None:
        """A block from `inside` to `outside` channels."""
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, 2 H, 2 W)."""
        return fn.relu(self.norm(self.conv(fn.interpolate(x, scale_factor=2.0))))


class Same(nn.Module):
    """Convolution, batch norm and ReLU at the same size."""

    def __init__(self, inside: int, outside: int, kernel: int) -> None:
        """A block from `inside` to `outside` channels; `kernel` is odd."""
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        return fn.relu(self.norm(self.conv(x)))


class Res(nn.Module):
    """Two times batch norm, ReLU and convolution, added to the input."""

    def __init__(self, channels: int) -> None:
        """A block that keeps the number of channels."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.norm2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to the same shape."""
        out = self.conv1(fn.relu(self.norm1(x)))
        out = self.conv2(fn.relu(self.norm2(out)))
        total: Tensor = x + out
        return total


class Encoder(nn.Module):
    """Halves the size level by level and keeps every level."""

    def __init__(self, inside: int, expansion: int, most: int, levels: int) -> None:
        """Untrained blocks.

        Args:
            inside: channels that come in.
            expansion: channels of the levels are this times 2, 4, 8, ...
            most: but not more than this.
            levels: how often the size is halved.
        """
        super().__init__()
        channels = [inside] + [min(most, expansion * 2 ** (i + 1)) for i in range(levels)]
        self.down_blocks = nn.ModuleList(
            Down(a, b) for a, b in zip(channels, channels[1:], strict=False)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """The input and the output of every level."""
        kept = [x]
        for block in self.down_blocks:
            kept.append(block(kept[-1]))
        return kept


class Decoder(nn.Module):
    """Doubles the size level by level and puts the encoder's level of that size behind."""

    def __init__(self, inside: int, expansion: int, most: int, levels: int) -> None:
        """The counterpart of an `Encoder` with the same numbers."""
        super().__init__()
        blocks = []
        for i in reversed(range(levels)):
            wide = min(most, expansion * 2 ** (i + 1))
            blocks.append(Up(wide if i == levels - 1 else 2 * wide, min(most, expansion * 2**i)))
        self.up_blocks = nn.ModuleList(blocks)
        self.out_channels = expansion + inside

    def forward(self, kept: list[Tensor]) -> Tensor:
        """What `Encoder` gave to (B, expansion + inside, H, W)."""
        out = kept[-1]
        for block, skip in zip(self.up_blocks, reversed(kept[:-1]), strict=True):
            out = torch.cat([block(out), skip], 1)
        return out


class Hourglass(nn.Module):
    """An encoder and a decoder with skip connections."""

    def __init__(self, inside: int, expansion: int, most: int, levels: int = 5) -> None:
        """`inside` channels come in; see `Encoder` for the rest."""
        super().__init__()
        self.encoder = Encoder(inside, expansion, most, levels)
        self.decoder = Decoder(inside, expansion, most, levels)
        self.out_channels = self.decoder.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, out_channels, H, W); both sides divisible by 2 ** levels."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class AntiAlias(nn.Module):
    """Makes a picture smaller after a Gaussian blur."""

    weight: Tensor

    def __init__(self, channels: int, scale: float = 0.25) -> None:
        """For pictures of this many channels; `scale` is 1 / 2 ** n, and 1 changes nothing."""
        super().__init__()
        self.step = round(1 / scale)
        if self.step > 1:
            self.register_buffer("weight", blur(scale).expand(channels, 1, -1, -1).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, channels, H * scale, W * scale)."""
        if self.step == 1:
            return x
        half = self.weight.shape[-1] // 2
        return fn.conv2d(x, self.weight, stride=self.step, padding=half, groups=x.shape[1])


def blur(scale: float) -> Tensor:
    """The Gaussian (side, side) that goes before making a picture smaller by `scale`."""
    sigma = (1 / scale - 1) / 2
    half = round(4 * sigma)
    line = torch.exp(-((torch.arange(2 * half + 1) - half) ** 2) / (2 * sigma**2))
    kernel = line[:, None] * line[None]
    return kernel / kernel.sum()


def grid(side: int, like: Tensor) -> Tensor:
    """(side, side, 2): the (x, y) of every pixel, the borders' centres at -1 and 1.

    Args:
        side: in pixels.
        like: has the type and the device that the result shall have.
    """
    line = 2 * torch.arange(side, dtype=like.dtype, device=like.device) / (side - 1) - 1
    return torch.stack([line.expand(side, side), line[:, None].expand(side, side)], -1)


def full(x: Tensor) -> Tensor:
    """At least float32: mixed precision is too coarse for coordinates and softmax."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def gaussians(values: Tensor, side: int) -> Tensor:
    """(B, K, 2) keypoints, x and y in -1..1, as pictures (B, K, side, side), 0..1."""
    offset = grid(side, values) - values[:, :, None, None]
    return torch.exp(-0.5 * (offset**2).sum(-1) / VARIANCE)


def inverse(matrix: Tensor) -> Tensor:
    """The inverses of (..., 2, 2) matrices, in closed form."""
    a, b, c, d = (matrix[..., i, j] for i in (0, 1) for j in (0, 1))
    turned = torch.stack([torch.stack([d, -b], -1), torch.stack([-c, a], -1)], -2)
    return turned / (a * d - b * c)[..., None, None]


def product(left: Tensor, right: Tensor) -> Tensor:
    """The products of (..., 2, 2) matrices, in the precision that they have.

    Mixed precision would take a matrix product in float16, which is too coarse for coordinates.
    """
    return (left[..., :, :, None] * right[..., None, :, :]).sum(-2)
