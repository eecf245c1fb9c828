"""The face's skin as one picture, completed once per avatar where the photo does not show it.

The picture is the face as seen from its own front, however the photo shows it. Toward its rim the
surface turns away, so there it is spread out: what took few pixels of the photo gets room. Where
the photo shows too little, the mirrored half stands in, its colours matched to the other side; the
rest is continued from what is known. A strip behind the jaw closes the gap that a turning face
leaves beside the neck. The picture is for what the photo itself does not show well enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from models.face import measures
from models.face.measures import CHIN, FOREHEAD
from models.face.topology import (
    EYES,
    JAW,
    OUTER_LIPS,
    STABLE,
    Indices,
    mirrored,
    neutral_face,
    triangles,
)
from models.mesh.far_side import silhouette
from models.mesh.layers import Layers
from models.mesh.paint import blurred
from models.mesh.pose import Similarity, fit
from models.mesh.raster import draw
from models.mesh.rings import Around, behind_jaw
from models.types import Floats, Image

_STEEP = np.radians(45.0)
"""The surface is spread out where it is seen flatter than this: from smaller angles on, more of the
picture would be enlarged; from larger ones on, the rim would get too few pixels."""

_SEEN, _WELL_SEEN = 0.12, 0.38
"""Cosines between the surface and the camera (83 and 68 degrees): below the first the photo
shows nothing of use, above the second it is trusted fully. Smaller ones bring smeared cheeks."""

_OWN_LIGHT = 0.9  # how much the mirrored half takes of the light around the place it fills
_SHADOW = np.array([0.18, 0.25, 0.28], np.float32)  # what it takes of red, green and blue
_FACE = 468
"""Landmarks of the face mesh; those of the irises follow."""

_HIDDEN = (0.03, 0.06)
"""Face heights behind what is nearest: up to the first a surface counts as seen, from the second
on as hidden. Less would lose the wings of the nose, more let the nose onto the far cheek."""

_CONTOUR = (0.03, 0.06)
"""Face heights from the outline of a turned face's far side: up to the first its landmarks are not
trusted, from the second on they are. They miss the true outline by up to 0.06 on rendered heads."""

_LEAST_FACING = 0.02
"""The cosine toward the camera that a surface is taken to have at least: of what was not seen."""

_STRETCH = (1.8, 3.8)
"""How many times wider a surface is seen than in the photo: up to the first the photo itself is
drawn, from the second on the completed skin. Tuned by eye on photos from the front and the side."""

_UNLIKE = (40.0, 80.0)
"""Levels of 255 by which colours differ from the cheeks': up to the first it is skin, from the
second on it is not."""

_ABOVE = 0.15
"""Face heights above the ears from which on such is hair."""

_CHEEKS = np.array([50, 101, 118, 205, 280, 330, 347, 425])
"""Landmarks on both cheeks, MediaPipe's numbering."""

