"""A session on a running pipeline of fakes, for the tests of commands and of the panel."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import PIL.Image

from models.face.finder import FaceFinder
from models.types import Face, Image, Photo
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.animation.framing import FramedTracker
from realtime.canvas.compositor import Compositor
from realtime.canvas.output_gate import OutputGate
from realtime.frames import AvatarFrame
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.session.avatar_entry import AvatarBuilder, AvatarEntry, AvatarState
from realtime.session.avatar_library import AvatarLibrary
from realtime.session.session import Command, Parts, Session
from realtime.session.setup import Setup
from scripts.rigs.fakes import FakeAnimator, FakeCamera, FakeSink, FakeTracker, avatar, face

SIZE = (320, 180)


class StillAnimator(FakeAnimator):
    """Shows each photo's own colour, so that avatars can be told apart.

    Attributes:
        notes: what is noted about the photo of a level.
    """

    notes: Mapping[int, tuple[str, ...]] = MappingProxyType({})

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()

    def prepare(self, photo: Any, size: int) -> Any:
        assert self.gate.wait(20)
        level = int(photo.image.mean())
        return replace(avatar(level), notes=self.notes.get(level, ()))

    def render(self, avatar: Any, pose: Any) -> Image:
        return avatar.still.copy()  # type: ignore[no-any-return]


def photo(folder: Path, name: str, level: int) -> Path:
    path = folder / name
    PIL.Image.new("RGB", (256, 256), (level, level, level)).save(path)
    return path


class Finder(FaceFinder):
    """Finds a face in all but dark pictures, without networks."""

    def __init__(self) -> None:
        pass

    def find_faces(self, image: Image) -> list[Face]:
        found = face()
        moved = found.landmarks.copy()
        moved[:, :2] -= (192, 112)
        return [Face(moved, None, 1.0)] if image.mean() > 20 else []


class Rig:
    """A session on a running pipeline of fakes."""

    animates: type[StillAnimator] = StillAnimator

    def __init__(self, folder: Path, settings: Path | None = None) -> None:
        self.animator = self.animates()
        self.folder, self.own = folder, folder / "own"
        builder = AvatarBuilder(self.animator, 64, Finder())
        self.library = AvatarLibrary(builder, folder, self.own)
        image = np.full((256, 256, 3), 60, np.uint8)
        first = self.library.first(
            Photo(image, Finder().find_faces(image)[0], "one"), self.library.entries[0].path
        )
        assert first.ready is not None
        self.tracker = FakeTracker(lambda index: face((index % 50, 0.0)))
        self.view = FramedTracker(self.tracker)
        self.animation = Animation(
            self.animator, self.view, first.ready.avatar, calibration=Calibration(patience=0.1)
        )
        self.composer = Compositor(SIZE)
        self.gate = OutputGate(SIZE, lambda: self.view.seen)
        self.sink = FakeSink(enough_at=3)
        self.recordings: list[FakeSink] = []
        self.lines: list[str] = []
        self.output = Output(lambda: self.sink, retry=True)
        self.pipeline = Pipeline(
            FakeCamera,
            self.animation,
            self.composer,
            [self.output],
            fps=100,
            notify=lambda line: self.session.hear(line),
            last_step=self.gate,
        )
        parts = Parts(
            self.pipeline,
            self.library,
            self.view,
            self.gate,
            self.composer,
            True,
            True,
            new_recording=self.new_recording,
            new_nowhere=lambda: Output(lambda: FakeSink("nowhere"), name="nowhere"),
            setup=self.new_setup(),
        )
        self.session = Session(parts, first, settings, self.lines.append)
        self.thread = threading.Thread(target=self.pipeline.run, daemon=True)

    def new_setup(self) -> Setup | None:
        """What switches cameras, outputs and more; None where a test does not."""
        return None

    def new_recording(self) -> Output:
        sink = FakeSink(f"take {len(self.recordings)}.mp4")
        self.recordings.append(sink)
        return Output(lambda: sink, name=sink.name)

    def start(self) -> None:
        self.session.start()
        self.thread.start()
        assert self.sink.enough.wait(20)

    def close(self) -> None:
        self.pipeline.stop()
        if self.thread.is_alive():
            self.thread.join(20)
        self.session.close()

    def do(self, name: str, value: Any = None) -> dict[str, Any]:
        self.session.do(Command.parse({"do": name, "value": value}))
        return self.session.state()

    def add(self, data: bytes, name: str) -> AvatarEntry:
        """Send a photo; the entry when it is ready or refused."""
        file = self.library.inbox()
        file.write_bytes(data)
        return self.settled(self.library.receive(file, name).id)

    def settled(self, identity: str) -> AvatarEntry:
        """An avatar of the list, as soon as it is ready or refused."""

        def done() -> AvatarEntry | None:
            entry = self.library.find(identity)
            over = (AvatarState.READY, AvatarState.REFUSED)
            return entry if entry is not None and entry.state in over else None

        entry: AvatarEntry = wait(done)
        return entry

    def next_frame(self) -> AvatarFrame:
        """The third frame from now: one may be on its way into the sink, and one wait for it."""
        count = len(self.sink.frames) + 3
        wait(lambda: len(self.sink.frames) >= count)
        return self.sink.frames[count - 1]

    def level(self) -> int:
        """The grey in the middle of what comes of the next picture that the camera takes."""
        start, now = len(self.sink.frames), time.perf_counter()

        def first() -> AvatarFrame | None:
            frames = self.sink.frames[start:]
            return next((one for one in frames if one.captured_at and one.captured_at > now), None)

        frame: AvatarFrame = wait(first)
        return int(frame.image[90, 160].mean())

    def id_of(self, name: str) -> str:
        return next(entry.id for entry in self.library.entries if entry.name == name)


def wait(what: Callable[[], Any]) -> Any:
    until = time.monotonic() + 20
    while not (found := what()):
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.005)
    return found


def three_avatars(folder: Path) -> Rig:
    """A rig with the avatars one, three and two, of grey 60, 180 and 120; not yet started."""
    for name, level in (("one.png", 60), ("three.png", 180), ("two.png", 120)):
        photo(folder, name, level)
    return Rig(folder)
