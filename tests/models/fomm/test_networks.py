"""The networks' outputs against those of the official implementation, with made-up weights.

In PyTorch and as exported graphs; and checkpoints, the import and the backend with these weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.animator import MotionSettings
from models.backends import create_animator
from models.errors import UserError
from models.fomm import manifest as manifests
from models.fomm.config import CONFIGS, Config
from models.fomm.motion import jacobians_of, relative_motion
from models.keypoints import Keypoints
from models.types import Face, Photo
from scripts.rigs import fakes
from tests import fomm_rule
from tests.paths import DATA, SEEDS

pytestmark = pytest.mark.torch

VOX = CONFIGS["vox-256"]
REFERENCES = {
    "vox-256-align_corners_false": VOX,
    "vox-256-align_corners_true": replace(VOX, align_corners=True),
    "mgif-256-align_corners_false": CONFIGS["mgif-256"],
}
OWN = np.load(DATA / "fomm_expected.npz")
INNER = ("prediction", "deformation", "mask", "occlusion_map")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other by spinning take minutes on a machine that is busy."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, Any]]:
    """The rule's weights; those of vox differ from those of mgif in two arrays."""
    return {name: fomm_rule.checkpoint(CONFIGS[name]) for name in ("vox-256", "mgif-256")}


@pytest.fixture(scope="module")
def vox_file(states: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stripped checkpoint, without the counters of newer versions of PyTorch."""
    import torch

    slim = {
        part: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
        for part, state in states["vox-256"].items()
    }
    path = tmp_path_factory.mktemp("checkpoint") / "vox-cpk.pth.tar"
    torch.save(slim, path)
    return path


@pytest.fixture(scope="module")
def imported(vox_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of models with one that was imported from `vox_file`."""
    from models.fomm.importing import import_checkpoint

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(manifests.MODELS_VARIABLE, str(tmp_path_factory.mktemp("models")))
        patch.setenv("AVATARIFY_DEVICE", "cpu")
        lines: list[str] = []
        made = import_checkpoint(vox_file, keep_torch=True, tell=lines.append)
        assert made.config == "vox-256", "the file's name tells"
        assert made.checkpoint.size == vox_file.stat().st_size
        assert any("fp16" in line for line in lines)
        yield manifests.models_folder()


def moved(found: dict[str, Keypoints]) -> dict[str, Any]:
    """All arrays that do not need the generator, by their names in the reference."""
    got: dict[str, Any] = {}
    for name, one in found.items():
        got[f"kp_{name}_value"], got[f"kp_{name}_jacobian"] = (
            one.values[None],
            jacobians_of(one)[None],
        )
    for relative in (0, 1):
        for scale in (0, 1):
            one = found["driving"]
            if relative:
                one = relative_motion(found["source"], found["initial"], one, bool(scale))
            key = f"norm_rel{relative}_scale{scale}"
            got[f"{key}_value"], got[f"{key}_jacobian"] = one.values[None], jacobians_of(one)[None]
    got["source_corner"] = fomm_rule.image("source")[0, :, :4, :4]
    return got


def through_torch(state: dict[str, Any], config: Config) -> dict[str, Any]:
    import torch

    from models.fomm.networks import Generator, KeypointDetector, Points

    with torch.inference_mode():
        modules = []
        for part, module in (
            ("kp_detector", KeypointDetector(config)),
            ("generator", Generator(config)),
        ):
            module.load_state_dict(state[part])
            modules.append(module.eval())
        detector, generator = modules
        pictures = {k: torch.from_numpy(v) for k, v in fomm_rule.pictures().items()}
        points = {name: detector(picture) for name, picture in pictures.items()}
        got = moved(
            {k: Keypoints(p.values[0].numpy(), p.jacobians[0].numpy()) for k, p in points.items()}
        )
        driving = [torch.from_numpy(got[f"norm_rel1_scale1_{k}"]) for k in ("value", "jacobian")]
        picture, motion = generator(pictures["source"], points["source"], Points(*driving))
        for name, value in zip(INNER, (picture, *motion), strict=True):
            got[name] = value.numpy()
    return got


def through_graphs(state: dict[str, Any], config: Config) -> dict[str, Any]:
    import onnxruntime as ort

    from models.fomm import export

    kp, generator = (
        {k: v.numpy() for k, v in state[part].items()} for part in ("kp_detector", "generator")
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    detect, encode, render = (
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        for model in (
            export.detect_graph(kp, config),
            export.encode_graph(generator, config),
            export.render_graph(generator, config),
        )
    )
    assert {node.name for node in encode.get_outputs()} == {"features", "small"}
    found = {}
    for name, picture in fomm_rule.pictures().items():
        values, jacobians = detect.run(["values", "jacobians"], {"picture": picture})
        found[name] = Keypoints(values[0], jacobians[0])
    got = moved(found)
    features, small = encode.run(["features", "small"], {"picture": fomm_rule.image("source")})
    feeds = {
        "features": features,
        "small": small,
        "source_values": got["kp_source_value"],
        "source_jacobians": got["kp_source_jacobian"],
        "values": got["norm_rel1_scale1_value"],
        "jacobians": got["norm_rel1_scale1_jacobian"],
    }
    got.update(zip(INNER, render.run(list(INNER), feeds), strict=True))
    return got


@pytest.mark.parametrize("reference", REFERENCES)
def test_every_array_of_the_official_implementation(
    reference: str, states: dict[str, Any], shared: Path
) -> None:
    expected = np.load(shared / "fomm_reference" / f"{reference}.npz")
    config = REFERENCES[reference]
    in_torch = through_torch(states[config.name], config)
    errors = fomm_rule.worst(in_torch, expected)
    assert len(errors) == 19 and max(errors.values()) < 1e-4, errors
    errors = fomm_rule.worst(through_graphs(states[config.name], config), expected)
    assert max(errors.values()) < 1e-3, errors
    if reference == "vox-256-align_corners_false":
        own = fomm_rule.worst({name: OWN[name] for name in OWN}, thinned(expected))
        assert len(own) == 19 and max(own.values()) < 1e-4, "what the project carries has changed"


def thinned(expected: Any) -> dict[str, Any]:
    return {name: fomm_rule.thin(name, expected[name], OWN[name]) for name in expected}


def test_what_the_project_carries(states: dict[str, Any]) -> None:
    errors = fomm_rule.worst(through_graphs(states["vox-256"], VOX), OWN)
    assert len(errors) == 19 and max(errors.values()) < 1e-3, errors


def test_parameter_names_and_shapes_are_the_official_ones(shared: Path) -> None:
    from models.fomm.checkpoint import expected_shapes

    text = (shared / "fomm_reference" / "state_dict_shapes.json").read_text(encoding="utf-8")
    for name, parts in json.loads(text).items():
        official = {
            part: {k: tuple(v) for k, v in keys.items() if not k.endswith("num_batches_tracked")}
            for part, keys in parts.items()
        }
        assert expected_shapes(CONFIGS[name]) == official, name


def test_integers_are_close(states: dict[str, Any], tmp_path: Path) -> None:
    """Only the convolutions of a small part, to be quick: the dense motion's first ones."""
    import onnx
    import onnxruntime as ort

    from models.frame_integers import quantize
    from models.onnx_graph import Graph

    random = np.random.default_rng(0)
    graph = Graph("two")
    value = graph.input("x", (1, 64, 16, 16))
    for _ in range(2):
        kernel = random.normal(0, 0.06, (64, 64, 3, 3)).astype(np.float32)
        value = graph.op("Relu", graph.conv(value, kernel, np.zeros(64, np.float32), 1))
    graph.output("y", value, (1, 64, 16, 16))
    frames = [{"x": random.normal(0, 1, (1, 64, 16, 16)).astype(np.float32)} for _ in range(3)]
    target = tmp_path / "two.int8.onnx"
    quantize(graph.model(), target, frames[:2], full=False)
    kinds = {node.op_type for node in onnx.load(target).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    exact, rough = (
        ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, frames[2])[0]
        for model in (graph.model().SerializeToString(), str(target))
    )
    loss = 10 * np.log10(np.square(exact).mean() / np.square(rough - exact).mean())
    assert loss > 25, f"only {loss:.1f} dB"
    assert np.abs(rough - exact).max() > 0, "it is not quantised at all"


def save(data: Any, path: Path) -> Path:
    import torch

    torch.save(data, path)
    return path


def test_full_checkpoints_load(states: dict[str, Any], tmp_path: Path) -> None:
    import torch

    from models.fomm.checkpoint import load

    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(2))]).state_dict()
    whole = {
        **states["mgif-256"],
        "discriminator": {"x": torch.zeros(1)},
        "optimizer_generator": optimiser,
        "epoch": 99,
    }
    weights, config = load(save(whole, tmp_path / "mgif-cpk.pth.tar"))
    assert config.name == "mgif-256" and weights.single_jacobian_map
    assert not any(key.endswith("num_batches_tracked") for key in weights.generator)
    with pytest.raises(UserError, match="one jacobian map.*mgif-256"):
        load(tmp_path / "mgif-cpk.pth.tar", "vox-256")


