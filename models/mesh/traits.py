"""What is different in faces that are no person's: how creatures and drawings look and move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.face.topology import EYES
from models.mesh.rings import Around
from models.types import Floats, Kind

Lids = Literal["skin", "fur", "flat", "dot"]
"""What closing lids are made of: the skin around, the fur above folded down, or one colour; in the
latter the eyes may be dots, without a white."""

_ROUND = (0.5, 0.65)
"""Height of an eye by its width: up to the first it is shaped as a person's, from the second on it
is round. Persons have 0.2 to 0.45."""

_CREATURE_GAZE, _DOT_GAZE = 0.4, 0.4
"""Share of a glance that is seen in eyes which show no white: more, and the whole eye wanders."""

_WIDEST = 1.12
"""Opening of a round eye at most, by the photo's: further, there is nothing to be seen."""

_MEET = 0.45
"""Where the lids of round eyes meet: so far above the lower one, of the opening. A lid that came
down the whole way would be a blind; in drawings it does, to the line below."""

_LIPS = (0.42, 0.62)
"""Width of the mouth by the distance of the eyes' outer corners: up to the first it widens as a
person's does, from the second on half as far. Persons have 0.5 at rest; a dog's lips are long."""

_LONG = 0.5
"""That half."""


@dataclass(frozen=True)
class Traits:
    """How a face is drawn and moved; as it is made, a person's.

    Attributes:
        kind: what kind of face it is.
        gaze: share of a glance that its eyes make.
        round: 0..1 for each eye (the person's right first), how round it is.
        widening: share of a mouth's widening that it makes.
        lids: what its closing lids are made of.
        human: it has teeth, folds, a chin with a neck behind, and what may cover these; the eye
            network and the face tracker know such faces.
    """

    kind: Kind = "person"
    gaze: float = 1.0
    round: tuple[float, float] = (0.0, 0.0)
    widening: float = 1.0
    lids: Lids = "skin"
    human: bool = True

    @classmethod
    def of(cls, kind: Kind, landmarks: Floats, drawn: bool = False) -> Traits:
        """Those of a photo's face.

        Args:
            kind: what kind of face it is.
            landmarks: (478, 3) in pixels.
            drawn: it is drawn in areas of one colour.
        """
        if kind == "person" and not drawn:
            return cls()
        flat = landmarks[:, :2]
        low, high = _ROUND
        shapes = []
        for eye in EYES:
            wide = float(np.linalg.norm(flat[eye.corners[0]] - flat[eye.corners[1]]))
            tall = np.linalg.norm(flat[eye.upper[2:5]] - flat[eye.lower[2:5]], axis=1).mean()
            shapes.append(_share(float(tall) / max(wide, 1e-6), low, high))
        round_ = (shapes[0], shapes[1])
        if kind != "creature":
            dots = _dots(landmarks)
            gaze = 1 - (1 - _DOT_GAZE) * dots
            lids: Lids = "dot" if dots > 0.5 else "flat"
            return cls(kind, gaze, round_, lids=lids, human=kind == "person")
        lips = float(np.linalg.norm(flat[61] - flat[291]))
        eyes = float(np.linalg.norm(flat[33] - flat[263]))
        widening = 1 - (1 - _LONG) * _share(lips / max(eyes, 1e-6), *_LIPS)
        return cls(kind, _CREATURE_GAZE, round_, widening, "fur", human=False)

    @property
    def plain(self) -> bool:
        """Whether it is drawn in areas of one colour."""
        return self.lids in ("flat", "dot")

    @property
    def teeth(self) -> bool:
        """Whether it has a person's teeth: in simple drawings they would be a denture."""
        return self.human

    @property
    def around(self) -> Around:
        """What the face goes on in."""
        return "neck" if self.human else "sheet" if self.kind == "drawing" else "fur"

    def opened(self, eye: int, ratio: float, most: float) -> tuple[float, float]:
        """How far an eye opens, and how far its lower lid comes to meet the upper one.

        Args:
            eye: 0 or 1, in the order of `EYES`.
            ratio: how far a person's would be open, 1 as in the photo.
            most: the largest such ratio.

        Returns:
            The ratio, and the share of the photo's opening by which the lower lid rises.
        """
        share = self.round[eye]
        if share <= 0:
            return ratio, 0.0
        ratio = min(ratio, most + (_WIDEST - most) * share)
        meet = 0.0 if self.lids == "flat" else _MEET
        return ratio, meet * share * max(1 - ratio, 0.0)


PERSON = Traits()
"""A person's."""


def _dots(landmarks: Floats) -> float:
    """How surely drawn eyes are dots without a white, 0..1."""
    shares = []
    for eye in EYES:
        wide = float(np.linalg.norm(landmarks[eye.corners[0], :2] - landmarks[eye.corners[1], :2]))
        radius = np.linalg.norm(landmarks[eye.iris[1:], :2] - landmarks[eye.iris[0], :2], axis=1)
        shares.append(_share(2 * float(radius.mean()) / max(wide, 1e-6), 0.7, 0.9))
    return max(shares)


def _share(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high`."""
    return min(max((value - low) / (high - low), 0.0), 1.0)
