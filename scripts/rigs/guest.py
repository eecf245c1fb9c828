"""Real camera devices and what is shown on them, inside the virtual machine.

There /dev/video10 and /dev/video11 are v4l2loopback devices (with and without exclusive_caps) and
/dev/video20 is the kernel's test webcam. Computing is slow there, so pictures are small and the
animator is a stub.
"""

from __future__ import annotations

import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import av
import cv2
import numpy as np

from models.keypoints import Keypoints
from models.types import Avatar, Image
from realtime.animation.animation import Animation
from realtime.animation.calibration import Calibration
from realtime.cameras.chosen import ChosenCamera
from realtime.frames import AvatarFrame
from realtime.pipeline.live import Pipeline
from realtime.pipeline.output import Output
from realtime.sinks.base import Sink, SinkError
from realtime.sinks.registry import SinkChoice
from scripts.rigs.fakes import FakeAnimator, FakeTracker, PlainComposer, avatar, face

SIZE = (320, 240)
"""Width and height of all pictures: small, as computing is slow there."""

FPS = 10.0
"""Of cameras and outputs; slow for the same reason."""

OWN, SHARED, WEBCAM = "/dev/video10", "/dev/video11", "/dev/video20"
"""The devices, see above."""

_VIVID = Path("/sys/bus/platform/drivers/vivid")
"""Where the kernel lets its test webcam be taken away and given back."""

PATCHES = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "red": (230, 25, 25),
    "green": (25, 200, 40),
    "blue": (30, 40, 220),
    "skin": (224, 172, 140),
    "yellow": (235, 225, 40),
}
"""One patch for each in a card, left to right; as RGB."""


def shell(command: str) -> str:
    """What a command printed.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def load_loopback() -> None:
    """Load the two virtual cameras."""
    shell(
        "modprobe v4l2loopback video_nr=10,11 exclusive_caps=1,0 card_label='Avatar A','Avatar B'"
    )


def load_devices() -> None:
    """Load the two virtual cameras and the webcam."""
    load_loopback()
    shell("modprobe vivid n_devs=1 node_types=0x1 input_types=0x0 vid_cap_nr=20")


def card(number: int = 0, size: tuple[int, int] = SIZE) -> Image:
    """A test card: patches of known colours above, the bits of `number` below, high one first.

    Args:
        number: 0..65535.
        size: (width, height) in pixels.
    """
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    for index, colour in enumerate(PATCHES.values()):
        image[: height // 2, index * width // 8 : (index + 1) * width // 8] = colour
    for bit in range(16):
        shade = 255 if number >> (15 - bit) & 1 else 0
        image[height // 2 :, bit * width // 16 : (bit + 1) * width // 16] = shade
    return image


def number_of(image: Image) -> int:
    """The number in a card, also where its size or colours are a little off."""
    height, width = image.shape[:2]
    row = image[height * 3 // 4, [int((bit + 0.5) * width / 16) for bit in range(16)], 1]
    return int("".join("1" if value > 127 else "0" for value in row), 2)


def assert_colours(image: Image, tolerance: float = 5, grey: bool = False) -> None:
    """Every patch of a card has its colour.

    They are looked at away from their edges, where chroma is shared with neighbours.

    Args:
        image: RGB.
        tolerance: how far a channel may be off, of 255.
        grey: only the brightness has to be right, as of a device without colour.

    Raises:
        AssertionError: one has not.
    """
    height, width = image.shape[:2]
    for index, (name, colour) in enumerate(PATCHES.items()):
        x = int((index + 0.5) * width / 8)
        seen = image[height // 4 - 4 : height // 4 + 4, x - 4 : x + 4].reshape(-1, 3).mean(0)
        wanted = np.full(3, np.dot(colour, (0.299, 0.587, 0.114))) if grey else np.array(colour)
        assert np.abs(seen - wanted).max() <= tolerance, f"{name}: {seen} instead of {wanted}"


class Writer:
    """Writes test cards with rising numbers to a sink, from a thread of its own.

    Attributes:
        sink: where they go; closed at the end.
        error: why it writes no longer, or None.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.error: SinkError | None = None
        self._number = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop.set()
        self._thread.join()
        self.sink.close()

    def _run(self) -> None:
        while not self._stop.wait(1 / FPS):
            try:
                self.sink.write(AvatarFrame(card(self._number), None, True))
            except SinkError as error:
                self.error = error
                return
            self._number += 1


