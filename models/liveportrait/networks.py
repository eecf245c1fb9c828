"""LivePortrait's networks in PyTorch, for import and export.

Parameter names and outputs are those of the official implementation (LivePortrait, arXiv
2407.03168), so its files fit. Pictures are (B, 3, 256, 256), RGB, 0..1.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as fn

from models.liveportrait.blocks import (
    ConvNext,
    Down2d,
    Hourglass,
    Norm,
    PlanesConv3d,
    Res3d,
    Same2d,
    SpadeBlock,
    grid3d,
)
from models.liveportrait.config import BINS, DEGREES, DEPTH, KEYPOINTS, LEAST, VARIANCE


class FeatureExtractor(nn.Module):
    """What the source looks like, as a volume: once for each avatar."""

    def __init__(self) -> None:
        """Untrained weights."""
        super().__init__()
        self.first = Same2d(3, 64)
        self.down_blocks = nn.ModuleList([Down2d(64, 128), Down2d(128, 256)])
        self.second = nn.Conv2d(256, 512, 1)
        self.resblocks_3d = nn.Sequential()
        for i in range(6):
            self.resblocks_3d.add_module(f"3dr{i}", Res3d(32))

    def forward(self, picture: Tensor) -> Tensor:
        """The volume (B, 32, 16, 64, 64)."""
        out = self.first(picture)
        for block in self.down_blocks:
            out = block(out)
        out = self.second(out)
        volume: Tensor = self.resblocks_3d(out.reshape(len(out), -1, DEPTH, *out.shape[2:]))
        return volume


class MotionExtractor(nn.Module):
    """Canonical keypoints, pose and expression: ConvNeXt V2 (arXiv 2301.00808), tiny, and heads."""

    def __init__(self) -> None:
        """Untrained weights."""
        super().__init__()
        self.detector = _Detector()

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        """The heads by name.

        Returns:
            pitch, yaw, roll (B,) in degrees, scale (B, 1), t (B, 3), kp and exp (B, 21, 3).
        """
        raw: dict[str, Tensor] = self.detector(picture)
        heads = {
            name: value.reshape(-1, KEYPOINTS, 3) if name in ("kp", "exp") else value
            for name, value in raw.items()
        }
        places = torch.arange(BINS, dtype=picture.dtype, device=picture.device)
        for name in ("pitch", "yaw", "roll"):
            share = torch.softmax(raw[name], 1)
            heads[name] = DEGREES * (share * places).sum(1) + LEAST
        return heads


class _Detector(nn.Module):
    _DEPTHS, _WIDTHS = (3, 3, 9, 3), (96, 192, 384, 768)

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, self._WIDTHS[0], 4, stride=4), Norm(self._WIDTHS[0], 1))
        self.downsample_layers = nn.ModuleList([stem])
        for inside, outside in pairwise(self._WIDTHS):
            step = nn.Sequential(Norm(inside, 1), nn.Conv2d(inside, outside, 2, stride=2))
            self.downsample_layers.append(step)
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNext(width) for _ in range(depth)))
            for depth, width in zip(self._DEPTHS, self._WIDTHS, strict=True)
        )
        last = self._WIDTHS[-1]
        self.norm = nn.LayerNorm(last, eps=1e-6)
        self.fc_kp = nn.Linear(last, 3 * KEYPOINTS)
        self.fc_scale = nn.Linear(last, 1)
        self.fc_pitch = nn.Linear(last, BINS)
        self.fc_yaw = nn.Linear(last, BINS)
        self.fc_roll = nn.Linear(last, BINS)
        self.fc_t = nn.Linear(last, 3)
        self.fc_exp = nn.Linear(last, 3 * KEYPOINTS)

    def forward(self, picture: Tensor) -> dict[str, Tensor]:
        out = picture
        for step, stage in zip(self.downsample_layers, self.stages, strict=True):
            out = stage(step(out))
        out = self.norm(out.mean((2, 3)))
        names = ("pitch", "yaw", "roll", "t", "exp", "scale", "kp")
        return {name: getattr(self, f"fc_{name}")(out) for name in names}


class DenseMotion(nn.Module):
    """From keypoints to the motion of every cell of the volume, and to what the source hides."""

    def __init__(self) -> None:
        """Untrained weights."""
        super().__init__()
        entries = KEYPOINTS + 1
        self.hourglass = Hourglass(5 * entries)
        channels = self.hourglass.out_channels
        self.mask = PlanesConv3d(channels, entries, 7, padding=3)
        self.compress = nn.Conv3d(32, 4, 1)
        self.norm = nn.BatchNorm3d(4)
        self.occlusion = nn.Conv2d(channels * DEPTH, 1, 7, padding=3)

    def forward(
        self, volume: Tensor, source: Tensor, driving: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Motion between the keypoints of the source and those wanted.

        Args:
            volume: (B, 32, 16, 64, 64), of `FeatureExtractor`.
            source: (B, 21, 3), the keypoints of the source.
            driving: (B, 21, 3), those wanted.

        Returns:
            The mask (B, 22, 16, 64, 64), the deformation (B, 16, 64, 64, 3) and the occlusion map
            (B, 1, 64, 64).
        """
        features = fn.relu(self.norm(self.compress(volume)))
        here = grid3d(volume)
        shift = (source - driving)[:, :, None, None, None]
        moved = here[None, None] + shift
        still = here.expand(len(volume), 1, *here.shape)
        motions = torch.cat([still, moved], 1)
        entries = motions.shape[1]
        many = features[:, None].expand(-1, entries, -1, -1, -1, -1).flatten(0, 1)
        warped = fn.grid_sample(many, motions.flatten(0, 1), align_corners=False)
        warped = warped.reshape(-1, entries, *warped.shape[1:])
        heat = _gaussians(here, driving) - _gaussians(here, source)
        heat = torch.cat([torch.zeros_like(heat[:, :1]), heat], 1)[:, :, None]
        out = self.hourglass(torch.cat([heat, warped], 2).flatten(1, 2))
        mask = torch.softmax(self.mask(out), 1)
        deformation = (mask[..., None] * motions).sum(1)
        return mask, deformation, torch.sigmoid(self.occlusion(out.flatten(1, 2)))


