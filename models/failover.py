"""Networks on the best device, and on the next one when it fails in the middle of the work."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from models.imported import Imported, Store
from models.runtime import Feeds, Precision, Runtime, next_runtime, open_runtime

_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")

T = TypeVar("T")
M = TypeVar("M", bound=Imported)

_log = logging.getLogger(__name__)


class Failover:
    """Loaded networks. A device that fails is left for the next one, down to the CPU.

    Attributes:
        runtime: the device that works; another one after a failure.
    """

    def __init__(
        self,
        models: Mapping[str, Mapping[Precision, Path | bytes]],
        samples: Mapping[str, Feeds],
        race: str,
    ) -> None:
        """Load networks onto the best device.

        Args:
            models: for each network its file in the precisions that there are.
            samples: for each network inputs with which every device must cope.
            race: the network that decides between two ways to use the CPU.

        Raises:
            UserError: a file was changed, or no device works.
        """
        self._models, self._samples, self._race = models, samples, race
        self._lock = threading.Lock()
        # Kept, as taking sessions down on a broken driver can end the whole program.
        self._lost: list[Runtime] = []
        self.runtime = open_runtime(models, samples, race=race)

    @property
    def device(self) -> str:
        """Where it computes, and what was passed over or lost."""
        return self.runtime.summary

    def compute(self, work: Callable[[Runtime], T]) -> T:
        """Do some work on the device, or on the next one if this one fails.

        Args:
            work: raises `FloatingPointError` where what comes out is not made of numbers, as that
                of half precision is on some cards: it is done again in float32.

        Raises:
            UserError: no device is left.
        """
        while True:
            runtime = self.runtime
            try:
                return work(runtime)
            except FloatingPointError:
                if runtime.precision == "fp32":
                    raise
                with self._lock:
                    if self.runtime is runtime:
                        self._give_up(runtime.precision)
                        self._lost.append(runtime)
            except Exception as error:  # ONNX Runtime raises many types, all of its own.
                _log.debug("%s failed", runtime.device.key, exc_info=error)
                with self._lock:
                    # The thread that comes second finds the next device ready.
                    if self.runtime is runtime:
                        self.runtime = next_runtime(self._models, self._samples, runtime, error)
                        self._lost.append(runtime)

    def _give_up(self, precision: Precision) -> None:
        """Load the networks anew, in another precision."""
        _log.debug("%s gives no numbers in %s", self.runtime.device.key, precision)
        self._models = {
            name: {kind: files[kind] for kind in files if kind != precision}
            for name, files in self._models.items()
        }
        self.runtime = open_runtime(self._models, self._samples, race=self._race)


class VerifiedFiles(Mapping[Precision, Path | bytes]):
    """The files of one imported network by precision, checked only when one is taken."""

    def __init__(
        self, store: Store[M], folder: Path, manifest: M, network: str, frames: str
    ) -> None:
        """Look at what there is.

        Args:
            store: the models.
            folder: the model's.
            manifest: what is in it.
            network: the name of the network.
            frames: that of the one for each frame, which decides what precisions there are.
        """
        self._store, self._folder, self._manifest = store, folder, manifest
        self._keys: dict[Precision, str] = {}
        for precision in _PRECISIONS:
            # What a network has no file of, it computes in float32.
            kinds = [kind for kind in (precision, "fp32") if f"{network}.{kind}" in manifest.files]
            if kinds and f"{frames}.{precision}" in manifest.files:
                self._keys[precision] = f"{network}.{kinds[0]}"

    def __getitem__(self, precision: Precision) -> Path:
        return self._store.verified(self._folder, self._manifest, self._keys[precision])

    def __contains__(self, precision: object) -> bool:
        return precision in self._keys

    def __iter__(self) -> Iterator[Precision]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
