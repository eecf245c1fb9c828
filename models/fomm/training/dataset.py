"""The training set: folders of clips, their split, and pairs of frames of one clip.

What the official `frames_dataset.py` does, with the faults of its randomness removed: the split
goes over sorted names, and what a pair is depends on the seed, the epoch and its number alone, not
on how many workers or machines draw it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from models.errors import UserError
from models.fomm.training.augmentation import Augmentation
from models.fomm.training.frame_cache import FrameCache
from models.fomm.training.frames import frame_files, is_clip, read_clip, read_picture
from models.types import Floats, Image

Part: TypeAlias = Literal["train", "test"]

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many clips are ready, and how many there are."""

TEST_SHARE = 0.2
"""Of the clips that are held out where no folders say which, as officially."""

LEAST_FRAMES = 2
"""Of a clip for training: with one, nothing ever moves."""

FEW_CLIPS = 5
"""Below, a model tends to learn the clips by heart; from experience with fine-tuning, no law."""

_DRAW = 1
"""Marks the random numbers of pairs among those that share a seed."""


@dataclass(frozen=True)
class DataParams:
    """`dataset_params` of a configuration.

    Attributes:
        root: the folder, `root_dir`.
        shape: height and width of a frame, of `frame_shape`.
        id_sampling: an epoch goes over persons, not over clips; names are `id#rest`.
        pairs_list: a csv of pairs to animate, or None.
        augmentation: `augmentation_params`.
    """

    root: Path
    shape: tuple[int, int]
    id_sampling: bool
    pairs_list: Path | None
    augmentation: Mapping[str, Any]

    @classmethod
    def of(cls, params: Mapping[str, Any], root: Path | None = None) -> DataParams:
        """Read the mapping of a configuration.

        Args:
            params: the keys of the official files.
            root: a folder that goes before `root_dir`.

        Raises:
            UserError: a value cannot be used.
        """
        shape = params.get("frame_shape", (256, 256, 3))
        try:
            height, width = (int(n) for n in tuple(shape)[:2])
        except (TypeError, ValueError) as error:
            raise UserError(
                f"frame_shape is {shape!r}; give height, width and 3, such as [256, 256, 3]."
            ) from error
        place = root if root is not None else params.get("root_dir")
        if not place:
            raise UserError("No folder of clips is given; name one with --data.")
        pairs = params.get("pairs_list")
        return cls(
            Path(place).expanduser(),
            (height, width),
            bool(params.get("id_sampling", False)),
            Path(pairs).expanduser() if pairs and str(pairs) != "None" else None,
            dict(params.get("augmentation_params") or {}),
        )

    @property
    def any_size(self) -> bool:
        """Whether clips may have another size than frames that are trained on: they are cropped."""
        return "crop_param" in self.augmentation


class ClipFolder:
    """The clips of one part of a training set.

    Attributes:
        root: the folder that holds them.
        names: sorted.
        shape: height and width of a frame.
    """

    def __init__(
        self,
        params: DataParams,
        part: Part,
        seed: int = 0,
        cache: FrameCache | None = None,
    ) -> None:
        """Look which clips there are; none is decoded.

        Args:
            params: where and what.
            part: which clips.
            seed: of the split, where the folder has no folder `train`.
            cache: where decoded clips are kept; None: nowhere.

        Raises:
            UserError: there is no clip, or too few to be split.
        """
        self.root, self.names = split(params.root, part, params.id_sampling, seed)
        self.shape = params.shape
        self._cache = cache
        self._places: dict[str, Path] = {}

    def __len__(self) -> int:
        return len(self.names)

    def path(self, name: str) -> Path:
        """Where a clip is."""
        return self.root / name

    def clip(self, name: str) -> Image:
        """All frames of a clip, (T, H, W, 3) uint8; those of a cached one lie on the disk.

        Raises:
            UserError: it cannot be read.
        """
        path = self.path(name)
        if self._cache is None:
            return read_clip(path, self.shape)
        return self._cache.clip(path, self.shape, self._place(self._cache, name))

    def some_frames(self, name: str, draw: Callable[[int], Sequence[int]]) -> list[Image]:
        """Some frames of a clip; of a folder that is not cached, no others are decoded.

        Args:
            name: the clip's.
            draw: given how many frames there are, tells which.

        Raises:
            UserError: it cannot be read.
        """
        path = self.path(name)
        cached = self._cache is not None and self._place(self._cache, name).is_file()
        if path.is_dir() and not cached:
            files = frame_files(path)
            return [read_picture(files[i]) for i in draw(len(files))]
        frames = self.clip(name)
        return [frames[i] for i in draw(len(frames))]

    def prepare(self, any_size: bool = False, progress: Progress | None = None) -> int:
        """Decode every clip once: into the cache, and to see that each can be used.

        On all cores; what the cache has already costs nothing.

        Args:
            any_size: clips need not have the size of `shape`.
            progress: told after each clip.

        Returns:
            How many frames there are.

        Raises:
            UserError: a clip cannot be read, is too short, or has another size.
        """
        if self._cache is not None:
            self._cache.drop_all_but([self._place(self._cache, name) for name in self.names])

        def look(name: str) -> int:
            frames = self.clip(name)
            check(self.path(name), frames, None if any_size else self.shape)
            return len(frames)

        total = 0
        with ThreadPoolExecutor(cpu_count() or 1) as pool:
            waiting = [pool.submit(look, name) for name in self.names]
            try:
                for done, one in enumerate(waiting, 1):
                    total += one.result()
                    if progress is not None:
                        progress(done, len(self.names))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return total

    def warnings(self) -> list[str]:
        """What speaks against training on these clips, a sentence each; decodes them."""
        found = []
        if len(self.names) < FEW_CLIPS:
            found.append(
                f"Few clips ({len(self.names)}): the model will know them by heart; "
                f"better give {FEW_CLIPS} or more."
            )
        still = [name for name in self.names if _is_still(self.clip(name))]
        if still:
            found.append(f"Nothing moves in {', '.join(still[:3])}: nothing can be learnt there.")
        return found

    def _place(self, cache: FrameCache, name: str) -> Path:
        # Asked for once: of a folder, all frames are looked at.
        if name not in self._places:
            self._places[name] = cache.place(self.path(name), self.shape)
        return self._places[name]


