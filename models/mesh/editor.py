"""Poses a photo by sliders: each is a gesture of a driver who is not there.

The gestures were measured as the face tracker reads them on rendered heads
(`scripts/heads/make_gestures.py`). A face that makes some of them takes the way of every driver's
face, so that folds, lids, teeth and soft limits come with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

import numpy as np

from models.animator import Slider
from models.face.topology import EYES, Eye, mirrored
from models.mesh.motion import features, relative_motion
from models.mesh.pose import own_yaw, turned
from models.mesh.tracker_gain import TrackerGain
from models.mesh.traits import PERSON, Traits
from models.types import Floats

_YAW, _PITCH, _ROLL = math.radians(24), math.radians(15), math.radians(16)
"""How far a head turns at a slider's end: what shows well of most photos."""

_OWN_YAW, _TOWARD = np.radians([4.0, 9.0, 25.0, 34.0]), np.radians([24.0, 12.0, 12.0, 6.0])
"""How far a face that is turned in the photo turns toward the front at the slider's end, by how far
it is turned: that shows cheeks which the photo hides. By eye, on paintings at 9 to 34 degrees."""

_LOOK_ASIDE, _LOOK_UP = 0.23, 0.09
"""Eye widths that irises go at a slider's end. The tracker reads half of a glance upward."""

_SQUARE = 0.6
"""Share of the half height and width by which two glances at once are shortened: eyes look along
an ellipse, not into its corners."""


def _slider(name: str, label: str, group: str, help_: str, both: bool = True) -> Slider:
    return Slider(name, label, -1.0 if both else 0.0, 1.0, 0.0, help_, group)


SLIDERS = (
    _slider("turn", "Turn", "head", "Turns the head to the left or the right of the picture."),
    _slider("nod", "Nod", "head", "Lowers or lifts the chin."),
    _slider("tilt", "Tilt", "head", "Leans the head to a shoulder."),
    _slider("gaze_x", "Look aside", "eyes", "Looks to the left or the right of the picture."),
    _slider("gaze_y", "Look up", "eyes", "Looks down or up."),
    _slider("lids", "Eyelids", "eyes", "Closes the eyes, or opens them wide."),
    _slider("squint", "Squint", "eyes", "Narrows the eyes.", both=False),
    _slider("wink_left", "Wink left", "eyes", "Closes the eye on the left of the picture.", False),
    _slider("wink_right", "Wink right", "eyes", "Closes the one on the right.", False),
    _slider("brows", "Brows", "brows", "Lowers the brows to a frown, or raises them."),
    _slider("worry", "Worry", "brows", "Raises the inner ends of the brows.", both=False),
    _slider("brow", "One brow", "brows", "Raises the brow on the left or on the right."),
    _slider("smile", "Smile", "mouth", "Lets the mouth's corners hang, or smiles."),
    _slider("open", "Open mouth", "mouth", "Lets the jaw drop.", both=False),
    _slider("teeth", "Show teeth", "mouth", "Draws the lips from the teeth.", both=False),
    _slider("pout", "Pout", "mouth", "Draws the mouth wide, or purses the lips."),
    _slider("aside", "Mouth aside", "mouth", "Pulls the mouth to the left or the right."),
)
"""Left and right are those of the picture."""

_ENDS = {
    "squint": ("squint", ""),
    "worry": ("worry", ""),
    "smile": ("smile", "sad"),
    "open": ("open", ""),
    "teeth": ("teeth", ""),
    "pout": ("pout", "wide"),
    "lids": ("eyes_wide", "blink"),
    "brows": ("brows_up", "brows_down"),
    "gaze_y": ("look_up", "look_down"),
    "brow": ("brow", "brow_mirrored"),
    "aside": ("aside", "aside_mirrored"),
    "wink_right": ("wink", ""),
    "wink_left": ("wink_mirrored", ""),
}
"""The gestures at a slider's upper and lower end."""

_EYES = ("look_up", "look_down", "blink", "eyes_wide", "squint")
_BROWS = ("brows_up", "brows_down", "worry", "brow")
_MOUTH = ("sad", "open", "teeth", "pout", "wide", "aside")
"""Gestures of one part: what seems to move elsewhere does not."""

_TIMES = {
    **{"brows_up": 2.0, "brows_down": 1.6, "worry": 1.8, "brow": 1.8, "squint": 1.4},
    **{"smile": 1.1, "sad": 1.5, "open": 0.85, "pout": 1.6, "wide": 1.5, "aside": 1.3},
}
"""By how much some gestures are made stronger, by eye: brows are read as less than they do."""

