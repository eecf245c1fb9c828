"""The shipped face networks: as the converter makes them, and as OpenCV computes the originals.

And the converter's single operators: as TFLite defines them.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from models.errors import UserError
from models.face.detector import FaceDetector
from models.face.landmarker import CropRegion, Landmarker
from models.face.network import (
    NETWORKS,
    Network,
    NetworkName,
    load_network,
    weights_path,
)
from models.types import Floats, Image
from realtime.paths import asset_path
from scripts.assets.landmarker.bundle import Bundle

onnx = pytest.importorskip("onnx", reason="needs onnx: run scripts/test --all")

from scripts.assets.landmarker.convert import OUTPUTS, _Converter, to_onnx  # noqa: E402
from scripts.assets.landmarker.tflite import Graph, Operator, Tensor  # noqa: E402


class TFLiteNetwork(Network):
    """One of the bundle's own files, run by OpenCV, whose reader is none of ours."""

    def __init__(self, bundle: Bundle, name: NetworkName) -> None:
        buffer: NDArray[np.uint8] = np.frombuffer(getattr(bundle, name), np.uint8)
        self._net = cv2.dnn.readNetFromTFLite(buffer)
        self._names = list(OUTPUTS[name])

    def run(self, tensor: Floats) -> list[Floats]:
        self._net.setInput(tensor)
        return [np.asarray(out, np.float32).ravel() for out in self._net.forward(self._names)]


Engine = tuple[FaceDetector, Landmarker]


@pytest.fixture(scope="module")
def originals(bundle: Bundle) -> Engine:
    detector, landmarks = (TFLiteNetwork(bundle, name) for name in NETWORKS)
    return FaceDetector(detector), Landmarker(landmarks)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shipped_files_are_what_the_converter_makes(bundle: Bundle, name: NetworkName) -> None:
    shipped = onnx.load(weights_path(name))
    onnx.checker.check_model(shipped, full_check=True)
    assert to_onnx(getattr(bundle, name), OUTPUTS[name]) == shipped


def _face_jpg() -> Image:
    picture = cv2.imread(str(asset_path("face.jpg")))
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def _demo(every: int) -> list[Image]:
    video = cv2.VideoCapture(str(asset_path("demo.mp4")))
    frames = []
    while (read := video.read())[0]:
        frames.append(np.asarray(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), np.uint8))
    return frames[::every]


def _compare(originals: Engine, picture: Image) -> None:
    detector, landmarker = originals
    got, expected = FaceDetector().detect(picture), detector.detect(picture)
    assert len(got) == len(expected) == 1
    assert np.abs(got[0].box - expected[0].box).max() < 0.05
    assert np.abs(got[0].points - expected[0].points).max() < 0.05
    assert got[0].score == pytest.approx(expected[0].score, rel=1e-3)
    region = CropRegion.from_detection(expected[0])
    for _ in range(2):  # the second region is centred on the landmarks, as in a video
        points, score = Landmarker().landmarks(picture, region)
        reference, belief = landmarker.landmarks(picture, region)
        assert belief > 0.9, "a face is there, so the numbers mean something"
        assert np.abs(points - reference).max() < 0.05
        assert score == pytest.approx(belief, rel=1e-3)
        region = CropRegion.from_landmarks(reference)


def test_shipped_and_original_agree_on_the_astronaut(originals: Engine, astronaut: Image) -> None:
    _compare(originals, astronaut)


def test_shipped_and_original_agree_on_the_demo_face(originals: Engine) -> None:
    _compare(originals, _face_jpg())


def test_shipped_and_original_agree_on_the_demo_clip(originals: Engine) -> None:
    frames = _demo(every=30)
    assert len(frames) >= 3
    for frame in frames:
        _compare(originals, frame)


def test_the_raw_outputs_agree_on_noise(bundle: Bundle) -> None:
    noise = np.random.default_rng(1).random((1, 3, 128, 128), np.float32) * 2 - 1
    got, expected = (
        network.run(noise)
        for network in (load_network("detector"), TFLiteNetwork(bundle, "detector"))
    )
    for a, b in zip(got, expected, strict=True):
        assert a.shape == b.shape and a.dtype == np.float32
        assert np.abs(a - b).max() < 1e-3 * np.abs(b).max()


def test_broken_networks_are_named(bundle: Bundle) -> None:
    for data in (b"", b"not a network at all", bundle.detector[:1000], bundle.detector[:-9000]):
        with pytest.raises(UserError, match="delete face_landmarker.task"):
            to_onnx(data, OUTPUTS["detector"])


def test_the_blendshape_network_is_refused_by_its_first_operator(bundle: Bundle) -> None:
    with pytest.raises(UserError, match="operator 40, which is not supported"):  # MEAN
        to_onnx(bundle.blendshapes, {"StatefulPartitionedCall:0": "units"})


# Single operators against plain NumPy, in files written with the flatbuffers package.