class FramePairs(Dataset[dict[str, Any]]):
    """Pairs of frames of one clip each, as the networks are trained on.

    Attributes:
        clips: where they are from.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | DataParams,
        seed: int = 0,
        repeats: int = 1,
        cache: FrameCache | None = None,
        part: Part = "train",
    ) -> None:
        """Look which clips there are.

        Args:
            params: `dataset_params` of a configuration.
            seed: of the split and of all that is drawn.
            repeats: `num_repeats`, how often an epoch visits each clip or person.
            cache: where decoded clips are kept; None: nowhere.
            part: which clips; those for testing are augmented as well.

        Raises:
            UserError: there are no clips.
        """
        self._params = params if isinstance(params, DataParams) else DataParams.of(params)
        self.clips = ClipFolder(self._params, part, seed, cache)
        self._augment = Augmentation(self._params.augmentation)
        self._seed = seed
        self._repeats = max(int(repeats), 1)
        # Shared memory, so that workers that outlive an epoch see the next one.
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._by_id: dict[str, list[str]] = {}
        for name in self.clips.names:
            key = identity(name) if self._params.id_sampling else name
            self._by_id.setdefault(key, []).append(name)
        self._ids = sorted(self._by_id)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch's pairs are drawn from now on; workers see it too."""
        self._epoch[0] = epoch

    def prepare(self, progress: Progress | None = None) -> int:
        """As `ClipFolder.prepare`."""
        return self.clips.prepare(self._params.any_size, progress)

    def __len__(self) -> int:
        return len(self._ids) * self._repeats

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A pair.

        Args:
            index: 0 to the length; those that are a multiple of the clips apart are of one clip.

        Returns:
            `source` and `driving`, (3, H, W) float32 RGB, 0..1, the source being the earlier one
            unless time is flipped; `name`, the clip's.

        Raises:
            UserError: the clip cannot be used.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        random = np.random.default_rng([self._seed, _DRAW, int(self._epoch[0]), index])
        names = self._by_id[self._ids[index % len(self._ids)]]
        name = names[int(random.integers(len(names)))]

        def draw(count: int) -> list[int]:
            return sorted(int(i) for i in random.integers(count, size=2))

        pair = np.stack(self.clips.some_frames(name, draw)) / np.float32(255)
        source, driving = self._augment(pair, random)
        self._check(name, source)
        return {"source": _tensor(source), "driving": _tensor(driving), "name": name}

    def _check(self, name: str, frame: Floats) -> None:
        check(self.clips.path(name), np.broadcast_to(frame, (2, *frame.shape)), self.clips.shape)


