"""The parts of the page besides the live picture: setting a run up, avatars, clips and more."""

from __future__ import annotations

from realtime.cameras import CAMERA_KINDS
from realtime.cameras.browser import BrowserFeed
from realtime.cameras.viewfinder import Viewfinder
from realtime.commands.parts import Live
from realtime.commands.posing import PictureSigner, pose_feature
from realtime.commands.setup_camera import for_page
from realtime.panel.avatars import AvatarFeature
from realtime.panel.backdrop import Backdrop
from realtime.panel.cameras import Cameras, InUse
from realtime.panel.clips import ClipsFeature
from realtime.panel.feature import Feature
from realtime.panel.phone import Phone
from realtime.panel.places import Places
from realtime.panel.points import PointsFeature
from realtime.panel.recordings import Recordings
from realtime.paths import clips_folder, config_folder
from realtime.pipeline.capture import CameraState
from realtime.pipeline.live import Pipeline
from realtime.session.background_photo import BackgroundPhoto
from realtime.session.camera_choice import BROWSER
from realtime.session.chosen import NOWHERE
from realtime.session.session import Command, Session


def page_parts(live: Live, sign: PictureSigner) -> list[Feature]:
    """All parts of the page.

    Args:
        live: the run.
        sign: signs the pictures that are posed on it.
    """
    points = PointsFeature(live.session)
    return [
        AvatarFeature(live.session, points),
        points,
        *setup_parts(live.session, live.pipeline, live.feed, live.backdrop, live.viewfinder),
        ClipsFeature(clips_folder(), live.session.photo_file),
        Recordings(live.recorded, live.take_still),
        pose_feature(live.pipeline, live.library, live.session, sign),
    ]


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
