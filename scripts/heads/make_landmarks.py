"""Measure where on the synthetic skin the face tracker's points lie: `head_landmarks.npz`.

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
from scripts.heads.geometry import FloatArray, HeadLibrary, IntArray, Part
from scripts.heads.landmarks import STORED
from scripts.heads.pictures import paint_background
from scripts.heads.render_heads import HeadShooter, at_moment
from scripts.heads.renderer import project, vertex_normals
from scripts.heads.sampling import sample


def seen_places(shooter: HeadShooter, heads: int) -> FloatArray:
    """Where on the neutral skin the tracker saw its points, (found heads, 468, 3)."""
    finder = FaceFinder()
    part = shooter.library.part("skin")
    faces = []
    for number in range(heads):
        plan = sample(5, number, 1)
        plan = replace(plan, distance=12.0, height=3.0, aim=(0.0, 0.0), hair=None)
        head, looks, light, camera = shooter.scene(plan)
        head = at_moment(head, replace(plan.moments[0], yaw=0.0, pitch=0.0, roll=0.0))
        posed = shooter.library.pose(head)
        made = shooter.renderer.render(head, posed, looks, light, camera)
        behind = paint_background(plan.background, shooter.size)
        image = made.rgb + behind * (1 - made.alpha[..., None])
        found = finder.find_faces(np.asarray(image.clip(0, 1) * 255, np.uint8))
        if not found:
            continue
        skin = posed.vertices["skin"]
        normals = vertex_normals(skin, part.triangles, part.rest)
        pixels = project(skin, camera, shooter.size)
        front = np.flatnonzero((normals[:, 2] > 0.05) & (skin[:, 2] > skin[:, 2].max() - 1.6))
        rows, columns = (np.clip(pixels[front, i].astype(int), 0, shooter.size - 1) for i in (1, 0))
        front = front[np.abs(made.depth[rows, columns] - pixels[front, 2]) < 0.06]
        distance, near = cKDTree(pixels[front, :2]).query(found[0].landmarks[:468, :2], k=6)
        weight = 1 / (distance + 0.05) ** 2
        weight /= weight.sum(axis=1, keepdims=True)
        faces.append(np.einsum("nk,nkc->nc", weight, part.rest[front[near]]))
        print(f"\r{len(faces)} of {number + 1} faces", end="", flush=True)
    print()
    return np.asarray(faces, np.float32)


def on_triangles(points: FloatArray, part: Part, chosen: IntArray) -> tuple[IntArray, FloatArray]:
    """The nearest place on the chosen triangles: corners (N, 3) and weights (N, 3)."""
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
    parser = argparse.ArgumentParser(description="Measure head_landmarks.npz.")
    parser.add_argument("--parts", type=Path, default=Path("../shared/heads_cc0"))
    parser.add_argument("--heads", type=int, default=60)
    options = parser.parse_args()
    shooter = HeadShooter(options.parts, 512, scale=1.5, landmarks=False)
    places = np.median(seen_places(shooter, options.heads), axis=0)
    library = shooter.library
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
    line = 6.6145  # Between the lips of the neutral mesh
    _snap(corners, weights, part, places, edge, INNER_LIPS[1:10], above=line)
    _snap(corners, weights, part, places, edge, INNER_LIPS[11:], below=line)
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
    """Put landmarks on the nearest two vertices of an edge, seen from the front."""
    y = part.rest[edge, 1]
    if above is not None:
        edge = edge[y > above]
    if below is not None:
        edge = edge[y < below]
    flat = part.rest[edge][:, :2] * (1, 0.35 if above is not None or below is not None else 1)
    wanted = places[points][:, :2] * (1, 0.35 if above is not None or below is not None else 1)
    distance, near = cKDTree(flat).query(wanted, k=2)
    share = 1 / (distance + 1e-4)
    share /= share.sum(axis=1, keepdims=True)
    corners[points] = np.c_[edge[near], edge[near[:, 0]]]
    weights[points] = np.c_[share, np.zeros(len(points))]


if __name__ == "__main__":
    raise SystemExit(main())
