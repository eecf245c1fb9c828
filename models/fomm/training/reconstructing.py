"""Measuring a trained model: reconstruction of held-out clips, and animation of pairs of them.

What the official program does with `--mode reconstruction` and `--mode animate`.
"""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import PIL.Image
import torch
from torch import Tensor, nn

from models.errors import UserError
from models.fomm.config import Config
from models.fomm.motion import relative_motion
from models.fomm.networks import Generator, KeypointDetector, Points
from models.fomm.training.dataset import ClipFolder, check
from models.fomm.training.metrics import Compared, Comparison, FaceTool
from models.keypoints import Keypoints
from models.types import Floats, Image

BATCH = 8
"""Frames that go through the networks at once: more gains nothing even on a card."""

RATE = 25
"""Frames a second of what is written: nothing tells that of a folder of frames."""

_QUALITY = "17"
"""x264's rate factor, with which one sees no loss."""

_EPSILON = 1e-12
"""Keeps a quotient of errors finite where nothing moves."""

Progress = Callable[[str, int, int], None]
"""Called with a clip's name, how many are done, and how many there are."""


@dataclass(frozen=True)
class Networks:
    """The two networks, ready for use.

    Attributes:
        detector: the keypoint detector.
        generator: with the dense motion network in it.
        device: where they are.
    """

    detector: KeypointDetector
    generator: Generator
    device: torch.device

    @classmethod
    def of(cls, state: Mapping[str, Any], config: Config, device: str | None = None) -> Networks:
        """Build them.

        Args:
            state: the state dicts `kp_detector` and `generator`.
            config: their shape.
            device: as PyTorch calls it; None: a card where there is one.

        Raises:
            UserError: the weights have another shape.
        """
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        built: list[Any] = []
        parts = (("kp_detector", KeypointDetector(config)), ("generator", Generator(config)))
        for name, module in parts:
            built.append(
                _filled(module, name, state, config).eval().requires_grad_(False).to(place)
            )
        return cls(built[0], built[1], place)

    @torch.inference_mode()
    def points(self, frames: Image) -> Points:
        """The keypoints of frames (T, S, S, 3)."""
        found = [self.detector(part) for part in self._batches(frames)]
        return Points(*(torch.cat(one) for one in zip(*found, strict=True)))

    @torch.inference_mode()
    def render(self, source: Image, here: Points, there: Points) -> Iterator[tuple[Floats, Floats]]:
        """Move a source to keypoints.

        Args:
            source: (S, S, 3).
            here: its own keypoints, one.
            there: those wanted, T.

        Yields:
            For each, the picture (S, S, 3) and the occlusion map (S', S'), both 0..1.
        """
        (picture,) = self._batches(source[None])
        features, small = self.generator.encode(picture)
        count = len(there.values)
        for start in range(0, count, BATCH):
            part = Points(*(one[start : start + BATCH] for one in there))
            size = len(part.values)
            same = Points(*(one.expand(size, *one.shape[1:]) for one in here))
            many = [one.expand(size, *one.shape[1:]) for one in (features, small)]
            made, motion = self.generator.decode(many[0], many[1], same, part)
            pictures = made.permute(0, 2, 3, 1).float().cpu().numpy()
            yield from zip(pictures, motion.occlusion[:, 0].float().cpu().numpy(), strict=True)

    def _batches(self, frames: Image) -> Iterator[Tensor]:
        for start in range(0, len(frames), BATCH):
            part = np.asarray(frames[start : start + BATCH], np.float32) / np.float32(255)
            yield torch.from_numpy(part).permute(0, 3, 1, 2).contiguous().to(self.device)


@dataclass(frozen=True)
class ClipFigures:
    """How well one clip was reconstructed.

    Attributes:
        name: the clip's.
        frames: how many it has.
        l1: mean absolute difference, 0..1.
        still: that of its first frame, unmoved: what a model that does nothing would have.
    """

    name: str
    frames: int
    l1: float
    still: float


@dataclass(frozen=True)
class Figures:
    """What a reconstruction came to.

    Attributes:
        clips: of each.
        compared: of all by a tool for faces, or None.
    """

    clips: list[ClipFigures]
    compared: Compared | None

    @property
    def l1(self) -> float:
        """Over all frames of all clips, as officially."""
        return _mean([(one.l1, one.frames) for one in self.clips])

    @property
    def still(self) -> float:
        """The same of the still sources."""
        return _mean([(one.still, one.frames) for one in self.clips])

    def lines(self) -> list[str]:
        """The same in sentences, each figure with its tool."""
        frames = sum(one.frames for one in self.clips)
        share = self.l1 / max(self.still, _EPSILON)
        lines = [
            f"L1 {self.l1:.5f} over {frames} frames of {_clips(len(self.clips))}; "
            f"{share:.2f} of the still source's {self.still:.5f}."
        ]
        if self.compared is not None:
            one = self.compared
            for name, value, more in (
                ("AKD", one.akd, " pixels at 256"),
                ("MKR", one.mkr, ""),
                ("AED", one.aed, ", of how light the face's parts are"),
            ):
                if math.isfinite(value):
                    lines.append(f"{name} ({one.tool}) {value:.4f}{more}.")
            if not one.frames:
                lines.append(f"No face was found in the clips ({one.tool}).")
        return lines


