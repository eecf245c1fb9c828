"""Choosing the moment that all motion is measured against.

Relative motion is the driver's face now against the driver's face at calibration, applied to the
photo. A good moment is steady, frontal, with a closed mouth and open eyes; it is found without
asking the user for anything.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from models.face.irises import gaze
from models.types import Crop, Face, Floats, Keypoints

_FOREHEAD, _CHIN, _RIGHT, _LEFT = 10, 152, 234, 454
_UNLIKE = 2.0
"""The difference at which a match counts 1/e; two people who look ahead differ by 0.1 to 0.4."""

_GAZE, _BLINK = 5.0, 20.0
"""Weights of the gaze (in eye widths) and of the lids (their opening in eye widths)."""

_EYES_DIFFER = 0.1
"""By how much the opening of two persons' eyes differs without a blink."""

_BETTER = 0.01

_PITCH_AT_REST = math.radians(10)
"""Radians by which the line from forehead to chin leans when a face looks straight ahead."""


@dataclass(frozen=True)
class Moment:
    """What one frame says about being a good reference.

    yaw, pitch, roll: radians, 0 when frontal. mouth: the inner lips' gap against the height of the
    face. eyes: opening of the narrower eye against its width. gaze: how far the irises are aside,
    in eye widths, 0 when they look ahead.
    """

    yaw: float
    pitch: float
    roll: float
    mouth: float
    eyes: float
    gaze: float

    @classmethod
    def of(cls, face: Face) -> Moment:
        """Measure a face."""
        points = face.landmarks
        across, down = points[_LEFT] - points[_RIGHT], points[_CHIN] - points[_FOREHEAD]
        height = max(float(np.linalg.norm(down)), 1e-6)
        eyes = min(
            _gap(points, 159, 145) / max(_gap(points, 33, 133), 1e-6),
            _gap(points, 386, 374) / max(_gap(points, 362, 263), 1e-6),
        )
        return cls(
            yaw=math.atan2(float(across[2]), float(np.hypot(across[0], across[1]))),
            pitch=math.atan2(float(down[2]), float(np.hypot(down[0], down[1]))) - _PITCH_AT_REST,
            roll=math.atan2(float(across[1]), float(across[0])),
            mouth=_gap(points, 13, 14) / height,
            eyes=eyes,
            gaze=gaze(points),
        )

    @property
    def good(self) -> bool:
        """Whether this is frontal, with the mouth closed and the eyes open."""
        return (
            abs(self.yaw) < math.radians(12)
            and abs(self.pitch) < math.radians(15)
            and abs(self.roll) < math.radians(15)
            and self.mouth < 0.02
            and self.eyes > 0.16
            and abs(self.gaze) < 0.1
        )

    @property
    def badness(self) -> float:
        """0 for a perfect reference, rising with every fault; to choose the best of several."""
        return (
            (self.yaw / math.radians(12)) ** 2
            + (self.pitch / math.radians(15)) ** 2
            + (self.roll / math.radians(15)) ** 2
            + (self.mouth / 0.02) ** 2
            + (max(0.0, 0.25 - self.eyes) / 0.05) ** 2
            + (self.gaze / 0.1) ** 2
        )


def _gap(points: Floats, a: int, b: int) -> float:
    return float(np.linalg.norm(points[a] - points[b]))


def difference(one: Face, other: Face) -> float:
    """How much two faces differ in pose and expression; 0 if they are alike.

    As the FOMM demo measures it, the sum over the landmarks' squared distances after taking away
    their mean and the size of their hull; and gaze and blinks, which hardly move landmarks: with
    a reference that looks aside, the avatar would look the other way all the time.
    """
    a, b = Moment.of(one), Moment.of(other)
    blink = max(abs(a.eyes - b.eyes) - _EYES_DIFFER, 0.0)
    apart = float(((_normalised(one) - _normalised(other)) ** 2).sum())
    return apart + _GAZE * (a.gaze - b.gaze) ** 2 + _BLINK * blink**2


def _normalised(face: Face) -> Floats:
    points = np.ascontiguousarray(face.landmarks[:468, :2] - face.landmarks[:468, :2].mean(0))
    area = float(cv2.contourArea(cv2.convexHull(points.astype(np.float32))))
    scaled: Floats = (points / np.sqrt(max(area, 1e-6))).astype(np.float32)
    return scaled


