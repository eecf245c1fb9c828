"""Fast pictures of synthetic heads, with labels and depth, to train on.

A developer tool: it needs `moderngl`, an EGL driver (a software one is enough) and OpenCV. It draws
the same heads as `heads_render.py` some twenty times as fast: three far lamps of which one throws a
shadow, a sky that is dimmed at each vertex by what covers it, and no random sampling. Lamps are
seen as soft rectangles in the eyes. Hair, brows and lashes are cards with alpha, drawn back to
front.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import moderngl
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.spatial import cKDTree

from scripts.heads.geometry import Colour, FloatArray, Head, HeadLibrary, IntArray, Part, Posed
from scripts.heads.renderer import (
    COLLAR,
    SHADOW_FRAGMENT,
    SHADOW_VERTEX,
    Camera,
    camera_matrix,
    collar,
    dome_directions,
    read_rgba,
    sky_frame,
    sky_point,
)

ByteArray = npt.NDArray[np.uint8]

LABELS = (
    "background",
    "skin",
    "hair",
    "left eye",
    "right eye",
    "mouth",
    "teeth",
    "tongue",
    "neck",
    "clothes",
    "brows",
    "lashes",
)
"""What the numbers of a label map mean; left is the person's left, mouth is its dark inside."""

_CENTRE = (0.0, 6.9, 0.3)  # Of the shadow maps, dm
_RADIUS = 2.6
_KEY_TILE = 640
_DOME = 8
_DOME_TILE = 128
_DOME_SIDE = 3  # Tiles a side


@dataclass(frozen=True)
class Lamp:
    """A soft rectangle far away. Degrees; azimuth 0 is in front, positive to the viewer's right."""

    azimuth: float
    elevation: float
    colour: Colour  # Linear radiance
    width: float = 20.0  # Degrees
    height: float = 25.0


@dataclass(frozen=True)
class Lighting:
    """Three lamps, of which the first throws shadows, the sky, and what the camera makes of it."""

    lamps: tuple[Lamp, Lamp, Lamp]
    sky: Colour
    ground: Colour
    exposure: float = 1.0
    white: Colour = (1.0, 1.0, 1.0)  # Gains of the white balance
    contrast: float = 1.0
    saturation: float = 1.0
    softness: float = 0.06  # Width of the edge of the shadows, dm


@dataclass(frozen=True)
class Looks:
    """What a head's skin, eyes and teeth look like beyond the textures."""

    beard: float = 0.0  # 0 shaven to 1 dense
    scalp: float = 0.5  # How much hair tints the scalp
    moustache: float = 1.0  # Share of the beard above the lip
    brow_colour: Colour = (0.05, 0.03, 0.02)
    lash_colour: Colour = (0.01, 0.008, 0.006)
    lash_density: float = 0.7
    iris_gain: Colour = (1.0, 1.0, 1.0)
    sclera_gain: Colour = (1.0, 0.97, 0.95)
    teeth_gain: Colour = (1.0, 0.97, 0.9)
    mouth_gain: Colour = (1.0, 1.0, 1.0)
    roughness: float = 0.45
    shine: float = 1.0
    blotches: float = 0.1


@dataclass(frozen=True)
class Rendering:
    """A picture and what is known about each of its pixels."""

    rgb: FloatArray  # (S, S, 3) sRGB 0..1, multiplied by alpha
    alpha: FloatArray  # (S, S)
    labels: ByteArray  # (S, S), numbers of LABELS
    depth: FloatArray  # (S, S), distance from the lens along the axis, dm; 0 is background


_COVER = """
float covered(sampler2DShadow map, vec3 q, vec3 right, vec3 up, vec3 dir, vec2 corner, float side) {
    vec2 uv = vec2(dot(q, right), dot(q, up)) / RADIUS * 0.5 + 0.5;
    uv = clamp(uv, 0.006, 0.994) * side + corner;
    return texture(map, vec3(uv, 0.5 - 0.5 * dot(q, dir) / RADIUS));
}
""".replace("RADIUS", str(_RADIUS))

_BARE = (
    COLLAR
    + """
bool hidden(int material, vec3 r) {
    if (material == 0) return collar(r) < -0.25 && r.y < 6.1;
    return material == 2 && bare(r);
}
"""
)

