"""Several processes, as `torchrun` or Ray Train start them; alone, all of this does nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.fomm.training.trainer import Trainer


@dataclass(frozen=True)
class Processes:
    """Which process this is.

    Attributes:
        rank: its number.
        world: how many there are.
        local: its number on this machine, which is its card's.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.world == 1:
            return values
        torch.distributed.all_reduce(values)
        return values / self.world

    def first_says(self, value: bool) -> bool:
        """What the first process says, known to all."""
        if self.world == 1:
            return value
        said = [value]
        torch.distributed.broadcast_object_list(said, src=0)
        return said[0]

    def wrap(self, trainer: Trainer) -> None:
        """Let the halves of a step average their gradients over all processes."""
        if self.world == 1:
            return
        for name, half in trainer.halves.items():
            if trainer.device.type == "cuda":  # It takes no CPU tensors.
                half = nn.SyncBatchNorm.convert_sync_batchnorm(half)  # type: ignore[no-untyped-call]
            # Buffers are alike already: synchronised, or of one process's share on CPUs, where the
            # first one's are kept; and a broadcast between two passes would break the first.
            trainer.halves[name] = nn.parallel.DistributedDataParallel(
                half, broadcast_buffers=False
            )


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the other processes that a launcher started, if it did.

    Args:
        device: "cuda" or "cpu".
    """
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # Ray Train has joined them already, and parts them afterwards.
        yield Processes(torch.distributed.get_rank(), torch.distributed.get_world_size(), local)
        return
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    if device == "cuda":
        torch.cuda.set_device(local)
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Processes(torch.distributed.get_rank(), world, local)
    finally:
        torch.distributed.destroy_process_group()
