"""Making a training set of a person's own footage: `prepare-data`."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeAlias

import av
import numpy as np
import PIL.Image

from models.errors import UserError
from models.face.tracker import FaceTracker, changed
from models.fomm.training.footage import OTHER_PICTURE, Piece, Seen, choose, sharpness
from models.fomm.training.frames import (
    PICTURES,
    frame_files,
    frame_rate,
    read_picture,
    video_frames,
)
from models.types import Image

Kind: TypeAlias = Literal["png", "mp4"]

Progress: TypeAlias = Callable[[str, int], None]
"""Called with what is being done and how many frames are done."""

REPORT = "prepared.json"
"""What is in a training set and where it is from; beside its folders `train` and `test`."""

HELD_OUT = 0.2
"""Share of the pieces, or of the only one's frames, that are for testing."""

MANY = 5
"""Pieces from which whole ones are held out; of fewer, the end of the longest one is."""

_QUALITY = "17"
"""x264's rate factor, of which people say that one sees no loss (18) or a little better."""


@dataclass(frozen=True)
class Settings:
    """What a training set shall be like.

    Attributes:
        side: pixels of a side of its frames.
        kind: folders of PNG, lossless, as the official author recommends; or MP4.
        least: frames of a clip.
        most: frames of a clip.
        seed: of the choice of what is held out.
    """

    side: int = 256
    kind: Kind = "png"
    least: int = 64
    most: int = 1024
    seed: int = 0


@dataclass(frozen=True)
class Made:
    """A clip of the training set.

    Attributes:
        name: of its file or folder, `id#number.mp4`.
        part: "train" or "test".
        source: the footage.
        piece: what of it.
    """

    name: str
    part: str
    source: Path
    piece: Piece


@dataclass(frozen=True)
class Report:
    """What came of the footage.

    Attributes:
        made: the clips.
        frames: of all the footage.
        dropped: why frames were left out, a few words, and how many.
    """

    made: list[Made]
    frames: int
    dropped: Counter[str]

    def lines(self) -> list[str]:
        """The same in sentences."""
        kept = sum(one.piece.frames for one in self.made)
        parts = []
        for part in ("train", "test"):
            own = [one for one in self.made if one.part == part]
            frames = sum(one.piece.frames for one in own)
            parts.append(f"{len(own)} clip{'s'[: len(own) != 1]}, {frames} frames for {part}ing")
        lines = [f"Kept {kept} of {self.frames} frames: {'; '.join(parts)}."]
        lines += [f"Left out {count} frames {why}." for why, count in self.dropped.most_common()]
        return lines


def prepare(
    clips: Sequence[Path],
    folder: Path,
    settings: Settings = Settings(),  # noqa: B008  frozen
    progress: Progress = lambda what, done: None,
    identity: str | None = None,
) -> Report:
    """Make a training set.

    It grows beside `folder` and takes its name when it is whole; what an interrupted run has left
    there is removed by the next one.

    Args:
        clips: videos, GIFs, or folders of pictures in the order of their numbers.
        folder: what to make.
        settings: what it shall be like.
        progress: told about every frame.
        identity: who is seen in all of them; None: each clip shows another person.

    Returns:
        What is in it.

    Raises:
        UserError: a clip cannot be read, none shows a usable face for long enough, or the folder
            cannot be made.
    """
    _check(clips, folder)
    pieces: list[tuple[Path, Piece]] = []
    dropped: Counter[str] = Counter()
    frames = 0
    for clip in clips:
        seen, size = look(clip, progress)
        choice = choose(
            seen, size, _seconds(clip, seen), settings.side, settings.least, settings.most
        )
        pieces += [(clip, piece) for piece in choice.pieces]
        dropped += choice.dropped
        frames += len(seen)
    report = Report(_named(_parted(pieces, settings), identity), frames, dropped)
    if not report.made:
        raise UserError(
            f"Nothing of these clips can be trained on: {_why(dropped)}. Give longer footage of "
            "one face, sharp and close, or a smaller --min-frames."
        )
    with _growing(folder) as part:
        for clip in clips:
            own = [one for one in report.made if one.source == clip]
            _cut(clip, own, part, settings, progress)
        (part / REPORT).write_text(json.dumps(_plain(report, settings), indent=1), "utf-8")
    return report


def look(clip: Path, progress: Progress) -> tuple[list[Seen], tuple[int, int]]:
    """Find the face in every frame of a clip.

    Returns:
        What each frame shows, and the height and width of the first; frames of another size count
        as without a face.

    Raises:
        UserError: the clip cannot be read.
    """
    tracker = FaceTracker()
    rate = float(frame_rate(clip))
    seen: list[Seen] = []
    before: Image | None = None
    size = 0, 0
    for number, image in enumerate(all_frames(clip)):
        if before is None:
            size = image.shape[0], image.shape[1]
        if image.shape[:2] != size:
            seen.append(Seen(None, 0.0, True))
            continue
        face = tracker.track(image, number / rate)
        if face is not None and not np.isfinite(face.landmarks).all():
            face = None
        cut = before is not None and changed(before, image) > OTHER_PICTURE
        seen.append(Seen(face, sharpness(image, face) if face else 0.0, cut))
        before = image
        progress(f"Looking at {clip.name}", number + 1)
    return seen, size


