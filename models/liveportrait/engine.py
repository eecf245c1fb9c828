"""The networks behind one interface, whatever computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.liveportrait.config import KEYPOINTS, SIDE
from models.liveportrait.heads import Heads
from models.liveportrait.manifest import STORE, Manifest
from models.liveportrait.motion import stitched
from models.onnx_engine import OnnxNetworks, files_of
from models.runtime import Feeds, Runtime, RuntimeSession
from models.types import Floats

NETWORKS = ("features", "motion", "stitching", "lip", "eye", "render")
"""The names of the graphs; see `export`."""

EXACT = ("motion", "stitching", "lip", "eye")
"""Those that compute in float32 on every device."""

FEATURES = (1, 32, 16, 64, 64)
"""The shape of the features of a photo."""

HEADS = ("pitch", "yaw", "roll", "scale", "t", "kp", "exp")
"""What the motion network gives, by name."""


class Engine(Protocol):
    """Computes the networks; may be called by several threads at once."""

    @property
    def device(self) -> str:
        """Where it computes, and why."""
        ...

    def features(self, picture: Floats) -> Any:
        """What the appearance network makes of (1, 3, 256, 256); it stays on the device."""
        ...

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of (1, 3, 256, 256), 0..1."""
        ...

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """(21, 3): driving keypoints that fit the source's shoulders."""
        ...

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """(21, 3): what opens the source's lips from a ratio to another."""
        ...

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """(21, 3): what opens the source's eyes from their ratios to another."""
        ...

    def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
        """(1, 3, 512, 512), 0..1: the picture."""
        ...


@dataclass
class _Features:
    """A photo and its features, on the device of `runtime`."""

    picture: Floats
    runtime: Runtime
    value: Any


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
        super().__init__(files, samples(), race="render", exact=EXACT)

    def features(self, picture: Floats) -> _Features:
        """What the appearance network makes of a photo, kept on the device."""

        def compute(runtime: Runtime) -> _Features:
            return _Features(picture, runtime, _features(runtime, picture))

        return self._compute(compute)

    def motion(self, picture: Floats) -> Heads:
        """What the motion network says of a picture."""
        return self._compute(lambda runtime: heads_of(runtime.sessions["motion"], picture))

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        """Driving keypoints that fit the source's shoulders."""
        return stitched(driving, self._small("stitching", "keypoints", source, driving))

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        """What opens the source's lips from a ratio to another."""
        delta = self._small("lip", "features", source, [ratio, target])
        return delta.reshape(KEYPOINTS, 3)

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        """What opens the source's eyes from their ratios to another."""
        delta = self._small("eye", "features", source, [left, right, target])
        return delta.reshape(KEYPOINTS, 3)

    def render(self, features: _Features, source: Floats, driving: Floats) -> Floats:
        """The picture of a photo whose keypoints moved."""

        def compute(runtime: Runtime) -> Floats:
            if features.runtime is not runtime:
                # What was kept is on a device that has failed since.
                features.value = _features(runtime, features.picture)
                features.runtime = runtime
            feeds = {
                "features": features.value,
                "source": _points(source),
                "driving": _points(driving),
            }
            picture: Floats = runtime.sessions["render"].run(feeds, ["prediction"])[0]
            if not np.isfinite(picture).all():
                raise FloatingPointError("the generator's picture is not made of numbers")
            return picture

        return self._compute(compute)

    def _small(self, network: str, takes: str, *values: Any) -> Floats:
        """What one of the three small networks makes of values put behind each other."""
        row = np.concatenate([np.asarray(value, np.float32).reshape(-1) for value in values])

        def compute(runtime: Runtime) -> Floats:
            delta: Floats = runtime.sessions[network].run({takes: row[None]}, ["delta"])[0][0]
            return delta

        return self._compute(compute)


def heads_of(session: RuntimeSession, picture: Floats) -> Heads:
    """What the motion network, opened as `session`, says of (1, 3, 256, 256), 0..1."""
    # By name: some devices give them in another order.
    pitch, yaw, roll, scale, t, kp, exp = session.run({"picture": picture}, HEADS)
    x, y, z, size = (float(value.reshape(-1)[0]) for value in (pitch, yaw, roll, scale))
    return Heads(x, y, z, size, t[0], kp[0], exp[0])


def _features(runtime: Runtime, picture: Floats) -> Any:
    session = runtime.sessions["features"]
    return session.run({"picture": picture}, ["features"], keep=True)[0]


def _points(values: Floats) -> Floats:
    return np.asarray(values, np.float32).reshape(1, KEYPOINTS, 3)


def samples() -> dict[str, Feeds]:
    """For each network the inputs, by name, with which every device must cope."""
    picture = np.full((1, 3, SIDE, SIDE), 0.5, np.float32)
    # Spread out, so that nothing is out of the ordinary.
    points = np.linspace(-0.5, 0.5, KEYPOINTS * 3, dtype=np.float32).reshape(1, KEYPOINTS, 3)
    count = KEYPOINTS * 3
    return {
        "features": {"picture": picture},
        "motion": {"picture": picture},
        "stitching": {"keypoints": np.zeros((1, 2 * count), np.float32)},
        "lip": {"features": np.zeros((1, count + 2), np.float32)},
        "eye": {"features": np.zeros((1, count + 3), np.float32)},
        "render": {
            "features": np.zeros(FEATURES, np.float32),
            "source": points,
            "driving": points + np.float32(0.01),
        },
    }
