"""From the user's choices for `import-fomm` to an imported model."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from models.errors import UserError
from models.fomm import official
from models.fomm.checkpoint import require_torch
from models.fomm.importing import import_checkpoint
from models.fomm.manifest import Manifest, models_folder
from models.types import Image
from realtime.paths import asset_path


def import_model(
    checkpoint: str,
    config: str | None,
    name: str | None,
    integers: bool,
    keep_torch: bool,
    console: Console,
) -> Manifest:
    """Import a checkpoint and say on `console` what was done.

    Raises:
        UserError: it cannot be imported.
    """
    require_torch()  # Before a long download.

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
        face=_face() if integers else None,
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
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("Downloading", total=None)
        return official.fetch_copy(
            address, progress=lambda have, size: bar.update(task, completed=have, total=size)
        )


def _face() -> Image:
    """The demo face, to calibrate with."""
    import numpy as np
    from PIL import Image as Pictures

    picture = np.asarray(Pictures.open(asset_path("face.jpg")).convert("RGB"))
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 3, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])
