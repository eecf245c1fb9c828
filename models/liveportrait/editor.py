"""Poses a photo by sliders: the seventeen of the official tool's editor.

A slider goes from -1 to 1, or from 0, and 0 changes nothing; its ends are those of the official
page, in whose units the shares below are. The official editor also adds the third number of the
place, which nothing else does: a face would jump when the first slider moves. Here it stays out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.animator import Slider
from models.liveportrait.motion import State, placed, rotation
from models.liveportrait.ratios import Ratios
from models.types import Floats


class Editable(Protocol):
    """What of a photo its editing depends on; `points` are those of `kp` in `state`."""

    @property
    def kp(self) -> Floats:
        """(21, 3): its keypoints before turn and expression."""
        ...

    @property
    def state(self) -> State:
        """Its pose and expression."""
        ...

    @property
    def points(self) -> Floats:
        """(21, 3): its keypoints."""
        ...

    @property
    def ratios(self) -> Ratios:
        """How open its eyes and mouth are."""
        ...

    @property
    def eyes(self) -> Callable[[float], Floats]:
        """(21, 3): what opens its eyes to a ratio."""
        ...

    @property
    def lips(self) -> Callable[[float], Floats]:
        """(21, 3): what opens its lips to a ratio."""
        ...


def _slider(name: str, label: str, group: str, help_: str, both: bool = True) -> Slider:
    return Slider(name, label, -1.0 if both else 0.0, 1.0, 0.0, help_, group)


SLIDERS = (
    _slider("turn", "Turn", "head", "Turns the head to one side or the other."),
    _slider("nod", "Nod", "head", "Lowers or lifts the chin."),
    _slider("tilt", "Tilt", "head", "Leans the head to a shoulder."),
    _slider("move_x", "Move aside", "head", "Moves the head to one side or the other."),
    _slider("move_y", "Move down", "head", "Moves the head up or down."),
    _slider("zoom", "Nearer", "head", "Moves the head away or nearer."),
    _slider("gaze_x", "Look aside", "eyes", "Looks to one side or the other."),
    _slider("gaze_y", "Look up", "eyes", "Looks down or up."),
    _slider("lids", "Eyelids", "eyes", "Closes the eyes, or opens them wide."),
    _slider("wink", "Wink", "eyes", "Closes one eye.", both=False),
    _slider("brows", "Brows", "brows", "Lowers the brows to a frown, or raises them."),
    _slider("smile", "Smile", "mouth", "Lets the mouth's corners hang, or smiles."),
    _slider("open", "Open mouth", "mouth", "Presses the lips together, or lets the jaw drop."),
    _slider("lips", "Lips apart", "mouth", "Shuts the mouth, or opens it by as much as one says."),
    _slider("teeth", "Show teeth", "mouth", "Draws the lips from the teeth.", both=False),
    _slider("pout", "Pout", "mouth", "Draws the mouth wide, or purses the lips."),
    _slider("aside", "Mouth aside", "mouth", "Pulls the mouth to one side or the other."),
)
"""All of them, in the order in which they are shown. The official tool calls `aside` pouting,
`pout` pursing and `teeth` grin."""


@dataclass(frozen=True)
class _Ends:
    """How far a slider goes at its ends, in units of the official page.

    Attributes:
        least: at its lower end.
        most: at its upper one.
    """

    least: float
    most: float

    def at(self, value: float) -> float:
        """What a slider's value stands for there."""
        return value * self.most if value >= 0 else -value * self.least


_ENDS = {
    "turn": _Ends(-25, 25),
    "nod": _Ends(-15, 15),
    "tilt": _Ends(-15, 15),
    "move_x": _Ends(-0.19, 0.19),
    "move_y": _Ends(-0.19, 0.19),
    "zoom": _Ends(-0.1, 0.2),
    "gaze_x": _Ends(-30, 30),
    "gaze_y": _Ends(-63, 63),
    "wink": _Ends(0, 39),
    "brows": _Ends(-30, 30),
    "smile": _Ends(-0.3, 1.3),
    "open": _Ends(-90, 120),
    "teeth": _Ends(0, 15),
    "pout": _Ends(-20, 15),
    "aside": _Ends(-0.09, 0.09),
}
"""Degrees of the first three; a smile's is a share, its entries below are of that."""

_WIDEST = 0.8
"""The ratio that eyes and lips are opened to at a slider's end, as on the official page."""

