"""An engine without networks: cheap, the same at every call, and it follows what it is shown.

Its head turns with where a picture's light is, its mouth opens with the light of the lower half,
and its pictures are the photo's square moved by the mean of the keypoints' way; so what should move
moves, and what should rest is the photo.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from models.backends import Backend
from models.liveportrait.backend import LivePortraitAnimator
from models.liveportrait.config import KEYPOINTS, OUTPUT
from models.liveportrait.heads import Heads
from models.liveportrait.motion import JAW, LIDS
from models.types import Floats

KP = np.random.default_rng(7).uniform(-0.4, 0.4, (KEYPOINTS, 3)).astype(np.float32)


class FakeEngine:
    """Fulfils `models.liveportrait.engine.Engine`."""

    device = "nothing at all (a test)"

    def __init__(self) -> None:
        self.rendered = 0

    def features(self, picture: Floats) -> Any:
        return picture[0].transpose(1, 2, 0)

    def motion(self, picture: Floats) -> Heads:
        light = cv2.resize(picture[0].mean(0), (8, 8), interpolation=cv2.INTER_AREA)
        aside = float(light[:, 4:].mean() - light[:, :4].mean())
        down = float(light[4:].mean() - light[:4].mean())
        exp = np.zeros((KEYPOINTS, 3), np.float32)
        for point, axis in JAW:
            exp[point, axis] = 0.1 * float(light[5:, 3:5].mean())
        for point, axis in LIDS:
            exp[point, axis] = 0.1 * float(light[2:4].mean())
        t = np.array((0.2 * aside, 0.2 * down, 0.0), np.float32)
        return Heads(20 * down, 20 * aside, 5 * aside, 1.3 + 0.1 * down, t, KP, exp)

    def stitch(self, source: Floats, driving: Floats) -> Floats:
        return np.asarray(driving + 0.01 * (source - driving), np.float32)

    def lip_delta(self, source: Floats, ratio: float, target: float) -> Floats:
        return self._opened(JAW, target - ratio)

    def eye_delta(self, source: Floats, left: float, right: float, target: float) -> Floats:
        return self._opened(LIDS, target - (left + right) / 2)

    def _opened(self, entries: Any, by: float) -> Floats:
        delta = np.zeros((KEYPOINTS, 3), np.float32)
        for point, axis in entries:
            delta[point, axis] = 0.1 * by
        return delta

    def render(self, features: Any, source: Floats, driving: Floats) -> Floats:
        self.rendered += 1
        x, y = (driving - source)[:, :2].mean(0) * OUTPUT / 2
        large = cv2.resize(features, (OUTPUT, OUTPUT))
        way = np.array(((1, 0, x), (0, 1, y)), np.float32)
        moved = cv2.warpAffine(large, way, (OUTPUT, OUTPUT), borderMode=cv2.BORDER_REPLICATE)
        bounded = np.clip(np.asarray(moved, np.float32), 0, 1)
        return np.asarray(bounded.transpose(2, 0, 1)[None], np.float32)


BACKEND = Backend(
    lambda choice: LivePortraitAnimator(FakeEngine()), lambda: ["an engine without networks"]
)
"""For the entry of a backend's name in `models.backends`."""
