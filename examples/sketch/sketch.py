"""A backend in one file: the photo's face as a line drawing that moves with the driver."""

import cv2
import numpy as np

from models.animator import MotionSettings, Slider
from models.backends import Backend
from models.face.topology import OUTLINES
from models.keypoints import KeypointAnimator, Keypoints
from models.types import Avatar, Crop, Face, Image, Photo

PAPER, INK = (250, 248, 240), (40, 40, 60)


class SketchAnimator(KeypointAnimator):
    """Observation and pose are the landmarks in units of the square around the face."""

    name = "sketch"
    device = "CPU"
    sliders = (Slider("motion", "Motion", most=3.0),)

    def prepare(self, photo: Photo, size: int) -> Avatar:
        """Draw the photo's face on a square sheet of paper."""
        rest = self.observe(photo.image, photo.face, photo.face)
        still = self._draw(rest.values, size)
        return Avatar(photo.name, still, rest, (size / 2, size / 2))

    def observe(self, frame: Image, face: Face, anchor: Face) -> Keypoints:
        """The landmarks, seen from the middle of the anchor."""
        crop = Crop.around(anchor)
        points = (face.landmarks[:, :2] - (crop.cx, crop.cy)) / crop.half
        return Keypoints(np.asarray(points, np.float32))

    def pose(
        self,
        avatar: Avatar,
        observation: Keypoints,
        reference: Keypoints | None,
        settings: MotionSettings,
    ) -> Keypoints:
        """The photo's landmarks, moved as the driver's have moved since the calibration."""
        if settings.motion == "absolute" or reference is None:
            return observation
        moved = settings.strengths.get("motion", 1.0) * (observation.values - reference.values)
        return Keypoints(np.asarray(avatar.rest.values + moved, np.float32))

    def render(self, avatar: Avatar, pose: Keypoints) -> Image:
        """The drawing in this pose."""
        return self._draw(pose.values, avatar.still.shape[0])

    def _draw(self, points: np.ndarray, size: int) -> Image:
        paper = np.full((size, size, 3), PAPER, np.uint8)
        places = np.rint(np.clip((points + 1) * size / 2, -size, 2 * size)).astype(np.int32)
        cv2.polylines(paper, [places[list(line)] for line in OUTLINES], False, INK, 2, cv2.LINE_AA)
        return paper


BACKEND = Backend(lambda choice: SketchAnimator(), lambda: ["draws a face as a sketch"])
