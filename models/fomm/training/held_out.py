"""Held-out clips: how well are they rebuilt from their first frame, and how does it look?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from models.fomm.networks import Generator, KeypointDetector, Points
from models.fomm.training.dataset import ClipFolder
from models.fomm.training.trainer import Trainer
from models.types import Image

FRAMES = 8
"""Of each clip, evenly spaced: more would take longer than they tell."""

CLIPS = 16
"""At most so many clips, for the same reason."""

_ROWS = 6
"""Of a sheet."""


class HeldOut:
    """Some frames of clips that are not trained on.

    Attributes:
        still: mean error of the first frame taken for all the others, 0..1: what not moving costs.
    """

    def __init__(self, clips: ClipFolder) -> None:
        """Read the frames.

        Raises:
            UserError: a clip cannot be read.
        """
        self._pairs: list[tuple[Tensor, Tensor]] = []
        for name in clips.names[:CLIPS]:
            frames = clips.clip(name)
            wanted = np.linspace(0, len(frames) - 1, min(FRAMES, len(frames) - 1) + 1).round()
            source = _tensor(frames[0])
            self._pairs += [(source, _tensor(frames[int(i)])) for i in wanted[1:]]
        self.still = float(np.mean([(a - b).abs().mean().item() for a, b in self._pairs]))

    def error(self, trainer: Trainer) -> float:
        """Mean absolute error of the rebuilt frames, 0..1."""
        generator, detector = _networks(trainer)
        found = []
        with _evaluating(generator, detector):
            for source, driving in self._pairs:
                a, b = trainer.placed(source[None]), trainer.placed(driving[None])
                prediction, _ = generator(a, detector(a), detector(b))
                found.append((prediction - b).abs().mean().item())
        return float(np.mean(found))

    def write_sheet(self, trainer: Trainer, path: Path) -> None:
        """Write a picture: source, driving, warped source, what is hidden, and the result."""
        generator, detector = _networks(trainer)
        step = max(len(self._pairs) // _ROWS, 1)
        rows = []
        with _evaluating(generator, detector):
            for source, driving in self._pairs[step - 1 :: step][:_ROWS]:
                a, b = trainer.placed(source[None]), trainer.placed(driving[None])
                points = detector(a), detector(b)
                prediction, motion = generator(a, *points)
                side = source.shape[-1]
                hidden = nn.functional.interpolate(motion.occlusion, size=(side, side))
                rows.append(
                    [
                        _marked(_picture(a), points[0]),
                        _marked(_picture(b), points[1]),
                        _picture(generator.warp(a, motion.deformation)),
                        _picture(hidden.expand(-1, 3, -1, -1)),
                        _picture(prediction),
                    ]
                )
        sheet = np.concatenate([np.concatenate(row, 1) for row in rows])
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))


def _networks(trainer: Trainer) -> tuple[Generator, KeypointDetector]:
    generator, detector = trainer.networks["generator"], trainer.networks["kp_detector"]
    assert isinstance(generator, Generator) and isinstance(detector, KeypointDetector)
    return generator, detector


@contextmanager
def _evaluating(*networks: nn.Module) -> Iterator[None]:
    """Use running statistics, and leave them and what is frozen as they are."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    for network in networks:
        network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _tensor(frame: Image) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))).float() / 255


def _picture(batch: Tensor) -> Image:
    made: Any = (batch[0].float().clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(made.permute(1, 2, 0).cpu().numpy())


def _marked(picture: Image, points: Points) -> Image:
    """The picture with its keypoints, each in its own colour."""
    side = picture.shape[0]
    count = points.values.shape[1]
    for number, (x, y) in enumerate(points.values[0].float().cpu().numpy()):
        hue = np.uint8([[[round(180 * number / count), 255, 255]]])  # type: ignore[arg-type]
        colour = cv2.cvtColor(hue, cv2.COLOR_HSV2RGB)[0, 0].tolist()
        place = round((float(x) + 1) / 2 * (side - 1)), round((float(y) + 1) / 2 * (side - 1))
        cv2.circle(picture, place, max(side // 64, 1), colour, -1)
    return picture