_Entries = tuple[tuple[int, int, float], ...]
"""Keypoint, axis, and what is added to it for each unit."""

_ADDED: Mapping[str, _Entries] = {
    "smile": (
        *((20, 1, -0.01), (14, 1, -0.02), (17, 1, 0.0065), (17, 2, 0.003)),
        *((13, 1, -0.00275), (16, 1, -0.00275), (3, 1, -0.0035), (7, 1, -0.0035)),
    ),
    "wink": (
        *((11, 1, 0.001), (13, 1, -0.0003), (17, 0, 0.0003), (17, 1, 0.0003)),
        (3, 1, -0.0003),
    ),
    "brows": ((1, 1, 0.001), (2, 1, -0.001)),
    "brows_down": ((1, 0, -0.001), (2, 0, 0.001), (1, 1, 0.0003), (2, 1, -0.0003)),
    "aside": ((19, 0, 1.0),),
    "pout": ((14, 1, 0.001), (3, 1, -0.0005), (7, 1, -0.0005), (17, 2, -0.0005)),
    "teeth": ((20, 2, -0.001), (20, 1, -0.001), (14, 1, -0.001)),
    "open": ((19, 1, 0.001), (19, 2, 0.0001), (17, 1, -0.0001)),
    "move_x": ((5, 0, -1.0),),
    "move_y": ((5, 1, 1.0),),
    "gaze_x": ((11, 0, 0.0007), (15, 0, 0.001)),
    "gaze_x_down": ((11, 0, 0.001), (15, 0, 0.0007)),
    # The lids follow a glance: half of it, the other way round.
    "gaze_y": (
        *((11, 1, -0.001 + 0.0005), (15, 1, -0.001 + 0.0005)),
        *((13, 1, -0.00015), (16, 1, -0.00015)),
    ),
}
"""What the official editor adds to the expression; `_down`: of a slider below 0, if it differs."""


def moved(values: Mapping[str, float]) -> dict[str, float]:
    """The values that move something, within the sliders' ends."""
    known = {slider.name: slider for slider in SLIDERS}
    found = {}
    for name, value in values.items():
        slider = known.get(name)
        if slider is not None and math.isfinite(value):
            found[name] = min(max(float(value), slider.least), slider.most)
    return {name: value for name, value in found.items() if value}


def edited(source: Editable, values: Mapping[str, float]) -> Floats:
    """(21, 3): the keypoints of a photo with some sliders moved, before the stitching.

    Args:
        source: of the photo.
        values: as `moved` gives them.
    """
    amount = {name: ends.at(values.get(name, 0.0)) for name, ends in _ENDS.items()}
    exp = source.state.exp.copy()
    for name, value in amount.items():
        below = f"{name}_down"
        for point, axis, added in _ADDED.get(below if value < 0 and below in _ADDED else name, ()):
            exp[point, axis] += value * added
    pitch, yaw, roll = angles(source.state.turn)
    turn = source.state.turn
    if amount["nod"] or amount["turn"] or amount["tilt"]:
        turn = rotation(pitch + amount["nod"], yaw + amount["turn"], roll + amount["tilt"])
    scale = source.state.scale * (1 + amount["zoom"])
    points = placed(source.kp, State(turn, exp, scale, source.state.t))
    eyes = (source.ratios.left + source.ratios.right) / 2
    for name, ratio, change in (
        ("lids", eyes, source.eyes),
        ("lips", source.ratios.lips, source.lips),
    ):
        value = values.get(name, 0.0)
        if value:
            # The network's answer is not nothing for a face's own ratio: it is faded in.
            points = points + change(_ratio(ratio, value)) - (1 - abs(value)) * change(ratio)
    return np.asarray(points, np.float32)


def _ratio(own: float, value: float) -> float:
    """The opening that a slider asks for: from shut over the photo's own to wide open."""
    return own * (1 + value) if value < 0 else own + value * max(_WIDEST - own, 0.0)


def angles(turn: Floats) -> tuple[float, float, float]:
    """Pitch, yaw and roll in degrees of a turn, which is less than 90 degrees to a side."""
    matrix = np.asarray(turn, np.float64).T
    pitch = math.atan2(matrix[2, 1], matrix[2, 2])
    yaw = math.asin(min(max(-float(matrix[2, 0]), -1.0), 1.0))
    roll = math.atan2(matrix[1, 0], matrix[0, 0])
    return math.degrees(pitch), math.degrees(yaw), math.degrees(roll)
