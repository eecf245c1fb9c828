"""Recorded motion: our own files, and the motion templates that other tools make.

Ours is an `.npz` of plain numbers, which nothing can hide in. A template of others is a pickle,
which can run any program when it is read as usual; here it is read by an unpickler that knows
nothing but numbers, texts, lists, dictionaries and arrays, and refuses everything else.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.animator import RecordedMotion
from models.errors import UserError
from models.liveportrait import plain_pickle
from models.liveportrait.config import KEYPOINTS
from models.liveportrait.motion import State
from models.liveportrait.ratios import Ratios
from models.liveportrait.smoothing import Observed
from models.types import Floats

VERSION = 1
"""Of our own files."""

SUFFIXES = (".npz", ".pkl")
"""Of motion files: ours, and the templates of others."""

MOST_BYTES = 64 * 2**20
"""A motion file is not larger: an hour takes a third of it in ours."""

MOST_FRAMES = 200_000
"""Frames at most: almost two hours."""

USUAL_FPS = 25.0
"""Frames per second where a template does not say; the official tool's."""

_MOST_STEPS = 3_000_000
"""Instructions of a template at most: 17 minutes of frames have them, and they fit in memory."""

_LIMIT = 100.0
"""No number of a motion is larger; real ones stay below 3."""


RESTING = Ratios(0.31, 0.31, 0.005)
"""The openings where a file says none: of open eyes and a shut mouth, the middle of what official
templates tell of such frames. What opens a photo's as far as the driver's leaves its own then."""


def save_motion(path: Path, motion: RecordedMotion) -> None:
    """Write a motion as numbers alone.

    Args:
        path: of the file, whose name should end in .npz.
        motion: what is written; its observations are `Observed`.

    Raises:
        UserError: there is nothing to save, or it cannot be written.
    """
    frames = motion.observations
    if not any(frames):
        raise UserError("No face was seen, so there is no motion to save.")
    blank = Observed(State(np.eye(3), np.zeros((KEYPOINTS, 3)), 1.0, np.zeros(3)), RESTING)
    full = [frame or blank for frame in frames]
    openings = [frame.ratios for frame in full]
    arrays = {
        "liveportrait_motion": np.array(VERSION, np.int32),
        "fps": np.array(motion.fps, np.float32),
        "seen": np.array([frame is not None for frame in frames]),
        "reference": np.array(motion.references, np.int32),
        "turn": np.stack([frame.state.turn for frame in full]).astype(np.float32),
        "exp": np.stack([frame.state.exp for frame in full]).astype(np.float32),
        "scale": np.array([frame.state.scale for frame in full], np.float32),
        "t": np.stack([frame.state.t for frame in full]).astype(np.float32),
        "ratios": np.array([(one.left, one.right, one.lips) for one in openings], np.float32),
    }
    try:
        with path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise UserError(
            f"The motion could not be written ({error.strerror}); make room or choose another "
            "place."
        ) from error


def load_motion(path: Path) -> RecordedMotion:
    """Read a motion: our own file, or a template of others, which is relative to its first frame.

    Raises:
        UserError: it is neither, is damaged, too large or holds anything but numbers.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} is too large for a motion file; cut it into parts of an hour.")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the name.") from error
    if data.startswith(b"PK"):
        return _own(data, path)
    return _template(data, path)


def _damaged(path: Path, why: str) -> UserError:
    return UserError(f"{path} is no motion file that can be used: {why}; record or get it again.")


def _own(data: bytes, path: Path) -> RecordedMotion:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _check_sizes(archive)
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    # What a damaged archive raises in its layers is not one kind of error.
    except Exception as error:
        raise _damaged(path, "it is damaged") from error
    version = arrays.get("liveportrait_motion")
    if version is None or version.shape != () or version.dtype.kind != "i":
        raise _damaged(path, "it holds no motion of this backend")
    if int(version) != VERSION:
        raise UserError(
            f"{path} was recorded by a newer version of this tool; update it and try again."
        )
    count = len(arrays["seen"]) if "seen" in arrays and arrays["seen"].ndim == 1 else 0
    shapes: dict[str, tuple[int, ...]] = {
        "fps": (),
        "turn": (count, 3, 3),
        "exp": (count, KEYPOINTS, 3),
        "scale": (count,),
        "t": (count, 3),
        "ratios": (count, 3),
    }
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape or arrays[name].dtype.kind != "f":
            raise _damaged(path, f"its part {name} is missing or has another shape")
    references = arrays.get("reference")
    if references is None or references.shape != (count,) or references.dtype.kind != "i":
        raise _damaged(path, "its part reference is missing or has another shape")
    frames: list[Observed | None] = []
    for i in range(count):
        if not arrays["seen"][i]:
            frames.append(None)
            continue
        state = State(
            arrays["turn"][i], arrays["exp"][i], float(arrays["scale"][i]), arrays["t"][i]
        )
        frames.append(Observed(state, _ratios(arrays["ratios"][i])))
    return _checked(RecordedMotion(float(arrays["fps"]), frames, references.tolist()), path)


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Refuse an archive whose parts are larger than they should be, or say that they are.

    Raises:
        ValueError: one is.
    """
    entries = archive.infolist()
    if len(entries) > 20 or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise ValueError("the archive is too large")
    for entry in entries:
        with archive.open(entry) as file:
            major, minor = np.lib.format.read_magic(file)
            if (major, minor) != (1, 0):
                raise ValueError("the array is of another kind")
            shape, _, kind = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
        if kind.hasobject or math.prod(shape) * kind.itemsize > entry.file_size:
            raise ValueError("the array is larger than its file")


