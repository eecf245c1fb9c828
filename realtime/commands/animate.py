"""From the user's choices for `animate` to a video file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID

from models.animator import create_animator
from models.errors import UserError
from models.face.finder import FaceFinder
from models.face.tracker import FaceTracker
from realtime.animation.animation import Motion
from realtime.cameras.clip import ClipReader
from realtime.canvas.compositor import Compositor, Fit
from realtime.files import check_writable
from realtime.frames import AvatarFrame
from realtime.pipeline.offline import ClipReport, Progress, animate
from realtime.pipeline.threads import limit_threads
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import CLIP, Claim
from realtime.session.source import AVATAR_SIZE, load_source
from realtime.sinks.base import require_avatar_frame
from realtime.sinks.recording.video_writer import VideoWriter


@dataclass(frozen=True)
class Job:
    """What the user chose for `animate`; `avatarify-like animate --help` describes each."""

    source: Path
    driving: Path
    output: Path
    reference: int | None = None
    size: tuple[int, int] | None = None
    backend: str = "mesh"
    motion: Motion = "relative"
    adapt_scale: bool = True
    mirror: bool = False
    badge: bool = True
    fit: str = "blur"
    face: int | None = None
    sign_key: Path | None = None
    sign_cert: Path | None = None


class _File:
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


def run_job(job: Job, console: Console) -> ClipReport:
    """Animate a photo by a video file, with a progress bar on `console`.

    The result grows beside `job.output` and takes its name when it is whole.

    Raises:
        UserError: something is missing or cannot be used.
    """

    def say(line: str) -> None:
        console.print(line, soft_wrap=True, markup=False, highlight=False)

    check_writable(job.output)
    if job.output.exists() and job.driving.exists() and job.output.samefile(job.driving):
        raise UserError("The output would replace the driving clip; choose another name.")
    credentials = prepare(job.sign_key, job.sign_cert, say)
    limit_threads()
    clip = ClipReader(job.driving)
    photo = load_source(job.source, FaceFinder(), job.face)
    animator = create_animator(job.backend)
    side = AVATAR_SIZE if job.size is None else min(AVATAR_SIZE, job.size[1])
    avatar = animator.prepare(photo, side)
    height, width = avatar.still.shape[:2]
    size = job.size or (width // 2 * 2, height // 2 * 2)
    composer = Compositor(size, Fit(job.fit), job.badge, job.mirror)
    part = job.output.with_name(f".{job.output.stem}.{os.getpid()}.part{job.output.suffix}")
    file = _File(lambda: VideoWriter(part, size, clip.fps, audio_from=job.driving))
    try:
        try:
            with _bar(console) as progress:
                report = animate(
                    animator,
                    avatar,
                    photo.face,
                    clip,
                    FaceTracker(),
                    composer,
                    file,
                    motion=job.motion,
                    adapt_scale=job.adapt_scale,
                    reference=job.reference,
                    progress=progress,
                )
        finally:
            file.close()
        os.replace(part, job.output)
    finally:
        part.unlink(missing_ok=True)
    say(_closing(job, report))
    with Signer(credentials, Claim(CLIP, job.badge), say) as signer:
        signer.add(job.output)
    return report


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    with Bar(console=console) as bar:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what)
            bar.update(tasks[what], completed=done, total=max(done, total))

        yield progress


def _closing(job: Job, report: ClipReport) -> str:
    text = f"{job.output}: {report.frames} frames, measured against frame {report.reference}"
    if report.without_face:
        text += f", {report.without_face} driving frames without a face"
    if report.faults:
        text += f", {report.faults} frames could not be rendered ({report.last_fault})"
    return text + "."
