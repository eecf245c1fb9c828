"""The eye network in PyTorch: what it computes, learns from, and is exported as."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.mesh.eye_region import BLEND, BRIGHTER, DARKER, MEAN_SIDE, PLANES, SIDE
from models.onnx_graph import Graph
from models.quantization import to_integers
from models.types import Floats
from scripts.evaluation.judges import Perceptual

WIDTHS = (16, 32, 48)
"""Channels at 1/2, 1/4 and 1/8 of the region's size: 51 million products for both eyes, some
milliseconds of one thread. The shipped weights have them."""

_EYES = 2
"""Regions in one run of the exported network: both eyes."""


class _Block(nn.Module):
    """A convolution, batch norm and ReLU."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.norm(self.conv(x)))


class EyeNet(nn.Module):
    """A small U-Net over a region's planes (B, 12, S, S) with answers (B, 2, S, S) in -1..1.

    The answers are light and contrast of every pixel.
    """

    def __init__(self) -> None:
        """A network that answers about zero at first."""
        super().__init__()
        a, b, c = WIDTHS
        self.start = nn.Sequential(_Block(PLANES, a, 2), _Block(a, a))
        self.down = nn.Sequential(_Block(a, b, 2), _Block(b, b))
        self.deep = nn.Sequential(_Block(b, c, 2), _Block(c, c), _Block(c, c))
        self.up = _Block(c + b, b)
        self.fine = _Block(b + a, a)
        self.answer = nn.Conv2d(a, 8, 3, 1, 1)
        nn.init.normal_(self.answer.weight, std=1e-3)
        assert self.answer.bias is not None
        nn.init.zeros_(self.answer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Answers for planes."""
        half = self.start(x)
        quarter = self.down(half)
        x = self.up(torch.cat([_doubled(self.deep(quarter)), quarter], 1))
        x = self.fine(torch.cat([_doubled(x), half], 1))
        return torch.tanh(functional.pixel_shuffle(self.answer(x), 2))


def refined(planes: Tensor, prior: Tensor, answer: Tensor) -> Tensor:
    """The picture (B, 3, S, S) with an answer applied, as the live path does it.

    Args:
        planes: (B, 12, S, S), what the network saw.
        prior: (B, 1, S, S), how much of the correction is to be seen.
        answer: (B, 2, S, S), what it answered.
    """
    drawn = planes[:, :3]
    mean = functional.avg_pool2d(drawn, MEAN_SIDE, 1, MEAN_SIDE // 2, count_include_pad=False)
    light, share = (answer[:, i : i + 1] * prior for i in range(2))
    light = light * torch.where(light < 0, DARKER, BRIGHTER)
    blend = share * BLEND
    mixed = drawn + (mean - drawn) * blend
    mixed = mixed + (mixed.mean(1, keepdim=True) - mixed) * blend.clamp(0, 1)
    return mixed * torch.exp(light)


class Critic(nn.Module):
    """Says of small patches whether they are of a real rendering (Mao et al. 2017)."""

    def __init__(self) -> None:
        """Takes a picture and the region's masks."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3 + 4, 24, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(24, 48, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(48, 1, 3, 1, 1),
        )  # fmt: skip

    def forward(self, picture: Tensor, planes: Tensor) -> Tensor:
        """(B, 1, S / 4, S / 4)."""
        return self.layers(torch.cat([picture, planes[:, 6:10]], 1))


class Features(nn.Module):
    """The first layers of EfficientNet-lite0 (ImageNet), fixed: how alike do pictures look?"""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            UserError: a package is missing; says which.
        """
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):
            net = Perceptual().network
        self.stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(net._blocks[:5])
        self.eval().requires_grad_(False)
        for parameter in self.parameters():  # Faster so on CPUs.
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features at 1/2, 1/4 and 1/8 of the size, of unit length at each place."""
        x = self.stem((x - 0.498) / 0.502)
        found = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in (0, 2, 4):
                found.append(x / (x.norm(dim=1, keepdim=True) + 1e-3))
        return found


