"""The networks in PyTorch, for machines whose PyTorch reaches a GPU that ONNX Runtime does not.

On CUDA the convolutions compute in float16 with channels last, and each network is recorded once
as a CUDA graph; on the CPU the same code runs in float32, so that it can be tested there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.cuda_graph import recorded
from models.fomm.config import KEYPOINTS, Config
from models.fomm.manifest import Manifest, verified
from models.fomm.motion import jacobians_of
from models.fomm.networks import Generator, KeypointDetector, Points
from models.keypoints import Keypoints
from models.onnx_engine import TORCH_WEIGHTS
from models.types import Floats


@dataclass(frozen=True)
class _Source:
    features: Tensor
    small: Tensor
    points: Points


class TorchEngine:
    """The networks on one PyTorch device: an `engine.Engine`.

    Attributes:
        device: where it computes, in a few words.
    """

    def __init__(
        self, state: dict[str, dict[str, Tensor]], config: Config, device: str | None = None
    ) -> None:
        """Build the networks.

        Args:
            state: the state dicts of `generator` and `kp_detector`.
            config: what they were trained as.
            device: as PyTorch names it; None for CUDA where there is one, else the CPU.
        """
        self._place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        cuda = self._place.type == "cuda"
        self._detector = self._ready(KeypointDetector(config), state["kp_detector"])
        self._generator = self._ready(Generator(config), state["generator"])
        if cuda:
            self.device = f"PyTorch on {torch.cuda.get_device_name(self._place)}, fp16"
        else:
            self.device = f"PyTorch on the {self._place.type.upper()}, fp32"
        side = config.side
        self._detect = recorded(self._run_detect, [self._zeros(1, 3, side, side)])
        source = self._run_encode(self._zeros(1, 3, side, side))
        identity = torch.eye(2, device=self._place).expand(1, KEYPOINTS, 2, 2).contiguous()
        points = [self._zeros(1, KEYPOINTS, 2), identity]
        self._render = recorded(self._run_render, [*source, *points, *points])

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
        path = verified(folder, manifest, TORCH_WEIGHTS)
        state = torch.load(path, map_location="cpu", weights_only=True)
        return cls(state, manifest.settings, device)

    def detect(self, picture: Floats) -> Keypoints:
        """The keypoints of a picture."""
        values, jacobians = self._detect([self._upload(picture)])
        return Keypoints(values[0].cpu().numpy(), jacobians[0].cpu().numpy())

    def encode(self, picture: Floats, keypoints: Keypoints) -> _Source:
        """A source ready for `render`."""
        features, small = self._run_encode(self._upload(picture))
        return _Source(features, small, self._points(keypoints))

    def render(self, source: _Source, keypoints: Keypoints) -> Floats:
        """The picture of a source moved to keypoints."""
        inputs = [source.features, source.small, *source.points, *self._points(keypoints)]
        (picture,) = self._render(inputs)
        result: Floats = picture.cpu().numpy()
        return result

    def _ready(self, module: nn.Module, state: dict[str, Tensor]) -> nn.Module:
        module.load_state_dict(state, strict=False)  # Counters may lack; the rest was checked.
        module.eval().requires_grad_(False).to(self._place)
        if self._place.type == "cuda":
            for part in module.modules():
                if isinstance(part, nn.Conv2d):
                    part.half()
                    weight = part.weight.data
                    part.weight.data = weight.contiguous(memory_format=torch.channels_last)
        return module

    def _mixed(self) -> AbstractContextManager[Any]:
        # Coordinates and softmax stay in float32: half a pixel is lost in float16.
        if self._place.type != "cuda":
            return nullcontext()
        return torch.autocast("cuda", torch.float16, cache_enabled=False)

    @torch.inference_mode()
    def _run_detect(self, picture: Tensor) -> Sequence[Tensor]:
        with self._mixed():
            return [part.float() for part in self._detector(picture)]

    @torch.inference_mode()
    def _run_encode(self, picture: Tensor) -> Sequence[Tensor]:
        assert isinstance(self._generator, Generator)
        with self._mixed():
            features, small = self._generator.encode(picture)
        return [features.float().contiguous(), small.float()]

    @torch.inference_mode()
    def _run_render(self, features: Tensor, small: Tensor, *points: Tensor) -> Sequence[Tensor]:
        assert isinstance(self._generator, Generator)
        source, driving = Points(*points[:2]), Points(*points[2:])
        with self._mixed():
            picture, _ = self._generator.decode(features, small, source, driving)
        return [picture.float()]

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self._place)

    def _upload(self, array: Floats) -> Tensor:
        return torch.from_numpy(array).to(self._place, torch.float32)

    def _points(self, keypoints: Keypoints) -> Points:
        return Points(
            self._upload(keypoints.values[None]), self._upload(jacobians_of(keypoints)[None])
        )
