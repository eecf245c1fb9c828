"""Pictures of synthetic heads with OpenGL, with labels and depth.

A developer tool, not part of the installed package: it needs `moderngl`, an EGL driver (a software
one is enough) and OpenCV. Three far lamps of which one throws a shadow, a sky that is dimmed at
each vertex by what covers it, and no random sampling: the same head gives the same picture. Lamps
are seen as soft rectangles in the eyes. Hair, brows and lashes are cards with alpha: their dense
part writes depth, the rest is drawn back to front and blended.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from scripts.heads.geometry import Head, HeadLibrary, Part, Posed, VertexNormals
from scripts.heads.scene import (
    LABELS,
    ByteArray,
    Camera,
    Colour,
    FloatArray,
    IntArray,
    Lighting,
    Looks,
    Rendering,
)
from scripts.heads.shaders import (
    AMBIENT_VERTEX,
    DOME,
    DOME_SIDE,
    LABEL_FRAGMENT,
    LABEL_VERTEX,
    SHADOW_CENTRE,
    SHADOW_FRAGMENT,
    SHADOW_RADIUS,
    SHADOW_VERTEX,
    Material,
    collar,
    shading,
)

_KEY_TILE = 640
"""Side of the key lamp's shadow map, pixels of 0.8 mm each; fewer make shadows' edges jagged."""

_DOME_TILE = 128
"""Side of each shadow map of the sky: fewer pixels are enough for shade that is summed up."""

_GRAIN = 256
"""Side of the texture of noise, texels; it repeats beyond."""

_LIFT, _LIFT_OF_EYES = 0.03, 0.012
"""By how much a point is lifted off its surface (dm) before it is looked up in a shadow map: less
and surfaces shade themselves, more and thin things throw no shadow. Lids lie close on the eyes."""

_LEAST_TEXEL = 0.004
"""Least mean brightness of a texture that colours are divided by: some strands are nearly black."""

_MATERIALS = {
    "skin": Material.SKIN,
    "eyes": Material.EYES,
    "shirt": Material.CLOTHES,
    "hair": Material.HAIR,
    "eyebrows": Material.HAIR,
    "eyelashes": Material.HAIR,
    "teeth": Material.TEETH,
    "tongue": Material.TONGUE,
}
_PART_LABELS = {
    "shirt": LABELS.index("clothes"),
    "hair": LABELS.index("hair"),
    "eyebrows": LABELS.index("brows"),
    "eyelashes": LABELS.index("lashes"),
    "teeth": LABELS.index("teeth"),
    "tongue": LABELS.index("tongue"),
}
"""Labels of whole parts; those of skin and eyes are told apart by the program."""

_CLOSED = (Material.SKIN, Material.TEETH, Material.TONGUE)
"""Of these only the outside is seen."""

_SHEER = (Material.EYES, Material.HAIR)
"""These have alpha."""

_DRAWING_ORDER = {"hair": 0, "skin": 1, "shirt": 2}
"""What is in front first: pixels that it hides are not shaded."""

_COARSE = "skin/coarse"
"""The coarse skin throws the shadows: a quarter of the triangles, almost the same outline."""


class SkinColours:
    """The mean colour of the faces of the skins' textures."""

    def __init__(self, library: HeadLibrary) -> None:
        """Choose the texels of cheeks, forehead and nose."""
        self._folder = library.parts_folder / "skins"
        part = library.part("skin")
        x, y, z = part.rest.T
        plain = (z > 1.0) & (y > 6.7) & (y < 7.75) & (np.abs(x) < 0.5)
        plain &= (np.abs(y - 7.28) > 0.2) | (np.abs(x) < 0.1)
        self._uv = part.uv[plain]
        self._found: dict[str, Colour] = {}

    def mean(self, skin: str) -> Colour:
        """Linear RGB of a texture's face, as the shader sees it."""
        if skin not in self._found:
            image = read_rgba(self._folder / f"{skin}.jpg")[..., :3] / 255.0
            height, width = image.shape[:2]
            columns = (self._uv[:, 0] * (width - 1)).astype(int)
            rows = ((1 - self._uv[:, 1]) * (height - 1)).astype(int)
            texels = image[rows, columns]
            linear = texels * texels * (0.8 * texels + 0.2)
            red, green, blue = np.median(linear, axis=0).tolist()
            self._found[skin] = red, green, blue
        return self._found[skin]


