"""The OpenGL programs of `HeadRenderer`: what each material looks like, shadows, labels.

Colours are linear until the tone curve at the end of each fragment. Lengths are those of the base
mesh (dm); colours and shares in the programs were tuned by looking at rendered faces.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from scripts.heads.scene import FloatArray


class Material(IntEnum):
    """How a part of a head is shaded; the programs know the names, too."""

    SKIN = 0
    EYES = 1
    CLOTHES = 2
    HAIR = 3
    TEETH = 4
    TONGUE = 5


SHADOW_CENTRE = (0.0, 6.9, 0.3)
"""Middle of the shadow maps in the world, dm: that of the base mesh's head and neck."""

SHADOW_RADIUS = 2.6
"""Half of what they span, dm: a head with its hair in any pose. More would make shadows coarser."""

DOME = 8
"""Directions from which the sky is measured; more make its shade smoother and cost a shadow map
each."""

DOME_SIDE = 3
"""Shadow maps of the sky side by side in their texture."""

_COLLAR = (5.85, 0.40, 0.45)
"""The shirt's edge on the neutral base mesh: its height (dm) at the neck's middle, how much lower
it is for each dm forward, and how much higher for each dm aside, squared. A larger height raises
the collar; skin below it is not drawn."""


def collar(rest: FloatArray) -> FloatArray:
    """(N,): the height of points (N, 3) of the neutral base mesh above the shirt's edge, dm."""
    height, forward, aside = _COLLAR
    above = rest[:, 1] - height + forward * rest[:, 2] - aside * rest[:, 0] ** 2
    return np.asarray(above, np.float32)


def shading(material: Material, sheer_part: bool) -> tuple[str, str]:
    """The vertex and the fragment program of a material.

    One for each: software drivers run every branch of a common one.

    Args:
        material: what is drawn.
        sheer_part: what is blended of it (strands, the cornea), or what is solid.
    """
    defines = f"#define MATERIAL {material:d}\n#define SHEER_PART {str(sheer_part).lower()}\n"
    return _SHADING_VERTEX, _HEAD + defines + _SHADING_FRAGMENT


_HEAD = "#version 330\n" + "".join(f"#define {m.name} {m:d}\n" for m in Material)

_COVERED = """
float covered(sampler2DShadow map, vec3 q, vec3 right, vec3 up, vec3 dir, vec2 corner, float side) {
    vec2 uv = vec2(dot(q, right), dot(q, up)) / RADIUS * 0.5 + 0.5;
    uv = clamp(uv, 0.006, 0.994) * side + corner;
    return texture(map, vec3(uv, 0.5 - 0.5 * dot(q, dir) / RADIUS));
}
""".replace("RADIUS", str(SHADOW_RADIUS))

_HIDDEN = (
    "float collar(vec3 r) {{ return r.y - {} + {} * r.z - {} * r.x * r.x; }}".format(*_COLLAR)
    + """
bool bare(vec3 r) { return collar(r) > 0.0 && r.y > 5.0 && abs(r.x) < 1.2; }
bool hidden(int material, vec3 r) {
    if (material == SKIN) return collar(r) < -0.25 && r.y < 6.1;
    return material == CLOTHES && bare(r);
}
"""
)

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
    _HEAD
    + _HIDDEN
    + """
in vec2 v_uv; in vec3 v_rest; uniform sampler2D tex; uniform int material;
void main() {
    if (material == HAIR && texture(tex, v_uv).a < 0.5) discard;
    if (material == CLOTHES && bare(v_rest)) discard;
}"""
)

LABEL_VERTEX = """
#version 330
in vec3 pos, rest; in vec2 uv; in vec4 extra;
out vec2 v_uv; out vec3 v_rest; flat out vec4 v_extra;
uniform mat4 mvp;
void main() { gl_Position = mvp * vec4(pos, 1); v_uv = uv; v_rest = rest; v_extra = extra; }"""

