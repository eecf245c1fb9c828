"""The eye network in the picture: it refines what has closed, and nothing else."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.face.finder import FaceFinder
from models.face.topology import EYES, LOWER_LIP, MOUTH_REGION, UPPER_LIP
from models.keypoints import Keypoints
from models.mesh import eye_region
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.mesh.eye_network import (
    SHAPE,
    EyeNetwork,
    eye_sources,
    open_eye_network,
    weights_folder,
)
from models.photos import load_photo
from models.types import Floats, Image
from realtime.paths import asset_path


class Constant:
    """A network that always answers the same number."""

    def __init__(self, shape: tuple[int, ...], value: float) -> None:
        self.shape, self.value, self.runs = shape, value, 0

    def run(self, feeds: dict[str, Any], outputs: list[str]) -> list[Floats]:
        assert outputs == ["answer"]
        assert np.isfinite(feeds["planes"]).all()
        self.runs += 1
        return [np.full(self.shape, self.value, np.float32)]


def constant_network(value: float) -> tuple[EyeNetwork, Constant]:
    net = Constant((2, 2, eye_region.SIDE, eye_region.SIDE), value)
    return EyeNetwork(net, "fp32"), net  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def avatar() -> MeshAvatar:
    finder = FaceFinder()
    photo = load_photo(asset_path("face.jpg"), finder)
    return MeshAnimator(with_eye_network=False).prepare(photo, 384)


def closed(landmarks: Floats, share: float) -> Floats:
    """The upper lids lowered by a share of the way."""
    out = landmarks.copy()
    for eye in EYES:
        out[eye.upper] += (out[eye.lower] - out[eye.upper]) * share
    return out


def opened(landmarks: Floats, by: float) -> Floats:
    """The lower lip lowered by a share of the mouth's width."""
    out = landmarks.copy()
    below = np.intersect1d(MOUTH_REGION, np.flatnonzero(out[:, 1] >= out[LOWER_LIP, 1].min()))
    below = np.setdiff1d(below, UPPER_LIP)
    out[below, 1] += by * np.linalg.norm(landmarks[61] - landmarks[291])
    return out


def refined(avatar: MeshAvatar, target: Floats, made: EyeNetwork) -> tuple[Image, Image]:
    """The drawn picture, and what the network makes of it."""
    animator = MeshAnimator(with_eye_network=False)
    drawn = animator.render(avatar, as_keypoints(avatar, target))
    out = drawn.copy()
    assert made.refine(out, eye_sources(avatar.still, avatar.landmarks), target) > 0
    return drawn, out


def as_keypoints(avatar: MeshAvatar, target: Floats) -> Keypoints:
    crop = avatar.crop
    return Keypoints((target - np.array([crop.cx, crop.cy, 0], np.float32)) / crop.half)


@pytest.mark.parametrize(
    "motion", ["none", "turned", "wide eyes", "half closed", "smaller mouth", "open mouth"]
)
def test_what_has_not_closed_is_left_as_it_is(avatar: MeshAvatar, motion: str) -> None:
    target = avatar.landmarks.copy()
    if motion == "turned":
        target[:, :2] += (9.3, -4.1)
    elif motion == "wide eyes":
        target = closed(target, -0.2)
    elif motion == "half closed":
        target = closed(target, 0.35)
    elif motion == "smaller mouth":
        target = opened(target, -0.02)
    elif motion == "open mouth":
        target = opened(target, 0.4)
    made, net = constant_network(1.0)
    drawn, out = refined(avatar, target, made)
    assert np.array_equal(drawn, out)
    assert not net.runs, "and it costs nothing"


def test_a_blink_changes_only_the_surroundings_of_the_eyes(avatar: MeshAvatar) -> None:
    target = closed(avatar.landmarks, 1.0)
    made, net = constant_network(1.0)
    drawn, out = refined(avatar, target, made)
    assert net.runs == 1, "both eyes in one call"
    changed = np.argwhere((drawn != out).any(2))[:, ::-1]
    middle = np.array([target[eye.opening, :2].mean(0) for eye in EYES])
    width = np.linalg.norm(target[33, :2] - target[133, :2])
    apart = np.linalg.norm(changed[:, None] - middle, axis=2).min(1)
    assert len(changed) > 0.5 * width**2
    assert apart.max() < 0.9 * width


def test_the_correction_is_bounded(avatar: MeshAvatar) -> None:
    target = opened(closed(avatar.landmarks, 1.0), 0.4)
    for value in (-1.0, 1.0):
        drawn, out = refined(avatar, target, constant_network(value)[0])
        assert 20 < np.abs(out.astype(np.float32) - drawn).max()
        brightest = cv2.dilate(drawn, np.ones((31, 31), np.uint8)).astype(np.float32)
        contrast = eye_region.BLEND * (brightest - drawn)
        assert (out <= (drawn + contrast) * np.exp(eye_region.BRIGHTER) + 1).all()
        assert (out >= (drawn - contrast) * np.exp(-eye_region.DARKER) - 1).all()


def test_the_eyeball_that_is_seen_stays_as_it_is(avatar: MeshAvatar) -> None:
    target = closed(avatar.landmarks, 0.62)
    drawn, out = refined(avatar, target, constant_network(1.0)[0])
    assert not np.array_equal(drawn, out), "the lids do change"
    for eye in EYES:
        x, y = target[eye.opening, :2].mean(0).round().astype(int)
        spot = (slice(y - 1, y + 2), slice(x - 1, x + 2))
        change = np.abs(drawn[spot].astype(int) - out[spot])
        assert change.max() <= 6, "a catchlight is not to be washed out"


