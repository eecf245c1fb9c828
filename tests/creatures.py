"""Drawn faces that no network is asked about, with the points that a person would place on them."""

from __future__ import annotations

import cv2
import numpy as np

from models.face.placed import LIDS, POINTS, Placed
from models.types import Image, Kind

INK, FUR, WHITE = (40, 30, 35), (196, 150, 104), (250, 250, 246)
"""Colours of lines, of a creature's fur and of a drawn eye's white."""

SIDE = 400
"""Pixels of each picture's sides."""

# fmt: off
_PLACES = {
    "cartoon": [
        (105, 170), (185, 170), (215, 170), (295, 170),
        (200, 225), (150, 285), (200, 292), (250, 285),
        (200, 355), (200, 60), (65, 210), (335, 210),
        (145, 120), (145, 220), (255, 120), (255, 220),
    ],
    "stick": [
        (140, 165), (160, 165), (240, 165), (260, 165),
        (200, 215), (150, 260), (200, 275), (250, 260),
        (200, 340), (200, 60), (62, 200), (338, 200),
        (150, 155), (150, 175), (250, 155), (250, 175),
    ],
    "mask": [
        (105, 178), (172, 186), (228, 186), (295, 178),
        (200, 250), (150, 292), (200, 290), (250, 292),
        (200, 360), (200, 55), (78, 200), (322, 200),
        (138, 166), (138, 196), (262, 166), (262, 196),
    ],
    "cat": [
        (112, 178), (168, 186), (232, 186), (288, 178),
        (200, 240), (165, 275), (200, 266), (235, 275),
        (200, 322), (200, 92), (62, 215), (338, 215),
        (140, 156), (140, 208), (260, 156), (260, 208),
    ],
    "dog": [
        (118, 165), (158, 168), (242, 168), (282, 165),
        (200, 240), (130, 300), (200, 305), (270, 300),
        (200, 360), (200, 70), (80, 215), (320, 215),
        (138, 152), (138, 178), (262, 152), (262, 178),
    ],
}
# fmt: on
NAMES = (*POINTS, *LIDS)


def placed(name: str, lids: bool = True, kind: Kind | None = None) -> Placed:
    """The points of a drawing, with or without those of the lids."""
    points = {
        point: (x / SIDE, y / SIDE)
        for point, (x, y) in zip(NAMES, _PLACES[name], strict=True)
        if lids or point not in LIDS
    }
    usual: Kind = "creature" if name in ("cat", "dog") else "drawing"
    return Placed(points, kind or usual)


def cartoon() -> Image:
    """A flat face with large eyes."""
    out = np.full((SIDE, SIDE, 3), (150, 200, 230), np.uint8)
    cv2.ellipse(out, (200, 205), (140, 155), 0, 0, 360, (250, 215, 185), -1, cv2.LINE_AA)
    cv2.ellipse(out, (200, 205), (140, 155), 0, 0, 360, INK, 3, cv2.LINE_AA)
    for x in (145, 255):
        cv2.ellipse(out, (x, 170), (40, 50), 0, 0, 360, WHITE, -1, cv2.LINE_AA)
        cv2.ellipse(out, (x, 170), (40, 50), 0, 0, 360, INK, 3, cv2.LINE_AA)
        cv2.circle(out, (x, 175), 17, INK, -1, cv2.LINE_AA)
        cv2.circle(out, (x + 6, 168), 5, WHITE, -1, cv2.LINE_AA)
    cv2.ellipse(out, (200, 222), (10, 7), 0, 0, 360, (225, 160, 140), -1, cv2.LINE_AA)
    cv2.ellipse(out, (200, 262), (52, 30), 0, 25, 155, INK, 3, cv2.LINE_AA)
    return out


def stick() -> Image:
    """A head of lines on paper, with dots for eyes."""
    out = np.full((SIDE, SIDE, 3), 250, np.uint8)
    cv2.circle(out, (200, 200), 138, INK, 4, cv2.LINE_AA)
    for x in (150, 250):
        cv2.circle(out, (x, 165), 10, INK, -1, cv2.LINE_AA)
    cv2.line(out, (200, 190), (195, 215), INK, 3, cv2.LINE_AA)
    cv2.ellipse(out, (200, 240), (58, 36), 0, 35, 145, INK, 4, cv2.LINE_AA)
    return out


