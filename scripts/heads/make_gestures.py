"""Writes models/mesh/gestures.npz: how the face tracker reads a smile, a frown, a glance.

    python -m scripts.heads.make_gestures [--heads 8] [--parts ../shared/heads_cc0]

Each gesture of `GESTURES` is rendered on several heads, and the tracker finds its points in the
pictures. What is kept of a gesture is the mean way of every point, the motion of the skull taken
out, as of one symmetric face; so it can be added to a driver's face as if that had made it.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from models.face import measures
from models.face.topology import mirrored, neutral_face
from models.face.tracker import FaceTracker
from models.mesh.pose import fit_head
from models.types import Floats
from scripts.heads.pictures import paint_background
from scripts.heads.render_heads import PlanRenderer, at_moment
from scripts.heads.sampling import Moment, sample
from scripts.heads.scene import FloatArray
from scripts.paths import ROOT

OUTPUT = ROOT / "models" / "mesh" / "gestures.npz"

_SEED = 11
"""Of the heads; any other gives other people."""

_IRIS_MIRROR = (0, 3, 2, 1, 4)
"""An iris's points as its mirror image has them: centre, right, top, left, bottom."""


@dataclass(frozen=True)
class Gesture:
    """What a head does at the end of a slider.

    Attributes:
        units: weights of face units; names without a side move both.
        gaze: degrees to the person's left and up.
        one_sided: of the person's left side, and so not to be made symmetric.
    """

    units: Mapping[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)
    one_sided: bool = False


_PAIRED = (
    *("mouthSmile", "cheekSquint", "eyeSquint", "mouthFrown", "mouthUpperUp", "mouthLowerDown"),
    *("mouthStretch", "browOuterUp", "browDown", "noseSneer", "eyeLookUp", "eyeLookDown"),
    *("eyeBlink", "eyeWide", "mouthDimple", "mouthPress"),
)

GESTURES = {
    "smile": Gesture({"mouthSmile": 0.75, "cheekSquint": 0.55, "eyeSquint": 0.2}),
    "sad": Gesture({"mouthFrown": 0.85, "mouthShrugLower": 0.35}),
    "open": Gesture({"jawOpen": 0.6}),
    "teeth": Gesture({"mouthUpperUp": 0.75, "mouthLowerDown": 0.5, "mouthStretch": 0.2}),
    "pout": Gesture({"mouthPucker": 0.85}),
    "wide": Gesture({"mouthStretch": 0.6, "mouthPress": 0.3}),
    "aside": Gesture({"mouthLeft": 0.85, "jawLeft": 0.2}, one_sided=True),
    "brows_up": Gesture({"browInnerUp": 0.85, "browOuterUp": 0.85}),
    "brows_down": Gesture({"browDown": 0.95, "noseSneer": 0.15}),
    "worry": Gesture({"browInnerUp": 1.0}),
    "brow": Gesture({"browOuterUpLeft": 1.0, "browInnerUp": 0.25}, one_sided=True),
    "look_aside": Gesture(
        {"eyeLookOutLeft": 0.7, "eyeLookInRight": 0.7}, (24.0, 0.0), one_sided=True
    ),
    "look_up": Gesture({"eyeLookUp": 0.7}, (0.0, 18.0)),
    "look_down": Gesture({"eyeLookDown": 0.6}, (0.0, -18.0)),
    "blink": Gesture({"eyeBlink": 1.0}),
    "eyes_wide": Gesture({"eyeWide": 0.9}),
    "squint": Gesture({"eyeSquint": 0.85, "cheekSquint": 0.35}),
    "wink": Gesture(
        {"eyeBlinkLeft": 1.0, "cheekSquintLeft": 0.5, "mouthSmileLeft": 0.15}, one_sided=True
    ),
}
"""By their names in the file. The weights were set by eye: as strong as people do it on purpose."""


def moment(gesture: Gesture) -> Moment:
    """A head's moment that shows a gesture."""
    units: dict[str, float] = {}
    for name, weight in gesture.units.items():
        for side in ("Left", "Right") if name in _PAIRED else ("",):
            units[name + side] = weight
    return Moment("gesture", units, gaze_yaw=gesture.gaze[0], gaze_pitch=gesture.gaze[1])


def readings(heads: PlanRenderer, count: int) -> Iterator[tuple[Floats, list[Floats]]]:
    """Of each head its points at rest and, as ways of one size and place, its gestures.

    Args:
        heads: renders them.
        count: how many heads.

    Yields:
        (478, 3) at rest, set upright in front of the neutral face, in centimetres; and for each
        gesture the way of every point, (478, 3), in the same.
    """
    for number in range(count):
        plan = replace(sample(_SEED, number, 1), distance=12.0, height=3.0, aim=(0.0, 0.0))
        head, looks, light, camera = heads.scene(replace(plan, hair=None))
        behind = paint_background(plan.background, heads.size)
        closing = heads.closing(head)
        seen: list[Floats] = []
        for gesture in (Gesture(), *GESTURES.values()):
            posed_head = at_moment(head, moment(gesture), closing)
            posed = heads.library.pose(posed_head)
            made = heads.renderer.render(posed_head, posed, looks, light, camera)
            image = np.asarray(made.over(behind).clip(0, 1) * 255, np.uint8)
            tracker = FaceTracker()
            tracker.track(image)
            face = tracker.track(image)  # Now around what was found, as in a video.
            if face is None:
                break
            seen.append(face.landmarks)
        if len(seen) <= len(GESTURES):
            continue
        rest = seen[0]
        place = fit_head(rest, neutral_face())
        ways = []
        for points in seen[1:]:
            local = fit_head(rest, points).inverse(points)
            ways.append((local - rest) @ (place.scale * place.rotation).T)
        print(f"\r{number + 1} of {count} heads", end="", flush=True)
        yield np.asarray(place(rest), np.float32), ways
    print()


def reflected(points: FloatArray) -> FloatArray:
    """Points or ways (478, 3) as of the mirror image."""
    irises = [first + i for first in (473, 468) for i in _IRIS_MIRROR]
    return np.asarray(points[[*mirrored().tolist(), *irises]] * np.array([-1, 1, 1]), np.float32)


def main() -> int:
    """Write the asset."""
    parser = argparse.ArgumentParser(description="Measure gestures.npz.")
    parser.add_argument("--parts", type=Path, default=Path("../shared/heads_cc0"))
    parser.add_argument("--heads", type=int, default=8)
    options = parser.parse_args()
    read = list(readings(PlanRenderer(options.parts, 512), options.heads))
    rest = np.mean([rest for rest, _ in read], axis=0)
    rest = (rest + reflected(rest)) / 2
    tall = measures.height(rest)
    stored = {"rest": rest / tall}
    for place, (name, gesture) in enumerate(GESTURES.items()):
        way = np.median([ways[place] for _, ways in read], axis=0)
        stored[name] = (way if gesture.one_sided else (way + reflected(way)) / 2) / tall
    np.savez_compressed(OUTPUT, **{name: one.astype(np.float16) for name, one in stored.items()})
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size} bytes of {len(read)} heads")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
