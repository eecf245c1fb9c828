"""The three networks behind one interface, whatever computes them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from models.fomm.config import KEYPOINTS, Config
from models.fomm.manifest import Manifest, verified
from models.fomm.motion import jacobians_of
from models.keypoints import Keypoints
from models.runtime import Feeds, Precision, Runtime, next_runtime, open_runtime
from models.types import Floats

NETWORKS = ("detect", "encode_source", "render")
"""The names of the graphs; see `export`."""

_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


T = TypeVar("T")

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Computes the networks.

    Pictures are (1, 3, 256, 256), float32, RGB, 0..1. Keypoints have values (10, 2) in -1..1 and
    jacobians (10, 2, 2).
    """

    @property
    def device(self) -> str:
        """Where it computes and why, in a few words."""
        ...

    def detect(self, picture: Floats) -> Keypoints:
        """The keypoints of a picture."""
        ...

    def encode(self, picture: Floats, keypoints: Keypoints) -> Any:
        """A source ready for `render`; it stays on the device."""
        ...

    def render(self, source: Any, keypoints: Keypoints) -> Floats:
        """The picture of a source moved to keypoints."""
        ...


@dataclass
class _Source:
    """A photo, and what `render` needs of it, on the device of `runtime`."""

    picture: Floats
    keypoints: Keypoints
    runtime: Runtime
    feeds: Feeds


class OnnxEngine:
    """The exported graphs in ONNX Runtime.

    A device that fails in the middle of the work is left for the next one, down to the CPU.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load an imported model onto the best device.

        Args:
            folder: the model's.
            manifest: what is in it.

        Raises:
            UserError: a file was changed, or no device works.
        """
        self._models = {name: _Verified(folder, manifest, name) for name in NETWORKS}
        self._lock = threading.Lock()
        # Kept, as taking sessions down on a broken driver can end the whole program.
        self._lost: list[Runtime] = []
        self._samples = samples(manifest.settings)
        self._runtime = open_runtime(self._models, self._samples, race="render")

    @property
    def device(self) -> str:
        """Where it computes, and what was passed over or lost."""
        return self._runtime.summary

    def detect(self, picture: Floats) -> Keypoints:
        """The keypoints of a picture."""

        def compute(runtime: Runtime) -> Keypoints:
            feeds = {"picture": picture}
            values, jacobians = runtime.sessions["detect"].run(feeds, ["values", "jacobians"])
            return Keypoints(values[0], jacobians[0])

        return self._compute(compute)

    def encode(self, picture: Floats, keypoints: Keypoints) -> _Source:
        """What `render` needs of a photo, kept on the device."""

        def compute(runtime: Runtime) -> _Source:
            return _Source(picture, keypoints, runtime, _encode(runtime, picture, keypoints))

        return self._compute(compute)

    def render(self, source: _Source, keypoints: Keypoints) -> Floats:
        """The picture of a source moved to keypoints."""

        def compute(runtime: Runtime) -> Floats:
            if source.runtime is not runtime:
                # What was kept is on a device that has failed since.
                source.feeds = _encode(runtime, source.picture, source.keypoints)
                source.runtime = runtime
            feeds = {
                **source.feeds,
                "values": keypoints.values[None],
                "jacobians": jacobians_of(keypoints)[None],
            }
            picture: Floats = runtime.sessions["render"].run(feeds, ["prediction"])[0]
            return picture

        return self._compute(compute)

    def _compute(self, work: Callable[[Runtime], T]) -> T:
        """Do some work on the device, or on the next one if this one fails."""
        while True:
            runtime = self._runtime
            try:
                return work(runtime)
            except Exception as error:  # ONNX Runtime raises many types, all of its own.
                _log.debug("%s failed", runtime.device.key, exc_info=error)
                with self._lock:
                    # The thread that comes second finds the next device ready.
                    if self._runtime is runtime:
                        self._runtime = next_runtime(self._models, self._samples, runtime, error)
                        self._lost.append(runtime)


def _encode(runtime: Runtime, picture: Floats, keypoints: Keypoints) -> Feeds:
    names = ["features", "small"]
    kept = runtime.sessions["encode_source"].run({"picture": picture}, names, keep=True)
    return {
        **dict(zip(names, kept, strict=True)),
        "source_values": keypoints.values[None],
        "source_jacobians": jacobians_of(keypoints)[None],
    }


class _Verified(Mapping[Precision, Path | bytes]):
    """The files of one network by precision, checked only when one is taken."""

    def __init__(self, folder: Path, manifest: Manifest, network: str) -> None:
        self._folder, self._manifest = folder, manifest
        self._keys: dict[Precision, str] = {}
        for precision in _PRECISIONS:
            # Only the frame's network is worth integers; the others go with it as they are.
            for kind in (precision, "fp32") if precision == "int8" else (precision,):
                if f"{network}.{kind}" in manifest.files:
                    self._keys.setdefault(precision, f"{network}.{kind}")
        if "render.int8" not in manifest.files:
            self._keys.pop("int8", None)

    def __getitem__(self, precision: Precision) -> Path:
        return verified(self._folder, self._manifest, self._keys[precision])

    def __contains__(self, precision: object) -> bool:
        return precision in self._keys

    def __iter__(self) -> Iterator[Precision]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def samples(config: Config) -> dict[str, Feeds]:
    """For each network the inputs, by name, with which every device must cope."""
    picture = np.full((1, 3, config.side, config.side), 0.5, np.float32)
    channels, side = config.features
    values = np.zeros((1, KEYPOINTS, 2), np.float32)
    jacobians = np.tile(np.eye(2, dtype=np.float32), (1, KEYPOINTS, 1, 1))
    return {
        "detect": {"picture": picture},
        "encode_source": {"picture": picture},
        "render": {
            "features": np.zeros((1, channels, side, side), np.float32),
            "small": np.full((1, 3, config.small, config.small), 0.5, np.float32),
            "source_values": values,
            "source_jacobians": jacobians,
            "values": values,
            "jacobians": jacobians,
        },
    }
