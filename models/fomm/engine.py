"""The three networks behind one interface, whatever computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.fomm.config import KEYPOINTS, Config
from models.fomm.manifest import STORE, Manifest
from models.fomm.motion import jacobians_of
from models.keypoints import Keypoints
from models.onnx_engine import OnnxNetworks, files_of
from models.runtime import Feeds, Runtime
from models.types import Floats

NETWORKS = ("detect", "encode_source", "render")
"""The names of the graphs; see `export`."""


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


class OnnxEngine(OnnxNetworks):
    """The exported graphs in ONNX Runtime."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load an imported model onto the best device.

        Args:
            folder: the model's.
            manifest: what is in it.

        Raises:
            UserError: a file was changed, or no device works.
        """
        files = files_of(STORE, folder, manifest, NETWORKS)
        super().__init__(files, samples(manifest.settings), race="render")

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


def _encode(runtime: Runtime, picture: Floats, keypoints: Keypoints) -> Feeds:
    names = ["features", "small"]
    kept = runtime.sessions["encode_source"].run({"picture": picture}, names, keep=True)
    return {
        **dict(zip(names, kept, strict=True)),
        "source_values": keypoints.values[None],
        "source_jacobians": jacobians_of(keypoints)[None],
    }


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
