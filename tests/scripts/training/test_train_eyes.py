"""Training of the eye network, on a few samples cut from the demo clip's rendered head."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from models.mesh import eye_region
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from scripts.training import data as training_data
from scripts.training.data import Samples, held_out
from tests.paths import ROOT

pytestmark = pytest.mark.torch
HEADS = tuple(next(n for n in range(100) if held_out(n) == judging) for judging in (False, True))


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rendered heads: one to train on and one to judge with."""
    data = tmp_path_factory.mktemp("data")
    wanted = {0: 0, 44: 1, 46: 2, 48: 3, 66: 4, 100: 5}  # neutral, talking and a blink
    for number, (frame, _) in enumerate(ClipReader(asset_path("demo.mp4")).frames()):
        if number not in wanted:
            continue
        for head in HEADS:
            folder = data / f"{head:06d}"
            folder.mkdir(exist_ok=True)
            cv2.imwrite(str(folder / f"{wanted[number]:03d}.png"), frame[..., ::-1])
            (folder / "identity.json").write_text(json.dumps({"ita": -40.0, "shape": {"age": 0.6}}))
            (folder / "done").touch()
        if number == max(wanted):
            break
    return data


@pytest.fixture(scope="module")
def cut(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("regions")
    assert len(list(training_data.prepare(heads, output))) == 2
    return output


def samples(cut: Path, judging: bool = False) -> Samples:
    found = training_data.load(cut, judging=judging)
    assert found is not None
    return found


def test_samples_are_what_the_live_path_sees(cut: Path) -> None:
    found = samples(cut)
    planes, wanted, prior = found.batch(np.arange(len(found)))
    assert planes.shape[1] == eye_region.PLANES
    assert wanted.shape == planes[:, :3].shape
    inside = prior > 0.5
    assert inside.any()
    far = np.abs(planes[:, :3] - wanted) * (prior < 0.01)
    near = np.abs(planes[:, :3] - wanted) * inside
    assert far.mean() < near.sum() / inside.sum() / 3, "the difference lies where it is refined"
    assert set(found.identity) == {HEADS[0]}
    assert set(samples(cut, judging=True).identity) == {HEADS[1]}
    assert len(samples(cut, judging=True).plain) == len(samples(cut, judging=True))


def test_heads_to_judge_with_are_of_all_kinds() -> None:
    """The renderer's tones and ages repeat in the lowest bits of the numbers."""
    chosen = [number for number in range(800) if held_out(number)]
    assert 60 < len(chosen) < 140
    assert len({number % 8 for number in chosen}) == 8


def test_an_interruption_changes_nothing(cut: Path, tmp_path: Path) -> None:
    import torch

    from scripts.training.train_eyes import Plan, Training

    torch.set_num_threads(1)
    plan, found = Plan(steps=3, batch=2, perceptual=False), samples(cut)
    whole = Training(plan, "cpu")
    for _ in range(3):
        expected = whole.advance(found)
    assert "critic" in expected, "the critic joins in the last third"
    first = Training(plan, "cpu")
    first.advance(found)
    first.save(tmp_path / "net.pt")
    second = Training(plan, "cpu")
    second.resume(tmp_path / "net.pt")
    second.advance(found)
    assert second.advance(found) == expected
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, second.net.state_dict()[name]), name


def test_an_untrained_network_changes_nothing_and_a_trained_one_helps(cut: Path) -> None:
    import torch

    from scripts.training.train_eyes import Plan, Training

    torch.set_num_threads(1)
    found = samples(cut)
    training = Training(Plan(steps=70, batch=4, perceptual=False), "cpu")
    everything = np.arange(len(found))

    def wrong() -> float:
        _, out, wanted, prior = training.answer(found, everything)
        return float((np.abs(out - wanted) * prior).sum() / prior.sum())

    drawn, out, _, _ = training.answer(found, everything)
    assert np.abs(drawn - out).max() < 0.02
    before = wrong()
    for _ in range(45):
        training.advance(found)
    assert wrong() < 0.9 * before


def test_the_live_path_applies_an_answer_as_training_does(cut: Path) -> None:
    """The same region, refined by PyTorch and by the live path's compositing."""
    import torch

    from scripts.training.nets import refined

    found = samples(cut)
    planes, _, prior = found.batch(np.array([0]))
    skin = found.skins[found.photo[0]]
    smooth = np.linspace(-0.5, 0.5, eye_region.SIDE, dtype=np.float32)
    answer = np.broadcast_to(smooth, (2, eye_region.SIDE, eye_region.SIDE)).copy()
    ours = refined(*(torch.from_numpy(x) for x in (planes, prior, answer[None]))).numpy()[0]
    picture = np.ascontiguousarray(found.images[0, :3].transpose(1, 2, 0))
    before = picture.copy()
    region = eye_region.EyeRegion(np.eye(2, 3, dtype=np.float32), planes[0], prior[0, 0])
    eye_region.refine_eye(picture, region, answer, skin)
    expected = np.clip(ours.transpose(1, 2, 0) * 2 * skin, 0, 255)
    clipped = cv2.dilate((planes[0, :3] >= 2).any(0).astype(np.uint8), np.ones((9, 9))) > 0
    assert np.abs(picture - expected)[~clipped].max() < 1.5
    assert np.abs(picture.astype(int) - before)[~clipped].max() > 10


def test_one_command_from_heads_to_networks(heads: Path, tmp_path: Path) -> None:
    import onnx
    import onnxruntime as ort

    from scripts.training.nets import multiplications

    output = tmp_path / "out"
    command: list[Any] = [sys.executable, "-m", "scripts.training.train_eyes", "--output", output]
    command += ["--data", heads, "--no-render", "--no-perceptual", "--steps", "2", "--batch", "2"]
    command += ["--threads", "1", "--every", "1"]
    subprocess.run([str(word) for word in command], cwd=ROOT, check=True)
    shape = (2, eye_region.PLANES, eye_region.SIDE, eye_region.SIDE)
    planes = np.random.default_rng(0).random(shape, np.float32)
    model = onnx.load(output / "weights" / "eyes_fp32.onnx")
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    exact, quantized = (
        ort.InferenceSession(
            output / "weights" / f"eyes_{precision}.onnx",
            providers=["CPUExecutionProvider"],
        ).run(None, {"planes": planes})[0]
        for precision in ("fp32", "int8")
    )
    assert np.abs(exact - quantized).max() < 0.05
    assert (output / "eyes.pt").exists()
    sheet = cv2.imread(str(output / "sheets" / "000002.png"))
    assert sheet is not None and sheet.std() > 5
    assert 1e7 < multiplications(model) < 1e9
    assert len((output / "curves.csv").read_text().splitlines()) == 3
    groups = json.loads((output / "metrics.json").read_text())["groups"]
    assert groups["skin: dark"] == groups["age: adult"] == groups["all"]
    shipped = onnx.load(ROOT / "models" / "weights" / "eyes_fp32.onnx")
    for part in ("input", "output"):
        made, known = (list(getattr(m.graph, part)) for m in (model, shipped))
        assert made == known, "it fits where the shipped one is"