def test_bad_checkpoints_are_refused_in_one_sentence(
    states: dict[str, Any], vox_file: Path, tmp_path: Path
) -> None:
    from models.fomm.checkpoint import load

    def refused(path: Path) -> str:
        with pytest.raises(UserError) as caught:
            load(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no file" in refused(tmp_path / "nowhere.tar")
    cut = tmp_path / "vox-adv-cpk.pth.tar"
    cut.write_bytes(vox_file.read_bytes()[:1_000_000])
    assert "incomplete" in refused(cut) and "750,926,934" in refused(cut)
    text = tmp_path / "page.html"
    text.write_text("<html>Google Drive - Virus scan warning</html>")
    assert "incomplete, damaged or another kind of file" in refused(text)
    assert "another" in refused(save({"generator": Path("x")}, tmp_path / "code.tar"))
    assert "holds a list" in refused(save([1, 2], tmp_path / "list.tar"))
    state = states["vox-256"]
    only = refused(save({"generator": state["generator"], "epoch": 1}, tmp_path / "half.tar"))
    assert "no kp_detector, but epoch, generator" in only
    detector = dict(state["kp_detector"])
    detector["extra.weight"] = detector.pop("kp.weight")
    wrong = refused(save({**state, "kp_detector": detector}, tmp_path / "names.tar"))
    assert "missing: kp.weight" in wrong and "unexpected: extra.weight" in wrong
    detector = {**state["kp_detector"], "kp.bias": state["kp_detector"]["kp.bias"][:3]}
    wrong = refused(save({**state, "kp_detector": detector}, tmp_path / "shape.tar"))
    assert "kp.bias (3,) instead of (10,)" in wrong


class _Hostile:
    """When it is unpickled, a program is started."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> Any:
        import os

        return os.system, (f"echo ran > '{self.proof}'",)


@pytest.mark.parametrize("kind", ["zip", "old", "pickle"])
def test_a_checkpoint_cannot_start_a_program(kind: str, tmp_path: Path) -> None:
    import pickle

    import torch

    from models.fomm.checkpoint import load

    proof, path = tmp_path / "proof", tmp_path / "vox-cpk.pth.tar"
    data = {"generator": {"a": _Hostile(proof)}, "kp_detector": {}}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(data, 2))
    else:
        torch.save(data, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        load(path)
    assert not proof.exists()
    if kind == "pickle":  # The trap works where nobody is careful.
        pickle.loads(path.read_bytes())
        assert proof.exists()


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("repeated", "w is not an array"),  # One number, repeated ten thousand million times.
        ("buffer", "cannot be read"),  # It asks for a buffer of 8 GB.
        ("unsized", "does not fit"),
        ("names", "does not fit"),
    ],
)
def test_a_checkpoint_that_asks_for_too_much_is_refused(
    seed: str, words: str, tmp_path: Path
) -> None:
    from models.fomm.checkpoint import load

    path = tmp_path / "vox-cpk.pth.tar"
    path.write_bytes((SEEDS / "checkpoint" / seed).read_bytes())
    with pytest.raises(UserError, match=words) as caught:
        load(path)
    assert str(caught.value).isprintable()


def test_an_archive_that_grows_when_it_is_unpacked_is_refused(tmp_path: Path) -> None:
    import zipfile

    import torch

    from models.fomm.checkpoint import load

    packed = save({"generator": {"a": torch.zeros(20_000_000)}, "kp_detector": {}}, tmp_path / "a")
    bomb = tmp_path / "vox-cpk.pth.tar"
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(bomb, "w", 8) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(UserError, match="would take 80,0"):
        load(bomb)


def photo() -> Photo:
    """A picture whose face's square is the whole of it."""
    picture = (fomm_rule.image("source")[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
    landmarks = np.zeros((478, 3), np.float32)
    landmarks[:, :2] = 128
    reach = 128 / 1.9
    landmarks[0, :2], landmarks[1, :2] = 128 - reach, 128 + reach
    return Photo(picture, Face(landmarks, None, 1.0), "noise")


def test_the_backend_gives_the_official_numbers(imported: Path) -> None:
    animator = create_animator("fomm")
    assert "CPU fp32" in animator.device
    avatar = animator.prepare(photo(), 720)
    assert avatar.still.shape == (256, 256, 3)
    assert (avatar.still == photo().image).all(), "the square is the whole picture"
    # The photo was rounded to 8 bits, nothing else differs from the reference.
    assert np.abs(avatar.rest.values - OWN["kp_source_value"][0]).max() < 2e-3
    source, initial, driving = (
        Keypoints(OWN[f"kp_{name}_value"][0], OWN[f"kp_{name}_jacobian"][0])
        for name in ("source", "initial", "driving")
    )
    exact = replace(avatar, rest=source)
    target = animator.pose(exact, driving, initial, MotionSettings())
    assert np.abs(target.values - OWN["norm_rel1_scale1_value"][0]).max() < 1e-5
    assert animator.pose(exact, driving, initial, MotionSettings("absolute")) is driving
    expected = OWN["prediction"][0].transpose(1, 2, 0) * 255
    picture = animator.render(exact, target)
    assert picture.shape == avatar.still.shape and picture.dtype == np.uint8
    assert np.abs(picture[::4, ::4].astype(float) - expected).mean() < 1.0
    assert animator.prepare(photo(), 128).still.shape == (128, 128, 3)


def test_the_shared_loop_animates_with_it(imported: Path) -> None:
    from realtime.animation.animation import Animation
    from realtime.animation.calibration import Calibration
    from realtime.frames import CameraFrame

    animator = create_animator("fomm:vox-256")
    avatar = animator.prepare(photo(), 256)
    calibration = Calibration()
    calibration.request(at_once=True)
    animation = Animation(
        animator, fakes.FakeTracker([fakes.face()]), avatar, calibration=calibration
    )
    random = np.random.default_rng(0)
    shown = []
    for index in range(3):
        frame = random.integers(0, 255, (480, 640, 3), np.uint8)
        shown.append(animation.step(CameraFrame(frame, index * 1.0, index)))
    assert animation.faults == 0, animation.last_fault
    assert [frame.captured_at for frame in shown[1:]] == [1.0, 2.0]
    assert shown[2].live and shown[2].image.shape == (256, 256, 3)
    assert (shown[2].image != shown[1].image).any(), "another frame, another picture"


def shifted(face: Face, x: float, y: float) -> Face:
    return Face(face.landmarks + np.array([x, y, 0], np.float32), None, face.score)


def test_frames_are_cut_around_the_anchor(imported: Path) -> None:
    animator = create_animator("fomm")
    picture = photo().image
    face = photo().face
    wide = np.zeros((400, 600, 3), np.uint8)
    wide[100:356, 200:456] = picture
    whole = animator.observe(picture, face, face)
    part = animator.observe(wide, face, shifted(face, 200, 100))
    assert whole is not None and part is not None
    assert np.abs(whole.values - part.values).max() < 1e-6
    outside = animator.observe(wide, face, shifted(face, -178, 772))
    assert outside is not None and np.isfinite(outside.values).all()


def test_torch_engine_agrees_with_onnx(imported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    onnx = create_animator("fomm")
    monkeypatch.setenv("AVATARIFY_DEVICE", "torch")
    torch = create_animator("fomm")
    assert torch.device.startswith("PyTorch")
    avatars = [one.prepare(photo(), 256) for one in (onnx, torch)]
    driving = Keypoints(OWN["norm_rel1_scale1_value"][0], OWN["norm_rel1_scale1_jacobian"][0])
    pictures = [
        one.render(avatar, driving) for one, avatar in zip((onnx, torch), avatars, strict=True)
    ]
    difference = np.abs(pictures[0].astype(int) - pictures[1].astype(int))
    assert difference.max() <= 1


class _Lost:
    """A session whose driver has crashed."""

    def run(self, *words: Any, **more: Any) -> Any:
        raise RuntimeError("CUDA failure 719: unspecified launch failure ; GPU=0\nand more")


def test_a_lost_gpu_is_replaced_in_mid_run(imported: Path) -> None:
    from models.fomm.backend import FommAnimator
    from models.fomm.engine import OnnxEngine
    from models.runtime import DEVICES

    animator = create_animator("fomm")
    assert isinstance(animator, FommAnimator) and isinstance(animator._engine, OnnxEngine)
    engine = animator._engine
    avatar = animator.prepare(photo(), 256)
    driving = Keypoints(OWN["norm_rel1_scale1_value"][0], OWN["norm_rel1_scale1_jacobian"][0])
    before = animator.render(avatar, driving)
    cuda = next(device for device in DEVICES if device.key == "cuda")
    lost: Any = {name: _Lost() for name in engine._runtime.sessions}
    engine._runtime = replace(engine._runtime, device=cuda, sessions=lost)
    avatar.source.runtime, avatar.source.feeds = engine._runtime, {"features": "on the GPU"}
    assert (animator.render(avatar, driving) == before).all()
    assert "CPU" in animator.device
    assert "CUDA is not used: it failed in mid-run, CUDA failure 719" in animator.device
    assert (animator.render(avatar, driving) == before).all()


def test_a_changed_file_is_noticed(imported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = imported / "vox-256" / "render.fp32.onnx"
    with open(path, "r+b") as file:
        file.seek(1_000_000)
        before = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([before[0] ^ 1]))
    try:
        with pytest.raises(UserError, match="render.fp32.onnx.*import the model again"):
            create_animator("fomm")
    finally:
        with open(path, "r+b") as file:
            file.seek(1_000_000)
            file.write(before)