LABEL_FRAGMENT = (
    _HEAD
    + _HIDDEN
    + """
in vec2 v_uv; in vec3 v_rest; flat in vec4 v_extra; out vec4 colour;
uniform sampler2D tex; uniform int material, label; uniform float cut;
void main() {
    if (hidden(material, v_rest)) discard;
    if (material == HAIR && texture(tex, v_uv).a < cut) discard;
    int found = label;
    if (material == SKIN) found = v_extra.x > 0.35 ? 5 : (v_extra.y > 0.5 ? 1 : 8);
    if (material == EYES) found = v_rest.x > 0.0 ? 3 : 4;
    colour = vec4(float(found) / 255.0, 0.0, 0.0, 1.0);
}"""
)

AMBIENT_VERTEX = (
    _HEAD
    + f"#define DOME {DOME}\n#define DOME_SIDE {DOME_SIDE}\n"
    + _COVERED
    + """
in vec3 pos, normal;
out vec4 ambient;
uniform int material; uniform float lift;
uniform vec3 centre, dome_dir[DOME], dome_right[DOME], dome_up[DOME];
uniform sampler2DShadow dome;
void main() {
    float wrap = material == SKIN ? 0.25 : (material == HAIR ? 0.5 : 0.1);
    float high = 0.0, low = 0.0, all = 0.0;
    for (int i = 0; i < DOME; ++i) {
        float c = (dot(normal, dome_dir[i]) + wrap) / (1.0 + wrap);
        if (c <= 0.0) continue;
        vec3 q = pos + normal * lift + dome_dir[i] * 0.03 - centre;
        float side = 1.0 / float(DOME_SIDE);
        vec2 corner = vec2(i % DOME_SIDE, i / DOME_SIDE) * side;
        c *= covered(dome, q, dome_right[i], dome_up[i], dome_dir[i], corner, side);
        float share = clamp(dome_dir[i].y * 0.9 + 0.5, 0.0, 1.0);
        high += c * share; low += c * (1.0 - share);
    }
    for (int i = 0; i < DOME; ++i)
        all += max((dot(normal, dome_dir[i]) + wrap) / (1.0 + wrap), 0.0);
    ambient = vec4(vec2(high, low) * 4.0 / float(DOME), (high + low) / max(all, 1e-3), 0.0);
}"""
)
"""What the sky sends to each vertex, and how much of the sky is seen from there. Its own pass: a
drawing pass would do it once for every corner of every triangle."""

_SHADING_VERTEX = """
#version 330
in vec3 pos, normal, rest; in vec2 uv; in vec4 extra, ambient;
out vec3 v_pos, v_n, v_rest, v_amb; out vec2 v_uv; out vec4 v_extra; out float v_open;
uniform mat4 mvp; uniform vec3 sky, ground;
void main() {
    v_amb = ambient.x * sky + ambient.y * ground; v_open = ambient.z;
    v_pos = pos; v_n = normal; v_rest = rest; v_uv = uv; v_extra = extra;
    gl_Position = mvp * vec4(pos, 1);
}"""

