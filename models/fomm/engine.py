"""The three networks behind one interface, whatever computes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.fomm.config import FEATURES, KEYPOINTS, SIDE, SMALL
from models.fomm.manifest import Manifest, verified
from models.fomm.motion import jacobians_of
from models.runtime import Feeds, Precision, open_runtime
from models.types import Floats, Keypoints

NETWORKS = ("detect", "encode_source", "render")
_PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")


class Engine(Protocol):
    """Computes the networks. Pictures are (1, 3, 256, 256), float32, RGB, 0..1."""

    device: str
    """Where it computes and why, in a few words."""

    def detect(self, picture: Floats) -> Keypoints:
        """The keypoints of a picture."""
        ...

    def encode(self, picture: Floats, keypoints: Keypoints) -> Any:
        """A source ready for `render`; it stays on the device."""
        ...

    def render(self, source: Any, keypoints: Keypoints) -> Floats:
        """The picture of a source moved to keypoints."""
        ...


class OnnxEngine:
    """The exported graphs in ONNX Runtime."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load an imported model onto the best device.

        Raises:
            UserError: a file was changed, or no device works.
        """
        self._runtime = open_runtime(
            {name: _Verified(folder, manifest, name) for name in NETWORKS},
            samples(),
            race="render",
        )
        self.device = self._runtime.summary

    def detect(self, picture: Floats) -> Keypoints:
        """The keypoints of a picture."""
        session = self._runtime.sessions["detect"]
        values, jacobians = session.run({"picture": picture}, ["values", "jacobians"])
        return Keypoints(values[0], jacobians[0])

    def encode(self, picture: Floats, keypoints: Keypoints) -> Feeds:
        """The inputs of `render` that belong to the source, kept on the device."""
        session = self._runtime.sessions["encode_source"]
        names = ["features", "small"]
        kept = session.run({"picture": picture}, names, keep=True)
        return {
            **dict(zip(names, kept, strict=True)),
            "source_values": keypoints.values[None],
            "source_jacobians": jacobians_of(keypoints)[None],
        }

    def render(self, source: Feeds, keypoints: Keypoints) -> Floats:
        """The picture of a source moved to keypoints."""
        feeds = {
            **source,
            "values": keypoints.values[None],
            "jacobians": jacobians_of(keypoints)[None],
        }
        picture: Floats = self._runtime.sessions["render"].run(feeds, ["prediction"])[0]
        return picture


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


def samples() -> dict[str, Feeds]:
    """Inputs with which every device must cope."""
    picture = np.full((1, 3, SIDE, SIDE), 0.5, np.float32)
    values = np.zeros((1, KEYPOINTS, 2), np.float32)
    jacobians = np.tile(np.eye(2, dtype=np.float32), (1, KEYPOINTS, 1, 1))
    return {
        "detect": {"picture": picture},
        "encode_source": {"picture": picture},
        "render": {
            "features": np.zeros((1, FEATURES, SMALL, SMALL), np.float32),
            "small": np.full((1, 3, SMALL, SMALL), 0.5, np.float32),
            "source_values": values,
            "source_jacobians": jacobians,
            "values": values,
            "jacobians": jacobians,
        },
    }
