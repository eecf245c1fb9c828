"""What one run is told besides its configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """What one run is told besides its configuration.

    Attributes:
        data: the folder of clips.
        out: the run's folder.
        start: a checkpoint to start from; optimisers and epochs start afresh.
        device: as PyTorch names it.
        seed: of all that is drawn.
        steps: stop after so many; 0: after the configuration's epochs.
        freeze: names of `running.FREEZABLE`.
        patience: epochs without gain on held-out frames after which it stops; 0: never.
        save_seconds: between two checkpoints within an epoch.
        keep: numbered checkpoints that are kept.
        workers: processes that load pictures.
        mixed: compute convolutions in bfloat16.
        compiled: let PyTorch compile both halves of a step.
        vgg: a file of VGG19's weights.
        smaller: compare with EfficientNet-lite0 although VGG19 could be had.
        cache: where decoded clips are kept; None: in the run's folder.
    """

    data: Path
    out: Path
    start: Path | None = None
    device: str = "cpu"
    seed: int = 0
    steps: int = 0
    freeze: tuple[str, ...] = ()
    patience: int = 0
    save_seconds: float = 600.0
    keep: int = 3
    workers: int = 0
    mixed: bool = False
    compiled: bool = False
    vgg: Path | None = None
    smaller: bool = False
    cache: Path | None = None
