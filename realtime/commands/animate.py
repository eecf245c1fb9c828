"""From the user's choices for `animate` to a video file."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from models.animator import MOTION_SUFFIXES
from models.folders import NAME
from realtime.clips.making import Recipe, make
from realtime.commands.job_control import descriptor_of, in_foreground
from realtime.commands.options import AnimateChoices, check_faces
from realtime.paths import beside, check_writable
from realtime.pipeline.kept_frames import kept_count
from realtime.pipeline.offline import ClipReport, Progress
from realtime.pipeline.threads import limit_threads
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import CLIP, Claim


def animate_clip(choices: AnimateChoices, console: Console) -> ClipReport:
    """Animate a photo by a video file, with a progress bar on `console`.

    The result grows beside `choices.output` and takes its name when it is whole. After an
    interruption the same choices go on where it was, if frames take long.

    Args:
        choices: what the user chose.
        console: where progress and results are said.

    Raises:
        UserError: something is missing or cannot be used.
    """

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, markup=False, highlight=False)

    output = choices.output
    check_faces(choices)
    check_writable(
        output, {"driving clip": choices.driving, "background": Path(choices.background)}
    )
    if choices.save_motion is not None:
        check_writable(choices.save_motion, {"driving motion": choices.driving}, MOTION_SUFFIXES[0])
    credentials = prepare(choices.sign_key, choices.sign_cert, say)
    limit_threads()
    part, kept = beside(output, "part"), _kept_beside(output)
    try:
        with _bar(console) as progress:
            report = make(_recipe(choices), part, progress, say, kept=kept)
        os.replace(part, output)
    except BaseException:
        if count := kept_count(kept):
            say(f"{count} frames are kept; the same command goes on from there.")
        raise
    finally:
        part.unlink(missing_ok=True)
    shutil.rmtree(kept, ignore_errors=True)
    say(_summary(output, report))
    with Signer(credentials, Claim(CLIP, choices.badge), say) as signer:
        signer.add(output)
    return report


def _recipe(choices: AnimateChoices) -> Recipe:
    """What the clip is made of."""
    return Recipe(
        photo=choices.photo,
        driving=choices.driving,
        part=choices.part,
        reference=choices.reference,
        turn=choices.turn,
        canvas=choices.canvas,
        backend=choices.backend,
        motion=choices.motion,
        adapt_scale=choices.adapt_scale,
        mirror=choices.mirror,
        badge=choices.badge,
        fit=choices.fit,
        background=choices.background,
        face=choices.face,
        everyone=choices.everyone,
        save_motion=choices.save_motion,
    )


def _kept_beside(output: Path) -> Path:
    """The hidden folder of frames of a clip that is not yet whole; the same for the same name."""
    of_name = hashlib.sha256(os.fsencode(output.name)).hexdigest()[:8]
    return output.with_name(f".{NAME}-{of_name}.frames")


_PACE = 120.0
"""Seconds over which the pace is taken that says how much time is left: some frames, of those that
take longest."""


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    descriptor = descriptor_of(console)
    behind = console.is_terminal and descriptor is not None and not in_foreground(descriptor)
    # In the background the terminal's last line is the shell's.
    with Bar(console=console, disable=behind, speed_estimate_period=_PACE) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=max(done, total))

        yield progress


def _summary(output: Path, report: ClipReport) -> str:
    text = f"{output}: {report.frames} frames, measured against frame {report.reference}"
    if report.cuts:
        text += f" (and anew after {report.cuts} cut{'s' if report.cuts > 1 else ''})"
    if report.turned:
        by = " and ".join(map(str, report.turned))
        text += f", pictures turned by {by} degrees, since the face was not upright"
    if report.without_face:
        text += f", {report.without_face} driving frames without a face"
    if report.faults:
        text += f", {report.faults} frames could not be rendered ({report.last_fault})"
    return text + "."
