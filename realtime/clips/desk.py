"""What the next clip is made of: the photo and the driving clip that lie ready, and a look at them.

There is one desk for all pages, and the looking is done by processes of its own.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from models.backends import DEFAULT, backend_names
from models.errors import UserError
from realtime.clips.job import Choices, Job
from realtime.clips.process import Stopped, Worker
from realtime.clips.queue import Queue
from realtime.clips.store import Material, Store
from realtime.closing import Closing
from realtime.session.avatar_library import MAX_UPLOAD

MAX_PHOTO = MAX_UPLOAD
"""Bytes of a photo: as many as one may have that is added to the avatars."""

MAX_VIDEO = 2_000_000_000
"""Bytes of a driving clip: an hour of a phone's 1080p has 4 GB, its usual clip of a minute 0.1."""

_IDLE = 120.0
"""Seconds after which the process that draws previews is ended: it takes 400 MB of memory."""

_STOPPED = "It was ended from outside, perhaps for lack of memory; try again."

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lying:
    """A photo or driving clip on the desk.

    Attributes:
        id: of the material.
        name: what to call it.
        state: "looking", "ready" or "refused".
        reason: why it was refused.
        done: of a clip: how many frames were looked at.
        total: of how many; 0 if unknown.
        seconds: how long a clip is.
        turned: degrees clockwise by which a photo was turned.
    """

    id: str
    name: str
    state: str = "looking"
    reason: str = ""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    turned: int = 0


