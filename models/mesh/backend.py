"""The embedded backend: piecewise affine dense motion of one photo by its face mesh."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.mesh import eyes, mouth, rings
from models.mesh.generator import Known, open_generator
from models.mesh.layers import Layers, separate
from models.mesh.motion import absolute_motion, relative_motion, strengthen
from models.mesh.pose import Similarity, fit_head
from models.mesh.raster import draw
from models.mesh.skin import Skin, complete
from models.mesh.topology import JAW, OVAL
from models.types import Avatar, Crop, Face, Floats, Image, Keypoints, Photo, Strengths

_JUMP = 9.0  # source pixels between neighbours at half the size; smooth motion stays below
_FAR = np.float32(4.0)  # half crops; nothing that far from the face's middle is still a face
_NOWHERE = np.float32(-1e6)
_SUM = np.ones((1, 2), np.float32)


@dataclass(frozen=True)
class MeshAvatar(Avatar):
    """A photo with its layers.

    landmarks: (478, 3) in pixels of `still`. colours: (h, w, 4) the moving box, RGB and matte.
    known: for the generator, if there is one.
    """

    landmarks: Floats
    layers: Layers
    colours: Image
    rings: rings.Rings
    skin: Skin
    eyes: list[eyes.EyeLayer]
    mouth: mouth.Mouth
    known: Known | None


class MeshAnimator:
    """Moves a photo by its 478 landmarks; small networks mend eyes and mouth."""

    name = "mesh"
    device = "CPU (needs no GPU)"
    sliders: tuple[str, ...] = ("motion", "expression", "eyes", "mouth")

    def __init__(self, generated: bool = True) -> None:
        """Open the networks that come along, unless `generated` is False."""
        self._generator = open_generator() if generated else None
        if self._generator:
            self.device += f", networks: {self._generator.summary}"
        self.generator_seconds = 0.0
        """What the networks took of the last `render`."""

    def prepare(self, photo: Photo, size: int) -> MeshAvatar:
        """Make a photo ready to be rendered with its longer side at most `size` pixels."""
        height, width = photo.image.shape[:2]
        scale = min(1.0, size / max(height, width))
        # Even sides, as video wants them.
        target = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
        ratio = np.array([target[0] / width, target[1] / height], np.float32)
        still = photo.image
        if target != (width, height):
            still = np.asarray(cv2.resize(still, target, interpolation=cv2.INTER_AREA), np.uint8)
        landmarks = photo.face.landmarks * np.append(ratio, ratio.mean()).astype(np.float32)
        crop = Crop.around(Face(landmarks, None, 1.0))
        layers = separate(still, landmarks)
        return MeshAvatar(
            name=photo.name,
            still=still,
            keypoints=Keypoints(_to_crop(landmarks, crop)),
            crop=crop,
            landmarks=landmarks,
            layers=layers,
            colours=np.dstack([layers.person, layers.matte]),
            rings=rings.build(landmarks, layers.matte, np.array(layers.box[:2], np.float32)),
            skin=complete(layers, landmarks),
            eyes=eyes.cut_eyes(still, landmarks),
            mouth=mouth.build(still, landmarks),
            known=Known.of(still, landmarks) if self._generator else None,
        )

    def detect(self, frame: Image, face: Face, crop: Crop) -> Keypoints | None:
        """The face's landmarks are the keypoints: (478, 3) in `crop`."""
        return Keypoints(_to_crop(face.landmarks, crop))

    def relative(
        self, avatar: MeshAvatar, reference: Keypoints, driving: Keypoints, adapt_scale: bool
    ) -> Keypoints:
        """The motion since the calibration, in 3-D, on the source's own pose and features."""
        values = relative_motion(
            avatar.keypoints.values, reference.values, driving.values, adapt_scale
        )
        return Keypoints(values)

    def strengthen(
        self, reference: Keypoints, driving: Keypoints, strengths: Strengths
    ) -> Keypoints:
        """Head motion and expression, each made stronger or weaker, in 3-D."""
        return Keypoints(strengthen(reference.values, driving.values, strengths))

    def absolute(self, avatar: MeshAvatar, driving: Keypoints) -> Keypoints:
        """The driver's face shape and pose, at the source's place and size."""
        return Keypoints(absolute_motion(avatar.keypoints.values, driving.values))

    def render(self, avatar: MeshAvatar, keypoints: Keypoints) -> Image:
        """Warp the person, lay it over the still background, then draw eyes and mouth."""
        target = _from_crop(keypoints.values, avatar.crop)
        head = fit_head(avatar.landmarks, target)
        out = _warp(avatar, head, target)
        flat = np.ascontiguousarray(target[:, :2])
        for eye in avatar.eyes:
            eyes.draw_eye(out, eye, flat)
            eyes.draw_lid(out, eye, flat)
        mouth.paint(out, avatar.mouth, avatar.landmarks, target, head)
        if self._generator and avatar.known:
            self._generator.mend(out, avatar.known, target, head)
            self.generator_seconds = self._generator.seconds
        return out

    def warp(self, avatar: MeshAvatar, keypoints: Keypoints) -> Image:
        """As `render` without drawn eyes and mouth: what evaluation compares with."""
        target = _from_crop(keypoints.values, avatar.crop)
        return _warp(avatar, fit_head(avatar.landmarks, target), target)


