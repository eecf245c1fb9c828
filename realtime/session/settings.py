"""What a user has set in the control panel, kept from run to run in a TOML file."""

from __future__ import annotations

import math
import os
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from models.types import Strengths
from realtime.animation.animation import Tuning
from realtime.animation.framing import Framing
from realtime.modes import Motion

_HEADER = "# Written by avatarify-like when something is changed in its panel.\n"
T = TypeVar("T")


@dataclass(frozen=True)
class AvatarSettings:
    """What is set for one avatar. Strengths and smoothing: 0..2, 1 is the usual."""

    relative: bool = True
    motion: float = 1.0
    expression: float = 1.0
    eyes: float = 1.0
    mouth: float = 1.0
    smoothing: float = 1.0

    def tuning(self, adapt_scale: bool) -> Tuning:
        """The same for the animation."""
        kind = Motion.RELATIVE if self.relative else Motion.ABSOLUTE
        strengths = Strengths(self.motion, self.expression, self.eyes, self.mouth)
        return Tuning(kind, adapt_scale, strengths, self.smoothing)


@dataclass(frozen=True)
class Settings:
    """Everything that survives a restart; the badge and the pass-through do not, on purpose.

    mirror_preview, mirror_output: flip the camera's picture, and what the call sees. blur: hide
    the user's face in the preview. landmarks, stages: show them. overlay: how strongly the pose of
    the calibration is drawn, 0..1. framing: what part of the camera's picture is looked at.
    avatars: by the name of the photo's file.
    """

    mirror_preview: bool = True
    mirror_output: bool = False
    blur: bool = True
    landmarks: bool = False
    stages: bool = False
    overlay: float = 0.0
    framing: Framing = field(default_factory=Framing)
    avatars: dict[str, AvatarSettings] = field(default_factory=dict)

    def of(self, avatar: str) -> AvatarSettings:
        """What is set for an avatar."""
        return self.avatars.get(avatar, AvatarSettings())

    def with_avatar(self, avatar: str, **changes: Any) -> Settings:
        """The same with changes for one avatar."""
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
        avatars={
            name: _fill(AvatarSettings(), table)
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
    tables["avatars"] = {
        name.encode("utf-8", "replace").decode("utf-8"): table
        for name, table in tables["avatars"].items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(_HEADER + tomli_w.dumps(tables), encoding="utf-8")
    beside.replace(path)


def _fill(start: T, data: dict[str, Any]) -> T:
    """`start` with the booleans and the numbers from 0 to 2 that `data` has for its fields."""
    found: dict[str, Any] = {}
    for one in fields(start):  # type: ignore[arg-type]
        value, usual = data.get(one.name), getattr(start, one.name)
        if isinstance(usual, bool):
            if isinstance(value, bool):
                found[one.name] = value
        elif isinstance(usual, float) and isinstance(value, (int, float)):
            if not isinstance(value, bool) and math.isfinite(value):
                found[one.name] = min(max(float(value), 0.0), 2.0)
    return replace(start, **found)  # type: ignore[type-var]
