"""The face landmarker bundle: a zip of three TFLite networks."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.errors import UserError

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
