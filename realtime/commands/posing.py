"""Makes the part of the page that poses photos, for a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.paths import expressions_file
from realtime.pipeline.live import Pipeline
from realtime.provenance.credentials import Credentials
from realtime.provenance.signer import Signer, prepare
from realtime.provenance.signing import POSED, Claim, signed_picture
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.expressions import Expressions
from realtime.session.session import Session
from realtime.session.stills import StillEditor

if TYPE_CHECKING:
    from realtime.panel.pose import Pose


class PictureSigner:
    """Signs pictures as recordings are signed, with what signs those."""

    def __init__(
        self,
        signer: Signer,
        key: Path | None,
        certificate: Path | None,
        notify: Callable[[str], None],
    ) -> None:
        """Nothing is read before the first picture.

        Args:
            signer: of the recordings; its credentials are used where it has some.
            key: the user's own, PEM, if any.
            certificate: likewise.
            notify: called with one line, once, where nothing can be signed.
        """
        self._signer = signer
        self._own = key, certificate
        self._notify = notify
        self._lock = threading.Lock()
        self._tried = False

    def __call__(self, picture: bytes, title: str, badge: bool) -> bytes:
        """The PNG file, signed where it can be.

        Raises:
            UserError: signing failed.
        """
        credentials = self._credentials()
        if credentials is None:
            return picture
        return signed_picture(picture, title, credentials, Claim(POSED, badge))

    def _credentials(self) -> Credentials | None:
        with self._lock:
            if self._signer.credentials is None and not self._tried:
                self._tried = True
                self._signer.credentials = prepare(*self._own, self._notify)
            return self._signer.credentials


def pose_feature(
    pipeline: Pipeline,
    library: AvatarLibrary,
    session: Session,
    sign: Callable[[bytes, str, bool], bytes],
) -> Pose:
    """The feature, on what a run has.

    Args:
        pipeline: the run.
        library: its avatars.
        session: what is set in it.
        sign: gives a PNG file, signed.
    """
    from realtime.panel.pose import Pose

    stills = StillEditor(library)
    return Pose(
        lambda: pipeline.animation,
        stills,
        Expressions(expressions_file()),
        lambda: session.badged,
        sign,
    )
