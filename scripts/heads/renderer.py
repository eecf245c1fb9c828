"""Pictures of synthetic heads with OpenGL (a software driver is enough).

A developer tool, not part of the installed package: it needs `moderngl`, an EGL driver and OpenCV.

The light is a key and a rim softbox and a dome of sky. Each is a set of directions, and each
direction has a tile with a shadow map in one large depth texture: soft shadows for the boxes,
ambient occlusion for the dome (summed per vertex). Hair, brows and lashes are cards with alpha:
their dense part writes depth, the rest is sorted back to front and blended. Colours are linear
until the tone curve at the end of each fragment.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import moderngl
import numpy as np
import numpy.typing as npt

from scripts.heads.geometry import Colour, FloatArray, Head, HeadLibrary, Posed

ByteArray = npt.NDArray[np.uint8]

_TILES = 7  # Shadow tiles a side of the atlas.
_TILE = 512
_SHADOW_CENTRE = (0.0, 6.9, 0.3)
_SHADOW_RADIUS = 3.4


@dataclass(frozen=True)
class Softbox:
    """A square lamp, far away. Azimuth 0 is in front, positive to the viewer's right (degrees)."""

    azimuth: float
    elevation: float
    colour: Colour
    spread: float = 12.0  # Half its side, in degrees
    samples: int = 9


@dataclass(frozen=True)
class Light:
    """Key and rim boxes and a dome; colours are linear radiances."""

    key: Softbox = Softbox(-38, 32, (1.9, 1.72, 1.5), 14, 9)
    rim: Softbox = Softbox(150, 28, (1.3, 1.4, 1.6), 12, 4)
    sky: Colour = (0.44, 0.48, 0.54)
    ground: Colour = (0.20, 0.165, 0.14)
    exposure: float = 1.0


@dataclass(frozen=True)
class Camera:
    """A pinhole looking along -z; `height` dm are seen at the distance of the target."""

    target: tuple[float, float, float] = (0.0, 7.2, 0.9)
    distance: float = 14.0
    height: float = 4.2


@dataclass(frozen=True)
class Background:
    """A soft wall: colours (sRGB 0..1) at top and bottom, and the glow behind the head."""

    top: Colour = (0.50, 0.53, 0.55)
    bottom: Colour = (0.34, 0.35, 0.36)
    glow: Colour = (0.16, 0.15, 0.13)
    glow_at: tuple[float, float] = (0.62, 0.40)
    lights: int = 0  # Blurred discs, as of lamps far behind
    seed: int = 1


@dataclass(frozen=True)
class Scene:
    """All that is not the head."""

    light: Light = Light()
    camera: Camera = Camera()
    background: Background = Background()


@dataclass(frozen=True)
class Picture:
    """A rendered picture."""

    rgb: ByteArray  # (S, S, 3), sRGB
    alpha: FloatArray = field(repr=False)  # (S, S), coverage of the person


def camera_matrix(camera: Camera) -> FloatArray:
    """Return the 4 x 4 matrix from the world to clip space (square picture)."""
    near, far = max(camera.distance - 6.0, 0.5), camera.distance + 6.0
    scale = 2 * camera.distance / camera.height
    view = np.eye(4)
    view[:3, 3] = -np.array(camera.target) - [0, 0, camera.distance]
    lens = np.zeros((4, 4))
    lens[0, 0] = lens[1, 1] = scale
    lens[2, 2], lens[2, 3] = -(far + near) / (far - near), -2 * far * near / (far - near)
    lens[3, 2] = -1
    return np.asarray(lens @ view, np.float32)


def project(points: FloatArray, camera: Camera, size: int) -> FloatArray:
    """Return pixels of world points, x right and y down, and the depth z in dm: (N, 3)."""
    clip = np.c_[points, np.ones(len(points))] @ camera_matrix(camera).T
    xy = clip[:, :2] / clip[:, 3:]
    return np.asarray(
        np.c_[(xy[:, 0] + 1) * size / 2, (1 - xy[:, 1]) * size / 2, clip[:, 3]], np.float32
    )