_TURN = float(np.radians(3.0))
"""By how much the head turns until the completed skin is fully there, where it is needed."""

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
        picture: (h, w, 3), spread out.
        places: (468 + K, 2), pixels of `picture`, of the face's landmarks and of the strip's far
            edge.
        points: (468 + K, 3), the same in the photo's pixels.
        back: (K, 3), the strip's edge there; it follows `JAW`.
        triangles: (T, 3) of them.
        normals: (468 + K, 3), of length 1, outward.
        facing: (468 + K,), the cosine between them and the way to the camera in the photo, at least
            `_LEAST_FACING`.
        hidden: (468 + K,) 0..1, how far something nearer, such as the nose, hides the face there.
    """

    picture: Image
    places: Floats
    points: Floats
    back: Floats
    triangles: Indices
    normals: Floats
    facing: Floats
    hidden: Floats

    def lack(self, head: Similarity) -> Floats:
        """(468 + K,) 0..1: how much of the completed skin is needed with the skull at `head`."""
        turn = head.rotation[2]
        away = float(np.arccos(min(max(float(turn[2]), -1.0), 1.0)))
        stretch = (self.normals @ -turn) / self.facing
        low, high = _STRETCH
        share = np.clip(np.maximum((stretch - low) / (high - low), self.hidden), 0, 1)
        return np.asarray(share * min(away / _TURN, 1.0), np.float32)

    def of_a_cover(self) -> Skin:
        """The same where something covers the face: only what the photo itself shows is drawn.

        Where the other half of the face stood in, cloth and its straps would be seen twice.
        """
        return replace(self, facing=np.ones_like(self.facing), hidden=np.zeros_like(self.hidden))

    def vertices(self, target: Floats, rigid_back: Floats, rigid_jaw: Floats) -> Floats:
        """(468 + K, 3): the landmarks `target` (478, 3) with the strip's far edge.

        rigid_back, rigid_jaw: (K, 3), that edge and the jaw's as the skull alone moves them; what
        the jaw adds (an open mouth) moves the strip as well.
        """
        back = rigid_back + (target[JAW] - rigid_jaw)
        return np.concatenate([target[:_FACE], back]).astype(np.float32)


def complete(layers: Layers, landmarks: Floats, around: Around = "neck") -> Skin:
    """The skin of a photo's person with (478, 3) landmarks in pixels of the photo.

    around: what the face goes on in.
    """
    back = behind_jaw(landmarks, around)
    points = np.concatenate([landmarks[:_FACE], back]).astype(np.float32)
    faces = _with_strip()
    spread = _spread_out(*_from_front(points, landmarks))
    corner = np.floor(spread.min(0)) - 3
    size = np.ceil(spread.max(0) - corner).astype(int) + 4
    places = np.asarray(spread - corner, np.float32)
    shape = (int(size[1]), int(size[0]))

    normals = _normals(points, faces, _centre(landmarks))
    facing = -normals[:, 2]
    seen = np.clip((facing - _SEEN) / (_WELL_SEEN - _SEEN), 0, 1).astype(np.float32)
    seen[_FACE:] = 0
    nearest = _Nearest(points, faces, measures.height(landmarks))
    across = np.append(mirrored(), np.arange(_FACE, len(points)))
    across[_FACE:] = _FACE + np.arange(len(back))[::-1]
    own, sure = _look(layers, places, faces, points, seen, nearest, shape)
    other, other_sure = _look(layers, places, faces, points[across], seen[across], nearest, shape)
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
    facing = np.maximum(facing, _hair(layers, points, landmarks) * _WELL_SEEN)
    hidden = 1 - nearest.shown(points[:, :2], points[:, 2])
    hidden[_FACE:] = facing[_FACE:] = 0
    return Skin(
        picture=np.clip(picture, 0, 255).astype(np.uint8),
        places=places,
        points=points,
        back=back,
        triangles=faces,
        normals=normals,
        facing=np.maximum(facing * (1 - hidden), _LEAST_FACING).astype(np.float32),
        hidden=hidden,
    )


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


def _from_front(points: Floats, landmarks: Floats) -> tuple[Floats, Floats]:
    """The points (N, 3) and the landmarks (478, 3) with the head turned to the camera."""
    turn = fit(neutral_face()[STABLE], landmarks[STABLE]).rotation
    centre = _centre(landmarks)
    front = ((part - centre) @ turn + centre for part in (points, landmarks))
    a, b = (np.asarray(part, np.float32) for part in front)
    return a, b


def _spread_out(points: Floats, landmarks: Floats) -> Floats:
    """(N, 2): where points (N, 3) go in the picture, before it is cut.

    As seen from the head's middle, the angle to the camera's direction tells how far out: up to
    `_STEEP` by its sine, as in the photo, beyond that in even steps.
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


