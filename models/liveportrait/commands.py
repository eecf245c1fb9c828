"""The commands of this backend: `import-liveportrait` and `download-liveportrait`.

Everything but typer is imported when a command runs, since this is loaded at every start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

_EXAMPLES = (
    "Examples:\n\n"
    "avatarify-like import-liveportrait pretrained_weights\n\n"
    "avatarify-like import-liveportrait pretrained_weights --animals --name cat"
)


@dataclass(frozen=True)
class Extras:
    """What an import writes besides.

    Attributes:
        face: tells where a photo lies, to calibrate 8-bit integers with; None: write none.
        torch: also keep the weights for PyTorch.
        parts: also write the frame's network in its two parts.
    """

    face: Callable[[], Path] | None = None
    torch: bool = False
    parts: bool = False


_NAME = Annotated[
    str | None,
    typer.Option(help="What to call the model. (default: human or animals)", show_default=False),
]


def add_commands(app: typer.Typer, demo_face: Callable[[], Path]) -> None:
    """Add both commands to the command line.

    Args:
        app: the command line.
        demo_face: tells where the demo photo lies, which 8-bit networks are calibrated with.
    """

    @app.command(epilog=_EXAMPLES)
    def import_liveportrait(
        places: Annotated[
            list[str],
            typer.Argument(
                help="The folder with the official files (.pth, or converted to .safetensors), or "
                "the files.",
                metavar="FOLDER_OR_FILES",
            ),
        ],
        animals: Annotated[
            bool, typer.Option("--animals", help="Import the weights of the animals mode.")
        ] = False,
        name: _NAME = None,
        int8: Annotated[
            bool,
            typer.Option("--int8", help="Also write 8-bit integers, and use them on a CPU."),
        ] = False,
        torch: Annotated[
            bool,
            typer.Option("--torch", help="Also keep the weights for PyTorch on a GPU."),
        ] = False,
        parts: Annotated[
            bool,
            typer.Option(
                "--parts",
                help="Also write the frame's network in its two parts, for other programs.",
            ),
        ] = False,
    ) -> None:
        """Import weights of LivePortrait, for --backend liveportrait.

        Needs the extra "torch" (PyTorch and onnx); running with the model needs neither.
        """
        from rich.console import Console

        paths = [Path(place).expanduser() for place in places]
        extras = Extras(demo_face if int8 else None, torch, parts)
        import_model(paths, animals, name, Console(), extras)

    @app.command()
    def download_liveportrait(
        yes: Annotated[
            bool, typer.Option("--yes", help="Agree to the licence without being asked.")
        ] = False,
        name: _NAME = None,
    ) -> None:
        """Download the official weights of LivePortrait (522 MB) and import them.

        Goes on where it broke off. Needs the extra "torch", as import-liveportrait does.
        """
        from rich.console import Console

        download(yes, name, Console(), typer.confirm)


def import_model(
    places: Iterable[Path],
    animals: bool,
    name: str | None,
    console: Console,
    extras: Extras = Extras(),
) -> None:
    """Import the official files and say on `console` what was done.

    Args:
        places: folders with them, or the files.
        animals: they are those of the animals mode.
        name: what to call the model; None: "human" or "animals".
        console: where to say it.
        extras: what to write besides.

    Raises:
        UserError: they cannot be imported.
    """
    from models.liveportrait import official
    from models.liveportrait.importing import import_files
    from models.liveportrait.manifest import STORE
    from models.torch_files import require_torch

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    require_torch()  # What follows needs onnx.
    from models.frame_integers import square

    made = import_files(
        places,
        name=name,
        animals=animals,
        integers=extras.face is not None,
        keep_torch=extras.torch,
        parts=extras.parts,
        face=None if extras.face is None else square(extras.face()),
        tell=tell,
    )
    for precision, loss in made.losses.items():
        tell(f"{precision}: {loss}")
    others = [one.file for one in made.sources if not official.is_official(one.sha256)]
    if not others:
        tell("These are the official files.")
    elif not animals:
        tell(f"Not the official files, by their hashes: {', '.join(others)}.")
    tell(f"Imported as {made.name} into {STORE.folder()}.")
    tell(f"Use it with: avatarify-like run --backend liveportrait:{made.name}")


def download(yes: bool, name: str | None, console: Console, confirm: Callable[[str], bool]) -> None:
    """Fetch the official files once the user has agreed, and import them.

    Args:
        yes: the user has agreed already.
        name: what to call the model.
        console: where to say what is done.
        confirm: asks a question.

    Raises:
        UserError: the user does not agree, the host did not give a file, or it cannot be imported.
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from models.errors import UserError
    from models.liveportrait import official
    from models.torch_files import require_torch

    require_torch()  # Before a long download.
    console.print(official.LICENCE, highlight=False, soft_wrap=True)
    size = official.total_size() / 1e6
    if not yes and not confirm(f"Download {size:.0f} MB and use them on these terms?"):
        raise UserError("Nothing was downloaded; run it again to agree.")
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console) as bar:
        tasks = {}

        def told(file: str, have: int, total: int) -> None:
            if file not in tasks:
                tasks[file] = bar.add_task(file, total=total)
            bar.update(tasks[file], completed=have, total=total)

        paths = official.fetch_all(told)
    import_model(paths, False, name, console)