class Desk(Closing):
    """The desk. All methods may be called by any thread.

    Attributes:
        changed: called, from any thread, after something on it has changed.
    """

    def __init__(self, store: Store, queue: Queue) -> None:
        """Nothing lies on it yet.

        Args:
            store: where materials are kept; those that no job needs are deleted.
            queue: takes the jobs.
        """
        self.changed: Callable[[], None] = lambda: None
        self._store, self._queue = store, queue
        self._lock = threading.RLock()
        self._photo: Lying | None = None
        self._video: Lying | None = None
        self._moments: dict[str, Any] = {}
        self._arriving: set[str] = set()
        self._studio, self._looker = Worker(), Worker()
        self._asked = 0
        self._idle: threading.Timer | None = None
        queue.removed = self.tidy

    def close(self) -> None:
        """End the looking."""
        with self._lock:
            if self._idle is not None:
                self._idle.cancel()
        self._studio.close()
        self._looker.close()

    def state(self) -> dict[str, Any]:
        """What pages show; no path."""
        with self._lock:
            photo, video = self._photo, self._video
        return {
            "photo": None if photo is None else asdict(photo),
            "video": None if video is None else asdict(video),
            "backends": [{"name": name, "label": name} for name in backend_names()],
            "limits": {"photo": MAX_PHOTO, "video": MAX_VIDEO},
        }

    @contextmanager
    def arriving(self, name: str, size: int) -> Iterator[Material]:
        """Room for a file that comes; deleted again where the block does not end well.

        Raises:
            UserError: the disk is full, or nothing can be written.
        """
        material = self._store.new_material(name, size)
        with self._lock:
            self._arriving.add(material.id)
        try:
            yield material
        finally:
            with self._lock:
                self._arriving.discard(material.id)
            self.tidy()

    def copy_photo(self, path: Path) -> None:
        """Lay a photo of the list of avatars on the desk.

        Raises:
            UserError: it is gone, or the disk refuses it.
        """
        self.lay_photo(self._store.copy_photo(path))

    def lay_photo(self, material: Material) -> None:
        """Lay a photo on the desk; it is looked at in the background."""
        with self._lock:
            self._photo = Lying(material.id, material.name)
        self._in_background(self._check_photo, material)

    def lay_video(self, material: Material) -> None:
        """Lay a driving clip on the desk; it is looked at in the background."""
        with self._lock:
            self._video = Lying(material.id, material.name)
            self._moments = {}
        self._looker.stop()
        self._in_background(self._look, material)

    def reuse(self, job: Job) -> None:
        """Lay on the desk what a job was made of.

        Raises:
            UserError: it is gone.
        """
        photo, video = self._store.material(job.photo), self._store.material(job.video)
        if self._photo is None or self._photo.id != photo.id:
            self.lay_photo(photo)
        if self._video is None or self._video.id != video.id:
            self.lay_video(video)

    def clear(self) -> None:
        """Lay everything aside."""
        with self._lock:
            self._photo = self._video = None
            self._moments = {}
        self._looker.stop()
        self.tidy()
        self.changed()

    def tidy(self) -> None:
        """Delete what neither the desk nor a job needs."""
        with self._lock:
            used = {one.id for one in (self._photo, self._video) if one is not None}
            used |= self._arriving
            for job in self._queue.jobs:
                used |= {job.photo, job.video}
            self._store.keep_materials(used)

    def moments(self) -> dict[str, Any]:
        """When the frames are shown that were looked at, and whether each has a face.

        Raises:
            UserError: no clip lies ready.
        """
        with self._lock:
            if not self._moments:
                raise UserError("Choose a clip first.")
            return dict(self._moments)

    def best(self, start: float, end: float | None) -> list[dict[str, Any]]:
        """The best moments of a part of the clip, the best first.

        Raises:
            UserError: photo or clip is missing, or that part shows no face.
        """
        photo, video = self._ready()
        told = {"photo": str(photo.path), "seen": str(video.seen), "start": start, "end": end}
        found: list[dict[str, Any]] = self._ask("best", told)["best"]
        return found

    def preview(self, sample: int, choices: Choices) -> bytes:
        """One picture of the result, a JPEG file.

        Args:
            sample: the moment, by its number among those that were looked at.
            choices: how the clip would be made.

        Raises:
            UserError: photo or clip is missing, or it cannot be drawn.
        """
        photo, video = self._ready()
        picture = video.folder / f"preview-{threading.get_ident()}.jpg"
        told = {
            **asdict(choices),
            "photo": str(photo.path),
            "seen": str(video.seen),
            "sample": sample,
            "picture": str(picture),
        }
        try:
            self._ask("preview", told)
            return picture.read_bytes()
        except OSError as error:
            raise UserError(f"The preview is gone ({error.strerror}); ask for it again.") from error
        finally:
            picture.unlink(missing_ok=True)

    def start(self, choices: Choices) -> Job:
        """Have a clip made of what lies on the desk.

        Raises:
            UserError: photo or clip is missing, or the list is full.
        """
        photo, video = self._ready()
        if choices.reference is not None:
            moments = self.moments()["moments"]
            at = moments[choices.reference] if choices.reference < len(moments) else -1.0
            if not choices.start <= at < (choices.end or math.inf):
                raise UserError(
                    "The moment to measure against is outside of the chosen part; choose another."
                )
        return self._queue.add(photo.id, video.id, f"{photo.name} - {video.name}", choices)

    def _ready(self) -> tuple[Material, Material]:
        with self._lock:
            photo, video = self._photo, self._video
        if photo is None or photo.state != "ready":
            raise UserError("Choose a photo first.")
        if video is None or video.state != "ready":
            raise UserError("Choose a clip first.")
        return self._store.material(photo.id), self._store.material(video.id)

    def _ask(self, name: str, told: Mapping[str, Any]) -> dict[str, Any]:
        """Have the studio do something; it is ended when nobody asks for a while."""
        with self._lock:
            self._asked += 1
            if self._idle is not None:
                self._idle.cancel()
        try:
            return self._studio.do(name, told)
        except Stopped:
            raise UserError(_STOPPED) from None
        except UserError as error:
            raise UserError(self._store.told(str(error))) from None
        finally:
            with self._lock:
                self._asked -= 1
                if not self._asked:
                    self._idle = threading.Timer(_IDLE, self._rest)
                    self._idle.daemon = True
                    self._idle.start()

    def _rest(self) -> None:
        with self._lock:
            if not self._asked:
                self._studio.stop()

    def _in_background(self, work: Callable[[Material], None], material: Material) -> None:
        self.tidy()
        self.changed()
        threading.Thread(target=work, args=(material,), name="desk", daemon=True).start()

    def _check_photo(self, material: Material) -> None:
        told = {"photo": str(material.path), "thumbnail": str(material.thumbnail)}
        try:
            answer = self._ask("photo", told)
        except UserError as error:
            self._update_photo(material, state="refused", reason=str(error))
            return
        self._update_photo(material, state="ready", turned=answer["turned"])
        with suppress(UserError):  # Then the preview says why.
            self._ask("prepare", {"photo": str(material.path), "backend": DEFAULT})

    def _look(self, material: Material) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            self._update_video(material, done=done, total=total)

        try:
            told = {"video": str(material.path), "folder": str(material.seen)}
            answer = self._looker.do("look", told, progress)
        except Stopped:
            self._update_video(material, state="refused", reason=_STOPPED)
            return
        except UserError as error:
            reason = self._store.told(str(error))
            self._update_video(material, state="refused", reason=reason)
            return
        with self._lock:
            if self._video is not None and self._video.id == material.id:
                self._moments = {"moments": answer["moments"], "faces": answer["faces"]}
                self._looker.stop()
        self._update_video(material, state="ready", seconds=answer["seconds"])

    def _update_photo(self, material: Material, **changes: Any) -> None:
        with self._lock:
            if self._photo is None or self._photo.id != material.id:
                return
            self._photo = replace(self._photo, **changes)
        self.changed()

    def _update_video(self, material: Material, **changes: Any) -> None:
        with self._lock:
            if self._video is None or self._video.id != material.id:
                return
            self._video = replace(self._video, **changes)
        self.changed()