def _warp(avatar: MeshAvatar, head: Similarity, target: Floats) -> Image:
    """The person in the pose of the landmarks `target`, over the still background."""
    left, top, right, bottom = avatar.layers.box
    field = _around_face(avatar, head, target)
    warped = cv2.remap(
        avatar.colours, field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    out = avatar.layers.background.copy()
    part = out[top:bottom, left:right]
    part[:] = _over(warped, part)
    _lay_face(out, avatar, head, target)
    return out


def _around_face(avatar: MeshAvatar, head: Similarity, target: Floats) -> Floats:
    """(h, w, 2): for each pixel of the moving box, where in the box it comes from.

    Drawn at a quarter of the size, since motion is smooth there, and enlarged linearly.
    """
    left, top, right, bottom = avatar.layers.box
    corner = np.array([left, top], np.float32)
    quarter = _grid((bottom - top, right - left), 4)
    places = avatar.rings.move(head, target[OVAL]) - corner
    values = avatar.rings.points[:, :2] - corner
    draw(quarter, avatar.rings.triangles, _at_scale(places, 4), values)
    return _enlarge(quarter, 4, (right - left, bottom - top))


def _lay_face(out: Image, avatar: MeshAvatar, head: Similarity, target: Floats) -> None:
    """Draw the face and the skin behind its jaw into `out`; the edge is soft."""
    skin = avatar.skin
    places = skin.vertices(target, head(skin.back), head(avatar.landmarks[JAW]))
    height, width = out.shape[:2]
    left, top = np.clip(places[:, :2].min(0) - 3, 0, [width, height]).astype(int) // 2 * 2
    right, bottom = np.clip(places[:, :2].max(0) + 4, 0, [width, height]).astype(int)
    if right - left < 4 or bottom - top < 4:
        return
    size = (int(right - left), int(bottom - top))
    half = np.full((-(-size[1] // 2), -(-size[0] // 2), 2), _NOWHERE, np.float32)
    far_first = np.argsort(-places[:, 2][skin.triangles].sum(1), kind="stable")
    places[:, :2] -= (left, top)
    draw(half, skin.triangles[far_first], _at_scale(places[:, :2], 2), skin.places)
    covered = np.asarray(half[..., 0] > _NOWHERE, np.uint8) * np.uint8(255)
    # Past the edge the field goes on, so that enlarging does not mix it with nothing.
    beyond = cv2.dilate(half, np.ones((3, 3), np.uint8))
    np.copyto(half, beyond, where=covered[..., None] == 0)
    field = _enlarge(half, 2, size)
    picture = cv2.remap(
        skin.picture, field, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    _soften_steps(picture, field, places[:468, :2])
    inner = cv2.subtract(cv2.blur(covered, (3, 3), borderType=cv2.BORDER_REPLICATE), 100)
    weight = cv2.resize(inner, (inner.shape[1] * 2, inner.shape[0] * 2))[: size[1], : size[0]]
    weight = np.minimum(weight.astype(np.float32) * np.float32(1 / 155), 1)
    part = out[top:bottom, left:right]
    part[:] = cv2.blendLinear(picture, np.ascontiguousarray(part), weight, 1 - weight)


def _soften_steps(picture: Image, field: Floats, face: Floats) -> None:
    """Smooth `picture` in place where the field jumps: the outline of a turned cheek or nose.

    The field is drawn at half the size, so such an edge comes out as a staircase. face: (N, 2),
    pixels of the picture; jumps are looked for around these points only.
    """
    height, width = picture.shape[:2]
    left, top = np.clip(face.min(0) - 8, 0, [width, height]).astype(int) // 2 * 2
    right, bottom = np.clip(face.max(0) + 8, 0, [width, height]).astype(int)
    coarse = np.ascontiguousarray(field[top:bottom:2, left:right:2])
    if min(coarse.shape[:2]) < 2:
        return
    jump = np.zeros(coarse.shape[:2], np.uint8)
    jump[:, 1:] = cv2.transform(cv2.absdiff(coarse[:, 1:], coarse[:, :-1]), _SUM) > _JUMP
    jump[1:] |= cv2.transform(cv2.absdiff(coarse[1:], coarse[:-1]), _SUM) > _JUMP
    if not cv2.countNonZero(jump):
        return
    x, y, wide, tall = cv2.boundingRect(jump)
    left, top = max(left + 2 * x - 6, 0), max(top + 2 * y - 6, 0)
    part = picture[top : top + 2 * tall + 12, left : left + 2 * wide + 12]
    mask = cv2.dilate(cv2.copyMakeBorder(jump[y:, x:], 3, 3, 3, 3, 0), np.ones((3, 3), np.uint8))
    weight = cv2.resize(mask, (mask.shape[1] * 2, mask.shape[0] * 2)).astype(np.float32)
    weight = np.ascontiguousarray(weight[: part.shape[0], : part.shape[1]])
    weight = cv2.blur(weight, (3, 3))
    part[:] = cv2.blendLinear(
        cv2.blur(part, (5, 5)), np.ascontiguousarray(part), weight, 1 - weight
    )


def _grid(shape: tuple[int, int], step: int) -> Floats:
    """The identity field of a picture of this shape, at 1/step of its size."""
    height, width = (-(-side // step) for side in shape)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray(np.dstack([xs, ys]) * step + (step - 1) / 2, np.float32)


def _at_scale(points: Floats, step: int) -> Floats:
    """Pixel coordinates at full size to those at 1/step of it."""
    return np.asarray((points - (step - 1) / 2) / step, np.float32)


def _enlarge(field: Floats, factor: int, size: tuple[int, int]) -> Floats:
    """A field, `factor` times larger, cut to (width, height)."""
    height, width = field.shape[:2]
    large = cv2.resize(field, (width * factor, height * factor), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(large[: size[1], : size[0]])


def _over(above: Image, below: Image) -> Image:
    """RGB of `above` (RGB and matte) over `below`."""
    matte = above[..., 3]
    weight = matte.astype(np.float32) * np.float32(1 / 255)
    colours = cv2.cvtColor(above, cv2.COLOR_RGBA2RGB)
    return np.asarray(cv2.blendLinear(colours, below, weight, 1 - weight), np.uint8)


def _to_crop(points: Floats, crop: Crop) -> Floats:
    values = (points - np.array([crop.cx, crop.cy, 0], np.float32)) / np.float32(crop.half)
    return np.asarray(values, np.float32)


def _from_crop(values: Floats, crop: Crop) -> Floats:
    values = np.clip(values, -_FAR, _FAR)
    points = values * np.float32(crop.half) + np.array([crop.cx, crop.cy, 0], np.float32)
    return np.asarray(points, np.float32)
