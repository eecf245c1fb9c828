"""How long does a training step take, against a plain one as the official code takes it?

All ways take turns step by step in one process, so that whatever else the machine does hits all
alike; the figure is the median. Weights and pictures are random, and VGG19's too: the work is the
same.

    python -m scripts.benchmarks.benchmark_training --config vox-256 --batch 2 --steps 5
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from models.fomm.training.deformation import Bend
from models.fomm.training.losses import GeneratorHalf
from models.fomm.training.perceptual import Vgg19
from models.fomm.training.settings import Settings, load_settings
from models.fomm.training.trainer import Trainer

PAIR_FLOP = {"vox-256": 534e9, "vox-adv-256": 673e9}
"""Of a pair in one step, counted by PyTorch's counter over the official code: the arithmetic that
no implementation of the same training escapes."""


class PlainBend(Bend):
    """Derivatives by automatic differentiation, one call for each coordinate, as officially."""

    def jacobian(self, z: Tensor) -> Tensor:
        """As `Bend.jacobian`."""
        moved = self.points(z)
        rows = [torch.autograd.grad(moved[..., i].sum(), z, create_graph=True)[0] for i in (0, 1)]
        return torch.stack(rows, -2)

    def like(self, x: Tensor) -> PlainBend:
        """As `Bend.like`."""
        return PlainBend(self.affine.to(x), self.weights.to(x))


class PlainTrainer(Trainer):
    """The discriminator gets gradients in the generator's pass, which are thrown away."""

    def step(self, source: Tensor, driving: Tensor, bend: Bend) -> object:  # type: ignore[override]
        """As `Trainer.step`."""
        half = self.halves["generator"]
        assert isinstance(half, GeneratorHalf)
        self.networks["discriminator"].requires_grad_(True)
        source, driving = self.placed(source), self.placed(driving)
        *losses, generated = half(source, driving, bend.like(source))
        self._update(torch.stack(losses).sum(), ("generator", "kp_detector"))
        if self.settings.adversarial:
            self.optimizers["discriminator"].zero_grad()
            loss, *_ = self.halves["discriminator"](
                generated.prediction.detach(), driving, generated.driving.values.detach()
            )
            self._update(loss, ("discriminator",))
        return generated


def ways(settings: Settings, device: str, wanted: Sequence[str]) -> dict[str, Trainer]:
    """The trainers to compare, by what they are called."""
    made: dict[str, Callable[[nn.Module], Trainer]] = {
        "plain": lambda judge: PlainTrainer(settings, judge, device),
        "fp32": lambda judge: Trainer(settings, judge, device, channels_last=True),
        "bf16": lambda judge: Trainer(settings, judge, device, channels_last=True, mixed=True),
    }
    out = {}
    for name in wanted:
        base, _, compiled = name.partition("+")
        trainer = made[base](Vgg19())
        if compiled:
            for half in trainer.halves.values():
                half.compile()
        out[name] = trainer
    return out


def measure(
    trainers: dict[str, Trainer], settings: Settings, steps: int, warm: int
) -> dict[str, list[float]]:
    """Seconds of every step, the trainers taking turns.

    Args:
        trainers: by name.
        settings: says how large a batch is.
        steps: of each that count.
        warm: before them, which do not: the first ones choose algorithms and compile.
    """
    shape = (settings.batch, 3, settings.side, settings.side)
    random = torch.Generator().manual_seed(0)
    source, driving = (torch.rand(shape, generator=random) for _ in range(2))
    drawn = settings.sigma_affine, settings.sigma_tps, settings.points_tps
    bend = Bend.draw(settings.batch, *drawn, random)
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for number in range(warm + steps):
        for name, trainer in trainers.items():
            kind = PlainBend if name == "plain" else Bend
            _wait(trainer)
            start = time.perf_counter()
            trainer.step(source, driving, kind(bend.affine, bend.weights))
            _wait(trainer)
            if number >= warm:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _wait(trainer: Trainer) -> None:
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--config", default="vox-256")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--ways", default="plain,fp32,fp32+compile,bf16,bf16+compile")
    told = parser.parse_args()
    settings = load_settings(told.config, {"batch_size": told.batch})
    trainers = ways(settings, told.device, told.ways.split(","))
    found = measure(trainers, settings, told.steps, told.warm)
    first = statistics.median(next(iter(found.values())))
    where = torch.cuda.get_device_name() if told.device == "cuda" else "CPU"
    threads = "" if told.device == "cuda" else f", {torch.get_num_threads()} threads"
    print(
        f"{settings.name}, batch {settings.batch}, {where}{threads}; medians of {told.steps} steps"
    )
    for name, seconds in found.items():
        middle = statistics.median(seconds)
        rate = settings.batch / middle
        line = (
            f"{name:14} {middle * 1e3:9.1f} ms a step  {rate:8.2f} pairs/s  {first / middle:5.2f} x"
        )
        if settings.name in PAIR_FLOP:
            line += f"  {PAIR_FLOP[settings.name] * rate / 1e12:7.2f} TFLOP/s"
        print(line)


if __name__ == "__main__":
    main()
