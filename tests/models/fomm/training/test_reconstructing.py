from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from models.errors import UserError  # noqa: E402
from models.fomm.config import CONFIGS  # noqa: E402
from models.fomm.networks import Generator, KeypointDetector  # noqa: E402
from models.fomm.training.dataset import ClipFolder, DataParams  # noqa: E402
from models.fomm.training.frames import read_clip, read_picture  # noqa: E402
from models.fomm.training.reconstructing import (  # noqa: E402
    Networks,
    animate_pairs,
    load_networks,
    reconstruct,
)
from models.fomm.training.settings import load_settings, raw_settings  # noqa: E402
from models.types import Floats, Image  # noqa: E402
from realtime.cli import app  # noqa: E402
from tests import fomm_rule  # noqa: E402
from tests.paths import ROOT  # noqa: E402

CONFIG = CONFIGS["vox-256"]


def reference_picture(kind: str, number: int) -> Floats:
    source = fomm_rule.image(f"train_source{number}").astype(np.float64)
    if kind == "source":
        return source
    return 0.6 * source + 0.4 * fomm_rule.image(f"train_driving{number}").astype(np.float64)


def eight_bits(picture: Floats) -> Image:
    return np.asarray(np.rint(255 * picture[0].transpose(1, 2, 0)), np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    clips = {
        "a.mp4": (("source", 0), ("driving", 0), ("driving", 1)),
        "b.mp4": (("source", 1), ("driving", 1)),
    }
    for part in ("train", "test"):
        for name, frames in clips.items():
            (root / part / name).mkdir(parents=True)
            for number, one in enumerate(frames):
                picture = PIL.Image.fromarray(eight_bits(reference_picture(*one)))
                picture.save(root / part / name / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = fomm_rule.checkpoint(CONFIG)
    kp = state["kp_detector"]["kp.weight"]
    random = np.random.default_rng(zlib.crc32(b"dev/kp_detector.kp.weight"))
    # The training reference has softer heatmaps than the other one.
    made = random.normal(0, 0.1 * np.sqrt(2 / np.prod(kp.shape[1:])), tuple(kp.shape))
    state["kp_detector"]["kp.weight"] = torch.from_numpy(made.astype(np.float32))
    path = tmp_path_factory.mktemp("checkpoint") / "00000000-checkpoint.pth.tar"
    torch.save({**state, "epoch": 0}, path)
    return path


@pytest.fixture(scope="module")
def networks(checkpoint: Path) -> Networks:
    return load_networks(checkpoint, CONFIG, "cpu")


def clips(root: Path) -> ClipFolder:
    return ClipFolder(DataParams.of({"root_dir": str(root)}), "test")


def test_a_reconstruction_is_the_official_one(
    networks: Networks, data: Path, tmp_path: Path
) -> None:
    expected = np.load(ROOT / "tests" / "data" / "fomm_reconstruction.npz")
    figures = reconstruct(networks, clips(data), tmp_path / "out")
    assert [(one.name, one.frames) for one in figures.clips] == [("a.mp4", 3), ("b.mp4", 2)]
    by_frame = expected["l1_frames"]
    assert abs(figures.clips[0].l1 - by_frame[:3].mean()) < 1e-6
    assert abs(figures.clips[1].l1 - by_frame[3:].mean()) < 1e-6
    assert abs(figures.l1 - by_frame.mean()) < 1e-6
    for name in ("a", "b"):
        strip = read_picture(tmp_path / "out" / "png" / f"{name}.mp4.png")
        difference = np.abs(strip[::8, ::8].astype(int) - expected[name])
        assert difference.max() <= 1
        frames = 3 if name == "a" else 2
        assert strip.shape == (256, 256 * frames, 3)
        clip = read_clip(tmp_path / "out" / f"{name}.mp4", (256, 1024))
        assert clip.shape == (frames, 256, 1024, 3)
    told = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert told["l1"] == figures.l1 and told["faces"] is None and told["l1_still"] > 0
    rows = (tmp_path / "out" / "figures.csv").read_text().splitlines()
    assert len(rows) == 3 and rows[1].startswith("a.mp4,3,0.")
    assert not list((tmp_path / "out").rglob(".part*"))


def test_pairs_move_one_clip_s_first_frame_as_another_clip_moves(
    networks: Networks, data: Path, tmp_path: Path
) -> None:
    (made,) = animate_pairs(networks, clips(data), [("b.mp4", "a.mp4")], tmp_path / "out")
    assert made.name == "a-b.mp4" and read_clip(made, (256, 768)).shape == (3, 256, 768, 3)
    strip = read_picture(tmp_path / "out" / "png" / "a-b.png")
    frames = strip.reshape(256, 3, 256, 3).swapaxes(0, 1)
    # The driver's first frame moves nothing: that is the source reconstructed from itself.
    source = read_clip(data / "test" / "b.mp4", (256, 256))[:1]
    here = networks.points(source)
    ((still, _),) = networks.render(source[0], here, here)
    assert np.abs(frames[0] - 255 * still).max() <= 1.01
    assert np.abs(frames[1].astype(int) - frames[0]).max() > 3


def test_what_does_not_fit_is_said(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no checkpoint"):
        load_networks(tmp_path / "absent.pth.tar", CONFIG)
    broken = tmp_path / "broken.pth.tar"
    broken.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(UserError, match="no checkpoint that can be read"):
        load_networks(broken, CONFIG)
    with pytest.raises(UserError, match="holds no kp_detector of the configuration mgif-256"):
        load_networks(checkpoint, CONFIGS["mgif-256"])


def test_the_commands_say_figures_and_make_pairs(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = load_settings("small").networks
    path = tmp_path / "00000000-checkpoint.pth.tar"
    networks = {"kp_detector": KeypointDetector(shape), "generator": Generator(shape)}
    torch.save({name: one.state_dict() for name, one in networks.items()}, path)
    random = np.random.default_rng(0)
    for name in ("a.mp4", "b.mp4"):
        for part in ("train", "test"):
            (tmp_path / "data" / part / name).mkdir(parents=True)
            for number in range(3):
                picture = PIL.Image.fromarray(random.integers(0, 255, (64, 64, 3), np.uint8))
                picture.save(tmp_path / "data" / part / name / f"{number}.png")
    given = ["--data", str(tmp_path / "data"), "--checkpoint", str(path)]
    wanted = [*given, "--config", "small"]
    out = tmp_path / "out"
    run = CliRunner().invoke
    result = run(app, ["reconstruct", *wanted, "--out", str(out), "--clips", "1"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("L1 0.") and "over 3 frames of 1 clip;" in result.output
    assert "No face was found in the clips (face mesh)." in result.output
    assert json.loads((out / "figures.json").read_text())["faces"]["frames"] == 0
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("distance,source,driving,frame\n0,a.mp4,b.mp4,0\n0,absent.mp4,b.mp4,0\n")
    result = run(app, ["animate-pairs", *wanted, "--out", str(out), "--pairs", str(pairs)])
    assert result.exit_code == 0, result.output
    assert "1 absent clips, such as absent.mp4" in result.output
    assert (out / "b-a.mp4").is_file()
    # A run writes its configuration beside its weights.
    (tmp_path / "config.yaml").write_text(json.dumps(raw_settings("small")))
    beside = run(app, ["reconstruct", *given, "--out", str(out), "--landmarks", "none"])
    assert beside.exit_code == 0 and beside.output.startswith("L1 0.")
    (tmp_path / "config.yaml").unlink()
    for more in ([*wanted, "--landmarks", "eyes"], given, [*given, "--config", "vox-256"]):
        wrong = run(app, ["reconstruct", *more, "--out", str(out)])
        assert isinstance(wrong.exception, UserError)
