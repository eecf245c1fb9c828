"""How well the embedded backend moves photos, in figures and contact sheets.

Self-reenactment (a frame of a clip is the photo, the other frames are the truth), cross-
reenactment (every photo by every clip), skin tones (rendered heads), and stillness over time.
By default it uses the demo material and, where the checkout has them, the clips and pictures of
../shared/real.

    python -m scripts.evaluation.evaluate --every 4 --json figures.json --sheets sheets
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from models.animator import MotionSettings
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.topology import OUTER_LIPS
from models.face.tracker import FaceTracker
from models.keypoints import Keypoints
from models.mesh.backend import MeshAnimator, MeshAvatar
from models.types import Crop, Face, Floats, Image, Photo
from realtime.cameras.clip import ClipReader
from realtime.paths import asset_path
from realtime.pipeline.threads import limit_threads
from realtime.session.source import load_source
from realtime.sinks.recording.video_writer import VideoWriter
from scripts.evaluation import measures, published, turned
from scripts.evaluation.compare import compare, read_figures
from scripts.evaluation.contact_sheet import tile
from scripts.evaluation.driver import COMPARED, Driver, Pictures, read_driver, series
from scripts.evaluation.judges import Identity, Keypoints68, Perceptual
from scripts.evaluation.published import Shown
from scripts.evaluation.tables import Figures, goals, report
from scripts.paths import SHARED

SIZE = 512
"""The longer side of every avatar in pixels."""

CLIPS = (
    "d0.mp4",
    "d18.mp4",
    "head-pose-face-detection-female.gif",
    "head-pose-face-detection-male.gif",
)
SOURCES = ("s0.jpg", "s5.jpg", "s6.jpg", "s9.jpg")
_JUDGED_SELF, _JUDGED_CROSS = 12, 5  # frames of a clip that the slow networks look at
_OPENED = (0.05, 0.1, 0.15)  # of the face's height
_STEADY = 0.15  # of the neutral opening of the lids
_TILE = 224
"""Pixels of a side on a sheet: lids and teeth can be told, and ten in a row fit a wide screen."""

RELATIVE = MotionSettings()


@dataclass(frozen=True)
class Judges:
    """What looks at the results; a network that is not installed is None.

    Attributes:
        tracker: finds landmarks in them.
        perceptual: how alike two pictures are.
        identity: how alike two persons are.
        keypoints: those of the AKD.
        missing: why a network is None, by its name.
    """

    tracker: FaceTracker
    perceptual: Perceptual | None
    identity: Identity | None
    keypoints: Keypoints68 | None
    missing: dict[str, str]

    @classmethod
    def load(cls) -> Judges:
        """Load what is installed."""
        loaded: dict[str, Any] = {}
        missing: dict[str, str] = {}
        judges = {"perceptual": Perceptual, "identity": Identity, "AKD": Keypoints68}
        for name, make in judges.items():
            try:
                loaded[name] = make()
            except UserError as error:
                missing[name] = str(error)
        networks = [loaded.get(name) for name in judges]
        return cls(FaceTracker(), networks[0], networks[1], networks[2], missing)


def _only(values: Sequence[float], kept: Sequence[bool]) -> list[float]:
    """The values with NaN where they are not to be counted."""
    return [value if keep else float("nan") for value, keep in zip(values, kept, strict=True)]


def _chosen(count: int, most: int) -> set[int]:
    return {int(n) for n in np.linspace(0, count - 1, min(most, count)).round()}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


# Self-reenactment


def own_avatar(driver: Driver, animator: MeshAnimator) -> MeshAvatar:
    """The driver's neutral frame as the photo."""
    face = Face(driver.faces[driver.neutral], None, 1.0)
    photo = Photo(driver.frames[driver.neutral], face, driver.name)
    return animator.prepare(photo, SIZE)


