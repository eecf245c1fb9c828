"""A frame's network in 8-bit integers: calibrated, measured, and kept only where it is faster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.quantization import to_integers
from models.runtime import Feeds, RuntimeSession
from models.types import Floats, Image

if TYPE_CHECKING:
    import onnx

FRAMES = 8
"""Inputs that integers are calibrated with: every other one; the rest measure what is lost. More
would make the import longer, fewer would leave motions unseen."""

_MOST_INSIDE = 64
"""Convolutions over fewer channels stay as they are: they cost little and lose most."""

_TURN, _NEARER, _ASIDE = 15.0, 0.1, 20 / 256
"""How far a made-up driver turns (degrees), comes nearer and moves (of the side): as people do
before a webcam."""


def quantize(model: onnx.ModelProto, target: Path, frames: Sequence[Feeds], full: bool) -> None:
    """Write a copy of `model` whose convolutions compute with integers.

    Args:
        model: in float32, written without tiles.
        target: the file to write.
        frames: inputs of frames like those to come.
        full: use all 8 bits of the weights. Only for processors with dot products of bytes (VNNI
            and the like); others may overflow, so that one bit is left out.
    """
    constants = {value.name: value.dims for value in model.graph.initializer}
    chosen = [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv"
        and constants[node.input[1]][1] >= _MOST_INSIDE
        and constants[node.input[1]][2] <= 3
    ]
    to_integers(model, target, frames, ["Conv"], nodes=chosen, full=full)


def multiplies_bytes_fast() -> bool:
    """Whether this processor has dot products of bytes; False if it cannot be told."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        return False
    return any(flag in text for flag in ("avx512_vnni", "avx_vnni", "asimddp"))


def square(photo: Path) -> Image:
    """The largest square of a photo around where faces are, to calibrate with."""
    from models.photos import load_image

    picture = load_image(photo)
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 3, (width - side) // 2
    return picture[top : top + side, left : left + side].copy()


def as_input(picture: Image, side: int) -> Floats:
    """A square RGB picture as networks take it: (1, 3, side, side), 0..1."""
    import cv2

    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32) / np.float32(255)


def moved(still: Floats) -> list[Floats]:
    """`FRAMES` pictures of a face that moves, turns and comes nearer; the same at each call.

    Args:
        still: (1, 3, side, side).
    """
    import cv2

    random = np.random.default_rng(0)
    side = still.shape[-1]
    rows = np.ascontiguousarray(still[0].transpose(1, 2, 0))
    made = []
    for _ in range(FRAMES):
        angle = random.uniform(-_TURN, _TURN)
        scale = random.uniform(1 - _NEARER, 1 + _NEARER)
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, scale)
        turn[:, 2] += random.uniform(-_ASIDE, _ASIDE, 2) * side
        picture = cv2.warpAffine(rows, turn, (side, side), borderMode=cv2.BORDER_REPLICATE)
        made.append(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
    return made


def keep_if_faster(
    target: Path,
    exact: RuntimeSession,
    rough: RuntimeSession,
    frames: Sequence[Feeds],
    output: str,
) -> str:
    """Compare integers with float32, in turns, and remove their file where they gain nothing.

    Args:
        target: the file of integers.
        exact: the network in float32.
        rough: in integers.
        frames: inputs that were not calibrated with.
        output: the picture's name; its values are from 0 to 1.

    Returns:
        What was measured, in words.
    """
    errors: list[float] = []
    slow: list[float] = []
    fast: list[float] = []
    for feeds in frames:
        pictures: list[Any] = []
        for session, taken in ((exact, slow), (rough, fast)):
            start = time.perf_counter()
            pictures.append(session.run(feeds, [output])[0])
            taken.append(time.perf_counter() - start)
        errors.append(float(np.square(pictures[1] - pictures[0]).mean()))
    decibels = -10 * float(np.log10(max(float(np.mean(errors)), 1e-12)))
    times = f"{min(fast) * 1e3:.0f} ms a frame against {min(slow) * 1e3:.0f} in fp32"
    if min(fast) > min(slow):
        # Processors without dot products of bytes gain nothing and would only lose quality.
        target.unlink()
        return f"not kept, because it is slower on this processor: {times}, {decibels:.1f} dB"
    return f"{decibels:.1f} dB against fp32, {times}"
