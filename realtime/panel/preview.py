"""The two moving pictures of the panel, as JPEG files; made only when a page asks for one."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from models.face.topology import OUTLINES
from models.types import Face, Floats, Image
from realtime.animation.framing import FramedTracker, Seen
from realtime.canvas.output_gate import OutputGate
from realtime.frames import AvatarFrame
from realtime.session.settings import Settings

CAMERA_WIDTH = 320
"""Pixels of the user's own picture, which is shown small."""

_BLURRED = 18
"""Width in pixels of the copy that a blurred preview is enlarged from: no face can be told."""

_QUALITY = 80
"""Of JPEG, 1..100: no blocks are seen at this size; 90 has one and a half times the bytes."""

_BOX, _POINTS, _POSE = (64, 220, 170), (230, 240, 255), (255, 190, 70)
"""RGB: green, white and orange, to be told apart on a face."""


class Preview:
    """Makes each picture once, however many pages ask for it."""

    def __init__(
        self,
        gate: OutputGate,
        view: FramedTracker,
        reference: Callable[[], Face | None],
        settings: Callable[[], Settings],
    ) -> None:
        """Nothing is computed yet.

        Args:
            gate: knows what goes out.
            view: knows what the camera sees.
            reference: the driver's face at calibration.
            settings: how the camera's picture is to be shown.
        """
        self._gate = gate
        self._view = view
        self._reference = reference
        self._settings = settings
        self._lock = threading.Lock()
        self._outputs: dict[int, tuple[Image, bytes]] = {}
        self._persons: dict[int, tuple[Image, bytes]] = {}
        self._camera: tuple[int, Settings, bytes] | None = None

    def output(self, width: int, before: bytes | None) -> bytes | None:
        """What the call sees, as a JPEG file.

        Args:
            width: pixels, at most.
            before: what was given last, if anything.

        Returns:
            The file, or None if it is still that one or there is no picture yet.
        """
        frame = self._gate.last
        if frame is None:
            return None
        made = self._once(self._outputs, frame, width, lambda: _jpeg(_shrunk(frame.image, width)))
        return None if made is before else made

    def person(self, width: int, before: bytes | None) -> bytes | None:
        """What the call sees without the background, where that was replaced.

        Args:
            width: pixels, at most.
            before: what was given last, if anything.

        Returns:
            Bytes of the matte (4, the highest first), the matte and the straight colours, both as
            JPEG files; the matte has no bytes where all of the picture is shown. Or None, as
            `output`.
        """
        frame = self._gate.last
        if frame is None:
            return None
        made = self._once(self._persons, frame, width, lambda: _cut_out(frame, width))
        return None if made is before else made

    def _once(
        self,
        known: dict[int, tuple[Image, bytes]],
        frame: AvatarFrame,
        width: int,
        make: Callable[[], bytes],
    ) -> bytes:
        """What is known of a frame at this width, or is made now."""
        with self._lock:
            found = known.get(width)
            if found is None or found[0] is not frame.image:
                found = known[width] = frame.image, make()
        return found[1]

    def camera(self, before: bytes | None) -> bytes | None:
        """What the camera sees, with what was found drawn in, as a JPEG file.

        Args:
            before: what was given last, if anything.

        Returns:
            The file, or None if it is still that one or there is no picture yet.
        """
        seen, settings = self._view.seen, self._settings()
        if seen is None:
            return None
        with self._lock:
            known = self._camera
            if known is None or known[:2] != (seen.number, settings):
                picture = draw_driver(seen, settings, self._reference())
                known = self._camera = seen.number, settings, _jpeg(picture)
        return None if known[2] is before else known[2]