def self_reenactment(
    avatar: MeshAvatar, driver: Driver, animator: MeshAnimator, judges: Judges
) -> tuple[Figures, dict[str, list[Image]]]:
    """The clip on its own neutral frame, against the warp alone and the still photo.

    Args:
        avatar: from `own_avatar`.
        driver: the clip.
        animator: draws.
        judges: look at it.

    Returns:
        Figures for "result", "warp alone" and "still"; and the pictures of each, after those of
        "real", which are the clip's own frames.
    """
    neutral = driver.neutral
    height, width = avatar.still.shape[:2]
    ratio = width / driver.frames[neutral].shape[1]
    moments = [n for n in range(len(driver.frames)) if n != neutral]
    real = [
        np.asarray(cv2.resize(driver.frames[n], (width, height), interpolation=cv2.INTER_AREA))
        for n in moments
    ]
    truth = [np.asarray(driver.faces[n] * ratio, np.float32) for n in moments]
    anchor = driver.observed[neutral]
    targets = [animator.pose(avatar, driver.observed[n], anchor, RELATIVE) for n in moments]
    pictures = {
        "result": [animator.render(avatar, target) for target in targets],
        "warp alone": [animator.warp(avatar, target) for target in targets],
        "still": [avatar.still] * len(moments),
    }
    judge = _SelfJudge(judges, avatar.crop, real, truth)
    figures = {name: judge(shown) for name, shown in pictures.items()}
    return figures, {"real": real} | pictures


class _SelfJudge:
    """Compares pictures with the real frames; what the frames need is computed once."""

    def __init__(self, judges: Judges, crop: Crop, real: list[Image], truth: list[Floats]) -> None:
        self._judges, self._crop, self._real, self._truth = judges, crop, real, truth
        self._looked_at = _chosen(len(real), _JUDGED_SELF)
        self._keypoints = {
            n: judges.keypoints.find(real[n], truth[n])
            for n in self._looked_at
            if judges.keypoints is not None
        }
        self._persons = {
            n: judges.identity.embed(real[n], truth[n])
            for n in self._looked_at
            if judges.identity is not None
        }

    def __call__(self, pictures: list[Image]) -> Figures:
        unit = 2 * self._crop.half / 256
        tracker, lost = self._judges.tracker, 0
        tracker.reset()
        rows: dict[str, list[float]] = {}
        energies: dict[str, list[float]] = {}
        for n, (picture, real, truth) in enumerate(
            zip(pictures, self._real, self._truth, strict=True)
        ):
            found = tracker.track(picture)
            if n in self._looked_at:
                for name, value in self._network_rows(n, picture, found).items():
                    rows.setdefault(name, []).append(value)
            if found is None:
                lost += 1
                continue
            for name, points in (
                ("all", None),
                ("mouth", measures.LIPS),
                ("eyes", measures.LIDS_AND_IRISES),
            ):
                apart = measures.landmark_distance(found.landmarks, truth, unit, points)
                rows.setdefault(f"landmarks_{name}_px", []).append(apart)
            for name, outline in (("face", np.arange(468)), ("mouth", OUTER_LIPS)):
                for which, image, face in (
                    ("own", picture, found.landmarks),
                    ("real", real, truth),
                ):
                    energy = measures.gradient_energy(image, face[outline, :2])
                    energies.setdefault(f"{name} {which}", []).append(energy)
            if measures.parted(truth) > measures.PARTED:
                for which, image, face in (
                    ("own", picture, found.landmarks),
                    ("real", real, truth),
                ):
                    contrast = measures.local_contrast(image, face)
                    energies.setdefault(f"inside {which}", []).append(contrast)
                bright = measures.brightest_tooth(picture, found.landmarks)
                rows.setdefault("brightest_tooth", []).append(bright)
        figures: Figures = {name: _mean(values) for name, values in rows.items()}
        for name in ("face", "mouth"):
            own, true = (sum(energies.get(f"{name} {which}", [])) for which in ("own", "real"))
            figures[f"sharpness_{name}"] = own / true if true else None
        own, true = (sum(energies.get(f"inside {which}", [])) for which in ("own", "real"))
        figures["contrast_inside"] = float(np.sqrt(own / true)) if true else None
        return figures | {"frames": len(pictures), "lost": lost}

    def _network_rows(self, n: int, picture: Image, found: Face | None) -> dict[str, float]:
        rows: dict[str, float] = {}
        perceptual, identity = self._judges.perceptual, self._judges.identity
        if perceptual is not None:
            lips = measures.mouth_crop(self._truth[n])
            for name, crop, side in (("whole", self._crop, 256), ("mouth", lips, 128)):
                both = (measures.cut(image, crop, side) for image in (picture, self._real[n]))
                rows[f"perceptual_{name}"] = perceptual(*both)
        if identity is not None and found is not None:
            own = identity.embed(picture, found.landmarks)
            rows["identity"] = identity.distance(own, self._persons[n])
        if self._judges.keypoints is not None and found is not None:
            points = self._judges.keypoints.find(picture, found.landmarks)
            apart = np.linalg.norm(points - self._keypoints[n], axis=1)
            rows["akd"] = float(apart.mean()) / (2 * self._crop.half / 256)
        return rows


