"""The face landmarker bundle: a zip of three TFLite networks, run by OpenCV."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from models.errors import UserError
from models.types import Floats

_MEMBERS = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")


@dataclass(frozen=True)
class Bundle:
    """The raw bytes of the three networks of MediaPipe's `face_landmarker.task` (Apache-2.0)."""

    detector: bytes
    landmarks: bytes
    blendshapes: bytes

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read the bundle from `face_landmarker.task`.

        Raises:
            UserError: the file is not that bundle.
        """
        try:
            with zipfile.ZipFile(path) as bundle:
                return cls(*(bundle.read(member) for member in _MEMBERS))
        except (OSError, KeyError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} is not a face landmarker bundle ({error}); delete it to fetch it again."
            ) from error


class TFLiteNetwork:
    """One TFLite network with one input, run by OpenCV's own engine.

    OpenCV 4 reads these files without a further dependency. (OpenCV 5's new engine loses the
    landmark network's second output, hence the bound in pyproject.toml.)
    """

    def __init__(self, model: bytes, outputs: tuple[str, ...]) -> None:
        """Load `model`; `outputs` names the tensors that `run` returns, in order."""
        buffer: NDArray[np.uint8] = np.frombuffer(model, np.uint8)
        self._net = cv2.dnn.readNetFromTFLite(buffer)
        self._outputs = outputs

    def run(self, tensor: Floats) -> list[Floats]:
        """Run the network on one input; the outputs are flat float32 vectors."""
        self._net.setInput(tensor)
        return [
            np.asarray(out, np.float32).ravel() for out in self._net.forward(list(self._outputs))
        ]