def mask() -> Image:
    """A pale mask of the theatre, with holes for eyes and painted lips."""
    out = np.full((SIDE, SIDE, 3), (60, 20, 40), np.uint8)
    cv2.ellipse(out, (200, 207), (124, 155), 0, 0, 360, (236, 226, 205), -1, cv2.LINE_AA)
    for x in (-1, 1):
        turned = x * 4
        cv2.ellipse(
            out, (200 + x * 62, 182), (36, 15), turned, 0, 360, (15, 8, 10), -1, cv2.LINE_AA
        )
        cv2.ellipse(
            out, (200 + x * 62, 150), (44, 16), turned, 200, 340, (90, 40, 40), 6, cv2.LINE_AA
        )
    cv2.line(out, (196, 200), (188, 250), (190, 175, 155), 4, cv2.LINE_AA)
    cv2.ellipse(out, (200, 290), (52, 14), 0, 0, 360, (190, 40, 50), -1, cv2.LINE_AA)
    cv2.line(out, (150, 291), (250, 291), (90, 10, 20), 2, cv2.LINE_AA)
    return out


def cat() -> Image:
    """A cat of fur with round green eyes."""
    out = _furred((200, 205), (140, 120), (120, 130, 110))
    for x in (-1, 1):
        ear = np.array([(200 + x * 75, 105), (200 + x * 130, 45), (200 + x * 135, 165)])
        cv2.fillPoly(out, [ear], (176, 130, 90), cv2.LINE_AA)
        eye = (200 + x * 60, 182)
        cv2.ellipse(out, eye, (29, 27), 0, 0, 360, INK, -1, cv2.LINE_AA)
        cv2.ellipse(out, eye, (25, 23), 0, 0, 360, (120, 170, 80), -1, cv2.LINE_AA)
        cv2.ellipse(out, eye, (9, 20), 0, 0, 360, (10, 10, 10), -1, cv2.LINE_AA)
        cv2.circle(out, (eye[0] + 8, eye[1] - 8), 5, WHITE, -1, cv2.LINE_AA)
    nose = np.array([(184, 232), (216, 232), (200, 248)])
    cv2.fillPoly(out, [nose], (200, 110, 110), cv2.LINE_AA)
    cv2.line(out, (200, 248), (200, 266), INK, 2, cv2.LINE_AA)
    for x in (-1, 1):
        cv2.ellipse(out, (200 + x * 18, 264), (18, 12), 0, 0, 180, INK, 2, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(out, (3, 3), 0), np.uint8)


def dog() -> Image:
    """A dog of fur with small dark eyes, a long muzzle and a long mouth."""
    out = _furred((200, 215), (130, 160), (90, 110, 140))
    for x in (-1, 1):
        cv2.ellipse(out, (200 + x * 130, 190), (38, 95), 0, 0, 360, (140, 98, 60), -1, cv2.LINE_AA)
        cv2.ellipse(out, (200 + x * 62, 165), (19, 12), 0, 0, 360, (25, 18, 15), -1, cv2.LINE_AA)
        cv2.circle(out, (200 + x * 62 + 4, 161), 3, WHITE, -1, cv2.LINE_AA)
    cv2.ellipse(out, (200, 240), (34, 26), 0, 0, 360, (30, 26, 28), -1, cv2.LINE_AA)
    cv2.line(out, (200, 266), (200, 300), INK, 2, cv2.LINE_AA)
    for x in (-1, 1):
        cv2.ellipse(out, (200 + x * 35, 292), (36, 14), 0, 0, 180, INK, 3, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(out, (3, 3), 0), np.uint8)


def _furred(centre: tuple[int, int], axes: tuple[int, int], behind: tuple[int, int, int]) -> Image:
    """A head of short hairs."""
    random = np.random.default_rng(5)
    out = np.full((SIDE, SIDE, 3), behind, np.uint8)
    cv2.ellipse(out, centre, axes, 0, 0, 360, FUR, -1, cv2.LINE_AA)
    for _ in range(9000):
        angle, far = random.uniform(0, 2 * np.pi), np.sqrt(random.uniform(0, 1))
        ray = np.array([np.cos(angle) * axes[0], np.sin(angle) * axes[1]])
        start = np.array(centre) + ray * far
        end = start + ray / np.linalg.norm(ray) * random.uniform(5, 11)
        level = random.uniform(0.82, 1.14)
        colour = tuple(float(min(value * level, 255)) for value in FUR)
        cv2.line(out, tuple(start.astype(int)), tuple(end.astype(int)), colour, 1, cv2.LINE_AA)
    return out


PICTURES = {"cartoon": cartoon, "stick": stick, "mask": mask, "cat": cat, "dog": dog}
"""What draws each."""
