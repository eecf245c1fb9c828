"""The ONNX graphs, through the engine that runs them, against the official outputs.

Weights and pictures are made up. The limits are those that the reference recommends for float32,
except for what a quarter of the products costs.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.imported import MODELS_VARIABLE, describe, files_in
from models.liveportrait.config import MODULES
from models.liveportrait.engine import EXACT, OnnxEngine
from models.liveportrait.manifest import STORE, Manifest
from models.types import Floats
from tests.liveportrait_rule import rule_image, rule_weights
from tests.paths import DATA

onnx = pytest.importorskip("onnx", reason="needs onnx, which imports need")

ALLOWED = {
    *("Abs", "Add", "Cast", "Clip", "Concat", "Conv", "DepthToSpace", "Div", "Erf", "Exp"),
    *("Floor", "Gemm", "GridSample", "Identity", "InstanceNormalization", "LayerNormalization"),
    *("LeakyRelu", "MatMul", "Mul", "Pad", "ReduceL2", "ReduceMean", "ReduceSum", "Relu"),
    *("Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Sub", "Sum"),
    *("Transpose", "AveragePool", "BatchNormalization", "Expand"),
}
"""Operators that TensorRT 10, CUDA, CoreML, DirectML and OpenVINO all have."""

LIMIT = 2e-4
"""Largest error, in units of the root mean square."""


def sampled(name: str, array: Floats, count: int) -> Floats:
    random = np.random.default_rng(zlib.crc32(f"dev/index/{name}".encode()))
    return array.ravel()[random.integers(0, array.size, count)]


def error(found: Any, wanted: Any) -> float:
    wanted = np.asarray(wanted)
    far = np.abs(np.asarray(found).reshape(wanted.shape) - wanted).max()
    return float(far / np.sqrt(np.mean(np.square(wanted))))


@pytest.fixture(scope="module")
def weights() -> dict[str, dict[str, Any]]:
    return {module: rule_weights("dev", module) for module in MODULES}


@pytest.fixture(scope="module")
def expected() -> Mapping[str, Any]:
    with np.load(DATA / "liveportrait_expected.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def graphs(weights: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """In float32, as a CPU computes them."""
    from models.liveportrait.export import build

    return build(weights)


@pytest.fixture(scope="module")
def engine(
    graphs: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OnnxEngine]:
    """Of a folder with the graphs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS_VARIABLE, str(tmp_path_factory.mktemp("models")))
        patch.setenv("AVATARIFY_DEVICE", "cpu")
        with STORE.new("rule") as part:
            for name, model in graphs.items():
                onnx.save(model, part / f"{name}.fp32.onnx")
            manifest = Manifest("rule", time.time(), files_in(part), {}, False, ())
            STORE.write(part, manifest)
        yield OnnxEngine(*STORE.choose())


def test_the_heads_are_the_official_ones(engine: OnnxEngine, expected: Mapping[str, Any]) -> None:
    heads = engine.motion(rule_image("dev", "source"))
    for angle in ("pitch", "yaw", "roll"):
        wanted = float(expected[f"M_source_{angle}"].reshape(-1)[0])
        assert abs(getattr(heads, angle) - wanted) <= 1e-4, angle
    for name in ("scale", "t", "kp", "exp"):
        assert error(getattr(heads, name), expected[f"M_source_{name}"]) <= 6e-6, name


def test_the_small_networks_are_the_official_ones(
    engine: OnnxEngine, expected: Mapping[str, Any]
) -> None:
    points = expected["x_s"].reshape(21, 3)
    eyes = engine.eye_delta(points, 0.30, 0.28, 0.05)
    assert error(eyes, expected["eye_delta_plausible"]) <= 2e-5
    lips = engine.lip_delta(points, 0.12, 0.0)
    assert error(lips, expected["lip_delta_plausible"]) <= 2e-5
    moved = engine.stitch(points, expected["x_d"].reshape(21, 3))
    assert moved.shape == (21, 3)
    assert not np.array_equal(moved, expected["x_d"].reshape(21, 3))


