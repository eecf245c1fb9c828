"""From what was chosen on the command line to a training set, or to figures of a model."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
)

from models.environment import pip_command
from models.errors import UserError
from models.fomm.config import OWN, SIDE, Config, guess_config

if TYPE_CHECKING:
    from models.fomm.training.dataset import ClipFolder


def prepare_data(
    clips: list[Path],
    out: Path,
    size: int,
    person: str | None,
    mp4: bool,
    min_frames: int,
    max_frames: int,
) -> None:
    """Cut a training set, and say what is in it.

    Args:
        clips: the footage.
        out: the folder to make.
        size: pixels of a side.
        person: who all clips show; None: each another one.
        mp4: write MP4 in place of folders of PNG.
        min_frames: of the shortest stretch.
        max_frames: longer ones are divided.

    Raises:
        UserError: it cannot be done.
    """
    from models.fomm.training.preparing import Settings, prepare

    if max_frames < min_frames:
        raise UserError("--max-frames must not be less than --min-frames.")
    if mp4 and size % 2:
        raise UserError("--size must be even for --mp4.")
    if person is not None and (not person.strip() or set(person) & set("#/\\")):
        raise UserError("--person must be a name without #, / and \\.")
    settings = Settings(size, "mp4" if mp4 else "png", min_frames, max_frames)
    console = Console()
    columns = TextColumn("{task.description}", markup=False), TextColumn("{task.completed} frames")
    with _progress(console, *columns) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done)

        report = prepare(clips, out, settings, progress, person)
    more = "" if size == SIDE else f" --config {OWN.name}" if size == OWN.side else " --config ..."
    how = f"avatarify-like train --data {out}{more}"
    _say(console, *report.lines(), f"Made {out}; train with: {how}")


def reconstruct(
    data: Path,
    checkpoint: Path,
    out: Path,
    config: str | None,
    clips: int,
    landmarks: str,
    device: str | None,
) -> None:
    """Reconstruct the held-out clips, and say the figures.

    Args:
        data: the training set.
        checkpoint: the weights.
        out: the folder for what is made.
        config: their configuration; None: from the checkpoint.
        clips: at most.
        landmarks: what finds faces.
        device: as PyTorch calls it; None: a card where there is one.

    Raises:
        UserError: it cannot be done.
    """
    _require_torch()
    from models.fomm.training.metrics import TOOLS
    from models.fomm.training.reconstructing import load_networks
    from models.fomm.training.reconstructing import reconstruct as rebuild

    if landmarks not in (*TOOLS, "none"):
        raise UserError(f"--landmarks must be one of {', '.join(TOOLS)} and none.")
    shape, side = _configuration(checkpoint, config)
    networks = load_networks(checkpoint, shape, device)
    held_out = _held_out(data, side)
    tool = None if landmarks == "none" else TOOLS[landmarks]()
    console = Console()
    with _bar(console) as progress:
        figures = rebuild(networks, held_out, out, most=clips, tool=tool, progress=progress)
    _say(console, *figures.lines(), f"The clips and all figures are in {out}.")


def animate_pairs(
    data: Path,
    checkpoint: Path,
    out: Path,
    pairs: Path | None,
    count: int,
    config: str | None,
    device: str | None,
) -> None:
    """Animate pairs of held-out clips.

    Args:
        data: the training set.
        checkpoint: the weights.
        out: the folder for what is made.
        pairs: a csv; None: pairs at random.
        count: at most.
        config: their configuration; None: from the checkpoint.
        device: as PyTorch calls it; None: a card where there is one.

    Raises:
        UserError: it cannot be done.
    """
    _require_torch()
    from models.fomm.training.dataset import random_pairs, read_pairs
    from models.fomm.training.reconstructing import animate_pairs as animate
    from models.fomm.training.reconstructing import load_networks

    shape, side = _configuration(checkpoint, config)
    networks = load_networks(checkpoint, shape, device)
    held_out = _held_out(data, side)
    console = Console()
    if pairs is None:
        chosen = random_pairs(held_out.names, held_out.names, count)
    else:
        chosen, absent = read_pairs(pairs, held_out.names, held_out.names, count)
        if absent:
            _say(console, f"Left out the pairs of {len(absent)} absent clips, such as {absent[0]}.")
    with _bar(console) as progress:
        made = animate(networks, held_out, chosen, out, progress)
    _say(console, f"Made {len(made)} clips in {out}.")


def _require_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        raise UserError(
            f"This needs PyTorch, which is not installed here; run `{pip_command('install torch')}`"
            " and try again."
        )


def _configuration(checkpoint: Path, config: str | None) -> tuple[Config, int]:
    """The networks' shape and the side of the frames they were trained on."""
    from models.fomm.training.settings import load_settings

    if config is None:
        beside = sorted(checkpoint.parent.glob("*.yaml"))
        guessed = guess_config(checkpoint.name, False)
        if guessed is None and len(beside) == 1:
            config = str(beside[0])
        elif guessed is not None:
            config = guessed.name
        else:
            raise UserError(
                f"Neither {checkpoint.name} nor its folder tells its configuration; give it with "
                "--config, such as vox-256 or small."
            )
    settings = load_settings(config)
    return settings.networks, settings.side


def _held_out(data: Path, side: int) -> ClipFolder:
    from models.fomm.training.dataset import ClipFolder, DataParams

    return ClipFolder(DataParams.of({"frame_shape": [side, side, 3]}, data), "test")


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """A bar of clips."""
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    with _progress(console, *columns) as bar:
        task = bar.add_task("", total=None)
        yield lambda name, done, total: bar.update(
            task, description=name, completed=done, total=total
        )


def _progress(console: Console, *columns: ProgressColumn) -> Progress:
    # Elsewhere than on a terminal it would leave an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
