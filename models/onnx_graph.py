"""Writing ONNX graphs node by node, with batch norms folded into the convolutions.

Writing them by hand, and not by tracing PyTorch, gives the same graph with every version of
PyTorch and allows rewriting that is exact but cheaper: a convolution after a doubling by
repetition becomes four convolutions of 2 x 2 at the small size (4 / 9 of the products).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.types import Floats

OPSET = 17
"""Version of ONNX's operators: `GridSample` came with 16, and with 20 its mode "bilinear" became
"linear"."""

Weights: TypeAlias = Mapping[str, Floats]
"""The parameters of one network by their official names."""

_EPSILON = 1e-5  # PyTorch's default for batch norms
_BLOCK = 8  # ONNX Runtime's fast convolutions on the CPU want multiples of this many channels


class Graph:
    """A graph that grows by one node at a time; values are known by their names."""

    def __init__(self, name: str, half: bool = False) -> None:
        """An empty graph.

        Args:
            name: what ONNX calls it.
            half: `conv` and `norm_relu` compute in float16.
        """
        self.name = name
        self.half = half
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Sequence[int]) -> str:
        """Declare a float32 input; its name is its value's."""
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def output(self, name: str, value: str, shape: Sequence[int]) -> None:
        """Declare a float32 output, which gets a value."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """A constant array, of anything that NumPy makes an array of."""
        name = f"c{len(self._constants)}"
        array = np.ascontiguousarray(np.asarray(value, dtype))
        self._constants[name] = numpy_helper.from_array(array, name)
        return name

    def number(self, value: Any) -> str:
        """A constant array in the type that the convolutions compute in."""
        return self.constant(value, np.float16 if self.half else np.float32)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output; see `ops`."""
        return self.ops(kind, inputs, 1, **attributes)[0]

    def ops(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """A node with several outputs.

        Args:
            kind: ONNX's name of the operator.
            inputs: the names of its values.
            outputs: how many there are.
            **attributes: of the operator.

        Returns:
            The names of the outputs.
        """
        name = f"{kind.lower()}_{len(self._nodes)}"
        names = [f"{name}.{i}" for i in range(outputs)]
        self._nodes.append(helper.make_node(kind, inputs, names, name=name, **attributes))
        return names

    def reshape(self, value: str, *shape: int) -> str:
        """The value in another shape."""
        return self.op("Reshape", value, self.constant(shape, np.int64))

    def narrow(self, value: str) -> str:
        """The value in the type that the convolutions compute in."""
        return self.op("Cast", value, to=TensorProto.FLOAT16) if self.half else value

    def widen(self, value: str) -> str:
        """The value in float32."""
        return self.op("Cast", value, to=TensorProto.FLOAT) if self.half else value

    def conv(
        self, value: str, weight: Floats, bias: Floats, pads: Sequence[int] | int, **attributes: Any
    ) -> str:
        """A convolution.

        Args:
            value: (1, I, H, W), in the type of `narrow`.
            weight: (O, I, h, w).
            bias: (O,).
            pads: pixels of zeros on all sides, or on (top, left, bottom, right).
            **attributes: more of ONNX's `Conv`, such as strides.
        """
        return self.op(
            "Conv",
            value,
            self.number(weight),
            self.number(bias),
            kernel_shape=weight.shape[2:],
            pads=[pads] * 4 if isinstance(pads, int) else list(pads),
            **attributes,
        )

    def norm_relu(self, value: str, weights: Weights, key: str) -> str:
        """A batch norm that cannot be folded, called `key` in the weights, and a ReLU."""
        parts = ("weight", "bias", "running_mean", "running_var")
        constants = [self.number(weights[f"{key}.{part}"]) for part in parts]
        return self.op("Relu", self.op("BatchNormalization", value, *constants, epsilon=_EPSILON))

    def blur(self, picture: str, weight: Floats) -> str:
        """A float32 picture, blurred and made smaller.

        Args:
            picture: (1, 3, H, W).
            weight: (3, 1, side, side), the blur for each colour; its side tells how much smaller:
                13 for a quarter, 5 for half.
        """
        side = weight.shape[-1]
        step = (side - 1) // 4 + 1
        return self.op(
            "Conv",
            picture,
            self.constant(weight),
            kernel_shape=[side, side],
            pads=[side // 2] * 4,
            strides=[step, step],
            group=weight.shape[0],
        )

    def model(self) -> onnx.ModelProto:
        """The finished graph, checked.

        Raises:
            onnx.checker.ValidationError: it is not well formed.
        """
        graph = helper.make_graph(
            self._nodes,
            self.name,
            self._inputs,
            self._outputs,
            list(self._constants.values()),
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=8,
            producer_name="avatarify-like",
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def folded(weights: Weights, conv: str, norm: str) -> tuple[Floats, Floats]:
    """A convolution with the batch norm behind it folded in.

    Args:
        weights: of a checkpoint's part.
        conv: the convolution's name there.
        norm: the batch norm's.

    Returns:
        The kernel (O, I, ...) and the bias (O,), float32.
    """
    scale, shift = scale_and_shift(weights, norm)
    kernel = weights[f"{conv}.weight"]
    kernel = kernel * scale.reshape(-1, *[1] * (kernel.ndim - 1))
    bias = weights[f"{conv}.bias"] * scale + shift
    return kernel.astype(np.float32), bias.astype(np.float32)


def scale_and_shift(weights: Weights, norm: str) -> tuple[Floats, Floats]:
    """A batch norm as a factor (C,) and a summand (C,) for each channel."""
    variance = weights[f"{norm}.running_var"].astype(np.float64)
    scale = weights[f"{norm}.weight"] / np.sqrt(variance + _EPSILON)
    return scale, weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale


def down(graph: Graph, value: str, kernel: Floats, bias: Floats) -> str:
    """A 3 x 3 convolution, ReLU and a halving by averages: (1, I, H, W) to (1, O, H / 2, W / 2)."""
    out = graph.op("Relu", graph.conv(value, kernel, bias, 1))
    return graph.op("AveragePool", out, kernel_shape=[2, 2], strides=[2, 2])


def up(graph: Graph, value: str, kernel: Floats, bias: Floats) -> str:
    """Doubling by repetition, a 3 x 3 convolution and ReLU: (1, I, H, W) to (1, O, 2 H, 2 W)."""
    parts = []
    for row in (0, 1):
        for column in (0, 1):
            small = pair(pair(kernel, row, 2), column, 3)
            pads = [1 - row, 1 - column, row, column]
            parts.append(graph.op("Relu", graph.conv(value, small, bias, pads)))
    joined = graph.op("Concat", *parts, axis=1)
    return graph.op("DepthToSpace", joined, blocksize=2, mode="DCR")


def few_channels(graph: Graph, value: str, kernel: Floats, bias: Floats) -> str:
    """A convolution (O, I, n, n) with few outputs O, of a picture that keeps its size.

    The rows of the kernel become channels of one convolution of (1, n), so that there are enough
    of them to fill the processor's registers; then the rows are shifted and added.
    """
    outside, inside, side, _ = kernel.shape
    rows = kernel.transpose(2, 0, 1, 3).reshape(side * outside, inside, 1, side)
    spare = -len(rows) % _BLOCK
    rows = np.concatenate([rows, np.zeros((spare, *rows.shape[1:]), np.float32)])
    half = side // 2
    maps = graph.conv(value, rows, np.zeros(len(rows), np.float32), [0, half, 0, half])
    shifted = []
    for row in range(side):
        bounds = [row * outside], [(row + 1) * outside], [1]
        part = graph.op("Slice", maps, *(graph.constant(bound, np.int64) for bound in bounds))
        pads = [0, 0, half - row, 0, 0, 0, row - half, 0]
        shifted.append(graph.op("Pad", part, graph.constant(pads, np.int64)))
    total = graph.op("Sum", *shifted)
    return graph.op("Add", total, graph.number(bias.reshape(1, -1, 1, 1)))


def pair(kernel: Floats, parity: int, axis: int) -> Floats:
    """Three taps on repeated pixels as two taps on the pixels themselves."""
    first, second, third = np.split(kernel, 3, axis)
    pair = (first, second + third) if parity == 0 else (first + second, third)
    return np.concatenate(pair, axis)