_SHUT_LATE = {"blink": 1.6, "wink": 1.6, "wink_mirrored": 1.6}
"""Exponents of gestures that close lids: half of their way is read as far more than half shut."""


def moved(values: Mapping[str, float]) -> dict[str, float]:
    """The values that move something, within the sliders' ends."""
    known = {slider.name: slider for slider in SLIDERS}
    found = {}
    for name, value in values.items():
        slider = known.get(name)
        if slider is not None and math.isfinite(value):
            found[name] = min(max(float(value), slider.least), slider.most)
    return {name: value for name, value in found.items() if value}


def edited(
    source: Floats, values: Mapping[str, float], gain: TrackerGain, traits: Traits = PERSON
) -> Floats:
    """The landmarks of a photo whose face makes gestures.

    Args:
        source: (478, 3) of the photo, in crop units.
        values: as `moved` gives them.
        gain: of the avatar.
        traits: likewise.
    """
    rest = _rest()
    driving = rest.copy()
    for name, value in values.items():
        if name in _ENDS:
            end = _ENDS[name][value < 0]
            driving += abs(value) ** _SHUT_LATE.get(end, 1.0) * _ways(traits.human)[end]
    for eye in EYES:
        _look(driving, eye, values.get("gaze_x", 0.0), values.get("gaze_y", 0.0))
        _meet(driving, eye)
    yaw, pitch, roll = (values.get(name, 0.0) for name in ("turn", "nod", "tilt"))
    driving = turned(driving, _turn(source, yaw), _PITCH * pitch, _ROLL * roll)
    return relative_motion(source, rest, driving, True, gain, traits)


def _turn(source: Floats, share: float) -> float:
    """The yaw in radians of a slider's value, with the sign of `euler`."""
    toward_front = math.copysign(1.0, share) * own_yaw(source)
    most = float(np.interp(toward_front, _OWN_YAW, _TOWARD)) if toward_front > 0 else _YAW
    return -share * most


def _look(driving: Floats, eye: Eye, aside: float, up: float) -> None:
    """Move an iris; changes `driving`."""
    width = float(np.linalg.norm(_rest()[eye.corners[0]] - _rest()[eye.corners[1]]))
    shorter = 1 - (1 - _SQUARE) * abs(aside * up) / 2
    driving[eye.iris, 0] += shorter * _LOOK_ASIDE * width * aside
    driving[eye.iris, 1] -= shorter * _LOOK_UP * width * up


def _meet(driving: Floats, eye: Eye) -> None:
    """Let lids that would pass each other meet; changes `driving`."""
    span = driving[eye.upper] - driving[eye.lower]
    crossed = (span * (_rest()[eye.upper] - _rest()[eye.lower])).sum(1) < 0
    driving[eye.upper[crossed]] = driving[eye.lower[crossed]]


def _rest() -> Floats:
    """(478, 3): the face that makes the gestures, at rest, in face heights."""
    return _measured()["rest"]


@cache
def _measured() -> Mapping[str, Floats]:
    with (files("models.mesh") / "gestures.npz").open("rb") as file, np.load(file) as arrays:
        return {name: np.asarray(arrays[name], np.float32) for name in arrays.files}


@cache
def _ways(human: bool = True) -> Mapping[str, Floats]:
    """(478, 3) by the gesture's name: how far each point goes, in face heights.

    Args:
        human: cheeks that smile narrow the eyes, which cuts into large round ones.
    """
    eyes, mouth = features()
    ways = {}
    for name, measured in _measured().items():
        way = measured.copy()
        if name in _EYES:
            way *= eyes
        elif name in _BROWS:
            way *= 1 - mouth
            for eye in EYES:
                way[eye.opening] = 0.0
        elif name in _MOUTH or (name == "smile" and not human):
            way *= 1 - eyes
        elif name == "wink":
            # The tracker thinks that eyes close together, and so half closes the other one.
            way[EYES[0].opening] = 0.0
        ways[name] = _TIMES.get(name, 1.0) * way
        for eye in EYES:
            ways[name][eye.iris] = 0.0
    for name in ("brow", "aside", "wink"):
        mirror = np.zeros_like(ways[name])
        mirror[:468] = ways[name][mirrored()] * np.array([-1, 1, 1], np.float32)
        ways[f"{name}_mirrored"] = mirror
    return ways
