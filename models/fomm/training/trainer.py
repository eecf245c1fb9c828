"""One step of training, as the official code takes it: networks, optimisers, order, rates."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from models.fomm.networks import Generator, KeypointDetector
from models.fomm.training.deformation import Bend
from models.fomm.training.discriminator import Discriminator
from models.fomm.training.losses import DiscriminatorHalf, Generated, GeneratorHalf, loss_names
from models.fomm.training.perceptual import Pyramid
from models.fomm.training.settings import Settings

PARTS = ("generator", "kp_detector", "discriminator")
"""The networks, by the keys of a checkpoint."""

_BETAS = (0.5, 0.999)
"""Of Adam, as officially."""


@dataclass(frozen=True)
class Stepped:
    """What a step left behind.

    Attributes:
        losses: official name to weighted loss, still on the device.
        generated: of the first half.
    """

    losses: dict[str, Tensor]
    generated: Generated


class Trainer:
    """Networks and optimisers on a device.

    Attributes:
        settings: what is trained.
        device: where.
        networks: `generator`, `kp_detector` and `discriminator`.
        optimizers: likewise.
        pyramid: makes the scales that are compared.
        halves: both halves of a step; a launcher of many processes wraps them.
    """

    def __init__(
        self,
        settings: Settings,
        judge: nn.Module,
        device: str | torch.device = "cpu",
        *,
        mixed: bool = False,
        channels_last: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Untrained networks.

        Args:
            settings: what to train.
            judge: the perceptual network.
            device: where.
            mixed: compute convolutions in bfloat16.
            channels_last: keep pictures' channels together, which is faster in most places.
            dtype: of all parameters.
        """
        self.settings = settings
        self.device = torch.device(device)
        self.networks: dict[str, nn.Module] = {
            "generator": Generator(settings.networks),
            "kp_detector": KeypointDetector(settings.networks),
            "discriminator": Discriminator(settings.critic),
        }
        self.pyramid = Pyramid(settings.scales)
        self._judge = judge
        self._layout = torch.channels_last if channels_last else torch.contiguous_format
        self._mixed = mixed
        for network in (*self.networks.values(), self.pyramid, judge):
            network.to(device=self.device, dtype=dtype)
            if channels_last:
                network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, unused-ignore]
        for network in self.networks.values():
            network.train()
        rates = settings.rates
        self.optimizers = {
            part: torch.optim.Adam(
                self.networks[part].parameters(), lr=getattr(rates, part), betas=_BETAS
            )
            for part in PARTS
        }
        for optimizer in self.optimizers.values():
            for group in optimizer.param_groups:
                group["initial_lr"] = group["lr"]  # The official code needs it to resume.
        self.halves: dict[str, nn.Module] = {
            "generator": GeneratorHalf(
                settings,
                self.networks["generator"],  # type: ignore[arg-type, unused-ignore]
                self.networks["kp_detector"],  # type: ignore[arg-type, unused-ignore]
                self.networks["discriminator"],  # type: ignore[arg-type, unused-ignore]
                judge,
                self.pyramid,
            ),
            "discriminator": DiscriminatorHalf(
                settings,
                self.networks["discriminator"],  # type: ignore[arg-type, unused-ignore]
                self.pyramid,
            ),
        }

    def set_epoch(self, epoch: int) -> None:
        """Set the rates of an epoch; those after the milestones, however one came there."""
        for part, optimizer in self.optimizers.items():
            base = getattr(self.settings.rates, part)
            for group in optimizer.param_groups:
                group["lr"] = self.settings.rate(base, epoch)
                group["initial_lr"] = base

    def step(self, source: Tensor, driving: Tensor, bend: Bend) -> Stepped:
        """Learn from a batch.

        Args:
            source: (B, 3, S, S), 0..1.
            driving: likewise, of the same clips.
            bend: a random transform for each.
        """
        source, driving = self.placed(source), self.placed(driving)
        bend = bend.like(source)
        names = loss_names(self.settings.adversarial)
        # It is only asked here: no gradient falls on it.
        self.networks["discriminator"].requires_grad_(False)
        with self._precision():
            *found, generated = self.halves["generator"](source, driving, bend)
        losses = dict(zip(names, found, strict=True))
        self._update(torch.stack(found).sum(), ("generator", "kp_detector"))
        if self.settings.adversarial:
            self.networks["discriminator"].requires_grad_(True)
            with self._precision():
                loss, *_ = self.halves["discriminator"](
                    generated.prediction.detach(), driving, generated.driving.values.detach()
                )
            losses["disc_gan"] = loss
            self._update(loss, ("discriminator",))
        return Stepped({name: loss.detach() for name, loss in losses.items()}, generated)

    def placed(self, picture: Tensor) -> Tensor:
        """A batch on the device, in the layout of the networks."""
        like = next(self.networks["generator"].parameters())
        return picture.to(like.device, like.dtype, memory_format=self._layout, non_blocking=True)

    def state(self) -> dict[str, Any]:
        """The networks and optimisers under the official keys, without `epoch`."""
        out: dict[str, Any] = {part: self.networks[part].state_dict() for part in PARTS}
        for part in PARTS:
            out[f"optimizer_{part}"] = self.optimizers[part].state_dict()
        return out

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises:
            KeyError, ValueError, RuntimeError: it does not fit.
        """
        for part in PARTS:
            # The counters of batch norms, which older files lack, change nothing.
            counters = {
                key: value
                for key, value in self.networks[part].state_dict().items()
                if key.endswith("num_batches_tracked")
            }
            self.networks[part].load_state_dict({**counters, **state[part]})
            self.optimizers[part].load_state_dict(state[f"optimizer_{part}"])

    def _update(self, loss: Tensor, parts: tuple[str, ...]) -> None:
        for part in parts:
            self.optimizers[part].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
        for part in parts:
            self.optimizers[part].step()

    def _precision(self) -> AbstractContextManager[Any]:
        if not self._mixed:
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)
