"""What a run was set up with, remembered for a start without arguments."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields
from typing import Any

from models.backends import DEFAULT
from realtime.canvas.fit import Fit

BACKGROUNDS = ("keep", "blur", "green", "photo")
"""What can be behind the person; the photo is the last one that was given."""

TURNS = (0, 90, 180, 270)
"""Degrees clockwise by which a camera's pictures can be turned."""

NOWHERE = "none"
"""The word for no camera, and for no output."""

_LONGEST = 4096
"""Letters of a path at most, on all usual systems."""


@dataclass(frozen=True)
class Chosen:
    """What is chosen on the page; all of it is plain, as TOML knows it.

    Attributes:
        photo: the path of the photo that is animated; "": the example.
        camera: as `--camera`, or "none"; never an address with a password.
        output: as `--output`.
        backend: as `--backend`.
        device: what networks compute on, as `AVATARIFY_DEVICE`, or "auto".
        size: of the output, "WIDTHxHEIGHT".
        fps: frames per second of the output, 1..120.
        fit: how the photo fills the canvas.
        rotate: degrees clockwise by which the camera's pictures are turned.
        background: one of `BACKGROUNDS`.
    """

    photo: str = ""
    camera: str = NOWHERE
    output: str = NOWHERE
    backend: str = DEFAULT
    device: str = "auto"
    size: str = "1280x720"
    fps: float = 30.0
    fit: str = Fit.BLUR.value
    rotate: int = 0
    background: str = "keep"

    @classmethod
    def read(cls, table: object) -> Chosen:
        """What a file says; what is missing or makes no sense is as usual."""
        if not isinstance(table, dict):
            return cls()
        usual = cls()
        found = {
            one.name: table[one.name]
            for one in fields(cls)
            if one.name in table and _sane(one.name, table[one.name], getattr(usual, one.name))
        }
        return cls(**found)


def _sane(name: str, value: Any, usual: Any) -> bool:
    if isinstance(usual, str):
        if not isinstance(value, str) or not len(value) <= _LONGEST or "\0" in value:
            return False
    elif isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    checks: dict[str, bool] = {
        "size": name != "size" or bool(re.fullmatch(r"\d{2,4}x\d{2,4}", value)),
        "fps": name != "fps" or 1 <= value <= 120,
        "fit": name != "fit" or value in list(Fit),
        "rotate": name != "rotate" or value in TURNS,
        "background": name != "background" or value in BACKGROUNDS,
    }
    return checks.get(name, True)
