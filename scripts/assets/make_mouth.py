"""Builds models/mesh/mouth.npz, the inside of a mouth, from the CC0 teeth of MakeHuman.

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
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scripts.paths import ROOT, SHARED

OUTPUT = ROOT / "models" / "mesh" / "mouth.npz"

SHAPES = ("teeth_base", "teeth_shape02", "teeth_shape04")
"""Of MakeHuman's six; a photo is given one of them."""

WIDTH, HEIGHT = 448, 128
"""Pixels of an unrolled jaw."""

SAMPLES = 2
"""Across and down for each pixel, so that edges are smooth."""

SPAN = np.radians(165.0)
"""The angle that is unrolled; of the sixteen teeth of a jaw the last one on each side lies mostly
beyond it."""

AXIS_Z = 0.95
"""The axis of the unrolling in MakeHuman's coordinates, dm: inside the arch, which reaches from
0.66 to 1.34."""

GRID = (25, 5)
"""Points across and down: what they miss of the arch's shape, the picture holds."""

EDGE_Y, FRONT_Z = -4.52, 4.72
"""Where the upper incisors' edge and front go in the face mesh's frame, cm: see above."""

_TOOTH = 200
"""Vertices: a piece with fewer is a tooth (63 each), one with more is the gums (1852)."""

_EDGE, _ROOM = 0.004, 0.05
"""What the picture shows beyond the ends of the teeth, dm: past their edges, and of the gums."""

Array = NDArray[np.floating]
Faces = list[list[tuple[int, int]]]
"""The corners of each face as numbers of a vertex and of a texture coordinate."""


def load_obj(path: Path) -> tuple[Array, Array, Faces]:
    """Read a mesh from a Wavefront OBJ file.

    Returns:
        Vertices (N, 3) in dm, texture coordinates (M, 2) in 0..1 with v upward, and the faces.
    """
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


def unroll(
    vertices: Array, uvs: Array, faces: Faces, texture: Array, upper: bool
) -> tuple[Array, Array, Array]:
    """Draw one jaw as it is seen from its axis all around.

    Args:
        vertices: (N, 3) of both jaws in dm.
        uvs: (M, 2) texture coordinates.
        faces: of both jaws.
        texture: (H, W, 3), RGB in 0..255.
        upper: which jaw.

    Returns:
        The picture (HEIGHT, WIDTH, 4), RGBA in 0..255; distances from the axis (HEIGHT, WIDTH) in
        dm, 0 where nothing is; and the lowest and highest y in it, (2,).
    """
    chosen, low, high = _jaw(vertices, faces, upper)
    radius = np.hypot(vertices[:, 0], vertices[:, 2] - AXIS_Z)
    angle = np.arctan2(vertices[:, 0], vertices[:, 2] - AXIS_Z)
    wide, tall = WIDTH * SAMPLES, HEIGHT * SAMPLES
    picture = np.zeros((tall, wide, 4))
    depth = np.zeros((tall, wide))
    for face in chosen:
        ids = [v for v, _ in face]
        x = (angle[ids] / SPAN + 0.5) * (wide - 1)
        y = (high - vertices[ids, 1]) / (high - low) * (tall - 1)
        p = np.stack([x, y], axis=1)
        normal = np.cross(vertices[ids[1]] - vertices[ids[0]], vertices[ids[2]] - vertices[ids[0]])
        normal /= np.linalg.norm(normal) + 1e-12
        for a, b, c in [(0, k, k + 1) for k in range(1, len(face) - 1)]:
            hit = _nearest(p[[a, b, c]], radius[[ids[a], ids[b], ids[c]]], depth)
            if hit is None:
                continue
            px, py, r, w = hit
            colours = _looked_up(texture, uvs[[face[a][1], face[b][1], face[c][1]]].T @ w)
            middle = (angle[ids[a]] + angle[ids[b]] + angle[ids[c]]) / 3
            facing = abs(normal[0] * np.sin(middle) + normal[2] * np.cos(middle))
            light = 0.55 + 0.45 * facing
            picture[py, px, :3] = colours * light
            picture[py, px, 3] = 255
            depth[py, px] = r
    return _finished(picture, depth), depth[::SAMPLES, ::SAMPLES], np.array([low, high])


