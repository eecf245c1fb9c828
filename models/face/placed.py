"""A face that a person has placed on a picture: a few named points, and what kind of face it is.

Of animals, drawings and masks no network finds the landmarks. Twelve points suffice: the neutral
face is turned as the nose leans, and bent by a thin plate spline (Bookstein 1989) onto the points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from models.face.topology import EYES, OVAL, Eye, Indices, neutral_face
from models.types import KINDS, Face, Floats, Kind

POINTS: Mapping[str, int] = {
    "left_eye_outer": 33,
    "left_eye_inner": 133,
    "right_eye_inner": 362,
    "right_eye_outer": 263,
    "nose": 4,
    "mouth_left": 61,
    "mouth_middle": 13,
    "mouth_right": 291,
    "chin": 152,
    "forehead": 10,
    "left_cheek": 234,
    "right_cheek": 454,
}
"""The twelve points and the landmarks they are; left and right as in the picture."""

LIDS: Mapping[str, int] = {
    "left_upper_lid": 159,
    "left_lower_lid": 145,
    "right_upper_lid": 386,
    "right_lower_lid": 374,
}
"""The middles of the lids' edges, which may be placed too."""

_REACH = (-0.25, 1.25)
"""Least and largest fraction: the border of a face may lie out of its picture, but not far."""

_LEAST = 0.02
"""Share of the picture's longer side that the outer corners of the eyes are apart at least."""

_SLACK = 0.1
"""Distances of the eyes' outer corners by which the order from top to bottom may be wrong: a llama
that raises its head has its nose at its eyes."""

_SMOOTH = 1e-4
"""The spline's lambda: it leaves out what trembling fingers add."""

_LEAN = 0.6
"""Sine of the largest yaw that a nose may tell: 37 degrees, as far as the mesh turns."""

_SNOUT = {"person": (1.0, 1.0), "creature": (1.0, 1.4), "drawing": (0.8, 0.8)}
"""How far a nose sticks out, by a person's: with a narrow and with a wide mouth. Cats have the
first, dogs and llamas the second; twice as far, and a turned snout tears the cheek."""

_LONG_LIPS = (0.5, 0.75)
"""Width of the mouth by the distance of the eyes' outer corners: cats have up to 0.45, dogs 0.8."""

_FLAT = 0.45
"""Share of its depth that a drawing has: what is drawn is nearly a sheet, and the lines around a
turned head would be stretched to smears."""

_RIM = 4.0
"""Centimetres of the neutral face, 18 high, from its border to where that depth is whole."""

_BESIDE = 0.5
"""Eye widths beside the middle of an eye, at which the skin goes a third of its lid's way."""

_ROUNDER = 1.08
"""Opening of a creature's eye by what is placed: people click inside the dark rim."""

_SNOUTS = (0.5, 1.6)
"""Least and largest such factor that is taken from a person."""

_EYES = {"person": 0.32, "creature": 0.75, "drawing": 0.75}
"""Opening of an eye by its width, where nobody has placed the lids."""

_IRIS = {"person": 0.23, "creature": 0.45, "drawing": 0.3}
"""Largest radius of an iris by the eye's width; where lids are nearer, it touches them."""

_QUARTERS = ((234, 152), (454, 152), (234, 10), (454, 10))
"""Landmarks between which the border lies on a quarter of an ellipse; else the jaw folds and the
forehead bulges."""


