"""The building blocks of the networks, with the parameter names of the official files."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as fn


class Same2d(nn.Module):
    """Convolution, batch norm and a (leaky) ReLU, at one size."""

    def __init__(self, inside: int, outside: int, slope: float = 0.0) -> None:
        """A block from `inside` to `outside` channels; `slope` is that below 0."""
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)
        self._slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        return fn.leaky_relu(self.norm(self.conv(x)), self._slope)


class Down2d(nn.Module):
    """Convolution, batch norm, ReLU and a halving by averages."""

    def __init__(self, inside: int, outside: int) -> None:
        """A block from `inside` to `outside` channels."""
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H / 2, W / 2)."""
        return fn.avg_pool2d(fn.relu(self.norm(self.conv(x))), 2)


class Res3d(nn.Module):
    """A residual block of a volume, norms first."""

    def __init__(self, channels: int) -> None:
        """A block of that many channels."""
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, D, H, W) to the same."""
        out: Tensor = self.conv1(fn.relu(self.norm1(x)))
        total: Tensor = x + self.conv2(fn.relu(self.norm2(out)))
        return total


class Norm(nn.Module):
    """Layer norm over the channels of a picture."""

    def __init__(self, channels: int, axis: int) -> None:
        """A norm over `channels`, which lie along `axis`."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self._axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        out = x.movedim(self._axis, -1)
        out = fn.layer_norm(out, out.shape[-1:], self.weight, self.bias, 1e-6)
        return out.movedim(-1, self._axis)


class ResponseNorm(nn.Module):
    """Global response normalisation of (B, H, W, C)."""

    def __init__(self, channels: int) -> None:
        """A norm of that many channels."""
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.zeros(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        strength = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        share = strength / (strength.mean(-1, keepdim=True) + 1e-6)
        total: Tensor = self.gamma * (x * share) + self.beta + x
        return total


class ConvNext(nn.Module):
    """A block of ConvNeXt V2."""

    def __init__(self, channels: int) -> None:
        """A block of that many channels."""
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = Norm(channels, -1)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        out = self.norm(self.dwconv(x).movedim(1, -1))
        out = self.pwconv2(self.grn(fn.gelu(self.pwconv1(out))))
        total: Tensor = x + out.movedim(-1, 1)
        return total


class _Step3d(nn.Module):
    """Convolution, batch norm and ReLU of a volume."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inside, outside, 3, padding=1)
        self.norm = nn.BatchNorm3d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return fn.relu(self.norm(self.conv(x)))


class _Down3d(_Step3d):
    def forward(self, x: Tensor) -> Tensor:
        return fn.avg_pool3d(super().forward(x), (1, 2, 2))


class _Up3d(_Step3d):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(fn.interpolate(x, scale_factor=(1, 2, 2)))


class _Encoder(nn.Module):
    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList(_Down3d(*pair) for pair in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        parts = [x]
        for block in self.down_blocks:
            parts.append(block(parts[-1]))
        return parts


class _Decoder(nn.Module):
    def __init__(self, inside: int) -> None:
        super().__init__()
        widths = [(1024, 512), (1024, 256), (512, 128), (256, 64), (128, 32)]
        self.up_blocks = nn.ModuleList(_Up3d(*pair) for pair in widths)
        self.out_channels = inside + 32
        self.conv = nn.Conv3d(self.out_channels, self.out_channels, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.out_channels)

    def forward(self, parts: list[Tensor]) -> Tensor:
        out = parts.pop()
        for block in self.up_blocks:
            out = torch.cat([block(out), parts.pop()], 1)
        return fn.relu(self.norm(self.conv(out)))


class Hourglass(nn.Module):
    """Down to 2 x 2 and up again, at the full depth."""

    def __init__(self, inside: int) -> None:
        """A network of `inside` channels."""
        super().__init__()
        self.encoder = _Encoder((inside, 64, 128, 256, 512, 1024))
        self.decoder = _Decoder(inside)
        self.out_channels = self.decoder.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, 16, 64, 64) to (B, inside + 32, 16, 64, 64)."""
        out: Tensor = self.decoder(self.encoder(x))
        return out


class Spade(nn.Module):
    """Instance norm whose scale and shift come from a label."""

    def __init__(self, channels: int) -> None:
        """A norm of that many channels, for a label of 256."""
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(256, 128, 3, padding=1), nn.ReLU())
        self.mlp_gamma = nn.Conv2d(128, channels, 3, padding=1)
        self.mlp_beta = nn.Conv2d(128, channels, 3, padding=1)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """(B, C, H, W) and the label (B, 256, h, w) to (B, C, H, W)."""
        shared = self.mlp_shared(fn.interpolate(label, size=x.shape[2:]))
        out: Tensor = fn.instance_norm(x) * (1 + self.mlp_gamma(shared))
        total: Tensor = out + self.mlp_beta(shared)
        return total