def vertex_normals(
    points: FloatArray, triangles: npt.NDArray[np.int32], weld: FloatArray
) -> FloatArray:
    """Return unit normals (N, 3); render vertices with the same `weld` position share theirs."""
    a, b, c = (points[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    _, same = np.unique(np.round(weld * 1e4).astype(np.int64), axis=0, return_inverse=True)
    same = same.ravel()
    total = np.zeros((same.max() + 1, 3))
    for corner in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(
                same[triangles[:, corner]], faces[:, axis], minlength=len(total)
            )
    normals = total[same]
    return np.asarray(
        normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12), np.float32
    )


def collar(rest: FloatArray) -> FloatArray:
    """Return the height of points above the shirt's edge, on the neutral base mesh."""
    return np.asarray(rest[:, 1] - 5.85 + 0.40 * rest[:, 2] - 0.45 * rest[:, 0] ** 2, np.float32)


def sky_frame(direction: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors across a direction: to the right and up."""
    up = np.array([0, 1, 0]) if abs(direction[1]) < 0.95 else np.array([1, 0, 0])
    right = np.cross(up, direction)
    right /= np.linalg.norm(right)
    return np.asarray(right, np.float32), np.asarray(np.cross(direction, right), np.float32)


def sky_point(azimuth: float, elevation: float) -> FloatArray:
    """Unit vector toward a place in the sky; degrees, azimuth 0 is the viewer's side."""
    a, e = np.radians([azimuth, elevation])
    return np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)


def _box_directions(box: Softbox) -> list[FloatArray]:
    centre = sky_point(box.azimuth, box.elevation)
    right, up = sky_frame(centre)
    side = int(round(box.samples**0.5))
    steps = (np.arange(side) + 0.5) / side * 2 - 1
    size = np.tan(np.radians(box.spread))
    points = [centre + size * (x * right + y * up) for y in steps for x in steps]
    return [np.asarray(p / np.linalg.norm(p), np.float32) for p in points]


def dome_directions(count: int) -> list[FloatArray]:
    """Unit vectors spread evenly over the sphere."""
    index = np.arange(count) + 0.5
    y = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - y * y)
    table = np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1)
    return list(table.astype(np.float32))


_COMMON = """
#version 330
#define MAX 49
uniform vec3 dirs[MAX], rights[MAX], ups[MAX], tints[MAX];
uniform sampler2DShadow atlas;
uniform vec3 centre;
uniform float radius;
float seen(int i, vec3 p, vec3 n, float lift) {
    vec3 q = p + n * lift + dirs[i] * 0.02 - centre;
    vec2 uv = vec2(dot(q, rights[i]), dot(q, ups[i])) / radius * 0.5 + 0.5;
    uv = clamp(uv, 0.002, 0.998);
    vec2 tile = vec2(i % TILES, i / TILES);
    return texture(atlas, vec3((tile + uv) / float(TILES), 0.5 - 0.5 * dot(q, dirs[i]) / radius));
}
""".replace("TILES", str(_TILES))

# The height of a point above the shirt's edge, on the neutral base mesh (`collar` is its twin).
COLLAR = """
float collar(vec3 r) { return r.y - 5.85 + 0.40 * r.z - 0.45 * r.x * r.x; }
bool bare(vec3 r) { return collar(r) > 0.0 && r.y > 5.0 && abs(r.x) < 1.2; }
"""

SHADOW_VERTEX = """
#version 330
in vec3 pos, rest; in vec2 uv; out vec2 v_uv; out vec3 v_rest;
uniform vec3 right, up, dir, centre; uniform float radius;
void main() {
    vec3 q = pos - centre;
    gl_Position = vec4(dot(q, right), dot(q, up), -dot(q, dir), radius) / radius;
    v_uv = uv; v_rest = rest;
}"""
SHADOW_FRAGMENT = (
    "#version 330"
    + COLLAR
    + """
in vec2 v_uv; in vec3 v_rest; uniform sampler2D tex; uniform int material;
void main() {
    if (material == 3 && texture(tex, v_uv).a < 0.5) discard;
    if (material == 2 && bare(v_rest)) discard;
}"""
)

