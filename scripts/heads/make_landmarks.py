"""Measure where on the synthetic skin the face tracker's points lie: `landmarks.npz`.

Frontal heads are rendered, the tracker finds its points in the pictures, and for each point the
median place on the neutral mesh is taken. The places are mirrored and averaged, and those of lids
and lips are put on the mesh's edges.

    python -m scripts.heads.make_landmarks [--heads 60] [--parts ../shared/heads_cc0]
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

from models.face.finder import FaceFinder
from models.face.topology import EYES, INNER_LIPS, Indices
from scripts.heads.geometry import HeadLibrary, Part, VertexNormals
from scripts.heads.landmarks import STORED
from scripts.heads.pictures import paint_background
from scripts.heads.render_heads import PlanRenderer, at_moment
from scripts.heads.sampling import sample
from scripts.heads.scene import FloatArray, IntArray

_LIP_LINE = 6.6145
"""Height between the lips of the neutral mesh, dm."""


def seen_places(heads: PlanRenderer, count: int) -> FloatArray:
    """Where on the neutral skin the tracker saw its points, (found heads, 468, 3) dm.

    Args:
        heads: renders them.
        count: how many.
    """
    finder = FaceFinder()
    part = heads.library.part("skin")
    normals_of = VertexNormals(part)
    faces = []
    for number in range(count):
        plan = sample(5, number, 1)
        plan = replace(plan, distance=12.0, height=3.0, aim=(0.0, 0.0), hair=None)
        head, looks, light, camera = heads.scene(plan)
        head = at_moment(head, replace(plan.moments[0], yaw=0.0, pitch=0.0, roll=0.0))
        posed = heads.library.pose(head)
        made = heads.renderer.render(head, posed, looks, light, camera)
        image = made.over(paint_background(plan.background, heads.size))
        found = finder.find_faces(np.asarray(image.clip(0, 1) * 255, np.uint8))
        if not found:
            continue
        skin = posed.vertices["skin"]
        normals = normals_of(skin)
        pixels = camera.project(skin, heads.size)
        front = np.flatnonzero((normals[:, 2] > 0.05) & (skin[:, 2] > skin[:, 2].max() - 1.6))
        rows, columns = (np.clip(pixels[front, i].astype(int), 0, heads.size - 1) for i in (1, 0))
        front = front[np.abs(made.depth[rows, columns] - pixels[front, 2]) < 0.06]
        distance, near = cKDTree(pixels[front, :2]).query(found[0].landmarks[:468, :2], k=6)
        weight = 1 / (distance + 0.05) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        faces.append(np.einsum("nk,nkc->nc", weight, part.rest[front[near]]))
        print(f"\r{len(faces)} of {number + 1} faces", end="", flush=True)
    print()
    return np.asarray(faces, np.float32)


def on_triangles(points: FloatArray, part: Part, chosen: IntArray) -> tuple[IntArray, FloatArray]:
    """The nearest places on a part: corners (N, 3) and their weights (N, 3).

    Args:
        points: (N, 3), dm on the neutral mesh.
        part: what they are put on.
        chosen: numbers of the triangles that may be used.
    """
    triangles = part.triangles[chosen]
    corners = part.rest[triangles]
    _, near = cKDTree(corners.mean(axis=1)).query(points, k=12)
    best = np.full(len(points), np.inf)
    numbers = np.zeros((len(points), 3), np.int32)
    weights = np.zeros((len(points), 3), np.float32)
    for column in near.T:
        a, b, c = (corners[column, i] for i in range(3))
        u, v, w = b - a, c - a, points - a
        uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
        wu, wv = (w * u).sum(1), (w * v).sum(1)
        det = np.maximum(uu * vv - uv * uv, 1e-12)
        share = np.stack([(vv * wu - uv * wv) / det, (uu * wv - uv * wu) / det], axis=1).clip(0, 1)
        share /= np.maximum(share.sum(axis=1, keepdims=True), 1)
        full = np.c_[1 - share.sum(axis=1), share]
        gap = np.linalg.norm(np.einsum("nc,nck->nk", full, corners[column]) - points, axis=1)
        better = gap < best
        best[better], numbers[better] = gap[better], triangles[column][better]
        weights[better] = full[better]
    return numbers, weights


def edge_vertices(library: HeadLibrary, island: str) -> IntArray:
    """Vertices of the drawn skin on the edge between the face and another part of its texture."""
    islands = library.skin_islands
    border = np.intersect1d(islands[island], islands["face"])
    # The first half of each border edge's new vertices lies between two border vertices.
    flag = np.zeros(len(library.neutral))
    flag[border] = 1
    part = library.part("skin")
    tree = cKDTree(library.neutral[border])
    close, _ = tree.query(part.rest)
    return np.flatnonzero((part.to_render @ flag > 0.3) & (close < 0.02)).astype(np.int32)


def main() -> int:
    """Write the asset."""
    parser = argparse.ArgumentParser(description="Measure landmarks.npz.")
    parser.add_argument("--parts", type=Path, default=Path("../shared/heads_cc0"))
    parser.add_argument("--heads", type=int, default=60)
    options = parser.parse_args()
    heads = PlanRenderer(options.parts, 512, scale=1.5, landmarks=False)
    places = np.median(seen_places(heads, options.heads), axis=0)
    library = heads.library
    part = library.part("skin")
    # The tracker's mesh is symmetric: a point's partner is the one nearest to its mirror image.
    mirror = cKDTree(places).query(places * (-1, 1, 1))[1]
    both = mirror[mirror] == np.arange(len(places))
    mirrored = places[mirror] * (-1, 1, 1)
    places[both] = ((places + mirrored) / 2)[both]
    outside = np.ones(len(part.rest), bool)
    inside = library.skin_islands["mouth"]
    flag = np.zeros(len(library.neutral))
    flag[np.setdiff1d(inside, library.inner_lips)] = 1
    for island in ("eye.L", "eye.R"):
        flag[np.setdiff1d(library.skin_islands[island], library.skin_islands["face"])] = 1
    outside &= (part.to_render @ flag) < 0.5
    chosen = np.flatnonzero(outside[part.triangles].all(axis=1)).astype(np.int32)
    corners, weights = on_triangles(places.astype(np.float32), part, chosen)
    for eye, island in zip(EYES, ("eye.R", "eye.L"), strict=True):
        edge = edge_vertices(library, island)
        middle = places[eye.opening].mean(axis=0)
        _snap(corners, weights, part, places, edge, eye.upper, above=middle[1])
        _snap(corners, weights, part, places, edge, eye.lower, below=middle[1])
        _snap(corners, weights, part, places, edge, eye.corners)
    edge = edge_vertices(library, "mouth")
    _snap(corners, weights, part, places, edge, INNER_LIPS[1:10], above=_LIP_LINE)
    _snap(corners, weights, part, places, edge, INNER_LIPS[11:], below=_LIP_LINE)
    _snap(corners, weights, part, places, edge, INNER_LIPS[[0, 10]])
    np.savez_compressed(STORED, corners=corners, weights=weights.astype(np.float32))
    print(f"{STORED.name}: {STORED.stat().st_size} bytes")
    return 0


def _snap(
    corners: IntArray,
    weights: FloatArray,
    part: Part,
    places: FloatArray,
    edge: IntArray,
    points: Indices,
    above: float | None = None,
    below: float | None = None,
) -> None:
    """Put landmarks on the nearest two vertices of an edge, seen from the front.

    Args:
        corners: (468, 3), vertices that each landmark lies between; changed.
        weights: (468, 3), their shares; changed.
        part: the skin.
        places: (468, 3), where the tracker saw the landmarks, dm.
        edge: numbers of the edge's vertices.
        points: which landmarks.
        above: least height of the vertices, dm, or None.
        below: greatest height of the vertices, dm, or None.
    """
    y = part.rest[edge, 1]
    if above is not None:
        edge = edge[y > above]
    if below is not None:
        edge = edge[y < below]
    # Along an upper or a lower edge it counts most how far aside a landmark is.
    scale = (1, 1 if above is None and below is None else 0.35)
    flat, wanted = part.rest[edge][:, :2] * scale, places[points][:, :2] * scale
    distance, near = cKDTree(flat).query(wanted, k=2)
    share = 1 / (distance + 1e-4)
    share /= share.sum(axis=1, keepdims=True)
    corners[points] = np.c_[edge[near], edge[near[:, 0]]]
    weights[points] = np.c_[share, np.zeros(len(points))]


if __name__ == "__main__":
    raise SystemExit(main())