_LABEL_VERTEX = """
#version 330
in vec3 pos, rest; in vec2 uv; in vec4 extra;
out vec2 v_uv; out vec3 v_rest; flat out vec4 v_extra;
uniform mat4 mvp;
void main() { gl_Position = mvp * vec4(pos, 1); v_uv = uv; v_rest = rest; v_extra = extra; }"""
_LABEL_FRAGMENT = f"""
#version 330
{_BARE}
in vec2 v_uv; in vec3 v_rest; flat in vec4 v_extra; out vec4 colour;
uniform sampler2D tex; uniform int material, label; uniform float cut;
void main() {{
    if (hidden(material, v_rest)) discard;
    if (material == 3 && texture(tex, v_uv).a < cut) discard;
    int found = label;
    if (material == 0) found = v_extra.x > 0.35 ? 5 : (v_extra.y > 0.5 ? 1 : 8);
    if (material == 1) found = v_rest.x > 0.0 ? 3 : 4;
    colour = vec4(float(found) / 255.0, 0.0, 0.0, 1.0);
}}"""

# What the sky sends to each vertex, and how much of the sky is seen from there. Its own pass: a
# drawing pass would do it once for every corner of every triangle.
_AMBIENT_VERTEX = f"""
#version 330
#define DOME {_DOME}
{_COVER}
in vec3 pos, normal;
out vec4 ambient;
uniform int material; uniform float lift;
uniform vec3 centre, dome_dir[DOME], dome_right[DOME], dome_up[DOME];
uniform sampler2DShadow dome;
void main() {{
    float wrap = material == 0 ? 0.25 : (material == 3 ? 0.5 : 0.1);
    float high = 0.0, low = 0.0, all = 0.0;
    for (int i = 0; i < DOME; ++i) {{
        float c = (dot(normal, dome_dir[i]) + wrap) / (1.0 + wrap);
        if (c <= 0.0) continue;
        vec3 q = pos + normal * lift + dome_dir[i] * 0.03 - centre;
        float side = 1.0 / {_DOME_SIDE}.0;
        vec2 corner = vec2(i % {_DOME_SIDE}, i / {_DOME_SIDE}) * side;
        c *= covered(dome, q, dome_right[i], dome_up[i], dome_dir[i], corner, side);
        float share = clamp(dome_dir[i].y * 0.9 + 0.5, 0.0, 1.0);
        high += c * share; low += c * (1.0 - share);
    }}
    for (int i = 0; i < DOME; ++i)
        all += max((dot(normal, dome_dir[i]) + wrap) / (1.0 + wrap), 0.0);
    ambient = vec4(vec2(high, low) * 4.0 / float(DOME), (high + low) / max(all, 1e-3), 0.0);
}}"""

_VERTEX = """
#version 330
in vec3 pos, normal, rest; in vec2 uv; in vec4 extra, ambient;
out vec3 v_pos, v_n, v_rest, v_amb; out vec2 v_uv; out vec4 v_extra; out float v_open;
uniform mat4 mvp; uniform vec3 sky, ground;
void main() {
    v_amb = ambient.x * sky + ambient.y * ground; v_open = ambient.z;
    v_pos = pos; v_n = normal; v_rest = rest; v_uv = uv; v_extra = extra;
    gl_Position = mvp * vec4(pos, 1);
}"""