@dataclass(frozen=True)
class Placed:
    """Points on a picture.

    Attributes:
        points: (x, y) by the names of `POINTS`, all of them, and of `LIDS`, any pair of them;
            fractions of the picture's width and height.
        kind: what kind of face it is.
        snout: how far the nose sticks out, 1 as a person's; None: as usual for such a face.
    """

    points: Mapping[str, tuple[float, float]]
    kind: Kind = "person"
    snout: float | None = None

    @classmethod
    def of(cls, points: object, kind: object, snout: object = None) -> Placed:
        """Check what came from outside.

        Args:
            points: a mapping of names to two numbers.
            kind: a word of `KINDS`.
            snout: a number or None.

        Raises:
            ValueError: these are no such things; a clause that says what is wrong.
        """
        if not isinstance(points, Mapping):
            raise ValueError("they are not a table of points by their names")
        if unknown := [name for name in points if name not in POINTS and name not in LIDS]:
            raise ValueError(f"there is no point called {str(unknown[0])[:40]!r}")
        if missing := [_called(name) for name in POINTS if name not in points]:
            raise ValueError(f"the {missing[0]} is missing")
        if kind not in KINDS:
            raise ValueError(f"the kind is none of {', '.join(KINDS)}")
        known = {name: _pair(name, place) for name, place in points.items()}
        if snout is None:
            return cls(known, kind)
        low, high = _SNOUTS
        if not isinstance(snout, int | float) or not low <= snout <= high:
            raise ValueError(f"the snout is not a number from {low} to {high}")
        return cls(known, kind, float(snout))

    @classmethod
    def on(cls, landmarks: Floats, size: tuple[int, int], kind: Kind = "person") -> Placed:
        """The points of a face whose landmarks are known.

        Args:
            landmarks: (478, 2 or 3) in pixels.
            size: width and height of the picture.
            kind: what kind of face it is.
        """
        places = landmarks[list({**POINTS, **LIDS}.values()), :2] / np.array(size, np.float32)
        rows = zip({**POINTS, **LIDS}, places.tolist(), strict=True)
        return cls({name: (x, y) for name, (x, y) in rows}, kind)

    def listed(self) -> list[dict[str, Any]]:
        """Name, x and y of each, as JSON knows them, in the order of `POINTS` and `LIDS`."""
        order = [name for name in (*POINTS, *LIDS) if name in self.points]
        return [
            {"name": name, "x": round(self.points[name][0], 5), "y": round(self.points[name][1], 5)}
            for name in order
        ]

    def content(self) -> dict[str, Any]:
        """The same as files keep it."""
        points = {one["name"]: [one["x"], one["y"]] for one in self.listed()}
        content: dict[str, Any] = {"placed": points, "kind": self.kind}
        return content if self.snout is None else {**content, "snout": self.snout}

    def face(self, size: tuple[int, int]) -> Face:
        """The face on a picture of some width and height.

        Raises:
            ValueError: the points make no face; a clause that says which is wrong.
        """
        scale = np.array(size, np.float64)
        places = {name: np.array(place) * scale for name, place in self.points.items()}
        _check(places, max(size))
        landmarks = _Bent(places, self.kind, self.snout).landmarks()
        return Face(landmarks, None, 1.0, kind=self.kind)


def _called(name: str) -> str:
    """A point's name as people read it."""
    return name.replace("_", " ")


def _number(value: object) -> bool:
    return type(value) in (int, float)


def _pair(name: str, place: object) -> tuple[float, float]:
    if not isinstance(place, list | tuple) or len(place) != 2 or not all(map(_number, place)):
        raise ValueError(f"the {_called(name)} has not two numbers")
    x, y = (float(value) for value in place)
    if not all(_REACH[0] <= value <= _REACH[1] for value in (x, y)):
        raise ValueError(f"the {_called(name)} lies outside of the picture")
    return x, y


def _check(places: Mapping[str, Floats], side: int) -> None:
    """Whether points make a face.

    Args:
        places: (2,) pixels by their names.
        side: longer side of the picture in pixels.

    Raises:
        ValueError: they do not.
    """
    left, right = places["left_eye_outer"], places["right_eye_outer"]
    eyes = float(np.hypot(*(right - left)))
    if eyes < _LEAST * side:
        raise ValueError("the eyes are in one place")
    along = (right - left) / eyes
    if along[0] < 0:
        raise ValueError("the left eye lies to the right of the right one")
    down = np.array([-along[1], along[0]])
    middle = (left + right) / 2
    u = {name: float((place - middle) @ along) / eyes for name, place in places.items()}
    v = {name: float((place - middle) @ down) / eyes for name, place in places.items()}
    for first, second, least in (
        ("left_eye_outer", "left_eye_inner", 0.03),
        ("left_eye_inner", "right_eye_inner", 0.02),
        ("right_eye_inner", "right_eye_outer", 0.03),
        ("mouth_left", "mouth_middle", 0.01),
        ("mouth_middle", "mouth_right", 0.01),
        ("left_cheek", "left_eye_inner", 0.02),
        ("right_eye_inner", "right_cheek", 0.02),
        ("left_cheek", "mouth_middle", 0.1),
        ("mouth_middle", "right_cheek", 0.1),
        ("left_cheek", "nose", 0.02),
        ("nose", "right_cheek", 0.02),
    ):
        if u[second] - u[first] < least:
            raise ValueError(f"the {_called(first)} is not left of the {_called(second)}")
    for upper, lower, least in (
        ("forehead", "left_eye_outer", 0.02),
        ("forehead", "right_eye_outer", 0.02),
        ("left_eye_outer", "nose", -_SLACK),
        ("nose", "mouth_middle", -_SLACK / 2),
        ("left_eye_outer", "mouth_middle", 0.1),
        ("mouth_middle", "chin", 0.02),
        ("mouth_left", "chin", -_SLACK),
        ("mouth_right", "chin", -_SLACK),
        *((f"{s}_upper_lid", f"{s}_lower_lid", 0.005) for s in ("left", "right")),
    ):
        if upper in v and lower in v and v[lower] - v[upper] < least:
            raise ValueError(f"the {_called(upper)} is not above the {_called(lower)}")


