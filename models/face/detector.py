"""Face detection: BlazeFace, short range (Bazarevsky et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.network import Network, load_network
from models.types import Floats, Image

_SIDE = 128
"""Pixels of a side of what the network looks at."""

_SCORE = 0.5
"""Least score of a candidate, 0..1: as in MediaPipe's graph for this network."""

_OVERLAP = 0.3
"""Shared over joint area of two boxes from which they are one face: as in the same graph."""


@dataclass(frozen=True)
class Detection:
    """A face found in a picture, in its pixels.

    Attributes:
        box: (4,) left, top, right, bottom.
        points: (6, 2), the person's right eye, left eye, nose tip, mouth, right ear, left ear.
        score: 0..1, the network's belief that this is a face.
    """

    box: Floats
    points: Floats
    score: float


def _anchors() -> Floats:
    """(896, 2) anchor centres in 0..1: two a cell on the 16 x 16 grid, six on the 8 x 8 grid."""
    centres = []
    for side, repeats in ((16, 2), (8, 6)):
        ys, xs = np.mgrid[0:side, 0:side]
        grid = (np.stack([xs, ys], -1).reshape(-1, 2) + 0.5) / side
        centres.append(np.repeat(grid, repeats, axis=0))
    return np.concatenate(centres).astype(np.float32)


class FaceDetector:
    """Finds faces that fill at least about a sixth of the picture's longer side.

    It keeps nothing of a picture, so threads may share it.
    """

    def __init__(self, network: Network | None = None) -> None:
        """Make it ready.

        Args:
            network: the one to use; None: the one that comes along.

        Raises:
            UserError: the network's file is missing or broken.
        """
        self._net = network or load_network("detector")
        self._anchors = _anchors()

    def detect(self, image: Image) -> list[Detection]:
        """All faces in a picture, largest first.

        Args:
            image: (H, W, 3) RGB, of any size; it is looked at in 128 x 128 pixels.
        """
        height, width = image.shape[:2]
        scale = _SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        left, top = (_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2
        square = np.full((_SIDE, _SIDE, 3), 128, np.uint8)
        square[top : top + size[1], left : left + size[0]] = small
        tensor = square.astype(np.float32).transpose(2, 0, 1)[None] / 127.5 - 1.0
        raw, logits = self._net.run(np.ascontiguousarray(tensor))
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits, -80.0, 80.0)))
        keep = np.flatnonzero(scores >= _SCORE)
        if keep.size == 0:
            return []
        coords = raw.reshape(-1, 8, 2)[keep].astype(np.float32)
        coords[:, [0, 2, 3, 4, 5, 6, 7]] += self._anchors[keep, None] * _SIDE
        offset = np.array([left, top], np.float32)
        centre, half = (coords[:, 0] - offset) / scale, coords[:, 1] / (2 * scale)
        boxes = np.concatenate([centre - half, centre + half], 1)
        points = (coords[:, 2:] - offset) / scale
        return _merge(boxes, points, scores[keep])


def _merge(boxes: Floats, points: Floats, scores: Floats) -> list[Detection]:
    """Weighted non-maximum suppression: overlapping candidates are averaged by their scores."""
    found = []
    rest = np.argsort(-scores)
    while rest.size:
        best = boxes[rest[0]]
        low = np.maximum(boxes[rest, :2], best[:2])
        high = np.minimum(boxes[rest, 2:], best[2:])
        shared = np.prod(np.maximum(high - low, 0.0), axis=1)
        areas = np.prod(boxes[rest, 2:] - boxes[rest, :2], axis=1)
        same = shared / (areas + np.prod(best[2:] - best[:2]) - shared + 1e-9) > _OVERLAP
        same[0] = True
        group = rest[same]
        weights = scores[group] / scores[group].sum()
        found.append(
            Detection(
                np.tensordot(weights, boxes[group], 1).astype(np.float32),
                np.tensordot(weights, points[group], 1).astype(np.float32),
                float(scores[rest[0]]),
            )
        )
        rest = rest[~same]
    return sorted(found, key=lambda d: -float(np.prod(d.box[2:] - d.box[:2])))
