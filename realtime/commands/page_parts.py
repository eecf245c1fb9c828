"""The parts of the page that set a run up: its cameras, where its picture goes, a phone."""

from __future__ import annotations

from realtime.cameras import CAMERA_KINDS
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.viewfinder import Viewfinder
from realtime.commands.setup_camera import for_page
from realtime.panel.backdrop import Backdrop
from realtime.panel.cameras import Cameras, InUse
from realtime.panel.feature import Feature
from realtime.panel.phone import Phone
from realtime.panel.places import Places
from realtime.paths import config_folder
from realtime.pipeline.capture import CameraState
from realtime.pipeline.live import Pipeline
from realtime.session.background_photo import BackgroundPhoto
from realtime.session.camera_choice import BROWSER
from realtime.session.chosen import NOWHERE
from realtime.session.session import Command, Session


def setup_parts(
    session: Session,
    pipeline: Pipeline,
    feed: BrowserFeed,
    backdrop: BackgroundPhoto,
    viewfinder: Viewfinder,
) -> list[Feature]:
    """What the page needs to set a run up.

    Args:
        session: what is chosen in the run.
        pipeline: the run.
        feed: where the pictures of a phone go.
        backdrop: takes the photo behind the person.
        viewfinder: shows cameras before one is chosen; the run lets it go before it opens one.
    """

    def in_use() -> InUse:
        capture, choice = pipeline.capture, session.settings.chosen.camera
        if capture is not None and capture.state is CameraState.OPEN:
            camera = capture.name
        else:
            kind = choice.partition(":")[0]
            camera = "" if choice in (NOWHERE, BROWSER, "auto") or kind in CAMERA_KINDS else choice
        output = next((output.name for output in pipeline.outputs if output.retry), "")
        return InUse(camera, output)

    phone = Phone(
        feed,
        config_folder() / "phone",
        lambda: session.do(Command("camera", BROWSER)),
        lambda: session.settings.chosen.camera == BROWSER,
        session.say,
    )
    return [Cameras(viewfinder, in_use), Places(for_page), phone, Backdrop(backdrop)]
