"""The person of a photo in another pose, over a background that stays as it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.face.topology import JAW, OVAL, Indices
from models.mesh import rings
from models.mesh.back_of_head import BackOfHead
from models.mesh.far_side import FarSide
from models.mesh.layers import Layers, separate
from models.mesh.paint import over
from models.mesh.pose import Similarity
from models.mesh.raster import draw
from models.mesh.rings import Around
from models.mesh.skin import Skin, complete
from models.types import Floats, Image

_COARSE = 4
"""The field around the face is drawn at this fraction of the size and enlarged: hair and neck move
so smoothly that it is not seen, and a sixteenth of the pixels is drawn."""

_JUMP = 9.0
"""Source pixels between neighbours at half the size, above which the field jumps from one surface
to another. Smooth motion stays below; a smaller one would blur skin that is merely spread out."""

_NOWHERE = np.float32(-1e6)
"""What the field says where there is no face: no place in any picture."""

_MOTION = np.array([[1, 1, 0, 0]], np.float32)
"""Of the field's channels: adds up x and y."""

_NEAR = np.ones((3, 3), np.uint8)
"""A pixel and its neighbours."""


@dataclass(frozen=True)
class Person:
    """What moves of a photo, and what stays.

    Attributes:
        landmarks: (478, 3) in pixels of the photo.
        layers: person and background.
        rings: how hair, ears and neck move.
        skin: the face's.
        colours: (h, w, 4) the moving box, RGB premultiplied by the matte.
        face: (h, w, 4), the photo in that box, and how far it shows the person alone.
        far_side: what of a face from the side is not drawn with the surroundings.
        back: the skull and the neck behind the person; None where they would not show.
        still: (H, W, 3), the photo as its layers give it.
        moving: numbers of the vertices of `rings` that are drawn.
        extent: (2, 2), the first column and row of the box that show the person, and those after
            the last.
        coarse: (ch, cw, 2) the identity field of the box with one cell more on every side, at
            1 / `_COARSE` of its size.
    """

    landmarks: Floats
    layers: Layers
    rings: rings.Rings
    skin: Skin
    colours: Image
    face: Image
    far_side: FarSide | None
    back: BackOfHead | None
    still: Image
    moving: Indices
    extent: Floats
    coarse: Floats

    @property
    def corner(self) -> Floats:
        """(3,): the top left corner of the moving box in pixels of the photo, and no depth."""
        return np.array([*self.layers.box[:2], 0], np.float32)

    @classmethod
    def of(cls, photo: Image, landmarks: Floats, around: Around = "neck") -> Person:
        """Take a photo apart.

        Args:
            photo: (H, W, 3).
            landmarks: (478, 3) of the face in its pixels.
            around: what the face goes on in.
        """
        layers = separate(photo, landmarks)
        left, top, right, bottom = layers.box
        colours = _premultiplied(layers.person, layers.matte)
        still = layers.background.copy()
        still[top:bottom, left:right] = over(colours, still[top:bottom, left:right])
        rows = rings.build(landmarks, layers.matte, np.array([left, top], np.float32), around)
        return cls(
            landmarks=landmarks,
            layers=layers,
            rings=rows,
            skin=complete(layers, landmarks, around),
            colours=colours,
            face=_face(photo[top:bottom, left:right], layers.matte),
            far_side=FarSide.of(colours, landmarks - np.array([left, top, 0], np.float32)),
            back=None if around != "neck" else _back(layers, landmarks, rows),
            still=still,
            moving=np.unique(rows.triangles),
            extent=_extent(layers.matte),
            coarse=_identity((bottom - top, right - left)),
        )

    def warp(
        self,
        head: Similarity,
        target: Floats,
        face: Image | None = None,
        matte: Image | None = None,
    ) -> Image:
        """(H, W, 3): the person in another pose.

        Args:
            head: the skull's motion from the photo.
            target: (478, 3), where the landmarks go, pixels.
            face: `face` in another light; None as it is.
            matte: (H, W), of what moves, at rest; becomes that of this pose. None: nobody asks.
        """
        out = self.still.copy()
        self._lay_surroundings(out, head, target, matte)
        self._lay_face(out, head, target, self.face if face is None else face, matte)
        return out

    def _lay_surroundings(
        self, out: Image, head: Similarity, target: Floats, matte: Image | None
    ) -> None:
        """Draw hair, ears and neck, where any of it moves."""
        left, top, right, bottom = self.layers.box
        triangles = self.rings.triangles
        places = self.rings.move(head, target[OVAL]) - np.array([left, top], np.float32)
        values = self.rings.points[:, :2] - np.array([left, top], np.float32)
        moving = places[self.moving]
        most = (right - left, bottom - top)
        # Where the person neither was nor comes to, the background is there already.
        shift = moving - values[self.moving]
        first = np.maximum(moving.min(0), self.extent[0] + np.minimum(shift.min(0), 0) - 1)
        last = np.minimum(moving.max(0), self.extent[1] + np.maximum(shift.max(0), 0) + 1)
        x0, y0 = (np.clip(first, 0, most) // _COARSE).astype(int)
        x1, y1 = (-(-np.clip(last, 0, most) // _COARSE)).astype(int)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        # One cell more on every side: a field cannot be enlarged up to its own border.
        field = self.coarse[y0 : y1 + 2, x0 : x1 + 2].copy()
        corner = np.array([x0 - 1, y0 - 1], np.float32) * _COARSE
        draw(field, triangles, _at_scale(places - corner, _COARSE), values)
        x0, y0, x1, y1 = (int(side) * _COARSE for side in (x0, y0, x1, y1))
        x1, y1 = min(x1, most[0]), min(y1, most[1])
        field = _enlarge(field, _COARSE, (x1 - x0 + _COARSE, y1 - y0 + _COARSE))
        warped = cv2.remap(
            self.far_side.left_out(self.colours, head) if self.far_side else self.colours,
            field[_COARSE:, _COARSE:],
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        where = slice(top + y0, top + y1), slice(left + x0, left + x1)
        behind = self.layers.background[where].copy()
        back = None
        if self.back is not None:
            back = self.back.lay(behind, head, np.array([left + x0, top + y0], np.float32))
        out[where] = over(warped, behind)
        if matte is not None:
            own = cv2.extractChannel(warped, 3)
            matte[where] = own if back is None else np.maximum(own, back)

    def _lay_face(
        self, out: Image, head: Similarity, target: Floats, face: Image, matte: Image | None
    ) -> None:
        """Draw the face and the skin behind its jaw; the edge is soft."""
        skin = self.skin
        places = skin.vertices(target, head(skin.back), head(self.landmarks[JAW]))
        height, width = out.shape[:2]
        left, top = np.clip(places[:, :2].min(0) - 3, 0, [width, height]).astype(int) // 2 * 2
        right, bottom = np.clip(places[:, :2].max(0) + 4, 0, [width, height]).astype(int)
        if right - left < 4 or bottom - top < 4:
            return
        size = (int(right - left), int(bottom - top))
        corner = np.array([left, top], np.float32)
        far_first = np.argsort(-places[:, 2][skin.triangles].sum(1), kind="stable")
        triangles = skin.triangles[far_first]
        lack = skin.lack(head)
        small = _at_scale(places[:, :2] - corner, 2)
        # The field is how far each pixel has come, so that of a face at rest is exactly nothing.
        values = skin.points[:, :2] - places[:, :2]
        if lack.any():
            values = np.column_stack([values, lack, lack])
        shape = -(-size[1] // 2), -(-size[0] // 2)
        half = np.full((*shape, values.shape[1]), _NOWHERE, np.float32)
        draw(half, triangles, small, values)
        covered = np.asarray(half[..., 0] > _NOWHERE, np.uint8) * np.uint8(255)
        step = _steps(half, covered)
        # Past the edge the field goes on, so that enlarging does not mix it with nothing.
        cv2.copyTo(cv2.dilate(half, _NEAR), cv2.bitwise_not(covered), half)
        field = _positions(half, corner - self.layers.box[:2])
        picture = cv2.remap(
            face,
            _enlarge(field, 2, size),
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if lack.any():
            drawn = triangles[(lack[triangles] > 0).any(1)]
            self._complete(picture, np.ascontiguousarray(half[..., 2]), drawn, small)
        _soften(picture, step)
        inner = cv2.subtract(cv2.blur(covered, (3, 3), borderType=cv2.BORDER_REPLICATE), 100)
        weight = cv2.resize(inner, (inner.shape[1] * 2, inner.shape[0] * 2))[: size[1], : size[0]]
        weight = np.minimum(weight.astype(np.float32) * np.float32(1 / 155), 1)
        weight *= cv2.extractChannel(picture, 3) * np.float32(1 / 255)
        part = out[top:bottom, left:right]
        picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2RGB)
        part[:] = cv2.blendLinear(picture, np.ascontiguousarray(part), weight, 1 - weight)
        if matte is not None:
            seen = matte[top:bottom, left:right]
            np.maximum(seen, (weight * 255).astype(np.uint8), out=seen)

    def _complete(self, picture: Image, lack: Floats, triangles: Indices, small: Floats) -> None:
        """Lay the completed skin over `picture` (h, w, 4) where the photo does not suffice.

        lack: (h / 2, w / 2), how much of it is needed. triangles: where that is more than nothing.
        small: (468 + K, 2), the places at half the size.
        """
        height, width = lack.shape
        corners = small[np.unique(triangles)]
        x0, y0 = np.clip(corners.min(0) - 2, 0, [width, height]).astype(int).tolist()
        x1, y1 = np.clip(corners.max(0) + 3, 0, [width, height]).astype(int).tolist()
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        half = np.full((y1 - y0, x1 - x0, 2), _NOWHERE, np.float32)
        draw(half, triangles, small - np.array([x0, y0], np.float32), self.skin.places)
        covered = np.asarray(half[..., 0] > _NOWHERE, np.uint8)
        cv2.copyTo(cv2.dilate(half, _NEAR), 1 - covered, half)
        part = picture[2 * y0 : 2 * y1, 2 * x0 : 2 * x1]
        size = part.shape[1], part.shape[0]
        skin = cv2.remap(
            self.skin.picture,
            _enlarge(half, 2, size),
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        skin = cv2.cvtColor(skin, cv2.COLOR_RGB2RGBA)
        share = np.ascontiguousarray(lack[y0:y1, x0:x1])
        share = np.clip(_enlarge(share, 2, size), 0, 1)
        part[:] = cv2.blendLinear(skin, np.ascontiguousarray(part), share, 1 - share)


def _steps(half: Floats, covered: Image) -> Image:
    """255 where the field jumps, as at the outline of a turned cheek or nose: (h, w)."""
    jump = np.zeros(covered.shape, np.uint8)
    only_motion = _MOTION[:, : half.shape[2]]
    jump[:, 1:] = cv2.transform(cv2.absdiff(half[:, 1:], half[:, :-1]), only_motion) > _JUMP
    jump[1:] |= cv2.transform(cv2.absdiff(half[1:], half[:-1]), only_motion) > _JUMP
    # The outer border is softened by its own weight.
    return np.asarray(cv2.multiply(jump, cv2.erode(covered, _NEAR)), np.uint8)


def _soften(picture: Image, step: Image) -> None:
    """Smooth `picture` in place where the field, drawn at half the size, has a staircase."""
    x, y, wide, tall = cv2.boundingRect(step)
    if not wide:
        return
    left, top = max(2 * x - 6, 0), max(2 * y - 6, 0)
    part = picture[top : 2 * (y + tall) + 6, left : 2 * (x + wide) + 6]
    mask = cv2.dilate(step[top // 2 :, left // 2 :], _NEAR)
    weight = cv2.resize(mask, (mask.shape[1] * 2, mask.shape[0] * 2)).astype(np.float32)
    weight = np.ascontiguousarray(weight[: part.shape[0], : part.shape[1]])
    weight = cv2.blur(weight * np.float32(1 / 255), (3, 3))
    part[:] = cv2.blendLinear(
        cv2.blur(part, (5, 5)), np.ascontiguousarray(part), weight, 1 - weight
    )


def _identity(shape: tuple[int, int]) -> Floats:
    """The identity field at 1 / `_COARSE` of the size `shape`, with a cell more on every side."""
    height, width = (-(-side // _COARSE) + 2 for side in shape)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.asarray((np.dstack([xs, ys]) - 1) * _COARSE + (_COARSE - 1) / 2, np.float32)


def _positions(half: Floats, corner: Floats) -> Floats:
    """(h, w, 2): where the pixels come from, at half the size, in pixels at full size.

    half: (h, w, 2 or more), how far they have come, x and y first. corner: where its first pixel
    at full size lies.
    """
    height, width = half.shape[:2]
    field = np.empty((height, width, 2), np.float32)
    np.add(half[..., 0], np.arange(width, dtype=np.float32) * 2 + (corner[0] + 0.5), field[..., 0])
    rows = np.arange(height, dtype=np.float32)[:, None] * 2 + (corner[1] + 0.5)
    np.add(half[..., 1], rows, field[..., 1])
    return field


def _at_scale(points: Floats, step: int) -> Floats:
    """Pixel coordinates at full size to those at 1/step of it."""
    return np.asarray((points - (step - 1) / 2) / step, np.float32)


def _enlarge(field: Floats, factor: int, size: tuple[int, int]) -> Floats:
    """A field, `factor` times larger, cut to (width, height)."""
    height, width = field.shape[:2]
    large = cv2.resize(field, (width * factor, height * factor), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[: size[1], : size[0]], np.float32)


def _back(layers: Layers, landmarks: Floats, around: rings.Rings) -> BackOfHead | None:
    corner = np.array(layers.box[:2], np.float32)
    return BackOfHead.of(layers.person, layers.matte, landmarks, corner, around.hair_beside)


def _face(photo: Image, matte: Image) -> Image:
    """(h, w, 4): the photo, and how far it shows the person without what is behind."""
    rim = max(3, round(max(matte.shape) / 90)) | 1
    pure = cv2.erode(matte, np.ones((rim, rim), np.uint8))
    return np.dstack([photo, cv2.blur(pure, (3, 3))])


def _extent(matte: Image) -> Floats:
    """(2, 2): the first column and row of a matte (h, w) above 0, and those after the last."""
    left, top, wide, tall = cv2.boundingRect(matte)
    return np.array([[left, top], [left + wide, top + tall]], np.float32)


def _premultiplied(colours: Image, matte: Image) -> Image:
    """(h, w, 4): the colours times the matte, and the matte."""
    weight = matte[..., None].astype(np.float32) * np.float32(1 / 255)
    return np.dstack([np.rint(colours * weight).astype(np.uint8), matte])
