"""The face's skin as one picture, completed once per avatar where the photo does not show it.

The picture is the photo around the middle of the face. Toward its rim the surface turns away from
the camera, so there it is spread out: what took few pixels of the photo gets room. Where the photo
shows too little, the mirrored half stands in, its colours matched to the other side; the rest is
continued from what is known. A strip behind the jaw closes the gap that a turning face leaves
beside the neck.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face import measures
from models.face.measures import CHIN, FOREHEAD
from models.face.topology import EYES, JAW, OUTER_LIPS, Indices, mirrored, triangles
from models.mesh.layers import Layers
from models.mesh.raster import draw
from models.mesh.rings import behind_jaw
from models.types import Floats, Image

_STEEP = np.radians(45.0)
"""The surface is spread out where it is seen flatter than this: from smaller angles on, more of the
picture would be enlarged; from larger ones on, the rim would get too few pixels."""

_SEEN, _WELL_SEEN = 0.12, 0.38
"""Cosines between the surface and the camera (83 and 68 degrees): below the first the photo
shows nothing of use, above the second it is trusted fully. Smaller ones bring smeared cheeks."""

_OWN_LIGHT = 0.7
"""How much the mirrored half takes of the light around the place it fills: 0 brings that of the
other side along, 1 leaves it flat."""

_SHADOW = np.array([0.18, 0.25, 0.28], np.float32)
"""What the shadow under the jaw takes of red, green and blue: least of red, so it stays warm."""

_FACE = 468
"""Landmarks of the face mesh; those of the irises follow."""

_LIPS_AND_NOSE = np.concatenate([OUTER_LIPS, [129, 98, 97, 2, 326, 327, 358, 168]])
"""Their hull is no plain skin."""

_BROWS = (
    np.array([46, 53, 52, 65, 55, 107, 66, 105, 63, 70]),
    np.array([276, 283, 282, 295, 285, 336, 296, 334, 293, 300]),
)
"""Nor are these: the right one and the left."""


@dataclass(frozen=True)
class Skin:
    """The completed skin.

    Attributes:
        picture: (h, w, 3).
        places: (468 + K, 2), pixels of `picture`, of the face's landmarks and of the far edge of
            the strip behind the jaw.
        back: (K, 3) that edge in the photo's pixels; it follows `JAW`.
        triangles: (T, 3) of them.
    """

    picture: Image
    places: Floats
    back: Floats
    triangles: Indices

    def vertices(self, target: Floats, rigid_back: Floats, rigid_jaw: Floats) -> Floats:
        """(468 + K, 3): the landmarks with the strip's far edge.

        Args:
            target: (478, 3), where the landmarks go.
            rigid_back: (K, 3), that edge as the skull alone moves it.
            rigid_jaw: (K, 3), the jaw as the skull alone moves it; what the jaw adds (an open
                mouth) moves the strip as well.
        """
        back = rigid_back + (target[JAW] - rigid_jaw)
        return np.concatenate([target[:_FACE], back]).astype(np.float32)


def complete(layers: Layers, landmarks: Floats) -> Skin:
    """The skin of a photo's person.

    Args:
        layers: the photo, taken apart.
        landmarks: (478, 3) in pixels of the photo.
    """
    back = behind_jaw(landmarks)
    points = np.concatenate([landmarks[:_FACE], back]).astype(np.float32)
    faces = _with_strip()
    spread = _spread_out(points, landmarks)
    corner = np.floor(spread.min(0)) - 3
    size = np.ceil(spread.max(0) - corner).astype(int) + 4
    places = np.asarray(spread - corner, np.float32)
    shape = (int(size[1]), int(size[0]))

    seen = _visibility(points, faces, landmarks)
    across = np.append(mirrored(), np.arange(_FACE, len(points)))
    across[_FACE:] = _FACE + np.arange(len(back))[::-1]
    own, sure = _look(layers, places, faces, points, seen, shape)
    other, other_sure = _look(layers, places, faces, points[across], seen[across], shape)
    smooth = _spread(own, sure)
    other = _match(other, own, smooth, np.minimum(sure, other_sure))
    doubt = (1 - sure) * other_sure
    known = sure + doubt
    mixed = (own * sure[..., None] + other * doubt[..., None]) / np.maximum(known, 1e-3)[..., None]
    smooth = _spread(mixed, known)
    filled = smooth + _grain(mixed, known**2, places)
    weight = np.clip(known, 0, 1)[..., None]
    picture = mixed * weight + filled * (1 - weight)
    picture *= 1 - _shade(places, faces, shape)[..., None] * _SHADOW
    return Skin(np.clip(picture, 0, 255).astype(np.uint8), places, back, faces)


def _with_strip() -> Indices:
    """The face's triangles and those between the jaw and the strip's far edge."""
    first = np.arange(len(JAW) - 1)
    a, b, c, d = JAW[first], JAW[first + 1], _FACE + first, _FACE + first + 1
    return np.concatenate([np.stack([a, c, d], 1), np.stack([a, d, b], 1), triangles()])


def _centre(landmarks: Floats) -> Floats:
    """The middle of the head behind the face."""
    ears = landmarks[[234, 454]].mean(0)
    middle = landmarks[[FOREHEAD, CHIN]].mean(0)
    return np.array([*(0.5 * (ears[:2] + middle[:2])), ears[2]], np.float32)


def _spread_out(points: Floats, landmarks: Floats) -> Floats:
    """(N, 2): where points of the photo go in the picture, before it is cut.

    As seen from the head's middle, the angle to the camera's direction tells how far out: up to
    `_STEEP` by its sine, as in the photo, beyond that in even steps.

    Args:
        points: (N, 3), pixels of the photo.
        landmarks: (478, 3), the same.
    """
    centre = _centre(landmarks)
    offset = points - centre
    flat = np.linalg.norm(offset[:, :2], axis=1)
    angle = np.arctan2(flat, -offset[:, 2])
    length = np.linalg.norm(offset, axis=1)
    wide = np.where(
        angle < _STEEP, np.sin(angle), np.sin(_STEEP) + (angle - _STEEP) * np.cos(_STEEP)
    )
    direction = offset[:, :2] / np.maximum(flat, 1e-6)[:, None]
    return np.asarray(centre[:2] + direction * (length * wide)[:, None], np.float32)


def _visibility(points: Floats, faces: Indices, landmarks: Floats) -> Floats:
    """(N,) 0..1: how well the photo shows the surface at each point.

    Args:
        points: (N, 3), pixels of the photo.
        faces: (T, 3), triangles of them.
        landmarks: (478, 3), pixels of the photo.
    """
    centre = _centre(landmarks)
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    outward = np.sign(((a + b + c) / 3 - centre)[:, None] @ normal[..., None])[:, 0]
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, faces[:, k], normal * outward)
    facing = -total[:, 2] / np.maximum(np.linalg.norm(total, axis=1), 1e-9)
    seen = np.clip((facing - _SEEN) / (_WELL_SEEN - _SEEN), 0, 1)
    seen[_FACE:] = 0
    return np.asarray(seen * _unhidden(points, faces, landmarks), np.float32)


def _unhidden(points: Floats, faces: Indices, landmarks: Floats) -> Floats:
    """(N,) 1 where nothing nearer, such as the nose, hides a point; else 0.

    Args:
        points: (N, 3), pixels of the photo.
        faces: (T, 3), triangles of them.
        landmarks: (478, 3), pixels of the photo.
    """
    low = points[:, :2].min(0)
    span = np.ptp(points[:, :2], axis=0)
    step = max(float(span.max()) / 120, 1e-3)
    places = (points[:, :2] - low) / step
    depth = np.zeros((int(span[1] / step) + 2, int(span[0] / step) + 2, 2), np.float32)
    order = np.argsort(-points[:, 2][faces].sum(1), kind="stable")
    draw(depth, faces[order], places.astype(np.float32), points[:, [2, 2]])
    x, y = np.rint(places).astype(int).clip(0, [depth.shape[1] - 1, depth.shape[0] - 1]).T
    tall = measures.height(landmarks)
    return np.asarray(points[:, 2] - depth[y, x, 0] < 0.06 * tall, np.float32)


def _look(
    layers: Layers,
    places: Floats,
    faces: Indices,
    points: Floats,
    seen: Floats,
    shape: tuple[int, int],
) -> tuple[Floats, Floats]:
    """What the photo shows of the surface.

    Args:
        layers: the photo, taken apart.
        places: (N, 2), where the surface's points are in the picture.
        faces: (T, 3), triangles of them.
        points: (N, 3), where the photo shows them, pixels.
        seen: (N,) 0..1, how well it does.
        shape: height and width of the picture.

    Returns:
        colours (h, w, 3) and how well they are seen (h, w) 0..1.
    """
    field = np.full((*shape, 2), -1e4, np.float32)
    draw(field, faces, places, points[:, :2] - np.array(layers.box[:2], np.float32))
    share = np.zeros((*shape, 2), np.float32)
    draw(share, faces, places, np.stack([seen, seen], 1))
    # At its outline the person is mixed with what is behind.
    rim = max(3, round(max(layers.matte.shape) / 90)) | 1
    both = np.dstack([layers.person, cv2.erode(layers.matte, np.ones((rim, rim), np.uint8))])
    both = cv2.remap(both, field, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    colours, matte = both[..., :3].astype(np.float32), both[..., 3].astype(np.float32) / 255
    return colours, share[..., 0] * np.clip(2 * matte - 1, 0, 1)


def _shade(places: Floats, faces: Indices, shape: tuple[int, int]) -> Floats:
    """(h, w): how much shadow there is, 0..1: under the jaw, and so its line stays.

    Args:
        places: (N, 2), where the surface's points are in the picture.
        faces: (T, 3), triangles of them.
        shape: height and width of the picture.
    """
    behind = np.zeros((len(places), 2), np.float32)
    behind[_FACE:, 0] = 1
    below = np.sin(np.linspace(0, np.pi, len(JAW), dtype=np.float32))
    behind[JAW, 1] = behind[_FACE:, 1] = below
    drawn = np.zeros((*shape, 2), np.float32)
    strip = faces[: 2 * (len(JAW) - 1)]
    draw(drawn, strip, places, behind)
    return _blur(np.clip(drawn[..., 0] * 3, 0, 1) * drawn[..., 1], 1.5)


def _match(other: Floats, own: Floats, smooth: Floats, both: Floats) -> Floats:
    """The mirrored half in the light of this half, (h, w, 3).

    Far from where both are seen, more and more of its own light and shadow is dropped.

    Args:
        other: (h, w, 3), the mirrored half.
        own: (h, w, 3), this half.
        smooth: (h, w, 3), this half's colours, continued.
        both: (h, w) 0..1, how well both halves are seen.
    """
    side = max(own.shape[:2])
    ratio = np.log((own + 12) / (other + 12)) * both[..., None]
    total, weight = np.zeros_like(ratio), np.full(both.shape, 1e-9, np.float32)
    for share, trust in ((0.04, 1.0), (0.12, 1e-2), (0.4, 1e-4)):
        total += trust * _blur(ratio, share * side)
        weight += trust * _blur(both, share * side)
    light = np.exp(np.clip(total / weight[..., None], -0.8, 0.8))
    matched = (other + 12) * light - 12
    coarse = _blur(matched, 0.05 * side)
    return np.asarray(np.clip(matched + _OWN_LIGHT * (smooth - coarse), 0, 255), np.float32)


def _spread(colours: Floats, known: Floats) -> Floats:
    """Colours smoothed, and continued to where they are not known by the nearest that are.

    Args:
        colours: (h, w, 3).
        known: (h, w) 0..1.
    """
    side = max(known.shape)
    total = np.zeros_like(colours)
    weight = np.full(known.shape, 1e-12, np.float32)
    trusted = known**2
    for share, trust in ((0.012, 1.0), (0.04, 1e-3), (0.12, 1e-6), (0.4, 1e-9)):
        weight += trust * _blur(trusted, share * side)
        total += trust * _blur(colours * trusted[..., None], share * side)
    return np.asarray(total / weight[..., None], np.float32)


def _grain(colours: Floats, trusted: Floats, places: Floats) -> Floats:
    """The fine detail of the known skin, mirrored outward past its rim, (h, w, 3).

    Args:
        colours: (h, w, 3).
        trusted: (h, w) 0..1, how well they are known.
        places: (N, 2), where the surface's points are in the picture.
    """
    detail = np.clip(colours - _blur(colours, 3.0), -16, 16) * trusted[..., None]
    features = np.zeros(trusted.shape, np.uint8)
    for part in (_LIPS_AND_NOSE, *_BROWS, *(eye.opening for eye in EYES)):
        hull = cv2.convexHull(places[part]).round().astype(np.int32)
        cv2.fillConvexPoly(features, hull, 255)
    around = max(3, round(max(trusted.shape) * 0.05)) | 1
    features = cv2.dilate(features, np.ones((around, around), np.uint8))
    plain = _blur((features == 0).astype(np.float32), around / 3)
    detail *= plain[..., None]
    middle = places[:_FACE].mean(0)
    ys, xs = np.mgrid[0 : trusted.shape[0], 0 : trusted.shape[1]].astype(np.float32)
    dx, dy = xs - middle[0], ys - middle[1]
    radius = np.hypot(dx, dy)
    rim = _rim(trusted, middle)
    turn = (np.degrees(np.arctan2(dy, dx)) % 360).astype(int) % 360
    edge = rim[turn]
    inward = np.where(radius > edge, np.maximum(2 * edge - radius, 0.3 * edge), radius)
    scale = inward / np.maximum(radius, 1e-3)
    field = (middle[0] + dx * scale).astype(np.float32), (middle[1] + dy * scale).astype(np.float32)
    return np.asarray(cv2.remap(detail.astype(np.float32), *field, cv2.INTER_LINEAR), np.float32)


def _rim(trusted: Floats, middle: Floats) -> Floats:
    """(360,): how far out the skin is known, for every degree around `middle`."""
    far = int(np.hypot(*trusted.shape))
    # What lies outside the picture would otherwise be whatever was in memory before.
    flags = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS
    polar = cv2.warpPolar(trusted, (far, 360), (float(middle[0]), float(middle[1])), far, flags)
    last = far - 1 - np.argmax(polar[:, ::-1] > 0.5, axis=1)
    last = np.where((polar > 0.5).any(1), last, far // 8).astype(np.float32)
    thrice = np.tile(last, 3)[None]
    return np.asarray(
        cv2.GaussianBlur(thrice, (0, 0), sigmaX=5, sigmaY=0.1)[0, 360:720], np.float32
    )


def _blur(values: Floats, sigma: float) -> Floats:
    """A Gaussian blur; a wide one is computed on fewer pixels."""
    if sigma <= 4:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
    height, width = values.shape[:2]
    step = sigma / 3
    size = (max(2, round(width / step)), max(2, round(height / step)))
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 3.0)
    return np.asarray(
        cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32
    )