class Search:
    """Looks for the moment in which the driver's face is most like the photo's.

    score: how alike they are now; best: the highest so far, in this search; 0..1, None before the
    first face.
    """

    def __init__(self, wanted: Face) -> None:
        """Look for a face like `wanted`."""
        self._wanted = wanted
        self.score: float | None = None
        self.best: float | None = None

    def offer(self, face: Face) -> bool:
        """Look at a face; whether it is clearly more like the photo than any before."""
        self.score = math.exp(-difference(self._wanted, face) / _UNLIKE)
        if self.best is not None and self.score < self.best + _BETTER:
            return False
        self.best = self.score
        return True


class CalibrationState(enum.Enum):
    """How far the calibration is; the values are for the status line."""

    WAITING = "calibrating: look straight at the camera"
    PROVISIONAL = "calibrated, waiting for a better moment"
    CALIBRATED = "calibrated"


class Calibration:
    """The reference keypoints and the crop they are measured in.

    It takes the first good moment that was steady for `steady` seconds. If none came within
    `patience` seconds, it takes the best frame seen for the time being, so that a user who never
    holds still is animated too, and improves on it at the first good moment.
    """

    def __init__(self, steady: float = 0.5, patience: float = 1.5) -> None:
        """Wait for the first moment. Both durations are in seconds."""
        self._steady = steady
        self._patience = patience
        self._shapes: deque[tuple[float, Floats]] = deque()
        self._best: tuple[float, Face, Crop, Keypoints] | None = None
        self._since: float | None = None
        self._at_once = False
        self.reference: Keypoints | None = None
        self.crop: Crop | None = None
        self.face: Face | None = None
        self.state = CalibrationState.WAITING

    def request(self, at_once: bool = False) -> None:
        """Calibrate again: on the next good moment, or on the very next face.

        Until then the old reference stays in use.
        """
        self._best = self._since = None
        self._shapes.clear()
        self._at_once = at_once
        self.state = CalibrationState.WAITING

    def start_over(self) -> None:
        """Calibrate again, and have no reference until then: the driver is somebody else."""
        self.request()
        self.reference = self.crop = self.face = None

    def offer(self, face: Face, seconds: float, detect: Callable[[Crop], Keypoints | None]) -> bool:
        """Look at one frame's face and decide whether it becomes the reference.

        Args:
            face: the driver's face.
            seconds: when the frame was captured.
            detect: gives the frame's keypoints in a crop; called only where they are needed.

        Returns:
            Whether there is a new reference.
        """
        if self.state is CalibrationState.CALIBRATED:
            return False
        if self._since is None:
            self._since = seconds
        if self._at_once:
            return self._accept(face, detect)
        moment = Moment.of(face)
        steady = self._is_steady(face, seconds)
        if steady and moment.good:
            return self._accept(face, detect)
        if self.state is CalibrationState.PROVISIONAL:
            return False
        if self._best is None or moment.badness < self._best[0]:
            crop = Crop.around(face)
            keypoints = detect(crop)
            if keypoints is not None and np.isfinite(keypoints.values).all():
                self._best = moment.badness, face, crop, keypoints
        if self._best is not None and seconds - self._since >= self._patience:
            _, self.face, self.crop, self.reference = self._best
            self.state = CalibrationState.PROVISIONAL
            return True
        return False

    def lost(self) -> None:
        """There was no face: the steady time starts anew."""
        self._shapes.clear()

    def _accept(self, face: Face, detect: Callable[[Crop], Keypoints | None]) -> bool:
        crop = Crop.around(face)
        keypoints = detect(crop)
        if keypoints is None or not np.isfinite(keypoints.values).all():
            return False
        self.reference, self.crop, self.face = keypoints, crop, face
        self.state, self._at_once = CalibrationState.CALIBRATED, False
        return True

    def _is_steady(self, face: Face, seconds: float) -> bool:
        left, top, right, bottom = face.box
        size = max(right - left, bottom - top, 1.0)
        self._shapes.append((seconds, face.landmarks[:468:6, :2] / np.float32(size)))
        while self._shapes[0][0] < seconds - 1.2 * self._steady:
            self._shapes.popleft()
        if seconds - self._shapes[0][0] < self._steady or len(self._shapes) < 4:
            return False
        history = np.stack([shape for _, shape in self._shapes])
        spread = float(np.sqrt(history.var(axis=0).sum(-1).mean()))
        return spread < 0.01