def _template(data: bytes, path: Path) -> RecordedMotion:
    told = _plain_pickle(data, path)
    motion = told.get("motion") if isinstance(told, dict) else None
    if not isinstance(told, dict) or not isinstance(motion, list):
        raise _damaged(path, "it is no motion template")
    eyes = _first(told, "c_eyes_lst", "c_d_eyes_lst")
    lips = _first(told, "c_lip_lst", "c_d_lip_lst")
    frames = []
    for i, one in enumerate(motion[: MOST_FRAMES + 1]):
        if not isinstance(one, dict):
            raise _damaged(path, f"its frame {i} is none")
        state = State(
            _array(_first(one, "R", "R_d"), (3, 3), path, i),
            _array(one.get("exp"), (KEYPOINTS, 3), path, i),
            float(_array(one.get("scale"), (1,), path, i)[0]),
            _array(one.get("t"), (3,), path, i),
        )
        openings = RESTING
        if isinstance(eyes, list) and isinstance(lips, list) and i < min(len(eyes), len(lips)):
            both = _array(eyes[i], (2,), path, i), _array(lips[i], (1,), path, i)
            openings = _ratios(np.concatenate(both))
        frames.append(Observed(state, openings))
    fps = _array(told.get("output_fps", USUAL_FPS), (1,), path, 0)
    return _checked(RecordedMotion(float(fps[0]), frames, [0] * len(frames)), path)


def _first(values: Mapping[Any, Any], *names: str) -> Any:
    """The value of the first name that is there; older files have other names."""
    return next((values[name] for name in names if name in values), None)


def _array(value: Any, shape: tuple[int, ...], path: Path, frame: int) -> Floats:
    """A value of a template as numbers of a shape, whatever leading sides of 1 it has."""
    numbers = np.array(_flat(value, math.prod(shape)), np.float32)
    if numbers.size != math.prod(shape):
        raise _damaged(path, f"a part of its frame {frame} is missing or has another shape")
    return numbers.reshape(shape)


def _flat(value: Any, most: int, depth: int = 4) -> list[float]:
    """The numbers in a value, at most one more than `most`: lists may hold each other."""
    if isinstance(value, plain_pickle.Array):
        return [float(number) for number in value.values.reshape(-1)[: most + 1]]
    if isinstance(value, (int, float)):
        # An integer may be larger than any float; none that large is of use.
        return [float(value) if abs(value) <= _LIMIT else math.inf]
    if depth == 0:
        return [math.inf] * (most + 1)
    found: list[float] = []
    if isinstance(value, (list, tuple)):
        for part in value[: most + 1]:
            if len(found) <= most:
                found += _flat(part, most, depth - 1)
    return found


def _ratios(values: Floats) -> Ratios:
    if not np.isfinite(values).all():
        return RESTING
    left, right, lips = (max(float(value), 0.0) for value in values)
    return Ratios(left, right, lips)


def _checked(motion: RecordedMotion, path: Path) -> RecordedMotion:
    if not 0.1 <= motion.fps <= 1000:
        raise _damaged(path, "its number of frames per second is none")
    if not any(motion.observations) or len(motion.observations) > MOST_FRAMES:
        raise _damaged(path, "it has no frames, or too many")
    for used in set(motion.references):
        if not 0 <= used < len(motion.observations) or motion.observations[used] is None:
            raise _damaged(path, "what it is measured against is no frame of it")
    for i, frame in enumerate(motion.observations):
        if frame is None:
            continue
        state = frame.state
        largest = max(np.abs(part).max() for part in (state.turn, state.exp, state.t))
        if not (state.finite() and largest <= _LIMIT and 1 / _LIMIT <= state.scale <= _LIMIT):
            raise _damaged(path, f"its frame {i} is not made of usable numbers")
    return motion


def _plain_pickle(data: bytes, path: Path) -> Any:
    """What a pickle holds.

    Raises:
        UserError: it is none, or would do more than hold data.
    """
    try:
        return plain_pickle.load(data, _MOST_STEPS)
    except plain_pickle.Refused as error:
        raise UserError(
            f"{path} holds more than a motion: a program could be hidden in it, so it is not "
            "read; use a motion that was recorded as .npz."
        ) from error
    # A damaged pickle raises nearly anything; none of it is ours.
    except Exception as error:
        raise _damaged(path, "it is damaged") from error