_FRAGMENT = f"""
#version 330
{_COVER}
{_BARE}
in vec3 v_pos, v_n, v_rest, v_amb; in vec2 v_uv; in vec4 v_extra; in float v_open;
out vec4 colour;
uniform sampler2D tex, grain; uniform sampler2DShadow shadow;
const int material = MATERIAL, mode = MODE;  // mode 0 solid part, 1 sheer part
uniform vec3 lamp_dir[3], lamp_right[3], lamp_up[3], lamp_tint[3]; uniform vec2 lamp_size[3];
uniform vec3 eye, centre, gain, sky, ground, white, hair, inside, iris, sclera;
uniform float exposure, contrast, saturation, lift, texel, density, softness;
uniform float beard, moustache, scalp, roughness, shine, blotches;
vec3 linear(vec3 c) {{ return c * c * (0.8 * c + 0.2); }}  // Close to the sRGB curve
vec3 film(vec3 x) {{
    x = max(x * white * exposure, 0.0);
    float grey = dot(x, vec3(0.25, 0.65, 0.1));
    x = max(mix(vec3(grey), x, saturation), 0.0);
    x = x * (1.0 + x / 9.0) / (1.0 + x) * 1.15;
    x = pow(clamp(x, 0.0, 1.0), vec3(1.0 / 2.2));
    return clamp((x - 0.45) * contrast + 0.45, 0.0, 1.0);
}}
vec3 bump(vec3 n, float h) {{
    vec3 px = dFdx(v_pos), py = dFdy(v_pos);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    return normalize(abs(det) * n - sign(det) * (dFdx(h) * r1 + dFdy(h) * r2) + n * 1e-9);
}}
float lobe(vec3 n, vec3 v, vec3 l, float rough) {{
    vec3 h = normalize(v + l);
    float a = rough * rough, nh = max(dot(n, h), 0.0), d = nh * nh * (a * a - 1.0) + 1.0;
    float nv = max(dot(n, v), 0.05), nl = max(dot(n, l), 0.0), k = a * 0.5;
    float vis = 0.25 / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k));
    float f = 1.0 - max(dot(v, h), 0.0);
    return nl * a * a / (3.14159 * d * d) * vis * (0.028 + 0.972 * f * f * f * f * f);
}}
float pane(vec3 r, int i) {{  // How much of lamp i is seen in a mirror that looks along r
    if (dot(r, lamp_dir[i]) <= 0.0) return 0.0;
    vec2 at = abs(vec2(dot(r, lamp_right[i]), dot(r, lamp_up[i]))) - lamp_size[i];
    vec2 edge = smoothstep(vec2(0.10), vec2(-0.04), at);
    return edge.x * edge.y;
}}
float under(vec3 q) {{
    return covered(shadow, q, lamp_right[0], lamp_up[0], lamp_dir[0], vec2(0.0), 1.0);
}}
float lit(vec3 n) {{
    vec3 q = v_pos + n * lift + lamp_dir[0] * 0.025 - centre;
    vec3 a = lamp_right[0] * softness, b = lamp_up[0] * softness;
    return 0.2 * (under(q) + under(q + a * 0.9 + b * 0.4) + under(q - a * 0.4 + b * 0.9)
        + under(q - a * 0.9 - b * 0.4) + under(q + a * 0.4 - b * 0.9));
}}
void main() {{
    if (hidden(material, v_rest)) discard;
    vec4 t = texture(tex, v_uv);
    float alpha = material == 3 ? t.a * density : (material == 1 ? t.a : 1.0);
    bool sheer = material == 3 || material == 1;
    float cut = material == 3 ? 0.62 : 0.5;
    if (sheer && ((mode == 0) == (alpha < cut))) discard;
    if (mode == 1 && material == 3 && alpha < 0.02) discard;
    vec3 n = normalize(v_n), v = normalize(eye - v_pos);
    bool away = dot(n, v) < 0.0;
    bool cornea = material == 1 && mode == 1;
    if (cornea) {{
        // A clear shell: only lamps and sky are seen in it.
        if (away) discard;
        vec3 r = reflect(-v, n);
        float f = pow(1.0 - dot(n, v), 5.0) * 0.9 + 0.035;
        vec3 world = mix(ground, sky, smoothstep(-0.4, 0.6, r.y)) * v_open * v_open * 0.6;
        float clear = 13.0 * smoothstep(0.05, 0.5, v_open);
        for (int i = 0; i < 3; ++i) world += pane(r, i) * lamp_tint[i] * clear;
        vec3 c = world * f;
        float a = clamp(max(c.r, max(c.g, c.b)) * exposure * 1.4, 0.0, 1.0);
        colour = vec4(film(c * 2.2) * a, a * 0.92);
        return;
    }}
    if (away && material != 1) n = -n;
    vec3 smooth_n = n, albedo = linear(t.rgb), wrap = vec3(0.0);
    float rough = 0.5, gloss = 1.0, deep = 0.0;
    if (material == 0) {{  // Skin, and the inside of the mouth
        deep = smoothstep(0.0, 1.0, v_extra.x);
        vec2 fine = texture(grain, v_uv * 26.0).rg;
        vec2 broad = texture(grain, v_uv * 2.3).rg;
        float whiskers = texture(grain, v_uv * 41.0).b;
        float red = t.r - 0.5 * (t.g + t.b), lips = smoothstep(0.2, 0.34, red);
        // Blood shows through: no skin is bluer than green, lips least of all.
        albedo *= gain;
        vec2 at = (v_rest.xy - vec2(0.0, 6.612)) / vec2(0.26, 0.085);
        float mouth = v_rest.z > 1.3 ? max(lips, 0.9 - smoothstep(0.5, 1.0, dot(at, at))) : 0.0;
        albedo.g = min(albedo.g, albedo.r * mix(0.98, 0.68, mouth));
        albedo.b = min(albedo.b, albedo.g * mix(0.98, 0.9, mouth));
        albedo *= (1.0 + blotches * (broad.x - 0.5) * vec3(0.6, 1.2, 1.2));
        float amount = beard * v_extra.z * (v_rest.y > 6.68 ? moustache : 1.0) + scalp * v_extra.w;
        amount = clamp(amount * (0.55 + 0.9 * whiskers) - 0.12 * (1.0 - whiskers), 0.0, 0.93);
        albedo = mix(albedo, hair, amount * (1.0 - 0.8 * lips) * (1.0 - deep));
        albedo = mix(albedo, vec3(0.40, 0.14, 0.12) * inside * (0.7 + 0.6 * broad.x), deep);
        float height = 0.0011 * fine.x + 0.0035 * whiskers * amount;
        n = bump(n, (height + 0.006 * dot(t.rgb, vec3(0.33))) * (1.0 - deep));
        rough = mix(roughness + 0.1 * (broad.y - 0.5), 0.32, max(lips * 0.8, deep));
        gloss = shine * (1.0 - 0.6 * amount);
        wrap = mix(vec3(0.42, 0.2, 0.13), vec3(0.3, 0.1, 0.1), deep);
    }} else if (material == 2) {{  // Clothes
        float edge = collar(v_rest), rib = smoothstep(-0.26, -0.235, edge);
        float knit = 0.5 + 0.5 * sin(atan(v_rest.x, v_rest.z + 0.2) * 150.0);
        float weave = mix(texture(grain, v_rest.xy * 1.7).r, knit, rib);
        albedo = gain * (0.85 + 0.25 * weave) * mix(1.0, 0.9, rib);
        albedo *= mix(1.0, 0.55, smoothstep(0.035, 0.0, abs(edge + 0.25)));
        rough = 0.85; gloss = 0.3; wrap = vec3(0.15);
    }} else if (material == 3) {{  // Hair, brows and lashes
        albedo = gain * clamp(dot(albedo, vec3(0.33)) / texel, 0.25, 1.8);
        wrap = vec3(0.3); rough = 0.45; gloss = 0.3;
        n = bump(n, 0.02 * dot(t.rgb, vec3(0.33)));
    }} else if (material == 1) {{  // Eyeball: the iris is what is coloured or dark
        float lum = dot(albedo, vec3(0.33));
        float d = min(length(v_uv - vec2(0.293, 0.297)), length(v_uv - vec2(0.707, 0.704)));
        vec3 white_part = mix(albedo, vec3(lum), 0.3) * 0.62 * sclera;
        albedo = mix(mix(albedo, vec3(lum), 0.25) * iris, white_part, smoothstep(0.106, 0.120, d));
        wrap = vec3(0.2, 0.12, 0.1); rough = 0.2; gloss = 0.5;
    }} else if (material == 4) {{
        albedo *= vec3(0.95, 0.90, 0.82) * (t.g > 0.55 * t.r ? inside : vec3(1.0));
        rough = 0.22; wrap = vec3(0.25, 0.2, 0.18); gloss = 0.9;
    }} else {{
        albedo *= vec3(0.75, 0.62, 0.62) * inside;
        rough = 0.33; wrap = vec3(0.3, 0.12, 0.1); gloss = 0.7;
    }}
    float s = material == 2 || material == 3
        ? under(v_pos + smooth_n * lift + lamp_dir[0] * 0.025 - centre) : lit(smooth_n);
    vec3 diffuse = vec3(0.0), spec = vec3(0.0);
    for (int i = 0; i < 3; ++i) {{
        vec3 w = (vec3(dot(n, lamp_dir[i])) + wrap) / ((1.0 + wrap) * (1.0 + wrap));
        w = clamp(w, 0.0, 1.0);
        float seen = i == 0 ? s : v_open;
        if (material == 4) seen = mix(seen, 1.0, 0.45);  // Enamel passes light on from its front.
        vec3 soft = material == 0 ? pow(vec3(max(seen, 1e-4)), vec3(0.75, 1.0, 1.1)) : vec3(seen);
        diffuse += w * soft * lamp_tint[i];
        if (material != 2) spec += lobe(n, v, lamp_dir[i], rough) * seen * lamp_tint[i];
    }}
    vec3 r = reflect(-v, n);
    vec3 world = mix(ground, sky, smoothstep(-0.5, 0.6, r.y));
    float rim = 1.0 - max(dot(n, v), 0.0); rim = rim * rim * rim * rim * rim;
    spec += world * (0.02 + 0.5 * (1.0 - rough) * rim) * v_open * v_open;
    vec3 bounce = (sky + ground) * vec3(0.08, 0.05, 0.045) * (1.0 - v_open);
    vec3 sum = albedo * (diffuse + v_amb + bounce) + spec * gloss * (material == 0 ? 1.8 : 2.4);
    if (material == 4 || material == 5 || deep > 0.0) {{  // The mouth is a dark room.
        float dark = mix(0.6, 1.0, clamp(v_open * 3.0, 0.0, 1.0)) * (material == 4 ? 1.5 : 1.15);
        // What light there is has met lips and gums before.
        sum *= mix(vec3(1.12, 0.93, 0.84), vec3(1.0), clamp(v_open * 1.6, 0.0, 1.0));
        sum *= mix(1.0, dark, material == 0 ? deep : 1.0);
    }}
    float a = mode == 1 ? alpha : 1.0;
    colour = vec4(film(sum) * a, a);
}}"""

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
_PART_LABELS = {"shirt": 9, "hair": 2, "eyebrows": 10, "eyelashes": 11, "teeth": 6, "tongue": 7}
_CLOSED = (0, 4, 5)  # Materials of which only the outside is seen
_SHEER = (1, 3)  # Materials with alpha
_COARSE = "skin/coarse"