def _gaussians(here: Tensor, points: Tensor) -> Tensor:
    """(B, 21, 16, 64, 64): how near every cell of the grid (16, 64, 64, 3) is to each point."""
    far = (here[None, None] - points[:, :, None, None, None]).square().sum(-1)
    return torch.exp(-far / (2 * VARIANCE))


class WarpingModule(nn.Module):
    """The volume moved to the driving keypoints and flattened for the generator."""

    def __init__(self) -> None:
        """Untrained weights."""
        super().__init__()
        self.dense_motion_network = DenseMotion()
        self.third = Same2d(512, 256, slope=0.01)
        self.fourth = nn.Conv2d(256, 256, 1)

    def forward(
        self, volume: Tensor, source: Tensor, driving: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the generator takes (B, 256, 64, 64), and what `DenseMotion` gives."""
        mask, deformation, occlusion = self.dense_motion_network(volume, source, driving)
        out = fn.grid_sample(volume, deformation, align_corners=False)
        out = self.fourth(self.third(out.flatten(1, 2))) * occlusion
        return out, mask, deformation, occlusion


class Generator(nn.Module):
    """Paints the picture: SPADE blocks (arXiv 1903.07291) whose labels are the moved features."""

    def __init__(self) -> None:
        """Untrained weights."""
        super().__init__()
        self.fc = nn.Conv2d(256, 512, 3, padding=1)
        for i in range(6):
            self.add_module(f"G_middle_{i}", SpadeBlock(512, 512))
        self.up_0 = SpadeBlock(512, 256)
        self.up_1 = SpadeBlock(256, 64)
        self.conv_img = nn.Sequential(nn.Conv2d(64, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, warped: Tensor) -> Tensor:
        """The picture (B, 3, 512, 512), 0..1, of what the warping module gives."""
        out = self.fc(warped)
        for i in range(6):
            out = self.get_submodule(f"G_middle_{i}")(out, warped)
        out = self.up_0(fn.interpolate(out, scale_factor=2), warped)
        out = self.up_1(fn.interpolate(out, scale_factor=2), warped)
        return torch.sigmoid(self.conv_img(fn.leaky_relu(out, 0.2)))


class Perceptron(nn.Module):
    """One of the three small networks: stitching, and retargeting of lips and eyes."""

    def __init__(self, widths: Sequence[int]) -> None:
        """Untrained weights of layers between these widths."""
        super().__init__()
        layers: list[nn.Module] = []
        for inside, outside in pairwise(widths):
            layers += [nn.Linear(inside, outside), nn.ReLU()]
        self.mlp = nn.Sequential(*layers[:-1])

    def forward(self, values: Tensor) -> Tensor:
        """(B, first width) to (B, last width)."""
        out: Tensor = self.mlp(values)
        return out


def build(module: str) -> nn.Module:
    """One of `config.MODULES`, untrained, as in use (not in training)."""
    made: nn.Module
    if module == "appearance_feature_extractor":
        made = FeatureExtractor()
    elif module == "motion_extractor":
        made = MotionExtractor()
    elif module == "warping_module":
        made = WarpingModule()
    elif module == "spade_generator":
        made = Generator()
    else:
        widths = {
            "stitching": (126, 128, 128, 64, 65),
            "lip": (65, 128, 128, 64, 63),
            "eye": (66, 256, 256, 128, 128, 64, 63),
        }
        made = Perceptron(widths[module])
    return made.eval()
