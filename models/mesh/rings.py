"""Rings of vertices around the face mesh: hair, ears and neck follow the head, shoulders stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.mesh.pose import Similarity
from models.mesh.topology import OVAL, Indices
from models.types import Floats

_REACH = (0.7, 1.0, 1.1, 1.25, 1.45, 1.7, 2.05, 2.6, 3.6, 6.0)  # the first lies under the face
NECK = 0.75  # face heights below the chin where the body no longer moves


@dataclass(frozen=True)
class Rings:
    """The vertices, spoke by spoke around the face oval.

    points: (R * 36, 3) in the photo's pixels; the second 36 are the oval itself. The first lie
        inside it, so that the motion around the face goes on under its border.
    head: (R * 36,) how much of the head's motion each vertex takes, 0..1.
    skin: (R * 36,) how much of the oval's expression (a dropped jaw) it takes, 0..1.
    triangles: (T, 3), outermost first.
    """

    points: Floats
    head: Floats
    skin: Floats
    triangles: Indices

    def move(self, head: Similarity, oval: Floats) -> Floats:
        """The vertices' new places (R * 36, 2), given the head's motion and the oval's (36, 3)."""
        spokes = len(OVAL)
        rigid = head(self.points)
        expression = np.tile(oval - rigid[spokes : 2 * spokes], (len(self.points) // spokes, 1))
        shift = (rigid - self.points) * self.head[:, None] + expression * self.skin[:, None]
        return np.asarray((self.points + shift)[:, :2], np.float32)


def build(landmarks: Floats) -> Rings:
    """Rings around the face of (478, 3) landmarks in pixels."""
    oval = landmarks[OVAL]
    spokes = len(OVAL)
    centre = landmarks[[234, 454, 10, 152]].mean(0)
    down = landmarks[152, :2] - landmarks[10, :2]
    tall = max(float(np.linalg.norm(down)), 1.0)
    down = down / tall
    side = np.array([-down[1], down[0]])
    wide = max(float(np.abs((oval[:, :2] - centre[:2]) @ side).max()), 1.0)
    # Hair and skull are seen where they are widest, at the depth of the ears.
    ears = float((landmarks[234, 2] + landmarks[454, 2]) / 2) + 0.1 * tall

    points, head, skin = [], [], []
    for reach in _REACH:
        ring = oval.copy()
        ring[:, :2] = centre[:2] + (oval[:, :2] - centre[:2]) * reach
        back = min(max(reach - 1.0, 0.0) / 0.6, 1.0) ** 1.5
        ring[:, 2] = oval[:, 2] * (1 - back) + np.maximum(ears, oval[:, 2]) * back
        below = (ring[:, :2] - landmarks[152, :2]) @ down / tall
        neck = 1.0 - _smooth((below + 0.12) / (NECK + 0.12))
        # Beside the neck are collar and shoulders, which stay; beside the face are ears and hair.
        aside = np.abs((ring[:, :2] - centre[:2]) @ side) / wide
        neck *= 1.0 - _smooth((aside - 0.5) / 0.5) * _smooth((below + 0.3) / 0.4)
        far = 1.0 - _smooth((np.full(spokes, reach) - 2.05) / 1.5)
        points.append(ring)
        head.append(neck * far)
        skin.append(np.full(spokes, 1.0 - float(_smooth((reach - 1.0) / 0.75))))
    # The oval is the face mesh's own border and moves exactly as that does.
    head[0][:] = head[1][:] = 1.0

    triangles = []
    for ring_number in range(len(_REACH) - 1, 0, -1):
        inner, outer = (ring_number - 1) * spokes, ring_number * spokes
        for k in range(spokes):
            n = (k + 1) % spokes
            triangles.append((inner + k, outer + k, outer + n))
            triangles.append((inner + k, outer + n, inner + n))
    return Rings(
        np.concatenate(points).astype(np.float32),
        np.concatenate(head).astype(np.float32),
        np.concatenate(skin).astype(np.float32),
        np.array(triangles),
    )


def _smooth(x: Floats | float) -> Floats:
    """Smooth step: 0 below 0, 1 above 1."""
    t = np.clip(np.asarray(x, np.float32), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
