"""From the user's choices for `animate` to a video file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from models.animator import MotionSettings, need_person
from models.backends import create_animator
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from models.photos import turned_line
from realtime.cameras.clip import ClipReader
from realtime.cameras.turned import TurnedClip
from realtime.canvas.background import parse as parse_background
from realtime.canvas.compositor import Compositor
from realtime.closing import Closing
from realtime.commands.job_control import descriptor_of, in_foreground
from realtime.commands.options import AnimateChoices
from realtime.frames import AvatarFrame
from realtime.paths import beside, check_writable
from realtime.pipeline.offline import ClipReport, Progress, animate
from realtime.pipeline.threads import limit_threads
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import CLIP, Claim
from realtime.session.source import load_source
from realtime.sinks.base import require_avatar_frame
from realtime.sinks.recording.video_writer import VideoWriter


class _File(Closing):
    """A video file that takes avatar frames only; it is made when the first one comes."""

    def __init__(self, create: Callable[[], VideoWriter]) -> None:
        self._create = create
        self._writer: VideoWriter | None = None
        self._last = -1.0

    def write(self, frame: AvatarFrame, seconds: float) -> None:
        image = require_avatar_frame(frame).image
        if self._writer is None:
            self._writer = self._create()
        # Odd clips show two frames at one moment; a video file needs rising times.
        self._last = max(seconds, self._last + 1e-3)
        self._writer.write(image, time=self._last)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def animate_clip(choices: AnimateChoices, console: Console) -> ClipReport:
    """Animate a photo by a video file, with a progress bar on `console`.

    The result grows beside `choices.output` and takes its name when it is whole.

    Args:
        choices: what the user chose.
        console: where progress and results are said.

    Raises:
        UserError: something is missing or cannot be used.
    """

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, markup=False, highlight=False)

    output = choices.output
    check_writable(
        output, {"driving clip": choices.driving, "background": Path(choices.background)}
    )
    credentials = prepare(choices.sign_key, choices.sign_cert, say)
    limit_threads()
    part = beside(output, "part")
    try:
        report = _write(choices, part, console, say)
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
    say(_summary(output, report))
    with Signer(credentials, Claim(CLIP, choices.badge), say) as signer:
        signer.add(output)
    return report


def _write(
    choices: AnimateChoices, part: Path, console: Console, say: Callable[[str], None]
) -> ClipReport:
    """Animate the photo into the file `part`."""
    background = parse_background(choices.background)
    clip = ClipReader(choices.driving)
    photo = load_source(choices.photo, FaceFinder(), choices.face)
    if photo.turned:
        say(turned_line(photo.name, photo.turned))
    animator = create_animator(choices.backend)
    if background is not None:
        animator = need_person(animator)
    canvas = choices.canvas
    side = animator.best_size()
    avatar = animator.prepare(photo, side if canvas is None else min(side, canvas[1]))
    for note in avatar.notes:
        console.print(f"{avatar.name}: {note}", soft_wrap=True, markup=False, highlight=False)
    height, width = avatar.still.shape[:2]
    size = canvas or (width // 2 * 2, height // 2 * 2)
    file = _File(lambda: VideoWriter(part, size, clip.fps, audio_from=choices.driving))
    with file, _bar(console) as progress:
        return animate(
            animator,
            avatar,
            photo.face,
            TurnedClip(clip, choices.turn),
            FaceTracker(),
            Compositor(size, choices.fit, choices.badge, choices.mirror, background),
            file,
            settings=MotionSettings(choices.motion, choices.adapt_scale),
            reference=choices.reference,
            progress=progress,
            cut_out=background is not None,
        )


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    descriptor = descriptor_of(console)
    behind = console.is_terminal and descriptor is not None and not in_foreground(descriptor)
    # In the background the terminal's last line is the shell's.
    with Bar(console=console, disable=behind) as bar:
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