def all_frames(clip: Path) -> Iterator[Image]:
    """The frames of a video, a GIF or a folder of pictures.

    Raises:
        UserError: it cannot be read.
    """
    if clip.is_dir():
        yield from (read_picture(one) for one in frame_files(clip))
    else:
        yield from video_frames(clip)


def _check(clips: Sequence[Path], folder: Path) -> None:
    for clip in clips:
        if not clip.exists():
            raise UserError(f"There is no clip {clip}; check the name.")
        if clip.suffix.lower() in PICTURES:
            raise UserError(f"{clip} is a picture; give a video, a GIF or a folder of pictures.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already; name a new folder with --out or remove it.")


def _seconds(clip: Path, seen: Sequence[Seen]) -> list[float]:
    rate = float(frame_rate(clip))
    return [i / rate for i in range(len(seen))]


def _parted(
    pieces: Sequence[tuple[Path, Piece]], settings: Settings
) -> list[tuple[Path, Piece, str]]:
    """Which pieces are for training and which for testing."""
    if len(pieces) >= MANY:
        order = np.random.default_rng(settings.seed).permutation(len(pieces))
        held = set(order[: max(round(HELD_OUT * len(pieces)), 1)].tolist())
        return [(*one, "test" if i in held else "train") for i, one in enumerate(pieces)]
    parted = [(*one, "train") for one in pieces]
    if parted:
        longest = max(range(len(pieces)), key=lambda i: pieces[i][1].frames)
        clip, piece = pieces[longest]
        end = piece.stop - max(round(HELD_OUT * piece.frames), 1)
        parted[longest : longest + 1] = [
            (clip, Piece(piece.start, end, piece.square), "train"),
            (clip, Piece(end, piece.stop, piece.square), "test"),
        ]
    return parted


def _named(pieces: Sequence[tuple[Path, Piece, str]], identity: str | None) -> list[Made]:
    """The clips with names `id#number.mp4`, an id for each source."""
    ids: dict[Path, str] = {}
    counts: Counter[str] = Counter()
    made = []
    for clip, piece, part in pieces:
        if clip not in ids:
            ids[clip] = identity or _unlike(clip.stem.replace("#", "-"), set(ids.values()))
        counts[ids[clip]] += 1
        name = f"{ids[clip]}#{counts[ids[clip]]:04d}.mp4"
        made.append(Made(name, part, clip, piece))
    return made


def _unlike(name: str, taken: set[str]) -> str:
    number, wanted = 2, name
    while wanted in taken:
        wanted, number = f"{name}-{number}", number + 1
    return wanted


@contextmanager
def _growing(folder: Path) -> Iterator[Path]:
    """A folder that takes its name at the end, or vanishes."""
    part = folder.with_name(f".{folder.name}.part")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        for name in ("train", "test"):
            (part / name).mkdir(parents=True)
        try:
            yield part
            if folder.is_dir():
                folder.rmdir()
            os.replace(part, folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written ({error.strerror or error}); name another folder with "
            "--out, with room for it."
        ) from error


def _cut(
    clip: Path, made: Sequence[Made], folder: Path, settings: Settings, progress: Progress
) -> None:
    """Write the pieces of one clip."""
    waiting = sorted(made, key=lambda one: one.piece.start)
    writer: _Writer | None = None
    for number, image in enumerate(all_frames(clip) if waiting else ()):
        while waiting and number >= waiting[0].piece.stop:
            waiting.pop(0)
        if not waiting:
            break
        piece = waiting[0].piece
        if number < piece.start:
            continue
        if number == piece.start:
            place = folder / waiting[0].part / waiting[0].name
            writer = _Writer(place, settings, frame_rate(clip))
        assert writer is not None
        writer.write(piece.square.of(image, settings.side))
        if number == piece.stop - 1:
            writer.close()
        progress(f"Cutting {clip.name}", number + 1)


class _Writer:
    """Writes the frames of one clip."""

    def __init__(self, place: Path, settings: Settings, rate: Fraction) -> None:
        self._place, self._count = place, 0
        self._video: Any = None
        if settings.kind == "png":
            place.mkdir()
            return
        self._out = av.open(str(place), "w", format="mp4")
        self._video = self._out.add_stream("libx264", rate=rate, options={"crf": _QUALITY})
        self._video.width = self._video.height = settings.side
        self._video.pix_fmt = "yuv420p"

    def write(self, image: Image) -> None:
        if self._video is None:
            PIL.Image.fromarray(image).save(
                self._place / f"{self._count:07d}.png", compress_level=3
            )
        else:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            self._out.mux(self._video.encode(frame))
        self._count += 1

    def close(self) -> None:
        if self._video is not None:
            self._out.mux(self._video.encode(None))
            self._out.close()


def _why(dropped: Counter[str]) -> str:
    return ", ".join(f"{count} frames {why}" for why, count in dropped.most_common()) or "no frames"


def _plain(report: Report, settings: Settings) -> dict[str, Any]:
    clips = [
        {
            "name": one.name,
            "part": one.part,
            "source": one.source.name,
            "first": one.piece.start,
            "frames": one.piece.frames,
            "square": asdict(one.piece.square),
        }
        for one in report.made
    ]
    return {
        "settings": asdict(settings),
        "frames": report.frames,
        "left_out": dict(report.dropped),
        "clips": clips,
    }
