"""Build models/mesh/mouth.npz, the inside of a mouth, from the CC0 teeth of MakeHuman.

    python -m scripts.assets.make_mouth [ASSET_FOLDER]      (default ../shared/heads_cc0)

Teeth stand on an arch, so each jaw is unrolled like the label of a can: a picture over the angle
around a vertical axis and the height, with the distance from that axis for every grid point. The
live tool draws a coarse grid of it with this picture on it: crisp teeth for a hundred triangles.

Units are centimetres in the frame of the neutral face mesh (topology.npz): x to the person's left,
y up, z toward the viewer; the place of the teeth behind the lips is anatomical average (the upper
incisors' edge 2 mm below the line between closed lips, their front 7 mm behind it).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.paths import ROOT

OUTPUT = ROOT / "models" / "mesh" / "mouth.npz"
SHAPES = ("teeth_base", "teeth_shape02", "teeth_shape04")

WIDTH, HEIGHT = 448, 128
"""Pixels of an unrolled jaw: 40 a centimetre, more than most photos have of a mouth."""

SAMPLES = 2
"""Points across and down that are drawn for each pixel, so that edges are smooth."""

SPAN = np.radians(165.0)
"""Angle of the arch that is unrolled: further back no mouth shows teeth."""

AXIS_Z = 0.95
"""Where the axis of the unrolling stands, dm toward the viewer in MakeHuman's coordinates: in the
middle of the arch, so that teeth are seen from the front everywhere."""

GRID = (25, 5)
"""Points across and down: two hundred triangles a row, which the live tool draws in every frame."""

EDGE_Y, FRONT_Z = -4.52, 4.72
"""Where the upper incisors' edge and front go in the face mesh's frame, cm: the anatomical average
of 2 mm below the line between closed lips and 7 mm behind it."""

_TOOTH = 200
"""Vertices of a connected part of the mesh, below which it is a tooth; above, it is gum."""

_BITE = (6.222, 1.31, 0.165)
"""The plane on which the mesh's upper and lower rows meet: its height and place in dm, and how much
it rises for each dm toward the back."""

Array = NDArray[np.floating]
Faces = list[list[tuple[int, int]]]


@dataclass(frozen=True)
class Teeth:
    """Teeth and gums of both jaws.

    Attributes:
        vertices: (N, 3), dm in MakeHuman's coordinates.
        uvs: (M, 2) texture coordinates, v upwards.
        faces: (vertex, texture) numbers of each face's corners.
        texture: (h, w, 3), RGB.
    """

    vertices: Array
    uvs: Array
    faces: Faces
    texture: Array


def load_obj(path: Path) -> tuple[Array, Array, Faces]:
    """Vertices (N, 3), texture coordinates (M, 2) and faces as (vertex, texture) numbers."""
    vertices, uvs, faces = [], [], []
    for line in path.read_text().splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(w) for w in words[:3]])
        elif kind == "vt":
            uvs.append([float(w) for w in words[:2]])
        elif kind == "f":
            corner = [w.split("/") for w in words]
            faces.append([(int(c[0]) - 1, int(c[1]) - 1) for c in corner])
    return np.array(vertices), np.array(uvs), faces


def unroll(teeth: Teeth, upper: bool) -> tuple[Array, Array, Array]:
    """Unroll one jaw.

    Args:
        teeth: both jaws.
        upper: which of them.

    Returns:
        the picture (HEIGHT, WIDTH, 4), distances from the axis (HEIGHT, WIDTH) in dm, and the least
        and the greatest height in it, dm.
    """
    own, teeth_y = _jaw(teeth, upper)
    low = teeth_y.min() - (0.004 if upper else 0.05)
    high = teeth_y.max() + (0.05 if upper else 0.004)
    angle = np.arctan2(teeth.vertices[:, 0], teeth.vertices[:, 2] - AXIS_Z)
    wide, tall = WIDTH * SAMPLES, HEIGHT * SAMPLES
    places = np.stack(
        [
            (angle / SPAN + 0.5) * (wide - 1),
            (high - teeth.vertices[:, 1]) / (high - low) * (tall - 1),
        ],
        axis=1,
    )
    picture, depth = np.zeros((tall, wide, 4)), np.zeros((tall, wide))
    for face in own:
        for k in range(1, len(face) - 1):
            _draw(picture, depth, teeth, places, face, (0, k, k + 1))
    # Where teeth stand apart the light does not reach: darken what lies behind its neighbours.
    around = cv2.GaussianBlur(depth, (0, 0), 5 * SAMPLES)
    hollow = np.clip((around - depth) / 0.012, 0, 1)
    picture[..., :3] *= (1 - 0.3 * hollow)[..., None]
    # Fewer pixels, smooth edges: colours are averaged with their coverage.
    matte = picture[..., 3:] / 255
    small = cv2.resize(
        np.dstack([picture[..., :3] * matte, matte]), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
    )
    picture = np.dstack([small[..., :3] / np.maximum(small[..., 3:], 1e-3), small[..., 3] * 255])
    return picture.clip(0, 255), depth[::SAMPLES, ::SAMPLES], np.array([low, high])


def _jaw(teeth: Teeth, upper: bool) -> tuple[Faces, Array]:
    """The faces of one jaw, and the heights of its teeth's vertices (without gums)."""
    height, place, rise = _BITE
    vertices = teeth.vertices
    bite = vertices[:, 1] - (height + (place - vertices[:, 2]) * rise)
    tooth_like = np.zeros(len(vertices), bool)
    own: list[int] = []
    for members in _components(len(vertices), teeth.faces):
        if len(members) < _TOOTH:
            tooth_like[members] = True
            if (bite[members].mean() > 0) == upper:
                own.extend(members)
    keep = set(own)
    faces = []
    for face in teeth.faces:
        ids = [v for v, _ in face]
        if tooth_like[ids[0]]:
            if ids[0] in keep:
                faces.append(face)
        elif (bite[ids].mean() > (0.035 if upper else -0.035)) == upper:
            faces.append(face)
    return faces, vertices[own, 1]


