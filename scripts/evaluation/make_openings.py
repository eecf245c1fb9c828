"""Writes models/mesh/openings.npz: how the mouth of the demo clip's head opens while it speaks.

    python -m scripts.evaluation.make_openings

An avatar is looked at with these motions once, to see how much of an opening is read of it. They
are of a rendered head (`scripts.heads.render_demo`), as our tracker sees it: its face at rest, and
three moments with lips ever further apart in which the head is hardly turned.
"""

from __future__ import annotations

import numpy as np

from models.mesh.backend import MeshAnimator
from models.mesh.pose import euler, fit_head
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from scripts.evaluation.driver import read_driver
from scripts.paths import ROOT

OUTPUT = ROOT / "models" / "mesh" / "openings.npz"

_OPENINGS = (0.05, 0.075, 0.1)
"""Face heights by which the lips are apart: of most speech, up to a shout."""

_TURNED = 5.0
"""Degrees that the head may be turned: more would add what turns are read as."""


def main() -> None:
    """Follow the demo clip and write the moments."""
    driver = read_driver(ClipReader(asset_path("demo.mp4")), 2, MeshAnimator())
    rest = driver.observed[driver.neutral].values
    apart = np.array(driver.motions()["mouth"])
    turns = [
        np.degrees(np.abs(euler(fit_head(rest, seen.values).rotation))).max()
        for seen in driver.observed
    ]
    far = np.where(np.array(turns) < _TURNED, 0.0, np.inf)
    moments = [int(np.argmin(np.abs(apart - opening) + far)) for opening in _OPENINGS]
    np.savez_compressed(
        OUTPUT,
        rest=rest.astype(np.float32),
        open=np.stack([driver.observed[n].values for n in moments]).astype(np.float32),
        apart=(apart[moments] - apart[driver.neutral]).astype(np.float32),
    )
    print(f"{OUTPUT}: lips apart by {np.round(apart[moments], 3)} of the face's height")


if __name__ == "__main__":
    main()
