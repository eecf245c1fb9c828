"""Real motion as numbers: face units and head angles of clips, for `render_heads.py` to replay.

    python -m scripts.heads.tracks CLIP...        writes scripts/heads/tracks.npz

Of each frame the tracker's units (`sampling.UNITS_OF_TRACKS`) and the head's yaw, pitch and
roll (degrees) are kept, nothing of the picture.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.face.topology import neutral_face
from models.face.tracker import FaceTracker
from models.mesh.pose import euler, fit_head
from realtime.cameras.clip import ClipReader
from scripts.assets.landmarker.blendshapes import Blendshapes
from scripts.assets.landmarker.bundle import Bundle
from scripts.heads.sampling import TRACKS, UNITS_OF_TRACKS

_SHUT = 0.6
"""The tracker's unit of a lid that is shut: it is so well before it is 1. A larger one would leave
blinks half open."""

_NEVER_ZERO = ("eyeSquint", "browDown", "browOuterUp", "browInnerUp", "mouthPress", "mouthShrug")
"""Units that the tracker sees a little of in every face: what is usual in a clip counts as none."""


def read_track(path: Path) -> npt.NDArray[np.float32]:
    """Follow the face through a clip.

    Returns:
        (frames with a face, 51 + 3): units 0..1, and yaw, pitch, roll in degrees: positive is to
        the person's left, up, and leaning to the person's left.

    Raises:
        UserError: the clip cannot be read, or the network of the units cannot be fetched.
    """
    tracker, blendshapes = FaceTracker(), Blendshapes(Bundle.fetch())
    rows = []
    for frame, _ in ClipReader(path).frames():
        face = tracker.track(frame)
        if face is None:
            continue
        head = fit_head(neutral_face(), face.landmarks)
        yaw, pitch, roll = np.degrees(euler(head.rotation)).tolist()
        # The network's first unit means "neutral"; the others come in the order of their names.
        rows.append([*blendshapes.of(face.landmarks)[1:], -yaw, pitch, roll])
    table = np.array(rows, np.float32).reshape(-1, len(UNITS_OF_TRACKS) + 3)
    for column, name in enumerate(UNITS_OF_TRACKS):
        units = table[:, column]
        if name.startswith("eyeBlink"):
            open_eye = np.percentile(units, 15)
            table[:, column] = np.clip((units - open_eye) / (_SHUT - open_eye), 0, 1)
        elif name.startswith(_NEVER_ZERO):
            table[:, column] = np.clip(units - np.percentile(units, 15), 0, 1)
    # Cameras look up or down at people: what counts is the turn from the usual pose.
    table[:, -2] -= np.median(table[:, -2])
    return table


def main() -> int:
    """Write the tracks of the clips that are named on the command line."""
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 1
    tracks: dict[str, Any] = {}
    for number, name in enumerate(sys.argv[1:]):
        tracks[f"track{number}"] = read_track(Path(name)).astype(np.float16)
        print(f"{Path(name).name}: {len(tracks[f'track{number}'])} frames")
    np.savez_compressed(TRACKS, **tracks)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
