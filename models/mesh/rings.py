"""Rings of vertices around the face mesh: hair, ears and neck follow the head, shoulders stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from models.face import measures
from models.face.measures import CHIN, FOREHEAD
from models.face.topology import JAW, OVAL, Indices
from models.mesh.pose import Similarity, euler, from_euler
from models.types import Floats, Image

_REACH = (0.7, 1.0, 1.1, 1.25, 1.45, 1.7, 2.05, 2.6, 3.6, 6.0)
"""How far out the rings are, the face's oval being 1. The first lies under the face, the last
beyond all that moves; they are dense where motion ends, within hair and neck."""

_HAIR = (0.45, 0.8, 1.0, 1.15)
"""Rings 2 to 5 where hair is: shares of the way to its outline, the last just outside it."""

_LEAST_HAIR, _MOST_HAIR = 1.06, 2.0
"""Where that outline is looked for, the face's oval being 1: nearer is no hair, and further is
something else that the matte holds for the person."""

_ROUND = 0.7
"""How far the outline of the hair stays in place when the head turns below it. Tuned by eye at +-15
and +-30 degrees: more tears the hair from the face, less flattens the head."""

_EARS = 0.05
"""Face heights by which ears and hair lie behind the face's border. On a rendered head turned by 15
and 30 degrees the error falls up to 0.2, but from 0.1 on ears become pointed."""

_ROUND_NECK, _NECK_TOP = 0.8, (0.2, 0.15)
"""The same for the neck, and the face heights below the middle of the ears at which it begins and
within which it is all neck. On a rendered head turned by 15 and 30 degrees the error falls by 4 %;
what begins higher tears the lobes of the ears."""

_EAR, _EAR_BACK = (0.1, 0.15), 0.12
"""Face heights above and below its middle that an ear is tall, those in which its neighbours follow
it less and less, and how much further back than hair and jaw beside it it is. On a rendered head
turned by 15 and 30 degrees the error falls up to 0.2; from 0.15 on, skin beside ears that hair
hides stands out as a flap."""

_SKULL = (0.17, 0.09)
"""Face heights by which the middle of the skull lies behind the ears, and by which its length is
more than its width. On a rendered head turned by 15 and 30 degrees the error is least."""

_CROWN = (0.0, 0.25)
"""Face heights above the ears from and up to which the border is hair and no longer an ear."""

_STRIP = (0.8, 0.2)
"""How far back the skin behind the jaw goes, as shares of the way to the ears: beside the face, and
how much less under the chin, where the neck begins."""

_LEFT_EAR, _RIGHT_EAR = 8, 28
"""The spokes of the ears, as numbers in `OVAL`."""

_JAW_SPOKES = np.flatnonzero(np.isin(OVAL, JAW))
NECK = 0.75  # face heights below the chin where the body no longer moves


Around = Literal["neck", "fur", "sheet"]
"""What a face goes on in: skin below the jaw and a round head, fur all around, or the same sheet of
paper, whose lines must not be torn."""


@dataclass(frozen=True)
class Rings:
    """The vertices of R rings, spoke by spoke around the face oval.

    Attributes:
        points: (R * 36, 3) in the photo's pixels; the second 36 are the oval itself, but along the
            jaw as far back as the neck begins. The first lie inside it, so that the motion around
            the face goes on under its border.
        tall: the face's height in pixels.
        oval: (36, 3), the oval itself.
        head: (R * 36,) how much of the head's motion each vertex takes, 0..1.
        skin: (R * 36,) how much of the oval's expression (a dropped jaw) it takes, 0..1.
        round: (R * 36,) how much it is outline, 0..1: that of a round head stays where it is.
        triangles: (T, 3), outermost first, without those that never move.
        hair_beside: (2,) how far out the person goes beside the left and the right ear, the face's
            oval being 1.
    """

    points: Floats
    tall: float
    oval: Floats
    head: Floats
    skin: Floats
    round: Floats
    triangles: Indices
    hair_beside: Floats

    def move(self, head: Similarity, oval: Floats) -> Floats:
        """The vertices' new places (R * 36, 2), given the head's motion and the oval's (36, 3)."""
        pivot = (self.oval[_LEFT_EAR] + self.oval[_RIGHT_EAR]) / 2
        flat = head.scale * from_euler(0.0, 0.0, euler(head.rotation)[2])
        outline = (self.points - pivot) @ flat.T + head(pivot[None])
        # A head is longer than wide, and lies behind the ears: turned, it shows its back.
        back = self.tall * head.scale * head.rotation[:2, 2]
        aside = (self.points - pivot)[:, :2] @ flat[:2, :2].T @ back
        near = np.tanh(aside / max(float(back @ back), 1e-6) ** 0.5 / (0.2 * self.tall))
        outline[:, :2] += (_SKULL[0] + _SKULL[1] * near)[:, None] * back
        rigid = head(self.points)
        rigid += (outline - rigid) * self.round[:, None]
        expression = np.tile(oval - head(self.oval), (len(self.points) // len(OVAL), 1))
        shift = (rigid - self.points) * self.head[:, None] + expression * self.skin[:, None]
        return np.asarray((self.points + shift)[:, :2], np.float32)


def build(landmarks: Floats, matte: Image, corner: Floats, around: Around = "neck") -> Rings:
    """Rings around the face of (478, 3) landmarks in pixels.

    matte: (h, w), 255 where the person is; corner: left, top of it in the photo; around:
    what the face goes on in.
    """
    oval = landmarks[OVAL]
    spokes = len(OVAL)
    centre = landmarks[[234, 454, FOREHEAD, CHIN]].mean(0)
    down = measures.down(landmarks[:, :2])
    tall = max(float(np.linalg.norm(down)), 1.0)
    down = down / tall
    side = np.array([-down[1], down[0]])
    wide = max(float(np.abs((oval[:, :2] - centre[:2]) @ side).max()), 1.0)
    sheet = around == "sheet"
    ears = _ears(landmarks) + (0.0 if sheet else _EARS * tall)
    base = oval.copy()
    base[_JAW_SPOKES] = behind_jaw(landmarks, around)

    rise = (landmarks[[234, 454], :2].mean(0) - oval[:, :2]) @ down / tall
    upper = _smooth((rise - 0.1) / 0.35)  # 0 at the ears and below, 1 at the forehead
    crown = _smooth((rise - _CROWN[0]) / (_CROWN[1] - _CROWN[0]))  # 1 where no ear is
    beside = _smooth((rise + 0.35) / 0.35)  # 0 at the chin, 1 from the ears on
    hair = _outline(oval[:, :2] - corner, centre[:2] - corner, matte)
    beside_ears = _beside_ears(hair, oval)
    hair = np.maximum(hair, _LEAST_HAIR + 0.35 * upper**2)  # There is a skull above the forehead.
    above = np.setdiff1d(np.arange(spokes), _JAW_SPOKES)

    points, head, skin, outline = [], [], [], []
    for number, fixed in enumerate(_REACH):
        reach = np.full(spokes, fixed, np.float32)
        share = np.full(spokes, (fixed - 1.0) / 0.6, np.float32)
        if 2 <= number < 2 + len(_HAIR):
            reach[above] = 1 + (hair[above] - 1) * _HAIR[number - 2]
            share[above] = _HAIR[number - 2]
        elif number >= 2 + len(_HAIR):
            reach[above] = np.maximum(reach[above], reach[above] * hair[above] / 1.45)
        share = np.clip(share, 0, 1)
        ring = base.copy()
        ring[:, :2] = centre[:2] + (oval[:, :2] - centre[:2]) * reach[:, None]
        # Hair curves back like a ball; elsewhere the way to the depth of the ears is shorter.
        back = np.where(np.isin(np.arange(spokes), above), share**2, share**1.5)
        ring[:, 2] = base[:, 2] * (1 - back) + np.maximum(ears, base[:, 2]) * back
        level = (landmarks[[234, 454], :2].mean(0) - ring[:, :2]) @ down / tall
        at_ear = 1.0 - _smooth((np.abs(level) - _EAR[0]) / _EAR[1])
        if not sheet:
            ring[:, 2] += _EAR_BACK * tall * at_ear * _smooth((reach - 1.0) / 0.08)
        below = (ring[:, :2] - landmarks[CHIN, :2]) @ down / tall
        neck = 1.0 - _smooth((below + 0.12) / (NECK + 0.12))
        # Beside the neck are collar and shoulders, which stay; beside the face are ears and hair.
        aside = np.abs((ring[:, :2] - centre[:2]) @ side) / wide
        neck *= 1.0 - _smooth((aside - 0.5) / 0.5) * _smooth((below + 0.3) / 0.4)
        far = 1.0 - _smooth((reach / np.where(upper > 0, hair / 1.45, 1).clip(1) - 2.05) / 1.5)
        points.append(ring)
        head.append(neck * far)
        skin.append(1.0 - _smooth((reach - 1.0) / 0.75))
        # The ears turn with the face; what is further out or up is the outline of the hair.
        round_ = _ROUND * np.maximum(crown * share**2, beside * _smooth((reach - 1.2) / 0.3))
        # A neck is round too, and begins below the ears.
        below_ear = _smooth((-level - _NECK_TOP[0]) / _NECK_TOP[1])
        round_ = np.maximum(round_, _ROUND_NECK * below_ear * _smooth((reach - 1.0) / 0.12))
        outline.append(round_ * (not sheet))
    # The oval is the face mesh's own border and moves exactly as that does.
    head[0][:] = head[1][:] = 1.0

    moves = (np.concatenate(head) > 1e-3) | (np.concatenate(skin) > 1e-3)
    triangles = _triangles(spokes)
    return Rings(
        np.concatenate(points).astype(np.float32),
        tall,
        oval.astype(np.float32),
        np.concatenate(head).astype(np.float32),
        np.concatenate(skin).astype(np.float32),
        np.concatenate(outline).astype(np.float32),
        triangles[moves[triangles].any(1)],
        beside_ears,
    )


def _beside_ears(hair: Floats, oval: Floats) -> Floats:
    """(2,): how far the person goes out beside the left and the right ear of the picture."""
    ears = np.array([_LEFT_EAR, _RIGHT_EAR])
    return np.asarray(hair[ears[np.argsort(oval[ears, 0])]], np.float32)


def _triangles(spokes: int) -> Indices:
    """(T, 3): those between the rings, the outermost first; whatever is nearer covers it."""
    triangles = []
    for number in range(len(_REACH) - 1, 0, -1):
        inner, outer = (number - 1) * spokes, number * spokes
        for k in range(spokes):
            n = (k + 1) % spokes
            triangles.append((inner + k, outer + k, outer + n))
            triangles.append((inner + k, outer + n, inner + n))
    return np.array(triangles)


def behind_jaw(landmarks: Floats, around: Around = "neck") -> Floats:
    """(K, 3): where the skin that starts at the points of `JAW` ends, straight behind them.

    Beside the face that is at the ears, under the chin at the front of the neck. Where the
    face does not go on in a neck, it ends where it starts.
    """
    jaw: Floats = landmarks[JAW].astype(np.float32)
    if around != "neck":
        return jaw
    below = np.sin(np.linspace(0, np.pi, len(JAW), dtype=np.float32)) ** 2
    depth = np.maximum(_ears(landmarks) - jaw[:, 2], 0) * (_STRIP[0] - _STRIP[1] * below)
    jaw[:, 2] += depth
    return jaw


def _outline(oval: Floats, centre: Floats, matte: Image) -> Floats:
    """(36,): how far out the person goes along each spoke, the face's oval being 1."""
    height, width = matte.shape
    steps = np.arange(1.0, _MOST_HAIR, 0.02, dtype=np.float32)
    places = centre + (oval - centre)[:, None] * steps[:, None]
    x, y = np.rint(places).astype(int).transpose(2, 0, 1)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    person = matte[y.clip(0, height - 1), x.clip(0, width - 1)] >= 128
    # Outside the picture nobody knows: the person goes on.
    gone = (~person & inside).astype(np.uint8)
    reach = np.where(gone.any(1), steps[gone.argmax(1)], _MOST_HAIR)
    around = np.stack([np.roll(reach, k) for k in (-2, -1, 0, 1, 2)])
    reach = np.median(around, axis=0)
    reach = (np.roll(reach, 1) + 2 * reach + np.roll(reach, -1)) / 4
    return np.asarray(np.clip(reach, _LEAST_HAIR, _MOST_HAIR), np.float32)


def _ears(landmarks: Floats) -> float:
    """The depth of the ears, where hair and skull are widest and so are seen."""
    return float((landmarks[234, 2] + landmarks[454, 2]) / 2)


def _smooth(x: Floats | float) -> Floats:
    """Smooth step: 0 below 0, 1 above 1."""
    t = np.clip(np.asarray(x, np.float32), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