def draw_driver(seen: Seen, settings: Settings, reference: Face | None) -> Image:
    """The part of the camera's picture that is looked at, `CAMERA_WIDTH` wide, with marks in it.

    Args:
        seen: the picture, and what was found in it.
        settings: whether it is blurred and mirrored, and what is drawn.
        reference: the driver's face at calibration, in pixels of the camera's picture, if known.
    """
    left, top, right, bottom = seen.box
    part = seen.image[top:bottom, left:right]
    scale = CAMERA_WIDTH / (right - left)
    size = (CAMERA_WIDTH, max(round((bottom - top) * scale), 2))
    if settings.blur:
        # Down and up in two steps each, which costs a quarter of one.
        part = cv2.resize(part, _at_width(4 * _BLURRED, size), interpolation=cv2.INTER_LINEAR)
        part = cv2.resize(part, _at_width(_BLURRED, size), interpolation=cv2.INTER_AREA)
        part = cv2.resize(part, _at_width(size[0] // 4, size), interpolation=cv2.INTER_CUBIC)
        picture = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
    else:
        picture = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    if settings.mirror_preview:
        picture = cv2.flip(picture, 1)
    image = np.ascontiguousarray(picture, np.uint8)

    def place(landmarks: Floats) -> NDArray[np.int32]:
        points = (landmarks[:, :2] - (left, top)) * scale
        if settings.mirror_preview:
            points[:, 0] = size[0] - 1 - points[:, 0]
        return np.asarray(np.rint(np.clip(points, -1000, 5000)), np.int32)

    if settings.overlay > 0 and reference is not None:
        drawn = image.copy()
        points = place(reference.landmarks)
        lines = [points[line] for line in OUTLINES]
        cv2.polylines(drawn, lines, False, _POSE, 2, cv2.LINE_AA)
        cv2.addWeighted(drawn, settings.overlay, image, 1 - settings.overlay, 0, dst=image)
    if seen.face is not None:
        if settings.landmarks:
            for x, y in place(seen.face.landmarks):
                cv2.circle(image, (int(x), int(y)), 1, _POINTS, -1)
        border = place(seen.face.surface)
        (x0, y0), (x1, y1) = border.min(0).tolist(), border.max(0).tolist()
        _corners(image, (x0 - 6, y0 - 6, x1 + 6, y1 + 6))
    return image


def _at_width(width: int, size: tuple[int, int]) -> tuple[int, int]:
    """The (width, height) of a picture of the shape of `size` at another width."""
    return width, max(round(width * size[1] / size[0]), 2)


def _corners(image: Image, box: tuple[int, int, int, int]) -> None:
    """The corners of a box."""
    left, top, right, bottom = box
    arm = max((right - left) // 5, 4)
    for x, y, dx, dy in (
        *((left, top, 1, 1), (right, top, -1, 1)),
        *((left, bottom, 1, -1), (right, bottom, -1, -1)),
    ):
        line = np.array([(x + dx * arm, y), (x, y), (x, y + dy * arm)], np.int32)
        cv2.polylines(image, [line], False, _BOX, 2, cv2.LINE_AA)


def _shrunk(image: Image, width: int) -> Image:
    if image.shape[1] <= width:
        return image
    height = max(round(image.shape[0] * width / image.shape[1]), 2)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut_out(frame: AvatarFrame, width: int) -> bytes:
    """The matte and the colours of a frame, as `Preview.person` gives them."""
    if frame.alone is None:
        return struct.pack(">I", 0) + _jpeg(_shrunk(frame.image, width))
    person = _shrunk(frame.alone(), width)
    matte = cv2.extractChannel(person, 3)
    # Straight colours: a page multiplies them by the matte again.
    spread = cv2.cvtColor(matte, cv2.COLOR_GRAY2RGB)
    colours = cv2.divide(cv2.cvtColor(person, cv2.COLOR_RGBA2RGB), spread, scale=255)
    coded = _jpeg(np.asarray(matte, np.uint8))
    return struct.pack(">I", len(coded)) + coded + _jpeg(np.asarray(colours, np.uint8))


def _jpeg(image: Image) -> bytes:
    """A picture (H, W, 3) or (H, W) as a JPEG file."""
    swapped = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    done, data = cv2.imencode(".jpg", swapped, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "OpenCV writes JPEG everywhere"
    return bytes(data)