_SHADING_FRAGMENT = (
    _COVERED
    + _HIDDEN
    + """
in vec3 v_pos, v_n, v_rest, v_amb; in vec2 v_uv; in vec4 v_extra; in float v_open;
out vec4 colour;
uniform sampler2D tex, grain; uniform sampler2DShadow shadow;
const int material = MATERIAL;
const bool sheer_part = SHEER_PART;  // Draw what is blended, or what is solid
uniform vec3 lamp_dir[3], lamp_right[3], lamp_up[3], lamp_tint[3]; uniform vec2 lamp_size[3];
uniform vec3 eye, centre, gain, sky, ground, white, hair, inside, iris, sclera;
uniform float exposure, contrast, saturation, lift, texel, density, softness;
uniform float beard, moustache, scalp, roughness, shine, blotches;
vec3 linear(vec3 c) { return c * c * (0.8 * c + 0.2); }  // Close to the sRGB curve
vec3 film(vec3 x) {
    x = max(x * white * exposure, 0.0);
    float grey = dot(x, vec3(0.25, 0.65, 0.1));
    x = max(mix(vec3(grey), x, saturation), 0.0);
    x = x * (1.0 + x / 9.0) / (1.0 + x) * 1.15;
    x = pow(clamp(x, 0.0, 1.0), vec3(1.0 / 2.2));
    return clamp((x - 0.45) * contrast + 0.45, 0.0, 1.0);
}
vec3 bump(vec3 n, float h) {
    vec3 px = dFdx(v_pos), py = dFdy(v_pos);
    vec3 r1 = cross(py, n), r2 = cross(n, px);
    float det = dot(px, r1);
    return normalize(abs(det) * n - sign(det) * (dFdx(h) * r1 + dFdy(h) * r2) + n * 1e-9);
}
float lobe(vec3 n, vec3 v, vec3 l, float rough) {
    vec3 h = normalize(v + l);
    float a = rough * rough, nh = max(dot(n, h), 0.0), d = nh * nh * (a * a - 1.0) + 1.0;
    float nv = max(dot(n, v), 0.05), nl = max(dot(n, l), 0.0), k = a * 0.5;
    float vis = 0.25 / ((nv * (1.0 - k) + k) * (nl * (1.0 - k) + k));
    float f = 1.0 - max(dot(v, h), 0.0);
    return nl * a * a / (3.14159 * d * d) * vis * (0.028 + 0.972 * f * f * f * f * f);
}
float pane(vec3 r, int i) {  // How much of lamp i is seen in a mirror that looks along r
    if (dot(r, lamp_dir[i]) <= 0.0) return 0.0;
    vec2 at = abs(vec2(dot(r, lamp_right[i]), dot(r, lamp_up[i]))) - lamp_size[i];
    vec2 edge = smoothstep(vec2(0.10), vec2(-0.04), at);
    return edge.x * edge.y;
}
float under(vec3 q) {
    return covered(shadow, q, lamp_right[0], lamp_up[0], lamp_dir[0], vec2(0.0), 1.0);
}
float lit(vec3 n) {
    vec3 q = v_pos + n * lift + lamp_dir[0] * 0.025 - centre;
    vec3 a = lamp_right[0] * softness, b = lamp_up[0] * softness;
    return 0.2 * (under(q) + under(q + a * 0.9 + b * 0.4) + under(q - a * 0.4 + b * 0.9)
        + under(q - a * 0.9 - b * 0.4) + under(q + a * 0.4 - b * 0.9));
}
void main() {
    if (hidden(material, v_rest)) discard;
    vec4 t = texture(tex, v_uv);
    float alpha = material == HAIR ? t.a * density : (material == EYES ? t.a : 1.0);
    bool sheer = material == HAIR || material == EYES;
    float cut = material == HAIR ? 0.62 : 0.5;
    if (sheer && (!sheer_part == (alpha < cut))) discard;
    if (sheer_part && material == HAIR && alpha < 0.02) discard;
    vec3 n = normalize(v_n), v = normalize(eye - v_pos);
    bool away = dot(n, v) < 0.0;
    bool cornea = material == EYES && sheer_part;
    if (cornea) {
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
    }
    if (away && material != EYES) n = -n;
    vec3 smooth_n = n, albedo = linear(t.rgb), wrap = vec3(0.0);
    float rough = 0.5, gloss = 1.0, deep = 0.0;
    if (material == SKIN) {  // Skin, and the inside of the mouth
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
    } else if (material == CLOTHES) {
        float edge = collar(v_rest), rib = smoothstep(-0.26, -0.235, edge);
        float knit = 0.5 + 0.5 * sin(atan(v_rest.x, v_rest.z + 0.2) * 150.0);
        float weave = mix(texture(grain, v_rest.xy * 1.7).r, knit, rib);
        albedo = gain * (0.85 + 0.25 * weave) * mix(1.0, 0.9, rib);
        albedo *= mix(1.0, 0.55, smoothstep(0.035, 0.0, abs(edge + 0.25)));
        rough = 0.85; gloss = 0.3; wrap = vec3(0.15);
    } else if (material == HAIR) {  // Hair, brows and lashes
        albedo = gain * clamp(dot(albedo, vec3(0.33)) / texel, 0.25, 1.8);
        wrap = vec3(0.3); rough = 0.45; gloss = 0.3;
        n = bump(n, 0.02 * dot(t.rgb, vec3(0.33)));
    } else if (material == EYES) {  // Eyeball: the iris is what is coloured or dark
        float lum = dot(albedo, vec3(0.33));
        float d = min(length(v_uv - vec2(0.293, 0.297)), length(v_uv - vec2(0.707, 0.704)));
        vec3 white_part = mix(albedo, vec3(lum), 0.3) * 0.62 * sclera;
        albedo = mix(mix(albedo, vec3(lum), 0.25) * iris, white_part, smoothstep(0.106, 0.120, d));
        wrap = vec3(0.2, 0.12, 0.1); rough = 0.2; gloss = 0.5;
    } else if (material == TEETH) {
        albedo *= vec3(0.95, 0.90, 0.82) * (t.g > 0.55 * t.r ? inside : vec3(1.0));
        rough = 0.22; wrap = vec3(0.25, 0.2, 0.18); gloss = 0.9;
    } else {  // Tongue
        albedo *= vec3(0.75, 0.62, 0.62) * inside;
        rough = 0.33; wrap = vec3(0.3, 0.12, 0.1); gloss = 0.7;
    }
    float s = material == CLOTHES || material == HAIR
        ? under(v_pos + smooth_n * lift + lamp_dir[0] * 0.025 - centre) : lit(smooth_n);
    vec3 diffuse = vec3(0.0), spec = vec3(0.0);
    for (int i = 0; i < 3; ++i) {
        vec3 w = (vec3(dot(n, lamp_dir[i])) + wrap) / ((1.0 + wrap) * (1.0 + wrap));
        w = clamp(w, 0.0, 1.0);
        float seen = i == 0 ? s : v_open;
        if (material == TEETH) seen = mix(seen, 1.0, 0.45);  // Enamel is lit through.
        vec3 soft = vec3(seen);
        if (material == SKIN) soft = pow(vec3(max(seen, 1e-4)), vec3(0.75, 1.0, 1.1));
        diffuse += w * soft * lamp_tint[i];
        if (material != CLOTHES) spec += lobe(n, v, lamp_dir[i], rough) * seen * lamp_tint[i];
    }
    vec3 r = reflect(-v, n);
    vec3 world = mix(ground, sky, smoothstep(-0.5, 0.6, r.y));
    float rim = 1.0 - max(dot(n, v), 0.0); rim = rim * rim * rim * rim * rim;
    spec += world * (0.02 + 0.5 * (1.0 - rough) * rim) * v_open * v_open;
    vec3 bounce = (sky + ground) * vec3(0.08, 0.05, 0.045) * (1.0 - v_open);
    vec3 sum = albedo * (diffuse + v_amb + bounce) + spec * gloss * (material == SKIN ? 1.8 : 2.4);
    if (material == TEETH || material == TONGUE || deep > 0.0) {  // The mouth is a dark room.
        float dark = mix(0.6, 1.0, clamp(v_open * 3.0, 0.0, 1.0));
        dark *= material == TEETH ? 1.5 : 1.15;
        // What light there is has met lips and gums before.
        sum *= mix(vec3(1.12, 0.93, 0.84), vec3(1.0), clamp(v_open * 1.6, 0.0, 1.0));
        sum *= mix(1.0, dark, material == SKIN ? deep : 1.0);
    }
    float a = sheer_part ? alpha : 1.0;
    colour = vec4(film(sum) * a, a);
}"""
)
