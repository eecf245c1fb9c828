"""PyTorch's work on a graphics card, recorded once and repeated with one launch a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Work: TypeAlias = Callable[..., Sequence[Tensor]]
"""Computes outputs of inputs, on the device that these are on."""

Recorded: TypeAlias = Callable[[Sequence[Tensor]], Sequence[Tensor]]
"""The same, of inputs in a list."""

_FIRST_RUNS = 3
"""Libraries choose their algorithms in the first runs, as PyTorch's notes on CUDA graphs say."""


def recorded(work: Work, inputs: Sequence[Tensor]) -> Recorded:
    """Something that does the work, by a recording where `inputs` are on a CUDA card.

    Args:
        work: what to do; its inputs and outputs keep their shapes and types.
        inputs: such as those to come. A recording holds its inputs at fixed places, to which
            those of a call are copied; what it gives is overwritten by the next call.
    """
    if inputs[0].device.type != "cuda":
        return lambda values: work(*values)
    return _Recorded(work, inputs)


class _Recorded:
    """A recording."""

    def __init__(self, work: Work, inputs: Sequence[Tensor]) -> None:
        self._inputs = [part.clone() for part in inputs]
        aside = torch.cuda.Stream(inputs[0].device)  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_FIRST_RUNS):
                work(*self._inputs)
        torch.cuda.current_stream().wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = work(*self._inputs)

    def __call__(self, inputs: Sequence[Tensor]) -> Sequence[Tensor]:
        for place, value in zip(self._inputs, inputs, strict=True):
            place.copy_(value)
        self._graph.replay()
        return self._outputs