# Cross-reenactment


def cross_reenactment(
    avatar: MeshAvatar, driver: Driver, animator: MeshAnimator, judges: Judges
) -> tuple[Figures, list[Image]]:
    """Move a photo by a clip.

    Args:
        avatar: of the photo.
        driver: the clip.
        animator: draws.
        judges: look at it.

    Returns:
        Figures: an `Agreement` for every motion and expression, frames that are lost or turned too
        far, the change of the corners, identity. And the pictures, one for each of the driver's
        frames.
    """
    anchor = driver.observed[driver.neutral]
    tracker = judges.tracker
    tracker.reset()
    still = tracker.track(avatar.still)
    neutral = avatar.landmarks if still is None else still.landmarks
    pictures = [
        animator.render(avatar, animator.pose(avatar, observed, anchor, RELATIVE))
        for observed in driver.observed
    ]
    found = [tracker.track(picture) for picture in pictures]
    faces = [None if face is None else face.landmarks for face in found]
    ours, theirs = series(faces, neutral), driver.motions()
    within = [not measures.beyond({k: v[n] for k, v in theirs.items()}) for n in range(len(faces))]
    figures: Figures = {
        name: asdict(measures.agreement(_only(theirs[name], within), ours[name], least))
        for name, least in COMPARED.items()
    }
    untold = {"correlation": None, "gain": None}
    if not measures.irises_show(avatar.still, avatar.landmarks):
        figures["gaze"] |= untold
    if not lids_can_be_told(avatar, animator, tracker, neutral):
        figures["lids"] |= untold
        figures["squint"] |= untold
    corners = [measures.corner_change(picture, avatar.still) for picture in pictures]
    figures |= {"lost": sum(face is None for face in faces), "corners": max(corners)}
    figures["beyond"] = within.count(False)
    if judges.identity is not None:
        figures |= _persons(judges.identity, avatar, driver, pictures, faces)
    return figures | {"frames": len(pictures)}, pictures


def lids_can_be_told(
    avatar: MeshAvatar, animator: MeshAnimator, tracker: FaceTracker, neutral: Floats
) -> bool:
    """Whether the tracker reads the lids of a photo where they are: a control.

    The mouth is opened, and not one pixel of the eyes changes. Of a statue the tracker then reads
    eyes that close by a quarter, so what it says of its lids is said by the mouth.

    Args:
        avatar: of the photo.
        animator: draws.
        tracker: the one to try.
        neutral: landmarks of the photo as the tracker finds them, (478, 3) in pixels.
    """
    values = avatar.rest.values
    lids = []
    for points in (values, *(measures.opened(values, gap) for gap in _OPENED)):
        tracker.reset()
        face = tracker.track(animator.render(avatar, Keypoints(points)))
        if face is None:
            return False
        lids.append(measures.motions(face.landmarks, neutral)["lids"])
    return bool(np.ptp(lids) < _STEADY)


def _persons(
    identity: Identity,
    avatar: MeshAvatar,
    driver: Driver,
    pictures: list[Image],
    faces: list[Floats | None],
) -> Figures:
    """How far the results are from the photo's person and from the driver."""
    source = identity.embed(avatar.still, avatar.landmarks)
    actor = identity.embed(driver.frames[driver.neutral], driver.faces[driver.neutral])
    to_source, to_driver = [], []
    for n in sorted(_chosen(len(pictures), _JUDGED_CROSS)):
        face = faces[n]
        if face is not None:
            own = identity.embed(pictures[n], face)
            to_source.append(identity.distance(own, source))
            to_driver.append(identity.distance(own, actor))
    return {"identity": _mean(to_source), "identity_to_driver": _mean(to_driver)}


