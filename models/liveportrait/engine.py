"""The networks behind one interface, whatever computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.failover import Failover, VerifiedFiles
from models.liveportrait.config import DEPTH, KEYPOINTS, SIDE
from models.liveportrait.heads import Heads
from models.liveportrait.manifest import STORE, Manifest
from models.liveportrait.motion import stitched
from models.runtime import Feeds, Runtime
from models.types import Floats

NETWORKS = ("features", "motion", "stitching", "lip", "eye", "render")
"""The graphs that are loaded; see `export`."""

_HEADS = ("pitch", "yaw", "roll", "scale", "t", "kp", "exp")


class Engine(Protocol):
    """Computes the networks.

    Pictures are (1, 3, 256, 256), float32, RGB, 0..1; keypoints (21, 3).
    """

    @property
    def device(self) -> str:
        """Where it computes and why, in a few words."""
        ...

    def features(self, picture: Floats) -> Any:
        """What `render` needs of a photo; it stays on the device."""
        ...

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of a picture."""
        ...

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """The driving keypoints moved so that shoulders and hair stay where they are."""
        ...

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """(21, 3): what opens lips from a ratio to another one."""
        ...

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """(21, 3): what opens eyes from their ratios to one for both."""
        ...

    def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
        """The picture (1, 3, 512, 512), 0..1, of a photo moved to keypoints."""
        ...


@dataclass
class _Features:
    """Those of a photo, on the device of `runtime`."""

    picture: Floats
    runtime: Runtime
    value: Any


class OnnxEngine:
    """The exported graphs in ONNX Runtime; a device that fails is left for the next one."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Load an imported model onto the best device.

        Args:
            folder: the model's.
            manifest: what is in it.

        Raises:
            UserError: a file was changed, or no device works.
        """
        models = {name: VerifiedFiles(STORE, folder, manifest, name, "render") for name in NETWORKS}
        self._networks = Failover(models, samples(), race="render")

    @property
    def device(self) -> str:
        """Where it computes, and what was passed over or lost."""
        return self._networks.device

    def features(self, picture: Floats) -> _Features:
        """What `render` needs of a photo, kept on the device."""

        def compute(runtime: Runtime) -> _Features:
            return _Features(picture, runtime, _features(runtime, picture))

        return self._networks.compute(compute)

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of a picture."""

        def compute(runtime: Runtime) -> Heads:
            found = runtime.sessions["motion"].run({"picture": picture}, _HEADS)
            pitch, yaw, roll, scale = (float(value.reshape(-1)[0]) for value in found[:4])
            return Heads(pitch, yaw, roll, scale, *(value[0] for value in found[4:]))

        return self._networks.compute(compute)

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """The stitched driving keypoints."""
        values = np.concatenate([source.reshape(-1), driving.reshape(-1)])
        return stitched(driving, self._small("stitching", "keypoints", values))

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """What opens lips from a ratio to another one."""
        values = np.concatenate([source.reshape(-1), [ratio, target]])
        return self._small("lip", "features", values).reshape(KEYPOINTS, 3)

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """What opens eyes from their ratios to one for both."""
        values = np.concatenate([source.reshape(-1), [left, right, target]])
        return self._small("eye", "features", values).reshape(KEYPOINTS, 3)

    def render(self, features: _Features, source: Floats, driving: Floats) -> Floats:
        """The picture of a photo moved to keypoints: one upload and one download."""

        def compute(runtime: Runtime) -> Floats:
            if features.runtime is not runtime:
                # What was kept is on a device that has failed since.
                features.value = _features(runtime, features.picture)
                features.runtime = runtime
            feeds = {
                "features": features.value,
                "source": np.asarray(source, np.float32).reshape(1, KEYPOINTS, 3),
                "driving": np.asarray(driving, np.float32).reshape(1, KEYPOINTS, 3),
            }
            picture: Floats = runtime.sessions["render"].run(feeds, ["prediction"])[0]
            if not np.isfinite(picture).all():
                raise FloatingPointError("the generator's picture is not made of numbers")
            return picture

        return self._networks.compute(compute)

    def _small(self, network: str, what: str, values: Floats) -> Floats:
        feeds = {what: np.asarray(values, np.float32)[None]}

        def compute(runtime: Runtime) -> Floats:
            delta: Floats = runtime.sessions[network].run(feeds, ["delta"])[0][0]
            return delta

        return self._networks.compute(compute)


def _features(runtime: Runtime, picture: Floats) -> Any:
    return runtime.sessions["features"].run({"picture": picture}, ["features"], keep=True)[0]


def samples() -> dict[str, Feeds]:
    """For each network the inputs, by name, with which every device must cope."""
    picture = np.full((1, 3, SIDE, SIDE), 0.5, np.float32)
    points = np.zeros((1, KEYPOINTS, 3), np.float32)
    flat = np.zeros((1, 3 * KEYPOINTS), np.float32)
    volume = np.zeros((1, 32, DEPTH, SIDE // 4, SIDE // 4), np.float32)
    return {
        "features": {"picture": picture},
        "motion": {"picture": picture},
        "stitching": {"keypoints": np.concatenate([flat, flat], 1)},
        "lip": {"features": np.pad(flat, ((0, 0), (0, 2)))},
        "eye": {"features": np.pad(flat, ((0, 0), (0, 3)))},
        "render": {"features": volume, "source": points, "driving": points},
    }
