"""What a user has set in the control panel, kept from run to run in a TOML file."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from models.animator import Motion, MotionSettings, Slider
from realtime.animation.animation import Tuning
from realtime.animation.framing import Framing
from realtime.session.chosen import Chosen

_HEADER = "# Written by avatarify-like when something is changed in its panel.\n"
_SLIDER = re.compile(r"[a-z_]{1,40}")
"""What names of sliders are made of: bare keys of TOML."""

T = TypeVar("T")


@dataclass(frozen=True)
class AvatarSettings:
    """What is set for one avatar.

    Attributes:
        relative: motion is relative to the calibration, not absolute.
        smoothing: 0..2, 1 is the usual.
        face: which face of the photo, from 1 on, largest first; 0: as the command line says, or the
            largest.
        strengths: values of backends' sliders by their names; what is not there is as usual. Names
            that the present backend does not know are kept for the one that does.
    """

    relative: bool = True
    smoothing: float = 1.0
    face: int = 0
    strengths: dict[str, float] = field(default_factory=dict)

    def strength(self, slider: Slider) -> float:
        """The value of a slider, within its bounds."""
        return min(max(self.strengths.get(slider.name, slider.usual), slider.least), slider.most)

    def tuning(self, adapt_scale: bool, sliders: Sequence[Slider]) -> Tuning:
        """The same for the animation, for the backend with these sliders."""
        strengths = {one.name: self.strength(one) for one in sliders}
        motion: Motion = "relative" if self.relative else "absolute"
        return Tuning(MotionSettings(motion, adapt_scale, strengths), self.smoothing)


@dataclass(frozen=True)
class Settings:
    """Everything that survives a restart; the badge and the pass-through do not, on purpose.

    Attributes:
        mirror_preview: flip the camera's picture.
        mirror_output: flip what the call sees.
        blur: hide the user's face in the preview.
        landmarks: show them in the preview.
        stages: show the milliseconds of each.
        overlay: how strongly the pose of the calibration is drawn, 0..1.
        framing: what part of the camera's picture is looked at.
        chosen: what a start without arguments begins with.
        avatars: what is set for each, by the name of the photo's file.
    """

    mirror_preview: bool = True
    mirror_output: bool = False
    blur: bool = True
    landmarks: bool = False
    stages: bool = False
    overlay: float = 0.0
    framing: Framing = field(default_factory=Framing)
    chosen: Chosen = field(default_factory=Chosen)
    avatars: dict[str, AvatarSettings] = field(default_factory=dict)

    def of(self, avatar: str) -> AvatarSettings:
        """What is set for an avatar, by the name of the photo's file."""
        return self.avatars.get(avatar, AvatarSettings())

    def with_avatar(self, avatar: str, **changes: Any) -> Settings:
        """The same with changes for one avatar.

        Args:
            avatar: the name of the photo's file.
            **changes: fields of `AvatarSettings`.
        """
        changed = replace(self.of(avatar), **changes)
        return replace(self, avatars={**self.avatars, avatar: changed})


def load(path: Path) -> Settings:
    """Read the settings; what is missing or makes no sense is as it comes from the factory.

    A file that is not TOML at all is renamed, so that the next `save` does not destroy what the
    user wrote in it.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, RecursionError):
        try:
            path.replace(path.with_suffix(".broken.toml"))
        except OSError:
            pass  # It may belong to somebody else; then it cannot be saved either.
        return Settings()
    avatars = data.get("avatars")
    framing = data.get("framing")
    plain = _fill(Settings(), data)
    return replace(
        plain,
        overlay=min(plain.overlay, 1.0),
        framing=_fill(Framing(), framing if isinstance(framing, dict) else {}).sane(),
        chosen=Chosen.read(data.get("chosen")),
        avatars={
            name: read_avatar(table)
            for name, table in (avatars if isinstance(avatars, dict) else {}).items()
            if isinstance(table, dict)
        },
    )


def save(settings: Settings, path: Path) -> None:
    """Write the settings; another program never sees half of them.

    Raises:
        OSError: the folder cannot be written to.
    """
    tables = asdict(settings)
    # Names of files may hold bytes that are no text.
    tables["avatars"] = {_text(name): _flat(table) for name, table in tables["avatars"].items()}
    tables["chosen"] = {
        name: _text(value) if isinstance(value, str) else value
        for name, value in tables["chosen"].items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(_HEADER + tomli_w.dumps(tables), encoding="utf-8")
    beside.replace(path)


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


def read_avatar(table: dict[str, Any]) -> AvatarSettings:
    """The settings of one avatar; every number that is none of our own is a slider's."""
    own = {one.name for one in fields(AvatarSettings)}
    strengths = {
        name: float(value)
        for name, value in table.items()
        if name not in own and isinstance(value, (int, float)) and not isinstance(value, bool)
        if math.isfinite(value) and _SLIDER.fullmatch(name)
    }
    return replace(_fill(AvatarSettings(), table), strengths=strengths)


def avatar_table(settings: AvatarSettings) -> dict[str, Any]:
    """The settings of one avatar as one table, which `read_avatar` reads."""
    return _flat(asdict(settings))


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """An avatar's settings as one table, as people edit it."""
    return {**settings.pop("strengths"), **settings}


def _fill(start: T, data: dict[str, Any]) -> T:
    """`start` with what `data` has for its fields: booleans, numbers from 0 to 2, counts to 99."""
    found: dict[str, Any] = {}
    for one in fields(start):  # type: ignore[arg-type]
        value, usual = data.get(one.name), getattr(start, one.name)
        if isinstance(usual, bool):
            if isinstance(value, bool):
                found[one.name] = value
        elif isinstance(usual, int):
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 99:
                found[one.name] = value
        elif isinstance(usual, float) and isinstance(value, (int, float)):
            if not isinstance(value, bool) and math.isfinite(value):
                found[one.name] = min(max(float(value), 0.0), 2.0)
    return replace(start, **found)  # type: ignore[type-var]
