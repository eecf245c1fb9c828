"""The commands around a training set: `prepare-data`.

Everything but typer is imported when a command runs, since this is loaded at every start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_PREPARE_EXAMPLES = (
    "Examples:\n\n"
    "avatarify-like prepare-data me.mp4 --out me\n\n"
    "avatarify-like prepare-data monday.mov tuesday.mov --out me --person me"
)


def add_data_commands(app: typer.Typer) -> None:
    """Add them to the command line."""

    @app.command(epilog=_PREPARE_EXAMPLES)
    def prepare_data(
        clips: Annotated[
            list[Path],
            typer.Argument(help="Videos, GIFs or folders of pictures that show one face."),
        ],
        out: Annotated[Path, typer.Option(help="The folder to make.")],
        size: Annotated[
            int, typer.Option(min=32, max=1024, help="Pixels of a side of the cut squares.")
        ] = 256,
        person: Annotated[
            str | None,
            typer.Option(
                help="Who all clips show. (default: each clip another person)", show_default=False
            ),
        ] = None,
        mp4: Annotated[
            bool, typer.Option("--mp4", help="Write MP4: a tenth of the size, not lossless.")
        ] = False,
        min_frames: Annotated[
            int, typer.Option(min=3, help="Frames of the shortest stretch that is kept.")
        ] = 64,
        max_frames: Annotated[
            int, typer.Option(min=3, help="Longer stretches are divided.")
        ] = 1024,
    ) -> None:
        """Cut a training set out of your own footage: finds the face and what is good of it."""
        from rich.console import Console

        prepare_with_bar(list(clips), out, size, person, mp4, min_frames, max_frames, Console())


def prepare_with_bar(
    clips: list[Path],
    out: Path,
    size: int,
    person: str | None,
    mp4: bool,
    min_frames: int,
    max_frames: int,
    console: object,
) -> None:
    """As the command says.

    Raises:
        UserError: it cannot be done.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from models.errors import UserError
    from models.fomm.training.preparing import Settings, prepare

    assert isinstance(console, Console)
    if max_frames < min_frames:
        raise UserError("--max-frames must not be less than --min-frames.")
    if person is not None and (not person.strip() or set(person) & set("#/\\")):
        raise UserError("--person must be a name without #, / and \\.")
    settings = Settings(size, "mp4" if mp4 else "png", min_frames, max_frames)
    columns = TextColumn("{task.description}", markup=False), TextColumn("{task.completed} frames")
    with Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, object] = {}

        def progress(what: str, done: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=None)
            bar.update(tasks[what], completed=done)  # type: ignore[arg-type]

        report = prepare(clips, out, settings, progress, person)
    for line in [*report.lines(), f"Made {out}; train with: avatarify-like train --data {out}"]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