def load_networks(path: Path, config: Config, device: str | None = None) -> Networks:
    """The networks of a checkpoint, as the official program and this one write it.

    Args:
        path: the file.
        config: the shape of its networks.
        device: as for `Networks.of`.

    Raises:
        UserError: it cannot be read, or has another shape.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise UserError(f"There is no checkpoint {path}; check the name.") from error
    except Exception as error:  # Unpicklers raise nearly anything on a broken file.
        raise UserError(
            f"{path} is no checkpoint that can be read ({type(error).__name__}); name one that "
            "training has written."
        ) from error
    return Networks.of(state, config, device)


def reconstruct(
    networks: Networks,
    clips: ClipFolder,
    out: Path,
    *,
    most: int | None = None,
    tool: FaceTool | None = None,
    progress: Progress = lambda name, done, total: None,
) -> Figures:
    """Reconstruct every clip from its first frame and its keypoints, and measure it.

    Args:
        networks: of the model.
        clips: held out from training.
        out: gets `NAME.mp4` (source, real, reconstructed, occlusion), `png/NAME.png` with all
            reconstructed frames side by side, `figures.json` and `figures.csv`.
        most: clips at most; None: all.
        tool: finds the faces that are compared; None: L1 alone.
        progress: told before each clip.

    Raises:
        UserError: a clip cannot be used, or `out` cannot be written.
    """
    _made(out / "png")
    comparison = None if tool is None else Comparison(tool)
    names = clips.names[:most]
    figures = []
    for done, name in enumerate(names):
        progress(name, done, len(names))
        frames = clips.clip(name)
        check(clips.path(name), frames, clips.shape, least=1)
        pictures = _rebuilt(networks, frames, out, name)
        figures.append(_measured(name, frames, pictures))
        if comparison is not None:
            for real, generated in zip(frames, pictures, strict=True):
                comparison.add(np.ascontiguousarray(real), _bytes(generated))
    result = Figures(figures, None if comparison is None else comparison.result())
    _write_figures(result, out)
    return result


def animate_pairs(
    networks: Networks,
    clips: ClipFolder,
    pairs: Sequence[tuple[str, str]],
    out: Path,
    progress: Progress = lambda name, done, total: None,
) -> list[Path]:
    """Move the first frame of one clip as another clip moves, for every pair.

    Keypoints and their local motions are relative to the driving clip's first frame.

    Args:
        networks: of the model.
        clips: where both are from.
        pairs: names of source and driving clip.
        out: gets `DRIVING-SOURCE.mp4` (source, driving, result) and `png/DRIVING-SOURCE.png`.
        progress: told before each pair.

    Returns:
        The clips that were written.

    Raises:
        UserError: a clip cannot be used, or `out` cannot be written.
    """
    _made(out / "png")
    written = []
    for done, (source_name, driving_name) in enumerate(pairs):
        name = f"{_bare(driving_name)}-{_bare(source_name)}"
        progress(name, done, len(pairs))
        source, driving = clips.clip(source_name)[0], clips.clip(driving_name)
        for one, frames in ((source_name, source[None]), (driving_name, driving)):
            check(clips.path(one), frames, clips.shape, least=1)
        here = networks.points(source[None])
        there = _relative(here, networks.points(driving))
        pictures = [_bytes(one) for one, _ in networks.render(source, here, there)]
        _save_strip(out / "png" / f"{name}.png", pictures)
        rows = (
            np.hstack([source, frame, made]) for frame, made in zip(driving, pictures, strict=True)
        )
        written.append(_save_clip(out / f"{name}.mp4", rows))
    return written


def _relative(source: Points, driving: Points) -> Points:
    """Driving keypoints, moved onto the source's as they move from their first."""
    here = Keypoints(source.values[0].cpu().numpy(), source.jacobians[0].cpu().numpy())
    all_ = [
        Keypoints(values, jacobians)
        for values, jacobians in zip(
            driving.values.cpu().numpy(), driving.jacobians.cpu().numpy(), strict=True
        )
    ]
    moved = [relative_motion(here, all_[0], one, adapt_scale=False) for one in all_]
    device = source.values.device
    jacobians = [one.jacobians for one in moved if one.jacobians is not None]
    return Points(
        torch.from_numpy(np.stack([one.values for one in moved])).to(device),
        torch.from_numpy(np.stack(jacobians)).to(device),
    )


