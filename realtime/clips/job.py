"""One clip that is to be made, as it is kept on the disk."""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from models.backends import DEFAULT
from models.errors import UserError
from realtime.paths import VIDEO_SUFFIX

_NAME = re.compile(r"[0-9a-f]{16}")
"""What a job, a photo or a clip is called: random, so that no name is used twice."""


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Choices:
    """How a clip is to be made.

    Attributes:
        backend: NAME or NAME:MODEL.
        reference: the moment that motion is measured against, by its number among those that were
            looked at; None: the best one.
        start: the second of the clip to begin at.
        end: the second to end before; None: the clip's end.
        badge: put the mark on it.
        sign: sign it.
    """

    backend: str = DEFAULT
    reference: int | None = None
    start: float = 0.0
    end: float | None = None
    badge: bool = True
    sign: bool = True

    @classmethod
    def parse(cls, told: object) -> Choices:
        """Choices as a page or a file tells them; what is missing is as usual.

        Raises:
            UserError: they are none.
        """
        if not isinstance(told, dict):
            raise UserError("These are no choices for a clip.")
        found: dict[str, Any] = {}
        for one in fields(cls):
            if one.name in told:
                found[one.name] = told[one.name]
        choices = cls(**found)
        if not choices._sound():
            raise UserError("These choices for a clip cannot be used; make them again.")
        return choices

    def _sound(self) -> bool:
        number = (int, float)
        return (
            isinstance(self.backend, str)
            and len(self.backend) <= 200
            and (self.reference is None or (type(self.reference) is int and self.reference >= 0))
            and type(self.start) in number
            and 0 <= self.start < 1e6
            and (self.end is None or (type(self.end) in number and self.start < self.end < 1e6))
            and type(self.badge) is bool
            and type(self.sign) is bool
        )


@dataclass(frozen=True)
class Job:
    """A clip that is to be made, or was.

    Attributes:
        id: its name, and that of its folder.
        photo: the id of its photo.
        video: that of its driving clip.
        title: what to call the result, without an ending.
        choices: how it is made.
        made_at: when it was asked for, in seconds since 1970.
        state: how far it is.
        reason: why it has failed, one sentence.
        notes: what is to be known of the result, a sentence each.
        length: of the result, in seconds; None while there is none.
        signed: it has a manifest.
    """

    id: str
    photo: str
    video: str
    title: str
    choices: Choices
    made_at: float
    state: JobState = JobState.WAITING
    reason: str = ""
    notes: tuple[str, ...] = ()
    length: float | None = None
    signed: bool = False

    @property
    def file_name(self) -> str:
        """What the result is called."""
        return self.title + VIDEO_SUFFIX


def new_id() -> str:
    """A name that nothing has."""
    return secrets.token_hex(8)


def is_id(text: object) -> bool:
    """Whether something could be one; so it is no path."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def plain_name(name: str, otherwise: str) -> str:
    """A file's name as a user gave it, without its ending and what file systems do not take."""
    stem = Path(name.replace("\\", "/")).stem
    return re.sub(r"[^\w \-]+", "_", stem).strip(" _")[:60] or otherwise


def write_job(path: Path, job: Job) -> None:
    """Keep a job; the file is whole at every moment.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, json.dumps(asdict(job)).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a file in place of the one before, at once.

    Raises:
        OSError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def read_job(path: Path) -> Job | None:
    """A job that was kept; None if the file is none. One that was interrupted waits again."""
    try:
        told = json.loads(path.read_text("utf-8"))
        job = Job(**{**told, "choices": Choices.parse(told["choices"])})
        job = replace(job, state=JobState(job.state), notes=tuple(job.notes))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
        return None
    if not all(map(is_id, (job.id, job.photo, job.video))) or Path(job.title).name != job.title:
        return None
    return replace(job, state=JobState.WAITING) if job.state is JobState.RUNNING else job