class SkinMap:
    """Where on the base mesh mouth, head, beard and scalp are."""

    def __init__(self, library: HeadLibrary) -> None:
        """Measure the base mesh of a library."""
        self._library = library
        self.extra = self._measure()

    def _measure(self) -> FloatArray:
        """Per base vertex: inside of the mouth, head, beard, scalp; (19158, 4), 0..1."""
        library, rest = self._library, self._library.neutral
        islands = library.skin_islands
        inside = islands["mouth"]
        lips = library.inner_lips
        distance, _ = cKDTree(rest[lips]).query(rest)
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
        out[islands["mouth"], 2] = 0
        # The scalp: behind and above a line round the forehead and the ears.
        hairline = 7.95 - 0.55 * np.clip((np.abs(x) - 0.45) / 0.3, 0, 1)
        hairline -= 1.1 * np.clip((0.55 - z) / 0.9, 0, 1)
        out[:, 3] = np.clip((y - hairline) / 0.14, 0, 1)
        return out


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


class FastRenderer:
    """Renders heads; keep one and reuse it, since meshes and textures stay on the device."""

    def __init__(self, library: HeadLibrary, size: int, samples: int = 4, scale: float = 1.0):
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
        self._dome = self._shadow_map(_DOME_TILE * _DOME_SIDE)
        self._key_target = gl.framebuffer([], self._key)
        self._dome_target = gl.framebuffer([], self._dome)
        self._shadow = gl.program(vertex_shader=SHADOW_VERTEX, fragment_shader=SHADOW_FRAGMENT)
        # A program for each material: software drivers run every branch of a common one.
        self._shade = {
            (material, mode): gl.program(
                vertex_shader=_VERTEX,
                fragment_shader=_FRAGMENT.replace("MATERIAL", str(material)).replace(
                    "MODE", str(mode)
                ),
            )
            for material in set(_MATERIALS.values())
            for mode in ((0, 1) if material in _SHEER else (0,))
        }
        self._ambient = gl.program(vertex_shader=_AMBIENT_VERTEX, varyings=["ambient"])
        self._label = gl.program(vertex_shader=_LABEL_VERTEX, fragment_shader=_LABEL_FRAGMENT)
        self._textures: dict[str, tuple[moderngl.Texture, float]] = {}
        self._meshes: dict[str, _Mesh] = {}
        self._grain = self._grain_texture()
        self._skin_map = SkinMap(library)

    def close(self) -> None:
        """Free the device."""
        self._gl.release()

    def _shadow_map(self, side: int) -> moderngl.Texture:
        texture = self._gl.depth_texture((side, side))
        texture.compare_func = "<="
        texture.filter = (moderngl.LINEAR, moderngl.LINEAR)
        texture.repeat_x = texture.repeat_y = False
        return texture

    def _grain_texture(self) -> moderngl.Texture:
        rng = np.random.default_rng(7)
        side = 256

        def noise(sigma: float, power: float = 1.0) -> FloatArray:
            field = np.fft.fft2(rng.normal(0, 1, (side, side)))
            f = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
            smooth = np.fft.ifft2(field * np.exp(-2 * (np.pi * f * sigma) ** 2)).real
            rank = smooth.ravel().argsort().argsort().reshape(side, side) / side**2
            return np.asarray(rank**power, np.float32)

        image = np.dstack([noise(2.0), noise(5.0), noise(1.0, 1.6), np.ones((side, side))])
        texture = self._gl.texture((side, side), 4, (image * 255).astype(np.uint8).tobytes())
        texture.build_mipmaps()
        texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
        return texture

    def _texture(self, head: Head, name: str) -> tuple[moderngl.Texture, float]:
        """Return a part's texture and the mean of its opaque texels (linear light)."""
        folder = self.library.parts_folder
        kind = name.split("/")[0]
        if kind == "shirt":
            key = "shirt"
        elif kind == "skin":
            key = str(folder / "skins" / f"{head.skin}.jpg")
        elif kind == "eyes":
            key = str(folder / "eyes" / f"{head.eyes}.png")
        elif kind == "teeth":
            key = str(folder / "teeth" / "teeth.jpg")
        else:
            pictures = sorted((folder / name).iterdir())
            key = str(next(p for p in pictures if p.suffix in (".png", ".jpg")))
        if key not in self._textures:
            image = np.full((4, 4, 4), 255, np.uint8) if kind == "shirt" else read_rgba(key)
            solid = image[..., 3] > 128
            mean = float(((image[..., :3][solid] / 255.0) ** 2.2).mean()) if solid.any() else 1.0
            flipped = np.ascontiguousarray(image[::-1])
            texture = self._gl.texture(image.shape[1::-1], 4, flipped.tobytes())
            texture.build_mipmaps()
            texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
            self._textures[key] = texture, max(mean, 0.004)
        return self._textures[key]

    def _mesh(self, name: str) -> _Mesh:
        if name not in self._meshes:
            part = self.library.part(name)
            triangles = part.triangles
            extra: FloatArray = np.zeros((len(part.rest), 4), np.float32)
            keep: Any = np.ones(len(part.triangles), bool)
            if name.startswith("skin"):
                extra = part.to_render @ self._skin_map.extra
                below = (collar(part.rest) < -0.3) & (part.rest[:, 1] < 6.0)
                if name == _COARSE:  # Only the head throws shadows that are seen.
                    below = part.rest[:, 1] < 5.7
                keep = ~below[part.triangles].all(axis=1)
                if name == "skin":
                    triangles = _fewer_triangles(part)
                    keep = ~below[triangles].all(axis=1)
            elif name == "shirt":
                open_neck = (collar(part.rest) > 0.05) & (np.abs(part.rest[:, 0]) < 1.15)
                keep = ~open_neck[part.triangles].all(axis=1)
            self._meshes[name] = _Mesh(part, triangles[keep], extra, self)
        return self._meshes[name]

    def render(
        self, head: Head, posed: Posed, looks: Looks, light: Lighting, camera: Camera
    ) -> Rendering:
        """Render geometry that is already posed, without a background."""
        gl = self._gl
        names = self.library.part_names(head)
        hairs = [n for n in names if n.startswith("hair/")]
        for name in {*names, _COARSE}:
            mesh = self._mesh(name)
            points = posed.vertices.get(name)
            if points is None:
                points = np.asarray(mesh.part.to_render @ posed.base, np.float32)
            mesh.move(points)
        uniforms = self._light_uniforms(light)
        self._draw_shadows(head, [_COARSE, *hairs], uniforms)
        view = camera_matrix(camera)
        eye = tuple(float(x) for x in np.array(camera.target) + [0, 0, camera.distance])
        for unit, texture in ((1, self._key), (2, self._dome), (3, self._grain)):
            texture.use(unit)
        common: dict[str, Any] = dict(
            **uniforms,
            tex=0,
            shadow=1,
            dome=2,
            grain=3,
            centre=_CENTRE,
            mvp=view.T,
            eye=eye,
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
        for program in self._shade.values():
            _set(program, **common)
        gains = {
            "skin": head.skin_gain,
            "shirt": head.shirt_colour,
            "hair": head.hair_colour,
            "eyebrows": looks.brow_colour,
            "eyelashes": looks.lash_colour,
            "teeth": looks.teeth_gain,
        }
        _set(self._ambient, **uniforms, dome=2, centre=_CENTRE)
        for name in names:
            kind = name.split("/")[0]
            lift = 0.012 if kind in ("eyes", "eyelashes") else 0.03
            _set(self._ambient, material=_MATERIALS[kind], lift=lift)
            self._mesh(name).dim()
        self._ms.use()
        self._ms.depth_mask = True
        self._ms.clear(0, 0, 0, 0, depth=1.0)
        gl.blend_func = (moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA)
        # What is in front first: pixels that it hides are not shaded.
        order = {"hair": 0, "skin": 1, "shirt": 2}
        front = sorted(names, key=lambda name: order.get(name.split("/")[0], 3))
        for mode in (0, 1):
            gl.enable_only(moderngl.DEPTH_TEST | (moderngl.BLEND if mode else moderngl.NOTHING))
            self._ms.depth_mask = mode == 0
            for name in front if mode == 0 else names:
                kind = name.split("/")[0]
                material = _MATERIALS[kind]
                if mode == 1 and material not in _SHEER:
                    continue
                if material in _CLOSED:
                    gl.enable(moderngl.CULL_FACE)
                else:
                    gl.disable(moderngl.CULL_FACE)
                texture, mean = self._texture(head, name)
                texture.use(0)
                _set(
                    self._shade[material, mode],
                    gain=gains.get(kind, (1.0, 1.0, 1.0)),
                    texel=mean,
                    density=looks.lash_density if kind == "eyelashes" else 1.0,
                    lift=0.012 if kind in ("eyes", "eyelashes") else 0.03,
                )
                mesh = self._mesh(name)
                if mode == 1:
                    mesh.sort(eye)
                mesh.shade[mode].render()
        self._ms.depth_mask = True
        gl.copy_framebuffer(self._flat, self._ms)
        labels, depth = self._draw_labels(head, names, view, camera)
        raw = np.frombuffer(self._flat.read(components=4), np.uint8)
        image = raw.reshape(self._big, self._big, 4)[::-1]
        if self._big != self.size:
            image = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        seen: FloatArray = np.asarray(image, np.float32) / np.float32(255)
        return Rendering(seen[..., :3], seen[..., 3], labels, depth)

    def _draw_labels(
        self, head: Head, names: list[str], view: FloatArray, camera: Camera
    ) -> tuple[ByteArray, FloatArray]:
        self._label_target.use()
        self._label_target.clear(0, 0, 0, 0, depth=1.0)
        self._gl.enable_only(moderngl.DEPTH_TEST)
        _set(self._label, mvp=view.T, tex=0)
        for name in names:
            kind = name.split("/")[0]
            self._texture(head, name)[0].use(0)
            _set(
                self._label,
                material=_MATERIALS[kind],
                label=_PART_LABELS.get(kind, 0),
                cut=0.35 if kind in ("eyebrows", "eyelashes") else 0.5,
            )
            if _MATERIALS[kind] in _CLOSED:
                self._gl.enable(moderngl.CULL_FACE)
            else:
                self._gl.disable(moderngl.CULL_FACE)
            self._mesh(name).label.render()
        size = (self.size, self.size)
        raw = np.frombuffer(self._label_target.read(components=1), np.uint8).reshape(size)
        z = np.frombuffer(self._label_depth.read(), np.float32).reshape(size)[::-1]
        near, far = max(camera.distance - 6.0, 0.5), camera.distance + 6.0
        depth = 2 * far * near / (far + near - (2 * z - 1) * (far - near))
        return raw[::-1].copy(), np.where(z < 1, depth, 0).astype(np.float32)

    @cached_property
    def _sky(self) -> tuple[list[FloatArray], list[tuple[FloatArray, FloatArray]]]:
        directions = dome_directions(_DOME)
        return directions, [sky_frame(d) for d in directions]

    def _light_uniforms(self, light: Lighting) -> dict[str, Any]:
        directions, frames = self._sky
        lamps = [sky_point(lamp.azimuth, lamp.elevation) for lamp in light.lamps]
        axes = [sky_frame(d) for d in lamps]
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

    def _draw_shadows(self, head: Head, names: list[str], uniforms: dict[str, Any]) -> None:
        self._gl.enable_only(moderngl.DEPTH_TEST)
        _set(self._shadow, centre=_CENTRE, radius=_RADIUS, tex=0)
        dome = [
            (uniforms["dome_dir"][i], uniforms["dome_right"][i], uniforms["dome_up"][i])
            for i in range(_DOME)
        ]
        key = [(uniforms["lamp_dir"][0], uniforms["lamp_right"][0], uniforms["lamp_up"][0])]
        for target, tile, side, views in (
            (self._key_target, _KEY_TILE, 1, key),
            (self._dome_target, _DOME_TILE, _DOME_SIDE, dome),
        ):
            target.use()
            target.viewport = (0, 0, tile * side, tile * side)
            target.clear(depth=1.0)
            for name in names:
                kind = name.split("/")[0]
                self._texture(head, name)[0].use(0)
                _set(self._shadow, material=_MATERIALS[kind])
                for i, (direction, right, up) in enumerate(views):
                    target.viewport = (i % side * tile, i // side * tile, tile, tile)
                    _set(self._shadow, dir=direction, right=right, up=up)
                    self._mesh(name).shadow.render()


def _fewer_triangles(part: Part) -> IntArray:
    """Triangles of the skin: all around eyes and mouth, a quarter of them elsewhere.

    Every small triangle costs a software driver as much as sixteen pixels. Both kinds use the same
    vertices and overlap by one row, so that no gap opens between them.
    """
    # Each old quad became four, whose first corners are its own.
    first, second = np.split(part.triangles, 2)
    quads = first[:, 0].reshape(-1, 4)
    x, y, z = part.rest[quads].mean(axis=1).T

    def within(margin: float) -> npt.NDArray[np.bool_]:
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


class _Mesh:
    """A part on the device."""

    def __init__(
        self, part: Part, triangles: IntArray, extra: FloatArray, renderer: FastRenderer
    ) -> None:
        gl = renderer._gl
        self.part = part
        self._triangles = triangles
        count = len(part.rest)
        self._moving = gl.buffer(reserve=count * 24, dynamic=True)
        fixed = gl.buffer(np.c_[part.rest, part.uv, extra].astype(np.float32).tobytes())
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

        kind = _MATERIALS[part.name.split("/")[0]]
        self.shade = {m: array(p) for (k, m), p in renderer._shade.items() if k == kind}
        self.shadow = array(renderer._shadow)
        self.label = array(renderer._label)
        self._corners = gl.vertex_array(
            renderer._ambient, [(self._moving, "3f 3f", "pos", "normal")]
        )
        # Render vertices at one place share their normal, across texture seams.
        _, same = np.unique(np.round(part.rest * 1e4).astype(int), axis=0, return_inverse=True)
        self._same = same.ravel()
        corners = part.triangles.ravel()
        rows = self._same[corners]
        columns = np.repeat(np.arange(len(part.triangles)), 3)
        self._around = sparse.csr_matrix(
            (np.ones(len(rows), np.float32), (rows, columns)),
            (self._same.max() + 1, len(part.triangles)),
        )
        self._points = part.rest

    def move(self, points: FloatArray) -> None:
        """Upload new places (N, 3) and their normals."""
        a, b, c = (points[self.part.triangles[:, i]] for i in range(3))
        normals = (self._around @ np.cross(b - a, c - a))[self._same]
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        if self.part.name == "shirt":
            hem = np.clip((collar(self.part.rest) + 0.3) / 0.06, 0, 1)
            points = points + normals * (0.05 + 0.025 * hem)[:, None]
        self._points = points
        self._moving.write(np.hstack([points, normals]).astype(np.float32).tobytes())

    def dim(self) -> None:
        """Measure at each vertex how much of the sky is seen."""
        self._corners.transform(self._lit, moderngl.POINTS)

    def sort(self, eye: tuple[float, ...]) -> None:
        """Draw far triangles first."""
        middle = self._points[self._triangles].mean(axis=1)
        order = np.argsort(-((middle - np.array(eye)) ** 2).sum(axis=1))
        self._index.write(self._triangles[order].astype(np.int32).tobytes())
