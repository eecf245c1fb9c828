"""The rasteriser against a pixel-by-pixel one."""

from __future__ import annotations

import numpy as np

from models.mesh.raster import draw


def test_matches_a_plain_rasteriser() -> None:
    rng = np.random.default_rng(3)
    places = rng.uniform(-4, 36, (12, 2)).astype(np.float32)
    values = rng.normal(0, 1, (12, 2)).astype(np.float32)
    triangles = rng.permutation(12).reshape(4, 3)
    canvas = np.full((30, 32, 2), -99, np.float32)
    draw(canvas, triangles, places, values)
    expected = np.full((30, 32, 2), -99, np.float32)
    doubtful = np.zeros((30, 32), bool)  # a centre on an edge may fall to either side
    for triangle in triangles:
        p = places[triangle].astype(np.float64)
        matrix = np.vstack([p.T, np.ones(3)])
        for y in range(30):
            for x in range(32):
                weights = np.linalg.solve(matrix, [x, y, 1])
                if (weights >= 0).all():
                    expected[y, x] = weights @ values[triangle]
                doubtful[y, x] |= bool((np.abs(weights) < 1e-4).any())
    assert np.abs(canvas - expected)[~doubtful].max() < 1e-3
    assert (expected[..., 0] != -99).sum() > 100


def test_shared_edges_leave_no_gap_and_draw_once() -> None:
    xs, ys = np.meshgrid(np.linspace(1, 40, 8), np.linspace(1, 40, 8))
    jitter = np.random.default_rng(0).uniform(-1.5, 1.5, (64, 2))
    places = (np.stack([xs, ys], -1).reshape(-1, 2) + jitter).astype(np.float32)
    cells = [(r * 8 + c) for r in range(7) for c in range(7)]
    triangles = np.array(
        [t for k in cells for t in ((k, k + 1, k + 9), (k, k + 9, k + 8))],
    )
    canvas = np.full((44, 44, 2), np.nan, np.float32)
    draw(canvas, triangles, places, places)
    inside = canvas[5:36, 5:36]
    assert np.isfinite(inside).all()
    ys2, xs2 = np.mgrid[5:36, 5:36]
    assert np.abs(inside - np.dstack([xs2, ys2])).max() < 1e-2


def test_later_triangles_cover_earlier_ones() -> None:
    places = np.array([[0, 0], [20, 0], [0, 20]] * 2, np.float32)
    values = np.array([[1, 1]] * 3 + [[2, 2]] * 3, np.float32)
    canvas = np.zeros((20, 20, 2), np.float32)
    draw(canvas, np.array([[3, 4, 5], [0, 1, 2]]), places, values)
    assert canvas[3, 3, 0] == 1


def test_flat_and_outside_triangles_draw_nothing() -> None:
    places = np.array([[5, 5], [9, 9], [13, 13], [-50, -9], [-40, -9], [-45, -2]], np.float32)
    canvas = np.zeros((20, 20, 2), np.float32)
    draw(canvas, np.array([[0, 1, 2], [3, 4, 5]]), places, places)
    assert not canvas.any()


def test_triangles_gone_wild_cost_no_more_than_a_few_canvases() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(64, 4000, (300, 2)).astype(np.float32)
    faces = np.arange(300).reshape(100, 3)
    canvas = np.zeros((128, 128, 2), np.float32)
    draw(canvas, faces, places, np.tile(np.arange(300, dtype=np.float32)[:, None] // 3, 2))
    shown = np.unique(canvas[..., 0].round())
    # Later triangles cover earlier ones, so it is the last that are kept.
    assert len(shown) > 1 and shown[shown > 0].min() > 60


def test_bands_keep_pictures_apart() -> None:
    """Two pictures of 10 rows: what reaches beyond one is cut off, not drawn into the other."""
    places = np.array([[-5, -20], [40, 5], [-5, 30], [-5, -10], [40, 15], [-5, 40]], np.float32)
    values = np.repeat(np.array([[1, 1], [2, 2]], np.float32), 3, axis=0)
    triangles, rows = np.array([[0, 1, 2], [3, 4, 5]]), np.array([0, 10])
    canvas = np.zeros((20, 12, 2), np.float32)
    draw(canvas, triangles, places, values, (rows, rows + 10))
    assert (canvas[:10] == 1).all() and (canvas[10:] == 2).all()
    alone = np.zeros((10, 12, 2), np.float32)
    draw(alone, triangles[:1], places, places)
    together = np.zeros((20, 12, 2), np.float32)
    draw(together, triangles, places, places, (rows, rows + 10))
    assert np.abs(together[:10] - alone).max() < 1e-4
