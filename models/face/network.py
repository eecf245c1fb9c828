"""Runs a TFLite network with one input, by whichever engine is the faster here."""

from __future__ import annotations

import platform
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.convert import tflite_to_onnx
from models.types import Floats


class Network(Protocol):
    """A loaded network."""

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs for one float32 input, NCHW if it is a picture, as flat float32 vectors."""
        ...


def load_network(model: bytes, outputs: tuple[str, ...]) -> Network:
    """Load the convolutional network in the TFLite file `model`.

    outputs: names of the tensors that `run` returns, in order.

    ONNX Runtime needs about 0.6 of OpenCV's time on x86-64, thanks to a layout in blocks of
    channels that not all its builds for other processors have; there OpenCV is the safe choice.

    Raises:
        UserError: the file is broken.
    """
    fast = platform.machine().lower() in ("x86_64", "amd64")
    return OnnxNetwork(model, outputs) if fast else OpenCVNetwork(model, outputs)


class OnnxNetwork:
    """A TFLite network of the operators known to `convert`, run by ONNX Runtime."""

    def __init__(self, model: bytes, outputs: tuple[str, ...]) -> None:
        """Convert and load `model`; `outputs` names the tensors that `run` returns, in order.

        Raises:
            UserError: the file is broken or has an operator that is not known.
        """
        import onnxruntime

        converted, self._outputs = tflite_to_onnx(model, outputs)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the other cores are the renderer's
        options.log_severity_level = 3  # its warnings tell of its own optimisations
        self._session = onnxruntime.InferenceSession(
            converted, options, providers=["CPUExecutionProvider"]
        )

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs for one float32 input, NCHW if it is a picture, as flat float32 vectors."""
        return [out.ravel() for out in self._session.run(self._outputs, {"input": tensor})]


class OpenCVNetwork:
    """A TFLite network run by OpenCV.

    OpenCV 4 reads these files without a further dependency. (OpenCV 5's new engine loses the
    landmark network's second output, hence the bound in pyproject.toml.)
    """

    def __init__(self, model: bytes, outputs: tuple[str, ...]) -> None:
        """Load `model`; `outputs` names the tensors that `run` returns, in order."""
        buffer: NDArray[np.uint8] = np.frombuffer(model, np.uint8)
        self._net = cv2.dnn.readNetFromTFLite(buffer)
        self._outputs = outputs

    def run(self, tensor: Floats) -> list[Floats]:
        """The outputs for one float32 input, NCHW if it is a picture, as flat float32 vectors."""
        self._net.setInput(tensor)
        return [
            np.asarray(out, np.float32).ravel() for out in self._net.forward(list(self._outputs))
        ]
