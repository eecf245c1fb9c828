"""The card of a run: what was trained on what, and how well it does."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import torch

from models.fomm.manifest import describe
from models.fomm.training.options import Options
from models.fomm.training.perceptual import Judge
from models.fomm.training.run_folder import BEST, LAST, Place
from models.fomm.training.settings import Settings

if TYPE_CHECKING:
    from models.fomm.training.dataset import FramePairs

_NAMES = 20
"""Clips that are named."""


def card(
    settings: Settings,
    options: Options,
    pairs: FramePairs,
    judge: Judge,
    place: Place,
    still: float | None,
) -> str:
    """The text of a card, in Markdown.

    Args:
        settings: what is trained.
        options: how.
        pairs: on what.
        judge: what pictures are compared with.
        place: how far it is.
        still: error of standing still on held-out frames, 0..1; None: nothing was held out.
    """
    names = pairs.clips.names
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    start = "untrained weights"
    if options.start is not None:
        one = describe(options.start)
        start = f"`{one.file}` (SHA-256 {one.sha256})"
    lines = [
        f"# A First Order Motion Model: {settings.name}",
        "",
        "Trained with avatarify-like. It shows the people in its footage: use it only as they",
        "agreed to, and say of what it makes that it is made.",
        "",
        f"- Trained on {len(names)} clip{'s' * (len(names) != 1)} of `{pairs.clips.root}`: "
        f"{', '.join(names[:_NAMES])}{more}",
        f"- Started from {start}; seed {place.seed}",
        f"- {place.epoch} epochs finished, {place.total} steps of {settings.batch} pairs at "
        f"{settings.side} x {settings.side}",
        f"- Frozen: {', '.join(options.freeze) or 'nothing'}",
        f"- Rates: generator {settings.rates.generator:g}, keypoints "
        f"{settings.rates.kp_detector:g}, discriminator {settings.rates.discriminator:g}"
        f"{'' if settings.adversarial else ' (not used)'}",
        f"- Pictures were compared with {judge.name}. {judge.note}".rstrip(),
        f"- PyTorch {torch.__version__} on {options.device}, Python {platform.python_version()}",
    ]
    if place.start is not None and place.best is not None and still is not None:
        gain = 100 * (1 - place.best / place.start) if place.start else 0.0
        when = f"after epoch {place.best_epoch}" if place.best_epoch >= 0 else "at the start"
        lines += [
            "",
            "| on held-out clips, rebuilt from their first frame | mean absolute error, 0 to 1 |",
            "|---|---|",
            f"| standing still | {still:.4f} |",
            f"| at the start | {place.start:.4f} |",
            f"| best, {when} ({gain:.1f} % less than at the start) | {place.best:.4f} |",
        ]
    best = BEST if place.best_epoch >= 0 else LAST
    lines += ["", f"Use it with `avatarify-like import-fomm {best} --config {settings.name}`.", ""]
    return "\n".join(lines)
