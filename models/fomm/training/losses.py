"""Both halves of a training step: what is computed of a batch, and what it costs.

Each half is one module with one forward, so that `DistributedDataParallel` can wrap it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.fomm.blocks import full, inverse, product
from models.fomm.networks import Generator, KeypointDetector, Motion, Points
from models.fomm.training.deformation import Bend
from models.fomm.training.discriminator import Discriminator, Judgement
from models.fomm.training.perceptual import Pyramid, terms
from models.fomm.training.settings import Settings


class Generated(NamedTuple):
    """What the first half of a step made.

    Attributes:
        prediction: (B, 3, S, S), 0..1.
        motion: the dense motion.
        source: keypoints of the source.
        driving: those of the driving picture.
        transformed: those of the bent driving picture.
        bent: the bent driving picture.
        fake: the discriminator's judgements of the prediction by scale, if it takes part.
        real: those of the driving picture.
        perceptual: (scales, layers), the differences before they are weighted.
    """

    prediction: Tensor
    motion: Motion
    source: Points
    driving: Points
    transformed: Points
    bent: Tensor
    fake: dict[float, Judgement]
    real: dict[float, Judgement]
    perceptual: Tensor


class GeneratorHalf(nn.Module):
    """Keypoints, prediction and all losses but the discriminator's own."""

    def __init__(
        self,
        settings: Settings,
        generator: Generator,
        detector: KeypointDetector,
        discriminator: Discriminator,
        judge: nn.Module,
        pyramid: Pyramid,
    ) -> None:
        """Put together what is trained (registered) and what is only asked (not registered)."""
        super().__init__()
        self.generator = generator
        self.kp_detector = detector
        self._asked = (discriminator, judge, pyramid)
        self._settings = settings

    def forward(
        self, source: Tensor, driving: Tensor, bend: Bend
    ) -> tuple[Tensor | Generated, ...]:
        """The losses as tensors, in the order of `loss_names`, and then `Generated`."""
        weights = self._settings.weights
        discriminator, judge, pyramid = self._asked
        points = self.kp_detector(source), self.kp_detector(driving)
        prediction, motion = self.generator(source, *points)
        losses = []
        made, wanted = pyramid(prediction), pyramid(driving)
        differences = terms(judge, made, wanted)
        losses.append((differences * differences.new_tensor(weights.perceptual)).sum())
        fake: dict[float, Judgement] = {}
        real: dict[float, Judgement] = {}
        if self._settings.adversarial:
            fake = discriminator(made, points[1].values)
            with torch.no_grad():
                real = discriminator(wanted, points[1].values)
            losses.append(
                torch.stack([weights.gan * ((1 - f.map) ** 2).mean() for f in fake.values()]).sum()
            )
            apart = torch.stack([matching(real[s], fake[s]) for s in fake])
            losses.append((apart * apart.new_tensor(weights.matching)).sum())
        bent = bend.picture(driving, self._settings.networks.align_corners)
        transformed: Points = self.kp_detector(bent)
        value = (points[1].values - bend.points(transformed.values)).abs().mean()
        losses.append(weights.value * value)
        turned = product(bend.jacobian(transformed.values), transformed.jacobians)
        turned = product(inverse(points[1].jacobians), turned)
        eye = torch.eye(2, dtype=turned.dtype, device=turned.device)
        losses.append(weights.jacobian * (eye - turned).abs().mean())
        generated = Generated(
            prediction, motion, *points, transformed, bent, fake, real, differences
        )
        return (*losses, generated)


class DiscriminatorHalf(nn.Module):
    """The discriminator's own loss."""

    def __init__(self, settings: Settings, discriminator: Discriminator, pyramid: Pyramid) -> None:
        """Put together what is trained and what is only asked."""
        super().__init__()
        self.discriminator = discriminator
        self._asked = (pyramid,)
        self._weight = settings.weights.critic

    def forward(
        self, prediction: Tensor, driving: Tensor, points: Tensor
    ) -> tuple[Tensor, dict[float, Judgement], dict[float, Judgement]]:
        """The loss, and the judgements of the prediction and of the driving picture."""
        (pyramid,) = self._asked
        fake = self.discriminator(pyramid(prediction.detach()), points)
        real = self.discriminator(pyramid(driving), points)
        loss = torch.stack(
            [((1 - real[s].map) ** 2).mean() + (fake[s].map ** 2).mean() for s in fake]
        ).sum()
        return self._weight * loss, fake, real


def matching(real: Judgement, fake: Judgement) -> Tensor:
    """(blocks,): the mean absolute difference of a discriminator's features."""
    pairs = zip(real.features, fake.features, strict=True)
    return torch.stack([(full(a) - full(b)).abs().mean() for a, b in pairs])


def loss_names(adversarial: bool) -> tuple[str, ...]:
    """The official names of what `GeneratorHalf` returns."""
    gan = ("gen_gan", "feature_matching") if adversarial else ()
    return ("perceptual", *gan, "equivariance_value", "equivariance_jacobian")
