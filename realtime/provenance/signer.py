"""Signs finished recordings in a thread of its own, so that no output waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path

from models.errors import UserError
from realtime.closing import Closing
from realtime.provenance import credentials as keys
from realtime.provenance.credentials import Credentials
from realtime.provenance.signing import RECOVERED, TOOL, Claim, available, check, sign
from realtime.provenance.verify import Verdict, examine

SELF_MADE = (
    "with a certificate made on this computer: it shows later changes but proves no identity"
)
"""What users are told of this computer's own certificate."""


class Signer(Closing):
    """Takes the paths of finished videos and signs them one after the other.

    Used around a run: leaving the block waits until everything handed in is signed. A video that
    cannot be signed is kept, and one sentence says so.

    Attributes:
        credentials: what signs; may be given later, before the first video is handed in.
        done: called with every path that was handed in, once nothing more is written to it,
            signed or not; may be replaced before the first video is handed in.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        claim: Claim,
        notify: Callable[[str], None],
    ) -> None:
        """Prepare; the thread starts with the first video.

        Args:
            credentials: what to sign with; None: leave everything unsigned.
            claim: what the manifests say.
            notify: called with one line for the user.
        """
        self.credentials = credentials
        self.done: Callable[[Path], object] = lambda path: None
        self._claim = claim
        self._notify = notify
        self._waiting: queue.SimpleQueue[tuple[Path, Claim] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, path: Path, claim: Claim | None = None) -> None:
        """Sign this video soon; returns at once, callable from any thread.

        Args:
            path: the finished video.
            claim: what its manifest says; None: what those of the others say.
        """
        if self.credentials is None:
            self.done(path)
            return
        with self._lock:
            self._waiting.put((path, claim or self._claim))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="signer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Wait for what is still to be signed."""
        with self._lock:
            thread = self._thread
            self._waiting.put(None)
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        assert self.credentials is not None
        while (item := self._waiting.get()) is not None:
            path, claim = item
            try:
                sign(path, self.credentials, claim)
            except UserError as error:
                self._notify(str(error))
            else:
                self._notify(_signed(path, self.credentials))
            self.done(path)


def prepare(
    key: Path | None, certificate: Path | None, notify: Callable[[str], None]
) -> Credentials | None:
    """What recordings will be signed with; None where they cannot be, which one line says.

    Args:
        key: the user's own, PEM, if any.
        certificate: likewise.
        notify: called with that line.

    Raises:
        UserError: a key or certificate that the user named cannot be used.
    """
    named = key is not None or certificate is not None
    try:
        if not available():
            raise UserError(
                "Recordings will not be signed: the package c2pa-python is not installed here."
            )
        chosen = keys.choose(key, certificate)
        if named:
            check(chosen)
    except UserError as error:
        if named:
            raise
        notify(str(error))
        return None
    return chosen


def sign_later(path: Path, key: Path | None, certificate: Path | None) -> str:
    """Sign a recording of this program that has no manifest yet.

    Args:
        path: the recording.
        key: the user's own, PEM, if any.
        certificate: likewise.

    Returns:
        A line for the user.

    Raises:
        UserError: it is no such recording, or it cannot be signed.
    """
    if not available():
        raise UserError("Signing needs the package c2pa-python; install it with pip.")
    if examine(path).verdict is not Verdict.NO_MANIFEST:
        raise UserError(f"{path} is signed already; `{TOOL} verify {path}` shows by whom.")
    if not _is_ours(path):
        raise UserError(
            f"{path} was not recorded by this program, so it cannot say how it was made; give a "
            "recording of it."
        )
    credentials = keys.choose(key, certificate)
    sign(path, credentials, Claim(RECOVERED, badge=False))
    return _signed(path, credentials)


def _is_ours(path: Path) -> bool:
    import av

    from realtime.media import open_media
    from realtime.sinks.recording.video_writer import MARK

    try:
        with open_media(path) as container:
            return container.metadata.get("comment") == MARK
    except (av.FFmpegError, OSError, ValueError):
        return False


def _signed(path: Path, credentials: Credentials) -> str:
    how = f" {SELF_MADE}" if credentials.own else ""
    return f"{path} is signed (C2PA){how}."