@contextmanager
def shown(choice: str) -> Iterator[Writer]:
    """Cards go to the output that `--output` would call so."""
    with Writer(SinkChoice(choice, SIZE, FPS)()) as writer:
        yield writer


@contextmanager
def reader(device: str) -> Iterator[cv2.VideoCapture]:
    """The device, opened as OpenCV does."""
    # As for every program, there is nothing to open before the first frame is written.
    fixed = Path(f"/sys/class/video4linux/{Path(device).name}/format")
    eventually(lambda: bool(fixed.read_text().strip()))
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    assert capture.isOpened(), f"{device} does not open"
    try:
        yield capture
    finally:
        capture.release()


def pictures(capture: cv2.VideoCapture, count: int, skip: int = 0) -> list[Image]:
    """The next pictures, as RGB, after some that are thrown away.

    Raises:
        AssertionError: there is none.
    """
    images = []
    for index in range(count + skip):
        ok, picture = capture.read()
        assert ok, f"no frame {index}"
        if index >= skip:
            images.append(np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8))
    return images


def through_pyav(device: str, count: int) -> list[Image]:
    """The first pictures, read by FFmpeg's library, which starts sooner than its program."""
    images: list[Image] = []
    with av.open(device, format="v4l2") as container:
        for frame in container.decode(video=0):
            images.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            if len(images) == count:
                break
    return images


def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition is met.

    Raises:
        AssertionError: it was not within this time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def unplug() -> None:
    """Take the webcam away."""
    (_VIVID / "unbind").write_text("vivid.0")


def plug_in() -> None:
    """Give the webcam back."""
    (_VIVID / "bind").write_text("vivid.0")


@contextmanager
def plugged_in_at_the_end() -> Iterator[None]:
    """Whatever happens meanwhile, the webcam is there again afterwards."""
    try:
        yield
    finally:
        if not (_VIVID / "vivid.0").exists():
            plug_in()


class CardAnimator(FakeAnimator):
    """Renders test cards with rising numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def render(self, avatar: Avatar, pose: Keypoints) -> Image:
        """The next card."""
        self.number += 1
        return card(self.number)


class Run:
    """The program's loop with everything real but the networks, in a thread of its own.

    Attributes:
        pipeline: the loop.
        error: what ended the loop, or None.
    """

    def __init__(self, camera: str, output: str) -> None:
        self._notes: queue.SimpleQueue[str] = queue.SimpleQueue()
        still = Avatar("fake", card(0), avatar().rest, avatar().focus)
        animation = Animation(
            CardAnimator(),
            FakeTracker(lambda index: face((index % 50, 0.0))),
            still,
            calibration=Calibration(patience=0.1),
        )
        opener = SinkChoice(output, SIZE, FPS, self._notes.put)
        sink = opener()
        self.pipeline = Pipeline(
            ChosenCamera(camera, size=SIZE, fps=FPS),
            animation,
            PlainComposer(),
            [Output(opener, retry=opener.reopens, sink=sink, name=sink.name)],
            fps=FPS,
            notify=self._notes.put,
        )
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.pipeline.run()
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Run:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self.pipeline.stop()
        self._thread.join()
        if failure[0] is None:
            assert self.error is None, self.error

    def told(self) -> list[str]:
        """What the user was told since the last call."""
        lines = []
        with suppress(queue.Empty):
            while True:
                lines.append(self._notes.get_nowait())
        return lines


def rising(numbers: list[int]) -> bool:
    """Whether no number comes after a higher one."""
    return all(one <= other for one, other in zip(numbers, numbers[1:], strict=False))