class SpectralConv(nn.Module):
    """A convolution whose stored weight is divided by its largest singular value, as stored."""

    def __init__(self, inside: int, outside: int, kernel: int, bias: bool) -> None:
        """Untrained weights."""
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(outside)) if bias else None
        self.weight_orig = nn.Parameter(torch.zeros(outside, inside, kernel, kernel))
        self.register_buffer("weight_u", torch.zeros(outside))
        self.register_buffer("weight_v", torch.zeros(inside * kernel * kernel))

    def divided(self) -> Tensor:
        """The weight that is used."""
        u, v = self.get_buffer("weight_u"), self.get_buffer("weight_v")
        return self.weight_orig / torch.dot(u, self.weight_orig.flatten(1) @ v)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) to (B, outside, H, W)."""
        weight = self.divided()
        return fn.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)

    @torch.no_grad()
    def plain(self) -> nn.Conv2d:
        """The same convolution with its weight divided once and for all."""
        weight = self.divided()
        outside, inside, _, side = weight.shape
        made = nn.Conv2d(inside, outside, side, padding=side // 2, bias=self.bias is not None)
        made.weight.copy_(weight)
        if made.bias is not None and self.bias is not None:
            made.bias.copy_(self.bias)
        return made


class SpadeBlock(nn.Module):
    """A residual block whose norms are told by a label."""

    def __init__(self, inside: int, outside: int) -> None:
        """A block from `inside` to `outside` channels."""
        super().__init__()
        middle = min(inside, outside)
        self.conv_0 = SpectralConv(inside, middle, 3, True)
        self.conv_1 = SpectralConv(middle, outside, 3, True)
        self.norm_0 = Spade(inside)
        self.norm_1 = Spade(middle)
        self._learned = inside != outside
        if self._learned:
            self.conv_s = SpectralConv(inside, outside, 1, False)
            self.norm_s = Spade(inside)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """(B, inside, H, W) and the label to (B, outside, H, W)."""
        out = self.conv_0(fn.leaky_relu(self.norm_0(x, label), 0.2))
        out = self.conv_1(fn.leaky_relu(self.norm_1(out, label), 0.2))
        beside = self.conv_s(self.norm_s(x, label)) if self._learned else x
        total: Tensor = beside + out
        return total


class PlanesConv3d(nn.Conv3d):
    """A convolution of a volume as a sum of convolutions of its planes; stride 1.

    In one piece, `mask` takes up to 13 GB where PyTorch unfolds it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, D, H, W) to (B, outside, D, H, W)."""
        size, depth = self.weight.shape[2], x.shape[2]
        reach = size // 2
        planes = x.transpose(1, 2).flatten(0, 1)
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        for i, step in enumerate(range(-reach, reach + 1)):
            part = fn.conv2d(planes, self.weight[:, :, i], padding=reach)
            part = part.reshape(-1, depth, *part.shape[1:])
            moved = fn.pad(part, (0, 0, 0, 0, 0, 0, max(-step, 0), max(step, 0)))
            total = total + moved[:, max(step, 0) : max(step, 0) + depth]
        if self.bias is not None:
            total = total + self.bias[:, None, None]
        return total.transpose(1, 2)


def divide_once(network: nn.Module) -> None:
    """Put a plain convolution in the place of each `SpectralConv`, once weights are loaded."""
    for name, part in network.named_children():
        if isinstance(part, SpectralConv):
            setattr(network, name, part.plain())
        else:
            divide_once(part)


def grid3d(volume: Tensor) -> Tensor:
    """(D, H, W, 3): the (x, y, z) of every cell of a volume (..., D, H, W), -1..1."""
    axes = [
        2 * torch.arange(n, dtype=volume.dtype, device=volume.device) / (n - 1) - 1
        for n in volume.shape[-3:]
    ]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack([x, y, z], -1)