class _Bent:
    """The neutral face, brought onto points."""

    def __init__(self, places: Mapping[str, Floats], kind: Kind, snout: float | None) -> None:
        """Set it roughly: place, size, roll and yaw.

        Args:
            places: (2,) pixels by their names.
            kind: what kind of face it is.
            snout: how far the nose sticks out, 1 as a person's.
        """
        self._places, self._kind = places, kind
        numbers = list(POINTS.values())
        there = np.array([places[name] for name in POINTS])
        neutral = neutral_landmarks()
        here = neutral[numbers, :2]
        centred, wanted = here - here.mean(0), there - there.mean(0)
        spread = float((centred**2).sum())
        cos = float((centred * wanted).sum()) / spread
        sin = float((centred[:, 0] * wanted[:, 1] - centred[:, 1] * wanted[:, 0]).sum()) / spread
        self.scale = float(np.hypot(cos, sin))
        factor = _snout(places, kind) if snout is None else snout
        along = np.array([cos, sin]) / self.scale
        corners = ["left_eye_outer", "left_eye_inner", "right_eye_inner", "right_eye_outer"]
        between = np.mean([places[name] for name in corners], axis=0)
        lean = float((places["nose"] - between) @ along) / self.scale
        depth = float(neutral[[33, 133, 362, 263], 2].mean() - neutral[4, 2]) * factor
        sine = float(np.clip(lean / depth, -_LEAN, _LEAN))
        neutral[:, 2] -= neutral[[234, 454], 2].mean()
        # A snout: the middle of the face comes forward.
        x, y = neutral[:, 0] / 2.6, (neutral[:, 1] - neutral[4, 1] - 1) / 3.5
        neutral[:, 2] -= (factor - 1) * abs(float(neutral[4, 2])) * np.exp(-(x**2) - y**2)
        turned = np.array([[np.sqrt(1 - sine**2), 0, -sine], [0, 1, 0], [sine, 0, 1.0]])
        turned[2, 2] = turned[0, 0]
        roll = np.array([[along[0], -along[1], 0], [along[1], along[0], 0], [0, 0, 1]])
        self._points = self.scale * neutral @ (roll @ turned).T
        self._points[:, :2] += there.mean(0) - self._points[numbers, :2].mean(0)
        self._numbers, self._there = numbers, there

    def landmarks(self) -> Floats:
        """(478, 3) in pixels."""
        source, target = [*self._points[self._numbers, :2]], [*self._there]
        by_number = {number: self._places[name] for name, number in POINTS.items()}
        middle = (by_number[234] + by_number[454]) / 2
        for number, share, start, end in _guides():
            angle = share * np.pi / 2
            a, b = by_number[start] - middle, by_number[end] - middle
            source.append(self._points[number, :2])
            target.append(middle + a * np.cos(angle) + b * np.sin(angle))
        unit = 10 * self.scale
        bent = _spline(np.array(source) / unit, np.array(target) / unit, self._points[:, :2] / unit)
        out = self._points.copy()
        out[:, :2] = bent * unit
        if self._kind == "drawing":
            out[:, 2] *= _FLAT * _inwards()
        for eye, side in zip(EYES, ("left", "right"), strict=True):
            self._open(out, eye, side)
        return np.asarray(out, np.float32)

    def _open(self, out: Floats, eye: Eye, side: str) -> None:
        """Put an eye's lids on arcs through what was placed, and its iris between; changes `out`.

        side: "left" or "right", in the picture.
        """
        corners = np.array([self._places[f"{side}_eye_{at}"] for at in ("outer", "inner")])
        width = float(np.hypot(*(corners[1] - corners[0])))
        along = (corners[1] - corners[0]) / width * (1 if side == "left" else -1)
        down = np.array([-along[1], along[0]])
        names = [f"{side}_{which}_lid" for which in ("upper", "lower")]
        middle = corners.mean(0)
        if all(name in self._places for name in names):
            heights = [float((self._places[name] - middle) @ down) for name in names]
        else:
            gap = _EYES[self._kind] * width
            heights = [-0.6 * gap, 0.4 * gap]
        if self._kind == "creature":
            heights = [_ROUNDER * height for height in heights]
        share = np.linspace(0, 1, 9)[1:-1, None]
        line = corners[0] + (corners[1] - corners[0]) * share
        for numbers, height in zip((eye.upper, eye.lower), heights, strict=True):
            edge = line + np.sin(np.pi * share) ** 0.75 * height * down
            self._make_room(out, numbers, (middle, along, down), width, height)
            out[numbers, :2] = edge
        out[eye.corners, :2] = corners
        gap = heights[1] - heights[0]
        radius = min(0.5 * gap, _IRIS[self._kind] * width)
        centre = middle + down * sum(heights) / 2
        rim = np.array([along, -down, -along, down]) * radius
        out[eye.iris, :2] = np.concatenate([centre[None], centre + rim])
        out[eye.iris, 2] = out[eye.opening, 2].mean()

    def _make_room(
        self,
        out: Floats,
        edge: Indices,
        axes: tuple[Floats, Floats, Floats],
        width: float,
        height: float,
    ) -> None:
        """Press the skin beyond a lid together as that comes to its height; changes `out`.

        Args:
            out: (478, 3).
            edge: (7,) the lid's edge, which still is where it was.
            axes: the eye's middle, and the unit vectors along it and down, (2,) each.
            width: of the eye.
            height: of the lid's middle below the line through the corners.
        """
        middle, along, down = axes
        u, v = (out[:468, :2] - middle) @ along, (out[:468, :2] - middle) @ down
        before = float(v[edge[2:5]].mean())
        sign = -1.0 if height < 0 else 1.0
        beyond = np.maximum(sign * (v - before), 0)
        # Up to the face's border, or down to the mouth, where nothing moves any more.
        row = OVAL[sign * v[OVAL] > 0]
        row = row[np.argsort(u[row])]
        room = sign * np.interp(u, u[row], v[row]) - sign * before
        if sign > 0:
            room = np.minimum(room, float(v[[61, 291]].min()) - before)
        share = np.clip(1 - beyond / np.maximum(room, 1e-6), 0, 1) * (beyond > 0)
        share *= np.exp(-((u / (_BESIDE * width)) ** 2))
        share[[*POINTS.values(), *EYES[0].opening, *EYES[1].opening]] = 0
        moved = np.clip(sign * (height - before), -0.5 * width, 0.8 * np.maximum(room, 0))
        out[:468, :2] += (sign * share * moved)[:, None] * down