_ADD, _CONV, _DEPTHWISE, _POOL, _RESHAPE, _PAD, _PRELU = 0, 3, 4, 17, 22, 34, 54
Options = list[tuple[int, str, int]]  # field of the options' table, its kind, its value


def _file(
    operator: int, options: Options, shape: list[int], constants: list[NDArray[Any]], out: list[int]
) -> bytes:
    """A TFLite file of one operator, from "in" and the constants to "out"."""
    builder = pytest.importorskip("flatbuffers").Builder(1024)

    def table(fields: list[tuple[int, str, int]]) -> int:
        slots = {
            "b": builder.PrependInt8Slot,
            "i": builder.PrependInt32Slot,
            "u": builder.PrependUint32Slot,
            "o": builder.PrependUOffsetTRelativeSlot,
        }
        builder.StartObject(8)
        for field, kind, value in fields:
            slots[kind](field, value, 0)
        return int(builder.EndObject())

    def tables(offsets: list[int]) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return int(builder.EndVector())

    def numbers(values: Any, kind: type[np.generic] = np.int32) -> int:
        return int(builder.CreateNumpyVector(np.asarray(values, kind)))

    buffers, tensors = [table([])], []
    kinds = {"float32": 0, "float16": 1, "int32": 2}
    for i, value in enumerate([shape, *constants, out]):
        name = "in" if i == 0 else "out" if i > len(constants) else f"constant {i}"
        size, kind, buffer = value, 0, 0
        if isinstance(value, np.ndarray):
            size, kind, buffer = list(value.shape), kinds[value.dtype.name], len(buffers)
            raw = numbers(np.frombuffer(value.tobytes(), np.uint8), np.uint8)
            buffers.append(table([(0, "o", raw)]))
        fields = [(3, "o", builder.CreateString(name)), (0, "o", numbers(size))]
        tensors.append(table([*fields, (1, "b", kind), (2, "u", buffer)]))
    last = len(constants) + 1
    settings, sources, targets = table(options), numbers(range(last)), numbers([last])
    step = table([(1, "o", sources), (2, "o", targets), (4, "o", settings)])
    graph_parts = [tables(tensors), numbers([0]), numbers([last]), tables([step])]
    graph = table([(i, "o", part) for i, part in enumerate(graph_parts)])
    codes = tables([table([(0, "b", operator)])])
    parts = [(1, "o", codes), (2, "o", tables([graph])), (4, "o", tables(buffers))]
    builder.Finish(table([(0, "u", 3), *parts]), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _run(data: bytes, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The output of a one-operator file for a picture (H, W, C)."""
    return _computed(to_onnx(data, {"out": "result"}), picture)


def _computed(model: Any, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    out = session.run(["result"], {"input": picture.transpose(2, 0, 1)[None]})[0]
    return np.asarray(out, np.float32)


def _picture(height: int, width: int, channels: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(height, width, channels)).astype(np.float32)


@pytest.mark.parametrize(("height", "width"), [(6, 7), (5, 8)])
@pytest.mark.parametrize("same", [True, False])
def test_convolution_pads_as_tflite_does(height: int, width: int, same: bool) -> None:
    picture = _picture(height, width, 2)
    weights = np.random.default_rng(1).normal(size=(3, 3, 3, 2)).astype(np.float32)
    bias = np.array([0.5, -1, 2], np.float32)
    options: Options = [(0, "b", 0 if same else 1), (1, "i", 2), (2, "i", 2), (3, "b", 1)]
    # An even side needs one row or column of padding, which goes to the end; an odd one two.
    pads = [(side % 2, 1) for side in (height, width)]
    padded = np.pad(picture, [*pads, (0, 0)]) if same else picture
    rows, columns = ((side - 3) // 2 + 1 for side in padded.shape[:2])
    expected = np.empty((1, rows, columns, 3), np.float32)
    for y in range(rows):
        for x in range(columns):
            window = padded[2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            expected[0, y, x] = np.maximum(np.tensordot(weights, window, 3) + bias, 0)
    data = _file(_CONV, options, [1, height, width, 2], [weights, bias], list(expected.shape))
    assert np.allclose(_run(data, picture), expected, atol=1e-5)


def test_depthwise_convolution_keeps_the_channels_apart() -> None:
    picture = _picture(4, 4, 3)
    weights = np.arange(1, 4, dtype=np.float32).reshape(1, 1, 1, 3)
    bias = np.array([0, 10, 20], np.float32)
    options: Options = [(1, "i", 1), (2, "i", 1), (3, "i", 1)]
    data = _file(_DEPTHWISE, options, [1, 4, 4, 3], [weights, bias], [1, 4, 4, 3])
    assert np.allclose(_run(data, picture)[0], picture * weights[0] + bias, atol=1e-5)


def test_max_pool_covers_the_odd_last_row() -> None:
    picture = _picture(5, 4, 2) - 10  # below zero, so that padding with zeros would show
    options: Options = [(1, "i", 2), (2, "i", 2), (3, "i", 2), (4, "i", 2)]
    data = _file(_POOL, options, [1, 5, 4, 2], [], [1, 3, 2, 2])
    expected = [[picture[y : y + 2, x : x + 2].max((0, 1)) for x in (0, 2)] for y in (0, 2, 4)]
    assert np.allclose(_run(data, picture)[0], expected)


@pytest.mark.parametrize("slopes", [[0.25, 0.0, 1.0], [0.25, -3.0, 19.5]])
def test_prelu_with_any_slopes(slopes: list[float]) -> None:
    picture = _picture(4, 4, 3)
    constant = np.array(slopes, np.float32).reshape(1, 1, 3)
    data = _file(_PRELU, [], [1, 4, 4, 3], [constant], [1, 4, 4, 3])
    expected = np.where(picture > 0, picture, picture * constant)
    assert np.allclose(_run(data, picture)[0], expected, atol=1e-4)


class _Step(Operator):
    """An operator of stride 1, kernels of 1 x 1 and no activation."""

    def option(self, field: int, kind: str = "i", default: int = 0) -> int:
        return 1 if kind == "i" and field in (1, 2, 3, 4) else default


@pytest.mark.parametrize("add_plain", [True, False])
def test_negated_channels_are_put_right_by_whatever_takes_them(add_plain: bool) -> None:
    """Steep PReLU, depthwise and dense convolution, sum, steep PReLU; then a sum or a pool."""
    rng = np.random.default_rng(0)
    picture = _picture(4, 4, 3)
    steep = [np.array(slopes, np.float32).reshape(1, 1, 3) for slopes in ([3, 0.2, 2], [0, 4, -1])]
    deep, dense = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(3, 3))
    bias, dense = rng.normal(size=(2, 3)).astype(np.float32), dense.astype(np.float32)

    values: list[tuple[list[int], NDArray[Any] | None]] = [([1, 4, 4, 3], None)]
    steps: list[Operator] = []

    def constant(value: NDArray[Any]) -> int:
        values.append((list(value.shape), value))
        return len(values) - 1

    def step(code: int, *inputs: int) -> int:
        values.append(([1, 4, 4, 3], None))
        steps.append(_Step(code, inputs, (len(values) - 1,), None))
        return len(values) - 1

    bent = step(_PRELU, 0, constant(steep[0]))
    weights = constant(deep[0].reshape(1, 1, 1, 3)), constant(bias[0])
    inner = step(_DEPTHWISE, bent, *weights)
    outer = step(_CONV, inner, constant(dense.reshape(3, 1, 1, 3)), constant(bias[1]))
    summed = step(_ADD, bent, outer)
    bent_again = step(_PRELU, summed, constant(steep[1]))
    last = step(_ADD, bent_again, 0) if add_plain else step(_POOL, bent_again)
    tensors = tuple(
        Tensor("out" if i == last else str(i), tuple(shape), data)
        for i, (shape, data) in enumerate(values)
    )
    converter = _Converter(Graph(tensors, tuple(steps), (0,)))
    converted = converter.convert({"out": "result"})

    def prelu(x: NDArray[Any], slopes: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.where(x > 0, x, x * slopes))

    first = prelu(picture, steep[0])
    total = first + (first * deep[0] + bias[0]) @ dense.T + bias[1]
    expected = prelu(total, steep[1]) + (picture if add_plain else 0)
    out = _computed(converted, picture)
    assert (converter._signs[bent] == [-1, 1, -1]).all(), "else this tests nothing"
    assert np.allclose(out[0], expected, atol=1e-4)


def test_padding_adds_empty_channels_and_nothing_else() -> None:
    picture = _picture(3, 3, 2)
    widths = np.array([[0, 0], [0, 0], [0, 0], [0, 3]], np.int32)
    out = _run(_file(_PAD, [], [1, 3, 3, 2], [widths], [1, 3, 3, 5]), picture)[0]
    assert np.array_equal(out[..., :2], picture) and not out[..., 2:].any()
    sides = np.array([[0, 0], [1, 1], [0, 0], [0, 0]], np.int32)
    with pytest.raises(UserError, match="pads other than after the channels"):
        to_onnx(_file(_PAD, [], [1, 3, 3, 2], [sides], [1, 5, 3, 2]), {"out": "result"})


def test_reshaping_keeps_the_order_of_tflite() -> None:
    picture = _picture(2, 3, 4)
    shape = np.array([1, 12, 2], np.int32)
    out = _run(_file(_RESHAPE, [], [1, 2, 3, 4], [shape], [1, 12, 2]), picture)
    assert np.array_equal(out, picture.reshape(1, 12, 2))


def test_unknown_activations_are_refused() -> None:
    weights, bias = np.ones((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)
    options: Options = [(1, "i", 1), (2, "i", 1), (3, "b", 4)]  # tanh
    data = _file(_CONV, options, [1, 2, 2, 1], [weights, bias], [1, 2, 2, 1])
    with pytest.raises(UserError, match="activation 4, which is not supported"):
        to_onnx(data, {"out": "result"})