# Stillness


def stillness(
    avatar: MeshAvatar, driver: Driver, animator: MeshAnimator, frames: int = 60
) -> Figures:
    """A still driver before a noisy webcam (standard deviation 3 of 255, 30 fps), as live.

    Args:
        avatar: of the photo.
        driver: whose neutral frame the webcam shows.
        animator: draws.
        frames: to draw; the first half second is not judged.

    Returns:
        Figures by name, px at 512 and changes of 255.

        - jitter_px: of landmarks found in the result.
        - jitter_aimed_px: of the landmarks that the result was drawn for.
        - jitter_unfiltered_px: the same without the filter.
        - static_change: the largest change of any pixel outside the moving box.
        - background_change: mean spread of the still background inside the box.
        - repeat_change: the largest change of any pixel between two drawings of the same pose.
    """
    rng = np.random.default_rng(0)
    image = driver.frames[driver.neutral]
    tracker, seer, smooth = FaceTracker(), FaceTracker(), animator.smoother()
    anchor: Face | None = None
    reference: Keypoints | None = None
    seen: list[Floats] = []
    aimed: list[Floats] = []
    unfiltered: list[Floats] = []
    pictures: list[Image] = []
    moved = avatar.crop.half * SIZE / max(avatar.still.shape[:2])
    for number in range(frames):
        frame = _noisy(image, rng)
        face = tracker.track(frame)
        if face is None:
            continue
        anchor = anchor or face
        raw = animator.observe(frame, face, anchor)
        assert raw is not None
        reference = reference or raw
        smoothed = smooth(raw, number / 30)
        target = animator.pose(avatar, smoothed, reference, RELATIVE)
        picture = animator.render(avatar, target)
        found = seer.track(picture)
        if number < 15 or found is None:
            continue
        pictures.append(picture)
        seen.append(found.landmarks * (SIZE / max(picture.shape[:2])))
        aimed.append(target.values * moved)
        bare = animator.pose(avatar, raw, reference, RELATIVE)
        unfiltered.append(bare.values * moved)
    assert reference is not None
    again = animator.render(avatar, target)
    return {
        "jitter_px": measures.jitter(seen),
        "jitter_aimed_px": measures.jitter(aimed),
        "jitter_unfiltered_px": measures.jitter(unfiltered),
        **_changes(avatar, pictures),
        "repeat_change": int(np.abs(again.astype(int) - picture).max()),
    }


def _noisy(image: Image, rng: np.random.Generator) -> Image:
    """A picture as a webcam in a room gives it: noise with a standard deviation of 3 of 255."""
    return np.asarray(np.clip(image + rng.normal(0, 3, image.shape), 0, 255).round(), np.uint8)


def _changes(avatar: MeshAvatar, pictures: list[Image]) -> Figures:
    """What changes over the pictures of an avatar that should stand still."""
    stack = np.stack(pictures)
    left, top, right, bottom = avatar.person.layers.box
    outside = np.ones(avatar.still.shape[:2], bool)
    outside[top:bottom, left:right] = False
    spread = stack[:, top:bottom, left:right].astype(np.float32).std(axis=0).mean(axis=-1)
    behind = cv2.dilate(avatar.person.layers.matte, np.ones((9, 9), np.uint8)) == 0
    return {
        "static_change": int(np.ptp(stack[:, outside], axis=0).max()) if outside.any() else 0,
        "background_change": float(spread[behind].mean()) if behind.any() else 0.0,
    }


# Skin tones