def _snout(places: Mapping[str, Floats], kind: Kind) -> float:
    """How far the nose sticks out: of creatures by how long their lips are."""
    wide = float(np.hypot(*(places["mouth_right"] - places["mouth_left"])))
    eyes = float(np.hypot(*(places["right_eye_outer"] - places["left_eye_outer"])))
    low, high = _LONG_LIPS
    narrow, long = _SNOUT[kind]
    return narrow + (long - narrow) * float(np.clip((wide / eyes - low) / (high - low), 0, 1))


def neutral_landmarks() -> Floats:
    """(478, 3): the neutral face with irises."""
    face = neutral_face().astype(np.float64)
    irises = [np.repeat(face[eye.opening].mean(0)[None], 5, 0) for eye in EYES]
    return np.concatenate([face, *irises])


@cache
def _guides() -> list[tuple[int, float, int, int]]:
    """Border points that nobody places: number, share of a quarter, where that begins and ends."""
    face = neutral_landmarks()[:, :2]
    middle = face[[234, 454]].mean(0)
    found = []
    for number in OVAL.tolist():
        if number in POINTS.values():
            continue
        place = face[number] - middle
        side = 234 if place[0] < 0 else 454
        start, end = next(
            (a, b) for a, b in _QUARTERS if a == side and (b == 152) == (place[1] > 0)
        )
        along = np.linalg.solve(np.column_stack([face[start] - middle, face[end] - middle]), place)
        share = float(np.arctan2(along[1], along[0])) / (np.pi / 2)
        found.append((number, min(max(share, 0.02), 0.98), start, end))
    return found


@cache
def _inwards() -> Floats:
    """(478,): 0 on the face's border, 1 well within: the border of a drawn head stays in its plane.

    Else the line around it would be torn from what lies outside.
    """
    face = neutral_landmarks()[:, :2]
    away = np.linalg.norm(face[:, None] - face[None, OVAL], axis=-1).min(1)
    return np.asarray(np.clip(away / _RIM, 0, 1), np.float64)


def _spline(source: Floats, target: Floats, points: Floats) -> Floats:
    """(M, 2) points moved by the thin plate spline from (N, 2) `source` to `target`."""

    def bend(a: Floats, b: Floats) -> Floats:
        square = ((a[:, None] - b[None]) ** 2).sum(-1)
        return np.asarray(square * np.log(square + 1e-9))

    count = len(source)
    flat = np.column_stack([np.ones(count), source])
    matrix = np.zeros((count + 3, count + 3))
    matrix[:count, :count] = bend(source, source) + _SMOOTH * np.eye(count)
    matrix[:count, count:] = flat
    matrix[count:, :count] = flat.T
    weights = np.linalg.solve(matrix, np.concatenate([target, np.zeros((3, 2))]))
    plane = np.column_stack([np.ones(len(points)), points])
    moved = bend(points, source) @ weights[:count] + plane @ weights[count:]
    return np.asarray(moved, np.float64)
