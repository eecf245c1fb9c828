"""The command `train`.

Everything but typer is imported when it runs, since this is loaded at every start.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from models.fomm.training.options import Options
    from models.fomm.training.settings import Settings

FINE_RATE = 2e-5
"""Of learning when a run starts from a checkpoint: a tenth of the official one, so that what the
weights know of other faces is not lost within the first steps."""

FINE_PATIENCE = 5
"""Epochs without gain on held-out frames after which such a run stops."""

_EXAMPLES = (
    "Examples:\n\n"
    "avatarify-like train --data me --config small\n\n"
    "avatarify-like train --data me --from vox-adv-cpk.pth.tar --freeze detector --out mine\n\n"
    "avatarify-like train --out mine"
)

_TOLD = "run.json"
"""What a run was told, beside its weights; with it, `--out` alone goes on."""


def add_train_command(app: typer.Typer) -> None:
    """Add it to the command line."""

    @app.command(epilog=_EXAMPLES)
    def train(
        data: Annotated[
            Path | None,
            typer.Option(
                help="The folder of clips, as prepare-data makes it; a run that is there has it.",
                show_default=False,
            ),
        ] = None,
        config: Annotated[
            str,
            typer.Option(
                help="An official configuration such as vox-256, `small`, or a YAML file with "
                "the official keys."
            ),
        ] = "vox-256",
        start: Annotated[
            Path | None,
            typer.Option(
                "--from",
                help="A checkpoint to start from: official, or one of ours.",
                show_default=False,
            ),
        ] = None,
        out: Annotated[
            Path, typer.Option(help="The run's folder; if it holds a run, that goes on.")
        ] = Path("run"),
        epochs: Annotated[
            int | None,
            typer.Option(min=1, help="(default: the configuration's)", show_default=False),
        ] = None,
        steps: Annotated[
            int, typer.Option(min=0, help="Stop after so many steps; 0: after the epochs.")
        ] = 0,
        batch: Annotated[
            int | None,
            typer.Option(min=1, help="Pairs a step. (default: as configured)", show_default=False),
        ] = None,
        repeats: Annotated[
            int | None,
            typer.Option(
                min=1,
                help="Visits of a clip in an epoch. (default: as configured)",
                show_default=False,
            ),
        ] = None,
        rate: Annotated[
            float | None,
            typer.Option(
                help=f"Of learning. (default: as configured, {FINE_RATE:g} with --from)",
                show_default=False,
            ),
        ] = None,
        freeze: Annotated[
            list[str] | None,
            typer.Option(
                help="What shall not learn: detector, motion or encoder.", show_default=False
            ),
        ] = None,
        patience: Annotated[
            int | None,
            typer.Option(
                min=0,
                help="Stop after so many epochs without gain on held-out clips; 0: never. "
                f"(default: 0, {FINE_PATIENCE} with --from)",
                show_default=False,
            ),
        ] = None,
        device: Annotated[
            str | None,
            typer.Option(help="cpu or cuda. (default: a card if there is one)", show_default=False),
        ] = None,
        seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn.")] = 0,
        workers: Annotated[
            int | None,
            typer.Option(
                min=0,
                help="Processes that load pictures. (default: one a core, 0 on the CPU)",
                show_default=False,
            ),
        ] = None,
        precision: Annotated[
            str | None,
            typer.Option(
                help="fp32 or bf16. (default: bf16 on cards, and on processors made for it)",
                show_default=False,
            ),
        ] = None,
        compile: Annotated[
            bool, typer.Option("--compile", help="Let PyTorch compile the steps; minutes at first.")
        ] = False,
        vgg: Annotated[
            Path | None,
            typer.Option(help="A file of VGG19's weights, torchvision's.", show_default=False),
        ] = None,
        smaller: Annotated[
            bool,
            typer.Option("--smaller", help="Compare pictures with EfficientNet-lite0, not VGG19."),
        ] = False,
    ) -> None:
        """Train the First Order Motion Model on your own clips, or go on with a run.

        Needs the extra "train" (PyTorch). Killed at any moment, the same command goes on.
        """
        told = {
            "data": None if data is None else str(data.expanduser().absolute()),
            "config": config,
            "start": None if start is None else str(start.expanduser().absolute()),
            "epochs": epochs,
            "steps": steps,
            "batch": batch,
            "repeats": repeats,
            "rate": rate,
            "freeze": list(freeze or ()),
            "patience": patience,
            "device": device,
            "seed": seed,
            "workers": workers,
            "precision": precision,
            "compile": compile,
            "vgg": None if vgg is None else str(vgg.expanduser().absolute()),
            "smaller": smaller,
        }
        _train(told, out, typer.echo)


def _train(told: dict[str, Any], out: Path, tell: Callable[[str], None]) -> None:
    import importlib.util

    from models.environment import pip_command
    from models.errors import UserError

    if importlib.util.find_spec("torch") is None:
        raise UserError(
            f"Training needs PyTorch: run `{pip_command('install torch')}` and try again."
        )
    from models.fomm.training.running import train

    path = out / _TOLD
    if told["data"] is None:
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise UserError(
                f"There is no run in {out} to go on with; name a folder of clips with --data."
            ) from None
    settings, options = understood(told, out)
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    try:
        train(settings, options, tell)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    tell(f"Done: see {out / 'card.md'}")


def understood(told: dict[str, Any], out: Path) -> tuple[Settings, Options]:
    """What the command's options mean.

    Args:
        told: by name, as in `run.json`.
        out: the run's folder.

    Raises:
        UserError: something cannot be used.
    """
    import os

    import torch

    from models.errors import UserError
    from models.fomm.training.options import Options
    from models.fomm.training.settings import load_settings

    fine = told["start"] is not None
    rate = told["rate"] if told["rate"] is not None else (FINE_RATE if fine else None)
    named = {"epochs": "num_epochs", "batch": "batch_size", "repeats": "num_repeats"}
    changes: dict[str, Any] = {
        key: told[name] for name, key in named.items() if told[name] is not None
    }
    if rate is not None:
        if not 0 < rate < 1:
            raise UserError(f"A rate of {rate:g} cannot be used; take one such as {FINE_RATE:g}.")
        changes |= {f"lr_{part}": rate for part in ("generator", "kp_detector", "discriminator")}
    device = told["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise UserError(f"There is no device {device!r}; choose cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("PyTorch finds no card here; leave --device away or give --device cpu.")
    half = device == "cuda" or _multiplies_bfloat16()
    precision = told["precision"] or ("bf16" if half else "fp32")
    if precision not in ("fp32", "bf16"):
        raise UserError(f"There is no precision {precision!r}; choose fp32 or bf16.")
    workers = told["workers"]
    if workers is None:
        workers = (os.cpu_count() or 1) if device == "cuda" else 0
    patience = told["patience"]
    options = Options(
        data=Path(told["data"]),
        out=out,
        start=Path(told["start"]) if fine else None,
        device=device,
        seed=told["seed"],
        steps=told["steps"],
        freeze=tuple(told["freeze"]),
        patience=patience if patience is not None else (FINE_PATIENCE if fine else 0),
        workers=workers,
        mixed=precision == "bf16",
        compiled=told["compile"],
        vgg=Path(told["vgg"]) if told["vgg"] else None,
        smaller=told["smaller"],
    )
    return load_settings(told["config"], changes), options


def _multiplies_bfloat16() -> bool:
    """Whether this processor has instructions for it; without them it is slower than float32."""
    import torch

    # Older versions of PyTorch cannot tell.
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(told.get("avx512_bf16") or told.get("amx_bf16"))
