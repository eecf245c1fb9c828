"""The process in which clips are looked at and made, at low priority beside a live run.

It reads one task a line and tells how each goes, a line each time, all in JSON. When nobody is
left to tell it anything, it ends at once, whatever it is at.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.environment import cores
from models.errors import UserError

Progress = Callable[[str, int, int], None]

_STAGES = {
    "Following the face": "follow",
    "Taking the motion": "motion",
    "Rendering": "render",
}
"""What `realtime.pipeline.offline` says it does, and how that is called here."""

_TELL_EVERY = 0.4
"""Seconds; nobody reads faster figures, and the live run has to pass them on."""

_DRIVER_SIZE = 540
"""Pixels of the longer side of the driving clip beside the result: half of a usual screen."""

_log = logging.getLogger(__name__)


class Studio:
    """Does the tasks. Keeps what was loaded for the next one of its kind."""

    def __init__(self) -> None:
        """Load nothing yet."""
        self._lock = threading.Lock()
        self._finder: Any = None
        self._animators: dict[str, Any] = {}
        self._avatar: tuple[tuple[str, str], Any, Any] | None = None

    def photo(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Find the face of a photo, and make its thumbnail."""
        from realtime.session.thumbnails import portrait

        with self._lock:
            photo = self._load(Path(told["photo"]))
            Path(told["thumbnail"]).write_bytes(portrait(photo))
        return {"turned": photo.turned}

    def look(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Look at a driving clip."""
        from models.face.tracker import FaceTracker
        from realtime.clips.looking import look

        seen = look(Path(told["video"]), Path(told["folder"]), FaceTracker(), progress)
        times = seen.times
        last = float(times[-1] - times[-2]) if len(times) > 1 else 1.0
        return {
            "seconds": float(times[-1]) + last,
            "moments": [round(at, 3) for at in seen.seconds],
            "faces": [face is not None for face in seen.faces],
        }

    def best(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """The best moments of a part of a clip."""
        from realtime.clips.looking import Seen

        seen = Seen.read(Path(told["seen"]))
        with self._lock:
            photo = self._load(Path(told["photo"]))
        found = seen.best(photo.face, *_part(told))
        for one in found:
            file = seen.folder / f"face-{one.sample}.jpg"
            if not file.exists():
                file.write_bytes(seen.portrait(one.sample))
        return {
            "best": [
                {"sample": one.sample, "seconds": one.seconds, "score": one.score} for one in found
            ]
        }

    def preview(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """One picture of the result."""
        from realtime.clips.looking import Seen, preview

        seen = Seen.read(Path(told["seen"]))
        with self._lock:
            photo, avatar = self._prepared(told["backend"], Path(told["photo"]))
            picture = preview(
                self._animator(told["backend"]),
                avatar,
                photo.face,
                seen,
                told["sample"],
                told["reference"],
                _part(told),
                told["badge"],
            )
            Path(told["picture"]).write_bytes(picture)
        return {}

    def make(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Make a clip."""
        from realtime.clips.looking import Seen
        from realtime.clips.making import CopiedClip, Recipe, make
        from realtime.pipeline.threads import limit_threads

        limit_threads(1)
        part, result = _part(told), Path(told["result"])
        reference = told["reference"]
        if reference is not None:
            reference = Seen.read(Path(told["seen"])).frame_in_part(reference, part[0])
        recipe = Recipe(
            photo=Path(told["photo"]),
            driving=Path(told["video"]),
            part=part,
            reference=reference,
            backend=told["backend"],
            badge=told["badge"],
        )
        notes: list[str] = []
        grown, kept = result.with_name(f".part-{result.name}"), result.with_name(".frames")
        try:
            report = make(
                recipe,
                grown,
                progress,
                notes.append,
                lambda clip: CopiedClip(clip, _driver_file(Path(told["driver"]), clip.fps)),
                kept,
            )
            os.replace(grown, result)
            shutil.rmtree(kept, ignore_errors=True)
        finally:
            grown.unlink(missing_ok=True)
        signed = told["sign"] and _sign(result, told["badge"], progress, notes)
        if report.without_face:
            notes.append(f"{report.without_face} frames of the clip show no face.")
        if report.faults:
            notes.append(f"{report.faults} frames could not be drawn ({report.last_fault}).")
        return {"length": _length(result), "signed": signed, "notes": notes}

    def prepare(self, told: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        """Make an avatar ready, so that the first preview comes soon."""
        with self._lock:
            self._prepared(told["backend"], Path(told["photo"]))
        return {}

    def _load(self, path: Path) -> Any:
        from models.face.finder import FaceFinder
        from models.photos import load_photo

        self._finder = self._finder or FaceFinder()
        return load_photo(path, self._finder)

    def _animator(self, backend: str) -> Any:
        from models.backends import create_animator

        if backend not in self._animators:
            self._animators[backend] = create_animator(backend)
        return self._animators[backend]

    def _prepared(self, backend: str, path: Path) -> tuple[Any, Any]:
        """A photo and its avatar."""
        if self._avatar is None or self._avatar[0] != (backend, str(path)):
            animator, photo = self._animator(backend), self._load(path)
            avatar = animator.prepare(photo, animator.best_size())
            self._avatar = (backend, str(path)), photo, avatar
        return self._avatar[1:]


def _part(told: Mapping[str, Any]) -> tuple[float, float]:
    return told["start"], float("inf") if told["end"] is None else told["end"]


def _length(path: Path) -> float:
    """How long a video is, in seconds."""
    import av

    with av.open(str(path)) as container:
        return (container.duration or 0) / 1e6


def _driver_file(path: Path, fps: float) -> Any:
    """What makes the file of the driving clip that players show beside the result."""
    from realtime.clips.making import Shrunk
    from realtime.sinks.recording.video_writer import VideoWriter

    def create(size: tuple[int, int]) -> VideoWriter:
        return VideoWriter(path, size, fps, live=True, mark="the driving clip")

    return Shrunk(create, _DRIVER_SIZE)


def _sign(path: Path, badge: bool, progress: Progress, notes: list[str]) -> bool:
    """Sign the finished clip; where that cannot be, a note says why."""
    from realtime.provenance.signer import prepare
    from realtime.provenance.signing import CLIP, Claim, sign

    progress("sign", 0, 1)
    credentials = prepare(None, None, notes.append)
    if credentials is None:
        return False
    try:
        sign(path, credentials, Claim(CLIP, badge))
    except UserError as error:
        notes.append(str(error))
        return False
    return True


class _Mouth:
    """Tells how the tasks go, from any thread."""

    def __init__(self, file: Any) -> None:
        self._file, self._lock = file, threading.Lock()

    def say(self, message: Mapping[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(message) + "\n")
            self._file.flush()

    def progress(self, task: int) -> Progress:
        told_at, stage_told = 0.0, ""

        def progress(what: str, done: int, total: int) -> None:
            nonlocal told_at, stage_told
            stage, now = _STAGES.get(what, what), time.monotonic()
            if stage != stage_told or now - told_at >= _TELL_EVERY:
                told_at, stage_told = now, stage
                self.say({"task": task, "stage": stage, "done": done, "total": total})

        return progress


def _do(studio: Studio, told: dict[str, Any], mouth: _Mouth) -> None:
    task = told["task"]
    try:
        answer = getattr(studio, told["do"])(told, mouth.progress(task))
    except UserError as error:
        mouth.say({"task": task, "failed": str(error)})
    except OSError as error:
        why = error.strerror or type(error).__name__
        mouth.say({"task": task, "failed": f"The disk refuses it ({why}); make room there."})
    except MemoryError:
        mouth.say({"task": task, "failed": "There is not enough memory; close other programs."})
    except Exception as error:
        _log.debug("a task has failed", exc_info=error)
        trace = traceback.format_exc()
        sentence = f"It failed ({type(error).__name__}: {error}); please report this."
        mouth.say({"task": task, "failed": sentence, "trace": trace})
    else:
        mouth.say({"task": task, "answer": answer})


def _step_back() -> None:
    """Leave the cores to the live run: whatever it wants comes first."""
    if sys.platform == "win32":
        return  # The one who starts this process says so.
    os.nice(19)
    if sys.platform == "linux":
        # Networks and encoders take as many threads as there are cores.
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, own[-max(cores() // 2, 1) :])


def main() -> None:
    """Do tasks until nobody is there who could give one."""
    _step_back()
    # What libraries print must not be taken for an answer.
    mouth = _Mouth(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    studio = Studio()
    for line in sys.stdin:
        told = json.loads(line)
        threading.Thread(target=_do, args=(studio, told, mouth), daemon=True).start()
    os._exit(0)


if __name__ == "__main__":
    main()
