"""The networks in PyTorch, for machines whose PyTorch reaches a GPU that ONNX Runtime does not.

On CUDA the convolutions compute in float16 with channels last, and what every frame needs is
recorded once as CUDA graphs; on the CPU the same code runs in float32, so that it can be tested
there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.cuda_graph import recorded
from models.liveportrait.blocks import divide_once
from models.liveportrait.config import KEYPOINTS, MODULES, SIDE
from models.liveportrait.engine import FEATURES, HEADS
from models.liveportrait.heads import Heads
from models.liveportrait.manifest import STORE, Manifest
from models.liveportrait.motion import stitched
from models.liveportrait.networks import build
from models.onnx_engine import TORCH_WEIGHTS
from models.types import Floats

_HALF = ("appearance_feature_extractor", "warping_module", "spade_generator")
"""What computes in float16 on a card; motion needs all digits, and the others are small."""


class TorchEngine:
    """The networks on one PyTorch device: an `engine.Engine`.

    Attributes:
        device: where it computes, in a few words.
    """

    def __init__(
        self, weights: Mapping[str, Mapping[str, Tensor]], device: str | None = None
    ) -> None:
        """Build the networks.

        Args:
            weights: by module.
            device: as PyTorch names it; None for CUDA where there is one, else the CPU.
        """
        self._place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if self._place.type == "cuda":
            self.device = f"PyTorch on {torch.cuda.get_device_name(self._place)}, fp16"
        else:
            self.device = f"PyTorch on the {self._place.type.upper()}, fp32"
        self._networks = {module: self._ready(module, weights[module]) for module in MODULES}
        self._motion = recorded(self._run_motion, [self._zeros(1, 3, SIDE, SIDE)])
        points = [self._zeros(1, KEYPOINTS, 3) for _ in range(2)]
        self._render = recorded(self._run_render, [self._zeros(*FEATURES), *points])

    @classmethod
    def load(cls, folder: Path, manifest: Manifest, device: str | None = None) -> TorchEngine:
        """The engine of an imported model.

        Args:
            folder: the model's.
            manifest: what is in it.
            device: as for the constructor.

        Raises:
            UserError: the file of weights was changed.
            KeyError: the model was imported without one.
        """
        path = STORE.verified(folder, manifest, TORCH_WEIGHTS)
        return cls(torch.load(path, map_location="cpu", weights_only=True), device)

    @torch.inference_mode()
    def features(self, picture: Floats) -> Tensor:
        """What the appearance network makes of a photo, kept on the device."""
        with self._mixed():
            made: Tensor = self._networks["appearance_feature_extractor"](self._there(picture))
        return made.float()

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of a picture."""
        made = [part.cpu().numpy() for part in self._motion([self._there(picture)])]
        pitch, yaw, roll, scale = (float(value.reshape(-1)[0]) for value in made[:4])
        kp, exp = (value.reshape(KEYPOINTS, 3) for value in made[5:])
        return Heads(pitch, yaw, roll, scale, made[4].reshape(3), kp, exp)

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """Driving keypoints that fit the source's shoulders."""
        return stitched(driving, self._small("stitching", source, driving))

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """What opens the source's lips from a ratio to another."""
        return self._small("lip", source, [ratio, target]).reshape(KEYPOINTS, 3)

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """What opens the source's eyes from their ratios to another."""
        return self._small("eye", source, [left, right, target]).reshape(KEYPOINTS, 3)

    def render(self, features: Tensor, source: Floats, driving: Floats) -> Floats:
        """The picture of a photo whose keypoints moved.

        Raises:
            FloatingPointError: it is not made of numbers.
        """
        points = (self._there(one[None]) for one in (source, driving))
        (picture,) = self._render([features, *points])
        made: Floats = picture.cpu().numpy()
        if not np.isfinite(made).all():
            raise FloatingPointError("the generator's picture is not made of numbers")
        return made

    def _ready(self, module: str, weights: Mapping[str, Tensor]) -> nn.Module:
        network = build(module)
        network.load_state_dict(weights, strict=False)  # Counters may lack; the rest was checked.
        divide_once(network)
        network.requires_grad_(False).to(self._place)
        if self._place.type == "cuda" and module in _HALF:
            for part in network.modules():
                if isinstance(part, (nn.Conv2d, nn.Conv3d)):
                    part.half()
                if isinstance(part, nn.Conv2d):
                    weight = part.weight.data
                    part.weight.data = weight.contiguous(memory_format=torch.channels_last)
        return network

    def _mixed(self) -> AbstractContextManager[Any]:
        # Coordinates and softmax stay in float32: half a cell is lost in float16.
        if self._place.type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", torch.float16, cache_enabled=False)

    @torch.inference_mode()
    def _run_motion(self, picture: Tensor) -> Sequence[Tensor]:
        found = self._networks["motion_extractor"](picture)
        return [found[name] for name in HEADS]

    @torch.inference_mode()
    def _run_render(self, features: Tensor, source: Tensor, driving: Tensor) -> Sequence[Tensor]:
        with self._mixed():
            warped = self._networks["warping_module"](features, source, driving)[0]
            picture: Tensor = self._networks["spade_generator"](warped)
        return [picture.float()]

    @torch.inference_mode()
    def _small(self, module: str, *values: Any) -> Floats:
        """What one of the three small networks makes of values put behind each other."""
        row = np.concatenate([np.asarray(value, np.float32).reshape(-1) for value in values])
        made: Floats = self._networks[module](self._there(row[None])).cpu().numpy()[0]
        return made

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._place)

    def _there(self, array: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._place, torch.float32)
