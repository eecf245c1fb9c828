"""Turns MediaPipe's face networks (TFLite) into the ONNX files that the program ships.

    python -m scripts.assets.landmarker.convert        writes models/face/weights/*.onnx

ONNX Runtime runs them fast on one thread. Needs onnx (in the extra `torch`).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from models.errors import UserError
from models.face.network import NetworkName, weights_path
from scripts.assets.landmarker.bundle import Bundle
from scripts.assets.landmarker.tflite import Array, Graph, Operator, read

OUTPUTS: dict[NetworkName, dict[str, str]] = {
    "detector": {"regressors": "boxes", "classificators": "scores"},
    "landmarks": {"Identity": "points", "Identity_1": "presence"},
}
"""The networks that are shipped, with the names of their outputs in TFLite and in ONNX."""

_IR_VERSION, _OPSET = 8, 17
"""The oldest that have all that is used here, so that every ONNX Runtime of the lock reads them."""

_SAME = 0  # TFLite's Padding
_TO_NCHW, _TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
"""Orders of axes: TFLite has the channels last, ONNX second."""


def to_onnx(data: bytes, outputs: Mapping[str, str]) -> ModelProto:
    """The ONNX network of a TFLite file.

    Its one input is called "input" and is (N, C, H, W) where TFLite's is (N, H, W, C); the outputs
    keep TFLite's order of axes.

    Args:
        data: the TFLite file.
        outputs: the tensors that are wanted, by name, and what to call them.

    Raises:
        UserError: the file is broken or has an operator that is not known here.
    """
    try:
        return _Converter(read(data)).convert(outputs)
    except (struct.error, ValueError, IndexError, KeyError, TypeError, MemoryError) as error:
        raise UserError(
            f"A network of the face landmarker bundle cannot be read ({error}); "
            "delete face_landmarker.task to fetch it again."
        ) from error


_ADD = 0  # TFLite's BuiltinOperator
_SIGNED = {_ADD, 3, 4, 34, 54}  # what takes negated channels: sums, convolutions, pads, PReLU


class _Converter:
    """One conversion. Values of four axes are held as NCHW, all others as they are.

    A channel may be held negated where that saves a step (see `prelu`); what takes it from there
    heeds `_signs`, which costs nothing where it has weights.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []
        self._names: dict[int, str] = {}  # tensor's index -> name of the computed value
        self._signs: dict[int, Array] = {}  # -1 for each channel held negated; absent: none is
        self._takers: dict[int, list[Operator]] = {}
        for op in graph.operators:
            for i in op.inputs:
                self._takers.setdefault(i, []).append(op)
        self._constants = {
            i: tensor.data for i, tensor in enumerate(graph.tensors) if tensor.data is not None
        }

    def convert(self, outputs: Mapping[str, str]) -> ModelProto:
        """Convert the whole graph; `outputs` as for `to_onnx`."""
        (first,) = self._graph.inputs
        shape = self._shape(first)
        if len(shape) == 4:
            shape = tuple(shape[axis] for axis in _TO_NCHW)
        self._names[first] = "input"
        for op in self._graph.operators:
            step = _STEPS.get(op.code)
            if step is None:
                raise ValueError(f"it uses TFLite's operator {op.code}, which is not supported")
            step(self, op)
        index = {tensor.name: i for i, tensor in enumerate(self._graph.tensors)}
        made = {self._as_tflite(index[name]): called for name, called in outputs.items()}
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [made.get(name, name) for name in names]
        graph = helper.make_graph(
            self._nodes,
            "network",
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(called, TensorProto.FLOAT, self._shape(index[name]))
                for name, called in outputs.items()
            ],
            self._weights,
        )
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, ir_version=_IR_VERSION, opset_imports=[opset])

    def _constant(self, array: Array) -> str:
        """Add a constant, float32 or int64, and return its name."""
        name = f"c{len(self._weights)}"
        kind = np.int64 if array.dtype.kind == "i" else np.float32
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(array, kind), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Add an operator with one output and return the output's name."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    # Each of the following adds one TFLite operator. Field numbers are those of its options.

    def dequantize(self, op: Operator) -> None:
        """float16 weights are widened once, here."""
        self._constants[op.outputs[0]] = self._constants[op.inputs[0]].astype(np.float32)

    def convolution(self, op: Operator) -> None:
        """Dense weights are (out, height, width, in)."""
        weights = self._constants[op.inputs[1]].transpose(_TO_NCHW)
        weights = weights * self._sign(op.inputs[0], weights.shape[1])[None, :, None, None]
        self._convolve(op, weights, 1, activation=op.option(3, "b"), dilation_field=4)

    def depthwise(self, op: Operator) -> None:
        """Depthwise weights are (1, height, width, out)."""
        weights = self._constants[op.inputs[1]].transpose(3, 0, 1, 2)
        weights = weights * self._sign(op.inputs[0], len(weights))[:, None, None, None]
        groups = self._shape(op.inputs[0])[3]
        self._convolve(op, weights, groups, activation=op.option(4, "b"), dilation_field=5)

    def _convolve(
        self, op: Operator, weights: Array, groups: int, activation: int, dilation_field: int
    ) -> None:
        strides = (op.option(2), op.option(1))
        dilations = (op.option(dilation_field + 1, "i", 1), op.option(dilation_field, "i", 1))
        kernel = [
            (size - 1) * step + 1 for size, step in zip(weights.shape[2:], dilations, strict=True)
        ]
        bias = self._constants[op.inputs[2]]
        signs = None if activation else self._asked_for(op.outputs[0])
        if signs is not None:
            weights, bias = weights * signs[:, None, None, None], bias * signs
            self._signs[op.outputs[0]] = signs
        out = self._node(
            "Conv",
            [
                self._names[op.inputs[0]],
                self._constant(weights),
                self._constant(bias),
            ],
            strides=strides,
            dilations=dilations,
            pads=self._pads(op, kernel, strides),
            group=groups,
        )
        self._names[op.outputs[0]] = self._activated(out, activation)

    def _sign(self, index: int, channels: int) -> Array:
        """-1 for each channel of a value that is held negated, 1 for the others."""
        return self._signs.get(index, np.ones(channels, np.float32))

    def _plain(self, index: int) -> str:
        """A value with no channel negated."""
        signs = self._signs.get(index)
        name = self._names[index]
        return name if signs is None else self._scaled(name, signs)

    def _asked_for(self, index: int) -> Array | None:
        """The signs a value is to have because it is only added to another one that has them."""
        takers = self._takers.get(index, [])
        if len(takers) != 1 or takers[0].code != _ADD:
            return None
        others = [i for i in takers[0].inputs if i != index]
        return self._signs.get(others[0]) if len(others) == 1 else None

    def max_pool(self, op: Operator) -> None:
        kernel, strides = (op.option(4), op.option(3)), (op.option(2), op.option(1))
        out = self._node(
            "MaxPool",
            [self._plain(op.inputs[0])],
            kernel_shape=kernel,
            strides=strides,
            pads=self._pads(op, kernel, strides),
        )
        self._names[op.outputs[0]] = self._activated(out, op.option(5, "b"))

    def _pads(self, op: Operator, kernel: Sequence[int], strides: Sequence[int]) -> list[int]:
        """Top, left, bottom, right; where the padding is odd, TFLite adds more at the end."""
        if op.option(0, "b") != _SAME:
            return [0, 0, 0, 0]
        before, after = [], []
        for size, width, stride in zip(
            self._shape(op.inputs[0])[1:3], kernel, strides, strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + width - size, 0)
            before.append(total // 2)
            after.append(total - total // 2)
        return before + after

    def prelu(self, op: Operator) -> None:
        """With slope a, PReLU(x) = a x + (1 - a) max(x, 0); of a negated x, -x + (1 - a) max(x, 0).

        ONNX Runtime keeps convolutions, sums and ReLU in blocks of channels, which makes them
        fast, but leaves that layout for its own PRelu. Scaling as a 1 x 1 depthwise convolution
        makes the landmark network twice as fast. Where 1 - a is not negative, max(x, 0) scaled is
        the scaled x cut off, which is one step less; so channels with a > 1 are held negated.
        """
        x, slopes = op.inputs[0], self._constants[op.inputs[1]].reshape(-1)
        linear, rest = np.where(self._sign(x, slopes.size) < 0, -1, slopes), 1 - slopes
        out, value = op.outputs[0], self._names[x]
        takers = self._takers.get(out, [])
        if (rest < 0).any() and takers and all(taker.code in _SIGNED for taker in takers):
            signs = np.where(rest < 0, -1, 1).astype(np.float32)
            self._signs[out] = signs
            linear, rest = linear * signs, rest * signs
        if (rest >= 0).all():
            bent = self._node("Relu", [self._scaled(value, rest)])
        else:
            bent = self._scaled(self._node("Relu", [value]), rest)
        self._names[out] = self._node("Add", [self._scaled(value, linear), bent])

    def _scaled(self, value: str, factors: Array) -> str:
        weights = self._constant(factors.reshape(-1, 1, 1, 1).astype(np.float32))
        return self._node("Conv", [value, weights], group=factors.size)

    def relu(self, op: Operator) -> None:
        self._names[op.outputs[0]] = self._node("Relu", [self._plain(op.inputs[0])])

    def logistic(self, op: Operator) -> None:
        self._names[op.outputs[0]] = self._node("Sigmoid", [self._plain(op.inputs[0])])

    def add(self, op: Operator) -> None:
        activation = op.option(0, "b")
        one, other = (self._signs.get(i) for i in op.inputs)
        terms = [self._names[i] for i in op.inputs]
        if one is not None and other is not None and (one == other).all() and not activation:
            self._signs[op.outputs[0]] = one
        else:
            terms = [self._plain(i) for i in op.inputs]
        out = self._node("Add", terms)
        self._names[op.outputs[0]] = self._activated(out, activation)

    def pad(self, op: Operator) -> None:
        """New channels of zeros at the end, as a convolution: Pad would leave the fast layout."""
        widths = self._constants[op.inputs[1]]
        if widths.shape != (4, 2) or widths[:3].any() or widths[3, 0]:
            raise ValueError("it pads other than after the channels, which is not supported")
        channels = self._shape(op.inputs[0])[3]
        weights = np.eye(channels + int(widths[3, 1]), channels, dtype=np.float32)[..., None, None]
        weights = weights * self._sign(op.inputs[0], channels)[None, :, None, None]
        self._names[op.outputs[0]] = self._node(
            "Conv", [self._names[op.inputs[0]], self._constant(weights)]
        )

    def reshape(self, op: Operator) -> None:
        shape = self._shape(op.outputs[0])
        if len(shape) == 4:
            raise ValueError("it reshapes to four axes, which is not supported")
        size = self._constant(np.array(shape, np.int64))
        self._names[op.outputs[0]] = self._node("Reshape", [self._as_tflite(op.inputs[0]), size])

    def concatenate(self, op: Operator) -> None:
        axes = len(self._shape(op.outputs[0]))
        axis = op.option(0) % axes
        out = self._node(
            "Concat",
            [self._plain(i) for i in op.inputs],
            axis=_TO_NCHW.index(axis) if axes == 4 else axis,
        )
        self._names[op.outputs[0]] = self._activated(out, op.option(1, "b"))

    def _activated(self, value: str, activation: int) -> str:
        if activation > 1:
            raise ValueError(f"it uses TFLite's activation {activation}, which is not supported")
        return self._node("Relu", [value]) if activation else value

    def _as_tflite(self, index: int) -> str:
        """The value with its axes in TFLite's order."""
        name = self._plain(index)
        if len(self._shape(index)) != 4:
            return name
        return self._node("Transpose", [name], perm=_TO_NHWC)

    def _shape(self, index: int) -> tuple[int, ...]:
        return self._graph.tensors[index].shape


_STEPS: dict[int, Callable[[_Converter, Operator], None]] = {
    # TFLite's BuiltinOperator
    0: _Converter.add,
    2: _Converter.concatenate,
    3: _Converter.convolution,
    4: _Converter.depthwise,
    6: _Converter.dequantize,
    14: _Converter.logistic,
    17: _Converter.max_pool,
    19: _Converter.relu,
    22: _Converter.reshape,
    34: _Converter.pad,
    54: _Converter.prelu,
}


def main() -> int:
    """Convert the bundle's networks into the files that are shipped."""
    try:
        bundle = Bundle.fetch()
        for name, outputs in OUTPUTS.items():
            data = to_onnx(getattr(bundle, name), outputs).SerializeToString(deterministic=True)
            path = weights_path(name)
            path.write_bytes(data)
            print(f"{path}: {len(data)} bytes")
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