def _normals(points: Floats, faces: Indices, centre: Floats) -> Floats:
    """(N, 3): the surface's direction at each point (N, 3), away from the head's middle."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    outward = np.sign(((a + b + c) / 3 - centre)[:, None] @ normal[..., None])[:, 0]
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, faces[:, k], normal * outward)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.maximum(length, 1e-9), np.float32)


def _hair(layers: Layers, points: Floats, landmarks: Floats) -> Floats:
    """(N,) 0..1: how far points above the ears show hair or a hat, being unlike the cheeks.

    That is better stretched than made of skin.
    """
    side = max(3, round(0.03 * measures.height(landmarks))) | 1
    tones = cv2.blur(layers.person, (side, side))
    x, y = np.rint(points[:, :2] - layers.box[:2]).astype(int).T
    own = tones[y.clip(0, tones.shape[0] - 1), x.clip(0, tones.shape[1] - 1)].astype(np.float32)
    unlike = np.abs(own - np.median(own[_CHEEKS], axis=0)).max(1)
    low, high = _UNLIKE
    ears, down = landmarks[[234, 454]].mean(0), measures.down(landmarks)
    above = (ears - points) @ down / max(float(down @ down), 1e-6)
    share = np.clip((unlike - low) / (high - low), 0, 1) * np.clip(above / _ABOVE, 0, 1)
    return np.asarray(share, np.float32)


class _Nearest:
    """The depth of what is nearest to the camera in the photo: what hides the rest."""

    def __init__(self, points: Floats, faces: Indices, tall: float) -> None:
        """Draw the face of (N, 3) points; `tall`: its height."""
        self._tall = max(tall, 1.0)
        self._step = max(tall / 160, 0.5)
        self._low = points[:, :2].min(0)
        span = np.ptp(points[:, :2], axis=0) / self._step
        depth = np.full((int(span[1]) + 2, int(span[0]) + 2, 2), 1e6, np.float32)
        order = np.argsort(-points[:, 2][faces].sum(1), kind="stable")
        draw(depth, faces[order], (points[:, :2] - self._low) / self._step, points[:, [2, 2]])
        self._depth = np.ascontiguousarray(depth[..., 0])
        # What lies just beside an outline is not trusted either.
        self._around = cv2.erode(self._depth, np.ones((3, 3), np.uint8))
        flat = (points[:, :2] - self._low) / self._step
        face, past = silhouette(flat, self._depth.shape, tall / self._step)
        face[[0, -1]] = face[:, [0, -1]] = 0
        within = cv2.distanceTransform(face, cv2.DIST_L2, 5) * (self._step / self._tall)
        low, high = _CONTOUR
        sure = np.where(past > 0, np.clip((within - low) / (high - low), 0, 1), 1)
        self._sure = sure.astype(np.float32)

    def shown(self, places: Floats, depth: Floats) -> Floats:
        """0..1, 0 where something nearer hides the surface of a `depth` at the photo's `places`.

        places: (N, 2) pixels with depth: (N,), single points; or (h, w, 2) with (h, w), a picture,
        where what is beside something nearer counts as hidden too.
        """
        where = np.asarray((places - self._low) / self._step, np.float32).reshape(-1, 1, 2)
        where = where if depth.ndim == 1 else where.reshape(*depth.shape, 2)
        near, sure = (
            cv2.remap(
                part, where, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
            ).reshape(depth.shape)
            for part in (self._depth if depth.ndim == 1 else self._around, self._sure)
        )
        low, high = _HIDDEN
        open_view = np.clip((high - (depth - near) / self._tall) / (high - low), 0, 1)
        return np.asarray(open_view * sure, np.float32)


def _look(
    layers: Layers,
    places: Floats,
    faces: Indices,
    points: Floats,
    seen: Floats,
    nearest: _Nearest,
    shape: tuple[int, int],
) -> tuple[Floats, Floats]:
    """What the photo shows of the surface: colours (h, w, 3) and how well it is seen (h, w)."""
    drawn = np.full((*shape, 4), -1e4, np.float32)
    drawn[..., 3] = 0
    corner = np.array(layers.box[:2], np.float32)
    draw(drawn, faces, places, np.column_stack([points, seen]))
    field = np.ascontiguousarray(drawn[..., :2] - corner)
    shown = nearest.shown(drawn[..., :2], drawn[..., 2])
    rim = max(3, round(max(shape) * 0.012)) | 1
    shown = blurred(cv2.erode(shown, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8)), rim)
    # At its outline the person is mixed with what is behind.
    rim = max(3, round(max(layers.matte.shape) / 90)) | 1
    both = np.dstack([layers.person, cv2.erode(layers.matte, np.ones((rim, rim), np.uint8))])
    both = cv2.remap(both, field, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    colours, matte = both[..., :3].astype(np.float32), both[..., 3].astype(np.float32) / 255
    return colours, drawn[..., 3] * np.clip(2 * matte - 1, 0, 1) * shown


def _shade(places: Floats, faces: Indices, shape: tuple[int, int]) -> Floats:
    """(h, w): how much shadow there is, 0..1: under the jaw, and so its line stays."""
    behind = np.zeros((len(places), 2), np.float32)
    behind[_FACE:, 0] = 1
    below = np.sin(np.linspace(0, np.pi, len(JAW), dtype=np.float32))
    behind[JAW, 1] = behind[_FACE:, 1] = below
    drawn = np.zeros((*shape, 2), np.float32)
    strip = faces[: 2 * (len(JAW) - 1)]
    draw(drawn, strip, places, behind)
    return blurred(np.clip(drawn[..., 0] * 3, 0, 1) * drawn[..., 1], 1.5)


def _match(other: Floats, own: Floats, smooth: Floats, both: Floats) -> Floats:
    """The mirrored half in the light of this half.

    smooth: this half's colours, continued; both: (h, w), how well both halves are seen. Far from
    where both are seen, more and more of the mirrored half's own light and shadow is dropped.
    """
    side = max(own.shape[:2])
    ratio = np.log((own + 12) / (other + 12)) * both[..., None]
    total, weight = np.zeros_like(ratio), np.full(both.shape, 1e-9, np.float32)
    for share, trust in ((0.04, 1.0), (0.12, 1e-2), (0.4, 1e-4)):
        total += trust * blurred(ratio, share * side)
        weight += trust * blurred(both, share * side)
    light = np.exp(np.clip(total / weight[..., None], -1.6, 0.8))
    matched = (other + 12) * light - 12
    coarse = blurred(matched, 0.05 * side)
    return np.asarray(np.clip(matched + _OWN_LIGHT * (smooth - coarse), 0, 255), np.float32)


def _spread(colours: Floats, known: Floats) -> Floats:
    """Colours smoothed, and continued to where they are not known by the nearest that are."""
    side = max(known.shape)
    total = np.zeros_like(colours)
    weight = np.full(known.shape, 1e-12, np.float32)
    trusted = known**2
    for share, trust in ((0.012, 1.0), (0.04, 1e-3), (0.12, 1e-6), (0.4, 1e-9)):
        weight += trust * blurred(trusted, share * side)
        total += trust * blurred(colours * trusted[..., None], share * side)
    return np.asarray(total / weight[..., None], np.float32)


def _grain(colours: Floats, trusted: Floats, places: Floats) -> Floats:
    """The fine detail of the known skin, mirrored outward past its rim."""
    detail = np.clip(colours - blurred(colours, 3.0), -16, 16) * trusted[..., None]
    features = np.zeros(trusted.shape, np.uint8)
    for part in (_LIPS_AND_NOSE, *_BROWS, *(eye.opening for eye in EYES)):
        hull = cv2.convexHull(places[part]).round().astype(np.int32)
        cv2.fillConvexPoly(features, hull, 255)
    around = max(3, round(max(trusted.shape) * 0.05)) | 1
    features = cv2.dilate(features, np.ones((around, around), np.uint8))
    plain = blurred((features == 0).astype(np.float32), around / 3)
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
