"""The graphs of an imported model on the best device, and on the next one when that one fails."""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from models.errors import UserError
from models.imported import Imported, Store
from models.runtime import (
    DEVICE_VARIABLE,
    Feeds,
    Precision,
    Runtime,
    next_runtime,
    open_runtime,
)

T = TypeVar("T")
M = TypeVar("M", bound=Imported)

TORCH_WEIGHTS = "weights.torch"
"""The key of the weights for PyTorch among a manifest's files."""

_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")

_log = logging.getLogger(__name__)


class OnnxNetworks:
    """Graphs in ONNX Runtime.

    A device that fails in the middle of the work is left for the next one, down to the CPU.
    """

    def __init__(
        self,
        models: Mapping[str, Mapping[Precision, Path | bytes]],
        samples: Mapping[str, Feeds],
        race: str,
        exact: Collection[str] = (),
    ) -> None:
        """Load the graphs onto the best device.

        Args:
            models: for each network its file in the precisions that there are.
            samples: for each network the inputs with which every device must cope.
            race: the network that every frame needs; see `open_runtime`.
            exact: see there.

        Raises:
            UserError: a file was changed, or no device works.
        """
        self._models, self._samples, self._race = models, samples, race
        self._exact = exact
        self._lock = threading.Lock()
        # Kept, as taking sessions down on a broken driver can end the whole program.
        self._lost: list[Runtime] = []
        self._runtime = open_runtime(models, samples, race=race, exact=exact)

    @property
    def device(self) -> str:
        """Where it computes, and what was passed over or lost."""
        return self._runtime.summary

    def _compute(self, work: Callable[[Runtime], T]) -> T:
        """Do some work on the device, or on the next one if this one fails.

        Args:
            work: raises `FloatingPointError` where what comes out is not made of numbers, as in
                half precision on some cards: it is done again in float32.
        """
        while True:
            runtime = self._runtime
            try:
                return work(runtime)
            except FloatingPointError:
                if runtime.precision == "fp32":
                    raise
                with self._lock:
                    if self._runtime is runtime:
                        self._give_up(runtime.precision)
                        self._lost.append(runtime)
            except Exception as error:  # ONNX Runtime raises many types, all of its own.
                _log.debug("%s failed", runtime.device.key, exc_info=error)
                with self._lock:
                    # The thread that comes second finds the next device ready.
                    if self._runtime is runtime:
                        self._runtime = next_runtime(
                            self._models, self._samples, runtime, error, exact=self._exact
                        )
                        self._lost.append(runtime)

    def _give_up(self, precision: Precision) -> None:
        """Load the graphs anew, in another precision."""
        _log.debug("%s gives no numbers in %s", self._runtime.device.key, precision)
        self._models = {
            name: {kind: files[kind] for kind in files if kind != precision}
            for name, files in self._models.items()
        }
        self._runtime = open_runtime(
            self._models, self._samples, race=self._race, exact=self._exact
        )


def files_of(
    store: Store[M], folder: Path, manifest: M, networks: Sequence[str]
) -> dict[str, Mapping[Precision, Path | bytes]]:
    """The files of a model's networks by precision, each checked only when it is taken.

    A model has the precisions of "render", the frame's network; a network that does not come in
    one of them is taken in float32 there.

    Args:
        store: the models of the backend.
        folder: the model's.
        manifest: what is in it.
        networks: their names.
    """
    return {name: _Verified(store, folder, manifest, name) for name in networks}


class _Verified(Mapping[Precision, Path | bytes]):
    """The files of one network; see `files_of`."""

    def __init__(self, store: Store[M], folder: Path, manifest: M, network: str) -> None:
        self._take: Callable[[str], Path] = partial(store.verified, folder, manifest)
        self._keys: dict[Precision, str] = {}
        for precision in _PRECISIONS:
            own = f"{network}.{precision}"
            key = own if own in manifest.files else f"{network}.fp32"
            if f"render.{precision}" in manifest.files and key in manifest.files:
                self._keys[precision] = key

    def __getitem__(self, precision: Precision) -> Path:
        return self._take(self._keys[precision])

    def __contains__(self, precision: object) -> bool:
        return precision in self._keys

    def __iter__(self) -> Iterator[Precision]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def torch_is_wanted(manifest: Imported) -> bool:
    """Whether PyTorch computes a model: it is asked for, or it alone reaches a CUDA card here.

    Raises:
        UserError: it is asked for, and PyTorch or its weights are not there.
    """
    wanted = os.environ.get(DEVICE_VARIABLE, "").lower()
    here = importlib.util.find_spec("torch") is not None
    if wanted != "torch":
        ready = here and not wanted and TORCH_WEIGHTS in manifest.files
        return ready and _only_torch_has_cuda()
    if not here:
        raise UserError(
            f"{DEVICE_VARIABLE}=torch needs PyTorch; install it or choose another device."
        )
    if TORCH_WEIGHTS not in manifest.files:
        raise UserError(
            f"The model {manifest.name} was imported without weights for PyTorch; import it "
            "again with --torch."
        )
    return True


def _only_torch_has_cuda() -> bool:
    import onnxruntime

    if set(onnxruntime.get_available_providers()) & {
        "CUDAExecutionProvider",
        "DmlExecutionProvider",
        "CoreMLExecutionProvider",
    }:
        return False
    import torch

    return bool(torch.cuda.is_available())