@dataclass(frozen=True)
class _Programs:
    """What runs on the device.

    Attributes:
        shadow: draws a shadow map.
        ambient: measures how much of the sky each vertex sees.
        shade: draw a material's solid part (False) or its sheer one (True).
        label: draws labels and depth.
    """

    shadow: moderngl.Program
    ambient: moderngl.Program
    shade: dict[tuple[Material, bool], moderngl.Program]
    label: moderngl.Program

    @classmethod
    def compiled(cls, gl: moderngl.Context) -> _Programs:
        """All of them."""
        shade = {}
        for material in Material:
            for sheer in (False, True) if material in _SHEER else (False,):
                vertex, fragment = shading(material, sheer)
                program = gl.program(vertex_shader=vertex, fragment_shader=fragment)
                shade[material, sheer] = program
        return cls(
            gl.program(vertex_shader=SHADOW_VERTEX, fragment_shader=SHADOW_FRAGMENT),
            gl.program(vertex_shader=AMBIENT_VERTEX, varyings=["ambient"]),
            shade,
            gl.program(vertex_shader=LABEL_VERTEX, fragment_shader=LABEL_FRAGMENT),
        )


class HeadRenderer:
    """Renders heads; keep one and reuse it, since meshes and textures stay on the device."""

    def __init__(
        self, library: HeadLibrary, size: int, samples: int = 4, scale: float = 1.0
    ) -> None:
        """Create the device.

        Args:
            library: the heads.
            size: side of the square pictures in pixels.
            samples: coverage samples of a shaded point (1 or 4).
            scale: shaded points a side of a pixel.
        """
        self.library = library
        self.size = size
        self._big = round(size * scale)
        gl = moderngl.create_context(standalone=True, backend="egl", require=330)
        self._gl = gl
        big, taps = (self._big, self._big), samples if samples > 1 else 0
        self._ms = gl.framebuffer(
            [gl.renderbuffer(big, 4, samples=taps)], gl.depth_renderbuffer(big, samples=taps)
        )
        self._flat = gl.framebuffer([gl.renderbuffer(big, 4)])
        self._label_depth = gl.depth_texture((size, size))
        self._label_target = gl.framebuffer([gl.renderbuffer((size, size), 4)], self._label_depth)
        self._key = self._shadow_map(_KEY_TILE)
        self._dome = self._shadow_map(_DOME_TILE * DOME_SIDE)
        self._key_target = gl.framebuffer([], self._key)
        self._dome_target = gl.framebuffer([], self._dome)
        self._programs = _Programs.compiled(gl)
        self._textures: dict[Path, tuple[moderngl.Texture, float]] = {}
        self._meshes: dict[str, _Mesh] = {}
        self._grain = self._grain_texture()
        self._areas = _skin_areas(library)

    def close(self) -> None:
        """Free the device."""
        self._gl.release()

    def render(
        self, head: Head, posed: Posed, looks: Looks, light: Lighting, camera: Camera
    ) -> Rendering:
        """Render a head without a background.

        Args:
            head: who it is.
            posed: its geometry, as `HeadLibrary.pose` gives it.
            looks: what it looks like beyond the textures.
            light: what it is lit by.
            camera: from where it is seen.

        Raises:
            FileNotFoundError: a part is not in the folder.
        """
        names = self.library.part_names(head)
        for name in {*names, _COARSE}:
            mesh = self._mesh(name)
            points = posed.vertices.get(name)
            if points is None:
                points = np.asarray(mesh.part.to_render @ posed.base, np.float32)
            mesh.move(points)
        lamps = self._light_uniforms(light)
        hairs = [name for name in names if name.startswith("hair/")]
        self._draw_shadows(head, [_COARSE, *hairs], lamps)
        self._set_scene(head, looks, light, camera, lamps)
        self._measure_ambient(names, lamps)
        self._draw_parts(head, names, looks, camera)
        labels, depth = self._draw_labels(head, names, camera)
        raw = np.frombuffer(self._flat.read(components=4), np.uint8)
        image = raw.reshape(self._big, self._big, 4)[::-1]
        if self._big != self.size:
            image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        seen: FloatArray = np.asarray(image, np.float32) / np.float32(255)
        return Rendering(seen[..., :3], seen[..., 3], labels, depth)

    def _shadow_map(self, side: int) -> moderngl.Texture:
        texture = self._gl.depth_texture((side, side))
        texture.compare_func = "<="
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        return texture

    def _grain_texture(self) -> moderngl.Texture:
        """Noise of three kinds for skin and cloth: fine, broad, and like whiskers."""
        rng = np.random.default_rng(7)

        def noise(sigma: float, power: float = 1.0) -> FloatArray:
            field = np.fft.fft2(rng.normal(0, 1, (_GRAIN, _GRAIN)))
            f = np.hypot(*np.meshgrid(np.fft.fftfreq(_GRAIN), np.fft.fftfreq(_GRAIN)))
            smooth = np.fft.ifft2(field * np.exp(-2 * (np.pi * f * sigma) ** 2)).real
            rank = smooth.ravel().argsort().argsort().reshape(_GRAIN, _GRAIN) / _GRAIN**2
            return np.asarray(rank**power, np.float32)

        image = np.dstack([noise(2.0), noise(5.0), noise(1.0, 1.6), np.ones((_GRAIN, _GRAIN))])
        return self._mipmapped((image * 255).astype(np.uint8))

    def _mipmapped(self, image: ByteArray) -> moderngl.Texture:
        """A picture (H, W, 4), its last row first, on the device."""
        texture = self._gl.texture(image.shape[1::-1], 4, image.tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def _texture(self, head: Head, name: str) -> tuple[moderngl.Texture, float]:
        """A part's texture and the mean of its opaque texels (linear light)."""
        path = self._texture_path(head, name)
        if path not in self._textures:
            plain = name == "shirt"
            image = np.full((4, 4, 4), 255, np.uint8) if plain else read_rgba(path)
            solid = image[..., 3] > 128
            mean = float(((image[..., :3][solid] / 255.0) ** 2.2).mean()) if solid.any() else 1.0
            texture = self._mipmapped(np.ascontiguousarray(image[::-1]))
            self._textures[path] = texture, max(mean, _LEAST_TEXEL)
        return self._textures[path]

    def _texture_path(self, head: Head, name: str) -> Path:
        """Where a part's texture lies; the shirt has none."""
        folder = self.library.parts_folder
        own = {
            "skin": folder / "skins" / f"{head.skin}.jpg",
            "eyes": folder / "eyes" / f"{head.eyes}.png",
            "teeth": folder / "teeth" / "teeth.jpg",
            "shirt": Path("shirt"),
        }
        kind = _kind(name)
        if kind in own:
            return own[kind]
        pictures = sorted((folder / name).iterdir())
        return next(path for path in pictures if path.suffix in (".png", ".jpg"))

    def _mesh(self, name: str) -> _Mesh:
        if name not in self._meshes:
            part = self.library.part(name)
            triangles, hidden = part.triangles, np.zeros(len(part.rest), bool)
            areas: FloatArray = np.zeros((len(part.rest), 4), np.float32)
            if _kind(name) == "skin":
                areas = np.asarray(part.to_render @ self._areas, np.float32)
                hidden = (collar(part.rest) < -0.3) & (part.rest[:, 1] < 6.0)
                if name == _COARSE:  # Only the head throws shadows that are seen.
                    hidden = part.rest[:, 1] < 5.7
                else:
                    triangles = _fewer_triangles(part)
            elif name == "shirt":
                hidden = (collar(part.rest) > 0.05) & (np.abs(part.rest[:, 0]) < 1.15)
            triangles = triangles[~hidden[triangles].all(axis=1)]
            self._meshes[name] = _Mesh(self._gl, self._programs, part, triangles, areas)
        return self._meshes[name]

    @cached_property
    def _sky(self) -> tuple[list[FloatArray], list[tuple[FloatArray, FloatArray]]]:
        """Directions spread evenly over the sphere, and two unit vectors across each."""
        index = np.arange(DOME) + 0.5
        y = 1 - 2 * index / DOME
        angle = np.pi * (1 + 5**0.5) * index
        radius = np.sqrt(1 - y * y)
        table = np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1)
        directions = list(table.astype(np.float32))
        return directions, [_across(d) for d in directions]

    def _light_uniforms(self, light: Lighting) -> dict[str, Any]:
        """Where lamps and sky are, as the programs want it."""
        directions, frames = self._sky
        lamps = [_toward(lamp.azimuth, lamp.elevation) for lamp in light.lamps]
        axes = [_across(d) for d in lamps]
        sizes = [np.tan(np.radians([p.width / 2, p.height / 2])) for p in light.lamps]
        return {
            "dome_dir": np.array(directions),
            "dome_right": np.array([f[0] for f in frames]),
            "dome_up": np.array([f[1] for f in frames]),
            "lamp_dir": np.array(lamps),
            "lamp_right": np.array([a[0] for a in axes]),
            "lamp_up": np.array([a[1] for a in axes]),
            "lamp_tint": np.array([p.colour for p in light.lamps]),
            "lamp_size": np.array(sizes),
        }

    def _draw_shadows(self, head: Head, names: list[str], lamps: dict[str, Any]) -> None:
        """Draw the shadow maps of the key lamp and of the sky."""
        self._gl.enable_only(moderngl.DEPTH_TEST)
        _set(self._programs.shadow, centre=SHADOW_CENTRE, radius=SHADOW_RADIUS, tex=0)
        dome = list(zip(lamps["dome_dir"], lamps["dome_right"], lamps["dome_up"], strict=True))
        key = [(lamps["lamp_dir"][0], lamps["lamp_right"][0], lamps["lamp_up"][0])]
        for target, tile, side, views in (
            (self._key_target, _KEY_TILE, 1, key),
            (self._dome_target, _DOME_TILE, DOME_SIDE, dome),
        ):
            target.use()
            target.viewport = (0, 0, tile * side, tile * side)
            target.clear(depth=1.0)
            for name in names:
                self._texture(head, name)[0].use(0)
                _set(self._programs.shadow, material=_material(name))
                for i, (direction, right, up) in enumerate(views):
                    target.viewport = (i % side * tile, i // side * tile, tile, tile)
                    _set(self._programs.shadow, dir=direction, right=right, up=up)
                    self._mesh(name).shadow.render()

    def _set_scene(
        self, head: Head, looks: Looks, light: Lighting, camera: Camera, lamps: dict[str, Any]
    ) -> None:
        """Tell the shading programs what is the same for all parts."""
        for unit, texture in ((1, self._key), (2, self._dome), (3, self._grain)):
            texture.use(unit)
        for program in self._programs.shade.values():
            _set(
                program,
                **lamps,
                tex=0,
                shadow=1,
                dome=2,
                grain=3,
                centre=SHADOW_CENTRE,
                mvp=camera.matrix.T,
                eye=camera.place,
                sky=light.sky,
                ground=light.ground,
                exposure=light.exposure,
                white=light.white,
                contrast=light.contrast,
                saturation=light.saturation,
                softness=light.softness,
                hair=tuple(0.8 * c for c in head.hair_colour),
                inside=looks.mouth_gain,
                iris=looks.iris_gain,
                sclera=looks.sclera_gain,
                beard=looks.beard,
                moustache=looks.moustache,
                scalp=looks.scalp,
                roughness=looks.roughness,
                shine=looks.shine,
                blotches=looks.blotches,
            )

    def _measure_ambient(self, names: Sequence[str], lamps: dict[str, Any]) -> None:
        """Measure at each vertex how much of the sky is seen."""
        _set(self._programs.ambient, **lamps, dome=2, centre=SHADOW_CENTRE)
        for name in names:
            _set(self._programs.ambient, material=_material(name), lift=_lift(name))
            self._mesh(name).measure_ambient()

    def _draw_parts(self, head: Head, names: Sequence[str], looks: Looks, camera: Camera) -> None:
        """Draw the picture: what is solid, then what is sheer over it."""
        gains = {
            "skin": head.skin_gain,
            "shirt": head.shirt_colour,
            "hair": head.hair_colour,
            "eyebrows": looks.brow_colour,
            "eyelashes": looks.lash_colour,
            "teeth": looks.teeth_gain,
        }
        self._ms.use()
        self._ms.depth_mask = True
        self._ms.clear(0, 0, 0, 0, depth=1.0)
        self._gl.blend_func = (moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA)
        front = sorted(names, key=lambda name: _DRAWING_ORDER.get(_kind(name), 3))
        behind = [name for name in names if _material(name) in _SHEER]
        for sheer, parts in ((False, front), (True, behind)):
            blend = moderngl.BLEND if sheer else moderngl.NOTHING
            self._gl.enable_only(moderngl.DEPTH_TEST | blend)
            self._ms.depth_mask = not sheer
            for name in parts:
                self._cull(name)
                texture, mean = self._texture(head, name)
                texture.use(0)
                kind = _kind(name)
                _set(
                    self._programs.shade[_material(name), sheer],
                    gain=gains.get(kind, (1.0, 1.0, 1.0)),
                    texel=mean,
                    density=looks.lash_density if kind == "eyelashes" else 1.0,
                    lift=_lift(name),
                )
                mesh = self._mesh(name)
                if sheer:
                    mesh.sort(camera.place)
                mesh.shade[sheer].render()
        self._ms.depth_mask = True
        self._gl.copy_framebuffer(self._flat, self._ms)

    def _draw_labels(
        self, head: Head, names: Sequence[str], camera: Camera
    ) -> tuple[ByteArray, FloatArray]:
        """`labels` and `depth` of a rendering."""
        self._label_target.use()
        self._label_target.clear(0, 0, 0, 0, depth=1.0)
        self._gl.enable_only(moderngl.DEPTH_TEST)
        _set(self._programs.label, mvp=camera.matrix.T, tex=0)
        for name in names:
            kind = _kind(name)
            self._texture(head, name)[0].use(0)
            _set(
                self._programs.label,
                material=_material(name),
                label=_PART_LABELS.get(kind, 0),
                cut=0.35 if kind in ("eyebrows", "eyelashes") else 0.5,
            )
            self._cull(name)
            self._mesh(name).label.render()
        size = (self.size, self.size)
        raw = np.frombuffer(self._label_target.read(components=1), np.uint8).reshape(size)
        z = np.frombuffer(self._label_depth.read(), np.float32).reshape(size)[::-1]
        near, far = camera.planes
        depth = 2 * far * near / (far + near - (2 * z - 1) * (far - near))
        return raw[::-1].copy(), np.where(z < 1, depth, 0).astype(np.float32)

    def _cull(self, name: str) -> None:
        """Leave out the inside of what is closed."""
        if _material(name) in _CLOSED:
            self._gl.enable(moderngl.CULL_FACE)
        else:
            self._gl.disable(moderngl.CULL_FACE)


class _Mesh:
    """A part on the device."""

    def __init__(
        self,
        gl: moderngl.Context,
        programs: _Programs,
        part: Part,
        triangles: IntArray,
        areas: FloatArray,
    ) -> None:
        self.part = part
        self._triangles = triangles
        count = len(part.rest)
        self._moving = gl.buffer(reserve=count * 24, dynamic=True)
        fixed = gl.buffer(np.c_[part.rest, part.uv, areas].astype(np.float32).tobytes())
        self._lit = gl.buffer(reserve=count * 16, dynamic=True)
        self._index = gl.buffer(triangles.astype(np.int32).tobytes(), dynamic=True)

        def array(program: moderngl.Program) -> moderngl.VertexArray:
            layout = [
                (self._moving, "3f 3f", "pos", "normal"),
                (fixed, "3f 2f 4f", "rest", "uv", "extra"),
                (self._lit, "4f", "ambient"),
            ]
            found = []
            for buffer, formats, *names in layout:
                words = [
                    f if n in program else f"{int(f[0]) * 4}x"
                    for f, n in zip(formats.split(), names, strict=True)
                ]
                used = [n for n in names if n in program]
                if used:
                    found.append((buffer, " ".join(words), *used))
            return gl.vertex_array(program, found, self._index)

        kind = _material(part.name)
        self.shade = {sheer: array(p) for (k, sheer), p in programs.shade.items() if k == kind}
        self.shadow = array(programs.shadow)
        self.label = array(programs.label)
        self._corners = gl.vertex_array(
            programs.ambient, [(self._moving, "3f 3f", "pos", "normal")]
        )
        self._normals = VertexNormals(part)
        self._points = part.rest

    def move(self, points: FloatArray) -> None:
        """Upload new places (N, 3) and their normals."""
        normals = self._normals(points)
        if self.part.name == "shirt":
            hem = np.clip((collar(self.part.rest) + 0.3) / 0.06, 0, 1)
            points = points + normals * (0.05 + 0.025 * hem)[:, None]
        self._points = points
        self._moving.write(np.hstack([points, normals]).astype(np.float32).tobytes())

    def measure_ambient(self) -> None:
        """Measure at each vertex how much of the sky is seen."""
        self._corners.transform(self._lit, moderngl.POINTS)

    def sort(self, eye: tuple[float, ...]) -> None:
        """Draw far triangles first, seen from a place (3,)."""
        middle = self._points[self._triangles].mean(axis=1)
        order = np.argsort(-((middle - np.array(eye)) ** 2).sum(axis=1))
        self._index.write(self._triangles[order].astype(np.int32).tobytes())


def read_rgba(path: Path | str) -> ByteArray:
    """A picture (H, W, 4), RGB and alpha.

    Raises:
        FileNotFoundError: it cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"No picture at {path}.")
    code = cv2.COLOR_BGR2RGBA if image.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return np.asarray(cv2.cvtColor(image, code), np.uint8)


def _kind(name: str) -> str:
    return name.split("/")[0]


def _material(name: str) -> Material:
    return _MATERIALS[_kind(name)]


def _lift(name: str) -> float:
    return _LIFT_OF_EYES if _kind(name) in ("eyes", "eyelashes") else _LIFT


def _toward(azimuth: float, elevation: float) -> FloatArray:
    """Unit vector toward a place in the sky; degrees, azimuth 0 is the viewer's side."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


def _across(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across a direction: to the right and up."""
    up = np.array([0, 1, 0]) if abs(direction[1]) < 0.95 else np.array([1, 0, 0])
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    return np.asarray(right, np.float32), np.asarray(np.cross(direction, right), np.float32)


def _skin_areas(library: HeadLibrary) -> FloatArray:
    """Per base vertex: inside of the mouth, head, beard, scalp; (19158, 4), 0..1."""
    rest = library.neutral
    islands = library.skin_islands
    inside = islands["mouth"]
    distance, _ = cKDTree(rest[library.inner_lips]).query(rest)
    out = np.zeros((len(rest), 4), np.float32)
    out[inside, 0] = np.clip(distance[inside] / 0.1, 0, 1)
    out[:, 1] = library.head_weights
    x, y, z = rest[:, 0], rest[:, 1], rest[:, 2]
    # A beard: cheeks below the line from ear to mouth, chin, upper lip; it fades to the throat.
    line = 6.62 + 0.35 * np.clip((np.abs(x) - 0.25) / 0.5, 0, 1)
    low = np.clip((line - y) / 0.12, 0, 1) * np.clip((y - 5.95) / 0.3, 0, 1)
    lip = np.clip((0.33 - np.abs(x)) / 0.08, 0, 1) * np.clip((6.86 - y) / 0.06, 0, 1)
    lip *= np.clip((z - 1.2) / 0.1, 0, 1)
    out[:, 2] = np.clip(low + lip, 0, 1) * np.clip((z - 0.35) / 0.25, 0, 1)
    out[inside, 2] = 0
    # The scalp: behind and above a line round the forehead and the ears.
    hairline = 7.95 - 0.55 * np.clip((np.abs(x) - 0.45) / 0.3, 0, 1)
    hairline -= 1.1 * np.clip((0.55 - z) / 0.9, 0, 1)
    out[:, 3] = np.clip((y - hairline) / 0.14, 0, 1)
    return out


def _fewer_triangles(part: Part) -> IntArray:
    """Triangles of the skin: all around eyes and mouth, a quarter of them elsewhere.

    Every small triangle costs a software driver as much as sixteen pixels. Both kinds use the same
    vertices and overlap by one row, so that no gap opens between them.
    """
    # Each old quad became four, whose first corners are its own.
    first, second = np.split(part.triangles, 2)
    quads = first[:, 0].reshape(-1, 4)
    x, y, z = part.rest[quads].mean(axis=1).T

    def within(margin: float) -> NDArray[np.bool_]:
        eyes = (np.abs(np.abs(x) - 0.31) < 0.24 + margin) & (np.abs(y - 7.28) < 0.16 + margin)
        mouth = (np.abs(x) < 0.34 + margin) & (np.abs(y - 6.6) < 0.18 + margin)
        return np.asarray((eyes | mouth) & (z > 0.7))

    fine = np.repeat(within(0.0), 4)
    coarse = quads[~within(-0.06)]
    return np.concatenate([first[fine], second[fine], coarse[:, [0, 1, 2]], coarse[:, [0, 2, 3]]])


def _set(program: moderngl.Program, **values: Any) -> None:
    for name, value in values.items():
        if name in program:  # A uniform that the compiler found unused is absent.
            member = program[name]
            if isinstance(value, np.ndarray):
                # Of an array only the part that is used exists.
                used = value
                if value.ndim == 2 and value.shape != (4, 4):
                    used = value[: member.array_length]
                member.write(np.ascontiguousarray(used, np.float32).tobytes())
            else:
                member.value = value