def _jaw(vertices: Array, faces: Faces, upper: bool) -> tuple[Faces, float, float]:
    """The faces of one jaw, and the lowest and highest y of it that are shown."""
    # Upper and lower rows meet on a plane that rises toward the back.
    bite = vertices[:, 1] - (6.222 + (1.31 - vertices[:, 2]) * 0.165)
    teeth = [part for part in _components(len(vertices), faces) if len(part) < _TOOTH]
    of_teeth = {i for part in teeth for i in part}
    own = [i for part in teeth if (bite[part].mean() > 0) == upper for i in part]
    low = vertices[own, 1].min() - (_EDGE if upper else _ROOM)
    high = vertices[own, 1].max() + (_ROOM if upper else _EDGE)
    kept = set(own)
    gums_from = 0.035 if upper else -0.035
    chosen = []
    for face in faces:
        ids = [v for v, _ in face]
        if ids[0] in of_teeth:
            is_own = ids[0] in kept
        else:
            is_own = (bite[ids].mean() > gums_from) == upper
        if is_own:
            chosen.append(face)
    return chosen, low, high


def _nearest(
    corners: Array, radius: Array, depth: Array
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array] | None:
    """The pixels of a triangle that lie before what is drawn already.

    Args:
        corners: (3, 2) in pixels.
        radius: (3,) distances of the corners from the axis.
        depth: (H, W) distances of what is drawn.

    Returns:
        Columns, rows and distances of the pixels, (n,) each, and the corners' weights in them,
        (3, n); None for a triangle that is seen from its edge, lies outside or goes round the back.
    """
    tall, wide = depth.shape
    if np.ptp(corners[:, 0]) > wide / 3:
        return None
    x0, y0 = np.maximum(np.floor(corners.min(0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(corners.max(0)).astype(int), [wide - 1, tall - 1])
    if x1 < x0 or y1 < y0:
        return None
    matrix = np.vstack([corners.T, np.ones(3)])
    if abs(np.linalg.det(matrix)) < 1e-9:
        return None
    ys, xs = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
    w = np.linalg.solve(matrix, np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)]))
    inside = (w >= -1e-6).all(0)
    r = (radius @ w)[inside]
    px, py = xs.ravel()[inside], ys.ravel()[inside]
    near = r > depth[py, px]
    return px[near], py[near], r[near], w[:, inside][:, near]


def _looked_up(texture: Array, uv: Array) -> Array:
    """The texture's colours, (n, 3), at (2, n) coordinates in 0..1."""
    height, width = texture.shape[:2]
    x = np.clip(uv[0] * width, 0, width - 1).astype(int)
    y = np.clip((1 - uv[1]) * height, 0, height - 1).astype(int)
    return np.asarray(texture[y, x])


def _finished(picture: Array, depth: Array) -> Array:
    """The picture with shade between the teeth, at its final size."""
    # Where teeth stand apart the light does not reach: darken what lies behind its neighbours.
    around = cv2.GaussianBlur(depth, (0, 0), 5 * SAMPLES)
    hollow = np.clip((around - depth) / 0.012, 0, 1)
    picture[..., :3] *= (1 - 0.3 * hollow)[..., None]
    # Fewer pixels, smooth edges: colours are averaged with their coverage.
    matte = picture[..., 3:] / 255
    small = cv2.resize(
        np.dstack([picture[..., :3] * matte, matte]), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA
    )
    colours = small[..., :3] / np.maximum(small[..., 3:], 1e-3)
    return np.dstack([colours, small[..., 3] * 255]).clip(0, 255)


def _components(count: int, faces: Faces) -> list[list[int]]:
    """The pieces of a mesh that hang together, as numbers of their vertices."""
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
    """Where the points are that the picture is drawn on.

    Args:
        depth: (HEIGHT, WIDTH) distances from the axis in dm.
        span: the lowest and highest y, dm.

    Returns:
        (rows, columns, 3) of `GRID` in centimetres, from MakeHuman's origin.
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
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "heads_cc0"
    texture = np.asarray(cv2.imread(str(folder / "teeth" / "teeth.jpg")), np.float64)[..., ::-1]
    arrays: dict[str, Any] = {}
    for number, shape in enumerate(SHAPES):
        vertices, uvs, faces = load_obj(folder / "teeth" / shape / f"{shape}.obj")
        shift = np.zeros(3)
        for upper in (True, False):
            picture, depth, span = unroll(vertices, uvs, faces, texture, upper)
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
