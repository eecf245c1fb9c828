"""What a run consists of, for those who serve and drive it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.cameras.browser import BrowserFeed
from realtime.cameras.viewfinder import Viewfinder
from realtime.panel.preview import Preview
from realtime.pipeline.live import Pipeline
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.background_photo import BackgroundPhoto
from realtime.session.recorded import RecordedList
from realtime.session.session import Session


@dataclass(frozen=True)
class Live:
    """A run that is ready to begin.

    Attributes:
        pipeline: the run.
        session: what is chosen and set in it.
        preview: the pictures of the panel.
        feed: where a page's webcam arrives, when that is the camera.
        backdrop: the photo behind the person.
        viewfinder: what cameras see before one is chosen.
        library: the avatars.
        recorded: what this user has recorded.
        take_still: keeps what goes out now as a picture.
    """

    pipeline: Pipeline
    session: Session
    preview: Preview
    feed: BrowserFeed
    backdrop: BackgroundPhoto
    viewfinder: Viewfinder
    library: AvatarLibrary
    recorded: RecordedList
    take_still: Callable[[], None]
