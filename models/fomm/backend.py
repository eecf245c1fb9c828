"""The backend `fomm`: the official networks behind the interface of all backends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from models.animator import MotionSettings, Slider
from models.errors import UserError
from models.fomm import manifest as manifests
from models.fomm.config import SIDE
from models.fomm.engine import Engine, OnnxEngine
from models.fomm.motion import relative_motion
from models.keypoints import KeypointAnimator, Keypoints
from models.onnx_engine import torch_is_wanted
from models.types import Avatar, Crop, Face, Floats, Image, Photo


@dataclass(frozen=True)
class FommAvatar(Avatar):
    """A photo with its encoded features.

    Attributes:
        source: the features, which stay on the engine's device.
    """

    source: Any


class FommAnimator(KeypointAnimator):
    """Moves a photo by ten learnt keypoints with local affine motions."""

    sliders: Sequence[Slider] = (
        Slider("motion", "Motion", help="How far the keypoints move, of head and face alike."),
    )

    def __init__(
        self, engine: Engine, face: bool = True, name: str = "fomm", side: int = SIDE
    ) -> None:
        """Animate with an engine.

        Args:
            engine: computes the networks.
            face: cut pictures out around the face, as the networks for faces expect; otherwise
                take the largest square in their middle.
            name: what to call the backend.
            side: pixels of a side of the networks' pictures.
        """
        self._side = side
        self.name = name
        self._engine = engine
        self._face = face

    @property
    def device(self) -> str:
        """Where it computes, and why; changes when a device fails."""
        return self._engine.device

    def best_size(self, cores: int | None = None) -> int:
        """The networks' own size."""
        return self._side

    def prepare(self, photo: Photo, size: int) -> FommAvatar:
        """Cut out the part that is animated and encode it.

        Args:
            photo: the picture and the face in it.
            size: pixels of a side of the still, at most; it is never larger than the networks' own.

        Raises:
            UserError: the networks find no keypoints in it.
        """
        square = self._square(photo.image, Crop.around(photo.face))
        picture = _cut(photo.image, square, self._side)
        network_picture = _to_network(picture)
        keypoints = self._engine.detect(network_picture)
        if not np.isfinite(keypoints.values).all():
            raise UserError(f"The model finds no keypoints in {photo.name}; choose another photo.")
        side = min(self._side, size)
        # Keypoints count from the centre of the first pixel to that of the last.
        middle = (self._side - 1) / 2 * side / self._side
        return FommAvatar(
            name=photo.name,
            still=_fit(picture, side),
            rest=keypoints,
            focus=(middle, middle),
            source=self._engine.encode(network_picture, keypoints),
        )

    def observe(self, frame: Image, face: Face, anchor: Face) -> Keypoints | None:
        """The ten keypoints and jacobians of the square around the anchor.

        None where the jacobians are not numbers.
        """
        square = self._square(frame, Crop.around(anchor))
        keypoints = self._engine.detect(_to_network(_cut(frame, square, self._side)))
        if keypoints.jacobians is None or not np.isfinite(keypoints.jacobians).all():
            return None
        return keypoints

    def pose(
        self,
        avatar: FommAvatar,
        observation: Keypoints,
        reference: Keypoints | None,
        settings: MotionSettings,
    ) -> Keypoints:
        """The official relative motion, with jacobians and scale adaptation.

        In absolute motion the driving keypoints as they are, as in the official demo.
        """
        if settings.motion == "absolute":
            return observation
        assert reference is not None, "relative motion is relative to something"
        strength = settings.strengths.get("motion", 1.0)
        if strength != 1.0:
            # Learnt keypoints know no eyes and no mouth: all of their displacement is scaled.
            moved = observation.values - reference.values
            values = reference.values + np.float32(strength) * moved
            observation = Keypoints(np.asarray(values, np.float32), observation.jacobians)
        return relative_motion(avatar.rest, reference, observation, settings.adapt_scale)

    def render(self, avatar: FommAvatar, pose: Keypoints) -> Image:
        """The generator's picture, of the size of the still.

        Raises:
            ArithmeticError: it is not made of numbers.
        """
        picture = self._engine.render(avatar.source, pose)[0].transpose(1, 2, 0)
        if not np.isfinite(picture).all():
            raise ArithmeticError("the generator's picture is not made of numbers")
        bounded = np.clip(picture * np.float32(255) + np.float32(0.5), 0, 255).astype(np.uint8)
        return _fit(np.ascontiguousarray(bounded), avatar.still.shape[0])

    def _square(self, image: Image, around_face: Crop) -> Crop:
        if self._face:
            return around_face
        height, width = image.shape[:2]
        return Crop(width / 2, height / 2, min(height, width) / 2)


def create(model: str = "") -> FommAnimator:
    """The animator of the imported model called `model`, or of the newest one.

    Raises:
        UserError: no model was imported, it is damaged, or no device works.
    """
    folder, manifest = manifests.choose(model)
    engine: Engine
    if torch_is_wanted(manifest):
        from models.fomm.torch_engine import TorchEngine

        engine = TorchEngine.load(folder, manifest)
    else:
        engine = OnnxEngine(folder, manifest)
    settings = manifest.settings
    return FommAnimator(engine, settings.face, side=settings.side)


def _cut(image: Image, crop: Crop, size: int) -> Image:
    """The square `crop` of a picture at size x size; what lies outside repeats the border."""
    side = max(2, round(2 * crop.half))
    left, top = round(crop.cx - side / 2), round(crop.cy - side / 2)
    height, width = image.shape[:2]
    before = max(0, -top), max(0, -left)
    behind = max(0, top + side - height), max(0, left + side - width)
    rows = slice(min(max(top, 0), height - 1), max(min(top + side, height), 1))
    columns = slice(min(max(left, 0), width - 1), max(min(left + side, width), 1))
    part = image[rows, columns]
    if any(before + behind):
        part = np.asarray(
            cv2.copyMakeBorder(
                part, before[0], behind[0], before[1], behind[1], cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )
    return _fit(part, size)


def _fit(image: Image, side: int) -> Image:
    """A picture at side x side."""
    if image.shape[:2] == (side, side):
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (side, side), interpolation=method), np.uint8)


def _to_network(image: Image) -> Floats:
    """(side, side, 3) 0..255 to (1, 3, side, side) 0..1."""
    scaled = image.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
