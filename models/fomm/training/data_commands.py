"""The commands around a training set: `prepare-data`, `reconstruct` and `animate-pairs`.

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


_RECONSTRUCT_EXAMPLES = (
    "Examples:\n\n"
    "avatarify-like reconstruct --data me --checkpoint run/best.pth.tar --out seen\n\n"
    "avatarify-like reconstruct --data me --checkpoint vox-cpk.pth.tar --config vox-256 "
    "--out seen --landmarks face-alignment"
)

_Checkpoint = Annotated[
    Path, typer.Option(help="The weights, as training writes them and the official files are.")
]
_Config = Annotated[
    str | None,
    typer.Option(
        help="The configuration they were trained with. (default: from the name)",
        show_default=False,
    ),
]
_Device = Annotated[
    str | None,
    typer.Option(help="As PyTorch calls it. (default: a card if there is one)", show_default=False),
]


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
        from models.fomm.training.data_jobs import prepare_data as job

        job(list(clips), out, size, person, mp4, min_frames, max_frames)

    @app.command(epilog=_RECONSTRUCT_EXAMPLES)
    def reconstruct(
        data: Annotated[Path, typer.Option(help="The training set; its test part is used.")],
        checkpoint: _Checkpoint,
        out: Annotated[Path, typer.Option(help="The folder for clips and figures.")],
        config: _Config = None,
        clips: Annotated[int, typer.Option(min=1, help="Clips at most.")] = 1000,
        landmarks: Annotated[
            str, typer.Option(help="What finds faces: face-mesh, face-alignment or none.")
        ] = "face-mesh",
        device: _Device = None,
    ) -> None:
        """Measure weights: held-out clips made of their first frame (L1, AKD, MKR, AED).

        Needs PyTorch.
        """
        from models.fomm.training.data_jobs import reconstruct as job

        job(data, checkpoint, out, config, clips, landmarks, device)

    @app.command()
    def animate_pairs(
        data: Annotated[Path, typer.Option(help="The training set; its test part is used.")],
        checkpoint: _Checkpoint,
        out: Annotated[Path, typer.Option(help="The folder for the clips.")],
        pairs: Annotated[
            Path | None,
            typer.Option(
                help="A csv with the columns source and driving. (default: pairs at random)",
                show_default=False,
            ),
        ] = None,
        count: Annotated[int, typer.Option(min=1, help="Pairs at most.")] = 50,
        config: _Config = None,
        device: _Device = None,
    ) -> None:
        """Move the first frames of held-out clips as other clips move.

        Needs PyTorch.
        """
        from models.fomm.training.data_jobs import animate_pairs as job

        job(data, checkpoint, out, pairs, count, config, device)
