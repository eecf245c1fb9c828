"""Everything that is switched while a run goes on, and seen in what goes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import UserError
from models.types import Image
from realtime.cameras.base import Camera
from realtime.canvas.background import Background
from realtime.frames import CameraFrame
from realtime.pipeline.output import Output
from realtime.session import remaking
from realtime.session.chosen import Chosen
from realtime.session.settings import load
from realtime.session.setup import Begun, Openers, Setup
from realtime.sinks.base import SinkError
from realtime.sinks.null import NullSink
from scripts.rigs.fakes import FakeCamera, FakeSink, avatar, shows_camera
from tests.session_rig import SIZE, Rig, StillAnimator, photo, wait


class Other(StillAnimator):
    """Another backend; its pictures are lighter by 5."""

    name = "other"

    def prepare(self, photo: Any, size: int) -> Any:
        return avatar(int(photo.image.mean()) + 5)


class Second(FakeCamera):
    """Another camera."""

    name = "second camera"


class SetupRig(Rig):
    """A rig in which everything can be switched."""

    def __init__(self, folder: Path, settings: Path | None = None) -> None:
        self.sinks: list[FakeSink] = []
        self.opened: list[FakeCamera] = []
        self.refuses: set[str] = set()
        self.released = 0
        super().__init__(folder, settings)

    def new_setup(self) -> Setup:
        chosen = Chosen(camera="auto", output="pipewire", size="{}x{}".format(*SIZE), fps=100)
        openers = Openers(self.camera, self.place, lambda: Output(NullSink), self.release)
        begun = Begun(chosen, self.output)
        return Setup(self.pipeline, self.composer, self.library, openers, begun)

    def release(self) -> None:
        self.released += 1

    def camera(self, choice: str) -> Callable[[], Camera] | None:
        if choice == "none":
            return None

        def opened() -> Camera:
            if choice in self.refuses:
                raise UserError(f"The camera {choice} is used by another program; close it there.")
            camera = Second()
            self.opened.append(camera)
            return camera

        return opened

    def place(self, choice: str, size: tuple[int, int], fps: float) -> Output:
        def opened() -> FakeSink:
            if f"{choice} {size[0]}x{size[1]}" in self.refuses or choice in self.refuses:
                raise SinkError(f"The virtual camera {choice} is gone; set it up again.")
            sink = FakeSink(f"{choice} {size[0]}x{size[1]}")
            self.sinks.append(sink)
            return sink

        return Output(opened, retry=True, size=size)

    def everything(self) -> list[Image]:
        """All pictures that went out anywhere."""
        sinks = [self.sink, *self.sinks, *self.recordings]
        return [frame.image for sink in sinks for frame in sink.frames]

    @property
    def setup(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.session.state()["setup"]
        return shown


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SetupRig]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, level in (("one.png", 60), ("two.png", 120)):
        photo(folder, name, level)
    rig = SetupRig(folder, tmp_path / "settings.toml")
    rig.start()
    yield rig
    rig.close()
    assert not any(map(shows_camera, rig.everything())), "no camera pixel ever went out"


def settled(rig: SetupRig) -> None:
    wait(lambda: rig.setup["busy"] is None)


def test_another_camera_takes_over_and_the_picture_goes_on(rig: SetupRig) -> None:
    before = wait(lambda: rig.animation.reference_face)
    count = len(rig.sink.frames)
    rig.do("camera", "demo")
    wait(lambda: rig.setup["camera"]["state"] == "open")
    assert rig.setup["camera"] == {
        "choice": "demo",
        "name": "second camera",
        "state": "open",
        "problem": None,
    }

    def anew() -> bool:
        now = rig.animation.reference_face
        return now is not None and now is not before

    wait(anew)
    assert rig.level() == 60
    assert all(frame.image.shape[:2] == SIZE[::-1] for frame in rig.sink.frames[count:])
    assert all(int(frame.image[90, 160].mean()) == 60 for frame in rig.sink.frames[count:])


def test_without_a_camera_the_still_photo_goes_out(rig: SetupRig) -> None:
    rig.do("camera", "none")
    wait(lambda: rig.setup["camera"]["state"] == "none")
    frame = rig.next_frame()
    assert int(frame.image[90, 160].mean()) == 60 and not frame.live
    assert rig.session.state()["situation"]["code"] == "no_camera"
    rig.do("camera", "demo")
    wait(lambda: rig.setup["camera"]["state"] == "open")
    assert rig.level() == 60


def test_a_camera_that_cannot_be_opened_leaves_the_old_one(rig: SetupRig) -> None:
    rig.do("camera", "demo")
    wait(lambda: rig.setup["camera"]["state"] == "open")
    rig.refuses.add("auto")
    with pytest.raises(UserError, match="another program"):
        rig.do("camera", "auto")
    assert rig.setup["camera"]["choice"] == "demo" and rig.setup["camera"]["state"] == "open"
    assert rig.setup["busy"] is None
    assert rig.level() == 60


def test_a_file_of_this_computer_is_no_camera_for_a_page(rig: SetupRig, tmp_path: Path) -> None:
    for choice in (str(tmp_path / "settings.toml"), "/etc/passwd", "../x.mp4", ""):
        with pytest.raises(UserError):
            rig.do("camera", choice)
    assert rig.setup["camera"]["choice"] == "auto"


def test_the_real_face_is_taken_back_when_the_camera_changes(rig: SetupRig) -> None:
    rig.do("pass_through", True)
    rig.do("confirm", True)
    assert rig.session.state()["pass_through"]
    wait(lambda: any(shows_camera(frame.image) for frame in rig.sink.frames[-3:]))
    rig.do("camera", "demo")
    assert not rig.session.state()["pass_through"]
    rig.next_frame()
    assert not shows_camera(rig.next_frame().image)
    rig.sink.frames.clear()


def test_pictures_are_turned_from_the_next_one_on(rig: SetupRig) -> None:
    seen: list[tuple[int, ...]] = []
    follow = rig.animation.follow

    def noted(frame: CameraFrame, *more: Any) -> Any:
        seen.append(frame.image.shape[:2])
        return follow(frame, *more)

    rig.animation.follow = noted  # type: ignore[method-assign]
    wait(lambda: seen and seen[-1] == (48, 64))
    rig.do("rotate", 90)
    wait(lambda: seen[-1] == (64, 48))
    assert rig.setup["rotate"] == 90
    rig.do("rotate", 0)
    wait(lambda: seen[-1] == (48, 64))
    for wrong in (45, "90", None, True):
        with pytest.raises(UserError):
            rig.do("rotate", wrong)


def test_another_output_is_fed_before_the_old_one_is_closed(rig: SetupRig) -> None:
    rig.do("output", "/dev/video10")
    new = rig.sinks[-1]
    wait(lambda: len(new.frames) > 3)
    wait(lambda: rig.sink.closed)
    assert rig.setup["output"]["name"] == new.name and rig.setup["output"]["state"] == "open"
    rig.do("output", "none")
    wait(lambda: new.closed)
    assert rig.setup["output"]["state"] == "none"
    assert rig.session.state()["situation"]["code"] != "live"
    rig.do("output", "/dev/video10")
    wait(lambda: len(rig.sinks[-1].frames) > 3)
    assert rig.pipeline.outputs[-1].sink is rig.sinks[-1] and len(rig.pipeline.outputs) == 1


def test_an_output_that_cannot_be_opened_leaves_the_old_one(rig: SetupRig) -> None:
    rig.refuses.add("/dev/video10")
    with pytest.raises(UserError, match="set it up again"):
        rig.do("output", "/dev/video10")
    assert rig.setup["output"]["choice"] == "pipewire" and rig.setup["output"]["state"] == "open"
    rig.next_frame()
    with pytest.raises(UserError, match="no virtual camera"):
        rig.do("output", "recorder:/tmp/x.mp4")


def test_the_canvas_gets_another_size_and_rate(rig: SetupRig) -> None:
    rig.do("size", "640x360")
    settled(rig)
    new = rig.sinks[-1]
    wait(lambda: len(new.frames) > 3)
    assert {frame.image.shape[:2] for frame in new.frames} == {(360, 640)}
    assert {frame.image.shape[:2] for frame in rig.sink.frames} == {SIZE[::-1]}
    assert rig.setup["size"] == "640x360" and "640x360" in rig.setup["sizes"]
    rig.do("fps", 25)
    assert rig.setup["fps"] == 25 and rig.pipeline.fps == 25
    for name, wrong in (("size", "1x1"), ("size", "big"), ("fps", 0), ("fps", "30")):
        with pytest.raises(UserError):
            rig.do(name, wrong)


def test_a_size_that_the_output_refuses_is_taken_back(rig: SetupRig) -> None:
    rig.do("output", "/dev/video10")
    rig.refuses.add("/dev/video10 640x360")
    with pytest.raises(UserError, match="set it up again"):
        rig.do("size", "640x360")
    assert rig.setup["size"] == "{}x{}".format(*SIZE) and rig.setup["busy"] is None
    last = rig.sinks[-1]
    wait(lambda: len(last.frames) > 3)
    assert {frame.image.shape[:2] for frame in last.frames} == {SIZE[::-1]}


def test_a_recording_keeps_its_size_and_its_rate(rig: SetupRig) -> None:
    rig.do("record", True)
    wait(lambda: rig.recordings and rig.recordings[0].frames)
    for name, value in (("size", "640x360"), ("fps", 25)):
        with pytest.raises(UserError, match="stop the recording first"):
            rig.do(name, value)
    rig.do("record", False)
    rig.do("size", "640x360")
    settled(rig)
    assert {frame.image.shape[:2] for frame in rig.recordings[0].frames} == {SIZE[::-1]}


def test_the_photo_fills_the_canvas_otherwise(rig: SetupRig) -> None:
    def corner() -> int:
        return int(rig.next_frame().image[2, 2].mean())

    rig.do("fit", "contain")
    wait(lambda: corner() == 0)
    rig.do("fit", "cover")
    wait(lambda: corner() == 60)
    assert rig.setup["fit"] == "cover"
    with pytest.raises(UserError):
        rig.do("fit", "stretch")


def test_a_background_needs_a_backend_that_knows_the_person(rig: SetupRig) -> None:
    with pytest.raises(UserError, match="does not tell the person"):
        rig.do("background", "blur")
    with pytest.raises(UserError, match="choose one first"):
        rig.do("background", "photo")
    assert rig.setup["background"] == "keep" and rig.setup["busy"] is None
    assert not isinstance(rig.composer.canvas.background, Background)


def test_another_backend_is_made_while_the_old_goes_on(
    rig: SetupRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remaking, "create_animator", lambda name: Other())
    count = len(rig.sink.frames)
    rig.do("backend", "other")
    assert rig.setup["busy"] in ("backend", None)
    settled(rig)
    wait(lambda: rig.level() == 65)
    levels = {int(frame.image[90, 160].mean()) for frame in rig.sink.frames[count:]}
    assert levels == {60, 65}, "nothing else went out in between"
    assert rig.setup["backend"]["choice"] == "other"


def test_a_backend_that_fails_leaves_everything_as_it_was(
    rig: SetupRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> Any:
        raise UserError(f"The backend {name} is not imported; import it first.")

    monkeypatch.setattr(remaking, "create_animator", fail)
    rig.do("backend", "other")
    wait(lambda: any("import it first" in line for line in rig.lines))
    settled(rig)
    assert rig.setup["backend"]["choice"] == Chosen().backend
    assert rig.level() == 60


def test_what_is_made_does_not_hold_up_cameras_and_outputs(rig: SetupRig) -> None:
    rig.animator.gate.clear()
    rig.do("face", 1)
    rig.do("face", None)
    rig.do("camera", "demo")
    rig.do("output", "/dev/video10")
    assert rig.setup["busy"] == "face", "neither change of the face is done"
    assert rig.setup["camera"]["choice"] == "demo"
    assert rig.setup["output"]["state"] == "open"
    rig.animator.gate.set()
    settled(rig)
    assert rig.setup["face"] is None, "the last wish counts"


def test_a_change_that_fails_names_the_photo_without_its_folder(rig: SetupRig) -> None:
    rig.do("face", 2)
    wait(lambda: any("there is no face 2" in line for line in rig.lines))
    settled(rig)
    assert rig.setup["face"] is None
    assert not any(str(rig.folder) in line for line in rig.lines)


def test_what_was_chosen_is_there_at_the_next_start(rig: SetupRig, tmp_path: Path) -> None:
    rig.do("camera", "demo")
    rig.do("output", "/dev/video10")
    rig.do("size", "640x360")
    settled(rig)
    rig.do("fps", 25)
    rig.do("rotate", 180)
    rig.do("fit", "cover")
    rig.session.save()
    kept = load(tmp_path / "settings.toml").chosen
    assert (kept.camera, kept.output, kept.size) == ("demo", "/dev/video10", "640x360")
    assert (kept.fps, kept.rotate, kept.fit) == (25, 180, "cover")


def test_an_address_with_a_password_is_never_written(rig: SetupRig, tmp_path: Path) -> None:
    rig.do("camera", "rtsp://me:hunter2@192.0.2.1/live")
    rig.do("rotate", 90)
    rig.session.save()
    assert "hunter2" not in (tmp_path / "settings.toml").read_text()
    assert "hunter2" not in str(rig.session.state())
    assert not re.search("hunter2", "".join(rig.lines))


def test_a_page_that_waits_is_let_go_when_another_camera_is_chosen(rig: SetupRig) -> None:
    rig.do("camera", "demo")
    assert rig.released == 1
    assert np.all([camera.closed for camera in rig.opened[:-1]])