def skin_tones(animator: MeshAnimator, judges: Judges, parts: Path, sheets: Sheets) -> Figures:
    """Self-reenactment of one rendered head in several skins, from light to dark.

    Args:
        animator: draws.
        judges: look at it.
        parts: the folder of the parts of heads.
        sheets: where pictures go.

    Returns:
        Figures of the result for every skin.

    Raises:
        UserError: the renderer or its parts are not there.
    """
    heads_by_tone = _rendered("tones", parts).heads_by_tone
    rows: Figures = {}
    for tone, pictures in heads_by_tone(parts):
        driver = read_driver(Pictures(tone, pictures), 1, animator)
        avatar = own_avatar(driver, animator)
        figures, shown = self_reenactment(avatar, driver, animator, judges)
        rows[tone] = figures["result"] | {"seen_twice_px": seen_twice(driver, FaceFinder())}
        sheets.self(driver, shown)
    best = min(row["landmarks_all_px"] for row in rows.values())
    for row in rows.values():
        row["times_best"] = row["landmarks_all_px"] / best
    return rows


def seen_twice(driver: Driver, finder: FaceFinder) -> float | None:
    """How far the landmarks of a real frame and of the same frame with webcam noise are apart.

    What the judge itself adds to `landmarks_all_px`, which differs by skin.

    Returns:
        The mean over the driver's frames in px at 256, or None if there is a face in none.
    """
    rng = np.random.default_rng(0)
    apart = []
    for frame in driver.frames:
        plain, again = (finder.find_faces(image) for image in (frame, _noisy(frame, rng)))
        if plain and again:
            unit = 2 * Crop.around(plain[0]).half / 256
            apart.append(
                measures.landmark_distance(again[0].landmarks, plain[0].landmarks, unit, None)
            )
    return _mean(apart)


def turned_heads(animator: MeshAnimator, parts: Path) -> Figures:
    """A rendered head's photo, turned, beside the head that is turned.

    Args:
        animator: draws.
        parts: the folder of the parts of heads.

    Returns:
        Figures for every angle.

    Raises:
        UserError: the renderer or its parts are not there.
    """
    heads_by_angle = _rendered("turns", parts).heads_by_angle
    return turned.judge(heads_by_angle(parts), animator, SIZE)


def _rendered(module: str, parts: Path) -> Any:
    """A module of `scripts.heads`, which renders heads from these parts.

    Raises:
        UserError: the renderer or its parts are not there.
    """
    try:
        heads = importlib.import_module(f"scripts.heads.{module}")
    except ImportError as error:
        raise UserError(f"missing: rendered heads need the package {error.name}") from None
    if not parts.is_dir():
        raise UserError("missing: rendered heads need ../shared/heads_cc0")
    return heads


# Pictures to look at


def _telling(motion: Mapping[str, list[float]], columns: int) -> list[int]:
    """The frames with the strongest motions, in order."""
    picked: list[int] = []
    ends = {"mouth": "+", "lids": "-", "yaw": "+-", "gaze": "+-", "pitch": "+-", "roll": "+-"}
    for name, signs in ends.items():
        values = np.array(motion[name])
        if np.isfinite(values).any() and np.nanmax(values) - np.nanmin(values) > 0:
            picked += [int((np.nanargmax if s == "+" else np.nanargmin)(values)) for s in signs]
    count = len(motion["mouth"])
    picked += [int(n) for n in np.linspace(0, count - 1, columns)]
    return sorted(list(dict.fromkeys(picked))[:columns])


def write_sheet(path: Path, rows: Sequence[Sequence[Image]]) -> None:
    """Write rows of pictures, as many in each, as one PNG."""
    tiled = [np.hstack([tile(picture, _TILE) for picture in row]) for row in rows]
    path.write_bytes(cv2.imencode(".png", np.vstack(tiled)[..., ::-1])[1].tobytes())


def write_clip(path: Path, columns: Sequence[Sequence[Image]], fps: float) -> None:
    """Write clips of equal length side by side as MP4."""
    side = 320
    with VideoWriter(path, (side * len(columns), side), fps) as writer:
        for row in zip(*columns, strict=True):
            writer.write(np.ascontiguousarray(np.hstack([tile(image, side) for image in row])))


def _around(picture: Image, crop: Crop, share: float = 0.75) -> Image:
    return measures.cut(picture, Crop(crop.cx, crop.cy, share * crop.half), _TILE)