def _filled(module: nn.Module, name: str, state: Mapping[str, Any], config: Config) -> nn.Module:
    try:
        missing = module.load_state_dict(state[name], strict=False)
        lacks = [one for one in missing.missing_keys if not one.endswith("num_batches_tracked")]
        fits = not lacks and not missing.unexpected_keys
    except (KeyError, RuntimeError, AttributeError, TypeError):
        fits = False
    if not fits:
        raise UserError(
            f"The checkpoint holds no {name} of the configuration {config.name}; name the one that "
            "it was trained with in --config."
        )
    return module


def _rebuilt(networks: Networks, frames: Image, out: Path, name: str) -> list[Floats]:
    """All frames made of the first one, and written."""
    points = networks.points(frames)
    here = Points(*(one[:1] for one in points))
    made = list(networks.render(np.ascontiguousarray(frames[0]), here, points))
    pictures = [picture for picture, _ in made]
    _save_strip(out / "png" / f"{name}.png", [_bytes(one) for one in pictures])
    rows = (
        np.hstack([frames[0], frame, _bytes(picture), _grey(occlusion, len(frame))])
        for frame, (picture, occlusion) in zip(frames, made, strict=True)
    )
    _save_clip(out / f"{_bare(name)}.mp4", rows)
    return pictures


def _measured(name: str, frames: Image, pictures: Sequence[Floats]) -> ClipFigures:
    first = np.asarray(frames[0], np.float32) / np.float32(255)
    errors, still = [], []
    for frame, picture in zip(frames, pictures, strict=True):
        real = np.asarray(frame, np.float32) / np.float32(255)
        errors.append(float(np.abs(picture - real).mean(dtype=np.float64)))
        still.append(float(np.abs(first - real).mean(dtype=np.float64)))
    return ClipFigures(name, len(frames), float(np.mean(errors)), float(np.mean(still)))


def _write_figures(figures: Figures, out: Path) -> None:
    compared = figures.compared
    plain = {
        "l1": figures.l1,
        "l1_still": figures.still,
        "frames": sum(one.frames for one in figures.clips),
        "clips": len(figures.clips),
        "faces": None
        if compared is None
        else {k: None if v != v else v for k, v in asdict(compared).items()},
    }
    with _new(out / "figures.json") as part:
        part.write_text(json.dumps(plain, indent=1), encoding="utf-8")
    with _new(out / "figures.csv") as part, open(part, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip", "frames", "l1", "l1_still"])
        writer.writerows([one.name, one.frames, one.l1, one.still] for one in figures.clips)


def _save_strip(path: Path, frames: Sequence[Image]) -> None:
    with _new(path) as part:
        PIL.Image.fromarray(np.hstack(list(frames))).save(part, "PNG", compress_level=1)


def _save_clip(path: Path, frames: Iterator[Image]) -> Path:
    with _new(path) as part, av.open(str(part), "w", format="mp4") as out:
        video: Any = out.add_stream("libx264", rate=RATE, options={"crf": _QUALITY})
        video.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            height, width = (length // 2 * 2 for length in frame.shape[:2])
            if not number:
                video.height, video.width = height, width
            frame = np.ascontiguousarray(frame[:height, :width])  # Odd ones cannot be encoded.
            out.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(video.encode(None))
    return path


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """A file that takes its name when it is whole."""
    part: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
        os.close(handle)
        part = Path(name)
        yield part
        os.replace(part, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _made(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(
        f"{path} cannot be written ({error.strerror or error}); name another folder with --out."
    )


def _clips(count: int) -> str:
    return f"{count} clip" if count == 1 else f"{count} clips"


def _bare(name: str) -> str:
    return name.removesuffix(".mp4")


def _bytes(picture: Floats) -> Image:
    """0..1 as 8 bits, truncated as officially."""
    return np.asarray(255 * picture, np.float32).astype(np.uint8)


def _grey(values: Floats, side: int) -> Image:
    """A small map as a grey picture (side, side, 3)."""
    grey = PIL.Image.fromarray(_bytes(values)).resize((side, side), PIL.Image.Resampling.NEAREST)
    return np.repeat(np.asarray(grey)[:, :, None], 3, 2)


def _mean(weighed: Sequence[tuple[float, int]]) -> float:
    count = sum(weight for _, weight in weighed)
    return sum(value * weight for value, weight in weighed) / max(count, 1)
