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

import numpy as np

from models.animator import Observation
from models.face.moment import Moment, difference
from models.types import Face, Floats

_UNLIKE = 2.0
"""The difference at which a match counts 1/e; two people who look ahead differ by 0.1 to 0.4."""

_BETTER = 0.01
"""By how much a match must exceed the best one: less is the noise of a face that holds still."""


class Search:
    """Looks for the moment in which the driver's face is most like the photo's.

    Attributes:
        score: how alike they are now, 0..1; None before the first face.
        best: the highest so far, in this search.
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
    """The reference: the driver's face and its observation that all motion is measured against.

    It takes the first good moment that was steady for `steady` seconds. If none came within
    `patience` seconds, it takes the best frame seen for the time being, so that a user who never
    holds still is animated too, and improves on it at the first good moment.

    Attributes:
        reference: the observation that motion is measured against; None before the first.
        face: the driver's face in the same frame, in pixels of the camera's picture.
        state: how far it is.
        taken: how many references were taken at once, because that was asked for.
    """

    def __init__(self, steady: float = 0.5, patience: float = 1.5) -> None:
        """Wait for the first moment.

        Args:
            steady: seconds for which the face must hold still.
            patience: seconds after which the best frame is taken for the time being.
        """
        self._steady = steady
        self._patience = patience
        self._shapes: deque[tuple[float, Floats]] = deque()
        self._best: tuple[float, Face, Observation] | None = None
        self._since: float | None = None
        self._at_once = False
        self._former: tuple[Face, Observation] | None = None
        self.taken = 0
        self.reference: Observation | None = None
        self.face: Face | None = None
        self.state = CalibrationState.WAITING

    def request(self, at_once: bool = False) -> None:
        """Calibrate again, on the next good moment.

        Until then the old reference stays in use.

        Args:
            at_once: take the very next face.
        """
        self._best = self._since = None
        self._shapes.clear()
        self._at_once = at_once
        self.state = CalibrationState.WAITING

    def start_over(self) -> None:
        """Calibrate again, and have no reference until then: the driver is somebody else."""
        self.request()
        self.reference = self.face = self._former = None

    @property
    def can_undo(self) -> bool:
        """Whether there is a former reference to go back to."""
        return self._former is not None

    def undo(self) -> bool:
        """Go back to the reference before the one that was asked for; whether there was one."""
        if self._former is None:
            return False
        (self.face, self.reference), self._former = self._former, None
        self.state, self._at_once = CalibrationState.CALIBRATED, False
        return True

    def offer(self, face: Face, seconds: float, observe: Callable[[], Observation | None]) -> bool:
        """Look at one frame's face and decide whether it becomes the reference.

        Args:
            face: the driver's face.
            seconds: when the frame was captured.
            observe: gives the frame's observation as a reference, or None if it is of no use;
                called only where it is needed.

        Returns:
            Whether there is a new reference.
        """
        if self.state is CalibrationState.CALIBRATED:
            return False
        if self._since is None:
            self._since = seconds
        if self._at_once:
            return self._accept(face, observe)
        moment = Moment.of(face)
        steady = self._is_steady(face, seconds)
        if steady and moment.good:
            return self._accept(face, observe)
        if self.state is CalibrationState.PROVISIONAL:
            return False
        if self._best is None or moment.badness < self._best[0]:
            observation = observe()
            if observation is not None:
                self._best = moment.badness, face, observation
        if self._best is not None and seconds - self._since >= self._patience:
            _, self.face, self.reference = self._best
            self.state = CalibrationState.PROVISIONAL
            return True
        return False

    def lost(self) -> None:
        """There was no face: the steady time starts anew."""
        self._shapes.clear()

    def _accept(self, face: Face, observe: Callable[[], Observation | None]) -> bool:
        observation = observe()
        if observation is None:
            return False
        if self._at_once:
            self.taken += 1
            if self.face is not None and self.reference is not None:
                self._former = self.face, self.reference
        self.reference, self.face = observation, face
        self.state, self._at_once = CalibrationState.CALIBRATED, False
        return True

    def _is_steady(self, face: Face, seconds: float) -> bool:
        left, top, right, bottom = face.box
        size = max(right - left, bottom - top, 1.0)
        self._shapes.append((seconds, face.surface[::6, :2] / np.float32(size)))
        # One from before the steady time is kept, however few frames a second there are.
        while len(self._shapes) > 2 and self._shapes[1][0] <= seconds - self._steady:
            self._shapes.popleft()
        if seconds - self._shapes[0][0] < self._steady:
            return False
        history = np.stack([shape for _, shape in self._shapes])
        spread = float(np.sqrt(history.var(axis=0).sum(-1).mean()))
        return spread < 0.01