def _draw(
    picture: Array,
    depth: Array,
    teeth: Teeth,
    places: Array,
    face: list[tuple[int, int]],
    corners: tuple[int, int, int],
) -> None:
    """Draw one triangle where it is the nearest.

    Args:
        picture: (h, w, 4), drawn into.
        depth: (h, w), distances from the axis, drawn into.
        teeth: both jaws.
        places: (N, 2), where their vertices are in the picture.
        face: (vertex, texture) numbers of a face's corners.
        corners: which three of them.
    """
    tall, wide = depth.shape
    ids = [face[k][0] for k in corners]
    tri = places[ids]
    if np.ptp(tri[:, 0]) > wide / 3:
        return
    x0, y0 = np.maximum(np.floor(tri.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(tri.max(0)).astype(int), [wide - 1, tall - 1])
    if x1 < x0 or y1 < y0:
        return
    ys, xs = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
    matrix = np.vstack([tri.T, np.ones(3)])
    if abs(np.linalg.det(matrix)) < 1e-9:
        return
    across, ahead = teeth.vertices[ids, 0], teeth.vertices[ids, 2] - AXIS_Z
    w = np.linalg.solve(matrix, np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)]))
    inside = (w >= -1e-6).all(0)
    r = (np.hypot(across, ahead) @ w)[inside]
    px, py = xs.ravel()[inside], ys.ravel()[inside]
    near = r > depth[py, px]
    px, py, r, w = px[near], py[near], r[near], w[:, inside][:, near]
    uv = teeth.uvs[[face[k][1] for k in corners]].T @ w
    texture = teeth.texture
    tx = np.clip(uv[0] * texture.shape[1], 0, texture.shape[1] - 1).astype(int)
    ty = np.clip((1 - uv[1]) * texture.shape[0], 0, texture.shape[0] - 1).astype(int)
    first, second, third = (teeth.vertices[face[k][0]] for k in range(3))
    normal = np.cross(second - first, third - first)
    normal /= np.linalg.norm(normal) + 1e-12
    middle = np.arctan2(across, ahead).sum() / 3
    facing = abs(normal[0] * np.sin(middle) + normal[2] * np.cos(middle))
    picture[py, px, :3] = texture[ty, tx] * (0.55 + 0.45 * facing)
    picture[py, px, 3] = 255
    depth[py, px] = r


def _components(count: int, faces: Faces) -> list[list[int]]:
    """Vertices that hang together."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for face in faces:
        for vertex, _ in face[1:]:
            parent[root(vertex)] = root(face[0][0])
    groups: dict[int, list[int]] = {}
    for i in range(count):
        groups.setdefault(root(i), []).append(i)
    return list(groups.values())


def grid(depth: Array, span: Array) -> Array:
    """(rows, columns, 3) places of the grid's points in centimetres, MakeHuman's origin.

    Args:
        depth: (HEIGHT, WIDTH), distances from the axis, dm.
        span: (2,), the least and the greatest height, dm.
    """
    columns, rows = GRID
    angles = (np.linspace(0, 1, columns) - 0.5) * SPAN
    heights = np.linspace(span[1], span[0], rows)
    # The envelope of the teeth, smooth: the picture holds the detail.
    filled = cv2.dilate(depth, np.ones((HEIGHT, 61)))
    envelope = cv2.GaussianBlur(filled, (0, 0), 18)
    out = np.zeros((rows, columns, 3))
    for i, y in enumerate(heights):
        for k, a in enumerate(angles):
            column = round(k / (columns - 1) * (WIDTH - 1))
            row = round(i / (rows - 1) * (HEIGHT - 1))
            r = envelope[row, column]
            out[i, k] = [r * np.sin(a) * 10, y * 10, (AXIS_Z + r * np.cos(a)) * 10]
    return out


def main() -> None:
    """Write the asset."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "heads_cc0"
    texture = np.asarray(cv2.imread(str(folder / "teeth" / "teeth.jpg")), np.float64)[..., ::-1]
    arrays: dict[str, Any] = {}
    for number, shape in enumerate(SHAPES):
        teeth = Teeth(*load_obj(folder / "teeth" / shape / f"{shape}.obj"), texture)
        shift = np.zeros(3)
        for upper in (True, False):
            picture, depth, span = unroll(teeth, upper)
            places = grid(depth, span)
            if upper:
                # The front teeth's edge and face give the place of both rows.
                shift = np.array([0, EDGE_Y - span[0] * 10, FRONT_Z - places[-2, GRID[0] // 2, 2]])
            side = "upper" if upper else "lower"
            coded = cv2.imencode(".png", picture.astype(np.uint8)[..., [2, 1, 0, 3]])[1]
            arrays[f"{side}{number}_png"] = coded
            arrays[f"{side}{number}_grid"] = (places + shift).astype(np.float32)
    np.savez_compressed(OUTPUT, **arrays)
    print(f"{OUTPUT}: {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