class WholeClips(Dataset[dict[str, Any]]):
    """Whole clips, as they are, for reconstruction and animation.

    Attributes:
        clips: where they are from.
    """

    def __init__(
        self,
        params: Mapping[str, Any] | DataParams,
        seed: int = 0,
        cache: FrameCache | None = None,
        part: Part = "test",
    ) -> None:
        """As `FramePairs`.

        Raises:
            UserError: there are no clips.
        """
        wanted = params if isinstance(params, DataParams) else DataParams.of(params)
        self.clips = ClipFolder(wanted, part, seed, cache)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A clip: `video`, (3, T, H, W) float32 RGB, 0..1, and `name`.

        Raises:
            UserError: it cannot be read, or has another size.
        """
        name = self.clips.names[index]
        frames = self.clips.clip(name)
        check(self.clips.path(name), frames, self.clips.shape, least=1)
        video = np.asarray(frames.transpose(3, 0, 1, 2), np.float32) / np.float32(255)
        return {"video": torch.from_numpy(np.ascontiguousarray(video)), "name": name}


def split(root: Path, part: Part, by_identity: bool, seed: int) -> tuple[Path, list[str]]:
    """The clips of a part: those of the folder of its name, or a share of all.

    Args:
        root: the training set's folder.
        part: which.
        by_identity: no person (`id#rest`) is in both parts.
        seed: of the split.

    Returns:
        The folder they are in and their names, sorted.

    Raises:
        UserError: there are none, or too few to be split.
    """
    if (root / "train").is_dir():
        folder = root / part
        return folder, listed(folder)
    names = listed(root)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(identity(name) if by_identity else name, []).append(name)
    if len(groups) < 2:
        what = "the clips of one person" if len(names) > 1 else "one clip"
        raise UserError(
            f"{root} holds only {what}, so none can be held out; add another, or put clips into "
            "its folders train and test."
        )
    keys = sorted(groups)
    order = np.random.default_rng(seed).permutation(len(keys))
    held = {keys[i] for i in order[: max(round(TEST_SHARE * len(keys)), 1)]}
    return root, [name for key in keys for name in groups[key] if (key in held) == (part == "test")]


def listed(folder: Path) -> list[str]:
    """The names of the clips of a folder, sorted.

    Raises:
        UserError: there is none.
    """
    try:
        names = sorted(one.name for one in folder.iterdir() if is_clip(one))
    except OSError as error:
        raise UserError(
            f"There is no folder of clips at {folder} ({error.strerror}); make one with "
            "`avatarify-like prepare-data`."
        ) from error
    if not names:
        raise UserError(
            f"{folder} holds no clips; put MP4 or GIF files or folders of PNG frames into it, or "
            "fill it with `avatarify-like prepare-data`."
        )
    return names


def identity(name: str) -> str:
    """Who a clip shows: what stands before the first "#" of its name."""
    return name.split("#", 1)[0]


def check(
    path: Path, frames: Image, shape: tuple[int, int] | None, least: int = LEAST_FRAMES
) -> None:
    """See that a clip can be used.

    Args:
        path: what to call it.
        frames: (T, H, W, 3).
        shape: the height and width that it must have; None: any.
        least: frames that it must have.

    Raises:
        UserError: it cannot.
    """
    if len(frames) < least:
        raise UserError(
            f"{path} has only {len(frames)} frame; a clip needs at least {least}: remove it or "
            "give more."
        )
    if shape is not None and frames.shape[1:3] != shape:
        raise UserError(
            f"{path} is {frames.shape[2]} x {frames.shape[1]} pixels, but {shape[1]} x {shape[0]} "
            f"are trained on; cut it anew with `avatarify-like prepare-data --size {shape[1]}`."
        )


def read_pairs(
    path: Path, sources: Sequence[str], drivings: Sequence[str], most: int | None = None
) -> tuple[list[tuple[str, str]], list[str]]:
    """The pairs of a list like the official ones, columns `source` and `driving`.

    Args:
        path: a csv.
        sources: names that there are.
        drivings: likewise.
        most: take no more.

    Returns:
        The pairs (source, driving) in the list's order, and the names that are absent, whose pairs
        were left out.

    Raises:
        UserError: it cannot be read, lacks the columns, or names nothing that is there.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = {str(name).strip() for name in reader.fieldnames or ()}
            rows = [
                {str(k).strip(): str(v or "").strip() for k, v in row.items()} for row in reader
            ]
    except (OSError, UnicodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no csv"
        raise UserError(f"The pairs of {path} cannot be read ({reason}); name another file.") from (
            error
        )
    if not {"source", "driving"} <= columns:
        raise UserError(f"{path} lacks the columns source and driving; add them as its first line.")
    here, there = set(sources), set(drivings)
    pairs, absent = [], set()
    for row in rows:
        lacks = {row["source"]} - here | {row["driving"]} - there
        absent |= lacks
        if not lacks:
            pairs.append((row["source"], row["driving"]))
    if not pairs:
        raise UserError(f"No pair of {path} names two clips that are there; check its names.")
    return pairs[:most], sorted(absent)


def random_pairs(
    sources: Sequence[str], drivings: Sequence[str], count: int, seed: int = 0
) -> list[tuple[str, str]]:
    """Pairs where no list is given: random cells of the grid of the first clips, as officially.

    Args:
        sources: names, in order.
        drivings: likewise.
        count: how many, at most.
        seed: the official code's is 0.
    """
    across, along = sources[:count], drivings[:count]
    cells = [(source, driving) for driving in along for source in across]
    order = np.random.default_rng(seed).permutation(len(cells))[:count]
    return [cells[i] for i in order]


def in_order(clips: ClipFolder, most: int | None = None) -> Iterator[tuple[str, Image]]:
    """The clips one after the other, with their frames."""
    for name in clips.names[:most]:
        yield name, clips.clip(name)


def _is_still(frames: Image) -> bool:
    return all(bool((frame == frames[0]).all()) for frame in frames[1:])


def _tensor(frame: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1), np.float32))
