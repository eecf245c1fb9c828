"""The renderer of training heads: what is drawn by chance, and what lands on the disk."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.heads.pictures import paint_background, through_webcam
from scripts.heads.render_heads import folder_of, load_tracks, missing, write_identity
from scripts.heads.sampling import Webcam, sample
from scripts.heads.scene import LABELS, Camera, Rendering
from tests.paths import ROOT


def linear_to_ita(colour: tuple[float, float, float]) -> float:
    """Individual typology angle (degrees) of a linear sRGB colour."""
    matrix = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = np.array(matrix) @ np.array(colour) / (0.9505, 1.0, 1.089)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return float(np.degrees(np.arctan2(116 * f[1] - 66, 200 * (f[1] - f[2]))))


def test_skin_tones_are_spread_evenly_from_very_light_to_very_dark() -> None:
    plans = [sample(3, number, 1) for number in range(200)]
    bands = Counter(int(plan.tone * 10) for plan in plans)
    assert sorted(bands) == list(range(10))
    assert max(bands.values()) - min(bands.values()) <= 3
    # The colours are of the tones they were drawn for, and reach both ends.
    angles = [linear_to_ita(plan.albedo) for plan in plans]
    assert np.abs(np.array(angles) - [plan.ita for plan in plans]).max() < 4
    assert max(angles) > 55 and min(angles) < -50


def test_any_run_of_identities_has_all_ages_genders_and_tones() -> None:
    plans = [sample(0, number, 1) for number in range(57, 89)]
    for values in ([p.tone for p in plans], [p.shape["age"] for p in plans]):
        assert np.ptp(values) > 0.6
    assert 8 < sum(p.shape["gender"] > 0.5 for p in plans) < 24


def test_an_identity_follows_from_seed_and_number_alone() -> None:
    tracks = load_tracks()
    first, again = sample(7, 12, 6, tracks), sample(7, 12, 6, tracks)
    assert first == again
    assert sample(8, 12, 6, tracks) != first
    assert json.loads(json.dumps(first.as_json()))["tone"] == first.tone


def test_moments_reach_what_faces_do_and_begin_neutral() -> None:
    moments = [m for number in range(40) for m in sample(1, number, 12).moments]
    firsts = [sample(1, number, 12).moments[0] for number in range(40)]
    assert all(abs(m.yaw) < 6 and "jawOpen" not in m.expression for m in firsts)
    assert all("eyeBlinkLeft" not in m.expression for m in firsts)
    for name, reach in (("yaw", 33), ("pitch", 23), ("roll", 13), ("gaze_yaw", 25)):
        values = [getattr(m, name) for m in moments]
        assert min(values) < -reach and max(values) > reach
    for unit in ("jawOpen", "eyeBlinkLeft", "mouthPucker", "mouthSmileLeft", "mouthUpperUpLeft"):
        assert max(m.expression.get(unit, 0.0) for m in moments) > 0.8
    half = [m for m in moments if 0.2 < m.expression.get("eyeBlinkLeft", 0.0) < 0.8]
    assert len(half) > 40


def test_backgrounds_and_the_webcam_are_deterministic_and_in_range() -> None:
    for number in range(6):
        plan = sample(2, number, 1)
        image = paint_background(plan.background, 64)
        assert image.shape == (64, 64, 3) and 0 <= image.min() and image.max() <= 1
        assert np.array_equal(image, paint_background(plan.background, 64))
    noisy = [
        through_webcam(image, Webcam(noise=0.05), np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    assert np.array_equal(noisy[0], noisy[1]) and not np.array_equal(noisy[0], noisy[2])


def _frames(count: int, fails_at: int = -1) -> Iterator[tuple[Any, dict[str, Any]]]:
    for index in range(count):
        if index == fails_at:
            raise KeyboardInterrupt
        yield np.full((32, 32, 3), 99, np.uint8), {"landmarks": np.zeros((478, 3), np.float32)}


def test_an_identity_that_was_cut_short_is_rendered_again(tmp_path: Path) -> None:
    plan = sample(1, 1, 3)
    with pytest.raises(KeyboardInterrupt):
        write_identity(tmp_path, plan, _frames(3, fails_at=2))
    assert missing(tmp_path, 3) == [0, 1, 2]
    write_identity(tmp_path, plan, _frames(3))
    assert missing(tmp_path, 3) == [0, 2]
    folder = folder_of(tmp_path, 1)
    assert sorted(p.name for p in folder.glob("*.jpg")) == ["000.jpg", "001.jpg", "002.jpg"]
    with np.load(folder / "002.npz") as beside:
        assert beside["landmarks"].shape == (478, 3)
    assert json.loads((folder / "identity.json").read_text())["number"] == 1


def _needs_renderer() -> None:
    for package in ("anny", "moderngl", "scipy"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")


def test_rendered_heads_agree_with_their_landmarks_depth_and_masks(shared: Path) -> None:
    _needs_renderer()
    from models.face.finder import FaceFinder
    from scripts.heads.render_heads import PlanRenderer

    renderer, finder = PlanRenderer(shared / "heads_cc0", 256), FaceFinder()
    plan = sample(1, 5, 2)
    for picture, beside in renderer.frames(plan):
        marks, masks, depth = beside["landmarks"], beside["masks"], beside["depth"]
        faces = finder.find_faces(picture)
        assert faces
        height = np.linalg.norm(marks[10, :2] - marks[152, :2])
        gap = np.linalg.norm(faces[0].landmarks[:, :2] - marks[:, :2], axis=1) / height
        assert np.median(gap) < 0.04
        assert (depth[masks == 0] == 0).all() and (depth[masks > 0] > 1).all()
        # The person's left eye is on the right of the picture, and irises are in eyes.
        left, right = (np.argwhere(masks == LABELS.index(f"{s} eye")) for s in ("left", "right"))
        if len(left) and len(right):
            assert left[:, 1].mean() > right[:, 1].mean()
        nose = marks[4, :2].astype(int)
        assert masks[nose[1], nose[0]] == LABELS.index("skin")
        # The tip of the nose is nearer than the face's rim.
        assert marks[4, 2] < marks[[127, 356], 2].min()
    again = next(renderer.frames(plan))
    assert np.array_equal(again[0], next(renderer.frames(plan))[0])
    renderer.close()


def test_the_camera_puts_its_target_in_the_middle_and_measures_depth() -> None:
    camera = Camera(target=(0.2, 7.0, 1.0), distance=10.0, height=4.0)
    x, y, depth = camera.project(np.array([camera.target], np.float32), 200)[0]
    assert np.allclose((x, y, depth), (100, 100, 10), atol=1e-3)
    # 1 dm to the viewer's right and up are 50 of 200 pixels where 4 dm are seen.
    aside = camera.project(np.array([[1.2, 8.0, 1.0]], np.float32), 200)[0]
    assert np.allclose(aside, (150, 50, 10), atol=1e-3)


def test_a_person_covers_the_background_as_far_as_alpha_says() -> None:
    alpha = np.array([[0.0, 0.5], [1.0, 1.0]], np.float32)
    rgb = alpha[..., None] * np.array([0.2, 0.4, 0.6], np.float32)
    made = Rendering(rgb, alpha, np.zeros((2, 2), np.uint8), alpha)
    picture = made.over(np.full((2, 2, 3), 0.8, np.float32))
    assert np.allclose(picture[0, 0], 0.8)
    assert np.allclose(picture[0, 1], (0.5, 0.6, 0.7))
    assert np.allclose(picture[1], (0.2, 0.4, 0.6))


def test_the_demo_is_the_person_of_the_shipped_clip(shared: Path) -> None:
    _needs_renderer()
    from models.face.finder import FaceFinder
    from realtime.cameras.clip import ClipReader
    from scripts.heads import render_demo

    finder = FaceFinder()
    render_demo._start_worker(shared / "heads_cc0")
    for number, (shipped, _) in enumerate(ClipReader(ROOT / "assets" / "demo.mp4").frames()):
        if number not in (0, 60):
            continue
        made = render_demo._render_frame(number)
        (face,), (again,) = finder.find_faces(shipped), finder.find_faces(made)
        height = np.linalg.norm(face.landmarks[10, :2] - face.landmarks[152, :2])
        gap = np.linalg.norm(face.landmarks[:, :2] - again.landmarks[:, :2], axis=1) / height
        assert np.median(gap) < 0.01, "framing and motion"
        left, top, right, bottom = (round(side) for side in face.box)
        middles = [image[top:bottom, left:right].mean((0, 1)) for image in (shipped, made)]
        assert np.abs(middles[0] - middles[1]).max() < 6, "skin and light"
        if number == 60:
            break
    render_demo._worker["renderer"].close()
