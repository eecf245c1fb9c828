"""The command of this backend: `import-fomm`.

Everything but typer is imported when the command runs, since this is loaded at every start.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.fomm.training.data_commands import add_data_commands
from models.fomm.training.train_commands import add_train_command

if TYPE_CHECKING:
    from rich.console import Console

    from models.fomm.manifest import Manifest

_EXAMPLES = (
    "Examples:\n\n"
    "avatarify-like import-fomm vox-adv-cpk.pth.tar\n\n"
    "avatarify-like import-fomm my-weights.pth.tar --config taichi-256 --name taichi"
)


def add_commands(app: typer.Typer, demo_face: Callable[[], Path]) -> None:
    """Add `import-fomm` and the commands of training to the command line.

    Args:
        app: the command line.
        demo_face: tells where the demo photo lies, which 8-bit networks are calibrated with.
    """

    @app.command(epilog=_EXAMPLES)
    def import_fomm(
        checkpoint: Annotated[
            str,
            typer.Argument(
                help="The official file, full or stripped, or the https address of a copy of "
                "vox-adv-cpk.pth.tar."
            ),
        ],
        config: Annotated[
            str | None,
            typer.Option(
                help="The official configuration, such as vox-adv-256. (default: from the name)",
                show_default=False,
            ),
        ] = None,
        name: Annotated[
            str | None,
            typer.Option(
                help="What to call the model. (default: as its configuration)", show_default=False
            ),
        ] = None,
        int8: Annotated[
            bool,
            typer.Option("--int8", help="Also write 8-bit integers, and use them on a CPU."),
        ] = False,
        torch: Annotated[
            bool,
            typer.Option("--torch", help="Also keep the weights for PyTorch on a GPU."),
        ] = False,
    ) -> None:
        """Import weights of the First Order Motion Model, for --backend fomm.

        Needs the extra "torch" (PyTorch and onnx); running with the model needs neither.
        """
        from rich.console import Console

        import_model(checkpoint, config, name, int8, torch, Console(), demo_face)

    add_data_commands(app)
    add_train_command(app)


def import_model(
    checkpoint: str,
    config: str | None,
    name: str | None,
    integers: bool,
    keep_torch: bool,
    console: Console,
    demo_face: Callable[[], Path],
) -> Manifest:
    """Import a checkpoint and say on `console` what was done.

    Args:
        checkpoint: a file, or the address of one.
        config: the official configuration; None to tell it from the name.
        name: what to call the model; None for the configuration's name.
        integers: also write 8-bit networks, calibrated with the demo photo.
        keep_torch: also keep the weights for PyTorch.
        console: where to say it.
        demo_face: tells where the demo photo lies.

    Raises:
        UserError: it cannot be imported.
    """
    from models.errors import UserError
    from models.fomm import official
    from models.fomm.importing import import_checkpoint
    from models.fomm.manifest import models_folder
    from models.torch_files import require_torch

    require_torch()  # Before a long download, and what follows needs onnx.
    from models.frame_integers import square

    def tell(line: str) -> None:
        console.print(line, highlight=False, markup=False, soft_wrap=True)

    if official.is_address(checkpoint):
        path = _fetch(checkpoint, console)
    else:
        path = Path(checkpoint).expanduser()
        if not path.exists():
            raise UserError(
                f"There is no file {checkpoint}; get the official one from {official.WHERE}."
            )
    made = import_checkpoint(
        path,
        config_name=config,
        name=name,
        integers=integers,
        keep_torch=keep_torch,
        face=square(demo_face()) if integers else None,
        tell=tell,
    )
    for precision, loss in made.losses.items():
        tell(f"{precision}: {loss}")
    if official.is_official(made.checkpoint.sha256):
        tell("This is the official file.")
    tell(f"Imported as {made.name} ({made.config}) into {models_folder()}.")
    tell(f"Use it with: avatarify-like run --backend fomm:{made.name}")
    return made


def _fetch(address: str, console: Console) -> Path:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from models.fomm import official

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Downloading", total=None)
        return official.fetch_copy(
            address, progress=lambda have, size: bar.update(task, completed=have, total=size)
        )