def losses(
    out: Tensor, wanted: Tensor, planes: Tensor, prior: Tensor, features: Features | None
) -> dict[str, Tensor]:
    """What is wrong with a refined picture, each term a number; only inside the prior.

    Args:
        out: (B, 3, S, S), the refined picture.
        wanted: (B, 3, S, S), what it should be.
        planes: (B, 12, S, S), what the network saw: openings and lid edges count more.
        prior: (B, 1, S, S).
        features: what judges likeness, or None for the other terms alone.
    """
    weight = prior * (1 + 2 * planes[:, 6:7] + planes[:, 8:9])
    total = weight.sum() + 1.0
    error = (out - wanted) * weight
    grown = functional.max_pool2d(prior, 5, 1, 2).clamp(max=1)
    # Outside both are the same picture: features there must not ask for the impossible.
    goal = wanted * grown + out.detach() * (1 - grown)
    found = {
        "l1": error.abs().sum() / total / 3,
        "gradient": sum(
            ((_slope(out, axis) - _slope(wanted, axis)).abs() * _cut(weight, axis)).sum()
            for axis in (2, 3)
        )
        / total
        / 6,
        "pooled": functional.avg_pool2d(error, 4).abs().sum() * 16 / total / 3,
    }
    if features is not None:
        half = (len(out) + 1) // 2  # Features cost more than all the rest together.
        pairs = zip(features(out[:half]), features(goal[:half]), strict=True)
        found["perceptual"] = sum(((a - b) ** 2).sum(1).mean() for a, b in pairs) / 3
    return found


def export(net: EyeNet) -> onnx.ModelProto:
    """The network as an ONNX graph with its batch norms folded: `planes` to `answer`."""
    net = net.eval()
    graph = Graph("eyes")
    planes = graph.input("planes", (_EYES, PLANES, SIDE, SIDE))

    def conv(x: str, layer: nn.Conv2d) -> str:
        assert layer.bias is not None
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        return graph.conv(x, weight, bias, 1, strides=list(layer.stride))

    def blocks(x: str, layers: nn.Module) -> str:
        for block in layers.children() if isinstance(layers, nn.Sequential) else [layers]:
            assert isinstance(block, _Block)
            x = graph.op("Relu", conv(x, fuse_conv_bn_eval(block.conv, block.norm)))
        return x

    def doubled(x: str) -> str:
        return graph.op(
            "Resize", x, "", graph.constant([1, 1, 2, 2]), mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip

    half = blocks(planes, net.start)
    quarter = blocks(half, net.down)
    x = graph.op("Concat", doubled(blocks(quarter, net.deep)), quarter, axis=1)
    x = graph.op("Concat", doubled(blocks(x, net.up)), half, axis=1)
    x = conv(blocks(x, net.fine), net.answer)
    x = graph.op("DepthToSpace", x, blocksize=2, mode="CRD")
    graph.output("answer", graph.op("Tanh", x), (_EYES, 2, SIDE, SIDE))
    return graph.model()


def quantize(model: onnx.ModelProto, target: Path, samples: Sequence[Floats]) -> None:
    """Write a copy of `model` that computes with 8-bit integers on any processor.

    Args:
        model: the network in float32.
        target: the file to write.
        samples: inputs like those to come, for the ranges of what lies between.
    """
    inputs = ({"planes": sample} for sample in samples)
    to_integers(model, target, inputs, ["Conv", "Relu", "Concat", "Resize"])


def multiplications(model: onnx.ModelProto) -> int:
    """Products in the convolutions of one run."""
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in onnx.shape_inference.infer_shapes(model).graph.value_info
    }
    constants = {c.name: numpy_helper.to_array(c).shape for c in model.graph.initializer}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            batch, channels, height, width = shapes[node.output[0]]
            total += batch * channels * height * width * int(np.prod(constants[node.input[1]][1:]))
    return total


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _slope(x: Tensor, axis: int) -> Tensor:
    return x.diff(dim=axis)


def _cut(x: Tensor, axis: int) -> Tensor:
    """As large as the slope of x."""
    return x.narrow(axis, 1, x.shape[axis] - 1)