_VERTEX = (
    _COMMON
    + """
in vec3 pos, normal, rest; in vec2 uv;
out vec3 v_pos, v_n, v_rest, v_amb; out vec2 v_uv; out float v_open;
uniform mat4 mvp; uniform int first_dome, last_dome, material; uniform float lift;
void main() {
    vec3 n = normal; vec3 sum = vec3(0); float open = 0.0, all = 0.0;
    float wrap = material == 0 ? 0.25 : (material == 3 ? 0.5 : 0.0);
    for (int i = first_dome; i < last_dome; ++i) {
        float c = (dot(n, dirs[i]) + wrap) / (1.0 + wrap);
        if (c <= 0.0) continue;
        float s = seen(i, pos, n, lift);
        sum += c * s * tints[i]; open += c * s; all += c;
    }
    v_amb = sum * 4.0 / float(last_dome - first_dome);
    v_open = open / max(all, 1e-3);
    v_pos = pos; v_n = n; v_rest = rest; v_uv = uv;
    gl_Position = mvp * vec4(pos, 1);
}"""
)

_FRAGMENT = (
    _COMMON
    + COLLAR
    + """
in vec3 v_pos, v_n, v_rest, v_amb; in vec2 v_uv; in float v_open;
out vec4 colour;
uniform sampler2D tex;
uniform int material, mode, key_end, rim_end;  // mode 0 solid part, 1 sheer part
uniform vec3 eye, gain, sky, ground; uniform float exposure, lift, texel, density;
float hash(vec3 p) {
    p = fract(p * 0.3183099 + 0.1) * 17.0;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}
float row(vec3 i, float x) { return mix(hash(i), hash(i + vec3(1, 0, 0)), x); }
float plane(vec3 i, vec2 f) { return mix(row(i, f.x), row(i + vec3(0, 1, 0), f.x), f.y); }
float noise(vec3 x) {
    vec3 i = floor(x), f = fract(x);
    f = f * f * (3.0 - 2.0 * f);
    return mix(plane(i, f.xy), plane(i + vec3(0, 0, 1), f.xy), f.z);
}
vec3 linear(vec3 c) { return pow(c, vec3(2.2)); }
vec3 film(vec3 x) {  // A filmic shoulder with a gentle toe.
    x = max(x * exposure, 0.0);
    x = x * (1.0 + x / 9.0) / (1.0 + x);
    return pow(clamp(x * 1.12, 0.0, 1.0), vec3(1.0 / 2.2));
}
vec3 bump(vec3 n, float h) {
    vec3 px = dFdx(v_pos), py = dFdy(v_pos);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    return normalize(abs(det) * n - sign(det) * (dFdx(h) * r1 + dFdy(h) * r2));
}
float lobe(vec3 n, vec3 v, vec3 l, float rough) {
    vec3 h = normalize(v + l);
    float a = rough * rough, nh = max(dot(n, h), 0.0), d = nh * nh * (a * a - 1.0) + 1.0;
    float nv = max(dot(n, v), 0.05), nl = max(dot(n, l), 0.0), k = a * 0.5;
    float vis = 0.25 / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k));
    float fresnel = 0.028 + 0.972 * pow(1.0 - max(dot(v, h), 0.0), 5.0);
    return nl * a * a / (3.14159 * d * d) * vis * fresnel;
}
void main() {
    vec4 t = texture(tex, v_uv);
    vec3 n = normalize(v_n), v = normalize(eye - v_pos);
    if (dot(n, v) < 0.0 && material != 1) n = -n;
    vec3 albedo = linear(t.rgb); float rough = 0.5, gloss = 1.0, alpha = 1.0; vec3 wrap = vec3(0.0);
    float edge = collar(v_rest);
    if (material == 0) {  // Skin
        if (edge < -0.25 && v_rest.y < 6.1) discard;
        albedo *= gain;
        float fine = noise(v_rest * 95.0) + 0.5 * noise(v_rest * 190.0);
        n = bump(n, 0.0007 * fine + 0.008 * dot(t.rgb, vec3(0.33)));
        rough = 0.44 + 0.12 * noise(v_rest * 30.0); gloss = 0.6;
        float red = t.r - 0.5 * (t.g + t.b);
        rough = mix(rough, 0.34, smoothstep(0.18, 0.4, red));
        wrap = vec3(0.42, 0.20, 0.13);
    } else if (material == 2) {  // Shirt
        if (bare(v_rest)) discard;
        float rib = smoothstep(-0.26, -0.235, edge);
        float knit = 0.5 + 0.5 * sin(atan(v_rest.x, v_rest.z + 0.2) * 150.0);
        float weave = mix(noise(v_rest * 60.0), knit, rib);
        n = bump(n, 0.004 * weave * mix(1.0, 1.6, rib));
        albedo = gain * (0.85 + 0.25 * weave) * mix(1.0, 0.9, rib);
        albedo *= mix(1.0, 0.55, smoothstep(0.035, 0.0, abs(edge + 0.25)));
        rough = 0.85; gloss = 0.35; wrap = vec3(0.15);
    } else if (material == 3) {  // Hair, brows and lashes
        alpha = t.a * density;
        albedo = gain * (dot(albedo, vec3(0.33)) / texel);
        wrap = vec3(0.3); rough = 0.5; gloss = 0.22;
        n = bump(n, 0.02 * dot(t.rgb, vec3(0.33)));
    } else if (material == 1) {  // Eyes; the cornea's texel is clear
        alpha = t.a;
        float lum = dot(albedo, vec3(0.33));
        albedo = mix(albedo, vec3(lum), 0.35) * 0.58;
        wrap = vec3(0.2, 0.12, 0.1); rough = 0.2; gloss = 0.7;
    } else if (material == 4) {  // Teeth
        albedo *= vec3(0.80, 0.77, 0.72); rough = 0.25; wrap = vec3(0.2); gloss = 0.8;
    } else {  // Tongue
        albedo *= vec3(0.75, 0.62, 0.62); rough = 0.3; wrap = vec3(0.3, 0.1, 0.1); gloss = 0.8;
    }
    bool sheer = material == 3 || material == 1;
    float cut = material == 3 ? 0.62 : 0.5;
    if (sheer && ((mode == 0) == (alpha < cut))) discard;
    if (mode == 1 && material == 3 && alpha < 0.02) discard;
    bool cornea = material == 1 && mode == 1;
    if (cornea) { rough = 0.09; gloss = 1.25; if (dot(normalize(v_n), v) < 0.0) discard; }
    vec3 diffuse = vec3(0), spec = vec3(0);
    for (int i = 0; i < rim_end; ++i) {
        float c = dot(n, dirs[i]);
        vec3 w = clamp((vec3(c) + wrap) / ((1.0 + wrap) * (1.0 + wrap)), 0.0, 1.0);
        if (w.r <= 0.0) continue;
        float s = seen(i, v_pos, normalize(v_n), lift);
        // Light scattered in skin reddens the edge of a shadow.
        vec3 s3 = material == 0 ? pow(vec3(s), vec3(0.75, 1.0, 1.1)) : vec3(s);
        diffuse += w * s3 * tints[i];
        float g = lobe(n, v, dirs[i], rough);
        if (material == 0) g = 0.7 * g + 0.3 * lobe(n, v, dirs[i], 0.26);  // An oily film
        spec += g * s * tints[i];
    }
    vec3 r = reflect(-v, n);
    vec3 world = mix(ground, sky, smoothstep(-0.5, 0.6, r.y));
    float edgeon = 0.028 + 0.6 * (1.0 - rough) * pow(1.0 - max(dot(n, v), 0.0), 5.0);
    spec += world * edgeon * v_open * v_open;
    // Light that bounces about in folds and in the mouth keeps them from being black.
    vec3 bounce = (sky + ground) * vec3(0.09, 0.05, 0.045) * (1.0 - v_open);
    float shine = gloss * (material == 0 ? 2.25 : 3.0);
    vec3 lit = albedo * (diffuse + v_amb + bounce) + spec * shine;
    if (material == 2) lit += albedo * pow(1.0 - max(dot(n, v), 0.0), 3.0) * v_amb * 0.8;
    if (material == 4 || material == 5) {  // The mouth is a dark room.
        float deep = clamp(v_open * 1.5, 0.0, 1.0);
        lit *= mix(0.45, 1.0, deep);
    }
    if (cornea) {
        vec3 s = spec * gloss * 3.0;
        float a = clamp(max(s.r, max(s.g, s.b)), 0.0, 1.0);
        colour = vec4(film(s) * a, a * 0.9);
        return;
    }
    float a = mode == 1 ? alpha : 1.0;
    colour = vec4(film(lit) * a, a);
}"""
)