class Sheets:
    """Writes contact sheets and clips into a folder, or nothing without one."""

    def __init__(self, folder: Path | None) -> None:
        """Make the folder; None: write nothing."""
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def cross(self, driver: Driver, avatar: MeshAvatar, pictures: list[Image]) -> None:
        """The driver over the result, at the strongest motions."""
        if self._folder is None:
            return
        crop = Crop.around(Face(driver.faces[driver.neutral], None, 1.0))
        own = [_around(frame, crop) for frame in driver.frames]
        moments = _telling(driver.motions(), 9)
        name = f"{Path(avatar.name).stem}_by_{driver.name}"
        rows = [
            [own[driver.neutral], *(own[n] for n in moments)],
            [avatar.still, *(pictures[n] for n in moments)],
            [
                _around(image, avatar.crop)
                for image in [avatar.still] + [pictures[n] for n in moments]
            ],
        ]
        write_sheet(self._folder / f"{name}.png", rows)
        write_clip(self._folder / f"{name}.mp4", [own, pictures], driver.fps)

    def published(self, driver: Driver, shown: Shown) -> None:
        """The driver over ours and over the published frames."""
        if self._folder is None:
            return
        kept = published.moments(len(shown.theirs), len(driver.frames))
        motion = driver.motions()
        moments = _telling({name: [motion[name][n] for n in kept] for name in motion}, 9)
        rows = [[driver.frames[kept[n]] for n in moments]]
        rows += [[pictures[n] for n in moments] for pictures in (shown.ours, shown.theirs)]
        write_sheet(self._folder / f"published_{shown.name}.png", rows)

    def self(self, driver: Driver, pictures: Mapping[str, list[Image]]) -> None:
        """The real frames over the result and the baselines."""
        if self._folder is None:
            return
        kept = [n for n in range(len(driver.frames)) if n != driver.neutral]
        motion = driver.motions()
        moments = _telling({name: [motion[name][n] for n in kept] for name in motion}, 9)
        face = Face(driver.faces[driver.neutral], None, 1.0)
        ratio = pictures["real"][0].shape[1] / driver.frames[0].shape[1]
        around = Crop.around(Face(np.asarray(face.landmarks * ratio), None, 1.0))
        rows = [[_around(shown[n], around) for n in moments] for shown in pictures.values()]
        write_sheet(self._folder / f"self_{driver.name}.png", rows)
        columns = [[_around(image, around) for image in shown] for shown in pictures.values()]
        write_clip(self._folder / f"self_{driver.name}.mp4", columns, driver.fps)


def defaults(shared: Path, scratch: Callable[[str], Path]) -> tuple[list[Path], list[Path]]:
    """Clips and photos to evaluate on.

    Args:
        shared: a folder with `CLIPS` and `SOURCES`; left out where it is not there.
        scratch: where a file of this name may be written.
    """
    clips, sources = [asset_path("demo.mp4")], [asset_path("face.jpg")]
    if shared.is_dir():
        clips = [shared / name for name in CLIPS] + clips
        sources = [shared / name for name in SOURCES] + sources
    else:
        print("../shared/real is absent: only the demo material is used.", file=sys.stderr)
    try:
        from skimage.data import astronaut

        path = scratch("astronaut.png")
        image = np.asarray(astronaut())  # type: ignore[no-untyped-call]
        path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
        sources.append(path)
    except ImportError:
        print("scikit-image is absent: its astronaut is left out.", file=sys.stderr)
    return clips, sources