def test_a_frame_is_the_official_one(engine: OnnxEngine, expected: Mapping[str, Any]) -> None:
    features = engine.features(rule_image("dev", "source"))
    volume = features.value.numpy()
    assert (
        error(sampled("F_sample", volume, expected["F_sample"].size), expected["F_sample"]) < 1e-5
    )
    picture = engine.render(features, expected["x_s"], expected["x_d"])
    assert picture.shape == (1, 3, 512, 512)
    assert error(picture[:, :, ::8, ::8], expected["prediction_every8"]) <= 3e-4


def test_the_motion_within_is_the_official_one(
    engine: OnnxEngine, weights: dict[str, Any], expected: Mapping[str, Any]
) -> None:
    import onnxruntime as ort

    from models.liveportrait.export import warp_graph

    volume = engine.features(rule_image("dev", "source")).value.numpy()
    model = warp_graph(weights["warping_module"], inspect=True).SerializeToString()
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    points = {
        name: expected[key].reshape(1, 21, 3)
        for name, key in (("source", "x_s"), ("driving", "x_d"))
    }
    names = ("warped", "mask", "deformation", "occlusion")
    made = dict(zip(names, session.run(names, {"features": volume, **points}), strict=True))
    for name in ("warped", "mask", "deformation"):
        wanted = expected[f"{name}_sample"]
        limit = 3e-5 if name == "deformation" else LIMIT
        assert error(sampled(f"{name}_sample", made[name], wanted.size), wanted) <= limit, name
    assert error(made["occlusion"], expected["occlusion_map"]) <= LIMIT


@pytest.mark.parametrize("half", [False, True])
def test_graphs_hold_only_what_every_runtime_has(
    weights: dict[str, dict[str, Any]], graphs: dict[str, Any], half: bool
) -> None:
    from models.liveportrait.export import build

    float16 = onnx.TensorProto.FLOAT16
    models = build(weights, half=True, names=("features", "render", "motion")) if half else graphs
    for name, model in models.items():
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        assert {node.op_type for node in inferred.node} <= ALLOWED, name
        assert all(entry.version == 17 for entry in model.opset_import), name
        shapes = {}
        for value in (*inferred.value_info, *inferred.input, *inferred.output):
            sides = value.type.tensor_type.shape.dim
            assert all(side.HasField("dim_value") for side in sides), f"{name}: {value.name}"
            shapes[value.name] = [side.dim_value for side in sides]
        for node in inferred.node:
            if node.op_type in ("GridSample", "Conv", "Resize", "InstanceNormalization"):
                assert len(shapes[node.input[0]]) == 4, f"{name}: {node.name}"
        kinds = {constant.data_type for constant in inferred.initializer}
        assert (float16 in kinds) == (half and name not in EXACT), name


def test_a_photo_goes_along_when_the_device_fails(
    engine: OnnxEngine, expected: Mapping[str, Any]
) -> None:
    class Lost:
        def run(self, *_: Any, **__: Any) -> Any:
            raise RuntimeError("the driver has gone")

    works = engine._runtime
    device = replace(works.device, key="cuda", label="CUDA")
    lost: Any = {name: Lost() for name in works.sessions}
    features = engine.features(rule_image("dev", "source"))
    engine._runtime = replace(works, device=device, sessions=lost)
    features.runtime, features.value = engine._runtime, "on the card"
    engine._models = {"motion": engine._models["motion"]}
    engine._samples = {"motion": engine._samples["motion"]}
    heads = engine.motion(rule_image("dev", "source"))
    assert abs(heads.yaw - float(expected["M_source_yaw"].reshape(-1)[0])) <= 1e-4
    assert "failed in mid-run" in engine.device


def test_a_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    from models.errors import UserError

    path = tmp_path / "render.fp32.onnx"
    path.write_bytes(b"one")
    entry = describe(path)
    manifest = Manifest("m", 0.0, {"render.fp32": entry}, {}, False, ())
    assert STORE.verified(tmp_path, manifest, "render.fp32") == path
    path.write_bytes(b"two")
    with pytest.raises(UserError, match="import the model again"):
        STORE.verified(tmp_path, manifest, "render.fp32")