_MATERIALS = {
    "skin": 0,
    "eyes": 1,
    "shirt": 2,
    "hair": 3,
    "eyebrows": 3,
    "eyelashes": 3,
    "teeth": 4,
    "tongue": 5,
}
# The coarse skin throws the shadows: a quarter of the triangles, almost the same outline.
_COARSE = "skin/coarse"


class HeadRenderer:
    """Renders heads; keep one and reuse it, since meshes and textures stay on the device."""

    def __init__(
        self,
        library: HeadLibrary,
        size: int,
        supersample: int = 2,
        samples: int = 4,
        dome: int = 36,
    ) -> None:
        """Create the device for square pictures of `size` pixels.

        Args:
            library: the heads.
            size: side of the pictures in pixels.
            supersample: shaded points a side of a pixel.
            samples: coverage samples of a shaded point (1 or 4).
            dome: directions of the sky; fewer is faster.

        Raises:
            RuntimeError: the two light boxes and the dome need more tiles than the atlas has.
        """
        self.library = library
        self.size = size
        self._supersample = supersample
        self._dome = dome
        gl = moderngl.create_context(standalone=True, backend="egl", require=330)
        self._gl = gl
        big = size * supersample
        taps = samples if samples > 1 else 0
        self._ms = gl.framebuffer(
            [gl.renderbuffer((big, big), 4, samples=taps)],
            gl.depth_renderbuffer((big, big), samples=taps),
        )
        self._flat = gl.framebuffer([gl.renderbuffer((big, big), 4)])
        self._atlas = gl.depth_texture((_TILES * _TILE, _TILES * _TILE))
        self._atlas.compare_func = "<="
        self._atlas.filter = (moderngl.LINEAR, moderngl.LINEAR)
        self._shadow_target = gl.framebuffer([], self._atlas)
        self._shadow = gl.program(vertex_shader=SHADOW_VERTEX, fragment_shader=SHADOW_FRAGMENT)
        self._shade = gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
        self._textures: dict[str, tuple[moderngl.Texture, float]] = {}
        self._buffers: dict[str, dict[str, Any]] = {}
        self._backdrops: dict[str, FloatArray] = {}

    def close(self) -> None:
        """Free the device."""
        self._gl.release()

    @staticmethod
    def _set(program: moderngl.Program, **values: Any) -> None:
        for name, value in values.items():
            if name in program:  # A uniform that the compiler found unused is absent.
                member = program[name]
                if isinstance(value, np.ndarray):
                    member.write(np.ascontiguousarray(value, np.float32).tobytes())
                else:
                    member.value = value

    def _texture(self, head: Head, name: str) -> tuple[moderngl.Texture, float]:
        """Return a part's texture and the mean of its opaque texels (linear light)."""
        folder = self.library.parts_folder
        kind = name.split("/")[0]
        if kind == "skin":
            path = folder / "skins" / f"{head.skin}.jpg"
        elif kind == "eyes":
            path = folder / "eyes" / f"{head.eyes}.png"
        elif kind == "teeth":
            path = folder / "teeth" / "teeth.jpg"
        elif kind == "shirt":
            path = Path("white")
        else:
            path = next(
                p for p in sorted((folder / name).iterdir()) if p.suffix in (".png", ".jpg")
            )
        key = str(path)
        if key not in self._textures:
            if kind == "shirt":
                image = np.full((4, 4, 4), 255, np.uint8)
            else:
                image = read_rgba(path)
            solid = image[..., 3] > 128
            mean = float(((image[..., :3][solid] / 255.0) ** 2.2).mean()) if solid.any() else 1.0
            texture = self._gl.texture(
                image.shape[1::-1], 4, np.ascontiguousarray(image[::-1]).tobytes()
            )
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            texture.anisotropy = 8.0
            self._textures[key] = texture, max(mean, 0.004)
        return self._textures[key]

    def _upload(self, posed: Posed, name: str) -> dict[str, Any]:
        part = self.library.part(name)
        points = posed.vertices.get(name)
        if points is None:
            points = np.asarray(part.to_render @ posed.base, np.float32)
        normals = vertex_normals(points, part.triangles, part.rest)
        if name == "shirt":
            hem = np.clip((collar(part.rest) + 0.3) / 0.06, 0, 1)
            points = points + normals * (0.05 + 0.025 * hem)[:, None].astype(np.float32)
        if name not in self._buffers:
            gl = self._gl
            count = len(part.rest)
            moving = gl.buffer(reserve=count * 24, dynamic=True)
            fixed = gl.buffer(np.c_[part.rest, part.uv].astype(np.float32).tobytes())
            index = gl.buffer(part.triangles.astype(np.int32).tobytes(), dynamic=True)
            self._buffers[name] = {
                "moving": moving,
                "index": index,
                "shade": gl.vertex_array(
                    self._shade,
                    [(moving, "3f 3f", "pos", "normal"), (fixed, "3f 2f", "rest", "uv")],
                    index,
                    skip_errors=True,
                ),
                "shadow": gl.vertex_array(
                    self._shadow,
                    [(moving, "3f 12x", "pos"), (fixed, "3f 2f", "rest", "uv")],
                    index,
                    skip_errors=True,
                ),
            }
        found = self._buffers[name]
        found["moving"].write(np.hstack([points, normals]).astype(np.float32).tobytes())
        found["points"] = points
        return found

    def _lights(self, light: Light) -> tuple[dict[str, FloatArray], int, int, int]:
        key, rim = _box_directions(light.key), _box_directions(light.rim)
        dome = dome_directions(self._dome)
        dirs = key + rim + dome
        if len(dirs) > _TILES * _TILES:
            raise RuntimeError(
                f"{len(dirs)} light directions, but only {_TILES * _TILES} shadow tiles."
            )
        tints = [np.array(light.key.colour) / len(key)] * len(key)
        tints += [np.array(light.rim.colour) / len(rim)] * len(rim)
        sky, ground = np.array(light.sky), np.array(light.ground)
        tints += [ground + (sky - ground) * np.clip(d[1] * 0.9 + 0.5, 0, 1) for d in dome]
        blank = _TILES * _TILES - len(dirs)
        frames = [sky_frame(d) for d in dirs]

        def table(rows: Sequence[FloatArray]) -> FloatArray:
            return np.asarray(np.vstack([*rows, *([np.zeros(3)] * blank)]), np.float32)

        arrays = {
            "dirs": table(dirs),
            "rights": table([f[0] for f in frames]),
            "ups": table([f[1] for f in frames]),
            "tints": table([np.asarray(t, np.float32) for t in tints]),
        }
        return arrays, len(key), len(key) + len(rim), len(dirs)

    def _draw_shadows(
        self, head: Head, names: list[str], arrays: dict[str, FloatArray], count: int
    ) -> None:
        target = self._shadow_target
        target.use()
        target.viewport = (0, 0, _TILES * _TILE, _TILES * _TILE)
        target.clear(depth=1.0)
        self._gl.enable_only(moderngl.DEPTH_TEST)
        self._set(self._shadow, centre=_SHADOW_CENTRE, radius=_SHADOW_RADIUS)
        for name in names:
            kind = name.split("/")[0]
            self._texture(head, name)[0].use(0)
            self._set(self._shadow, tex=0, material=_MATERIALS[kind])
            for i in range(count):
                target.viewport = (i % _TILES * _TILE, i // _TILES * _TILE, _TILE, _TILE)
                self._set(
                    self._shadow,
                    dir=arrays["dirs"][i],
                    right=arrays["rights"][i],
                    up=arrays["ups"][i],
                )
                self._buffers[name]["shadow"].render()

    def render(self, head: Head, scene: Scene) -> Picture:
        """Render a head.

        Raises:
            ValueError: the expression names an unknown face unit.
            FileNotFoundError: a part is not in the folder.
        """
        return self.render_posed(head, self.library.pose(head), scene)

    def render_posed(self, head: Head, posed: Posed, scene: Scene) -> Picture:
        """Render geometry that is already posed."""
        gl, light, camera = self._gl, scene.light, scene.camera
        names = self.library.part_names(head)
        casters = [_COARSE, "shirt"] + [n for n in names if n.startswith("hair/")]
        for name in {*names, *casters}:
            self._upload(posed, name)
        arrays, key_end, rim_end, count = self._lights(light)
        self._draw_shadows(head, casters, arrays, count)

        self._ms.use()
        self._ms.clear(0, 0, 0, 0, depth=1.0)
        self._atlas.use(1)
        eye = np.array(camera.target) + [0, 0, camera.distance]
        self._set(
            self._shade,
            **arrays,
            atlas=1,
            tex=0,
            centre=_SHADOW_CENTRE,
            radius=_SHADOW_RADIUS,
            mvp=camera_matrix(camera).T,
            eye=tuple(float(x) for x in eye),
            key_end=key_end,
            rim_end=rim_end,
            first_dome=rim_end,
            last_dome=count,
            sky=light.sky,
            ground=light.ground,
            exposure=light.exposure,
        )
        gl.blend_func = (moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA)
        for mode in (0, 1):
            gl.enable_only(moderngl.DEPTH_TEST | (moderngl.BLEND if mode else moderngl.NOTHING))
            self._ms.depth_mask = mode == 0
            for name in names:
                kind = name.split("/")[0]
                material = _MATERIALS[kind]
                if mode == 1 and material not in (1, 3):
                    continue
                texture, mean = self._texture(head, name)
                texture.use(0)
                gain = {0: head.skin_gain, 2: head.shirt_colour, 3: head.hair_colour}.get(material)
                self._set(
                    self._shade,
                    material=material,
                    mode=mode,
                    gain=gain or (1.0, 1.0, 1.0),
                    texel=mean,
                    density=0.72 if kind == "eyelashes" else 1.0,
                    lift=0.012 if kind in ("eyes", "eyelashes") else 0.03,
                )
                found = self._buffers[name]
                if mode == 1:
                    triangles = self.library.part(name).triangles
                    depth = found["points"][triangles].mean(axis=1)
                    order = np.argsort(-np.linalg.norm(depth - eye, axis=1))
                    found["index"].write(triangles[order].astype(np.int32).tobytes())
                found["shade"].render()
        self._ms.depth_mask = True
        gl.copy_framebuffer(self._flat, self._ms)
        big = self.size * self._supersample
        raw = np.frombuffer(self._flat.read(components=4), np.uint8).reshape(big, big, 4)[::-1]
        small = cv2.resize(
            raw.astype(np.float32) / 255, (self.size, self.size), interpolation=cv2.INTER_AREA
        )
        alpha = small[..., 3]
        rgb = small[..., :3] + self._backdrop(scene.background) * (1 - alpha[..., None])
        return Picture((np.clip(rgb, 0, 1) * 255 + 0.5).astype(np.uint8), alpha)

    def _backdrop(self, background: Background) -> FloatArray:
        key = repr(background)
        if key not in self._backdrops:
            self._backdrops = {key: _paint_backdrop(background, self.size)}
        return self._backdrops[key]


def read_rgba(path: Path | str) -> ByteArray:
    """A picture (H, W, 4), RGB and alpha.

    Raises:
        FileNotFoundError: it cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FileNotFoundError(f"No picture at {path}.")
    if image.shape[2] == 3:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGBA), np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), np.uint8)


def _paint_backdrop(background: Background, size: int) -> FloatArray:
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    top, bottom = np.array(background.top), np.array(background.bottom)
    image = top + (bottom - top) * (y * y * (3 - 2 * y))[..., None]
    gx, gy = background.glow_at
    image += np.array(background.glow) * np.exp(-((x - gx) ** 2 + (y - gy) ** 2) / 0.12)[..., None]
    rng = np.random.default_rng(background.seed)
    for _ in range(background.lights):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(0, 0.7), rng.uniform(0.03, 0.08)
        disc = np.clip((r - np.hypot(x - cx, y - cy)) / 0.012, 0, 1)
        image += (rng.uniform(0.02, 0.09) * np.array([1.0, 0.9, 0.72]) * disc[..., None]).astype(
            np.float32
        )
    # A wall is never flat: slow, faint unevenness.
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (size, size)).astype(np.float32), (0, 0), size / 14)
    image += (clouds / (clouds.std() + 1e-6) * 0.008)[..., None]
    image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), size / 110)
    return np.asarray(np.clip(image, 0, 1), np.float32)