def test_the_line_of_a_closed_lid_stays(avatar: MeshAvatar) -> None:
    target = closed(avatar.landmarks, 1.0)
    drawn, out = refined(avatar, target, constant_network(1.0)[0])
    assert not np.array_equal(drawn, out), "the lid's skin does change"
    for eye in EYES:
        x, y = target[eye.upper[2:5], :2].round().astype(int).T
        change = np.abs(drawn[y, x].astype(int) - out[y, x])
        assert change.max() <= 20, "lashes are not to be washed out"


@pytest.mark.parametrize("eye", EYES, ids=("right", "left"))
def test_both_eyes_look_alike_to_the_network(avatar: MeshAvatar, eye: Any) -> None:
    source = eye_region.eye_source(avatar.still, avatar.landmarks, eye)
    seen = eye_region.eye_region(avatar.still, eye, source, avatar.landmarks, 1.0)
    assert seen.planes.shape == SHAPE[1:]
    moved = seen.matrix[:, :2] @ avatar.landmarks[eye.corners[0], :2] + seen.matrix[:, 2]
    assert moved[0] < 16, "the outer corner is on the left"
    ys, _ = np.nonzero(seen.planes[8] > 0.5)
    assert ys.mean() < moved[1], "the upper lid is above"
    assert np.allclose(seen.planes[0:3], seen.planes[3:6], atol=1e-6), "photo and picture agree"
    around = np.median(seen.planes[:3, 50:60, 20:44], axis=(1, 2))
    assert np.abs(around - 0.5).max() < 0.2, "skin is grey"


def test_what_is_softened_has_the_hue_of_the_skin() -> None:
    skin = np.array([200, 140, 90], np.float32)
    picture = np.full((eye_region.SIDE, eye_region.SIDE, 3), skin, np.uint8)
    picture[28:36] = (120, 120, 130)  # what is left of a white, seen between lids
    side = eye_region.SIDE
    planes = np.zeros((eye_region.PLANES, side, side), np.float32)
    prior, answer = np.ones((side, side), np.float32), np.zeros((2, side, side), np.float32)
    region = eye_region.EyeRegion(np.eye(2, 3, dtype=np.float32), planes, prior)
    answer[1] = 1
    eye_region.refine_eye(picture, region, answer, skin)
    red, _, blue = picture[32, 32].astype(float)
    assert red / blue == pytest.approx(200 / 90, rel=0.3), "it was less than 1"
    plain = picture[10, 32].astype(float)
    assert np.abs(plain - skin).max() <= 1


def test_a_region_at_the_border_of_the_picture(avatar: MeshAvatar) -> None:
    for shift in ((-300, 0), (0, 300), (-150, 0), (2000, 2000)):
        target = opened(closed(avatar.landmarks, 1.0), 0.4)
        target[:, :2] += shift
        out = avatar.still.copy()
        sources = eye_sources(avatar.still, avatar.landmarks)
        constant_network(0.7)[0].refine(out, sources, target)
        assert out.shape == avatar.still.shape


def test_without_weights_the_picture_is_the_drawn_one(tmp_path: Path) -> None:
    assert open_eye_network(tmp_path) is None
    (tmp_path / "eyes_fp32.onnx").write_bytes(b"not a network")
    assert open_eye_network(tmp_path) is None


def test_what_comes_along_has_both_precisions_and_a_card() -> None:
    names = sorted(path.name for path in weights_folder().glob("*.onnx"))
    assert names == ["eyes_fp32.onnx", "eyes_int8.onnx"]
    card = (weights_folder() / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "no photograph of any person" in card.lower().replace("\n", " ")


def test_both_precisions_refine_alike(
    avatar: MeshAvatar, tmp_path_factory: pytest.TempPathFactory
) -> None:
    target = opened(closed(avatar.landmarks, 1.0), 0.4)
    results = []
    for precision in ("fp32", "int8"):
        folder = tmp_path_factory.mktemp(precision)
        file = f"eyes_{precision}.onnx"
        shutil.copy(weights_folder() / file, folder / file)
        made = open_eye_network(folder)
        assert made is not None
        assert made.precision == precision
        results.append(refined(avatar, target, made))
    (drawn, exact), (_, quantized) = results
    change = np.abs(exact.astype(int) - drawn).mean()
    assert change > 0.05, "it does something"
    assert np.abs(exact.astype(int) - quantized).mean() < 0.15 * change


def test_the_faster_precision_is_chosen_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from models.mesh import eye_network as module

    for quick in ("fp32", "int8"):
        times = {"fp32": 2.0, "int8": 2.0, quick: 1.0}
        order = iter([times["fp32"], times["int8"]])
        with monkeypatch.context() as patch:
            patch.setattr(module, "_seconds", lambda *_, order=order: next(order))
            made = open_eye_network()
        assert made is not None
        assert made.precision == quick


def test_the_animator_refines_and_says_how_long_it_took(avatar: MeshAvatar) -> None:
    animator = MeshAnimator()
    pose = as_keypoints(avatar, closed(avatar.landmarks, 1.0))
    drawn = MeshAnimator(with_eye_network=False).render(avatar, pose)
    known = replace(avatar, known=eye_sources(avatar.still, avatar.landmarks))
    assert not np.array_equal(animator.render(known, pose), drawn)
    assert animator.stages()["eye network"] > 0
    assert np.array_equal(animator.render(known, pose), animator.render(known, pose))