def evaluate(
    clips: Sequence[Path], sources: Sequence[Path], every: int, sheets: Sheets, parts: Path
) -> Figures:
    """All figures.

    Args:
        clips: drivers.
        sources: photos.
        every: keep every n-th frame of a clip.
        sheets: where pictures go.
        parts: the folder of the parts of heads.

    Returns:
        As `--json` writes them: "self", "cross", "still_driver" and "skin_tones" by clip, photo and
        skin (or why there are none), "turned" by angle (likewise), "published" by painting, what
        `goals` gives, and why a judge is "missing".

    Raises:
        UserError: a clip or a photo cannot be used.
    """
    from rich.progress import Progress

    began = time.perf_counter()
    animator, judges = MeshAnimator(), Judges.load()
    figures: Figures = {"self": {}, "cross": {}, "still_driver": {}, "missing": judges.missing}
    with Progress(transient=True) as progress:
        task = progress.add_task("", total=2 * len(clips) + len(sources) * (len(clips) + 1) + 3)

        def step(what: str) -> None:
            progress.update(task, advance=1, description=what)

        drivers = []
        for clip in clips:
            drivers.append(read_driver(ClipReader(clip), every, animator))
            step(f"following {clip.name}")
        for driver in drivers:
            row, across = _by_itself(driver, animator, judges, sheets)
            figures["self"][driver.name] = row
            figures["cross"].setdefault("itself", {})[driver.name] = across
            step(f"self-reenactment of {driver.name}")
        for source in sources:
            photo = load_source(source, FaceFinder(), None)
            avatar = animator.prepare(photo, SIZE)
            name = source.stem
            figures["cross"][name] = {}
            for driver in drivers:
                row, pictures = cross_reenactment(avatar, driver, animator, judges)
                figures["cross"][name][driver.name] = row
                sheets.cross(driver, avatar, pictures)
                step(f"{name} by {driver.name}")
            figures["still_driver"][name] = stillness(avatar, drivers[0], animator)
            step(f"{name} by a still driver")
        try:
            figures["skin_tones"] = skin_tones(animator, judges, parts, sheets)
        except UserError as error:
            figures["skin_tones"] = str(error)
        step("skin tones")
        try:
            figures["turned"] = turned_heads(animator, parts)
        except UserError as error:
            figures["turned"] = str(error)
        step("turned heads")
        figures["published"] = _published(SHARED / "real", animator, sheets)
        step("published frames")
    figures["goals"] = goals(figures)
    return figures | {"every": every, "size": SIZE, "seconds": time.perf_counter() - began}


def _by_itself(
    driver: Driver, animator: MeshAnimator, judges: Judges, sheets: Sheets
) -> tuple[Figures, Figures]:
    """Both figures of a clip that moves its own frame, as self- and as cross-reenactment."""
    own = own_avatar(driver, animator)
    figures, shown = self_reenactment(own, driver, animator, judges)
    sheets.self(driver, shown)
    # The same person: what is lost here is lost in drawing, not between two faces.
    across, _ = cross_reenactment(own, driver, animator, judges)
    return figures, across


def _published(folder: Path, animator: MeshAnimator, sheets: Sheets) -> Figures:
    """Figures of ours and of published frames, by painting; none where these are not at hand."""
    if not (folder / published.PUBLISHED).is_file():
        return {}
    driver = read_driver(ClipReader(folder / published.DRIVER), 1, animator)
    rows: Figures = {}
    for name in published.COLUMNS:
        shown = published.show(folder, name, animator, driver, SIZE)
        rows[name] = published.judge(shown, driver)
        sheets.published(driver, shown)
    return rows


def main() -> None:
    """Evaluate, print, write."""
    import tempfile

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--clips", nargs="+", type=Path, metavar="CLIP", help="driving clips")
    parser.add_argument("--sources", nargs="+", type=Path, metavar="PHOTO", help="photos")
    parser.add_argument("--every", type=int, default=4, metavar="N", help="use every Nth frame")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--before", type=Path, metavar="FILE", help="an earlier --json to compare")
    parser.add_argument("--sheets", type=Path, metavar="FOLDER", help="write pictures to look at")
    options = parser.parse_args()
    if options.every < 1:
        parser.error("--every must be at least 1")
    limit_threads()
    shared = SHARED
    with tempfile.TemporaryDirectory() as scratch:
        try:
            before = read_figures(options.before) if options.before else None
            clips, sources = options.clips, options.sources
            if not clips or not sources:
                own = defaults(shared / "real", lambda name: Path(scratch) / name)
                clips, sources = clips or own[0], sources or own[1]
            sheets = Sheets(options.sheets)
            figures = evaluate(clips, sources, options.every, sheets, shared / "heads_cc0")
        except UserError as error:
            sys.exit(str(error))
    report(figures)
    if before:
        compare(before, figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
